# SPDX-License-Identifier: MIT
"""Containers of runc and crun whose seccomp listener comes to ebpfd. Usage: container_test.py BIN SAMPLES"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from loopback import SKIP, run, two_bytes, wait_until

BIN, OBJECTS = (os.path.abspath(path) for path in sys.argv[1:3])
EBPFCTL = f"{BIN}/ebpfctl"
BUSYBOX = "/usr/bin/busybox" if os.path.exists("/usr/bin/busybox") else "/bin/busybox"
PIN = "policy6"  # busybox listens by IPv6
# A mount namespace with nothing but the second kind of control groups: crun does not take a mixture of both.
OWN_CGROUPS = ("unshare", "-m", "sh", "-c",
               'umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"', "sh")
# Listens at the ports that it reads, for a second at most each.
SCRIPT = 'echo ready; while read port; do nc -l -p "$port" -w 1 2>&1 || true; done'


class Bundle:
    """What a runtime runs: busybox and a configuration."""

    def __init__(self, folder, seccomp):
        self.folder = folder
        os.makedirs(f"{folder}/rootfs/bin")
        shutil.copy(BUSYBOX, f"{folder}/rootfs/bin/busybox")
        for name in ("sh", "nc", "echo"):
            os.symlink("busybox", f"{folder}/rootfs/bin/{name}")
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
                  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}]
        linux = {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]}
        if seccomp is not None:
            linux["seccomp"] = seccomp
        config = {"ociVersion": "1.0.2", "hostname": "test", "root": {"path": "rootfs"}, "mounts": mounts, "linux": linux,
                  "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "cwd": "/", "noNewPrivileges": True,
                              "env": ["PATH=/bin"], "args": ["/bin/sh", "-c", SCRIPT]}}
        with open(f"{folder}/config.json", "w", encoding="ascii") as file:
            json.dump(config, file)


def way_to_run(runtime):
    """The command line that runs a bundle, or a reason why there is none."""
    if os.geteuid() != 0:
        return None, "needs root"
    if shutil.which(runtime) is None:
        return None, f"there is no {runtime}"
    if not os.path.exists(BUSYBOX):
        return None, "there is no busybox"
    with tempfile.TemporaryDirectory() as folder:
        Bundle(folder, None)
        for number, before in enumerate(((), OWN_CGROUPS)):
            tried = run(*before, runtime, "run", "--bundle", folder, f"ebpf-try-{os.getpid()}-{number}", input="")
            if tried.returncode == 0 and tried.stdout == "ready\n":
                return (*before, runtime, "run", "--bundle"), None
        return None, f"{runtime} runs no container here: {tried.stderr.strip()}"


class ContainerTest:
    runtime = ""

    @classmethod
    def setUpClass(cls):
        cls.line, reason = way_to_run(cls.runtime)
        if cls.line is None:
            raise unittest.SkipTest(reason)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.socket = f"{folder.name}/ebpfd.sock"
        self.listener = f"{folder.name}/containers.sock"
        self.start_daemon()
        profile = f"{folder.name}/seccomp.json"
        self.ctl("container", "profile", self.listener, profile)
        with open(profile, encoding="ascii") as file:
            self.profile = json.load(file)
        self.service = subprocess.Popen([EBPFCTL, "--context", f"unix:{self.socket}", "container", "serve",
                                         self.listener, f"bind=pinned:{PIN}"], stderr=subprocess.DEVNULL)
        self.addCleanup(self.stop_service)
        wait_until(lambda: os.path.exists(self.listener), what="the service")

    def start_daemon(self):
        self.daemon = subprocess.Popen([f"{BIN}/ebpfd", "--socket", self.socket], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.kill_daemon, self.daemon)
        self.assertIn("ready", self.daemon.stdout.readline())
        self.ctl("prog", "load", f"{OBJECTS}/bind_policy.o:bind_policy6", PIN)
        self.ctl("map", "update", "name", "ports", "key", "0", "0", "0", "0", "value", *two_bytes(5000).split(),
                 *two_bytes(5999).split())

    @staticmethod
    def kill_daemon(daemon):
        daemon.kill()
        daemon.wait()
        daemon.stdout.close()

    def stop_service(self):
        self.service.terminate()
        self.assertEqual(self.service.wait(timeout=10), 0)
        self.assertFalse(os.path.exists(self.listener))

    def ctl(self, *arguments, status=0):
        done = run(EBPFCTL, "--context", f"unix:{self.socket}", *arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def start(self, name, seccomp):
        folder = f"{self.folder}/{name}"
        Bundle(folder, seccomp)
        container = subprocess.Popen([*self.line, folder, f"ebpf-{name}-{os.getpid()}"], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(self.end, container)
        self.assertEqual(container.stdout.readline(), "ready\n")
        return container

    @staticmethod
    def end(container):
        container.stdin.close()
        try:
            container.wait(timeout=20)
        finally:
            container.kill()
            container.stdout.close()

    @staticmethod
    def listen(container, port):
        """What nc says: it waits in vain, or may not bind."""
        container.stdin.write(f"{port}\n")
        container.stdin.flush()
        return container.stdout.readline().strip()

    def test_allowed_denied_and_taken_up(self):
        denied = "nc: bind: Operation not permitted"
        first = self.start("first", self.profile)
        second = self.start("second", self.profile)
        for container in (first, second):
            self.assertEqual(self.listen(container, 6000), denied)
            self.assertEqual(self.listen(container, 5000), "nc: timed out")
        self.assertEqual(len(json.loads(self.ctl("--json", "link", "show"))), 2)
        self.daemon.kill()
        self.daemon.wait()
        self.assertEqual(self.listen(first, 5000), denied)
        self.start_daemon()
        wait_until(lambda: self.listen(first, 5000) == "nc: timed out", seconds=20, what="the take-up")
        self.assertEqual(self.listen(first, 6000), denied)
        for container in (first, second):
            container.stdin.close()
            self.assertEqual(container.wait(timeout=20), 0)
        wait_until(lambda: json.loads(self.ctl("--json", "link", "show")) == [], what="the links' end")

    def test_without_the_daemon_nothing_is_bound(self):
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(timeout=10)
        container = self.start("alone", self.profile)
        self.assertIn("Function not implemented", self.listen(container, 5000))
        self.assertIsNone(self.service.poll())

    def test_messages_of_others_are_refused(self):
        for text in (b"", b"{", b"[]", b'{"pid": 1, "fds": ["seccompFd"]}', b'{"pid": -1, "fds": []}', b"x" * 100):
            with socket.socket(socket.AF_UNIX) as runtime:
                runtime.connect(self.listener)
                runtime.sendall(text)
        self.assertEqual(self.ctl("link", "show"), "")
        self.assertIsNone(self.service.poll())


class Runc(ContainerTest, unittest.TestCase):
    runtime = "runc"


class Crun(ContainerTest, unittest.TestCase):
    runtime = "crun"


if __name__ == "__main__":
    program = unittest.main(argv=sys.argv[:1], verbosity=2, exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIP if result.testsRun == 0 else 0)

# SPDX-License-Identifier: MIT
"""The privileged part of ./demo leaves nothing behind when it is interrupted. Usage: demo_test.py SOURCE BIN OBJECT"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import lab as lab_module
from lab import run, wait_until


class Interrupted(unittest.TestCase):
    def leftovers(self, run_id):
        """Namespaces, cgroups and processes of the run."""
        found = [name for name in run("ip", "netns", "list").split() if name.startswith(run_id)]
        for folder, names, _ in os.walk("/sys/fs/cgroup"):
            found += [os.path.join(folder, name) for name in names if name == run_id]
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    command = file.read().decode(errors="replace")
            except OSError:
                continue
            if self.work in command:
                found.append(command.replace("\0", " "))
        return found

    def interrupt(self, how, after_output):
        source, binaries, bpf_object = sys.argv[1:4]
        with tempfile.TemporaryDirectory() as self.work:
            open(os.path.join(self.work, "measurements"), "w").close()
            demo = subprocess.Popen([os.path.join(source, "tools/demo/online"), binaries, bpf_object, self.work],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            run_id = f"ebpf-demo-{demo.pid}"
            try:
                while after_output not in (line := demo.stdout.readline()):
                    self.assertNotEqual(line, "", "the demo ended early")
                time.sleep(0.5)
                self.assertNotEqual(self.leftovers(run_id), [])
                how(demo)
                demo.wait(timeout=30)
                self.assertNotEqual(demo.returncode, 0)
                wait_until(lambda: self.leftovers(run_id) == [], 5, "nothing is left")
            finally:
                demo.kill()
                demo.stdin.close()
                demo.stdout.close()

    def test_terminated_while_measuring(self):
        self.interrupt(lambda demo: demo.send_signal(signal.SIGTERM), "measure without")

    def test_caller_gone_while_measuring(self):
        self.interrupt(lambda demo: demo.stdin.close(), "flood 0/s")


if __name__ == "__main__":
    lab_module.skip_unless_possible()
    for program in ("dnsmasq", "dnsperf"):
        if subprocess.run(["which", program], capture_output=True).returncode != 0:
            print(f"skipped: {program} is not installed")
            sys.exit(lab_module.SKIP)
    unittest.main(argv=sys.argv[:1], verbosity=2)

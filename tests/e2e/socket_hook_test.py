# SPDX-License-Identifier: MIT
"""`ebpfctl run`: unmodified programs under bind and connect programs, on loopback, in a network namespace of its own.

Usage: socket_hook_test.py EBPFCTL PROBE SAMPLES TEST_OBJECTS
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from loopback import enter_network, run, two_bytes

NOBODY = 65534
EBPFCTL, PROBE, OBJECTS, TEST_OBJECTS = (os.path.abspath(path) for path in sys.argv[1:5])
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable

BIND = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family)
try:
    s.bind((sys.argv[1], int(sys.argv[2])))
    print("bound", s.getsockname()[1])
except OSError as error:
    print(error.strerror)
"""


def hooked(*command, ports=(5000, 5999), redirects=None, before=(), check=True):
    """The command line that runs `command` under the samples."""
    line = [*before, EBPFCTL, "run", "--attach", f"bind={OBJECTS}/bind_policy.o"]
    line += ["--map-update", f"ports key 0 0 0 0 value {two_bytes(ports[0])} {two_bytes(ports[1])}"]
    if redirects is not None:
        line[2 + len(before):2 + len(before)] = ["--attach", f"bind={OBJECTS}/redirect.o", "--attach",
                                                 f"connect={OBJECTS}/redirect.o"]
        for port, other in redirects.items():
            line += ["--map-update", f"other_ports key {two_bytes(port)} value {two_bytes(other)}"]
    return [*line, "--", *command]


def run_hooked(*command, **options):
    return run(*hooked(*command, **options))


def output_of(*command, **options):
    return run_hooked(*command, **options).stdout.strip()


def wait_for_port(port, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def started(*line):
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


class Bind(unittest.TestCase):
    def test_allowed_and_denied(self):
        for address in ("127.0.0.1", "::1"):
            self.assertEqual(output_of(PYTHON, "-c", BIND, address, "5000"), "bound 5000")
            self.assertEqual(output_of(PYTHON, "-c", BIND, address, "6000"), "Operation not permitted")
        self.assertRegex(output_of(PYTHON, "-c", BIND, "127.0.0.1", "0"), "^bound [0-9]+$")

    def test_errors_of_the_kernel_come_through(self):
        self.assertEqual(output_of(PYTHON, "-c", BIND, "203.0.113.1", "5000"), "Cannot assign requested address")
        with socket.create_server(("127.0.0.1", 5001)):
            self.assertEqual(output_of(PYTHON, "-c", BIND, "127.0.0.1", "5001"), "Address already in use")

    def test_redirected(self):
        self.assertEqual(output_of(PYTHON, "-c", BIND, "127.0.0.1", "80", redirects={80: 5080}), "bound 5080")
        self.assertEqual(output_of(PYTHON, "-c", BIND, "::1", "80", redirects={80: 5081}), "bound 5081")
        # The policy runs behind the redirection and sees where it leads.
        self.assertEqual(output_of(PYTHON, "-c", BIND, "127.0.0.1", "5000", redirects={5000: 80}),
                         "Operation not permitted")

    def test_http_server(self):
        with started(*hooked(PYTHON, "-m", "http.server", "5010", "--bind", "127.0.0.1")):
            with wait_for_port(5010) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                self.assertTrue(connection.recv(100).startswith(b"HTTP/1.0 200"))
        denied = run_hooked(PYTHON, "-m", "http.server", "6010", "--bind", "127.0.0.1")
        self.assertEqual(denied.returncode, 1)
        self.assertIn("Operation not permitted", denied.stderr)

    @unittest.skipUnless(shutil.which("nc"), "there is no nc")
    def test_nc(self):
        self.assertNotEqual(run_hooked("nc", "-l", "127.0.0.1", "6011").returncode, 0)
        with started(*hooked("nc", "-l", "127.0.0.1", "5011")) as server:
            wait_for_port(5011).close()
            self.assertEqual(server.wait(timeout=10), 0)

    @unittest.skipUnless(shutil.which("curl"), "there is no curl")
    def test_curl(self):
        with socket.create_server(("127.0.0.1", 8081)) as server:
            redirected = subprocess.Popen(hooked("curl", "-sS", "http://127.0.0.1:8080/", redirects={8080: 8081}),
                                          stdout=subprocess.PIPE, text=True)
            server.settimeout(10)
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nredirected")
            self.assertEqual(redirected.communicate(timeout=10)[0], "redirected")

    @unittest.skipUnless(shutil.which("rclone"), "there is no rclone")
    def test_go_program(self):
        """Go's runtime makes its own system calls, from many threads."""
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/served.txt", "w") as file:
                file.write("by Go")
            rclone = ("rclone", "--config", "/dev/null")
            server = (*rclone, "serve", "http", folder, "--addr")
            denied = run_hooked(*server, "127.0.0.1:6012")
            self.assertNotEqual(denied.returncode, 0)
            self.assertIn("operation not permitted", denied.stderr)
            with started(*hooked(*server, "127.0.0.1:5012")):
                wait_for_port(5012).close()
                client = (*rclone, "cat", ":http:served.txt", "--http-url", "http://127.0.0.1:8012/")
                self.assertEqual(output_of(*client, redirects={8012: 5012}), "by Go")

    def test_static_program(self):
        done = run_hooked(f"{PROBE}_static", "odd")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, "^odd bound=[0-9]+$")
        doors = run_hooked(f"{PROBE}_static", "doors", "6000")
        self.assertIn("bind EPERM", doors.stdout)

    def test_children_and_threads(self):
        code = """
import os, socket, threading
def attempt(name, port):
    try:
        socket.socket().bind(("127.0.0.1", port))
        print(name, "bound")
    except OSError as error:
        print(name, error.errno)
thread = threading.Thread(target=attempt, args=("thread", 6000)); thread.start(); thread.join()
if os.fork() == 0:
    attempt("child", 6000)
    if os.fork() == 0:
        attempt("grandchild", 5000)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
os.execlp("sh", "sh", "-c", "exec %s -c 'import socket; socket.socket().bind((\\"127.0.0.1\\", 6000))' 2>&1 | tail -1")
""" % PYTHON
        text = output_of(PYTHON, "-u", "-c", code)
        self.assertEqual(text.splitlines()[:3], ["thread 1", "child 1", "grandchild bound"])
        self.assertIn("PermissionError", text)


    def test_programs_are_told_who_calls(self):
        code = """
import ctypes, os, socket, threading
def attempt():
    s = socket.socket()
    s.bind(("127.0.0.1", 0)); s.close()
    s = socket.socket()
    wanted = 20000 + (os.getpid() + threading.get_native_id() + os.getuid()) % 1000
    try: s.bind(("127.0.0.1", wanted)); print("bound")
    except OSError as error: print(error.errno)
attempt()
thread = threading.Thread(target=attempt); thread.start(); thread.join()
"""
        line = [EBPFCTL, "run", "--attach", f"bind={TEST_OBJECTS}/caller.o", "--", PYTHON, "-c", code]
        self.assertEqual(run(*line).stdout.split(), ["bound", "bound"])


class BindPrograms(unittest.TestCase):
    """Programs of eBPF for Windows' type `bind`: tests/objects/binds.c lets three ports be held at a time."""

    PRELUDE = """
import errno, os, signal, socket, sys, time
def bind(address=("127.0.0.1", 0), kind=socket.SOCK_STREAM, protocol=0):
    s = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, kind, protocol)
    s.bind(address)
    return s
def is_refused():
    try:
        bind().close()
        return False
    except PermissionError:
        return True
def bind_when_free():
    for _ in range(500):
        try: return bind()
        except PermissionError: time.sleep(0.01)
    raise TimeoutError
def fill(held):
    while len(held) < 3: held.append(bind())
    assert is_refused()
    return held
"""

    def under_binds(self, code, *arguments, program="binds.o", before=()):
        done = run(*before, EBPFCTL, "run", "--attach", f"bind={TEST_OBJECTS}/{program}", "--", PYTHON, "-c",
                   self.PRELUDE + code, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_limit_and_unbind_at_the_last_close(self):
        self.under_binds("""
held = fill([])
copy = os.dup(held[0].fileno())
held.pop(0).close()
time.sleep(0.2)
assert is_refused()
os.close(copy)
bind_when_free()
""")

    def test_unbind_of_killed_and_of_inheriting_processes(self):
        self.under_binds("""
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    held = fill([])
    grandchild = os.fork()
    if grandchild == 0:
        os.read(go[0], 1)
        os._exit(0)
    os.write(ready[1], b"x")
    time.sleep(60)
os.read(ready[0], 1)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
time.sleep(0.2)
assert is_refused()
os.write(go[1], b"x")
bind_when_free()
""")

    def test_sockets_that_the_kernel_does_not_announce(self):
        self.under_binds("""
held = fill([bind(kind=socket.SOCK_DGRAM, protocol=136), bind(("::1", 0))])
for s in held: s.close()
held = [bind_when_free() for _ in range(3)]
assert is_refused()
""")

    def test_binds_that_the_kernel_refuses_end_at_once(self):
        self.under_binds("""
server = bind()
for _ in range(20):
    for address, wanted in ((server.getsockname(), errno.EADDRINUSE), (("203.0.113.1", 0), errno.EADDRNOTAVAIL)):
        try: bind(address)
        except OSError as error: assert error.errno == wanted, error
    try: server.bind(("127.0.0.1", 0))
    except OSError as error: assert error.errno == errno.EINVAL, error
assert len(fill([server])) == 3
""")

    def test_redirects_with_that_verdict_only(self):
        done = self.under_binds("""
for address in (("127.0.0.1", 80), ("::1", 80)): print(bind(address).getsockname()[1])
try: print(bind(("127.0.0.1", 81)).getsockname()[1])
except PermissionError: print("its own port")  # of an ordinary user
""")
        self.assertIn(done.split("\n"), (["5080", "5080", "81"], ["5080", "5080", "its own port"]))

    def test_knows_the_application(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, wanted in (("probe", 0), ("probe-x", 1)):
                path = shutil.copy(shutil.which("nc"), os.path.join(folder, name))
                done = run("timeout", "0.5", EBPFCTL, "run", "--attach", f"bind={TEST_OBJECTS}/binds.o", "--", path,
                           "-l", "127.0.0.1", "5099")
                self.assertEqual("Operation not permitted" in done.stderr, bool(wanted), (name, done.stderr))

    def test_limits_by_name(self):
        code = "print(len(fill([])))"
        name = " ".join(str(byte) for byte in b"python3".ljust(16, b"\0"))
        comm = run(PYTHON, "-c", "print(open('/proc/self/comm').read())").stdout.strip()
        if comm != "python3":
            self.skipTest(f"python is called {comm} here")
        done = run(EBPFCTL, "run", "--attach", f"bind={OBJECTS}/bindmonitor.o", "--map-update",
                   f"limits key {name} value 3 0 0 0", "--", PYTHON, "-c", self.PRELUDE + code)
        self.assertEqual(done.stdout.strip(), "3", done.stderr)

    def test_one_program_only(self):
        both = run(EBPFCTL, "run", "--attach", f"bind={TEST_OBJECTS}/binds.o", "--attach",
                   f"bind={OBJECTS}/bindmonitor.o", "--", "true")
        self.assertEqual(both.returncode, 125)
        self.assertIn("takes one program at a place", both.stderr)

    def test_with_a_bind_policy(self):
        done = run(*hooked(PYTHON, "-c", self.PRELUDE + "fill([bind(('127.0.0.1', 5000))])")[:3],
                   f"bind={TEST_OBJECTS}/binds.o", "--attach",
                   *hooked(PYTHON, "-c", self.PRELUDE + """
fill([bind(("127.0.0.1", 5000))])
try: bind(("127.0.0.1", 6000))
except PermissionError: print("refused")
""")[3:])
        self.assertEqual(done.stdout.strip(), "refused", done.stderr)


class Chains(unittest.TestCase):
    def attempts(self, programs, *ports):
        attach = ",".join(f"{TEST_OBJECTS}/bind_chain.o:{name}" for name in programs)
        code = """
import socket, sys
for port in sys.argv[1:]:
    s = socket.socket()
    try: s.bind(("127.0.0.1", int(port))); print(s.getsockname()[1])
    except OSError as error: print(-error.errno)
"""
        line = [EBPFCTL, "run", "--attach", f"bind={attach}", "--", PYTHON, "-c", code, *map(str, ports)]
        return [int(word) for word in run(*line).stdout.split()]

    def test_one_refusal_is_enough_and_the_next_program_still_counts(self):
        for order in (("refuse_5000", "allow_three"), ("allow_three", "refuse_5000")):
            self.assertEqual(self.attempts(order, 5000, 5000, 5001, 5002), [-1, -1, 5001, -1])

    def test_programs_run_in_the_order_of_the_command_line(self):
        self.assertEqual(self.attempts(("rewrite_5004", "refuse_5005"), 5004), [-1])
        self.assertEqual(self.attempts(("refuse_5005", "rewrite_5004"), 5004), [5005])


class Connect(unittest.TestCase):
    def test_redirected(self):
        with socket.create_server(("127.0.0.1", 7001)) as server:
            code = "import socket; s = socket.create_connection(('127.0.0.1', 7000)); print(s.getpeername()[1])"
            self.assertEqual(output_of(PYTHON, "-c", code, redirects={7000: 7001}), "7001")
            server.accept()[0].close()

    def test_refused_by_the_other_side(self):
        code = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 7002)))"
        self.assertEqual(output_of(PYTHON, "-c", code, redirects={}), "111")

    def test_without_waiting(self):
        code = ("import socket, select; s = socket.socket(); s.setblocking(False); "
                "print(s.connect_ex(('127.0.0.1', 7003)) in (0, 115)); select.select([], [s], [], 5); "
                "print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), s.getpeername()[1])")
        with socket.create_server(("127.0.0.1", 7003)):
            self.assertEqual(output_of(PYTHON, "-c", code, redirects={}), "True\n0 7003")

    def test_datagrams_and_dissolving(self):
        code = """
import ctypes, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", 7004)); print(s.getpeername()[1])
print(ctypes.CDLL(None).connect(s.fileno(), b"\\0" * 16, 16))
try: s.getpeername()
except OSError as error: print(error.errno)
"""
        self.assertEqual(output_of(PYTHON, "-c", code, redirects={}), "7004\n0\n107")

    # A listener whose queue is full lets a connection wait.
    def waiting(self, code):
        server = socket.socket()
        server.bind(("127.0.0.1", 7005))
        server.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", 7005))
            fillers.append(filler)
        try:
            return output_of(PYTHON, "-u", "-c", code, redirects={}).split()
        finally:
            for one in (server, *fillers):
                one.close()

    def test_one_that_waits_holds_up_no_other(self):
        code = """
import socket, threading, time
def wait():
    s = socket.socket(); s.settimeout(None)
    try: s.connect(("127.0.0.1", 7005))
    except OSError: pass
threading.Thread(target=wait, daemon=True).start()
time.sleep(0.3); start = time.monotonic()
for port in range(5000, 5020): socket.socket().bind(("127.0.0.1", port))
print(time.monotonic() - start < 1)
import os; os._exit(0)
"""
        self.assertEqual(self.waiting(code), ["True"])

    def test_signals_and_timeouts_end_the_wait(self):
        code = """
import signal, socket, struct, time
def stop(*_): raise TimeoutError
signal.signal(signal.SIGALRM, stop)
s = socket.socket(); signal.setitimer(signal.ITIMER_REAL, 0.3); start = time.monotonic()
try: s.connect(("127.0.0.1", 7005)); print("connected")
except TimeoutError: print("alarm", time.monotonic() - start < 3)
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 300000))
start = time.monotonic()
print(s.connect_ex(("127.0.0.1", 7005)), time.monotonic() - start < 3)
"""
        self.assertEqual(self.waiting(code), ["alarm", "True", "115", "True"])


class Confinement(unittest.TestCase):
    def test_addresses_that_change_between_check_and_use(self):
        for mode in ("race-address", "race-descriptor"):
            text = output_of(PROBE, mode, "6000", "20000")
            self.assertEqual(text.count("forbidden=0 "), 2, f"{mode}: {text}")

    def test_other_doors_are_closed(self):
        lines = dict(line.split() for line in output_of(PROBE, "doors", "6000").splitlines())
        self.assertEqual(lines.pop("bind"), "EPERM")
        self.assertEqual(lines.pop("landlock_restrict_self"), "EPERM")
        self.assertEqual(lines.pop("port"), "0")
        self.assertIn("io_uring_setup", lines)
        self.assertEqual(set(lines.values()), {"ENOSYS"})

    def test_odd_addresses(self):
        self.assertEqual(run_hooked(PROBE, "odd").returncode, 0)

    def test_privileged_ports_are_the_callers_affair(self):
        def attempt(*prefix, before=()):
            return output_of(*prefix, PYTHON, "-c", BIND, "127.0.0.1", "80", ports=(1, 1023), before=before)
        if os.geteuid() != 0:
            self.assertEqual(attempt(), "Permission denied")
            return
        self.assertEqual(attempt(), "bound 80")
        drop = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
        # Dropped under the hook: the supervisor is root's, the caller is not.
        self.assertEqual(attempt(*drop), "Permission denied")
        self.assertEqual(attempt("setpriv", "--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"),
                         "Permission denied")
        if run(*drop, EBPFCTL, "--help").returncode == 0:  # where others may read the build
            self.assertEqual(attempt(before=drop), "Permission denied")

    def test_unix_sockets(self):
        code = """
import os, socket, struct, threading
def use():
    a = socket.socket(socket.AF_UNIX); a.bind("here.sock"); a.listen()
    b = socket.socket(socket.AF_UNIX); b.connect("here.sock")
    c, _ = a.accept()
    pid, uid, gid = struct.unpack("3i", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    print(a.getsockname(), uid == os.getuid(), pid == os.getpid(), oct(os.stat("here.sock").st_mode & 0o777))
    os.unlink("here.sock")
    d = socket.socket(socket.AF_UNIX); d.bind("\\0abstract-%d" % os.getpid())
    e = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); e.bind((0, 0)); print(e.getsockname()[0] != 0)
os.umask(0o027)
use()
thread = threading.Thread(target=use); thread.start(); thread.join()
"""
        with tempfile.TemporaryDirectory() as folder:
            text = run(*hooked(PYTHON, "-c", code), cwd=folder)
        # With one thread the kernel does it; with two the supervisor, of the same user.
        self.assertEqual(text.stdout.splitlines(), ["here.sock True True 0o750", "True", "here.sock True False 0o750",
                                                    "True"], text.stderr)

    def test_death_of_the_supervisor_fails_closed(self):
        code = """
import os, signal, socket, time
supervisor = os.getppid()
os.kill(supervisor, signal.SIGKILL)
while os.getppid() == supervisor: time.sleep(0.01)
time.sleep(0.1)
with open("result", "w") as file:
    try: socket.socket().bind(("127.0.0.1", 5000)); file.write("bound")
    except OSError as error: file.write(str(error.errno))
os.rename("result", "done")
"""
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run(*hooked(PYTHON, "-c", code), cwd=folder).returncode, -signal.SIGKILL)
            deadline = time.monotonic() + 10
            while not os.path.exists(f"{folder}/done") and time.monotonic() < deadline:
                time.sleep(0.02)
            with open(f"{folder}/done", encoding="ascii") as file:
                self.assertEqual(file.read(), "38")  # ENOSYS


class Command(unittest.TestCase):
    def test_exit_codes(self):
        self.assertEqual(run_hooked("sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(run_hooked("sh", "-c", "kill -9 $$").returncode, 128 + 9)
        self.assertEqual(run_hooked("/nonexistent").returncode, 127)
        self.assertEqual(run_hooked("/etc/passwd").returncode, 126)
        self.assertEqual(run(EBPFCTL, "run", "--attach", "bind=/nonexistent.o", "--", "true").returncode, 125)
        self.assertEqual(run(EBPFCTL, "run", "--attach", "nothing=x.o", "--", "true").returncode, 2)
        self.assertEqual(run(EBPFCTL, "run", "--attach", f"bind={OBJECTS}/bind_policy.o").returncode, 2)

    def test_programs_of_another_hook(self):
        wrong = run(EBPFCTL, "run", "--attach", f"connect={OBJECTS}/bind_policy.o", "--", "true")
        self.assertEqual(wrong.returncode, 125)
        self.assertIn("there are no connect programs", wrong.stderr)
        wrong = run(EBPFCTL, "run", "--attach", f"bind={OBJECTS}/droppacket.o", "--", "true")
        self.assertIn("there are no bind programs", wrong.stderr)

    def test_programs_of_a_daemon_need_one(self):
        for context in ((), ("--context", "unix:/nonexistent")):
            refused = run(EBPFCTL, *context, "run", "--attach", "bind=pinned:policy", "--", "true",
                          env={**os.environ, "XDG_RUNTIME_DIR": "/nonexistent"})
            self.assertEqual(refused.returncode, 125)
        refused = run(EBPFCTL, "--context", "inproc", "run", "--attach", "bind=id:1", "--", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn("name a daemon", refused.stderr)
        refused = run(EBPFCTL, "--context", "unix:/nonexistent", *hooked("true")[1:])
        self.assertEqual(refused.returncode, 125)

    def test_map_updates_are_checked(self):
        for update, why in (("nothing key 0 value 0", "no map of the programs"), ("ports key 0 value 0", "4 bytes")):
            wrong = run(EBPFCTL, "run", "--attach", f"bind={OBJECTS}/bind_policy.o", "--map-update", update, "--", "true")
            self.assertNotEqual(wrong.returncode, 0)
            self.assertIn(why, wrong.stderr)

    def test_nested_listener(self):
        nested = run(*hooked(*hooked("true")))
        self.assertEqual(nested.returncode, 125)
        self.assertIn("under a seccomp listener already", nested.stderr)

    def test_signals_are_forwarded(self):
        code = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"
        process = subprocess.Popen(hooked("sh", "-c", code), stdout=subprocess.PIPE, text=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.terminate()
        self.assertEqual(process.wait(timeout=10), 3)
        process.stdout.close()

    def test_waits_for_what_the_command_left_behind(self):
        code = "(sleep 0.3; exec %s -c 'import socket; socket.socket().bind((\"127.0.0.1\", 5000)); print(1)') & exit 4"
        ended = run_hooked("sh", "-c", code % PYTHON)
        self.assertEqual((ended.returncode, ended.stdout), (4, "1\n"))

    def test_every_engine_decides_alike(self):
        for engine in ("interpreter", "jit"):
            line = hooked(PYTHON, "-c", BIND, "127.0.0.1", "6000")
            line[2:2] = ["--engine", engine]
            self.assertEqual(run(*line).stdout.strip(), "Operation not permitted")


if __name__ == "__main__":
    enter_network()
    unittest.main(argv=sys.argv[:1], verbosity=2)

# SPDX-License-Identifier: MIT
"""Process trees whose programs live in ebpfd: run, death and return of ebpfd, keepers. In a network namespace of its own.

Usage: keeper_test.py BIN SAMPLES
"""

import array
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from loopback import enter_network, run, two_bytes, wait_until

NOBODY = 65534
BIN, OBJECTS = (os.path.abspath(path) for path in sys.argv[1:3])
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
EBPFCTL = f"{BIN}/ebpfctl"
PIN = "policy4"
OTHER_PIN = "redirect4"

# Reads ports to bind from its input, says what came of it: "ok" or the number of the error.
BINDER = """
import socket, sys
print("ready", flush=True)
for line in sys.stdin:
    s = socket.socket()
    try: s.bind(("127.0.0.1", int(line))); print("ok", flush=True)
    except OSError as error: print(error.errno, flush=True)
"""


def keepers_of(socket_path):
    """The keepers that offer their trees at the socket."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="ascii", errors="replace") as file:
                words = file.read().split("\0")
            if os.path.basename(words[0]) == "ebpf-keeper" and words[1] == socket_path:
                found.append(int(pid))
        except OSError:
            pass
    return found


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[1])


class KeeperTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.socket = f"{folder.name}/ebpfd.sock"
        self.daemon = None
        self.addCleanup(self.check_that_keepers_end)  # after the commands, which end before
        self.addCleanup(self.stop_daemon)
        self.start_daemon()

    def check_that_keepers_end(self):
        wait_until(lambda: keepers_of(self.socket) == [], what="the keepers' end")

    def start_daemon(self, loads=True, before=()):
        self.daemon = subprocess.Popen([*before, f"{BIN}/ebpfd", "--socket", self.socket], stdout=subprocess.PIPE,
                                       text=True)
        self.assertIn("ready", self.daemon.stdout.readline())
        if loads:
            self.load()

    def load(self, first=5000, last=5999):
        self.ctl("prog", "load", f"{OBJECTS}/bind_policy.o:bind_policy4", PIN)
        self.ctl("map", "update", "name", "ports", "key", "0", "0", "0", "0", "value",
                 *two_bytes(first).split(), *two_bytes(last).split())

    def stop_daemon(self, number=signal.SIGKILL):
        if self.daemon is not None:
            self.daemon.send_signal(number)
            self.daemon.wait(timeout=20)
            self.daemon.stdout.close()
            self.daemon = None

    def ctl(self, *arguments, status=0):
        done = run(EBPFCTL, "--context", f"unix:{self.socket}", *arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def line(self, *command, programs=f"bind=pinned:{PIN}", options=()):
        return [EBPFCTL, "--context", f"unix:{self.socket}", "run", "--attach", programs, *options, "--", *command]

    def start(self, *command, **options):
        process = subprocess.Popen(self.line(*command, **options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True)
        self.addCleanup(self.end, process)
        return process

    def start_binder(self, **options):
        binder = self.start(PYTHON, "-c", BINDER, **options)
        self.assertEqual(binder.stdout.readline(), "ready\n")
        return binder

    def bind(self, binder, port):
        binder.stdin.write(f"{port}\n")
        binder.stdin.flush()
        return binder.stdout.readline().strip()

    @staticmethod
    def end(process):
        if process.poll() is None and not process.stdin.closed:
            process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            stream.close()

    def keeper(self):
        return keepers_of(self.socket)[0]

    def links(self):
        return json.loads(self.ctl("--json", "link", "show"))

    def protocol_version(self):
        """As the daemon tells it to one who speaks another."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.socket)
            connection.sendall(struct.pack("<IIIII", 0, 0, 0, 0, 0))
            return struct.unpack("<IIIII", connection.recv(20, socket.MSG_WAITALL))[0]

    def is_taken_up(self, binder, port):
        """Whether a program of the daemon decides: the policy lets ports of its range pass."""
        return self.bind(binder, port) == "ok"


class Daemon(KeeperTest):
    def test_allowed_denied_and_counted(self):
        binder = self.start_binder()
        self.assertEqual([self.bind(binder, port) for port in (5000, 6000, 5001)], ["ok", "1", "ok"])
        counts = json.loads(self.ctl("--json", "map", "dump", "name", "decisions"))
        self.assertEqual([row["formatted"]["value"] for row in counts], [1, 2])
        self.assertEqual(len(self.links()), 1)
        self.assertEqual(self.links()[0]["counters"]["denials"], 1)
        # A change counts for a command that runs.
        self.ctl("map", "update", "name", "ports", "key", "0", "0", "0", "0", "value", *two_bytes(6000).split(),
                 *two_bytes(6000).split())
        self.assertEqual(self.bind(binder, 6000), "ok")
        self.end(binder)
        self.assertEqual(binder.returncode, 0)
        wait_until(lambda: self.links() == [], what="the link's end")

    def test_program_by_id_and_of_a_file(self):
        program = json.loads(self.ctl("--json", "prog", "show", "pinned", PIN))
        number = (program[0] if isinstance(program, list) else program)["id"]
        for programs, options in ((f"bind=id:{number}", ()), ("bind=name:bind_policy4", ()),
                                  (f"bind={OBJECTS}/bind_policy.o",
                                   ("--map-update", "ports key 0 0 0 0 value 136 19 111 23"))):
            binder = self.start_binder(programs=programs, options=options)
            self.assertEqual([self.bind(binder, port) for port in (5010, 6000)], ["ok", "1"], programs)
            self.end(binder)

    def test_each_command_has_its_own_programs(self):
        self.ctl("prog", "load", f"{OBJECTS}/redirect.o:redirect_bind4", OTHER_PIN)
        policed = self.start_binder()
        redirected = self.start_binder(programs=f"bind=pinned:{OTHER_PIN}",
                                       options=("--map-update", f"other_ports key {two_bytes(6001)} value "
                                                                f"{two_bytes(6002)}"))
        self.assertEqual(self.bind(policed, 6001), "1")
        self.assertEqual(self.bind(redirected, 6001), "ok")
        with self.assertRaises(OSError):
            socket.socket().bind(("127.0.0.1", 6002))

    def test_children_and_threads(self):
        code = """
import os, socket, threading
def attempt(name, port):
    try: socket.socket().bind(("127.0.0.1", port)); print(name, "bound", flush=True)
    except OSError as error: print(name, error.errno, flush=True)
thread = threading.Thread(target=attempt, args=("thread", 6000)); thread.start(); thread.join()
if os.fork() == 0:
    attempt("child", 6000)
    os._exit(0)
os.wait()
os.execlp("%s", "python", "-c", "import socket; print(socket.socket().bind((\\"127.0.0.1\\", 5003)))")
""" % PYTHON
        done = run(*self.line(PYTHON, "-c", code))
        self.assertEqual(done.stdout.split("\n")[:3], ["thread 1", "child 1", "None"], done.stderr)

    def test_refusals(self):
        for programs, why in (("bind=pinned:nothing", "nothing"), ("connect=pinned:" + PIN, "no connect program"),
                              ("bind=id:4000000", "4000000")):
            refused = run(*self.line("touch", f"{self.folder}/touched", programs=programs))
            self.assertEqual(refused.returncode, 125)
            self.assertIn(why, refused.stderr)
        self.assertFalse(os.path.exists(f"{self.folder}/touched"))

    def test_what_is_offered_is_checked(self):
        def offer(descriptors, process, pin=PIN):
            payload = struct.pack("<IIIII", process, 1, 0, 1, 1) + struct.pack("<III", 8, 0, len(pin)) + pin.encode()
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self.socket)
                header = struct.pack("<IIIII", self.protocol_version(), 0x1000007, 0, len(payload), len(descriptors))
                rights = array.array("i", descriptors).tobytes()
                connection.sendmsg([header + payload], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                _, _, status, size, _ = struct.unpack("<IIIII", connection.recv(20, socket.MSG_WAITALL))
                return status, connection.recv(size).decode()

        with open("/dev/null", "rb") as null, tempfile.TemporaryFile() as file:
            for descriptors in ([null.fileno(), null.fileno()], [file.fileno(), null.fileno()]):
                status, text = offer(descriptors, os.getpid())
                self.assertNotEqual(status, 0)
                self.assertIn("no listener of a seccomp filter", text)
            self.assertIn("number 1 of 1", offer([null.fileno()], os.getpid())[1])
        self.assertEqual(self.links(), [])

    def test_privileged_ports_are_the_callers_affair(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: a daemon with more rights than the program")
        self.ctl("map", "update", "name", "ports", "key", "0", "0", "0", "0", "value", *two_bytes(1).split(),
                 *two_bytes(1023).split())
        code = "import socket; s = socket.socket(); print(s.connect_ex(('127.0.0.1', 9)), flush=True)\n" \
               "try: s = socket.socket(); s.bind(('127.0.0.1', 80)); print('bound')\n" \
               "except OSError as error: print(error.strerror)"
        self.assertEqual(run(*self.line(PYTHON, "-c", code)).stdout.split("\n")[1], "bound")
        drop = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
        self.assertEqual(run(*self.line(*drop, PYTHON, "-c", code)).stdout.split("\n")[1], "Permission denied")
        os.chmod(self.folder, 0o755)
        os.chmod(self.socket, 0o666)
        if run(*drop, EBPFCTL, "--help").returncode == 0:  # where others may read the build
            other = run(*drop, *self.line(PYTHON, "-c", code))
            self.assertEqual(other.returncode, 125)
            self.assertIn("may not use this context", other.stderr)


class Gone(KeeperTest):
    def test_closed_and_taken_up_again(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            binder = self.start_binder()
            self.assertEqual(self.bind(binder, 5100), "ok")
            self.stop_daemon(number)
            self.assertEqual([self.bind(binder, port) for port in (5101, 6000)], ["1", "1"])
            self.start_daemon(loads=False)
            self.assertEqual(self.bind(binder, 5102), "1")  # the pin is missing yet
            self.load()
            wait_until(lambda: self.is_taken_up(binder, 5103), what="the take-up")
            self.assertEqual([self.bind(binder, port) for port in (5104, 6000)], ["ok", "1"])
            self.assertEqual(len(self.links()), 1)
            self.end(binder)
            self.assertEqual(binder.returncode, 0)
            wait_until(lambda: self.links() == [], what="the link's end")
            self.ctl("pin", "remove", PIN)
            self.load()

    def test_open(self):
        binder = self.start_binder(options=("--when-gone", "open"))
        self.assertEqual(self.bind(binder, 6000), "1")
        self.stop_daemon()
        wait_until(lambda: self.bind(binder, 6000) == "ok", what="the keeper")
        self.start_daemon()
        wait_until(lambda: self.bind(binder, 6001) == "1", what="the take-up")
        self.assertEqual(self.bind(binder, 5105), "ok")

    def test_detached(self):
        for options, after in (((), "1"), (("--when-gone", "open"), "ok")):
            binder = self.start_binder(options=options)
            self.assertEqual([self.bind(binder, port) for port in (5112, 6000)], ["ok", "1"])
            self.ctl("link", "detach", "id", str(self.links()[0]["id"]))
            self.assertEqual([self.bind(binder, port) for port in (5113, 6000)], [after] * 2)
            connects = self.start(PYTHON, "-c", "import socket; print(socket.socket().connect_ex(('127.0.0.1', 1)))",
                                  options=options)
            self.assertEqual(connects.stdout.readline(), "111\n")  # a hook that had no program is open
            self.end(binder)

    def test_a_program_by_id_is_not_taken_up(self):
        binder = self.start_binder(programs="bind=name:bind_policy4")
        self.assertEqual(self.bind(binder, 5106), "ok")
        self.stop_daemon()
        self.start_daemon()
        time.sleep(1)
        self.assertEqual(self.bind(binder, 5107), "1")

    def start_waiting(self, **options):
        """A command that waits in the daemon for a connection, and what it waits for."""
        code = "import socket, time; s = socket.socket(); print('go', flush=True); t = time.monotonic()\n" \
               "print(s.connect_ex(('127.0.0.1', 7005)), time.monotonic() - t, flush=True)"
        server = socket.socket()
        self.addCleanup(server.close)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 7005))
        server.listen(0)
        for _ in range(4):  # a queue that is full lets a connection wait
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", 7005))
        caller = self.start(PYTHON, "-c", code, **options)
        self.assertEqual(caller.stdout.readline(), "go\n")
        time.sleep(0.5)
        return caller, server

    def test_a_call_under_way_is_answered(self):
        caller, _ = self.start_waiting()
        self.stop_daemon()
        error, seconds = caller.stdout.readline().split()
        self.assertEqual(error, "1")
        self.assertLess(float(seconds), 3)

    def test_a_call_under_way_is_answered_at_an_orderly_end(self):
        caller, _ = self.start_waiting()
        self.stop_daemon(signal.SIGTERM)
        error, seconds = caller.stdout.readline().split()
        self.assertEqual(error, "1")
        self.assertLess(float(seconds), 3)

    def test_open_a_call_under_way_goes_on(self):
        caller, server = self.start_waiting(options=("--when-gone", "open"))
        self.stop_daemon()
        time.sleep(0.3)
        self.assertIsNone(caller.poll())  # it waits, in the kernel now
        for _ in range(4):
            server.settimeout(2)
            try:
                server.accept()[0].close()
            except TimeoutError:
                break
        self.assertEqual(caller.stdout.readline().split()[0], "0")

    def test_no_call_is_lost_when_it_is_killed_at_any_moment(self):
        code = """
import socket, sys, threading
results = {}
def work():
    for _ in range(400):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try: s.bind(("127.0.0.1", 0)); what = "ok"
        except OSError as error: what = error.errno
        s.close()
        results[what] = results.get(what, 0) + 1
print("ready", flush=True)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(results.values()), set(results) <= {"ok", 1}, flush=True)
"""
        for delay in (0.0, 0.002, 0.01, 0.03):
            caller = self.start(PYTHON, "-c", code)
            self.assertEqual(caller.stdout.readline(), "ready\n")
            time.sleep(delay)
            self.stop_daemon()
            self.start_daemon()
            self.assertEqual(caller.stdout.readline(), "1600 True\n")
            self.end(caller)

    def test_death_of_the_keeper(self):
        binder = self.start_binder()
        os.kill(self.keeper(), signal.SIGKILL)
        self.assertEqual([self.bind(binder, port) for port in (5108, 6000)], ["ok", "1"])
        self.stop_daemon()
        self.assertEqual(self.bind(binder, 5109), "38")  # ENOSYS: closed, for good

    def test_death_of_the_command_and_of_the_one_who_started_it(self):
        binder = self.start_binder()
        child = next(pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                     if os.path.exists(f"/proc/{pid}/stat") and parent_of(pid) == binder.pid and pid != self.keeper())
        os.kill(child, signal.SIGKILL)
        self.assertEqual(binder.wait(timeout=10), 128 + signal.SIGKILL)
        wait_until(lambda: self.links() == [], what="the link's end")
        binder = self.start_binder()
        binder.kill()
        binder.wait()
        self.assertEqual([self.bind(binder, port) for port in (5110, 6000)], ["ok", "1"])
        self.stop_daemon()
        self.assertEqual(self.bind(binder, 5111), "1")
        binder.stdin.close()  # the command ends


class Attach(KeeperTest):
    def start_alone(self, *command, **options):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        self.addCleanup(self.end, process)
        return process

    def start_binder_alone(self, *before):
        binder = self.start_alone(*before, PYTHON, "-c", BINDER)
        self.assertEqual(binder.stdout.readline(), "ready\n")
        return binder

    def attach(self, process, *options, status=0, programs=f"bind=pinned:{PIN}"):
        return self.ctl("attach", "--pid", str(process.pid), programs, *options, status=status)

    @staticmethod
    def state_of(process):
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0]

    @staticmethod
    def descriptors_of(process):
        return sorted(os.listdir(f"/proc/{process.pid}/fd"))

    def test_running_process(self):
        binder = self.start_binder_alone()
        self.assertEqual(self.bind(binder, 6000), "ok")
        before = self.descriptors_of(binder)
        self.attach(binder)
        self.assertEqual(self.descriptors_of(binder), before)
        self.assertEqual([self.bind(binder, port) for port in (5200, 6000)], ["ok", "1"])
        self.assertIn(self.state_of(binder), "RS")
        self.assertIn("confined by a seccomp filter already", self.attach(binder, status=1))
        self.stop_daemon()
        self.assertEqual(self.bind(binder, 5201), "1")
        self.start_daemon()
        wait_until(lambda: self.is_taken_up(binder, 5202), what="the take-up")
        self.end(binder)
        self.assertEqual(binder.returncode, 0)
        wait_until(lambda: self.links() == [], what="the link's end")

    def test_open(self):
        binder = self.start_binder_alone()
        self.attach(binder, "--when-gone", "open")
        self.assertEqual(self.bind(binder, 6000), "1")
        self.stop_daemon()
        wait_until(lambda: self.bind(binder, 6000) == "ok", what="the keeper")

    def test_all_threads_and_children(self):
        code = """
import os, socket, sys, threading
def attempt(name):
    try: socket.socket().bind(("127.0.0.1", 6000)); print(f"{name} bound\\n", end="", flush=True)
    except OSError as error: print(f"{name} {error.errno}\\n", end="", flush=True)
go = threading.Event()
threads = [threading.Thread(target=lambda i=i: (go.wait(), attempt("thread"))) for i in range(5)]
for thread in threads: thread.start()
print("ready", flush=True)
sys.stdin.readline()
go.set()
for thread in threads: thread.join()
if os.fork() == 0:
    attempt("child")
    os._exit(0)
os.wait()
"""
        process = self.start_alone(PYTHON, "-c", code)
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.attach(process)
        process.stdin.write("\n")
        process.stdin.flush()
        self.assertEqual([process.stdout.readline() for _ in range(6)], ["thread 1\n"] * 5 + ["child 1\n"])

    def test_waits_go_on_as_if_nothing_happened(self):
        code = """
import select, socket, time
print("ready", flush=True)
t = time.monotonic(); time.sleep(1.5); print("sleep", 1.4 < time.monotonic() - t < 3, flush=True)
a, b = socket.socketpair()
t = time.monotonic(); print("select", select.select([a], [], [], 1.5)[0], 1.4 < time.monotonic() - t < 3, flush=True)
a.settimeout(None); print("read", a.recv(1) if b.send(b"x") else "", flush=True)
"""
        process = self.start_alone(PYTHON, "-c", code)
        self.assertEqual(process.stdout.readline(), "ready\n")
        time.sleep(0.3)
        self.attach(process)
        self.assertEqual([process.stdout.readline() for _ in range(3)],
                         ["sleep True\n", "select [] True\n", "read b'x'\n"])

    @unittest.skipUnless(os.path.exists(f"{BIN}/sequence_probe"), "only on x86-64")
    def test_restartable_sequences_are_restarted(self):
        for _ in range(5):
            process = self.start_alone(f"{BIN}/sequence_probe")
            if process.stdout.readline() != "spinning\n":
                self.skipTest("the C library registers no area for restartable sequences")
            self.attach(process)
            time.sleep(0.05)
            process.terminate()
            self.assertEqual(process.wait(timeout=10), 0)

    def test_computation_is_not_disturbed(self):
        code = """
import hashlib, sys
print("ready", flush=True)
value = 0.5; digest = b""
for i in range(3_000_000):
    value = 3.9 * value * (1 - value)
    if i % 1000 == 0: digest = hashlib.sha256(digest + repr(value).encode()).digest()
print(repr(value), digest.hex(), flush=True)
"""
        expected = run(PYTHON, "-c", code).stdout.split("\n")[1]
        for _ in range(3):
            process = self.start_alone(PYTHON, "-c", code)
            self.assertEqual(process.stdout.readline(), "ready\n")
            self.attach(process)
            self.assertEqual(process.stdout.readline().strip(), expected)

    def test_refusals(self):
        cases = [("1", "init process"), ("0", ""), ("99999999", "no process")]
        for pid, why in cases:
            self.assertIn(why, self.ctl("attach", "--pid", pid, f"bind=pinned:{PIN}", status=2 if pid in "10" else 1))
        self.assertIn("is the daemon", self.attach(self.daemon, status=2))
        stopped = self.start_binder_alone()
        stopped.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.state_of(stopped) == "T")
        self.assertIn("is stopped", self.attach(stopped, status=1))
        wait_until(lambda: self.state_of(stopped) == "T", what="the stop, which it enters again")
        stopped.send_signal(signal.SIGCONT)
        self.assertEqual(self.bind(stopped, 6000), "ok")
        self.assertNotEqual(self.ctl("attach", "--pid", str(stopped.pid), "bind=pinned:nothing", status=1), "")
        self.assertEqual(self.bind(stopped, 6001), "ok")
        if os.geteuid() == 0:
            other = run("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", EBPFCTL, "--context",
                        f"unix:{self.socket}", "attach", "--pid", str(stopped.pid), f"bind=pinned:{PIN}")
            self.assertNotEqual(other.returncode, 0)
            self.assertEqual(self.bind(stopped, 6002), "ok")

    def test_landlocked_process_is_refused(self):
        code = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
rules = struct.pack("Q", 1)
ruleset = libc.syscall(444, rules, 8, 0)
if ruleset < 0 or libc.syscall(446, ruleset, 0) != 0:
    print("none", flush=True); sys.exit()
""" + BINDER
        process = self.start_alone(PYTHON, "-c", code)
        if process.stdout.readline() == "none\n":
            self.skipTest("the kernel has no Landlock")
        self.assertIn("confined by Landlock", self.attach(process, status=1))
        self.assertEqual(self.bind(process, 6000), "ok")

    @unittest.skipUnless(os.uname().machine == "x86_64", "numbers of system calls")
    def test_ways_around_the_filter_are_refused(self):
        for code, why in (("libc.syscall(425, 8, ctypes.create_string_buffer(120)) < 0", "uses io_uring"),
                          ("libc.syscall(56, 0x400 | 17, 0, 0, 0, 0) == 0 and time.sleep(60)", "shares its descriptors")):
            process = self.start_binder_alone_with(f"import ctypes, time; libc = ctypes.CDLL(None)\nif {code}: raise SystemExit\n")
            self.assertIn(why, self.attach(process, status=1))
            self.assertEqual(self.bind(process, 6000), "ok")
            self.end(process)

    def start_binder_alone_with(self, code):
        process = self.start_alone(PYTHON, "-c", code + BINDER, start_new_session=True)
        self.addCleanup(self.kill_group, process.pid)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    @staticmethod
    def kill_group(leader):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)

    def test_killed_in_the_middle(self):
        line = [EBPFCTL, "--context", f"unix:{self.socket}", "attach", "--pid"]
        start = time.monotonic()
        self.attach(self.start_binder_alone())
        whole = time.monotonic() - start
        results = []
        for step in range(41):
            binder = self.start_binder_alone()
            attaching = subprocess.Popen([*line, str(binder.pid), f"bind=pinned:{PIN}"], stderr=subprocess.DEVNULL)
            time.sleep(whole * step / 30)
            attaching.kill()
            attaching.wait()
            time.sleep(0.02)
            wait_until(lambda: self.state_of(binder) in "RS", what="the process going on")
            results.append(self.bind(binder, 6000))
            self.assertEqual(self.bind(binder, 5300), "ok")
            self.end(binder)
            self.assertEqual(binder.returncode, 0)
        self.assertEqual(set(results), {"ok", "1"})  # not hooked and hooked, and nothing else


if __name__ == "__main__":
    enter_network()
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)

# SPDX-License-Identifier: MIT
"""`ebpfctl run` with programs at sends, names, the making of sockets and listen: tests/objects/socket_hooks.c.

On loopback, in a network namespace of its own. Usage: socket_operations_test.py EBPFCTL PROBE TEST_OBJECTS
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from loopback import enter_network, run, two_bytes, wait_until

EBPFCTL, PROBE, OBJECTS = (os.path.abspath(path) for path in sys.argv[1:4])
BIN = os.path.dirname(EBPFCTL)
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
OBJECT = f"{OBJECTS}/socket_hooks.o"
MOST = ("sendmsg", "getsockname", "getpeername", "listen", "recv_accept")
ALL = (*MOST, "sock_create")

PRELUDE = """
import array, ctypes, errno, mmap, os, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def error_of(call, *arguments):
    try:
        call(*arguments)
        return 0
    except OSError as error:
        return error.errno
def udp(family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(5)
    return s
def with_threads():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""


def line(code, *arguments, hooks=MOST, ports=None):
    words = [EBPFCTL, "run"]
    for hook in hooks:
        words += ["--attach", f"{hook}={OBJECT}"]
    for port, other in (ports or {}).items():
        words += ["--map-update", f"ports key {two_bytes(port)} value {two_bytes(other)}"]
    return [*words, "--", PYTHON, "-c", PRELUDE + code, *arguments]


class HookTest(unittest.TestCase):
    def hooked(self, code, *arguments, **options):
        done = run(*line(code, *arguments, **options))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.split()


class Names(HookTest):
    def test_programs_rewrite_names(self):
        for host, hidden in (("127.0.0.1", 7601), ("::1", 7602)):
            code = """
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.socket(family); server.bind((sys.argv[1], int(sys.argv[2]))); server.listen()
client = socket.socket(family); client.connect((sys.argv[1], int(sys.argv[2])))
print(server.getsockname()[:2] == (sys.argv[1], 7777), client.getpeername()[:2] == (sys.argv[1], 7777))
"""
            self.assertEqual(self.hooked(code, host, str(hidden), ports={hidden: 7777}), ["True", "True"], host)

    def test_lengths_and_places_are_as_without_hook(self):
        code = """
s = udp(); s.bind(("127.0.0.1", 7603))
def name(room, buffer=None, length=None):
    place = ctypes.create_string_buffer(b"\\xff" * 32, 32) if buffer is None else buffer
    size = ctypes.c_int(room)
    result = libc.getsockname(s.fileno(), place, ctypes.byref(size) if length is None else length)
    if result != 0: return ctypes.get_errno()
    return size.value, place.raw.rstrip(b"\\xff").hex() if buffer is None else ""
port = int(sys.argv[1])
full = struct.pack("<H", 2) + struct.pack(">H", port) + bytes((127, 0, 0, 1)) + bytes(8)
for room in (0, 1, 2, 4, 15, 16, 17, 28, 128):
    assert name(room) == (16, full[:room].hex()), (room, name(room))
for room in (-1, -2**31): assert name(room) == errno.EINVAL, name(room)
assert name(16, buffer=ctypes.c_void_p(8)) == errno.EFAULT
assert name(0, buffer=ctypes.c_void_p(8)) == (16, "")
assert name(16, length=ctypes.c_void_p(8)) == errno.EFAULT
page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ)
libc.mmap.restype = ctypes.c_void_p
read_only = libc.mmap(None, 4096, 1, 0x22, -1, 0)
assert name(16, buffer=ctypes.c_void_p(read_only)) == errno.EFAULT
assert libc.getsockname(0, None, None) == -1 and ctypes.get_errno() in (errno.ENOTSOCK, errno.EFAULT)
assert libc.getsockname(999, None, None) == -1 and ctypes.get_errno() == errno.EBADF
assert libc.getpeername(s.fileno(), None, None) == -1 and ctypes.get_errno() == errno.ENOTCONN
"""
        self.hooked(code, "7777", ports={7603: 7777})
        done = run(PYTHON, "-c", PRELUDE + code, "7603")  # the kernel itself
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_sockets_of_other_kinds(self):
        code = """
def use():
    a, b = socket.socketpair(); assert a.getsockname() == "" and b.getpeername() == ""
    c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); c.bind("\\0name-%d" % threading.get_native_id())
    assert c.getsockname().startswith(b"\\0name-")
    d = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); d.bind((0, 0)); assert d.getsockname()[0] != 0
use()
thread = threading.Thread(target=use); thread.start(); thread.join()
print("done")
"""
        self.assertEqual(self.hooked(code), ["done"])


class Sends(HookTest):
    PORTS = {7700: 7701, 7799: 0}

    def test_sendto(self):
        code = """
for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("::ffff:127.0.0.1", socket.AF_INET6)):
    to = udp(family); to.bind((host, 7701))
    s = udp(family)
    assert s.sendto(b"question", (host, 7700)) == 8
    data, peer = to.recvfrom(100)
    assert data == b"question" and peer[1] == s.getsockname()[1]
    assert to.sendto(b"answer", peer) == 6 and s.recvfrom(100)[0] == b"answer"
    assert error_of(s.sendto, b"x", (host, 7799)) == errno.EPERM
    assert error_of(s.sendto, b"x", (host, 0)) == errno.EINVAL
    assert error_of(s.sendto, b"x" * 65536, (host, 7701)) == errno.EMSGSIZE
    assert s.sendto(b"", (host, 7700)) == 0 and to.recv(100) == b""
    assert s.sendto(b"y" * 60000, (host, 7700)) == 60000 and to.recv(65536) == b"y" * 60000
    s.connect((host, 7701)); s.send(b"connected"); assert to.recv(100) == b"connected"
    s.close(); to.close()
print("done")
"""
        self.assertEqual(self.hooked(code, ports=self.PORTS), ["done"])

    def test_sendmsg_and_sendmmsg(self):
        code = """
class Place(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
class Header(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_size", ctypes.c_uint), ("places", ctypes.POINTER(Place)),
                ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t),
                ("flags", ctypes.c_int)]
class Many(ctypes.Structure): _fields_ = [("header", Header), ("sent", ctypes.c_uint)]
def run():
    to = udp(); to.bind(("127.0.0.1", 7701)); s = udp()
    assert s.sendmsg([b"one ", b"", b"two"], [], 0, ("127.0.0.1", 7700)) == 7 and to.recv(100) == b"one two"
    ttl = [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack("i", 9))]
    assert s.sendmsg([b"x"], ttl, 0, ("127.0.0.1", 7700)) == 1 and to.recv(100) == b"x"
    assert error_of(s.sendmsg, [b"x"], [], 0, ("127.0.0.1", 7799)) == errno.EPERM
    assert error_of(s.sendmsg, [b"x"], [(socket.IPPROTO_IP, socket.IP_TTL, b"")], 0, ("127.0.0.1", 7700)) == errno.EINVAL
    texts = [ctypes.create_string_buffer(b"message-%d" % i) for i in range(4)]
    many = (Many * 4)()
    names = []
    for i, port in enumerate((7700, 7701, 7799, 7701)):
        names.append(ctypes.create_string_buffer(struct.pack("<H", 2) + struct.pack(">H", port) + bytes((127, 0, 0, 1)) + bytes(8)))
        header = many[i].header
        header.name, header.name_size = ctypes.cast(names[i], ctypes.c_void_p), 16
        place = Place(ctypes.cast(texts[i], ctypes.c_void_p), 9)
        header.places, header.count = ctypes.pointer(place), 1
    assert libc.sendmmsg(s.fileno(), many, 4, 0) == 2, "the third one is refused"
    assert [m.sent for m in many] == [9, 9, 0, 0]
    assert [to.recv(100), to.recv(100)] == [b"message-0", b"message-1"]
    assert libc.sendmmsg(s.fileno(), ctypes.byref(many, 2 * ctypes.sizeof(Many)), 2, 0) == -1
    assert ctypes.get_errno() == errno.EPERM
    s.connect(("127.0.0.1", 7701))
    assert s.sendmsg([b"connected"]) == 9 and to.recv(100) == b"connected"
    to.close()
run()
with_threads()
run()
print("done")
"""
        self.assertEqual(self.hooked(code, ports=self.PORTS), ["done"])

    def test_source(self):
        code = """
to = udp(); to.bind(("127.0.0.1", 7702)); s = udp()
s.sendto(b"x", ("127.0.0.1", 7702)); print(to.recvfrom(10)[1][0])
s = udp(); s.bind(("127.0.0.1", 0))
s.sendmsg([b"x"], [], 0, ("127.0.0.1", 7702)); print(to.recvfrom(10)[1][0])
"""
        self.assertEqual(self.hooked(code), ["127.0.0.2", "127.0.0.2"])

    def test_sockets_that_no_program_decides_on(self):
        code = """
def run():
    a, b = socket.socketpair()
    read, write = os.pipe()
    a.sendmsg([b"with a descriptor"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write]))])
    data, control, _, _ = b.recvmsg(100, 100)
    passed = array.array("i"); passed.frombytes(control[0][2])
    os.write(passed[0], b"through"); assert os.read(read, 10) == b"through" and data == b"with a descriptor"
    for one in (read, write, passed[0]): os.close(one)
    c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); c.bind("here-%d.sock" % threading.active_count())
    d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    assert d.sendto(b"by path", c.getsockname()) == 7 and c.recv(10) == b"by path"
    assert d.sendmsg([b"by path"], [], 0, c.getsockname()) == 7 and c.recv(10) == b"by path"
    server = socket.create_server(("127.0.0.1", 0)); client = socket.create_connection(server.getsockname())
    peer = server.accept()[0]
    got = []
    def read_all():
        while True:
            part = peer.recv(1 << 16)
            if not part: return
            got.append(len(part))
    reader = threading.Thread(target=read_all); reader.start()
    left = memoryview(bytes(5_000_000))
    while left: left = left[client.sendmsg([left[:3_000_000]]):]
    client.close(); reader.join(); assert sum(got) == 5_000_000, sum(got)
    signal.signal(signal.SIGPIPE, lambda *_: signalled.append(1))
    e, f = socket.socketpair(); f.close()
    before = len(signalled)
    assert error_of(e.sendmsg, [b"x"]) == errno.EPIPE
    time.sleep(0.05)
    assert len(signalled) == before + 1, signalled
    assert error_of(e.sendmsg, [b"x"], [], socket.MSG_NOSIGNAL) == errno.EPIPE
    assert len(signalled) == before + 1, signalled
signalled = []
run()
with_threads()
run()
print("done")
"""
        with tempfile.TemporaryDirectory() as folder:
            done = run(*line(code), cwd=folder)
        self.assertEqual(done.stdout.split(), ["done"], done.stderr)

    def test_one_that_waits_holds_up_no_other_and_can_be_interrupted(self):
        code = """
with_threads()
a, b = socket.socketpair()
def fill(): print(a.sendmsg([bytes(900_000)]) == 900_000, flush=True)
filler = threading.Thread(target=fill); filler.start()
time.sleep(0.2); start = time.monotonic()
to = udp(); to.bind(("127.0.0.1", 7701)); s = udp()
for _ in range(20): s.sendto(b"x", ("127.0.0.1", 7701))
print(time.monotonic() - start < 1, flush=True)
left = 900_000
while left: left -= len(b.recv(1 << 16))
filler.join()
def stop(*_): raise TimeoutError
signal.signal(signal.SIGUSR1, stop)
threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1)).start()
c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
try:
    while True: c.sendmsg([bytes(1000)])
except TimeoutError: print("interrupted")
c.settimeout(0)
assert error_of(c.sendmsg, [b"x"]) == errno.EAGAIN
c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 200000)); c.setblocking(True)
assert error_of(c.sendmsg, [b"x"]) == errno.EAGAIN
print("done")
"""
        self.assertEqual(self.hooked(code), ["True", "True", "interrupted", "done"])

    def test_fast_open_and_zero_copy_are_refused(self):
        code = """
server = socket.create_server(("127.0.0.1", 0))
print(error_of(socket.socket().sendto, b"x", socket.MSG_FASTOPEN, server.getsockname()))
s = udp(); s.setsockopt(socket.SOL_SOCKET, 60, 1); to = udp(); to.bind(("127.0.0.1", 7701))
print(error_of(s.sendto, b"x", 0x4000000, ("127.0.0.1", 7701)))
s = udp(); print(s.sendto(b"x", 0x4000000, ("127.0.0.1", 7701)))
"""
        self.assertEqual(self.hooked(code), ["95", "105", "1"])

    def test_rights_are_the_callers(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        code = """
to = udp(); to.bind(("127.0.0.1", 7701)); s = udp()
mark = [(socket.SOL_SOCKET, socket.SO_MARK, struct.pack("I", 7))]
print(error_of(s.sendmsg, [b"x"], mark, 0, ("127.0.0.1", 7701)))
"""
        self.assertEqual(self.hooked(code), ["0"])
        words = line(code)
        at = words.index("--") + 1
        words[at:at] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        self.assertEqual(run(*words).stdout.split(), ["1"])

    def test_nothing_changes_between_check_and_use(self):
        for mode in ("race-destination", "race-descriptor"):
            words = [EBPFCTL, "run", "--attach", f"sendmsg={OBJECT}", "--map-update",
                     f"ports key {two_bytes(7799)} value 0 0", "--", PROBE, mode, "7799", "20000"]
            text = run(*words, timeout=120).stdout
            self.assertEqual(text.count(" forbidden=0 "), 3, f"{mode}: {text}")
            if mode == "race-destination":
                for row in text.splitlines():
                    self.assertNotIn("allowed=0 ", row)
                    self.assertNotIn("denied=0 ", row)

    def test_odd_arguments(self):
        words = [EBPFCTL, "run"]
        for hook in ALL:
            words += ["--attach", f"{hook}={OBJECT}"]
        for probe in (PROBE, f"{PROBE}_static"):
            done = run(*words, "--", probe, "odd")
            self.assertEqual((done.returncode, done.stdout), (0, "odd done\n"), done.stderr)

    @unittest.skipUnless(shutil.which("dnsperf"), "there is no dnsperf")
    def test_dnsperf(self):
        # A server that answers every question with 192.0.2.1, at the port that programs lead to.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, tempfile.NamedTemporaryFile("w") as names:
            server.bind(("127.0.0.1", 7701))
            server.settimeout(10)
            names.write("name.example A\n")
            names.flush()
            client = subprocess.Popen([EBPFCTL, "run", "--attach", f"sendmsg={OBJECT}", "--map-update",
                                       f"ports key {two_bytes(7700)} value {two_bytes(7701)}", "--", "dnsperf", "-s",
                                       "127.0.0.1", "-p", "7700", "-d", names.name, "-n", "100"],
                                      stdout=subprocess.PIPE, text=True)
            for _ in range(100):
                query, peer = server.recvfrom(1000)
                end = query.index(b"\0", 12) + 5
                server.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end] +
                              b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1", peer)
            text = client.communicate(timeout=20)[0]
            self.assertRegex(text, r"Queries completed: +100 \(100", text)


class Creation(HookTest):
    def test_programs_decide_by_kind(self):
        code = """
def use():
    assert error_of(socket.socket, socket.AF_INET, socket.SOCK_STREAM) == 0
    assert error_of(socket.socket, socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) == 0
    assert error_of(socket.socket, socket.AF_INET6, socket.SOCK_STREAM) == 0
    assert error_of(socket.socket, socket.AF_INET6, socket.SOCK_DGRAM) == errno.EPERM
    assert error_of(socket.socket, socket.AF_INET6, socket.SOCK_DGRAM, 17) == errno.EPERM
    assert error_of(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1) == errno.EPERM
    assert error_of(socket.socket, socket.AF_UNIX, socket.SOCK_STREAM) == 0
    assert error_of(socket.socketpair) == 0
    assert error_of(socket.socket, socket.AF_INET, socket.SOCK_STREAM, 17) == errno.EPROTONOSUPPORT
    assert libc.socket(2, -1, 0) == -1 and ctypes.get_errno() in (errno.EINVAL, errno.ESOCKTNOSUPPORT)
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM); assert s.type == socket.SOCK_STREAM
    assert s.get_inheritable() is False
use()
thread = threading.Thread(target=use); thread.start(); thread.join()
if os.fork() == 0: use(); os._exit(0)
assert os.wait()[1] == 0
print("done")
"""
        self.assertEqual(self.hooked(code, hooks=("sock_create",)), ["done"])


class Listen(HookTest):
    def test_programs_decide_by_the_own_address(self):
        code = """
def use():
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        for port, wanted in ((7711, 0), (7799, errno.EPERM)):
            s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((host, port))
            assert error_of(s.listen) == wanted, (host, port)
            if wanted == 0: assert socket.create_connection((host, port))
            s.close()
    s = socket.socket(); s.listen(); assert s.getsockname()[1] != 0
    assert error_of(udp().listen) == errno.EOPNOTSUPP
    a = socket.socket(socket.AF_UNIX); a.bind("\\0listen-%d" % threading.get_native_id()); a.listen()
    b = socket.socket(socket.AF_UNIX); b.connect(a.getsockname())
    assert libc.listen(0, 1) == -1 and ctypes.get_errno() == errno.ENOTSOCK
    assert libc.listen(999, 1) == -1 and ctypes.get_errno() == errno.EBADF
use()
thread = threading.Thread(target=use); thread.start(); thread.join()
print("done")
"""
        self.assertEqual(self.hooked(code, hooks=("listen",), ports={7799: 0}), ["done"])


class Accept(HookTest):
    def test_refused_connections_are_closed(self):
        code = """
def use(waits):
    server = socket.create_server(("127.0.0.1", 0), backlog=10)
    clients = [socket.create_connection(server.getsockname(), source_address=(host, 0))
               for host in ("127.0.0.3", "127.0.0.3", "127.0.0.1", "127.0.0.3")]
    if not waits: server.setblocking(False)
    peer, address = server.accept()
    assert address == clients[2].getsockname() == peer.getpeername(), address
    assert peer.get_inheritable() is False and peer.getsockname() == server.getsockname()
    for i in (0, 1): assert error_of(clients[i].send, b"x") in (0, errno.EPIPE, errno.ECONNRESET)
    assert clients[0].recv(10) == b"" if error_of(clients[0].send, b"x") == 0 else True
    if not waits: assert error_of(server.accept) == errno.EAGAIN
    peer.send(b"hello"); assert clients[2].recv(10) == b"hello"
    assert os.fstat(peer.fileno()).st_uid == os.getuid()
    server.settimeout(0.1)
    try: server.accept(); assert False
    except TimeoutError: pass
def use6():
    server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    client = socket.create_connection(server.getsockname()[:2])
    server.setblocking(False); assert error_of(server.accept) == errno.EAGAIN
def use_unix():
    a = socket.socket(socket.AF_UNIX); a.bind("\\0accept-%d" % threading.get_native_id()); a.listen()
    b = socket.socket(socket.AF_UNIX); b.connect(a.getsockname()); a.accept()[0].send(b"x"); assert b.recv(1) == b"x"
def odd():
    server = socket.create_server(("127.0.0.1", 0)); client = socket.create_connection(server.getsockname())
    server.setblocking(True)
    assert libc.accept4(server.fileno(), None, None, 4096) == -1 and ctypes.get_errno() == errno.EINVAL
    place = ctypes.create_string_buffer(16)
    assert libc.accept(server.fileno(), place, None) == -1 and ctypes.get_errno() == errno.EFAULT
    client = socket.create_connection(server.getsockname())
    fd = libc.accept4(server.fileno(), None, None, os.O_NONBLOCK); assert fd >= 0 and os.get_inheritable(fd)
    assert os.get_blocking(fd) is False
    datagrams = udp()
    assert libc.accept(datagrams.fileno(), None, None) == -1 and ctypes.get_errno() == errno.EOPNOTSUPP
    assert libc.accept(999, None, None) == -1 and ctypes.get_errno() == errno.EBADF
def use_all(): use(True); use(False); use6(); use_unix(); odd()
use_all()
thread = threading.Thread(target=use_all); thread.start(); thread.join()
print("done")
"""
        self.assertEqual(self.hooked(code, hooks=("recv_accept",)), ["done"])

    def test_waiting(self):
        code = """
server = socket.create_server(("127.0.0.1", 0))
def stop(*_): raise TimeoutError
signal.signal(signal.SIGALRM, stop); signal.setitimer(signal.ITIMER_REAL, 0.3)
try: server.accept()
except TimeoutError: print("interrupted")
def accept(): print("accepted", server.accept()[0].recv(10).decode(), flush=True)
thread = threading.Thread(target=accept); thread.start()
time.sleep(0.2); start = time.monotonic()
datagrams = udp()
for _ in range(50): assert libc.accept(datagrams.fileno(), None, None) == -1
assert time.monotonic() - start < 1
socket.create_connection(server.getsockname()).send(b"in"); thread.join()
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
print(libc.accept(server.fileno(), None, None), ctypes.get_errno() == errno.EAGAIN)
"""
        self.assertEqual(self.hooked(code, hooks=("recv_accept",)),
                         ["interrupted", "accepted", "in", "-1", "True"])

    def test_owner(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        code = """
server = socket.create_server(("127.0.0.1", 0)); client = socket.create_connection(server.getsockname())
with_threads()
peer = server.accept()[0]; about = os.fstat(peer.fileno()); print(about.st_uid, about.st_gid)
"""
        words = line(code, hooks=("recv_accept",))
        at = words.index("--") + 1
        words[at:at] = ["setpriv", "--reuid", "65534", "--regid", "65533", "--clear-groups"]
        self.assertEqual(run(*words).stdout.split(), ["65534", "65533"])

    def test_http_server(self):
        words = [EBPFCTL, "run", "--attach", f"recv_accept={OBJECT}", "--", PYTHON, "-m", "http.server", "7720", "--bind",
                 "127.0.0.1"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            def ask(host):
                with socket.create_connection(("127.0.0.1", 7720), timeout=5, source_address=(host, 0)) as client:
                    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    return client.recv(100)[:12]

            def is_up():
                try:
                    return ask("127.0.0.1") != b""
                except OSError:
                    return False

            wait_until(is_up)
            self.assertEqual(ask("127.0.0.1"), b"HTTP/1.0 200")
            try:
                self.assertEqual(ask("127.0.0.3"), b"")
            except ConnectionError:
                pass
            self.assertEqual(ask("127.0.0.2"), b"HTTP/1.0 200")
            server.terminate()


class Trees(HookTest):
    def test_only_what_was_asked_for_is_asked_about(self):
        code = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('Seccomp_filters')])"
        self.assertEqual(self.hooked(code, hooks=("listen",)), ["['1']"])
        # sock_create alone: raw sockets are refused, sends go to the kernel.
        code = "s = udp(); to = udp(); to.bind(('127.0.0.1', 7701)); print(s.sendto(b'x', ('127.0.0.1', 7701)))"
        self.assertEqual(self.hooked(code, hooks=("sock_create",), ports={7701: 0}), ["1"])

    def test_no_such_programs(self):
        done = run(EBPFCTL, "run", "--attach", f"sendmsg={OBJECTS}/caller.o", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("there are no sendmsg programs (sections cgroup/sendmsg4, cgroup/sendmsg6)", done.stderr)
        done = run(EBPFCTL, "run", "--attach", "recvmsg=x.o", "--", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("getpeername", done.stderr)

    def test_containers_have_bind_and_connect_only(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.daemon(folder):
                done = self.ctl(folder, "container", "serve", f"{folder}/listener.sock", f"sendmsg={OBJECT}")
                self.assertEqual(done.returncode, 1)
                self.assertIn("asks about bind and connect only", done.stderr)

    def test_death_of_the_supervisor_fails_closed(self):
        code = """
supervisor = os.getppid()
s = udp()
os.kill(supervisor, signal.SIGKILL)
while os.getppid() == supervisor: time.sleep(0.01)
time.sleep(0.1)
with open("result", "w") as file:
    file.write("%d %d %d" % (error_of(s.sendto, b"x", ("127.0.0.1", 7701)), error_of(s.getsockname),
                             error_of(socket.socket)))
os.rename("result", "done")
"""
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run(*line(code, hooks=ALL), cwd=folder).returncode, -signal.SIGKILL)
            wait_until(lambda: os.path.exists(f"{folder}/done"))
            with open(f"{folder}/done", encoding="ascii") as file:
                self.assertEqual(file.read(), "38 38 38")

    def ctl(self, folder, *arguments):
        return run(EBPFCTL, "--context", f"unix:{folder}/ebpfd.sock", *arguments)

    class Daemon:
        def __init__(self, folder):
            self.folder = folder

        def __enter__(self):
            self.process = subprocess.Popen([f"{BIN}/ebpfd", "--socket", f"{self.folder}/ebpfd.sock"],
                                            stdout=subprocess.PIPE, text=True)
            self.process.stdout.readline()
            return self.process

        def __exit__(self, *_):
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def daemon(self, folder):
        return self.Daemon(folder)

    def test_trees_of_a_daemon(self):
        sender = """
to = udp(); to.bind(("127.0.0.1", 7701)); s = udp()
print("ready", flush=True)
for row in sys.stdin: print(error_of(s.sendto, b"x", ("127.0.0.1", int(row))), flush=True)
"""
        with tempfile.TemporaryDirectory() as folder:
            with self.daemon(folder):
                self.assertEqual(self.ctl(folder, "prog", "load", f"{OBJECT}:send4", "send4").returncode, 0)
                for port in (7799,):
                    self.ctl(folder, "map", "update", "name", "ports", "key", *two_bytes(port).split(), "value", "0", "0")
                tree = subprocess.Popen([EBPFCTL, "--context", f"unix:{folder}/ebpfd.sock", "run", "--attach",
                                         "sendmsg=pinned:send4", "--", PYTHON, "-c", PRELUDE + sender],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

                def ask(port):
                    tree.stdin.write(f"{port}\n")
                    tree.stdin.flush()
                    return tree.stdout.readline().strip()

                self.assertEqual(tree.stdout.readline(), "ready\n")
                self.assertEqual([ask(7701), ask(7799)], ["0", "1"])
                links = json.loads(self.ctl(folder, "--json", "link", "show").stdout)
                self.assertEqual(len(links), 1)
            # Killed by -9: the keeper refuses until the next one has the program.
            self.assertEqual(ask(7701), "1")
            with self.daemon(folder):
                self.assertEqual(self.ctl(folder, "prog", "load", f"{OBJECT}:send4", "send4").returncode, 0)
                wait_until(lambda: ask(7701) == "0")
                # A tree under another hook is not asked about sends.
                tree.stdin.close()
                self.assertEqual(tree.wait(timeout=10), 0)
                tree.stdout.close()

    def test_a_process_that_runs_already(self):
        sender = """
to = udp(); to.bind(("127.0.0.1", 7701)); s = udp()
print("ready", flush=True)
for row in sys.stdin: print(error_of(s.sendto, b"x", ("127.0.0.1", int(row))), flush=True)
"""
        with tempfile.TemporaryDirectory() as folder:
            with self.daemon(folder), subprocess.Popen([PYTHON, "-c", PRELUDE + sender], stdin=subprocess.PIPE,
                                                       stdout=subprocess.PIPE, text=True) as process:
                self.assertEqual(self.ctl(folder, "prog", "load", f"{OBJECT}:send4", "send4").returncode, 0)
                self.ctl(folder, "map", "update", "name", "ports", "key", *two_bytes(7799).split(), "value", "0", "0")
                self.assertEqual(process.stdout.readline(), "ready\n")
                done = self.ctl(folder, "attach", "--pid", str(process.pid), "sendmsg=pinned:send4")
                self.assertEqual(done.returncode, 0, done.stderr)
                answers = []
                for port in (7701, 7799):
                    process.stdin.write(f"{port}\n")
                    process.stdin.flush()
                    answers.append(process.stdout.readline().strip())
                self.assertEqual(answers, ["0", "1"])
                process.stdin.close()


if __name__ == "__main__":
    enter_network()
    unittest.main(argv=sys.argv[:1], verbosity=2)

# SPDX-License-Identifier: MIT
"""Two network namespaces joined by a veth pair, for end-to-end tests; removed at the end, whatever happened."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

SKIP = 77
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True, timeout=30):
    """Runs a command and returns its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def skip_unless_possible():
    """Ends the process with exit code 77 where namespaces cannot be made."""
    if os.geteuid() != 0:
        print("skipped: needs root to make network namespaces")
        sys.exit(SKIP)
    name = f"ebpf-e2e-{os.getpid()}-try"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode != 0:
        print("skipped: network namespaces cannot be made here")
        sys.exit(SKIP)
    run("ip", "netns", "delete", name)


def wait_until(condition, seconds=5.0, what="condition"):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.01)


class Lab:
    """Namespaces `client` (interface c0, 10.77.0.1) and `server` (s0, 10.77.0.2)."""

    def __init__(self):
        self.client = f"ebpf-e2e-{os.getpid()}-c"
        self.server = f"ebpf-e2e-{os.getpid()}-s"
        self.processes = []
        self.extra = []
        try:
            for name in (self.client, self.server):
                run("ip", "netns", "add", name)
                self.ip(name, "link", "set", "lo", "up")
            self.ip(self.client, "link", "add", "c0", "type", "veth", "peer", "name", "s0", "netns", self.server)
            self.address(self.client, "c0", "10.77.0.1/24")
            self.address(self.server, "s0", "10.77.0.2/24")
            for name, interface in ((self.client, "c0"), (self.server, "s0")):
                wait_until(lambda: '"NO-CARRIER"' not in self.ip(name, "-j", "link", "show", "dev", interface) and
                           '"operstate":"UP"' in self.ip(name, "-j", "link", "show", "dev", interface), what="link up")
        except BaseException:
            self.close()
            raise

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                stream.close()
        for name in (self.client, self.server, *self.extra):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)

    def add_namespace(self, suffix):
        name = f"ebpf-e2e-{os.getpid()}-{suffix}"
        run("ip", "netns", "add", name)
        self.extra.append(name)
        return name

    def ip(self, namespace, *arguments, check=True):
        return run("ip", "-n", namespace, *arguments, check=check)

    def address(self, namespace, interface, address):
        # No IPv6: its own chatter would disturb exact counts.
        run("ip", "netns", "exec", namespace, "sh", "-c",
            f"echo 1 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6", check=False)
        self.ip(namespace, "address", "add", address, "dev", interface)
        self.ip(namespace, "link", "set", interface, "up")

    def start(self, namespace, *command):
        """Starts a program in a namespace; it is killed by close() at the latest."""
        process = subprocess.Popen(["ip", "netns", "exec", namespace, *command], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    @contextlib.contextmanager
    def inside(self, namespace):
        """Sockets made by this thread in the block belong to the namespace."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as target:
            if _libc.setns(target.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                if _libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                    os._exit(3)  # going on in the wrong namespace would test, or damage, the wrong thing

    def udp(self, namespace, address=None, port=0, device=None):
        with self.inside(namespace):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            if device:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            sock.bind((address or "", port))
        sock.settimeout(2)
        return sock

    def packet(self, namespace, interface):
        with self.inside(namespace):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.bind((interface, 0))
        return sock

    def mac(self, namespace, interface):
        text = json.loads(self.ip(namespace, "-j", "link", "show", "dev", interface))[0]["address"]
        return bytes.fromhex(text.replace(":", ""))

    def state(self, namespace):
        """Everything that a hook might leave behind, as comparable text."""
        links = json.loads(self.ip(namespace, "-j", "-d", "link", "show"))
        rules = run("ip", "netns", "exec", namespace, "nft", "list", "ruleset")
        qdiscs = run("ip", "netns", "exec", namespace, "tc", "qdisc", "show")
        filters = "".join(
            run("ip", "netns", "exec", namespace, "tc", "filter", "show", "dev", link["ifname"], direction, check=False)
            for link in links for direction in ("ingress", "egress"))
        return json.dumps(links, indent=1) + rules + qdiscs + filters


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_frame(source_mac, target_mac, source, target, port, payload, tag=b""):
    """An Ethernet frame with an IPv4 UDP packet (UDP checksum 0: none), with `tag` behind the addresses."""
    udp = struct.pack("!HHHH", 4000, port, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(source),
                         socket.inet_aton(target))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return target_mac + source_mac + tag + b"\x08\x00" + header + udp


def ping(lab, namespace, target, count=3, timeout=1.0):
    """Sends ICMP echo requests; returns how many were answered."""
    with lab.inside(namespace):
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.settimeout(timeout)
    answered = 0
    for sequence in range(count):
        body = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, sequence) + bytes(56)
        request = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        sock.sendto(request, (target, 0))
        try:
            while True:
                reply = sock.recv(2048)[20:]
                if reply[0] == 0 and reply[4:8] == request[4:8]:
                    answered += 1
                    break
        except TimeoutError:
            pass
    sock.close()
    return answered


class Probe:
    """The hook with a C++ filter: see hook_probe.cpp."""

    path = ""

    def __init__(self, lab, namespace, interface, kind):
        self.process = lab.start(namespace, Probe.path, interface, kind)
        line = self.process.stdout.readline()
        if line.strip() != "attached":
            raise RuntimeError(f"probe did not attach: {self.process.communicate(timeout=5)[1]}")

    def counters(self):
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())

    def stop(self):
        """Detaches; returns the last counters."""
        self.process.send_signal(signal.SIGTERM)
        output, errors = self.process.communicate(timeout=10)
        if self.process.returncode != 0:
            raise RuntimeError(f"probe ended with {self.process.returncode}: {errors}")
        return json.loads(output.splitlines()[-1])

    def kill(self):
        self.process.kill()
        self.process.wait()

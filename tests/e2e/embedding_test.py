# SPDX-License-Identifier: MIT
"""The services of samples/embedding with their users' programs, and real packets on loopback.

Usage: embedding_test.py FOLDER EBPFCTL
"""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

FOLDER, EBPFCTL = (os.path.abspath(path) for path in sys.argv[1:3])
WAIT = 20.0  # seconds, for what takes milliseconds
SILENCE = 0.3  # after which there is no answer
DROPPED = "dropped"
REFUSED = 5


def dns_query(name, kind=1, opcode=0):
    labels = b"".join(struct.pack("B", len(label)) + label.encode() for label in name.split("."))
    return struct.pack(">HBBHHHH", 0x1234, opcode << 3, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


class Service:
    """A sample that is running: its first line says the port."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, port = self.process.stdout.readline().split()
        assert word == "port"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", int(port)))

    def command(self, text):
        """Sends a line; returns the lines up to "ok" or an error, which may have several lines."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            assert line, "the service has ended"
            if line == "ok\n":
                return lines
            lines.append(line.rstrip("\n"))
            if line.startswith("error"):
                return lines

    def ask(self, data, timeout=WAIT):
        self.socket.settimeout(timeout)
        self.socket.send(data)
        try:
            return self.socket.recv(2048)
        except socket.timeout:
            return None

    def end(self):
        self.socket.close()
        self.process.stdin.close()
        code = self.process.wait(timeout=WAIT)
        self.process.stdout.close()
        return code


class DnsServerTest(unittest.TestCase):
    def setUp(self):
        self.server = Service(os.path.join(FOLDER, "dns_server"))
        self.addCleanup(self.server.process.kill)
        self.policy = os.path.join(FOLDER, "dns_policy.o")

    def answer(self, name, timeout=WAIT, **options):
        reply = self.server.ask(dns_query(name, **options), timeout)
        if reply is None:
            return DROPPED
        code = reply[3] & 15
        return code if code != 0 else socket.inet_ntoa(reply[-4:])

    def test_programs_decide(self):
        self.assertEqual(self.answer("a.test"), "192.0.2.1", "without a program")
        self.assertEqual(self.server.command(f"load {self.policy} policy"), [])
        self.assertEqual(self.server.command("rule ads.test drop"), [])
        self.assertEqual(self.server.command("rule old.test 198.51.100.7"), [])
        self.assertEqual(self.answer("a.test"), "192.0.2.1")
        self.assertEqual(self.answer("ads.test", timeout=SILENCE), DROPPED)
        self.assertEqual(self.answer("Old.Test"), "198.51.100.7", "names are compared in lower case")
        for _ in range(3):
            self.answer("a.test")
        counts = dict(line.split() for line in self.server.command("counts"))
        self.assertEqual(counts, {"a.test": "4", "ads.test": "1", "old.test": "1"})
        self.assertEqual(self.server.command("statistics"), ["runs 6 ns 0"])
        self.assertEqual(self.server.command("times"), [])
        self.answer("a.test")
        runs, nanoseconds = self.server.command("statistics")[0].split()[1::2]
        self.assertEqual(runs, "7")
        self.assertGreater(int(nanoseconds), 0)
        self.assertEqual(self.server.command("use strict"), [], "replaced while it runs")
        self.assertEqual(self.answer("ads.test"), "192.0.2.1")
        self.assertEqual(self.answer("a.test", opcode=2), REFUSED)
        self.assertEqual(self.answer("a.test", kind=28), REFUSED)
        self.assertEqual(self.server.command("detach"), [])
        self.assertEqual(self.answer("a.test", opcode=2), "192.0.2.1")
        self.assertEqual(self.server.end(), 0)

    def test_ebpfctl_sees_what_is_served(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "dns.sock")
            self.assertEqual(self.server.command(f"load {self.policy} policy"), [])
            self.assertEqual(self.server.command(f"serve {path}"), [])
            self.answer("a.test")

            def ebpfctl(*words):
                done = subprocess.run([EBPFCTL, "--context", f"unix:{path}", "--json", *words], check=True,
                                      capture_output=True, text=True, timeout=WAIT)
                return json.loads(done.stdout)

            programs = {program["name"]: program for program in ebpfctl("prog", "show")}
            self.assertEqual(programs["policy"]["run_cnt"], 1)
            elements = ebpfctl("map", "dump", "name", "counts")
            self.assertEqual(len(elements), 1)
            self.assertEqual(self.server.end(), 0)
            self.assertEqual(os.listdir(folder), [], "the socket is left behind")

    def test_no_bytes_do_harm(self):
        self.assertEqual(self.server.command(f"load {self.policy} policy"), [])
        for data in (b"", b"\0" * 11, b"\xff" * 12, b"\xff" * 512, dns_query("a" * 63 + "." + "b" * 63),
                     dns_query("x.test")[:-1], b"\0" * 12 + b"\x3f" + b"y" * 500):
            self.server.ask(data, timeout=0.02)
        self.assertEqual(self.answer("a.test"), "192.0.2.1")
        self.assertEqual(self.server.end(), 0)

    def test_what_fails_is_said(self):
        lines = self.server.command("load /nonexistent.o")
        self.assertTrue(lines[0].startswith("error 2: "), lines)
        lines = self.server.command(f"load {os.path.join(FOLDER, 'echo_policy.o')}")
        self.assertIn("section name selects no program type", lines[0])
        self.assertIn("supported are dns, xdp", lines[0])
        self.assertEqual(self.server.end(), 0)


class EchoServerTest(unittest.TestCase):
    def test_c_service(self):
        sent = [b"hello", b"#secret", b"2times", b"abc", b"Hello"]
        server = Service(os.path.join(FOLDER, "echo_server"), os.path.join(FOLDER, "echo_policy.o"), str(len(sent)))
        self.addCleanup(server.process.kill)
        self.assertEqual(server.ask(sent[0]), b"Hello")
        self.assertIsNone(server.ask(sent[1], timeout=SILENCE))
        self.assertEqual(server.ask(sent[2]), b"2times")
        self.assertEqual(server.socket.recv(100), b"2times")
        self.assertIsNone(server.ask(sent[3], timeout=SILENCE), "shorter than the program wants")
        self.assertEqual(server.ask(sent[4]), b"Hello")
        total = sum(sum(data[:4]) for data in sent if len(data) >= 4)
        self.assertEqual(server.process.stdout.readline(), f"runs 5 sum {total}\n")
        self.assertEqual(server.end(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)

# SPDX-License-Identifier: MIT
"""From clang's object to real traffic: ebpfd, ebpfctl and the XDP hook together. Usage: platform_test.py BIN SAMPLES"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import lab as lab_module
from lab import Lab, ping, wait_until
from xdp_hook_test import HookTest

SERVER = "10.77.0.2"
PIN = "/sys/fs/bpf/droppacket"


class PlatformTest(HookTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.socket = os.path.join(folder.name, "ebpfd.sock")
        self.before = self.lab.state(self.lab.server)
        self.start_daemon()

    def start_daemon(self):
        self.daemon = self.lab.start(self.lab.server, os.path.join(binaries, "ebpfd"), "--socket", self.socket)
        self.assertIn("ready", self.daemon.stdout.readline())

    def ctl(self, *arguments, status=0):
        done = subprocess.run([os.path.join(binaries, "ebpfctl"), "--context", f"unix:{self.socket}", *arguments],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def attach_sample(self):
        self.ctl("prog", "load", os.path.join(samples, "droppacket.o"), PIN)
        self.ctl("net", "attach", "xdp", "pinned", PIN, "dev", "s0")

    def counters(self):
        return json.loads(self.ctl("--json", "link", "show"))[0]["counters"]

    def counted(self):
        return json.loads(self.ctl("--json", "map", "dump", "name", "dropped"))[0]["formatted"]["value"]

    def test_drops_counts_and_passes(self):
        receiver = self.lab.udp(self.lab.server, SERVER, 53)
        ping(self.lab, self.lab.client, SERVER, 1)
        self.attach_sample()
        sender = self.lab.udp(self.lab.client)
        for number in range(200):
            sender.sendto(b"", (SERVER, 53))
            sender.sendto(number.to_bytes(4, "big"), (SERVER, 53))
        sender.close()
        self.assertEqual(self.received_numbers(receiver), list(range(200)))
        self.assertEqual(self.counted(), 200)
        counters = self.counters()
        self.assertEqual(counters["drop"], 200)
        self.assertEqual(counters["rx"], counters["drop"] + counters["pass"])

    def test_tcp_through_the_interface(self):
        self.attach_sample()
        self.assertTrue(self.transfer(self.lab.server, SERVER, self.lab.client))
        self.assertTrue(self.transfer(self.lab.client, "10.77.0.1", self.lab.server))
        self.assertGreater(self.counters()["pass"], 100)
        self.assertEqual(self.counters()["drop"], 0)

    def test_detach_restores_everything(self):
        self.attach_sample()
        self.assertNotEqual(self.lab.state(self.lab.server), self.before)
        self.ctl("net", "detach", "xdp", "dev", "s0")
        self.assertEqual(self.lab.state(self.lab.server), self.before)
        self.assertIn("no program is attached", self.ctl("net", "detach", "xdp", "dev", "s0", status=1))
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)

    def test_second_attach_is_refused(self):
        self.attach_sample()
        message = self.ctl("net", "attach", "xdp", "pinned", PIN, "dev", "s0", status=1)
        self.assertIn("attached already", message)
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)

    def test_daemon_that_ends_detaches(self):
        self.attach_sample()
        self.daemon.terminate()
        self.daemon.wait(timeout=10)
        self.assertEqual(self.lab.state(self.lab.server), self.before)
        self.assertFalse(os.path.exists(self.socket))

    def test_daemon_that_is_killed_fails_open(self):
        self.attach_sample()
        self.daemon.kill()
        self.daemon.wait()
        wait_until(lambda: "ebpf_everywhere" not in self.lab.state(self.lab.server), what="rule gone")
        receiver = self.lab.udp(self.lab.server, SERVER, 53)
        sender = self.lab.udp(self.lab.client)
        sender.sendto(b"", (SERVER, 53))
        self.assertEqual(receiver.recv(100), b"")
        receiver.close()
        sender.close()
        self.start_daemon()
        self.attach_sample()
        self.ctl("net", "detach", "xdp", "dev", "s0")
        self.assertEqual(self.lab.state(self.lab.server), self.before)

    def test_unsafe_program_is_refused(self):
        message = self.ctl("prog", "load", os.path.join(samples, "no_bounds_check.o"), PIN, status=1)
        self.assertIn("no_bounds_check.c", message)
        self.assertEqual(json.loads(self.ctl("--json", "prog", "show")), [])
        self.assertEqual(self.lab.state(self.lab.server), self.before)


del HookTest  # its own tests are run by xdp_hook_test.py

if __name__ == "__main__":
    samples = os.path.abspath(sys.argv.pop(2))
    binaries = os.path.abspath(sys.argv.pop(1))
    lab_module.skip_unless_possible()
    unittest.main(verbosity=2)

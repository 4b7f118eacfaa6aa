# SPDX-License-Identifier: MIT
"""From clang's object to real traffic: ebpfd, ebpfctl and the XDP hook together.

Usage: platform_test.py BIN SAMPLES TEST_OBJECTS
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
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

    def load_chain(self, *programs):
        for program in programs:
            self.ctl("prog", "load", f"{os.path.join(objects, 'xdp_chain.o')}:{program}", f"/chain/{program}")

    def attach_program(self, program, *words, status=0):
        return self.ctl("net", "attach", "xdp", "pinned", f"/chain/{program}", "dev", "s0", *words, status=status)

    def chain(self):
        return json.loads(self.ctl("--json", "net", "show", "dev", "s0"))[0]["xdp"]

    def seen(self, name):
        return json.loads(self.ctl("--json", "map", "dump", "name", name))[0]["formatted"]["value"]

    def test_programs_run_one_after_the_other(self):
        receiver = self.lab.udp(self.lab.server, SERVER, 5002)
        ping(self.lab, self.lab.client, SERVER, 1)
        self.load_chain("count_rest", "drop_5001", "count_last")
        self.attach_program("count_last", "priority", "70")
        self.attach_program("count_rest")
        self.attach_program("drop_5001")
        for port in (5001, 5002):
            self.send_numbered(100, port)
        self.assertEqual(self.received_numbers(receiver), list(range(100)))
        first, rest, last = self.chain()
        self.assertEqual([link["priority"] for link in (first, rest, last)], [10, 50, 70])
        self.assertEqual([link["position"] for link in (first, rest, last)], [0, 1, 2])
        self.assertEqual(last["chain_call_actions"], ["XDP_DROP", "XDP_REDIRECT"])
        self.assertEqual(rest["chain_call_actions"], ["XDP_PASS"])
        counters = self.counters()
        self.assertEqual(counters["drop"], 100)
        self.assertEqual((first["run_cnt"], first["ended_cnt"]), (counters["rx"], 100))
        self.assertEqual((rest["run_cnt"], rest["ended_cnt"]), (counters["rx"] - 100, 0))
        self.assertEqual(last["run_cnt"], rest["run_cnt"])
        self.assertEqual(self.seen("first_seen"), first["run_cnt"])
        self.assertEqual(self.seen("rest_seen"), rest["run_cnt"])
        self.assertIn("priority 50 position 1 chain_call_actions XDP_PASS", self.ctl("net", "show"))
        # Out of the middle.
        self.ctl("link", "detach", "id", str(rest["link_id"]))
        self.send_numbered(10, 5002)
        left = self.chain()
        self.assertEqual([link["link_id"] for link in left], [first["link_id"], last["link_id"]])
        self.assertEqual(left[1]["run_cnt"], last["run_cnt"] + 10)
        self.ctl("net", "detach", "xdp", "dev", "s0")
        self.assertEqual(self.lab.state(self.lab.server), self.before)
        self.assertEqual(json.loads(self.ctl("--json", "link", "show")), [])

    def test_replacing_under_load_loses_and_doubles_nothing(self):
        receiver = self.lab.udp(self.lab.server, SERVER, 5002)
        ping(self.lab, self.lab.client, SERVER, 1)
        self.load_chain("drop_5001", "count_rest", "count_other")
        self.attach_program("drop_5001")
        self.attach_program("count_rest")
        link = str(self.chain()[1]["link_id"])
        sender = threading.Thread(target=self.send_numbered, args=(4000, 5002), kwargs={"pause": 0.0003})
        sender.start()
        replacements = 0
        while sender.is_alive():
            name = ("count_other", "count_rest")[replacements % 2]
            self.ctl("link", "update", "id", link, "pinned", f"/chain/{name}")
            replacements += 1
        sender.join()
        self.assertEqual(self.received_numbers(receiver), list(range(4000)))
        self.assertGreater(replacements, 5)
        first, second = self.chain()
        self.assertEqual(second["run_cnt"], first["run_cnt"])
        self.assertEqual(self.seen("rest_seen") + self.seen("other_seen"), self.seen("first_seen"))
        self.assertGreater(self.seen("other_seen"), 0)

    def test_what_does_not_fit_is_refused(self):
        self.load_chain("drop_5001", "count_rest", "count_other")
        self.attach_program("drop_5001")
        self.assertIn("attached already there, by link", self.attach_program("drop_5001", status=1))
        self.attach_program("count_rest")
        self.assertIn("2 programs are attached", self.attach_program("count_other", "overwrite", status=2))
        first, rest = (str(link["link_id"]) for link in self.chain())
        self.assertIn("another link has the program",
                      self.ctl("link", "update", "id", rest, "pinned", "/chain/drop_5001", status=1))
        self.ctl("link", "detach", "id", first)
        self.attach_program("count_other", "overwrite")
        self.assertEqual([str(link["link_id"]) for link in self.chain()], [rest])
        for number in range(2, 11):
            self.ctl("prog", "load", f"{os.path.join(objects, 'xdp_chain.o')}:count_rest", f"/chain/{number}")
            self.attach_program(str(number))
        self.ctl("prog", "load", f"{os.path.join(objects, 'xdp_chain.o')}:count_rest", "/chain/11")
        self.assertIn("takes at most 10 programs at a place, and there are 10", self.attach_program("11", status=1))
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
    objects = os.path.abspath(sys.argv.pop(3))
    samples = os.path.abspath(sys.argv.pop(2))
    binaries = os.path.abspath(sys.argv.pop(1))
    lab_module.skip_unless_possible()
    unittest.main(verbosity=2)

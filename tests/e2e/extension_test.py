# SPDX-License-Identifier: MIT
"""The relay of samples/extension in an ebpfd of this test's own: attached, replaced, unloaded, loaded again, killed.

Usage: extension_test.py BIN FOLDER

BIN has ebpfd and ebpfctl, FOLDER dgram.so and dgram_policy.o. Needs no privileges.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BIN, FOLDER = (os.path.abspath(path) for path in sys.argv[1:3])
EBPFCTL = os.path.join(BIN, "ebpfctl")
WAIT = 20.0  # seconds, for what takes milliseconds
SILENCE = 0.3  # after which nothing comes
EXTENSION = os.path.join(FOLDER, "dgram.so")
POLICY = os.path.join(FOLDER, "dgram_policy.o")


def wait_until(condition, what):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class ExtensionTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebpf-extension-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "s")
        self.daemon = None
        self.addCleanup(self.end)
        self.client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.client.close)
        self.service = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.service.close)
        self.service.bind(os.path.join(self.folder, "1.to"))

    def start(self, *options):
        self.daemon = subprocess.Popen([os.path.join(BIN, "ebpfd"), "--socket", self.path, *options],
                                       env=dict(os.environ, DGRAM_FOLDER=self.folder), stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        line = self.daemon.stdout.readline()
        self.assertIn("ready", line, None if line else self.daemon.communicate(timeout=WAIT)[1])

    def end(self, kill=False):
        """Returns the exit code."""
        if self.daemon is None:
            return 0
        if self.daemon.poll() is None:
            (self.daemon.kill if kill else self.daemon.terminate)()
        code = self.daemon.wait(timeout=WAIT)
        self.daemon.stdout.close()
        self.daemon.stderr.close()
        self.daemon = None
        return code

    def ctl(self, *words, status=0):
        done = subprocess.run([EBPFCTL, "--context", f"unix:{self.path}", *words], capture_output=True, text=True,
                              timeout=WAIT)
        self.assertEqual(done.returncode, status, f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout if status == 0 else done.stderr

    def show(self, *words):
        return json.loads(self.ctl("--json", *words))

    def link(self, name):
        return self.show("link", "show", "pinned", name)

    def send(self, data):
        self.client.sendto(data, os.path.join(self.folder, "1"))

    def relayed(self, data, timeout=WAIT):
        self.send(data)
        self.service.settimeout(timeout)
        try:
            return self.service.recv(65536)
        except socket.timeout:
            return None

    def attach_both(self):
        self.ctl("prog", "load", f"{POLICY}:count", "count")
        self.ctl("link", "create", "pinned", "count", "hook", "dgram", "at", "1", "priority", "10", "counting")
        self.ctl("link", "create", f"{POLICY}:mask", "hook", "dgram", "at", "1", "priority", "20", "masking")

    def test_programs_decide_and_are_replaced(self):
        self.start("--extension", EXTENSION)
        self.attach_both()
        self.assertEqual(self.relayed(b"card 1234"), b"card ****")
        self.assertIsNone(self.relayed(b"# a note", SILENCE))
        self.assertEqual(self.relayed(b"x" * 60000), b"x" * 60000)
        counts = self.show("map", "dump", "name", "senders")
        self.assertEqual([(element["formatted"]["key"], element["formatted"]["value"]) for element in counts],
                         [(os.getuid(), 3)])
        masking = self.link("masking")
        self.assertEqual((masking["type"], masking["hook"], masking["at"], masking["position"], masking["run_cnt"]),
                         ("dgram", "dgram", 1, 1, 3))
        self.assertEqual(masking["ended_cnt"], 1)
        self.assertEqual(masking["counters"], {"received": 3, "passed": 2, "dropped": 1, "lost": 0})
        program = self.show("prog", "show", "pinned", "count")
        self.assertEqual((program["type"], program["run_cnt"]), ("dgram", 3))

        self.ctl("link", "update", "pinned", "masking", f"{POLICY}:brief")
        self.assertEqual(self.relayed(b"card 1234"), b"card 1234")
        self.assertEqual(self.relayed(b"a datagram that is too long"), b"a datagram that~")
        self.assertEqual(self.link("masking")["run_cnt"], 5)
        self.ctl("link", "detach", "pinned", "masking")
        self.ctl("link", "detach", "pinned", "counting")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "1")), "the relay has gone")
        self.assertEqual(self.end(), 0)

    def test_it_may_go_and_return(self):
        self.start()
        self.ctl("extension", "load", EXTENSION)
        shown = self.show("extension", "show")
        self.assertEqual([(one["name"], one["path"]) for one in shown], [("dgram", EXTENSION)])
        self.assertEqual([hook["name"] for hook in shown[0]["hooks"]], ["dgram"])
        self.assertIn("hook dgram  type dgram", self.ctl("extension", "show"))
        self.attach_both()
        for number in range(5):
            self.assertEqual(self.relayed(b"%d" % number), b"*")
        for round_number in range(1, 4):
            self.ctl("extension", "unload", "dgram")
            self.assertEqual(self.show("extension", "show"), [])
            self.assertFalse(os.path.exists(os.path.join(self.folder, "1")), "its relay has gone")
            for name in ("counting", "masking"):
                link = self.link(name)
                self.assertEqual((link["attached"], link["suspended"], link["type"]), (False, True, "dgram"))
            self.assertIn("waits for its hook to return", self.ctl("link", "show"))
            self.assertTrue(self.show("prog", "show", "pinned", "count")["type_gone"])
            self.assertIn("the extension with its type is not loaded", self.ctl("prog", "show"))
            self.assertIn("there is no hook 'dgram'",
                          self.ctl("link", "create", "pinned", "count", "hook", "dgram", status=1))
            self.assertIn("selects no program type", self.ctl("prog", "load", f"{POLICY}:count", "other", status=1))
            self.ctl("extension", "load", EXTENSION)
            self.assertTrue(self.link("masking")["attached"])
            self.assertEqual(self.relayed(b"7 again"), b"* again")
            self.assertEqual(self.link("counting")["run_cnt"], 5 + round_number, "counts go on")
            self.assertEqual(self.show("prog", "show", "pinned", "count")["run_cnt"], 5 + round_number)
        self.ctl("link", "update", "pinned", "masking", f"{POLICY}:brief")
        self.assertEqual(self.relayed(b"7"), b"7")
        self.assertEqual(self.end(), 0)

    def test_nothing_is_lost_while_it_is_replaced(self):
        self.start("--extension", EXTENSION)
        self.attach_both()
        for number in range(200):
            if number % 20 == 0:
                program = "brief" if number % 40 == 0 else "mask"
                self.ctl("link", "update", "pinned", "masking", f"{POLICY}:{program}")
            self.assertIn(self.relayed(b"1"), (b"1", b"*"))
        self.assertEqual(self.link("counting")["run_cnt"], 200)
        self.assertEqual(self.link("counting")["counters"]["passed"], 200)

    def test_verify_and_run_need_nothing_attached(self):
        words = [EBPFCTL, "--extension", EXTENSION, "--json", "prog"]
        done = subprocess.run([*words, "verify", POLICY], capture_output=True, text=True, timeout=WAIT, check=True)
        self.assertEqual([one["verdict"] for one in json.loads(done.stdout)], ["accept"] * 3)
        data = os.path.join(self.folder, "data")
        with open(data, "wb") as file:
            file.write(b"a datagram that is too long")
        self.start("--extension", EXTENSION)
        self.assertEqual([one["verdict"] for one in self.show("prog", "verify", POLICY)], ["accept"] * 3)
        for engine in ("interpreter", "jit"):
            run = self.show("prog", "run", f"{POLICY}:brief", "data_in", data, "data_out", "-", "--engine", engine)
            self.assertEqual(run["retval"], 1)
            self.assertEqual(bytes(int(byte, 16) for byte in run["data_out"]), b"a datagram that~")
        self.assertIn("exit", self.ctl("prog", "dump", "xlated", f"{POLICY}:brief"))

    def test_what_is_refused_is_said(self):
        self.start()
        self.ctl("extension", "load", EXTENSION)
        self.assertIn("is loaded already", self.ctl("extension", "load", EXTENSION, status=1))
        self.assertIn("no extension 'none'", self.ctl("extension", "unload", "none", status=1))
        copy = os.path.join(self.folder, "copy.so")
        shutil.copy(EXTENSION, copy)
        os.chmod(copy, 0o666)
        self.assertIn("others than its owner may write it", self.ctl("extension", "load", copy, status=4))
        text = os.path.join(self.folder, "text")
        with open(text, "w", encoding="ascii") as file:
            file.write("text")
        self.assertIn("not an ELF file", self.ctl("extension", "load", text, status=1))
        self.attach_both()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taken:
            taken.bind(os.path.join(self.folder, "2"))
            self.assertIn("relay 2: ", self.ctl("link", "create", "pinned", "count", "hook", "dgram", "at", "2", status=4))
        self.assertEqual(self.end(), 0)
        refused = subprocess.run([os.path.join(BIN, "ebpfd"), "--socket", self.path, "--extension", "dgram.so"],
                                 capture_output=True, text=True, timeout=WAIT)
        self.assertEqual(refused.returncode, 4)
        self.assertIn("dgram.so: the path must be absolute", refused.stderr)
        refused = subprocess.run([os.path.join(BIN, "ebpfd"), "--socket", self.path, "--code-integrity", "--extension",
                                  EXTENSION], capture_output=True, text=True, timeout=WAIT)
        self.assertEqual(refused.returncode, 4)
        self.assertIn("code integrity is enforced", refused.stderr)

    def test_a_killed_daemon_leaves_no_obstacle(self):
        self.start("--extension", EXTENSION)
        self.attach_both()
        self.assertEqual(self.relayed(b"1"), b"*")
        self.end(kill=True)
        self.assertTrue(os.path.exists(os.path.join(self.folder, "1")))
        with self.assertRaises(ConnectionRefusedError):
            self.send(b"2")
        os.unlink(self.path)
        self.start("--extension", EXTENSION)
        self.attach_both()
        self.assertEqual(self.relayed(b"3"), b"*")
        self.assertEqual(self.end(), 0)
        self.assertEqual(os.listdir(self.folder), ["1.to"], "something is left behind")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)

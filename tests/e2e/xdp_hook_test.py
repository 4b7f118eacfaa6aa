# SPDX-License-Identifier: MIT
"""The XDP hook by itself, on real traffic between two network namespaces. Usage: xdp_hook_test.py PROBE"""

import hashlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

import lab as lab_module
from lab import Lab, Probe, ping, run, udp_frame, wait_until

SERVER = "10.77.0.2"
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
TABLE_START = "table netdev ebpf_everywhere_xdp_"


class HookTest(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.maxDiff = None

    def attach(self, kind, namespace=None, interface="s0"):
        return Probe(self.lab, namespace or self.lab.server, interface, kind)

    def send_numbered(self, count, port=5000, payload=b"payload", pause=0.0):
        sender = self.lab.udp(self.lab.client)
        for number in range(count):
            sender.sendto(number.to_bytes(4, "big") + payload, (SERVER, port))
            if pause:
                time.sleep(pause)
        sender.close()

    def received_numbers(self, receiver, timeout=0.5):
        self.addCleanup(receiver.close)
        receiver.settimeout(timeout)
        numbers = []
        try:
            while True:
                numbers.append(int.from_bytes(receiver.recv(65536)[:4], "big"))
        except TimeoutError:
            return numbers

    def transfer(self, listener_namespace, listener_address, sender_namespace, size=48 << 20):
        """Sends `size` bytes by TCP; returns whether they arrived unharmed."""
        data = os.urandom(1 << 20) * (size >> 20)
        with self.lab.inside(listener_namespace):
            listener = socket.create_server((listener_address, 0))
        listener.settimeout(10)
        result = {}

        def serve():
            connection, _ = listener.accept()
            connection.settimeout(20)
            digest = hashlib.sha256()
            while chunk := connection.recv(1 << 20):
                digest.update(chunk)
            result["digest"] = digest.digest()
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with self.lab.inside(sender_namespace):
            sender = socket.socket()
        sender.settimeout(20)
        sender.connect(listener.getsockname())
        sender.sendall(data)
        sender.close()
        thread.join()
        listener.close()
        return result.get("digest") == hashlib.sha256(data).digest()


class Verdicts(HookTest):
    def test_pass_answers_ping(self):
        probe = self.attach("pass")
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)
        counters = probe.stop()
        self.assertGreaterEqual(counters["pass"], 3)
        self.assertEqual(counters["rx"], counters["pass"])
        self.assertEqual(counters["inject_failed"], 0)

    def test_pass_delivers_each_datagram_once_in_order(self):
        ping(self.lab, self.lab.client, SERVER, 1)
        receiver = self.lab.udp(self.lab.server, SERVER, 5000)
        probe = self.attach("pass")
        self.send_numbered(2000)
        self.assertEqual(self.received_numbers(receiver), list(range(2000)))
        self.assertEqual(probe.stop()["ring_dropped"], 0)

    def test_drop_lets_nothing_through(self):
        receiver = self.lab.udp(self.lab.server, SERVER, 5000)
        ping(self.lab, self.lab.client, SERVER, 1)  # the neighbour is known from here on
        probe = self.attach("drop")
        self.send_numbered(500)
        self.assertEqual(self.received_numbers(receiver), [])
        counters = probe.stop()
        self.assertGreaterEqual(counters["drop"], 500)
        self.assertEqual(counters["pass"], 0)

    def test_filter_drops_empty_datagrams_only(self):
        receiver = self.lab.udp(self.lab.server, SERVER, 53)
        ping(self.lab, self.lab.client, SERVER, 1)  # datagrams that wait for the neighbour would overtake
        probe = self.attach("drop_empty_dns")
        sender = self.lab.udp(self.lab.client)
        for number in range(100):
            sender.sendto(b"", (SERVER, 53))
            sender.sendto(number.to_bytes(4, "big"), (SERVER, 53))
        self.assertEqual(self.received_numbers(receiver), list(range(100)))
        self.assertEqual(probe.stop()["drop"], 100)

    def test_other_verdicts_drop_and_are_counted(self):
        ping(self.lab, self.lab.client, SERVER, 1)
        for kind, counter in (("abort", "aborted"), ("unknown", "aborted"), ("tx", "unsupported")):
            with self.subTest(kind):
                receiver = self.lab.udp(self.lab.server, SERVER, 5000)
                probe = self.attach(kind)
                self.send_numbered(50)
                self.assertEqual(self.received_numbers(receiver, 0.2), [])
                counters = probe.stop()
                self.assertGreaterEqual(counters[counter], 50)
                self.assertEqual(counters["rx"], counters[counter])
                receiver.close()


class Streams(HookTest):
    def test_tcp_upload_and_download_with_offloads(self):
        probe = self.attach("pass")
        self.assertTrue(self.transfer(self.lab.server, SERVER, self.lab.client))
        self.assertTrue(self.transfer(self.lab.client, "10.77.0.1", self.lab.server))
        counters = probe.stop()
        self.assertEqual(counters["inject_failed"], 0)
        self.assertEqual(counters["truncated"], 0)
        # Superframes: far fewer frames than 48 MiB / 1500.
        self.assertLess(counters["pass"], 60000)

    def test_tcp_through_programs_that_move_the_head(self):
        """Client - bridge - server: the program at the bridge's port puts a VLAN tag on, the server's takes it off."""
        middle = self.lab.add_namespace("m")
        self.lab.ip(middle, "link", "add", "br0", "type", "bridge")
        self.lab.ip(self.lab.client, "link", "delete", "c0")
        for namespace, interface, address in ((self.lab.client, "c0", "10.77.0.1/24"),
                                              (self.lab.server, "s0", SERVER + "/24")):
            port = "p" + interface
            self.lab.ip(namespace, "link", "add", interface, "type", "veth", "peer", "name", port, "netns", middle)
            self.lab.ip(middle, "link", "set", port, "master", "br0", "up")
            self.lab.address(namespace, interface, address)
        self.lab.ip(middle, "link", "set", "br0", "up")
        wait_until(lambda: ping(self.lab, self.lab.client, SERVER, 1, 0.2) == 1, what="bridge forwards")
        tagging = self.attach("tag", middle, "pc0")
        self.assertEqual(ping(self.lab, self.lab.client, SERVER, 1, 0.3), 0)  # tagged now: not for the server
        untagging = self.attach("untag")
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)
        self.assertTrue(self.transfer(self.lab.server, SERVER, self.lab.client))
        self.assertTrue(self.transfer(self.lab.client, "10.77.0.1", self.lab.server))
        for counters in (tagging.stop(), untagging.stop()):
            self.assertEqual(counters["inject_failed"], 0)
            self.assertGreater(counters["pass"], 100)

    def tagged_frame(self, number):
        return udp_frame(self.lab.mac(self.lab.client, "c0"), self.lab.mac(self.lab.server, "s0"), "10.77.0.1", SERVER,
                         5000, number.to_bytes(4, "big"), b"\x81\0\x60\x05")

    def test_vlan_tags_are_seen_and_kept(self):
        """A tap at the server sees a tagged frame twice, with equal tags: as it arrived and as the hook sent it back."""
        with self.lab.inside(self.lab.server):
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            tap.bind(("s0", ETH_P_ALL))
        tap.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        tap.settimeout(0.5)
        probe = self.attach("only_tagged")
        raw = self.lab.packet(self.lab.client, "c0")
        raw.send(self.tagged_frame(1))
        raw.send(udp_frame(self.lab.mac(self.lab.client, "c0"), self.lab.mac(self.lab.server, "s0"), "10.77.0.1",
                           SERVER, 5000, b"\0\0\0\x02"))
        seen = []
        try:
            while True:
                data, control, _, _ = tap.recvmsg(2048, 128)
                tag = struct.unpack("IIIHHHH", control[0][2][:20])[5]
                seen.append((data[-4:], tag))
        except TimeoutError:
            pass
        self.assertEqual(sorted(seen), [(b"\0\0\0\x01", 0x6005)] * 2 + [(b"\0\0\0\x02", 0)])
        counters = probe.stop()
        self.assertEqual((counters["pass"], counters["drop"]), (1, 1))
        raw.close()
        tap.close()

    def test_program_takes_a_tag_off(self):
        receiver = self.lab.udp(self.lab.server, SERVER, 5000)
        raw = self.lab.packet(self.lab.client, "c0")
        raw.send(self.tagged_frame(1))
        probe = self.attach("untag")
        raw.send(self.tagged_frame(2))
        self.assertEqual(self.received_numbers(receiver), [2])
        probe.stop()
        raw.close()

    def test_beheaded_frames_do_no_harm(self):
        probe = self.attach("behead")
        with self.lab.inside(self.lab.client):
            sender = socket.socket()
        sender.settimeout(0.5)
        with self.assertRaises(OSError):
            sender.connect((SERVER, 5000))
        sender.close()
        self.assertEqual(ping(self.lab, self.lab.client, SERVER, 1, 0.3), 0)
        self.assertIsNone(probe.process.poll())
        probe.stop()


class PacketTypes(HookTest):
    def test_frames_for_other_hosts_stay_theirs(self):
        """A promiscuous interface sees them; the stack must not take them for its own after the way through the hook."""
        self.lab.ip(self.lab.server, "link", "set", "s0", "promisc", "on")
        receiver = self.lab.udp(self.lab.server, SERVER, 5000)
        probe = self.attach("pass")
        raw = self.lab.packet(self.lab.client, "c0")
        own = self.lab.mac(self.lab.client, "c0")
        target = self.lab.mac(self.lab.server, "s0")
        raw.send(udp_frame(own, b"\x02\0\0\0\0\x99", "10.77.0.1", SERVER, 5000, b"\0\0\0\x01"))
        raw.send(udp_frame(own, target, "10.77.0.1", SERVER, 5000, b"\0\0\0\x02"))
        self.assertEqual(self.received_numbers(receiver), [2])
        self.assertEqual(probe.stop()["pass"], 2)
        raw.close()

    def test_broadcasts_arrive(self):
        receiver = self.lab.udp(self.lab.server, "", 5000)
        probe = self.attach("pass")
        sender = self.lab.udp(self.lab.client)
        sender.sendto(b"\0\0\0\x07", ("10.77.0.255", 5000))
        self.assertEqual(self.received_numbers(receiver), [7])
        probe.stop()


class Lifecycle(HookTest):
    def test_detach_restores_everything(self):
        before = self.lab.state(self.lab.server)
        probe = self.attach("pass")
        self.assertIn(TABLE_START, self.lab.state(self.lab.server))
        self.assertIn("ebpfx", self.lab.state(self.lab.server))
        probe.stop()
        self.assertEqual(self.lab.state(self.lab.server), before)
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)

    def test_nothing_is_lost_around_attach_and_detach(self):
        receiver = self.lab.udp(self.lab.server, SERVER, 5000)
        count = 6000
        sender = threading.Thread(target=self.send_numbered, args=(count,), kwargs={"pause": 0.0003})
        sender.start()
        time.sleep(0.3)
        for _ in range(3):
            probe = self.attach("pass")
            time.sleep(0.2)
            probe.stop()
            time.sleep(0.1)
        sender.join()
        numbers = self.received_numbers(receiver)
        self.assertEqual(set(range(count)) - set(numbers), set())
        self.assertLess(len(numbers) - count, count // 20, "datagrams that came twice")

    def test_killed_process_fails_open_and_attach_reclaims(self):
        before = self.lab.state(self.lab.server)
        probe = self.attach("drop")
        self.assertEqual(ping(self.lab, self.lab.client, SERVER, 1, 0.3), 0)
        probe.kill()
        wait_until(lambda: TABLE_START not in self.lab.state(self.lab.server), what="table gone after kill -9")
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)
        self.assertIn("ebpfx", self.lab.ip(self.lab.server, "link", "show"))
        again = self.attach("pass")
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)
        again.stop()
        self.assertEqual(self.lab.state(self.lab.server), before)

    def test_interface_down_and_up(self):
        probe = self.attach("pass")
        self.lab.ip(self.lab.server, "link", "set", "s0", "down")
        wait_until(lambda: probe.counters()["down_events"] == 1, what="down event")
        self.lab.ip(self.lab.server, "link", "set", "s0", "up")
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)
        self.assertGreaterEqual(probe.stop()["pass"], 3)

    def test_interface_removed(self):
        probe = self.attach("pass")
        self.lab.ip(self.lab.client, "link", "delete", "c0")
        wait_until(lambda: probe.counters()["interface_gone"] == 1, what="interface gone")
        probe.stop()
        state = self.lab.state(self.lab.server)
        self.assertNotIn("ebpfx", state)
        self.assertNotIn("ebpf_everywhere", state)


class Refusals(HookTest):
    def refused(self, *prefix, interface="s0"):
        process = self.lab.start(self.lab.server, *prefix, Probe.path, interface, "pass")
        output, errors = process.communicate(timeout=10)
        self.assertEqual(process.returncode, 4, errors)
        self.assertEqual(output, "")
        return errors

    def test_second_attach_is_busy(self):
        first = self.attach("pass")
        self.assertIn("attached already", self.refused())
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)
        first.stop()
        self.attach("pass").stop()

    def test_missing_privileges_are_named(self):
        if subprocess.run(["setpriv", "--version"], capture_output=True).returncode != 0:
            self.skipTest("no setpriv")
        errors = self.refused("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")
        self.assertIn("CAP_NET_RAW missing", errors)
        self.assertNotIn("CAP_NET_ADMIN", errors)
        errors = self.refused("setpriv", "--bounding-set=-net_raw,-net_admin", "--inh-caps=-net_raw,-net_admin")
        self.assertIn("CAP_NET_ADMIN and CAP_NET_RAW missing", errors)

    def test_unusable_interfaces(self):
        self.assertIn("no network interface given", self.refused(interface="absent0"))
        self.assertIn("not an Ethernet interface", self.refused(interface="lo"))
        self.lab.ip(self.lab.server, "link", "set", "s0", "down")
        self.assertIn("is down", self.refused())

    def test_failure_half_way_leaves_nothing(self):
        """The name of the ifb device is taken by a device that is not ours."""
        index = run("ip", "netns", "exec", self.lab.server, "cat", "/sys/class/net/s0/ifindex").strip()
        self.lab.ip(self.lab.server, "link", "add", f"ebpfx{index}", "type", "bridge")
        before = self.lab.state(self.lab.server)
        self.assertIn("not a leftover", self.refused())
        self.assertEqual(self.lab.state(self.lab.server), before)
        self.assertEqual(ping(self.lab, self.lab.client, SERVER), 3)


if __name__ == "__main__":
    Probe.path = os.path.abspath(sys.argv.pop(1))
    lab_module.skip_unless_possible()
    unittest.main(verbosity=2)

# SPDX-License-Identifier: MIT
"""Binds without end under samples/bindmonitor.c: nothing is lost and nothing grows. In a network namespace of its own.

Usage: soak_test.py BIN CHURN SAMPLES SECONDS
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

from loopback import enter_network, run, wait_until

BIN, CHURN, OBJECTS = (os.path.abspath(path) for path in sys.argv[1:4])
SECONDS = float(sys.argv[4])
THREADS = 4
ROUND_MS = 2000
MOST_GROWTH_KB = 4096


class Soak:
    def __init__(self, folder):
        self.socket = f"{folder}/ebpfd"
        self.daemon = subprocess.Popen([f"{BIN}/ebpfd", "--socket", self.socket], stdout=subprocess.PIPE, text=True)
        assert "ready" in self.daemon.stdout.readline()
        self.ctl("prog", "load", f"{OBJECTS}/bindmonitor.o", "bindmonitor")

    def end(self):
        self.daemon.terminate()
        self.daemon.wait(timeout=20)

    def ctl(self, *arguments):
        done = run(f"{BIN}/ebpfctl", "-j", "--context", f"unix:{self.socket}", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def dump(self, name):
        return [element.get("formatted", element) for element in json.loads(self.ctl("map", "dump", "name", name))]

    def total(self):
        return self.dump("total")[0]["value"]

    def churn(self, milliseconds):
        return subprocess.Popen([f"{BIN}/ebpfctl", "--context", f"unix:{self.socket}", "run", "--attach",
                                 "bind=pinned:bindmonitor", "--", CHURN, str(THREADS), str(milliseconds)],
                                stdout=subprocess.PIPE, text=True)

    def is_balanced(self):
        total = self.total()
        return total["binds"] == total["unbinds"] and not self.dump("processes")

    def size(self):
        """Resident kilobytes and open descriptors of the daemon."""
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        return resident, len(os.listdir(f"/proc/{self.daemon.pid}/fd"))


def churn_of(soak):
    """The processes of bind_churn that hold ports now."""
    return [int(element["key"]) for element in soak.dump("processes")]


def main():
    enter_network()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(folder)
        try:
            made, sizes, kills = 0, [], 0
            end = time.monotonic() + SECONDS
            while time.monotonic() < end or len(sizes) < 2:
                # Whoever ends by itself tells how often it has bound: as often as was counted.
                before = soak.total()["binds"]
                said = soak.churn(ROUND_MS).communicate(timeout=60)[0].split()
                wait_until(soak.is_balanced, what="the end of all binds", seconds=20)
                counted = soak.total()["binds"] - before
                assert counted == int(said[0]) and said[2] == "0", f"counted {counted} binds, made: {' '.join(said)}"
                made += counted
                # Whoever is killed holds ports then: they are let go.
                victim = soak.churn(60000)
                wait_until(lambda: churn_of(soak), what="binds", seconds=20)
                time.sleep(random.uniform(0, 0.2))
                for process in churn_of(soak):
                    os.kill(process, signal.SIGKILL)
                victim.communicate(timeout=60)
                wait_until(soak.is_balanced, what="the end of the killed process's binds", seconds=20)
                kills += 1
                sizes.append(soak.size())
            growth = sizes[-1][0] - sizes[0][0]
            print(f"{made} binds counted each once, {' '.join(said[4:])} in the middle; {kills} processes killed; the daemon "
                  f"grew by {growth} KB, {sizes[-1][1] - sizes[0][1]} descriptors")
            assert growth <= MOST_GROWTH_KB, f"the daemon grew by {growth} KB"
            assert sizes[-1][1] <= sizes[0][1], f"the daemon has {sizes[-1][1]} descriptors, had {sizes[0][1]}"
        finally:
            soak.end()


if __name__ == "__main__":
    main()

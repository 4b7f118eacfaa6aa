# SPDX-License-Identifier: MIT
"""./demo bind: bindmonitor.o limits how many ports unmodified programs may hold. Needs no privileges.

Usage: bind.py BIN_FOLDER OBJECT REPORT.json     Exit code 0 if all was as it should be, else 1.
"""

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

NAME_BYTES = 16
FIRST_LIMIT = 8
SECOND_LIMIT = 12
SECONDS = 3.0          # of each phase
REQUEST_EVERY = 0.05   # seconds
LEAK = "port_leak"
FOLDER = os.path.dirname(os.path.abspath(__file__))
DENIAL = struct.Struct("<QIHBB16s")   # struct denial of samples/bindmonitor.c


class Failed(Exception):
    """The demo cannot go on; the text says why."""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def name_as_key(name):
    return [str(byte) for byte in name.encode().ljust(NAME_BYTES, b"\0")]


class Lines(threading.Thread):
    """The lines that a process has written so far."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process = process
        self.lines = []
        self.start()

    def run(self):
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def count(self, start):
        return sum(line.startswith(start) for line in list(self.lines))


class Demo:
    def __init__(self, bin_folder):
        self.ctl_path = f"{bin_folder}/ebpfctl"
        self.daemon_path = f"{bin_folder}/ebpfd"
        self.processes = []

    def start(self, *command, **options):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **options)
        self.processes.append(process)
        return process

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start_daemon(self):
        daemon = self.start(self.daemon_path, "--socket", "ebpfd", stdout=subprocess.PIPE)
        if "ready" not in daemon.stdout.readline():
            raise Failed("ebpfd did not start")

    def ctl(self, *arguments, as_json=False):
        line = [self.ctl_path, *(["-j"] if as_json else []), "--context", "unix:ebpfd", *arguments]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise Failed(f"ebpfctl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return json.loads(done.stdout) if as_json else done.stdout

    def start_hooked(self, *command, **options):
        return self.start(self.ctl_path, "--context", "unix:ebpfd", "run", "--attach", "bind=pinned:bindmonitor",
                          "--", *command, **options)

    def set_limit(self, name, limit):
        self.ctl("map", "update", "name", "limits", "key", *name_as_key(name), "value",
                 *(str(byte) for byte in struct.pack("<I", limit)))

    def usage(self):
        """What the map `processes` says now, by process."""
        rows = {}
        for element in self.ctl("map", "dump", "name", "processes", as_json=True):
            element = element.get("formatted", element)
            value = element["value"]
            name = value["name"]["text"]
            if isinstance(name, list):
                name = bytes(int(byte, 0) if isinstance(byte, str) else byte for byte in name)
                name = name.split(b"\0")[0].decode(errors="replace")
            rows[int(element["key"])] = {"name": name, "binds": value["binds"], "unbinds": value["unbinds"],
                                         "held": value["binds"] - value["unbinds"], "denials": value["denials"]}
        return rows

    def total(self):
        element = self.ctl("map", "dump", "name", "total", as_json=True)[0]
        return element.get("formatted", element)["value"]


def wait_for(condition, what, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"timed out: {what}")
        time.sleep(0.02)


def ask_web_server(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", "/")
        answered = connection.getresponse().status == 200
        connection.close()
        return answered
    except OSError:
        return False


def ask_nc(port):
    """nc -k writes what it gets to its output: that it takes it is the answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"hello\n")
            return True
    except OSError:
        return False


def serve_for(seconds, servers):
    """Asks the servers for a while. Returns name -> [asked, answered]."""
    asked = {name: [0, 0] for name in servers}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, ask in servers.items():
            asked[name][0] += 1
            asked[name][1] += ask()
        time.sleep(REQUEST_EVERY)
    return asked


def held_by(usage, name):
    return sum(row["held"] for row in usage.values() if row["name"] == name)


def print_table(title, usage):
    print(f"   {title}")
    print(f"   {'process':>9}  {'name':<16}{'binds':>7}{'unbinds':>9}{'held':>6}{'denials':>9}")
    for process, row in sorted(usage.items()):
        print(f"   {process:>9}  {row['name']:<16}{row['binds']:>7}{row['unbinds']:>9}{row['held']:>6}"
              f"{row['denials']:>9}", flush=True)


def show(demo, object_path):
    print("== ebpfd, as this user; bindmonitor.o verified and loaded; a limit for programs called port_leak", flush=True)
    demo.start_daemon()
    demo.ctl("prog", "load", object_path, "bindmonitor")
    demo.set_limit(LEAK, FIRST_LIMIT)
    denials = Lines(demo.start(demo.ctl_path, "-j", "--context", "unix:ebpfd", "map", "event_pipe", "name", "denials",
                               stdout=subprocess.PIPE))

    print("== unmodified programs under it: python3 -m http.server, nc, and a program that leaks ports", flush=True)
    ports = {"http.server": free_port(), "nc": free_port()}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    demo.start_hooked("/usr/bin/python3", "-m", "http.server", str(ports["http.server"]), "--bind", "127.0.0.1",
                      "--directory", FOLDER, **quiet)
    demo.start_hooked("nc", "-k", "-l", "127.0.0.1", str(ports["nc"]), **quiet)
    servers = {"http.server": lambda: ask_web_server(ports["http.server"]), "nc": lambda: ask_nc(ports["nc"])}
    for name, ask in servers.items():
        wait_for(ask, f"{name} does not serve")
    leak = demo.start_hooked(f"{FOLDER}/{LEAK}", stdout=subprocess.PIPE)
    said = Lines(leak)
    wait_for(lambda: said.count("refused") > 0, f"{LEAK} was never refused a port")

    phases = []
    for limit in (FIRST_LIMIT, SECOND_LIMIT):
        if limit != FIRST_LIMIT:
            print(f"== ebpfctl map update: the limit becomes {limit}", flush=True)
            demo.set_limit(LEAK, limit)
            wait_for(lambda wanted=limit: held_by(demo.usage(), LEAK) >= wanted, "the limit did not rise")
        asked = serve_for(SECONDS, servers)
        usage = demo.usage()
        print_table(f"limit {limit}; " + ", ".join(f"{name} answered {yes} of {all_}"
                                                   for name, (all_, yes) in asked.items()), usage)
        phases.append({"limit": limit, "held_by_leak": held_by(usage, LEAK),
                       "servers": {name: {"asked": all_, "answered": yes} for name, (all_, yes) in asked.items()},
                       "processes": [{"process": process, **row} for process, row in sorted(usage.items())]})

    print("== kill -9 of the leaking program: its ports are let go", flush=True)
    held = demo.usage()
    for process, row in held.items():
        if row["name"] == LEAK:
            os.kill(process, signal.SIGKILL)
    leak.wait(timeout=10)
    wait_for(lambda: held_by(demo.usage(), LEAK) == 0, "its ports are still counted")
    usage, total = demo.usage(), demo.total()
    print_table("afterwards", usage)
    refused = said.count("refused")
    wait_for(lambda: len(denials.lines) >= total["denials"], "denials are missing in the ring buffer")
    return phases, total, usage, refused, denials.lines


def read_denial(line):
    process, held, port, protocol, _, name = DENIAL.unpack(bytes(int(byte, 16) for byte in json.loads(line)["data"]))
    return {"process": process, "held": held, "port": port, "protocol": protocol,
            "name": name.split(b"\0")[0].decode(errors="replace")}


def judge(phases, total, usage, refused, denials):
    """The sentences that are true of a run in which all is well, each with whether it is true of this one."""
    for phase in phases:
        yield (f"with limit {phase['limit']} the leaking program holds {phase['limit']} ports",
               phase["held_by_leak"] == phase["limit"])
        for name, served in phase["servers"].items():
            yield (f"with limit {phase['limit']} {name} answers all the while", served["answered"] == served["asked"])
    yield "after its end the leaking program holds none", held_by(usage, LEAK) == 0
    yield ("the ports counted in all are those counted by process",
           total["binds"] - total["unbinds"] == sum(row["held"] for row in usage.values()))
    yield "each refused bind is counted once and reported once", refused <= total["denials"] == len(denials) <= refused + 1
    yield "all reports are of the leaking program", all(denial["name"] == LEAK for denial in denials)


def main():
    bin_folder, object_path, report_path = (os.path.abspath(path) for path in sys.argv[1:4])

    def leave(number, _):
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    demo = Demo(bin_folder)
    with tempfile.TemporaryDirectory(prefix="run.", dir=os.path.dirname(report_path)) as work:
        os.chdir(work)  # keeps the path of the socket short
        try:
            phases, total, usage, refused, lines = show(demo, object_path)
        except Failed as error:
            print(f"demo: {error}", file=sys.stderr)
            return 4
        finally:
            demo.stop()
            os.chdir("/")
    denials = [read_denial(line) for line in lines]
    checks = [{"check": text, "passed": bool(passed)} for text, passed in judge(phases, total, usage, refused, denials)]
    passed = all(check["passed"] for check in checks)
    report = {"version": 1, "mode": "bind", "checks": checks, "passed": passed, "phases": phases, "binds": total["binds"],
              "unbinds": total["unbinds"], "denials": total["denials"], "refused": refused,
              "reported": len(denials), "last_report": denials[-1] if denials else None}
    with open(report_path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    print()
    for check in checks:
        print(f"{'ok  ' if check['passed'] else 'FAIL'} {check['check']}")
    print(f"report: {report_path}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

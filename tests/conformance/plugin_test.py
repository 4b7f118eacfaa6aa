#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The conformance plugin as bpf_conformance's runner calls it.

Usage: plugin_test.py PLUGIN ENGINE [RUNNER TESTS]
With RUNNER (bpf_conformance_runner) and TESTS (its folder of vectors) the real runner judges the plugin as well.
Expectations that need no runner are those of its README: program on stdin, "<memory> <options> [--elf]" as
arguments, r0 in hexadecimal on stdout and exit code 0, or a message on stderr and another exit code.
"""
import re
import struct
import subprocess
import sys

EXIT = 0x95


def slot(opcode, dst=0, src=0, offset=0, imm=0):
    return struct.pack("<BBhi", opcode, dst | src << 4, offset, imm)


def as_runner_writes(data):
    """Two digits and two spaces a byte, as the runner's _base_16_encode()."""
    return "".join(f"{byte:02x}  " for byte in data)


def elf_object(section, code):
    """An object of one section with code and a global function "main", as the runner's bpf_writer_classic()."""
    names = b"\0.shstrtab\0.symtab\0" + section.encode() + b"\0main\0"
    symbols = bytes(24) + struct.pack("<IBBHQQ", names.index(b"main"), 0x12, 0, 3, 0, len(code))
    contents = [b"", names, symbols, code]
    offset = 64
    headers = b""
    body = b""
    for index, data in enumerate(contents):
        name = [0, names.index(b".shstrtab"), names.index(b".symtab"), names.index(section.encode() + b"\0")][index]
        kind = [0, 3, 2, 1][index]
        flags = 6 if index == 3 else 0
        link, info, entry = (1, 1, 24) if index == 2 else (0, 0, 0)
        padding = -(offset + len(body)) % 8
        body += bytes(padding)
        at = 0 if index == 0 else offset + len(body)
        headers += struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, at, len(data), link, info, 8 if index else 0, entry)
        body += data
    body += bytes(-(offset + len(body)) % 8)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 1, 247, 1, 0, 0, offset + len(body), 0, 64, 0, 0, 64, 4, 1)
    return header + body + headers


class Plugin:
    def __init__(self, path, engine):
        self.path, self.engine, self.failures = path, engine, 0

    def run(self, program, memory=b"", options=(), elf=False):
        arguments = [as_runner_writes(memory)] if memory else []
        arguments += ["--engine", self.engine, *options] + (["--elf"] if elf else [])
        done = subprocess.run([self.path, *arguments], input=as_runner_writes(program) + "\n", text=True,
                              capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def expect(self, name, got, code, stdout="", stderr=""):
        if got[0] == code and re.fullmatch(stdout, got[1]) and re.search(stderr, got[2]):
            return
        self.failures += 1
        print(f"{name}: expected exit {code}, stdout '{stdout}', stderr '{stderr}'; got {got}")


def check_protocol(plugin):
    load_first = slot(0x71, 0, 1) + slot(EXIT)  # r0 = *(u8 *)(r1 +0)
    length = slot(0xBF, 0, 2) + slot(EXIT)  # r0 = r2
    minus_one = slot(0xB7, 0, imm=-1) + slot(EXIT)
    plugin.expect("result", plugin.run(slot(0xB7, 0, imm=0x1234) + slot(EXIT)), 0, "1234\n")
    plugin.expect("all 64 bits", plugin.run(minus_one), 0, "f{16}\n")
    plugin.expect("memory", plugin.run(load_first, b"\xab\xcd"), 0, "ab\n")
    plugin.expect("length", plugin.run(length, bytes(300)), 0, "12c\n")
    plugin.expect("no memory", plugin.run(load_first), 1, "", "refused by the verifier: V")
    plugin.expect("elf", plugin.run(elf_object(".text", load_first), b"\x42", elf=True), 0, "42\n")
    plugin.expect("elf of a truncated program", plugin.run(elf_object(".text", load_first)[:40], elf=True), 1, "", ".")
    # The runner's prologue for type xdp: r1, r2 = packet and its length, or return -1.
    prologue = b"".join([
        slot(0xB7, 0, imm=-1), slot(0xBF, 6, 1), slot(0x61, 1, 6), slot(0x61, 2, 6, 4), slot(0xBF, 3, 1),
        slot(0x07, 3, imm=20), slot(0xBD, 3, 2, 1), slot(EXIT), slot(0xB7, 2, imm=20)])
    packet = bytes(range(7, 27))
    plugin.expect("xdp", plugin.run(prologue + load_first, packet, ["--xdp"]), 0, "7\n")
    plugin.expect("xdp elf", plugin.run(elf_object("xdp", prologue + load_first), packet, elf=True), 0, "7\n")
    plugin.expect("not hexadecimal", plugin.run(b"", b"", ["zz"]), 1, "", "hexadecimal")
    plugin.expect("empty program", plugin.run(b""), 1, "", ".")
    plugin.expect("unknown opcode", plugin.run(slot(0xFF) + slot(EXIT)), 1, "", "instruction 0")
    plugin.expect("unknown option", plugin.run(minus_one, options=["--frobnicate"]), 2, "", ".*")


def check_with_runner(plugin, runner, tests):
    for extra in ([], ["--elf", "true"], ["--xdp_prolog", "true", "--elf", "true"]):
        done = subprocess.run(
            [runner, "--test_file_directory", tests, "--plugin_path", plugin.path, "--plugin_options",
             f"--engine {plugin.engine}", "--cpu_version", "v4", "--include_groups", "callx", "packet", "atomic64",
             "divmul64", *extra], text=True, capture_output=True, timeout=900, check=False)
        last = re.search(r"Passed (\d+) out of (\d+) tests", done.stdout)
        print(f"runner {' '.join(extra)}: {last.group(0) if last else done.stdout[-400:] + done.stderr[-400:]}")
        if last is None or last.group(1) != last.group(2) or int(last.group(2)) < 300:
            plugin.failures += 1
            print("\n".join(line for line in done.stdout.splitlines() if line.startswith(("FAIL", "ERROR", "SKIP"))))


def main():
    plugin = Plugin(sys.argv[1], sys.argv[2])
    check_protocol(plugin)
    if len(sys.argv) > 3:
        check_with_runner(plugin, sys.argv[3], sys.argv[4])
    return 1 if plugin.failures else 0


if __name__ == "__main__":
    sys.exit(main())

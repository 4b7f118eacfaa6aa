#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/vectors/instructions: a file for each form of the instruction set.

Encodings, field rules and results are written down here a second time, from RFC 9669 and with Python's unbounded
integers, on purpose: nothing is read from src/spec or src/isa, so that the vectors can contradict them.

Usage: generate_instruction_vectors.py [--check] FOLDER
  --check  write nothing; exit 1 if a file in FOLDER differs from what would be written
"""
import argparse
import pathlib
import struct
import sys

MASK = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFFFFFF, 8: 0xFFFFFFFFFFFFFFFF}
M64 = MASK[8]
M32 = MASK[4]

# ---------------------------------------------------------------- model


def signed(value, size):
    value &= MASK[size]
    return value - (MASK[size] + 1) if value >> (8 * size - 1) else value


def quotient(a, b):
    """Division that truncates towards zero, as RFC 9669 section 4.1 demands."""
    result = abs(a) // abs(b)
    return result if (a < 0) == (b < 0) else -result


def alu(name, size, a, b):
    a &= MASK[size]
    b &= MASK[size]
    sa, sb = signed(a, size), signed(b, size)
    shift = b % (8 * size)
    result = {
        "add": lambda: a + b,
        "sub": lambda: a - b,
        "mul": lambda: a * b,
        "div": lambda: a // b if b else 0,
        "sdiv": lambda: quotient(sa, sb) if b else 0,
        "or": lambda: a | b,
        "and": lambda: a & b,
        "lsh": lambda: a << shift,
        "rsh": lambda: a >> shift,
        "mod": lambda: a % b if b else a,
        "smod": lambda: sa - quotient(sa, sb) * sb if b else a,
        "xor": lambda: a ^ b,
        "mov": lambda: b,
        "arsh": lambda: sa >> shift,
    }[name]()
    return result & MASK[size]


def holds(name, size, a, b):
    a &= MASK[size]
    b &= MASK[size]
    sa, sb = signed(a, size), signed(b, size)
    return {
        "jeq": a == b,
        "jne": a != b,
        "jgt": a > b,
        "jge": a >= b,
        "jlt": a < b,
        "jle": a <= b,
        "jset": a & b != 0,
        "jsgt": sa > sb,
        "jsge": sa >= sb,
        "jslt": sa < sb,
        "jsle": sa <= sb,
    }[name]


def swapped(value, size):
    return int.from_bytes((value & MASK[size]).to_bytes(size, "little"), "big")


# ---------------------------------------------------------------- encoding

SIZE_BITS = {4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18}


def word(opcode, dst=0, src=0, offset=0, imm=0):
    packed = struct.pack("<BBhi", opcode, dst | src << 4, offset, signed(imm, 4))
    return int.from_bytes(packed, "little")


class Program:
    """Assembly and encoding side by side; labels are resolved for the encoding."""

    def __init__(self):
        self.text = []
        self.words = []
        self.labels = {}
        self.fixups = []

    def add(self, text, *words, to=None, field="offset"):
        if to is not None:
            self.fixups.append((len(self.words), to, field))
        self.text.append("    " + text)
        self.words.extend(words)

    def label(self, name):
        self.text.append(name + ":")
        self.labels[name] = len(self.words)

    def resolved(self):
        words = list(self.words)
        for at, name, field in self.fixups:
            distance = self.labels[name] - at - 1
            if field == "offset":
                words[at] |= (distance & 0xFFFF) << 16
            else:
                words[at] |= (distance & M32) << 32
        return words

    # instructions that cases are made of
    def constant(self, register, value):
        value &= M64
        self.add(f"r{register} = {value:#x} ll", word(0x18, register, 0, 0, value & M32), (value >> 32) << 32)

    def number(self, register, value):
        self.add(f"r{register} = {value}", word(0xB7, register, imm=value))

    def leave(self):
        self.add("exit", word(0x95))

    def expect(self, register, value):
        self.constant(5, value)
        self.add(f"if r{register} != r5 goto fail", word(0x5D, register, 5), to="fail")

    def finish(self):
        """Ends with 0, or at `fail` with the number of the case in r9."""
        self.number(0, 0)
        self.leave()
        self.label("fail")
        self.add("r0 = r9", word(0xBF, 0, 9))
        self.leave()


def hex_bytes(data):
    return " ".join(f"{byte:02x}" for byte in data)


class File:
    def __init__(self, name, about):
        self.name = name
        self.lines = ["# SPDX-License-Identifier: MIT", f"# {about}", "# Written by tools/generate_instruction_vectors.py."]

    def program(self, name, program, result=0, sections=()):
        self.lines += [f"-- case {name}", *sections, "-- asm", *program.text, "-- raw"]
        words = [f"0x{value:016x}" for value in program.resolved()]
        self.lines += [" ".join(words[i : i + 5]) for i in range(0, len(words), 5)]
        self.lines += [f"-- result {result:#x}"]

    def refused(self, name, words, error, sections=()):
        self.lines += [f"-- case {name}", *sections]
        self.lines += ["-- raw " + " ".join(f"0x{value:016x}" for value in words), f"-- error {error}"]

    def write(self):
        return "\n".join(self.lines) + "\n"


EXIT = word(0x95)
EDGES = [0, 1, 2, 0x7F, 0x80, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF,
         0x8000000000000000, 0xFFFFFFFF80000000, M64, 0x0123456789ABCDEF, 0xFEDCBA9876543210]
IMMEDIATES = [0, 1, -1, 2, 31, 32, 63, 0x7FFFFFFF, -0x80000000, 0x12345678, -7]


def pairs(lefts, rights, most):
    """A spread of pairs: every left and every right value occurs, and equal pairs do."""
    chosen = [(a, a) for a in lefts[::5] if a in rights]
    for i in range(max(len(lefts), len(rights), most - len(chosen))):
        chosen.append((lefts[i % len(lefts)], rights[(i * 7 + i // len(rights)) % len(rights)]))
    return list(dict.fromkeys(chosen))


def field_refusals(file, opcode, *, dst="0", src="0", offset="0", imm="0", good=None, group=None, wide=False):
    """One refusal per field. Rules: '0' must be zero, 'r' a register, 'w' a register but r10, '*' anything, 'j' a jump
    target, 'fixed' tells forms apart (the caller tests it)."""
    base = {"dst": 0, "src": 0, "offset": 0, "imm": 0, **(good or {})}
    tail = [0] if wide else []

    def encoded(**change):
        return [word(opcode, **{**base, **change}), *tail, EXIT]

    for name, rule in (("dst", dst), ("src", src), ("offset", offset), ("imm", imm)):
        if rule == "0":
            file.refused(f"{name} is reserved", encoded(**{name: 1}), f"ReservedFieldSet @0 {name}")
        elif rule in "rw":
            file.refused(f"{name} is no register", encoded(**{name: 11}), f"FieldOutOfRange @0 {name}")
            file.refused(f"{name} is no register at all", encoded(**{name: 15}), f"FieldOutOfRange @0 {name}")
            if rule == "w":
                file.refused(f"{name} is read-only", encoded(**{name: 10}), f"FieldOutOfRange @0 {name}")
        elif rule == "j":
            for distance in (1, -2, 0x7FFF, -0x8000):
                file.refused(f"target {distance} slots on", encoded(**{name: distance}), f"JumpOutOfRange @0 {name}")
            inside = [word(opcode, **{**base, name: 1}), word(0x18), 0, EXIT]
            file.refused("target inside a wide immediate", inside, f"JumpIntoImmediate @0 {name}")
    if group:
        file.refused("group is not allowed", encoded(), "GroupNotSupported @0 opcode", [f"-- groups {group}"])


def other_groups(*own):
    everything = ["base32", "base64", "atomic32", "atomic64", "divmul32", "divmul64", "packet", "ordered", "callx"]
    return " ".join(name for name in everything if name not in own)


# ---------------------------------------------------------------- arithmetic

ALU = {"add": (0x0, "+=", 0), "sub": (0x1, "-=", 0), "mul": (0x2, "*=", 0), "div": (0x3, "/=", 0),
       "sdiv": (0x3, "s/=", 1), "or": (0x4, "|=", 0), "and": (0x5, "&=", 0), "lsh": (0x6, "<<=", 0),
       "rsh": (0x7, ">>=", 0), "mod": (0x9, "%=", 0), "smod": (0x9, "s%=", 1), "xor": (0xA, "^=", 0),
       "mov": (0xB, "=", 0), "arsh": (0xC, "s>>=", 0)}


def registers_of(size):
    return "r" if size == 8 else "w"


def alu_group(name, size):
    if name in ("mul", "div", "sdiv", "mod", "smod"):
        return "divmul64" if size == 8 else "divmul32"
    return "base64" if size == 8 else "base32"


def alu_files():
    for name, (code, symbol, selector) in ALU.items():
        for size in (4, 8):
            for source in ("imm", "reg"):
                yield alu_file(name, code, symbol, selector, size, source)


def alu_file(name, code, symbol, selector, size, source):
    is_register = source == "reg"
    opcode = code << 4 | (8 if is_register else 0) | (7 if size == 8 else 4)
    letter = registers_of(size)
    file = File(f"{name}{8 * size}_{source}", f"{letter}D {symbol} {letter + 'S' if is_register else 'IMM'}")
    program = Program()
    rights = EDGES if is_register else IMMEDIATES
    for number, (a, b) in enumerate(pairs(EDGES, rights, 18), 1):
        program.number(9, number)
        program.constant(3, a)
        if is_register:
            program.constant(4, b)
            program.add(f"{letter}3 {symbol} {letter}4", word(opcode, 3, 4, selector))
        else:
            program.add(f"{letter}3 {symbol} {b}", word(opcode, 3, 0, selector, b))
        program.expect(3, alu(name, size, a, b))
    if is_register:
        for number, value in enumerate(EDGES, 1000):
            program.number(9, number)
            program.constant(4, value)
            program.add(f"{letter}4 {symbol} {letter}4", word(opcode, 4, 4, selector))
            program.expect(4, alu(name, size, value, value))
        program.number(9, 2000)
        program.add("r6 = r1", word(0xBF, 6, 1))  # the source keeps its value
        program.constant(3, 9)
        program.constant(4, 0x8765432187654321)
        program.add(f"{letter}3 {symbol} {letter}4", word(opcode, 3, 4, selector))
        program.expect(4, 0x8765432187654321)
    program.finish()
    file.program("values", program)
    group = alu_group(name, size)
    field_refusals(file, opcode, dst="w", src="r" if is_register else "0", offset="fixed",
                   imm="0" if is_register else "*", good={"offset": selector},
                   group=None if group == "base32" else other_groups(group))
    several = name in ("div", "sdiv", "mod", "smod") or (name == "mov" and is_register)
    error = "UnknownInstruction" if several else "ReservedFieldSet"
    for offset in (2, -1, 64):
        file.refused(f"offset {offset}", [word(opcode, offset=offset), EXIT], f"{error} @0 offset")
    return file


def negate_files():
    for size in (4, 8):
        opcode = 0x80 | (7 if size == 8 else 4)
        letter = registers_of(size)
        file = File(f"neg{8 * size}", f"{letter}D = -{letter}D")
        program = Program()
        for number, a in enumerate(EDGES, 1):
            program.number(9, number)
            program.constant(3, a)
            program.add(f"{letter}3 = -{letter}3", word(opcode, 3))
            program.expect(3, -a & MASK[size])
        program.finish()
        file.program("values", program)
        field_refusals(file, opcode, dst="w", group=None if size == 4 else other_groups("base64"))
        yield file


def move_sx_files():
    for size, bits in ((4, 8), (4, 16), (8, 8), (8, 16), (8, 32)):
        opcode = 0xB0 | 8 | (7 if size == 8 else 4)
        letter = registers_of(size)
        file = File(f"movsx{bits}_{8 * size}", f"{letter}D = (s{bits}){letter}S")
        program = Program()
        for number, a in enumerate(EDGES + [0x7FFF, 0x8000, 0x80FF, 0x8000FFFF7FFF807F], 1):
            program.number(9, number)
            program.constant(3, 0x5555555555555555)
            program.constant(4, a)
            program.add(f"{letter}3 = (s{bits}){letter}4", word(opcode, 3, 4, bits))
            program.expect(3, signed(a, bits // 8) & MASK[size])
        program.finish()
        file.program("values", program)
        field_refusals(file, opcode, dst="w", src="r", offset="fixed", good={"offset": bits},
                       group=None if size == 4 else other_groups("base64"))
        if size == 4:
            file.refused("no 32-bit move of 32 bits", [word(opcode, offset=32), EXIT], "UnknownInstruction @0 offset")
        yield file


def byte_order_files():
    for name, opcode in (("le", 0xD4), ("be", 0xDC), ("bswap", 0xD7)):
        for bits in (16, 32, 64):
            size = bits // 8
            file = File(f"{name}{bits}", f"rD = {name}{bits} rD")
            program = Program()
            for number, a in enumerate(EDGES, 1):
                program.number(9, number)
                program.constant(3, a)
                program.add(f"r3 = {name}{bits} r3", word(opcode, 3, imm=bits))
                program.expect(3, a & MASK[size] if name == "le" else swapped(a, size))
            program.finish()
            file.program("values", program)
            is_base32 = bits != 64
            field_refusals(file, opcode, dst="w", imm="fixed", good={"imm": bits},
                           group=None if is_base32 else other_groups("base64"))
            for imm in (0, 8, 17, 128, -16):
                file.refused(f"{imm} bits", [word(opcode, imm=imm), EXIT], "UnknownInstruction @0 imm")
            if name == "bswap":
                file.refused("source bit", [word(0xDF, imm=bits), EXIT], "UnknownInstruction @0 opcode")
            yield file


# ---------------------------------------------------------------- control flow

JUMPS = {"jeq": (0x1, "=="), "jgt": (0x2, ">"), "jge": (0x3, ">="), "jset": (0x4, "&"), "jne": (0x5, "!="),
         "jsgt": (0x6, "s>"), "jsge": (0x7, "s>="), "jlt": (0xA, "<"), "jle": (0xB, "<="), "jslt": (0xC, "s<"),
         "jsle": (0xD, "s<=")}


def branch_files():
    for name, (code, symbol) in JUMPS.items():
        for size in (4, 8):
            for source in ("imm", "reg"):
                is_register = source == "reg"
                opcode = code << 4 | (8 if is_register else 0) | (5 if size == 8 else 6)
                letter = registers_of(size)
                text = f"if {letter}D {symbol} {letter + 'S' if is_register else 'IMM'} goto"
                file = File(f"{name}{8 * size}_{source}", text)
                file.program("values", branch_program(name, symbol, opcode, size, is_register))
                field_refusals(file, opcode, dst="r", src="r" if is_register else "0", offset="j",
                               imm="0" if is_register else "*", group=None if size == 4 else other_groups("base64"))
                yield file


def branch_program(name, symbol, opcode, size, is_register):
    letter = registers_of(size)
    program = Program()
    rights = EDGES if is_register else IMMEDIATES
    extra = [(5, 5), (4, 5), (6, 5), (-5 & M64, -5), (-6 & M64, -5), (-4 & M64, -5), (1 << 32 | 5, 5), (8, 7), (6, 9)]
    if not is_register:
        extra = [(a, b) for a, b in extra if -(1 << 31) <= b < 1 << 31]
    for number, (a, b) in enumerate(pairs(EDGES, rights, 18) + extra, 1):
        program.number(9, number)
        program.constant(3, a)
        target = f"ok{number}" if holds(name, size, a, b) else "fail"
        if is_register:
            program.constant(4, b)
            program.add(f"if {letter}3 {symbol} {letter}4 goto {target}", word(opcode, 3, 4), to=target)
        else:
            program.add(f"if {letter}3 {symbol} {b} goto {target}", word(opcode, 3, 0, imm=b), to=target)
        if target != "fail":
            program.add("r0 = r9", word(0xBF, 0, 9))
            program.leave()
            program.label(target)
    program.finish()
    return program


def goto_files():
    for name, opcode, field in (("goto", 0x05, "offset"), ("gotol", 0x06, "imm")):
        file = File(name, name)
        program = Program()
        program.number(9, 1)
        program.add(f"{name} ahead", word(opcode), to="ahead", field=field)
        program.label("back")
        program.add("goto end", word(0x05), to="end")
        program.label("ahead")
        program.number(9, 2)
        program.add(f"{name} back", word(opcode), to="back", field=field)
        program.label("end")
        program.expect(9, 2)
        program.finish()
        file.program("forwards and backwards", program)
        program = Program()
        program.number(0, 7)
        program.add(f"{name} next", word(opcode), to="next", field=field)
        program.label("next")
        program.leave()
        file.program("to the next instruction", program, 7)
        field_refusals(file, opcode, **{field: "j"})
        if field == "imm":
            for distance in (0x7FFFFFFF, -0x80000000):
                file.refused(f"target {distance}", [word(opcode, imm=distance), EXIT], "JumpOutOfRange @0 imm")
        yield file


def call_files():
    file = File("call_helper", "call a helper by number")
    program = Program()
    program.number(0, 77)
    program.add("call 8", word(0x85, imm=8))
    program.leave()
    file.program("get_smp_processor_id is slot 0", program)
    program = Program()
    program.add("r6 = 11", word(0xB7, 6, imm=11))
    program.add("r7 = 22", word(0xB7, 7, imm=22))
    program.add("call 8", word(0x85, imm=8))
    program.add("r0 += r6", word(0x0F, 0, 6))
    program.add("r0 += r7", word(0x0F, 0, 7))
    program.leave()
    file.program("keeps r6 and r7", program, 33)
    field_refusals(file, 0x85, src="fixed", imm="*", good={"imm": 8})
    for src in (3, 15):
        file.refused(f"src {src}", [word(0x85, src=src), EXIT], "UnknownInstruction @0 src")
    file.refused("source bit", [word(0x8D, src=1), EXIT], "ReservedFieldSet @0 src")
    file.refused("helper that is not there", [word(0x85, imm=0x7FFFFFFF), EXIT], "NotFound @0")
    file.refused("helper 0", [word(0x85, imm=0), EXIT], "NotFound @0")
    file.refused("negative helper", [word(0x85, imm=-1), EXIT], "NotFound @0")
    yield file

    file = File("call_local", "call a subprogram")
    program = Program()
    for register in range(1, 10):
        program.number(register, register)
    program.add("call local sum", word(0x85, src=1), to="sum", field="imm")
    for register in (6, 7, 8, 9):
        program.add(f"r0 += r{register}", word(0x0F, 0, register))
    program.leave()
    program.label("sum")
    program.number(0, 100)
    for register in (1, 2, 3, 4, 5):
        program.add(f"r0 += r{register}", word(0x0F, 0, register))
    for register in (6, 7, 8, 9):
        program.number(register, 0)
    program.leave()
    file.program("arguments go in, saved registers come back", program, 145)
    program = Program()
    program.number(1, 3)
    for depth in range(1, 8):
        program.add(f"call local f{depth}", word(0x85, src=1), to=f"f{depth}", field="imm")
        program.add("r0 += 1", word(0x07, 0, imm=1))
        program.leave()
        program.label(f"f{depth}")
        program.add("r1 += r1", word(0x0F, 1, 1))
    program.add("r0 = r1", word(0xBF, 0, 1))
    program.leave()
    file.program("eight frames", program, 3 * 128 + 7)
    program = Program()
    program.number(1, 5)
    program.add("*(u64 *)(r10 -8) = r1", word(0x7B, 10, 1, -8))
    program.add("call local other", word(0x85, src=1), to="other", field="imm")
    program.add("r0 = *(u64 *)(r10 -8)", word(0x79, 0, 10, -8))
    program.leave()
    program.label("other")
    program.number(1, 6)
    program.add("*(u64 *)(r10 -8) = r1", word(0x7B, 10, 1, -8))
    program.number(0, 0)
    program.leave()
    file.program("a frame has a stack of its own", program, 5)
    program = Program()
    program.add("r1 = r10", word(0xBF, 1, 10))
    program.add("r1 += -8", word(0x07, 1, imm=-8))
    program.add("call local store", word(0x85, src=1), to="store", field="imm")
    program.add("r0 = *(u64 *)(r10 -8)", word(0x79, 0, 10, -8))
    program.leave()
    program.label("store")
    program.number(2, 99)
    program.add("*(u64 *)(r1 +0) = r2", word(0x7B, 1, 2))
    program.number(0, 0)
    program.leave()
    file.program("a callee writes to its caller's stack", program, 99)
    field_refusals(file, 0x85, dst="0", src="fixed", offset="0", imm="j", good={"src": 1})
    file.refused("recursion", [word(0x85, src=1, imm=-1), EXIT], "LimitExceeded @0")
    deep = []
    for _ in range(8):
        deep += [word(0x85, src=1, imm=1), EXIT]
    file.refused("nine frames", [*deep, EXIT], "LimitExceeded")
    file.refused("jump out of the subprogram", [word(0x85, src=1, imm=1), EXIT, word(0x05, offset=-2), EXIT],
                 "JumpOutOfRange @2")
    yield file

    file = File("call_kfunc", "call a kernel function: refused")
    file.refused("no kernel functions here", [word(0x85, src=2, imm=5), EXIT], "NotSupported @0")
    field_refusals(file, 0x85, src="fixed", offset="*", imm="*", good={"src": 2})
    yield file

    file = File("call_register", "call the code address in a register: refused")
    file.refused("no indirect calls here", [word(0x8D, 1), EXIT], "NotSupported @0")
    field_refusals(file, 0x8D, dst="r", good={"dst": 1}, group=other_groups("callx"))
    yield file

    file = File("exit", "exit")
    program = Program()
    program.number(0, -1)
    program.leave()
    file.program("returns all of r0", program, M64)
    field_refusals(file, 0x95)
    file.refused("code runs on behind its end", [word(0xB7, 0)], "JumpOutOfRange @0")
    yield file


# ---------------------------------------------------------------- wide immediates

def wide_files():
    file = File("lddw_value", "rD = IMM64 ll")
    program = Program()
    for number, value in enumerate(EDGES, 1):
        program.number(9, number)
        program.constant(3, value)
        program.add("r4 = r3", word(0xBF, 4, 3))
        program.add("r4 >>= 32", word(0x77, 4, imm=32))
        program.expect(4, value >> 32)
        program.add("r3 <<= 32", word(0x67, 3, imm=32))
        program.expect(3, value << 32)
    program.finish()
    file.program("values", program)
    wide_refusals(file, 0, has_second=True)
    for src in (7, 15):
        file.refused(f"src {src}", [word(0x18, src=src), 0, EXIT], "UnknownInstruction @0 src")
    yield file

    file = File("lddw_map_index", "rD = map[idx:N]")
    program = Program()
    program.number(1, 1)
    program.add("*(u32 *)(r10 -4) = r1", word(0x63, 10, 1, -4))
    program.add("r1 = map[idx:1]", word(0x18, 1, 5, 0, 1), 0)
    program.add("r2 = r10", word(0xBF, 2, 10))
    program.add("r2 += -4", word(0x07, 2, imm=-4))
    program.add("call 1", word(0x85, imm=1))
    program.add("if r0 == 0 goto null", word(0x15, 0), to="null")
    program.add("r1 = *(u64 *)(r0 +0)", word(0x79, 1, 0))
    program.add("r1 += 41", word(0x07, 1, imm=41))
    program.add("*(u64 *)(r0 +0) = r1", word(0x7B, 0, 1))
    program.add("r0 = *(u64 *)(r0 +0)", word(0x79, 0, 0))
    program.add("r0 += 1", word(0x07, 0, imm=1))
    program.label("null")
    program.leave()
    file.program("finds an element", program, 42, ["-- maps", "array 4 4 1", "array 4 8 2"])
    wide_refusals(file, 5, has_second=False)
    file.refused("map that is not there", [word(0x18, 1, 5, 0, 0), 0, EXIT], "NotFound @0")
    yield file

    file = File("lddw_map_index_value", "rD = map[idx:N][0]+OFFSET")
    program = Program()
    program.add("r1 = map[idx:0][0]+8", word(0x18, 1, 6, 0, 0), 8 << 32)
    program.number(2, 5)
    program.add("*(u64 *)(r1 +0) = r2", word(0x7B, 1, 2))
    program.add("r3 = map[idx:0][0]+0", word(0x18, 3, 6, 0, 0), 0)
    program.add("r0 = *(u64 *)(r3 +8)", word(0x79, 0, 3, 8))
    program.leave()
    file.program("reaches into the first element", program, 5, ["-- maps", "array 4 16 1"])
    wide_refusals(file, 6, has_second=True)
    file.refused("no element has an address in a hash", [word(0x18, 1, 6, 0, 0), 0, EXIT], "NotSupported @0",
                 ["-- maps", "hash 4 16 1"])
    yield file

    for name, src, has_second in (("map_fd", 1, False), ("map_fd_value", 2, True), ("variable", 3, True),
                                  ("code", 4, False)):
        file = File(f"lddw_{name}", f"two-slot immediate of kind {src}: unresolved, refused by engines")
        file.refused("must have been resolved", [word(0x18, 1, src), 0, EXIT], "NotSupported @0")
        wide_refusals(file, src, has_second=has_second)
        yield file


def wide_refusals(file, src, *, has_second):
    field_refusals(file, 0x18, dst="w", src="fixed", imm="*", good={"src": src}, group=other_groups("base64"), wide=True)
    file.refused("second slot is missing", [EXIT, word(0x18, 0, src)], "TruncatedImmediate @1")
    for name, second in (("opcode", 0x18), ("dst", 1 << 8), ("src", 1 << 12), ("offset", 1 << 16)):
        file.refused(f"second slot's {name}", [word(0x18, 0, src), second, EXIT], f"ReservedFieldSet @1 {name}")
    if not has_second:
        file.refused("second slot's imm", [word(0x18, 0, src), 1 << 32, EXIT], "ReservedFieldSet @1 imm")


# ---------------------------------------------------------------- memory

MEMORY = bytes([0x11, 0x82, 0x33, 0x84, 0x55, 0x86, 0x77, 0xF8, 0x99, 0x0A, 0xBB, 0x7C, 0xDD, 0x0E, 0xFF, 0x80])


def memory_sections(memory=MEMORY, after=None):
    sections = [f"-- mem {hex_bytes(memory)}"]
    if after is not None:
        sections.append(f"-- output-mem {hex_bytes(after)}")
    return sections


def load_files():
    for size in (1, 2, 4, 8):
        for is_signed in (False, True):
            if is_signed and size == 8:
                continue
            opcode = 1 | (0x80 if is_signed else 0x60) | SIZE_BITS[size]
            letter = "s" if is_signed else "u"
            file = File(f"load_{letter}{8 * size}", f"rD = *({letter}{8 * size} *)(rS +OFFSET)")
            program = Program()
            for number, at in enumerate(range(0, len(MEMORY) - size + 1, size), 1):
                program.number(9, number)
                program.add(f"r3 = *({letter}{8 * size} *)(r1 +{at})", word(opcode, 3, 1, at))
                value = int.from_bytes(MEMORY[at : at + size], "little", signed=is_signed)
                program.expect(3, value & M64)
            program.number(9, 100)
            program.add("r2 = r1", word(0xBF, 2, 1))
            program.add("r2 += 16", word(0x07, 2, imm=16))
            program.add(f"r2 = *({letter}{8 * size} *)(r2 -{size})", word(opcode, 2, 2, -size))
            program.expect(2, int.from_bytes(MEMORY[-size:], "little", signed=is_signed) & M64)
            program.number(9, 101)
            program.constant(3, 0xFEDCBA9876543210)
            program.add("*(u64 *)(r10 -512) = r3", word(0x7B, 10, 3, -512))
            program.add(f"r4 = *({letter}{8 * size} *)(r10 -512)", word(opcode, 4, 10, -512))
            value = 0xFEDCBA9876543210 & MASK[size]
            program.expect(4, signed(value, size) & M64 if is_signed else value)
            program.finish()
            file.program("values", program, sections=memory_sections(after=MEMORY))
            base32 = not is_signed and size != 8
            field_refusals(file, opcode, dst="w", src="r", offset="*", group=None if base32 else other_groups("base64"))
            yield file


def store_files():
    for size in (1, 2, 4, 8):
        for source in ("imm", "reg"):
            is_register = source == "reg"
            opcode = (3 if is_register else 2) | 0x60 | SIZE_BITS[size]
            file = File(f"store_u{8 * size}_{source}", f"*(u{8 * size} *)(rD +OFFSET) = {'rS' if is_register else 'IMM'}")
            program = Program()
            memory = bytearray(MEMORY)
            values = EDGES[-4:] + [0x80] if is_register else [-1, 0x12345678, -0x80000000, 0x7F, 0]
            for i, value in enumerate(values):
                at = i * size % (16 - size + 1)
                if is_register:
                    program.constant(4, value)
                    program.add(f"*(u{8 * size} *)(r1 +{at}) = r4", word(opcode, 1, 4, at))
                else:
                    program.add(f"*(u{8 * size} *)(r1 +{at}) = {value}", word(opcode, 1, 0, at, value))
                memory[at : at + size] = (value & MASK[size]).to_bytes(size, "little")
            program.number(9, 1)
            program.constant(3, 0x5555555555555555)
            program.add("*(u64 *)(r10 -8) = r3", word(0x7B, 10, 3, -8))
            program.constant(4, 0x8000000180028003)
            if is_register:
                program.add(f"*(u{8 * size} *)(r10 -8) = r4", word(opcode, 10, 4, -8))
                low = 0x8000000180028003
            else:
                program.add(f"*(u{8 * size} *)(r10 -8) = -2", word(opcode, 10, 0, -8, -2))
                low = -2
            program.add("r3 = *(u64 *)(r10 -8)", word(0x79, 3, 10, -8))
            program.expect(3, (0x5555555555555555 & ~MASK[size] & M64) | (low & MASK[size]))
            program.finish()
            file.program("values", program, sections=memory_sections(after=bytes(memory)))
            field_refusals(file, opcode, dst="r", src="r" if is_register else "0", offset="*",
                           imm="0" if is_register else "*", group=None if size != 8 else other_groups("base64"))
            yield file


ATOMICS = {"add": 0x00, "or": 0x40, "and": 0x50, "xor": 0xA0, "xchg": 0xE0, "cmpxchg": 0xF0}
ATOMIC_SYMBOL = {"add": "+=", "or": "|=", "and": "&=", "xor": "^="}


def atomic_files():
    for name, code in ATOMICS.items():
        for size in (4, 8):
            for fetch in (False, True):
                if fetch or name in ATOMIC_SYMBOL:
                    yield atomic_file(name, code | (1 if fetch else 0), size, fetch)


def atomic_text(name, size, fetch):
    cell = f"(u{8 * size} *)(r10 -8)"
    prefix = "atomic64_" if size == 8 else "atomic_"
    if name == "cmpxchg":
        return f"r0 = {prefix}cmpxchg({cell}, r0, r4)"
    if name == "xchg":
        return f"r4 = {prefix}xchg({cell}, r4)"
    if fetch:
        return f"r4 = {prefix}fetch_{name}({cell}, r4)"
    return f"lock *{cell} {ATOMIC_SYMBOL[name]} r4"


def atomic_file(name, imm, size, fetch):
    opcode = 3 | 0xC0 | SIZE_BITS[size]
    file = File(f"atomic_{'fetch_' if fetch and name in ATOMIC_SYMBOL else ''}{name}{8 * size}",
                atomic_text(name, size, fetch))
    program = Program()
    for number, (old, operand) in enumerate(pairs(EDGES, EDGES, 18), 1):
        # cmpxchg: every other case agrees; the high half of r0 must not matter to the 32-bit form
        expected = old ^ (1 if number % 2 else 0)
        if size == 4:
            expected ^= 0xA5A5A5A500000000
        program.number(9, number)
        program.constant(3, old)
        program.add("*(u64 *)(r10 -8) = r3", word(0x7B, 10, 3, -8))
        program.constant(4, operand)
        program.constant(0, expected)
        program.add(atomic_text(name, size, fetch), word(opcode, 10, 4, -8, imm))
        a, b = old & MASK[size], operand & MASK[size]
        agrees = a == expected & MASK[size]
        fresh = {"add": a + b, "or": a | b, "and": a & b, "xor": a ^ b, "xchg": b,
                 "cmpxchg": b if agrees else a}[name] & MASK[size]
        program.add("r6 = *(u64 *)(r10 -8)", word(0x79, 6, 10, -8))
        program.expect(6, (old & ~MASK[size] & M64) | fresh)
        program.expect(4, a if fetch and name != "cmpxchg" else operand)
        program.expect(0, a if name == "cmpxchg" else expected)
    program.finish()
    file.program("values", program)
    src = "w" if fetch and name != "cmpxchg" else "r"
    field_refusals(file, opcode, dst="r", src=src, offset="*", imm="fixed", good={"imm": imm},
                   group=other_groups(f"atomic{8 * size}"))
    if name == "add" and not fetch:
        for wrong in (0x02, 0x10, 0xE0, 0xF0, 0x101, -1):
            file.refused(f"imm {wrong:#x}", [word(opcode, imm=wrong), EXIT], "UnknownInstruction @0 imm")
        if size == 4:
            for narrow in (1, 2):
                file.refused(f"{8 * narrow}-bit", [word(3 | 0xC0 | SIZE_BITS[narrow], imm=0), EXIT],
                             "UnknownInstruction @0 imm")
    return file


def ordered_files():
    for size in (1, 2, 4, 8):
        opcode = 3 | 0xC0 | SIZE_BITS[size]
        cell = f"(u{8 * size} *)"
        file = File(f"load_acquire{8 * size}", f"rD = load_acquire({cell}(rS +OFFSET))")
        program = Program()
        for number, value in enumerate(EDGES, 1):
            program.number(9, number)
            program.constant(3, value)
            program.add("*(u64 *)(r10 -16) = r3", word(0x7B, 10, 3, -16))
            program.constant(4, 0x5555555555555555)
            program.add(f"r4 = load_acquire({cell}(r10 -16))", word(opcode, 4, 10, -16, 0x100))
            program.expect(4, value & MASK[size])
        program.finish()
        file.program("values", program)
        field_refusals(file, opcode, dst="w", src="r", offset="*", imm="fixed", good={"imm": 0x100},
                       group=other_groups("ordered"))
        yield file
        file = File(f"store_release{8 * size}", f"store_release({cell}(rD +OFFSET), rS)")
        program = Program()
        for number, value in enumerate(EDGES, 1):
            program.number(9, number)
            program.constant(3, 0x5555555555555555)
            program.add("*(u64 *)(r10 -16) = r3", word(0x7B, 10, 3, -16))
            program.constant(4, value)
            program.add(f"store_release({cell}(r10 -16), r4)", word(opcode, 10, 4, -16, 0x110))
            program.add("r6 = *(u64 *)(r10 -16)", word(0x79, 6, 10, -16))
            program.expect(6, (0x5555555555555555 & ~MASK[size] & M64) | (value & MASK[size]))
        program.finish()
        file.program("values", program)
        field_refusals(file, opcode, dst="r", src="r", offset="*", imm="fixed", good={"imm": 0x110},
                       group=other_groups("ordered"))
        yield file


def packet_files():
    socket = ["-- type socket_filter", f"-- mem {hex_bytes(MEMORY)}"]
    for size in (1, 2, 4):
        for is_indirect in (False, True):
            opcode = (0x40 if is_indirect else 0x20) | SIZE_BITS[size]
            file = File(f"packet_{'ind' if is_indirect else 'abs'}_u{8 * size}",
                        f"r0 = *(u{8 * size} *)skb[{'rS + ' if is_indirect else ''}IMM], big-endian")

            def load(program, at):
                if is_indirect:
                    program.constant(7, at - 3)
                    program.add(f"r0 = *(u{8 * size} *)skb[r7 + 3]", word(opcode, 0, 7, 0, 3))
                else:
                    program.add(f"r0 = *(u{8 * size} *)skb[{at}]", word(opcode, 0, 0, 0, at))

            program = Program()
            program.add("r6 = r1", word(0xBF, 6, 1))
            for number, at in enumerate((0, 1, 5, 16 - size), 1):
                program.number(9, number)
                load(program, at)
                program.expect(0, int.from_bytes(MEMORY[at : at + size], "big"))
            program.finish()
            file.program("values", program, sections=socket)
            for at in (16 - size + 1, 16, 0x7FFFFFFF):
                program = Program()
                program.add("r6 = r1", word(0xBF, 6, 1))
                load(program, at)
                program.number(0, 1)
                program.leave()
                file.program(f"byte {at} is outside: the program ends with 0", program, 0, socket)
            field_refusals(file, opcode, src="r" if is_indirect else "0", imm="*", group=other_groups("packet"))
            yield file


def unknown_file():
    """Every first byte that no form has."""
    file = File("unknown_opcodes", "first bytes that are no instruction")
    known = {0x05, 0x06, 0x85, 0x8D, 0x95, 0x18, 0x84, 0x87, 0xD4, 0xDC, 0xD7}
    for code, _, _ in ALU.values():
        known |= {code << 4 | source | kind for source in (0, 8) for kind in (4, 7)}
    for code, _ in JUMPS.values():
        known |= {code << 4 | source | kind for source in (0, 8) for kind in (5, 6)}
    for size, bits in SIZE_BITS.items():
        known |= {1 | 0x60 | bits, 2 | 0x60 | bits, 3 | 0x60 | bits, 3 | 0xC0 | bits}
        if size != 8:
            known |= {1 | 0x80 | bits, 0x20 | bits, 0x40 | bits}
    for opcode in range(256):
        if opcode not in known:
            file.refused(f"{opcode:#04x}", [word(opcode), EXIT], "UnknownInstruction @0 opcode")
    return file


def all_files():
    for group in (alu_files, negate_files, move_sx_files, byte_order_files, branch_files, goto_files, call_files,
                  wide_files, load_files, store_files, atomic_files, ordered_files, packet_files):
        yield from group()
    yield unknown_file()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    stale = []
    for file in all_files():
        path = arguments.folder / f"{file.name}.bpft"
        if arguments.check:
            if not path.is_file() or path.read_text() != file.write():
                stale.append(path)
        else:
            path.write_text(file.write())
    for path in stale:
        print(f"{path} differs from what {sys.argv[0]} writes")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

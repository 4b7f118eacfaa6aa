# SPDX-License-Identifier: MIT
"""Prints the program's and the hook's counts so far as key=value. Usage: counts.py MAP_DUMP.json LINK_SHOW.json"""

import json
import sys


def number(value):
    """A map value as bpftool prints it: a number, or bytes in hexadecimal, little-endian."""
    if isinstance(value, list):
        return int.from_bytes(bytes(int(byte, 16) for byte in value), "little")
    return int(value)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        entries = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        links = json.load(file)
    counted = sum(number(entry["formatted"]["value"] if "formatted" in entry else entry["value"]) for entry in entries)
    counters = links[0]["counters"]
    print(f"program_counted={counted}", *(f"hook_{name}={value}" for name, value in counters.items()))


main()

# SPDX-License-Identifier: MIT
"""What tests on loopback share: a network namespace of their own, running programs with bounded time."""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

SKIP = 77
CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def enter_network():
    """Moves this process into a network namespace with nothing but loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWNET if uid == 0 else CLONE_NEWUSER | CLONE_NEWNET) != 0:
        print("skipped: network namespaces cannot be made here")
        sys.exit(SKIP)
    if uid != 0:  # the same user as outside, without privileges in what is executed
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    # Loopback up, without a program, which would have no privileges.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def run(*command, timeout=60, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)


def wait_until(condition, seconds=10.0, what="condition"):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.01)


def two_bytes(number):
    return f"{number & 255} {number >> 8}"

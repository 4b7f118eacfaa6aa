#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every file or folder that a Markdown page names in backticks exists.

Usage: check_docs.py SOURCE_DIR

A name counts if it has a slash and only path characters, and its first part is an entry of the tree (`src/isa/decode.hpp`).
Names below build/ are products and are not checked.
"""
import pathlib
import re
import subprocess
import sys

NAME = re.compile(r'`((?:\./)?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.*-]+)+/?)`')


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(sys.argv[1])
    pages = subprocess.run(['git', 'ls-files', '*.md'], cwd=root, capture_output=True, text=True, check=True)
    problems = 0
    names = 0
    for page in pages.stdout.split():
        for number, line in enumerate((root / page).read_text().splitlines(), 1):
            for name in NAME.findall(line):
                first = name.removeprefix('./').split('/')[0]
                if first == 'build' or not (root / first).exists():
                    continue
                names += 1
                pattern = name.removeprefix('./').rstrip('/')
                if not any(root.glob(pattern)):
                    print(f'{page}:{number}: {name} does not exist')
                    problems += 1
    print(f'{names} names, {problems} missing')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())

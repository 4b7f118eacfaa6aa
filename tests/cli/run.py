#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the command-line cases of one file against ebpfctl.

Usage: run.py EBPFCTL OBJECTS_FOLDER CASES.txt

A file is a list of cases, each of sections: "-- run WORDS" (shell quoting; {objects} and {tmp} stand for folders),
"-- exit N", and optionally "-- stdin TEXT", "-- stdout" and "-- stderr", followed by lines. Each line is a regular expression that must
match a line of the output, in the given order; lines in between may differ. "-- json" instead checks that the output is
JSON and that it contains the given JSON: every member of an object, and lists element by element. "-- daemon OPTIONS"
anywhere before the first case starts an ebpfd for the file, and every case gets its --context. "-- file NAME COUNT" makes a file
of COUNT zero bytes in {tmp}.
"""

import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

SECTIONS = {'run', 'stdin', 'exit', 'stdout', 'stderr', 'json', 'daemon', 'file'}


def parse(path):
    cases, setup = [], []
    section = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith('#'):
            continue
        if line.startswith('-- '):
            section, _, rest = line[3:].partition(' ')
            if section not in SECTIONS:
                raise SystemExit(f'{path}:{number}: unknown section {section}')
            if section == 'run':
                cases.append({'line': number, 'run': rest, 'stdin': '', 'exit': 0})
            elif section == 'stdin':
                cases[-1]['stdin'] = rest
            elif section == 'exit':
                cases[-1]['exit'] = int(rest)
            elif section in ('daemon', 'file'):
                setup.append((section, rest.split()))
            else:
                cases[-1][section] = []
        elif line.strip() and section in ('stdout', 'stderr', 'json'):
            cases[-1][section].append(line)
    return setup, cases


def contains(actual, expected, where='$'):
    """Yields what `actual` lacks of `expected`."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name, value in expected.items():
            if name not in actual:
                yield f'{where}.{name} is missing'
            else:
                yield from contains(actual[name], value, f'{where}.{name}')
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(actual) != len(expected):
            yield f'{where} has {len(actual)} elements, expected {len(expected)}'
        for index, (one, other) in enumerate(zip(actual, expected)):
            yield from contains(one, other, f'{where}[{index}]')
    elif expected == '*':
        return
    elif actual != expected:
        yield f'{where} is {actual!r}, expected {expected!r}'


def check_lines(name, text, patterns):
    lines = iter(text.splitlines())
    for pattern in patterns:
        if not any(re.search(pattern, line) for line in lines):
            yield f'{name}: no line matches {pattern!r} in\n{text[:2000]}'


def check(case, result):
    if result.returncode != case['exit']:
        yield f'exit code {result.returncode}, expected {case["exit"]}\n{result.stdout}{result.stderr}'
    for name in ('stdout', 'stderr'):
        if name in case:
            yield from check_lines(name, getattr(result, name), case[name])
    if 'json' in case:
        try:
            yield from contains(json.loads(result.stdout), json.loads('\n'.join(case['json'])))
        except json.JSONDecodeError as error:
            yield f'not JSON: {error}\n{result.stdout}'


def start_daemon(program, folder, options):
    socket = folder / 'ebpfd.sock'
    daemon = subprocess.Popen([program.parent / 'ebpfd', '--socket', socket, *options], stdout=subprocess.PIPE, text=True)
    if 'ready' not in daemon.stdout.readline():
        raise SystemExit('ebpfd did not start')
    return daemon, ['--context', f'unix:{socket}']


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    program = pathlib.Path(sys.argv[1]).resolve()
    setup, cases = parse(pathlib.Path(sys.argv[3]))
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        daemon, context = None, []
        for kind, words in setup:
            if kind == 'daemon':
                daemon, context = start_daemon(program, tmp, words)
            else:
                (tmp / words[0]).write_bytes(bytes(int(words[1])))
        try:
            for case in cases:
                words = shlex.split(case['run'].replace('{objects}', sys.argv[2]).replace('{tmp}', folder))
                result = subprocess.run([program, *context, *words], input=case['stdin'], capture_output=True, text=True,
                                        timeout=60)
                for problem in check(case, result):
                    failures += 1
                    print(f'{sys.argv[3]}:{case["line"]}: {case["run"]}: {problem}')
        finally:
            if daemon:
                daemon.terminate()
                if daemon.wait(timeout=30) != 0:
                    failures += 1
                    print(f'ebpfd ended with {daemon.returncode}')
    print(f'{len(cases)} cases, {failures} problems')
    return 1 if failures or not cases else 0


if __name__ == '__main__':
    sys.exit(main())

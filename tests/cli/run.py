#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the command-line cases of one file against the programs of this build.

Usage: run.py EBPFCTL OBJECTS_FOLDER CASES.txt [NAME=VALUE...]

A file is a list of cases, each of sections: "-- run WORDS" for ebpfctl, "-- bpf2c WORDS" for bpf2c, which lies beside it,
"-- start WORDS" for any other program; words have the shell's quoting; {objects} and {tmp} stand for folders, {NAME} for the
given VALUE. Then "-- exit N", and optionally "-- stdin TEXT", "-- stdout", "-- stderr" and "-- output FILE" (a file that the
case wrote), followed by lines. Each line is a regular expression that must match a line of the output, in the given order;
lines in between may differ. "-- json" instead checks that the output is JSON and that it contains the given JSON: every member
of an object, and lists element by element. "-- absent FILE": the case leaves no such file. "-- within SECONDS": the case runs
again until it passes or that time is over.
"-- daemon OPTIONS" anywhere before the first case starts an ebpfd for the file, and every run gets its --context.
"-- file NAME COUNT [SOURCE]" makes a file in {tmp} of COUNT zero bytes, or of the first COUNT bytes of SOURCE. The value of
EMULATOR, if it is given, starts ebpfctl and bpf2c.
"""

import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

CASES = {'run', 'bpf2c', 'start'}
SECTIONS = CASES | {'stdin', 'exit', 'stdout', 'stderr', 'json', 'output', 'absent', 'within', 'daemon', 'file'}


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
            if section in CASES:
                cases.append({'line': number, 'kind': section, 'run': rest, 'stdin': '', 'exit': 0, 'within': 0})
            elif section == 'stdin':
                cases[-1]['stdin'] = rest
            elif section in ('exit', 'within'):
                cases[-1][section] = int(rest)
            elif section in ('daemon', 'file'):
                setup.append((section, rest.split()))
            elif section == 'absent':
                cases[-1]['absent'] = rest
            elif section == 'output':
                cases[-1]['file'] = rest
                cases[-1][section] = []
            else:
                cases[-1][section] = []
        elif line.strip() and section in ('stdout', 'stderr', 'json', 'output'):
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


def check(case, result, places):
    if result.returncode != case['exit']:
        yield f'exit code {result.returncode}, expected {case["exit"]}\n{result.stdout}{result.stderr}'
    for name in ('stdout', 'stderr'):
        if name in case:
            yield from check_lines(name, getattr(result, name), case[name])
    if 'output' in case:
        path = pathlib.Path(case['file'].format(**places))
        if path.is_file():
            yield from check_lines(case['file'], path.read_text(), case['output'])
        else:
            yield f'{case["file"]} is not there'
    if 'absent' in case and pathlib.Path(case['absent'].format(**places)).exists():
        yield f'{case["absent"]} is there'
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


def make_file(folder, places, name, count, source=None):
    contents = pathlib.Path(source.format(**places)).read_bytes() if source else bytes(int(count))
    (folder / name).write_bytes(contents[:int(count)])


def command_of(case, program, context, places):
    """Returns the words that start the case's program."""
    words = [word.format(**places) for word in shlex.split(case['run'])]
    if case['kind'] == 'start':
        return words
    emulator = [places['EMULATOR']] if places.get('EMULATOR') else []
    if case['kind'] == 'run':
        return [*emulator, program, *context, *words]
    return [*emulator, program.with_name('bpf2c' + program.suffix), *words]


def problems_of(case, command, places):
    end = time.monotonic() + case['within']
    while True:
        result = subprocess.run(command, input=case['stdin'], capture_output=True, text=True, timeout=100)
        problems = list(check(case, result, places))
        if not problems or time.monotonic() >= end:
            return problems
        time.sleep(0.1)


def main():
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    program = pathlib.Path(sys.argv[1]).resolve()
    places = {'objects': sys.argv[2], **dict(word.split('=', 1) for word in sys.argv[4:])}
    setup, cases = parse(pathlib.Path(sys.argv[3]))
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        places['tmp'] = folder
        daemon, context = None, []
        for kind, words in setup:
            if kind == 'daemon':
                daemon, context = start_daemon(program, tmp, words)
            else:
                make_file(tmp, places, *words)
        try:
            for case in cases:
                for problem in problems_of(case, command_of(case, program, context, places), places):
                    failures += 1
                    print(f'{sys.argv[3]}:{case["line"]}: {case["kind"]} {case["run"]}: {problem}')
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

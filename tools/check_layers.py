#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every #include in src/ follows the layers that CMake recorded.

Usage: check_layers.py LAYERS_TXT SOURCE_DIR

LAYERS_TXT is <build>/layers.txt: one line "layer:dependency,dependency" per ebpf_layer(). A file belongs to the layer
of the longest matching folder. It may include its own layer, the layers it names as dependencies, include/, and system
headers; operating-system headers and conditionals only in the folders that exist for them, and in the kernel set only
the headers of a freestanding C++ library that allocate nothing.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
OS_CONDITIONAL = re.compile(r'^\s*#\s*(?:el)?if.*\b(?:_WIN32|__linux__|__unix__|_WIN64)\b')
OS_HEADER = re.compile(
    r'^(?:sys/|linux/|net/|netinet/|arpa/|asm/|openssl/|libmnl/|libnftnl/|(?:windows|winsock2|ws2tcpip|bcrypt|unistd|'
    r'fcntl|poll|sched|pthread|signal|syscall|dlfcn|ifaddrs|termios|time|seccomp|pwd|grp|dirent|spawn|getopt)\.h$)')
OS_FOLDER = re.compile(r'(?:^|/)(?:linux|windows|winkernel|fake)/')
# Headers of the hosted library that the kernel set must not use: they allocate, throw, block or do I/O.
HOSTED = {
    'string', 'vector', 'map', 'set', 'unordered_map', 'unordered_set', 'deque', 'list', 'iostream', 'ostream', 'istream',
    'sstream', 'fstream', 'iomanip', 'functional', 'thread', 'mutex', 'shared_mutex', 'condition_variable', 'future',
    'filesystem', 'regex', 'stdexcept', 'chrono', 'random', 'memory_resource', 'cstdio', 'cstdlib', 'locale', 'any',
}
# Headers that live beside the kernel set's but are for host layers only.
FOR_HOST_LAYERS = {'base/error.hpp', 'platform/file.hpp', 'platform/hash.hpp', 'platform/interface.hpp',
                   'platform/library.hpp', 'platform/module.hpp', 'platform/process.hpp', 'platform/user.hpp'}


def read_layers(path):
    layers = {}
    kernel = set()
    for line in path.read_text().splitlines():
        name, dependencies, kind = line.split(':')
        layers.setdefault(name, set()).update(d for d in dependencies.split(',') if d)
        if kind == 'kernel':
            kernel.add(name)
    return layers, kernel


def layer_of(folder, layers):
    parts = folder.split('/')
    while parts:
        name = '/'.join(parts)
        if name in layers:
            return name
        parts.pop()
    return None


def check_file(path, source, layers, kernel):
    relative = path.relative_to(source).as_posix()
    layer = layer_of(path.parent.relative_to(source).as_posix(), layers)
    if layer is None:
        return  # a layer that this build does not have
    in_os_folder = OS_FOLDER.search(relative) is not None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f'src/{relative}:{number}'
        if OS_CONDITIONAL.match(line) and not in_os_folder:
            yield f'{where}: operating-system conditional outside an OS folder'
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        if quote == '<':
            if OS_HEADER.match(name) and not in_os_folder:
                yield f'{where}: operating-system header <{name}> outside an OS folder'
            if layer in kernel and not in_os_folder and name in HOSTED and relative not in FOR_HOST_LAYERS:
                yield f'{where}: <{name}> in the kernel set'
            continue
        if layer in kernel and name in FOR_HOST_LAYERS and not in_os_folder and relative not in FOR_HOST_LAYERS:
            yield f'{where}: {name} is for host layers'
        if not (source / name).exists():
            continue  # include/, checked by the compiler
        target = layer_of(str(pathlib.PurePosixPath(name).parent), layers)
        if name in FOR_HOST_LAYERS and f'{target}/host' in layers:
            target = f'{target}/host'
        if in_os_folder and target == f'{layer}/host':
            continue  # the host part's own files lie beside the core's
        if target is not None and target != layer and target not in layers[layer]:
            yield f'{where}: layer {layer} may not include {name} (layer {target}); it depends on {sorted(layers[layer])}'


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    layers, kernel = read_layers(pathlib.Path(sys.argv[1]))
    source = pathlib.Path(sys.argv[2]) / 'src'
    problems = []
    files = 0
    for path in sorted(source.rglob('*')):
        if path.suffix in ('.hpp', '.cpp', '.h', '.c'):
            files += 1
            problems += check_file(path, source, layers, kernel)
    for problem in problems:
        print(problem)
    print(f'{files} files, {len(layers)} layers, {len(problems)} forbidden includes')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())

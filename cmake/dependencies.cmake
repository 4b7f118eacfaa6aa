# SPDX-License-Identifier: MIT
# Outside libraries as targets of one name on every host. All are Debian packages; nothing is downloaded.
# The header-only ones are copied out of the system's include folder when cross-compiling, as that folder itself must
# never be on a cross compiler's path.

# ebpf_header_library(TARGET HEADER): the folder of the system's HEADER ("fmt/core.h") as an interface target.
function(ebpf_header_library TARGET HEADER)
    find_path(${TARGET}_ROOT NAMES ${HEADER} PATHS /usr/include NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH REQUIRED)
    add_library(${TARGET} INTERFACE)
    if(CMAKE_CROSSCOMPILING)
        cmake_path(GET HEADER PARENT_PATH folder)
        file(COPY "${${TARGET}_ROOT}/${folder}" DESTINATION "${PROJECT_BINARY_DIR}/include")
        target_include_directories(${TARGET} SYSTEM INTERFACE "${PROJECT_BINARY_DIR}/include")
    endif()
endfunction()

# Compiled once, for every host and sanitizer; as a library of headers it takes seconds of each file that uses it.
ebpf_header_library(ebpf_fmt_headers fmt/core.h)
add_library(ebpf_fmt STATIC "${CMAKE_CURRENT_LIST_DIR}/fmt.cpp")
target_link_libraries(ebpf_fmt PUBLIC ebpf_fmt_headers)
ebpf_header_library(ebpf_cli11 CLI/CLI.hpp)
ebpf_header_library(ebpf_json nlohmann/json.hpp)
ebpf_header_library(ebpf_xbyak xbyak/xbyak.h)

# VIXL emits, disassembles and simulates arm64 code; Zydis disassembles x86-64. Libraries, thus only for the host.
if(NOT CMAKE_CROSSCOMPILING AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
    find_package(PkgConfig REQUIRED)
    pkg_check_modules(vixl REQUIRED IMPORTED_TARGET vixl)
    add_library(ebpf_vixl INTERFACE)
    target_link_libraries(ebpf_vixl INTERFACE PkgConfig::vixl)
    find_package(zydis REQUIRED)
endif()

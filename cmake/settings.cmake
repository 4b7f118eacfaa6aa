# SPDX-License-Identifier: MIT
# Language level, warnings and sanitizers, as interface targets that every layer links.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

add_library(ebpf_warnings INTERFACE)
target_compile_options(ebpf_warnings INTERFACE
    -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wswitch-enum -Wundef -Wcast-align -Werror
    $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
    # g++ 12 sees overlaps and huge sizes in inlined std::string and std::vector code that is right (GCC bug 105651).
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-stringop-overread>)

set(EBPF_SANITIZE "" CACHE STRING "Value for -fsanitize=, or empty")
# The kernel set alone, compiled as a Windows driver would be (preset `freestanding`).
option(EBPF_FREESTANDING "Build only the kernel set, without a C library" OFF)

add_library(ebpf_sanitizers INTERFACE)
if(EBPF_SANITIZE)
    target_compile_options(ebpf_sanitizers INTERFACE -fsanitize=${EBPF_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(ebpf_sanitizers INTERFACE -fsanitize=${EBPF_SANITIZE})
endif()

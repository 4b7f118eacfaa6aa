# SPDX-License-Identifier: MIT
# ebpf_bpf_objects(): compiles BPF programs against include/bpf_program alone, with whatever clang there is.
find_program(EBPF_BPF_CLANG NAMES clang-19 clang-14 clang DOC "clang that compiles BPF programs")

# ebpf_bpf_objects(TARGET SOURCES file.c... [COMPILER clang] [FOLDER folder] [OPTIONS option...])
#   Builds file.o for each source into the current binary directory, or `folder` in it; without clang TARGET does
#   nothing, and says so.
function(ebpf_bpf_objects TARGET)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "COMPILER;FOLDER" "SOURCES;OPTIONS")
    set(compiler "${EBPF_BPF_CLANG}")
    if(ARG_COMPILER)
        set(compiler "${ARG_COMPILER}")
    endif()
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/${ARG_FOLDER}")
    file(MAKE_DIRECTORY "${folder}")
    set(objects)
    if(NOT compiler)
        message(STATUS "no clang found: ${TARGET} is not built")
    else()
        file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/bpf_program/*.h")
        foreach(source IN LISTS ARG_SOURCES)
            cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
            cmake_path(GET source STEM name)
            set(object "${folder}/${name}.o")
            add_custom_command(OUTPUT "${object}"
                COMMAND "${compiler}" -target bpf -O2 -g -Wall -Wextra -Werror -nostdlibinc
                        -I "${PROJECT_SOURCE_DIR}/include/bpf_program" ${ARG_OPTIONS}
                        -c "${source}" -o "${object}"
                DEPENDS "${source}" ${headers} VERBATIM COMMENT "Compiling BPF program ${ARG_FOLDER} ${name}")
            list(APPEND objects "${object}")
        endforeach()
    endif()
    add_custom_target(${TARGET} DEPENDS ${objects})
endfunction()

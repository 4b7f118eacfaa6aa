# SPDX-License-Identifier: MIT
# ebpf_bpf_objects(): compiles BPF programs against include/bpf_program alone, with whatever clang there is.
find_program(EBPF_BPF_CLANG NAMES clang-19 clang-14 clang DOC "clang that compiles BPF programs")

# ebpf_bpf_objects(TARGET SOURCES file.c... [OPTIONS option...])
#   Builds file.o for each source into the current binary directory; without clang TARGET does nothing, and says so.
#   Sets EBPF_BPF_OBJECTS_<TARGET> to the objects in the caller's scope.
function(ebpf_bpf_objects TARGET)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;OPTIONS")
    set(objects)
    if(NOT EBPF_BPF_CLANG)
        message(STATUS "no clang found: ${TARGET} is not built")
    else()
        file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/bpf_program/*.h")
        foreach(source IN LISTS ARG_SOURCES)
            get_filename_component(name "${source}" NAME_WE)
            set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}.o")
            add_custom_command(OUTPUT "${object}"
                COMMAND "${EBPF_BPF_CLANG}" -target bpf -O2 -g -Wall -Wextra -Werror -nostdlibinc
                        -I "${PROJECT_SOURCE_DIR}/include/bpf_program" ${ARG_OPTIONS}
                        -c "${CMAKE_CURRENT_SOURCE_DIR}/${source}" -o "${object}"
                DEPENDS "${source}" ${headers} VERBATIM COMMENT "Compiling BPF program ${name}")
            list(APPEND objects "${object}")
        endforeach()
    endif()
    add_custom_target(${TARGET} DEPENDS ${objects})
    set(EBPF_BPF_OBJECTS_${TARGET} "${objects}" PARENT_SCOPE)
endfunction()

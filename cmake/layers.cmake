# SPDX-License-Identifier: MIT
# ebpf_layer(): a folder of src/ as a library, with its allowed dependencies recorded for tools/check_layers.py.

# ebpf_layer(NAME SOURCES file... DEPENDS layer... [LIBRARIES library...] [KERNEL])
#   NAME       folder below src/ (slashes become underscores in the target name ebpf_NAME)
#   DEPENDS    layers whose headers this one may include
#   LIBRARIES  outside libraries
#   KERNEL     belongs to the kernel set: built without exceptions and run-time types
function(ebpf_layer NAME)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "KERNEL" "" "SOURCES;DEPENDS;LIBRARIES")
    if(EBPF_FREESTANDING AND NOT ARG_KERNEL)
        return()
    endif()
    string(REPLACE "/" "_" target "ebpf_${NAME}")
    set(kind PUBLIC)
    if(ARG_SOURCES)
        add_library(${target} STATIC ${ARG_SOURCES})
        target_link_libraries(${target} PRIVATE ebpf_warnings PUBLIC ebpf_sanitizers)
        if(ARG_KERNEL)
            target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>
                ${EBPF_FREESTANDING_OPTIONS})
        endif()
    else()
        add_library(${target} INTERFACE)
        set(kind INTERFACE)
    endif()
    target_include_directories(${target} ${kind} "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
    foreach(dependency IN LISTS ARG_DEPENDS)
        string(REPLACE "/" "_" dependency_target "ebpf_${dependency}")
        target_link_libraries(${target} ${kind} ${dependency_target})
    endforeach()
    target_link_libraries(${target} ${kind} ${ARG_LIBRARIES})
    list(JOIN ARG_DEPENDS "," edges)
    set(set_name host)
    if(ARG_KERNEL)
        set(set_name kernel)
    endif()
    set_property(GLOBAL APPEND PROPERTY EBPF_LAYERS "${NAME}:${edges}:${set_name}")
    if(ARG_KERNEL)
        set_property(GLOBAL APPEND PROPERTY EBPF_KERNEL_SET ${target})
    endif()
endfunction()

# Writes the allowed edges for tools/check_layers.py. Call after the last layer.
function(ebpf_write_layers)
    get_property(layers GLOBAL PROPERTY EBPF_LAYERS)
    list(JOIN layers "\n" text)
    file(WRITE "${PROJECT_BINARY_DIR}/layers.txt" "${text}\n")
endfunction()

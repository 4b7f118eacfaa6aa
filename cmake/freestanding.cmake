# SPDX-License-Identifier: MIT
# Options and image of the `freestanding` preset: what a Windows driver demands of the kernel set.
if(EBPF_FREESTANDING)
    set(EBPF_FREESTANDING_OPTIONS
        -fno-threadsafe-statics -fno-use-cxa-atexit -fno-math-errno -fno-stack-protector -mno-red-zone
        -fno-asynchronous-unwind-tables -Wframe-larger-than=8192)
endif()

# Links every layer of the kernel set into one .sys: an undefined symbol is a dependency that a driver could not have.
function(ebpf_kernel_image)
    get_property(kernel_set GLOBAL PROPERTY EBPF_KERNEL_SET)
    set(archives)
    foreach(target IN LISTS kernel_set)
        get_target_property(type ${target} TYPE)
        if(type STREQUAL "STATIC_LIBRARY")
            list(APPEND archives $<TARGET_FILE:${target}>)
        endif()
    endforeach()
    set(import "${PROJECT_BINARY_DIR}/libcng.a")
    add_custom_command(OUTPUT "${import}"
        COMMAND x86_64-w64-mingw32-dlltool -d "${PROJECT_SOURCE_DIR}/src/platform/winkernel/cng.def" -l "${import}"
        DEPENDS "${PROJECT_SOURCE_DIR}/src/platform/winkernel/cng.def")
    set(image "${PROJECT_BINARY_DIR}/bin/ebpfcore.sys")
    add_custom_command(OUTPUT "${image}"
        COMMAND "${CMAKE_COMMAND}" -E make_directory "${PROJECT_BINARY_DIR}/bin"
        COMMAND "${CMAKE_CXX_COMPILER}" -shared -nostdlib -nostartfiles -Wl,--subsystem,native -Wl,--entry,DriverEntry
            -Wl,--image-base,0x140000000 -Wl,--dynamicbase -Wl,--nxcompat -Wl,--exclude-all-symbols
            -Wl,--whole-archive ${archives} -Wl,--no-whole-archive "${import}" -lntoskrnl -lhal -lgcc -o "${image}"
        DEPENDS ${kernel_set} "${import}" VERBATIM
        COMMENT "Linking the kernel set as ${image}")
    add_custom_target(ebpfcore_image ALL DEPENDS "${image}")
endfunction()

# SPDX-License-Identifier: MIT
# ebpf_test(): a GoogleTest program, whose cases CTest sees one by one on the host.
include(GoogleTest)
if(CMAKE_CROSSCOMPILING)
    # Debian ships GoogleTest's source for hosts that it has no library for.
    set(INSTALL_GTEST OFF)
    add_subdirectory(/usr/src/googletest "${PROJECT_BINARY_DIR}/googletest" EXCLUDE_FROM_ALL SYSTEM)
else()
    find_package(GTest REQUIRED)
endif()

# ebpf_test(NAME SOURCES file... DEPENDS layer...)
function(ebpf_test NAME)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;DEPENDS;LIBRARIES")
    add_executable(${NAME} ${ARG_SOURCES})
    foreach(dependency IN LISTS ARG_DEPENDS)
        string(REPLACE "/" "_" dependency_target "ebpf_${dependency}")
        target_link_libraries(${NAME} PRIVATE ${dependency_target})
    endforeach()
    target_link_libraries(${NAME} PRIVATE ebpf_warnings ${ARG_LIBRARIES} GTest::gmock GTest::gtest_main)
    target_include_directories(${NAME} PRIVATE "${PROJECT_SOURCE_DIR}/tests/support")
    # Tests need not be fast, but there are many to compile; what they test is built as it is shipped.
    target_compile_options(${NAME} PRIVATE $<$<CONFIG:Release>:-O1>)
    target_compile_definitions(${NAME} PRIVATE EBPF_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    if(CMAKE_CROSSCOMPILING)
        # One process a suite: starting one under the emulator costs more than most cases.
        add_test(NAME ${NAME} COMMAND ${NAME})
        set_tests_properties(${NAME} PROPERTIES TIMEOUT 300)
    else()
        gtest_discover_tests(${NAME} TEST_PREFIX "${NAME}." DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120)
    endif()
endfunction()

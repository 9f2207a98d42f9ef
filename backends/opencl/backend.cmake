# SPDX-License-Identifier: Apache-2.0
# The headers of OpenCL, and Python for making OpenCL C of the kernels' C text; without them the backend says that
# it is not there.
find_path(OPENCL_INCLUDE CL/cl.h)
find_program(TENON_PYTHON NAMES python3)
if(TENON_OPENCL AND OPENCL_INCLUDE AND TENON_PYTHON)
    # Rows in plain C, and those over wide vectors that are for OpenCL alone.
    file(GLOB rows CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/*/*.c)
    list(FILTER rows EXCLUDE REGEX "_(avx2|avx512|avx512bf16|amx|neon|neondot)[_.]|_(ref|op|factors|systolic)[.]c$|/systolic/")
    file(GLOB_RECURSE texts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/*.h ${CMAKE_SOURCE_DIR}/kernels/*.inc
        ${CMAKE_SOURCE_DIR}/kernels/*.cl)
    set(made ${CMAKE_BINARY_DIR}/generated/opencl_rows.c)
    add_custom_command(OUTPUT ${made}
        COMMAND ${TENON_PYTHON} ${CMAKE_SOURCE_DIR}/cmake/opencl_text.py --cc "${CMAKE_C_COMPILER}"
            --root ${CMAKE_SOURCE_DIR} --out ${made} ${rows}
        DEPENDS ${CMAKE_SOURCE_DIR}/cmake/opencl_text.py ${CMAKE_SOURCE_DIR}/cmake/opencl_spaces.py ${rows} ${texts} VERBATIM)
    target_sources(tn_backend_opencl PRIVATE ${made})
    target_include_directories(tn_backend_opencl SYSTEM PRIVATE ${OPENCL_INCLUDE})
    target_compile_definitions(tn_backend_opencl PRIVATE TN_OPENCL)
    set_property(SOURCE ${made} APPEND PROPERTY COMPILE_OPTIONS -Wno-overlength-strings)
else()
    message(STATUS "no OpenCL devices: needs opencl-headers and python3")
    get_target_property(sources tn_backend_opencl SOURCES)
    list(FILTER sources INCLUDE REGEX "opencl_backend[.]c$")
    set_target_properties(tn_backend_opencl PROPERTIES SOURCES "${sources}")
endif()

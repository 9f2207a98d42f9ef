# SPDX-License-Identifier: Apache-2.0
# The two helpers of the build: tn_add_op() for a folder of kernels/, tn_add_backend() for one of backends/.

set(TN_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi -mbmi2)
set(TN_ISA_FLAGS_avx512 ${TN_ISA_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl
    -mprefer-vector-width=512)
# GCC's scheduling before register allocation moves loads so far up that a tile's accumulators are spilled.
set(TN_ISA_FLAGS_neon -fno-schedule-insns)
set(TN_ISA_FLAGS_neondot ${TN_ISA_FLAGS_neon} -march=armv8.2-a+dotprod)
set(TN_ISA_FLAGS_avx512bf16 ${TN_ISA_FLAGS_avx512} -mavx512bf16 -mavx512vnni)
set(TN_ISA_FLAGS_amx ${TN_ISA_FLAGS_avx512bf16} -mamx-tile -mamx-bf16 -mamx-int8 -mprfchw)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(TN_ISAS avx2 avx512 avx512bf16 amx)
else()
    set(TN_ISAS neon neondot)
endif()
set(TN_ALL_ISAS avx2 avx512 avx512bf16 amx neon neondot)

# One object target per ISA, made at first use, with exactly that ISA's flags.
function(tn_kernel_target isa)
    set(target tn_kernels_${isa})
    if(NOT TARGET ${target})
        add_library(${target} OBJECT)
        target_link_libraries(${target} PRIVATE tn_flags)
        # Kernels are compiled for speed in every preset but the sanitizers', where their unrolled cores
        # would take most of the build.
        if(TENON_SANITIZE)
            target_compile_options(${target} PRIVATE -O1)
        else()
            target_compile_options(${target} PRIVATE -O3)
        endif()
        target_compile_options(${target} PRIVATE ${TN_ISA_FLAGS_${isa}})
        set_property(GLOBAL APPEND PROPERTY TN_KERNEL_TARGETS ${target})
    endif()
endfunction()

# Adds kernels/<op>: <op>_<isa>*.c go to their ISA's target, the rest to the baseline. The op enters
# the table of ops once <op>_op.c exists.
function(tn_add_op op)
    set(dir ${CMAKE_CURRENT_SOURCE_DIR}/${op})
    file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.c)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        set(isa baseline)
        foreach(candidate IN LISTS TN_ALL_ISAS)
            if(name MATCHES "_${candidate}(_|$)")
                set(isa ${candidate})
            endif()
        endforeach()
        if(name MATCHES "_wide(8|16)?(_|$)" AND NOT TENON_OPENCL)
            continue()
        endif()
        if(isa STREQUAL baseline OR isa IN_LIST TN_ISAS)
            tn_kernel_target(${isa})
            target_sources(tn_kernels_${isa} PRIVATE ${source})
            # Rows of OpenCL devices: the host uses their accepts and plan alone, and compilers would take
            # minutes for run() over vectors that the baseline has no registers for.
            if(name MATCHES "_wide(8|16)?(_|$)")
                set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS -Wno-psabi -O0)
            endif()
        endif()
    endforeach()
    if(EXISTS ${dir}/${op}_op.c)
        set_property(GLOBAL APPEND PROPERTY TN_OPS ${op})
    endif()
endfunction()

# Adds backends/<name>; its hyphens become underscores in the symbol tn_backend_query_<name>.
function(tn_add_backend name)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.c)
    if(NOT sources)
        return()
    endif()
    string(REPLACE "-" "_" symbol ${name})
    set(target tn_backend_${symbol})
    add_library(${target} OBJECT ${sources})
    target_link_libraries(${target} PRIVATE tn_flags)
    target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L)
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/backend.cmake)
        include(${CMAKE_CURRENT_SOURCE_DIR}/${name}/backend.cmake)
    endif()
    set_property(GLOBAL APPEND PROPERTY TN_BACKENDS ${symbol})
    set_property(GLOBAL APPEND PROPERTY TN_BACKEND_TARGETS ${target})
endfunction()

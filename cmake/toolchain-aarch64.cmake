# SPDX-License-Identifier: Apache-2.0
# aarch64 Linux from another machine: Debian's packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
# The libraries of the target, for qemu: the loader's path is taken below this folder.
set(TENON_AARCH64_ROOT /usr/aarch64-linux-gnu CACHE PATH "Where the libraries of aarch64 lie")
set(CMAKE_FIND_ROOT_PATH ${TENON_AARCH64_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
find_program(TENON_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
if(TENON_QEMU_AARCH64)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${TENON_QEMU_AARCH64} -L ${TENON_AARCH64_ROOT})
endif()

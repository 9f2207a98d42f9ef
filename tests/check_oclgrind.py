#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kernels under Oclgrind, an interpreter that complains of what they do wrong: check_oclgrind.py ICD TEST...

Each TEST runs its small list on that driver alone: opencl_small.inc of tests/support by the rows for plain devices and by those of
vectors, opencl_groups.inc by those of groups.
Reads and writes outside of buffers and variables, races between tasks and wrong calls of OpenCL are complained of; with
TENON_TEST_FULL, which is also without ./test, values that nobody wrote, too. Then kernels that are wrong show that it would.
"""
import ctypes
import ctypes.util
import os
import subprocess
import sys
import tempfile

# One defect each, in a buffer of 16 words, and what is said of it.
WRONG = {
    "Invalid write": "__kernel void wrong(__global uint *x) { x[get_global_id(0) + 16] = 1; }",
    "Invalid read": "__kernel void wrong(__global uint *x) { uint t[2] = {1, 2}; x[0] = t[get_global_id(0) + 9]; }",
    "data race": "__kernel void wrong(__global uint *x) { x[3] = get_global_id(0); }",
    "uninitialized value": "__kernel void wrong(__global uint *x) { uint t[4]; t[1] = 1; if (t[get_global_id(0) + 2] > 9) x[5] = 1; }",
}


def run_wrong(text):
    """In a process of its own: two work-items of a kernel that is wrong."""
    cl, error = ctypes.CDLL(ctypes.util.find_library("OpenCL")), ctypes.c_int()
    for name in ("clCreateContext", "clCreateCommandQueue", "clCreateBuffer", "clCreateProgramWithSource", "clCreateKernel"):
        getattr(cl, name).restype = ctypes.c_void_p
    at, size = ctypes.byref(error), ctypes.c_size_t
    platform, device = ctypes.c_void_p(), ctypes.c_void_p()
    cl.clGetPlatformIDs(1, ctypes.byref(platform), None)
    cl.clGetDeviceIDs(platform, ctypes.c_uint64(0xffffffff), 1, ctypes.byref(device), None)
    context = ctypes.c_void_p(cl.clCreateContext(None, 1, ctypes.byref(device), None, None, at))
    queue = ctypes.c_void_p(cl.clCreateCommandQueue(context, device, ctypes.c_uint64(0), at))
    mem = ctypes.c_void_p(cl.clCreateBuffer(context, ctypes.c_uint64(1), size(64), None, at))
    source = ctypes.c_char_p(text.encode())
    program = ctypes.c_void_p(cl.clCreateProgramWithSource(context, 1, ctypes.byref(source), None, at))
    built = cl.clBuildProgram(program, 1, ctypes.byref(device), b"-cl-opt-disable", None, None)
    kernel = ctypes.c_void_p(cl.clCreateKernel(program, b"wrong", at))
    cl.clSetKernelArg(kernel, 0, size(8), ctypes.byref(mem))
    two, one = size(2), size(1)
    ran = cl.clEnqueueNDRangeKernel(queue, kernel, 1, None, ctypes.byref(two), ctypes.byref(one), 0, None, None)
    sys.exit(built or error.value or ran or cl.clFinish(queue))


def under(folder, command, uninitialized):
    """The exit status of a command under Oclgrind, what it printed, and the complaints."""
    log = os.path.join(folder, "log")
    env = {**os.environ, "OCL_ICD_VENDORS": folder, "OCLGRIND_LOG": log, "OCLGRIND_CHECK_API": "1", "OCLGRIND_DATA_RACES": "1",
           **({"OCLGRIND_UNINITIALIZED": "1"} if uninitialized else {}), "TENON_CACHE_DIR": os.path.join(folder, "cache")}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500, check=False)
    complaints = ""
    if os.path.exists(log):
        with open(log, encoding="utf-8") as f:
            complaints = f.read().strip()
        os.unlink(log)
    return done.returncode, done.stdout, complaints


def main():
    icd, *tests = sys.argv[1:]
    full, bad = os.environ.get("TENON_TEST_FULL", "1") != "0", 0
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "oclgrind.icd"), "w", encoding="utf-8") as f:
            print(icd, file=f)
        for test in tests:
            status, printed, complaints = under(folder, [test, "--filter", "*/small"], full)
            print(printed[-3000:])
            if status != 0 or complaints or "0 left out" not in printed:
                print(f"FAILED: exit status {status}, or a case was left out, or Oclgrind complains:\n{complaints[:4000]}")
                bad += 1
        for word, text in WRONG.items():
            status, printed, complaints = under(folder, [sys.executable, __file__, "wrong", text], True)
            if status != 0 or word not in complaints:
                print(f"FAILED: a kernel with that defect ran ({status}), and no complaint says {word}: {complaints}{printed}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1] == "wrong":
        run_wrong(sys.argv[2])
    sys.exit(main())

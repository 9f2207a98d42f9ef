#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Devices of OpenCL and Vulkan drivers beside the cpu device and beside CLBlast and ncnn on the same drivers.

    bench/beside_drivers.py --device opencl:pocl --device opencl:intel "matmul 1024x1024x1024" --json FILE
    bench/beside_drivers.py --device vulkan:lavapipe "matmul 256x256x256" "conv n1c64h28w28k64r3s3p1"
    bench/beside_drivers.py --device opencl:pocl --vs empty --rounds 1000 "eltwise relu 4x4"

A round runs each contender once, in an order that rotates, on all cpus of the process. Two clocks are read: the wall's, and the processor
time of the process, whose threads do all of the work since these drivers compute on the cpu. Of each the least of the rounds is told, which a
busy machine disturbs least, and the median. Weights are given beforehand and packed where the device does so. Every contender is checked
against float64 first. A peer that is not installed is left out by name.
"""
import argparse
import ctypes
import ctypes.util
import json
import os
import statistics
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from beside_python import Case, ncnn_net, ours, tenon  # noqa: E402

DEFAULT = {"opencl": ["matmul 1024x1024x1024", "matmul 2048x2048x2048", "conv n1c64h56w56k64r3s3p1:nhwc", "attention b1h12q512k512d64"],
           "vulkan": ["matmul 256x256x256", "conv n1c64h28w28k64r1s1", "conv n1c64h28w28k64r3s3p1"]}


class OpenCL:
    """As much of OpenCL as CLBlast needs: a context, a queue and buffers on the first device of a platform."""

    def __init__(self, word):
        word = {"pocl": "portable"}.get(word, word)  # of Portable Computing Language
        self.cl = ctypes.CDLL(ctypes.util.find_library("OpenCL"))
        for name in ("clCreateContext", "clCreateCommandQueue", "clCreateBuffer", "clCreateProgramWithSource", "clCreateKernel"):
            getattr(self.cl, name).restype = ctypes.c_void_p
        count, found = ctypes.c_uint(), (ctypes.c_void_p * 16)()
        self.cl.clGetPlatformIDs(16, found, ctypes.byref(count))
        for platform in found[:count.value]:
            name, device = ctypes.create_string_buffer(256), ctypes.c_void_p()
            self.cl.clGetPlatformInfo(ctypes.c_void_p(platform), 0x0902, ctypes.c_size_t(256), name, None)
            if word in name.value.decode().lower() and self.cl.clGetDeviceIDs(ctypes.c_void_p(platform), ctypes.c_uint64(0xffffffff), 1,
                                                                             ctypes.byref(device), None) == 0:
                self.device = device
                break
        else:
            raise ValueError(f"no OpenCL platform has {word} in its name")
        error = ctypes.c_int()
        self.context = ctypes.c_void_p(self.cl.clCreateContext(None, 1, ctypes.byref(device), None, None, ctypes.byref(error)))
        self.queue = ctypes.c_void_p(self.cl.clCreateCommandQueue(self.context, device, ctypes.c_uint64(0), ctypes.byref(error)))
        if error.value:
            raise ValueError(f"OpenCL error {error.value}")

    def buffer(self, array):
        """A buffer with the array in it: CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR."""
        error = ctypes.c_int()
        b = ctypes.c_void_p(self.cl.clCreateBuffer(self.context, ctypes.c_uint64(1 | 32), ctypes.c_size_t(array.nbytes),
                                                   array.ctypes.data_as(ctypes.c_void_p), ctypes.byref(error)))
        if error.value:
            raise ValueError(f"OpenCL error {error.value}")
        return b


def with_clblast(case, uri):
    if case.op != "matmul" or not uri.startswith("opencl:"):
        raise ValueError("matmul on OpenCL alone is asked for")
    path = ctypes.util.find_library("clblast")
    if path is None:
        raise ImportError
    blast, on = ctypes.CDLL(path), OpenCL(uri.split(":")[1])
    a, b = (np.ascontiguousarray(x) for x in case.arrays)
    out = np.zeros(case.want.shape, np.float32)
    (m, k), n, size = a.shape, b.shape[1], ctypes.c_size_t
    da, db, dc = on.buffer(a), on.buffer(b), on.buffer(out)

    def run():
        bad = blast.CLBlastSgemm(101, 111, 111, size(m), size(n), size(k), ctypes.c_float(1), da, size(0), size(k), db, size(0), size(n),
                                 ctypes.c_float(0), dc, size(0), size(n), ctypes.byref(on.queue), None)
        if bad or on.cl.clFinish(on.queue):
            raise ValueError(f"CLBlastSgemm gives {bad}")

    def read(_):
        on.cl.clEnqueueReadBuffer(on.queue, dc, 1, size(0), size(out.nbytes), out.ctypes.data_as(ctypes.c_void_p), 0, None, None)
        return out

    return "clblast", run, read


class Vulkan:
    """As much of Vulkan as a dispatch of an empty shader needs, on the first device with a word in its name."""

    NOTHING = (0x07230203, 0x10000, 0, 5, 0,  # SPIR-V 1.0, ids below 5
               2 << 16 | 17, 1, 3 << 16 | 14, 0, 1,  # capability Shader; memory model: logical, GLSL450
               5 << 16 | 15, 5, 1, 0x6e69616d, 0, 6 << 16 | 16, 1, 17, 1, 1, 1,  # entry point "main" of 1 x 1 x 1 invocations
               2 << 16 | 19, 2, 3 << 16 | 33, 3, 2,  # void; a function that gives it
               5 << 16 | 54, 2, 1, 0, 3, 2 << 16 | 248, 4, 1 << 16 | 253, 1 << 16 | 56)  # main: a label, return, end

    def __init__(self, word):
        self.vk, u32, size = ctypes.CDLL(ctypes.util.find_library("vulkan")), ctypes.c_uint32, ctypes.c_size_t
        handle, one, self.keep = ctypes.c_uint64, ctypes.c_uint32(1), []
        instance = self.make("vkCreateInstance", ctypes.c_void_p, None, self.struct(1, (u32, 0), (ctypes.c_void_p, None), (u32, 0), (size, 0),
                                                                                    (u32, 0), (size, 0)))
        count, found = u32(16), (ctypes.c_void_p * 16)()
        self.vk.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), found)
        for physical in found[:count.value]:
            properties = ctypes.create_string_buffer(4096)
            self.vk.vkGetPhysicalDeviceProperties(ctypes.c_void_p(physical), properties)
            if word in properties[20:276].split(b"\0")[0].decode().lower():  # deviceName behind five words
                break
        else:
            raise ValueError(f"no Vulkan device has {word} in its name")
        queue = self.struct(2, (u32, 0), (u32, 0), (u32, 1), (ctypes.c_void_p, self.address(ctypes.c_float(1))))
        self.device = self.make("vkCreateDevice", ctypes.c_void_p, ctypes.c_void_p(physical), self.struct(
            3, (u32, 0), (u32, 1), (ctypes.c_void_p, self.address(queue)), (u32, 0), (size, 0), (u32, 0), (size, 0), (size, 0)))
        self.queue = ctypes.c_void_p()
        self.vk.vkGetDeviceQueue(self.device, 0, 0, ctypes.byref(self.queue))
        code = (u32 * len(self.NOTHING))(*self.NOTHING)
        module = self.make("vkCreateShaderModule", handle, self.device, self.struct(16, (u32, 0), (size, ctypes.sizeof(code)),
                                                                                    (ctypes.c_void_p, self.address(code))))
        layout = self.make("vkCreatePipelineLayout", handle, self.device, self.struct(30, (u32, 0), (u32, 0), (size, 0), (u32, 0), (size, 0)))
        stage = self.struct(18, (u32, 0), (u32, 32), (handle, module.value), (ctypes.c_char_p, b"main"), (size, 0))
        pipeline, info = handle(), self.struct(29, (u32, 0), (type(stage), stage), (handle, layout.value), (handle, 0), (ctypes.c_int32, -1))
        self.good(self.vk.vkCreateComputePipelines(self.device, handle(0), one, self.pointer(info), None, ctypes.byref(pipeline)))
        pool = self.make("vkCreateCommandPool", handle, self.device, self.struct(39, (u32, 0), (u32, 0)))
        commands = ctypes.c_void_p()
        self.good(self.vk.vkAllocateCommandBuffers(self.device, self.pointer(self.struct(40, (handle, pool.value), (u32, 0), (u32, 1))),
                                                   ctypes.byref(commands)))
        self.good(self.vk.vkBeginCommandBuffer(commands, self.pointer(self.struct(42, (u32, 0), (size, 0)))))
        self.vk.vkCmdBindPipeline(commands, 1, pipeline)
        self.vk.vkCmdDispatch(commands, 1, 1, 1)
        self.good(self.vk.vkEndCommandBuffer(commands))
        self.fence = self.make("vkCreateFence", handle, self.device, self.struct(8, (u32, 0)))
        self.submit = self.pointer(self.struct(4, (u32, 0), (size, 0), (size, 0), (u32, 1), (ctypes.c_void_p, self.address(commands)),
                                               (u32, 0), (size, 0)))

    def struct(self, kind, *fields):
        """A structure of Vulkan: its sType, a pNext of NULL, and fields of a type and a value each."""
        of = type("Info", (ctypes.Structure,), {"_fields_": [("kind", ctypes.c_uint32), ("next", ctypes.c_void_p)] + [
            (f"f{i}", t) for i, (t, _) in enumerate(fields)]})
        return of(kind, None, *(value for _, value in fields))

    def pointer(self, thing):
        self.keep.append(thing)
        return ctypes.byref(thing)

    def address(self, thing):
        self.keep.append(thing)
        return ctypes.addressof(thing)

    def good(self, result):
        if result:
            raise ValueError(f"Vulkan error {result}")

    def make(self, name, of, parent, info):
        made = of()
        self.good(getattr(self.vk, name)(*([] if parent is None else [parent]), self.pointer(info), None, ctypes.byref(made)))
        return made

    def run(self):
        one = ctypes.c_uint32(1)
        self.good(self.vk.vkQueueSubmit(self.queue, one, self.submit, self.fence) or
                  self.vk.vkWaitForFences(self.device, one, ctypes.byref(self.fence), one, ctypes.c_uint64(2**64 - 1)) or
                  self.vk.vkResetFences(self.device, one, ctypes.byref(self.fence)))


def vulkan_word(uri):
    word = uri.split(":")[1]
    return {"lavapipe": "llvmpipe"}.get(word, word)


def with_empty(case, uri):
    """The driver's own way there and back: one work-item of a kernel that does nothing."""
    if uri.startswith("vulkan:"):
        return "empty kernel", Vulkan(vulkan_word(uri)).run, lambda _: case.want
    on, error = OpenCL(uri.split(":")[1]), ctypes.c_int()
    text, one = ctypes.c_char_p(b"__kernel void nothing() {}"), ctypes.c_size_t(1)
    program = ctypes.c_void_p(on.cl.clCreateProgramWithSource(on.context, 1, ctypes.byref(text), None, ctypes.byref(error)))
    if on.cl.clBuildProgram(program, 1, ctypes.byref(on.device), None, None, None):
        raise ValueError("the empty kernel was not built")
    kernel = ctypes.c_void_p(on.cl.clCreateKernel(program, b"nothing", ctypes.byref(error)))

    def run():
        if on.cl.clEnqueueNDRangeKernel(on.queue, kernel, 1, None, ctypes.byref(one), None, 0, None, None) or on.cl.clFinish(on.queue):
            raise ValueError("the empty kernel did not run")
    return "empty kernel", run, lambda _: case.want


def with_ncnn(case, uri, exact=True):
    import ncnn

    if not uri.startswith("vulkan:"):
        raise ValueError("Vulkan alone is asked for")
    word = vulkan_word(uri)
    at = [i for i in range(ncnn.get_gpu_count()) if word in ncnn.get_gpu_info(i).device_name().lower()]
    if not at:
        raise ValueError(f"ncnn sees no device with {word} in its name")

    def prepare(net):
        net.opt.use_vulkan_compute = True
        net.set_vulkan_device(at[0])
    version, run, read = ncnn_net(case, os.cpu_count(), prepare, exact)
    return version + (" in f32" if exact else " as it comes"), run, read


def with_ncnn_default(case, uri):
    """With what it chooses by itself: Winograd and half precision among it."""
    return with_ncnn(case, uri, exact=False)


PEERS = {"clblast": with_clblast, "ncnn": with_ncnn, "ncnn-default": with_ncnn_default, "empty": with_empty}
USUAL = "clblast,ncnn,ncnn-default"


def contenders(case, devices, names):
    for device in devices:
        for numerics in ("fast", "canonical"):
            try:
                yield (f"tenon {device.uri}", numerics, *ours(case, device, numerics))
            except tenon.Error as e:
                print(f"  left out: {device.uri} {numerics}: {e}")
    for uri in (d.uri for d in devices if d.uri != "cpu"):
        for name in names:
            try:
                version, run, read = PEERS[name](case, uri)
                yield f"{version} {uri}", "", run, read
            except ImportError:
                print(f"  left out: {name} is not installed")
            except ValueError as e:
                print(f"  left out: {name} on {uri}: {e}")


def processor_time():
    """Of all threads. The process's own clock leaves out what a running thread did since its last tick, some milliseconds."""
    clocks = ((~int(task) << 3) | 6 for task in os.listdir("/proc/self/task"))  # as pthread_getcpuclockid() has them
    return sum(map(time.clock_gettime, clocks))


def measure(text, uris, names, rounds, seed):
    case, runtime = Case(text, seed), tenon.Runtime()
    runs = {}
    bound = 2.0**-24 * 4096 * max(1.0, float(np.abs(case.want).max()))  # as in beside_python.py: tells another op, not another order
    for who, numerics, run, read in contenders(case, [runtime.open(uri) for uri in ["cpu", *uris]], names):
        worst = float(np.abs(read(run()) - case.want).max())
        if not worst <= bound * (2**13 if "as it comes" in who else 1):  # half precision: 11 bits instead of 24
            sys.exit(f"{who} {text}: {worst:.3g} away from float64: not the same op")
        runs[who, numerics] = run
    keys, wall, cpu = list(runs), {}, {}
    for i in range(rounds + 1):
        for key in keys[i % len(keys):] + keys[:i % len(keys)]:
            used, start = processor_time(), time.perf_counter()
            runs[key]()
            took = time.perf_counter() - start
            if i > 0:
                wall.setdefault(key, []).append(took)
                cpu.setdefault(key, []).append(processor_time() - used)
    rows = []
    for key in keys:
        row = {"text": text, "impl": key[0], "class": key[1], "rounds": rounds, "min_ms": min(wall[key]) * 1e3, "cpu_min_ms": min(cpu[key]) * 1e3,
               "median_ms": statistics.median(wall[key]) * 1e3, "cpu_median_ms": statistics.median(cpu[key]) * 1e3,
               "gflops": case.flops / min(wall[key]) * 1e-9, "cpu_gflops": case.flops / max(min(cpu[key]), 1e-9) * 1e-9}
        rows.append(row)
        print(f"  {' '.join(key).strip():36} {row['min_ms']:10.3f} ms, median {row['median_ms']:10.3f}; processor {row['cpu_min_ms']:10.3f} ms, median "
              f"{row['cpu_median_ms']:10.3f}; {row['gflops']:7.2f} GFLOP/s, {row['cpu_gflops']:7.2f} a processor", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ops", nargs="*", metavar="OP-TEXT")
    parser.add_argument("--device", action="append", metavar="URI", required=True, help="opencl:NAME or vulkan:NAME; may be repeated")
    parser.add_argument("--vs", default=USUAL, help=f"{USUAL} by default; empty: a kernel of the driver that does nothing; none")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    a = parser.parse_args()
    names = [] if a.vs == "none" else a.vs.split(",")
    for name in names:
        if name not in PEERS:
            parser.error(f"--vs {name}: {', '.join(PEERS)}, none")
    rows = []
    for text in a.ops or DEFAULT.get(a.device[0].split(":")[0], []):
        print(f"{text}, {a.rounds} rounds, warm, seed {a.seed}")
        try:
            rows += measure(text, a.device, names, a.rounds, a.seed)
        except (KeyError, AttributeError, ValueError) as e:
            parser.error(f"{text!r}: {e}")
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump({"from": "drivers", "cpu": tenon.Runtime().open("cpu").info["name"], "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Runtimes and devices, and the counters of what ran where."""
from ._library import check, ffi, handle, lib, struct, text

FOREVER = 2**64 - 1


def _info(s):
    return {
        "uri": text(s.uri), "name": text(s.name), "vendor": text(s.vendor), "driver": text(s.driver),
        "kind": s.kind, "group": text(s.group), "memory_bytes": s.memory_bytes,
        "host_visible": bool(s.flags & lib.TN_DEVICE_HOST_VISIBLE),
        "simulated": bool(s.flags & lib.TN_DEVICE_SIMULATED),
        "default": bool(s.flags & lib.TN_DEVICE_DEFAULT),
        "import_align": s.import_align or 1,
    }


class Runtime:
    """Everything hangs off one; making it opens no device. threads=0: all cpus of this process."""

    def __init__(self, threads=0):
        self.handle = handle("runtime", lib.tn_runtime_create, struct("tn_runtime_desc", threads=threads))

    def devices(self):
        """The devices that discovery finds, as dicts."""
        out = []
        for i in range(lib.tn_runtime_device_count(self.handle)):
            s = struct("tn_device_info")
            check(lib.tn_runtime_device_info(self.handle, i, s))
            out.append(_info(s))
        return out

    def open(self, uri="cpu"):
        return Device(self, uri)


class Device:
    """An open device with one queue; operations on its tensors are submitted there, in order."""

    def __init__(self, runtime, uri):
        self.runtime, self.uri = runtime, uri
        self.handle = handle("device", lib.tn_device_open, runtime.handle, uri.encode())
        s = struct("tn_device_info")
        check(lib.tn_device_get_info(self.handle, s))
        self.info = _info(s)
        self.queue = handle("queue", lib.tn_queue_create, self.handle,
                            struct("tn_queue_desc", flags=lib.TN_QUEUE_INLINE))
        self.plans = {}
        self.ops_on_device = self.ops_fallen_back = 0

    def __repr__(self):
        return f"<tenon.Device {self.uri}: {self.info['name']}>"

    def tensor(self, array, copy=False):
        """A tensor from a numpy array; without a copy where the device reads host memory."""
        from .tensor import Tensor

        return Tensor.from_numpy(self, array, copy)

    def empty(self, shape, dtype="f32"):
        from .tensor import Tensor

        return Tensor.empty(self, shape, dtype)

    def buffer(self, nbytes):
        return handle("buffer", lib.tn_buffer_create, self.handle, struct("tn_buffer_desc", bytes=nbytes))

    def wait(self):
        """Returns when everything submitted is done; raises what went wrong."""
        check(lib.tn_queue_wait_idle(self.queue, FOREVER))

    def classes(self, dtype="f32"):
        """The numerics classes that the device's probe admits for a dtype."""
        from .tensor import DTYPES

        s = struct("tn_class_info")
        check(lib.tn_device_classes(self.handle, DTYPES[dtype][0], s))
        names = ("bounded", "fast", "canonical", "exact")
        return [n for i, n in enumerate(names) if s.classes >> i & 1]

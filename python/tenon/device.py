# SPDX-License-Identifier: Apache-2.0
"""Runtimes and devices, and the counters of what ran where."""
from ._library import Error, check, ffi, handle, lib, struct, text

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


class _Spare(dict):
    """{bytes: buffers} that nobody uses. One that was lent to somebody outside is not kept: they may still use it."""

    MOST = 256 << 20

    def __init__(self):
        super().__init__()
        self.bytes, self.lent = 0, set()

    def keep(self, nbytes, buffer):
        address = int(ffi.cast("uintptr_t", buffer))
        if address in self.lent:
            self.lent.discard(address)
        elif nbytes <= self.MOST:
            self.setdefault(nbytes, []).append(buffer)
            self.bytes += nbytes
            while self.bytes > self.MOST:  # of the size that was first kept the longest ago
                size = next(iter(self))
                self[size].pop()
                self.bytes -= size
                if not self[size]:
                    del self[size]

    def take(self, nbytes):
        kept = self.get(nbytes)
        if not kept:
            return None
        self.bytes -= nbytes
        buffer = kept.pop()
        if not kept:
            del self[nbytes]
        return buffer

    def drop(self):
        self.clear()
        self.bytes = 0


class Meter:
    """What ops took on a simulated device, by its own clock: .cycles, .ns, .macs (useful ones of products and
    attention), .ops, and .share of the peak of its arrays."""

    def __init__(self, device):
        self.fence = handle("fence", lib.tn_fence_create, device.runtime.handle, 0)
        # a simulated chip's name says what it has: "tpu-v4: 4 arrays of 128x128, simulated"
        words = device.info["name"].rpartition(": ")[2].replace(",", "").split()
        self.peak = None
        if len(words) == 5 and words[2] == "of":
            rows, _, columns = words[3].partition("x")
            self.peak = int(words[0]) * int(rows) * int(columns)
        self._point, self._sync, self._times = ffi.new("tn_point *"), ffi.new("tn_sync *"), ffi.new("tn_times *")
        self._point.fence, self._sync.signal, self._sync.signal_count = self.fence, self._point, 1
        self.reset()

    def reset(self):
        self.cycles = self.ns = self.macs = self.ops = 0

    @property
    def share(self):
        return self.macs / (self.cycles * self.peak) if self.cycles and self.peak else None

    def start(self):
        """The signal of one op, to be handed to its run."""
        self._point.value += 1
        return self._sync

    def end(self, macs):
        check(lib.tn_fence_wait(self._point, 1, 0, FOREVER))
        check(lib.tn_fence_times(self.fence, self._point.value, self._times))
        self.cycles += self._times.device_cycles
        self.ns += self._times.end_ns - self._times.start_ns if self._times.device_cycles else 0
        self.macs += macs
        self.ops += 1


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
        self.plans, self._spare = {}, _Spare()
        self.ops_on_device = self.ops_fallen_back = 0
        self.meter = Meter(self) if s.flags & lib.TN_DEVICE_SIMULATED else None

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
        """A buffer of its own. When its last tensor is gone it is kept for the next one of its size: the queue runs
        in order, so nobody still reads it, and making one may cost more than the op that writes it."""
        # four sizes an octave, so that tensors of near shapes share
        nbytes = -(-nbytes // (step := 1 << max(0, nbytes.bit_length() - 3))) * step
        inner = self._spare.take(nbytes)
        if inner is None:
            desc = struct("tn_buffer_desc", bytes=nbytes)
            try:
                inner = handle("buffer", lib.tn_buffer_create, self.handle, desc)
            except Error as e:
                if e.status.lower() != "no_memory" or not self._spare.bytes:
                    raise
                self._spare.drop()
                inner = handle("buffer", lib.tn_buffer_create, self.handle, desc)
        spare = self._spare
        return ffi.gc(ffi.cast("tn_buffer *", inner), lambda _: spare.keep(nbytes, inner))

    def lend(self, buffer):
        """Notes that somebody outside refers to a buffer."""
        self._spare.lent.add(int(ffi.cast("uintptr_t", buffer)))

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

    def refused(self, dtype="f32"):
        """The class that the device does not offer for a dtype, with the probe that found it out; None: it offers all."""
        from .tensor import DTYPES

        s = struct("tn_class_info")
        check(lib.tn_device_classes(self.handle, DTYPES[dtype][0], s))
        return ffi.string(s.refused).decode() or None

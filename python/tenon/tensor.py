# SPDX-License-Identifier: Apache-2.0
"""Tensors: a view of a buffer on a device; numpy and DLPack in and out."""
from . import _library
from ._library import Error, check, ffi, handle, hold, lib, struct

# name: (dtype, bytes, name in numpy or None where numpy has no such type); those of _ML are numpy's
# once ml_dtypes is imported.
DTYPES = {
    name: (getattr(lib, "TN_" + name.upper()), size, np_name)
    for name, size, np_name in (
        ("f64", 8, "float64"), ("f32", 4, "float32"), ("f16", 2, "float16"), ("bf16", 2, "bfloat16"),
        ("tf32", 4, None), ("f8e4m3", 1, "float8_e4m3fn"), ("f8e5m2", 1, "float8_e5m2"),
        ("e8m0", 1, "float8_e8m0fnu"),
        ("s64", 8, "int64"), ("s32", 4, "int32"), ("s8", 1, "int8"), ("u8", 1, "uint8"),
        ("bool", 1, "bool"))
}
# Blocks of 32 along the last axis that hold their scale: {name: (layout, dtype, bytes)}
BLOCKS = {"q4_0": (lib.TN_LAYOUT_Q4_0, lib.TN_S4, 18), "q8_0": (lib.TN_LAYOUT_Q8_0, lib.TN_S8, 34),
          "mxfp4": (lib.TN_LAYOUT_MXFP4, lib.TN_F4E2M1, 17)}
NAMES = {d: name for name, (d, _, _) in DTYPES.items()}
_FROM_NUMPY = {np_name: name for name, (_, _, np_name) in DTYPES.items() if np_name}
_ML = {"bf16": "f16", "f8e4m3": "u8", "f8e5m2": "u8", "e8m0": "u8"}  # and a type of numpy's own of that size
_DL_CPU = 1


def row_major(shape):
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(1, n)  # an output may not have stride 0, empty or not
    return tuple(reversed(strides))


def _product(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def _nbytes(dtype, shape):
    return _product(shape) // 32 * BLOCKS[dtype][2] if dtype in BLOCKS else _product(shape) * DTYPES[dtype][1]


class Tensor:
    """Immutable in what it views: .device .dtype .shape .strides (elements) .offset_bytes."""

    __slots__ = ("device", "buffer", "dtype", "shape", "strides", "offset_bytes", "packed", "key", "_keep")

    def __init__(self, device, buffer, dtype, shape, strides=None, offset_bytes=0):
        self.device, self.buffer, self.dtype = device, buffer, dtype
        self.shape = tuple(shape)
        self.strides = tuple(strides) if strides is not None else row_major(self.shape)
        self.offset_bytes = offset_bytes
        self.packed = None  # of a constant: {layout id: buffer}
        self.key = (dtype, self.shape, self.strides)
        self._keep = None

    def __repr__(self):
        return f"<tenon.Tensor {self.dtype} {self.shape} on {self.device.uri}>"

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def nbytes(self):
        return _nbytes(self.dtype, self.shape)

    def fill_view(self, t, buffer=True):
        """Writes this view into a tn_tensor."""
        t.layout, t.dtype = BLOCKS[self.dtype][:2] if self.dtype in BLOCKS else (0, DTYPES[self.dtype][0])
        t.rank = len(self.shape)
        for i, (n, s) in enumerate(zip(self.shape, self.strides)):
            t.dim[i], t.stride[i] = n, s
        if buffer:
            t.buffer, t.offset_bytes = self.buffer, self.offset_bytes
        return t

    # ---- in ----
    @classmethod
    def empty(cls, device, shape, dtype="f32"):
        shape = tuple(shape)
        if dtype in BLOCKS and (not shape or shape[-1] % 32):
            raise Error("invalid", "tensor.blocks", "shape", f"{shape} in {dtype}: the last dim has to be whole blocks of 32")
        return cls(device, device.buffer(_nbytes(dtype, shape)), dtype, shape)

    @classmethod
    def from_blocks(cls, device, array, dtype, shape):
        """The bytes of blocks (docs/LAYOUTS.md), as a GGUF file has them: q4_0, q8_0 or mxfp4."""
        import numpy as np

        t = cls.empty(device, shape, dtype)
        raw = cls.from_numpy(device, np.frombuffer(array, np.uint8), copy=True)
        if raw.nbytes != t.nbytes:
            raise Error("invalid", "tensor.blocks", "array", f"{raw.nbytes} bytes, {t.nbytes} are those of {shape} in {dtype}")
        t.buffer, t._keep = raw.buffer, raw._keep
        return t

    def block_bytes(self):
        """The bytes of a tensor in blocks, as a u8 tensor."""
        return Tensor(self.device, self.buffer, "u8", (self.nbytes,), None, self.offset_bytes)

    @classmethod
    def from_numpy(cls, device, array, copy=False):
        import numpy as np

        array = np.asarray(array)
        name = _FROM_NUMPY.get(array.dtype.name)
        if name is None:
            raise Error("invalid", "tensor.dtype", "array", f"no tensor of numpy's {array.dtype.name}")
        if not array.flags.c_contiguous or not array.dtype.isnative:
            array, copy = np.ascontiguousarray(array, array.dtype.newbyteorder("=")), False
        pointer = array.ctypes.data
        if not copy and array.nbytes and device.info["host_visible"] and pointer % device.info["import_align"] == 0:
            release, self = hold(array)
            external = struct("tn_external", kind=lib.TN_EXTERNAL_HOST, pointer=ffi.cast("void *", pointer),
                              bytes=array.nbytes, release=release, self=self)
            try:
                return cls(device, handle("buffer", lib.tn_buffer_import, device.handle, external), name, array.shape)
            except Error as e:
                _library.unhold(self)
                if e.status.lower() != "unsupported":
                    raise
        t = cls.empty(device, array.shape, name)
        if array.nbytes:
            check(lib.tn_queue_write(device.queue, t.buffer, 0, ffi.cast("void *", pointer), array.nbytes, ffi.NULL))
            device.wait()  # the array is borrowed until the write is done
        return t

    # ---- views ----
    def reshape(self, *shape):
        if self.strides != row_major(self.shape):
            raise Error("invalid", "tensor.strides", "self", "only a contiguous tensor can be reshaped without a copy")
        if len(shape) == 1 and not isinstance(shape[0], int):
            shape = tuple(shape[0])
        if -1 in shape:
            rest = -_product(shape)
            shape = tuple(_product(self.shape) // rest if n == -1 else n for n in shape)
        if _product(shape) != _product(self.shape):
            raise Error("invalid", "tensor.shape", "shape", f"{self.shape} does not have the elements of {shape}")
        return self._view(shape, row_major(shape))

    def transpose(self, *axes):
        return self._view([self.shape[i] for i in axes], [self.strides[i] for i in axes])

    def broadcast(self, shape):
        """A view of a larger shape with stride 0 where this one has length 1 or no axis."""
        lead = len(shape) - len(self.shape)
        strides = [0] * lead + [0 if n == 1 else s for n, s in zip(self.shape, self.strides)]
        return self._view(shape, strides)

    def slice(self, axis, start, stop, step=1):
        """start:stop:step of an axis, a view; step above 0."""
        shape, strides = list(self.shape), list(self.strides)
        if not 0 <= start <= stop <= shape[axis]:
            raise Error("invalid", "tensor.slice", "start", f"{start}:{stop} is outside 0:{shape[axis]}")
        if step < 1:
            raise Error("invalid", "tensor.slice", "step", f"step {step} is not above 0")
        shape[axis] = -((start - stop) // step)
        strides[axis] *= step
        return self._view(shape, strides, start * self.strides[axis] * DTYPES[self.dtype][1])

    def pick(self, axis, index):
        """One index of an axis, without that axis."""
        t = self.slice(axis, index, index + 1)
        return t._view(t.shape[:axis] + t.shape[axis + 1:], t.strides[:axis] + t.strides[axis + 1:])

    def _view(self, shape, strides, skip_bytes=0):
        return Tensor(self.device, self.buffer, self.dtype, shape, strides, self.offset_bytes + skip_bytes)

    # ---- out ----
    def numpy(self, copy=None):
        """The values. copy=None: a view of the device's memory where the host sees it, else a copy."""
        import numpy as np

        np_dtype = self._numpy_dtype()
        if not copy and self.device.info["host_visible"] and _product(self.shape):
            plain = self if self.dtype not in _ML else Tensor(
                self.device, self.buffer, _ML[self.dtype], self.shape, self.strides, self.offset_bytes)
            try:
                lent = np.from_dlpack(plain)
                return lent if plain is self else lent.view(np_dtype)
            except (Error, BufferError):
                if copy is False:
                    raise
        elif copy is False:
            raise Error("unsupported", "tensor.copy", "copy", "the host does not see this device's memory")
        item = DTYPES[self.dtype][1]
        count = 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides)) if _product(self.shape) else 0
        flat = np.empty(count, DTYPES[_ML.get(self.dtype, self.dtype)][2])  # numpy cannot stride over all types of ml_dtypes
        if count:
            check(lib.tn_queue_read(self.device.queue, ffi.cast("void *", flat.ctypes.data), self.buffer,
                                    self.offset_bytes, flat.nbytes, ffi.NULL))
        self.device.wait()
        if not count:
            return np.empty(self.shape, np_dtype)
        view = np.lib.stride_tricks.as_strided(flat, self.shape, [s * item for s in self.strides])
        view = view if self.strides == row_major(self.shape) else np.ascontiguousarray(view)
        return view.view(np_dtype)

    def _numpy_dtype(self):
        import numpy as np

        np_name = DTYPES[self.dtype][2]
        if self.dtype in _ML:
            try:
                import ml_dtypes
            except ImportError:
                np_name = None
            else:
                return np.dtype(getattr(ml_dtypes, np_name))
        if np_name is None:
            raise Error("unsupported", "tensor.dtype", None,
                        f"numpy has no {self.dtype}; cast to f32 first, or install ml_dtypes")
        return np.dtype(np_name)

    def __dlpack_device__(self):
        return (_DL_CPU, 0)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        from . import _dlpack

        versioned = bool(max_version) and max_version[0] >= 1
        if dl_device is not None and tuple(dl_device) != (_DL_CPU, 0):
            raise BufferError("only host memory can be lent")
        self.device.wait()
        source = self
        if copy:
            source = Tensor.from_numpy(self.device, self.numpy(copy=True), copy=True)
            self.device.wait()
        source.device.lend(source.buffer)
        out = ffi.new("void **")
        lend = lib.tn_tensor_to_dlpack if versioned else lib.tn_tensor_to_dlpack_legacy
        check(lend(source.fill_view(ffi.new("tn_tensor *")), out))
        return _dlpack.capsule(int(ffi.cast("uintptr_t", out[0])), versioned)


def from_dlpack(obj, device):
    """A tensor on `device` that shares memory with any DLPack producer, or a copy where it cannot."""
    from . import _dlpack

    try:
        managed = obj.__dlpack__(max_version=(1, 0))
    except TypeError:  # from before DLPack 1.0
        managed = obj.__dlpack__()
    pointer, versioned = _dlpack.take(managed)
    if pointer:
        t = ffi.new("tn_tensor *")
        take_over = lib.tn_tensor_from_dlpack if versioned else lib.tn_tensor_from_dlpack_legacy
        status = take_over(device.handle, ffi.cast("void *", pointer), t)
        if not status:
            rank = t.rank
            return Tensor(device, ffi.gc(t.buffer, lib.tn_buffer_release), NAMES[t.dtype], list(t.dim)[:rank],
                          list(t.stride)[:rank], t.offset_bytes)
        error = _library.last_error()
        _dlpack.drop(pointer, versioned)
        if error.status.lower() != "unsupported":
            raise error
    import numpy as np

    return Tensor.from_numpy(device, np.from_dlpack(obj), copy=True)

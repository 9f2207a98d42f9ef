# SPDX-License-Identifier: Apache-2.0
"""A tensor of the graph: on the device, on the host, or on both; and the names of types."""
import ml_dtypes
import numpy as np

from .. import ops
from .._library import Error
from ..tensor import DTYPES, Tensor, row_major

NARROW = {np.dtype(ml_dtypes.bfloat16): "bf16", np.dtype(ml_dtypes.float8_e4m3fn): "f8e4m3",
          np.dtype(ml_dtypes.float8_e5m2): "f8e5m2", np.dtype(ml_dtypes.float8_e8m0fnu): "e8m0"}
TO_TENON = {np.dtype(np_name): name for name, (_, _, np_name) in DTYPES.items() if np_name} | NARROW
TO_NUMPY = {name: dtype for dtype, name in TO_TENON.items()}
# what computing in f32 and rounding once at the end is right for
FLOATS = {"f32", "f16", "bf16", "f8e4m3", "f8e5m2"}
_CARRIER = {1: ("u8", np.uint8), 2: ("f16", np.float16)}  # numpy knows these widths; the bits are what counts
SMALL = 1024  # elements of an integer initialiser that is taken for a shape or an index


def upload(device, array, copy=False):
    name = NARROW.get(array.dtype)
    if name is None:
        return device.tensor(array, copy)
    carrier, np_type = _CARRIER[array.dtype.itemsize]
    t = device.tensor(np.ascontiguousarray(array).reshape(-1).view(np_type), copy)
    view = Tensor(device, t.buffer, name, array.shape)
    view._keep = t
    return view


def download(t):
    """The values in an array of their own."""
    dtype = TO_NUMPY[t.dtype]
    if dtype not in NARROW:
        return t.numpy(copy=True)
    carrier, _ = _CARRIER[dtype.itemsize]
    bits = Tensor(t.device, t.buffer, carrier, t.shape, t.strides, t.offset_bytes).numpy(copy=True)
    return np.ascontiguousarray(bits).view(dtype).reshape(t.shape)


def dense(t):
    return t if t.strides == row_major(t.shape) else ops.copy(t)


class Value:
    """book: bookkeeping, a small integer that follows from shapes and constants and so lives on the host.
    constant: an initialiser, which the device may keep in a layout of its own."""

    __slots__ = ("array", "tensor", "book", "constant", "dtype", "shape")

    def __init__(self, array=None, tensor=None, book=False, constant=False):
        self.array, self.tensor, self.book, self.constant = array, tensor, book, constant
        if tensor is not None:
            self.dtype, self.shape = TO_NUMPY[tensor.dtype], tensor.shape
        else:
            self.dtype, self.shape = array.dtype, array.shape

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def size(self):
        n = 1
        for d in self.shape:
            n *= d
        return n

    @property
    def name(self):
        """The library's name of the type, None where it has none."""
        return TO_TENON.get(self.dtype)

    def numpy(self):
        if self.array is None:
            self.array = download(self.tensor)
        return self.array

    def on(self, device):
        if self.tensor is None:
            if self.name is None:
                raise Error("unsupported", "onnx.dtype", None, f"the library has no tensors of {self.dtype}")
            self.tensor = upload(device, self.array)
        return self.tensor


def constant(array):
    array = np.asarray(array)
    return Value(array, book=array.dtype.kind in "iub" and array.size <= SMALL, constant=True)

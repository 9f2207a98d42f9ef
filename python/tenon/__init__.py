# SPDX-License-Identifier: Apache-2.0
"""Tenon from Python: a runtime, its devices, tensors on them and the operations on tensors.

    import tenon, numpy as np
    device = tenon.Runtime().open("cpu")
    a = device.tensor(np.ones((3, 4), np.float32))
    print((tenon.matmul(a, a, transpose_b=True, numerics="canonical")).numpy())

Importing it opens no device and loads no driver; numpy is imported when an array first appears.
"""
from . import backward
from ._library import Error
from .device import Device, Runtime
from .ops import (argmax, argmin, attention, average_pool, batchnorm, cast, concat, conv, copy, cumsum, dequantize,
                  eltwise, fold_batchnorm, gather, groupnorm, layernorm, matmul, max_pool, pad, quantize, reduce,
                  resize, rmsnorm, rope, softmax, topk, where)
from ._trace import trace
from .tensor import Tensor, from_dlpack


def version():
    """The version of the library that runs, "0.1.0"."""
    from ._library import lib

    v = lib.tn_version()
    return f"{v >> 16}.{v >> 8 & 255}.{v & 255}"


__all__ = ["Device", "Error", "Runtime", "Tensor", "argmax", "argmin", "attention", "average_pool",
           "backward", "batchnorm", "cast", "concat", "conv", "copy", "cumsum", "dequantize", "eltwise", "fold_batchnorm",
           "from_dlpack", "gather", "groupnorm", "layernorm", "matmul", "max_pool", "pad", "quantize", "reduce",
           "resize", "rmsnorm", "rope", "softmax", "topk", "version", "where"]

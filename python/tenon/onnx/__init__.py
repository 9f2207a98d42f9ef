# SPDX-License-Identifier: Apache-2.0
"""ONNX models over the binding: load(model, device) gives something to call.

    model = tenon.onnx.load("model.onnx", device=tenon.Runtime().open("cpu"), numerics="canonical")
    y = model({"x": array})["y"]

The package `onnx` parses; every tensor function runs through the library's plans on the device, and
what is only bookkeeping (shapes, indices) on the host. Model.report says which node ran where.
"""
from .load import load, supported
from .model import Model
from .table import Unsupported

__all__ = ["Model", "Unsupported", "load", "supported"]

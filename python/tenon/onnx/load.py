# SPDX-License-Identifier: Apache-2.0
"""Reads a model with the package `onnx` and makes the list of nodes that runs; lists what is missing."""
import os

import numpy as np

from . import attention, control, elementwise, linear, losses, movement, norms, pooling, quantized  # noqa: F401
from . import recurrent, reductions, resizing, sampling, shapes, spectral, states  # noqa: F401 (they enter operators)
from .model import Graph, Model, Node
from .table import TABLE, Unsupported, find
from .value import constant

ROUNDS = 8  # functions within functions within ...
_MAIN = ("", "ai.onnx")


def supported():
    """{operator: [(since, until)]} of everything in the table."""
    return {(f"{domain}::" if domain else "") + name: [(since, until) for since, until, _ in rows]
            for (domain, name), rows in sorted(TABLE.items())}


def load(model, device=None, numerics=None):
    """Something to call with {input name: array} from a path, the bytes of a file or a parsed ModelProto.
    device is one that is open, or a URI; numerics is the class of every op, "bounded" if not given.
    Raises Unsupported with the list of all operators that are missing."""
    import onnx

    if isinstance(model, (bytes, bytearray)):
        model = onnx.load_model_from_string(bytes(model))
    elif isinstance(model, (str, os.PathLike)):
        model = onnx.load(os.fspath(model))
    else:  # inlining writes to it
        given, model = model, onnx.ModelProto()
        model.CopyFrom(given)
    if device is None or isinstance(device, str):
        from ..device import Runtime

        device = Runtime().open(device or "cpu")
    model = _inline(onnx, model)
    versions = _versions(model)
    missing = {}
    for node in _walk(onnx, model.graph):
        domain = _domain(node)
        if find(domain, node.op_type, versions.get(domain, 1)) is None:
            name = f"{domain}::{node.op_type}" if domain else node.op_type
            missing.setdefault(name, f"{name}-{versions.get(domain, 1)}")
    if missing:
        names = sorted(missing.values())
        raise Unsupported("onnx.operator", f"operators that are not supported: {', '.join(names)}", sorted(missing))
    graph = _graph(onnx, model.graph, versions)
    metadata = {p.key: p.value for p in model.metadata_props}
    return Model(graph, device, numerics, metadata)


def _domain(node):
    return "" if node.domain in _MAIN else node.domain


def _versions(model):
    return {"" if o.domain in _MAIN else o.domain: o.version for o in model.opset_import}


def _subgraphs(onnx, node):
    for a in node.attribute:
        if a.type == onnx.AttributeProto.GRAPH:
            yield a.g
        elif a.type == onnx.AttributeProto.GRAPHS:
            yield from a.graphs


def _walk(onnx, graph):
    for node in graph.node:
        yield node
        for sub in _subgraphs(onnx, node):
            yield from _walk(onnx, sub)


def _inline(onnx, model):
    """The model without calls of its own functions, and with the operators that the table lacks replaced by the
    functions that the standard defines for them."""
    import onnx.inliner

    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    for _ in range(ROUNDS):
        versions, names = _versions(model), set()
        for node in _walk(onnx, model.graph):
            domain = _domain(node)
            version = versions.get(domain, 1)
            if find(domain, node.op_type, version) is None and _has_function(onnx, domain, node.op_type, version):
                names.add((node.domain, node.op_type))
        if not names:
            break
        for node in _walk(onnx, model.graph):
            if (node.domain, node.op_type) in names:
                _fill(onnx, node, versions.get(_domain(node), 1))
        try:
            model = onnx.inliner.inline_selected_functions(model, sorted(names), inline_schema_functions=True)
        except RuntimeError:
            break  # optional inputs that are left out, in a body that asks for their types
        if any((n.domain, n.op_type) in names for n in _walk(onnx, model.graph)):
            break  # a body that depends on types which are not known
    return model


def _fill(onnx, node, version):
    """Gives a node the defaults of its attributes: the bodies refer to them."""
    there = {a.name for a in node.attribute}
    for a in onnx.defs.get_schema(node.op_type, version, node.domain).attributes.values():
        if a.name not in there and a.default_value.type:
            node.attribute.append(a.default_value)


def _has_function(onnx, domain, name, version):
    try:
        schema = onnx.defs.get_schema(name, version, domain)
    except onnx.defs.SchemaError:
        return False
    return schema.has_function or schema.has_context_dependent_function


def _attribute(onnx, a, versions):
    if a.type == onnx.AttributeProto.GRAPH:
        return _graph(onnx, a.g, versions)
    if a.type == onnx.AttributeProto.TENSOR:
        return onnx.numpy_helper.to_array(a.t)
    value = onnx.helper.get_attribute_value(a)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if a.type == onnx.AttributeProto.STRINGS:
        return [s.decode("utf-8", "surrogateescape") for s in value]
    return list(value) if a.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS) else value


def _graph(onnx, g, versions):
    if g.sparse_initializer:
        raise Unsupported("onnx.sparse", "sparse initialisers are not supported", ["sparse_initializer"])
    held = {t.name: constant(onnx.numpy_helper.to_array(t)) for t in g.initializer}
    nodes = []
    for n in g.node:
        domain = _domain(n)
        version = versions.get(domain, 1)
        attributes = {a.name: _attribute(onnx, a, versions) for a in n.attribute}
        nodes.append(Node(n.op_type, n.name, find(domain, n.op_type, version), version, list(n.input),
                          list(n.output), attributes))
    types = {i.name: _dtype(onnx, i.type) for i in g.input}
    return Graph([i.name for i in g.input], [o.name for o in g.output], held, nodes, types)


def _dtype(onnx, type_proto):
    if type_proto.WhichOneof("value") != "tensor_type" or not type_proto.tensor_type.elem_type:
        return None
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(type_proto.tensor_type.elem_type))

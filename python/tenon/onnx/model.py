# SPDX-License-Identifier: Apache-2.0
"""A loaded model: its graph of nodes, the run that walks it, and the report of what ran where."""
import collections

import numpy as np

from .. import ops
from .._library import Error
from .table import Unsupported
from .value import FLOATS, TO_NUMPY, TO_TENON, Value, dense, upload

WIDE = {"s8", "u8", "s32", "bool"}  # what 32-bit integers compute, wrapping back into the type


class Node:
    """One call of an operator, with where it was run last."""

    __slots__ = ("op", "name", "function", "version", "inputs", "outputs", "attributes", "frees", "captured", "cache")

    def __init__(self, op, name, function, version, inputs, outputs, attributes):
        self.op, self.name, self.function, self.version = op, name or outputs[0], function, version
        self.inputs, self.outputs, self.attributes = inputs, outputs, attributes
        self.frees, self.cache = (), {}
        self.captured = {n for a in attributes.values() if isinstance(a, Graph) for n in a.needs()}

    def get(self, name, default=None):
        return self.attributes.get(name, default)


class Graph:
    def __init__(self, inputs, outputs, held, nodes, types):
        self.inputs, self.outputs, self.held, self.nodes, self.types = inputs, outputs, held, nodes, types
        last = {}
        for i, node in enumerate(nodes):
            for name in {*node.inputs, *node.captured, *node.outputs}:
                last[name] = i
        keep = {*outputs, *held, ""}
        for name, i in last.items():
            if name not in keep:
                nodes[i].frees = (*nodes[i].frees, name)

    def needs(self):
        """Names that come from outside."""
        made, out = {*self.inputs, *self.held, ""}, set()
        for node in self.nodes:
            out |= {n for n in (*node.inputs, *node.captured) if n not in made}
            made |= set(node.outputs)
        return out | {n for n in self.outputs if n not in made}


class Run:
    """What operator functions get: the device, the class of numerics, and helpers for both sides."""

    def __init__(self, device, numerics, scalars):
        self.device, self.numerics, self._scalars = device, numerics, scalars
        self.rows, self.row = [], None

    # ---- the walk ----
    def graph(self, graph, feeds, outer=None):
        env = dict(outer or {})
        env.update(graph.held)
        env.update(feeds)
        for node in graph.nodes:
            outputs = self.node(node, env)
            for name, value in zip(node.outputs, outputs):
                if name:
                    env[name] = value
            for name in node.frees:
                env.pop(name, None)
        return [env[name] for name in graph.outputs]

    def node(self, node, env):
        above, self.row = self.row, {"name": node.name, "op": node.op, "on": "host", "ops": 0, "why": ""}
        self.rows.append(self.row)
        d, row = self.device, self.row
        before, fell = d.ops_on_device + d.ops_fallen_back, d.ops_fallen_back
        self.env = env if node.captured else None
        try:
            outputs = node.function(self, node, [env[n] if n else None for n in node.inputs])
        except Error as e:
            if isinstance(e, Unsupported):
                raise
            if e.status.lower() == "unsupported":
                raise Unsupported(e.reason, f"{node.op} ({node.name}): {e.text}", [node.op]) from e
            raise
        if not isinstance(outputs, tuple):
            outputs = (outputs,)
        row["ops"] = d.ops_on_device + d.ops_fallen_back - before
        if row["ops"]:
            row["on"] = "fallback" if d.ops_fallen_back > fell else "device"
        elif any(isinstance(o, Value) and o.tensor is not None for o in outputs):
            row["on"] = "view"
        self.row = above
        return outputs

    def host(self, why):
        """Notes that the node computes on the host."""
        if why not in self.row["why"]:
            self.row["why"] += (", " if self.row["why"] else "") + why

    # ---- to the device and back ----
    def book(self, array):
        return Value(np.asarray(array), book=True)

    def tensor(self, value):
        return value.on(self.device)

    def value(self, tensor, dtype=None):
        """A value of a tensor, converted to dtype (numpy's)."""
        name = TO_TENON[np.dtype(dtype)] if dtype is not None else tensor.dtype
        return Value(tensor=tensor if name == tensor.dtype else ops.cast(tensor, name))

    def cast(self, tensor, name):
        return tensor if tensor.dtype == name else ops.cast(tensor, name)

    def f32(self, value):
        """A float tensor in the type that functions compute in."""
        t = value.on(self.device)
        if t.dtype not in FLOATS:
            raise Unsupported("onnx.dtype", f"{self.row['op']} of {value.dtype} has no kernel", [self.row["op"]])
        return self.cast(t, "f32")

    def ints(self, value):
        """Small integers on the host: shapes, axes, indices."""
        if value.array is None:
            self.host("reads indices")
        return value.numpy()

    def const(self, number, dtype="f32"):
        key = (float(number) if dtype == "f32" else int(number), dtype, str(number))
        t = self._scalars.get(key)
        if t is None:
            t = self._scalars[key] = upload(self.device, np.array(number, TO_NUMPY[dtype]), copy=True)
        return t

    def array(self, array):
        return upload(self.device, np.ascontiguousarray(array))

    # ---- what functions are made of ----
    def e(self, kind, *operands, alpha=0.0, beta=0.0):
        """An element-wise function of tensors and numbers."""
        first = next(o for o in operands if not isinstance(o, (int, float)))
        name = first.dtype if kind != "where" else next(o for o in operands[1:] if not isinstance(o, (int, float))).dtype
        operands = [self.const(o, name) if isinstance(o, (int, float)) else o for o in operands]
        return ops.eltwise(kind, *operands, alpha=alpha, beta=beta, numerics=None if kind == "where" else self.numerics)

    def where(self, mask, a, b):
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            a = self.const(a)
        return self.e("where", mask, a, b)

    def logical_not(self, mask):
        return ops.where(mask, self.const(False, "bool"), self.const(True, "bool"))

    def logical_and(self, a, b):
        return ops.where(a, b, self.const(False, "bool"))

    def logical_or(self, a, b):
        return ops.where(a, self.const(True, "bool"), b)

    def scale(self, x, factor, offset=0.0):
        return self.e("scale", x, alpha=factor, beta=offset)

    def clamp(self, x, low, high):
        return self.e("clamp", x, alpha=low, beta=high)

    def poly(self, x, coefficients):
        """Horner's rule, the highest power first, one fma each."""
        p = self.const(coefficients[0])
        for c in coefficients[1:]:
            p = self.e("fma", p, x, self.const(c))
        return p

    def reshape(self, t, shape):
        return dense(t).reshape(tuple(int(n) for n in shape))

    def broadcast(self, t, shape):
        return t if t.shape == tuple(shape) else ops.copy(t.broadcast(tuple(shape)))

    def take(self, t, index):
        """Elements of a tensor by their place in row-major order; -1 and below are not elements: they give 0."""
        index = np.asarray(index)
        flat = self.reshape(t, (-1,) if t.shape and all(t.shape) else (0,))
        # gather takes negative indices from the end; one beyond the end gives zero
        places = np.where(index < 0, max(1, flat.shape[0]), index).astype(np.int64)
        return ops.gather(flat, self.array(places))

    def lift(self, values, function, host=None, out=None):
        """An element-wise operator in the type that has a kernel for it: floats in f32, rounded once; 8-bit and
        32-bit integers in s32, wrapped; other integers by `host` in numpy, which the report says. out: the type
        of the result where it is not that of the operands."""
        dtype = values[0].dtype
        if host is not None and all(v.book for v in values):
            self.host("bookkeeping")
            return self.book(host(*(v.numpy() for v in values)).astype(out or dtype))
        name = values[0].name
        if name in FLOATS:
            y = function(*(self.f32(v) for v in values))
            return self.value(y, out or dtype)
        if name in WIDE and (host is None or host is not function):
            y = function(*(self.cast(v.on(self.device), "s32") for v in values))
            return self.value(y, out or dtype)
        if host is None or dtype.kind not in "iub":
            raise Unsupported("onnx.dtype", f"{self.row['op']} of {dtype} has no kernel", [self.row["op"]])
        return self.integers(lambda: host(*(v.numpy() for v in values)).astype(out or dtype))

    def integers(self, function):
        """Integer arithmetic for which there is no kernel: exact, in numpy, and told."""
        self.host("integers without a kernel")
        with np.errstate(all="ignore"):
            return Value(np.asarray(function()))


class Model:
    """Call it with {input name: array}: {output name: array}. Shapes are those of the arrays; a plan is made once
    a shape and kept by the device. .inputs and .outputs are names, .metadata what the file says about itself,
    .report what the last call ran where."""

    def __init__(self, graph, device, numerics, metadata):
        self._graph, self.device, self.numerics, self.metadata = graph, device, numerics, metadata
        self.inputs = [n for n in graph.inputs if n not in graph.held]
        self.outputs = list(graph.outputs)
        self.report, self._scalars = [], {}

    def __call__(self, feeds):
        unknown = set(feeds) - set(self._graph.inputs)
        missing = [n for n in self.inputs if n not in feeds]
        if unknown or missing:
            raise Error("invalid", "onnx.feeds", "feeds", f"missing: {missing}, unknown: {sorted(unknown)}; "
                        f"the inputs are {self.inputs}")
        env = {}
        for name, given in feeds.items():
            env[name] = _enter(given)
            want = self._graph.types.get(name)
            if isinstance(env[name], Value) and want is not None and env[name].dtype != want and want != object:
                raise Error("invalid", "onnx.dtype", name, f"{name} is {env[name].dtype}, and the model takes {want}")
        run = Run(self.device, self.numerics, self._scalars)
        values = run.graph(self._graph, env)
        self.report = run.rows
        return {name: _leave(v) for name, v in zip(self.outputs, values)}

    def summary(self):
        """The last call in short: {"device": nodes, "fallback": .., "view": .., "host": ..} and {reason of the
        host: {operator: nodes}}."""
        where = collections.Counter(r["on"] for r in self.report)
        reasons = collections.defaultdict(collections.Counter)
        for r in self.report:
            if r["why"]:
                reasons[r["why"]][r["op"]] += 1
        return dict(where), {why: dict(c) for why, c in reasons.items()}

    def explain(self):
        """One line a node of the last call: where it ran, how many ops of the device it was, what the host did."""
        return "\n".join(f"{r['on']:<9}{r['ops']:>4}  {r['op']:<24}{r['name']}" + (f"  [{r['why']}]" if r["why"] else "")
                         for r in self.report)


def _enter(given):
    if given is None or isinstance(given, Value):
        return given
    if isinstance(given, (list, tuple)):
        return [_enter(g) for g in given]
    return Value(np.asarray(given))


def _leave(value):
    if isinstance(value, list):
        return [_leave(v) for v in value]
    return value.numpy() if isinstance(value, Value) else value

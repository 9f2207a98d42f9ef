# SPDX-License-Identifier: Apache-2.0
"""RNN, GRU and LSTM: one product for all inputs, then a product and a few functions a step."""

from .. import ops
from .elementwise import elu, leaky, softplus
from .table import Unsupported, operator

_ACTIVATIONS = {
    "sigmoid": lambda c, x, a, b: c.e("sigmoid", x),
    "tanh": lambda c, x, a, b: c.e("tanh", x),
    "relu": lambda c, x, a, b: c.e("relu", x),
    "affine": lambda c, x, a, b: c.scale(x, 1.0 if a is None else a, 0.0 if b is None else b),
    "leakyrelu": lambda c, x, a, b: leaky(c, x, 0.01 if a is None else a),
    "hardsigmoid": lambda c, x, a, b: c.clamp(c.scale(x, 0.2 if a is None else a, 0.5 if b is None else b), 0.0, 1.0),
    "elu": lambda c, x, a, b: elu(c, x, 1.0 if a is None else a),
    "softplus": lambda c, x, a, b: softplus(c, x),
    "softsign": lambda c, x, a, b: c.e("div", x, c.scale(c.e("abs", x), 1.0, 1.0)),
}
_DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def _functions(node, directions):
    names = node.get("activations") or _DEFAULTS[node.op] * directions
    alpha, beta = list(node.get("activation_alpha", [])), list(node.get("activation_beta", []))
    out = []
    for name in names:
        function = _ACTIVATIONS.get(name.lower())
        if function is None:
            raise Unsupported("onnx.attribute", f"{node.op} with the activation {name} is not supported", [node.op])
        takes = name.lower() in ("affine", "leakyrelu", "hardsigmoid", "elu")
        a = alpha.pop(0) if takes and alpha else None
        b = beta.pop(0) if name.lower() in ("affine", "hardsigmoid") and beta else None
        out.append(lambda c, x, f=function, a=a, b=b: f(c, x, a, b))
    return out


class _Cell:
    """One direction: weights as [in, gates * hidden], and a step."""

    def __init__(self, c, node, x, d, functions):
        self.c, self.node, self.f = c, node, functions
        self.hidden = x[2].shape[-1]
        self.w, self.r = (ops.copy(c.f32(v).pick(0, d)) for v in x[1:3])
        n = _GATES[node.op] * self.hidden
        b = ops.copy(c.f32(x[3]).pick(0, d)) if len(x) > 3 and x[3] is not None else None
        self.wb, self.rb = (b.slice(0, 0, n), b.slice(0, n, 2 * n)) if b is not None else (None, None)
        p = x[7] if len(x) > 7 else None
        self.peep = ops.copy(c.f32(p).pick(0, d)) if node.op == "LSTM" and p is not None else None
        self.clip = node.get("clip")

    def project(self, x):
        """All steps at once: [steps * batch, gates * hidden]."""
        return ops.matmul(x, self.w, transpose_b=True, bias=self.wb, numerics=self.c.numerics)

    def gate(self, t, i):
        return t.slice(1, i * self.hidden, (i + 1) * self.hidden)

    def act(self, i, t):
        return self.f[i](self.c, self.c.clamp(t, -self.clip, self.clip) if self.clip else t)

    def recur(self, h, first=0, last=None, bias=True):
        n = self.hidden
        last = _GATES[self.node.op] if last is None else last
        r = self.r.slice(0, first * n, last * n)
        b = self.rb.slice(0, first * n, last * n) if self.rb is not None and bias else None
        return ops.matmul(h, r, transpose_b=True, bias=b, numerics=self.c.numerics)

    def step(self, px, h, cell):
        return getattr(self, self.node.op.lower())(px, h, cell)

    def rnn(self, px, h, cell):
        return self.act(0, self.c.e("add", px, self.recur(h))), None

    def gru(self, px, h, cell):
        c = self.c
        both = self.recur(h, 0, 2)
        z = self.act(0, c.e("add", self.gate(px, 0), self.gate(both, 0)))
        r = self.act(0, c.e("add", self.gate(px, 1), self.gate(both, 1)))
        if self.node.get("linear_before_reset", 0):
            inner = c.e("mul", r, self.recur(h, 2, 3))
        else:
            inner = self.recur(c.e("mul", r, h), 2, 3)
        new = self.act(1, c.e("add", self.gate(px, 2), inner))
        # (1 - z) new + z h
        return c.e("fma", z, c.e("sub", h, new), new), None

    def lstm(self, px, h, cell):
        c = self.c
        t = c.e("add", px, self.recur(h))
        i, o, f, g = (self.gate(t, k) for k in range(4))
        if self.peep is not None:
            n = self.hidden
            p = [self.peep.slice(0, k * n, (k + 1) * n) for k in range(3)]
            i, f = c.e("fma", cell, p[0], i), c.e("fma", cell, p[2], f)
        i, f = self.act(0, i), self.act(0, f)
        if self.node.get("input_forget", 0):
            f = c.scale(i, -1.0, 1.0)
        cell = c.e("fma", f, cell, c.e("mul", i, self.act(1, g)))
        if self.peep is not None:
            o = c.e("fma", cell, p[1], o)
        return c.e("mul", self.act(0, o), self.f[2](c, cell)), cell


@operator("RNN", "GRU", "LSTM", since=7)
def recurrent(c, node, x):
    direction, layout = node.get("direction", "forward"), node.get("layout", 0)
    if len(x) > 4 and x[4] is not None and len(set(c.ints(x[4]).tolist()) | {x[0].shape[1 - layout]}) > 1:
        lengths = set(c.ints(x[4]).tolist())
        if lengths != {x[0].shape[layout]}:
            raise Unsupported("onnx.attribute", f"{node.op} of ragged sequences is not supported", [node.op])
    directions = 2 if direction == "bidirectional" else 1
    functions = _functions(node, directions)
    each = len(functions) // directions
    t = c.f32(x[0])
    t = ops.copy(t.transpose(1, 0, 2)) if layout else t
    steps, batch, width = t.shape
    hidden = x[2].shape[-1]

    def start(i, d):
        if len(x) > i and x[i] is not None:
            s = c.f32(x[i])
            return ops.copy(s.pick(1 if layout else 0, d))
        return c.broadcast(c.const(0.0), (batch, hidden))
    ys, hs, cs = [], [], []
    for d in range(directions):
        cell_of = _Cell(c, node, x, d, functions[d * each:(d + 1) * each])
        px = c.reshape(cell_of.project(c.reshape(t, (steps * batch, width))), (steps, batch, -1))
        h, cell, rows = start(5, d), start(6, d) if node.op == "LSTM" else None, [None] * steps
        backward = direction == "reverse" or d == 1
        for i in range(steps)[::-1] if backward else range(steps):
            h, cell = cell_of.step(px.pick(0, i), h, cell)
            rows[i] = h
        ys.append(rows)
        hs.append(h)
        cs.append(cell)
    from .movement import join

    y = join(c, [c.reshape(r, (1, 1, batch, hidden)) for i in range(steps) for r in (rows[i] for rows in ys)], 0)
    y = c.reshape(y, (steps, directions, batch, hidden))
    last = [join(c, [c.reshape(v, (1, batch, hidden)) for v in group], 0) if group[0] is not None else None
            for group in (hs, cs)]
    if layout:
        y = ops.copy(y.transpose(2, 0, 1, 3))
        last = [ops.copy(v.transpose(1, 0, 2)) if v is not None else None for v in last]
    return tuple(c.value(v, x[0].dtype) if v is not None else None for v in (y, *last))

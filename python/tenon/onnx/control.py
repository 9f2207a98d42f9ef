# SPDX-License-Identifier: Apache-2.0
"""Control flow, sequences and optionals: the host decides, the device computes."""
import numpy as np

from .. import ops
from .movement import join
from .table import Unsupported, operator
from .value import Value


@operator("If")
def if_node(c, node, x):
    env = c.env
    branch = node.get("then_branch" if bool(c.ints(x[0]).reshape(-1)[0]) else "else_branch")
    return tuple(c.graph(branch, {}, env))


@operator("Loop")
def loop(c, node, x):
    body, env = node.get("body"), c.env
    most = int(c.ints(x[0]).reshape(())) if x[0] is not None else None
    go = bool(c.ints(x[1]).reshape(-1)[0]) if x[1] is not None else True
    state, scans, i = list(x[2:]), [], 0
    carried = len(state)
    while go and (most is None or i < most):
        feeds = [c.book(np.array(i, np.int64)), c.book(np.array(True)), *state]
        out = c.graph(body, dict(zip(body.inputs, feeds)), env)
        go = bool(c.ints(out[0]).reshape(-1)[0])
        state = out[1:1 + carried]
        scans.append(out[1 + carried:])
        i += 1
    return (*state, *(_stack(c, list(column), 0) for column in zip(*scans))) if scans else \
        (*state, *(Value(np.zeros((0,), np.float32)) for _ in body.outputs[1 + carried:]))


def _stack(c, values, axis):
    """Values along a new axis."""
    if all(v.book for v in values):
        return c.book(np.stack([v.numpy() for v in values], axis))
    if values[0].name is None:
        return c.integers(lambda: np.stack([v.numpy() for v in values], axis))
    tensors = [v.on(c.device) for v in values]
    wide = [c.reshape(t, (*t.shape[:axis], 1, *t.shape[axis:])) for t in tensors]
    return c.value(join(c, wide, axis))


def _row(c, value, axis, i):
    return Value(tensor=ops.copy(value.on(c.device).pick(axis, i)))


@operator("Scan", since=9)
def scan(c, node, x):
    body, env, count = node.get("body"), c.env, node.get("num_scan_inputs")
    state, inputs = list(x[:len(x) - count]), x[len(x) - count:]
    outs = len(body.outputs) - len(state)
    axes = node.get("scan_input_axes", [0] * count)
    reverse = node.get("scan_input_directions", [0] * count)
    out_axes = node.get("scan_output_axes", [0] * outs)
    out_reverse = node.get("scan_output_directions", [0] * outs)
    length = inputs[0].shape[axes[0]]
    rows, carried = [], len(state)
    for i in range(length):
        now = [_row(c, v, a % v.ndim, length - 1 - i if r else i) for v, a, r in zip(inputs, axes, reverse)]
        out = c.graph(body, dict(zip(body.inputs, [*state, *now])), env)
        state = out[:carried]
        rows.append(out[carried:])
    columns = []
    for values, axis, r in zip(zip(*rows), out_axes, out_reverse):
        values = list(values)[::-1] if r else list(values)
        columns.append(_stack(c, values, axis % (values[0].ndim + 1)))
    return (*state, *columns)


@operator("Scan", until=8)
def scan_batched(c, node, x):
    """Opset 8: a batch first, and lengths that are not supported."""
    if x[0] is not None:
        raise Unsupported("onnx.attribute", "Scan-8 with sequence lengths is not supported", ["Scan"])
    body, env, count = node.get("body"), c.env, node.get("num_scan_inputs")
    given = x[1:]
    batch, carried = given[0].shape[0], len(given) - count
    results = []
    for b in range(batch):
        mine = [_row(c, v, 0, b) for v in given]
        state, inputs, rows = mine[:carried], mine[carried:], []
        for i in range(inputs[0].shape[0]):
            out = c.graph(body, dict(zip(body.inputs, [*state, *(_row(c, v, 0, i) for v in inputs)])), env)
            state = out[:carried]
            rows.append(out[carried:])
        results.append([*state, *(_stack(c, list(column), 0) for column in zip(*rows))])
    return tuple(_stack(c, list(column), 0) for column in zip(*results))


# ---- sequences and optionals are lists and None of the host ----


@operator("SequenceEmpty")
def sequence_empty(c, node, x):
    return ([],)


@operator("SequenceConstruct")
def sequence_construct(c, node, x):
    return (list(x),)


@operator("SequenceInsert")
def sequence_insert(c, node, x):
    out = list(x[0])
    out.insert(int(c.ints(x[2]).reshape(())) if len(x) > 2 and x[2] is not None else len(out), x[1])
    return (out,)


@operator("SequenceErase")
def sequence_erase(c, node, x):
    out = list(x[0])
    del out[int(c.ints(x[1]).reshape(())) if len(x) > 1 and x[1] is not None else -1]
    return (out,)


@operator("SequenceAt")
def sequence_at(c, node, x):
    return x[0][int(c.ints(x[1]).reshape(()))]


@operator("SequenceLength")
def sequence_length(c, node, x):
    return c.book(np.array(len(x[0]), np.int64))


@operator("SplitToSequence")
def split_to_sequence(c, node, x):
    from .movement import _cut

    axis = node.get("axis", 0) % x[0].ndim
    total = x[0].shape[axis]
    given = c.ints(x[1]) if len(x) > 1 and x[1] is not None else np.array(1)
    sizes = [int(given)] * (-(-total // int(given))) if given.ndim == 0 else given.tolist()
    at = np.minimum(np.cumsum([0, *sizes]), total).tolist()
    parts = [_cut(c, x[0], axis, a, b) for a, b in zip(at, at[1:])]
    if len(x) < 2 and not node.get("keepdims", 1):
        parts = [Value(tensor=c.reshape(p.on(c.device), p.shape[:axis] + p.shape[axis + 1:])) for p in parts]
    return (parts,)


@operator("ConcatFromSequence")
def concat_from_sequence(c, node, x):
    axis = node.get("axis")
    if node.get("new_axis", 0):
        return _stack(c, x[0], axis % (x[0][0].ndim + 1))
    return c.value(join(c, [v.on(c.device) for v in x[0]], axis))


@operator("SequenceMap")
def sequence_map(c, node, x):
    body, env = node.get("body"), c.env
    rows = []
    for i in range(len(x[0])):
        feeds = [v[i] if isinstance(v, list) else v for v in x]
        rows.append(c.graph(body, dict(zip(body.inputs, feeds)), env))
    return tuple(list(column) for column in zip(*rows))


@operator("Optional")
def optional(c, node, x):
    return (x[0] if x else None,)


@operator("OptionalGetElement")
def optional_get(c, node, x):
    return (x[0],)


@operator("OptionalHasElement")
def optional_has(c, node, x):
    return c.book(np.array(bool(x) and x[0] is not None))

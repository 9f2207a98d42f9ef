# SPDX-License-Identifier: Apache-2.0
"""Losses of classes: the weight and the place of each target are bookkeeping, the sums are the device's."""
import numpy as np

from .. import ops
from .reductions import reduce
from .table import operator


def _negative_log_likelihood(c, node, logs, target, weight):
    """logs [n, classes, ...] f32: the loss of each target, weighted, then reduced."""
    index, ignore = c.ints(target), node.get("ignore_index")
    classes = logs.shape[1]
    there = np.ones(index.shape, bool) if ignore is None else index != ignore
    safe = np.where(there, index, 0)
    source = np.arange(int(np.prod(logs.shape))).reshape(logs.shape)
    source = np.take_along_axis(source, np.expand_dims(safe % classes, 1), 1).squeeze(1)
    picked = c.take(logs, np.where(there, source, -1))
    loss = c.e("neg", picked)
    if weight is not None:
        share = c.take(c.f32(weight), np.where(there, safe, -1))
        loss = c.e("mul", loss, share)
    else:
        share = c.array(there.astype(np.float32))
    mode = node.get("reduction", "mean")
    if mode == "none":
        return loss
    axes = list(range(loss.ndim))
    total = reduce(c, "sum", loss, axes, keep=False)
    return total if mode == "sum" else c.e("div", total, reduce(c, "sum", share, axes, keep=False))


@operator("NegativeLogLikelihoodLoss", since=12)
def nll_loss(c, node, x):
    y = _negative_log_likelihood(c, node, c.f32(x[0]), x[1], x[2] if len(x) > 2 else None)
    return c.value(y, x[0].dtype)


@operator("SoftmaxCrossEntropyLoss", since=12)
def softmax_cross_entropy(c, node, x):
    logs = ops.softmax(c.f32(x[0]), 1, log=True, numerics=c.numerics)
    y = c.value(_negative_log_likelihood(c, node, logs, x[1], x[2] if len(x) > 2 else None), x[0].dtype)
    return (y, c.value(logs, x[0].dtype)) if len(node.outputs) > 1 else y

# SPDX-License-Identifier: Apache-2.0
"""conv against its definition in float64: layouts, groups, strides, transposed, posts."""
import numpy as np
import pytest

import tenon

EPS = 2.0**-24  # unit roundoff of f32


def taps(a, b, stride, dilation, pad, groups):
    """The dot and the sum of |a b| of each output, NCHW, in float64."""
    n, c, h, w = a.shape
    k, cg, kh, kw = b.shape
    oh = (h + 2 * pad - (kh - 1) * dilation - 1) // stride + 1
    ow = (w + 2 * pad - (kw - 1) * dilation - 1) // stride + 1
    wide = np.pad(a.astype(float), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((2, n, k, oh, ow))
    for f in range(k):
        g = f // (k // groups)
        for y in range(oh):
            for x in range(ow):
                at = wide[:, g * cg:(g + 1) * cg, y * stride:, x * stride:][:, :, ::dilation, ::dilation][:, :, :kh, :kw]
                products = (at * b[f].astype(float)).reshape(n, -1)
                out[0, :, f, y, x], out[1, :, f, y, x] = products.sum(1), np.abs(products).sum(1)
    return out


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("stride,dilation,pad,groups", [(1, 1, 1, 1), (2, 1, 0, 2), (1, 2, 2, 4), (2, 1, 1, 8)])
@pytest.mark.parametrize("constant_b", [False, True])
def test_conv(device, rng, channels_last, stride, dilation, pad, groups, constant_b):
    a = rng.standard_normal((2, 8, 9, 10)).astype(np.float32)
    b = rng.standard_normal((8, 8 // groups, 3, 3)).astype(np.float32)
    bias = rng.standard_normal(8).astype(np.float32)
    dot, magnitude = taps(a, b, stride, dilation, pad, groups)
    turn = (lambda x: np.ascontiguousarray(np.moveaxis(x, 1, -1))) if channels_last else (lambda x: x)
    got = tenon.conv(device.tensor(turn(a)), device.tensor(turn(b)), bias=device.tensor(bias), act="relu",
                         stride=stride, dilation=dilation, pad=pad, groups=groups, channels_last=channels_last,
                         constant_b=constant_b).numpy(copy=True)
    want = dot + bias[:, None, None]
    n = b[0].size + 2
    bound = n * EPS / (1 - n * EPS) * magnitude + EPS * (np.abs(want) + magnitude * n * EPS * 2)
    assert (np.abs(got - turn(np.maximum(want, 0))) <= turn(bound)).all()


def test_transposed_is_the_adjoint(device, rng):
    """<conv(a), y> = <a, transposed(y)> for any y, within the rounding of both."""
    a = rng.standard_normal((1, 3, 9, 9)).astype(np.float32)
    b = rng.standard_normal((5, 3, 3, 3)).astype(np.float32)
    forward = tenon.conv(device.tensor(a), device.tensor(b), stride=2, pad=1).numpy(copy=True)
    y = rng.standard_normal(forward.shape).astype(np.float32)
    back = tenon.conv(device.tensor(y), device.tensor(b), stride=2, pad=1, transposed=True).numpy(copy=True)
    assert back.shape == a.shape
    _, size = taps(np.abs(a), np.abs(b), 2, 1, 1, 1)
    n = b[0].size + b[:, 0].size + 2
    bound = 2 * n * EPS * (size * np.abs(y)).sum()
    assert abs((forward.astype(float) * y).sum() - (a.astype(float) * back).sum()) <= bound


def test_conv_activation_is_checked(device):
    x = device.tensor(np.zeros((1, 1, 3), np.float32))
    with pytest.raises(tenon.Error, match="conv.act"):
        tenon.conv(x, x, act="wave")

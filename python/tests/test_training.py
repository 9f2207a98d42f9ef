# SPDX-License-Identifier: Apache-2.0
"""Two small nets, a convolutional one and a transformer block, trained for 200 steps through the binding's
gradients, beside a twin in float64 whose gradients are derived and written independently in numpy.

How far the two may be apart is measured on the twin: a second one whose every result is moved at random
within what f32 may do to it (a few units of 2^-24 of the magnitudes that were added up) wanders from the
first as far as roundings take it. A gradient or a loss of the device may be as far off as the farthest of
such wanderers and no farther.
"""
import numpy as np
import pytest

import tenon
from tenon import backward

STEPS, WANDERERS = 200, 3
U = 2.0**-24


class Twin:
    """numpy in float64; noise: a generator, or None for the truth. Values are arrays, and the tape holds what
    takes a gradient of an output to those of its inputs."""

    def __init__(self, noise=None):
        self.noise, self.tape = noise, []

    def value(self, x):
        return np.asarray(x, dtype=np.float64)

    def moved(self, x, magnitude=None, count=4):
        if self.noise is None:
            return x
        magnitude = np.abs(x) if magnitude is None else magnitude
        return x + self.noise.uniform(-1, 1, np.shape(x)) * magnitude * count * U

    def dot(self, a, b):
        k = a.shape[-1]  # as canonical sums go: chains of 128, then one for each
        return self.moved(a @ b, np.abs(a) @ np.abs(b) if self.noise is not None else None, min(k, 128) + k / 128 + 1)

    def total(self, x, axes):
        return self.moved(x.sum(axes), np.abs(x).sum(axes) if self.noise is not None else None, 10)

    def record(self, out, inputs, back):
        self.tape.append((out, inputs, back))
        return out

    def gradients(self, out, grad, wanted):
        held = {id(out): grad}
        for y, inputs, back in reversed(self.tape):
            g = held.pop(id(y), None)
            if g is None:
                continue
            for x, dx in zip(inputs, back(g)):
                held[id(x)] = dx if id(x) not in held else self.moved(held[id(x)] + dx, count=1)
        self.tape.clear()
        return [held[id(w)] for w in wanted]

    # ---- layers ----
    def linear(self, x, w, b):
        return self.record(self.moved(self.dot(x, w.T) + b, count=1), (x, w, b),
                           lambda g: (self.dot(g, w), self.dot(g.T, x), self.total(g, 0)))

    def conv(self, x, w, b, stride=1, pad=1):
        n, c, h, _ = x.shape
        f, _, r, s = w.shape
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        oh = (h + 2 * pad - r) // stride + 1
        ow = (x.shape[3] + 2 * pad - s) // stride + 1
        patches = np.lib.stride_tricks.sliding_window_view(padded, (r, s), (2, 3))[:, :, ::stride, ::stride]
        columns = patches.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, c * r * s)
        y = self.dot(columns, w.reshape(f, -1).T) + b

        def back(g):
            g = g.transpose(0, 2, 3, 1).reshape(-1, f)
            dw = self.dot(g.T, columns).reshape(w.shape)
            dcolumns = self.dot(g, w.reshape(f, -1)).reshape(n, oh, ow, c, r, s)
            dx = np.zeros_like(padded)
            for i in range(r):
                for j in range(s):
                    dx[:, :, i:i + stride * oh:stride, j:j + stride * ow:stride] += dcolumns[..., i, j].transpose(0, 3, 1, 2)
            return dx[:, :, pad:padded.shape[2] - pad, pad:padded.shape[3] - pad], dw, self.total(g, 0)

        return self.record(self.moved(y, count=1).reshape(n, oh, ow, f).transpose(0, 3, 1, 2), (x, w, b), back)

    def normalised(self, x, gamma, beta, shape, epsilon, sum_axes):
        """shape: rows by elements; gamma and beta broadcast to x."""
        d = x.reshape(shape)
        d = self.moved(d - d.mean(1, keepdims=True), np.abs(d).mean(1, keepdims=True) if self.noise is not None else None, 8)
        r = 1 / np.sqrt((d * d).mean(1, keepdims=True) + epsilon)
        hat = self.moved(d * r, count=8)

        def back(g):
            gg = (g * gamma).reshape(shape)
            dx = r * (gg - gg.mean(1, keepdims=True) - hat * (gg * hat).mean(1, keepdims=True))
            size = r * (np.abs(gg) + np.abs(gg).mean(1, keepdims=True) * (1 + np.abs(hat) * np.abs(hat).mean(1, keepdims=True)))
            full = hat.reshape(x.shape)
            return (self.moved(dx, size, 12).reshape(x.shape), self.total(g * full, sum_axes).reshape(gamma.shape),
                    self.total(g, sum_axes).reshape(beta.shape))

        return self.record(self.moved(hat.reshape(x.shape) * gamma + beta, count=1), (x, gamma, beta), back)

    def groupnorm(self, x, gamma, beta, groups):
        return self.normalised(x, gamma, beta, (x.shape[0] * groups, -1), 1e-5, (0, 2, 3))

    def layernorm(self, x, gamma, beta):
        return self.normalised(x, gamma, beta, (-1, x.shape[-1]), 1e-5, 0)

    def act(self, kind, x):
        if kind == "silu":
            s = 1 / (1 + np.exp(-x))
            y, d = x * s, s * (1 + x * (1 - s))
        else:  # gelu with tanh
            k = np.sqrt(2 / np.pi)
            t = np.tanh(k * (x + 0.044715 * x**3))
            y, d = 0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x)
        return self.record(self.moved(y, count=7), (x,), lambda g: (self.moved(g * d, np.abs(g) * np.maximum(np.abs(d), 1 / 8), 12),))

    def add(self, a, b):
        return self.record(self.moved(a + b, count=1), (a, b), lambda g: (g, g))

    def reshape(self, x, shape):
        return self.record(x.reshape(shape), (x,), lambda g: (g.reshape(x.shape),))

    def heads(self, x, batch, heads):
        tokens = x.shape[0] // batch
        y = x.reshape(batch, tokens, heads, -1).transpose(0, 2, 1, 3).copy()
        return self.record(y, (x,), lambda g: (g.transpose(0, 2, 1, 3).reshape(x.shape),))

    def rows(self, x):
        b, h, t, d = x.shape
        y = x.transpose(0, 2, 1, 3).reshape(b * t, h * d)
        return self.record(y, (x,), lambda g: (g.reshape(b, t, h, d).transpose(0, 2, 1, 3),))

    def rope(self, x, freq):
        half = x.shape[-1] // 2
        angle = np.arange(x.shape[-2])[:, None] * freq
        c, s = np.cos(angle), np.sin(angle)

        def turn(v, sign):
            lo, hi = v[..., :half], v[..., half:]
            return self.moved(np.concatenate([lo * c - sign * hi * s, hi * c + sign * lo * s], -1), np.abs(np.concatenate([lo, hi], -1)) + np.abs(np.concatenate([hi, lo], -1)), 6)

        return self.record(turn(x, 1), (x,), lambda g: (turn(g, -1),))

    def attention(self, q, k, v):
        scale = 1 / np.sqrt(q.shape[-1])
        z = self.dot(q, k.transpose(0, 1, 3, 2)) * scale
        z = np.where(np.tril(np.ones(z.shape[-2:])) > 0, z, -np.inf)
        p = np.exp(z - z.max(-1, keepdims=True))
        p = self.moved(p / p.sum(-1, keepdims=True), count=20)
        out = self.dot(p, v)

        def back(g):
            dp = self.dot(g, v.transpose(0, 1, 3, 2))
            ds = self.moved(p * (dp - (g * out).sum(-1, keepdims=True)), p * (np.abs(dp) + np.abs(g * out).sum(-1, keepdims=True)), 20)
            return (self.dot(ds, k) * scale, self.dot(ds.transpose(0, 1, 3, 2), q) * scale, self.dot(p.transpose(0, 1, 3, 2), g))

        return self.record(out, (q, k, v), back)

    def embed(self, table, index):
        def back(g):
            d = np.zeros_like(table)
            np.add.at(d, index, g)
            return (self.moved(d, count=8),)

        return self.record(table[index], (table,), back)

    def loss(self, logits, target):
        z = logits - logits.max(1, keepdims=True)
        log_p = self.moved(z - np.log(np.exp(z).sum(1, keepdims=True)), count=4)
        hot = np.zeros_like(log_p)
        hot[np.arange(len(target)), target] = 1 / len(target)
        return -(log_p * hot).sum(), self.moved(np.exp(log_p) / len(target) - hot, np.exp(log_p) / len(target) + hot, 8)

    def update(self, params, grads, speed, rate, momentum):
        for i, g in enumerate(grads):
            speed[i] = self.moved(momentum * speed[i] + g, count=1)
            params[i] = self.moved(params[i] - rate * speed[i], count=1)


class OnDevice:
    """The same layers over tenon's operations and gradients."""

    def __init__(self, device, numerics):
        self.device, self.numerics, self.tape = device, numerics, []
        self.constants = {}

    def value(self, x):
        return self.device.tensor(np.ascontiguousarray(x, np.float32), copy=True)

    def constant(self, x, dtype=np.float32):
        x = np.ascontiguousarray(x, dtype)
        key = (x.dtype.str, x.shape, x.tobytes())
        if key not in self.constants:
            self.constants[key] = self.device.tensor(x, copy=True)
        return self.constants[key]

    def op(self, kind, *args):
        return tenon.eltwise(kind, *args, numerics=self.numerics)

    def record(self, out, inputs, back):
        self.tape.append((out, inputs, back))
        return out

    def gradients(self, out, grad, wanted):
        held = {id(out): grad}
        for y, inputs, back in reversed(self.tape):
            g = held.pop(id(y), None)
            if g is None:
                continue
            for x, dx in zip(inputs, back(g)):
                held[id(x)] = dx if id(x) not in held else self.op("add", held[id(x)], dx)
        self.tape.clear()
        return [held[id(w)] for w in wanted]

    def linear(self, x, w, b):
        n = self.numerics
        y = tenon.matmul(x, w, transpose_b=True, bias=b, numerics=n)
        return self.record(y, (x, w, b), lambda g: (*backward.matmul(x, w, g, transpose_b=True, numerics=n),
                                                    backward.bias(g, numerics=n)))

    def conv(self, x, w, b, stride=1, pad=1):
        n = self.numerics
        y = tenon.conv(x, w, b, stride=stride, pad=pad, numerics=n)
        return self.record(y, (x, w, b), lambda g: (*backward.conv(x, w, g, stride=stride, pad=pad, numerics=n),
                                                    backward.bias(g, 1, numerics=n)))

    def groupnorm(self, x, gamma, beta, groups):
        n, shape = self.numerics, gamma.shape
        flat = gamma.reshape(-1), beta.reshape(-1)
        y = tenon.groupnorm(x, groups, *flat, numerics=n)

        def back(g):
            dx, dgamma, dbeta = backward.groupnorm(x, g, groups, flat[0], numerics=n)
            return dx, dgamma.reshape(shape), dbeta.reshape(shape)

        return self.record(y, (x, gamma, beta), back)

    def layernorm(self, x, gamma, beta):
        n = self.numerics
        y = tenon.layernorm(x, gamma, beta, numerics=n)
        return self.record(y, (x, gamma, beta), lambda g: backward.layernorm(x, g, gamma, numerics=n))

    def act(self, kind, x):
        n = self.numerics
        return self.record(self.op(kind, x), (x,), lambda g: (backward.eltwise(kind, x, g, numerics=n),))

    def add(self, a, b):
        return self.record(self.op("add", a, b), (a, b), lambda g: (g, g))

    def reshape(self, x, shape):
        return self.record(x.reshape(shape), (x,), lambda g: (g.reshape(x.shape),))

    def heads(self, x, batch, heads):
        tokens, width = x.shape[0] // batch, x.shape[1] // heads
        y = x.reshape(batch, tokens, heads, width).transpose(0, 2, 1, 3)
        return self.record(y, (x,), lambda g: (tenon.copy(g.transpose(0, 2, 1, 3)).reshape(x.shape),))

    def rows(self, x):
        b, h, t, d = x.shape
        y = tenon.copy(x.transpose(0, 2, 1, 3)).reshape(b * t, h * d)
        return self.record(y, (x,), lambda g: (g.reshape(b, t, h, d).transpose(0, 2, 1, 3),))

    def rope(self, x, freq):
        n, places, table = self.numerics, self.constant(np.arange(x.shape[-2]), np.int32), self.constant(freq)
        y = tenon.rope(x, places, table, numerics=n)
        return self.record(y, (x,), lambda g: (backward.rope(g, places, table, numerics=n),))

    def attention(self, q, k, v):
        n = self.numerics
        stats = tenon.Tensor.empty(self.device, q.shape[:3] + (2,))
        y = tenon.attention(q, k, v, causal=True, stats=stats, numerics=n)
        return self.record(y, (q, k, v), lambda g: backward.attention(q, k, v, y, stats, g, causal=True, numerics=n))

    def embed(self, table, index):
        n, where = self.numerics, self.constant(index, np.int32)
        y = tenon.gather(table, where)
        return self.record(y, (table,), lambda g: (backward.gather(g, where, table.shape[0], numerics=n),))

    def loss(self, logits, target):
        n = self.numerics
        log_p = tenon.softmax(logits, log=True, numerics=n)
        hot = np.zeros(logits.shape, np.float32)
        hot[np.arange(len(target)), target] = -1 / len(target)
        slope = self.constant(hot)
        loss = tenon.reduce("sum", self.op("mul", log_p, slope), (0, 1), numerics=n)
        return loss, backward.softmax(log_p, slope, log=True, numerics=n)

    def update(self, params, grads, speed, rate, momentum):
        rate, momentum = self.constant([-rate]), self.constant([momentum])
        for i, g in enumerate(grads):
            speed[i] = self.op("fma", speed[i], momentum, g)
            params[i] = self.op("fma", speed[i], rate, params[i])


class Cnn:
    """Two convolutions, a group norm, two activations and a linear layer; classes are where a blob is."""

    rate, momentum = 2.0**-8, 0.875

    def __init__(self, rng):
        def w(*shape):
            return rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))

        self.params = [w(8, 1, 3, 3), np.zeros(8), 1 + 0.1 * w(8, 1, 1), np.zeros((8, 1, 1)), w(12, 8, 3, 3), np.zeros(12),
                       w(4, 12 * 5 * 5), np.zeros(4)]
        self.target = rng.integers(0, 4, 24)
        self.x = rng.standard_normal((24, 1, 10, 10))
        for image, corner in zip(self.x, self.target):
            image[0, 5 * (corner // 2):5 * (corner // 2) + 4, 5 * (corner % 2):5 * (corner % 2) + 4] += 0.5
        self.round()

    def round(self):
        """Start where f32 can."""
        self.params = [p.astype(np.float32).astype(np.float64) for p in self.params]
        if hasattr(self, "x"):
            self.x = self.x.astype(np.float32).astype(np.float64)

    def forward(self, f, p):
        y = f.conv(f.value(self.x), p[0], p[1])
        y = f.act("silu", f.groupnorm(y, p[2], p[3], 2))
        y = f.act("gelu_tanh", f.conv(y, p[4], p[5], stride=2))
        return f.linear(f.reshape(y, (24, 12 * 5 * 5)), p[6], p[7])


class Block:
    """Embedding, one pre-norm transformer block with rotary causal attention, norm and the way back to
    letters; the sequences repeat themselves, which attention can find."""

    rate, momentum = 2.0**-6, 0.875
    letters, batch, tokens, width, head_count = 11, 4, 24, 16, 2

    def __init__(self, rng):
        def w(*shape):
            return rng.standard_normal(shape) / np.sqrt(shape[1])

        d = self.width
        self.params = [w(self.letters, d), np.ones(d), np.zeros(d)]
        for n in (d, d, d, d):
            self.params += [w(n, d), np.zeros(n)]
        self.params += [np.ones(d), np.zeros(d), w(4 * d, d), np.zeros(4 * d), w(d, 4 * d), np.zeros(d),
                        np.ones(d), np.zeros(d), w(self.letters, d), np.zeros(self.letters)]
        text = np.tile(rng.integers(0, self.letters, (self.batch, 9)), (1, 3))
        self.index, self.target = text[:, :self.tokens].reshape(-1), text[:, 1:self.tokens + 1].reshape(-1)
        self.freq = (100.0 ** -(np.arange(4) / 4)).astype(np.float32).astype(np.float64)
        Cnn.round(self)

    def forward(self, f, p):
        x = f.embed(p[0], self.index)
        y = f.layernorm(x, p[1], p[2])
        q, k, v = (f.heads(f.linear(y, p[i], p[i + 1]), self.batch, self.head_count) for i in (3, 5, 7))
        y = f.rows(f.attention(f.rope(q, self.freq), f.rope(k, self.freq), v))
        x = f.add(x, f.linear(y, p[9], p[10]))
        y = f.act("gelu_tanh", f.linear(f.layernorm(x, p[11], p[12]), p[13], p[14]))
        x = f.add(x, f.linear(y, p[15], p[16]))
        return f.linear(f.layernorm(x, p[17], p[18]), p[19], p[20])


NETS = {"cnn": Cnn, "block": Block}


def gradients(net, f):
    params = [f.value(p) for p in net.params]
    logits = net.forward(f, params)
    loss, slope = f.loss(logits, net.target)
    return loss, f.gradients(logits, slope, params)


def train(net, f, steps=STEPS):
    params = [f.value(p) for p in net.params]
    speed = [f.value(np.zeros(p.shape)) for p in net.params]
    losses = []
    for _ in range(steps):
        logits = net.forward(f, params)
        loss, slope = f.loss(logits, net.target)
        losses.append(loss)
        f.update(params, f.gradients(logits, slope, params), speed, net.rate, net.momentum)
    return losses, params


@pytest.fixture(scope="module", params=sorted(NETS))
def net(request):
    return NETS[request.param](np.random.default_rng(7))


@pytest.fixture(scope="module")
def courses(net):
    """Losses of the twin and of its wanderers."""
    return [np.array(train(net, Twin(None if i == 0 else np.random.default_rng(i)))[0]) for i in range(WANDERERS + 1)]


def test_twin_by_differences(net):
    """The twin's gradient along random directions is the slope of its loss: by five points, whose error is h^4 times
    a fifth derivative over 30, and 1e-16 / h of rounding, far below a wrong term of any gradient."""
    rng = np.random.default_rng(3)
    _, grads = gradients(net, Twin())
    for _ in range(4):
        way, h, held = [rng.standard_normal(p.shape) for p in net.params], 1e-4, net.params
        losses = []
        for side in (h, -h, 2 * h, -2 * h):
            net.params = [p + side * w for p, w in zip(held, way)]
            losses.append(gradients(net, Twin())[0])
        net.params = held
        slope = (8 * (losses[0] - losses[1]) - (losses[2] - losses[3])) / (12 * h)
        along = sum((g * w).sum() for g, w in zip(grads, way))
        assert abs(slope - along) < 1e-7 * max(1, abs(along))


@pytest.mark.parametrize("numerics", ("canonical", "bounded"))
def test_gradients(net, device, numerics):
    loss, want = gradients(net, Twin())
    apart, loss_apart = [np.zeros(1)] * len(want), 0
    for seed in range(8):
        moved_loss, moved = gradients(net, Twin(np.random.default_rng(seed)))
        loss_apart = max(loss_apart, abs(moved_loss - loss))
        apart = [np.maximum(a, np.abs(m - w).max()) for a, m, w in zip(apart, moved, want)]
    got_loss, got = gradients(net, OnDevice(device, numerics))
    assert abs(float(got_loss.numpy(copy=True).reshape(())) - loss) <= loss_apart
    for i, (g, w, a) in enumerate(zip(got, want, apart)):
        assert np.abs(g.numpy(copy=True) - w).max() <= a.max(), f"parameter {i}"
        assert a.max() < 1e-3 * np.abs(w).max(), f"parameter {i} is not held tightly enough to mean something"


def test_loss_follows_the_twin(net, courses, device):
    on = OnDevice(device, "canonical")
    losses, _ = train(net, on)
    got = np.array([float(x.numpy(copy=True).reshape(())) for x in losses], np.float64)
    want = courses[0]
    # how far roundings have led by then, and a little before and after: wanderers cross the truth, too
    apart = np.pad(np.max([np.abs(c - want) for c in courses[1:]], axis=0), 10, mode="edge")
    away = np.lib.stride_tricks.sliding_window_view(apart, 21).max(1)
    worst = np.abs(got - want) / away
    print(f"loss {want[0]:.4f} to {want[-1]:.6f}; at most {np.abs(got - want).max():.2e} apart, {worst.max():.2f} of the envelope")
    assert worst.max() <= 1
    assert want[-1] < 0.25 * want[0] and got[-1] < 0.25 * got[0]
    assert device.ops_fallen_back == 0


def test_same_weights_whatever_the_threads(net, runtime):
    weights = []
    for uri in ("cpu?threads=1", "cpu?threads=2", "cpu?private=1"):
        _, params = train(net, OnDevice(runtime.open(uri), "canonical"))
        weights.append(b"".join(p.numpy(copy=True).tobytes() for p in params))
    assert weights[0] == weights[1] == weights[2]

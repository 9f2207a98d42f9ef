# SPDX-License-Identifier: Apache-2.0
"""Operations on tensors. Shapes come from the library's own inference; a plan is made once a shape.

numerics is "bounded" (the default), "fast", "canonical" or "exact". A device that lacks an op has
it run on the cpu device; Device.ops_fallen_back counts those, Device.ops_on_device the others.
"""
from ._library import Error, check, ffi, handle, lib, struct
from .tensor import BLOCKS, DTYPES, NAMES, Tensor

_CLASSES = {name: getattr(lib, "TN_CLASS_" + name.upper()) for name in ("bounded", "fast", "canonical", "exact")}
_POSTS = {name: getattr(lib, "TN_POST_" + name.upper()) for name in ("relu", "gelu", "gelu_tanh", "silu")}


class Plan:
    """One op prepared for one device: what it binds and what the output looks like."""

    __slots__ = ("handle", "binds", "roles", "out_dtype", "out_shape", "fallback", "kernel", "layout", "macs")


def _run(kind, attr, args, posts=(), numerics=None, out=None, pack=None, flags=0, out_role=lib.TN_ARG_OUT,
         dtype=None):
    """attr: (struct name, fields); args: [(role, tensor)], further outputs among them; posts: [(kind, role, a, b)];
    pack: the role of a constant that the device may keep in a layout of its own; dtype: of the output, else the usual."""
    device = args[0][1].device
    key = (kind, attr[0], tuple(attr[1].items()), tuple((r, t.key) for r, t in args), posts, numerics,
           out.key if out else None, pack, flags, out_role, dtype)
    plan = device.plans.get(key)
    if plan is None:
        plan = device.plans[key] = _plan(device, kind, attr, args, posts, numerics, out, pack, flags, out_role, dtype)
    if out is None:
        out = Tensor.empty(device, plan.out_shape, plan.out_dtype)
    binds = plan.binds
    i = 0
    for role, t in args:
        if t.device is not device:
            raise Error("invalid", "op.device", None, f"operands on {device.uri} and {t.device.uri}")
        b = binds[i]
        if plan.layout is not None and role == pack:
            b.buffer, b.offset_bytes = _packed(device, plan, role, t), 0
        else:
            b.buffer, b.offset_bytes = t.buffer, t.offset_bytes
        i += 1
    binds[i].buffer, binds[i].offset_bytes = out.buffer, out.offset_bytes
    meter = device.meter if not plan.fallback else None
    sync = meter.start() if meter else ffi.NULL
    check(lib.tn_queue_run(device.queue, plan.handle, binds, i + 1, ffi.NULL, sync))
    if meter:
        meter.end(plan.macs)
    if plan.fallback:
        device.ops_fallen_back += 1
    else:
        device.ops_on_device += 1
    return out


def _plan(device, kind, attr, args, posts, numerics, out, pack, flags, out_role, dtype):
    head = struct(attr[0], **attr[1]) if attr[0] else ffi.NULL
    c_args = ffi.new("tn_arg[]", len(args) + 1)
    for a, (role, t) in zip(c_args, args):
        a.role = role
        t.fill_view(a.tensor, buffer=False)
    c_posts = ffi.new("tn_post[]", max(1, len(posts)))
    for p, (post, role, x, y) in zip(c_posts, posts):
        p.kind, p.role, p.a, p.b = post, role, x, y
    op = struct("tn_op", kind=kind, arg_count=len(args), post_count=len(posts), attr=ffi.cast("void *", head),
                args=c_args, posts=c_posts)
    try:
        op.numerics.cls = _CLASSES[numerics or "bounded"]
    except KeyError:
        raise Error("invalid", "op.class", "numerics", f"no class {numerics!r}: {', '.join(_CLASSES)}") from None
    op.numerics.flags = flags
    plan = Plan()
    if out is None:
        shape = ffi.new("tn_tensor *")
        check(lib.tn_op_infer(op, out_role, shape))
        plan.out_shape, plan.out_dtype = tuple(shape.dim[0:shape.rank]), dtype or NAMES[shape.dtype]
        out = Tensor(device, None, plan.out_dtype, plan.out_shape)
    else:
        plan.out_shape, plan.out_dtype = out.shape, out.dtype
    c_args[len(args)].role = out_role
    out.fill_view(c_args[len(args)].tensor, buffer=False)
    op.arg_count = len(args) + 1
    desc = struct("tn_plan_desc", flags=lib.TN_PLAN_ALLOW_FALLBACK)
    plan.layout = None
    packable = [a for a in c_args if pack is not None and a.role == pack]
    if packable:
        _prepare_packed(device, op, packable[0], plan, struct("tn_plan_desc"))
    if plan.layout is None:
        plan.handle = handle("plan", lib.tn_plan_create, device.handle, op, desc)
    info = struct("tn_plan_info")
    check(lib.tn_plan_get_info(plan.handle, info))
    plan.fallback, plan.kernel = bool(info.fallback), ffi.string(info.kernel).decode()
    plan.macs = 0
    if kind in (lib.TN_OP_MATMUL, lib.TN_OP_ATTENTION) and device.meter:
        flops, nbytes = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        check(lib.tn_op_cost(op, flops, nbytes))
        plan.macs = flops[0] // 2
    plan.binds = ffi.new("tn_bind[]", len(args) + 1)
    for b, a in zip(plan.binds, c_args):
        b.role = a.role
    return plan


def _prepare_packed(device, op, arg, plan, desc):
    """Asks for a plan that takes the constant packed; leaves plan.layout None where there is none."""
    arg.flags = lib.TN_ARG_PACKED | lib.TN_ARG_CONSTANT
    try:
        plan.handle = handle("plan", lib.tn_plan_create, device.handle, op, desc)
        layout, nbytes = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        check(lib.tn_plan_layout(plan.handle, arg.role, layout, nbytes))
        plan.layout = (layout[0], nbytes[0])
    except Error as e:
        if e.status.lower() != "unsupported":
            raise
        arg.flags = lib.TN_ARG_CONSTANT


def _packed(device, plan, role, t):
    if t.packed is None:
        t.packed = {}
    buffer = t.packed.get(plan.layout)
    if buffer is None:
        buffer = t.packed[plan.layout] = device.buffer(plan.layout[1])
        view = t.fill_view(ffi.new("tn_tensor *"))
        check(lib.tn_queue_pack(device.queue, plan.handle, role, view, buffer, 0, ffi.NULL))
        device.wait()  # view is borrowed until then
    return buffer


def matmul(a, b, transpose_a=False, transpose_b=False, bias=None, act=None, residual=None, alpha=None,
           constant_b=False, numerics=None, out=None, scale_a=None, scale_b=None, scale_out=None, zero_a=None,
           zero_b=None, zero_out=None, dtype=None):
    """act(a b + bias) + residual. constant_b: b never changes, so the device may pack it once. s8 and u8
    operands give s32, or what `out` is: scales (f32) and zero points are one number, or one a row of a
    or a column of b and out; a leading s32 bias is added to the sum. dtype: of the result; without it a's, or f32 where a and b differ."""
    if dtype is not None:
        _known(dtype)
    fields = {"flags": transpose_a * lib.TN_MATMUL_TRANSPOSE_A | transpose_b * lib.TN_MATMUL_TRANSPOSE_B}
    if alpha is not None:
        fields["flags"] |= lib.TN_MATMUL_ALPHA
        fields["alpha"] = alpha
    args, posts = [(lib.TN_ARG_A, a), (lib.TN_ARG_B, b)], []

    def post(kind, tensor=None):
        role = 0
        if tensor is not None:
            role = lib.TN_ARG_POST0 + len(posts)
            args.append((role, tensor))
        posts.append((kind, role, 0.0, 0.0))

    if bias is not None:
        post(lib.TN_POST_BIAS, bias)
    if act is not None:
        if act not in _POSTS:
            raise Error("invalid", "matmul.act", "act", f"no activation {act!r}: {', '.join(_POSTS)}")
        post(_POSTS[act])
    if residual is not None:
        post(lib.TN_POST_ADD, residual)
    for role, scale, zero in ((lib.TN_ARG_A, scale_a, zero_a), (lib.TN_ARG_B, scale_b, zero_b),
                              (lib.TN_ARG_OUT, scale_out, zero_out)):
        if scale is not None:
            args.append((lib.TN_ARG_SCALE_OF + role, scale))
        if zero is not None:
            args.append((lib.TN_ARG_ZERO_OF + role, zero))
    return _run(lib.TN_OP_MATMUL, ("tn_matmul", fields), args, tuple(posts), numerics, out=out,
                pack=lib.TN_ARG_B if constant_b else None, dtype=dtype)


def conv(a, b, bias=None, act=None, residual=None, stride=1, dilation=1, pad=0, pad_hi=None, groups=1,
         channels_last=False, transposed=False, out_pad=0, constant_b=False, numerics=None):
    """act(a * b + bias) + residual in 1 to 3 dims. a [n, channels, space..], b [filters, channels / groups,
    kernel..], or with channels_last [n, space.., channels] and [filters, kernel.., channels / groups];
    transposed: b's first dim is a's channels. stride, dilation, pad (before; pad_hi after, if not the same)
    and out_pad are one number or one a dim. bias [filters]. constant_b: b may be packed once."""
    dims = a.ndim - 2

    def each(x):
        return (x,) * dims if isinstance(x, int) else tuple(x)

    flags = channels_last * lib.TN_CONV_CHANNELS_LAST | transposed * lib.TN_CONV_TRANSPOSED
    fields = {"dims": dims, "groups": groups, "flags": flags, "stride": each(stride), "dilation": each(dilation),
              "pad_lo": each(pad), "pad_hi": each(pad if pad_hi is None else pad_hi), "out_pad": each(out_pad)}
    args, posts = [(lib.TN_ARG_A, a), (lib.TN_ARG_B, b)], []
    if bias is not None:
        view = bias if channels_last else bias.reshape((bias.shape[0],) + (1,) * dims)
        args.append((lib.TN_ARG_POST0, view))
        posts.append((lib.TN_POST_BIAS, lib.TN_ARG_POST0, 0.0, 0.0))
    if act is not None:
        if act not in _POSTS:
            raise Error("invalid", "conv.act", "act", f"no activation {act!r}: {', '.join(_POSTS)}")
        posts.append((_POSTS[act], 0, 0.0, 0.0))
    if residual is not None:
        role = lib.TN_ARG_POST0 + len(posts)
        args.append((role, residual))
        posts.append((lib.TN_POST_ADD, role, 0.0, 0.0))
    return _run(lib.TN_OP_CONV, ("tn_conv", fields), args, tuple(posts), numerics,
                pack=lib.TN_ARG_B if constant_b else None)


def attention(q, k, v, mask=None, causal=False, scale=0.0, out=None, numerics=None, sinks=None, slopes=None, lengths=None,
              softcap=0.0, window=None, pages=None, k_scale=None, v_scale=None, first=(0, 0), stats=None):
    """softmax(scale q k') v over [batch, heads, tokens, d]; a boolean mask is true where a key takes
    part, an f32 one is added; scale 0 is 1/sqrt(d). causal: True, or "end" for queries that stand at the
    last keys; window: (left, right), -1 for no limit; sinks and slopes (ALiBi) by head, lengths (s32) by
    batch. pages (s32 [batch, n]): k and v are [pages, heads, tokens of a page, d], and this says which
    page holds what; a number that is no page's hides its keys. k_scale, v_scale: the scales of s8 keys
    and values. first: positions of the first query and the first key. out: a tensor to write, with
    strides of its own; stats: one [batch, heads, queries, 2] for what the backward pass asks for."""
    args = [(lib.TN_ARG_Q, q), (lib.TN_ARG_K, k), (lib.TN_ARG_V, v)]
    args += [(role, t) for role, t in ((lib.TN_ARG_MASK, mask), (lib.TN_ARG_SINKS, sinks), (lib.TN_ARG_LENGTHS, lengths),
                                       (lib.TN_ARG_SLOPES, slopes), (lib.TN_ARG_STATS, stats), (lib.TN_ARG_PAGES, pages),
                                       (lib.TN_ARG_SCALE_OF + lib.TN_ARG_K, k_scale),
                                       (lib.TN_ARG_SCALE_OF + lib.TN_ARG_V, v_scale)) if t is not None]
    flags = {False: 0, True: lib.TN_ATTENTION_CAUSAL, "end": lib.TN_ATTENTION_CAUSAL_FROM_END}[causal]
    fields = {"flags": flags, "scale": scale, "softcap": softcap, "first_query": first[0], "first_key": first[1]}
    if pages is not None:
        fields["page_tokens"] = k.shape[2]
    if window is not None:
        fields.update(flags=flags | lib.TN_ATTENTION_WINDOW, window_left=window[0], window_right=window[1])
    return _run(lib.TN_OP_ATTENTION, ("tn_attention", fields), args, (), numerics, out)


def softmax(a, axis=-1, log=False, numerics=None):
    return _run(lib.TN_OP_SOFTMAX, ("tn_softmax", {"axis": axis, "log": int(log)}), [(lib.TN_ARG_A, a)], (), numerics)


def _norm(kind, a, gamma, beta, fields, numerics):
    args = [(r, t) for r, t in ((lib.TN_ARG_A, a), (lib.TN_ARG_GAMMA, gamma), (lib.TN_ARG_BETA, beta)) if t is not None]
    return _run(lib.TN_OP_NORM, ("tn_norm", {"kind": kind, **fields}), args, (), numerics)


def rmsnorm(a, gamma=None, epsilon=1e-5, axes=1, numerics=None):
    """a / rms(a) * gamma over the last `axes` axes."""
    return _norm(lib.TN_NORM_RMS, a, gamma, None, {"axes": axes, "epsilon": epsilon}, numerics)


def groupnorm(a, groups, gamma=None, beta=None, epsilon=1e-5, axes=0, numerics=None):
    """Over groups of neighbouring channels and all of space: a is [.., channels, space..], the last `axes`
    axes (0: all but the first) are channels and space; gamma and beta are [channels]."""
    return _norm(lib.TN_NORM_GROUP, a, gamma, beta, {"axes": axes, "groups": groups, "epsilon": epsilon}, numerics)


def batchnorm(a, stats, gamma=None, beta=None, epsilon=1e-5, channels_last=False, numerics=None):
    """a * f + (beta - mean * f) with f = gamma / sqrt(variance + epsilon), by channel of a [n, channels, space..] or,
    with channels_last, [n, space.., channels]. stats [2, channels] is means and variances, gamma and beta are
    [channels]. fold_batchnorm puts it into the conv before it."""
    args = [(lib.TN_ARG_A, a), (lib.TN_ARG_STATS, stats)]
    args += [(r, t) for r, t in ((lib.TN_ARG_GAMMA, gamma), (lib.TN_ARG_BETA, beta)) if t is not None]
    fields = {"kind": lib.TN_NORM_BATCH_INFERENCE, "axes": int(channels_last), "epsilon": epsilon}
    return _run(lib.TN_OP_NORM, ("tn_norm", fields), args, (), numerics)


def fold_batchnorm(b, stats, gamma=None, beta=None, epsilon=1e-5, bias=None, groups=1, channels_last=False,
                   transposed=False):
    """(b, bias), numpy arrays, of a conv that does the work of a conv with filters b and the batch norm after it: the
    filters times f, and beta + (bias - mean) * f. The roundings come in another order, so the CANONICAL bits of
    that conv are not those of the two ops (docs/NUMERICS.md 6)."""
    import numpy as np

    mean, variance = np.asarray(stats, np.float64)
    f = 1.0 / np.sqrt(variance + epsilon)
    f = f if gamma is None else f * np.asarray(gamma, np.float64)
    moved = (0.0 if bias is None else np.asarray(bias, np.float64)) - mean
    moved = moved * f if beta is None else moved * f + np.asarray(beta, np.float64)
    b = np.asarray(b)
    ones = (1,) * (b.ndim - 2)
    if transposed:  # b is [channels, filters / groups, kernel..]: the channels of a group meet its filters
        by = np.repeat(f.reshape(groups, -1), b.shape[0] // groups, 0)
        by = by.reshape(by.shape[:1] + (ones + by.shape[1:] if channels_last else by.shape[1:] + ones))
    else:
        by = f.reshape((-1, 1) + ones)
    return (b * by).astype(b.dtype), moved.astype(np.float32)


def layernorm(a, gamma=None, beta=None, epsilon=1e-5, axes=1, numerics=None):
    """Over the last `axes` axes."""
    return _norm(lib.TN_NORM_LAYER, a, gamma, beta, {"axes": axes, "epsilon": epsilon}, numerics)


def eltwise(kind, a, b=None, c=None, alpha=0.0, beta=0.0, numerics=None):
    """kind as in the header, "add" or "rsqrt"; operands broadcast; alpha and beta for scale and clamp."""
    number = getattr(lib, "TN_ELTWISE_" + kind.upper(), None)
    if number is None:
        raise Error("invalid", "eltwise.kind", "kind", f"no element-wise function {kind!r}")
    args = [(r, t) for r, t in ((lib.TN_ARG_A, a), (lib.TN_ARG_B, b), (lib.TN_ARG_C, c)) if t is not None]
    return _run(lib.TN_OP_ELTWISE, ("tn_eltwise", {"kind": number, "a": alpha, "b": beta}), args, (), numerics)


def reduce(kind, a, axes, numerics=None):
    """sum, mean, max, min or sumsq over axes; the shape is the library's."""
    number = getattr(lib, "TN_REDUCE_" + kind.upper(), None)
    if number is None:
        raise Error("invalid", "reduce.kind", "kind", f"no reduction {kind!r}")
    axes = (axes,) if isinstance(axes, int) else axes
    mask = 0
    for axis in axes:
        mask |= 1 << axis % a.ndim
    return _run(lib.TN_OP_REDUCE, ("tn_reduce", {"kind": number, "axes_mask": mask}), [(lib.TN_ARG_A, a)], (), numerics)


def gather(a, index, axis=0):
    """a[index] along an axis; index is s32 or s64."""
    return _run(lib.TN_OP_GATHER, ("tn_axis", {"axis": axis}), [(lib.TN_ARG_A, a), (lib.TN_ARG_INDEX, index)])


def where(mask, a, b):
    """a where mask (bool) is true, else b; operands broadcast, any dtype of whole bytes."""
    return eltwise("where", mask, a, b)


def concat(tensors, axis=0):
    """Tensors of one dtype one after the other along an axis; at most 23."""
    args = [(lib.TN_ARG_INPUT0 + i, t) for i, t in enumerate(tensors)]
    return _run(lib.TN_OP_CONCAT, ("tn_axis", {"axis": axis}), args)


def pad(a, widths, mode="constant", value=0.0):
    """widths: (before, after) of each axis, negative ones take elements away; mode is constant, edge or reflect."""
    number = getattr(lib, "TN_PAD_" + mode.upper(), None)
    if number is None:
        raise Error("invalid", "pad.mode", "mode", f"no mode {mode!r}: constant, edge, reflect")
    if len(widths) != a.ndim:
        raise Error("invalid", "pad.dims", "widths", f"{len(widths)} pairs for {a.ndim} axes")
    fields = {"mode": number, "lo": tuple(w[0] for w in widths), "hi": tuple(w[1] for w in widths), "value": value}
    return _run(lib.TN_OP_PAD, ("tn_window", fields), [(lib.TN_ARG_A, a)])


def _pool(a, kind, window, stride, pad, pad_hi, dilation, ceil, channels_last, flags, numerics):
    dims = a.ndim - 2

    def each(x):
        return (x,) * dims if isinstance(x, int) else tuple(x)

    fields = {"kind": kind, "dims": dims, "ceil": int(ceil), "window": each(window), "stride": each(stride),
              "pad_lo": each(pad), "pad_hi": each(pad if pad_hi is None else pad_hi), "dilation": each(dilation),
              "flags": flags | channels_last * lib.TN_POOL_CHANNELS_LAST}
    return _run(lib.TN_OP_POOL, ("tn_pool", fields), [(lib.TN_ARG_A, a)], (), numerics)


def max_pool(a, window=0, stride=1, pad=0, pad_hi=None, dilation=1, ceil=False, channels_last=False, numerics=None):
    """Maximum over windows of a [n, channels, space..], with channels_last [n, space.., channels]. window (0: all
    of a), stride, pad (before; pad_hi after, if not the same) and dilation are one number or one a dim; padding
    takes no part. ceil: the last window may reach beyond it."""
    return _pool(a, lib.TN_POOL_MAX, window, stride, pad, pad_hi, dilation, ceil, channels_last, 0, numerics)


def average_pool(a, window=0, stride=1, pad=0, pad_hi=None, dilation=1, ceil=False, channels_last=False,
                 count_padding=False, numerics=None):
    """As max_pool, the mean; count_padding: padding counts as zeros."""
    return _pool(a, lib.TN_POOL_AVERAGE, window, stride, pad, pad_hi, dilation, ceil, channels_last,
                 lib.TN_POOL_COUNT_PADDING if count_padding else 0, numerics)


def resize(a, shape=None, scale=None, kind="linear", coordinate="half_pixel", rounding="prefer_floor", cubic=0.0,
           numerics=None):
    """a at other places along any axes: shape is that of the result, or scale one number an axis (0 or 1 keeps
    it). kind is nearest, linear or cubic (with its coefficient, 0 for -0.75), coordinate half_pixel,
    align_corners, asymmetric or pytorch_half_pixel, rounding of nearest prefer_floor, prefer_ceil, floor or ceil."""
    names = {"kind": ("nearest", "linear", "cubic"), "rounding": ("prefer_floor", "prefer_ceil", "floor", "ceil"),
             "coordinate": ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")}
    for field, word in (("kind", kind), ("rounding", rounding), ("coordinate", coordinate)):
        if word not in names[field]:
            raise Error("invalid", "resize.mode", field, f"no {field} {word!r}: {', '.join(names[field])}")
    if (shape is None) == (scale is None):
        raise Error("invalid", "resize.scale", "shape", "give one of shape and scale")
    mode = names["coordinate"].index(coordinate)
    if kind == "nearest":
        mode |= 16 * names["rounding"].index(rounding)
    fields = {"kind": names["kind"].index(kind), "mode": mode, "scale": tuple(scale or ()), "value": cubic}
    out = None if shape is None else Tensor.empty(a.device, tuple(shape), a.dtype)
    return _run(lib.TN_OP_RESIZE, ("tn_window", fields), [(lib.TN_ARG_A, a)], (), numerics, out)


def topk(a, k, axis=-1, smallest=False):
    """(values, indices): the k largest elements along the axis, descending, or the smallest, ascending. NaN
    comes first either way, +0 is above -0, equal elements by index."""
    shape = list(a.shape)
    shape[axis] = k
    index = Tensor.empty(a.device, shape, "s64" if a.shape[axis] >= 2**31 else "s32")
    fields = {"axis": axis, "flags": lib.TN_TOPK_SMALLEST if smallest else 0, "param": k}
    values = _run(lib.TN_OP_TOPK, ("tn_axis", fields), [(lib.TN_ARG_A, a), (lib.TN_ARG_INDEX, index)])
    return values, index


def _arg(a, axis, flags):
    fields = {"axis": axis, "flags": lib.TN_TOPK_INDICES | flags, "param": 1}
    out = _run(lib.TN_OP_TOPK, ("tn_axis", fields), [(lib.TN_ARG_A, a)])
    axis %= a.ndim
    return out.reshape(a.shape[:axis] + a.shape[axis + 1:])


def argmax(a, axis=-1):
    """Where the largest element along the axis is, the first of equals; s32. A NaN counts as the largest."""
    return _arg(a, axis, 0)


def argmin(a, axis=-1):
    """Where the smallest element along the axis is, the first of equals; s32. A NaN counts as the smallest."""
    return _arg(a, axis, lib.TN_TOPK_SMALLEST)


def cumsum(a, axis=-1, exclusive=False, reverse=False, dtype=None, numerics=None):
    """Running sum along the axis; exclusive: without the element itself; reverse: from the end on. dtype is
    another one of floats or of integers."""
    flags = exclusive * lib.TN_SCAN_EXCLUSIVE | reverse * lib.TN_SCAN_REVERSE
    out = Tensor.empty(a.device, a.shape, dtype) if dtype else None
    return _run(lib.TN_OP_SCAN, ("tn_axis", {"axis": axis, "flags": flags}), [(lib.TN_ARG_A, a)], (), numerics, out)


def quantize(a, scale=None, zero=None, dtype=None, axis=0, group=0, requantize=False, saturate=False, numerics=None):
    """clamp(rint(a / scale) + zero) as s8 or u8 (dtype, or that of zero), or a / scale cast to an 8-bit float.
    scale is one number, [dim] along the axis, or one for each run of `group` elements of it; zero looks like
    scale. requantize: a, sums of products, is multiplied by scale instead. dtype q4_0, q8_0 or mxfp4: blocks
    of 32 along the last axis that hold their scale, and no other operand."""
    if dtype in BLOCKS:
        return _run(lib.TN_OP_QUANTIZE, ("tn_axis", {}), [(lib.TN_ARG_A, a)], (), numerics,
                    Tensor.empty(a.device, a.shape, dtype))
    role = lib.TN_ARG_SCALE_OF + (lib.TN_ARG_A if requantize else lib.TN_ARG_OUT)
    args = [(lib.TN_ARG_A, a), (role, scale)]
    if zero is not None:
        args.append((lib.TN_ARG_ZERO_OF + lib.TN_ARG_OUT, zero))
    out = Tensor.empty(a.device, a.shape, dtype or (zero.dtype if zero is not None else "s8"))
    return _run(lib.TN_OP_QUANTIZE, ("tn_axis", {"axis": axis, "param": group}), args, (), numerics, out,
                flags=lib.TN_NUMERICS_SATURATE if saturate else 0)


def dequantize(a, scale=None, zero=None, dtype="f32", axis=0, group=0, numerics=None):
    """(a - zero) * scale as a float; scale and zero as in quantize; blocks hold their scale."""
    if a.dtype in BLOCKS:
        return _run(lib.TN_OP_DEQUANTIZE, ("tn_axis", {}), [(lib.TN_ARG_A, a)], (), numerics,
                    Tensor.empty(a.device, a.shape, dtype))
    args = [(lib.TN_ARG_A, a), (lib.TN_ARG_SCALE_OF + lib.TN_ARG_A, scale)]
    if zero is not None:
        args.append((lib.TN_ARG_ZERO_OF + lib.TN_ARG_A, zero))
    return _run(lib.TN_OP_DEQUANTIZE, ("tn_axis", {"axis": axis, "param": group}), args, (), numerics,
                Tensor.empty(a.device, a.shape, dtype))


def rope(a, positions, freq, interleaved=False, rotary_dims=0, numerics=None):
    """Rotary embedding of a [.., tokens, d] by positions (s32), which broadcast to a without its last dim, and
    freq, f32 [rotary_dims / 2]; pairs are (i, i + rotary_dims / 2), or neighbours if interleaved; 0 is d."""
    fields = {"interleaved": int(interleaved), "rotary_dims": rotary_dims}
    args = [(lib.TN_ARG_A, a), (lib.TN_ARG_INDEX, positions), (lib.TN_ARG_FREQ, freq)]
    return _run(lib.TN_OP_ROPE, ("tn_rope", fields), args, (), numerics)


def copy(a, out=None):
    """A contiguous copy, or one into out."""
    return _copy(a, out if out is not None else Tensor.empty(a.device, a.shape, a.dtype))


def cast(a, dtype, saturate=False):
    """a converted to another dtype, rounded to nearest even. saturate: 8-bit floats above the range become
    the largest value instead of infinity or NaN."""
    _known(dtype)
    return _copy(a, Tensor.empty(a.device, a.shape, dtype), lib.TN_NUMERICS_SATURATE if saturate else 0)


def _known(dtype):
    if dtype not in DTYPES:
        raise Error("invalid", "op.dtype", "dtype", f"no dtype {dtype!r}: {', '.join(DTYPES)}")


def _copy(a, out, flags=0):
    return _run(lib.TN_OP_COPY, (None, {}), [(lib.TN_ARG_A, a)], (), None, out, flags=flags)

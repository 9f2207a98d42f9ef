/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of the ops on images: pool and resize. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <math.h>

#include "hal/op.h"

static const int64_t MOST = INT64_C(1) << 48; /* elements along a dim */

static int64_t or_one(int32_t n)
{
    return n == 0 ? 1 : n;
}

static void like(tn_tensor *out, const tn_tensor *a)
{
    memset(out, 0, sizeof *out);
    out->rank = a->rank;
    out->dtype = a->dtype;
    memcpy(out->dim, a->dim, a->rank * sizeof a->dim[0]);
}

static tn_status same_dtype(const tn_tensor *o, const tn_tensor *a, const char *reason)
{
    if (o == NULL || o->dtype == a->dtype)
        return TN_OK;
    return tn__fail(TN_STATUS_INVALID, reason, "out",
                    "out is %s and a is %s; they have to be equal",
                    tn_dtype_name((tn_dtype)o->dtype), tn_dtype_name((tn_dtype)a->dtype));
}

bool tn__pool_out_dim(const tn_pool *t, uint32_t d, int64_t in, int64_t *out)
{
    int64_t window = t->window[d] == 0 ? in : t->window[d], stride = or_one(t->stride[d]), span;
    if (in > MOST || window < 1 ||
        __builtin_mul_overflow(window - 1, or_one(t->dilation[d]), &span) || span > MOST)
        return false;
    int64_t room = in + t->pad_lo[d] + t->pad_hi[d] - span - 1;
    if (room < 0)
        return false;
    *out = room / stride + 1;
    if (t->ceil != 0 && room % stride != 0 && *out * stride < in + t->pad_lo[d])
        ++*out;
    return true;
}

static tn_status pool_attr(const tn_pool *t)
{
    if (t->pass != TN_PASS_FORWARD)
        return tn__fail(TN_STATUS_UNSUPPORTED, "pool.pass", "attr.pass",
                        "attr.pass is %u; only forward (0) is built", t->pass);
    if (t->kind > TN_POOL_AVERAGE)
        return tn__fail(TN_STATUS_INVALID, "pool.kind", "attr.kind",
                        "attr.kind is %u; max 0 and average 1 exist", t->kind);
    if (t->dims < 1 || t->dims > 3)
        return tn__fail(TN_STATUS_INVALID, "pool.dims", "attr.dims",
                        "attr.dims is %u; 1 to 3 spatial dims are allowed", t->dims);
    if (t->ceil > 1)
        return tn__fail(TN_STATUS_INVALID, "pool.ceil", "attr.ceil",
                        "attr.ceil is %u; 0 and 1 are allowed", t->ceil);
    uint32_t known = TN_POOL_CHANNELS_LAST;
    if (t->kind == TN_POOL_AVERAGE)
        known |= TN_POOL_COUNT_PADDING;
    if ((t->flags & ~known) != 0)
        return tn__fail(TN_STATUS_INVALID, "pool.flags", "attr.flags",
                        "attr.flags is 0x%x; TN_POOL_CHANNELS_LAST and, of an average, "
                        "COUNT_PADDING (0x%x) are allowed",
                        t->flags, known);
    const struct {
        const char *name, *reason;
        const int32_t *of;
    } fields[] = {{"attr.window", "pool.window", t->window},
                  {"attr.stride", "pool.stride", t->stride},
                  {"attr.dilation", "pool.dilation", t->dilation},
                  {"attr.pad_lo", "pool.pad", t->pad_lo},
                  {"attr.pad_hi", "pool.pad", t->pad_hi}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; ++i)
        for (uint32_t d = 0; d < 3; ++d)
            if (fields[i].of[d] < 0 || (d >= t->dims && fields[i].of[d] != 0))
                return tn__fail(TN_STATUS_INVALID, fields[i].reason, fields[i].name,
                                "%s[%u] is %d; 0 and above are allowed, and past the %u dims 0",
                                fields[i].name, d, fields[i].of[d], t->dims);
    return TN_OK;
}

tn_status tn__op_pool(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_pool *t = &v->attr.pool;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *o = tn__op_tensor(v, TN_ARG_OUT);
    (void)role;
    tn_status st = pool_attr(t);
    if (st != TN_OK)
        return st;
    if (a->rank != t->dims + 2)
        return tn__fail(
            TN_STATUS_INVALID, "pool.rank", "a",
            "a has rank %u; with attr.dims %u it has to have %u: batch, channels, space", a->rank,
            t->dims, t->dims + 2);
    if (!tn__dtype_float(a->dtype) &&
        (t->kind != TN_POOL_MAX || (a->dtype != TN_S8 && a->dtype != TN_U8)))
        return tn__fail(TN_STATUS_INVALID, "pool.dtype", "a",
                        "a is %s; a float is needed, or s8 or u8 of a maximum",
                        tn_dtype_name((tn_dtype)a->dtype));
    st = same_dtype(o, a, "pool.dtype");
    if (st != TN_OK)
        return st;
    like(out, a);
    uint32_t space = (t->flags & TN_POOL_CHANNELS_LAST) != 0 ? 1 : 2;
    uint64_t padded = 1;
    for (uint32_t d = 0; d < t->dims; ++d) {
        uint64_t of_dim = (uint64_t)t->pad_lo[d] + (uint64_t)t->pad_hi[d];
        if (a->dim[space + d] > MOST ||
            !tn__mul_u64(padded, (uint64_t)a->dim[space + d] + of_dim, &padded) ||
            padded > (uint64_t)MOST)
            return tn__fail(TN_STATUS_INVALID, "pool.pad", "attr.pad_lo",
                            "attr.pad_lo[%u] is %d and attr.pad_hi[%u] %d around %lld elements of "
                            "a; space with its padding may hold at most 2^48 elements",
                            d, t->pad_lo[d], d, t->pad_hi[d], (long long)a->dim[space + d]);
    }
    for (uint32_t d = 0; d < t->dims; ++d)
        if (!tn__pool_out_dim(t, d, a->dim[space + d], &out->dim[space + d]))
            return tn__fail(TN_STATUS_INVALID, "pool.window", "attr.window",
                            "attr.window[%u] is %d with dilation %d, which does not fit %lld "
                            "elements of a with padding %d and %d; an output element or more is "
                            "needed, and at most 2^48",
                            d, t->window[d], t->dilation[d], (long long)a->dim[space + d],
                            t->pad_lo[d], t->pad_hi[d]);
    return tn__op_expect(v, TN_ARG_OUT, out, "batch, channels and the positions of the window");
}

bool tn__resize_out_dim(float scale, int64_t in, int64_t *out)
{
    *out = in;
    if (scale == 0.0f)
        return true;
    float dim = floorf((float)in * scale); /* in f32, as the models' exporters count */
    if (!(scale > 0.0f) || !isfinite(scale) || dim > (float)MOST)
        return false;
    *out = (int64_t)dim;
    return true;
}

static tn_status resize_attr(const tn_window *t, uint32_t rank)
{
    if (t->kind > TN_RESIZE_CUBIC)
        return tn__fail(TN_STATUS_INVALID, "resize.kind", "attr.kind",
                        "attr.kind is %u; nearest 0, linear 1 and cubic 2 exist", t->kind);
    uint32_t rounds = t->kind == TN_RESIZE_NEAREST ? (uint32_t)TN_RESIZE_CEIL : 0;
    if ((t->mode & ~rounds) > TN_RESIZE_PYTORCH_HALF_PIXEL)
        return tn__fail(TN_STATUS_INVALID, "resize.mode", "attr.mode",
                        "attr.mode is 0x%x; a coordinate of 0 to 3 is allowed, and with nearest a "
                        "rounding of 0x0, 0x10, 0x20, 0x30",
                        t->mode);
    if (!isfinite(t->value) ||
        (t->kind != TN_RESIZE_CUBIC && (t->value != 0.0f || signbit(t->value))))
        return tn__fail(TN_STATUS_INVALID, "resize.value", "attr.value",
                        "attr.value is %g; the finite coefficient of cubic is allowed, and 0 of "
                        "the other kinds",
                        (double)t->value);
    for (uint32_t d = 0; d < TN_MAX_RANK; ++d) {
        if (t->lo[d] != 0 || t->hi[d] != 0)
            return tn__fail(TN_STATUS_INVALID, "resize.lo", t->lo[d] != 0 ? "attr.lo" : "attr.hi",
                            "attr.lo[%u] is %lld and attr.hi[%u] %lld; they are of pad, resize "
                            "takes 0",
                            d, (long long)t->lo[d], d, (long long)t->hi[d]);
        if (!isfinite(t->scale[d]) || t->scale[d] < 0.0f || (d >= rank && t->scale[d] != 0.0f))
            return tn__fail(TN_STATUS_INVALID, "resize.scale", "attr.scale",
                            "attr.scale[%u] is %g; finite and above 0 is allowed, or 0 for out / "
                            "in, and past rank %u 0",
                            d, (double)t->scale[d], rank);
    }
    return TN_OK;
}

tn_status tn__op_resize(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_window *t = &v->attr.window;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *o = tn__op_tensor(v, TN_ARG_OUT);
    (void)role;
    tn_status st = resize_attr(t, a->rank);
    if (st != TN_OK)
        return st;
    if (t->kind != TN_RESIZE_NEAREST && !tn__dtype_float(a->dtype))
        return tn__fail(TN_STATUS_INVALID, "resize.dtype", "a",
                        "a is %s; linear and cubic need a float, only nearest takes all",
                        tn_dtype_name((tn_dtype)a->dtype));
    st = same_dtype(o, a, "resize.dtype");
    if (st != TN_OK)
        return st;
    like(out, a);
    for (uint32_t d = 0; d < a->rank; ++d) {
        if (!tn__resize_out_dim(t->scale[d], a->dim[d], &out->dim[d]))
            return tn__fail(TN_STATUS_INVALID, "resize.scale", "attr.scale",
                            "attr.scale[%u] is %g over a dim of %lld; it may make at most 2^48", d,
                            (double)t->scale[d], (long long)a->dim[d]);
        if (t->scale[d] == 0.0f && o != NULL && o->rank == a->rank)
            out->dim[d] = o->dim[d];
        if (a->dim[d] == 0 && out->dim[d] != 0)
            return tn__fail(TN_STATUS_INVALID, "resize.empty", "out",
                            "out has %lld elements along dim %u and a none; there is nothing to "
                            "make them of",
                            (long long)out->dim[d], d);
    }
    return tn__op_expect(v, TN_ARG_OUT, out,
                         "the dims of a times attr.scale, free where that is 0");
}

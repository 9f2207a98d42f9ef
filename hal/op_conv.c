/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of convolution, forward and transposed, in one to three dims. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/op.h"

static int64_t or_one(int32_t n)
{
    return n == 0 ? 1 : n;
}

bool tn__conv_out_dim(const tn_conv *t, uint32_t d, int64_t in, int64_t kernel, int64_t *out)
{
    const int64_t most = INT64_C(1) << 48;
    int64_t span, stride = or_one(t->stride[d]);
    if (kernel < 1 || in < 0 || in > most ||
        __builtin_mul_overflow(kernel - 1, or_one(t->dilation[d]), &span) || span > most)
        return false;
    if ((t->flags & TN_CONV_TRANSPOSED) != 0) {
        int64_t steps;
        if (in == 0 || __builtin_mul_overflow(in - 1, stride, &steps) || steps > most)
            return false;
        *out = steps + span + 1 + t->out_pad[d] - t->pad_lo[d] - t->pad_hi[d];
        return *out >= 0;
    }
    int64_t room = in + t->pad_lo[d] + t->pad_hi[d] - span - 1;
    *out = room < 0 ? 0 : room / stride + 1;
    return room >= 0;
}

tn_status tn__conv_check_attr(const tn_conv *t)
{
    if (t->dims < 1 || t->dims > 3)
        return tn__fail(TN_STATUS_INVALID, "conv.dims", "attr.dims",
                        "attr.dims is %u; 1 to 3 spatial dims are allowed", t->dims);
    if ((t->flags & ~(uint32_t)(TN_CONV_TRANSPOSED | TN_CONV_CHANNELS_LAST)) != 0)
        return tn__fail(TN_STATUS_INVALID, "conv.flags", "attr.flags",
                        "attr.flags is 0x%x; only TN_CONV_TRANSPOSED and CHANNELS_LAST (0x3) are "
                        "allowed",
                        t->flags);
    for (uint32_t d = 0; d < 3; ++d) {
        bool there = d < t->dims, turned = (t->flags & TN_CONV_TRANSPOSED) != 0;
        int64_t step = or_one(t->stride[d]), apart = or_one(t->dilation[d]);
        int64_t most = turned ? (step > apart ? step : apart) - 1 : 0;
        if (t->stride[d] < 0 || (!there && t->stride[d] > 1))
            return tn__fail(TN_STATUS_INVALID, "conv.stride", "attr.stride",
                            "attr.stride[%u] is %d; 1 and above are allowed, or 0 for 1, and past "
                            "the %u dims 0 or 1",
                            d, t->stride[d], t->dims);
        if (t->dilation[d] < 0 || (!there && t->dilation[d] > 1))
            return tn__fail(TN_STATUS_INVALID, "conv.dilation", "attr.dilation",
                            "attr.dilation[%u] is %d; 1 and above are allowed, or 0 for 1, and "
                            "past the %u dims 0 or 1",
                            d, t->dilation[d], t->dims);
        bool low = t->pad_lo[d] < 0 || (!there && t->pad_lo[d] != 0);
        if (low || t->pad_hi[d] < 0 || (!there && t->pad_hi[d] != 0))
            return tn__fail(TN_STATUS_INVALID, "conv.pad", low ? "attr.pad_lo" : "attr.pad_hi",
                            "attr.pad_lo[%u] is %d and attr.pad_hi[%u] %d; 0 and above are "
                            "allowed, and past the %u dims 0",
                            d, t->pad_lo[d], d, t->pad_hi[d], t->dims);
        if (t->out_pad[d] < 0 || (there ? t->out_pad[d] > most : t->out_pad[d] != 0))
            return tn__fail(TN_STATUS_INVALID, "conv.out_pad", "attr.out_pad",
                            "attr.out_pad[%u] is %d; 0 to %lld is allowed here: below stride or "
                            "dilation of a transposed conv",
                            d, t->out_pad[d], there ? (long long)most : 0LL);
    }
    return TN_OK;
}

tn_status tn__conv_check_operand(const tn_conv *t, const tn_tensor *x, const char *name)
{
    if (x->rank != t->dims + 2)
        return tn__fail(TN_STATUS_INVALID, "conv.rank", name,
                        "%s has rank %u; with attr.dims %u it has to have %u (a: batch, channels "
                        "and space; b: filters, channels and kernel)",
                        name, x->rank, t->dims, t->dims + 2);
    if (!tn__dtype_float(x->dtype) && !tn__dtype_integer(x->dtype))
        return tn__fail(TN_STATUS_INVALID, "conv.dtype", name,
                        "%s is %s; a float or an integer is needed", name,
                        tn_dtype_name((tn_dtype)x->dtype));
    return TN_OK;
}

tn_status tn__op_conv(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_conv *t = &v->attr.conv;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *b = tn__op_tensor(v, TN_ARG_B);
    const tn_tensor *o = tn__op_tensor(v, TN_ARG_OUT);
    (void)role;
    tn_status st = tn__conv_check_attr(t);
    if (st == TN_OK)
        st = tn__conv_check_operand(t, a, "a");
    if (st == TN_OK)
        st = tn__conv_check_operand(t, b, "b");
    if (st != TN_OK)
        return st;
    if (tn__dtype_float(a->dtype) != tn__dtype_float(b->dtype) ||
        (o != NULL &&
         (o->dtype == TN_BOOL || tn__dtype_float(o->dtype) != tn__dtype_float(a->dtype))))
        return tn__fail(TN_STATUS_INVALID, "conv.dtype",
                        tn__dtype_float(a->dtype) != tn__dtype_float(b->dtype) ? "b" : "out",
                        "b is %s, a is %s and out %s; all floats or all integers are allowed",
                        tn_dtype_name((tn_dtype)b->dtype), tn_dtype_name((tn_dtype)a->dtype),
                        o != NULL ? tn_dtype_name((tn_dtype)o->dtype) : "not given");
    bool last = (t->flags & TN_CONV_CHANNELS_LAST) != 0;
    bool turned = (t->flags & TN_CONV_TRANSPOSED) != 0;
    uint32_t space = last ? 1 : 2, channel = last ? t->dims + 1 : 1;
    int64_t groups = t->groups == 0 ? 1 : (int64_t)t->groups;
    int64_t channels = a->dim[channel], filters = b->dim[0], per = b->dim[channel];
    if (channels % groups != 0 || filters % groups != 0)
        return tn__fail(TN_STATUS_INVALID, "conv.groups", "attr.groups",
                        "attr.groups is %lld, of %lld channels of a and %lld filters of b; a "
                        "divisor of both is needed",
                        (long long)groups, (long long)channels, (long long)filters);
    if (turned ? filters != channels : per != channels / groups)
        return tn__fail(TN_STATUS_INVALID, "conv.channels", "b",
                        "b has %lld filters of %lld channels, a %lld channels in %lld groups; %s",
                        (long long)filters, (long long)per, (long long)channels, (long long)groups,
                        turned ? "transposed, b needs as many filters as a has channels"
                               : "b needs the channels of one group");
    memset(out, 0, sizeof *out);
    out->rank = a->rank;
    out->dtype = a->dtype == b->dtype && tn__dtype_float(a->dtype) ? a->dtype
                 : tn__dtype_float(a->dtype)                       ? (uint16_t)TN_F32
                                                                   : (uint16_t)TN_S32;
    out->dim[0] = a->dim[0];
    out->dim[channel] = filters;
    if (turned && __builtin_mul_overflow(per, groups, &out->dim[channel]))
        return tn__fail(TN_STATUS_INVALID, "conv.channels", "b",
                        "b has %lld channels in %lld groups, more than fit 64 bits", (long long)per,
                        (long long)groups);
    for (uint32_t d = 0; d < t->dims; ++d)
        if (!tn__conv_out_dim(t, d, a->dim[space + d], b->dim[space + d], &out->dim[space + d]))
            return tn__fail(TN_STATUS_INVALID, "conv.window", "b",
                            "b has a kernel of %lld along spatial dim %u, which does not fit %lld "
                            "elements of a with padding %d and %d; an output element or more is "
                            "needed, and at most 2^48",
                            (long long)b->dim[space + d], d, (long long)a->dim[space + d],
                            t->pad_lo[d], t->pad_hi[d]);
    return tn__op_expect(v, TN_ARG_OUT, out, "batch, filters and the positions of the window");
}

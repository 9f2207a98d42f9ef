/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of 32 numbers with their scale (docs/LAYOUTS.md): the bytes that quantizing has to write.
 */
#include <conformance/oracle/oracle.h>

#include <string.h>

int64_t tn_v_block_bytes(const tn_tensor *t)
{
    return t->layout == TN_LAYOUT_Q4_0    ? 18
           : t->layout == TN_LAYOUT_Q8_0  ? 34
           : t->layout == TN_LAYOUT_MXFP4 ? 17
                                          : 0;
}

tn_tensor tn_v_stored(const tn_tensor *t)
{
    tn_tensor s = *t;
    int64_t bytes = tn_v_block_bytes(t);
    if (bytes == 0 || t->rank == 0)
        return s;
    s.layout = TN_LAYOUT_STRIDED;
    s.dtype = TN_U8;
    s.dim[s.rank - 1] = t->dim[t->rank - 1] / 32 * bytes;
    for (uint32_t d = 0; d + 1 < s.rank; ++d)
        s.stride[d] = t->stride[d] / 32 * bytes;
    return s;
}

/* The number of f4e2m1 that is nearest to |x|, the one with an even significand of two. */
static int nearest_four(double x)
{
    static const double value[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    int best = 0;
    for (int i = 1; i < 8; ++i) {
        double now = fabs(fabs(x) - value[i]), before = fabs(fabs(x) - value[best]);
        if (now < before || (now == before && i % 2 == 0))
            best = i;
    }
    return best;
}

/* Numbers of one block, each in a byte; the scale's bytes go to `scale`. */
static void numbers(uint64_t layout, const double *x, unsigned char *scale, unsigned char *number)
{
    double most = 0, first = 0, low = layout == TN_LAYOUT_Q8_0 ? -128 : -8;
    bool finite = true;
    memset(number, 0, 32);
    for (int k = 0; k < 32; ++k) {
        finite = finite && isfinite(x[k]);
        if (fabs(x[k]) > most) {
            most = fabs(x[k]);
            first = x[k];
        }
    }
    if (layout == TN_LAYOUT_MXFP4) {
        int s = most < 0x1p-126 ? 0 : ilogb(most) + 127 - 2;
        s = s < 0 ? 0 : s;
        scale[0] = finite ? (unsigned char)s : 255;
        for (int k = 0; finite && k < 32; ++k)
            number[k] =
                (unsigned char)(nearest_four(ldexp(x[k], 127 - s)) | (signbit(x[k]) != 0) * 8);
        return;
    }
    float quotient = layout == TN_LAYOUT_Q8_0 ? (float)most / 127.0f : (float)first / -8.0f;
    double d = tn_v_rounded(TN_F16, (double)quotient, TN_V_NEAREST_EVEN, true);
    tn_v_encode(TN_F16, finite ? d : NAN, TN_V_NEAREST_EVEN, true, scale);
    scale[0] = finite ? scale[0] : 0;
    scale[1] = finite ? scale[1] : 0x7e;
    for (int k = 0; k < 32; ++k) {
        double q = finite && d != 0 ? nearbyint((double)((float)x[k] / (float)d)) : 0;
        q = q < low ? low : q > -low - 1 ? -low - 1 : q;
        number[k] = (unsigned char)(int)(layout == TN_LAYOUT_Q8_0 ? q : q + 8);
    }
}

bool tn_v_quantize_blocks(const tn_v_call *c, tn_v_truth *out)
{
    tn_v_view a = tn_v_view_of(c, TN_ARG_A);
    const tn_tensor *t = &tn_v_arg(c->op, TN_ARG_OUT)->tensor;
    int64_t bytes = tn_v_block_bytes(t), i[TN_MAX_RANK];
    if (a.t == NULL || bytes == 0 || t->rank == 0 || c->op->arg_count != 2)
        return false;
    int head = t->layout == TN_LAYOUT_MXFP4 ? 1 : 2;
    out->single = true;
    for (int64_t b = 0; b * bytes < out->count; ++b) {
        double x[32];
        unsigned char scale[2], number[32];
        for (int k = 0; k < 32; ++k) {
            tn_v_unravel(t->dim, t->rank, b * 32 + k, i);
            x[k] = tn_v_load(&a, tn_v_broadcast(a.t, i, t->rank));
        }
        numbers(t->layout, x, scale, number);
        for (int k = 0; k < bytes; ++k)
            out->ref[b * bytes + k] = k < head ? scale[k]
                                      : t->layout == TN_LAYOUT_Q8_0
                                          ? number[k - head]
                                          : number[k - head] | number[k - head + 16] << 4;
    }
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* pool: every row against the plain one, and that one against float64. */
#include "support/k_rows.h"
#include <float.h>
#include <kernels/common/dtype_convert.h>
#include <kernels/pool/pool.h>
#include <math.h>

extern const tn_k_op tn_k_op_pool;

static const uint16_t dtypes[] = {TN_F32, TN_BF16, TN_F16, TN_S8, TN_U8};

static int64_t below(uint64_t *state, int64_t n)
{
    return (int64_t)(tn_test_random(state) % (uint64_t)n);
}

/* Half an ulp of a narrow result: its last bit relative, or its smallest step. */
static double rounding(uint32_t dtype, double x)
{
    if (dtype == TN_F32)
        return fabs(x) * (double)FLT_EPSILON / 2 + (double)FLT_TRUE_MIN;
    return dtype == TN_BF16 ? fabs(x) * 0x1p-8 + 0x1p-133 : fabs(x) * 0x1p-11 + 0x1p-25;
}

/* An average has taps - 1 sums at most, recip and a product: gamma(taps + 2) of the sizes. */
static void check(const tn_k_pool *p, const void *a, const void *out)
{
    int64_t space = p->size[0] * p->size[1] * p->size[2], total = p->n * p->channels * space;
    double *want = malloc((size_t)total * sizeof *want),
           *size = malloc((size_t)total * sizeof *size);
    TN_REQUIRE(want != NULL && size != NULL);
    tn_k_pool_ref(p, a, want);
    for (int64_t r = 0; r < total; r++) {
        int64_t n = r / space / p->channels, c = r / space % p->channels, s = r % space;
        int64_t o[3] = {s / p->size[2] / p->size[1], s / p->size[2] % p->size[1], s % p->size[2]};
        tn_c_value v = tn_c_load(p->dtype, out,
                                 n * p->out_n + c * p->out_c + o[0] * p->out_s[0] +
                                     o[1] * p->out_s[1] + o[2] * p->out_s[2]);
        double got = v.integer ? (double)v.i : v.f, bound = 0;
        if (p->kind == TN_POOL_AVERAGE) { /* inputs are below 4 */
            double k = (double)tn_k_pool_taps(p) + 2, u = (double)FLT_EPSILON / 2;
            bound = k * u / (1 - k * u) * 4 + rounding(p->dtype, want[r] * (1 + 0x1p-10));
        }
        bool same = isnan(want[r]) ? isnan(got) : got == want[r] || fabs(got - want[r]) <= bound;
        TN_EXPECT(same, "%a %a bound %a of output %" PRId64, got, want[r], bound, r);
    }
    free(want);
    free(size);
}

static void fill(uint64_t *state, uint32_t dtype, bool special, unsigned char *block)
{
    for (size_t i = 0; i < TN_T_BYTES; i++)
        block[i] = (unsigned char)tn_test_random(state);
    size_t each = tn_k_elem_bytes(dtype);
    for (size_t i = 0; each > 1 && i < TN_T_BYTES / each; i++)
        tn_c_store(dtype, block, (int64_t)i,
                   (tn_c_value){false, 0, (double)tn_t_float(state, special ? 30 : 0)}, false);
}

static void round_of(uint64_t *state, bool special)
{
    tn_pool attr = {.head = TN_INIT(tn_pool)};
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor;
    bool last = below(state, 2) == 0, global = below(state, 6) == 0;
    attr.kind = (uint32_t)below(state, 2);
    attr.dims = 1 + (uint32_t)below(state, 3);
    attr.ceil = (uint32_t)below(state, 2);
    attr.flags = last ? TN_POOL_CHANNELS_LAST : 0;
    if (attr.kind == TN_POOL_AVERAGE && below(state, 2))
        attr.flags |= TN_POOL_COUNT_PADDING;
    uint32_t dims = attr.dims, space = last ? 1 : 2;
    a->rank = (uint16_t)(dims + 2);
    a->dtype = dtypes[below(state, attr.kind == TN_POOL_MAX ? 5 : 3)];
    a->dim[0] = 1 + below(state, 2);
    a->dim[last ? dims + 1 : 1] = 1 + below(state, last ? 40 : 4);
    *out = *a;
    for (uint32_t d = 0; d < dims; d++) {
        int64_t in = 1 + below(state, dims == 1 ? 300 : dims == 2 ? 30 : 9), span;
        a->dim[space + d] = in;
        attr.stride[d] = (int32_t)below(state, 4);
        attr.dilation[d] = global ? 0 : (int32_t)below(state, 3);
        attr.pad_lo[d] = global ? 0 : (int32_t)below(state, 4);
        attr.pad_hi[d] = global ? 0 : (int32_t)below(state, 4);
        attr.window[d] = global ? 0 : 1 + (int32_t)below(state, dims == 1 ? 90 : 5);
        for (;; attr.window[d]--) {
            int64_t window = attr.window[d] == 0 ? in : attr.window[d];
            span = (window - 1) * (attr.dilation[d] == 0 ? 1 : attr.dilation[d]) + 1;
            if (in + attr.pad_lo[d] + attr.pad_hi[d] >= span)
                break;
        }
        int64_t stride = attr.stride[d] == 0 ? 1 : attr.stride[d];
        int64_t room = in + attr.pad_lo[d] + attr.pad_hi[d] - span;
        out->dim[space + d] = room / stride + 1;
        if (attr.ceil && room % stride != 0 && (room / stride + 1) * stride < in + attr.pad_lo[d])
            out->dim[space + d]++;
    }
    tn_t_strides(state, a, below(state, 3) == 0);
    tn_t_strides(state, out, below(state, 3) == 0);
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_POOL, .arg_count = 2, .attr = &attr, .args = args};
    unsigned char *block[2] = {tn_t_block(), tn_t_block()};
    fill(state, a->dtype, special, block[0]);
    tn_k_pool p;
    tn_t_rows(&tn_k_op_pool, &op, block, 1, a->dtype == TN_F32, &p);
    if (!special || attr.kind == TN_POOL_MAX)
        check(&p, block[0] + TN_T_MIDDLE, block[1] + TN_T_MIDDLE);
    free(block[0]);
    free(block[1]);
}

TN_TEST(k_pool, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 600; i++)
        round_of(&state, i % 3 == 2);
}

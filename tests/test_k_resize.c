/* SPDX-License-Identifier: Apache-2.0 */
/* resize: every row against the plain one, and that one against float64 or a direct look-up. */
#include "support/k_rows.h"
#include <float.h>
#include <kernels/common/dtype_convert.h>
#include <kernels/resize/resize.h>

extern const tn_k_op tn_k_op_resize;

static int64_t below(uint64_t *state, int64_t n)
{
    return (int64_t)(tn_test_random(state) % (uint64_t)n);
}

/* A dot of n taps with weights of half an ulp: gamma(n + 1), one axis after the other, and the
 * output's own rounding. */
static double bound_of(const tn_k_resize *p, double magnitude, double want)
{
    double k = 0, u = (double)FLT_EPSILON / 2;
    for (uint32_t d = 0; d < p->rank; d++)
        k += tn_k_resize_kept(p, d) ? 0 : (p->kind == TN_RESIZE_CUBIC ? 4 : 2) + 1;
    double sum = k * u / (1 - k * u) * magnitude + (double)FLT_TRUE_MIN;
    if (p->dtype == TN_F32)
        return sum;
    double last = p->dtype == TN_BF16 ? 0x1p-8 : 0x1p-11;
    return sum + last * (fabs(want) + sum) + (p->dtype == TN_BF16 ? 0x1p-133 : 0x1p-25);
}

static void check(const tn_k_resize *p, const unsigned char *a, const unsigned char *out)
{
    int64_t count = 1, bytes = tn_k_elem_bytes(p->dtype);
    for (uint32_t d = 0; d < p->rank; d++)
        count *= p->out[d];
    double *want = malloc((size_t)count * 2 * sizeof *want), *magnitude = want + count;
    TN_REQUIRE(want != NULL);
    if (p->kind != TN_RESIZE_NEAREST)
        tn_k_resize_ref(p, a, want, magnitude);
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i, to = 0, from = 0;
        for (uint32_t d = p->rank; d-- > 0; rest /= p->out[d]) {
            int64_t o = rest % p->out[d];
            to += o * p->out_s[d];
            from += (tn_k_resize_kept(p, d) ? o : tn_k_resize_nearest(p, d, o)) * p->a_s[d];
        }
        if (p->kind == TN_RESIZE_NEAREST) {
            TN_EXPECT(memcmp(out + to * bytes, a + from * bytes, (size_t)bytes) == 0,
                      "element %" PRId64, i);
            continue;
        }
        double got = tn_c_load(p->dtype, out, to).f, bound = bound_of(p, magnitude[i], want[i]);
        TN_EXPECT(fabs(got - want[i]) <= bound, "%a %a bound %a of element %" PRId64, got, want[i],
                  bound, i);
    }
    free(want);
}

static void round_of(uint64_t *state, uint32_t kind, bool special)
{
    static const uint16_t floats[] = {TN_F32, TN_BF16, TN_F16};
    static const uint16_t moved[] = {TN_F32, TN_BF16, TN_S64, TN_U8, TN_BOOL};
    tn_window attr = {.head = TN_INIT(tn_window), .kind = kind};
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor;
    attr.mode = (uint32_t)below(state, 4);
    if (kind == TN_RESIZE_NEAREST)
        attr.mode |= (uint32_t)below(state, 4) * TN_RESIZE_ROUND_PREFER_CEIL;
    if (kind == TN_RESIZE_CUBIC && below(state, 2))
        attr.value = -0.5f;
    a->dtype = kind == TN_RESIZE_NEAREST ? moved[below(state, 5)] : floats[below(state, 3)];
    a->rank = (uint16_t)(1 + below(state, 4));
    *out = *a;
    uint32_t first = (uint32_t)below(state, a->rank), changes = 1 + (uint32_t)below(state, 3);
    for (uint32_t d = 0; d < a->rank; d++) {
        a->dim[d] = 1 + below(state, a->rank > 3 ? 9 : 24);
        out->dim[d] = a->dim[d];
        if (d < first || d >= first + changes)
            continue;
        out->dim[d] = 1 + below(state, 2 * a->dim[d] + 8);
        if (below(state, 2)) {
            attr.scale[d] = (float)(1 + below(state, 40)) / 16;
            out->dim[d] = (int64_t)floor((double)a->dim[d] * (double)attr.scale[d]);
            if (out->dim[d] == 0) {
                attr.scale[d] = 1.5f;
                out->dim[d] = a->dim[d] * 3 / 2;
            }
        }
    }
    tn_t_strides(state, a, below(state, 3) == 0);
    tn_t_strides(state, out, below(state, 3) == 0);
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_RESIZE, .arg_count = 2, .attr = &attr, .args = args};
    unsigned char *block[2] = {tn_t_block(), tn_t_block()};
    for (size_t i = 0; i < TN_T_BYTES; i++)
        block[0][i] = (unsigned char)tn_test_random(state);
    size_t each = tn_k_elem_bytes(a->dtype);
    for (size_t i = 0; kind != TN_RESIZE_NEAREST && i < TN_T_BYTES / each; i++)
        tn_c_store(a->dtype, block[0], (int64_t)i,
                   (tn_c_value){false, 0, (double)tn_t_float(state, special ? 30 : 0)}, false);
    tn_k_resize p;
    tn_t_rows(&tn_k_op_resize, &op, block, 1, a->dtype == TN_F32, &p);
    if (!special)
        check(&p, block[0] + TN_T_MIDDLE, block[1] + TN_T_MIDDLE);
    free(block[0]);
    free(block[1]);
}

TN_TEST(k_resize, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (uint32_t i = 0; i < 450; i++)
        round_of(&state, i % 3, i / 3 % 3 == 2);
}

/* Places and weights that ONNX's own examples have. */
TN_TEST(k_resize, known_places)
{
    tn_k_resize p = {.kind = TN_RESIZE_LINEAR, .rank = 1, .in = {4}, .out = {8}};
    int64_t at[4];
    float w[4];
    TN_EXPECT(tn_k_resize_place(&p, 0, 0) == -0.25 && tn_k_resize_place(&p, 0, 3) == 1.25);
    TN_EXPECT(tn_k_resize_taps(&p, 0, 0, at, w) == 2 && at[0] == 0 && w[0] == 1.0f && w[1] == 0.0f);
    (void)tn_k_resize_taps(&p, 0, 3, at, w);
    TN_EXPECT(at[0] == 1 && at[1] == 2 && w[0] == 0.75f && w[1] == 0.25f);
    p.mode = TN_RESIZE_ALIGN_CORNERS;
    TN_EXPECT(tn_k_resize_place(&p, 0, 7) == 3.0);
    p.mode = TN_RESIZE_ASYMMETRIC | TN_RESIZE_FLOOR;
    TN_EXPECT(tn_k_resize_nearest(&p, 0, 5) == 2);
    /* by thirds: no place may fall short of its integer */
    p.in[0] = 9000, p.out[0] = 3000;
    for (int64_t o = 0; o < 3000; o++)
        TN_EXPECT(tn_k_resize_nearest(&p, 0, o) == 3 * o);
    p = (tn_k_resize){.kind = TN_RESIZE_CUBIC, .value = -0.75, .rank = 1, .in = {4}, .out = {8}};
    (void)tn_k_resize_taps(&p, 0, 1, at, w); /* 0.25 */
    TN_EXPECT(at[0] == 0 && at[1] == 0 && at[2] == 1 && at[3] == 2);
    TN_EXPECT(w[0] == -0.10546875f && w[1] == 0.87890625f && w[2] == 0.26171875f &&
              w[3] == -0.03515625f);
}

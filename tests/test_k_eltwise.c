/* SPDX-License-Identifier: Apache-2.0 */
/* eltwise: every row against the plain one, and that one against float64. */
#include "support/k_narrow.h"
#include <float.h>
#include <kernels/eltwise/eltwise_math.h>
#include <math.h>

extern const tn_k_op tn_k_op_eltwise;

static const uint32_t kinds_of_s32[] = {TN_ELTWISE_ADD,  TN_ELTWISE_SUB,        TN_ELTWISE_MUL,
                                        TN_ELTWISE_MAX,  TN_ELTWISE_MIN,        TN_ELTWISE_EQUAL,
                                        TN_ELTWISE_LESS, TN_ELTWISE_LESS_EQUAL, TN_ELTWISE_WHERE};

/* Declared ulp of a kind: docs/NUMERICS.md B2; 0.5 for one correctly rounded operation. */
static double declared(uint32_t kind)
{
    switch (kind) {
    case TN_ELTWISE_EXP:
        return 1.0115;
    case TN_ELTWISE_EXP2:
        return 0.878;
    case TN_ELTWISE_LOG:
        return 0.826;
    case TN_ELTWISE_TANH:
        return 1.421;
    case TN_ELTWISE_SIGMOID:
        return 2.820;
    case TN_ELTWISE_SILU:
        return 3.279;
    case TN_ELTWISE_GELU:
        return 6.062;
    case TN_ELTWISE_GELU_TANH:
        return 3.434;
    case TN_ELTWISE_ERF:
        return 1.216;
    case TN_ELTWISE_SIN:
        return 1.669;
    case TN_ELTWISE_COS:
        return 1.807;
    default:
        return 0.5;
    }
}

static void check(const tn_k_eltwise_params *p, void *const *block)
{
    int64_t count = tn_k_grid_count(&p->grid);
    for (int64_t i = 0; i < count; i++) {
        double x[3] = {0};
        for (uint32_t o = 0; o < p->inputs; o++) {
            int64_t at = tn_k_grid_offset(&p->grid, o, i);
            x[o] = o == 0 && p->kind == TN_ELTWISE_WHERE ? (double)((const uint8_t *)block[o])[at]
                                                         : (double)((const float *)block[o])[at];
        }
        int64_t at = tn_k_grid_offset(&p->grid, p->inputs, i);
        double got = tn_k_eltwise_is_compare(p->kind)
                         ? (double)((const uint8_t *)block[p->inputs])[at]
                         : (double)((const float *)block[p->inputs])[at];
        double want = tn_k_eltwise_ref(p->kind, x[0], x[1], x[2], (double)p->a, (double)p->b);
        if (isnan(want) || isinf(want)) {
            TN_EXPECT(isnan(want) ? isnan(got) : want == got, "kind %u %a %a", p->kind, got, want);
            continue;
        }
        int exponent = want == 0 ? -126 : (int)fmax(logb(want), -126);
        double bound = declared(p->kind) * ldexp(1, exponent - 23);
        TN_EXPECT(fabs(got - want) <= bound * (1 + 0x1p-10), "kind %u x %a %a got %a want %a",
                  p->kind, x[0], x[1], got, want);
    }
}

static void round_of(uint64_t *state, uint32_t kind, uint32_t dtype, bool special, bool in_place)
{
    static const uint32_t roles[3] = {TN_ARG_A, TN_ARG_B, TN_ARG_C};
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = kind, .a = -1.5f, .b = 2.25f};
    uint32_t inputs = kind < TN_ELTWISE_ADD ? 1 : kind < TN_ELTWISE_FMA ? 2 : 3;
    tn_arg args[4];
    memset(args, 0, sizeof args);
    tn_tensor *out = &args[inputs].tensor;
    args[inputs].role = TN_ARG_OUT;
    out->dtype = (uint16_t)(tn_k_eltwise_is_compare(kind) ? TN_BOOL : dtype);
    out->rank = (uint16_t)(tn_test_random(state) % 5);
    for (uint32_t d = 0; d < out->rank; d++)
        out->dim[d] = 1 + (int64_t)(tn_test_random(state) % 7);
    if (out->rank > 0)
        out->dim[out->rank - 1] += (int64_t)(tn_test_random(state) % (out->rank == 1 ? 6000 : 60));
    tn_t_strides(state, out, !in_place && tn_test_random(state) % 3 == 0);
    for (uint32_t i = 0; i < inputs; i++) {
        args[i].role = roles[i];
        tn_tensor *t = &args[i].tensor;
        *t = *out;
        t->dtype = (uint16_t)(kind == TN_ELTWISE_WHERE && i == 0 ? TN_BOOL : dtype);
        if (in_place)
            continue;
        uint32_t drop = inputs == 1 ? 0 : (uint32_t)(tn_test_random(state) % (out->rank + 1u));
        t->rank = (uint16_t)(out->rank - drop);
        for (uint32_t d = 0; d < t->rank; d++)
            t->dim[d] = inputs > 1 && tn_test_random(state) % 4 == 0 ? 1 : out->dim[d + drop];
        tn_t_strides(state, t, tn_test_random(state) % 3 == 0);
    }
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_ELTWISE,
                .arg_count = inputs + 1,
                .attr = &attr,
                .args = args};
    unsigned char *block[4];
    for (uint32_t k = 0; k <= inputs; k++) {
        block[k] = tn_t_block();
        for (size_t i = 0; i < TN_T_BYTES / 4; i++) {
            if (dtype == TN_F32)
                ((float *)(void *)block[k])[i] = tn_t_float(state, special ? 5 : 0);
            else
                ((uint32_t *)(void *)block[k])[i] = (uint32_t)(tn_test_random(state) >> 20);
        }
    }
    if (kind == TN_ELTWISE_WHERE)
        for (size_t i = 0; i < TN_T_BYTES; i++)
            block[0][i] = tn_test_random(state) % 2;
    tn_k_eltwise_params p;
    tn_t_rows(&tn_k_op_eltwise, &op, block, inputs, dtype == TN_F32 && out->dtype == TN_F32, &p);
    if (dtype == TN_F32 && kind != TN_ELTWISE_WHERE && !in_place)
        TN_EXPECT(tn_t_narrow_rows(&tn_k_op_eltwise, &op, inputs, true, state, special ? 5 : 0) >=
                      2,
                  "kind %u has no second row of f16 and bf16", kind);
    void *middle[4];
    for (uint32_t k = 0; k <= inputs; k++)
        middle[k] = block[k] + TN_T_MIDDLE;
    if (dtype == TN_F32 && !special)
        check(&p, middle);
    if (in_place && out->dtype == dtype && kind != TN_ELTWISE_WHERE)
        for (uint32_t v = 0; v < tn_k_op_eltwise.variant_count; v++) {
            const tn_k_variant *row = tn_k_op_eltwise.variants[v];
            tn_k_caps caps = {.isa = tn_t_isa(), .workers = 2};
            if ((row->isa & caps.isa) != row->isa || row->cls == TN_CLASS_FAST ||
                !row->accepts(&p, &caps, NULL))
                continue;
            unsigned char *copy = malloc(TN_T_BYTES);
            TN_REQUIRE(copy != NULL);
            memcpy(copy, block[0], TN_T_BYTES);
            void *operand[4] = {copy + TN_T_MIDDLE, middle[1], middle[2], NULL};
            operand[inputs] = operand[0];
            tn_t_run(row, &p, &caps, operand, false);
            int64_t n = tn_k_grid_count(&p.grid);
            memset(copy, 0xa5, TN_T_MIDDLE);
            memset(copy + TN_T_MIDDLE + n * 4, 0xa5, (size_t)(TN_T_BYTES - TN_T_MIDDLE - n * 4));
            TN_EXPECT(tn_t_same(copy, block[inputs], true), "in place %s kind %u", row->name, kind);
            free(copy);
        }
    for (uint32_t k = 0; k <= inputs; k++)
        free(block[k]);
}

TN_TEST(k_eltwise, f32_rows_agree)
{
    uint64_t state = tn_test_seed();
    for (uint32_t kind = TN_ELTWISE_NEG; kind <= TN_ELTWISE_WHERE; kind++) {
        if ((kind > TN_ELTWISE_CLAMP && kind < TN_ELTWISE_ADD) ||
            (kind > TN_ELTWISE_LESS_EQUAL && kind < TN_ELTWISE_FMA))
            continue;
        for (int i = 0; i < 6; i++)
            round_of(&state, kind, TN_F32, i % 2 == 1, i >= 4);
    }
}

TN_TEST(k_eltwise, s32_rows_agree)
{
    uint64_t state = tn_test_seed() + 1;
    for (size_t k = 0; k < sizeof kinds_of_s32 / sizeof kinds_of_s32[0]; k++)
        for (int i = 0; i < 6; i++)
            round_of(&state, kinds_of_s32[k], TN_S32, false, i >= 4);
}

/* Of a unary kind on `count` contiguous elements. */
static tn_k_eltwise_params unary(uint32_t kind, uint16_t dtype, int64_t count, float a, float b)
{
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = kind, .a = a, .b = b};
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    args[0].tensor = (tn_tensor){.dtype = dtype, .rank = 1, .dim = {count}, .stride = {1}};
    args[1].tensor = args[0].tensor;
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_ELTWISE, .arg_count = 2, .attr = &attr, .args = args};
    tn_k_eltwise_params p;
    tn_k_why why = {"none", "none", "none"};
    TN_REQUIRE(tn_k_op_eltwise.params(&op, &p, &why), "%s", why.text);
    return p;
}

/* All 2^16 inputs of every unary kind of f16 and bf16 on every row: the scalar form of the exact
 * f32, rounded once. */
TN_TEST(k_eltwise, every_input_of_16_bits)
{
    enum { ALL = 1 << 16 };
    static const float A = -1.5f, B = 2.25f;
    static const uint16_t types[2] = {TN_F16, TN_BF16};
    uint16_t *in = malloc(ALL * 2), *want = malloc(ALL * 2), *got = malloc(ALL * 2);
    uint32_t compared = 0;
    TN_REQUIRE(in != NULL && want != NULL && got != NULL);
    for (uint32_t i = 0; i < ALL; i++)
        in[i] = (uint16_t)i;
    for (uint32_t kind = TN_ELTWISE_NEG; kind <= TN_ELTWISE_CLAMP; kind++)
        for (int t = 0; t < 2; t++) {
            tn_k_eltwise_params p = unary(kind, types[t], ALL, A, B);
            for (uint32_t i = 0; i < ALL; i++)
                tn_t_put(
                    types[t], want, i,
                    tn_k_eltwise_f32(kind, (float)tn_c_load(types[t], in, i).f, 0.0f, 0.0f, A, B));
            for (uint32_t v = 0; v < tn_k_op_eltwise.variant_count; v++) {
                const tn_k_variant *row = tn_k_op_eltwise.variants[v];
                tn_k_caps caps = {.isa = tn_t_isa(), .workers = 2};
                if ((row->isa & caps.isa) != row->isa || row->cls == TN_CLASS_FAST ||
                    !row->accepts(&p, &caps, NULL))
                    continue;
                void *operand[2] = {in, got};
                uint32_t wrong = 0;
                memset(got, 0xa5, ALL * 2);
                tn_t_run(row, &p, &caps, operand, false);
                for (uint32_t i = 0; i < ALL; i++) {
                    double x = tn_c_load(types[t], got, i).f, y = tn_c_load(types[t], want, i).f;
                    wrong += got[i] != want[i] && (x == x || y == y);
                }
                TN_EXPECT(wrong == 0, "%s kind %u: %u of 65536 inputs of %s", row->name, kind,
                          wrong, t == 0 ? "f16" : "bf16");
                compared++;
            }
        }
    TN_EXPECT(compared >= 2 * TN_ELTWISE_CLAMP, "only %u runs", compared);
    free(in);
    free(want);
    free(got);
}

/* Inputs of every exponent and sign, ascending, so that rows meet blocks of near and far arguments
 * and, by those that are strewn among them, of both: the bits of the scalar form. */
TN_TEST(k_eltwise, functions_keep_their_bits_everywhere)
{
    enum { ALL = 1 << 18 };
    uint64_t state = tn_test_seed() + 3;
    float *in = malloc(ALL * 4), *got = malloc(ALL * 4);
    uint32_t compared = 0;
    TN_REQUIRE(in != NULL && got != NULL);
    /* Runs of 64 neighbours are of a kind, so that rows meet blocks of one as well as mixed ones.
     */
    for (uint32_t i = 0; i < ALL; i++)
        in[i] = tn_c_float(i << 14 | (uint32_t)(tn_test_random(&state) & 0x3fff));
    for (uint32_t i = 0; i < ALL; i += 97)
        in[i] = tn_t_float(&state, 2);
    for (uint32_t kind = TN_ELTWISE_RECIP; kind <= TN_ELTWISE_COS; kind++) {
        tn_k_eltwise_params p = unary(kind, TN_F32, ALL - 5, 0.0f, 0.0f);
        for (uint32_t v = 0; v < tn_k_op_eltwise.variant_count; v++) {
            const tn_k_variant *row = tn_k_op_eltwise.variants[v];
            tn_k_caps caps = {.isa = tn_t_isa(), .workers = 2};
            if (row->cls != TN_CLASS_CANONICAL || (row->isa & caps.isa) != row->isa ||
                !row->accepts(&p, &caps, NULL))
                continue;
            void *operand[2] = {in, got};
            uint32_t wrong = 0;
            memset(got, 0xa5, ALL * 4);
            tn_t_run(row, &p, &caps, operand, false);
            for (uint32_t i = 0; i < ALL - 5; i++) {
                float y = tn_k_eltwise_f32(kind, in[i], 0.0f, 0.0f, 0.0f, 0.0f);
                wrong += tn_c_bits(got[i]) != tn_c_bits(y) && (got[i] == got[i] || y == y);
            }
            TN_EXPECT(wrong == 0, "%s kind %u: %u inputs", row->name, kind, wrong);
            compared++;
        }
    }
    TN_EXPECT(compared > TN_ELTWISE_COS - TN_ELTWISE_RECIP, "only %u runs", compared);
    free(in);
    free(got);
}

/* Rows of class FAST within the error that they declare, which is one of their own; NaNs, zeros and
 * infinities as in the other classes. Returns how many rows there were. */
static uint32_t fast_rows(uint32_t kind, const float *in, float *got, uint32_t count)
{
    tn_k_eltwise_params p = unary(kind, TN_F32, count, 0.0f, 0.0f);
    uint32_t compared = 0;
    for (uint32_t v = 0; v < tn_k_op_eltwise.variant_count; v++) {
        const tn_k_variant *row = tn_k_op_eltwise.variants[v];
        tn_k_caps caps = {.isa = tn_t_isa(), .workers = 2};
        if (row->cls != TN_CLASS_FAST || (row->isa & caps.isa) != row->isa ||
            !row->accepts(&p, &caps, NULL))
            continue;
        tn_arithmetic own = {.head = TN_INIT(tn_arithmetic)};
        row->arithmetic(&p, &own);
        void *operand[2] = {(void *)(uintptr_t)in, got};
        memset(got, 0xa5, count * sizeof *got);
        tn_t_run(row, &p, &caps, operand, true);
        for (uint32_t i = 0; i < count; i++) {
            double x = (double)in[i], want = tn_k_eltwise_ref(kind, x, 0, 0, 0, 0);
            if (isinf(x) && kind == TN_ELTWISE_GELU)
                want = x > 0 ? x : 0;
            int exponent = want == 0 ? -126 : (int)fmax(logb(want), -126);
            double bound = (double)own.exp_ulp * ldexp(1, exponent - 23);
            bool good = isnan(want)
                            ? isnan(got[i])
                            : (double)got[i] == want || fabs((double)got[i] - want) <= bound;
            TN_EXPECT(good, "%s x %a got %a want %a", row->name, x, (double)got[i], want);
            TN_EXPECT(kind != TN_ELTWISE_TANH || isnan(x) || fabsf(got[i]) <= 1.0f, "%a at %a",
                      (double)got[i], x);
        }
        TN_EXPECT(!signbit(got[0]) && signbit(got[2]) && signbit(got[4]), "%s zeros", row->name);
        TN_EXPECT(kind != TN_ELTWISE_TANH || (got[4] == -1.0f && got[6] == 1.0f), "%s", row->name);
        compared++;
    }
    return compared;
}

TN_TEST(k_eltwise, fast_rows_keep_their_error)
{
    enum { ALL = 1 << 18 };
    static const uint32_t kinds[] = {TN_ELTWISE_GELU, TN_ELTWISE_TANH};
    uint64_t state = tn_test_seed() + 4;
    float *in = malloc(ALL * 4), *got = malloc(ALL * 4);
    TN_REQUIRE(in != NULL && got != NULL);
    for (uint32_t i = 0; i < ALL; i++)
        in[i] = i % 2 == 0 ? tn_c_float(i << 14 | (uint32_t)(tn_test_random(&state) & 0x3fff))
                           : tn_t_float(&state, 9);
    in[0] = 0.0f, in[2] = -0.0f, in[4] = -INFINITY, in[6] = INFINITY, in[8] = NAN;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        TN_EXPECT(fast_rows(kinds[k], in, got, ALL - 5) > 0 || (tn_t_isa() & TN_K_ISA_AVX2) == 0,
                  "no row of class FAST of kind %u", kinds[k]);
    free(in);
    free(got);
}

TN_TEST(k_eltwise, refuses_what_it_lacks)
{
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = TN_ELTWISE_EXP};
    tn_arg args[2] = {{.role = TN_ARG_A, .tensor = {.dtype = TN_S32}},
                      {.role = TN_ARG_OUT, .tensor = {.dtype = TN_S32}}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_ELTWISE, .arg_count = 2, .attr = &attr, .args = args};
    tn_k_eltwise_params p;
    tn_k_why why;
    TN_REQUIRE(!tn_k_op_eltwise.params(&op, &p, &why));
    TN_EXPECT(strcmp(why.reason, "eltwise.dtype") == 0);
}

/* where of every size of element, against a direct look-up. */
TN_TEST(k_eltwise, where_moves_any_type)
{
    static const uint16_t types[] = {TN_BOOL, TN_U8,  TN_F8E5M2, TN_BF16, TN_F16,
                                     TN_S32,  TN_F32, TN_S64,    TN_F64};
    uint64_t state = tn_test_seed() + 2;
    for (int round = 0; round < 45; round++) {
        tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = TN_ELTWISE_WHERE};
        tn_arg args[4] = {
            {.role = TN_ARG_A}, {.role = TN_ARG_B}, {.role = TN_ARG_C}, {.role = TN_ARG_OUT}};
        tn_tensor *out = &args[3].tensor;
        out->dtype = types[round % 9];
        out->rank = (uint16_t)(tn_test_random(&state) % 4);
        for (uint32_t d = 0; d < out->rank; d++)
            out->dim[d] = 1 + (int64_t)(tn_test_random(&state) % 40);
        tn_t_strides(&state, out, tn_test_random(&state) % 2);
        for (int i = 0; i < 3; i++) {
            tn_tensor *t = &args[i].tensor;
            *t = *out;
            t->dtype = i == 0 ? (uint16_t)TN_BOOL : out->dtype;
            for (uint32_t d = 0; d < t->rank; d++)
                t->dim[d] = tn_test_random(&state) % 4 == 0 ? 1 : t->dim[d];
            tn_t_strides(&state, t, tn_test_random(&state) % 2);
        }
        tn_op op = {.head = TN_INIT(tn_op),
                    .kind = TN_OP_ELTWISE,
                    .arg_count = 4,
                    .attr = &attr,
                    .args = args,
                    .numerics = {.cls = TN_CLASS_EXACT}};
        unsigned char *block[4];
        for (int k = 0; k < 4; k++) {
            block[k] = tn_t_block();
            for (size_t i = 0; i < TN_T_BYTES; i++)
                block[k][i] = (unsigned char)(tn_test_random(&state) % (k == 0 ? 2 : 256));
        }
        tn_k_eltwise_params p;
        tn_t_rows(&tn_k_op_eltwise, &op, block, 3, false, &p);
        int64_t total = 1, bytes = tn_k_elem_bytes(out->dtype);
        for (uint32_t d = 0; d < out->rank; d++)
            total *= out->dim[d];
        for (int64_t i = 0; i < total; i++) {
            int64_t rest = i, at[4] = {0};
            for (uint32_t d = out->rank; d-- > 0; rest /= out->dim[d])
                for (int k = 0; k < 4; k++)
                    if (args[k].tensor.dim[d] != 1)
                        at[k] += rest % out->dim[d] * args[k].tensor.stride[d];
            int from = block[0][TN_T_MIDDLE + at[0]] != 0 ? 1 : 2;
            TN_EXPECT(memcmp(block[3] + TN_T_MIDDLE + at[3] * bytes,
                             block[from] + TN_T_MIDDLE + at[from] * bytes, (size_t)bytes) == 0,
                      "dtype %u element %" PRId64, out->dtype, i);
        }
        for (int k = 0; k < 4; k++)
            free(block[k]);
    }
}

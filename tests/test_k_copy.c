/* SPDX-License-Identifier: Apache-2.0 */
/* copy: every row against the plain one; casts against hardware conversions and known values. */
#include "support/k_rows.h"
#include <kernels/common/dtype_convert.h>
#include <kernels/copy/copy.h>
#include <math.h>

extern const tn_k_op tn_k_op_copy;
static const uint16_t types[] = {TN_F32,  TN_F64, TN_TF32, TN_F16, TN_BF16, TN_F8E4M3, TN_F8E5M2,
                                 TN_E8M0, TN_S64, TN_S32,  TN_S8,  TN_U8,   TN_BOOL};

static void round_of(uint64_t *state, uint16_t from, uint16_t to)
{
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor;
    a->dtype = from;
    a->rank = (uint16_t)(tn_test_random(state) % 5);
    for (uint32_t d = 0; d < a->rank; d++)
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % (a->rank > 2 ? 9 : 60));
    *out = *a;
    out->dtype = to;
    tn_t_strides(state, a, tn_test_random(state) % 2);
    tn_t_strides(state, out, tn_test_random(state) % 2);
    if (a->rank >= 2 && tn_test_random(state) % 2) { /* a plain transpose */
        tn_t_strides(state, out, false);
        tn_t_strides(state, a, false);
        a->stride[a->rank - 2] = 1;
        a->stride[a->rank - 1] = a->dim[a->rank - 2];
    }
    tn_op op = {.head = TN_INIT(tn_op), .kind = TN_OP_COPY, .arg_count = 2, .args = args};
    unsigned char *block[2] = {tn_t_block(), tn_t_block()};
    for (size_t i = 0; i < TN_T_BYTES / 8; i++) {
        uint64_t r = tn_test_random(state);
        ((uint64_t *)(void *)block[0])[i] = r;
    }
    if (from == TN_F32)
        for (size_t i = 0; i < TN_T_BYTES / 4; i++)
            ((float *)(void *)block[0])[i] = tn_t_float(state, 4);
    tn_k_copy_params p;
    tn_t_rows(&tn_k_op_copy, &op, block, 1, to == TN_F32, &p);
    if (from == to) /* against a look-up by the tensors' own strides */
        for (int64_t i = 0; i < tn_k_grid_count(&p.grid); i++) {
            int64_t rest = i, x = 0, y = 0, bytes = p.elem_bytes;
            for (uint32_t d = a->rank; d-- > 0; rest /= a->dim[d]) {
                x += rest % a->dim[d] * a->stride[d];
                y += rest % a->dim[d] * out->stride[d];
            }
            TN_EXPECT(memcmp(block[0] + TN_T_MIDDLE + x * bytes, block[1] + TN_T_MIDDLE + y * bytes,
                             (size_t)bytes) == 0);
        }
    free(block[0]);
    free(block[1]);
}

TN_TEST(k_copy, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (size_t f = 0; f < sizeof types / sizeof types[0]; f++)
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
            for (int i = 0; i < (f == t ? 12 : 3); i++)
                round_of(&state, types[f], types[t]);
}

static uint32_t to_bits(uint32_t dtype, tn_c_value v)
{
    uint64_t out = 0;
    tn_c_store(dtype, &out, 0, v, false);
    return (uint32_t)out;
}

static uint32_t to_bits_saturated(uint32_t dtype, double x)
{
    uint64_t out = 0;
    tn_c_store(dtype, &out, 0, (tn_c_value){false, 0, x}, true);
    return (uint32_t)out;
}

static tn_c_value from_bits(uint32_t dtype, uint64_t bits)
{
    return tn_c_load(dtype, &bits, 0);
}

TN_TEST(k_copy, casts_round_once)
{
    static const struct {
        double x;
        uint32_t f16, bf16;
    } row[] = {{65519.0, 0x7bff, 0x4780},
               {65520.0, 0x7c00, 0x4780},
               {-0.0, 0x8000, 0x8000},
               {0x1p-24, 0x0001, 0x3380},
               {0x1p-25, 0x0000, 0x3300},
               {0x1.000002p-25, 0x0001, 0x3300},
               {0x1.ffcp-15, 0x0400, 0x3880},
               {1.0 + 0x1p-11, 0x3c00, 0x3f80},
               {1.0 + 0x1p-11 + 0x1p-40, 0x3c01, 0x3f80},
               {1.0 + 0x1p-8 + 0x1p-50, 0x3c04, 0x3f81},
               {0x1.ffp127, 0x7c00, 0x7f80},
               {-INFINITY, 0xfc00, 0xff80}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        tn_c_value v = {false, 0, row[i].x};
        TN_EXPECT(to_bits(TN_F16, v) == row[i].f16, "%a %x", v.f, to_bits(TN_F16, v));
        TN_EXPECT(to_bits(TN_BF16, v) == row[i].bf16, "%a %x", v.f, to_bits(TN_BF16, v));
    }
    for (uint32_t h = 0; h < 0x10000;
         h++) { /* every f16 and bf16 survives the way to f64 and back */
        tn_c_value f = {false, 0, tn_c_f16_widen((uint16_t)h)};
        tn_c_value b = {false, 0, tn_c_bf16_widen((uint16_t)h)};
        TN_EXPECT(to_bits(TN_F16, f) == (isnan(f.f) ? 0x7e00 : h));
        TN_EXPECT(to_bits(TN_BF16, b) == (isnan(b.f) ? 0x7fc0 : h));
    }
    tn_c_value big = {true, ((int64_t)1 << 62) + ((int64_t)1 << 54) + 1, 0};
    TN_EXPECT(to_bits(TN_BF16, big) == 0x5e81, "a tie broken by the last bit of an s64");
    TN_EXPECT(to_bits(TN_S8, (tn_c_value){false, 0, 200.9}) == 127);
    TN_EXPECT((uint8_t)to_bits(TN_S8, (tn_c_value){false, 0, -200.9}) == 0x80);
    TN_EXPECT(to_bits(TN_U8, (tn_c_value){false, 0, -0.9}) == 0);
    TN_EXPECT(to_bits(TN_S32, (tn_c_value){false, 0, NAN}) == 0);
    TN_EXPECT(to_bits(TN_S32, (tn_c_value){false, 0, 1e30}) == 0x7fffffff);
    TN_EXPECT(to_bits(TN_S32, (tn_c_value){true, ((int64_t)1 << 32) + 5, 0}) == 5);
    TN_EXPECT(to_bits(TN_BOOL, (tn_c_value){false, 0, NAN}) == 1);
}

/* The value of an f16 or bf16, as its definition has it. */
static double half_value(uint32_t dtype, uint32_t h)
{
    int mantissa_bits = dtype == TN_F16 ? 10 : 7, bias = dtype == TN_F16 ? 15 : 127;
    uint32_t m = h & ((1u << mantissa_bits) - 1), e = (h & 0x7fffu) >> mantissa_bits;
    double x = ldexp(e == 0 ? (double)m : (double)(m + (1u << mantissa_bits)),
                     (e == 0 ? 1 : (int)e) - bias - mantissa_bits);
    if (e == 2u * (uint32_t)bias + 1)
        x = m != 0 ? (double)NAN : (double)INFINITY;
    return h & 0x8000u ? -x : x;
}

/* By way of an f32 alone as by way of a double: each value of the 16 bits, what lies half way to
 * the next one, and the floats beside both; then all 8-bit values. */
TN_TEST(k_copy, narrow_without_doubles)
{
    static const int mantissa_bits[3] = {10, 7, 2}, exponent_bits[3] = {5, 8, 5};
    for (uint32_t i = 0; i < 1u << 19; i++)
        for (int32_t away = -1; away <= 1; away++) {
            uint32_t bits = (i << 13) + (uint32_t)away; /* half of the last place of an f16 */
            float x = tn_c_float(bits);
            for (int t = 0; t < 3; t++)
                TN_EXPECT(tn_c_narrow_f32(x, mantissa_bits[t], exponent_bits[t]) ==
                              tn_c_narrow((double)x, mantissa_bits[t], exponent_bits[t]),
                          "0x%08x to %d bits of mantissa", bits, mantissa_bits[t]);
        }
    for (uint32_t i = 0; i < 1u << 24; i += 3) { /* what becomes subnormal */
        float x = tn_c_float(0x32000000u + i * 9u);
        TN_EXPECT(tn_c_narrow_f32(x, 10, 5) == tn_c_narrow((double)x, 10, 5), "%a", (double)x);
    }
    for (uint32_t i = 0; i < 1u << 16; i++) {
        float x = tn_c_f16_float((uint16_t)i);
        TN_EXPECT(x == half_value(TN_F16, i) ||
                  (x != x && half_value(TN_F16, i) != half_value(TN_F16, i)));
    }
}

/* All 2^16 inputs of every cast from f16 and bf16, on every row. */
TN_TEST(k_copy, every_cast_of_16_bits)
{
    enum { ALL = 1 << 16 };
    static const uint16_t from[2] = {TN_F16, TN_BF16};
    uint16_t *in = malloc(ALL * 2);
    unsigned char *got = malloc(ALL * 8), *want = malloc(ALL * 8);
    uint32_t compared = 0;
    TN_REQUIRE(in != NULL && got != NULL && want != NULL);
    for (uint32_t i = 0; i < ALL; i++)
        in[i] = (uint16_t)i;
    for (size_t c = 0; c < 2 * sizeof types / sizeof types[0]; c++) {
        uint16_t a = from[c % 2], b = types[c / 2];
        tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
        args[0].tensor = (tn_tensor){.dtype = a, .rank = 1, .dim = {ALL}, .stride = {1}};
        args[1].tensor = (tn_tensor){.dtype = b, .rank = 1, .dim = {ALL}, .stride = {1}};
        tn_op op = {.head = TN_INIT(tn_op), .kind = TN_OP_COPY, .arg_count = 2, .args = args};
        tn_k_copy_params p;
        tn_k_why why = {"none", "none", "none"};
        if (a == b)
            continue;
        TN_REQUIRE(tn_k_op_copy.params(&op, &p, &why), "%s", why.text);
        for (uint32_t i = 0; i < ALL; i++)
            tn_c_store(b, want, i, (tn_c_value){false, 0, half_value(a, i)}, false);
        for (uint32_t v = 0; v < tn_k_op_copy.variant_count; v++) {
            const tn_k_variant *row = tn_k_op_copy.variants[v];
            tn_k_caps caps = {.isa = tn_t_isa(), .workers = 2};
            if ((row->isa & caps.isa) != row->isa || !row->accepts(&p, &caps, &why))
                continue;
            void *operand[2] = {in, got};
            uint32_t wrong = 0;
            memset(got, 0xa5, ALL * 8);
            tn_t_run(row, &p, &caps, operand, false);
            for (uint32_t i = 0; i < ALL; i++) {
                tn_c_value x = tn_c_load(b, got, i), y = tn_c_load(b, want, i);
                wrong += x.integer ? x.i != y.i
                                   : (x.f != y.f || !signbit(x.f) != !signbit(y.f)) &&
                                         (x.f == x.f || y.f == y.f);
            }
            TN_EXPECT(wrong == 0, "%s: %u of 65536 inputs of %s to dtype %u", row->name, wrong,
                      a == TN_F16 ? "f16" : "bf16", b);
            compared++;
        }
    }
    TN_EXPECT(compared >= 24, "only %u runs", compared);
    free(in);
    free(got);
    free(want);
}

/* Every value of an 8-bit float, as its definition has it. */
static double f8_value(uint32_t dtype, uint32_t b)
{
    bool e4m3 = dtype == TN_F8E4M3;
    int mantissa_bits = e4m3 ? 3 : 2, bias = e4m3 ? 7 : 15;
    uint32_t m = b & ((1u << mantissa_bits) - 1), e = (b & 0x7fu) >> mantissa_bits;
    double x = ldexp(e == 0 ? (double)m : (double)(m + (1u << mantissa_bits)),
                     (e == 0 ? 1 : (int)e) - bias - mantissa_bits);
    if (e4m3 ? (b & 0x7fu) == 0x7f : e == 31 && m != 0)
        return NAN;
    if (!e4m3 && e == 31)
        x = INFINITY;
    return b & 0x80u ? -x : x;
}

/* The nearest of all finite values, the one with the even last bit between two; 0 to 0x7f. */
static uint32_t f8_nearest(uint32_t dtype, double x)
{
    uint32_t most = dtype == TN_F8E4M3 ? 0x7e : 0x7b, best = 0;
    double above = ldexp(1.0, dtype == TN_F8E4M3 ? 5 : 13); /* the step at the top */
    for (uint32_t b = 1; b <= most; b++) {
        double near = fabs(x - f8_value(dtype, best)), here = fabs(x - f8_value(dtype, b));
        if (here < near || (here == near && (b & 1u) == 0))
            best = b;
    }
    double over = x - f8_value(dtype, most);
    bool beyond = over > above / 2 || (over == above / 2 && (most & 1u) != 0);
    return beyond ? (dtype == TN_F8E4M3 ? 0x7f : 0x7c) : best;
}

TN_TEST(k_copy, f8_is_the_nearest_even_value)
{
    static const uint16_t f8[] = {TN_F8E4M3, TN_F8E5M2};
    uint64_t state = tn_test_seed();
    for (int t = 0; t < 2; t++) {
        uint32_t most = t == 0 ? 0x7e : 0x7b;
        for (uint32_t b = 0; b < 256; b++) {
            tn_c_value v = from_bits(f8[t], b);
            double want = f8_value(f8[t], b);
            TN_EXPECT(isnan(want) ? isnan(v.f) : v.f == want && signbit(v.f) == signbit(want));
            TN_EXPECT(to_bits(f8[t], v) == (isnan(want) ? (t == 0 ? 0x7fu : 0x7eu) : b), "%x", b);
        }
        for (int i = 0; i < 20000; i++) {
            uint64_t r = tn_test_random(&state);
            /* on, beside and between two neighbours, and beyond the last */
            double low = f8_value(f8[t], r % most), high = f8_value(f8[t], r % most + 1);
            double x = (r >> 8) % 4 == 0   ? (low + high) / 2
                       : (r >> 8) % 4 == 1 ? nextafter((low + high) / 2, r >> 10 & 1 ? 0 : 1e9)
                       : (r >> 8) % 4 == 2 ? low + (high - low) * (double)(r >> 11) * 0x1p-53
                                           : ldexp((double)(r >> 11) * 0x1p-53, 17);
            uint32_t want = f8_nearest(f8[t], x);
            for (int sign = 0; sign < 2; sign++) {
                tn_c_value v = {false, 0, sign ? -x : x};
                uint32_t got = to_bits(f8[t], v), plus = sign && want != 0x7f ? 0x80u : 0u;
                TN_EXPECT(got == (want | plus), "%a: %x not %x", v.f, got, want | plus);
                TN_EXPECT(to_bits_saturated(f8[t], v.f) ==
                              ((want > most ? most : want) | (sign ? 0x80u : 0u)),
                          "%a", v.f);
            }
        }
        /* half way past the last value: 448 is even, 57344 is not */
        double edge = t == 0 ? 464.0 : 61440.0;
        TN_EXPECT(to_bits(f8[t], (tn_c_value){false, 0, edge}) == (t == 0 ? 0x7eu : 0x7cu));
        TN_EXPECT(to_bits(f8[t], (tn_c_value){false, 0, nextafter(edge, 0)}) == most);
        TN_EXPECT(to_bits(f8[t], (tn_c_value){false, 0, nextafter(edge, 1e9)}) == most + 1);
        TN_EXPECT(to_bits_saturated(f8[t], INFINITY) == most);
        TN_EXPECT(to_bits_saturated(f8[t], -INFINITY) == (most | 0x80u));
        TN_EXPECT(to_bits_saturated(f8[t], NAN) == (t == 0 ? 0x7f : 0x7e));
        TN_EXPECT(to_bits(f8[t], (tn_c_value){true, -17, 0}) == (t == 0 ? 0xd8 : 0xcc), "-16");
    }
}

TN_TEST(k_copy, tf32_and_e8m0)
{
    static const struct {
        double x;
        uint32_t tf32, e8m0;
    } row[] = {{1.0, 0x3f800000, 127},
               {1.0 + 0x1p-11, 0x3f800000, 127},
               {1.0 + 0x1p-11 + 0x1p-52, 0x3f802000, 127},
               {1.9999, 0x40000000, 127},
               {0x1.ffcp127, 0x7f7fe000, 254},
               {0x1.ffep127, 0x7f800000, 254},
               {INFINITY, 0x7f800000, 254},
               {0x1p-127, 0x00400000, 0},
               {0x1p-200, 0, 0},
               {0.0, 0, 0},
               {3.0, 0x40400000, 128},
               {0x1.8p-127, 0x00600000, 0}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        tn_c_value v = {false, 0, row[i].x};
        TN_EXPECT(to_bits(TN_TF32, v) == row[i].tf32, "%a %x", v.f, to_bits(TN_TF32, v));
        TN_EXPECT(to_bits(TN_E8M0, v) == row[i].e8m0, "%a %x", v.f, to_bits(TN_E8M0, v));
    }
    TN_EXPECT(to_bits(TN_E8M0, (tn_c_value){false, 0, -1.0}) == 0xff);
    TN_EXPECT(to_bits(TN_E8M0, (tn_c_value){false, 0, NAN}) == 0xff);
    for (uint32_t b = 0; b < 256; b++) {
        tn_c_value v = from_bits(TN_E8M0, b);
        TN_EXPECT(b == 0xff ? isnan(v.f) : v.f == ldexp(1.0, (int)b - 127));
        TN_EXPECT(to_bits(TN_E8M0, v) == b);
    }
    TN_EXPECT(from_bits(TN_TF32, 0x3f801fff).f == 1.0, "the last 13 bits are no part of a tf32");
}

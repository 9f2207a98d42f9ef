/* SPDX-License-Identifier: Apache-2.0 */
/* copy: every row against the plain one; casts against hardware conversions and known values. */
#include "support/k_rows.h"
#include <kernels/common/dtype_convert.h>
#include <kernels/copy/copy.h>
#include <math.h>

extern const tn_k_op tn_k_op_copy;
static const uint16_t types[] = {TN_F32, TN_F64, TN_F16, TN_BF16, TN_S64,
                                 TN_S32, TN_S8,  TN_U8,  TN_BOOL};

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
    tn_c_store(dtype, &out, 0, v);
    return (uint32_t)out;
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

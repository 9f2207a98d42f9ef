/* SPDX-License-Identifier: Apache-2.0 */
/* scan: every row against the plain one, and that one against float64 and against integers. */
#include "support/k_rows.h"
#include <float.h>
#include <kernels/common/dtype_convert.h>
#include <kernels/scan/scan.h>
#include <math.h>

extern const tn_k_op tn_k_op_scan;

/* One rounding an addition: those of the segment, one for each earlier one, two at the end. */
static void check_floats(const tn_k_scan_params *p, unsigned char *const *block)
{
    const double u = FLT_EPSILON / 2;
    double to_u = p->to == TN_F32 ? 0 : p->to == TN_F16 ? 0x1p-11 : 0x1p-8;
    int64_t rows = tn_k_grid_count(&p->rows);
    double *want = malloc((size_t)(rows * p->extent + 1) * sizeof *want);
    TN_REQUIRE(want != NULL);
    tn_k_scan_ref(p, block[0] + TN_T_MIDDLE, want);
    for (int64_t r = 0; r < rows; r++) {
        int64_t from = tn_k_grid_offset(&p->rows, 0, r) + p->first[0];
        int64_t to = tn_k_grid_offset(&p->rows, 1, r) + p->first[1];
        double size = 0;
        for (int64_t i = 0; i < p->extent; i++) {
            size += fabs(tn_c_load(p->from, block[0] + TN_T_MIDDLE, from + i * p->step[0]).f);
            double got = tn_c_load(p->to, block[1] + TN_T_MIDDLE, to + i * p->step[1]).f;
            double n = (double)(i < 4096 ? i : 4096) + (double)(i / 4096) + 2;
            double e = n * u / (1 - n * u) * size, w = want[r * p->extent + i];
            double bound = e + to_u * (fabs(w) + e) + (p->to == TN_F16 ? 0x1p-25 : 0.0);
            TN_EXPECT(fabs(got - w) <= bound, "%a %a bound %a", got, w, bound);
        }
    }
    free(want);
}

/* By the tensors and the flags alone, not by what the op made of them. */
static void check_integers(const tn_tensor *a, const tn_tensor *out, uint32_t axis, uint32_t flags,
                           unsigned char *const *block)
{
    int64_t n = a->dim[axis], rows = 1;
    for (uint32_t d = 0; d < a->rank; d++)
        rows *= d == axis ? 1 : a->dim[d];
    for (int64_t r = 0; r < rows; r++) {
        int64_t rest = r, from = 0, to = 0;
        for (uint32_t d = a->rank; d-- > 0;) {
            if (d == axis)
                continue;
            from += rest % a->dim[d] * a->stride[d];
            to += rest % a->dim[d] * out->stride[d];
            rest /= a->dim[d];
        }
        uint64_t sum = 0;
        uint64_t mask = out->dtype == TN_S64 ? UINT64_MAX : out->dtype == TN_S32 ? UINT32_MAX : 255;
        for (int64_t k = 0; k < n; k++) {
            int64_t i = flags & TN_SCAN_REVERSE ? n - 1 - k : k;
            uint64_t x =
                (uint64_t)tn_c_load(a->dtype, block[0] + TN_T_MIDDLE, from + i * a->stride[axis]).i;
            uint64_t got =
                (uint64_t)tn_c_load(out->dtype, block[1] + TN_T_MIDDLE, to + i * out->stride[axis])
                    .i;
            uint64_t want = flags & TN_SCAN_EXCLUSIVE ? sum : sum + x;
            TN_EXPECT(((got ^ want) & mask) == 0, "row %" PRId64 " element %" PRId64, r, i);
            sum += x;
        }
    }
}

static void round_of(uint64_t *state, uint16_t from, uint16_t to, bool special)
{
    tn_axis attr = {.head = TN_INIT(tn_axis)};
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor;
    bool floats = tn_k_scan_float(from);
    a->dtype = from;
    a->rank = (uint16_t)(1 + tn_test_random(state) % 3);
    for (uint32_t d = 0; d < a->rank; d++)
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % 12);
    attr.axis = (int32_t)(tn_test_random(state) % (2u * a->rank)) - a->rank;
    attr.flags = (uint32_t)(tn_test_random(state) % 4);
    uint32_t axis = (uint32_t)(attr.axis < 0 ? attr.axis + a->rank : attr.axis);
    if (a->rank < 3)
        a->dim[axis] += (int64_t)(tn_test_random(state) % (a->rank == 1 ? 9000 : 4200));
    else if (axis == 0)
        a->dim[2] += 100; /* rows side by side, more than a block */
    *out = *a;
    out->dtype = to;
    tn_t_strides(state, a, tn_test_random(state) % 2);
    tn_t_strides(state, out, tn_test_random(state) % 2);
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_SCAN, .arg_count = 2, .attr = &attr, .args = args};
    unsigned char *block[2] = {tn_t_block(), tn_t_block()};
    for (int64_t i = 0; i < TN_T_BYTES / 8; i++) {
        uint64_t r = tn_test_random(state);
        if (floats)
            tn_c_store(from, block[0], i,
                       (tn_c_value){false, 0, (double)tn_t_float(state, special ? 60 : 0)}, false);
        else
            tn_c_store(from, block[0], i, (tn_c_value){true, (int64_t)r, 0}, false);
    }
    tn_k_scan_params p;
    tn_t_rows(&tn_k_op_scan, &op, block, 1, to == TN_F32, &p);
    if (floats && !special)
        check_floats(&p, block);
    else if (!floats)
        check_integers(a, out, axis, attr.flags, block);
    free(block[0]);
    free(block[1]);
}

TN_TEST(k_scan, rows_agree)
{
    static const uint16_t pair[][2] = {{TN_F16, TN_F16}, {TN_BF16, TN_F32}, {TN_F32, TN_BF16},
                                       {TN_S32, TN_S32}, {TN_S64, TN_S64},  {TN_S32, TN_S64},
                                       {TN_U8, TN_S32},  {TN_S8, TN_S8}};
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 60; i++)
        round_of(&state, TN_F32, TN_F32, i % 3 == 2);
    for (size_t k = 0; k < sizeof pair / sizeof pair[0]; k++)
        for (int i = 0; i < 6; i++)
            round_of(&state, pair[k][0], pair[k][1], false);
}

/* The order of the definition, in words of its own: segment sums first, then what stands before.
 * One long row, and rows side by side. */
static void segments(int columns, uint32_t flags)
{
    enum { N = 4096 * 2 + 77 };
    tn_axis attr = {.head = TN_INIT(tn_axis), .flags = flags};
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    args[0].tensor =
        (tn_tensor){.dtype = TN_F32, .rank = 2, .dim = {N, columns}, .stride = {columns, 1}};
    args[1].tensor = args[0].tensor;
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_SCAN, .arg_count = 2, .attr = &attr, .args = args};
    unsigned char *block[2] = {tn_t_block(), tn_t_block()};
    uint64_t state = tn_test_seed();
    float *x = (float *)(void *)(block[0] + TN_T_MIDDLE);
    for (int i = 0; i < N * columns; i++)
        x[i] = tn_t_float(&state, 0);
    tn_k_scan_params p;
    tn_t_rows(&tn_k_op_scan, &op, block, 1, true, &p);
    const float *y = (const float *)(void *)(block[1] + TN_T_MIDDLE);
    for (int j = 0; j < columns; j++) {
        float last[3] = {0};
        for (int i = 0; i < N; i++)
            last[i / 4096] = last[i / 4096] + x[i * columns + j];
        for (int s = 0; s < 3; s++) {
            float c = 0, before = s == 0 ? 0 : s == 1 ? last[0] : last[0] + last[1];
            for (int i = s * 4096; i < N && i < (s + 1) * 4096; i++) {
                float here = c;
                c = c + x[i * columns + j];
                float want = (flags & TN_SCAN_EXCLUSIVE ? here : c) + before;
                TN_EXPECT(y[i * columns + j] == want, "row %d element %d", j, i);
            }
        }
    }
    free(block[0]);
    free(block[1]);
}

TN_TEST(k_scan, segments_by_the_text)
{
    for (uint32_t flags = 0; flags <= TN_SCAN_EXCLUSIVE; flags++) {
        segments(1, flags);
        segments(9, flags);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Ops on f16 and bf16 against the same op on f32: inputs are widened exactly, the plain f32 row
 * computes, the result is rounded once, and every row that takes the narrow types has to give those
 * bits in a block of poison. */
#ifndef TN_TESTS_SUPPORT_K_NARROW_H
#define TN_TESTS_SUPPORT_K_NARROW_H

#include "k_rows.h"
#include <kernels/common/dtype_convert.h>
#include <math.h>

static inline void tn_t_put(uint32_t dtype, void *to, int64_t at, float x)
{
    tn_c_store(dtype, to, at, (tn_c_value){false, 0, (double)x}, false);
}

/* Elements of one narrow or wide type; NaNs are equal. */
static inline bool tn_t_same_type(uint32_t dtype, const unsigned char *x, const unsigned char *y)
{
    size_t size = dtype == TN_F32 ? 4 : dtype == TN_BOOL ? 1 : 2;
    if (memcmp(x, y, TN_T_BYTES) == 0)
        return true;
    for (int64_t i = 0; i < TN_T_BYTES / (int64_t)size; i++) {
        if (memcmp(x + (size_t)i * size, y + (size_t)i * size, size) == 0)
            continue;
        tn_c_value a = tn_c_load(dtype, x, i), b = tn_c_load(dtype, y, i);
        bool equal = a.integer ? a.i == b.i : a.f == b.f && !signbit(a.f) == !signbit(b.f);
        if (!equal && (a.integer || a.f == a.f || b.f == b.f))
            return false;
    }
    return true;
}

static inline int64_t tn_t_place(const tn_tensor *t, int64_t i)
{
    int64_t at = 0;
    for (uint32_t d = t->rank; d-- > 0; i /= t->dim[d])
        at += i % t->dim[d] * t->stride[d];
    return at;
}

static inline void tn_t_bind(const tn_op *op, const tn_k_operands *o, unsigned char *const *block,
                             void **operand)
{
    for (uint32_t i = 0; i < o->count; i++)
        for (uint32_t j = 0; j < op->arg_count; j++)
            if (op->args[j].role == o->item[i].role)
                operand[i] = block[j] + TN_T_MIDDLE;
}

/* `op` is of f32 (comparisons: bool out). Gives its operands other types, one for all where
 * `one_type`, and compares. Returns the rows compared. */
static inline uint32_t tn_t_narrow_rows(const tn_k_op *kop, const tn_op *op, uint32_t out,
                                        bool one_type, uint64_t *state, uint32_t rare)
{
    static const uint16_t types[3] = {TN_F16, TN_BF16, TN_F32};
    enum { MOST = 4 };
    unsigned char params[TN_K_PARAMS_BYTES] TN_ALIGNED(64);
    unsigned char *wide[MOST], *narrow[MOST], *want = tn_t_block();
    tn_arg args[MOST];
    tn_op other = *op;
    uint16_t type = types[tn_test_random(state) % 2];
    other.args = args;
    TN_REQUIRE(op->arg_count <= MOST);
    for (uint32_t j = 0; j < op->arg_count; j++) {
        args[j] = op->args[j];
        if (args[j].tensor.dtype == TN_F32 && (j == 0 || one_type))
            args[j].tensor.dtype = type;
        else if (args[j].tensor.dtype == TN_F32)
            args[j].tensor.dtype = types[tn_test_random(state) % 3];
        wide[j] = tn_t_block();
        narrow[j] = tn_t_block();
        int64_t end = 1;
        for (uint32_t d = 0; d < args[j].tensor.rank; d++)
            end += (args[j].tensor.dim[d] - 1) * args[j].tensor.stride[d];
        for (int64_t e = 0; j != out && e < end; e++) {
            uint32_t dtype = args[j].tensor.dtype;
            tn_t_put(dtype, narrow[j] + TN_T_MIDDLE, e, tn_t_float(state, rare));
            ((float *)(void *)(wide[j] + TN_T_MIDDLE))[e] =
                (float)tn_c_load(dtype, narrow[j] + TN_T_MIDDLE, e).f;
        }
    }
    tn_k_why why = {"none", "none", "none"};
    tn_k_caps caps = {.isa = tn_t_isa(), .workers = 1, .l1d_bytes = 32768};
    void *operand[TN_K_OPERANDS] = {0};
    TN_REQUIRE(kop->params(op, params, &why), "%s %s", why.reason, why.text);
    tn_t_bind(op, (const tn_k_operands *)(void *)params, wide, operand);
    uint32_t i = 0;
    while (i < kop->variant_count && !kop->variants[i]->accepts(params, &caps, &why))
        i++;
    TN_REQUIRE(i < kop->variant_count, "%s: no row", kop->name);
    tn_t_run(kop->variants[i], params, &caps, operand, false);
    const tn_tensor *y = &args[out].tensor;
    int64_t count = 1;
    for (uint32_t d = 0; d < y->rank; d++)
        count *= y->dim[d];
    for (int64_t e = 0; e < count; e++) {
        int64_t at = tn_t_place(y, e);
        if (y->dtype == TN_BOOL)
            want[TN_T_MIDDLE + at] = wide[out][TN_T_MIDDLE + at];
        else
            tn_t_put(y->dtype, want + TN_T_MIDDLE, at,
                     ((const float *)(const void *)(wide[out] + TN_T_MIDDLE))[at]);
    }
    TN_REQUIRE(kop->params(&other, params, &why), "%s %s", why.reason, why.text);
    uint32_t rows = 0;
    for (i = 0; i < kop->variant_count; i++) {
        const tn_k_variant *v = kop->variants[i];
        caps.workers = 1 + 2 * (i % 2);
        if ((v->isa & caps.isa) != v->isa || v->cls == TN_CLASS_FAST ||
            !v->accepts(params, &caps, &why))
            continue;
        memset(narrow[out], 0xa5, TN_T_BYTES);
        tn_t_bind(&other, (const tn_k_operands *)(void *)params, narrow, operand);
        tn_t_run(v, params, &caps, operand, caps.workers > 1);
        TN_EXPECT(tn_t_same_type(y->dtype, narrow[out], want), "%s, %s", v->name,
                  type == TN_F16 ? "f16" : "bf16");
        rows++;
    }
    for (uint32_t j = 0; j < op->arg_count; j++) {
        free(wide[j]);
        free(narrow[j]);
    }
    free(want);
    return rows;
}

#endif

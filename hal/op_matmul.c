/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of matmul: out = post(alpha * a b + beta * c). */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/op.h"

static tn_status check_operand(const tn_tensor *t, const char *name)
{
    if (t->rank < 2)
        return tn__fail(TN_STATUS_INVALID, "matmul.rank", name,
                        "%s has rank %u; matmul takes 2 to 8 (batch dims, then the matrix)", name,
                        t->rank);
    if (!tn__dtype_float(t->dtype) && !tn__dtype_integer(t->dtype))
        return tn__fail(TN_STATUS_INVALID, "matmul.dtype", name,
                        "%s is %s; a float or an integer is needed", name,
                        tn_dtype_name((tn_dtype)t->dtype));
    return TN_OK;
}

/* A scale or a zero point: one number, or one a row of a, a column of b or of out. */
static tn_status check_factor(const tn__op_view *v, uint32_t role, int64_t m, int64_t n)
{
    const tn_tensor *t = tn__op_tensor(v, role);
    bool zero = role >= TN_ARG_ZERO_OF;
    uint32_t of_role = role - (zero ? TN_ARG_ZERO_OF : TN_ARG_SCALE_OF);
    const tn_tensor *of = tn__op_tensor(v, of_role);
    const char *name = tn__role_static(role), *of_name = tn__role_static(of_role);
    int64_t many = of_role == TN_ARG_A ? m : n;
    if (t == NULL || of == NULL)
        return TN_OK;
    if (t->rank > 1 || (t->rank == 1 && t->dim[0] != many)) {
        char have[96];
        tn__shape_text(t, have, sizeof have);
        return tn__fail(TN_STATUS_INVALID, "matmul.factor_shape", name,
                        "%s is %s; one number (rank 0) or [%lld], one a %s of %s, is allowed", name,
                        have, (long long)many, of_role == TN_ARG_A ? "row" : "column", of_name);
    }
    if (t->dtype != (zero ? of->dtype : TN_F32))
        return tn__fail(TN_STATUS_INVALID, "matmul.factor_dtype", name, "%s is %s; %s is needed",
                        name, tn_dtype_name((tn_dtype)t->dtype),
                        zero ? tn_dtype_name((tn_dtype)of->dtype) : "f32");
    if ((zero || of_role == TN_ARG_OUT) && of->dtype != TN_S8 && of->dtype != TN_U8)
        return tn__fail(TN_STATUS_INVALID, "matmul.factor_of", name,
                        "%s is given and %s is %s; it is of s8 or u8", name, of_name,
                        tn_dtype_name((tn_dtype)of->dtype));
    return TN_OK;
}

tn_status tn__op_matmul(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const uint32_t known =
        TN_MATMUL_TRANSPOSE_A | TN_MATMUL_TRANSPOSE_B | TN_MATMUL_ALPHA | TN_MATMUL_BETA;
    const tn_matmul *attr = &v->attr.matmul;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *b = tn__op_tensor(v, TN_ARG_B);
    const tn_tensor *c = tn__op_tensor(v, TN_ARG_C), *o = tn__op_tensor(v, TN_ARG_OUT);
    (void)role;
    if ((attr->flags & ~known) != 0)
        return tn__fail(TN_STATUS_INVALID, "matmul.flags", "attr.flags",
                        "attr.flags is 0x%x; only TN_MATMUL_* bits (0x%x) are allowed", attr->flags,
                        known);
    if ((attr->flags & TN_MATMUL_BETA) != 0 && c == NULL)
        return tn__fail(
            TN_STATUS_INVALID, "matmul.beta", "c",
            "c is missing and the BETA flag is set (attr.flags 0x%x); give c or drop the flag",
            attr->flags);
    tn_status st = check_operand(a, "a");
    if (st == TN_OK)
        st = check_operand(b, "b");
    if (st != TN_OK)
        return st;
    bool blocks = tn__block_bytes(b->layout) != 0;
    if (blocks && !tn__dtype_float(a->dtype))
        return tn__fail(TN_STATUS_INVALID, "matmul.dtype", "a",
                        "a is %s and b is in blocks; a float is needed",
                        tn_dtype_name((tn_dtype)a->dtype));
    if (blocks && (attr->flags & TN_MATMUL_TRANSPOSE_B) == 0)
        return tn__fail(
            TN_STATUS_INVALID, "matmul.block_axis", "b",
            "b is in blocks, which lie along its last dim, and attr.flags is 0x%x; give "
            "b as [...,N,K] with TN_MATMUL_TRANSPOSE_B",
            attr->flags);
    if (!blocks && tn__dtype_float(a->dtype) != tn__dtype_float(b->dtype))
        return tn__fail(TN_STATUS_INVALID, "matmul.dtype", "b",
                        "b is %s and a is %s; both floats or both integers are allowed",
                        tn_dtype_name((tn_dtype)b->dtype), tn_dtype_name((tn_dtype)a->dtype));
    int ta = (attr->flags & TN_MATMUL_TRANSPOSE_A) != 0;
    int tb = (attr->flags & TN_MATMUL_TRANSPOSE_B) != 0;
    int64_t m = a->dim[a->rank - (ta ? 1 : 2)], ka = a->dim[a->rank - (ta ? 2 : 1)];
    int64_t kb = b->dim[b->rank - (tb ? 1 : 2)], n = b->dim[b->rank - (tb ? 2 : 1)];
    if (ka != kb)
        return tn__fail(TN_STATUS_INVALID, "matmul.k_mismatch", "b",
                        "b %s has K = %lld, a %s has K = %lld; they have to be equal",
                        tb ? "[...,N,K]" : "[...,K,N]", (long long)kb,
                        ta ? "[...,K,M]" : "[...,M,K]", (long long)ka);
    tn_tensor batch_a = *a, batch_b = *b;
    batch_a.rank = (uint16_t)(a->rank - 2);
    batch_b.rank = (uint16_t)(b->rank - 2);
    if (!tn__shape_broadcast(&batch_a, &batch_b)) {
        char ta_text[96], tb_text[96];
        tn__shape_text(a, ta_text, sizeof ta_text);
        tn__shape_text(b, tb_text, sizeof tb_text);
        return tn__fail(TN_STATUS_INVALID, "matmul.batch", "b",
                        "b is %s, a is %s; their batch dims have to broadcast", tb_text, ta_text);
    }
    memset(out, 0, sizeof *out);
    out->rank = (uint16_t)(batch_a.rank + 2);
    memcpy(out->dim, batch_a.dim, batch_a.rank * sizeof out->dim[0]);
    out->dim[out->rank - 2] = m;
    out->dim[out->rank - 1] = n;
    if ((a->dtype == b->dtype || blocks) && tn__dtype_float(a->dtype))
        out->dtype = a->dtype;
    else
        out->dtype = tn__dtype_float(a->dtype) ? TN_F32 : TN_S32;
    st = tn__op_expect(v, TN_ARG_OUT, out, "batch dims of a and b broadcast, then M, N");
    if (st != TN_OK)
        return st;
    if (o != NULL && o->dtype == TN_BOOL)
        return tn__fail(TN_STATUS_INVALID, "matmul.dtype", "out",
                        "out is bool; a number is needed");
    if (c != NULL && !tn__shape_fits(c, out)) {
        char have[96], want[96];
        tn__shape_text(c, have, sizeof have);
        tn__shape_text(out, want, sizeof want);
        return tn__fail(TN_STATUS_INVALID, "matmul.c_shape", "c",
                        "c is %s; it has to broadcast to out %s, every dim 1 or out's", have, want);
    }
    if (c != NULL && c->dtype == TN_BOOL)
        return tn__fail(TN_STATUS_INVALID, "matmul.dtype", "c", "c is bool; a number is needed");
    for (uint32_t of = TN_ARG_A; st == TN_OK && of <= TN_ARG_OUT; ++of) {
        if (of == TN_ARG_C)
            continue;
        st = check_factor(v, TN_ARG_SCALE_OF + of, m, n);
        if (st == TN_OK)
            st = check_factor(v, TN_ARG_ZERO_OF + of, m, n);
    }
    return st;
}

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
    if (tn__dtype_float(a->dtype) != tn__dtype_float(b->dtype))
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
    if (a->dtype == b->dtype && tn__dtype_float(a->dtype))
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
    return TN_OK;
}

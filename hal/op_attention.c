/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of attention: out = softmax(scale * q k' + mask) v. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <math.h>

#include "hal/op.h"

/* Positions and windows are added up in int64_t by kernels. */
static const int64_t INDEX_MOST = INT64_C(1) << 60;

static tn_status check_attr(const tn_attention *t)
{
    const uint32_t known = TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END | TN_ATTENTION_WINDOW;
    const uint32_t both = TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END;
    if ((t->flags & ~known) != 0)
        return tn__fail(TN_STATUS_INVALID, "attention.flags", "attr.flags",
                        "attr.flags is 0x%x; only TN_ATTENTION_* bits (0x%x) are allowed", t->flags,
                        known);
    if ((t->flags & both) == both)
        return tn__fail(TN_STATUS_INVALID, "attention.flags", "attr.flags",
                        "attr.flags is 0x%x with CAUSAL and CAUSAL_FROM_END; give one of them",
                        t->flags);
    if (!isfinite(t->scale))
        return tn__fail(TN_STATUS_INVALID, "attention.scale", "attr.scale",
                        "attr.scale is %g; give a finite number, 0 means rsqrt(d)",
                        (double)t->scale);
    if (!isfinite(t->softcap) || t->softcap < 0.0f)
        return tn__fail(TN_STATUS_INVALID, "attention.softcap", "attr.softcap",
                        "attr.softcap is %g; finite and 0 or more is allowed, 0 means none",
                        (double)t->softcap);
    if ((t->flags & TN_ATTENTION_WINDOW) != 0 &&
        (t->window_left < -1 || t->window_right < -1 || t->window_left > INDEX_MOST ||
         t->window_right > INDEX_MOST))
        return tn__fail(TN_STATUS_INVALID, "attention.window", "attr.window_left",
                        "attr.window_left is %lld, attr.window_right %lld; 0 to %lld is allowed, "
                        "or -1 for no limit",
                        (long long)t->window_left, (long long)t->window_right,
                        (long long)INDEX_MOST);
    if (t->first_query < 0 || t->first_key < 0 || t->first_query > INDEX_MOST ||
        t->first_key > INDEX_MOST)
        return tn__fail(TN_STATUS_INVALID, "attention.first", "attr.first_query",
                        "attr.first_query is %lld, attr.first_key %lld; 0 to %lld is allowed",
                        (long long)t->first_query, (long long)t->first_key, (long long)INDEX_MOST);
    return TN_OK;
}

/* The table of pages, and the keys that a batch has then. */
static tn_status check_pages(const tn__op_view *v, int64_t batch, int64_t *out_keys)
{
    const tn_tensor *t = tn__op_tensor(v, TN_ARG_PAGES), *k = tn__op_tensor(v, TN_ARG_K);
    int64_t tokens = v->attr.attention.page_tokens;
    char have[96];
    if (tokens < 0 || tokens > INDEX_MOST || (tokens == 0) != (t == NULL))
        return tn__fail(TN_STATUS_INVALID, "attention.pages", "attr.page_tokens",
                        "attr.page_tokens is %lld and pages %s; give both, 1 or more and a table, "
                        "or neither",
                        (long long)tokens, t == NULL ? "is not given" : "is given");
    if (t == NULL)
        return TN_OK;
    tn__shape_text(t, have, sizeof have);
    if (t->rank != 2 || t->dim[0] != batch)
        return tn__fail(TN_STATUS_INVALID, "attention.page_table", "pages",
                        "pages is %s; it has to be [%lld, pages of a batch]", have,
                        (long long)batch);
    if (t->dtype != TN_S32)
        return tn__fail(TN_STATUS_INVALID, "attention.dtype", "pages", "pages is %s; s32 is needed",
                        tn_dtype_name((tn_dtype)t->dtype));
    if (k->dim[k->rank - 2] != tokens)
        return tn__fail(TN_STATUS_INVALID, "attention.page_tokens", "k",
                        "k has pages of %lld tokens, attr.page_tokens is %lld; they have to agree",
                        (long long)k->dim[k->rank - 2], (long long)tokens);
    if (__builtin_mul_overflow(t->dim[1], tokens, out_keys) || *out_keys > INDEX_MOST)
        return tn__fail(TN_STATUS_INVALID, "attention.page_table", "pages",
                        "pages is %s with %lld tokens each; together %lld at most are allowed",
                        have, (long long)tokens, (long long)INDEX_MOST);
    return TN_OK;
}

/* An s8 operand has a scale that broadcasts to it without its last dim; a float has none. */
static tn_status check_scale(const tn__op_view *v, const tn_tensor *of, uint32_t role)
{
    const tn_tensor *t = tn__op_tensor(v, role);
    const char *name = tn__role_static(role);
    if ((of->dtype == TN_S8) != (t != NULL))
        return tn__fail(TN_STATUS_INVALID, "attention.scale_of", name,
                        "%s is %s for %s; s8 needs a scale, other types take none", name,
                        t == NULL ? "not given" : "given", tn_dtype_name((tn_dtype)of->dtype));
    if (t == NULL)
        return TN_OK;
    tn_tensor keys = *of;
    --keys.rank;
    if (t->dtype != TN_F32)
        return tn__fail(TN_STATUS_INVALID, "attention.dtype", name, "%s is %s; f32 is needed", name,
                        tn_dtype_name((tn_dtype)t->dtype));
    if (!tn__shape_fits(t, &keys)) {
        char have[96], want[96];
        tn__shape_text(t, have, sizeof have);
        tn__shape_text(&keys, want, sizeof want);
        return tn__fail(TN_STATUS_INVALID, "attention.scale_shape", name,
                        "%s is %s; it has to broadcast to %s", name, have, want);
    }
    return TN_OK;
}

static tn_status check_vector(const tn__op_view *v, uint32_t role, const char *name, int64_t want,
                              uint32_t dtype)
{
    const tn_tensor *t = tn__op_tensor(v, role);
    if (t == NULL)
        return TN_OK;
    if (t->rank != 1 || t->dim[0] != want) {
        char have[96];
        tn__shape_text(t, have, sizeof have);
        return tn__fail(TN_STATUS_INVALID, "attention.vector", name,
                        "%s is %s; it has to be [%lld]", name, have, (long long)want);
    }
    if (dtype != 0 ? t->dtype != dtype : !tn__dtype_float(t->dtype))
        return tn__fail(TN_STATUS_INVALID, "attention.dtype", name, "%s is %s; %s is needed", name,
                        tn_dtype_name((tn_dtype)t->dtype),
                        dtype != 0 ? tn_dtype_name((tn_dtype)dtype) : "a float");
    return TN_OK;
}

tn_status tn__op_attention(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_tensor *q = tn__op_tensor(v, TN_ARG_Q), *k = tn__op_tensor(v, TN_ARG_K);
    const tn_tensor *val = tn__op_tensor(v, TN_ARG_V), *mask = tn__op_tensor(v, TN_ARG_MASK);
    const tn_tensor *const in[3] = {q, k, val};
    static const char *const names[3] = {"q", "k", "v"};
    tn_status st = check_attr(&v->attr.attention);
    if (st != TN_OK)
        return st;
    for (int i = 0; i < 3; ++i) {
        if (in[i]->rank != q->rank || q->rank < 3 || q->rank > 4)
            return tn__fail(TN_STATUS_INVALID, "attention.rank", names[i],
                            "%s has rank %u; q, k and v all have rank 4 [batch, heads, tokens, d] "
                            "or all 3 without batch",
                            names[i], in[i]->rank);
        if (!tn__dtype_float(in[i]->dtype) && (i == 0 || in[i]->dtype != TN_S8))
            return tn__fail(TN_STATUS_INVALID, "attention.dtype", names[i],
                            "%s is %s; a float%s is needed", names[i],
                            tn_dtype_name((tn_dtype)in[i]->dtype), i == 0 ? "" : " or s8");
    }
    int r = q->rank;
    int64_t batch = r == 4 ? q->dim[0] : 1;
    int64_t hq = q->dim[r - 3], hkv = k->dim[r - 3], sk = k->dim[r - 2];
    const bool paged = tn__op_tensor(v, TN_ARG_PAGES) != NULL;
    if (paged && (r != 4 || val->dim[0] != k->dim[0]))
        return tn__fail(TN_STATUS_INVALID, "attention.batch", r != 4 ? "q" : "v",
                        "q has rank %d, k has %lld pages, v has %lld; with a table of pages rank 4 "
                        "and as many of v as of k are needed",
                        r, (long long)k->dim[0], (long long)val->dim[0]);
    if (!paged && r == 4 && (k->dim[0] != batch || val->dim[0] != batch))
        return tn__fail(TN_STATUS_INVALID, "attention.batch", k->dim[0] != batch ? "k" : "v",
                        "the batches of q, k and v are %lld, %lld and %lld; they have to be equal",
                        (long long)batch, (long long)k->dim[0], (long long)val->dim[0]);
    if (val->dim[r - 3] != hkv || val->dim[r - 2] != sk)
        return tn__fail(TN_STATUS_INVALID, "attention.v_shape", "v",
                        "v has %lld heads and %lld tokens, k has %lld and %lld; they have to agree",
                        (long long)val->dim[r - 3], (long long)val->dim[r - 2], (long long)hkv,
                        (long long)sk);
    if (k->dim[r - 1] != q->dim[r - 1])
        return tn__fail(TN_STATUS_INVALID, "attention.d_mismatch", "k",
                        "q has d = %lld, k has d = %lld; they have to be equal",
                        (long long)q->dim[r - 1], (long long)k->dim[r - 1]);
    if (hkv == 0 ? hq != 0 : hq % hkv != 0)
        return tn__fail(TN_STATUS_INVALID, "attention.heads", "k",
                        "k has %lld heads, q has %lld; q has to have a multiple of those of k",
                        (long long)hkv, (long long)hq);
    st = check_pages(v, batch, &sk);
    if (st == TN_OK)
        st = check_scale(v, k, TN_ARG_SCALE_OF + TN_ARG_K);
    if (st == TN_OK)
        st = check_scale(v, val, TN_ARG_SCALE_OF + TN_ARG_V);
    if (st != TN_OK)
        return st;
    memset(out, 0, sizeof *out);
    out->rank = (uint16_t)r;
    memcpy(out->dim, q->dim, (size_t)r * sizeof out->dim[0]);
    if (mask != NULL) {
        tn_tensor scores = *out;
        scores.dim[r - 1] = sk;
        if (!tn__shape_fits(mask, &scores)) {
            char have[96], want[96];
            tn__shape_text(mask, have, sizeof have);
            tn__shape_text(&scores, want, sizeof want);
            return tn__fail(TN_STATUS_INVALID, "attention.mask_shape", "mask",
                            "mask is %s; it has to broadcast to %s", have, want);
        }
        if (mask->dtype != TN_BOOL && mask->dtype != TN_F32)
            return tn__fail(TN_STATUS_INVALID, "attention.mask_dtype", "mask",
                            "mask is %s; bool (true takes part) or f32 (added) is allowed",
                            tn_dtype_name((tn_dtype)mask->dtype));
    }
    st = check_vector(v, TN_ARG_SINKS, "sinks", hq, 0);
    if (st == TN_OK)
        st = check_vector(v, TN_ARG_SLOPES, "slopes", hq, TN_F32);
    if (st == TN_OK)
        st = check_vector(v, TN_ARG_LENGTHS, "lengths", batch, TN_S32);
    if (st != TN_OK)
        return st;
    tn_tensor stats = *out;
    stats.dim[r - 1] = 2;
    stats.dtype = TN_F32;
    st = tn__op_expect(v, TN_ARG_STATS, &stats, "q without d, then 2");
    if (st != TN_OK)
        return st;
    const tn_tensor *given = tn__op_tensor(v, TN_ARG_STATS);
    if (given != NULL && given->dtype != TN_F32)
        return tn__fail(TN_STATUS_INVALID, "attention.dtype", "stats", "stats is %s; f32 is needed",
                        tn_dtype_name((tn_dtype)given->dtype));
    out->dim[r - 1] = val->dim[r - 1];
    out->dtype = q->dtype;
    st = tn__op_expect(v, TN_ARG_OUT, out, "batch, heads and tokens of q, last dim of v");
    if (st != TN_OK)
        return st;
    given = tn__op_tensor(v, TN_ARG_OUT);
    if (given != NULL && !tn__dtype_float(given->dtype))
        return tn__fail(TN_STATUS_INVALID, "attention.dtype", "out", "out is %s; a float is needed",
                        tn_dtype_name((tn_dtype)given->dtype));
    if (role == TN_ARG_STATS)
        *out = stats;
    return TN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* matmul: sums and sums of magnitudes in one pass; integers with their scales, bit for bit. */
#include <conformance/oracle/oracle_canonical.h>

#include <stdlib.h>

static bool is_integer(const tn_tensor *t)
{
    return t->dtype >= TN_S64 && t->dtype <= TN_U4;
}

typedef struct walk {
    int64_t row, column, k; /* strides */
    int64_t base;
} walk;

/* Strides of operand `v` (a: rows and k; b: k and columns) and where its batch begins. */
static walk walk_of(const tn_v_view *v, const tn_v_truth *out, const int64_t *i, bool transposed,
                    bool is_b)
{
    const tn_tensor *t = v->t;
    walk w = {0, 0, 0, 0};
    int64_t outer = t->stride[t->rank - 2], inner = t->stride[t->rank - 1];
    for (uint32_t d = 0; d + 2 < t->rank; ++d) {
        uint32_t of = out->rank - t->rank + d;
        if (t->dim[d] > 1)
            w.base += i[of] * t->stride[d];
    }
    if (is_b) {
        w.k = transposed ? inner : outer;
        w.column = transposed ? outer : inner;
    } else {
        w.row = transposed ? inner : outer;
        w.k = transposed ? outer : inner;
    }
    return w;
}

/* The number that stands for output row m and column n: of rank 0, [M] of a, [N] of others. */
static double per(const tn_v_view *v, int64_t index, double otherwise)
{
    if (v->t == NULL)
        return otherwise;
    return tn_v_load(v, v->t->rank == 0 || v->t->dim[0] == 1 ? 0 : index * v->t->stride[0]);
}

/* Integers: the sum mod 2^32, then f32 steps in the order of the contract. */
static void integer_end(const tn_v_call *c, tn_v_truth *out, const int64_t *i, uint32_t sum,
                        int64_t n_at)
{
    int64_t m = i[out->rank - 2], n = i[out->rank - 1];
    uint32_t p = 0;
    double y;
    for (; p < c->op->post_count; ++p) { /* leading posts of s32 join the sum */
        tn_v_view r = tn_v_view_of(c, c->op->posts[p].role);
        if (r.t == NULL || r.t->dtype != TN_S32)
            break;
        sum += (uint32_t)(int64_t)tn_v_load(&r, tn_v_broadcast(r.t, i, out->rank));
    }
    y = (double)(int32_t)sum;
    if (out->dtype == TN_S32) {
        if (p < c->op->post_count && c->op->posts[p].kind == TN_POST_RELU && y < 0)
            y = 0;
        out->ref[n_at] = y;
        return;
    }
    tn_v_view sa = tn_v_view_of(c, TN_ARG_SCALE_OF + TN_ARG_A),
              sb = tn_v_view_of(c, TN_ARG_SCALE_OF + TN_ARG_B),
              so = tn_v_view_of(c, TN_ARG_SCALE_OF + TN_ARG_OUT),
              zo = tn_v_view_of(c, TN_ARG_ZERO_OF + TN_ARG_OUT);
    float f = (float)y;
    if (sa.t != NULL || sb.t != NULL) {
        float scale = (float)per(&sa, m, 1) * (float)per(&sb, n, 1);
        f = f * scale;
    }
    for (; p < c->op->post_count; ++p) {
        const tn_post *post = &c->op->posts[p];
        tn_v_view r = tn_v_view_of(c, post->role);
        float with = r.t != NULL ? (float)tn_v_load(&r, tn_v_broadcast(r.t, i, out->rank)) : 0.0f;
        if (post->kind == TN_POST_RELU)
            f = f > 0 ? f : 0;
        else if (post->kind == TN_POST_MUL)
            f = f * with;
        else
            f = f + with;
    }
    if (out->dtype == TN_F32) {
        out->ref[n_at] = (double)f;
        return;
    }
    f = f / (float)per(&so, n, 1);
    double q = tn_v_to_bits((double)f, 53, TN_V_NEAREST_EVEN);
    q = isnan(q) ? 0 : nearbyint(q);
    q = q > 0x1p30 ? 0x1p30 : q < -0x1p30 ? -0x1p30 : q;
    out->ref[n_at] = tn_v_rounded(out->dtype, q + per(&zo, n, 0), TN_V_NEAREST_EVEN, true);
}

static void one_integer(const tn_v_call *c, tn_v_truth *out, const int64_t *i, const tn_v_view *a,
                        const tn_v_view *b, const walk *wa, const walk *wb, int64_t k, int64_t at)
{
    int64_t m = i[out->rank - 2], n = i[out->rank - 1];
    tn_v_view za = tn_v_view_of(c, TN_ARG_ZERO_OF + TN_ARG_A),
              zb = tn_v_view_of(c, TN_ARG_ZERO_OF + TN_ARG_B);
    int64_t from_a = (int64_t)per(&za, m, 0), from_b = (int64_t)per(&zb, n, 0);
    uint32_t sum = 0;
    for (int64_t j = 0; j < k; ++j) {
        int64_t x = (int64_t)tn_v_load(a, wa->base + m * wa->row + j * wa->k) - from_a;
        int64_t y = (int64_t)tn_v_load(b, wb->base + n * wb->column + j * wb->k) - from_b;
        sum += (uint32_t)(x * y);
    }
    integer_end(c, out, i, sum, at);
    out->single = true;
}

/* Element n of the output at i: sections 3 and 4. */
static void canonical(const tn_v_call *c, tn_v_truth *out, int64_t n, const int64_t *i,
                      tn_v_term *room, int64_t k)
{
    const tn_matmul *t = c->op->attr;
    tn_v_view cc = tn_v_view_of(c, TN_ARG_C);
    tn_v_dot dot = {0, 0, 0};
    (void)tn_v_matmul_terms(c, out, i, room, k);
    for (int64_t j = 0; j < k; ++j)
        tn_v_dot_add(&dot, j, (float)room[j].a, (float)room[j].b);
    float y = tn_v_dot_end(&dot);
    if ((t->flags & TN_MATMUL_ALPHA) != 0 && t->alpha != 1.0f)
        y = t->alpha * y;
    float beta = (t->flags & TN_MATMUL_BETA) != 0 ? t->beta : 1.0f;
    if (cc.t != NULL && beta != 0.0f)
        y = fmaf(beta, (float)tn_v_load(&cc, tn_v_broadcast(cc.t, i, out->rank)), y);
    tn_v_c_keep(c, out, n, tn_v_c_posts(c, out, i, y));
}

bool tn_v_matmul(const tn_v_call *c, tn_v_truth *out)
{
    const tn_matmul *attr = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A), b = tn_v_view_of(c, TN_ARG_B),
              cc = tn_v_view_of(c, TN_ARG_C);
    if (a.t == NULL || b.t == NULL || a.t->rank < 2 || b.t->rank < 2 || out->rank < 2)
        return false;
    bool ta = (attr->flags & TN_MATMUL_TRANSPOSE_A) != 0,
         tb = (attr->flags & TN_MATMUL_TRANSPOSE_B) != 0;
    int64_t k = a.t->dim[a.t->rank - (ta ? 2 : 1)], i[TN_MAX_RANK];
    bool wide = a.t->dtype == TN_F64 || b.t->dtype == TN_F64, integer = is_integer(a.t);
    double u = tn_v_unit(c->arith.accumulate), most = tn_v_format_of(c->arith.accumulate).max;
    float alpha = (attr->flags & TN_MATMUL_ALPHA) != 0 ? attr->alpha : 1.0f,
          beta = (attr->flags & TN_MATMUL_BETA) != 0 ? attr->beta : 1.0f;
    out->terms = (double)k;
    bool bits =
        out->canonical != NULL && !integer && (!is_integer(b.t) || tn_v_block_bytes(b.t) != 0);
    tn_v_term *room = bits ? malloc(((size_t)k + 1) * sizeof *room) : NULL;
    if (bits && room == NULL)
        return false;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        if (bits)
            canonical(c, out, n, i, room, k);
        walk wa = walk_of(&a, out, i, ta, false), wb = walk_of(&b, out, i, tb, true);
        if (integer) {
            one_integer(c, out, i, &a, &b, &wa, &wb, k, n);
            continue;
        }
        int64_t pa = wa.base + i[out->rank - 2] * wa.row,
                pb = wb.base + i[out->rank - 1] * wb.column;
        double sum = 0, rest = 0, mag = 0;
        for (int64_t j = 0; j < k; ++j, pa += wa.k, pb += wb.k) {
            double x = tn_v_load(&a, pa), y = tn_v_load(&b, pb), p = x * y;
            if (wide) { /* twice the precision: the input's own is the reference's */
                double s = sum + p, t = s - sum;
                rest += (sum - (s - t)) + (p - t) + fma(x, y, -p);
                sum = s;
            } else {
                sum += p;
            }
            mag += isfinite(p) ? fabs(p) : 0;
        }
        double ref = isfinite(rest) ? sum + rest : sum, err = 0;
        if (!c->exact)
            err =
                tn_v_sum_error(&c->arith, (double)k, mag) + (wide ? 0 : (double)k * 0x1p-53 * mag);
        bool over = mag * fmax(1, fabs((double)alpha)) >= most;
        if (alpha != 1.0f) {
            mag *= fabs((double)alpha);
            ref *= (double)alpha;
            err = err * fabs((double)alpha) + (c->exact ? 0 : u * fabs(ref));
        }
        if (cc.t != NULL && beta != 0.0f) {
            double add = tn_v_load(&cc, tn_v_broadcast(cc.t, i, out->rank)) * (double)beta;
            ref += add;
            mag += isfinite(add) ? fabs(add) : 0;
            err += c->exact ? 0 : u * (fabs(ref) + err) + c->arith.tiny;
        }
        if (!isnan(ref) && over) {
            ref = 0; /* an infinity of finite terms may meet another */
            err = INFINITY;
        }
        tn_v_posts(c, out, i, &ref, &err);
        out->ref[n] = ref;
        out->err[n] = err;
        out->mag[n] = mag;
    }
    free(room);
    return true;
}

int64_t tn_v_matmul_terms(const tn_v_call *call, const tn_v_truth *of, const int64_t *i,
                          tn_v_term *out, int64_t room)
{
    const tn_matmul *t = call->op->attr;
    tn_v_view a = tn_v_view_of(call, TN_ARG_A), b = tn_v_view_of(call, TN_ARG_B);
    bool ta = (t->flags & TN_MATMUL_TRANSPOSE_A) != 0, tb = (t->flags & TN_MATMUL_TRANSPOSE_B) != 0;
    if (a.t == NULL || b.t == NULL || a.t->rank < 2 || b.t->rank < 2 || of->rank < 2)
        return -1;
    uint32_t ra = a.t->rank, rb = b.t->rank, r = of->rank;
    int64_t ak = a.t->stride[ra - (ta ? 2 : 1)], bk = b.t->stride[rb - (tb ? 1 : 2)],
            count = a.t->dim[ra - (ta ? 2 : 1)], pa = i[r - 2] * a.t->stride[ra - (ta ? 1 : 2)],
            pb = i[r - 1] * b.t->stride[rb - (tb ? 2 : 1)];
    for (uint32_t d = 0; d + 2 < r; ++d) {
        if (d + ra >= r && a.t->dim[d + ra - r] > 1)
            pa += i[d] * a.t->stride[d + ra - r];
        if (d + rb >= r && b.t->dim[d + rb - r] > 1)
            pb += i[d] * b.t->stride[d + rb - r];
    }
    for (int64_t k = 0; k < count && k < room; ++k)
        out[k] = (tn_v_term){k, 0, tn_v_load(&a, pa + k * ak), tn_v_load(&b, pb + k * bk)};
    return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* attention in the normative order, written out: one query row at a time, one block at a time. */
#include <kernels/attention/attention.h>
#include <kernels/common/canon.h>

enum { BLOCK = 128 };

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_attention_params *p = params;
    int64_t rows = p->dv == 0 ? 0 : p->batch * p->heads * p->queries;
    tn_k_launch_items(out, caps, rows, (uint64_t)(p->keys + 1) * (uint64_t)(p->d + p->dv) * 16u);
    /* o of the row and of the block */
    out->worker_bytes = ((uint64_t)p->dv * 8u + 63u) & ~(uint64_t)63u;
    out->estimate_ns *= 8;
}

static float pow2_of(float e)
{
    if (e < -126.0f)
        return 0.0f;
    return tn_c_float((uint32_t)((int32_t)(e > 127.0f ? 127.0f : e) + 127) << 23);
}

/* The score of one key in base 2; -Inf when it takes no part. */
static float score(const tn_k_attention_params *p, const float *q, const float *k, const void *mask,
                   int64_t j)
{
    const int64_t *ks = p->stride[TN_K_ATT_K];
    int64_t at = j * p->stride[TN_K_ATT_MASK][3];
    if (p->mask == TN_K_ATT_BOOL_MASK && ((const uint8_t *)mask)[at] == 0)
        return -__builtin_inff();
    float z = tn_c_dot(q, p->stride[TN_K_ATT_Q][3], k + j * ks[2], ks[3], p->d);
    float t = p->inner != 0.0f ? c_tanh(z * p->inner) * p->c : z * p->c;
    if (p->mask == TN_K_ATT_ADD_MASK)
        t = __builtin_fmaf(((const float *)mask)[at], 0x1.715476p+0f, t);
    return t;
}

static void row(const tn_k_attention_params *p, const float *q, const float *k, const float *v,
                const void *mask, int64_t i, float *y, float *o)
{
    const int64_t *vs = p->stride[TN_K_ATT_V], ys = p->stride[TN_K_ATT_OUT][3];
    const float none = -__builtin_inff();
    float m = 0.0f, l = 0.0f, *ob = o + p->dv;
    bool any = false, bad = false;
    int64_t low, high;
    tn_k_attention_limits(p, i, &low, &high);
    int64_t border = (p->first_key + low) / BLOCK * BLOCK - p->first_key;
    for (; border < high; border += BLOCK) {
        float t[BLOCK], pr[BLOCK], top = none;
        for (int64_t j = 0; j < BLOCK; ++j) {
            bool inside = border + j >= low && border + j < high;
            t[j] = inside ? score(p, q, k, mask, border + j) : none;
            float n = __builtin_rintf(t[j]);
            top = t[j] == none           ? top
                  : top != top || n != n ? tn_c_float(0x7fc00000u)
                  : n > top              ? n
                                         : top;
        }
        if (top == none)
            continue;
        bad = bad || top != top;
        for (int64_t j = 0; j < BLOCK; ++j) {
            float n = __builtin_rintf(t[j]);
            pr[j] = t[j] == none || bad ? 0.0f : c_p2(t[j] - n) * pow2_of(n - top);
        }
        float lb = tn_c_reduce(pr, 1, BLOCK);
        for (int64_t e = 0; e < p->dv; ++e) {
            float s = 0.0f;
            for (int64_t j = 0; j < BLOCK; ++j)
                if (t[j] != none)
                    s = __builtin_fmaf(pr[j], v[(border + j) * vs[2] + e * vs[3]], s);
            ob[e] = 0.0f + s;
        }
        float f = !any ? 0.0f : top > m ? pow2_of(m - top) : pow2_of(top - m);
        if (!any || top > m) {
            l = any ? __builtin_fmaf(l, f, lb) : lb;
            for (int64_t e = 0; e < p->dv; ++e)
                o[e] = any ? __builtin_fmaf(o[e], f, ob[e]) : ob[e];
            m = top;
        } else {
            l = __builtin_fmaf(lb, f, l);
            for (int64_t e = 0; e < p->dv; ++e)
                o[e] = __builtin_fmaf(ob[e], f, o[e]);
        }
        any = true;
    }
    float r = c_recip(l);
    for (int64_t e = 0; e < p->dv; ++e)
        y[e * ys] = bad ? tn_c_float(0x7fc00000u) : any ? o[e] * r : 0.0f;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)phase;
    const tn_k_attention_params *p = params;
    int64_t rows = p->batch * p->heads * p->queries, group = p->heads / p->kv_heads;
    int64_t end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; ++r) {
        int64_t i = r % p->queries, h = r / p->queries % p->heads, b = r / p->queries / p->heads;
        const unsigned char *mask = p->mask != TN_K_ATT_NO_MASK ? operand[TN_K_ATT_MASK] : NULL;
        const int64_t(*s)[4] = p->stride;
        if (mask != NULL)
            mask += (b * s[TN_K_ATT_MASK][0] + h * s[TN_K_ATT_MASK][1] + i * s[TN_K_ATT_MASK][2]) *
                    (p->mask == TN_K_ATT_ADD_MASK ? 4 : 1);
        row(p, (const float *)operand[TN_K_ATT_Q] + b * s[0][0] + h * s[0][1] + i * s[0][2],
            (const float *)operand[TN_K_ATT_K] + b * s[1][0] + h / group * s[1][1],
            (const float *)operand[TN_K_ATT_V] + b * s[2][0] + h / group * s[2][1], mask, i,
            (float *)operand[TN_K_ATT_OUT] + b * s[3][0] + h * s[3][1] + i * s[3][2],
            worker_scratch);
    }
}

extern const tn_k_variant tn_k_attention_f32_canonical;
const tn_k_variant tn_k_attention_f32_canonical = {
    .name = "attention_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_attention_arithmetic,
};

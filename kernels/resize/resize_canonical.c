/* SPDX-License-Identifier: Apache-2.0 */
/* resize in plain form: one element at a time, NUMERICS.md section 11 written out. */
#include <kernels/common/canon.h>
#include <kernels/common/dtype_convert.h>
#include <kernels/resize/resize.h>

static int64_t count_of(const tn_k_resize *p)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < p->rank; d++)
        n *= p->out[d];
    return n;
}

static bool accepts_sums(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return ((const tn_k_resize *)params)->kind != TN_RESIZE_NEAREST ||
           tn_k_refuse(why, "resize.kind_row", "attr.kind", "this row is for linear and cubic");
}

static bool accepts_nearest(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return ((const tn_k_resize *)params)->kind == TN_RESIZE_NEAREST ||
           tn_k_refuse(why, "resize.kind_row", "attr.kind", "this row is for nearest");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_resize *p = params;
    tn_k_launch_items(out, caps, count_of(p), p->kind == TN_RESIZE_NEAREST ? 64 : 512);
    out->estimate_ns *= 8;
}

/* One axis on the way to an element of A: its taps, which comes next, and the sum so far. */
typedef struct axis {
    int64_t at[TN_K_RESIZE_TAPS], from; /* from: the place along the axes before */
    float w[TN_K_RESIZE_TAPS], s;
    int taps, next;
    bool kept;
} axis;

static void enter(const tn_k_resize *p, uint32_t d, const int64_t *o, int64_t from, axis *x)
{
    x->from = from;
    x->s = 0.0f;
    x->next = 0;
    x->kept = tn_k_resize_kept(p, d);
    x->taps = 1;
    x->at[0] = o[d];
    x->w[0] = 1.0f;
    if (!x->kept)
        x->taps = tn_k_resize_taps(p, d, o[d], x->at, x->w);
}

/* Down to an element along all axes, and up with its value, the last axis first. Without calling
 * itself: devices whose compilers know no stack run this text, too. */
static float sum(const tn_k_resize *p, const void *a, const int64_t *o)
{
    axis x[TN_MAX_RANK];
    int64_t from = 0;
    uint32_t d = 0;
    if (p->rank > 0)
        enter(p, 0, o, 0, &x[0]);
    for (;;) {
        float value;
        if (d == p->rank) {
            value = (float)tn_c_load(p->dtype, a, from).f;
        } else {
            while (x[d].next < x[d].taps && x[d].w[x[d].next] == 0.0f)
                x[d].next++;
            if (x[d].next < x[d].taps) {
                from = x[d].from + x[d].at[x[d].next] * p->a_s[d];
                if (++d < p->rank)
                    enter(p, d, o, from, &x[d]);
                continue;
            }
            value = x[d].kept ? x[d].s : 0.0f + x[d].s;
        }
        if (d == 0)
            return value;
        axis *above = &x[--d];
        above->s = above->kept ? value : __builtin_fmaf(above->w[above->next], value, above->s);
        above->next++;
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_resize *p = params;
    int64_t count = count_of(p), end = tn_k_task_first(count, launch->tasks[0], last);
    uint32_t bytes = tn_k_elem_bytes(p->dtype);
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end; i++) {
        int64_t rest = i, from = 0, to = 0, o[TN_MAX_RANK] = {0};
        for (uint32_t d = p->rank; d-- > 0; rest /= p->out[d]) {
            o[d] = rest % p->out[d];
            to += o[d] * p->out_s[d];
            if (p->kind == TN_RESIZE_NEAREST)
                from +=
                    (tn_k_resize_kept(p, d) ? o[d] : tn_k_resize_nearest(p, d, o[d])) * p->a_s[d];
        }
        if (p->kind == TN_RESIZE_NEAREST)
            memcpy((char *)operand[1] + to * bytes, (const char *)operand[0] + from * bytes, bytes);
        else
            tn_c_store(p->dtype, operand[1], to,
                       (tn_c_value){false, 0, (double)sum(p, operand[0], o)}, false);
    }
}

extern const tn_k_variant tn_k_resize_canonical, tn_k_resize_nearest_exact;
const tn_k_variant tn_k_resize_canonical = {
    .name = "resize_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts_sums,
    .plan = plan,
    .run = run,
};
const tn_k_variant tn_k_resize_nearest_exact = {
    .name = "resize_nearest_exact",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts_nearest,
    .plan = plan,
    .run = run,
};

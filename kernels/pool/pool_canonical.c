/* SPDX-License-Identifier: Apache-2.0 */
/* pool in plain form: NUMERICS.md section 6 written out, and the exact maximum of integers. */
#include <kernels/common/canon.h>
#include <kernels/common/dtype_convert.h>
#include <kernels/pool/pool.h>

static bool integers(const tn_k_pool *p)
{
    return p->dtype == TN_S8 || p->dtype == TN_U8;
}

static bool accepts_float(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return !integers(params) || tn_k_refuse(why, "pool.dtype_row", "a", "this row takes floats");
}

static bool accepts_integer(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return integers(params) || tn_k_refuse(why, "pool.dtype_row", "a", "this row takes s8 and u8");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_pool *p = params;
    int64_t outputs = p->n * p->channels * p->size[0] * p->size[1] * p->size[2];
    tn_k_launch_items(out, caps, outputs, (uint64_t)tn_k_pool_taps(p) * 32);
    out->estimate_ns *= 8;
}

/* The place in A of tap k of position o; false: it is outside. */
static bool place(const tn_k_pool *p, const int64_t o[3], int64_t k, int64_t *out_at)
{
    int64_t i[3],
        t[3] = {k / p->window[2] / p->window[1], k / p->window[2] % p->window[1], k % p->window[2]};
    for (int d = 0; d < 3; d++)
        if (!tn_k_pool_tap(p, d, o[d], t[d], &i[d]))
            return false;
    *out_at = i[0] * p->a_s[0] + i[1] * p->a_s[1] + i[2] * p->a_s[2];
    return true;
}

static float average(const tn_k_pool *p, const void *a, int64_t base, const int64_t o[3])
{
    int64_t taps = tn_k_pool_taps(p), at, count = 1;
    float t = 0.0f;
    for (int64_t first = 0; first < taps; first += TN_C_SEGMENT) {
        float lane[TN_C_LANES] = {0};
        for (int64_t k = first; k < taps && k < first + TN_C_SEGMENT; k++)
            if (place(p, o, k, &at))
                lane[k % TN_C_LANES] += (float)tn_c_load(p->dtype, a, base + at).f;
        t = t + tn_c_fold(lane);
    }
    for (int d = 0; d < 3; d++)
        count *= tn_k_pool_along(p, d, o[d]);
    return t * c_recip((float)count);
}

static float maximum(const tn_k_pool *p, const void *a, int64_t base, const int64_t o[3])
{
    int32_t most = TN_C_KEY_NINF;
    int64_t at;
    for (int64_t k = 0; k < tn_k_pool_taps(p); k++)
        if (place(p, o, k, &at)) {
            int32_t key = tn_c_key_max((float)tn_c_load(p->dtype, a, base + at).f);
            most = key > most ? key : most;
        }
    return tn_c_unkey(most);
}

static int64_t greatest(const tn_k_pool *p, const void *a, int64_t base, const int64_t o[3])
{
    int64_t most = p->dtype == TN_U8 ? 0 : INT8_MIN, at;
    for (int64_t k = 0; k < tn_k_pool_taps(p); k++)
        if (place(p, o, k, &at)) {
            int64_t x = tn_c_load(p->dtype, a, base + at).i;
            most = x > most ? x : most;
        }
    return most;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_pool *p = params;
    int64_t space = p->size[0] * p->size[1] * p->size[2], count = p->n * p->channels * space;
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(count, launch->tasks[0], first); r < end; r++) {
        int64_t o[3] = {r / p->size[2] / p->size[1] % p->size[0], r / p->size[2] % p->size[1],
                        r % p->size[2]};
        int64_t n = r / space / p->channels, c = r / space % p->channels;
        int64_t from = n * p->a_n + c * p->a_c;
        int64_t to = n * p->out_n + c * p->out_c + o[0] * p->out_s[0] + o[1] * p->out_s[1] +
                     o[2] * p->out_s[2];
        tn_c_value y = {false, 0, 0.0};
        if (integers(p))
            y = (tn_c_value){true, greatest(p, operand[0], from, o), 0.0};
        else if (p->kind == TN_POOL_MAX)
            y.f = (double)maximum(p, operand[0], from, o);
        else
            y.f = (double)average(p, operand[0], from, o);
        tn_c_store(p->dtype, operand[1], to, y, false);
    }
}

extern const tn_k_variant tn_k_pool_canonical, tn_k_pool_exact;
const tn_k_variant tn_k_pool_canonical = {
    .name = "pool_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts_float,
    .plan = plan,
    .run = run,
};
const tn_k_variant tn_k_pool_exact = {
    .name = "pool_exact",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts_integer,
    .plan = plan,
    .run = run,
};

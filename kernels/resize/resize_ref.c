/* SPDX-License-Identifier: Apache-2.0 */
/* resize in float64: the truth, with places and weights from the definition. */
#include <kernels/common/dtype_convert.h>
#include <kernels/resize/resize.h>

/* Keys' kernel as a function of the distance, of either kind. */
static double weight(const tn_k_resize *p, double t)
{
    double a = p->value;
    t = fabs(t);
    if (p->kind == TN_RESIZE_LINEAR)
        return t < 1 ? 1 - t : 0;
    if (t <= 1)
        return (a + 2) * t * t * t - (a + 3) * t * t + 1;
    return t < 2 ? a * t * t * t - 5 * a * t * t + 8 * a * t - 4 * a : 0;
}

static double at(const tn_k_resize *p, const void *a, uint32_t d, const int64_t *o, int64_t from,
                 double *magnitude)
{
    if (d == p->rank) {
        double x = tn_c_load(p->dtype, a, from).f;
        *magnitude = fabs(x);
        return x;
    }
    if (tn_k_resize_kept(p, d))
        return at(p, a, d + 1, o, from + o[d] * p->a_s[d], magnitude);
    double x = tn_k_resize_place(p, d, o[d]), sum = 0, size = 0, part;
    for (int64_t i = (int64_t)floor(x) - 1; i <= (int64_t)floor(x) + 2; i++) {
        int64_t inside = i < 0 ? 0 : i >= p->in[d] ? p->in[d] - 1 : i;
        double w = weight(p, x - (double)i);
        if (w == 0)
            continue;
        sum += w * at(p, a, d + 1, o, from + inside * p->a_s[d], &part);
        size += fabs(w) * part;
    }
    *magnitude = size;
    return sum;
}

void tn_k_resize_ref(const tn_k_resize *p, const void *a, double *out, double *out_magnitude)
{
    int64_t count = 1, o[TN_MAX_RANK] = {0};
    for (uint32_t d = 0; d < p->rank; d++)
        count *= p->out[d];
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i;
        for (uint32_t d = p->rank; d-- > 0; rest /= p->out[d])
            o[d] = rest % p->out[d];
        out[i] = at(p, a, 0, o, 0, &out_magnitude[i]);
    }
}

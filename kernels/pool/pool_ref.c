/* SPDX-License-Identifier: Apache-2.0 */
/* pool in float64: the truth. */
#include <kernels/common/dtype_convert.h>
#include <kernels/pool/pool.h>
#include <math.h>

void tn_k_pool_ref(const tn_k_pool *p, const void *a, double *out)
{
    int64_t space = p->size[0] * p->size[1] * p->size[2], i[3];
    double least = p->dtype == TN_U8 ? 0.0 : p->dtype == TN_S8 ? -128.0 : -INFINITY;
    for (int64_t r = 0; r < p->n * p->channels * space; r++) {
        int64_t o[3] = {r / p->size[2] / p->size[1] % p->size[0], r / p->size[2] % p->size[1],
                        r % p->size[2]};
        int64_t n = r / space / p->channels, c = r / space % p->channels, count = 0;
        double most = least, sum = 0;
        for (int64_t k = 0; k < tn_k_pool_taps(p); k++) {
            int64_t t[3] = {k / p->window[2] / p->window[1], k / p->window[2] % p->window[1],
                            k % p->window[2]};
            bool there = true, counts = true;
            for (int d = 0; d < 3; d++) {
                i[d] = o[d] * p->stride[d] - p->lo[d] + t[d] * p->dilation[d];
                there = there && i[d] >= 0 && i[d] < p->in[d];
                counts = counts && i[d] >= -p->lo[d] && i[d] < p->in[d] + p->hi[d];
            }
            count += there || (counts && p->count_padding);
            if (!there)
                continue;
            tn_c_value v = tn_c_load(p->dtype, a,
                                     n * p->a_n + c * p->a_c + i[0] * p->a_s[0] + i[1] * p->a_s[1] +
                                         i[2] * p->a_s[2]);
            double x = v.integer ? (double)v.i : v.f;
            sum += x;
            most = isnan(x) || isnan(most) ? NAN : x > most ? x : most;
        }
        out[r] = p->kind == TN_POOL_MAX ? most : sum / (double)count;
    }
}

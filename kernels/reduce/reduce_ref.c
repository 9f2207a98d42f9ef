/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions in float64: the truth. */
#include <kernels/reduce/reduce.h>
#include <math.h>

void tn_k_reduce_ref(const tn_k_reduce_params *p, const float *a, double *out)
{
    int64_t outputs = tn_k_grid_count(&p->kept);
    for (int64_t o = 0; o < outputs; o++) {
        const float *x = a + tn_k_grid_offset(&p->kept, 0, o);
        bool nan = false;
        double sum = 0, square = 0, most = -INFINITY, least = INFINITY;
        for (int64_t i = 0; i < p->count; i++) {
            double v = (double)x[tn_k_grid_offset(&p->inner, 0, i)];
            nan = nan || v != v;
            sum += v;
            square += v * v;
            most = fmax(most, v);
            least = fmin(least, v);
        }
        double result[] = {sum, sum / (double)p->count, most, least, square};
        out[o] = nan ? NAN : result[p->kind];
    }
}

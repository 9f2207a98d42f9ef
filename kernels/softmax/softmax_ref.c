/* SPDX-License-Identifier: Apache-2.0 */
/* softmax in float64: the truth. */
#include <kernels/softmax/softmax.h>
#include <math.h>

void tn_k_softmax_ref(const tn_k_softmax_params *p, const float *a, double *out)
{
    int64_t rows = tn_k_grid_count(&p->rows);
    for (int64_t r = 0; r < rows; r++, out += p->count) {
        const float *x = a + tn_k_grid_offset(&p->rows, 0, r);
        double m = -INFINITY, sum = 0;
        for (int64_t i = 0; i < p->count; i++)
            m = (double)x[i * p->stride[0]] > m ? (double)x[i * p->stride[0]] : m;
        for (int64_t i = 0; i < p->count; i++)
            sum += exp((double)x[i * p->stride[0]] - m);
        for (int64_t i = 0; i < p->count; i++) {
            double d = (double)x[i * p->stride[0]] - m;
            out[i] = p->log ? d - log(sum) : exp(d) / sum;
        }
    }
}

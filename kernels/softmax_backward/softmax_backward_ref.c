/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of softmax in float64: the truth. */
#include <kernels/softmax_backward/softmax_backward.h>
#include <math.h>

void tn_k_softmax_backward_ref(const tn_k_softmax_backward_params *p, const float *a,
                               const float *grad, double *out, double *out_scale)
{
    int64_t rows = tn_k_grid_count(&p->rows);
    for (int64_t r = 0; r < rows; r++, out += p->count, out_scale += p->count) {
        const float *y = a + tn_k_grid_offset(&p->rows, 0, r);
        const float *g = grad + tn_k_grid_offset(&p->rows, 1, r);
        double sum = 0, size = 0;
        for (int64_t i = 0; i < p->count; i++) {
            double v = (double)g[i * p->stride[1]] * (p->log ? 1 : (double)y[i * p->stride[0]]);
            sum += v;
            size += fabs(v);
        }
        for (int64_t i = 0; i < p->count; i++) {
            double v = (double)y[i * p->stride[0]], d = (double)g[i * p->stride[1]];
            out[i] = p->log ? d - exp(v) * sum : v * (d - sum);
            out_scale[i] = size;
        }
    }
}

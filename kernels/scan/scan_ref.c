/* SPDX-License-Identifier: Apache-2.0 */
/* Running sums of floats in float64: the truth. */
#include <kernels/common/dtype_convert.h>
#include <kernels/scan/scan.h>

void tn_k_scan_ref(const tn_k_scan_params *p, const void *a, double *out)
{
    int64_t rows = tn_k_grid_count(&p->rows);
    for (int64_t r = 0; r < rows; r++) {
        int64_t from = tn_k_grid_offset(&p->rows, 0, r) + p->first[0];
        double sum = 0;
        for (int64_t i = 0; i < p->extent; i++) {
            double before = sum;
            sum += tn_c_load(p->from, a, from + i * p->step[0]).f;
            *out++ = p->exclusive ? before : sum;
        }
    }
}

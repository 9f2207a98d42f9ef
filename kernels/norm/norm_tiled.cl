/* SPDX-License-Identifier: Apache-2.0 */
/* Layer, RMS and group norm by groups of work-items: a group takes ROWS rows, or one of which it adds SEGMENTS
 * segments at a time. Each work-item reads and writes every 64th element, so that OUT may be A.
 * uses tn_k_grid_count g, tn_k_grid_offset g, tn_k_widen g, tn_k_narrow_wide g, tn_k_norm_affine g, c_rsqrt, c_recip. */
enum { HIGH = ROWS * SEGMENTS, WIDE = 64 };
#define AT(which, i) (FLAT ? (i) * p->inner.stride[which][0] : tn_k_grid_offset(&p->inner, which, i))

TN_GROUP_KERNEL
{
    __local float lane[HIGH][WIDE];
    __global const tn_k_norm_params *p = TN_PARAMS_HERE;
    __global void *operand[] = {TN_OPERANDS};
    __global const void *a = operand[0];
    const uint x = TN_ITEM(0), y = TN_ITEM(1), own = y / SEGMENTS * SEGMENTS, segment = y % SEGMENTS;
    const long row = (long)TN_GROUP(0) * ROWS + y / SEGMENTS, rows = tn_k_grid_count(&p->rows), count = p->count;
    const long n = row < rows ? count : 0; /* the last group may have rows too many */
    const long from = tn_k_grid_offset(&p->rows, 0, min(row, rows - 1)), to = tn_k_grid_offset(&p->rows, 1, min(row, rows - 1));
    const float scale = c_recip((float)count);
    float mean = 0.0f, t = 0.0f;
    for (int pass = CENTRED ? 0 : 1; pass < 2; pass++) { /* the sum, then that of squares */
        t = 0.0f;
        for (long first = 0; first < count; first += SEGMENTS * TN_C_SEGMENT) {
            const long mine = first + segment * TN_C_SEGMENT;
            float l = 0.0f;
            for (long i = mine + x; i < n && i < mine + TN_C_SEGMENT; i += WIDE) {
                float v = tn_k_widen(FROM, a, from + AT(0, i));
                if (CENTRED && pass == 1)
                    v = v - mean;
                l = pass == 1 ? fma(v, v, l) : l + v;
            }
            tn_fold(lane[y], x, l);
            for (uint i = 0; i < SEGMENTS; i++)
                t = t + lane[own + i][0];
        }
        if (pass == 0)
            mean = t * scale;
    }
    const float r = c_rsqrt(fma(t, scale, p->epsilon));
    const bool gamma = p->gamma_at >= 0, beta = p->beta_at >= 0;
    __global const void *by = operand[gamma ? p->gamma_at : 0], *plus = operand[beta ? p->beta_at : 0];
    for (long i = segment * WIDE + x; i < n; i += SEGMENTS * WIDE) {
        float z = tn_k_widen(FROM, a, from + AT(0, i));
        if (CENTRED)
            z = z - mean;
        z = z * r;
        const float g = gamma ? tn_k_widen(p->affine[0], by, tn_k_norm_affine(p, 0, row, i)) : 1.0f;
        const float b = beta ? tn_k_widen(p->affine[1], plus, tn_k_norm_affine(p, 1, row, i)) : 0.0f;
        z = gamma && beta ? fma(z, g, b) : gamma ? z * g : beta ? z + b : z;
        tn_k_narrow_wide(TO, operand[1], to + AT(1, i), z);
    }
}

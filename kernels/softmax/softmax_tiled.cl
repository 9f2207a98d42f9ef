/* SPDX-License-Identifier: Apache-2.0 */
/* softmax by groups of work-items: a group takes ROWS rows, or one of which it adds SEGMENTS segments at a time. Each
 * work-item reads and writes every 64th element, so that OUT may be A.
 * uses tn_k_grid_count g, tn_k_grid_offset g, tn_k_widen g, tn_k_narrow_wide g, tn_c_max, c_exp, c_log, c_recip. */
enum { HIGH = ROWS * SEGMENTS, WIDE = 64 };

TN_GROUP_KERNEL
{
    __local float lane[HIGH][WIDE];
    __global const tn_k_softmax_params *p = TN_PARAMS_HERE;
    __global void *operand[] = {TN_OPERANDS};
    __global const void *a = operand[0];
    const uint x = TN_ITEM(0), y = TN_ITEM(1), own = y / SEGMENTS * SEGMENTS, segment = y % SEGMENTS;
    const long row = (long)TN_GROUP(0) * ROWS + y / SEGMENTS, rows = tn_k_grid_count(&p->rows), count = p->count;
    const long n = row < rows ? count : 0; /* the last group may have rows too many */
    const long from = tn_k_grid_offset(&p->rows, 0, min(row, rows - 1)), to = tn_k_grid_offset(&p->rows, 1, min(row, rows - 1));
    float m = n > 0 ? tn_k_widen(FROM, a, from) : 0.0f;
    for (long i = segment * WIDE + x; i < n; i += SEGMENTS * WIDE)
        m = tn_c_max(m, tn_k_widen(FROM, a, from + i));
    lane[y][x] = m;
    for (uint h = WIDE / 2; h > 0; h /= 2) {
        TN_MEET;
        if (x < h)
            lane[y][x] = tn_c_max(lane[y][x], lane[y][x + h]);
    }
    TN_MEET;
    for (uint i = 0; i < SEGMENTS; i++)
        m = tn_c_max(m, lane[own + i][0]);
    float t = 0.0f;
    for (long first = 0; first < count; first += SEGMENTS * TN_C_SEGMENT) {
        const long mine = first + segment * TN_C_SEGMENT;
        float l = 0.0f;
        for (long i = mine + x; i < n && i < mine + TN_C_SEGMENT; i += WIDE)
            l = l + c_exp(tn_k_widen(FROM, a, from + i) - m);
        tn_fold(lane[y], x, l);
        for (uint i = 0; i < SEGMENTS; i++)
            t = t + lane[own + i][0];
    }
    const float scale = LOG ? c_log(t) : c_recip(t);
    for (long i = segment * WIDE + x; i < n; i += SEGMENTS * WIDE) {
        const float d = tn_k_widen(FROM, a, from + i) - m;
        tn_k_narrow_wide(TO, operand[1], to + i * p->stride[1], LOG ? d - scale : c_exp(d) * scale);
    }
}

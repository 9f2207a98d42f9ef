/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions by groups of work-items: a group takes ROWS outputs, or one of which it takes SEGMENTS segments at a time.
 * SPLIT: a group takes so many segments and hands what comes out over, one by one; a second phase goes through them.
 * uses tn_k_grid_count g, tn_k_grid_offset g, tn_k_widen g, tn_k_narrow_wide g, tn_c_max, tn_c_min, c_recip. */
enum { HIGH = ROWS * SEGMENTS, WIDE = 64, SUMS = KIND != TN_REDUCE_MAX && KIND != TN_REDUCE_MIN };
#define AT(i) (FLAT ? (i) * p->inner.stride[0][0] : tn_k_grid_offset(&p->inner, 0, i))

static float joined(float a, float b)
{
    return KIND == TN_REDUCE_MAX ? tn_c_max(a, b) : KIND == TN_REDUCE_MIN ? tn_c_min(a, b) : a + b;
}

TN_GROUP_KERNEL
{
    __local float lane[HIGH][WIDE];
    __global const tn_k_reduce_params *p = TN_PARAMS_HERE;
    __global void *operand[] = {TN_OPERANDS};
    __global const void *a = operand[0];
    __global float *handed = (__global float *)TN_SHARED_HERE;
    const uint x = TN_ITEM(0), y = TN_ITEM(1), own = y / SEGMENTS * SEGMENTS, segment = y % SEGMENTS;
    const long row = (long)TN_GROUP(0) * ROWS + y / SEGMENTS, rows = tn_k_grid_count(&p->kept), count = p->count;
    const long n = row < rows ? count : 0, segments = TN_LAUNCH_HERE->number[NUMBER_SEGMENTS];
    const long from = tn_k_grid_offset(&p->kept, 0, min(row, rows - 1));
    const float start = SUMS ? 0.0f : as_float(KIND == TN_REDUCE_MAX ? 0xff800000u : 0x7f800000u);
    const long begin = SPLIT ? (long)TN_GROUP(1) * SEGMENTS * TN_C_SEGMENT : 0;
    const long end = SPLIT ? (phase == 0 ? begin + 1 : 0) : count;
    float t = start;
    for (long first = begin; first < end; first += SEGMENTS * TN_C_SEGMENT) {
        const long mine = first + segment * TN_C_SEGMENT;
        float l = start;
        for (long i = mine + x; i < n && i < mine + TN_C_SEGMENT; i += WIDE) {
            const float v = tn_k_widen(FROM, a, from + AT(i));
            l = KIND == TN_REDUCE_SUMSQ ? fma(v, v, l) : joined(l, v);
        }
        if (SUMS) {
            tn_fold(lane[y], x, l);
        } else {
            TN_MEET;
            lane[y][x] = l;
            for (uint h = WIDE / 2; h > 0; h /= 2) {
                TN_MEET;
                if (x < h)
                    lane[y][x] = joined(lane[y][x], lane[y][x + h]);
            }
            TN_MEET;
        }
        if (SPLIT) {
            if (x == 0 && mine < count)
                handed[row * segments + mine / TN_C_SEGMENT] = lane[y][0];
            return;
        }
        for (uint i = 0; i < SEGMENTS; i++)
            t = joined(t, lane[own + i][0]);
    }
    if (x > 0 || segment > 0 || row >= rows)
        return;
    for (long i = 0; SPLIT && i < segments; i++)
        t = joined(t, handed[row * segments + i]);
    if (KIND == TN_REDUCE_MEAN)
        t = t * c_recip((float)count);
    tn_k_narrow_wide(TO, operand[1], tn_k_grid_offset(&p->kept, 1, row), t);
}

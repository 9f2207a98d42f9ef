/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of floats by groups of work-items, as a matmul whose rows are pixels, whose columns are filters of one
 * group of channels and whose k are taps and channels: tiles as in matmul_tiled.cl, in the order of docs/NUMERICS.md
 * section 5. A tap outside of A enters as a zero, which changes no sum as long as the filters are finite; once a
 * filter of the group is not, its sums skip such taps one by one.
 * uses tn_k_widen g, tn_k_conv_taps g, tn_k_conv_pixels g, tiled_tap_of g, tiled_place g, tiled_inside g, tiled_finish g pg. */
enum { CHUNK = 128, WIDE = LAST ? TN_SIZE_0 : TN_SIZE_1, HIGH = LAST ? TN_SIZE_1 : TN_SIZE_0 };
enum { ITEMS = TN_SIZE_0 * TN_SIZE_1, HANDED = SLICES > 1 ? SLICES - 1 : 1, HANDED_ROWS = SLICES > 1 ? ROWS : 1 };

TN_GROUP_KERNEL
{
    __local float left[SLICES][DEEP][ROWS + 1], right[SLICES][DEEP][COLS + 1];
    __local float handed[HANDED][HANDED_ROWS][COLS];
    __local int place[ROWS][4];           /* of pixels: along each dim of space, and where the batch begins */
    __local int tap[SLICES][DEEP][6];     /* of k: away along each dim, in b, channel in a, 0: beyond the last */
    __local uchar there[PADDED ? SLICES : 1][PADDED ? DEEP : 1][ROWS + 1];
    __local int odd; /* a filter is not finite */
    __global const tn_k_conv *p = TN_PARAMS_HERE;
    __global void *operand[] = {TN_OPERANDS};
    __global const void *a = operand[0], *b = operand[1];
    const uint x = TN_ITEM(LAST ? 0 : 1), y = TN_ITEM(LAST ? 1 : 0), slice = TN_ITEM(2);
    const int me = TN_ITEM(1) * TN_SIZE_0 + TN_ITEM(0), cg = (int)p->cg, kg = (int)p->kg;
    const int depth = (int)tn_k_conv_taps(p) * cg;
    const int pixels = (int)tn_k_conv_pixels(p), row0 = TN_GROUP(0) * ROWS;
    const long block = TN_GROUP(1) + (long)TN_GROUP(2) * MOST_BLOCKS;
    const int blocks = (kg + COLS - 1) / COLS, group = (int)(block / blocks), col0 = (int)(block % blocks) * COLS;
    if (group >= p->groups) /* the same for all of the group */
        return;
    const int a_at = group * cg * (int)p->a_view.c, b_at = group * (int)p->b_group, b_k = (int)p->b_k;
    if (me == 0 && slice == 0)
        odd = 0;
    for (int r = me + (int)slice * ITEMS; r < ROWS; r += ITEMS * SLICES) {
        const int pixel = min(row0 + r, pixels - 1), row = pixel / (int)p->size[2], plane = row / (int)p->size[1];
        place[r][0] = tiled_place(p, 0, plane % (int)p->size[0]);
        place[r][1] = tiled_place(p, 1, row % (int)p->size[1]);
        place[r][2] = tiled_place(p, 2, pixel % (int)p->size[2]);
        place[r][3] = a_at + plane / (int)p->size[0] * (int)p->a_view.n;
    }
    float t[ITEM_ROWS][ITEM_COLS];
    for (int r = 0; r < ITEM_ROWS; r++)
        for (int c = 0; c < ITEM_COLS; c++)
            t[r][c] = 0.0f;
    for (int first = 0; first < depth; first += SLICES * CHUNK) {
        const int mine = first + (int)slice * CHUNK;
        float s[ITEM_ROWS][ITEM_COLS];
        for (int r = 0; r < ITEM_ROWS; r++)
            for (int c = 0; c < ITEM_COLS; c++)
                s[r][c] = 0.0f;
        for (int step = 0; step < CHUNK && first + step < depth; step += DEEP) {
            TN_MEET; /* nobody reads the step before any more */
            for (int i = me; i < DEEP; i += ITEMS) {
                const int k = mine + step + i, c = k % cg;
                const tiled_tap at = tiled_tap_of(p, k / cg);
                tap[slice][i][0] = at.away[0];
                tap[slice][i][1] = at.away[1];
                tap[slice][i][2] = at.away[2];
                tap[slice][i][3] = b_at + at.b + c * (int)p->b_c;
                tap[slice][i][4] = c * (int)p->a_view.c;
                tap[slice][i][5] = k < depth;
            }
            TN_MEET;
            for (int i = me; i < ROWS * DEEP; i += ITEMS) {
                const int k = A_ALONG_K ? i % DEEP : i / ROWS, r = A_ALONG_K ? i / DEEP : i % ROWS;
                bool inside = tap[slice][k][5] != 0 && row0 + r < pixels;
                int at = place[r][3] + tap[slice][k][4];
                for (int d = 0; d < 3; d++) {
                    const int here = tiled_inside(p, d, place[r][d] + tap[slice][k][d]);
                    inside = inside && here >= 0;
                    at += here * (int)p->a_view.s[d];
                }
                left[slice][k][r] = inside ? tn_k_widen(A_TYPE, a, at) : 0.0f;
                if (PADDED)
                    there[slice][k][r] = inside;
            }
            for (int i = me; i < COLS * DEEP; i += ITEMS) {
                const int k = B_ALONG_K ? i % DEEP : i / COLS, c = B_ALONG_K ? i / DEEP : i % COLS;
                const bool inside = tap[slice][k][5] != 0 && col0 + c < kg;
                const float w = inside ? tn_k_widen(B_TYPE, b, tap[slice][k][3] + (col0 + c) * b_k) : 0.0f;
                right[slice][k][c] = w;
                if (PADDED && w - w != 0.0f)
                    atomic_or(&odd, 1);
            }
            TN_MEET;
            const bool skips = PADDED && odd != 0;
            for (int k = 0; k < DEEP; k++) {
                float u[ITEM_ROWS], v[ITEM_COLS];
                for (int r = 0; r < ITEM_ROWS; r++)
                    u[r] = left[slice][k][y + r * HIGH];
                for (int c = 0; c < ITEM_COLS; c++)
                    v[c] = right[slice][k][x + c * WIDE];
                if (skips) {
                    for (int r = 0; r < ITEM_ROWS; r++)
                        for (int c = 0; c < ITEM_COLS; c++)
                            s[r][c] = there[slice][k][y + r * HIGH] ? fma(u[r], v[c], s[r][c]) : s[r][c];
                } else {
                    for (int r = 0; r < ITEM_ROWS; r++)
                        for (int c = 0; c < ITEM_COLS; c++)
                            s[r][c] = fma(u[r], v[c], s[r][c]);
                }
            }
        }
        if (SLICES > 1) {
            if (slice > 0)
                for (int r = 0; r < ITEM_ROWS; r++)
                    for (int c = 0; c < ITEM_COLS; c++)
                        handed[slice - 1][y + r * HIGH][x + c * WIDE] = s[r][c];
            TN_MEET;
        }
        for (int r = 0; r < ITEM_ROWS; r++)
            for (int c = 0; c < ITEM_COLS; c++) {
                t[r][c] = t[r][c] + s[r][c];
                for (int i = 0; SLICES > 1 && slice == 0 && i < SLICES - 1; i++)
                    t[r][c] = t[r][c] + handed[i][y + r * HIGH][x + c * WIDE];
            }
    }
    if (slice > 0)
        return;
    float done[ITEM_ROWS * ITEM_COLS];
    for (int r = 0; r < ITEM_ROWS; r++)
        for (int c = 0; c < ITEM_COLS; c++)
            done[r * ITEM_COLS + c] = t[r][c];
#pragma unroll 1
    for (int i = 0; i < ITEM_ROWS * ITEM_COLS; i++) {
        const int row = row0 + (int)y + i / ITEM_COLS * HIGH, col = col0 + (int)x + i % ITEM_COLS * WIDE;
        if (row < pixels && col < kg)
            tiled_finish(p, operand, row, (long)group * kg + col, done[i]);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of floats by groups of work-items: a group computes ROWS by COLS outputs, a work-item ITEM_ROWS by
 * ITEM_COLS of them, as far apart as the group is wide, so that neighbours read and write neighbours. Steps of DEEP k
 * pass through local memory. Where outputs are few, the SLICES of a group take chunks of k in turn, and hand their
 * sums over one by one: the order is that of docs/NUMERICS.md section 3 for every tile. What lies beyond an edge
 * enters as zeros of both operands along k, which change no sum; rows and columns beyond are not stored.
 * uses tn_k_matmul_locate g p, tn_k_widen g, tn_k_narrow_wide g, tiled_steps g p pg. */
#if NEAR
typedef int index; /* all of a and b is within 2^30 elements */
#else
typedef long index;
#endif
enum { CHUNK = 128, WIDE = TN_SIZE_0, HIGH = TN_SIZE_1, ITEMS = TN_SIZE_0 * TN_SIZE_1 };
enum { HANDED = SLICES > 1 ? SLICES - 1 : 1, HANDED_ROWS = SLICES > 1 ? ROWS : 1 };

TN_GROUP_KERNEL
{
    __local float left[SLICES][DEEP][ROWS + 1], right[SLICES][DEEP][COLS + 1];
    __local float handed[HANDED][HANDED_ROWS][COLS];
    __global const tn_k_matmul *p = TN_PARAMS_HERE;
    __global void *operand[] = {TN_OPERANDS};
    __global const void *a = operand[0], *b = operand[1];
    const uint x = TN_ITEM(0), y = TN_ITEM(1), slice = TN_ITEM(2), me = y * WIDE + x;
    const index m = (index)p->m, n = (index)p->n, depth = (index)p->k;
    const ulong block = TN_GROUP(1) + (ulong)TN_GROUP(2) * MOST_ROW_BLOCKS, blocks = (m + ROWS - 1) / ROWS;
    if (block >= blocks * (ulong)p->batch_count) /* the same for all of the group */
        return;
    const index row0 = (index)(block % blocks) * ROWS, col0 = (index)TN_GROUP(0) * COLS;
    tn_k_matmul_item at;
    tn_k_matmul_locate(p, (long)(block / blocks), &at);
    const index a_at = (index)at.a, a_row = (index)p->a_view.row, a_col = (index)p->a_view.col;
    const index b_at = (index)at.b, b_row = (index)p->b_view.row, b_col = (index)p->b_view.col;
    float t[ITEM_ROWS][ITEM_COLS];
    for (int r = 0; r < ITEM_ROWS; r++)
        for (int c = 0; c < ITEM_COLS; c++)
            t[r][c] = 0.0f;
    for (index first = 0; first < depth; first += SLICES * CHUNK) {
        const index mine = first + (index)slice * CHUNK;
        float s[ITEM_ROWS][ITEM_COLS];
        for (int r = 0; r < ITEM_ROWS; r++)
            for (int c = 0; c < ITEM_COLS; c++)
                s[r][c] = 0.0f;
        for (int step = 0; step < CHUNK && first + step < depth; step += DEEP) {
            TN_MEET; /* nobody reads the step before any more */
            for (int i = me; i < ROWS * DEEP; i += ITEMS) {
                const int k = A_ALONG_K ? i % DEEP : i / ROWS, r = A_ALONG_K ? i / DEEP : i % ROWS;
                const bool there = row0 + r < m && mine + step + k < depth;
                left[slice][k][r] = there ? tn_k_widen(A_TYPE, a, a_at + (row0 + r) * a_row + (mine + step + k) * a_col) : 0.0f;
            }
            for (int i = me; i < COLS * DEEP; i += ITEMS) {
                const int k = B_ALONG_K ? i % DEEP : i / COLS, c = B_ALONG_K ? i / DEEP : i % COLS;
                const bool there = col0 + c < n && mine + step + k < depth;
                right[slice][k][c] = there ? tn_k_widen(B_TYPE, b, b_at + (col0 + c) * b_col + (mine + step + k) * b_row) : 0.0f;
            }
            TN_MEET;
            for (int k = 0; k < DEEP; k++) {
                float u[ITEM_ROWS], v[ITEM_COLS];
                for (int r = 0; r < ITEM_ROWS; r++)
                    u[r] = left[slice][k][y + r * HIGH];
                for (int c = 0; c < ITEM_COLS; c++)
                    v[c] = right[slice][k][x + c * WIDE];
                for (int r = 0; r < ITEM_ROWS; r++)
                    for (int c = 0; c < ITEM_COLS; c++)
                        s[r][c] = fma(u[r], v[c], s[r][c]);
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
#if STEPS
    /* A loop that is not unrolled, since steps are long; the sums stay in registers until here. */
    float done[ITEM_ROWS * ITEM_COLS];
    for (int r = 0; r < ITEM_ROWS; r++)
        for (int c = 0; c < ITEM_COLS; c++)
            done[r * ITEM_COLS + c] = t[r][c];
#pragma unroll 1
    for (int i = 0; i < ITEM_ROWS * ITEM_COLS; i++) {
        const long row = row0 + y + i / ITEM_COLS * HIGH, col = col0 + x + i % ITEM_COLS * WIDE;
        if (row < m && col < n)
            tn_k_narrow_wide(OUT_TYPE, operand[p->out], at.out + row * p->out_view.row + col * p->out_view.col,
                             tiled_steps(p, &at, operand, row, col, done[i]));
    }
#else
    for (int r = 0; r < ITEM_ROWS; r++)
        for (int c = 0; c < ITEM_COLS; c++) {
            const long row = row0 + y + r * HIGH, col = col0 + x + c * WIDE;
            if (row < m && col < n)
                tn_k_narrow_wide(OUT_TYPE, operand[p->out], at.out + row * p->out_view.row + col * p->out_view.col, t[r][c]);
        }
#endif
}

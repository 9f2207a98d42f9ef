/* SPDX-License-Identifier: Apache-2.0 */
/* How tasks share out a grid of tiles: the worker with most to do has no more than before, and next
 * to its part where that can be. */
#include "support/test.h"
#include <kernels/common/shape.h>

static int64_t up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Tiles of the busiest of the workers, packing counted. */
static double busiest(const tn_k_sharing *s, const int64_t *blocks)
{
    double rows = (double)up(s->tiles[0], blocks[0]), cols = (double)up(s->tiles[1], blocks[1]);
    return (double)up(s->batch * blocks[0] * blocks[1], s->workers) *
           (rows * cols + rows * s->packing[0] + cols * s->packing[1]);
}

TN_TEST(k_share, the_busiest_worker_has_less)
{
    uint64_t state = tn_test_seed();
    uint32_t changed = 0;
    for (int round = 0; round < 20000; round++) {
        tn_k_sharing s = {.batch = 1 + (int64_t)(tn_test_random(&state) % 3),
                          .workers = 1 + (int64_t)(tn_test_random(&state) % 9),
                          .packing = {0.25 * (double)(tn_test_random(&state) % 3),
                                      0.5 * (double)(tn_test_random(&state) % 3)}};
        int64_t was[2], now[2];
        for (int d = 0; d < 2; d++) {
            s.tiles[d] = 1 + (int64_t)(tn_test_random(&state) % 60);
            was[d] = 1 + (int64_t)(tn_test_random(&state) % (uint64_t)s.tiles[d]) % 12;
            s.least[d] = 1 + (int64_t)(tn_test_random(&state) % (uint64_t)was[d]);
            now[d] = was[d];
        }
        tn_k_share(&s, now);
        for (int d = 0; d < 2; d++)
            TN_EXPECT(now[d] >= s.least[d] && now[d] <= s.tiles[d]);
        bool same = now[0] == was[0] && now[1] == was[1];
        int64_t tasks = s.batch * was[0] * was[1], then = s.batch * now[0] * now[1];
        TN_EXPECT(busiest(&s, now) <= busiest(&s, was));
        TN_EXPECT(same || (s.workers > 1 && tasks < 16 * s.workers), "many tasks stay as they are");
        TN_EXPECT(then <= tasks + 2 * s.workers && (tasks < 4 * s.workers || then >= 4 * s.workers),
                  "%d tasks of %d for %d workers", (int)then, (int)tasks, (int)s.workers);
        changed += !same;
    }
    TN_EXPECT(changed > 2000, "%u grids were changed", changed);
}

/* Nine blocks of 37 x 16 tiles would leave the second worker idle for a tenth of the time. */
TN_TEST(k_share, two_workers_have_halves)
{
    static const int64_t tiles[][2] = {{37, 16}, {19, 8}, {74, 32}, {64, 1}, {1, 64}};
    for (size_t i = 0; i < sizeof tiles / sizeof tiles[0]; i++) {
        tn_k_sharing s = {
            .batch = 1, .workers = 2, .tiles = {tiles[i][0], tiles[i][1]}, .least = {1, 1}};
        int64_t rows = tiles[i][0], cols = tiles[i][1];
        int64_t blocks[2] = {rows < 9 ? rows : cols < 9 ? 9 : 3, cols < 9 ? 1 : rows < 9 ? 9 : 3};
        tn_k_share(&s, blocks);
        double half = (double)(rows * cols) / 2.0;
        TN_EXPECT(busiest(&s, blocks) <= 1.06 * half, "%d x %d: %g of %g", (int)rows, (int)cols,
                  busiest(&s, blocks), half);
    }
}

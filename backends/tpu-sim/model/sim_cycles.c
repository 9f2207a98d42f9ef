/* SPDX-License-Identifier: Apache-2.0 */
/* Cycles of a product on an array in closed form: serial folds, or folds whose loading hides behind
 * the one before. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim.h"

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

static bool product(uint64_t *io, uint64_t by)
{
    return !__builtin_mul_overflow(*io, by, io);
}

/* What the array holds along its rows and columns and what streams past, by dataflow. */
static void roles(const sim_gemm *g, uint64_t *along_rows, uint64_t *along_cols, uint64_t *stream)
{
    *along_rows = g->dataflow == SIM_OS ? g->m : g->k;
    *along_cols = g->dataflow == SIM_IS ? g->m : g->n;
    *stream = g->dataflow == SIM_OS ? g->k : g->dataflow == SIM_WS ? g->m : g->n;
}

bool tn__sim_gemm_count(const sim_gemm *g, sim_gemm_cycles *out)
{
    uint64_t down, across, t;
    if (g->m == 0 || g->n == 0 || g->k == 0 || g->rows == 0 || g->cols == 0)
        return false;
    roles(g, &down, &across, &t);
    uint64_t r = g->rows, c = g->cols, high = ceil_div(down, r), wide = ceil_div(across, c);
    sim_gemm_cycles y = {.folds = high, .useful_macs = g->m};
    bool good =
        product(&y.folds, wide) && product(&y.useful_macs, g->n) && product(&y.useful_macs, g->k);
    /* First in to last out: t rows enter, skewed over r rows and c columns. What precedes is the
     * loading of the stationary operand (r), what follows in OS the shifting out of the results. */
    uint64_t through = t + r + c - 2, each = through + r;
    if (g->dataflow == SIM_OS && g->no_drain)
        each = through;
    if (t > UINT64_MAX - 3 * (r + c))
        return false;
    if (g->timing == SIM_SERIAL) {
        y.cycles = y.folds;
        good = good && product(&y.cycles, each);
    } else {
        uint64_t load = g->dataflow != SIM_OS ? ceil_div(r, g->load_rows ? g->load_rows : 1)
                        : g->no_drain         ? 0
                                              : r;
        y.cycles = y.folds - 1;
        good = good && product(&y.cycles, t > load ? t : load) &&
               !__builtin_add_overflow(y.cycles, through, &y.cycles) &&
               !__builtin_add_overflow(y.cycles, load, &y.cycles);
    }
    /* Reads of the operands: once a fold along the dimension that they do not have. */
    uint64_t mk = g->m, kn = g->k;
    good = good && product(&mk, g->k) && product(&kn, g->n);
    y.ifmap_reads = mk;
    y.filter_reads = kn;
    if (g->dataflow != SIM_IS)
        good = good && product(&y.ifmap_reads, ceil_div(g->n, c));
    if (g->dataflow == SIM_OS)
        good = good && product(&y.filter_reads, ceil_div(g->m, r));
    if (g->dataflow == SIM_IS)
        good = good && product(&y.filter_reads, ceil_div(g->m, c));
    y.mapping_efficiency =
        100.0 * ((double)down * (double)across) / ((double)y.folds * (double)r * (double)c);
    *out = y;
    return good;
}

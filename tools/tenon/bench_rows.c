/* SPDX-License-Identifier: Apache-2.0 */
/* Interleaved samples and their statistics: contestants take turns, so that a change of the
 * machine's speed meets all of them alike. */
#include "tool.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

tool_stats tool_statistics(double *values, uint32_t count)
{
    tool_stats s = {0};
    if (count == 0)
        return s;
    qsort(values, count, sizeof *values, compare);
    s.median = values[count / 2];
    s.p10 = values[count / 10];
    s.p90 = values[count - 1 - count / 10];
    return s;
}

bool tool_interleave(tool_contestant *c, uint32_t count, uint32_t rounds)
{
    for (uint32_t i = 0; i < count; ++i) {
        c[i].sample_s = calloc(rounds, sizeof *c[i].sample_s);
        if (c[i].sample_s == NULL)
            return false;
        c[i].run(c[i].self); /* warm: caches, pages, the peer's own threads */
        double t = tool_now();
        c[i].run(c[i].self);
        t = tool_now() - t;
        /* a sample lasts 0.5 ms or more */
        c[i].repeat = t < 0.5e-3 ? (uint32_t)(0.5e-3 / (t > 1e-8 ? t : 1e-8)) + 1u : 1u;
    }
    for (uint32_t r = 0; r < rounds; ++r) {
        for (uint32_t k = 0; k < count; ++k) {
            tool_contestant *one = &c[(k + r) % count];
            one->run(one->self); /* the peer before left its own data in the caches */
            double t = tool_now();
            for (uint32_t j = 0; j < one->repeat; ++j)
                one->run(one->self);
            one->sample_s[r] = (tool_now() - t) / one->repeat;
            one->count = r + 1;
        }
    }
    return true;
}

double tool_pair_ratio(const tool_contestant *a, const tool_contestant *b)
{
    double *ratio = malloc(a->count * sizeof *ratio), out = 0.0;
    if (ratio == NULL)
        return 0.0;
    for (uint32_t i = 0; i < a->count; ++i)
        ratio[i] = a->sample_s[i] / b->sample_s[i];
    out = tool_statistics(ratio, a->count).median;
    free(ratio);
    return out;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Interleaved samples and their statistics: contestants take turns, so that a change of the
 * machine's speed meets all of them alike. */
#include "tool.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static double process_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Threads of OpenMP and of other pools go on spinning after their work, some of them for 200 ms,
 * and would take a cpu from whoever's turn is next: waits until this process rests. The time of a
 * thread that runs elsewhere is brought up to date once a tick, up to 10 ms: a shorter look sees
 * nothing of it. */
static void settle(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 2)
        return;
    for (int i = 0; i < 50; ++i) {
        const struct timespec pause = {0, 12000000};
        double before = process_seconds();
        nanosleep(&pause, NULL);
        if (process_seconds() - before < 5e-4)
            return;
    }
}

static uint32_t common(uint32_t a, uint32_t b)
{
    return b == 0 ? a : common(b, a % b);
}

/* Right before its turn everybody gets the same warm calls: whoever was before left its own data in
 * the caches, threads and cpus that rested have to come up, and threads that woke on one cpu have
 * to be spread, which takes the kernel some ticks. */
static void warm(tool_contestant *one)
{
    double t = tool_now();
    do
        one->run(one->self);
    while (tool_now() - t < 25e-3);
}

/* The step between turns of round r: another one prime to `count` each time. Whoever runs behind a
 * contestant that has just read the same operands finds them in a large cache; so nobody always
 * runs behind the same one. */
static uint32_t step_of(uint32_t r, uint32_t count)
{
    uint32_t step = 1;
    while (r > 0 && count > 1) {
        step = step % count + 1;
        r -= common(step, count) == 1;
    }
    return step;
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
        uint32_t step = step_of(r, count);
        for (uint32_t k = 0; k < count; ++k) {
            tool_contestant *one = &c[(k * step + r) % count];
            settle();
            warm(one);
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

/* What bounds an op on this machine, and the percentage of it that `seconds` reach. */
static double percent(const tool_setup *with, const tool_problem *p, double seconds,
                      const char **limit)
{
    bool reads = p->written * 8.0 < p->bytes;
    double gbs = reads ? with->read_gbs : with->copy_gbs;
    double compute = p->flops / with->peak_gflops, move = p->bytes / gbs;
    *limit = compute > move ? "fma" : reads ? "read" : "copy";
    return 1e-7 * (compute > move ? compute : move) / seconds;
}

static void add_row(const tool_setup *with, const tool_problem *p, const tool_contestant *c,
                    const tool_stats *s, double ratio, const tool_contestant *beside)
{
    cJSON *row = cJSON_CreateObject();
    const char *shape = strpbrk(p->text, "0123456789"), *limit;
    while (shape != NULL && shape > p->text && shape[-1] != ' ')
        --shape;
    double part = percent(with, p, s->median, &limit);
    cJSON_AddStringToObject(row, "op", c->op);
    cJSON_AddStringToObject(row, "dtype", p->dtype);
    cJSON_AddStringToObject(row, "shape", shape != NULL ? shape : p->text);
    cJSON_AddStringToObject(row, "text", p->text);
    cJSON_AddNumberToObject(row, "threads", with->threads);
    cJSON_AddStringToObject(row, "class", c->cls);
    cJSON_AddStringToObject(row, "impl", c->impl);
    if (c->kernel[0] != '\0')
        cJSON_AddStringToObject(row, "kernel", c->kernel);
    cJSON_AddBoolToObject(row, "packed", c->packed);
    cJSON_AddNumberToObject(row, "rounds", c->count);
    cJSON_AddNumberToObject(row, "median_ms", s->median * 1e3);
    cJSON_AddNumberToObject(row, "p10_ms", s->p10 * 1e3);
    cJSON_AddNumberToObject(row, "p90_ms", s->p90 * 1e3);
    cJSON_AddNumberToObject(row, "gflops", p->flops / s->median * 1e-9);
    cJSON_AddNumberToObject(row, "gbs", p->bytes / s->median * 1e-9);
    cJSON_AddStringToObject(row, "limit", limit);
    cJSON_AddNumberToObject(row, "percent", part);
    if (beside != NULL) {
        cJSON_AddNumberToObject(row, "ratio", ratio);
        cJSON_AddStringToObject(row, "beside", beside->impl);
    }
    cJSON_AddItemToArray(with->rows, row);
}

/* The fastest peer with weights of the same kind. */
static const tool_contestant *best_peer(const tool_contestant *c, const tool_stats *s, uint32_t own,
                                        uint32_t count, bool packed)
{
    uint32_t best = count;
    for (uint32_t i = own; i < count; ++i)
        if (c[i].packed == packed && (best == count || s[i].median < s[best].median))
            best = i;
    return best < count ? &c[best] : NULL;
}

void tool_report(const tool_setup *with, const tool_problem *p, tool_contestant *c, uint32_t own,
                 uint32_t count)
{
    tool_stats s[32] = {{0}};
    char op[16];
    const char *limit = "";
    bool floats = p->flops > 0.0;
    snprintf(op, sizeof op, "%.*s", (int)strcspn(p->text, " "), p->text);
    count = count < 32 ? count : 32;
    for (uint32_t i = 0; i < count; ++i) {
        double *copy = malloc(c[i].count * sizeof *copy);
        if (copy == NULL)
            return;
        memcpy(copy, c[i].sample_s, c[i].count * sizeof *copy);
        s[i] = tool_statistics(copy, c[i].count);
        free(copy);
        snprintf(c[i].op, sizeof c[i].op, "%s", op);
    }
    percent(with, p, 1.0, &limit);
    printf("%s, %u thread%s, %u interleaved rounds, warm, pinned%s\n", p->text, with->threads,
           with->threads == 1 ? "" : "s", with->rounds,
           with->thread_time ? ", the thread's own time" : "");
    printf("  %-34s %-12s %-7s %10s %21s %9s %8s %6s%%\n", "impl", "class", "weights", "median ms",
           "p10 .. p90 ms", "GFLOP/s", "GB/s", limit);
    for (uint32_t i = 0; i < count; ++i) {
        const tool_contestant *beside = i < own ? best_peer(c, s, own, count, c[i].packed) : NULL;
        double ratio = beside != NULL ? 1.0 / tool_pair_ratio(&c[i], beside) : 0.0;
        printf("  %-34.34s %-12s %-7s %10.4f %10.4f %10.4f %9.1f %8.2f %6.1f%%\n",
               i < own ? c[i].kernel : c[i].impl, c[i].cls, c[i].packed ? "packed" : "plain",
               s[i].median * 1e3, s[i].p10 * 1e3, s[i].p90 * 1e3,
               floats ? p->flops / s[i].median * 1e-9 : 0.0, p->bytes / s[i].median * 1e-9,
               percent(with, p, s[i].median, &limit));
        add_row(with, p, &c[i], &s[i], ratio, beside);
    }
    for (uint32_t i = 0; i < own; ++i) {
        const tool_contestant *beside = best_peer(c, s, own, count, c[i].packed);
        if (beside != NULL)
            printf("  ours %s %s: %.3f of the speed of %.40s\n", c[i].cls,
                   c[i].packed ? "packed" : "plain", 1.0 / tool_pair_ratio(&c[i], beside),
                   beside->impl);
    }
    for (uint32_t i = 0; i + 1 < own; ++i)
        if (strcmp(c[i].cls, "canonical") != 0 && strcmp(c[i + 1].cls, "canonical") == 0 &&
            c[i].packed == c[i + 1].packed)
            printf("  price of canonical, %s: %+.2f %%\n", c[i].packed ? "packed" : "plain",
                   100.0 * (tool_pair_ratio(&c[i + 1], &c[i]) - 1.0));
}

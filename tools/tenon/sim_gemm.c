/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim gemm, tenon sim conv: cycles of a product on an array, by closed form. */
#include "tool.h"

#include <backends/tpu-sim/model/sim.h>

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = 8, NO_DRAIN = 256, LOAD_ROWS, FLOOR };

typedef struct options {
    sim_gemm g;
    uint64_t number[NUMBERS];
    uint32_t numbers, wanted;
    bool json, floor;
} options;

/* "64x3x3": any number of numbers */
static bool numbers(const char *text, uint64_t *out, uint32_t *count, uint32_t most)
{
    for (;;) {
        char *end;
        if (*text < '0' || *text > '9' || *count == most)
            return false;
        out[(*count)++] = strtoull(text, &end, 10);
        if (*end == '\0')
            return true;
        if (*end != 'x')
            return false;
        text = end + 1;
    }
}

static int one_of(struct argp_state *state, const char *what, const char *arg,
                  const char *const *names)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(arg, names[i]) == 0)
            return i;
    argp_error(state, "%s is '%s'; see --help", what, arg);
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    static const char *const dataflows[] = {"ws", "is", "os", NULL};
    static const char *const timings[] = {"serial", "overlap", NULL};
    options *o = state->input;
    uint64_t size[2] = {0};
    uint32_t n = 0;
    switch (key) {
    case 'a':
        if (!numbers(arg, size, &n, 2) || n != 2 || size[0] == 0 || size[1] == 0 ||
            size[0] > UINT32_MAX || size[1] > UINT32_MAX)
            argp_error(state, "an array is ROWSxCOLUMNS");
        o->g.rows = (uint32_t)size[0];
        o->g.cols = (uint32_t)size[1];
        return 0;
    case 'd':
        o->g.dataflow = (uint32_t)one_of(state, "the dataflow", arg, dataflows);
        return 0;
    case 't':
        o->g.timing = (uint32_t)one_of(state, "the timing", arg, timings);
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case NO_DRAIN:
        o->g.no_drain = true;
        return 0;
    case FLOOR:
        o->floor = true;
        return 0;
    case LOAD_ROWS:
        if (!numbers(arg, size, &n, 1) || size[0] == 0 || size[0] > UINT32_MAX)
            argp_error(state, "weight rows a cycle are a number");
        o->g.load_rows = (uint32_t)size[0];
        return 0;
    case ARGP_KEY_ARG:
        if (!numbers(arg, o->number, &o->numbers, NUMBERS))
            argp_error(state, "'%s' is no size", arg);
        return 0;
    case ARGP_KEY_END:
        if (o->numbers != o->wanted)
            argp_error(state, "%u sizes are needed, %u were given", o->wanted, o->numbers);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option flags[] = {
    {"array", 'a', "RxC", 0, "rows and columns of the array (128x128)", 0},
    {"dataflow", 'd', "ws|is|os", 0, "what stands still: weights, inputs, outputs (ws)", 0},
    {"timing", 't', "serial|overlap", 0, "folds one after another, or loads behind products", 0},
    {"load-rows", LOAD_ROWS, "N", 0, "overlap: weight rows that enter a cycle (1)", 0},
    {"no-drain", NO_DRAIN, NULL, 0, "os: without the shifting out of the results", 0},
    {"floor", FLOOR, NULL, 0, "conv: sizes as frameworks round them, down", 0},
    {"json", 'j', NULL, 0, "one object on standard output", 0},
    {0},
};

static int answer(const options *o)
{
    sim_gemm_cycles y;
    if (!tn__sim_gemm_count(&o->g, &y)) {
        fprintf(stderr, "tenon: a size is 0, or a count leaves 64 bits\n");
        return 1;
    }
    if (!o->json) {
        printf("%" PRIu64 " x %" PRIu64 " x %" PRIu64 " on %ux%u: %" PRIu64 " cycles in %" PRIu64
               " folds, %" PRIu64 " useful MACs, mapped to %.2f %%\n",
               o->g.m, o->g.n, o->g.k, o->g.rows, o->g.cols, y.cycles, y.folds, y.useful_macs,
               y.mapping_efficiency);
        return 0;
    }
    /* Written out, since a double holds no count above 2^53. */
    printf("{\"cycles\": %" PRIu64 ", \"useful_macs\": %" PRIu64
           ", \"mapping_efficiency\": %.15g, \"sram_ifmap_reads\": %" PRIu64
           ", \"sram_filter_reads\": %" PRIu64 ", \"folds\": %" PRIu64 ", \"m\": %" PRIu64
           ", \"n\": %" PRIu64 ", \"k\": %" PRIu64 "}\n",
           y.cycles, y.useful_macs, y.mapping_efficiency, y.ifmap_reads, y.filter_reads, y.folds,
           o->g.m, o->g.n, o->g.k);
    return 0;
}

int tool_sim_gemm(int argc, char **argv)
{
    static const struct argp parser = {flags,
                                       parse,
                                       "M N K",
                                       "Cycles of C[M,N] = A[M,K] B[K,N] on a systolic array, its "
                                       "folds one after another (serial: "
                                       "SCALE-Sim's total cycles + 1) or overlapped.",
                                       NULL,
                                       NULL,
                                       NULL};
    options o = {.g = {.rows = 128, .cols = 128}, .wanted = 3};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    o.g.m = o.number[0];
    o.g.n = o.number[1];
    o.g.k = o.number[2];
    return answer(&o);
}

int tool_sim_conv(int argc, char **argv)
{
    static const struct argp parser = {
        flags,
        parse,
        "H W KH KW C F S",
        "The same of a convolution as a product: H x W inputs (padding included) of C channels, F "
        "filters of KH x KW, stride S. Output sizes are rounded up, as SCALE-Sim does, unless "
        "--floor.",
        NULL,
        NULL,
        NULL};
    options o = {.g = {.rows = 128, .cols = 128}, .wanted = 7};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    const uint64_t *n = o.number;
    for (int i = 0; i < 7; i++)
        if (n[i] == 0 || n[i] > 1u << 20) {
            fprintf(stderr, "tenon: sizes of a convolution are 1 to 2^20\n");
            return 1;
        }
    if (n[2] > n[0] || n[3] > n[1]) {
        fprintf(stderr, "tenon: the kernel is larger than its input\n");
        return 1;
    }
    uint64_t up = o.floor ? 0 : n[6] - 1;
    o.g.m = ((n[0] - n[2] + up) / n[6] + 1) * ((n[1] - n[3] + up) / n[6] + 1);
    o.g.k = n[2] * n[3] * n[4];
    o.g.n = n[5];
    return answer(&o);
}

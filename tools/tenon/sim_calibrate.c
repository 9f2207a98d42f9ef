/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim calibrate: the timing constants of a chip from small streams of packets that it runs,
 * over any bus: a profile that fits, and how far a model of it is from what was measured. */
#include "sim_chip.h"

#include <argp.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each is the time of one more such packet in a stream of them, or, LATE, of a single one until its
 * effect shows; in ns. */
enum {
    P_WEIGHTS,      /* a whole tile of weights */
    P_PRODUCT_ONE,  /* one row */
    P_PRODUCT_LONG, /* ROWS rows */
    P_PRODUCT_LATE,
    P_LOAD_SHORT,  /* SHORT bytes in a row */
    P_LOAD_LONG,   /* LONG bytes in a row */
    P_LOAD_LATE,   /* SHORT bytes */
    P_LOAD_SPARSE, /* PIECES single bytes, far apart */
    P_MAP,         /* a copy of one element */
    P_MAP_TWO,     /* with two operands, with three, a function */
    P_MAP_THREE,
    P_MAP_FUNCTION,
    P_MAP_MANY, /* a copy of MANY elements: a check, from which nothing is fitted */
    P_LOAD_ODD, /* ODD bytes from an odd address: likewise */
    PROBES
};
/* SHORT and LONG are whole bursts of every power of two that there is. */
enum { ROWS = 256, SHORT = 4096, LONG = 16384, PIECES = 16, MANY = 1777, ODD = 3001 };
static const char *const names[PROBES] = {
    "weights",    "product of 1 row", "product of 256 rows",  "product, until it shows",
    "load 4 KiB", "load 16 KiB",      "load, until it shows", "load 16 bytes apart",
    "map 1",      "map 1 of two",     "map 1 of three",       "map 1, a function",
    "map 1777",   "load 3001 bytes"};

typedef struct measured {
    double ns[PROBES];
    uint64_t lanes;
    bool lanes_end; /* there may be more lanes than elements fit */
} measured;

typedef struct bench {
    tpu_chip *chip;
    const tn_bus *bus;
    uint64_t iova;
    uint32_t type;
    bool failed;
} bench;

static double run(bench *b, const tn_k_sys_packet *p, uint32_t count)
{
    uint64_t start = b->bus->now_ns(b->bus->self);
    for (uint32_t i = 0; i < count && !b->failed; i++)
        b->failed = tn__tpu_push(b->chip, p) != TPU_OK;
    b->failed = b->failed || tn__tpu_finish(b->chip) != TPU_OK;
    return (double)(b->bus->now_ns(b->bus->self) - start);
}

static double each(bench *b, const tn_k_sys_packet *p)
{
    enum { FEW = 100, MANY_MORE = 4000 };
    double few = run(b, p, FEW);
    return (run(b, p, FEW + MANY_MORE) - few) / MANY_MORE;
}

static tn_k_sys_packet packet(uint8_t op)
{
    return (tn_k_sys_packet){.op = op, .wait_sem = TN_K_SYS_NONE, .sig_sem = TN_K_SYS_NONE};
}

static tn_k_sys_packet load(const bench *b, uint32_t rows, uint32_t bytes, int32_t stride,
                            uint32_t at)
{
    tn_k_sys_packet p = packet(TN_K_SYS_LD);
    p.iova = b->iova + at;
    p.n0 = rows;
    p.n1 = bytes;
    p.n2 = 1;
    p.s0 = stride;
    return p;
}

static tn_k_sys_packet map(uint32_t kind, uint32_t elements, uint32_t operands)
{
    tn_k_sys_packet p = packet(TN_K_SYS_MAP);
    p.n0 = 1;
    p.n1 = elements;
    p.n2 = TN_K_SYS_MAP_TYPES(TN_F32, operands > 1 ? TN_F32 : 0, operands > 2 ? TN_F32 : 0, TN_F32);
    p.s0 = TN_K_SYS_MAP_KIND(kind, 0, 0, 0);
    return p;
}

static tn_k_sys_packet product(const bench *b, uint32_t rows)
{
    tn_k_sys_packet p = packet(TN_K_SYS_MM);
    p.flags = TN_K_SYS_ZERO;
    p.c = TN_K_SYS_ACC;
    p.n0 = rows;
    p.p1 = b->type;
    return p;
}

/* As many elements as take no longer than one. */
static void count_lanes(bench *b, const tn_k_sys_caps *caps, measured *out)
{
    uint64_t low = 1, most = (uint64_t)caps->spad_rows * caps->row_bytes / 8;
    most = most < 65536 ? most : 65536;
    for (uint64_t high = most + 1; high - low > 1 && !b->failed;) {
        uint64_t middle = low + (high - low) / 2;
        tn_k_sys_packet p = map(TN_ELTWISE_NEG, (uint32_t)middle, 1);
        if (each(b, &p) > out->ns[P_MAP] + 1e-3)
            high = middle;
        else
            low = middle;
    }
    out->lanes = low;
    out->lanes_end = low == most;
}

static bool measure(tpu_chip *chip, const tn_bus *bus, measured *out)
{
    enum { BYTES = 1 << 20 };
    const tn_k_sys_caps *caps = &chip->caps;
    bench b = {.chip = chip, .bus = bus};
    void *block = bus->dma_alloc(bus->self, BYTES, 4096, &b.iova);
    tn_k_sys_packet p = packet(TN_K_SYS_FILL), nop = packet(TN_K_SYS_NOP);
    if (block == NULL)
        return false;
    memset(block, 0, BYTES);
    while (b.type < 31 && (caps->array_types >> b.type & 1u) == 0)
        b.type++;
    p.n0 = caps->spad_rows;
    (void)run(&b, &p, 1);
    nop.d = TN_K_SYS_DMA_IN;
    double still = run(&b, &nop, 1);

    p = packet(TN_K_SYS_LDW);
    p.n0 = caps->rows;
    p.n1 = 1;
    p.s0 = 0;
    p.p1 = b.type;
    out->ns[P_WEIGHTS] = each(&b, &p);
    p = product(&b, 1);
    out->ns[P_PRODUCT_ONE] = each(&b, &p);
    p = product(&b, ROWS);
    out->ns[P_PRODUCT_LONG] = each(&b, &p);
    out->ns[P_PRODUCT_LATE] = run(&b, &p, 1) - still;
    p = load(&b, 1, SHORT, SHORT, 0);
    out->ns[P_LOAD_SHORT] = each(&b, &p);
    out->ns[P_LOAD_LATE] = run(&b, &p, 1) - still;
    p = load(&b, 1, LONG, LONG, 0);
    out->ns[P_LOAD_LONG] = each(&b, &p);
    p = load(&b, PIECES, 1, 1 << 14, 0);
    out->ns[P_LOAD_SPARSE] = each(&b, &p);
    p = load(&b, 1, ODD, ODD, 7);
    out->ns[P_LOAD_ODD] = each(&b, &p);
    p = map(TN_ELTWISE_NEG, 1, 1);
    out->ns[P_MAP] = each(&b, &p);
    p = map(TN_ELTWISE_ADD, 1, 2);
    out->ns[P_MAP_TWO] = each(&b, &p);
    p = map(TN_ELTWISE_FMA, 1, 3);
    out->ns[P_MAP_THREE] = each(&b, &p);
    p = map(TN_ELTWISE_EXP, 1, 1);
    out->ns[P_MAP_FUNCTION] = each(&b, &p);
    p = map(TN_ELTWISE_NEG, MANY, 1);
    out->ns[P_MAP_MANY] = each(&b, &p);
    count_lanes(&b, caps, out);
    bus->dma_free(bus->self, block);
    return !b.failed;
}

/* ---- the fit ---- */

static uint32_t whole(double x)
{
    return x > 0.0 ? (uint32_t)llround(x) : 0;
}

static void fit(const measured *m, sim_profile *p)
{
    const double *ns = m->ns;
    double array = (double)p->array_khz * 1e-6, vector = (double)p->vector_khz * 1e-6,
           control = (double)p->control_khz * 1e-6; /* cycles a ns */
    uint32_t load_cycles = whole(ns[P_WEIGHTS] * array), one = whole(ns[P_PRODUCT_ONE] * array);
    p->load_rows = load_cycles != 0 ? (p->rows + load_cycles - 1) / load_cycles : p->rows;
    p->tile_rows = whole(ROWS / (ns[P_PRODUCT_LONG] * array));
    p->min_interval = one > 1 ? one : 0;
    /* a skewed array shows the last row rows + columns - 2 cycles later */
    double late = (ns[P_PRODUCT_LATE] - ns[P_PRODUCT_LONG]) * array;
    p->fill = late > 0.5 * (p->rows + p->cols - 2) && p->rows + p->cols > 2;
    double rate = (LONG - SHORT) / (ns[P_LOAD_LONG] - ns[P_LOAD_SHORT]); /* bytes a ns */
    double setup = ns[P_LOAD_SHORT] - SHORT / rate;
    p->dma_bytes_per_s = (uint64_t)llround(rate * 1e3) * 1000000;
    p->dma_setup_cycles = whole(setup * control);
    p->dma_latency_ns = whole(ns[P_LOAD_LATE] - ns[P_LOAD_SHORT]);
    p->dma_burst = whole((ns[P_LOAD_SPARSE] - setup) * rate / PIECES);
    p->dma_burst = p->dma_burst != 0 ? p->dma_burst : 1;
    p->lanes = (uint32_t)m->lanes;
    uint32_t copy = whole(ns[P_MAP] * vector), two = whole(ns[P_MAP_TWO] * vector),
             three = whole(ns[P_MAP_THREE] * vector);
    p->vector_latency = copy != 0 ? copy - 1 : 0;
    p->vector_ports = two > copy ? 1 : three > copy ? 2 : 3;
    p->function_passes = whole(ns[P_MAP_FUNCTION] * vector) - p->vector_latency;
}

/* ---- what is told ---- */

typedef struct row {
    const char *key;
    uint64_t before, after;
} row;

static uint32_t rows_of(const sim_profile *a, const sim_profile *b, row out[16])
{
    const row list[] = {
        {"weight_rows_per_cycle", a->load_rows, b->load_rows},
        {"rows_per_cycle", a->tile_rows, b->tile_rows},
        {"min_interval_cycles", a->min_interval, b->min_interval},
        {"skewed", a->fill, b->fill},
        {"dma_bytes_per_s", a->dma_bytes_per_s, b->dma_bytes_per_s},
        {"dma_setup_cycles", a->dma_setup_cycles, b->dma_setup_cycles},
        {"dma_latency_ns", a->dma_latency_ns, b->dma_latency_ns},
        {"dma_burst_bytes", a->dma_burst, b->dma_burst},
        {"vector_lanes", a->lanes, b->lanes},
        {"vector_latency_cycles", a->vector_latency, b->vector_latency},
        {"vector_ports", a->vector_ports, b->vector_ports},
        {"function_passes", a->function_passes, b->function_passes},
    };
    memcpy(out, list, sizeof list);
    return sizeof list / sizeof list[0];
}

typedef struct writing {
    FILE *f;
    const row *rows;
    uint32_t count, written;
} writing;

static bool write_one(void *self, const char *key, const char *value, const char *source)
{
    writing *w = self;
    char fitted[32];
    for (uint32_t i = 0; i < w->count; i++)
        if (strcmp(w->rows[i].key, key) == 0 && w->rows[i].before != w->rows[i].after) {
            snprintf(fitted, sizeof fitted, "%" PRIu64, w->rows[i].after);
            value = strcmp(key, "skewed") != 0 ? fitted : w->rows[i].after != 0 ? "true" : "false";
            source = "fitted to what was measured";
        }
    bool plain = strchr("[0123456789", value[0]) != NULL || strcmp(value, "true") == 0 ||
                 strcmp(value, "false") == 0;
    fprintf(w->f, "%s    \"%s\": {\"value\": %s%s%s, \"source\": \"%s\"}",
            w->written++ != 0 ? ",\n" : "", key, plain ? "" : "\"", value, plain ? "" : "\"",
            source);
    return true;
}

static bool write_profile(const char *path, const char *text, size_t bytes, const row *rows,
                          uint32_t count)
{
    char error[200];
    writing w = {.f = fopen(path, "w"), .rows = rows, .count = count};
    if (w.f == NULL) {
        fprintf(stderr, "tenon: %s cannot be written\n", path);
        return false;
    }
    fprintf(w.f, "{\n");
    bool good = tn__sim_profile_each(text, bytes, write_one, &w, error, sizeof error);
    fprintf(w.f, "\n}\n");
    return fclose(w.f) == 0 && good;
}

static void tell(const measured *m, const measured *model, const row *rows, uint32_t count,
                 bool json)
{
    cJSON *root = cJSON_CreateObject(), *fits = cJSON_AddObjectToObject(root, "fitted");
    cJSON *far = cJSON_AddObjectToObject(root, "residual_ns");
    for (uint32_t i = 0; i < count; i++)
        cJSON_AddNumberToObject(fits, rows[i].key, (double)rows[i].after);
    for (int i = 0; i < PROBES; i++)
        cJSON_AddNumberToObject(far, names[i], m->ns[i] - model->ns[i]);
    if (json) {
        char *text = cJSON_Print(root);
        if (text != NULL)
            puts(text);
        cJSON_free(text);
    } else {
        printf("%-24s %16s %16s\n", "parameter", "profile", "fitted");
        for (uint32_t i = 0; i < count; i++)
            printf("%-24s %16" PRIu64 " %16" PRIu64 "%s\n", rows[i].key, rows[i].before,
                   rows[i].after, rows[i].before != rows[i].after ? "  *" : "");
        printf("%-24s %16s %16s %12s\n", "ns each", "measured", "model of it", "residual");
        for (int i = 0; i < PROBES; i++)
            printf("%-24s %16.3f %16.3f %12.3f\n", names[i], m->ns[i], model->ns[i],
                   m->ns[i] - model->ns[i]);
        if (m->lanes_end)
            printf("the vector unit has at least %" PRIu64 " lanes: more elements do not fit\n",
                   m->lanes);
    }
    cJSON_Delete(root);
}

typedef struct options {
    const char *chip, *profile, *write;
    bool json;
} options;

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'c':
        o->chip = arg;
        return 0;
    case 'p':
        o->profile = arg;
        return 0;
    case 'w':
        o->write = arg;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Measures a model with the fitted constants in the same way. */
static bool measure_model(const sim_profile *p, measured *out)
{
    char error[200];
    tn_bus bus;
    tpu_chip chip = {.tail = 0};
    sim_options o = {.timing = SIM_OVERLAP, .math = tn__tpu_best_math()};
    if (!tn__tpu_bus_model_open(tool_allocator(), p, &o, &bus, error, sizeof error))
        return false;
    bool good = tn__tpu_open(&chip, &bus, error, sizeof error) && measure(&chip, &bus, out);
    tn__tpu_close(&chip);
    tn__tpu_bus_model_close(&bus);
    return good;
}

int tool_sim_calibrate(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"chip", 'c', "PROFILE[?OPTIONS]", 0, "measured: what follows tpu-sim: in a URI", 0},
        {"profile", 'p', "NAME", 0, "fitted: sizes and clocks are its own (canonical-128)", 0},
        {"write", 'w', "FILE", 0, "the fitted profile", 0},
        {"json", 'j', NULL, 0, "constants and residuals on standard output", 0},
        {0},
    };
    static const struct argp parser = {flags,
                                       parse,
                                       "",
                                       "Fits a profile's timing constants to a chip, simulated or "
                                       "behind a bus: runs streams of one "
                                       "kind of packet, and a model with the constants again, to "
                                       "tell what they leave unexplained.",
                                       NULL,
                                       NULL,
                                       NULL};
    options o = {.chip = "canonical-128", .profile = "canonical-128"};
    tool_chip chip;
    sim_profile before, after;
    measured m, model;
    row rows[16];
    char *file = NULL;
    size_t bytes = 0;
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    const char *text = tool_profile_text(o.profile, &bytes, &file);
    if (text == NULL || !tool_profile_read(o.profile, &before) || !tool_chip_open(o.chip, &chip)) {
        free(file);
        return 1;
    }
    bool good = measure(&chip.device->chip, &chip.device->bus, &m);
    tool_chip_close(&chip);
    after = before;
    if (good)
        fit(&m, &after);
    good = good && measure_model(&after, &model);
    uint32_t count = rows_of(&before, &after, rows);
    if (good)
        tell(&m, &model, rows, count, o.json);
    else
        fprintf(stderr, "tenon: the chip did not do what calibration asks of it\n");
    if (good && o.write != NULL)
        good = write_profile(o.write, text, bytes, rows, count);
    free(file);
    return good ? 0 : 1;
}

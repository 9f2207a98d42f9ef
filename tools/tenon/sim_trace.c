/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim trace: what every engine of a chip did for an op: a summary, and on request the
 * timeline for ui.perfetto.dev, the golden trace that is compared with RTL, and waves beside those
 * of RTL. */
#include "sim_html.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *op, *chip, *golden, *perfetto, *vcd, *html;
} options;

typedef struct step {
    sim_retired r;
    tn_k_sys_packet p;
} step;

typedef struct steps {
    step *list;
    size_t count, room;
    bool full;
} steps;

static const char *op_name(const step *s)
{
    return tool_packet_name(s->p.op);
}

static void collect(void *self, const sim_retired *r)
{
    steps *s = self;
    if (s->count == s->room) {
        size_t larger = s->room != 0 ? 2 * s->room : 1024;
        step *list = realloc(s->list, larger * sizeof *list);
        s->full = s->full || list == NULL;
        if (list == NULL)
            return;
        s->list = list;
        s->room = larger;
    }
    s->list[s->count] = (step){*r, *r->packet};
    s->list[s->count++].r.packet = NULL;
}

static FILE *create(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (f == NULL)
        fprintf(stderr, "tenon: %s cannot be written\n", path);
    return f;
}

static bool finish(FILE *f)
{
    return f == stdout ? fflush(f) == 0 : fclose(f) == 0;
}

/* One line a command, in the order of their ends. */
static bool write_golden(const char *path, const steps *s)
{
    FILE *f = create(path);
    char engine[24];
    if (f == NULL)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        const step *x = &s->list[i];
        tool_engine_name(x->r.engine, engine, sizeof engine);
        fprintf(f, "%" PRIu64 " %s %s %" PRIu64 " %" PRIu64 " %08x\n", x->r.seq, engine, op_name(x),
                x->r.start, x->r.end, x->r.crc32);
    }
    return finish(f);
}

/* The command whose signal was the last before x went on; NULL: it waited for none. */
static const step *signaller(const steps *s, const step *x)
{
    const step *last = NULL;
    for (size_t i = 0; x->p.wait_sem != TN_K_SYS_NONE && i < s->count; i++) {
        const step *y = &s->list[i];
        if (y->r.end > x->r.start) /* the list is by ends */
            break;
        if (y->p.sig_sem == x->p.wait_sem)
            last = y;
    }
    return last;
}

static bool write_perfetto(const char *path, const steps *s, const char *chip, uint64_t tick_khz,
                           uint32_t engines)
{
    FILE *f = create(path);
    char engine[24];
    if (f == NULL)
        return false;
    fprintf(f,
            "{\"otherData\": {\"clock_khz\": %" PRIu64
            ", \"unit\": \"ticks\"},\n\"traceEvents\": [\n",
            tick_khz);
    fprintf(f,
            "{\"ph\": \"M\", \"pid\": 1, \"name\": \"process_name\", \"args\": {\"name\": \"%s\"}}",
            chip);
    for (uint32_t e = 0; e < engines; e++) {
        tool_engine_name(e, engine, sizeof engine);
        fprintf(f,
                ",\n{\"ph\": \"M\", \"pid\": 1, \"tid\": %u, \"name\": \"thread_name\", \"args\": "
                "{\"name\": \"%s\"}}",
                e, engine);
    }
    for (size_t i = 0; i < s->count; i++) {
        const step *x = &s->list[i], *y = signaller(s, x);
        fprintf(f,
                ",\n{\"ph\": \"X\", \"pid\": 1, \"tid\": %u, \"name\": \"%s\", \"ts\": %" PRIu64
                ", \"dur\": %" PRIu64 ", \"args\": {\"seq\": %" PRIu64
                ", \"n0\": %u, \"n1\": %u, \"n2\": %u, \"visible\": %" PRIu64
                ", \"waited\": \"%s\"}}",
                x->r.engine, op_name(x), x->r.start, x->r.issued - x->r.start, x->r.seq, x->p.n0,
                x->p.n1, x->p.n2, x->r.end,
                x->r.stall == 1   ? "semaphore"
                : x->r.stall == 2 ? "resource"
                                  : "");
        if (y == NULL)
            continue;
        fprintf(f,
                ",\n{\"ph\": \"s\", \"pid\": 1, \"tid\": %u, \"name\": \"sem%u\", \"cat\": "
                "\"sem\", \"id\": "
                "%zu, \"ts\": %" PRIu64 "}",
                y->r.engine, x->p.wait_sem, i, y->r.start);
        fprintf(f,
                ",\n{\"ph\": \"f\", \"bp\": \"e\", \"pid\": 1, \"tid\": %u, \"name\": \"sem%u\", "
                "\"cat\": "
                "\"sem\", \"id\": %zu, \"ts\": %" PRIu64 "}",
                x->r.engine, x->p.wait_sem, i, x->r.start);
    }
    fprintf(f, "\n]}\n");
    return finish(f);
}

static bool write_html(const char *path, const steps *s, const char *title, uint64_t tick_khz,
                       uint32_t engines)
{
    FILE *f = create(path);
    if (f == NULL)
        return false;
    tool_html_begin(f, title, tick_khz, engines);
    for (size_t i = 0; i < s->count; i++) {
        const step *by = signaller(s, &s->list[i]);
        tool_html_command(f, i == 0, &s->list[i].r, &s->list[i].p, by != NULL ? by - s->list : -1);
    }
    tool_html_end(f);
    return finish(f);
}

typedef struct change {
    uint64_t tick;
    uint32_t what, order; /* engine's start or end, semaphore's wait or signal */
    int32_t value;
} change;

static int earlier(const void *a, const void *b)
{
    const change *x = a, *y = b;
    return x->tick != y->tick ? (x->tick < y->tick ? -1 : 1) : (int)x->order - (int)y->order;
}

/* One bit an engine, 16 bits a semaphore. */
static bool write_vcd(const char *path, const steps *s, uint64_t tick_khz, uint32_t engines)
{
    enum { SEMAPHORES = SIM_SEMAPHORES };
    change *list = malloc((4 * s->count + 1) * sizeof *list);
    FILE *f = list != NULL ? create(path) : NULL;
    uint32_t value[SEMAPHORES] = {0}, n = 0;
    char engine[24];
    if (f == NULL) {
        free(list);
        return false;
    }
    fprintf(f,
            "$comment ticks of %" PRIu64
            " kHz $end\n$timescale 1 ns $end\n$scope module chip $end\n",
            tick_khz);
    for (uint32_t e = 0; e < engines; e++) {
        tool_engine_name(e, engine, sizeof engine);
        fprintf(f, "$var wire 1 e%u %s_busy $end\n", e, engine);
    }
    for (uint32_t i = 0; i < SEMAPHORES; i++)
        fprintf(f, "$var wire 16 s%u sem%u $end\n", i, i);
    fprintf(f, "$upscope $end\n$enddefinitions $end\n#0\n");
    for (uint32_t e = 0; e < engines; e++)
        fprintf(f, "0e%u\n", e);
    for (uint32_t i = 0; i < SEMAPHORES; i++)
        fprintf(f, "b0 s%u\n", i);
    for (size_t i = 0; i < s->count; i++) {
        const step *x = &s->list[i];
        /* at one tick: what ends, what signals, what waits, what starts */
        list[n++] = (change){x->r.issued, x->r.engine, 0, 0};
        if (x->p.sig_sem < SEMAPHORES)
            list[n++] = (change){x->r.end, x->p.sig_sem, 1, x->p.sig_val};
        if (x->p.wait_sem < SEMAPHORES)
            list[n++] = (change){x->r.start, x->p.wait_sem, 2, -(int32_t)x->p.wait_val};
        if (x->r.issued != x->r.start)
            list[n++] = (change){x->r.start, x->r.engine, 3, 1};
    }
    qsort(list, n, sizeof *list, earlier);
    for (uint32_t i = 0; i < n; i++) {
        const change *c = &list[i];
        if (i == 0 || c->tick != list[i - 1].tick)
            fprintf(f, "#%" PRIu64 "\n", c->tick);
        if (c->order == 0 || c->order == 3) {
            fprintf(f, "%de%u\n", c->value, c->what);
            continue;
        }
        value[c->what] += (uint32_t)c->value;
        fprintf(f, "b");
        for (int bit = 15; bit >= 0; bit--)
            fputc((value[c->what] >> bit & 1u) != 0 ? '1' : '0', f);
        fprintf(f, " s%u\n", c->what);
    }
    free(list);
    return finish(f);
}

static void summary(sim_dev *dev, const sim_profile *p, uint32_t engines, const steps *s)
{
    uint64_t macs = tn__sim_count(dev, TPU_COUNT_MACS),
             cycles = tn__sim_count(dev, TPU_COUNT_CYCLES);
    double peak = (double)p->rows * p->cols * p->arrays * p->tile_rows;
    char engine[24];
    printf("%s: %zu commands, %" PRIu64 " cycles, %.2f us; %" PRIu64
           " useful MACs, %.1f %% of the peak\n",
           p->name, s->count, cycles, (double)tn__sim_count(dev, TPU_COUNT_NS) * 1e-3, macs,
           cycles != 0 ? 100.0 * (double)macs / ((double)cycles * peak) : 0.0);
    printf("read %" PRIu64 " bytes in bursts of %" PRIu64 ", wrote %" PRIu64 " in %" PRIu64
           "; %" PRIu64 " elements in the vector unit\n",
           tn__sim_count(dev, TPU_COUNT_READ_BYTES), tn__sim_count(dev, TPU_COUNT_READ_BURSTS),
           tn__sim_count(dev, TPU_COUNT_WRITE_BYTES), tn__sim_count(dev, TPU_COUNT_WRITE_BURSTS),
           tn__sim_count(dev, TPU_COUNT_VECTOR));
    printf("%-10s %8s %10s %10s %8s\n", "engine", "busy %", "semaphore", "resource", "empty");
    for (uint32_t e = 0; e < engines; e++) {
        double part[4], sum = 0;
        for (uint32_t i = 0; i < 4; i++)
            sum += part[i] = (double)tn__sim_count(dev, TPU_COUNT_ENGINES + 4 * e + i);
        tool_engine_name(e, engine, sizeof engine);
        printf("%-10s %8.1f %10.1f %10.1f %8.1f\n", engine, 100 * part[0] / sum,
               100 * part[1] / sum, 100 * part[2] / sum, 100 * part[3] / sum);
    }
    printf("overlaps without an order: %" PRIu64 ", reads of rows that nothing wrote: %" PRIu64
           "\n",
           tn__sim_count(dev, TPU_COUNT_RACES), tn__sim_count(dev, TPU_COUNT_UNWRITTEN));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'c':
        o->chip = arg;
        return 0;
    case 'g':
        o->golden = arg;
        return 0;
    case 'p':
        o->perfetto = arg;
        return 0;
    case 'v':
        o->vcd = arg;
        return 0;
    case 'w':
        o->html = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->op != NULL)
            argp_error(state, "one op at a time, its text form in quotes");
        o->op = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->op == NULL)
            argp_error(state, "name an op such as \"matmul 128x512x512:bf16\"");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int tool_sim_trace(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"chip", 'c', "PROFILE[?OPTIONS]", 0, "what follows tpu-sim: in a URI (canonical-128)", 0},
        {"golden", 'g', "FILE", 0, "a line a command: seq engine op start end crc32; - is here", 0},
        {"perfetto", 'p', "FILE", 0, "the timeline for ui.perfetto.dev, in ticks", 0},
        {"vcd", 'v', "FILE", 0, "engines and semaphores as waves", 0},
        {"html", 'w', "FILE", 0, "the timeline as one page", 0},
        {0},
    };
    static const struct argp parser = {
        flags, parse, "OP", "Runs an op on a simulated chip and shows what its engines did.",
        NULL,  NULL,  NULL};
    options o = {.chip = "canonical-128"};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    tn_runtime *rt = NULL;
    tn_op *op = NULL;
    tool_chip chip;
    steps s = {NULL, 0, 0, false};
    if (tn_runtime_create(NULL, &rt) != TN_OK || tn_op_parse(rt, o.op, &op) != TN_OK) {
        tool_error(o.op);
        tn_runtime_release(rt);
        return 1;
    }
    bool good = tool_chip_open(o.chip, &chip);
    if (good && chip.device->model.self == NULL) {
        fprintf(stderr, "tenon: %s is no model\n", o.chip);
        tool_chip_close(&chip);
        good = false;
    }
    if (good) {
        sim_dev *dev = tool_chip_model(&chip);
        const sim_profile *p = &chip.device->profile;
        uint32_t engines = TN_K_SYS_WEIGHTS + 2 * p->arrays;
        tn__sim_trace(dev, collect, &s, o.golden != NULL);
        tn__sim_write(dev, TPU_PMU_CTRL, 1);
        good = tool_chip_run(&chip, op) && !s.full;
        if (good && (o.golden == NULL || strcmp(o.golden, "-") != 0))
            summary(dev, p, engines, &s);
        if (good && o.golden != NULL)
            good = write_golden(o.golden, &s);
        if (good && o.perfetto != NULL)
            good = write_perfetto(o.perfetto, &s, p->name, tn__sim_tick_khz(dev), engines);
        if (good && o.vcd != NULL)
            good = write_vcd(o.vcd, &s, tn__sim_tick_khz(dev), engines);
        if (good && o.html != NULL) {
            char title[320];
            snprintf(title, sizeof title, "%s on %s", o.op, p->name);
            good = write_html(o.html, &s, title, tn__sim_tick_khz(dev), engines);
        }
        tool_chip_close(&chip);
    }
    free(s.list);
    tn_op_free(rt, op);
    tn_runtime_release(rt);
    return good ? 0 : 1;
}

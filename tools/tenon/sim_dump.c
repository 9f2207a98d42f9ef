/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim dump: runs an op without retries and tells, where it ends badly, what the chip's
 * registers say and who waits for whom. */
#include "sim_chip.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *op, *chip;
} options;

typedef struct ended {
    unsigned char *list; /* by number: it has retired */
    uint64_t room;
} ended;

static void note_end(void *self, const sim_retired *r)
{
    ended *e = self;
    if (r->seq < e->room)
        e->list[r->seq] = 1;
}

static uint32_t engine_of(const tn_k_sys_packet *p)
{
    switch (p->op) {
    case TN_K_SYS_NOP:
        return p->d;
    case TN_K_SYS_LD:
    case TN_K_SYS_GTH:
    case TN_K_SYS_FILL:
        return TN_K_SYS_DMA_IN;
    case TN_K_SYS_ST:
        return TN_K_SYS_DMA_OUT;
    case TN_K_SYS_LDW:
        return TN_K_SYS_WEIGHTS + 2 * p->d;
    case TN_K_SYS_MM:
        return TN_K_SYS_ARRAY + 2 * p->d;
    case TN_K_SYS_FENCE:
    case TN_K_SYS_HALT:
        return TN_K_SYS_SYNC;
    default:
        return TN_K_SYS_VECTOR;
    }
}

static uint32_t rd(const tool_chip *chip, uint32_t offset)
{
    return chip->device->bus.read32(chip->device->bus.self, offset);
}

static void registers(const tool_chip *chip)
{
    static const struct {
        uint32_t offset;
        const char *name;
    } list[] = {{TPU_ID, "id"},
                {TPU_STATUS, "status"},
                {TPU_ERR_CODE, "err_code"},
                {TPU_ERR_INFO, "err_info"},
                {TPU_ERR_SEQ, "err_seq"},
                {TPU_ERR_ADDR_LO, "err_addr_lo"},
                {TPU_ERR_ADDR_HI, "err_addr_hi"},
                {TPU_IRQ_RAW, "irq_raw"},
                {TPU_IRQ_STATUS, "irq_status"},
                {TPU_HEAD, "head"},
                {TPU_TAIL, "tail"},
                {TPU_THROTTLE, "throttle"}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        printf("  %03x %-12s %08x%s", list[i].offset, list[i].name, rd(chip, list[i].offset),
               i % 3 == 2 ? "\n" : "");
    for (uint32_t i = 0; i < SIM_SEMAPHORES; i++)
        if (rd(chip, TPU_SEM + 4 * i) != 0)
            printf("  semaphore %u is %u\n", i, rd(chip, TPU_SEM + 4 * i));
}

/* The first packet from `seq` on that has not retired and that `wanted` names; UINT64_MAX: none. */
static uint64_t first_open(const tool_chip *chip, const ended *e, uint64_t from, uint32_t engine,
                           uint32_t sig_sem)
{
    const tpu_chip *c = &chip->device->chip;
    uint64_t size = UINT64_C(1) << c->ring_log2, low = c->tail > size ? c->tail - size : 0;
    for (uint64_t seq = from > low ? from : low; seq < c->tail; seq++) {
        const tn_k_sys_packet *p = &c->ring[seq & (size - 1)];
        bool fits = engine != UINT32_MAX ? engine_of(p) == engine : p->sig_sem == sig_sem;
        if (fits && (seq >= e->room || !e->list[seq]))
            return seq;
    }
    return UINT64_MAX;
}

static void wait_graph(const tool_chip *chip, const ended *e, uint32_t engines)
{
    static const char *const states[] = {"is busy with", "waits with", "has no resource for",
                                         "has not been given"};
    const tpu_chip *c = &chip->device->chip;
    uint32_t size = 1u << c->ring_log2;
    char name[24], other[24];
    for (uint32_t i = 0; i < engines; i++) {
        uint64_t seq = first_open(chip, e, 0, i, 0), by;
        tool_engine_name(i, name, sizeof name);
        chip->device->bus.write32(chip->device->bus.self, TPU_DBG_ENGINE, i);
        uint32_t state = rd(chip, TPU_DBG_WAITS) & 255u;
        if (seq == UINT64_MAX)
            continue;
        const tn_k_sys_packet *p = &c->ring[seq & (size - 1)];
        printf("  %s %s command %" PRIu64 " (%s)", name, states[state & 3u], seq,
               tool_packet_name(p->op));
        if (state == 1) {
            printf(" for semaphore %u to be %u; it is %u", p->wait_sem, p->wait_val,
                   rd(chip, TPU_SEM + 4u * p->wait_sem));
            by = first_open(chip, e, 0, UINT32_MAX, p->wait_sem);
            if (by == UINT64_MAX) {
                printf(", and nobody will signal it");
            } else {
                tool_engine_name(engine_of(&c->ring[by & (size - 1)]), other, sizeof other);
                printf(", which command %" PRIu64 " of %s signals", by, other);
            }
        }
        printf("\n");
    }
}

typedef struct sending {
    tpu_chip *chip;
    tpu_result result;
} sending;

static bool emit(void *self, const tn_k_sys_packet *packet)
{
    sending *s = self;
    s->result = tn__tpu_push(s->chip, packet);
    return s->result == TPU_OK;
}

/* The packets of an op, once; operands are not filled. */
static tpu_result attempt(tool_chip *chip, const tn_op *op)
{
    tpu_device *d = chip->device;
    const tn_plan_ops *plan_ops = NULL;
    void *object = NULL;
    uint64_t operand[TN_K_OPERANDS] = {0}, iova;
    void *block = d->bus.dma_alloc(d->bus.self, 64u << 20, 64, &iova);
    sending s = {.chip = &d->chip, .result = TPU_NO_MEMORY};
    if (block != NULL &&
        chip->ops->plan_create(d, op, NULL, NULL, NULL, &object, &plan_ops) == TN_OK) {
        const tpu_plan *plan = object;
        tn_k_sys_stream out = {.self = &s, .emit = emit};
        memset(block, 0, 64u << 20);
        for (uint32_t i = 0; i < TN_K_OPERANDS; i++)
            operand[i] = iova; /* what is computed does not matter here */
        s.result = TPU_OK;
        plan->row->lower(plan->params, &d->chip.caps, operand, &out);
        if (s.result == TPU_OK)
            s.result = tn__tpu_finish(&d->chip);
        plan_ops->destroy(object);
    }
    if (block != NULL)
        d->bus.dma_free(d->bus.self, block);
    return s.result;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'c':
        o->chip = arg;
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

int tool_sim_dump(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"chip", 'c', "PROFILE[?OPTIONS]", 0, "what follows tpu-sim: in a URI (canonical-128)", 0},
        {0},
    };
    static const struct argp parser = {
        flags,
        parse,
        "OP",
        "Runs an op without retries; where it ends badly: registers, and who waits for whom.",
        NULL,
        NULL,
        NULL};
    options o = {.chip = "canonical-128"};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    tn_runtime *rt = NULL;
    tn_op *op = NULL;
    tool_chip chip;
    ended e = {.list = calloc(1, 1 << 20), .room = 1 << 20};
    if (tn_runtime_create(NULL, &rt) != TN_OK || tn_op_parse(rt, o.op, &op) != TN_OK) {
        tool_error(o.op);
        tn_runtime_release(rt);
        free(e.list);
        return 1;
    }
    static const char *const results[] = {"ended well", "failed", "hangs", "does not answer",
                                          "did not run"};
    tpu_result r = TPU_NO_MEMORY;
    if (e.list != NULL && tool_chip_open(o.chip, &chip)) {
        if (chip.device->model.self != NULL)
            tn__sim_trace(tool_chip_model(&chip), note_end, &e, false);
        r = attempt(&chip, op);
        printf("%s %s\n", o.op, results[r]);
        if (r == TPU_FAILED || r == TPU_HUNG) {
            registers(&chip);
            wait_graph(&chip, &e, TN_K_SYS_WEIGHTS + 2 * chip.device->profile.arrays);
        }
        tool_chip_close(&chip);
    }
    free(e.list);
    tn_op_free(rt, op);
    tn_runtime_release(rt);
    return r == TPU_OK ? 0 : 1;
}

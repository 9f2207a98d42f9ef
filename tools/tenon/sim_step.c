/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim step: an op's packets one by one: runs to a breakpoint, then a packet a step, over any
 * bus: the chip's own registers stop it. */
#include "sim_chip.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE_NS = 1000, SLICES = 1000000 };

typedef struct options {
    const char *op, *chip;
    uint32_t from, count;
} options;

static uint32_t rd(const tool_chip *chip, uint32_t offset)
{
    return chip->device->bus.read32(chip->device->bus.self, offset);
}

static void wr(const tool_chip *chip, uint32_t offset, uint32_t value)
{
    chip->device->bus.write32(chip->device->bus.self, offset, value);
}

/* Packets as far as the ring takes them without the chip. */
typedef struct sending {
    tpu_chip *chip;
    bool cut;
} sending;

static bool emit(void *self, const tn_k_sys_packet *packet)
{
    sending *s = self;
    s->cut = s->chip->tail + 4 >= 1u << s->chip->ring_log2;
    return !s->cut && tn__tpu_push(s->chip, packet) == TPU_OK;
}

/* Until the front end has stopped and every engine is through; false where that does not come. */
static bool settle(const tool_chip *chip)
{
    const tn_bus *bus = &chip->device->bus;
    for (int i = 0; i < SLICES; i++) {
        uint32_t status = rd(chip, TPU_STATUS);
        bool waits = rd(chip, TPU_HEAD) == rd(chip, TPU_TAIL) || (status & TPU_STATUS_STOPPED) != 0;
        bool busy = false;
        for (uint32_t e = 0; e < TN_K_SYS_WEIGHTS + 2 * chip->device->profile.arrays; e++) {
            wr(chip, TPU_DBG_ENGINE, e);
            busy = busy || (rd(chip, TPU_DBG_WAITS) & 255u) == 0;
        }
        if ((status & TPU_STATUS_ERROR) != 0)
            return false;
        uint64_t before = bus->now_ns(bus->self);
        (void)bus->wait(bus->self, 0, SLICE_NS);
        if (waits && !busy && i > 0)
            return true;
        if (bus->now_ns(bus->self) == before)
            return false;
    }
    return false;
}

static void tell_engines(const tool_chip *chip)
{
    static const char *const states[] = {"busy", "waits for semaphore", "waits for a resource"};
    char name[24];
    for (uint32_t e = 0; e < TN_K_SYS_WEIGHTS + 2 * chip->device->profile.arrays; e++) {
        wr(chip, TPU_DBG_ENGINE, e);
        uint32_t waits = rd(chip, TPU_DBG_WAITS), op = rd(chip, TPU_DBG_OP) & 0xffffu;
        uint32_t state = waits & 255u, semaphore = waits >> 8 & 255u;
        if (state > 2)
            continue;
        tool_engine_name(e, name, sizeof name);
        printf("    %s %s", name, states[state]);
        if (state == 1)
            printf(" %u to be %u; it is %u", semaphore, waits >> 16,
                   rd(chip, TPU_SEM + 4 * semaphore));
        printf(" (%s)\n", tool_packet_name(op));
    }
}

static void tell_packet(const tool_chip *chip, uint32_t index)
{
    const tpu_chip *c = &chip->device->chip;
    const tn_k_sys_packet *p = &c->ring[index & ((1u << c->ring_log2) - 1)];
    printf("%u %s a %08x b %u c %08x d %u n %u %u %u s %d %d p %08x %08x", index,
           tool_packet_name(p->op), p->a, p->b, p->c, p->d, p->n0, p->n1, p->n2, p->s0, p->s1,
           p->p0, p->p1);
    if (p->wait_sem != TN_K_SYS_NONE)
        printf(" waits %u:%u", p->wait_sem, p->wait_val);
    if (p->sig_sem != TN_K_SYS_NONE)
        printf(" signals %u:%u", p->sig_sem, p->sig_val);
    printf("\n");
}

static void tell_state(const tool_chip *chip, uint64_t start)
{
    const tn_bus *bus = &chip->device->bus;
    printf("  %" PRIu64 " ns, next is packet %u of %u\n", bus->now_ns(bus->self) - start,
           rd(chip, TPU_HEAD), rd(chip, TPU_TAIL));
    for (uint32_t i = 0; i < chip->device->chip.caps.semaphores; i++)
        if (rd(chip, TPU_SEM + 4 * i) != 0)
            printf("    semaphore %u is %u\n", i, rd(chip, TPU_SEM + 4 * i));
    tell_engines(chip);
}

static bool walk(tool_chip *chip, const options *o, const tn_op *op)
{
    tpu_device *d = chip->device;
    const tn_plan_ops *plan_ops = NULL;
    void *object = NULL;
    uint64_t operand[TN_K_OPERANDS], iova, start = d->bus.now_ns(d->bus.self);
    void *block = d->bus.dma_alloc(d->bus.self, 64u << 20, 64, &iova);
    sending s = {.chip = &d->chip};
    tn_k_sys_stream out = {.self = &s, .emit = emit};
    bool good = block != NULL &&
                chip->ops->plan_create(d, op, NULL, NULL, NULL, &object, &plan_ops) == TN_OK;
    if (good) {
        const tpu_plan *plan = object;
        memset(block, 0, 64u << 20);
        for (uint32_t i = 0; i < TN_K_OPERANDS; i++)
            operand[i] = iova; /* what is computed does not matter here */
        plan->row->lower(plan->params, &d->chip.caps, operand, &out);
        printf("%s: %u packets%s\n", o->op, d->chip.tail,
               s.cut ? ", as many as the ring holds" : "");
        uint32_t from = o->from < d->chip.tail ? o->from : d->chip.tail;
        wr(chip, TPU_DBG_BREAK, from);
        d->bus.dma_sync(d->bus.self, d->chip.ring, d->chip.tail * sizeof *d->chip.ring, 1);
        wr(chip, TPU_TAIL, d->chip.tail);
        good = settle(chip);
        tell_state(chip, start);
        for (uint32_t i = from; good && i < from + o->count && i < d->chip.tail; i++) {
            tell_packet(chip, i);
            wr(chip, TPU_CTRL, TPU_CTRL_ENABLE | TPU_CTRL_STEP);
            good = settle(chip);
            tell_state(chip, start);
        }
        if (!good)
            printf("  the chip reports an error or does not come to rest: code %u\n",
                   rd(chip, TPU_ERR_CODE));
        plan_ops->destroy(object);
    }
    if (block != NULL)
        d->bus.dma_free(d->bus.self, block);
    return good;
}

static bool number(const char *text, uint32_t *out)
{
    char *end = NULL;
    unsigned long n = strtoul(text, &end, 10);
    *out = (uint32_t)n;
    return end != text && *end == '\0' && n < 1u << 30;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'c':
        o->chip = arg;
        return 0;
    case 'b':
    case 'n':
        if (!number(arg, key == 'b' ? &o->from : &o->count))
            argp_error(state, "%s is no number of packets", arg);
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

int tool_sim_step(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"chip", 'c', "PROFILE[?OPTIONS]", 0, "what follows tpu-sim: in a URI (canonical-128)", 0},
        {"break", 'b', "N", 0, "stop before packet N (0)", 0},
        {"count", 'n', "N", 0, "then so many steps (1)", 0},
        {0},
    };
    static const struct argp parser = {
        flags,
        parse,
        "OP",
        "Runs an op to a breakpoint and on by single packets; after each, what every engine waits "
        "for and the semaphores. Operands are zeros.",
        NULL,
        NULL,
        NULL};
    options o = {.chip = "canonical-128", .count = 1};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    tn_runtime *rt = NULL;
    tn_op *op = NULL;
    tool_chip chip;
    if (tn_runtime_create(NULL, &rt) != TN_OK || tn_op_parse(rt, o.op, &op) != TN_OK) {
        tool_error(o.op);
        tn_runtime_release(rt);
        return 1;
    }
    bool good = tool_chip_open(o.chip, &chip);
    if (good) {
        good = walk(&chip, &o, op);
        tool_chip_close(&chip);
    }
    tn_op_free(rt, op);
    tn_runtime_release(rt);
    return good ? 0 : 1;
}

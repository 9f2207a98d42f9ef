/* SPDX-License-Identifier: Apache-2.0 */
/* Faults by script: which commands, transfers, interrupts and bits they strike. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim_state.h"

#include <stdio.h>
#include <string.h>

/* A script is faults divided by ";": KIND key=number ... */
static const struct {
    const char *name;
    uint32_t kind, sticky;
} kinds[] = {
    {"flip", SIM_FAULT_FLIP, 0},
    {"packet", SIM_FAULT_PACKET, 0},
    {"stuck", SIM_FAULT_STUCK, 1},
    {"stuck_sum", SIM_FAULT_STUCK_SUM, 1},
    {"stuck_weight", SIM_FAULT_STUCK_WEIGHT, 1},
    {"dma_error", SIM_FAULT_DMA_ERROR, 0},
    {"dma_short", SIM_FAULT_DMA_SHORT, 0},
    {"dma_wrong", SIM_FAULT_DMA_WRONG, 0},
    {"dma_delay", SIM_FAULT_DMA_DELAY, 0},
    {"irq_lost", SIM_FAULT_IRQ_LOST, 0},
    {"irq_early", SIM_FAULT_IRQ_EARLY, 0},
    {"irq_spurious", SIM_FAULT_IRQ_SPURIOUS, 0},
    {"hang", SIM_FAULT_HANG, 0},
    {"doorbell", SIM_FAULT_DOORBELL, 0},
    {"gone", SIM_FAULT_GONE, 1},
    {"throttle", SIM_FAULT_THROTTLE, 1},
};

static bool set(sim_fault *f, const char *key, size_t bytes, uint64_t value)
{
    static const struct {
        const char *name;
        size_t at, bytes;
    } keys[] = {
        {"nth", offsetof(sim_fault, nth), 8},       {"row", offsetof(sim_fault, a), 8},
        {"column", offsetof(sim_fault, b), 8},      {"bit", offsetof(sim_fault, c), 8},
        {"value", offsetof(sim_fault, d), 8},       {"space", offsetof(sim_fault, space), 4},
        {"bits", offsetof(sim_fault, bits), 4},     {"cycles", offsetof(sim_fault, a), 8},
        {"sticky", offsetof(sim_fault, sticky), 4}, {"ratio", offsetof(sim_fault, a), 8},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strlen(keys[i].name) == bytes && memcmp(keys[i].name, key, bytes) == 0) {
            if (keys[i].bytes == 8)
                memcpy((char *)f + keys[i].at, &value, 8);
            else
                *(uint32_t *)(void *)((char *)f + keys[i].at) = (uint32_t)value;
            return true;
        }
    return false;
}

static const char *blanks(const char *at)
{
    return at + strspn(at, " \t\n;");
}

bool tn__sim_fault_read(sim_dev *d, const char *script, char *error, size_t room)
{
    for (const char *at = blanks(script); *at != '\0'; at = blanks(at)) {
        size_t n = strcspn(at, " \t\n;"), i = 0, count = sizeof kinds / sizeof kinds[0];
        sim_fault f = {.nth = 1, .bits = 1, .armed = true};
        while (i < count && (strlen(kinds[i].name) != n || memcmp(kinds[i].name, at, n) != 0))
            i++;
        if (i == count || d->faults == SIM_FAULTS) {
            snprintf(error, room, "fault \"%.*s\" is %s", (int)n, at,
                     i == count ? "no kind that there is" : "one too many");
            return false;
        }
        f.kind = kinds[i].kind;
        f.sticky = kinds[i].sticky;
        at += n;
        for (at += strspn(at, " \t"); *at != '\0' && *at != ';' && *at != '\n';
             at += strspn(at, " \t")) {
            size_t key = strcspn(at, "= \t\n;");
            uint64_t value = 0;
            const char *digit = at + key + 1;
            bool good = at[key] == '=' && *digit >= '0' && *digit <= '9';
            for (; good && *digit >= '0' && *digit <= '9'; digit++)
                value = value * 10 + (uint64_t)(*digit - '0');
            good = good && strchr(" \t\n;", *digit) != NULL && set(&f, at, key, value);
            if (!good) {
                snprintf(error, room, "\"%.*s\" is no key=number of a fault", 20, at);
                return false;
            }
            at = digit;
        }
        if (f.kind == SIM_FAULT_THROTTLE && (f.a == 0 || f.a > 256)) {
            snprintf(error, room, "ratio is %llu; 1 to 256 are allowed", (unsigned long long)f.a);
            return false;
        }
        d->fault[d->faults++] = f;
    }
    return true;
}

/* The armed fault of a kind whose number has come; a sticky one stays. */
static sim_fault *strikes(sim_dev *d, uint32_t kind, uint64_t number)
{
    for (uint32_t i = 0; i < d->faults; i++) {
        sim_fault *f = &d->fault[i];
        if (f->kind == kind && f->armed && (f->sticky ? number >= f->nth : number == f->nth)) {
            f->armed = f->sticky != 0;
            d->struck++;
            return f;
        }
    }
    return NULL;
}

uint32_t tn__sim_faults_struck(const sim_dev *d)
{
    return d->struck;
}

void tn__sim_fault_fetched(sim_dev *d, tn_k_sys_packet *p)
{
    if (d->faults == 0)
        return;
    const sim_fault *f = strikes(d, SIM_FAULT_PACKET, d->seq + 1);
    if (f != NULL)
        ((unsigned char *)p)[f->c / 8 % 64] ^= (unsigned char)(1u << f->c % 8);
}

/* Memory is struck when a command ends, before its effect. */
static void flip(sim_dev *d, const sim_fault *f)
{
    uint64_t words = f->space == 0   ? (uint64_t)d->spad_rows * d->profile.row_bytes / 4
                     : f->space == 1 ? (uint64_t)d->acc_rows * d->acc_row_bytes / 4
                                     : (uint64_t)d->profile.rows * d->cols_padded;
    uint32_t *word = (uint32_t *)(void *)(f->space == 0   ? d->spad
                                          : f->space == 1 ? d->acc
                                                          : (unsigned char *)d->plane);
    if (d->protect != SIM_PROTECT_NONE) {
        d->count[f->bits == 1 ? TPU_COUNT_ECC_CORRECTED : TPU_COUNT_ECC_FATAL]++;
        if (f->bits != 1)
            tn__sim_fail(d, TPU_ERR_ECC, f->space, f->a, d->commands);
        return;
    }
    for (uint32_t i = 0; i < f->bits; i++)
        word[f->a % words] ^= 1u << (f->c + i) % 32;
}

bool tn__sim_fault_starts(sim_dev *d, sim_flight *f, uint64_t *cycles)
{
    d->commands++;
    if (d->faults == 0)
        return true;
    const sim_fault *x = strikes(d, SIM_FAULT_THROTTLE, d->commands);
    if (x != NULL) {
        d->throttle = (uint32_t)x->a;
        if ((d->irq_raw & TPU_IRQ_THERMAL) == 0)
            tn__sim_irq(d, TPU_IRQ_THERMAL);
    }
    bool moves = f->c.p.op == TN_K_SYS_LD || f->c.p.op == TN_K_SYS_ST;
    x = moves ? strikes(d, SIM_FAULT_DMA_DELAY, d->transfers + 1) : NULL;
    if (x != NULL)
        *cycles = x->a;
    if (strikes(d, SIM_FAULT_IRQ_SPURIOUS, d->commands) != NULL)
        tn__sim_irq(d, TPU_IRQ_DONE);
    return strikes(d, SIM_FAULT_HANG, d->commands) == NULL;
}

void tn__sim_fault_ends(sim_dev *d, sim_flight *f)
{
    if (d->faults == 0)
        return;
    const sim_fault *x = strikes(d, SIM_FAULT_FLIP, f->c.seq + 1);
    if (x != NULL)
        flip(d, x);
}

const sim_fault *tn__sim_fault_moves(sim_dev *d)
{
    static const uint32_t some[] = {SIM_FAULT_DMA_ERROR, SIM_FAULT_DMA_SHORT, SIM_FAULT_DMA_WRONG};
    d->transfers++;
    for (size_t i = 0; i < 3 && d->faults != 0; i++) {
        const sim_fault *f = strikes(d, some[i], d->transfers);
        if (f != NULL)
            return f;
    }
    return NULL;
}

bool tn__sim_fault_irq(sim_dev *d)
{
    d->irqs++;
    return d->faults != 0 && strikes(d, SIM_FAULT_IRQ_LOST, d->irqs) != NULL;
}

bool tn__sim_fault_rings(sim_dev *d)
{
    d->doorbells++;
    if (d->faults == 0)
        return false;
    if (strikes(d, SIM_FAULT_GONE, d->doorbells) != NULL)
        d->gone = true;
    if (strikes(d, SIM_FAULT_IRQ_EARLY, d->doorbells) != NULL)
        tn__sim_irq(d, TPU_IRQ_DONE); /* before anything has run */
    return strikes(d, SIM_FAULT_DOORBELL, d->doorbells) != NULL;
}

const sim_fault *tn__sim_fault_stuck(const sim_dev *d)
{
    for (uint32_t i = 0; i < d->faults; i++)
        if (d->fault[i].kind >= SIM_FAULT_STUCK && d->fault[i].kind <= SIM_FAULT_STUCK_WEIGHT)
            return &d->fault[i];
    return NULL;
}

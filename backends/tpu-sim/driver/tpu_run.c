/* SPDX-License-Identifier: Apache-2.0 */
/* One plan on the chip: its packets, the wait, and what is tried when the chip reports an error. */
/* path: api > placement > queue > backend > [kernel] > device */
#include "tpu_backend.h"

#include <string.h>

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

static tpu_result attempt(tpu_device *d, const tpu_plan *p, const uint64_t *operand)
{
    sending s = {.chip = &d->chip};
    tn_k_sys_stream stream = {.self = &s, .emit = emit};
    p->row->lower(p->params, &d->chip.caps, operand, &stream);
    return s.result == TPU_OK ? tn__tpu_finish(&d->chip) : s.result;
}

/* A column that computes wrongly is taken out of use; without one the error was not the array's. */
static tpu_result repair(tpu_device *d)
{
    uint32_t bad[4], count;
    tpu_result r = tn__tpu_reset(&d->chip);
    if (r != TPU_OK || d->chip.report.code != TPU_ERR_COMPARE)
        return r;
    count = tn__tpu_test_columns(&d->chip, bad, 4);
    if (count == UINT32_MAX)
        return tn__tpu_reset(&d->chip);
    for (uint32_t i = 0; r == TPU_OK && i < count && i < 4 && d->chip.caps.cols > 1; i++)
        r = tn__tpu_mask_column(&d->chip, bad[i]);
    return r;
}

static const char *error_name(uint32_t code)
{
    static const char *const names[] = {
        "no error",           "bus error",   "malformed packet",     "CRC",
        "rows out of range",  "type",        "memory beyond repair", "watchdog",
        "semaphore overflow", "tiles differ"};
    return code < sizeof names / sizeof names[0] ? names[code] : "unknown error";
}

static tn_status give_up(tpu_device *d, tpu_result r, int tries)
{
    const tpu_report *e = &d->chip.report;
    switch (r) {
    case TPU_GONE:
        d->lost = true;
        d->host->lost(d->token, TN_STATUS_DEVICE_LOST, "tpu.gone");
        return TPU_FAIL(d->host, TN_STATUS_DEVICE_LOST, "tpu.gone",
                        "the chip behind tpu-sim:%s does not answer any more; open it again",
                        d->name);
    default:
        return TPU_FAIL(d->host, TN_STATUS_CORRUPT, "tpu.failed",
                        "tpu-sim:%s failed %d time%s, last with %s (code %u, info %u, address "
                        "0x%llx, command %u)",
                        d->name, tries, tries == 1 ? "" : "s",
                        r == TPU_HUNG ? "no answer" : error_name(e->code), e->code, e->info,
                        (unsigned long long)e->addr, e->seq);
    }
}

tn_status tn__tpu_run(tpu_device *d, const tpu_plan *p, const uint64_t *operand)
{
    if (d->lost)
        return give_up(d, TPU_GONE, 0);
    for (int tries = 1;; tries++) {
        tpu_result r = attempt(d, p, operand);
        if (r == TPU_OK)
            return TN_OK;
        if (r == TPU_FAILED || r == TPU_HUNG) {
            if (r == TPU_HUNG)
                d->chip.report.code = 0;
            tpu_result again = repair(d);
            if (again == TPU_OK && p->repeatable && tries < TPU_TRIES)
                continue;
            if (again != TPU_OK)
                r = again;
        }
        return give_up(d, r, tries);
    }
}

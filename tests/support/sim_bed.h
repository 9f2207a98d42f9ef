/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated chip of any size on the model's bus, driven by packets, for tests of the model. */
#ifndef TN_TESTS_SUPPORT_SIM_BED_H
#define TN_TESTS_SUPPORT_SIM_BED_H

#include "test.h"

#include <backends/tpu-sim/driver/tpu_bus.h>
#include <backends/tpu-sim/driver/tpu_driver.h>

typedef struct sim_bed {
    tn_bus bus;
    tpu_chip chip;
    sim_profile profile;
    char error[200];
} sim_bed;

static inline void *bed_alloc(void *self, size_t bytes, size_t align)
{
    void *p = NULL;
    (void)self;
    return posix_memalign(&p, align < sizeof p ? sizeof p : align, bytes) == 0 ? p : NULL;
}

static inline void bed_free(void *self, void *p, size_t bytes)
{
    (void)self, (void)bytes;
    free(p);
}

static inline void bed_profile(const char *name, sim_profile *out)
{
    char error[200] = "";
    size_t bytes = 0;
    const char *text = tn__sim_profile_text(name, &bytes);
    TN_REQUIRE(text != NULL && tn__sim_profile_read(text, bytes, out, error, sizeof error),
               "%s: %s", name, error);
}

static inline bool bed_open(sim_bed *b, uint32_t timing, uint32_t protect, const char *faults)
{
    tn_allocator a = {NULL, bed_alloc, bed_free};
    sim_options o = {
        .timing = timing, .protect = protect, .faults = faults, .math = &tn_k_sys_math_baseline};
    if (!tn__tpu_bus_model_open(&a, &b->profile, &o, &b->bus, b->error, sizeof b->error))
        return false;
    if (tn__tpu_open(&b->chip, &b->bus, b->error, sizeof b->error))
        return true;
    tn__tpu_bus_model_close(&b->bus);
    return false;
}

static inline void bed_close(sim_bed *b)
{
    tn__tpu_close(&b->chip);
    tn__tpu_bus_model_close(&b->bus);
}

/* Pushes; a semaphore with value 0 is none. */
static inline void bed_put(sim_bed *b, tn_k_sys_packet p)
{
    if (p.wait_val == 0)
        p.wait_sem = TN_K_SYS_NONE;
    if (p.sig_val == 0)
        p.sig_sem = TN_K_SYS_NONE;
    TN_REQUIRE(tn__tpu_push(&b->chip, &p) == TPU_OK);
}

#endif

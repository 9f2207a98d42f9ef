/* SPDX-License-Identifier: Apache-2.0 */
/* The backend's own view of its objects. */
#ifndef TN_BACKENDS_TPU_BACKEND_H
#define TN_BACKENDS_TPU_BACKEND_H

#include "tpu_bus.h"
#include "tpu_bus_log.h"
#include "tpu_bus_mmio.h"
#include "tpu_bus_socket.h"
#include "tpu_driver.h"

#include <pthread.h>
#include <tenon/backend.h>

enum { TPU_ARGUMENT = 128, TPU_TRIES = 3 };

typedef struct tpu_device {
    const tn_host *host;
    void *token;
    tn_bus bus; /* what the driver sees: the model, a log of it, or a replay */
    tn_bus model, mmio, socket, replay, log; /* self NULL: not in use */
    unsigned char *played;                   /* the log that is played */
    size_t played_bytes, played_room;
    char log_path[TPU_ARGUMENT];
    tpu_chip chip;
    pthread_mutex_t lock; /* guards: chip, lost; held while work runs on the chip */
    bool lost;
    char name[TPU_ARGUMENT];
    sim_profile profile;
} tpu_device;

typedef struct tpu_buffer {
    tpu_device *device;
    unsigned char *data;
    uint64_t iova, bytes;
} tpu_buffer;

typedef struct tpu_plan {
    tpu_device *device;
    const tn_k_op *op;
    const tn_k_sys_row *row;
    tn_numerics numerics;
    bool repeatable; /* no output is an input, so the packets can be sent again */
    TN_ALIGNED(64) unsigned char params[TN_K_PARAMS_BYTES];
} tpu_plan;

tn_status tn__tpu_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                                const tn_buffer_ops **out_ops);
tn_status tn__tpu_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                               const tn_queue_ops **out_ops);
tn_status tn__tpu_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                              tn_choice_fn fn, void *self, void **out, const tn_plan_ops **out_ops);
tn_status tn__tpu_supports(void *device, const tn_op *op);
/* The engines' arithmetic in the best form that this machine runs. */
const tn_k_sys_math *tn__tpu_best_math(void);
/* tpu_run.c: runs a plan on the chip, with retries; under the device's lock. */
tn_status tn__tpu_run(tpu_device *d, const tpu_plan *plan, const uint64_t *operand);

#define TPU_FAIL(host, status, reason, ...)                                                        \
    (host)->fail(status, reason, __FILE__, __LINE__, __VA_ARGS__)
#define TPU_FAIL_ARGUMENT(host, status, reason, argument, ...)                                     \
    (host)->fail_argument(status, reason, argument, __FILE__, __LINE__, __VA_ARGS__)

#endif

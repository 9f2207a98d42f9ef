/* SPDX-License-Identifier: Apache-2.0 */
/* The plan object: what plan.c, plan_cache.c, explain.c and fallback.c share. */
#ifndef TN_HAL_PLAN_H
#define TN_HAL_PLAN_H

#include "hal/op.h"

typedef struct tn__choice_row {
    struct tn__choice_row *next;
    size_t bytes;
    tn_choice choice; /* its strings follow this struct */
} tn__choice_row;

/* Candidates in the order in which they were named. */
typedef struct tn__choices {
    tn_runtime *runtime;
    tn__choice_row *first, *last;
    tn_status status; /* NO_MEMORY once a row was lost */
} tn__choices;
void tn__choices_add(void *self, const tn_choice *choice); /* a tn_choice_fn; self: tn__choices */
void tn__choices_add_error(tn__choices *c, const char *device); /* this thread's last error */
/* NO_MEMORY, with its error, once a row was lost. */
tn_status tn__choices_status(const tn__choices *c);
void tn__choices_visit(const tn__choices *c, tn_choice_fn fn, void *self);
void tn__choices_free(tn__choices *c);

/* The identity of a plan on one device: everything of op and desc but the buffers. */
enum { TN__PLAN_KEY_WORDS = 768 };
typedef struct tn__plan_key {
    uint64_t hash;
    uint32_t words;
    uint64_t word[TN__PLAN_KEY_WORDS];
} tn__plan_key;

/* Immutable after create. The cache's reference does not count for the device; every other
 * reference holds one of the device as well, so the plan never outlives it. */
struct tn_plan {
    tn__ref ref;
    tn_device *device;
    void *object; /* NULL for a fallback */
    const tn_plan_ops *ops;
    tn_plan *inner; /* of a fallback: the plan on the cpu device, retained */
    tn_op *op;      /* numerics resolved, attr whole, buffers stripped */
    size_t op_bytes;
    tn_plan_info info;
    uint32_t arg_count;
    struct {
        uint32_t role, flags;
        bool output;
        uint64_t align;  /* of its place in the buffer: the element's, the device's offset_align */
        uint64_t extent; /* bytes read or written from the offset on */
    } arg[TN__OP_ARGS];
    tn__choices choices;
    uint64_t hash; /* the cache's */
    uint64_t *key;
    uint32_t key_words;
    tn_plan *bucket_next, *age_next;
};

/* Drops a reference that does not count for the device. */
void tn__plan_drop(tn_plan *plan);

/* False when the key has no room: such a plan is not cached. */
bool tn__plan_key_make(const tn__op_view *v, const tn_plan_desc *desc, tn__plan_key *out);
/* A hit is retained, with its device; NULL: a miss. */
tn_plan *tn__plan_cache_find(tn__plan_cache *c, const tn__plan_key *key);
/* Offers a new plan; returns the one to use, which is another if a thread was faster (then `plan`
 * was released). Takes over the caller's reference and gives one back. */
tn_plan *tn__plan_cache_insert(tn__plan_cache *c, const tn__plan_key *key, tn_plan *plan);

/* Makes `plan` run on the fallback device; TN_STATUS_UNSUPPORTED leaves the first error. */
tn_status tn__fallback_create(tn_plan *plan, const tn_plan_desc *desc);
tn_status tn__fallback_run(tn_queue *q, tn_plan *plan, tn_buffer *const *buffer,
                           const uint64_t *offset, const tn_sync *sync);

#endif

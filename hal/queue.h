/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of queues, items, fences and the progress thread, shared by the files of the queue
 * crossing alone. */
#ifndef TN_HAL_QUEUE_H
#define TN_HAL_QUEUE_H

#include "hal.h"

#include <time.h>

enum { TN__INLINE_WAITS = 2, TN__INLINE_SIGNALS = 2, TN__INLINE_SLOTS = 8, TN__INLINE_KEEP = 10 };

/* ---- fence.c ---- */
/* One thing that waits for a fence; the memory belongs to whoever waits. */
typedef struct tn__fence_node {
    struct tn__fence_node *next, *previous;
    uint64_t value;
    tn__fence_fn fn; /* called with no lock held, unless `inside` */
    void *self;
    tn_fence *fence;
    bool inside; /* fn is ours, takes only leaf locks, and is called under the fence's lock */
    bool owned;  /* freed by the fence after the call */
    bool listed;
} tn__fence_node;
/* False when the fence is already settled for node->value: *out_error is then NULL (reached) or the
 * fence's error, valid as long as the fence is. */
bool tn__fence_add(tn_fence *f, tn__fence_node *node, const tn_error **out_error);
/* False: the node was settled before, its fn is being called or was. */
bool tn__fence_remove(tn_fence *f, tn__fence_node *node);

/* ---- items ---- */
struct tn__item {
    tn__item *next;
    tn_queue *queue;
    uint64_t id, submitted_ns;
    tn_work work; /* kind 0: nothing to do, an empty group */
    tn_tensor tensor;
    bool host;                  /* done by the progress thread, alone on its queue */
    bool traced;                /* somebody listened at submit */
    bool retry;                 /* the backend had no memory for it behind those in flight */
    tn__fault fault;            /* injected */
    uint64_t due_ns;            /* of a delayed item whose turn has come */
    uint32_t waits_left;        /* guarded by queue.lock */
    const tn_error *wait_error; /* of a retained fence, or queue.submit_error */
    uint32_t wait_count, wait_capacity, signal_count, signal_capacity;
    uint32_t met_count; /* behind the waits: those met at submit, which the trace tells of */
    uint32_t slot_capacity, keep_count, keep_capacity;
    tn__fence_node *waits;
    tn_point *signals;
    tn_slot *slots;
    tn_buffer **keep; /* COPY: [0] to, [1] from */
    tn_plan *plan;
    const tn_plan *shown; /* what the trace tells of: plan, or that of a replayed item */
    tn_commands *commands;
    tn__fence_node inline_waits[TN__INLINE_WAITS];
    tn_point inline_signals[TN__INLINE_SIGNALS];
    tn_slot inline_slots[TN__INLINE_SLOTS];
    tn_buffer *inline_keep[TN__INLINE_KEEP];
};

enum { TN__TODO_DISPATCH = 1, TN__TODO_HOST = 2, TN__TODO_POLL = 4, TN__TODO_REAP = 8 };

struct tn_queue {
    tn__ref ref;       /* the user's, one while items are pending, one while listed for progress */
    tn_device *device; /* retained */
    tn_runtime *runtime;
    const tn_queue_ops *ops; /* NULL: a recorder */
    void *object;
    uint32_t kind, flags;
    uint32_t serial;           /* among the queues of the runtime, from 1; for traces */
    bool internal;             /* hal's own; no faults are injected into its work */
    tn_queue *device_next;     /* guarded by device.lock, as is `told` */
    bool told;                 /* was woken because the device is lost */
    bool polled;               /* the device does not report completion by itself */
    tn_buffer *arena;          /* submitter alone */
    tn_queue *base;            /* of a recorder, retained */
    bool ended;                /* recorder: commands_end was called */
    uint32_t recorded;         /* recorder: items in `waiting` */
    tn_queue *reader, *writer; /* progress thread alone: internal queues of emulated copies */
    pthread_mutex_t lock;      /* guards: everything below, and waits_left of its items */
    pthread_cond_t changed;
    uint32_t sleepers; /* on `changed` */
    bool dispatching;  /* a thread is inside a backend entry of this queue, or about to be */
    bool failed;       /* error is set and never changes again */
    uint64_t next_id, traced_ns; /* traced: the end of the last slice */
    _Atomic uint64_t trace_id;
    tn__item *waiting, **waiting_end; /* not yet handed over, in order */
    tn__item *flying, **flying_end;   /* handed over, in order */
    tn__item *spare;
    tn__item *host_item;
    uint32_t inflight, pending;
    tn_commands *dead; /* their backend objects wait for a quiet moment to be destroyed */
    tn__error_copy error, submit_error;
    /* guarded by the progress lock */
    tn_queue *todo_next;
    uint32_t todo;
    bool listed;
    tn_queue *timed_next;
    uint64_t wake_ns; /* 0: not timed */
};

struct tn_commands {
    tn__ref ref;
    tn_queue *queue; /* retained */
    tn__item *items;
    uint32_t count;
    void *object; /* the backend's, or NULL: replayed item by item */
    tn_commands *next_dead;
};

/* Checks queue and sync and hands out an item with room for so many slots and kept buffers. */
tn_status tn__item_begin(tn_queue *q, tn_work_kind kind, const tn_sync *sync, uint32_t slots,
                         uint32_t keep, tn__item **out);
void tn__item_keep(tn__item *item, tn_buffer *buffer);
/* Takes the item over, also when it fails. */
tn_status tn__item_submit(tn__item *item, const tn_sync *sync);
/* Counts what the item is submitted as (a tn_work_kind) and notes what is to happen to it. */
void tn__item_inject(tn__item *item, uint32_t call);
void tn__item_free(tn_queue *q, tn__item *item); /* drops what it holds and its memory */
void tn__item_cancel(tn__item *item);            /* an item that was begun and not submitted */

/* Hands over what is ready. Entered with queue.lock held, left without it. */
void tn__queue_dispatch(tn_queue *q, bool submitter);
void tn__queue_host_run(tn_queue *q); /* progress thread: the host item of this queue */
void tn__queue_destroy(tn_queue *q);
bool tn__queue_flying(tn_queue *q);
/* With queue.lock: the queue of a lost device fails, once. */
void tn__queue_poison(tn_queue *q);
/* An item of a failed queue fails without what it waits for; waits that are being told at this
 * moment stay counted until they were. */
void tn__item_drop_waits(tn__item *item);
/* Whether a delayed item has to wait longer; its time starts when its turn comes. */
bool tn__item_held_back(tn__item *item);
/* Waits until no other thread is inside a backend entry of the queue, and keeps others out until
 * the next tn__queue_dispatch. */
void tn__queue_enter(tn_queue *q);
/* A queue of hal's own, inline where the device can. */
tn_status tn__queue_internal(tn_device *device, tn_queue **out);
/* transfer.c: the host's version of COPY, FILL and CALL. */
tn_status tn__transfer_emulate(tn_queue *q, tn__item *item);
/* One blocking transfer over an internal queue. */
tn_status tn__transfer_now(tn_queue *internal, tn_buffer *buffer, uint64_t offset, void *host,
                           uint64_t bytes, bool write);
/* trace.c: the slice of an item that was submitted while tracing, and the points it waited for and
 * signals; with no lock held. */
void tn__trace_item(tn_queue *q, const tn__item *item, const tn_error *error,
                    const tn_times *times); /* error NULL: it ended well */
/* The mark of an item that was just submitted and may be gone. */
void tn__trace_submit(tn_queue *q, uint64_t item, uint64_t at_ns);
const char *tn__work_name(tn_work_kind kind); /* "copy" */
/* commands.c: destroys one whose last reference is gone; called with the queue entered. */
void tn__commands_destroy(tn_commands *c);

/* ---- progress.c: the one thread of a runtime ---- */
/* Makes the list and the thread if there are none yet, under TN_RUNTIME_NO_THREADS only the list.
 * Every queue has called it, so that nothing which happens to a queue later can fail for want of
 * them: a completion has nobody to tell. */
tn_status tn__progress_start(tn_runtime *rt);
void tn__progress_post(tn_queue *q, uint32_t todo);
/* Waits until the progress thread has let go of a queue that is idle, so that whoever waited for
 * idleness and releases the queue is the one who destroys it. */
void tn__progress_settle(tn_queue *q);
/* Posts TN__TODO_DISPATCH at that time; an earlier time of the same queue stays. 0 takes it back.
 */
void tn__progress_at(tn_queue *q, uint64_t wake_ns);
/* TN_RUNTIME_NO_THREADS: does what is posted in the calling thread; false when it did nothing. */
bool tn__progress_turn(tn_runtime *rt);

/* An absolute CLOCK_MONOTONIC time; false when timeout_ns means for ever. */
bool tn__deadline(uint64_t timeout_ns, struct timespec *out);
bool tn__passed(const struct timespec *deadline);
void tn__cond_init(pthread_cond_t *cond); /* on CLOCK_MONOTONIC */

#endif

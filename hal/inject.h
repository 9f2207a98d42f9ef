/* SPDX-License-Identifier: Apache-2.0 */
/* Fault injection: what the front functions ask, and what the parser of scripts hands over. */
#ifndef TN_HAL_INJECT_H
#define TN_HAL_INJECT_H

#include "hal.h"

/* What is counted. The first nine are the kinds of work (tn_work_kind; 0 is an empty item). */
enum {
    TN__CALL_GROUP,
    TN__CALL_WORK_LAST = TN_WORK_COMMANDS,
    TN__CALL_BUFFER,
    TN__CALL_WORKSPACE,
    TN__CALL_IMPORT,
    TN__CALL_MAP,
    TN__CALL_QUEUE,
    TN__CALL_PLAN,
    TN__CALLS
};
typedef struct tn__call {
    uint32_t call;    /* TN__CALL_* or a tn_work_kind */
    uint32_t op_kind; /* of RUN, PACK and PLAN, else 0 */
    uint64_t bytes;   /* 0 where there is no size */
} tn__call;

typedef enum tn__fault_action {
    TN__FAULT_LOSE = 1,
    TN__FAULT_FAIL,
    TN__FAULT_DELAY,
    TN__FAULT_OOM
} tn__fault_action;

enum { TN__RULES_MOST = 32 };
typedef struct tn__rule {
    tn__fault_action action;
    tn_status as;     /* of FAIL */
    uint32_t calls;   /* bits 1 << TN__CALL_* */
    uint32_t op_kind; /* 0: any */
    uint64_t at, nth, every, times;
    uint64_t over;   /* more bytes than this */
    uint32_t chance; /* in 2^-31, at most 2^31; keys: whether p and over were given */
    uint32_t keys;
    uint64_t for_ns, upto_ns;
    uint64_t matched, fired;
} tn__rule;
enum {
    TN__KEY_OP = 1,
    TN__KEY_KIND = 2,
    TN__KEY_OVER = 4,
    TN__KEY_AT = 8,
    TN__KEY_NTH = 16,
    TN__KEY_EVERY = 32,
    TN__KEY_P = 64,
    TN__KEY_TIMES = 128,
    TN__KEY_AS = 256,
    TN__KEY_FOR = 512,
    TN__KEY_UPTO = 1024
};
typedef struct tn__inject {
    uint64_t seed, calls;
    uint32_t count;
    tn__rule rule[TN__RULES_MOST];
} tn__inject;
/* inject_parse.c; the errors name line and column. */
tn_status tn__inject_parse(const char *script, tn__inject *out);

/* Counts the call and says what is to happen to it. */
void tn__inject_count(tn_device *d, const tn__call *call, tn__fault *out);
/* A call that answers at once: its injected error, or TN_OK. */
tn_status tn__inject_answer(tn_device *d, const tn__call *call);
/* The item's turn has come: loses the device or records the error; returns the item's status. */
tn_status tn__inject_strike(tn_device *d, const tn__fault *fault);

static inline tn_status tn__inject_call(tn_device *d, uint32_t call, uint32_t op_kind,
                                        uint64_t bytes)
{
    if (!atomic_load_explicit(&d->injecting, memory_order_relaxed))
        return TN_OK;
    return tn__inject_answer(d, &(tn__call){call, op_kind, bytes});
}

#endif

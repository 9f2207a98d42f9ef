/* SPDX-License-Identifier: Apache-2.0 */
/* What wrong calls are made with, and what has to be as before afterwards. */
#ifndef TN_CONFORMANCE_BED_H
#define TN_CONFORMANCE_BED_H

#include <conformance/lowlevel/lowlevel.h>

enum { TN_V_BED_BYTES = 8192, TN_V_BED_OPERANDS = 8 };

typedef struct tn_v_bed {
    tn_runtime *rt, *other_rt;
    tn_device *d, *again, *other_d; /* the device; the same opened again; in another runtime */
    tn_queue *q, *second, *again_q, *other_q;
    tn_buffer *b, *view, *again_b, *other_b; /* view: bytes 64 to 128 of b */
    tn_buffer *operand[TN_V_BED_OPERANDS];   /* of runs, TN_V_BED_BYTES each, as b */
    tn_fence *f, *other_f, *failed;          /* f is at 7 */
    tn_op *op;                               /* scale 16:f32 */
    tn_plan *plan;                           /* NULL: the device has none for it */
    tn_buffer *in, *out;
    tn_queue *recorder, *ended; /* one open, one ended */
    tn_commands *commands;      /* of q */
    unsigned char host[TN_V_BED_BYTES];
    bool mapped; /* b, by the call that was tried */
    /* for calls that fill something; NULL or 0 before each */
    tn_buffer *made_buffer;
    tn_queue *made_queue;
    tn_fence *made_fence;
    tn_plan *made_plan;
    tn_op *made_op;
    tn_device *made_device;
    tn_runtime *made_runtime;
    tn_commands *made_commands;
} tn_v_bed;

/** The bed of a session, made at first need.
 *  returns   NULL with the reason in `result` */
tn_v_bed *tn_v_make_bed(tn_v_session *s, tn_v_result *result);

/** Whether a refused call is what it has to be: status, argument and a text that names it; nothing
 *  has been made or changed, and the device works. Call it right after the wrong call. */
bool tn_v_refused(tn_v_bed *bed, tn_status got, tn_status want, const char *argument,
                  tn_v_result *result);

/* How many of so many rows the list quick has: those whose name has this digest. */
static inline tn_v_list tn_v_share(const char *name, uint64_t of)
{
    return tn_v_hash(name) % of == 0 ? TN_V_QUICK : TN_V_STANDARD;
}

#endif

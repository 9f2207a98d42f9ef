/* SPDX-License-Identifier: Apache-2.0 */
/* Defects that one op alone does not meet: of long runs, of much at a time, of what is prepared
 * once, of what a refusal leaves behind, of operands that other work has written. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <time.h>

enum { LAUNCH_500, PLANS_300, TWO_THREADS, QUEUES_6, OTHER_SHAPE, AFTER_REFUSAL };

static bool any_output(mutant_op *o, int which)
{
    int i = tn__mutant_index(o, TN_ARG_OUT);
    (void)which;
    return i >= 0 && tn__mutant_is_output(o, TN_ARG_OUT) && o->args[i].tensor.layout == 0 &&
           tn_dtype_bits((tn_dtype)o->args[i].tensor.dtype) >= 8;
}

static bool scales(mutant_op *o, int which)
{
    return o->op.kind == TN_OP_ELTWISE && o->attr.eltwise.kind == TN_ELTWISE_SCALE &&
           any_output(o, which);
}

static bool other_dims(const tn_tensor *a, const tn_tensor *b)
{
    return a->rank != b->rank || memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) != 0;
}

/* Whether an input is memory that an op has written in another shape; remembers this output. */
static bool reshaped(mutant_run *r)
{
    mutant_device *d = r->plan->device;
    const mutant_op *o = &r->plan->right;
    bool found = false;
    enum { KEPT = sizeof d->written / sizeof d->written[0] };
    pthread_mutex_lock(&d->mutex);
    for (uint32_t i = 0; i < o->op.arg_count; ++i) {
        uint64_t at = ((uint64_t)(uintptr_t)r->buffer[i] >> 6) % KEPT;
        bool known = d->written[at].buffer == r->buffer[i] && d->written[at].offset == r->offset[i];
        if (tn__mutant_is_output(o, o->args[i].role)) {
            d->written[at].buffer = r->buffer[i];
            d->written[at].offset = r->offset[i];
            d->written[at].tensor = o->args[i].tensor;
        } else if (known && other_dims(&d->written[at].tensor, &o->args[i].tensor)) {
            found = true;
        }
    }
    pthread_mutex_unlock(&d->mutex);
    return found;
}

static void after_run(mutant_run *r, int which)
{
    mutant_device *d = r->plan->device;
    bool wrong = false;
    switch (which) {
    case LAUNCH_500:
        wrong = r->memo->runs++ == 499;
        break;
    case OTHER_SHAPE:
        wrong = reshaped(r);
        break;
    default:
        pthread_mutex_lock(&d->mutex);
        wrong = which == PLANS_300     ? d->met > 300
                : which == TWO_THREADS ? r->crowded || d->running > 1
                : which == QUEUES_6    ? d->alive > 5
                                       : d->refused;
        d->refused = false;
        pthread_mutex_unlock(&d->mutex);
        break;
    }
    if (wrong)
        tn__mutant_spoil_last(r, 0);
}

/* Runs that take long enough for two of them to meet. */
static void linger(mutant_run *r, int which)
{
    struct timespec t = {0, 100000};
    (void)r, (void)which;
    nanosleep(&t, NULL);
}

#define AFTER .bend = any_output, .after = after_run
const mutant_defect tn__mutant_stress[] = {
    {.id = "J01",
     .text = "launch 500 of a plan is wrong",
     .family = "stress",
     AFTER,
     .param = LAUNCH_500},
    {.id = "J02",
     .text = "wrong while 300 plans of scale are alive",
     .family = "stress",
     .bend = scales,
     .after = after_run,
     .param = PLANS_300},
    {.id = "J03",
     .text = "two runs at once disturb each other",
     .family = "stress",
     .before = linger,
     AFTER,
     .param = TWO_THREADS},
    {.id = "J04",
     .text = "wrong while six queues are alive",
     .family = "stress",
     AFTER,
     .param = QUEUES_6},
    {.id = "J05",
     .text = "of more than 1000 buffers two share memory",
     .family = "stress",
     .hal = MUTANT_MANY_BUFFERS},
    {.id = "J06",
     .text = "beyond 84 MiB in use memory is given twice",
     .family = "stress",
     .hal = MUTANT_MANY_BYTES},
    {.id = "J07",
     .text = "recorded work lacks its first item the second time",
     .family = "stress",
     .hal = MUTANT_RECORD},
    {.id = "J08",
     .text = "packed weights begin with zeros",
     .family = "stress",
     .hal = MUTANT_PACK},
    {.id = "J09",
     .text = "imported memory is looked at once",
     .family = "stress",
     .hal = MUTANT_IMPORT},
    {.id = "J10",
     .text = "a kernel that nobody knows is taken for any",
     .family = "refusals",
     .hal = MUTANT_ANY_KERNEL},
    {.id = "J11",
     .text = "the run after a refused kernel is wrong",
     .family = "refusals",
     AFTER,
     .param = AFTER_REFUSAL},
    {.id = "J12",
     .text = "what was written in another shape is misread",
     .family = "networks",
     AFTER,
     .param = OTHER_SHAPE},
    {0}};

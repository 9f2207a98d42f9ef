/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of an OpenCL device: an in-order command queue of the driver, and a thread that waits for
 * its events one after the other and tells hal. Where hal allows it the submitter waits itself,
 * which saves two wake-ups. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "opencl.h"

#include <time.h>

enum { FIRST_RING = 16 }; /* made with the queue: one item can always be taken */
static const uint64_t lost_wait_ns = 2000000000u; /* for what still runs on a lost device */

typedef struct opencl_item {
    uint64_t id;
    cl_event first, last; /* last NULL: done once everything before it is */
    cl_mem held;          /* released with the item, or NULL */
    bool timed;
    cl_int error;     /* of what could not be handed over behind the events */
    const char *call; /* that gave it */
} opencl_item;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- handing over ---- */

static cl_int set_argument(opencl_device *d, cl_kernel kernel, cl_uint *index, size_t bytes,
                           const void *value)
{
    return OPENCL_CALL(&d->driver, clSetKernelArg, kernel, (*index)++, bytes, value);
}

/* A buffer and where in it the operand begins; `dummy` stands for none. */
static cl_int set_place(opencl_device *d, cl_kernel kernel, cl_uint *index, const void *buffer,
                        uint64_t offset, cl_mem dummy)
{
    const opencl_buffer *b = buffer;
    cl_mem mem = b != NULL ? b->mem : dummy;
    cl_ulong at = b != NULL ? offset : 0;
    cl_int error = set_argument(d, kernel, index, sizeof mem, &mem);
    return error == CL_SUCCESS ? set_argument(d, kernel, index, sizeof at, &at) : error;
}

/* A kernel whose arguments are set: drivers keep those of this moment, recorded or not. */
static cl_int launch(opencl_queue *q, opencl_handed *h, cl_kernel kernel, cl_uint dimensions,
                     const size_t *from, const size_t *items, const size_t *group)
{
    opencl_device *d = q->device;
    cl_event event = NULL;
    if (h->into != NULL) {
        h->call = "clCommandNDRangeKernelKHR";
        return OPENCL_CALL(&d->driver, clCommandNDRangeKernelKHR, h->into, NULL, NULL, kernel,
                           dimensions, from, items, group, 0, NULL, NULL, NULL);
    }
    h->call = "clEnqueueNDRangeKernel";
    cl_int error = OPENCL_CALL(&d->driver, clEnqueueNDRangeKernel, q->commands, kernel, dimensions,
                               from, items, group, 0, NULL, &event);
    if (error == CL_SUCCESS)
        tn__opencl_keep_event(q, h, event);
    return error;
}

/* The dimension along which launches of a phase divide its groups: that with most of them. */
static uint32_t divided(const opencl_plan *p, uint32_t phase)
{
    const uint32_t *count = p->groups.count[phase];
    uint32_t best = count[1] >= count[0] ? 1 : 0;
    return count[2] >= count[best] ? 2 : best;
}

/* Groups from `first` on, of one phase, along the dimension that is divided. */
static cl_int run_phase(opencl_queue *q, const opencl_plan *p, const tn_work *w, uint32_t phase,
                        size_t first, size_t groups, opencl_handed *h)
{
    opencl_device *d = q->device;
    const tn_k_operands *o = (const tn_k_operands *)(const void *)p->params;
    const opencl_buffer *work = w->workspace;
    cl_mem room = work != NULL ? work->mem : p->box;
    cl_ulong shared_at = w->workspace_offset, scratch_at = shared_at + p->launch.shared_bytes;
    cl_uint index = 0, which = phase;
    size_t from[3] = {0, 0, 0}, items[3], size[3];
    cl_uint dimensions = 1;
    for (uint32_t i = 0; i < 3; ++i) {
        size[i] = p->groups.size[i];
        items[i] = p->groups.count[phase][i] * size[i];
        if (items[i] > 1)
            dimensions = i + 1;
    }
    from[divided(p, phase)] = first * size[divided(p, phase)];
    items[divided(p, phase)] = groups * size[divided(p, phase)];
    cl_kernel kernel = NULL;
    cl_int error = tn__opencl_twin(q, h, p->run, &kernel);
    if (error != CL_SUCCESS)
        return error;
    h->call = "clSetKernelArg";
    error = set_argument(d, kernel, &index, sizeof p->box, &p->box);
    if (error == CL_SUCCESS)
        error = set_argument(d, kernel, &index, sizeof room, &room);
    if (error == CL_SUCCESS)
        error = set_argument(d, kernel, &index, sizeof shared_at, &shared_at);
    if (error == CL_SUCCESS)
        error = set_argument(d, kernel, &index, sizeof scratch_at, &scratch_at);
    if (error == CL_SUCCESS)
        error = set_argument(d, kernel, &index, sizeof which, &which);
    for (uint32_t i = 0; error == CL_SUCCESS && i < p->slots; ++i) {
        const tn_slot *slot = NULL;
        for (uint32_t s = 0; i < o->count && s < w->slot_count; ++s)
            if (w->slots[s].role == o->item[i].role)
                slot = &w->slots[s];
        error = set_place(d, kernel, &index, slot != NULL ? slot->buffer : NULL,
                          slot != NULL ? slot->offset : 0, p->box);
    }
    return error == CL_SUCCESS ? launch(q, h, kernel, dimensions, from, items, size) : error;
}

void tn__opencl_keep_event(opencl_queue *q, opencl_handed *h, cl_event event)
{
    if (event == NULL)
        return;
    if (h->first == NULL) {
        h->first = event;
        return;
    }
    if (h->last != NULL)
        (void)OPENCL_CALL(&q->device->driver, clReleaseEvent, h->last);
    h->last = event;
}

/* Each phase in as many launches as the estimate asks for, as if it were all of the plan. */
static cl_int hand_run(opencl_queue *q, const tn_work *w, opencl_handed *h)
{
    opencl_plan *p = w->plan;
    opencl_device *d = q->device;
    cl_int error = CL_SUCCESS;
    uint64_t parts = p->launch.estimate_ns / d->submit_ns + 1;
    pthread_mutex_lock(&p->lock);
    for (uint32_t phase = 0; error == CL_SUCCESS && phase < p->launch.phases; ++phase) {
        uint64_t all = p->groups.count[phase][divided(p, phase)], n = parts < all ? parts : all;
        for (uint64_t i = 0; error == CL_SUCCESS && i < n; ++i) {
            error = run_phase(q, p, w, phase, (size_t)(all * i / n),
                              (size_t)(all * (i + 1) / n - all * i / n), h);
            if (error == CL_SUCCESS && n > 1) { /* a submit of its own */
                h->call = "clFlush";
                error = OPENCL_CALL(&d->driver, clFlush, q->commands);
            }
        }
    }
    pthread_mutex_unlock(&p->lock);
    return error;
}

cl_mem tn__opencl_shape(opencl_device *d, const tn_tensor *shape, cl_int *out_error)
{
    tn_tensor copy = *shape;
    return OPENCL_MAKE(&d->driver, clCreateBuffer, out_error, d->context,
                       CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof copy, &copy);
}

static cl_int hand_pack(opencl_queue *q, const tn_work *w, opencl_handed *h)
{
    opencl_plan *p = w->plan;
    opencl_device *d = q->device;
    const size_t tasks = p->launch.pack_tasks, one = 1;
    cl_int error = CL_SUCCESS;
    cl_uint index = 0;
    cl_kernel kernel = NULL;
    if (tasks == 0)
        return CL_SUCCESS;
    h->call = "clCreateBuffer";
    if (h->held == NULL)
        h->held = tn__opencl_shape(d, w->tensor, &error);
    if (h->held == NULL)
        return error;
    pthread_mutex_lock(&p->lock);
    error = tn__opencl_twin(q, h, p->pack, &kernel);
    if (error == CL_SUCCESS) {
        h->call = "clSetKernelArg";
        error = set_argument(d, kernel, &index, sizeof p->box, &p->box);
    }
    if (error == CL_SUCCESS)
        error = set_argument(d, kernel, &index, sizeof h->held, &h->held);
    if (error == CL_SUCCESS)
        error = set_place(d, kernel, &index, w->slots[0].buffer, w->slots[0].offset, p->box);
    if (error == CL_SUCCESS)
        error = set_place(d, kernel, &index, w->to, w->to_offset, p->box);
    if (error == CL_SUCCESS)
        error = launch(q, h, kernel, 1, NULL, &tasks, &one);
    pthread_mutex_unlock(&p->lock);
    return error;
}

cl_int tn__opencl_hand(opencl_queue *q, const tn_work *w, opencl_handed *h)
{
    opencl_driver *cl = &q->device->driver;
    const opencl_buffer *to = w->to, *from = w->from;
    size_t bytes = (size_t)w->bytes, to_at = (size_t)w->to_offset, from_at = (size_t)w->from_offset;
    if (w->kind == TN_WORK_COMMANDS)
        return tn__opencl_hand_commands(q, w->commands, h);
    if (bytes == 0 && w->kind != TN_WORK_RUN && w->kind != TN_WORK_PACK)
        return CL_SUCCESS;
    switch (w->kind) {
    case TN_WORK_RUN:
        return hand_run(q, w, h);
    case TN_WORK_PACK:
        return hand_pack(q, w, h);
    case TN_WORK_COPY:
        h->call = "clEnqueueCopyBuffer";
        return OPENCL_CALL(cl, clEnqueueCopyBuffer, q->commands, from->mem, to->mem, from_at, to_at,
                           bytes, 0, NULL, &h->first);
    case TN_WORK_WRITE:
        h->call = "clEnqueueWriteBuffer";
        return OPENCL_CALL(cl, clEnqueueWriteBuffer, q->commands, to->mem, CL_FALSE, to_at, bytes,
                           w->from, 0, NULL, &h->first);
    case TN_WORK_READ:
        h->call = "clEnqueueReadBuffer";
        return OPENCL_CALL(cl, clEnqueueReadBuffer, q->commands, from->mem, CL_FALSE, from_at,
                           bytes, w->to, 0, NULL, &h->first);
    default: /* TN_WORK_FILL */
        h->call = "clEnqueueFillBuffer";
        return OPENCL_CALL(cl, clEnqueueFillBuffer, q->commands, to->mem, &w->pattern,
                           w->pattern_bytes, to_at, bytes, 0, NULL, &h->first);
    }
}

static void forget(opencl_queue *q, opencl_item *item)
{
    opencl_driver *cl = &q->device->driver;
    if (item->first != NULL)
        (void)OPENCL_CALL(cl, clReleaseEvent, item->first);
    if (item->last != NULL)
        (void)OPENCL_CALL(cl, clReleaseEvent, item->last);
    if (item->held != NULL)
        (void)OPENCL_CALL(cl, clReleaseMemObject, item->held);
}

/* ---- completion ---- */

static cl_int status_of(opencl_queue *q, cl_event event)
{
    cl_int status = CL_QUEUED;
    cl_int error = OPENCL_CALL(&q->device->driver, clGetEventInfo, event,
                               CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    return error != CL_SUCCESS ? error : status;
}

/* On a lost device what was handed over may still run, or never end: it is given some time. */
static void wait_a_while(opencl_queue *q, cl_event event)
{
    const struct timespec pause = {0, 200000};
    uint64_t start = now_ns();
    while (status_of(q, event) > CL_COMPLETE && now_ns() - start < lost_wait_ns)
        (void)nanosleep(&pause, NULL);
}

static tn_status wait_for(opencl_queue *q, const opencl_item *item)
{
    opencl_device *d = q->device;
    cl_event event = item->last != NULL ? item->last : item->first;
    cl_int error = CL_SUCCESS;
    if (event == NULL)
        return atomic_load(&d->lost) ? TN_STATUS_DEVICE_LOST : TN_OK;
    if (!atomic_load_explicit(&d->lost, memory_order_acquire)) {
        error = OPENCL_CALL(&d->driver, clWaitForEvents, 1, &event);
        if (error == CL_SUCCESS && status_of(q, event) < 0)
            error = status_of(q, event);
        if (error == CL_SUCCESS)
            return TN_OK;
    }
    wait_a_while(q, event);
    return tn__opencl_lose(d, error, "clWaitForEvents");
}

/* Driver clocks begin anywhere: the end is now, and the start as long before as it says. */
static const tn_times *times_of(opencl_queue *q, const opencl_item *item, tn_times *out)
{
    cl_event last = item->last != NULL ? item->last : item->first;
    cl_ulong start = 0, end = 0;
    if (!item->timed || last == NULL)
        return NULL;
    uint64_t now = now_ns();
    if (OPENCL_CALL(&q->device->driver, clGetEventProfilingInfo, item->first,
                    CL_PROFILING_COMMAND_START, sizeof start, &start, NULL) != CL_SUCCESS ||
        OPENCL_CALL(&q->device->driver, clGetEventProfilingInfo, last, CL_PROFILING_COMMAND_END,
                    sizeof end, &end, NULL) != CL_SUCCESS ||
        end < start || end - start > now)
        return NULL;
    *out = (tn_times){.start_ns = now - (end - start), .end_ns = now};
    return out;
}

/* Waits for what was handed over, and tells hal. */
static void finish(opencl_queue *q, opencl_item *item, bool in_thread)
{
    tn_times times;
    tn_status st = wait_for(q, item);
    const tn_times *timed = st == TN_OK ? times_of(q, item, &times) : NULL;
    if (st == TN_OK && item->error != CL_SUCCESS)
        st = tn__opencl_failed(q->device, item->error, item->call, false);
    forget(q, item);
    if (in_thread) /* idle before hal is told, so that whoever hears of it may go on inline */
        item_ring_idle(&q->ring);
    q->device->host->complete(q->token, item->id, st, timed);
}

static void *serve(void *arg)
{
    opencl_queue *q = arg;
    opencl_item item;
    while (item_ring_wait(&q->ring, &item)) {
        finish(q, &item, true);
        item_ring_done(&q->ring);
    }
    return NULL;
}

/* ---- hal's side ---- */

static tn_status queue_submit(void *queue, const tn_work *w)
{
    opencl_queue *q = queue;
    opencl_device *d = q->device;
    opencl_handed h = {0};
    if (w->kind == TN_WORK_CALL)
        return OPENCL_FAIL(d->host, TN_STATUS_UNSUPPORTED, "opencl.work",
                           "work of kind %d; the queue of an OpenCL device takes what the device "
                           "does",
                           (int)w->kind);
    if (atomic_load_explicit(&d->lost, memory_order_acquire))
        return OPENCL_FAIL(d->host, TN_STATUS_DEVICE_LOST, "opencl.lost",
                           "%s was lost before; release the device and open it again", d->info.uri);
    pthread_mutex_lock(&q->ring.lock);
    bool here = (w->flags & TN_WORK_MAY_RUN_HERE) != 0 && q->ring.count == 0 && !q->ring.busy;
    bool room = here || (item_ring_next(&q->ring) != NULL && item_ring_start(&q->ring, serve, q));
    pthread_mutex_unlock(&q->ring.lock);
    if (!room)
        return OPENCL_NO_HOST_MEMORY(d->host, "one more item of a queue, or its thread");
    cl_int error = tn__opencl_hand(q, w, &h);
    if (error == CL_SUCCESS && !here) { /* a wait flushes, too */
        h.call = "clFlush";
        error = OPENCL_CALL(&d->driver, clFlush, q->commands);
    }
    opencl_item item = {.id = w->item,
                        .first = h.first,
                        .last = h.last,
                        .held = h.held,
                        .timed = (w->flags & TN_WORK_TIMED) != 0 && !h.untimed,
                        .error = error,
                        .call = h.call};
    /* What was handed over in part must not be offered again, and is waited for. */
    if (error != CL_SUCCESS && h.first == NULL) {
        tn_status st = tn__opencl_failed(d, error, h.call, false);
        forget(q, &item);
        return st;
    }
    if (here) {
        finish(q, &item, false);
        return TN_OK;
    }
    pthread_mutex_lock(&q->ring.lock);
    *(opencl_item *)item_ring_next(&q->ring) = item; /* there is room */
    item_ring_came(&q->ring);
    pthread_mutex_unlock(&q->ring.lock);
    return TN_OK;
}

static tn_status queue_poll(void *queue, uint64_t timeout_ns)
{
    return item_ring_poll(&((opencl_queue *)queue)->ring, timeout_ns);
}

static void queue_free(opencl_queue *q)
{
    const tn_host *host = q->device->host;
    if (q->commands != NULL)
        (void)OPENCL_CALL(&q->device->driver, clReleaseCommandQueue, q->commands);
    item_ring_free(&q->ring);
    tn__opencl_give(host, q, sizeof *q);
}

static void queue_destroy(void *queue)
{
    opencl_queue *q = queue;
    item_ring_stop(&q->ring);
    queue_free(q);
}

static const tn_queue_ops queue_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_queue_ops),
    .destroy = queue_destroy,
    .submit = queue_submit,
    .poll = queue_poll,
    .record = tn__opencl_record,
    .commands_destroy = tn__opencl_commands_destroy,
};

tn_status tn__opencl_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                                  const tn_queue_ops **out_ops)
{
    opencl_device *d = device;
    cl_int error = CL_SUCCESS;
    opencl_queue *q = tn__opencl_take(d->host, sizeof *q);
    if (q == NULL ||
        !item_ring_init(&q->ring, &d->host->allocator, sizeof(opencl_item), FIRST_RING)) {
        tn__opencl_give(d->host, q, sizeof *q);
        return OPENCL_NO_HOST_MEMORY(d->host, "a queue");
    }
    q->device = d;
    q->token = token;
    q->commands = OPENCL_MAKE(&d->driver, clCreateCommandQueue, &error, d->context, d->found.id,
                              CL_QUEUE_PROFILING_ENABLE);
    if (q->commands == NULL) {
        tn_status st = tn__opencl_failed(d, error, "clCreateCommandQueue", true);
        queue_free(q);
        return st;
    }
    /* An inline queue may never need the thread. */
    if ((desc == NULL || (desc->flags & TN_QUEUE_INLINE) == 0) &&
        !item_ring_start(&q->ring, serve, q)) {
        queue_free(q);
        return OPENCL_NO_HOST_MEMORY(d->host, "the thread of a queue");
    }
    *out = q;
    *out_ops = &queue_ops;
    return TN_OK;
}

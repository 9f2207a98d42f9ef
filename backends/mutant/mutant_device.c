/* SPDX-License-Identifier: Apache-2.0 */
/* The device, its buffers and queues: everything is done by a cpu device behind it, at submit. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <stdio.h>
#include <time.h>

typedef struct mutant_queue {
    mutant_device *device;
    void *token;
    tn_queue *child;
    mutant_plan *last; /* the plan of the run before */
    bool other;        /* not the first queue of the device */
    uint64_t runs;
} mutant_queue;

void *tn__mutant_take(const tn_host *host, size_t bytes)
{
    void *p = host->allocator.alloc(host->allocator.self, bytes, 64);
    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

void tn__mutant_give(const tn_host *host, void *p, size_t bytes)
{
    if (p != NULL)
        host->allocator.free(host->allocator.self, p, bytes);
}

void tn__mutant_join(mutant_device *d)
{
    pthread_mutex_lock(&d->mutex);
    bool late = d->is_late;
    pthread_t thread = d->late;
    d->is_late = false;
    pthread_mutex_unlock(&d->mutex);
    if (late)
        pthread_join(thread, NULL);
}

static int hal_defect(const mutant_device *d)
{
    return d->defect != NULL ? d->defect->hal : MUTANT_NONE;
}

/* ---- buffers ---- */

static void buffer_destroy(void *buffer)
{
    mutant_buffer *b = buffer;
    const tn_host *host = b->device->host;
    mutant_device *d = b->device;
    tn__mutant_join(d);
    pthread_mutex_lock(&d->mutex);
    d->buffers--;
    d->bytes -= b->bytes;
    if (d->newest == b)
        d->newest = NULL;
    for (size_t i = 0; i < sizeof d->written / sizeof d->written[0]; ++i)
        if (d->written[i].buffer == b->child)
            d->written[i].buffer = NULL;
    pthread_mutex_unlock(&d->mutex);
    tn_buffer_release(b->child);
    tn__mutant_give(host, b->stale, b->bytes);
    tn__mutant_give(host, b, sizeof *b);
}

/* Only of a device whose maps are stale: the host sees what the first map saw. */
static tn_status buffer_map(void *buffer, uint64_t offset, uint64_t bytes, uint32_t mode,
                            void **out)
{
    mutant_buffer *b = buffer;
    (void)bytes;
    if (hal_defect(b->device) != MUTANT_STALE_MAP) {
        *out = b->data + offset;
        return TN_OK;
    }
    if (b->stale == NULL) {
        b->stale = tn__mutant_take(b->device->host, b->bytes);
        if (b->stale == NULL)
            return MUTANT_FAIL(b->device->host, TN_STATUS_NO_MEMORY, "mutant.memory",
                               "no memory for a map; free something and try again");
        memcpy(b->stale, b->data, b->bytes);
    }
    *out = (mode & TN_MAP_WRITE) != 0 && (mode & TN_MAP_READ) == 0 ? b->data + offset
                                                                   : b->stale + offset;
    return TN_OK;
}

static tn_status buffer_unmap(void *buffer)
{
    (void)buffer;
    return TN_OK;
}

static const tn_buffer_ops buffer_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_buffer_ops),
    .destroy = buffer_destroy,
    .map = buffer_map,
    .unmap = buffer_unmap,
};

/* Counts a new buffer; one too many gets the memory of the one before. */
static void enter(mutant_device *d, mutant_buffer *b)
{
    pthread_mutex_lock(&d->mutex);
    mutant_buffer *old = d->newest;
    d->buffers++;
    d->bytes += b->bytes;
    bool many = (hal_defect(d) == MUTANT_MANY_BUFFERS && d->buffers > 1000) ||
                (hal_defect(d) == MUTANT_MANY_BYTES && d->bytes > (uint64_t)84 << 20);
    if (many && old != NULL && old->bytes >= b->bytes) {
        tn_buffer_release(b->child);
        b->child = tn_buffer_retain(old->child);
        b->data = old->data;
    }
    if (!b->imported)
        d->newest = b;
    pthread_mutex_unlock(&d->mutex);
}

static tn_status buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                               const tn_buffer_ops **out_ops)
{
    mutant_device *d = device;
    mutant_buffer *b = tn__mutant_take(d->host, sizeof *b);
    if (b == NULL)
        return MUTANT_FAIL(d->host, TN_STATUS_NO_MEMORY, "mutant.memory",
                           "no memory for a buffer; free something and try again");
    tn_buffer_desc plain = *desc;
    plain.head.next = NULL;
    tn_status st = tn_buffer_create(d->child, &plain, &b->child);
    if (st != TN_OK && hal_defect(d) == MUTANT_HUGE_BUFFER) { /* says yes, and has a page */
        plain.bytes = 4096;
        st = tn_buffer_create(d->child, &plain, &b->child);
    }
    tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)};
    if (st == TN_OK)
        st = tn_buffer_get_info(b->child, &info);
    if (st != TN_OK) {
        tn_buffer_release(b->child);
        tn__mutant_give(d->host, b, sizeof *b);
        return st;
    }
    b->device = d;
    b->data = (unsigned char *)(uintptr_t)info.address;
    b->bytes = desc->bytes;
    enter(d, b);
    *out = b;
    *out_ops = &buffer_ops;
    return TN_OK;
}

static tn_status buffer_import(void *device, const tn_external *external, void **out,
                               const tn_buffer_ops **out_ops)
{
    mutant_device *d = device;
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = external->bytes};
    unsigned char *host = (unsigned char *)external->pointer + external->offset;
    tn_buffer *child = NULL;
    if (external->kind != TN_EXTERNAL_HOST)
        return MUTANT_FAIL(d->host, TN_STATUS_UNSUPPORTED, "mutant.import",
                           "memory of kind %d; the host's is taken", (int)external->kind);
    if (hal_defect(d) == MUTANT_IMPORT) { /* looked at once */
        tn_status st = buffer_create(device, &desc, out, out_ops);
        if (st == TN_OK)
            memcpy(((mutant_buffer *)*out)->data, host, external->bytes);
        return st;
    }
    tn_external plain = *external;
    plain.head.next = NULL;
    tn_status st = tn_buffer_import(d->child, &plain, &child);
    mutant_buffer *b = st == TN_OK ? tn__mutant_take(d->host, sizeof *b) : NULL;
    if (b == NULL) {
        tn_buffer_release(child);
        return st != TN_OK ? st
                           : MUTANT_FAIL(d->host, TN_STATUS_NO_MEMORY, "mutant.memory",
                                         "no memory for a buffer; free something and try again");
    }
    b->device = d;
    b->child = child;
    b->data = host;
    b->bytes = external->bytes;
    b->imported = true;
    enter(d, b);
    *out = b;
    *out_ops = &buffer_ops;
    return TN_OK;
}

/* ---- queues ---- */

static void queue_destroy(void *queue)
{
    mutant_queue *q = queue;
    tn__mutant_join(q->device);
    pthread_mutex_lock(&q->device->mutex);
    q->device->alive--;
    pthread_mutex_unlock(&q->device->mutex);
    tn_queue_release(q->child);
    tn__mutant_give(q->device->host, q, sizeof *q);
}

/* Where byte `at` of a buffer lies on this device: one address line may be stuck. */
static uint64_t line(const mutant_device *d, uint64_t at)
{
    return hal_defect(d) == MUTANT_ADDRESS_LINE ? at & ~(1ull << 17) : at;
}

static void move(const mutant_device *d, mutant_buffer *to, uint64_t to_at,
                 const unsigned char *from, uint64_t bytes)
{
    int defect = hal_defect(d);
    if (defect == MUTANT_PAGE && to_at / 4096 != (to_at + bytes - 1) / 4096 && bytes < 4096)
        bytes = 4096 - to_at % 4096; /* what lies behind a page's border is lost */
    if (defect == MUTANT_ADDRESS_LINE) {
        for (uint64_t i = 0; i < bytes; ++i)
            to->data[line(d, to_at + i)] = from[i];
        return;
    }
    memmove(to->data + to_at, from, bytes);
    if (defect == MUTANT_DATA_LINE) /* bit 3 of every 16th byte is stuck at 0 */
        for (uint64_t i = to_at; i < to_at + bytes; ++i)
            if (i % 16 == 5)
                to->data[i] &= 0xf7;
}

static void write_to(mutant_queue *q, const tn_work *w)
{
    mutant_device *d = q->device;
    uint64_t at = w->to_offset, bytes = w->bytes;
    int defect = hal_defect(d);
    if (defect == MUTANT_WRITE_ALIGN)
        at = bytes < 64 ? at & ~3ull : at;
    if (defect == MUTANT_LOST_WRITE && bytes % 7 == 3 && bytes < 512)
        return;
    move(d, w->to, at, w->from, bytes);
}

static void read_from(mutant_queue *q, const tn_work *w)
{
    const mutant_buffer *b = w->from;
    unsigned char *to = w->to;
    uint64_t bytes = w->bytes;
    if (hal_defect(q->device) == MUTANT_ADDRESS_LINE) {
        for (uint64_t i = 0; i < bytes; ++i)
            to[i] = b->data[line(q->device, w->from_offset + i)];
        return;
    }
    if (hal_defect(q->device) == MUTANT_READ_ODD && bytes % 2 == 1 && bytes > 1)
        bytes--;
    memcpy(to, b->data + w->from_offset, bytes);
}

static void copy(mutant_queue *q, const tn_work *w)
{
    uint64_t bytes = w->bytes, at = w->to_offset;
    const mutant_buffer *from = w->from;
    if (hal_defect(q->device) == MUTANT_COPY_LENGTH)
        bytes &= ~3ull;
    if (hal_defect(q->device) == MUTANT_COPY_OFFSET)
        at = 0;
    if (bytes > 0)
        move(q->device, w->to, at, from->data + w->from_offset, bytes);
}

static void fill(mutant_queue *q, const tn_work *w)
{
    mutant_buffer *b = w->to;
    uint32_t pattern = w->pattern;
    if (hal_defect(q->device) == MUTANT_FILL_PATTERN && w->pattern_bytes == 2)
        pattern = (pattern & 0xff) * 0x101; /* the low byte twice */
    for (uint64_t i = 0; i < w->bytes; ++i)
        b->data[w->to_offset + i] = (unsigned char)(pattern >> 8 * (i % w->pattern_bytes));
}

typedef struct late_work {
    mutant_queue *queue;
    mutant_plan *plan;
    tn_work work;
    tn_slot slot[MUTANT_ARGS];
} late_work;

static void *do_late(void *arg)
{
    late_work *l = arg;
    struct timespec t = {0, 3000000};
    nanosleep(&t, NULL);
    (void)!tn__mutant_run(l->queue->device, l->queue->child, l->plan, &l->work, l->queue->other);
    tn__mutant_give(l->queue->device->host, l, sizeof *l);
    return NULL;
}

/* Reports the run first and does it later. */
static bool run_late(mutant_queue *q, const tn_work *w)
{
    mutant_device *d = q->device;
    late_work *l = tn__mutant_take(d->host, sizeof *l);
    if (l == NULL || w->slot_count > MUTANT_ARGS) {
        tn__mutant_give(d->host, l, sizeof *l);
        return false;
    }
    l->queue = q;
    l->plan = w->plan;
    l->work = *w;
    memcpy(l->slot, w->slots, w->slot_count * sizeof *l->slot);
    l->work.slots = l->slot;
    pthread_mutex_lock(&d->mutex);
    d->is_late = pthread_create(&d->late, NULL, do_late, l) == 0;
    bool started = d->is_late;
    pthread_mutex_unlock(&d->mutex);
    if (!started)
        tn__mutant_give(d->host, l, sizeof *l);
    return started;
}

static tn_status run(mutant_queue *q, const tn_work *w)
{
    mutant_device *d = q->device;
    mutant_plan *p = w->plan, *old = q->last;
    q->last = p;
    q->runs++;
    if (hal_defect(d) == MUTANT_OLD_PARAMS && old != NULL && old != p && q->runs % 3 == 0 &&
        old->right.op.kind == p->right.op.kind && old->right.op.arg_count == p->right.op.arg_count)
        p = old;
    if ((hal_defect(d) == MUTANT_EARLY_FENCE || hal_defect(d) == MUTANT_LATE_MAP) && run_late(q, w))
        return TN_OK;
    return tn__mutant_run(d, q->child, p, w, q->other);
}

static bool hangs(const mutant_queue *q, const tn_work *w)
{
    const mutant_plan *p = w->plan;
    const tn_arg *a = &p->right.args[0];
    bool meets = a->tensor.rank == 2 && a->tensor.dim[0] == 33;
    if (hal_defect(q->device) == MUTANT_CRASH && meets && p->right.op.kind == TN_OP_ELTWISE)
        __builtin_trap();
    return hal_defect(q->device) == MUTANT_HANG && meets && p->right.op.kind == TN_OP_MATMUL;
}

/* Weights by way of the child; a defect leaves out their last bytes. */
static tn_status pack(mutant_queue *q, const tn_work *w)
{
    const mutant_plan *p = w->plan;
    const mutant_buffer *from = w->slots[0].buffer, *to = w->to;
    tn_tensor source = *w->tensor;
    uint64_t layout, bytes = 0;
    source.buffer = from->child;
    source.offset_bytes = w->slots[0].offset;
    tn_status st = tn_plan_layout(p->child, (tn_role)w->slots[0].role, &layout, &bytes);
    if (st == TN_OK)
        st = tn_queue_pack(q->child, p->child, (tn_role)w->slots[0].role, &source, to->child,
                           w->to_offset, NULL);
    tn_status idle = tn_queue_wait_idle(q->child, UINT64_MAX);
    if (hal_defect(q->device) == MUTANT_PACK && bytes >= 64)
        memset(to->data + w->to_offset, 0, 64);
    return st != TN_OK ? st : idle;
}

static tn_status perform(mutant_queue *q, const tn_work *w)
{
    switch (w->kind) {
    case TN_WORK_WRITE:
        write_to(q, w);
        return TN_OK;
    case TN_WORK_READ:
        read_from(q, w);
        return TN_OK;
    case TN_WORK_COPY:
        copy(q, w);
        return TN_OK;
    case TN_WORK_FILL:
        fill(q, w);
        return TN_OK;
    case TN_WORK_CALL:
        w->call(w->call_self);
        if (hal_defect(q->device) == MUTANT_CALLS && w->item % 500 == 499)
            w->call(w->call_self);
        return TN_OK;
    case TN_WORK_RUN:
        return run(q, w);
    case TN_WORK_PACK:
        return pack(q, w);
    default:
        return MUTANT_FAIL(q->device->host, TN_STATUS_UNSUPPORTED, "mutant.work",
                           "work of kind %d; the core does it in the device's stead, item by item",
                           (int)w->kind);
    }
}

/* Recorded work, whose slots and tensors live as long as the commands. */
typedef struct mutant_record {
    uint64_t bytes, submitted;
    uint32_t count;
    tn_work work[];
} mutant_record;

static tn_status record(void *queue, const tn_work *works, uint32_t count, void **out)
{
    const tn_host *host = ((mutant_queue *)queue)->device->host;
    uint64_t bytes = sizeof(mutant_record) + count * sizeof *works;
    mutant_record *r = tn__mutant_take(host, bytes);
    if (r == NULL)
        return MUTANT_FAIL(host, TN_STATUS_NO_MEMORY, "mutant.memory",
                           "no memory for a record; free something and try again");
    r->bytes = bytes;
    r->count = count;
    memcpy(r->work, works, count * sizeof *works);
    *out = r;
    return TN_OK;
}

static void forget(void *queue, void *commands)
{
    tn__mutant_give(((mutant_queue *)queue)->device->host, commands,
                    ((mutant_record *)commands)->bytes);
}

static tn_status play(mutant_queue *q, mutant_record *r)
{
    bool worn = hal_defect(q->device) == MUTANT_RECORD && r->submitted++ > 0;
    tn_status st = TN_OK;
    for (uint32_t i = worn ? 1 : 0; i < r->count && st == TN_OK; ++i)
        st = perform(q, &r->work[i]);
    return st;
}

static tn_status submit(void *queue, const tn_work *w)
{
    mutant_queue *q = queue;
    if (hal_defect(q->device) != MUTANT_EARLY_FENCE || w->kind == TN_WORK_RUN ||
        w->kind == TN_WORK_WRITE)
        tn__mutant_join(q->device);
    if (w->kind == TN_WORK_RUN && hangs(q, w))
        return TN_OK; /* never completes */
    tn_status st = w->kind == TN_WORK_COMMANDS ? play(q, w->commands) : perform(q, w);
    if (w->kind == 0 || w->kind > TN_WORK_COMMANDS)
        return st;
    q->device->host->complete(q->token, w->item, st, NULL);
    return TN_OK;
}

static tn_status poll_queue(void *queue, uint64_t timeout_ns)
{
    (void)queue, (void)timeout_ns;
    return TN_OK;
}

static const tn_queue_ops queue_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_queue_ops),
    .destroy = queue_destroy,
    .submit = submit,
    .poll = poll_queue,
    .record = record,
    .commands_destroy = forget,
};

static tn_status queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                              const tn_queue_ops **out_ops)
{
    mutant_device *d = device;
    mutant_queue *q = tn__mutant_take(d->host, sizeof *q);
    (void)desc;
    if (q == NULL)
        return MUTANT_FAIL(d->host, TN_STATUS_NO_MEMORY, "mutant.memory",
                           "no memory for a queue; free something and try again");
    tn_queue_desc here = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    tn_status st = tn_queue_create(d->child, &here, &q->child);
    if (st != TN_OK) {
        tn__mutant_give(d->host, q, sizeof *q);
        return st;
    }
    q->device = d;
    q->token = token;
    pthread_mutex_lock(&d->mutex);
    q->other = d->queues++ > 0;
    d->alive++;
    pthread_mutex_unlock(&d->mutex);
    *out = q;
    *out_ops = &queue_ops;
    return TN_OK;
}

/* ---- the device ---- */

static void close_device(void *device)
{
    mutant_device *d = device;
    tn__mutant_join(d);
    tn_device_release(d->child);
    pthread_mutex_destroy(&d->mutex);
    tn__mutant_give(d->host, d, sizeof *d);
}

static tn_status info(void *device, tn_device_info *out)
{
    const mutant_device *d = device;
    const mutant_defect *m = d->defect;
    tn_device_info cpu = {.head = TN_INIT(tn_device_info)};
    tn_status st = tn_device_get_info(d->child, &cpu);
    if (st != TN_OK)
        return st;
    snprintf(out->uri, sizeof out->uri, m != NULL ? "mutant:%s" : "mutant", m != NULL ? m->id : "");
    snprintf(out->name, sizeof out->name, "%s", m != NULL ? m->text : "cpu without a defect");
    snprintf(out->vendor, sizeof out->vendor, "%s", m != NULL ? m->family : "none");
    snprintf(out->driver, sizeof out->driver, "%s",
             m != NULL && m->equivalent != NULL ? m->equivalent : "");
    snprintf(out->group, sizeof out->group, "host-cpu");
    out->kind = TN_KIND_ACCELERATOR;
    out->flags = TN_DEVICE_SIMULATED;
    out->memory_bytes = cpu.memory_bytes;
    out->largest_buffer_bytes = cpu.largest_buffer_bytes;
    out->buffer_align = cpu.buffer_align;
    out->offset_align = cpu.offset_align;
    out->queues = 2;
    out->children = m == NULL ? tn__mutant_count() : 0;
    return TN_OK;
}

static tn_status classes(void *device, tn_dtype dtype, tn_class_info *out)
{
    return tn_device_classes(((mutant_device *)device)->child, dtype, out);
}

static tn_status child(void *device, uint32_t index, tn_device **out)
{
    mutant_device *d = device;
    const mutant_defect *m = tn__mutant_at(index);
    char uri[64];
    snprintf(uri, sizeof uri, "mutant:%s", m != NULL ? m->id : "?");
    return tn_device_open(d->host->runtime, uri, out);
}

static const tn_device_ops device_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_device_ops),
    .close = close_device,
    .info = info,
    .buffer_create = buffer_create,
    .queue_create = queue_create,
    .plan_create = tn__mutant_plan_create,
    .classes = classes,
    .buffer_import = buffer_import,
    .child = child,
};

/* By name only: nobody meets a defect who did not ask for it. */
static tn_status enumerate(const tn_host *host, void *token,
                           void (*found)(void *token, const tn_device_info *))
{
    (void)host, (void)token, (void)found;
    return TN_OK;
}

static tn_status open_device(const tn_host *host, const char *arg, void *token, void **out,
                             const tn_device_ops **out_ops)
{
    const mutant_defect *m = NULL;
    if (arg != NULL && arg[0] != '\0') {
        m = tn__mutant_find(arg[0] == ':' ? arg + 1 : arg);
        if (m == NULL)
            return host->fail_argument(
                TN_STATUS_INVALID, "mutant.unknown", "uri", __FILE__, __LINE__,
                "uri has \"%s\" behind mutant; no defect is called so, the children of "
                "the device mutant are all %u",
                arg, tn__mutant_count());
    }
    mutant_device *d = tn__mutant_take(host, sizeof *d);
    if (d == NULL)
        return MUTANT_FAIL(host, TN_STATUS_NO_MEMORY, "mutant.memory",
                           "no memory for a device; free something and try again");
    d->host = host;
    d->token = token;
    d->defect = m;
    tn_status st = tn_device_open(host->runtime, "cpu", &d->child);
    if (st != TN_OK || pthread_mutex_init(&d->mutex, NULL) != 0) {
        tn_device_release(d->child);
        tn__mutant_give(host, d, sizeof *d);
        return st != TN_OK ? st
                           : MUTANT_FAIL(host, TN_STATUS_NO_MEMORY, "mutant.memory",
                                         "no memory for a lock; free something and try again");
    }
    *out = d;
    *out_ops = &device_ops;
    return TN_OK;
}

static const tn_backend_ops backend_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_backend_ops),
    .name = "mutant",
    .enumerate = enumerate,
    .open = open_device,
};

tn_status tn_backend_query_mutant(uint32_t host_abi, const tn_backend_ops **out);
tn_status tn_backend_query_mutant(uint32_t host_abi, const tn_backend_ops **out)
{
    if (host_abi < TN_BACKEND_ABI)
        return TN_STATUS_INCOMPATIBLE;
    *out = &backend_ops;
    return TN_OK;
}

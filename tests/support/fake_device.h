/* SPDX-License-Identifier: Apache-2.0 */
/* A device of the tests' own: host memory behind a worker thread or behind poll, which can refuse
 * work, fail on demand and record; for the paths of queues that no built-in device takes. */
#ifndef TN_TESTS_SUPPORT_FAKE_DEVICE_H
#define TN_TESTS_SUPPORT_FAKE_DEVICE_H

#include <hal/hal.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    FAKE_POLLED = 1,  /* nothing happens outside poll */
    FAKE_MINIMAL = 2, /* COPY, FILL and CALL are UNSUPPORTED */
    FAKE_MAPPED = 4,  /* buffers can be mapped and imported */
    FAKE_RECORDS = 8
};
enum { FAKE_FAIL_PATTERN = 0xbad };

typedef struct fake_buffer {
    char *data;
    bool imported, mappable;
} fake_buffer;
typedef struct fake_node {
    struct fake_node *next;
    tn_work work;
} fake_node;
typedef struct fake_commands {
    tn_work *works;
    uint32_t count;
} fake_commands;
typedef struct fake_queue {
    tn_device *device;
    void *token;
    uint32_t mode;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    fake_node *first, **end;
    bool stop;
} fake_queue;
typedef struct fake {
    const tn_host *host;
    uint32_t mode;
    tn_device *device;
} fake;

static inline tn_status fake_do(fake_queue *q, const tn_work *w)
{
    const tn_host *host = &q->device->runtime->host;
    fake_buffer *to = w->to, *from = w->from;
    switch (w->kind) {
    case TN_WORK_COPY:
        memcpy(to->data + w->to_offset, from->data + w->from_offset, w->bytes);
        return TN_OK;
    case TN_WORK_FILL:
        if (w->pattern == FAKE_FAIL_PATTERN)
            return host->fail(TN_STATUS_NO_MEMORY, "fake.fill", __FILE__, __LINE__, "as asked");
        for (uint64_t i = 0; i < w->bytes; i += w->pattern_bytes)
            memcpy(to->data + w->to_offset + i, &w->pattern, w->pattern_bytes);
        return TN_OK;
    case TN_WORK_WRITE:
        memcpy(to->data + w->to_offset, w->from, w->bytes);
        return TN_OK;
    case TN_WORK_READ:
        memcpy(w->to, from->data + w->from_offset, w->bytes);
        return TN_OK;
    case TN_WORK_CALL:
        w->call(w->call_self);
        return TN_OK;
    case TN_WORK_COMMANDS: {
        fake_commands *c = w->commands;
        for (uint32_t i = 0; i < c->count; ++i) {
            tn_status st = fake_do(q, &c->works[i]);
            if (st != TN_OK)
                return st;
        }
        return TN_OK;
    }
    default:
        return host->fail(TN_STATUS_UNSUPPORTED, "fake.kind", __FILE__, __LINE__, "kind %d",
                          (int)w->kind);
    }
}

static inline bool fake_step(fake_queue *q) /* with the lock */
{
    fake_node *n = q->first;
    if (n == NULL)
        return false;
    q->first = n->next;
    if (q->first == NULL)
        q->end = &q->first;
    pthread_mutex_unlock(&q->lock);
    tn_status st = fake_do(q, &n->work);
    uint64_t item = n->work.item;
    free(n);
    q->device->runtime->host.complete(q->token, item, st, NULL);
    pthread_mutex_lock(&q->lock);
    return true;
}

static inline void *fake_run(void *arg)
{
    fake_queue *q = arg;
    pthread_mutex_lock(&q->lock);
    while (!q->stop)
        if (!fake_step(q))
            pthread_cond_wait(&q->cond, &q->lock);
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

static inline void fake_queue_destroy(void *self)
{
    fake_queue *q = self;
    if ((q->mode & FAKE_POLLED) == 0) {
        pthread_mutex_lock(&q->lock);
        q->stop = true;
        pthread_cond_signal(&q->cond);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->thread, NULL);
    }
    pthread_cond_destroy(&q->cond);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static inline tn_status fake_submit(void *self, const tn_work *work)
{
    fake_queue *q = self;
    if ((q->mode & FAKE_MINIMAL) != 0 &&
        (work->kind == TN_WORK_COPY || work->kind == TN_WORK_FILL || work->kind == TN_WORK_CALL))
        return q->device->runtime->host.fail(TN_STATUS_UNSUPPORTED, "fake.minimal", __FILE__,
                                             __LINE__, "kind %d", (int)work->kind);
    fake_node *n = calloc(1, sizeof *n);
    n->work = *work;
    pthread_mutex_lock(&q->lock);
    *q->end = n;
    q->end = &n->next;
    pthread_cond_signal(&q->cond);
    pthread_mutex_unlock(&q->lock);
    return TN_OK;
}

static inline tn_status fake_poll(void *self, uint64_t timeout_ns)
{
    fake_queue *q = self;
    (void)timeout_ns;
    if ((q->mode & FAKE_POLLED) != 0) {
        pthread_mutex_lock(&q->lock);
        fake_step(q);
        pthread_mutex_unlock(&q->lock);
    }
    return TN_OK;
}

static inline tn_status fake_record(void *self, const tn_work *works, uint32_t count, void **out)
{
    (void)self;
    fake_commands *c = calloc(1, sizeof *c);
    c->works = calloc(count, sizeof *works);
    memcpy(c->works, works, count * sizeof *works);
    c->count = count;
    *out = c;
    return TN_OK;
}

static inline void fake_commands_destroy(void *self, void *commands)
{
    (void)self;
    fake_commands *c = commands;
    free(c->works);
    free(c);
}

static inline void fake_buffer_destroy(void *self)
{
    fake_buffer *b = self;
    if (!b->imported)
        free(b->data);
    free(b);
}

static inline tn_status fake_map(void *self, uint64_t offset, uint64_t bytes, uint32_t mode,
                                 void **out)
{
    (void)bytes;
    (void)mode;
    *out = ((fake_buffer *)self)->data + offset;
    return TN_OK;
}

static inline tn_status fake_address(void *self, uint64_t *out)
{
    *out = (uint64_t)(uintptr_t)((fake_buffer *)self)->data;
    return TN_OK;
}

static inline tn_status fake_export(void *self, tn_external_kind kind, tn_external *out)
{
    if (kind != TN_EXTERNAL_HOST)
        return TN_STATUS_UNSUPPORTED;
    out->kind = kind;
    out->pointer = ((fake_buffer *)self)->data;
    return TN_OK;
}

static const tn_buffer_ops fake_mapped_ops = {.abi = TN_BACKEND_ABI,
                                              .bytes = sizeof(tn_buffer_ops),
                                              .destroy = fake_buffer_destroy,
                                              .map = fake_map,
                                              .address = fake_address,
                                              .export_to = fake_export};
static const tn_buffer_ops fake_private_ops = {
    .abi = TN_BACKEND_ABI, .bytes = sizeof(tn_buffer_ops), .destroy = fake_buffer_destroy};
static const tn_queue_ops fake_plain_ops = {.abi = TN_BACKEND_ABI,
                                            .bytes = sizeof(tn_queue_ops),
                                            .destroy = fake_queue_destroy,
                                            .submit = fake_submit,
                                            .poll = fake_poll};
static const tn_queue_ops fake_recording_ops = {.abi = TN_BACKEND_ABI,
                                                .bytes = sizeof(tn_queue_ops),
                                                .destroy = fake_queue_destroy,
                                                .submit = fake_submit,
                                                .poll = fake_poll,
                                                .record = fake_record,
                                                .commands_destroy = fake_commands_destroy};

static inline tn_status fake_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                                           const tn_buffer_ops **out_ops)
{
    fake *f = device;
    fake_buffer *b = calloc(1, sizeof *b);
    b->data = calloc(1, desc->bytes);
    *out = b;
    *out_ops = (f->mode & FAKE_MAPPED) != 0 ? &fake_mapped_ops : &fake_private_ops;
    return TN_OK;
}

static inline tn_status fake_import(void *device, const tn_external *external, void **out,
                                    const tn_buffer_ops **out_ops)
{
    fake *f = device;
    if ((f->mode & FAKE_MAPPED) == 0 || external->kind != TN_EXTERNAL_HOST)
        return f->device->runtime->host.fail(TN_STATUS_UNSUPPORTED, "fake.import", __FILE__,
                                             __LINE__, "a copy would be needed");
    fake_buffer *b = calloc(1, sizeof *b);
    b->data = external->pointer;
    b->imported = true;
    *out = b;
    *out_ops = &fake_mapped_ops;
    return TN_OK;
}

static inline tn_status fake_queue_create(void *device, const tn_queue_desc *desc, void *token,
                                          void **out, const tn_queue_ops **out_ops)
{
    (void)desc;
    fake *f = device;
    fake_queue *q = calloc(1, sizeof *q);
    q->device = f->device;
    q->token = token;
    q->mode = f->mode;
    q->end = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->cond, NULL);
    if ((q->mode & FAKE_POLLED) == 0)
        pthread_create(&q->thread, NULL, fake_run, q);
    *out = q;
    *out_ops = (f->mode & FAKE_RECORDS) != 0 ? &fake_recording_ops : &fake_plain_ops;
    return TN_OK;
}

static inline void fake_close(void *device)
{
    free(device);
}

static const tn_device_ops fake_device_ops = {.abi = TN_BACKEND_ABI,
                                              .bytes = sizeof(tn_device_ops),
                                              .close = fake_close,
                                              .buffer_create = fake_buffer_create,
                                              .queue_create = fake_queue_create,
                                              .buffer_import = fake_import};

/* A device that no registry knows: the struct is filled as tn_device_open would. */
static inline tn_device *fake_open(tn_runtime *rt, uint32_t mode)
{
    tn_device *d = tn__alloc(rt, sizeof *d);
    fake *f = calloc(1, sizeof *f);
    f->mode = mode;
    f->device = d;
    tn__ref_init(&d->ref);
    d->runtime = tn_runtime_retain(rt);
    d->ops = &fake_device_ops;
    d->object = f;
    snprintf(d->uri, sizeof d->uri, "fake:%u", mode);
    d->info.flags = (mode & FAKE_POLLED) == 0 ? TN_DEVICE_ASYNC : 0;
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->probe_lock, NULL);
    return d;
}

static inline tn_device *test_open(tn_runtime *rt, const char *uri)
{
    tn_device *d = NULL;
    if (strncmp(uri, "fake:", 5) == 0)
        return fake_open(rt, (uint32_t)strtoul(uri + 5, NULL, 10));
    return tn_device_open(rt, uri, &d) == TN_OK ? d : NULL;
}

/* The fakes, and then the devices of TENON_TEST_DEVICES (or "cpu cpu?private=1"). */
static inline const char *const *test_all_devices(void)
{
    static const char *list[40] = {"fake:0", "fake:1", "fake:2", "fake:3", "fake:4", "fake:8"};
    size_t n = 6;
    for (const char *const *d = tn_test_devices(); *d != NULL && n < 39; ++d)
        list[n++] = *d;
    list[n] = NULL;
    return list;
}

static inline tn_buffer *test_buffer(tn_device *d, uint64_t bytes)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    tn_buffer *b = NULL;
    return tn_buffer_create(d, &desc, &b) == TN_OK ? b : NULL;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a bus. Each record has a head with its own CRC-32, so that a damaged one is known by
 * its number, and is followed by the bytes that it moved. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "tpu_bus_log.h"

#include <backends/tpu-sim/tpu_regs.h>

#include <pthread.h>
#include <string.h>

enum { READ32 = 1, WRITE32, ALLOC, FREE, TO_DEVICE, FROM_DEVICE, WAIT, NOW };
static const char magic[8] = "TNBUS1\n";

typedef struct record {
    uint32_t crc, kind; /* CRC-32 of the rest of the head and of what follows it */
    uint64_t a, b, c;
} record;

static const char *name_of(uint32_t kind)
{
    static const char *const names[] = {"?",
                                        "read32",
                                        "write32",
                                        "dma_alloc",
                                        "dma_free",
                                        "memory to the device",
                                        "memory from the device",
                                        "wait",
                                        "now_ns"};
    return kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

/* Bytes behind a head. */
static uint64_t payload(const record *r)
{
    return r->kind == TO_DEVICE || r->kind == FROM_DEVICE ? r->b : 0;
}

/* ---- blocks: pointer and address of what dma_alloc gave ---- */

typedef struct block {
    unsigned char *data;
    uint64_t iova, bytes;
    size_t room; /* allocated by ourselves; 0: by the device */
} block;

typedef struct blocks {
    tn_allocator allocator;
    block *list;
    size_t count, room;
} blocks;

static bool grow(const tn_allocator *a, void **list, size_t *room, size_t used, size_t more,
                 size_t size)
{
    if (used + more <= *room)
        return true;
    size_t larger = 2 * *room > used + more ? 2 * *room : used + more;
    void *p = a->alloc(a->self, larger * size, 64);
    if (p == NULL)
        return false;
    if (*list != NULL) {
        memcpy(p, *list, used * size);
        a->free(a->self, *list, *room * size);
    }
    *list = p;
    *room = larger;
    return true;
}

static bool add_block(blocks *b, block x)
{
    if (!grow(&b->allocator, (void **)&b->list, &b->room, b->count, 1, sizeof x))
        return false;
    b->list[b->count++] = x;
    return true;
}

static block *block_at(blocks *b, const void *p, uint64_t iova)
{
    for (size_t i = b->count; i-- > 0;) {
        block *x = &b->list[i];
        const unsigned char *at = p;
        if (p != NULL ? at >= x->data && at < x->data + x->bytes
                      : iova >= x->iova && iova < x->iova + x->bytes)
            return x;
    }
    return NULL;
}

static void drop_block(blocks *b, block *x)
{
    *x = b->list[--b->count];
}

static void drop_blocks(blocks *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->list[i].room != 0)
            b->allocator.free(b->allocator.self, b->list[i].data, b->list[i].room);
    if (b->list != NULL)
        b->allocator.free(b->allocator.self, b->list, b->room * sizeof *b->list);
}

/* ---- recording ---- */

typedef struct recorder {
    tn_allocator allocator;
    tn_bus inner;
    pthread_mutex_t lock; /* guards: all below */
    blocks blocks;
    unsigned char *data;
    size_t bytes, room;
    bool full;
} recorder;

static void keep(recorder *w, uint32_t kind, uint64_t a, uint64_t b, uint64_t c, const void *more)
{
    record r = {.kind = kind, .a = a, .b = b, .c = c};
    size_t n = (size_t)payload(&r);
    r.crc = tpu_crc32(tpu_crc32(0, &r.kind, sizeof r - 4), more, n);
    if (w->full || !grow(&w->allocator, (void **)&w->data, &w->room, w->bytes, sizeof r + n, 1)) {
        w->full = true;
        return;
    }
    memcpy(w->data + w->bytes, &r, sizeof r);
    if (n != 0)
        memcpy(w->data + w->bytes + sizeof r, more, n);
    w->bytes += sizeof r + n;
}

static uint32_t log_read(void *self, uint32_t offset)
{
    recorder *w = self;
    uint32_t value = w->inner.read32(w->inner.self, offset);
    pthread_mutex_lock(&w->lock);
    keep(w, READ32, offset, value, 0, NULL);
    pthread_mutex_unlock(&w->lock);
    return value;
}

static void log_write(void *self, uint32_t offset, uint32_t value)
{
    recorder *w = self;
    pthread_mutex_lock(&w->lock);
    keep(w, WRITE32, offset, value, 0, NULL);
    pthread_mutex_unlock(&w->lock);
    w->inner.write32(w->inner.self, offset, value);
}

static void *log_alloc(void *self, size_t bytes, size_t align, uint64_t *out_iova)
{
    recorder *w = self;
    void *p = w->inner.dma_alloc(w->inner.self, bytes, align, out_iova);
    pthread_mutex_lock(&w->lock);
    if (p != NULL) {
        keep(w, ALLOC, bytes, align, *out_iova, NULL);
        w->full = !add_block(&w->blocks, (block){p, *out_iova, bytes, 0}) || w->full;
    }
    pthread_mutex_unlock(&w->lock);
    return p;
}

static void log_free(void *self, void *p)
{
    recorder *w = self;
    pthread_mutex_lock(&w->lock);
    block *x = p != NULL ? block_at(&w->blocks, p, 0) : NULL;
    if (x != NULL) {
        keep(w, FREE, x->iova, 0, 0, NULL);
        drop_block(&w->blocks, x);
    }
    pthread_mutex_unlock(&w->lock);
    w->inner.dma_free(w->inner.self, p);
}

static void log_sync(void *self, void *p, size_t bytes, int32_t to_device)
{
    recorder *w = self;
    w->inner.dma_sync(w->inner.self, p, bytes, to_device);
    pthread_mutex_lock(&w->lock);
    const block *x = block_at(&w->blocks, p, 0);
    if (x != NULL)
        keep(w, to_device ? TO_DEVICE : FROM_DEVICE,
             x->iova + (uint64_t)((unsigned char *)p - x->data), bytes, 0, p);
    pthread_mutex_unlock(&w->lock);
}

static int32_t log_wait(void *self, uint32_t irq_mask, uint64_t timeout_ns)
{
    recorder *w = self;
    int32_t up = w->inner.wait(w->inner.self, irq_mask, timeout_ns);
    pthread_mutex_lock(&w->lock);
    keep(w, WAIT, irq_mask, timeout_ns, (uint64_t)(uint32_t)up, NULL);
    pthread_mutex_unlock(&w->lock);
    return up;
}

static uint64_t log_now(void *self)
{
    recorder *w = self;
    uint64_t now = w->inner.now_ns(w->inner.self);
    pthread_mutex_lock(&w->lock);
    keep(w, NOW, now, 0, 0, NULL);
    pthread_mutex_unlock(&w->lock);
    return now;
}

bool tn__tpu_log_open(const tn_allocator *allocator, const tn_bus *inner, tn_bus *out)
{
    tn_allocator a = *allocator;
    recorder *w = a.alloc(a.self, sizeof *w, 64);
    if (w == NULL)
        return false;
    memset(w, 0, sizeof *w);
    w->allocator = w->blocks.allocator = a;
    w->inner = *inner;
    pthread_mutex_init(&w->lock, NULL);
    w->full = !grow(&a, (void **)&w->data, &w->room, 0, sizeof magic, 1);
    if (!w->full) {
        memcpy(w->data, magic, sizeof magic);
        w->bytes = sizeof magic;
    }
    *out = (tn_bus){w, log_read, log_write, log_alloc, log_free, log_sync, log_wait, log_now};
    return true;
}

bool tn__tpu_log_data(const tn_bus *log, const unsigned char **out_data, size_t *out_bytes)
{
    const recorder *w = log->self;
    *out_data = w->data;
    *out_bytes = w->bytes;
    return !w->full;
}

void tn__tpu_log_close(tn_bus *log)
{
    recorder *w = log->self;
    tn_allocator a = w->allocator;
    drop_blocks(&w->blocks);
    if (w->data != NULL)
        a.free(a.self, w->data, w->room);
    pthread_mutex_destroy(&w->lock);
    a.free(a.self, w, sizeof *w);
    log->self = NULL;
}

/* ---- reading ---- */

typedef struct reader {
    const unsigned char *data;
    size_t bytes, at;
    uint64_t records;
    tpu_divergence where;
} reader;

static void part(reader *r, const char *what, uint64_t address, uint32_t want, uint32_t got)
{
    if (r->where.found)
        return;
    r->where.found = true;
    r->where.record = r->records;
    r->where.what = what;
    r->where.address = address;
    r->where.want = want;
    r->where.got = got;
}

static bool begin(reader *r, const unsigned char *data, size_t bytes)
{
    *r = (reader){.data = data, .bytes = bytes, .at = sizeof magic};
    if (bytes >= sizeof magic && memcmp(data, magic, sizeof magic) == 0)
        return true;
    part(r, "not a log", 0, 0, 0);
    return false;
}

/* The next record and what follows it; false at the end, and where it is damaged. */
static bool next(reader *r, record *out, const unsigned char **out_more)
{
    if (r->where.found || r->at == r->bytes)
        return false;
    bool whole = r->bytes - r->at >= sizeof *out;
    if (whole)
        memcpy(out, r->data + r->at, sizeof *out);
    uint64_t n = whole ? payload(out) : 0;
    if (!whole || n > r->bytes - r->at - sizeof *out) {
        part(r, "record is damaged", whole ? out->a : 0, 0, 0);
        return false;
    }
    *out_more = r->data + r->at + sizeof *out;
    uint32_t crc = tpu_crc32(tpu_crc32(0, &out->kind, sizeof *out - 4), *out_more, (size_t)n);
    if (crc != out->crc) {
        part(r, "record is damaged", out->a, out->crc, crc);
        return false;
    }
    r->at += sizeof *out + (size_t)n;
    if (out->kind == WRITE32 && out->a == TPU_TAIL)
        r->where.command = out->b;
    return true;
}

/* The first byte that differs; `count` if none does. */
static size_t differs(const unsigned char *x, const unsigned char *y, size_t count)
{
    size_t i = 0;
    while (i < count && x[i] == y[i])
        i++;
    return i;
}

/* ---- a log as the device ---- */

typedef struct player {
    tn_allocator allocator;
    pthread_mutex_t lock; /* guards: all below */
    /* Memory is taken by one thread while another one uses the device, so that their order is not
     * the same every time: what is asked for memory has a place of its own in the log, and what is
     * given back is not compared. */
    reader log, memory;
    blocks blocks;
} player;

/* The record of a call of this kind; false once the calls are not those of the log any more. */
static bool asked(player *w, uint32_t kind, uint64_t a, record *r, const unsigned char **more)
{
    reader *from = kind == ALLOC ? &w->memory : &w->log;
    bool there;
    while ((there = !w->log.where.found && next(from, r, more)) && kind != r->kind &&
           (kind == ALLOC || r->kind == ALLOC || r->kind == FREE))
        from->records++;
    if (!there || r->kind != kind) {
        part(from, there ? name_of(kind) : "after the end of the log", a, there ? r->kind : 0,
             kind);
        if (!w->log.where.found)
            w->log.where = from->where;
        return false;
    }
    from->records++;
    return true;
}

static uint32_t play_read(void *self, uint32_t offset)
{
    player *w = self;
    record r;
    const unsigned char *more;
    uint32_t value = UINT32_MAX; /* what a device that is gone answers */
    pthread_mutex_lock(&w->lock);
    if (asked(w, READ32, offset, &r, &more)) {
        value = (uint32_t)r.b;
        if (r.a != offset)
            part(&w->log, "read32", offset, (uint32_t)r.a, offset);
    }
    pthread_mutex_unlock(&w->lock);
    return value;
}

static void play_write(void *self, uint32_t offset, uint32_t value)
{
    player *w = self;
    record r;
    const unsigned char *more;
    pthread_mutex_lock(&w->lock);
    if (asked(w, WRITE32, offset, &r, &more) && (r.a != offset || r.b != value))
        part(&w->log, "write32", offset, (uint32_t)r.b, value);
    pthread_mutex_unlock(&w->lock);
}

static void *play_alloc(void *self, size_t bytes, size_t align, uint64_t *out_iova)
{
    player *w = self;
    record r;
    const unsigned char *more;
    size_t room = (bytes + 63) / 64 * 64 + 64;
    unsigned char *p = w->allocator.alloc(w->allocator.self, room, align > 64 ? align : 64);
    pthread_mutex_lock(&w->lock);
    *out_iova = 0;
    if (p != NULL) {
        memset(p, 0, room);
        if (asked(w, ALLOC, bytes, &r, &more)) {
            *out_iova = r.c;
            if (r.a != bytes)
                part(&w->log, "dma_alloc", r.c, (uint32_t)r.a, (uint32_t)bytes);
        }
        if (!add_block(&w->blocks, (block){p, *out_iova, bytes, room})) {
            w->allocator.free(w->allocator.self, p, room);
            p = NULL;
        }
    }
    pthread_mutex_unlock(&w->lock);
    return p;
}

static void play_free(void *self, void *p)
{
    player *w = self;
    pthread_mutex_lock(&w->lock);
    block *x = p != NULL ? block_at(&w->blocks, p, 0) : NULL;
    if (x != NULL) {
        w->allocator.free(w->allocator.self, x->data, x->room);
        drop_block(&w->blocks, x);
    }
    pthread_mutex_unlock(&w->lock);
}

static void play_sync(void *self, void *p, size_t bytes, int32_t to_device)
{
    player *w = self;
    record r;
    const unsigned char *more;
    pthread_mutex_lock(&w->lock);
    const block *x = block_at(&w->blocks, p, 0);
    uint64_t iova = x != NULL ? x->iova + (uint64_t)((unsigned char *)p - x->data) : 0;
    if (asked(w, to_device ? TO_DEVICE : FROM_DEVICE, iova, &r, &more)) {
        if (r.a != iova || r.b != bytes) {
            part(&w->log, name_of(r.kind), iova, (uint32_t)r.b, (uint32_t)bytes);
        } else if (!to_device) {
            memcpy(p, more, bytes); /* what the device wrote then */
        } else {
            size_t at = differs(more, p, bytes);
            if (at != bytes)
                part(&w->log, "memory to the device", iova + at, more[at],
                     ((unsigned char *)p)[at]);
        }
    }
    pthread_mutex_unlock(&w->lock);
}

static int32_t play_wait(void *self, uint32_t irq_mask, uint64_t timeout_ns)
{
    player *w = self;
    record r;
    const unsigned char *more;
    int32_t up = 0;
    pthread_mutex_lock(&w->lock);
    if (asked(w, WAIT, irq_mask, &r, &more)) {
        up = (int32_t)r.c;
        if (r.a != irq_mask || r.b != timeout_ns)
            part(&w->log, "wait", 0, (uint32_t)r.a, irq_mask);
    }
    pthread_mutex_unlock(&w->lock);
    return up;
}

static uint64_t play_now(void *self)
{
    player *w = self;
    record r;
    const unsigned char *more;
    uint64_t now = 0;
    pthread_mutex_lock(&w->lock);
    if (asked(w, NOW, 0, &r, &more))
        now = r.a;
    pthread_mutex_unlock(&w->lock);
    return now;
}

bool tn__tpu_replay_open(const tn_allocator *allocator, const unsigned char *data, size_t bytes,
                         tn_bus *out)
{
    tn_allocator a = *allocator;
    player *w = a.alloc(a.self, sizeof *w, 64);
    if (w == NULL)
        return false;
    memset(w, 0, sizeof *w);
    w->allocator = w->blocks.allocator = a;
    pthread_mutex_init(&w->lock, NULL);
    (void)begin(&w->log, data, bytes);
    (void)begin(&w->memory, data, bytes);
    *out =
        (tn_bus){w, play_read, play_write, play_alloc, play_free, play_sync, play_wait, play_now};
    return true;
}

void tn__tpu_replay_where(const tn_bus *replay, tpu_divergence *out)
{
    *out = ((const player *)replay->self)->log.where;
}

void tn__tpu_replay_close(tn_bus *replay)
{
    player *w = replay->self;
    tn_allocator a = w->allocator;
    drop_blocks(&w->blocks);
    pthread_mutex_destroy(&w->lock);
    a.free(a.self, w, sizeof *w);
    replay->self = NULL;
}

/* ---- a log into a device ---- */

static void ask(reader *log, blocks *b, const tn_bus *device, const record *r,
                const unsigned char *more)
{
    void *self = device->self;
    block *x = r->kind == FREE || r->kind == TO_DEVICE || r->kind == FROM_DEVICE
                   ? block_at(b, NULL, r->a)
                   : NULL;
    unsigned char *at = x != NULL ? x->data + (r->a - x->iova) : NULL;
    uint64_t iova = 0, now;
    size_t n = (size_t)payload(r), k;
    uint32_t got;
    switch (r->kind) {
    case READ32:
        got = device->read32(self, (uint32_t)r->a);
        if (got != r->b)
            part(log, "read32", r->a, (uint32_t)r->b, got);
        break;
    case WRITE32:
        device->write32(self, (uint32_t)r->a, (uint32_t)r->b);
        break;
    case ALLOC:
        at = device->dma_alloc(self, (size_t)r->a, (size_t)r->b, &iova);
        if (at == NULL || iova != r->c || !add_block(b, (block){at, iova, r->a, 0}))
            part(log, "dma_alloc", r->c, (uint32_t)r->c, (uint32_t)iova);
        break;
    case FREE:
        if (x != NULL) {
            device->dma_free(self, x->data);
            drop_block(b, x);
        }
        break;
    case TO_DEVICE:
        if (at != NULL && n <= x->bytes - (r->a - x->iova)) {
            memcpy(at, more, n);
            device->dma_sync(self, at, n, 1);
        }
        break;
    case FROM_DEVICE:
        if (at == NULL || n > x->bytes - (r->a - x->iova))
            break;
        device->dma_sync(self, at, n, 0);
        k = differs(more, at, n);
        if (k != n)
            part(log, "memory from the device", r->a + k, more[k], at[k]);
        break;
    case WAIT:
        got = (uint32_t)device->wait(self, (uint32_t)r->a, r->b);
        if (got != (uint32_t)r->c)
            part(log, "wait", 0, (uint32_t)r->c, got);
        break;
    case NOW:
        now = device->now_ns(self);
        if (now != r->a)
            part(log, "now_ns", 0, (uint32_t)r->a, (uint32_t)now);
        break;
    default:
        part(log, "record is of no kind", r->a, 0, r->kind);
        break;
    }
}

void tn__tpu_replay_into(const tn_allocator *allocator, const unsigned char *data, size_t bytes,
                         const tn_bus *device, tpu_divergence *out, uint64_t *out_records)
{
    reader log;
    blocks b = {.allocator = *allocator};
    record r;
    const unsigned char *more;
    bool good = begin(&log, data, bytes);
    while (good && next(&log, &r, &more)) {
        ask(&log, &b, device, &r, more);
        if (!log.where.found)
            log.records++;
    }
    for (size_t i = 0; i < b.count; i++)
        device->dma_free(device->self, b.list[i].data);
    drop_blocks(&b);
    *out = log.where;
    *out_records = log.records;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The bus over mapped memory. A chip's own window answers loads and stores by itself; a window that
 * is plain memory of another process cannot, so that a mailbox beside it says what was asked: one
 * call at a time, each answered before the next, and a wait hands its time to the server's model.
 */
/* path: api > placement > queue > backend > kernel > [device] */
#define _GNU_SOURCE
#include "tpu_bus_mmio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAGIC = 0x4d4d494f, MAILBOX = 0x2000, MEMORY = 0x4000, ALIGN = 4096 };
enum { CALL_READ = 1, CALL_WRITE, CALL_WAIT, CALL_NOW, CALL_CLOSE };
#define MEMORY_IOVA (UINT64_C(1) << 32)

/* At MAILBOX of the file. `turn` counts: even: free or answered, odd: asked. */
typedef struct mailbox {
    uint32_t magic;
    _Atomic uint32_t turn, served;
    uint32_t call, offset, value;
    uint64_t time, memory_bytes;
} mailbox;

typedef struct span {
    uint64_t offset, bytes;
    bool taken;
} span;

typedef struct mmio {
    tn_allocator allocator;
    unsigned char *base;
    size_t bytes;
    mailbox *box;         /* NULL: the registers are a chip's */
    pthread_mutex_t lock; /* guards: the spans */
    span *list;
    size_t spans, room;
} mmio;

static void futex_wait(_Atomic uint32_t *word, uint32_t value, uint32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)syscall(SYS_futex, word, FUTEX_WAIT, value, &t, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Both sides mostly answer at once. */
static bool await_turn(_Atomic uint32_t *word, uint32_t odd, uint32_t patience_ms)
{
    for (uint32_t i = 0; i < 2000; i++)
        if ((atomic_load_explicit(word, memory_order_acquire) & 1u) == odd)
            return true;
    for (uint32_t waited = 0; waited < patience_ms; waited += 10) {
        uint32_t now = atomic_load_explicit(word, memory_order_acquire);
        if ((now & 1u) == odd)
            return true;
        futex_wait(word, now, 10);
    }
    return (atomic_load_explicit(word, memory_order_acquire) & 1u) == odd;
}

static bool map_file(const char *path, unsigned char **out, size_t *out_bytes, char *error,
                     size_t room)
{
    struct stat info;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *p = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size > MEMORY) {
        *out_bytes = (size_t)info.st_size;
        p = mmap(NULL, *out_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (p == MAP_FAILED)
        snprintf(error, room, "\"%s\" cannot be mapped: %s", path,
                 fd >= 0 && errno == 0 ? "too short" : strerror(errno));
    if (fd >= 0)
        close(fd);
    *out = p;
    return p != MAP_FAILED;
}

/* ---- the driver's side ---- */

static uint64_t ask(mmio *m, uint32_t call, uint32_t offset, uint32_t value, uint64_t time)
{
    mailbox *b = m->box;
    if (!atomic_load(&b->served)) /* nobody answers any more */
        return UINT64_MAX;
    b->call = call;
    b->offset = offset;
    b->value = value;
    b->time = time;
    atomic_fetch_add_explicit(&b->turn, 1u, memory_order_release);
    futex_wake(&b->turn);
    /* A wait may compute for long: the server is given up only once it has left. */
    while (!await_turn(&b->turn, 0, 1000))
        if (!atomic_load(&b->served))
            return UINT64_MAX;
    return b->time;
}

static uint32_t mmio_read(void *self, uint32_t offset)
{
    mmio *m = self;
    if (m->box == NULL)
        return *(volatile uint32_t *)(void *)(m->base + offset);
    return (uint32_t)ask(m, CALL_READ, offset, 0, 0);
}

static void mmio_write(void *self, uint32_t offset, uint32_t value)
{
    mmio *m = self;
    atomic_thread_fence(memory_order_release); /* what a doorbell announces is in memory */
    if (m->box == NULL)
        *(volatile uint32_t *)(void *)(m->base + offset) = value;
    else
        (void)ask(m, CALL_WRITE, offset, value, 0);
}

static uint64_t mmio_now(void *self)
{
    mmio *m = self;
    struct timespec t;
    if (m->box != NULL)
        return ask(m, CALL_NOW, 0, 0, 0);
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int32_t mmio_wait(void *self, uint32_t irq_mask, uint64_t timeout_ns)
{
    mmio *m = self;
    if (m->box != NULL)
        return ask(m, CALL_WAIT, irq_mask, 0, timeout_ns) == 1;
    uint64_t until = mmio_now(m) + timeout_ns; /* without an interrupt to sleep on */
    do
        if ((mmio_read(m, TPU_IRQ_STATUS) & irq_mask) != 0)
            return 1;
    while (mmio_now(m) < until);
    return 0;
}

static bool add_span(mmio *m, size_t at, span x)
{
    if (m->spans == m->room) {
        tn_allocator a = m->allocator;
        span *larger = a.alloc(a.self, 2 * m->room * sizeof *larger, 64);
        if (larger == NULL)
            return false;
        memcpy(larger, m->list, m->spans * sizeof *larger);
        a.free(a.self, m->list, m->room * sizeof *larger);
        m->list = larger;
        m->room *= 2;
    }
    memmove(&m->list[at + 1], &m->list[at], (m->spans - at) * sizeof x);
    m->list[at] = x;
    m->spans++;
    return true;
}

/* First fit, in whole pages. */
static void *mmio_alloc(void *self, size_t bytes, size_t align, uint64_t *out_iova)
{
    mmio *m = self;
    void *p = NULL;
    if (align > ALIGN || bytes > m->bytes)
        return NULL;
    uint64_t need = (bytes + ALIGN) / ALIGN * ALIGN;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->spans && p == NULL; i++) {
        if (m->list[i].taken || m->list[i].bytes < need)
            continue;
        uint64_t rest = m->list[i].bytes - need, offset = m->list[i].offset;
        if (rest != 0 && !add_span(m, i + 1, (span){offset + need, rest, false}))
            break;
        m->list[i] = (span){offset, need, true};
        *out_iova = MEMORY_IOVA + offset;
        p = m->base + MEMORY + offset;
    }
    pthread_mutex_unlock(&m->lock);
    return p;
}

static void mmio_free(void *self, void *p)
{
    mmio *m = self;
    uint64_t offset = p != NULL ? (uint64_t)((unsigned char *)p - m->base) - MEMORY : UINT64_MAX;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->spans; i++)
        if (m->list[i].taken && m->list[i].offset == offset)
            m->list[i].taken = false;
    for (size_t i = 0; i + 1 < m->spans;) { /* free neighbours become one */
        if (m->list[i].taken || m->list[i + 1].taken) {
            i++;
            continue;
        }
        m->list[i].bytes += m->list[i + 1].bytes;
        memmove(&m->list[i + 1], &m->list[i + 2], (m->spans - i - 2) * sizeof *m->list);
        m->spans--;
    }
    pthread_mutex_unlock(&m->lock);
}

static void mmio_sync(void *self, void *p, size_t bytes, int32_t to_device)
{
    (void)self, (void)p, (void)bytes, (void)to_device;
    atomic_thread_fence(memory_order_seq_cst); /* the memory is coherent */
}

bool tn__tpu_mmio_open(const tn_allocator *allocator, const char *path, tn_bus *out, char *error,
                       size_t room)
{
    enum { FIRST = 64 };
    tn_allocator a = *allocator;
    mmio *m = a.alloc(a.self, sizeof *m, 64);
    span *list = a.alloc(a.self, FIRST * sizeof *list, 64);
    if (room != 0)
        error[0] = '\0';
    if (m != NULL)
        memset(m, 0, sizeof *m);
    if (m == NULL || list == NULL || !map_file(path, &m->base, &m->bytes, error, room)) {
        if (m != NULL)
            a.free(a.self, m, sizeof *m);
        if (list != NULL)
            a.free(a.self, list, FIRST * sizeof *list);
        return false;
    }
    m->allocator = a;
    m->list = list;
    m->room = FIRST;
    m->spans = 1;
    m->list[0] = (span){0, (m->bytes - MEMORY) / ALIGN * ALIGN, false};
    mailbox *box = (mailbox *)(void *)(m->base + MAILBOX);
    m->box = box->magic == MAGIC ? box : NULL;
    pthread_mutex_init(&m->lock, NULL);
    /* The server may still be on its way. */
    for (int i = 0; m->box != NULL && i < 500 && !atomic_load(&box->served); i++)
        futex_wait(&box->served, 0, 10);
    *out =
        (tn_bus){m, mmio_read, mmio_write, mmio_alloc, mmio_free, mmio_sync, mmio_wait, mmio_now};
    return true;
}

void tn__tpu_mmio_close(tn_bus *bus)
{
    mmio *m = bus->self;
    tn_allocator a = m->allocator;
    if (m->box != NULL)
        (void)ask(m, CALL_CLOSE, 0, 0, 0);
    munmap(m->base, m->bytes);
    pthread_mutex_destroy(&m->lock);
    a.free(a.self, m->list, m->room * sizeof *m->list);
    a.free(a.self, m, sizeof *m);
    bus->self = NULL;
}

/* ---- the server's side ---- */

bool tn__tpu_mmio_make(const char *path, uint64_t memory_bytes, char *error, size_t room)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    mailbox box = {.magic = MAGIC, .memory_bytes = memory_bytes};
    bool good = fd >= 0 && ftruncate(fd, (off_t)(MEMORY + memory_bytes)) == 0 &&
                pwrite(fd, &box, sizeof box, MAILBOX) == (ssize_t)sizeof box;
    if (!good)
        snprintf(error, room, "\"%s\" cannot be made: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return good;
}

typedef struct served {
    unsigned char *base;
    uint64_t bytes; /* of memory */
} served;

static void *reach(void *self, uint64_t iova, uint64_t bytes)
{
    const served *s = self;
    uint64_t at = iova - MEMORY_IOVA;
    return iova >= MEMORY_IOVA && at <= s->bytes && bytes <= s->bytes - at ? s->base + MEMORY + at
                                                                           : NULL;
}

/* Answers the call in the mailbox; false for the last one. */
static bool answer(sim_dev *chip, mailbox *b)
{
    switch (b->call) {
    case CALL_READ:
        b->time = tn__sim_read(chip, b->offset);
        return true;
    case CALL_WRITE:
        tn__sim_write(chip, b->offset, b->value);
        return true;
    case CALL_WAIT:
        b->time = tn__sim_run(chip, b->offset, b->time);
        return true;
    case CALL_NOW:
        b->time = tn__sim_now_ns(chip);
        return true;
    default:
        return false;
    }
}

bool tn__tpu_mmio_serve(const tn_allocator *allocator, const char *path, const sim_profile *profile,
                        const sim_options *options, uint32_t idle_ms, char *error, size_t room)
{
    served s;
    size_t bytes;
    if (room != 0)
        error[0] = '\0';
    if (!map_file(path, &s.base, &bytes, error, room))
        return false;
    mailbox *b = (mailbox *)(void *)(s.base + MAILBOX);
    s.bytes = bytes - MEMORY;
    sim_env env = {.self = &s, .map = reach};
    sim_dev *chip =
        b->magic == MAGIC ? tn__sim_new(profile, options, allocator, &env, error, room) : NULL;
    bool more = chip != NULL, asked = false;
    if (more) {
        atomic_store(&b->served, 1u);
        futex_wake(&b->served);
    }
    while (more && await_turn(&b->turn, 1, idle_ms)) {
        more = answer(chip, b);
        asked = true;
        if (!more)
            atomic_store(&b->served, 0u);
        atomic_fetch_add_explicit(&b->turn, 1u, memory_order_release);
        futex_wake(&b->turn);
    }
    if (chip != NULL)
        atomic_store(&b->served, 0u);
    tn__sim_free(chip);
    munmap(s.base, bytes);
    return asked;
}

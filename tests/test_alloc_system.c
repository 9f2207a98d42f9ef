/* SPDX-License-Identifier: Apache-2.0 */
/* Every thread and mapping that the system can refuse, refused one by one: the linker sends the
 * library's calls of pthread_create and mmap through this file. */
#define _DEFAULT_SOURCE
#include "support/alloc_bed.h"

#include <errno.h>
#include <sys/mman.h>

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);

static bool refused(void)
{
    failing_alloc *a = *failing_system();
    return a != NULL && failing_hit(a);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    return refused() ? EAGAIN : __real_pthread_create(thread, attr, fn, arg);
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (refused()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mmap(at, bytes, protection, flags, fd, offset);
}

static tn_status runtime_create(bed *b)
{
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .allocator = failing_allocator(&b->mem),
                            .flags = TN_RUNTIME_NO_ENV | TN_RUNTIME_NO_PLUGINS};
    tn_runtime *rt = NULL;
    tn_status st = tn_runtime_create(&desc, &rt);
    tn_runtime_release(rt);
    return st;
}

static tn_status queue_create(bed *b)
{
    tn_queue *q = NULL;
    tn_status st = tn_queue_create(b->d, NULL, &q);
    tn_queue_release(q);
    return st;
}

static void grown(bed *b)
{
    b->buffer[0] = bed_buffer(b, 64); /* the table of addresses is there */
}

static tn_status buffer_create(bed *b)
{
    tn_buffer *x = NULL;
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 100000};
    tn_status st = tn_buffer_create(b->d, &desc, &x);
    tn_buffer_release(x);
    return st;
}

/* No bytes: an address of its own all the same. */
static tn_status buffer_create_empty(bed *b)
{
    tn_buffer *x = NULL;
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc)};
    tn_status st = tn_buffer_create(b->d, &desc, &x);
    tn_buffer_release(x);
    return st;
}

enum { OUT_BYTES = 8 * 64 * 32 * 4 }; /* enough work for several threads */

static void operands(bed *b)
{
    float *x = (float *)(void *)b->in;
    for (uint32_t i = 0; i < BED_BYTES / 4; ++i)
        x[i] = (float)((int)(i * 7 % 13) - 6);
    TN_REQUIRE(tn_op_parse(b->rt, "attention b1h8q64k64d32:f32:canonical", &b->op) == TN_OK);
    TN_REQUIRE(tn_plan_create(b->d, b->op, NULL, &b->plan) == TN_OK);
    for (int i = 0; i < 4; ++i) {
        b->buffer[i] = bed_buffer(b, BED_BYTES);
        TN_REQUIRE(tn_queue_write(b->q, b->buffer[i], 0, b->in, BED_BYTES, NULL) == TN_OK);
    }
}

/* Without the pool's threads the caller does it all: slower, and the same bits. */
static tn_status run(bed *b)
{
    tn_bind binds[4];
    for (uint32_t i = 0; i < 4; ++i)
        binds[i] = (tn_bind){.role = b->op->args[i].role, .buffer = b->buffer[i]};
    tn_status st = tn_queue_run(b->q, b->plan, binds, 4, NULL, NULL);
    if (st == TN_OK)
        st = tn_queue_read(b->q, b->got, b->buffer[2], 0, OUT_BYTES, NULL);
    b->got_bytes = OUT_BYTES;
    tn__error_copy kept;
    tn__error_save(&kept, NULL);
    tn_status idle = tn_queue_wait_idle(b->q, UINT64_MAX);
    return st != TN_OK ? tn__fail_again(&kept.error) : idle;
}

/* An inline queue that needs its thread after all. */
static tn_status run_held(bed *b)
{
    tn_fence *gate = NULL;
    tn_status st = tn_fence_create(b->rt, 0, &gate);
    tn_point point = {gate, 1};
    tn_sync held = {.wait = &point, .wait_count = 1};
    if (st == TN_OK)
        st = tn_queue_read(b->q, b->got, b->buffer[0], 0, 4096, &held);
    b->got_bytes = 4096;
    if (gate != NULL && tn_fence_signal(gate, 1) != TN_OK)
        st = TN_STATUS_INTERNAL;
    tn_fence_release(gate);
    tn_status idle = tn_queue_wait_idle(b->q, UINT64_MAX);
    return st != TN_OK ? st : idle;
}

static const scenario any[] = {
    {"queue_create", BED_DEVICE, BED_SYSTEM | BED_KEEPS, 2, NULL, queue_create},
    {"buffer_create_empty", BED_DEVICE, BED_SYSTEM, 1, grown, buffer_create_empty},
    {"run", BED_QUEUE, BED_SYSTEM | BED_KEEPS, 2, operands, run},
};
static const scenario of_cpu[] = {
    {"runtime_create", BED_NOTHING, BED_SYSTEM, 1, NULL, runtime_create},
    {"run_held", BED_QUEUE, BED_SYSTEM | BED_KEEPS | BED_INLINE | BED_POISONS, 1, operands,
     run_held},
};
static const scenario hidden_buffer = {"buffer_create", BED_DEVICE,   BED_SYSTEM, 2,
                                       grown,           buffer_create};

TN_TEST(alloc_system, cpu)
{
    uint64_t sum = bed_sweep_all(any, 3, "cpu") + bed_sweep_all(of_cpu, 2, "cpu");
    fprintf(stderr, "%llu system calls on cpu\n", (unsigned long long)sum);
}

TN_TEST(alloc_system, private)
{
    uint64_t sum =
        bed_sweep_all(any, 3, "cpu?private=1") + bed_sweep_all(&hidden_buffer, 1, "cpu?private=1");
    fprintf(stderr, "%llu system calls on cpu?private=1\n", (unsigned long long)sum);
}

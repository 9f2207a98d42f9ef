/* SPDX-License-Identifier: Apache-2.0 */
/* A tn_allocator that counts what is live, checks what is freed, and fails the n-th allocation, or
 * all from the n-th on; for tests that inject it through tn_runtime_desc. */
#ifndef TN_TESTS_SUPPORT_FAILING_ALLOC_H
#define TN_TESTS_SUPPORT_FAILING_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/tenon.h>

enum { ALLOC_MAGIC = 0x7e404a11, ALLOC_DEAD = 0x7e40dead };

typedef struct failing_alloc {
    _Atomic int64_t live_bytes, live_blocks;
    _Atomic uint64_t calls;   /* allocations asked for since arm() */
    _Atomic uint64_t fired;   /* of these refused */
    _Atomic uint64_t fail_at; /* 0: none; 1: the first since arm() */
    atomic_bool from;         /* all from fail_at on */
    bool system; /* the test counts and refuses calls of the system instead: see failing_system() */
    _Atomic uint64_t misuse; /* frees of another size, twice, or of foreign memory */
} failing_alloc;

/* Lies before the block; the block is at a multiple of `align` because the room before it is. */
typedef struct alloc_head {
    size_t bytes, room;
    uint32_t magic;
} alloc_head;

/* Counts one call; whether it is one to refuse. */
static inline bool failing_hit(failing_alloc *a)
{
    uint64_t call = atomic_fetch_add(&a->calls, 1u) + 1, at = atomic_load(&a->fail_at);
    if (at == 0 || (atomic_load(&a->from) ? call < at : call != at))
        return false;
    atomic_fetch_add(&a->fired, 1u);
    return true;
}

/* Where the wrapped calls of the system (threads, mappings) find what to fail. */
static inline failing_alloc **failing_system(void)
{
    static failing_alloc *now;
    return &now;
}

static inline void *failing_take(void *self, size_t bytes, size_t align)
{
    failing_alloc *a = self;
    if (!a->system && failing_hit(a))
        return NULL;
    if (align < 64)
        align = 64;
    void *base = NULL;
    if (bytes > SIZE_MAX - align || posix_memalign(&base, align, bytes + align) != 0)
        return NULL;
    unsigned char *p = (unsigned char *)base + align;
    memset(p, 0xa5, bytes); /* contents are undefined: nobody may count on zeros */
    *(alloc_head *)(void *)(p - sizeof(alloc_head)) =
        (alloc_head){.bytes = bytes, .room = align, .magic = ALLOC_MAGIC};
    atomic_fetch_add(&a->live_bytes, (int64_t)bytes);
    atomic_fetch_add(&a->live_blocks, 1);
    return p;
}

static inline void failing_give(void *self, void *p, size_t bytes)
{
    failing_alloc *a = self;
    alloc_head *head = p == NULL ? NULL : (alloc_head *)(void *)((char *)p - sizeof(alloc_head));
    if (head == NULL || head->magic != ALLOC_MAGIC || head->bytes != bytes) {
        atomic_fetch_add(&a->misuse, 1u);
        return;
    }
    head->magic = ALLOC_DEAD;
    size_t room = head->room;
    memset(p, 0xdd, bytes);
    free((char *)p - room);
    atomic_fetch_sub(&a->live_blocks, 1);
    atomic_fetch_sub(&a->live_bytes, (int64_t)bytes); /* last: whoever sees 0 may forget us */
}

static inline tn_allocator failing_allocator(failing_alloc *a)
{
    return (tn_allocator){.self = a, .alloc = failing_take, .free = failing_give};
}

/* Counts anew; the at-th allocation from now on fails, and with `from` all that follow it. */
static inline void failing_arm(failing_alloc *a, uint64_t at, bool from)
{
    atomic_store(&a->calls, 0u);
    atomic_store(&a->fired, 0u);
    atomic_store(&a->from, from);
    atomic_store(&a->fail_at, at);
}

static inline void failing_disarm(failing_alloc *a)
{
    atomic_store(&a->fail_at, 0u);
}

#endif

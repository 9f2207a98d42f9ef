/* SPDX-License-Identifier: Apache-2.0 */
/* The 64-bit addresses of live buffers: a sorted array, and reservations that can never be read. */
/* path: api > placement > [queue] > backend > kernel > device */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, which POSIX of 2008 lacks */
#include "hal.h"

#include <sys/mman.h>
#include <unistd.h>

typedef struct range {
    uint64_t address, bytes;
    tn_buffer *buffer;
} range;

struct tn__addresses {
    tn_runtime *runtime;  /* not retained: it owns this */
    pthread_mutex_t lock; /* guards: the array, which is sorted and without overlaps */
    range *ranges;
    size_t count, capacity;
};

tn_status tn__addresses_create(tn_runtime *rt, tn__addresses **out)
{
    tn__addresses *a = tn__alloc(rt, sizeof *a);
    if (a == NULL)
        return TN_STATUS_NO_MEMORY;
    a->runtime = rt;
    pthread_mutex_init(&a->lock, NULL);
    *out = a;
    return TN_OK;
}

void tn__addresses_destroy(tn__addresses *a)
{
    if (a == NULL)
        return;
    if (a->ranges != NULL)
        tn__free(a->runtime, a->ranges, a->capacity * sizeof *a->ranges);
    pthread_mutex_destroy(&a->lock);
    tn__free(a->runtime, a, sizeof *a);
}

/* Index of the first range that starts after the address. */
static size_t after(const tn__addresses *a, uint64_t address)
{
    size_t low = 0, high = a->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->ranges[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

tn_status tn__addresses_add(tn__addresses *a, uint64_t address, uint64_t bytes, tn_buffer *buffer)
{
    uint64_t last;
    if (bytes == 0 || !tn__add_u64(address, bytes - 1, &last))
        return tn__fail(TN_STATUS_INVALID, "buffer.address", "address",
                        "address 0x%llx and %llu bytes are no range; it has to have bytes and to "
                        "end inside 64 bits",
                        (unsigned long long)address, (unsigned long long)bytes);
    pthread_mutex_lock(&a->lock);
    tn_status st = TN_OK;
    size_t at = after(a, address);
    bool before = at > 0 && a->ranges[at - 1].address + (a->ranges[at - 1].bytes - 1) >= address;
    bool behind = at < a->count && a->ranges[at].address <= last;
    if (before || behind) {
        st = tn__fail(TN_STATUS_INVALID, "buffer.address", "address",
                      "address 0x%llx and %llu bytes overlap another live buffer; every live "
                      "buffer needs a range of its own",
                      (unsigned long long)address, (unsigned long long)bytes);
    } else if (a->count == a->capacity) {
        size_t capacity = a->capacity == 0 ? 64 : a->capacity * 2;
        range *larger = tn__alloc(a->runtime, capacity * sizeof *larger);
        if (larger == NULL) {
            st = TN_STATUS_NO_MEMORY;
        } else {
            if (a->ranges != NULL) {
                memcpy(larger, a->ranges, a->count * sizeof *larger);
                tn__free(a->runtime, a->ranges, a->capacity * sizeof *larger);
            }
            a->ranges = larger;
            a->capacity = capacity;
        }
    }
    if (st == TN_OK) {
        memmove(a->ranges + at + 1, a->ranges + at, (a->count - at) * sizeof *a->ranges);
        a->ranges[at] = (range){address, bytes, buffer};
        ++a->count;
    }
    pthread_mutex_unlock(&a->lock);
    return st;
}

void tn__addresses_remove(tn__addresses *a, uint64_t address, tn_buffer *buffer)
{
    pthread_mutex_lock(&a->lock);
    size_t at = after(a, address);
    if (at > 0 && a->ranges[at - 1].buffer == buffer) {
        memmove(a->ranges + at - 1, a->ranges + at, (a->count - at) * sizeof *a->ranges);
        --a->count;
    }
    pthread_mutex_unlock(&a->lock);
}

tn_status tn_runtime_find(tn_runtime *rt, uint64_t address, tn_buffer **out_borrowed,
                          uint64_t *out_offset)
{
    if (out_borrowed == NULL)
        return tn__fail_null("out_borrowed", "give a tn_buffer * to fill");
    *out_borrowed = NULL;
    if (!tn__runtime_usable(rt))
        return TN_STATUS_INVALID;
    tn__addresses *a = rt->addresses;
    uint64_t offset = 0;
    pthread_mutex_lock(&a->lock);
    size_t at = after(a, address);
    if (at > 0 && address - a->ranges[at - 1].address < a->ranges[at - 1].bytes) {
        *out_borrowed = a->ranges[at - 1].buffer;
        offset = address - a->ranges[at - 1].address;
    }
    pthread_mutex_unlock(&a->lock);
    if (*out_borrowed == NULL)
        return tn__fail(TN_STATUS_INVALID, "address.unknown", "address",
                        "address 0x%llx lies in no live buffer of this runtime; give one inside a "
                        "range that tn_buffer_get_info told",
                        (unsigned long long)address);
    if (out_offset != NULL)
        *out_offset = offset;
    return TN_OK;
}

/* Reservations are whole pages. */
static uint64_t whole(uint64_t bytes)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t rounded;
    if (!tn__add_u64(bytes != 0 ? bytes : 1, page - 1, &rounded))
        return 0;
    return rounded & ~(page - 1);
}

tn_status tn__address_reserve(uint64_t bytes, uint64_t *out)
{
    uint64_t size = whole(bytes);
    void *p = size == 0 || size > SIZE_MAX
                  ? MAP_FAILED
                  : mmap(NULL, (size_t)size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                         -1, 0);
    if (p == MAP_FAILED)
        return tn__fail(TN_STATUS_NO_MEMORY, "buffer.address", "bytes",
                        "bytes is %llu, which the address space has no room for; release buffers "
                        "or ask for less",
                        (unsigned long long)bytes);
    *out = (uint64_t)(uintptr_t)p;
    return TN_OK;
}

void tn__address_unreserve(uint64_t address, uint64_t bytes)
{
    munmap((void *)(uintptr_t)address, (size_t)whole(bytes));
}

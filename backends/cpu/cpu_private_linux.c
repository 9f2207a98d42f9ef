/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of `cpu?private=1`: kernels use one mapping, the address that is told is another range
 * without access, so whoever takes it for a host pointer faults at once. */
/* path: api > placement > queue > [backend] > kernel > device */
#define _GNU_SOURCE
#include "cpu.h"

#include <sys/mman.h>

enum { CPU_PAGE = 4096 };

tn_status tn__cpu_private_alloc(cpu_buffer *b, uint64_t bytes)
{
    uint64_t whole = (bytes + CPU_PAGE) & ~(uint64_t)(CPU_PAGE - 1);
    if (whole < bytes)
        return TN_STATUS_NO_MEMORY;
    void *data = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return TN_STATUS_NO_MEMORY;
    void *address =
        mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) {
        munmap(data, whole);
        return TN_STATUS_NO_MEMORY;
    }
    b->data = data;
    b->address = (uint64_t)(uintptr_t)address;
    b->reserved = whole;
    return TN_OK;
}

void tn__cpu_private_free(cpu_buffer *b)
{
    munmap(b->data, b->reserved);
    munmap((void *)(uintptr_t)b->address, b->reserved);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of `cpu?private=1`: one memory mapped twice. Kernels use one mapping; the other, whose
 * address is told, has no access, so whoever takes it for a host pointer faults at once. */
/* path: api > placement > queue > [backend] > kernel > device */
#define _GNU_SOURCE
#include "cpu.h"

#include <sys/mman.h>
#include <unistd.h>

/* Maps whole pages at a multiple of `align`, a page or larger: the range is reserved larger and its
 * ends are given back. NULL: no room. */
static void *map_aligned(int fd, uint64_t bytes, uint64_t align, uint64_t page, int access)
{
    uint64_t spare = align - page;
    if (bytes + spare < bytes)
        return NULL;
    unsigned char *start =
        mmap(NULL, bytes + spare, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    uint64_t front = -(uint64_t)(uintptr_t)start & (align - 1);
    if (mmap(start + front, bytes, access, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        munmap(start, bytes + spare);
        return NULL;
    }
    if (front != 0)
        munmap(start, front);
    if (front != spare)
        munmap(start + front + bytes, spare - front);
    return start + front;
}

tn_status tn__cpu_private_alloc(cpu_buffer *b, uint64_t bytes, uint64_t align)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) & ~(page - 1);
    if (whole < bytes || whole > INT64_MAX)
        return TN_STATUS_NO_MEMORY;
    if (align < page)
        align = page;
    int fd = memfd_create("tenon-private", MFD_CLOEXEC);
    if (fd < 0)
        return TN_STATUS_NO_MEMORY;
    void *data = NULL, *address = NULL;
    if (ftruncate(fd, (off_t)whole) == 0) {
        data = map_aligned(fd, whole, align, page, PROT_READ | PROT_WRITE);
        address = map_aligned(fd, whole, align, page, PROT_NONE);
    }
    (void)close(fd); /* the mappings keep the memory */
    if (data == NULL || address == NULL) {
        if (data != NULL)
            munmap(data, whole);
        if (address != NULL)
            munmap(address, whole);
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

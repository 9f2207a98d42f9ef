/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages for large buffers: a product of one row reads its weights once, as fast as memory
 * gives them, and with small pages waits for the page tables instead. */
/* path: api > placement > queue > [backend] > kernel > device */
#define _GNU_SOURCE
#include "cpu.h"

#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

void tn__cpu_huge_pages(void *data, size_t bytes)
{
    uintptr_t first = ((uintptr_t)data + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    uintptr_t end = ((uintptr_t)data + bytes) & ~(uintptr_t)(HUGE_PAGE - 1);
    /* Where the system has none to give, it says so here and all stays as it was. */
    if (end > first)
        (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
}

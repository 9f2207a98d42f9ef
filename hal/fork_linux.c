/* SPDX-License-Identifier: Apache-2.0 */
/* A page that the kernel wipes in a forked child: tells the child for the price of one load. */
/* path: [api] > placement > queue > backend > kernel > device */
#define _DEFAULT_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include <hal/hal.h>

static size_t page_bytes(void)
{
    long n = sysconf(_SC_PAGESIZE);
    return n > 0 ? (size_t)n : 4096;
}

const volatile uint32_t *tn__fork_page_create(void)
{
#ifdef MADV_WIPEONFORK
    void *page =
        mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, page_bytes(), MADV_WIPEONFORK) != 0) {
        (void)munmap(page, page_bytes());
        return NULL;
    }
    *(uint32_t *)page = 1;
    return page;
#else
    return NULL;
#endif
}

void tn__fork_page_destroy(const volatile uint32_t *page)
{
    if (page)
        (void)munmap((void *)(uintptr_t)page, page_bytes());
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Host memory: the runtime's allocator, and the default one over libc. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <stdlib.h>

#include <hal/hal.h>

enum { ALIGN = 64 };

static void *libc_alloc(void *self, size_t bytes, size_t align)
{
    void *p = NULL;
    (void)self;
    if (align < sizeof(void *))
        align = sizeof(void *);
    return posix_memalign(&p, align, bytes ? bytes : 1) ? NULL : p;
}

static void libc_free(void *self, void *p, size_t bytes)
{
    (void)self;
    (void)bytes;
    free(p);
}

tn_allocator tn__default_allocator(void)
{
    return (tn_allocator){.alloc = libc_alloc, .free = libc_free};
}

void *tn__alloc(tn_runtime *rt, size_t bytes)
{
    tn_allocator a = rt ? rt->allocator : tn__default_allocator();
    void *p = a.alloc(a.self, bytes ? bytes : 1, ALIGN);
    if (!p) {
        (void)tn__fail(TN_STATUS_NO_MEMORY, "host.memory", NULL,
                       "the host allocator has no %zu bytes; free something and try again", bytes);
        return NULL;
    }
    memset(p, 0, bytes);
    return p;
}

void tn__free(tn_runtime *rt, void *p, size_t bytes)
{
    if (!p)
        return;
    tn_allocator a = rt ? rt->allocator : tn__default_allocator();
    a.free(a.self, p, bytes ? bytes : 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The bus to the model in this process: calls into it, and a table of the memory that it reaches.
 */
/* path: api > placement > queue > backend > kernel > [device] */
#include "tpu_bus.h"

#include <pthread.h>
#include <string.h>

enum { FIRST_BLOCKS = 64, GAP = 4096, HEADER = 64 };

typedef struct block {
    uint64_t iova, bytes;
    unsigned char *data;
} block;

/* In front of what dma_alloc gives. */
typedef struct header {
    void *base;
    size_t bytes;
    uint64_t iova;
} header;
_Static_assert(sizeof(header) <= HEADER, "a header is too long");

typedef struct model_bus {
    tn_allocator allocator;
    sim_dev *chip;
    pthread_mutex_t lock; /* guards: block, blocks, room, next */
    block *block;         /* by ascending address */
    size_t blocks, room;
    uint64_t next;
} model_bus;

/* The last block that begins at or below an address. */
static size_t find(const model_bus *b, uint64_t iova)
{
    size_t low = 0, high = b->blocks;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->block[middle].iova <= iova)
            low = middle + 1;
        else
            high = middle;
    }
    return low; /* one past it */
}

static void *map(void *self, uint64_t iova, uint64_t bytes)
{
    model_bus *b = self;
    void *at = NULL;
    pthread_mutex_lock(&b->lock);
    size_t i = find(b, iova);
    if (i != 0) {
        const block *k = &b->block[i - 1];
        uint64_t offset = iova - k->iova;
        if (offset <= k->bytes && bytes <= k->bytes - offset)
            at = k->data + offset;
    }
    pthread_mutex_unlock(&b->lock);
    return at;
}

static uint32_t read32(void *self, uint32_t offset)
{
    return tn__sim_read(((model_bus *)self)->chip, offset);
}

static void write32(void *self, uint32_t offset, uint32_t value)
{
    tn__sim_write(((model_bus *)self)->chip, offset, value);
}

static bool add(model_bus *b, uint64_t bytes, unsigned char *data, uint64_t align, uint64_t *out)
{
    if (b->blocks == b->room) {
        tn_allocator a = b->allocator;
        block *larger = a.alloc(a.self, 2 * b->room * sizeof *larger, 64);
        if (larger == NULL)
            return false;
        memcpy(larger, b->block, b->blocks * sizeof *larger);
        a.free(a.self, b->block, b->room * sizeof *larger);
        b->block = larger;
        b->room *= 2;
    }
    *out = (b->next + align - 1) / align * align;
    b->block[b->blocks++] = (block){*out, bytes, data};
    b->next = *out + bytes + GAP; /* what runs past its end meets nobody */
    return true;
}

static void *dma_alloc(void *self, size_t bytes, size_t align, uint64_t *out_iova)
{
    model_bus *b = self;
    tn_allocator a = b->allocator;
    size_t step = align > HEADER ? align : HEADER;
    if (bytes > SIZE_MAX - step - GAP)
        return NULL;
    unsigned char *base = a.alloc(a.self, bytes + step, step);
    if (base == NULL)
        return NULL;
    unsigned char *data = base + step;
    pthread_mutex_lock(&b->lock);
    bool added = add(b, bytes, data, step > GAP ? step : GAP, out_iova);
    pthread_mutex_unlock(&b->lock);
    if (!added) {
        a.free(a.self, base, bytes + step);
        return NULL;
    }
    *(header *)(void *)(data - HEADER) = (header){base, bytes + step, *out_iova};
    return data;
}

static void dma_free(void *self, void *p)
{
    model_bus *b = self;
    if (p == NULL)
        return;
    header h = *(header *)(void *)((unsigned char *)p - HEADER);
    pthread_mutex_lock(&b->lock);
    size_t i = find(b, h.iova);
    memmove(&b->block[i - 1], &b->block[i], (b->blocks - i) * sizeof *b->block);
    b->blocks--;
    pthread_mutex_unlock(&b->lock);
    b->allocator.free(b->allocator.self, h.base, h.bytes);
}

/* Host and model share their memory. */
static void dma_sync(void *self, void *p, size_t bytes, int32_t to_device)
{
    (void)self, (void)p, (void)bytes, (void)to_device;
}

static int32_t wait(void *self, uint32_t irq_mask, uint64_t timeout_ns)
{
    return tn__sim_run(((model_bus *)self)->chip, irq_mask, timeout_ns) ? 1 : 0;
}

static uint64_t now_ns(void *self)
{
    return tn__sim_now_ns(((model_bus *)self)->chip);
}

bool tn__tpu_bus_model_open(const tn_allocator *allocator, const sim_profile *profile,
                            const sim_options *options, tn_bus *out, char *error, size_t room)
{
    tn_allocator a = *allocator;
    model_bus *b = a.alloc(a.self, sizeof *b, 64);
    if (room != 0)
        error[0] = '\0';
    if (b == NULL)
        return false;
    memset(b, 0, sizeof *b);
    b->allocator = a;
    b->room = FIRST_BLOCKS;
    b->next = UINT64_C(1) << 32;
    b->block = a.alloc(a.self, b->room * sizeof *b->block, 64);
    sim_env env = {.self = b, .map = map};
    if (b->block != NULL)
        b->chip = tn__sim_new(profile, options, allocator, &env, error, room);
    if (b->chip == NULL) {
        if (b->block != NULL)
            a.free(a.self, b->block, b->room * sizeof *b->block);
        a.free(a.self, b, sizeof *b);
        return false;
    }
    pthread_mutex_init(&b->lock, NULL);
    *out = (tn_bus){.self = b,
                    .read32 = read32,
                    .write32 = write32,
                    .dma_alloc = dma_alloc,
                    .dma_free = dma_free,
                    .dma_sync = dma_sync,
                    .wait = wait,
                    .now_ns = now_ns};
    return true;
}

void tn__tpu_bus_model_close(tn_bus *bus)
{
    model_bus *b = bus->self;
    tn_allocator a = b->allocator;
    tn__sim_free(b->chip);
    pthread_mutex_destroy(&b->lock);
    a.free(a.self, b->block, b->room * sizeof *b->block);
    a.free(a.self, b, sizeof *b);
    bus->self = NULL;
}

sim_dev *tn__tpu_bus_model_chip(const tn_bus *bus)
{
    return ((model_bus *)bus->self)->chip;
}

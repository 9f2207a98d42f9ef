/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded work: secondary command buffers with what they bind, which the batches of a queue
 * execute as often as the list is submitted. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "vk.h"

/* What the device does itself and records; PACK and CALL are left to hal. */
static bool known(const tn_work *w)
{
    return (w->kind == TN_WORK_RUN && w->slot_count <= TN_K_OPERANDS) || w->kind == TN_WORK_COPY ||
           w->kind == TN_WORK_FILL || w->kind == TN_WORK_WRITE || w->kind == TN_WORK_READ;
}

/* Batches that are full, and items that are for none; a batch is never more than one submit. */
static tn_status divide(vk_device *d, vk_commands *c)
{
    tn_status st = TN_OK;
    vk_item item;
    for (uint32_t i = 0; st == TN_OK && i < c->count; ++i) {
        const tn_work *w = &c->work[i];
        bool kept = tn__vk_batchable(d, w);
        uint64_t ns = tn__vk_estimate(w);
        vk_part *part = c->parts != 0 ? &c->part[c->parts - 1] : NULL;
        c->estimate_ns += ns;
        if (part == NULL || !kept || part->batch == NULL || part->batch->count == VK_BATCH ||
            part->estimate_ns + ns > d->submit_ns) {
            if (part != NULL && part->batch != NULL)
                st = tn__vk_batch_end(d, part->batch);
            part = &c->part[c->parts++];
            part->work = w;
            if (st == TN_OK && kept) {
                part->batch = tn__vk_alloc(d->host, sizeof *part->batch);
                st = part->batch == NULL ? TN_STATUS_NO_MEMORY
                                         : tn__vk_batch_create(d, part->batch, true);
                if (st == TN_OK)
                    st = tn__vk_batch_begin(d, part->batch, false);
            }
        }
        part->estimate_ns += ns;
        c->apart = c->apart || !kept;
        if (st != TN_OK || !kept)
            continue;
        item.work = *w;
        for (uint32_t s = 0; s < w->slot_count; ++s)
            item.slot[s] = w->slots[s];
        st = tn__vk_batch_add(d, part->batch, &item);
    }
    if (st == TN_OK && c->parts != 0 && c->part[c->parts - 1].batch != NULL)
        st = tn__vk_batch_end(d, c->part[c->parts - 1].batch);
    c->apart = c->apart || c->estimate_ns > d->submit_ns;
    return st;
}

void tn__vk_commands_destroy(void *queue, void *commands)
{
    vk_device *d = tn__vk_queue_device(queue);
    vk_commands *c = commands;
    for (uint32_t i = 0; i < c->parts && !atomic_load(&d->abandoned); ++i)
        if (c->part[i].batch != NULL) {
            tn__vk_batch_destroy(d, c->part[i].batch);
            tn__vk_free(d->host, c->part[i].batch, sizeof *c->part[i].batch);
        }
    tn__vk_free(d->host, c, c->bytes);
}

tn_status tn__vk_record(void *queue, const tn_work *works, uint32_t count, void **out)
{
    vk_device *d = tn__vk_queue_device(queue);
    for (uint32_t i = 0; i < count; ++i)
        if (!known(&works[i]))
            return VK_FAIL(d->host, TN_STATUS_UNSUPPORTED, "vulkan.work",
                           "work %u of a list is of kind %d with %u slots; a Vulkan queue records "
                           "what it runs, copies, fills, writes and reads",
                           i, (int)works[i].kind, works[i].slot_count);
    if (atomic_load(&d->lost))
        return tn__vk_lose(d, "vulkan.lost", "an earlier call");
    size_t bytes = sizeof(vk_commands) + count * (sizeof(vk_part) + sizeof(tn_work));
    vk_commands *c = tn__vk_alloc(d->host, bytes);
    if (c == NULL)
        return TN_STATUS_NO_MEMORY;
    c->bytes = bytes;
    c->count = count;
    c->part = (vk_part *)(c + 1);
    c->work = (tn_work *)(c->part + count);
    memcpy(c->work, works, count * sizeof *works);
    tn_status st = divide(d, c);
    if (st != TN_OK) {
        tn__vk_commands_destroy(queue, c);
        return st;
    }
    *out = c;
    return TN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Device memory: blocks taken from the driver, each under one VkBuffer, and ranges of them. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "vk.h"

enum { BLOCK_BYTES = 32 << 20, KEEP_FREE_SHIFT = 4 /* a 16th of the heap stays the driver's */ };

typedef struct vk_range {
    struct vk_range *next;
    uint64_t offset, bytes;
} vk_range;

static uint64_t round_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static void free_block(vk_device *d, vk_block *b)
{
    while (b->free != NULL) {
        vk_range *r = b->free;
        b->free = r->next;
        tn__vk_free(d->host, r, sizeof *r);
    }
    if (b->buffer != VK_NULL_HANDLE)
        d->api.vkDestroyBuffer(d->device, b->buffer, NULL);
    if (b->memory != VK_NULL_HANDLE)
        d->api.vkFreeMemory(d->device, b->memory, NULL); /* unmaps */
    tn__vk_free(d->host, b, sizeof *b);
}

/* What may still be taken: the driver's budget where it tells one, and never the whole heap. Some
 * drivers enforce nothing and let the system kill whoever touches the memory. */
static bool within_budget(const vk_device *d, uint64_t bytes)
{
    uint64_t most = d->caps.heap_bytes - (d->caps.heap_bytes >> KEEP_FREE_SHIFT);
    if (bytes > most || d->memory_used > most - bytes)
        return false;
    if (!d->caps.budget)
        return true;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT b = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 m = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &b};
    d->api.vkGetPhysicalDeviceMemoryProperties2(d->physical, &m);
    uint32_t heap = m.memoryProperties.memoryTypes[d->memory_type[0]].heapIndex;
    return b.heapBudget[heap] == 0 || b.heapUsage[heap] + bytes <= b.heapBudget[heap];
}

static tn_status no_memory(const vk_device *d, uint64_t bytes)
{
    return VK_FAIL_ARGUMENT(
        d->host, TN_STATUS_NO_MEMORY, "buffer.memory", "desc.bytes",
        "desc.bytes is %llu, which the Vulkan device has no memory for (%llu of "
        "%llu are taken); free something or ask for less",
        (unsigned long long)bytes, (unsigned long long)d->memory_used,
        (unsigned long long)d->caps.heap_bytes);
}

/* With the lock. */
static tn_status new_block(vk_device *d, uint32_t kind, uint64_t bytes, vk_block **out)
{
    vk_api *api = &d->api;
    vk_block *b = tn__vk_alloc(d->host, sizeof *b);
    if (b == NULL)
        return TN_STATUS_NO_MEMORY;
    b->kind = kind;
    b->bytes = bytes;
    b->free = tn__vk_alloc(d->host, sizeof *b->free);
    if (b->free == NULL) {
        free_block(d, b);
        return TN_STATUS_NO_MEMORY;
    }
    b->free->bytes = bytes;
    VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                               .size = bytes,
                               .usage = VK_BUFFER_USES,
                               .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    VkResult r = VK_CALL(api, vkCreateBuffer, d->device, &info, NULL, &b->buffer);
    if (r != VK_SUCCESS)
        b->buffer = VK_NULL_HANDLE;
    tn_status st = tn__vk_result(d, r, "vkCreateBuffer");
    if (st == TN_OK) {
        VkMemoryRequirements need;
        api->vkGetBufferMemoryRequirements(d->device, b->buffer, &need);
        VkMemoryAllocateInfo take = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                     .allocationSize = need.size,
                                     .memoryTypeIndex = d->memory_type[kind]};
        if ((need.memoryTypeBits >> d->memory_type[kind] & 1u) == 0)
            st = tn__vk_result(d, VK_ERROR_FEATURE_NOT_PRESENT, "vkGetBufferMemoryRequirements");
        if (st == TN_OK) {
            r = VK_CALL(api, vkAllocateMemory, d->device, &take, NULL, &b->memory);
            if (r != VK_SUCCESS)
                b->memory = VK_NULL_HANDLE;
            st = tn__vk_result(d, r, "vkAllocateMemory");
        }
    }
    if (st == TN_OK)
        st = tn__vk_result(d, VK_CALL(api, vkBindBufferMemory, d->device, b->buffer, b->memory, 0),
                           "vkBindBufferMemory");
    if (st == TN_OK && (d->memory_flags[kind] & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0 &&
        !(kind == 0 && d->staging)) {
        void *p = NULL;
        r = VK_CALL(api, vkMapMemory, d->device, b->memory, 0, VK_WHOLE_SIZE, 0, &p);
        st = tn__vk_result(d, r, "vkMapMemory");
        b->mapped = st == TN_OK ? p : NULL;
    }
    if (st != TN_OK) {
        free_block(d, b);
        return st;
    }
    d->memory_used += bytes;
    b->next = d->blocks;
    d->blocks = b;
    *out = b;
    return TN_OK;
}

/* The first range of a block that has room. */
static bool take_range(vk_device *d, vk_block *b, uint64_t bytes, uint64_t align, uint64_t *out)
{
    for (vk_range **at = &b->free; *at != NULL; at = &(*at)->next) {
        vk_range *r = *at;
        uint64_t first = round_up(r->offset, align), skipped = first - r->offset;
        if (skipped > r->bytes || r->bytes - skipped < bytes)
            continue;
        uint64_t behind = r->bytes - skipped - bytes;
        if (skipped != 0 && behind != 0) {
            vk_range *rest = tn__vk_alloc(d->host, sizeof *rest);
            if (rest == NULL)
                return false;
            *rest = (vk_range){r->next, first + bytes, behind};
            r->bytes = skipped;
            r->next = rest;
        } else if (skipped != 0) {
            r->bytes = skipped;
        } else if (behind != 0) {
            r->offset = first + bytes;
            r->bytes = behind;
        } else {
            *at = r->next;
            tn__vk_free(d->host, r, sizeof *r);
        }
        b->used += bytes;
        *out = first;
        return true;
    }
    return false;
}

tn_status tn__vk_memory_take(vk_device *d, uint32_t kind, uint64_t bytes, uint64_t align,
                             vk_buffer *out)
{
    uint64_t least = d->caps.offset_align > 256 ? d->caps.offset_align : 256;
    if (least < d->caps.atom_bytes)
        least = d->caps.atom_bytes;
    if (align < least)
        align = least;
    if (atomic_load(&d->lost))
        return tn__vk_lose(d, "vulkan.lost", "an earlier call");
    if (bytes > d->caps.largest_bytes || bytes > UINT64_MAX / 2)
        return no_memory(d, bytes);
    uint64_t held = round_up(bytes != 0 ? bytes : 1, least), offset = 0;
    tn_status st = TN_OK;
    vk_block *b = NULL;
    pthread_mutex_lock(&d->memory_lock);
    if (held <= BLOCK_BYTES / 2)
        for (b = d->blocks; b != NULL; b = b->next)
            if (b->kind == kind && b->bytes == BLOCK_BYTES &&
                take_range(d, b, held, align, &offset))
                break;
    if (b == NULL) {
        uint64_t size = held <= BLOCK_BYTES / 2 ? (uint64_t)BLOCK_BYTES : held;
        if (!within_budget(d, size))
            size = held; /* a small heap may have no room for a block and have some for this */
        st = within_budget(d, size) ? new_block(d, kind, size, &b) : no_memory(d, bytes);
        if (st == TN_OK && !take_range(d, b, held, align, &offset))
            st = no_memory(d, bytes); /* an alignment beyond what memory itself has */
    }
    pthread_mutex_unlock(&d->memory_lock);
    if (st != TN_OK)
        return st;
    out->device = d;
    out->block = b;
    out->offset = offset;
    out->bytes = bytes;
    out->held = held;
    return TN_OK;
}

/* One empty block a kind is kept for whoever asks next. */
static bool is_spare(const vk_device *d, const vk_block *block)
{
    if (block->bytes != BLOCK_BYTES)
        return false;
    for (const vk_block *b = d->blocks; b != NULL; b = b->next)
        if (b != block && b->kind == block->kind && b->bytes == BLOCK_BYTES && b->used == 0)
            return false;
    return true;
}

void tn__vk_memory_give(vk_device *d, vk_buffer *buffer)
{
    vk_block *b = buffer->block;
    if (b == NULL || atomic_load(&d->abandoned))
        return;
    buffer->block = NULL;
    if (b->kind == VK_IMPORTED) {
        free_block(d, b);
        return;
    }
    pthread_mutex_lock(&d->memory_lock);
    b->used -= buffer->held;
    if (b->used == 0 && !is_spare(d, b)) {
        vk_block **at = &d->blocks;
        while (*at != b)
            at = &(*at)->next;
        *at = b->next;
        d->memory_used -= b->bytes;
        free_block(d, b);
    } else {
        vk_range *before = NULL, *behind = b->free;
        while (behind != NULL && behind->offset < buffer->offset) {
            before = behind;
            behind = behind->next;
        }
        uint64_t end = buffer->offset + buffer->held;
        bool joins = before != NULL && before->offset + before->bytes == buffer->offset;
        if (joins && behind != NULL && behind->offset == end) {
            before->bytes += buffer->held + behind->bytes;
            before->next = behind->next;
            tn__vk_free(d->host, behind, sizeof *behind);
        } else if (joins) {
            before->bytes += buffer->held;
        } else if (behind != NULL && behind->offset == end) {
            behind->offset = buffer->offset;
            behind->bytes += buffer->held;
        } else {
            vk_range *r = d->host->allocator.alloc(d->host->allocator.self, sizeof *r, 64);
            if (r != NULL) { /* without it the range is lost until the block is free again */
                *r = (vk_range){behind, buffer->offset, buffer->held};
                *(before != NULL ? &before->next : &b->free) = r;
            }
        }
    }
    pthread_mutex_unlock(&d->memory_lock);
}

static tn_status no_import(const vk_device *d, const char *argument, const char *why)
{
    return VK_FAIL_ARGUMENT(d->host, TN_STATUS_UNSUPPORTED, "buffer.import", argument,
                            "%s: the driver of vulkan:%s %s; create a buffer and copy with "
                            "tn_queue_write",
                            argument, d->caps.uri, why);
}

/* The first type that the driver takes the memory as, and that needs no flush. */
static tn_status import_type(vk_device *d, const void *host, uint32_t types, uint32_t *out)
{
    VkMemoryHostPointerPropertiesEXT as = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 m = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    VkResult r = VK_CALL(&d->api, vkGetMemoryHostPointerPropertiesEXT, d->device,
                         VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT, host, &as);
    if (r == VK_ERROR_INVALID_EXTERNAL_HANDLE)
        return no_import(d, "external.pointer", "does not take such memory");
    if (r != VK_SUCCESS)
        return tn__vk_result(d, r, "vkGetMemoryHostPointerPropertiesEXT");
    d->api.vkGetPhysicalDeviceMemoryProperties2(d->physical, &m);
    const VkMemoryPropertyFlags needed = d->memory_flags[VK_IMPORTED];
    for (*out = 0; *out < m.memoryProperties.memoryTypeCount; ++*out)
        if ((types & as.memoryTypeBits & 1u << *out) != 0 &&
            (m.memoryProperties.memoryTypes[*out].propertyFlags & needed) == needed)
            return TN_OK;
    return no_import(d, "external.pointer", "has no coherent type of memory for it");
}

tn_status tn__vk_memory_import(vk_device *d, void *host, uint64_t bytes, vk_buffer *out)
{
    const VkExternalMemoryHandleTypeFlagBits handle =
        VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    vk_api *api = &d->api;
    uint32_t type = 0;
    if (atomic_load(&d->lost))
        return tn__vk_lose(d, "vulkan.lost", "an earlier call");
    vk_block *b = tn__vk_alloc(d->host, sizeof *b);
    if (b == NULL)
        return TN_STATUS_NO_MEMORY;
    b->kind = VK_IMPORTED;
    b->bytes = bytes;
    b->mapped = host;
    VkExternalMemoryBufferCreateInfo outside = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO, .handleTypes = handle};
    VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                               .pNext = &outside,
                               .size = bytes,
                               .usage = VK_BUFFER_USES,
                               .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    VkMemoryRequirements need = {0};
    VkResult r = VK_CALL(api, vkCreateBuffer, d->device, &info, NULL, &b->buffer);
    if (r != VK_SUCCESS)
        b->buffer = VK_NULL_HANDLE;
    tn_status st = tn__vk_result(d, r, "vkCreateBuffer");
    if (st == TN_OK) {
        api->vkGetBufferMemoryRequirements(d->device, b->buffer, &need);
        st = need.size > bytes ? no_import(d, "external.bytes", "wants room behind it")
                               : import_type(d, host, need.memoryTypeBits, &type);
    }
    if (st == TN_OK) {
        VkImportMemoryHostPointerInfoEXT from = {
            .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
            .handleType = handle,
            .pHostPointer = host};
        VkMemoryAllocateInfo take = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                     .pNext = &from,
                                     .allocationSize = bytes,
                                     .memoryTypeIndex = type};
        r = VK_CALL(api, vkAllocateMemory, d->device, &take, NULL, &b->memory);
        if (r != VK_SUCCESS)
            b->memory = VK_NULL_HANDLE;
        st = r == VK_ERROR_INVALID_EXTERNAL_HANDLE
                 ? no_import(d, "external.pointer", "does not take such memory")
                 : tn__vk_result(d, r, "vkAllocateMemory");
    }
    if (st == TN_OK)
        st = tn__vk_result(d, VK_CALL(api, vkBindBufferMemory, d->device, b->buffer, b->memory, 0),
                           "vkBindBufferMemory");
    if (st != TN_OK) {
        free_block(d, b);
        return st;
    }
    *out = (vk_buffer){.device = d, .block = b, .bytes = bytes, .held = bytes};
    return TN_OK;
}

void tn__vk_memory_destroy(vk_device *d)
{
    while (d->blocks != NULL) {
        vk_block *b = d->blocks;
        d->blocks = b->next;
        free_block(d, b);
    }
}

unsigned char *tn__vk_mapped(const vk_buffer *b)
{
    return b->block->mapped != NULL ? b->block->mapped + b->offset : NULL;
}

tn_status tn__vk_flush(vk_device *d, const vk_buffer *b, uint64_t offset, uint64_t bytes,
                       bool to_device)
{
    if (bytes == 0 || (d->memory_flags[b->block->kind] & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0)
        return TN_OK;
    uint64_t atom = d->caps.atom_bytes, first = (b->offset + offset) & ~(atom - 1);
    uint64_t end = round_up(b->offset + offset + bytes, atom);
    VkMappedMemoryRange range = {.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
                                 .memory = b->block->memory,
                                 .offset = first,
                                 .size = end >= b->block->bytes ? VK_WHOLE_SIZE : end - first};
    if (to_device)
        return tn__vk_result(d, VK_CALL(&d->api, vkFlushMappedMemoryRanges, d->device, 1, &range),
                             "vkFlushMappedMemoryRanges");
    return tn__vk_result(d, VK_CALL(&d->api, vkInvalidateMappedMemoryRanges, d->device, 1, &range),
                         "vkInvalidateMappedMemoryRanges");
}

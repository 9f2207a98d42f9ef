/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: memory of a device, views of it, foreign memory, host mappings. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "inject.h"
#include "queue.h"

/* What sizes and offsets can be added up to without a thought. */
static const uint64_t BYTES_MOST = INT64_MAX;

static tn_buffer *root_of(tn_buffer *b)
{
    return b->parent != NULL ? b->parent : b; /* the parent of a view is never a view */
}

static void account(tn_device *d, uint64_t bytes, bool add)
{
    pthread_mutex_lock(&d->lock);
    d->used_bytes = add ? d->used_bytes + bytes : d->used_bytes - bytes;
    if (d->used_bytes > d->peak_bytes)
        d->peak_bytes = d->used_bytes;
    uint64_t used = d->used_bytes, now = tn__trace_begin(d->runtime);
    pthread_mutex_unlock(&d->lock);
    if (now != 0)
        tn__trace_memory(d, used, now);
}

/* A range that no other live buffer has: the device's own where it offers one that is free (memory
 * that was imported twice has one address only once), else a reservation. */
static tn_status give_address(tn_buffer *b)
{
    uint64_t bytes = b->bytes != 0 ? b->bytes : 1;
    tn__addresses *addresses = b->device->runtime->addresses;
    tn_status st;
    if (b->bytes != 0 && tn__has(b->ops, address) &&
        b->ops->address(b->object, &b->address) == TN_OK) {
        st = tn__addresses_add(addresses, b->address, bytes, b);
        if (st == TN_OK || st == TN_STATUS_NO_MEMORY)
            return st; /* a buffer does not lose its real address for want of memory */
    }
    st = tn__address_reserve(bytes, &b->address);
    if (st != TN_OK)
        return st;
    st = tn__addresses_add(addresses, b->address, bytes, b);
    if (st != TN_OK)
        tn__address_unreserve(b->address, bytes);
    b->reserved = st == TN_OK;
    return st;
}

static tn_status allocate(tn_device *d, tn_buffer **out)
{
    tn_buffer *b = tn__alloc(d->runtime, sizeof *b);
    if (b == NULL)
        return TN_STATUS_NO_MEMORY;
    tn__ref_init(&b->ref);
    b->device = tn_device_retain(d);
    pthread_mutex_init(&b->lock, NULL);
    atomic_init(&b->mapped, 0u);
    *out = b;
    return TN_OK;
}

static void deallocate(tn_buffer *b)
{
    tn_device *d = b->device;
    pthread_mutex_destroy(&b->lock);
    tn__free(d->runtime, b, sizeof *b);
    tn_device_release(d);
}

tn_status tn_buffer_create(tn_device *d, const tn_buffer_desc *desc, tn_buffer **out)
{
    return tn__buffer_create(d, desc, TN__CALL_BUFFER, out);
}

tn_status tn__buffer_create(tn_device *d, const tn_buffer_desc *desc, uint32_t call,
                            tn_buffer **out)
{
    if (out == NULL)
        return tn__fail_null("out_buffer", "give a tn_buffer * to fill");
    *out = NULL;
    tn_status st = tn__device_usable(d, "device");
    if (st != TN_OK)
        return st;
    tn_buffer_desc local = {.head = TN_INIT(tn_buffer_desc)};
    st = tn__struct_in(&local, sizeof local, TN_TYPE_tn_buffer_desc, desc, "desc");
    if (st != TN_OK)
        return st;
    if ((local.align & (local.align - 1)) != 0)
        return tn__fail(TN_STATUS_INVALID, "buffer.align", "desc.align",
                        "desc.align is %llu; a power of two is needed, or 0 for the device's own",
                        (unsigned long long)local.align);
    if (local.memory > (TN_MEMORY_HOST_VISIBLE | TN_MEMORY_UPLOAD | TN_MEMORY_READBACK))
        return tn__fail(TN_STATUS_INVALID, "buffer.memory", "desc.memory",
                        "desc.memory is 0x%x; only TN_MEMORY_* bits (0x%x) are allowed",
                        local.memory,
                        TN_MEMORY_HOST_VISIBLE | TN_MEMORY_UPLOAD | TN_MEMORY_READBACK);
    if (local.flags != 0)
        return tn__fail(TN_STATUS_INVALID, "buffer.flags", "desc.flags",
                        "desc.flags is 0x%x; no flags are defined, give 0", local.flags);
    uint64_t largest = d->info.largest_buffer_bytes;
    if (largest == 0 || largest > BYTES_MOST)
        largest = BYTES_MOST;
    if (local.bytes > largest)
        return tn__fail(TN_STATUS_NO_MEMORY, "buffer.too_large", "desc.bytes",
                        "desc.bytes is %llu; the largest buffer of %s has %llu",
                        (unsigned long long)local.bytes, d->uri, (unsigned long long)largest);
    st = tn__inject_call(d, call, 0, local.bytes);
    if (st != TN_OK)
        return st;
    tn_buffer *b;
    st = allocate(d, &b);
    if (st != TN_OK)
        return st;
    b->bytes = local.bytes;
    b->memory = local.memory;
    if (local.bytes == 0)
        local.bytes = 1; /* an object and an address of its own; nothing of it can be used */
    tn__error_clear();
    st = d->ops->buffer_create(d->object, &local, &b->object, &b->ops);
    if (st != TN_OK) {
        st = tn__backend_failed(st, d->uri, "buffer_create");
    } else if (!tn__table_known(b->ops) || !tn__has(b->ops, destroy)) {
        st = tn__backend_table(d->uri, "buffer");
    } else {
        st = give_address(b);
        if (st != TN_OK)
            b->ops->destroy(b->object);
    }
    if (st != TN_OK) {
        deallocate(b);
        return st;
    }
    account(d, b->bytes, true);
    *out = b;
    return TN_OK;
}

tn_status tn_buffer_view(tn_buffer *of, uint64_t offset, uint64_t bytes, tn_buffer **out)
{
    if (out == NULL)
        return tn__fail_null("out_view", "give a tn_buffer * to fill");
    *out = NULL;
    if (of == NULL)
        return tn__fail_null("buffer", "give the buffer that the view is of");
    tn_status st = tn__device_usable(of->device, "buffer");
    if (st != TN_OK)
        return st;
    uint64_t end;
    if (!tn__add_u64(offset, bytes, &end) || end > of->bytes)
        return tn__fail(TN_STATUS_INVALID, "buffer.range", "offset",
                        "offset %llu and bytes %llu leave the buffer of %llu bytes; together they "
                        "may be at most that",
                        (unsigned long long)offset, (unsigned long long)bytes,
                        (unsigned long long)of->bytes);
    tn_buffer *b;
    st = allocate(of->device, &b);
    if (st != TN_OK)
        return st;
    b->parent = tn_buffer_retain(root_of(of));
    b->ops = of->ops;
    b->object = of->object;
    b->offset = of->offset + offset;
    b->bytes = bytes;
    b->address = of->address + offset;
    b->memory = of->memory;
    *out = b;
    return TN_OK;
}

static tn_status fail_kind(tn_external_kind kind, const char *argument)
{
    return tn__fail(TN_STATUS_INVALID, "external.kind", argument,
                    "%s is %d; kinds are %d (host) to %d (sync fd)", argument, (int)kind,
                    TN_EXTERNAL_HOST, TN_EXTERNAL_SYNC_FD);
}

tn_status tn_buffer_import(tn_device *d, const tn_external *external, tn_buffer **out)
{
    if (out == NULL)
        return tn__fail_null("out_buffer", "give a tn_buffer * to fill");
    *out = NULL;
    tn_status st = tn__device_usable(d, "device");
    if (st != TN_OK)
        return st;
    tn_external local = {.head = TN_INIT(tn_external)};
    st = tn__struct_in(&local, sizeof local, TN_TYPE_tn_external, external, "external");
    if (st != TN_OK)
        return st;
    if (local.kind < TN_EXTERNAL_HOST || local.kind > TN_EXTERNAL_SYNC_FD)
        return fail_kind(local.kind, "external.kind");
    uint64_t span;
    if (!tn__add_u64(local.offset, local.bytes, &span) ||
        !tn__add_u64((uint64_t)(uintptr_t)local.pointer, span, &span) || local.bytes > BYTES_MOST)
        return tn__fail(TN_STATUS_INVALID, "external.range", "external.bytes",
                        "external.bytes %llu at offset %llu of %p reach past the address space; "
                        "give the size of the memory",
                        (unsigned long long)local.bytes, (unsigned long long)local.offset,
                        local.pointer);
    if (local.kind == TN_EXTERNAL_HOST && local.pointer == NULL && local.bytes != 0)
        return tn__fail(TN_STATUS_INVALID, "argument.null", "external.pointer",
                        "external.pointer is NULL and external.bytes %llu; give the memory",
                        (unsigned long long)local.bytes);
    uint64_t align = d->info.import_align,
             start = (uint64_t)(uintptr_t)local.pointer + local.offset;
    if (local.kind == TN_EXTERNAL_HOST && align != 0 && (start & (align - 1)) != 0)
        return tn__fail(
            TN_STATUS_UNSUPPORTED, "buffer.import_align", "external.pointer",
            "external.pointer is 0x%llx with its offset; %s imports multiples of %llu; create a "
            "buffer and copy with tn_queue_write",
            (unsigned long long)start, d->uri, (unsigned long long)align);
    if (!tn__has(d->ops, buffer_import))
        return tn__fail(TN_STATUS_UNSUPPORTED, "buffer.import", "device",
                        "device %s imports no memory; create a buffer and copy with tn_queue_write",
                        d->uri);
    st = tn__inject_call(d, TN__CALL_IMPORT, 0, local.bytes);
    if (st != TN_OK)
        return st;
    tn_buffer *b;
    st = allocate(d, &b);
    if (st != TN_OK)
        return st;
    b->bytes = local.bytes;
    b->memory = local.kind == TN_EXTERNAL_HOST ? TN_MEMORY_HOST_VISIBLE : TN_MEMORY_DEVICE;
    void (*release)(void *) = local.release;
    void *self = local.self;
    local.release = NULL; /* ours to call: once, after the backend let go */
    local.self = NULL;
    tn__error_clear();
    st = d->ops->buffer_import(d->object, &local, &b->object, &b->ops);
    if (st != TN_OK) {
        st = tn__backend_failed(st, d->uri, "buffer_import");
    } else if (!tn__table_known(b->ops) || !tn__has(b->ops, destroy)) {
        st = tn__backend_table(d->uri, "buffer");
    } else {
        st = give_address(b);
        if (st != TN_OK)
            b->ops->destroy(b->object);
    }
    if (st != TN_OK) {
        deallocate(b); /* the memory stays the caller's: release is not called */
        return st;
    }
    b->release = release;
    b->release_self = self;
    account(d, b->bytes, true);
    *out = b;
    return TN_OK;
}

tn_status tn_buffer_export(tn_buffer *b, tn_external_kind kind, tn_external *out)
{
    if (b == NULL)
        return tn__fail_null("buffer", "give the buffer to hand out");
    tn_status st = tn__device_usable(b->device, "buffer");
    if (st == TN_OK)
        st = tn__struct_out_check(out, TN_TYPE_tn_external, "out_external");
    if (st != TN_OK)
        return st;
    if (kind < TN_EXTERNAL_HOST || kind > TN_EXTERNAL_SYNC_FD)
        return fail_kind(kind, "kind");
    if (!tn__has(b->ops, export_to))
        return tn__fail(TN_STATUS_UNSUPPORTED, "buffer.export", "kind",
                        "kind %d is not to be had, %s exports no memory; map the buffer or copy "
                        "with tn_queue_read",
                        (int)kind, b->device->uri);
    tn_external local = {.head = TN_INIT(tn_external)};
    tn__error_clear();
    st = b->ops->export_to(b->object, kind, &local);
    if (st != TN_OK)
        return tn__backend_failed(st, b->device->uri, "export_to");
    if (local.pointer != NULL)
        local.pointer = (char *)local.pointer + b->offset;
    else
        local.offset += b->offset;
    local.bytes = b->bytes;
    return tn__struct_out(out, &local, sizeof local, TN_TYPE_tn_external, "out_external");
}

tn_buffer *tn_buffer_retain(tn_buffer *b)
{
    if (b != NULL)
        tn__ref_retain(&b->ref);
    return b;
}

/* Puts b on the list of mapped buffers of its root; with the root's lock. */
static void list(tn_buffer *root, tn_buffer *b, void *pointer)
{
    b->map_pointer = pointer;
    b->mapped_next = root->mapped_list;
    root->mapped_list = b;
    atomic_fetch_add_explicit(&root->mapped, 1u, memory_order_release);
}

/* Takes b off that list; the mapping itself is the caller's, and so is map_mode, which keeps others
 * from mapping b meanwhile. */
static void unlist(tn_buffer *b)
{
    tn_buffer *root = root_of(b);
    pthread_mutex_lock(&root->lock);
    tn_buffer **at = &root->mapped_list;
    while (*at != NULL && *at != b)
        at = &(*at)->mapped_next;
    if (*at == b)
        *at = b->mapped_next;
    b->mapped_next = NULL;
    atomic_fetch_sub_explicit(&root->mapped, 1u, memory_order_release);
    pthread_mutex_unlock(&root->lock);
}

static uint64_t staging_bytes(const tn_buffer *b)
{
    return b->map_bytes != 0 ? b->map_bytes : 1;
}

void tn_buffer_release(tn_buffer *b)
{
    if (b == NULL || !tn__ref_release(&b->ref))
        return;
    tn_device *d = b->device;
    if (tn__runtime_forked(d->runtime))
        return;
    if (b->map_mode != 0) { /* released while mapped: what was written through it is dropped */
        if (b->staging != NULL)
            tn__free(d->runtime, b->staging, staging_bytes(b));
        else if (tn__has(b->ops, unmap))
            (void)b->ops->unmap(b->object);
        unlist(b);
    }
    if (b->parent != NULL) {
        tn_buffer *parent = b->parent;
        deallocate(b);
        tn_buffer_release(parent);
        return;
    }
    tn__addresses_remove(d->runtime->addresses, b->address, b);
    b->ops->destroy(b->object);
    if (b->reserved)
        tn__address_unreserve(b->address, b->bytes != 0 ? b->bytes : 1);
    account(d, b->bytes, false);
    if (b->release != NULL)
        b->release(b->release_self);
    deallocate(b);
}

/* Devices are told apart by object, so two of one URI are two. */
static tn_status fail_device(const tn_buffer *b, const tn_device *device, const char *argument)
{
    const char *other = b->device->runtime != device->runtime      ? " of another runtime"
                        : strcmp(b->device->uri, device->uri) == 0 ? " (opened another time)"
                                                                   : "";
    return tn__fail(
        TN_STATUS_INVALID, "buffer.device", argument,
        "%s is a buffer on device %s%s, the work is on %s; give a buffer of that device", argument,
        b->device->uri, other, device->uri);
}

tn_status tn__buffer_check(tn_buffer *b, tn_device *device, uint64_t offset, uint64_t bytes,
                           const char *argument)
{
    if (b == NULL)
        return tn__fail(TN_STATUS_INVALID, "buffer.null", argument,
                        "%s has no buffer; give one of %s", argument, device->uri);
    if (b->device != device)
        return fail_device(b, device, argument);
    uint64_t end;
    if (!tn__add_u64(offset, bytes, &end) || end > b->bytes)
        return tn__fail(
            TN_STATUS_INVALID, "buffer.range", argument,
            "%s takes %llu bytes at offset %llu, but its buffer has %llu bytes; stay inside",
            argument, (unsigned long long)bytes, (unsigned long long)offset,
            (unsigned long long)b->bytes);
    tn_buffer *root = root_of(b);
    if (atomic_load_explicit(&root->mapped, memory_order_acquire) == 0 || bytes == 0)
        return TN_OK;
    uint64_t first = b->offset + offset;
    bool overlap = false;
    pthread_mutex_lock(&root->lock);
    for (const tn_buffer *m = root->mapped_list; m != NULL && !overlap; m = m->mapped_next) {
        uint64_t start = m->offset + m->map_offset;
        overlap = start < first + bytes && first < start + m->map_bytes;
    }
    pthread_mutex_unlock(&root->lock);
    if (overlap)
        return tn__fail(
            TN_STATUS_INVALID, "buffer.mapped", argument,
            "%s takes %llu bytes at offset %llu of a buffer that is mapped there; unmap it first",
            argument, (unsigned long long)bytes, (unsigned long long)offset);
    return TN_OK;
}

/* ---- mappings ---- */
static tn_status transfer(tn_buffer *b, uint64_t offset, void *host, uint64_t bytes, bool write)
{
    if (bytes == 0)
        return TN_OK;
    tn_queue *q;
    tn_status st = tn__queue_internal(b->device, &q);
    if (st != TN_OK)
        return st;
    st = tn__transfer_now(q, b, offset, host, bytes, write);
    tn_queue_release(q);
    return st;
}

tn_status tn_buffer_map(tn_buffer *b, uint64_t offset, uint64_t bytes, uint32_t mode, void **out)
{
    if (out == NULL)
        return tn__fail_null("out_pointer", "give a void * to fill");
    *out = NULL;
    if (b == NULL)
        return tn__fail_null("buffer", "give the buffer to map");
    tn_device *d = b->device;
    tn_status st = tn__device_usable(d, "buffer");
    if (st != TN_OK)
        return st;
    if ((mode & (TN_MAP_READ | TN_MAP_WRITE)) == 0 ||
        (mode & ~(uint32_t)(TN_MAP_READ | TN_MAP_WRITE | TN_MAP_DISCARD)) != 0 ||
        (mode & (TN_MAP_WRITE | TN_MAP_DISCARD)) == TN_MAP_DISCARD)
        return tn__fail(TN_STATUS_INVALID, "map.mode", "mode",
                        "mode is 0x%x; give TN_MAP_READ, TN_MAP_WRITE or both, and TN_MAP_DISCARD "
                        "with WRITE if the old contents do not matter",
                        mode);
    st = tn__buffer_check(b, d, offset, bytes, "buffer");
    if (st == TN_OK)
        st = tn__inject_call(d, TN__CALL_MAP, 0, bytes);
    if (st != TN_OK)
        return st;
    tn_buffer *root = root_of(b);
    /* Claim first: two threads must not both map. */
    pthread_mutex_lock(&root->lock);
    bool taken = b->map_mode != 0;
    if (!taken)
        b->map_mode = mode;
    pthread_mutex_unlock(&root->lock);
    if (taken)
        return tn__fail(TN_STATUS_INVALID, "map.twice", "buffer",
                        "the buffer is mapped already, %llu bytes at offset %llu; unmap it, or map "
                        "a view for a second range",
                        (unsigned long long)b->map_bytes, (unsigned long long)b->map_offset);
    void *pointer = NULL, *staging = NULL;
    uint64_t room = bytes != 0 ? bytes : 1;
    if (tn__has(b->ops, map) && bytes != 0) {
        tn__error_clear();
        st = b->ops->map(b->object, b->offset + offset, bytes, mode, &pointer);
        if (st != TN_OK)
            st = tn__backend_failed(st, d->uri, "map");
    } else {
        staging = tn__alloc(d->runtime, room);
        st = staging == NULL ? TN_STATUS_NO_MEMORY : TN_OK;
        /* Also for WRITE: what the caller leaves untouched keeps its contents. */
        if (st == TN_OK && (mode & TN_MAP_DISCARD) == 0)
            st = transfer(b, offset, staging, bytes, false);
        pointer = staging;
    }
    pthread_mutex_lock(&root->lock);
    if (st != TN_OK) {
        b->map_mode = 0;
    } else {
        b->staging = staging;
        b->map_offset = offset;
        b->map_bytes = bytes;
        list(root, b, pointer);
    }
    pthread_mutex_unlock(&root->lock);
    if (st != TN_OK) {
        if (staging != NULL)
            tn__free(d->runtime, staging, room);
        return st;
    }
    *out = pointer;
    return TN_OK;
}

tn_status tn_buffer_unmap(tn_buffer *b)
{
    if (b == NULL)
        return tn__fail_null("buffer", "give the buffer to unmap");
    if (!tn__runtime_usable(b->device->runtime))
        return TN_STATUS_INVALID;
    tn_buffer *root = root_of(b);
    pthread_mutex_lock(&root->lock);
    void *staging = b->staging, *pointer = b->map_pointer;
    uint32_t mode = pointer != NULL ? b->map_mode : 0;
    uint64_t offset = b->map_offset, bytes = b->map_bytes, room = staging_bytes(b);
    b->map_pointer = NULL;
    pthread_mutex_unlock(&root->lock);
    if (mode == 0)
        return tn__fail(
            TN_STATUS_INVALID, "unmap.not_mapped", "buffer",
            "the buffer of %llu bytes is not mapped; unmap once what tn_buffer_map mapped",
            (unsigned long long)b->bytes);
    tn_status st = TN_OK;
    if (staging == NULL && tn__has(b->ops, unmap))
        st = b->ops->unmap(b->object);
    unlist(b);
    if (staging != NULL && (mode & TN_MAP_WRITE) != 0)
        st = transfer(b, offset, staging, bytes, true);
    /* What was written is not lost for want of memory: the buffer stays mapped. */
    bool again = staging != NULL && st == TN_STATUS_NO_MEMORY;
    pthread_mutex_lock(&root->lock);
    if (again) {
        list(root, b, pointer);
    } else {
        b->staging = NULL;
        b->map_mode = 0;
    }
    pthread_mutex_unlock(&root->lock);
    if (!again && staging != NULL)
        tn__free(b->device->runtime, staging, room);
    return st;
}

tn_status tn_buffer_get_info(const tn_buffer *b, tn_buffer_info *out)
{
    if (b == NULL)
        return tn__fail_null("buffer", "give the buffer to describe");
    if (!tn__runtime_usable(b->device->runtime))
        return TN_STATUS_INVALID;
    tn_buffer_info info = {.head = TN_INIT(tn_buffer_info),
                           .bytes = b->bytes,
                           .address = b->address,
                           .memory = b->memory,
                           .device = b->device};
    return tn__struct_out(out, &info, sizeof info, TN_TYPE_tn_buffer_info, "out_info");
}

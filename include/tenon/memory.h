/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: creation, views, import, mapping, addresses. */
#ifndef TENON_MEMORY_H
#define TENON_MEMORY_H

#include <tenon/device.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TN_MEMORY_DEVICE = 0,
    TN_MEMORY_HOST_VISIBLE = 1,
    TN_MEMORY_UPLOAD = 2,
    TN_MEMORY_READBACK = 4
};
typedef struct tn_buffer_desc {
    tn_head head;
    uint64_t bytes, align;
    uint32_t memory;
    uint32_t flags;
} tn_buffer_desc;
TN_API TN_NODISCARD tn_status
tn_buffer_create(tn_device *, const tn_buffer_desc *,
                 tn_buffer **out); /* contents undefined; 0 bytes is valid */
TN_API TN_NODISCARD tn_status tn_buffer_view(tn_buffer *, uint64_t offset, uint64_t bytes,
                                             tn_buffer **out);
typedef enum tn_external_kind {
    TN_EXTERNAL_HOST = 1,
    TN_EXTERNAL_DEVICE,
    TN_EXTERNAL_DMABUF,
    TN_EXTERNAL_OPAQUE_FD,
    TN_EXTERNAL_SHM,
    TN_EXTERNAL_SYNC_FD
} tn_external_kind;
typedef struct tn_external {
    tn_head head;
    tn_external_kind kind;
    int32_t fd;
    void *pointer;
    uint64_t bytes, offset;
    void (*release)(void *self);
    void *self;
} tn_external; /* release is called once, when the last work is done */
TN_API TN_NODISCARD tn_status
tn_buffer_import(tn_device *, const tn_external *,
                 tn_buffer **out); /* UNSUPPORTED when it would need a copy: then copy yourself */
TN_API TN_NODISCARD tn_status tn_buffer_export(tn_buffer *, tn_external_kind, tn_external *out);
enum { TN_MAP_READ = 1, TN_MAP_WRITE = 2, TN_MAP_DISCARD = 4 };
TN_API TN_NODISCARD tn_status tn_buffer_map(tn_buffer *, uint64_t offset, uint64_t bytes,
                                            uint32_t mode, void **out); /* caller has waited for the
    work; host caches are right after map and device sees writes after unmap; staged where memory is
    not host-visible; device use of a mapped range is INVALID */
TN_API TN_NODISCARD tn_status tn_buffer_unmap(tn_buffer *);
typedef struct tn_buffer_info {
    tn_head head;
    uint64_t bytes;
    uint64_t address;
    uint32_t memory;
    tn_device *device;
} tn_buffer_info;
/* Every buffer has a range of 64-bit addresses that no other live buffer of the runtime has: real
 * where the host or device has one, reserved (never readable) where not. So frameworks that think
 * in pointers (torch, TensorFlow, ORT, ggml, PJRT) do arithmetic on it and find their way back. */
TN_API TN_NODISCARD tn_status tn_buffer_get_info(const tn_buffer *, tn_buffer_info *out);
TN_API TN_NODISCARD tn_status tn_runtime_find(tn_runtime *, uint64_t address,
                                              tn_buffer **out_borrowed, uint64_t *out_offset);

#ifdef __cplusplus
}
#endif

#endif

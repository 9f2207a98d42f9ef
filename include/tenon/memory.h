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

/** Allocate device memory; its contents are undefined.
 *  memory    0 bytes is valid; align 0 is the device default; the buffer retains the device
 *  returns   INVALID, NO_MEMORY, DEVICE_LOST
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_buffer_create(tn_device *device, const tn_buffer_desc *desc,
                                               tn_buffer **out_buffer);

/** A buffer that is a range of another and shares its memory.
 *  memory    the view retains the buffer
 *  returns   INVALID for a range past the end
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_buffer_view(tn_buffer *buffer, uint64_t offset, uint64_t bytes,
                                             tn_buffer **out_view);
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

/** Use memory that somebody else owns, without a copy.
 *  memory    external->release is called once, when the last work is done; not at all when the
 *            import fails
 *  returns   UNSUPPORTED when it would need a copy: then copy yourself; INVALID
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_buffer_import(tn_device *device, const tn_external *external,
                                               tn_buffer **out_buffer);

/** Hand out a buffer for use outside.
 *  memory    the range is valid while the buffer lives
 *  returns   UNSUPPORTED for a kind that the device does not have
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_buffer_export(tn_buffer *buffer, tn_external_kind kind,
                                               tn_external *out_external);
enum { TN_MAP_READ = 1, TN_MAP_WRITE = 2, TN_MAP_DISCARD = 4 };

/** Make a range readable or writable for the host (TN_MAP_*).
 *  memory    the caller has waited for the work; the pointer is valid until unmap, the device sees
 *            writes after unmap; staged where memory is not host-visible; device use of a mapped
 *            range is INVALID; DISCARD: the old contents need not be read
 *  returns   INVALID for a bad range or mode or a buffer that is mapped, NO_MEMORY, DEVICE_LOST
 *  threads   thread-safe; may block
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_buffer_map(tn_buffer *buffer, uint64_t offset, uint64_t bytes,
                                            uint32_t mode, void **out_pointer);

/** End a mapping and make its writes visible to the device.
 *  returns   INVALID when it is not mapped; NO_MEMORY, the buffer then stays mapped: try again
 *  threads   thread-safe; may block
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_buffer_unmap(tn_buffer *buffer);
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

/** Size, device (borrowed) and the unique 64-bit address range of a buffer: real where there is
 *  one, reserved and never readable where not.
 *  returns   INVALID
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_buffer_get_info(const tn_buffer *buffer, tn_buffer_info *out_info);

/** Find the live buffer whose range holds an address.
 *  memory    the buffer is borrowed: valid while its owner keeps it
 *  returns   INVALID when no live buffer has the address
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_runtime_find(tn_runtime *runtime, uint64_t address,
                                              tn_buffer **out_borrowed, uint64_t *out_offset);

#ifdef __cplusplus
}
#endif

#endif

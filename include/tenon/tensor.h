/* SPDX-License-Identifier: Apache-2.0 */
/* The tensor view and DLPack. */
#ifndef TENON_TENSOR_H
#define TENON_TENSOR_H

#include <tenon/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_MAX_RANK = 8 };
enum {
    TN_LAYOUT_STRIDED = 0,
    TN_LAYOUT_Q4_0,
    TN_LAYOUT_Q8_0,
    TN_LAYOUT_MXFP4
}; /* Q4_0, Q8_0, MXFP4: blocks of 32 with a scale, docs/LAYOUTS.md. >= 2^32: a packing that only
    * the plan which named it understands */
typedef struct tn_tensor { /* frozen; zero dims allowed; 160 bytes */
    uint16_t dtype, rank;
    uint16_t quant_group;
    int8_t quant_axis;
    uint8_t flags;
    int64_t dim[TN_MAX_RANK], stride[TN_MAX_RANK]; /* strides in elements, 0 broadcasts an input */
    uint64_t layout;
    tn_buffer *buffer;
    uint64_t offset_bytes;
} tn_tensor; /* buffer may be NULL where only the shape is asked (plans) */

/** Take over a DLManagedTensorVersioned without a copy.
 *  memory    consumes it on success: its deleter is called once, when the buffer is gone and its
 * last work is done; on failure it stays the caller's. out_tensor->buffer is a new reference
 *  returns   UNSUPPORTED for memory that the device cannot import or a dtype Tenon lacks, INVALID,
 *            INCOMPATIBLE for another DLPack major version
 *  threads   thread-safe
 *  source    DLPack 1.0
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_tensor_from_dlpack(tn_device *device, void *managed_versioned,
                                                    tn_tensor *out_tensor);

/** Hand out a tensor of a host-visible device as a DLManagedTensorVersioned.
 *  memory    retains the buffer until the consumer calls the managed tensor's deleter
 *  returns   UNSUPPORTED where the host cannot read the memory, INVALID
 *  threads   thread-safe
 *  source    DLPack 1.0
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_tensor_to_dlpack(const tn_tensor *tensor,
                                                  void **out_managed_versioned);

/** As tn_tensor_from_dlpack, for the DLManagedTensor of before DLPack 1.0.
 *  memory    as tn_tensor_from_dlpack; it cannot say that it is read-only: the caller has to know
 *  returns   UNSUPPORTED, INVALID
 *  threads   thread-safe
 *  source    DLPack 0.8
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_tensor_from_dlpack_legacy(tn_device *device, void *managed,
                                                           tn_tensor *out_tensor);

/** As tn_tensor_to_dlpack, as a DLManagedTensor of before DLPack 1.0.
 *  memory    retains the buffer until the consumer calls the managed tensor's deleter
 *  returns   UNSUPPORTED where the host cannot read the memory, INVALID
 *  threads   thread-safe
 *  source    DLPack 0.8
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_tensor_to_dlpack_legacy(const tn_tensor *tensor,
                                                         void **out_managed);

#ifdef __cplusplus
}
#endif

#endif

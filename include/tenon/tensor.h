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
};                         /* >= 2^32: a packing that only the plan which named it understands */
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
TN_API TN_NODISCARD tn_status
tn_tensor_from_dlpack(tn_device *, void *managed_versioned,
                      tn_tensor *out); /* consumes it; out->buffer is a new reference */
TN_API TN_NODISCARD tn_status tn_tensor_to_dlpack(const tn_tensor *, void **out_managed_versioned);

#ifdef __cplusplus
}
#endif

#endif

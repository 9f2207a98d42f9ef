/* SPDX-License-Identifier: Apache-2.0 */
/* The binary layout of DLPack 1.0 (github.com/dmlc/dlpack, dlpack.h), as far as hosts need it. */
#ifndef TN_HAL_DLPACK_H
#define TN_HAL_DLPACK_H

#include <stdint.h>

enum { TN__DL_CPU = 1 };
enum {
    TN__DL_INT = 0,
    TN__DL_UINT = 1,
    TN__DL_FLOAT = 2,
    TN__DL_BFLOAT = 4,
    TN__DL_BOOL = 6,
    TN__DL_FLOAT8_E4M3FN = 10, /* these four since DLPack 1.1 */
    TN__DL_FLOAT8_E5M2 = 12,
    TN__DL_FLOAT8_E8M0FNU = 14,
};
enum { TN__DL_FLAG_READ_ONLY = 1 };

typedef struct tn__dl_tensor {
    void *data;
    struct {
        int32_t type, id;
    } device;
    int32_t ndim;
    struct {
        uint8_t code, bits;
        uint16_t lanes;
    } dtype;
    int64_t *shape, *strides; /* in elements; strides NULL: compact, row-major */
    uint64_t byte_offset;
} tn__dl_tensor;

typedef struct tn__dl_managed {
    struct {
        uint32_t major, minor;
    } version;
    void *manager_ctx;
    void (*deleter)(struct tn__dl_managed *self);
    uint64_t flags;
    tn__dl_tensor tensor;
} tn__dl_managed;

/* DLManagedTensor, from before DLPack 1.0: no version and no flags. */
typedef struct tn__dl_legacy {
    tn__dl_tensor tensor;
    void *manager_ctx;
    void (*deleter)(struct tn__dl_legacy *self);
} tn__dl_legacy;

#endif

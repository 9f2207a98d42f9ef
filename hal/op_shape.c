/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of operands: broadcast, text, strides, the bytes that they reach. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/op.h"

#include <stdio.h>

bool tn__shape_broadcast(tn_tensor *out, const tn_tensor *b)
{
    if (b->rank > out->rank) {
        uint16_t shift = (uint16_t)(b->rank - out->rank);
        for (int i = out->rank - 1; i >= 0; --i)
            out->dim[i + shift] = out->dim[i];
        for (int i = 0; i < shift; ++i)
            out->dim[i] = 1;
        out->rank = b->rank;
    }
    int shift = out->rank - b->rank;
    for (int i = 0; i < b->rank; ++i) {
        int64_t *o = &out->dim[i + shift];
        if (*o == 1)
            *o = b->dim[i];
        else if (b->dim[i] != 1 && b->dim[i] != *o)
            return false;
    }
    return true;
}

bool tn__shape_fits(const tn_tensor *t, const tn_tensor *to)
{
    if (t->rank > to->rank)
        return false;
    int shift = to->rank - t->rank;
    for (int i = 0; i < t->rank; ++i)
        if (t->dim[i] != 1 && t->dim[i] != to->dim[i + shift])
            return false;
    return true;
}

bool tn__shape_equal(const tn_tensor *a, const tn_tensor *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0;
}

void tn__shape_text(const tn_tensor *t, char *text, size_t bytes)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i <= t->rank && at < bytes; ++i) {
        int n = i < t->rank ? snprintf(text + at, bytes - at, "%s%lld", i == 0 ? "[" : ",",
                                       (long long)t->dim[i])
                            : snprintf(text + at, bytes - at, "%s]", t->rank == 0 ? "[" : "");
        at += n > 0 ? (size_t)n : 0;
    }
}

void tn__strides_contiguous(tn_tensor *t)
{
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0; --i) {
        t->stride[i] = stride;
        int64_t dim = t->dim[i] > 0 ? t->dim[i] : 1;
        if (__builtin_mul_overflow(stride, dim, &stride))
            stride = INT64_MAX; /* the extent check refuses it */
    }
}

static const struct {
    const char *name;
    uint32_t bytes;
    uint16_t dtype;
} blocks[] = {{"", 0, 0}, {"q4_0", 18, TN_S4}, {"q8_0", 34, TN_S8}, {"mxfp4", 17, TN_F4E2M1}};

uint32_t tn__block_bytes(uint64_t layout)
{
    return layout <= TN_LAYOUT_MXFP4 ? blocks[layout].bytes : 0;
}

uint16_t tn__block_dtype(uint64_t layout)
{
    return layout <= TN_LAYOUT_MXFP4 ? blocks[layout].dtype : 0;
}

const char *tn__block_name(uint64_t layout)
{
    return layout <= TN_LAYOUT_MXFP4 ? blocks[layout].name : "";
}

bool tn__tensor_extent(const tn_tensor *t, uint64_t *out_bytes)
{
    uint64_t last = 0, step, bits;
    for (int i = 0; i < t->rank; ++i) {
        if (t->dim[i] == 0) {
            *out_bytes = 0;
            return true;
        }
    }
    for (int i = 0; i < t->rank; ++i) {
        if (t->dim[i] < 0 || t->stride[i] < 0)
            return false;
        if (!tn__mul_u64((uint64_t)(t->dim[i] - 1), (uint64_t)t->stride[i], &step) ||
            !tn__add_u64(last, step, &last))
            return false;
    }
    uint32_t block = tn__block_bytes(t->layout);
    if (block != 0) {
        if (!tn__mul_u64(last / TN__BLOCK + 1, block, out_bytes))
            return false;
        return *out_bytes <= INT64_MAX / 8;
    }
    if (!tn__add_u64(last, 1, &last) ||
        !tn__mul_u64(last, tn_dtype_bits((tn_dtype)t->dtype), &bits) || bits > UINT64_MAX - 7)
        return false;
    *out_bytes = (bits + 7) / 8;
    return *out_bytes <= INT64_MAX / 8; /* kernels may compute a bit offset in int64_t */
}

bool tn__dtype_float(uint32_t dtype)
{
    return dtype >= TN_F64 && dtype <= TN_F4E2M1;
}

bool tn__dtype_integer(uint32_t dtype)
{
    return dtype >= TN_S64 && dtype <= TN_U4;
}

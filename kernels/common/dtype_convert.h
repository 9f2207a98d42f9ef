/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion between element types, rounded once (docs/NUMERICS.md section 1). */
#ifndef TN_KERNELS_DTYPE_CONVERT_H
#define TN_KERNELS_DTYPE_CONVERT_H

#include <kernels/common/canonmath.h>
#include <tenon/dtype.h>

/* A double to a binary format of fewer than 52 mantissa bits: nearest even, overflow to infinity,
 * NaN to the quiet NaN. */
TN_C_FN uint32_t tn_c_narrow(double x, int mantissa_bits, int exponent_bits)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    uint32_t sign = (uint32_t)(u >> 63) << (mantissa_bits + exponent_bits);
    uint64_t magnitude = u & 0x7fffffffffffffffu, inf = 0x7ff0000000000000u;
    uint32_t top = ((1u << exponent_bits) - 1) << mantissa_bits;
    if (magnitude > inf)
        return top | 1u << (mantissa_bits - 1);
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (int)(magnitude >> 52) - 1023 + bias, shift = 52 - mantissa_bits;
    uint64_t m = magnitude & 0xfffffffffffffu;
    if (magnitude >> 52 != 0)
        m |= (uint64_t)1 << 52;
    if (exponent < 1) {
        shift = shift + 1 - exponent > 60 ? 60 : shift + 1 - exponent;
        exponent = 1;
    }
    uint64_t q = m >> shift, rest = m & (((uint64_t)1 << shift) - 1);
    uint64_t half = (uint64_t)1 << (shift - 1);
    q += rest > half || (rest == half && (q & 1));
    if (exponent > 2 * bias)
        return sign | top;
    uint64_t bits = ((uint64_t)(exponent - 1) << mantissa_bits) + q;
    return sign | (bits > top ? top : (uint32_t)bits);
}

/* Exact: every f16 and bf16 is a double. */
TN_C_FN double tn_c_f16_widen(uint16_t h)
{
    uint32_t magnitude = h & 0x7fffu;
    float f = magnitude < 0x0400u
                  ? (float)magnitude * 0x1p-24f
                  : tn_c_float(magnitude >= 0x7c00u ? 0x7f800000u | (magnitude & 0x3ffu) << 13
                                                    : (magnitude << 13) + (112u << 23));
    return (double)(h & 0x8000u ? -f : f);
}

TN_C_FN double tn_c_bf16_widen(uint16_t h)
{
    return (double)tn_c_float((uint32_t)h << 16);
}

/* Truncates and saturates; NaN gives 0. `low` and `high` are the limits, 2^n exact as doubles. */
TN_C_FN int64_t tn_c_saturate(double x, double low, double above, int64_t most)
{
    if (x != x)
        return 0;
    if (x >= above)
        return most;
    return x <= low ? (int64_t)low : (int64_t)x;
}

/* A value on its way: integer types as s64, float types as f64, both exact. */
typedef struct tn_c_value {
    bool integer;
    int64_t i;
    double f;
} tn_c_value;

TN_C_FN bool tn_c_convertible(uint32_t dtype)
{
    switch (dtype) {
    case TN_F64:
    case TN_F32:
    case TN_F16:
    case TN_BF16:
    case TN_S64:
    case TN_S32:
    case TN_S8:
    case TN_U8:
    case TN_BOOL:
        return true;
    default:
        return false;
    }
}

TN_C_FN tn_c_value tn_c_load(uint32_t dtype, const void *from, int64_t at)
{
    tn_c_value v = {false, 0, 0.0};
    switch (dtype) {
    case TN_F64:
        v.f = ((const double *)from)[at];
        break;
    case TN_F32:
        v.f = (double)((const float *)from)[at];
        break;
    case TN_F16:
        v.f = tn_c_f16_widen(((const uint16_t *)from)[at]);
        break;
    case TN_BF16:
        v.f = tn_c_bf16_widen(((const uint16_t *)from)[at]);
        break;
    default:
        v.integer = true;
        v.i = dtype == TN_S64   ? ((const int64_t *)from)[at]
              : dtype == TN_S32 ? ((const int32_t *)from)[at]
              : dtype == TN_S8  ? ((const int8_t *)from)[at]
              : dtype == TN_U8  ? ((const uint8_t *)from)[at]
                                : ((const uint8_t *)from)[at] != 0;
    }
    return v;
}

/* An s64 as a double that rounds to f16 or bf16 as the integer itself does: beyond 2^53 the low
 * bits become one sticky bit, far below any rounding position. */
TN_C_FN double tn_c_sticky(int64_t i)
{
    uint64_t m = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    if (m >> 53 != 0)
        m = (m & ~(uint64_t)0x1fff) | (uint64_t)((m & 0x1fff) != 0) << 12;
    return i < 0 ? -(double)m : (double)m;
}

TN_C_FN void tn_c_store(uint32_t dtype, void *to, int64_t at, tn_c_value v)
{
    switch (dtype) {
    case TN_F64:
        ((double *)to)[at] = v.integer ? (double)v.i : v.f;
        break;
    case TN_F32:
        ((float *)to)[at] = v.integer ? (float)v.i : (float)v.f;
        break;
    case TN_F16:
        ((uint16_t *)to)[at] = (uint16_t)tn_c_narrow(v.integer ? tn_c_sticky(v.i) : v.f, 10, 5);
        break;
    case TN_BF16:
        ((uint16_t *)to)[at] = (uint16_t)tn_c_narrow(v.integer ? tn_c_sticky(v.i) : v.f, 7, 8);
        break;
    case TN_S64:
        ((int64_t *)to)[at] = v.integer ? v.i : tn_c_saturate(v.f, -0x1p63, 0x1p63, INT64_MAX);
        break;
    case TN_S32:
        ((int32_t *)to)[at] =
            (int32_t)(v.integer ? v.i : tn_c_saturate(v.f, -0x1p31, 0x1p31, INT32_MAX));
        break;
    case TN_S8:
        ((int8_t *)to)[at] =
            (int8_t)(v.integer ? v.i : tn_c_saturate(v.f, -0x1p7, 0x1p7, INT8_MAX));
        break;
    case TN_U8:
        ((uint8_t *)to)[at] = (uint8_t)(v.integer ? v.i : tn_c_saturate(v.f, 0.0, 0x1p8, 255));
        break;
    default: /* TN_BOOL */
        ((uint8_t *)to)[at] = v.integer ? v.i != 0 : v.f != 0.0;
    }
}

#endif

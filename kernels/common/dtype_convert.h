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

/* The same of an f32, without a double, which some devices lack. */
TN_C_FN uint32_t tn_c_narrow_f32(float x, int mantissa_bits, int exponent_bits)
{
    uint32_t u = tn_c_bits(x), magnitude = u & 0x7fffffffu;
    uint32_t sign = u >> 31 << (mantissa_bits + exponent_bits);
    uint32_t top = ((1u << exponent_bits) - 1) << mantissa_bits;
    if (magnitude > 0x7f800000u)
        return top | 1u << (mantissa_bits - 1);
    int bias = (1 << (exponent_bits - 1)) - 1, from = (int)(magnitude >> 23);
    int exponent = (from == 0 ? 1 : from) - 127 + bias, shift = 23 - mantissa_bits;
    uint32_t m = (magnitude & 0x7fffffu) | (from != 0 ? 0x800000u : 0u);
    if (exponent < 1) {
        shift = shift + 1 - exponent > 30 ? 30 : shift + 1 - exponent;
        exponent = 1;
    }
    uint32_t q = m >> shift, rest = m & ((1u << shift) - 1), half = 1u << (shift - 1);
    q += rest > half || (rest == half && (q & 1));
    if (exponent > 2 * bias)
        return sign | top;
    uint32_t bits = ((uint32_t)(exponent - 1) << mantissa_bits) + q;
    return sign | (bits > top ? top : bits);
}

/* Exact: every f16 and bf16 is a float and a double. */
TN_C_FN float tn_c_f16_float(uint16_t h)
{
    uint32_t magnitude = h & 0x7fffu;
    float f = magnitude < 0x0400u
                  ? (float)magnitude * 0x1p-24f
                  : tn_c_float(magnitude >= 0x7c00u ? 0x7f800000u | (magnitude & 0x3ffu) << 13
                                                    : (magnitude << 13) + (112u << 23));
    return h & 0x8000u ? -f : f;
}

TN_C_FN double tn_c_f16_widen(uint16_t h)
{
    return (double)tn_c_f16_float(h);
}

TN_C_FN double tn_c_bf16_widen(uint16_t h)
{
    return (double)tn_c_float((uint32_t)h << 16);
}

/* OCP 8-bit formats. e4m3 has no infinity and one NaN: it is like the IEEE form up to 256, and has
 * seven more values, by 32, up to 448. */
enum { TN_C_E4M3_MAX = 0x7e, TN_C_E4M3_NAN = 0x7f, TN_C_E5M2_MAX = 0x7b, TN_C_E5M2_INF = 0x7c };

TN_C_FN uint8_t tn_c_f8e4m3_narrow(double x, bool saturate)
{
    uint32_t sign = __builtin_signbit(x) ? 0x80u : 0u;
    double magnitude = sign ? -x : x;
    if (x != x)
        return TN_C_E4M3_NAN;
    if (magnitude < 256.0)
        return (uint8_t)tn_c_narrow(x, 3, 4);
    if (magnitude > 464.0) /* half way to 480 still rounds to 448, which is even */
        return saturate ? (uint8_t)(sign | TN_C_E4M3_MAX) : TN_C_E4M3_NAN;
    uint32_t q = (uint32_t)(magnitude * 0x1p-5); /* 8 to 14 */
    double rest = magnitude * 0x1p-5 - (double)q;
    q += rest > 0.5 || (rest == 0.5 && (q & 1u));
    return (uint8_t)(sign | (0x78u + q - 8u));
}

TN_C_FN uint8_t tn_c_f8e5m2_narrow(double x, bool saturate)
{
    uint32_t bits = tn_c_narrow(x, 2, 5);
    if (saturate && (bits & 0x7fu) == TN_C_E5M2_INF)
        bits = (bits & 0x80u) | TN_C_E5M2_MAX;
    return (uint8_t)bits;
}

TN_C_FN float tn_c_f8e4m3_float(uint8_t b)
{
    uint32_t exponent = b >> 3 & 15u, mantissa = b & 7u;
    float f = (b & 0x7fu) == TN_C_E4M3_NAN ? tn_c_float(0x7fc00000u)
              : exponent == 0              ? (float)mantissa * 0x1p-9f
                                           : tn_c_float((exponent + 120u) << 23 | mantissa << 20);
    return b & 0x80u ? -f : f;
}

TN_C_FN double tn_c_f8e4m3_widen(uint8_t b)
{
    return (double)tn_c_f8e4m3_float(b);
}

/* The upper byte of an f16. */
TN_C_FN double tn_c_f8e5m2_widen(uint8_t b)
{
    return tn_c_f16_widen((uint16_t)(b << 8));
}

/* Powers of two from 2^-127 to 2^127, rounded down; 0xff is NaN, which negatives give, too. */
TN_C_FN uint8_t tn_c_e8m0_narrow(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    if (x != x || x < 0.0)
        return 0xff;
    int64_t exponent = (int64_t)(u >> 52 & 0x7ff) - 1023 + 127;
    return (uint8_t)(exponent < 0 ? 0 : exponent > 254 ? 254 : exponent);
}

TN_C_FN double tn_c_e8m0_widen(uint8_t b)
{
    return (double)tn_c_float(b == 0xff ? 0x7fc00000u : b == 0 ? 0x00400000u : (uint32_t)b << 23);
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
    case TN_TF32:
    case TN_F16:
    case TN_BF16:
    case TN_F8E4M3:
    case TN_F8E5M2:
    case TN_E8M0:
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
    case TN_TF32: /* an f32 whose last 13 bits are not part of it */
        v.f = (double)tn_c_float(((const uint32_t *)from)[at] & 0xffffe000u);
        break;
    case TN_F8E4M3:
        v.f = tn_c_f8e4m3_widen(((const uint8_t *)from)[at]);
        break;
    case TN_F8E5M2:
        v.f = tn_c_f8e5m2_widen(((const uint8_t *)from)[at]);
        break;
    case TN_E8M0:
        v.f = tn_c_e8m0_widen(((const uint8_t *)from)[at]);
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

/* An s64 as a double that rounds to a type of fewer than 50 bits as the integer itself does: beyond 2^53 the low
 * bits become one sticky bit, far below any rounding position. */
TN_C_FN double tn_c_sticky(int64_t i)
{
    uint64_t m = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    if (m >> 53 != 0)
        m = (m & ~(uint64_t)0x1fff) | (uint64_t)((m & 0x1fff) != 0) << 12;
    return i < 0 ? -(double)m : (double)m;
}

/* `saturate`: 8-bit floats above the range, infinities too, become the largest value. */
TN_C_FN void tn_c_store(uint32_t dtype, void *to, int64_t at, tn_c_value v, bool saturate)
{
    double f = v.integer ? tn_c_sticky(v.i) : v.f;
    switch (dtype) {
    case TN_F64:
        ((double *)to)[at] = v.integer ? (double)v.i : v.f;
        break;
    case TN_F32:
        ((float *)to)[at] = v.integer ? (float)v.i : (float)v.f;
        break;
    case TN_F16:
        ((uint16_t *)to)[at] = (uint16_t)tn_c_narrow(f, 10, 5);
        break;
    case TN_BF16:
        ((uint16_t *)to)[at] = (uint16_t)tn_c_narrow(f, 7, 8);
        break;
    case TN_TF32:
        ((uint32_t *)to)[at] = tn_c_narrow(f, 10, 8) << 13;
        break;
    case TN_F8E4M3:
        ((uint8_t *)to)[at] = tn_c_f8e4m3_narrow(f, saturate);
        break;
    case TN_F8E5M2:
        ((uint8_t *)to)[at] = tn_c_f8e5m2_narrow(f, saturate);
        break;
    case TN_E8M0:
        ((uint8_t *)to)[at] = tn_c_e8m0_narrow(f);
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

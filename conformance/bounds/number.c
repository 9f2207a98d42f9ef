/* SPDX-License-Identifier: Apache-2.0 */
/* Number formats: decoding, and encoding by scaling to an integer and rounding that. */
#include <conformance/bounds/number.h>

#include <math.h>
#include <string.h>

tn_v_format tn_v_format_of(tn_dtype dtype)
{
    switch (dtype) {
    case TN_F64:
        return (tn_v_format){true, true, 53, -1022, 0x1.fffffffffffffp1023, -0x1.fffffffffffffp1023,
                             true, true};
    case TN_F32:
        return (tn_v_format){true, true, 24, -126, 0x1.fffffep127, -0x1.fffffep127, true, true};
    case TN_TF32:
        return (tn_v_format){true, true, 11, -126, 0x1.ffcp127, -0x1.ffcp127, true, true};
    case TN_F16:
        return (tn_v_format){true, true, 11, -14, 65504.0, -65504.0, true, true};
    case TN_BF16:
        return (tn_v_format){true, true, 8, -126, 0x1.fep127, -0x1.fep127, true, true};
    case TN_F8E4M3:
        return (tn_v_format){true, true, 4, -6, 448.0, -448.0, false, true};
    case TN_F8E5M2:
        return (tn_v_format){true, true, 3, -14, 57344.0, -57344.0, true, true};
    case TN_S64:
        return (tn_v_format){false, true, 63, 0, 0x1p63, -0x1p63, false, false};
    case TN_S32:
        return (tn_v_format){false, true, 31, 0, 2147483647.0, -2147483648.0, false, false};
    case TN_S8:
        return (tn_v_format){false, true, 7, 0, 127.0, -128.0, false, false};
    case TN_U8:
        return (tn_v_format){false, false, 8, 0, 255.0, 0.0, false, false};
    case TN_BOOL:
        return (tn_v_format){false, false, 1, 0, 1.0, 0.0, false, false};
    default:
        return (tn_v_format){0};
    }
}

uint32_t tn_v_elem_bytes(tn_dtype dtype)
{
    uint32_t bits = tn_dtype_bits(dtype);
    return bits % 8 == 0 ? bits / 8 : 0;
}

double tn_v_unit(tn_dtype dtype)
{
    return ldexp(1.0, -tn_v_format_of(dtype).precision);
}

/* A small float: sign, exponent, fraction. */
static double decode_small(uint32_t bits, int exponent_bits, int fraction_bits, bool ieee)
{
    int bias = (1 << (exponent_bits - 1)) - 1;
    uint32_t fraction = bits & ((1u << fraction_bits) - 1);
    int exponent = (int)(bits >> fraction_bits & ((1u << exponent_bits) - 1));
    double sign = bits >> (exponent_bits + fraction_bits) & 1u ? -1.0 : 1.0;
    int top = (1 << exponent_bits) - 1;
    if (ieee && exponent == top)
        return fraction != 0 ? NAN : sign * INFINITY;
    if (!ieee && exponent == top && fraction == (1u << fraction_bits) - 1)
        return NAN;
    if (exponent == 0)
        return sign * ldexp((double)fraction, 1 - bias - fraction_bits);
    return sign * ldexp((double)(fraction | 1u << fraction_bits), exponent - bias - fraction_bits);
}

#define LOAD(type)                                                                                 \
    do {                                                                                           \
        type v_;                                                                                   \
        memcpy(&v_, element, sizeof v_);                                                           \
        return (double)v_;                                                                         \
    } while (0)

double tn_v_decode(tn_dtype dtype, const void *element)
{
    uint16_t half;
    uint8_t byte;
    uint32_t word;
    switch (dtype) {
    case TN_F64:
        LOAD(double);
    case TN_F32:
        LOAD(float);
    case TN_TF32: { /* the last 13 bits are not read */
        memcpy(&word, element, sizeof word);
        word &= ~0x1fffu;
        float f;
        memcpy(&f, &word, sizeof f);
        return (double)f;
    }
    case TN_F16:
        memcpy(&half, element, sizeof half);
        return decode_small(half, 5, 10, true);
    case TN_BF16:
        memcpy(&half, element, sizeof half);
        return decode_small(half, 8, 7, true);
    case TN_F8E4M3:
        memcpy(&byte, element, 1);
        return decode_small(byte, 4, 3, false);
    case TN_F8E5M2:
        memcpy(&byte, element, 1);
        return decode_small(byte, 5, 2, true);
    case TN_S64:
        LOAD(int64_t);
    case TN_S32:
        LOAD(int32_t);
    case TN_S8:
        LOAD(int8_t);
    case TN_U8:
        LOAD(uint8_t);
    case TN_BOOL:
        memcpy(&byte, element, 1);
        return byte != 0 ? 1.0 : 0.0;
    default:
        return NAN;
    }
}

/* Rounds to an integer; |v| may be any size. */
static double round_integer(double v, tn_v_round round)
{
    double low = floor(v), rest = v - low;
    switch (round) {
    case TN_V_TOWARD_ZERO:
        return trunc(v);
    case TN_V_UP:
        return ceil(v);
    case TN_V_DOWN:
        return low;
    case TN_V_NEAREST_AWAY:
        return rest > 0.5 || (rest == 0.5 && v > 0.0) ? low + 1.0 : low;
    default:
        if (rest == 0.5)
            return fmod(low, 2.0) == 0.0 ? low : low + 1.0;
        return rest > 0.5 ? low + 1.0 : low;
    }
}

double tn_v_to_bits(double value, int bits, tn_v_round round)
{
    int e;
    if (!isfinite(value) || value == 0.0)
        return value;
    (void)frexp(value, &e);
    return copysign(ldexp(round_integer(ldexp(value, bits - e), round), e - bits), value);
}

/* Which way a number beyond the largest goes. */
static double overflow(const tn_v_format *f, double v, tn_v_round round, bool saturate)
{
    bool inwards = round == TN_V_TOWARD_ZERO || (round == TN_V_UP && v < 0.0) ||
                   (round == TN_V_DOWN && v > 0.0);
    if (saturate || inwards)
        return v > 0.0 ? f->max : f->min;
    return f->has_infinity ? copysign(INFINITY, v) : NAN;
}

/* 2^e of a normal exponent, as every host has it; ldexp takes ten times as long. */
static double power_of_two(int e)
{
    uint64_t bits = (uint64_t)(1023 + e) << 52;
    double p;
    memcpy(&p, &bits, sizeof p);
    return p;
}

double tn_v_rounded(tn_dtype dtype, double v, tn_v_round round, bool saturate)
{
    tn_v_format f = tn_v_format_of(dtype);
    if (dtype == TN_F64)
        return v;
    if (dtype == TN_F32 && round == TN_V_NEAREST_EVEN && fabs(v) <= f.max)
        return (double)(float)v; /* as every host rounds */
    if (dtype == TN_BOOL)
        return v != 0.0 ? 1.0 : 0.0;
    if (!f.floating) {
        if (isnan(v))
            return 0.0;
        v = round_integer(v, round);
        return v > f.max ? f.max : v < f.min ? f.min : v;
    }
    if (isnan(v) || v == 0.0)
        return v;
    if (isinf(v))
        return saturate ? overflow(&f, v, round, true) : f.has_infinity ? v : NAN;
    int e;
    (void)frexp(v, &e); /* |v| in [2^(e-1), 2^e) */
    int quantum = (e - 1 < f.exponent_min ? f.exponent_min : e - 1) - f.precision + 1;
    double r =
        copysign(round_integer(v * power_of_two(-quantum), round) * power_of_two(quantum), v);
    return fabs(r) > f.max ? overflow(&f, v, round, saturate) : r;
}

static uint32_t small_bits(double v, int exponent_bits, int fraction_bits, int precision_min)
{
    int bias = (1 << (exponent_bits - 1)) - 1, e;
    uint32_t sign = signbit(v) ? 1u << (exponent_bits + fraction_bits) : 0u;
    uint32_t top = (1u << exponent_bits) - 1;
    if (isnan(v))
        return top << fraction_bits |
               (precision_min ? (1u << fraction_bits) - 1 : 1u << (fraction_bits - 1));
    if (isinf(v))
        return sign | top << fraction_bits;
    if (v == 0.0)
        return sign;
    (void)frexp(v, &e);
    int field = e - 1 + bias;
    if (field <= 0)
        return sign | (uint32_t)ldexp(fabs(v), bias - 1 + fraction_bits);
    uint32_t fraction = (uint32_t)ldexp(fabs(v), fraction_bits - (e - 1));
    return sign | (uint32_t)field << fraction_bits | (fraction & ((1u << fraction_bits) - 1));
}

void tn_v_encode(tn_dtype dtype, double value, tn_v_round round, bool saturate, void *element)
{
    double v = tn_v_rounded(dtype, value, round, saturate);
    uint16_t half;
    uint8_t byte;
    float f;
    int64_t wide;
    int32_t word;
    switch (dtype) {
    case TN_F64:
        memcpy(element, &v, sizeof v);
        break;
    case TN_F32:
    case TN_TF32:
        f = (float)v;
        memcpy(element, &f, sizeof f);
        break;
    case TN_F16:
        half = (uint16_t)small_bits(v, 5, 10, 0);
        memcpy(element, &half, sizeof half);
        break;
    case TN_BF16:
        half = (uint16_t)small_bits(v, 8, 7, 0);
        memcpy(element, &half, sizeof half);
        break;
    case TN_F8E4M3:
        byte = (uint8_t)small_bits(v, 4, 3, 1);
        memcpy(element, &byte, 1);
        break;
    case TN_F8E5M2:
        byte = (uint8_t)small_bits(v, 5, 2, 0);
        memcpy(element, &byte, 1);
        break;
    case TN_S64:
        wide = v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : (int64_t)v;
        memcpy(element, &wide, sizeof wide);
        break;
    case TN_S32:
        word = (int32_t)v;
        memcpy(element, &word, sizeof word);
        break;
    default: /* s8, u8, bool */
        byte = (uint8_t)(int)v;
        memcpy(element, &byte, 1);
        break;
    }
}

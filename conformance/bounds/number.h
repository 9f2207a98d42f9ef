/* SPDX-License-Identifier: Apache-2.0 */
/* Number formats as plain facts: bits to float64 and back, by any rounding; shares no code with the
 * kernels, whose conversions it judges. */
#ifndef TN_CONFORMANCE_NUMBER_H
#define TN_CONFORMANCE_NUMBER_H

#include <stdbool.h>
#include <tenon/dtype.h>

typedef enum tn_v_round {
    TN_V_NEAREST_EVEN,
    TN_V_TOWARD_ZERO,
    TN_V_NEAREST_AWAY,
    TN_V_UP,
    TN_V_DOWN
} tn_v_round;

typedef struct tn_v_format {
    bool floating, is_signed;
    int precision;    /* significand bits with the hidden one; of integers the value bits */
    int exponent_min; /* of the smallest normal number: 2^exponent_min */
    double max, min;  /* largest and smallest finite value */
    bool has_infinity, has_nan;
} tn_v_format;

/** The facts of a dtype.
 *  returns   all zero for a dtype that the suite does not compute with (tf32 has f32's storage) */
tn_v_format tn_v_format_of(tn_dtype dtype);

/** Bytes of one element; 0 for types of less than a byte. */
uint32_t tn_v_elem_bytes(tn_dtype dtype);

/** The value of an element; s64 beyond 2^53 is rounded. */
double tn_v_decode(tn_dtype dtype, const void *element);

/** Round to a format and store. Overflow of a float gives infinity, or NaN where there is none;
 *  `saturate` gives the largest value. Integers saturate, NaN gives 0. */
void tn_v_encode(tn_dtype dtype, double value, tn_v_round round, bool saturate, void *element);

/** The value that tn_v_encode would store. */
double tn_v_rounded(tn_dtype dtype, double value, tn_v_round round, bool saturate);

/** Round a number to `bits` significand bits, exponents unlimited. */
double tn_v_to_bits(double value, int bits, tn_v_round round);

/** Half a unit in the last place of 1: 2^-precision. */
double tn_v_unit(tn_dtype dtype);

#endif

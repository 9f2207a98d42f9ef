/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of CANONICAL 1 on sixteen floats: the normative text once more, with vectors for
 * its types and AVX-512's exact equivalents for its macros. The compiler makes vectors of the
 * scalar form too, but builds powers of two by integers, and none at all of c_log. */
#ifndef TN_KERNELS_CANONMATH_AVX512_H
#define TN_KERNELS_CANONMATH_AVX512_H

#include <immintrin.h>
#include <kernels/common/canonmath.h>

typedef float tn_c_f16 __attribute__((vector_size(64)));
typedef int tn_c_i16 __attribute__((vector_size(64)));
typedef unsigned tn_c_u16 __attribute__((vector_size(64)));
/* The text's own names mean vectors below. */
typedef float tn_c_f1;
typedef int tn_c_i1;

TN_C_FN tn_c_f16 tn_c_f16_of(tn_c_f1 x)
{
    return (tn_c_f16)_mm512_set1_ps(x);
}
TN_C_FN tn_c_f16 tn_c_f16_same(tn_c_f16 x)
{
    return x;
}
TN_C_FN tn_c_i16 tn_c_i16_of(tn_c_i1 x)
{
    return (tn_c_i16)_mm512_set1_epi32(x);
}
TN_C_FN tn_c_i16 tn_c_i16_same(tn_c_i16 x)
{
    return x;
}
TN_C_FN tn_c_u16 tn_c_u16_of(tn_c_uint x)
{
    return (tn_c_u16)_mm512_set1_epi32((tn_c_i1)x);
}
TN_C_FN tn_c_u16 tn_c_u16_same(tn_c_u16 x)
{
    return x;
}
TN_C_FN tn_c_i16 tn_c_i16_select(tn_c_i16 c, tn_c_i16 a, tn_c_i16 b)
{
    return (c & a) | (~c & b);
}

/* A constant of the text becomes a vector where an operation needs one. */
#define TN_F16(x) _Generic((x), tn_c_f1 : tn_c_f16_of, tn_c_f16 : tn_c_f16_same)(x)
#define TN_I16(x) _Generic((x), tn_c_i1 : tn_c_i16_of, tn_c_i16 : tn_c_i16_same)(x)
#define TN_U16(x) _Generic((x), tn_c_uint : tn_c_u16_of, tn_c_u16 : tn_c_u16_same)(x)
#define FN        static inline __attribute__((always_inline, unused))
#define FMA(a, b, c)                                                                               \
    ((tn_c_f16)_mm512_fmadd_ps((__m512)TN_F16(a), (__m512)TN_F16(b), (__m512)TN_F16(c)))
#define RINT(x)       ((tn_c_f16)_mm512_roundscale_ps((__m512)(x), _MM_FROUND_TO_NEAREST_INT))
#define F2U(x)        ((tn_c_u16)(x))
#define U2F(x)        ((tn_c_f16)(x))
/* Without the sign, so that what c_log takes from it cannot overflow: it uses no result of x < 0.
 */
#define F2I_BITS(x)   ((tn_c_i16)(x)&0x7fffffff)
#define F2I(x)        ((tn_c_i16)(x)) /* stays a float, which is what scalef takes */
#define I2F(x)        ((tn_c_f16)_mm512_cvtepi32_ps((__m512i)TN_I16(x)))
#define SEL(c, a, b)  ((tn_c_f16)tn_c_i16_select(c, (tn_c_i16)TN_F16(a), (tn_c_i16)TN_F16(b)))
#define SELU(c, a, b) ((tn_c_u16)tn_c_i16_select(c, (tn_c_i16)TN_U16(a), (tn_c_i16)TN_U16(b)))
#define SELI(c, a, b) tn_c_i16_select(c, TN_I16(a), TN_I16(b))
#define ABS(x)        ((tn_c_f16)((tn_c_i16)(x)&0x7fffffff))
#define INF           __builtin_inff()
#define NAN_          tn_c_float(0x7fc00000u)
#define RECIP(x)      ((tn_c_f16)_mm512_div_ps(_mm512_set1_ps(1.0f), (__m512)(x)))
#define SCALE(p, n)   ((tn_c_f16)_mm512_scalef_ps((__m512)(p), (__m512)(n)))
#undef CLAMP
/* A NaN is the second operand of both, and so stays. */
#define CLAMP(x, lo, hi)                                                                           \
    ((tn_c_f16)_mm512_max_ps(_mm512_set1_ps(lo), _mm512_min_ps(_mm512_set1_ps(hi), (__m512)(x))))
#define NO_F2I
#define c_pow2           c_pow2_16
#define c_scale          c_scale_16
#define c_p2             c_p2_16
#define c_exp2           c_exp2_16
#define c_exp            c_exp_16
#define c_log            c_log_16
#define c_rsqrt          c_rsqrt_16
#define c_sqrt_seq       c_sqrt_seq_16
#define c_core           c_core_16
#define c_sigmoid        c_sigmoid_16
#define c_xsig           c_xsig_16
#define c_silu           c_silu_16
#define c_gelu_tanh      c_gelu_tanh_16
#define c_gelu           c_gelu_16
#define c_tanh           c_tanh_16
#define c_erf            c_erf_16
#define c_tanh_grad      c_tanh_grad_16
#define c_sigmoid_grad   c_sigmoid_grad_16
#define c_xsig_grad      c_xsig_grad_16
#define c_silu_grad      c_silu_grad_16
#define c_gelu_tanh_grad c_gelu_tanh_grad_16
#define c_gelu_grad      c_gelu_grad_16
#define c_erf_grad       c_erf_grad_16
#pragma push_macro("bool")
#undef bool
#define bool tn_c_i16
#define float tn_c_f16
#define int tn_c_i16
#define uint tn_c_u16
#include <kernels/common/canonmath.inc>
#undef uint
#undef int
#undef float
#undef bool
#pragma pop_macro("bool")
#undef c_erf_grad
#undef c_gelu_grad
#undef c_gelu_tanh_grad
#undef c_silu_grad
#undef c_xsig_grad
#undef c_sigmoid_grad
#undef c_tanh_grad
#undef c_erf
#undef c_tanh
#undef c_gelu
#undef c_gelu_tanh
#undef c_silu
#undef c_xsig
#undef c_sigmoid
#undef c_core
#undef c_sqrt_seq
#undef c_rsqrt
#undef c_log
#undef c_exp
#undef c_exp2
#undef c_p2
#undef c_scale
#undef c_pow2
#undef NO_F2I
#undef CLAMP
#undef SCALE
#include <kernels/common/canonmath_end.inc>
#undef TN_U16
#undef TN_I16
#undef TN_F16

#endif

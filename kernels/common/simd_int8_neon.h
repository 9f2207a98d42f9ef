/* SPDX-License-Identifier: Apache-2.0 */
/* The few operations that int8 tile cores need, on NEON: eight 32-bit sums in a pair of registers.
 * With dot products of bytes (sdot) a unit is four of them, else two that were widened to 16 bits.
 */
#ifndef TN_KERNELS_SIMD_INT8_NEON_H
#define TN_KERNELS_SIMD_INT8_NEON_H

#include <arm_neon.h>
#include <stdint.h>

#ifdef __ARM_FEATURE_DOTPROD
enum { VI_LANES = 8, VI_DEPTH = 4, VI_A_OFFSET = 0 };
#else
enum { VI_LANES = 8, VI_DEPTH = 2, VI_A_OFFSET = 0 };
#endif
typedef struct vi {
    int32x4_t part[2];
} vi;

static inline vi vi_zero(void)
{
    return (vi){{vdupq_n_s32(0), vdupq_n_s32(0)}};
}
static inline void vi_store(int32_t *p, vi v)
{
    vst1q_s32(p, v.part[0]);
    vst1q_s32(p + 4, v.part[1]);
}
static inline vi vi_unit(uint32_t u)
{
    return (vi){{vdupq_n_s32((int32_t)u), vdupq_n_s32((int32_t)u)}};
}
/* VI_LANES columns of VI_DEPTH bytes. */
static inline vi vi_columns(const int8_t *p)
{
#ifdef __ARM_FEATURE_DOTPROD
    return (vi){{vreinterpretq_s32_s8(vld1q_s8(p)), vreinterpretq_s32_s8(vld1q_s8(p + 16))}};
#else
    int8x16_t b = vld1q_s8(p);
    return (vi){{vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(b))),
                 vreinterpretq_s32_s16(vmovl_s8(vget_high_s8(b)))}};
#endif
}
static inline int32x4_t vi_dot4(int32x4_t sum, int32x4_t a, int32x4_t b)
{
#ifdef __ARM_FEATURE_DOTPROD
    return vdotq_s32(sum, vreinterpretq_s8_s32(b), vreinterpretq_s8_s32(a));
#else
    int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
    int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(y)), high = vmull_high_s16(x, y);
    return vaddq_s32(sum, vpaddq_s32(low, high));
#endif
}
static inline vi vi_dot(vi sum, vi a, vi b)
{
    return (vi){
        {vi_dot4(sum.part[0], a.part[0], b.part[0]), vi_dot4(sum.part[1], a.part[1], b.part[1])}};
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The few vector operations that tile cores need, on NEON: 8 floats in a pair of registers, so that
 * tiles, panels and packed layouts are those of AVX2. A tile of 6 x 16 is 24 of the 32 registers.
 */
#ifndef TN_KERNELS_SIMD_NEON_H
#define TN_KERNELS_SIMD_NEON_H

#include <kernels/common/widen.h>

enum { VF_LANES = 8 };
typedef tn_k_f8 vf;
typedef struct vf_mask {
    int lanes; /* NEON has no masked memory access: the first lanes go one by one */
} vf_mask;

static inline vf vf_set1(float x)
{
    return (vf){{vdupq_n_f32(x), vdupq_n_f32(x)}};
}
static inline vf vf_zero(void)
{
    return vf_set1(0.0f);
}
static inline vf vf_load(const float *p)
{
    return (vf){{vld1q_f32(p), vld1q_f32(p + 4)}};
}
static inline vf vf_load_bf16(const uint16_t *p)
{
    return tn_k_widen8_bf16(p);
}
static inline vf vf_load_f16(const uint16_t *p)
{
    return tn_k_widen8_f16(p);
}
static inline vf vf_load_f8e4m3(const uint8_t *p)
{
    return tn_k_widen8_f8e4m3(p);
}
static inline vf vf_load_f8e5m2(const uint8_t *p)
{
    return tn_k_widen8_f8e5m2(p);
}
static inline void vf_store(float *p, vf v)
{
    vst1q_f32(p, v.part[0]);
    vst1q_f32(p + 4, v.part[1]);
}
/* The first n lanes, n <= VF_LANES; none where n <= 0. */
static inline vf_mask vf_first(int n)
{
    return (vf_mask){n < 0 ? 0 : n > VF_LANES ? VF_LANES : n};
}
/* Lanes outside the mask are +0 and not read. */
static inline vf vf_load_masked(const float *p, vf_mask m)
{
    float room[VF_LANES] = {0};
    for (int i = 0; i < m.lanes; i++)
        room[i] = p[i];
    return vf_load(room);
}
static inline void vf_store_masked(float *p, vf_mask m, vf v)
{
    float room[VF_LANES];
    vf_store(room, v);
    for (int i = 0; i < m.lanes; i++)
        p[i] = room[i];
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return (vf){
        {vfmaq_f32(c.part[0], b.part[0], a.part[0]), vfmaq_f32(c.part[1], b.part[1], a.part[1])}};
}
static inline vf vf_add(vf a, vf b)
{
    return (vf){{vaddq_f32(a.part[0], b.part[0]), vaddq_f32(a.part[1], b.part[1])}};
}
/* Adds lanes that are integers of at most 24 bits to s32 at t. */
static inline void vf_add_to_ints(void *t, vf v)
{
    int32_t *to = t;
    for (int i = 0; i < 2; i++)
        vst1q_s32(to + 4 * i, vaddq_s32(vld1q_s32(to + 4 * i), vcvtq_s32_f32(v.part[i])));
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* simd_avx512.h in plain C: lets tests check the values of 512-bit cores on any machine. */
#ifndef TN_KERNELS_SIMD_EMULATED512_H
#define TN_KERNELS_SIMD_EMULATED512_H

#include <kernels/common/widen.h>

/* Calls: a core with all of it inlined would take a compiler minutes. */
#define VF_CALL static __attribute__((noinline, unused))

enum { VF_LANES = 16 };
typedef struct vf {
    float lane[16];
} vf;
typedef unsigned vf_mask;

static inline vf vf_set1(float x)
{
    vf v;
    for (int i = 0; i < 16; i++)
        v.lane[i] = x;
    return v;
}
static inline vf vf_zero(void)
{
    return vf_set1(0.0f);
}
static inline vf_mask vf_first(int n)
{
    return n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u;
}
VF_CALL vf vf_load_masked(const float *p, vf_mask m)
{
    vf v;
    for (int i = 0; i < 16; i++)
        v.lane[i] = m >> i & 1 ? p[i] : 0.0f;
    return v;
}
VF_CALL void vf_store_masked(float *p, vf_mask m, vf v)
{
    for (int i = 0; i < 16; i++)
        if (m >> i & 1)
            p[i] = v.lane[i];
}
static inline vf vf_load(const float *p)
{
    return vf_load_masked(p, 0xffffu);
}
VF_CALL vf vf_widen(uint32_t type, const void *p)
{
    vf v;
    for (int i = 0; i < 16; i++)
        v.lane[i] = tn_k_widen(type, p, i);
    return v;
}
static inline vf vf_load_bf16(const uint16_t *p)
{
    return vf_widen(TN_BF16, p);
}
static inline vf vf_load_f16(const uint16_t *p)
{
    return vf_widen(TN_F16, p);
}
static inline vf vf_load_f8e4m3(const uint8_t *p)
{
    return vf_widen(TN_F8E4M3, p);
}
static inline vf vf_load_f8e5m2(const uint8_t *p)
{
    return vf_widen(TN_F8E5M2, p);
}
static inline void vf_store(float *p, vf v)
{
    vf_store_masked(p, 0xffffu, v);
}
VF_CALL vf vf_fma(vf a, vf b, vf c)
{
    for (int i = 0; i < 16; i++)
        c.lane[i] = __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]);
    return c;
}
VF_CALL vf vf_add(vf a, vf b)
{
    for (int i = 0; i < 16; i++)
        a.lane[i] += b.lane[i];
    return a;
}
static inline void vf_add_to_ints(void *t, vf v)
{
    for (int i = 0; i < 16; i++)
        ((unsigned *)t)[i] += (unsigned)(int)v.lane[i];
}

#endif

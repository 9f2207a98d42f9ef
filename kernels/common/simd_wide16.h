/* SPDX-License-Identifier: Apache-2.0 */
/* The few vector operations that tile cores need, on OpenCL's float16; on the host over plain C. */
#ifndef TN_KERNELS_SIMD_WIDE16_H
#define TN_KERNELS_SIMD_WIDE16_H

#define TN_V_WIDE16 /* canon_simd.h: its vectors, too, are these */

#ifndef TN_K_OPENCL
#include <kernels/common/simd_emulated512.h>
#else
#include <kernels/common/widen.h>

enum { VF_LANES = 16 };
typedef float16 vf;
typedef unsigned vf_mask;

static inline vf vf_set1(float x)
{
    return (vf)(x);
}
static inline vf vf_zero(void)
{
    return (vf)(0.0f);
}
static inline vf vf_load(const float *p)
{
    return vload16(0, p);
}
static inline void vf_store(float *p, vf v)
{
    vstore16(v, 0, p);
}
static inline vf_mask vf_first(int n)
{
    return n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u;
}
/* Lanes outside the mask are +0 and not read. */
static inline vf vf_load_masked(const float *p, vf_mask m)
{
    float lane[16];
    for (int i = 0; i < 16; i++)
        lane[i] = m >> i & 1 ? p[i] : 0.0f;
    return vload16(0, lane);
}
static inline void vf_store_masked(float *p, vf_mask m, vf v)
{
    float lane[16];
    vstore16(v, 0, lane);
    for (int i = 0; i < 16; i++)
        if (m >> i & 1)
            p[i] = lane[i];
}
static inline vf vf_load_bf16(const uint16_t *p)
{
    return as_float16(convert_uint16(vload16(0, p)) << 16);
}
static inline vf vf_widen(uint32_t type, const void *p)
{
    float lane[16];
    for (int i = 0; i < 16; i++)
        lane[i] = tn_k_widen(type, p, i);
    return vload16(0, lane);
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
static inline vf vf_fma(vf a, vf b, vf c)
{
    return fma(a, b, c);
}
static inline vf vf_add(vf a, vf b)
{
    return a + b;
}
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* simd_int8_vnni.h in plain C, vpdpbusd as the ISA manual defines it: lets tests check 512-bit
 * cores on any machine. With TN_INT8_EMULATED_DEPTH 2, simd_int8_avx512.h (vpmaddwd). */
#ifndef TN_KERNELS_SIMD_INT8_EMULATED_H
#define TN_KERNELS_SIMD_INT8_EMULATED_H

#include <stdint.h>
#include <string.h>

#ifndef TN_INT8_EMULATED_DEPTH
#define TN_INT8_EMULATED_DEPTH 4
#endif
enum {
    VI_LANES = 16,
    VI_DEPTH = TN_INT8_EMULATED_DEPTH,
    VI_A_OFFSET = TN_INT8_EMULATED_DEPTH == 4 ? 128 : 0
};
typedef struct vi {
    uint32_t lane[16];
} vi;

static inline vi vi_zero(void)
{
    return (vi){{0}};
}
static inline void vi_store(int32_t *p, vi v)
{
    memcpy(p, v.lane, sizeof v.lane);
}
static inline vi vi_unit(uint32_t u)
{
    vi v;
    for (int i = 0; i < 16; i++)
        v.lane[i] = u;
    return v;
}
static inline vi vi_columns(const int8_t *p)
{
    vi v;
    for (int i = 0; i < 16; i++)
        if (VI_DEPTH == 4)
            memcpy(&v.lane[i], p + 4 * i, 4);
        else
            v.lane[i] = (uint16_t)p[2 * i] | (uint32_t)(uint16_t)p[2 * i + 1] << 16;
    return v;
}
static inline vi vi_dot(vi sum, vi a, vi b)
{
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < VI_DEPTH; k++) {
            int x = VI_DEPTH == 4 ? (uint8_t)(a.lane[i] >> 8 * k) : (int16_t)(a.lane[i] >> 16 * k);
            int y = VI_DEPTH == 4 ? (int8_t)(b.lane[i] >> 8 * k) : (int16_t)(b.lane[i] >> 16 * k);
            sum.lane[i] += (uint32_t)(x * y);
        }
    return sum;
}

#endif

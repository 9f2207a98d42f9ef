/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in blocks of 32 along a row with one scale each (docs/LAYOUTS.md), written plainly. */
#ifndef TN_KERNELS_BLOCKS_H
#define TN_KERNELS_BLOCKS_H

#include <kernels/common/dtype_convert.h>
#include <tenon/tensor.h>

enum { TN_K_BLOCK = 32 };

/** Bytes of a block; 0 for a layout that is not of blocks. */
TN_C_FN uint32_t tn_k_block_bytes(uint64_t layout)
{
    return layout == TN_LAYOUT_Q4_0    ? 18
           : layout == TN_LAYOUT_Q8_0  ? 34
           : layout == TN_LAYOUT_MXFP4 ? 17
                                       : 0;
}

/* Twice the value of an f4e2m1 by its bits, and of the nibbles of q4_0 their value. */
static const int8_t tn_k_f4_twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/** The scale that the stored integers are multiplied with: of mxfp4's, which are doubled, half. */
TN_C_FN float tn_k_block_scale(uint64_t layout, const uint8_t *block)
{
    uint16_t h;
    if (layout == TN_LAYOUT_MXFP4)
        return (float)(tn_c_e8m0_widen(block[0]) * 0.5);
    memcpy(&h, block, sizeof h);
    return (float)tn_c_f16_widen(h);
}

/** The stored integer i of a block, mxfp4's doubled. */
TN_C_FN int32_t tn_k_block_integer(uint64_t layout, const uint8_t *block, int i)
{
    if (layout == TN_LAYOUT_Q8_0)
        return (int8_t)block[2 + i];
    const uint8_t *nibbles = block + (layout == TN_LAYOUT_Q4_0 ? 2 : 1);
    int q = nibbles[i & 15] >> (i < 16 ? 0 : 4) & 15;
    return layout == TN_LAYOUT_Q4_0 ? q - 8 : tn_k_f4_twice[q];
}

/** 32 values: integer times scale, one rounding (which has something to round only where mxfp4
 *  overflows). */
TN_C_FN void tn_k_block_decode(uint64_t layout, const uint8_t *block, float *out)
{
    float scale = tn_k_block_scale(layout, block);
    for (int i = 0; i < TN_K_BLOCK; i++)
        out[i] = (float)tn_k_block_integer(layout, block, i) * scale;
}

/* The bits of the nearest f4e2m1, ties to the even bits, saturating. */
TN_C_FN uint8_t tn_k_f4_nearest(float x)
{
    static const float between[7] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f};
    float magnitude = __builtin_fabsf(x);
    uint8_t bits = 0;
    for (int i = 0; i < 7; i++)
        bits += magnitude > between[i] || (magnitude == between[i] && (i & 1));
    return __builtin_signbit(x) ? bits | 8 : bits;
}

/** 32 values to a block. The scale: q8_0 f16(largest magnitude / 127); q4_0 f16(m / -8), m the
 * first value of the largest magnitude; both at most 65504; mxfp4 the power of two two below that
 * of the largest magnitude. Then the nearest integer to x / scale (the stored one), ties to even,
 * clamped; 0 for a scale of 0. A block with an infinity or a NaN has the scale NaN and zeros. */
TN_C_FN void tn_k_block_encode(uint64_t layout, const float *x, uint8_t *block)
{
    float most = 0.0f, m = 0.0f;
    bool finite = true;
    for (int i = 0; i < TN_K_BLOCK; i++) {
        float magnitude = __builtin_fabsf(x[i]);
        finite = finite && magnitude <= 0x1.fffffep127f;
        if (magnitude > most) {
            most = magnitude;
            m = x[i];
        }
    }
    memset(block, 0, tn_k_block_bytes(layout));
    if (layout == TN_LAYOUT_MXFP4) {
        uint32_t u;
        memcpy(&u, &most, sizeof u);
        int exponent = (int)(u >> 23) - 2; /* biased by 127 as e8m0; subnormals are far below */
        exponent = exponent < 0 ? 0 : exponent;
        block[0] = finite ? (uint8_t)exponent : 0xff;
        float scale = (float)tn_c_e8m0_widen((uint8_t)exponent);
        for (int i = 0; finite && i < TN_K_BLOCK; i++)
            block[1 + (i & 15)] |= (uint8_t)(tn_k_f4_nearest(x[i] / scale) << (i < 16 ? 0 : 4));
        return;
    }
    uint16_t h = (uint16_t)tn_c_narrow(
        (double)(layout == TN_LAYOUT_Q8_0 ? most / 127.0f : m / -8.0f), 10, 5);
    if ((h & 0x7fff) == 0x7c00)
        h--;
    h = finite ? h : 0x7e00;
    memcpy(block, &h, sizeof h);
    float scale = finite ? (float)tn_c_f16_widen(h) : 0.0f;
    float low = layout == TN_LAYOUT_Q8_0 ? -128.0f : -8.0f, high = -low - 1.0f;
    for (int i = 0; i < TN_K_BLOCK; i++) {
        float r = scale != 0.0f ? __builtin_rintf(x[i] / scale) : 0.0f;
        int q = (int)(r < low ? low : r > high ? high : r);
        if (layout == TN_LAYOUT_Q8_0)
            block[2 + i] = (uint8_t)q;
        else
            block[2 + (i & 15)] |= (uint8_t)((q + 8) << (i < 16 ? 0 : 4));
    }
}

#endif

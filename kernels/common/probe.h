/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs and expected bits that decide whether a device's f32 arithmetic is the canonical one. */
#ifndef TN_KERNELS_PROBE_H
#define TN_KERNELS_PROBE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { TN_PROBE_TRIPLES = 4096, TN_PROBE_STRATA = 8 };

typedef struct tn_probe_triple {
    float a, b, c;
} tn_probe_triple;

static inline float tn_probe_float(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static inline uint32_t tn_probe_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    return bits;
}

static inline uint32_t tn_probe_hash(uint32_t i, uint32_t salt)
{
    uint64_t z = ((uint64_t)salt << 32 | i) * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

/* Sign and mantissa from `r`, biased exponent in [lo, lo + span). */
static inline float tn_probe_make(uint32_t r, uint32_t lo, uint32_t span)
{
    uint32_t exponent = lo + (r >> 24) % span;
    return tn_probe_float((r & 0x80000000u) | exponent << 23 | ((r * 0x9e3779b1u) >> 9));
}

/* The i-th triple, the same on every machine. Each stratum aims at one way to be wrong. */
static inline tn_probe_triple tn_probe_input(uint32_t i)
{
    static const uint32_t special[] = {
        0x00000000u, 0x80000000u, 0x00000001u, 0x80000001u, 0x007fffffu, 0x00800000u, 0x80800000u,
        0x3f800000u, 0xbf800000u, 0x3f800001u, 0x3f7fffffu, 0x7f7fffffu, 0xff7fffffu, 0x7f800000u,
        0xff800000u, 0x7fc00000u, 0xffc00000u, 0x4b000000u, 0x4b7fffffu, 0x3f000000u, 0x40200000u};
    const uint32_t specials = sizeof(special) / sizeof(special[0]);
    uint32_t r = tn_probe_hash(i, 1), s = tn_probe_hash(i, 2), t = tn_probe_hash(i, 3);
    uint32_t n = i / TN_PROBE_STRATA;
    tn_probe_triple p;
    switch (i % TN_PROBE_STRATA) {
    case 0: /* everyday values */
        p.a = tn_probe_make(r, 117, 20);
        p.b = tn_probe_make(s, 117, 20);
        p.c = tn_probe_make(t, 117, 20);
        break;
    case 1: /* cancellation: what is left is the rounding error of the product, if fused */
        p.a = tn_probe_make(r, 100, 50);
        p.b = tn_probe_make(s, 100, 50);
        p.c = -(p.a * p.b);
        break;
    case 2: /* a product half way between two floats, and a tiny c that decides: double rounding */
        p.a = tn_probe_float(0x3f800000u | (r & 0x7ffu) << 12 | 0x800u);
        p.b = tn_probe_float(0x3f800000u | (s & 0x7ffu) << 12 | 0x1000u);
        p.c = tn_probe_make(t, 20, 60);
        break;
    case 3: /* subnormal results */
        p.a = tn_probe_make(r, 50, 20);
        p.b = tn_probe_make(s, 50, 20);
        p.c = tn_probe_make(t, 1, 3);
        break;
    case 4: /* overflow, and its neighbourhood */
        p.a = tn_probe_make(r, 185, 8);
        p.b = tn_probe_make(s, 187, 8);
        p.c = tn_probe_make(t, 250, 5);
        break;
    case 5: /* specials with specials */
        p.a = tn_probe_float(special[n % specials]);
        p.b = tn_probe_float(special[n / specials % specials]);
        p.c = tn_probe_float(special[t % specials]);
        break;
    case 6: /* subnormal inputs */
        p.a = tn_probe_float(r & 0x807fffffu);
        p.b = tn_probe_make(s, 120, 40);
        p.c = tn_probe_float(t & 0x807fffffu);
        break;
    default: /* ties of + and rint: integers and halves */
        p.a = (float)(int32_t)(r % 65536u) - 32768.0f + 0.5f;
        p.b = tn_probe_make(s, 127, 24);
        p.c = tn_probe_make(t, 127, 30);
        break;
    }
    return p;
}

/* What is expected; any NaN equals any NaN. The caller has the default floating-point environment.
 */
static inline float tn_probe_fma(tn_probe_triple p)
{
    return fmaf(p.a, p.b, p.c);
}
static inline float tn_probe_add(tn_probe_triple p)
{
    return p.a + p.b;
}
static inline float tn_probe_sub(tn_probe_triple p)
{
    return p.a - p.b;
}
static inline float tn_probe_mul(tn_probe_triple p)
{
    return p.a * p.b;
}
static inline float tn_probe_recip(tn_probe_triple p)
{
    return 1.0f / p.a;
}
static inline float tn_probe_sqrt(tn_probe_triple p)
{
    return sqrtf(p.a);
}
static inline float tn_probe_rint(tn_probe_triple p)
{
    return rintf(p.a);
}
static inline int tn_probe_same(float got, float expected)
{
    return expected != expected ? got != got : tn_probe_bits(got) == tn_probe_bits(expected);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* canon_simd.h's vectors and keys as float16 and int16 of OpenCL; on the host in plain C. */
#ifndef TN_KERNELS_CANON_WIDE16_H
#define TN_KERNELS_CANON_WIDE16_H

#include <kernels/common/canonmath.h>

enum { TN_V_WIDTH = 16 };
#ifdef TN_K_OPENCL
typedef float16 tn_v;
typedef int16 tn_vi;
#define TN_V_LOAD         tn_v_load
#define TN_V_STORE        tn_v_store
#define TN_V_STREAM       tn_v_store
#define TN_V_ADD(a, b)    ((a) + (b))
#define TN_V_SUB(a, b)    ((a) - (b))
#define TN_V_MUL(a, b)    ((a) * (b))
#define TN_V_FMA(a, b, c) fma(a, b, c)
#define TN_V_SET1(x)      ((tn_v)(x))

/* vload and vstore of some drivers go piece by piece. */
TN_C_FN tn_v tn_v_load(const float *p)
{
    tn_v v;
    memcpy(&v, p, sizeof v);
    return v;
}

TN_C_FN void tn_v_store(float *p, tn_v v)
{
    memcpy(p, &v, sizeof v);
}

TN_C_FN float tn_v_across(tn_v v)
{
    float8 eight = v.lo + v.hi;
    float4 four = eight.lo + eight.hi;
    float2 two = four.lo + four.hi;
    return two.x + two.y;
}

TN_C_FN tn_v tn_v_head(tn_v v, int64_t n)
{
    const tn_vi at = (tn_vi)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return select((tn_v)(0.0f), v, at < (tn_vi)((int)n));
}

TN_C_FN tn_vi tn_v_keys_of(bool most, tn_v x)
{
    tn_vi i = as_int16(x);
    tn_vi key = i ^ (i >> 31 & (tn_vi)(INT32_MAX)), nan = (i & (tn_vi)(INT32_MAX)) > TN_C_KEY_INF;
    return select(key, (tn_vi)(most ? INT32_MAX : INT32_MIN), nan);
}

TN_C_FN tn_vi tn_v_order(bool most, tn_vi a, tn_vi b)
{
    return select(b, a, most ? a > b : a < b);
}

TN_C_FN tn_vi tn_v_key_set1(int32_t key)
{
    return (tn_vi)(key);
}

TN_C_FN void tn_v_key_store(int32_t *to, tn_vi keys)
{
    memcpy(to, &keys, sizeof keys);
}
#else
typedef struct tn_v {
    float lane[TN_V_WIDTH];
} tn_v;
typedef struct tn_vi {
    int32_t lane[TN_V_WIDTH];
} tn_vi;
#define TN_V_LOAD         tn_v_load
#define TN_V_STORE        tn_v_store
#define TN_V_STREAM       tn_v_store
#define TN_V_ADD(a, b)    tn_v_fma(a, tn_v_set1(1.0f), b)
#define TN_V_SUB(a, b)    tn_v_fma(b, tn_v_set1(-1.0f), a)
#define TN_V_MUL(a, b)    tn_v_mul(a, b)
#define TN_V_FMA(a, b, c) tn_v_fma(a, b, c)
#define TN_V_SET1         tn_v_set1

TN_C_FN tn_v tn_v_load(const float *p)
{
    tn_v v;
    memcpy(v.lane, p, sizeof v.lane);
    return v;
}

TN_C_FN void tn_v_store(float *p, tn_v v)
{
    memcpy(p, v.lane, sizeof v.lane);
}

TN_C_FN tn_v tn_v_set1(float x)
{
    tn_v v;
    for (int i = 0; i < TN_V_WIDTH; i++)
        v.lane[i] = x;
    return v;
}

TN_C_FN tn_v tn_v_mul(tn_v a, tn_v b)
{
    for (int i = 0; i < TN_V_WIDTH; i++)
        a.lane[i] = a.lane[i] * b.lane[i];
    return a;
}

TN_C_FN tn_v tn_v_fma(tn_v a, tn_v b, tn_v c)
{
    for (int i = 0; i < TN_V_WIDTH; i++)
        c.lane[i] = __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]);
    return c;
}

TN_C_FN tn_vi tn_v_keys_of(bool most, tn_v x)
{
    tn_vi k;
    for (int i = 0; i < TN_V_WIDTH; i++)
        k.lane[i] = most ? tn_c_key_max(x.lane[i]) : tn_c_key_min(x.lane[i]);
    return k;
}

TN_C_FN tn_vi tn_v_order(bool most, tn_vi a, tn_vi b)
{
    for (int i = 0; i < TN_V_WIDTH; i++)
        a.lane[i] = (most ? a.lane[i] > b.lane[i] : a.lane[i] < b.lane[i]) ? a.lane[i] : b.lane[i];
    return a;
}

TN_C_FN tn_vi tn_v_key_set1(int32_t key)
{
    tn_vi k;
    for (int i = 0; i < TN_V_WIDTH; i++)
        k.lane[i] = key;
    return k;
}

TN_C_FN void tn_v_key_store(int32_t *to, tn_vi keys)
{
    memcpy(to, keys.lane, sizeof keys.lane);
}

TN_C_FN float tn_v_across(tn_v v)
{
    for (int h = TN_V_WIDTH / 2; h > 0; h /= 2)
        for (int l = 0; l < h; l++)
            v.lane[l] = v.lane[l] + v.lane[l + h];
    return v.lane[0];
}

TN_C_FN tn_v tn_v_head(tn_v v, int64_t n)
{
    for (int64_t l = n; l < TN_V_WIDTH; l++)
        v.lane[l] = 0.0f;
    return v;
}
#endif

TN_C_FN tn_v tn_v_load_head(const float *x, int64_t n)
{
    float part[TN_V_WIDTH] = {0};
    for (int64_t i = 0; i < n; i++)
        part[i] = x[i];
    return tn_v_load(part);
}

TN_C_FN void tn_v_store_head(float *y, int64_t n, tn_v v)
{
    float part[TN_V_WIDTH];
    tn_v_store(part, v);
    for (int64_t i = 0; i < n; i++)
        y[i] = part[i];
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What every .comp begins with: operands and how their elements are read and written, canonical
 * arithmetic under the names of C. From the inclusion on every float is precise: no operation is
 * contracted or reassociated. A file includes its structs of params before this. */
#ifdef TN_FMA_F64
#define FMA_F64
#endif

layout(push_constant) uniform Push {
    uint at[13]; /* of each operand's first element in its binding; [8]: the workspace, in words */
} push;

/* ---- dtypes, as in tenon/dtype.h ---- */
#define T_F64  1u
#define T_F32  2u
#define T_F16  4u
#define T_BF16 5u
#define T_E4M3 6u
#define T_E5M2 7u
#define T_S64  10u
#define T_S32  11u
#define T_S8   12u
#define T_U8   13u
#define T_BOOL 16u

/* With the names that the macros below would take over. */
float tn_f(uint u) { return uintBitsToFloat(u); }
float tn_i2f(int i) { return float(i); }
#ifdef FMA_F64
double tn_d(float x) { return double(x); }
float tn_d2f(double x) { return float(x); }
#define double precise double
#endif
#define float precise float

#define FN
#define RINT(x)       roundEven(x)
#define F2U(x)        floatBitsToUint(x)
#define U2F(u)        uintBitsToFloat(u)
#define F2I_BITS(x)   floatBitsToInt(x)
#define F2I(x)        int(x)
#define I2F(i)        tn_i2f(i)
#define SEL(c, a, b)  ((c) ? (a) : (b))
#define SELU(c, a, b) ((c) ? (a) : (b))
#define SELI(c, a, b) ((c) ? (a) : (b))
#define ABS(x)        U2F(F2U(x) & 0x7fffffffu)
#define INF           uintBitsToFloat(0x7f800000u)
#define NAN_          uintBitsToFloat(0x7fc00000u)
#define I_(u)         int(u)
#define U_(i)         uint(i)
#define MSB(u)        findMSB(u)
uint tn_mulhi(uint a, uint b)
{
    uint hi, lo;
    umulExtended(a, b, hi, lo);
    return hi;
}
#define MULHI(a, b) tn_mulhi(a, b)
#define D_(x)       tn_d(x)
#define F_(x)       tn_d2f(x)
#define UINT2       uvec2
#define D2U(x)      unpackDouble2x32(x)
#define U2D(u)      packDouble2x32(u)
#include "kernels/common/canonfma.inc"
#if defined(TN_FMA_NATIVE)
#define FMA(a, b, c) fma(a, b, c)
#elif defined(TN_FMA_F64)
#define FMA(a, b, c) fma_f64(a, b, c)
#else
#define FMA(a, b, c) fma_int(a, b, c)
#endif
#include "canonmath.glsl"

/* ---- max, min and relu of section 1, by integer keys ---- */
#define KEY_INF  0x7f800000
#define KEY_NINF (-0x7f800001)
int c_key(int i, int nan)
{
    int key = i ^ ((i >> 31) & 0x7fffffff);
    return (i & 0x7fffffff) > KEY_INF ? nan : key;
}
int c_key_max(float x) { return c_key(floatBitsToInt(x), 0x7fffffff); }
int c_key_min(float x) { return c_key(floatBitsToInt(x), -0x7fffffff - 1); }
float c_unkey(int key)
{
    int i = key ^ ((key >> 31) & 0x7fffffff);
    return U2F(key > KEY_INF || key < KEY_NINF ? 0x7fc00000u : uint(i));
}
float c_max(float a, float b) { return c_unkey(max(c_key_max(a), c_key_max(b))); }
float c_min(float a, float b) { return c_unkey(min(c_key_min(a), c_key_min(b))); }
float c_relu(float x) { return x <= 0.0f ? 0.0f : x; }

/* ---- narrow floats: exact to f32, to nearest even from it ---- */
float c_f16_widen(uint h)
{
    uint sign = (h & 0x8000u) << 16, e = h >> 10 & 31u, m = h & 0x3ffu;
    if (e == 0u) /* in units of 2^-24, exact */
        return U2F(F2U(tn_i2f(int(m)) * U2F(0x33800000u)) | sign);
    return U2F(sign | (e == 31u ? 0x7f800000u : (e + 112u) << 23) | m << 13);
}
uint c_f16_narrow(float x)
{
    uint u = F2U(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return 0x7e00u;
    if (a >= 0x477ff000u)
        return sign | 0x7c00u;
    if (a >= 0x38800000u) {
        a -= 0x38000000u;
        return sign | (a + 0xfffu + (a >> 13 & 1u)) >> 13;
    }
    if (a <= 0x33000000u)
        return sign;
    uint shift = 126u - (a >> 23), m = (a & 0x7fffffu) | 0x800000u, r = m >> shift;
    uint rest = m & ((1u << shift) - 1u), tie = 1u << (shift - 1u);
    return sign | (r + (rest > tie || (rest == tie && (r & 1u) != 0u) ? 1u : 0u));
}
uint c_bf16_narrow(float x)
{
    uint u = F2U(x);
    return (u & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
}
float c_e4m3_widen(uint b)
{
    uint sign = (b & 0x80u) << 24, e = b >> 3 & 15u, m = b & 7u;
    if (e == 0u) /* in units of 2^-9, exact */
        return U2F(F2U(tn_i2f(int(m)) * U2F(0x3b000000u)) | sign);
    return U2F((b & 0x7fu) == 0x7fu ? 0x7fc00000u : sign | (e + 120u) << 23 | m << 20);
}
float c_widen(uint type, uint bits) /* of a type of 32 bits or less */
{
    return type == T_F32    ? U2F(bits)
           : type == T_F16  ? c_f16_widen(bits)
           : type == T_BF16 ? U2F(bits << 16)
           : type == T_E4M3 ? c_e4m3_widen(bits)
           : type == T_E5M2 ? c_f16_widen(bits << 8) /* the upper byte of an f16 */
                            : tn_i2f(type == T_S8 ? int(bits << 24) >> 24 : int(bits));
}
uint c_narrow(uint type, float x)
{
    return type == T_F16 ? c_f16_narrow(x) : type == T_BF16 ? c_bf16_narrow(x) : F2U(x);
}
/* What a type keeps of x. */
float c_round(uint type, float x)
{
    return type == T_F16 || type == T_BF16 ? c_widen(type, c_narrow(type, x)) : x;
}

/* log2 of the bytes of an element: a constant wherever the type is. */
uint c_size(uint type)
{
    return type == T_F64 || type == T_S64        ? 3u
           : type == T_F32 || type == T_S32      ? 2u
           : type == T_F16 || type == T_BF16     ? 1u
                                                 : 0u;
}

/* Operand n: buffer opn of words; get and put the bits of element i of 1 << size bytes, 4 at most;
 * ld and st a float of a type. A neighbour in the same word belongs to another invocation, so what
 * is narrower than a word is written by two atomic steps that leave it alone. */
#define OPERAND(n)                                                                                 \
    layout(set = 0, binding = n, std430) buffer Operand##n { uint w[]; } op##n;                    \
    uint get##n(uint size, int i)                                                                  \
    {                                                                                              \
        uint e = push.at[n] + uint(i);                                                             \
        if (size == 2u)                                                                            \
            return op##n.w[e];                                                                     \
        uint lane = e & (4u >> size) - 1u, bits = 8u << size;                                      \
        return op##n.w[e >> 2u - size] >> lane * bits & ((1u << bits) - 1u);                       \
    }                                                                                              \
    void put##n(uint size, int i, uint x)                                                          \
    {                                                                                              \
        uint e = push.at[n] + uint(i);                                                             \
        if (size == 2u) {                                                                          \
            op##n.w[e] = x;                                                                        \
            return;                                                                                \
        }                                                                                          \
        uint bits = 8u << size, shift = (e & (4u >> size) - 1u) * bits;                            \
        uint mask = (1u << bits) - 1u;                                                             \
        e = e >> 2u - size;                                                                        \
        atomicAnd(op##n.w[e], ~(mask << shift));                                                   \
        atomicOr(op##n.w[e], (x & mask) << shift);                                                 \
    }                                                                                              \
    float ld##n(uint type, int i) { return c_widen(type, get##n(c_size(type), i)); }               \
    void st##n(uint type, int i, float x) { put##n(c_size(type), i, c_narrow(type, x)); }

/* Operand n, of f32, once more as texels, which some drivers fetch much faster than words. */
#define TEXELS(n)                                                                                  \
    layout(set = 1, binding = n) uniform usamplerBuffer texels##n;                            \
    float texel##n(int i) { return U2F(texelFetch(texels##n, int(push.at[n]) + i).x); }

/* Four neighbours at once, from word i of the binding on; ALIGNED: a multiple of four. */
#define TEXELS4(n)                                                                                 \
    layout(set = 1, binding = n) uniform usamplerBuffer texels##n;                                 \
    uvec4 texels4_##n(int i)                                                                       \
    {                                                                                              \
        if (ALIGNED)                                                                               \
            return texelFetch(texels##n, i >> 2);                                                  \
        return uvec4(texelFetch(texels##n, i).x, texelFetch(texels##n, i + 1).x,                   \
                     texelFetch(texels##n, i + 2).x, texelFetch(texels##n, i + 3).x);              \
    }

/* Workgroups and invocations in a row, however the grid was folded to fit. */
#define GROUP (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x)

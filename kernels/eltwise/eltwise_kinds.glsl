/* SPDX-License-Identifier: Apache-2.0 */
/* The scalar form of every elementwise kind, by the numbers of tenon/ops.h. KIND is a constant of
 * specialisation where the kind is worth a pipeline of its own; where it is 0 the kind is one of the
 * cheap ones, which share a pipeline. */
#define K_DIV     67u
#define K_COMPARE 70u /* all three */
#define K_WHERE   129u

#ifdef FUNCTION
/* One function a module: drivers inline all that a module has before they look at its constants. */
float kind_f32(float x, float y, float z, float a, float b)
{
#if FUNCTION == 6
    return c_recip_seq(x);
#elif FUNCTION == 7
    return c_sqrt_seq(x);
#elif FUNCTION == 8
    return c_rsqrt(x);
#elif FUNCTION == 9
    return c_exp(x);
#elif FUNCTION == 10
    return c_exp2(x);
#elif FUNCTION == 11
    return c_log(x);
#elif FUNCTION == 12
    return c_tanh(x);
#elif FUNCTION == 13
    return c_sigmoid(x);
#elif FUNCTION == 14
    return c_silu(x);
#elif FUNCTION == 15
    return c_gelu(x);
#elif FUNCTION == 16
    return c_gelu_tanh(x);
#elif FUNCTION == 17
    return c_erf(x);
#elif FUNCTION == 18
    return c_sin(x);
#else
    return c_cos(x);
#endif
}
#else
float kind_f32(float x, float y, float z, float a, float b)
{
    if (KIND == 20u || KIND == 128u)
        return FMA(x, KIND == 20u ? a : y, KIND == 20u ? b : z);
    if (KIND == K_DIV)
        return c_divide(x, y);
    switch (P.kind) {
    case 1:
        return U2F(F2U(x) ^ 0x80000000u);
    case 2:
        return ABS(x);
    case 3:
        return x * x;
    case 4:
        return c_relu(x);
    case 5:
        return RINT(x);
    case 21:
        return c_min(c_max(x, a), b);
    case 64:
        return x + y;
    case 65:
        return x - y;
    case 66:
        return x * y;
    case 68:
        return c_max(x, y);
    default:
        return c_min(x, y);
    }
}
#endif

int kind_s32(int x, int y)
{
    return P.kind == 64   ? x + y
           : P.kind == 65 ? x - y
           : P.kind == 66 ? x * y
           : P.kind == 68 ? max(x, y)
                          : min(x, y);
}

bool compare_s32(int x, int y)
{
    return P.kind == 70 ? x == y : P.kind == 71 ? x < y : x <= y;
}

/* By integer keys: NaN is equal to nothing and in no order, -0 equals +0. */
bool compare_f32(float x, float y)
{
    uint a = F2U(x) & 0x7fffffffu, b = F2U(y) & 0x7fffffffu;
    if (a > 0x7f800000u || b > 0x7f800000u)
        return false;
    return compare_s32((F2U(x) >> 31) != 0u ? -int(a) : int(a),
                       (F2U(y) >> 31) != 0u ? -int(b) : int(b));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise kinds in float64: the truth. */
#include <kernels/eltwise/eltwise.h>
#include <math.h>

double tn_k_eltwise_ref(uint32_t kind, double x, double y, double z, double a, double b)
{
    const double root_half = 0.70710678118654752440, two_over_pi_root = 0.79788456080286535588;
    switch (kind) {
    case TN_ELTWISE_NEG:
        return -x;
    case TN_ELTWISE_ABS:
        return fabs(x);
    case TN_ELTWISE_SQUARE:
        return x * x;
    case TN_ELTWISE_RELU:
        return x <= 0 ? 0 : x;
    case TN_ELTWISE_RINT:
        return rint(x);
    case TN_ELTWISE_RECIP:
        return 1 / x;
    case TN_ELTWISE_SQRT:
        return sqrt(x);
    case TN_ELTWISE_RSQRT:
        return 1 / sqrt(x);
    case TN_ELTWISE_EXP:
        return exp(x);
    case TN_ELTWISE_EXP2:
        return exp2(x);
    case TN_ELTWISE_LOG:
        return log(x);
    case TN_ELTWISE_TANH:
        return tanh(x);
    case TN_ELTWISE_SIGMOID:
        return 1 / (1 + exp(-x));
    case TN_ELTWISE_SILU:
        return x / (1 + exp(-x));
    case TN_ELTWISE_GELU:
        return x * 0.5 * erfc(-x * root_half);
    case TN_ELTWISE_GELU_TANH:
        return x / (1 + exp(-2 * two_over_pi_root * (x + 0.044715 * x * x * x)));
    case TN_ELTWISE_ERF:
        return erf(x);
    case TN_ELTWISE_SIN:
        return sin(x);
    case TN_ELTWISE_COS:
        return cos(x);
    case TN_ELTWISE_SCALE:
        return fma(x, a, b);
    case TN_ELTWISE_CLAMP:
        return fmin(fmax(x, a), b);
    case TN_ELTWISE_ADD:
        return x + y;
    case TN_ELTWISE_SUB:
        return x - y;
    case TN_ELTWISE_MUL:
        return x * y;
    case TN_ELTWISE_DIV:
        return x / y;
    case TN_ELTWISE_MAX:
        return fmax(x, y);
    case TN_ELTWISE_MIN:
        return fmin(x, y);
    case TN_ELTWISE_EQUAL:
        return x == y;
    case TN_ELTWISE_LESS:
        return x < y;
    case TN_ELTWISE_LESS_EQUAL:
        return x <= y;
    case TN_ELTWISE_WHERE:
        return x != 0 ? y : z;
    default: /* TN_ELTWISE_FMA */
        return fma(x, y, z);
    }
}

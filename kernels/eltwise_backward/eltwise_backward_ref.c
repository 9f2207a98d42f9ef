/* SPDX-License-Identifier: Apache-2.0 */
/* Derivatives of the unary kinds in float64: the truth. */
#include <kernels/eltwise_backward/eltwise_backward.h>
#include <math.h>

/* s(h) + e s(h) s(-h) */
static double swish(double e, double h)
{
    double s = 1 / (1 + exp(-h)), c = 1 / (1 + exp(h));
    return s + (c == 0 || s == 0 ? 0 : e * s * c);
}

double tn_k_eltwise_backward_ref(uint32_t kind, double x, double a, double b, double *out_scale)
{
    const double root_half = 0.70710678118654752440, two_over_pi_root = 0.79788456080286535588;
    double d;
    switch (kind) {
    case TN_ELTWISE_NEG:
        d = -1;
        break;
    case TN_ELTWISE_ABS:
        d = x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : NAN;
        break;
    case TN_ELTWISE_SQUARE:
        d = 2 * x;
        break;
    case TN_ELTWISE_RELU:
        d = x > 0 ? 1 : x <= 0 ? 0 : NAN;
        break;
    case TN_ELTWISE_RINT:
        d = x == x ? 0 : NAN;
        break;
    case TN_ELTWISE_RECIP:
        d = -1 / (x * x);
        break;
    case TN_ELTWISE_SQRT:
        d = 0.5 / sqrt(x);
        break;
    case TN_ELTWISE_RSQRT:
        d = -0.5 / (x * sqrt(x));
        break;
    case TN_ELTWISE_EXP:
        d = exp(x);
        break;
    case TN_ELTWISE_EXP2:
        d = exp2(x) * 0.69314718055994530942;
        break;
    case TN_ELTWISE_LOG:
        d = 1 / x;
        break;
    case TN_ELTWISE_TANH:
        d = 1 / (cosh(x) * cosh(x));
        break;
    case TN_ELTWISE_SIGMOID:
        d = 1 / ((1 + exp(-x)) * (1 + exp(x)));
        break;
    case TN_ELTWISE_SILU:
        d = swish(x, x);
        break;
    case TN_ELTWISE_GELU:
        d = 0.5 * erfc(-x * root_half) +
            (fabs(x) > 40 ? 0 : x * exp(-0.5 * x * x) * 0.5 * two_over_pi_root);
        break;
    case TN_ELTWISE_GELU_TANH: {
        double k = 2 * two_over_pi_root, s = x * x;
        d = fabs(x) > 40 ? (x > 0 ? 1 : 0)
                         : swish(x * k * (1 + 3 * 0.044715 * s), x * k * (1 + 0.044715 * s));
        break;
    }
    case TN_ELTWISE_ERF:
        d = 2 * two_over_pi_root * root_half * exp(-x * x);
        break;
    case TN_ELTWISE_SIN:
        d = cos(x);
        break;
    case TN_ELTWISE_COS:
        d = -sin(x);
        break;
    case TN_ELTWISE_SCALE:
        d = a;
        break;
    default: /* TN_ELTWISE_CLAMP */
        d = x >= a && x <= b ? 1 : x == x ? 0 : NAN;
    }
    bool crosses =
        kind == TN_ELTWISE_SILU || kind == TN_ELTWISE_GELU || kind == TN_ELTWISE_GELU_TANH;
    *out_scale = crosses ? fmax(fabs(d), 0.125) : fabs(d);
    return d;
}

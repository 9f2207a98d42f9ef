/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of CANONICAL 1 (docs/NUMERICS.md sections 1 and 9), one operation a step. */
#include <conformance/oracle/oracle_canonical.h>

#include <string.h>

#define L2E_L 0x1.4ae0cp-26f
#define LN2_L -0x1.05c61p-29f

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float of_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* c[0] x^(n-1) + ..: Horner's rule, fused. */
static float poly(float x, const float *c, int n)
{
    float y = c[0];
    for (int i = 1; i < n; ++i)
        y = fmaf(y, x, c[i]);
    return y;
}
#define POLY(x, ...)                                                                               \
    poly(x, (const float[]){__VA_ARGS__}, (int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)))

/* p * 2^n, rounded once: every such number is a float64. */
static float scaled(float p, float n)
{
    return (float)ldexp((double)p, isnan(n) ? 0 : (int)n);
}

float tn_v_c_recip(float x)
{
    return 1.0f / x;
}

float tn_v_c_rsqrt(float x)
{
    if (x == 0)
        return copysignf(INFINITY, x);
    if (!(x > 0) || isinf(x))
        return x > 0 ? 0 : NAN;
    float y = (float)(1 / sqrt((double)x));
    for (int side = -1; side <= 1; side += 2) { /* a neighbour may be nearer by a hair */
        float other = of_bits(bits_of(y) + (uint32_t)side);
        double middle = ((double)y + (double)other) / 2;       /* 25 bits, its square 50 */
        double beyond = fma(middle * middle, (double)x, -1.0); /* below 0: 1 / sqrt(x) is more */
        if (side > 0 ? beyond < 0 : beyond > 0)
            return other;
    }
    return y;
}

float tn_v_c_pow2(float e)
{
    return isnan(e) ? e : e < -126 ? 0 : ldexpf(1, e > 127 ? 127 : (int)e);
}

float tn_v_c_p2(float r)
{
    return POLY(r, 0x1.3fbc78p-13f, 0x1.5f0f82p-10f, 0x1.3b308cp-7f, 0x1.c6af7p-5f, 0x1.ebfbd8p-3f,
                0x1.62e43p-1f, 1.0f);
}

float tn_v_c_exp(float x)
{
    x = x > 89 ? 89 : x < -104 ? -104 : x;
    float n = rintf(x * TN_V_L2E);
    float r = fmaf(x, L2E_L, fmaf(x, TN_V_L2E, -n));
    return scaled(tn_v_c_p2(r), n);
}

static float exp_2(float x)
{
    x = x > 129 ? 129 : x < -151 ? -151 : x;
    float n = rintf(x);
    return scaled(tn_v_c_p2(x - n), n);
}

float tn_v_c_log(float x)
{
    if (!(x > 0) || isinf(x))
        return x == 0 ? -INFINITY : x > 0 ? x : NAN;
    bool tiny = x < 0x1p-126f;
    float y = tiny ? x * 0x1p24f : x;
    int32_t e = (int32_t)(bits_of(y) - 0x3f2aaaabu) >> 23;
    float f = of_bits(bits_of(y) - ((uint32_t)e << 23)) - 1.0f;
    float n = (float)e - (tiny ? 24.0f : 0.0f);
    float q =
        POLY(f, 0x1.ea92cap-4f, -0x1.fd1b86p-4f, 0x1.b92aa6p-4f, -0x1.f74aaap-4f, 0x1.24e842p-3f,
             -0x1.55788ep-3f, 0x1.999816p-3f, -0x1.ffffb4p-3f, 0x1.555556p-2f, -0.5f);
    q = fmaf(q, f * f, n * LN2_L);
    return fmaf(n, TN_V_LN2, f + q);
}

static float sigmoid(float x)
{
    float z = tn_v_c_exp(-fabsf(x)), q = tn_v_c_recip(1.0f + z);
    return x < 0 ? z * q : q;
}

static float core(float h, float l, float n)
{
    return tn_v_c_p2(fmaf(l, TN_V_L2E, fmaf(h, L2E_L, fmaf(h, TN_V_L2E, -n))));
}

/* x times the sigmoid of h + l. */
static float x_sigmoid(float x, float h, float l)
{
    if (isnan(h))
        return h;
    float a = fabsf(h) > 126 ? 126 : fabsf(h);
    l = h < 0 ? l : -l;
    float n = rintf(a * -TN_V_L2E), p = core(-a, l, n);
    float w = x * tn_v_c_recip(1.0f + scaled(p, n));
    return h < 0 ? scaled(w * p, n) : w;
}

static float silu(float x)
{
    x = x < -126 ? -126 : x;
    return x_sigmoid(x, x, 0);
}

static float gelu_tanh(float x)
{
    float t = x < -16 ? -16 : x, u = t > 16 ? 16 : t, s = u * u, sl = fmaf(u, u, -s);
    float k = 0x1.2444f2p-4f, c0 = 0x1.98846p+0f, c = fmaf(s, k, c0);
    float cl = fmaf(s, k, c0 - c);
    cl = fmaf(sl, k, cl);
    cl = fmaf(s, 0x1.49b16ap-29f, cl + -0x1.985794p-21f);
    float h = u * c;
    return x_sigmoid(t, h, fmaf(u, cl, fmaf(u, c, -h)));
}

/* Polynomial of the tail of gelu and of its derivative. */
static float tail(float t)
{
    return POLY(t, -0x1.4f3f2p-6f, 0x1.d6b0f2p-4f, -0x1.f0f7e8p-3f, 0x1.be8902p-3f, -0x1.92287ap-4f,
                0x1.b4e14ap-4f, 0x1.339252p-4f, 0x1.c22418p-4f, 0x1.e46934p-4f, 0x1.e52434p-4f);
}

static float gelu(float x)
{
    if (isnan(x))
        return x;
    float a = fabsf(x) > 15 ? 15 : fabsf(x);
    float t = tn_v_c_recip(fmaf(a, 0.296875f, 1.0f)), q = tail(t);
    float h = a * a, l = fmaf(a, a, -h);
    h = h * -0.5f;
    float n = rintf(h * TN_V_L2E);
    float g = scaled((a * (q * t)) * core(h, l * -0.5f, n), n);
    if (a < 1.25f) {
        float c = POLY(x * x, -0x1.d48d8ap-18f, 0x1.d4cfa6p-14f, -0x1.36a188p-10f, 0x1.46cbe4p-7f,
                       -0x1.10584p-4f, 0x1.988454p-2f);
        return x * fmaf(c, x, 0.5f);
    }
    return x > 0 ? x - g : -g;
}

float tn_v_c_tanh(float x)
{
    float a = fabsf(x), s = a * a;
    if (isnan(x))
        return x;
    if (a < 0.625f) {
        float q = POLY(s, -0x1.8ff18p-8f, 0x1.5813cp-6f, -0x1.b92674p-5f, 0x1.110e16p-3f,
                       -0x1.555552p-2f);
        return copysignf(fmaf(q * s, a, a), x);
    }
    float z = tn_v_c_exp(a * -2.0f);
    return copysignf(fmaf(z * -2.0f, tn_v_c_recip(1.0f + z), 1.0f), x);
}

static float erf_of(float x)
{
    float a = fabsf(x);
    if (isnan(x))
        return x;
    if (a < 0.9375f) {
        float q = POLY(a * a, 0x1.4c5cb4p-14f, -0x1.a5197ap-11f, 0x1.542fecp-8f, -0x1.b7fec4p-6f,
                       0x1.ce2d52p-4f, -0x1.81274p-2f, 0x1.06eba8p-3f);
        return copysignf(fmaf(q, a, a), x);
    }
    float b = a > 4 ? 4 : a;
    float t = POLY(b, 0x1.dce2aep-21f, -0x1.09bd96p-15f, 0x1.f6d696p-12f, -0x1.153dd2p-8f,
                   0x1.993fc2p-6f, -0x1.b8f29p-4f, -0x1.44c0bep-1f, -0x1.20fd6p+0f);
    return copysignf(1.0f - tn_v_c_exp(t * b), x);
}

float tn_v_c_sincos(float x, int k)
{
    if (!(fabsf(x) <= 0x1p20f))
        return NAN;
    float n = rintf(x * 0x1.45f306p-1f);
    float r = fmaf(n, -0x1.921fb6p+0f, x);
    r = fmaf(n, 0x1.ee59dap-50f, fmaf(n, 0x1.777a5cp-25f, r));
    float s = r * r, y;
    int j = (int)n + k;
    if ((j & 1) != 0)
        y = fmaf(fmaf(POLY(s, 0x1.9b008p-16f, -0x1.6c1148p-10f, 0x1.555554p-5f), s, -0.5f), s,
                 1.0f);
    else
        y = fmaf(POLY(s, 0x1.7b2844p-19f, -0x1.a05c62p-13f, 0x1.11117ep-7f, -0x1.555556p-3f), s * r,
                 r);
    return (j & 2) != 0 ? -y : y;
}

bool tn_v_c_function(uint32_t kind, float x, float *out)
{
    switch (kind) {
    case TN_ELTWISE_RECIP:
        *out = tn_v_c_recip(x);
        return true;
    case TN_ELTWISE_SQRT:
        *out = sqrtf(x);
        return true;
    case TN_ELTWISE_RSQRT:
        *out = tn_v_c_rsqrt(x);
        return true;
    case TN_ELTWISE_EXP:
        *out = tn_v_c_exp(x);
        return true;
    case TN_ELTWISE_EXP2:
        *out = exp_2(x);
        return true;
    case TN_ELTWISE_LOG:
        *out = tn_v_c_log(x);
        return true;
    case TN_ELTWISE_TANH:
        *out = tn_v_c_tanh(x);
        return true;
    case TN_ELTWISE_SIGMOID:
        *out = sigmoid(x);
        return true;
    case TN_ELTWISE_SILU:
        *out = silu(x);
        return true;
    case TN_ELTWISE_GELU:
        *out = gelu(x);
        return true;
    case TN_ELTWISE_GELU_TANH:
        *out = gelu_tanh(x);
        return true;
    case TN_ELTWISE_ERF:
        *out = erf_of(x);
        return true;
    case TN_ELTWISE_SIN:
    case TN_ELTWISE_COS:
        *out = tn_v_c_sincos(x, kind == TN_ELTWISE_COS);
        return true;
    default:
        return false;
    }
}

/* ---- derivatives ---- */

/* s(h) + e s(h) s(-h), s the sigmoid. */
static float x_sigmoid_grad(float e, float h)
{
    float z = tn_v_c_exp(-fabsf(h)), q = tn_v_c_recip(1.0f + z), w = z * q;
    float s = h < 0 ? w : q, c = h < 0 ? q : w;
    return fmaf(e * c, s, s);
}

static float gelu_grad(float x)
{
    if (isnan(x))
        return x;
    float a = fabsf(x) > 15 ? 15 : fabsf(x);
    float t = tn_v_c_recip(fmaf(a, 0.296875f, 1.0f)), q = tail(t);
    float h = a * a, l = fmaf(a, a, -h);
    h = h * -0.5f;
    float n = rintf(h * TN_V_L2E), w = fmaf(a, -0x1.988454p-2f, q * t);
    w = scaled(w * core(h, l * -0.5f, n), n);
    return x > 0 ? 1.0f - w : w;
}

static float erf_grad(float x)
{
    if (isnan(x))
        return x;
    float a = fabsf(x) > 15 ? 15 : fabsf(x), h = a * a, l = fmaf(a, a, -h), e = tn_v_c_exp(-h);
    return fmaf(-l, e, e) * 0x1.20dd76p+0f;
}

/* f' of the kinds whose derivative is a product with dy. */
static bool derivative(const tn_eltwise *t, float x, float *out)
{
    float y, z, q, lim;
    switch (t->kind) {
    case TN_ELTWISE_SQUARE:
        *out = x + x;
        return true;
    case TN_ELTWISE_RECIP:
        y = tn_v_c_recip(x);
        *out = -(y * y);
        return true;
    case TN_ELTWISE_SQRT:
        *out = tn_v_c_recip(sqrtf(x)) * 0.5f;
        return true;
    case TN_ELTWISE_RSQRT:
        y = tn_v_c_rsqrt(x);
        *out = (y * y) * (y * -0.5f);
        return true;
    case TN_ELTWISE_EXP:
        *out = tn_v_c_exp(x);
        return true;
    case TN_ELTWISE_EXP2:
        *out = exp_2(x) * TN_V_LN2;
        return true;
    case TN_ELTWISE_LOG:
        *out = tn_v_c_recip(x);
        return true;
    case TN_ELTWISE_SIN:
        *out = tn_v_c_sincos(x, 1);
        return true;
    case TN_ELTWISE_COS:
        *out = -tn_v_c_sincos(x, 0);
        return true;
    case TN_ELTWISE_TANH:
        z = tn_v_c_exp(fabsf(x) * -2.0f);
        q = tn_v_c_recip(1.0f + z);
        *out = (z * 4.0f) * (q * q);
        return true;
    case TN_ELTWISE_SIGMOID:
        z = tn_v_c_exp(-fabsf(x));
        q = tn_v_c_recip(1.0f + z);
        *out = z * (q * q);
        return true;
    case TN_ELTWISE_SILU:
        lim = x < -126 ? -126 : x > 126 ? 126 : x;
        *out = x_sigmoid_grad(lim, lim);
        return true;
    case TN_ELTWISE_GELU_TANH:
        lim = x < -16 ? -16 : x > 16 ? 16 : x;
        y = lim * lim;
        *out = x_sigmoid_grad(lim * fmaf(y, 0x1.b6676cp-3f, 0x1.988454p+0f),
                              lim * fmaf(y, 0x1.2444f2p-4f, 0x1.988454p+0f));
        return true;
    case TN_ELTWISE_GELU:
        *out = gelu_grad(x);
        return true;
    case TN_ELTWISE_ERF:
        *out = erf_grad(x);
        return true;
    default:
        return false;
    }
}

bool tn_v_c_slope(const tn_eltwise *t, float x, float dy, float *out)
{
    if (!derivative(t, x, out))
        return false; /* it selects, and rounds nothing */
    *out = *out * dy;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Functions by straight lines between nodes. Nodes come from binary64 arithmetic alone, so that
 * they have the same bits wherever they are made; a lookup is one subtraction and one fma. */
#include <kernels/common/canon.h>
#include <kernels/common/canonmath.h>
#include <kernels/systolic/systolic.h>
#include <kernels/systolic/systolic_lookup.h>

/* ---- nodes, in binary64 ---- */

/* e^x for |x| <= 1 by its series. */
static double series_exp(double x)
{
    double term = 1.0, sum = 1.0;
    for (int i = 1; i < 26; i++) {
        term = term * x / i;
        sum += term;
    }
    return sum;
}

/* log(1 + f) / f for |f| <= 1/2: 2 atanh(s) / f, s = f / (2 + f). */
static double log_over(double f)
{
    double s = f / (2.0 + f), square = s * s, sum = 0.0;
    for (int i = 41; i >= 1; i -= 2)
        sum = sum * square + 1.0 / i;
    return 2.0 / (2.0 + f) * sum;
}

static double root(double x)
{
    double y = x;
    for (int i = 0; i < 60; i++)
        y = 0.5 * (y + x / y);
    return y;
}

/* erf(u) / u for u <= 1 by its series. */
static double erf_over(double u)
{
    double term = 1.0, sum = 1.0;
    for (int i = 1; i < 40; i++) {
        term = -term * u * u / i;
        sum += term / (2 * i + 1);
    }
    return sum * 1.1283791670955126; /* 2 / sqrt(pi) */
}

/* erfc(z) exp(z^2) z at z = 1 / u >= 1 by its continued fraction. */
static double tail_of(double u)
{
    double z = 1.0 / u, y = z;
    for (int i = 400; i >= 1; i--)
        y = z + 0.5 * i / y;
    return z / y * 0.5641895835477563; /* 1 / sqrt(pi) */
}

void tn_k_sys_tables_make(uint32_t segments, tn_k_sys_tables *out)
{
    const double half_ln2 = 0.34657359027997264;
    memset(out, 0, sizeof *out);
    out->segments = segments;
    for (uint32_t i = 0; i <= segments; i++) {
        double u = (double)i / segments, grown = series_exp(u) * series_exp(u);
        out->pow2[i] = (float)series_exp((2.0 * u - 1.0) * half_ln2);
        out->rsqrt[0][i] = (float)(1.0 / root(1.0 + u));
        out->rsqrt[1][i] = (float)(1.0 / root(2.0 + 2.0 * u));
        out->log[0][i] = (float)log_over(0.5 * u);
        out->log[1][i] = (float)log_over(-0.5 * u);
        out->tanh[i] = i == 0 ? 1.0f : (float)((grown - 1.0) / (grown + 1.0) / u);
        out->erf[i] = (float)erf_over(u);
        out->tail[i] = i == 0 ? 0x1.20dd76p-1f : (float)tail_of(u);
    }
}

/* ---- lookups ---- */

/* Between the nodes around u, 0 <= u <= 1. */
static float line(const tn_k_sys_tables *t, const float *node, float u)
{
    float place = u * (float)t->segments;
    uint32_t i = (uint32_t)place;
    i = i < t->segments ? i : t->segments - 1;
    return __builtin_fmaf(place - (float)i, node[i + 1] - node[i], node[i]);
}

static float pow2_of(const tn_k_sys_tables *t, float r)
{
    return line(t, t->pow2, r + 0.5f);
}

static float exp2_of(const tn_k_sys_tables *t, float x)
{
    if (x != x)
        return x;
    x = x > 129.0f ? 129.0f : x < -151.0f ? -151.0f : x;
    float n = __builtin_rintf(x);
    return c_scale(pow2_of(t, x - n), (int)n);
}

static float exp_of(const tn_k_sys_tables *t, float x)
{
    if (x != x)
        return x;
    x = x > 89.0f ? 89.0f : x < -104.0f ? -104.0f : x;
    float n = __builtin_rintf(x * 0x1.715476p+0f);
    float r = __builtin_fmaf(x, 0x1.4ae0cp-26f, __builtin_fmaf(x, 0x1.715476p+0f, -n));
    r = r < -0.5f ? -0.5f : r > 0.5f ? 0.5f : r;
    return c_scale(pow2_of(t, r), (int)n);
}

/* x = 2^e (1 + f), 2/3 <= 1 + f <= 4/3 */
static float log_of(const tn_k_sys_tables *t, float x)
{
    if (!(x > 0.0f) || x == __builtin_inff())
        return x == 0.0f ? -__builtin_inff() : x > 0.0f ? x : __builtin_nanf("");
    bool tiny = x < 0x1p-126f;
    uint32_t u = tn_c_bits(tiny ? x * 0x1p24f : x);
    int32_t e = ((int32_t)u - 0x3f2aaaab) >> 23;
    float f = tn_c_float(u - ((uint32_t)e << 23)) - 1.0f, n = (float)(e - (tiny ? 24 : 0));
    float l = f * line(t, t->log[f < 0.0f], f < 0.0f ? f * -2.0f : f * 2.0f);
    return __builtin_fmaf(n, 0x1.62e43p-1f, __builtin_fmaf(n, -0x1.05c61p-29f, l));
}

static float rsqrt_of(const tn_k_sys_tables *t, float x)
{
    if (!(x > 0.0f) || x == __builtin_inff())
        return x == 0.0f  ? (tn_c_bits(x) == 0 ? __builtin_inff() : -__builtin_inff())
               : x > 0.0f ? 0.0f
                          : __builtin_nanf("");
    bool tiny = x < 0x1p-126f;
    uint32_t u = tn_c_bits(tiny ? x * 0x1p24f : x);
    int32_t e = (int32_t)(u >> 23) - 127 - (tiny ? 24 : 0), odd = e & 1;
    float m = tn_c_float((u & 0x7fffffu) | 0x3f800000u) - 1.0f;
    return line(t, t->rsqrt[odd], m) * c_pow2(-(e - odd) / 2);
}

/* 1 / (1 + e^-x) */
static float sigmoid_of(const tn_k_sys_tables *t, float x)
{
    float e = exp_of(t, x < 0.0f ? x : -x);
    return (x < 0.0f ? e : 1.0f) * c_recip(1.0f + e);
}

static float tanh_of(const tn_k_sys_tables *t, float x)
{
    float a = __builtin_fabsf(x);
    if (!(a > 1.0f))
        return x == x ? x * line(t, t->tanh, a) : x;
    float y = __builtin_fmaf(-2.0f, c_recip(exp_of(t, 2.0f * a) + 1.0f), 1.0f);
    return x < 0.0f ? -y : y;
}

/* erfc(z) for z > 1 */
static float tail(const tn_k_sys_tables *t, float z)
{
    float square = z * z, rest = __builtin_fmaf(z, z, -square), w = c_recip(z);
    float e = exp_of(t, -square);
    e = square < 104.0f ? __builtin_fmaf(-rest, e, e) : 0.0f;
    return e * (w * line(t, t->tail, w));
}

static float erf_of(const tn_k_sys_tables *t, float x)
{
    float a = __builtin_fabsf(x);
    if (!(a > 1.0f))
        return x == x ? x * line(t, t->erf, a) : x;
    return x < 0.0f ? tail(t, a) - 1.0f : 1.0f - tail(t, a);
}

/* x times the normal distribution */
static float gelu_of(const tn_k_sys_tables *t, float x)
{
    float z = __builtin_fabsf(x) * 0x1.6a09e6p-1f, part;
    if (x != x || x == __builtin_inff())
        return x;
    if (z > 1.0f)
        part = 0.5f * tail(t, z);
    else
        part = __builtin_fmaf(-0.5f * z, line(t, t->erf, z), 0.5f);
    if (x < 0.0f)
        return part == 0.0f ? -0.0f : x * part;
    return x * (1.0f - part);
}

/* x times a logistic function of y */
static float gated(const tn_k_sys_tables *t, float x, float y)
{
    float s = sigmoid_of(t, y);
    return s == 0.0f ? -0.0f : x * s;
}

static float gelu_tanh_of(const tn_k_sys_tables *t, float x)
{
    return gated(t, x, __builtin_fmaf(x * x * x, 0x1.2444f2p-4f, x * 0x1.988454p+0f));
}

bool tn_k_sys_tables_have(uint32_t kind)
{
    return kind == TN_ELTWISE_RSQRT || (kind >= TN_ELTWISE_EXP && kind <= TN_ELTWISE_ERF);
}

void tn_k_sys_tables_map(const tn_k_sys_tables *t, uint32_t kind, const float *x, float *out,
                         int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float v = x[i];
        switch (kind) {
        case TN_ELTWISE_RSQRT:
            out[i] = rsqrt_of(t, v);
            break;
        case TN_ELTWISE_EXP:
            out[i] = exp_of(t, v);
            break;
        case TN_ELTWISE_EXP2:
            out[i] = exp2_of(t, v);
            break;
        case TN_ELTWISE_LOG:
            out[i] = log_of(t, v);
            break;
        case TN_ELTWISE_TANH:
            out[i] = tanh_of(t, v);
            break;
        case TN_ELTWISE_SIGMOID:
            out[i] = sigmoid_of(t, v);
            break;
        case TN_ELTWISE_SILU:
            out[i] = gated(t, v, v);
            break;
        case TN_ELTWISE_GELU:
            out[i] = gelu_of(t, v);
            break;
        case TN_ELTWISE_GELU_TANH:
            out[i] = gelu_tanh_of(t, v);
            break;
        default:
            out[i] = erf_of(t, v);
            break;
        }
    }
}

float tn_k_sys_tables_rsqrt_ulp(uint32_t segments)
{
    return 0.05f * 0x1p24f / ((float)segments * (float)segments) + 2.0f;
}

/* 120: where gelu's and silu's results leave the normal numbers, their exponent's rounding. */
float tn_k_sys_tables_ulp(uint32_t segments)
{
    return tn_k_sys_tables_rsqrt_ulp(segments) + 118.0f;
}

void tn_k_sys_tables_block(const tn_k_sys_tables *t, const float *s, const uint8_t *takes,
                           int64_t n, float *p, float *out_max, float *out_sum)
{
    float whole[TN_K_SYS_BLOCK];
    const float none = -__builtin_inff();
    int32_t key = tn_c_key_max(none);
    for (int64_t j = 0; j < n; j++) {
        whole[j] = takes != NULL && takes[j] == 0 ? none : __builtin_rintf(s[j]);
        int32_t k = tn_c_key_max(whole[j]);
        key = k > key ? k : key;
    }
    float most = tn_c_unkey(key), sum = 0.0f;
    for (int64_t j = 0; j < n; j++) {
        float e = whole[j] - most;
        bool counts = whole[j] != none && most == most;
        p[j] = whole[j] == none ? -0.0f
               : !counts        ? 0.0f
                         : pow2_of(t, s[j] - whole[j]) * c_pow2(e >= -126.0f ? (int)e : -127);
        sum = sum + p[j];
    }
    *out_max = most;
    *out_sum = most == most ? sum : most;
}

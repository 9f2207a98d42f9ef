/* SPDX-License-Identifier: Apache-2.0 */
/* Every conv row: the plain one against float64 within its bound, the others against the plain one
 * bit for bit (CANONICAL) or within the bound; random shapes, layouts, splits, and packed filters.
 */
#include "support/k_rows.h"
#include <kernels/conv/conv.h>
#include <math.h>

#ifndef TN_TEST_PLAIN /* sanitizers take minutes to compile it */
/* The 512-bit core over plain C: its tile logic is checked where the CPU lacks AVX-512. */
#include <kernels/common/simd_emulated512.h>
#define CONV_ROWS         12
#define CONV_CANONICAL    1
#define CONV_VARIANT      emulated_12x32_canonical
#define CONV_NAME         "emulated_12x32_canonical"
#define CONV_ISA          TN_K_ISA_BASELINE
#define CONV_FLOPS_PER_NS 180.0
#include <kernels/conv/conv_core.inc>
static const tn_k_variant *const more[] = {&emulated_12x32_canonical};
enum { MORE = 1 };
#else
static const tn_k_variant *const more[] = {NULL};
enum { MORE = 0 };
#endif

extern const tn_k_op tn_k_op_conv;

enum { OPERANDS = 6, PLACES = 3 };

typedef struct call {
    tn_conv attr;
    tn_arg args[OPERANDS];
    tn_post posts[PLACES];
    tn_op op;
    unsigned char *block[OPERANDS];
} call;

static int64_t below(uint64_t *state, int64_t n)
{
    return (int64_t)(tn_test_random(state) % (uint64_t)n);
}

static int64_t elements(const tn_tensor *t)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < t->rank; d++)
        n *= t->dim[d];
    return n;
}

static int64_t place(const tn_tensor *t, int64_t i)
{
    int64_t at = 0;
    for (uint32_t d = t->rank; d-- > 0; i /= t->dim[d])
        at += i % t->dim[d] * t->stride[d];
    return at;
}

static void fill(uint64_t *state, const tn_tensor *t, unsigned char *block, uint32_t rare)
{
    memset(block, 0xff, TN_T_BYTES); /* NaN wherever no element lies */
    bool integer = t->dtype == TN_S8 || t->dtype == TN_U8;
    for (int64_t i = 0, n = elements(t); i < n; i++)
        tn_c_store(t->dtype, block + TN_T_MIDDLE, place(t, i),
                   integer
                       ? (tn_c_value){true, below(state, 256) - (t->dtype == TN_S8 ? 128 : 0), 0}
                       : (tn_c_value){false, 0, (double)tn_t_float(state, rare)},
                   false);
}

static tn_tensor *add(call *c, uint64_t *state, uint32_t role, uint32_t dtype, uint32_t rank,
                      const int64_t *dim, bool shuffle)
{
    tn_arg *arg = &c->args[c->op.arg_count++];
    *arg = (tn_arg){.role = role, .tensor = {.dtype = (uint16_t)dtype, .rank = (uint16_t)rank}};
    memcpy(arg->tensor.dim, dim, rank * sizeof *dim);
    tn_t_strides(state, &arg->tensor, shuffle);
    return &arg->tensor;
}

/* Output extent by counting: the positions whose window lies inside, or all that inputs reach. */
static int64_t extent(const tn_conv *t, int d, int64_t in, int64_t kernel)
{
    int64_t span = (kernel - 1) * t->dilation[d] + 1, count = 0;
    if (t->flags & TN_CONV_TRANSPOSED)
        return (in - 1) * t->stride[d] + span - t->pad_lo[d] - t->pad_hi[d] + t->out_pad[d];
    for (int64_t o = 0; o + span <= in + t->pad_lo[d] + t->pad_hi[d]; o += t->stride[d])
        count++;
    return count;
}

/* SMALL, BIG: any conv, with channels of several chunks and panels in BIG; DEPTHWISE: what its rows
 * have loops of their own for, and enough channels for several vectors. WIDE: pictures in which
 * positions fill vectors, space last, or tiles, channels last, and then often filters do, too.
 * SHORT: DEPTHWISE, space last, dense rows that leave half of a vector's lanes empty. */
typedef enum family { SMALL, BIG, DEPTHWISE, WIDE, SHORT } family;

/* A random conv. False: its window fits nowhere. */
static bool make(call *c, uint64_t *state, uint32_t rare, family kind)
{
    bool big = kind == BIG, narrow = kind == SHORT, deep = kind == DEPTHWISE || narrow,
         wide = kind == WIDE, plane = deep || wide;
    static const uint32_t types[][3] = {
        {TN_F32, TN_F32, TN_F32},    {TN_F32, TN_F32, TN_F32}, {TN_F32, TN_F32, TN_F32},
        {TN_BF16, TN_BF16, TN_BF16}, {TN_F16, TN_F16, TN_F32}, {TN_BF16, TN_F32, TN_F16},
        {TN_U8, TN_S8, TN_S32},      {TN_S8, TN_S8, TN_S32},   {TN_U8, TN_U8, TN_S32}};
    bool winograd = !plane && below(state, 4) == 0; /* what these rows take, and they are allowed */
    bool one = !plane && !winograd && below(state, 4) == 0; /* a tap meets every position once */
    const uint32_t *type = types[winograd || plane ? 0 : below(state, one ? 3 : 9)];
    uint32_t dims = winograd || plane ? 2 : 1 + (uint32_t)below(state, 3), rank = dims + 2;
    memset(c, 0, sizeof *c);
    tn_conv *t = &c->attr;
    t->head = (tn_head)TN_INIT(tn_conv);
    t->dims = dims;
    t->groups = below(state, 3) ? 1 : 1 + (uint32_t)below(state, 4);
    t->flags = (uint32_t)below(state, 2) * TN_CONV_CHANNELS_LAST +
               (below(state, 4) == 0 && !winograd && !plane) * (uint32_t)TN_CONV_TRANSPOSED;
    if (narrow)
        t->flags = 0;
    bool last = t->flags & TN_CONV_CHANNELS_LAST, turned = t->flags & TN_CONV_TRANSPOSED;
    int64_t cg = 1 + below(state, big ? 150 : 9), kg = 1 + below(state, big ? 40 : 9);
    int64_t a[5], b[5], out[5];
    if (wide && last && below(state, 2))
        kg = 16 * (1 + below(state, 3));
    else if (wide && below(state, 2)) /* several shares of filters, more than the L2 of check() */
        kg = 1 + below(state, 40), cg = 1 + below(state, 30);
    if (one)
        t->groups = 1;
    else if (deep || (!wide && below(state, 5) == 0))
        t->groups = 1 + (uint32_t)below(state, deep ? 70 : 9), cg = kg = 1;
    uint32_t channel = last ? dims + 1 : 1, space = last ? 1 : 2;
    /* Square filters in equal steps are what depthwise rows have loops for. */
    int64_t side = 3 + 2 * (below(state, 2) * below(state, 3));
    int32_t step = 1 + (below(state, 4) == 0);
    a[0] = out[0] = 1 + below(state, 2);
    a[channel] = cg * t->groups;
    out[channel] = kg * t->groups;
    b[0] = turned ? cg * t->groups : kg * t->groups;
    b[channel] = turned ? kg : cg;
    for (uint32_t d = 0; d < dims; d++) {
        t->stride[d] = winograd ? 1 : 1 + (int32_t)below(state, 3);
        t->dilation[d] = winograd ? 1 : 1 + (int32_t)below(state, 2);
        t->pad_lo[d] = (int32_t)below(state, 3);
        t->pad_hi[d] = (int32_t)below(state, 3);
        a[space + d] = 1 + below(state, dims == 3 ? 5 : dims == 2 ? 12 : 60);
        b[space + d] = winograd ? 3 : 1 + below(state, dims == 3 ? 3 : 5);
        if (one) {
            t->stride[d] = 1;
            t->pad_lo[d] = t->pad_hi[d] = 0;
            b[space + d] = 1;
        }
        if (wide) {
            a[space + d] = d == 0 ? 8 + below(state, 16) : 20 + below(state, 40);
            t->stride[d] = 1 + (below(state, 8) == 0);
        }
        if (deep) {
            t->dilation[d] = narrow || below(state, 3) ? 1 : 1 + (int32_t)below(state, 3);
            t->stride[d] = below(state, 8) == 0 ? 2 : step;
            b[space + d] = side;
            t->pad_lo[d] = (int32_t)below(state, (side + 1) / 2 + 1);
            if (d == 1 && !last && below(state, 2))
                a[space + d] = 1 + below(state, 48);
        }
        if (narrow) {
            t->stride[d] = 1;
            t->pad_hi[d] = d == 1 ? (int32_t)side - 1 - t->pad_lo[d] : t->pad_hi[d];
            a[space + d] = d == 1 ? 1 + below(state, 8) : a[space + d];
        }
        if (turned && (t->stride[d] > 1 || t->dilation[d] > 1))
            t->out_pad[d] = (int32_t)below(state, 2);
        out[space + d] = extent(t, (int)d, a[space + d], b[space + d]);
        if (out[space + d] < 1)
            return false;
    }
    c->op = (tn_op){
        .head = TN_INIT(tn_op), .kind = TN_OP_CONV, .attr = t, .args = c->args, .posts = c->posts};
    if (winograd)
        c->op.numerics = (tn_numerics){.cls = TN_CLASS_FAST, .allow = TN_ALLOW_WINOGRAD};
    /* The output is the last operand of tn_t_rows. */
    add(c, state, TN_ARG_A, type[0], rank, a, below(state, 2) && !narrow);
    add(c, state, TN_ARG_B, type[1], rank, b, below(state, 2));
    uint32_t posts = type[2] == TN_S32 ? 0 : (uint32_t)below(state, 4);
    for (uint32_t i = 0; i < posts; i++) {
        tn_post *q = &c->posts[i];
        q->kind = i == 0 ? TN_POST_BIAS : i == 1 ? TN_POST_ADD : TN_POST_RELU;
        if (i == 2)
            continue;
        int64_t like[5];
        for (uint32_t d = 0; d < rank; d++)
            like[d] = (i == 0 ? d == channel : below(state, 4) != 0) ? out[d] : 1;
        q->role = TN_ARG_POST0 + i;
        add(c, state, q->role, TN_F32, rank, like, below(state, 2));
    }
    c->op.post_count = posts;
    add(c, state, TN_ARG_OUT, type[2], rank, out, below(state, 2) && !narrow);
    for (uint32_t i = 0; i < c->op.arg_count; i++) {
        const tn_tensor *x = &c->args[i].tensor;
        int64_t end = 1;
        for (uint32_t d = 0; d < rank; d++)
            end += (x->dim[d] - 1) * x->stride[d];
        if (end * 8 > TN_T_BYTES - TN_T_MIDDLE)
            return false;
    }
    for (uint32_t i = 0; i < c->op.arg_count; i++) {
        c->block[i] = tn_t_block();
        fill(state, &c->args[i].tensor, c->block[i], rare);
    }
    return true;
}

static void drop(call *c)
{
    for (uint32_t i = 0; i < c->op.arg_count; i++)
        free(c->block[i]);
}

static void bind(const call *c, const tn_k_operands *o, void **operand)
{
    for (uint32_t i = 0; i < o->count; i++)
        for (uint32_t j = 0; j < c->op.arg_count; j++)
            if (c->args[j].role == o->item[i].role)
                operand[i] = c->block[j] + TN_T_MIDDLE;
}

/* One rounding to a type of p bits whose least subnormal is `least`. */
static double rounding(double y, double error, int p, double least)
{
    return error + ldexp(fabs(y) + error, -p) + least / 2;
}

/* |t| x of `ins` numbers, for the transform of `m` outputs: 0 of the input, 1 filter, 2 output. The
 * matrices once more, from the points 0, 1, -1, 2, -2 and infinity, as magnitudes. */
static void magnitudes(int which, int m, const double *x, int step, double *y, int y_step)
{
    static const double two[3][4][4] = {{{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}},
                                        {{1, 0, 0}, {.5, .5, .5}, {.5, .5, .5}, {0, 0, 1}},
                                        {{1, 1, 1, 0}, {0, 1, 1, 1}}};
    static const double four[3][6][6] = {
        {{4, 0, 5, 0, 1, 0},
         {0, 4, 4, 1, 1, 0},
         {0, 4, 4, 1, 1, 0},
         {0, 2, 1, 2, 1, 0},
         {0, 2, 1, 2, 1, 0},
         {0, 4, 0, 5, 0, 1}},
        {{.25, 0, 0},
         {1. / 6, 1. / 6, 1. / 6},
         {1. / 6, 1. / 6, 1. / 6},
         {1. / 24, 1. / 12, 1. / 6},
         {1. / 24, 1. / 12, 1. / 6},
         {0, 0, 1}},
        {{1, 1, 1, 1, 1, 0}, {0, 1, 1, 2, 2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, 1, 8, 8, 1}}};
    int outs = which == 2 ? m : m + 2, ins = which == 1 ? 3 : m + 2;
    for (int i = 0; i < outs; i++) {
        double sum = 0;
        for (int j = 0; j < ins; j++)
            sum += (m == 2 ? two[which][i][j] : four[which][i][j]) * x[j * step];
        y[i * y_step] = sum;
    }
}

/* What an error of one part in all terms of F(m x m, 3 x 3) is at an output: |A'| (sum over
 * channels of |G| |g| |G'| times |B'| |d| |B|) |A|, with the transforms' matrices. */
static double winograd_size(const tn_k_conv *p, const float *a, const float *b, int64_t n,
                            int64_t f, const int64_t o[3], int m)
{
    int side = m + 2;
    int64_t top = o[1] / m * m - p->lo[1], left = o[2] / m * m - p->lo[2], g = f / p->kg;
    double sum[36] = {0}, half[36], d[36], t[36], w[9], y[36];
    for (int64_t c = 0; c < p->cg; c++) {
        for (int q = 0; q < side * side; q++) {
            int64_t i[3] = {0, top + q / side, left + q % side};
            bool there = i[1] >= 0 && i[1] < p->in[1] && i[2] >= 0 && i[2] < p->in[2];
            d[q] = there ? fabs((double)a[tn_k_conv_at(&p->a_view, n, g * p->cg + c, i)]) : 0;
        }
        for (int q = 0; q < 9; q++)
            w[q] = fabs((double)b[g * p->b_group + f % p->kg * p->b_k + c * p->b_c +
                                  q / 3 * p->b_s[1] + q % 3 * p->b_s[2]]);
        for (int x = 0; x < side; x++)
            magnitudes(0, m, d + x, side, half + x, side);
        for (int x = 0; x < side; x++)
            magnitudes(0, m, half + x * side, 1, t + x * side, 1);
        for (int x = 0; x < 3; x++)
            magnitudes(1, m, w + x, 3, half + x, 3);
        for (int x = 0; x < side; x++)
            magnitudes(1, m, half + x * 3, 1, y + x * side, 1);
        for (int q = 0; q < side * side; q++)
            sum[q] += t[q] * y[q];
    }
    for (int x = 0; x < side; x++)
        magnitudes(2, m, sum + x, side, half + x, side);
    for (int x = 0; x < m; x++)
        magnitudes(2, m, half + x * side, 1, y + x * m, 1);
    return y[o[1] % m * m + o[2] % m];
}

/* Largest |out - truth| over its bound. Per output the sum of K products in f32, in any order, is
 * off by at most K u / (1 - K u) of sum |a b| and half a least subnormal an operation (Higham 3.1:
 * K - 1 sums of fused products and one for each chunk, fewer than K + K / 128 + 1 roundings). With
 * a transform: channels, and in either way of each of the three transforms as many roundings as it
 * has terms and one of a constant, of winograd_size. */
static double worst(const call *c, const tn_k_conv *p, int transform)
{
    const tn_tensor *out = &c->args[c->op.arg_count - 1].tensor;
    int64_t count = elements(out), channels = p->groups * p->kg, k = tn_k_conv_taps(p) * p->cg;
    double *dot = malloc((size_t)count * 2 * sizeof *dot), *magnitude = dot + count, most = 0;
    double n = (double)(k + k / 128 + 2), u = 0x1p-24, gamma = n * u / (1 - n * u);
    void *operand[TN_K_OPERANDS] = {0};
    bind(c, &p->operands, operand);
    tn_k_conv_ref(p, operand[0], operand[1], dot, magnitude);
    int64_t space = count / p->n / channels;
    for (int64_t i = 0; i < count; i++) {
        int64_t o[3] = {i / p->size[2] / p->size[1] % p->size[0], i / p->size[2] % p->size[1],
                        i % p->size[2]};
        int64_t batch = i / space / channels, f = i / space % channels;
        double y = dot[i], error = p->out_dtype == TN_S32 ? 0 : gamma * magnitude[i] + n * 0x1p-150;
        if (transform != 0) {
            double terms = (double)p->cg + 6.0 * (transform + 3),
                   part = terms * u / (1 - terms * u);
            error = part * winograd_size(p, operand[0], operand[1], batch, f, o, transform) +
                    terms * (double)p->cg * 0x1p-140;
        }
        for (uint32_t q = 0; q < p->post_count; q++) {
            if (p->post[q].operand < 0) {
                y = y > 0 ? y : 0;
                continue;
            }
            y += (double)((const float *)operand[p->post[q].operand])[tn_k_conv_at(&p->post[q].view,
                                                                                   batch, f, o)];
            error = rounding(y, error, 24, 0x1p-149);
        }
        if (p->out_dtype == TN_BF16)
            error = rounding(y, error, 8, 0x1p-133);
        if (p->out_dtype == TN_F16)
            error = rounding(y, error, 11, 0x1p-24);
        tn_c_value v =
            tn_c_load(p->out_dtype, operand[p->out], tn_k_conv_at(&p->out_view, batch, f, o));
        double off = fabs((v.integer ? (double)v.i : v.f) - y);
        if (off > error)
            most = fmax(most, error > 0 ? off / error : INFINITY);
        if (isnan(off) || (p->out_dtype == TN_F16 && fabs(y) > 65000))
            most = isnan(off) ? INFINITY : most;
    }
    free(dot);
    return most;
}

enum { MOST_ROWS_OF_OP = 64 };
static uint32_t tried[MOST_ROWS_OF_OP]; /* runs of the op's rows */

/* Rows against each other by bits; with ordinary inputs every row against float64, too. */
static uint32_t check(call *c, uint64_t *state, bool finite)
{
    TN_ALIGNED(64) unsigned char params[TN_K_PARAMS_BYTES], packed[TN_K_PARAMS_BYTES];
    const tn_k_conv *p = (const tn_k_conv *)(const void *)params;
    tn_k_why why = {"none", "none", "none"};
    uint32_t out = c->op.arg_count - 1, runs = 0;
    TN_REQUIRE(tn_k_op_conv.params(&c->op, params, &why), "%s %s", why.reason, why.text);
    c->args[1].flags = TN_ARG_PACKED;
    TN_REQUIRE(tn_k_op_conv.params(&c->op, packed, &why));
    c->args[1].flags = 0;
    unsigned char *first = tn_t_block();
    for (uint32_t i = 0; i < tn_k_op_conv.variant_count + MORE; i++) {
        const tn_k_variant *v = i < tn_k_op_conv.variant_count
                                    ? tn_k_op_conv.variants[i]
                                    : more[i - tn_k_op_conv.variant_count];
        for (int mode = 0; mode < 4; mode++) {
            tn_k_caps caps = {tn_t_isa(), 1 + 2 * (mode & 1), 32 << 10, 64 << 10, 8 << 20, 64};
            const void *given = mode < 2 ? params : packed;
            void *operand[TN_K_OPERANDS] = {0};
            unsigned char *b = NULL;
            if ((v->isa & caps.isa) != v->isa || !v->accepts(given, &caps, &why))
                continue;
            bind(c, &p->operands, operand);
            if (mode >= 2) {
                tn_k_launch launch;
                v->plan(given, &caps, &launch);
                b = tn_t_workspace(launch.pack_bytes);
                for (uint32_t t = launch.pack_tasks; t-- > 0;)
                    v->pack(&launch, given, &c->args[1].tensor, operand[1], b, t, t + 1);
                operand[1] = b;
                memset(c->block[out], 0xa5, TN_T_BYTES);
                tn_t_run(v, given, &caps, operand, below(state, 2));
                TN_EXPECT(tn_t_workspace_free(b, launch.pack_bytes), "%s packs outside", v->name);
            } else {
                memset(c->block[out], 0xa5, TN_T_BYTES);
                tn_t_run(v, given, &caps, operand, mode & 1);
            }
            tried[i]++;
            if (runs++ == 0)
                memcpy(first, c->block[out], TN_T_BYTES);
            bool floats = c->args[out].tensor.dtype == TN_F32;
            tn_arithmetic arithmetic = {0};
            if (v->arithmetic != NULL)
                v->arithmetic(given, &arithmetic);
            if (v->cls == TN_CLASS_CANONICAL || v->cls == TN_CLASS_EXACT)
                TN_EXPECT(tn_t_same(c->block[out], first, floats), "%s mode %d: other bits",
                          v->name, mode);
            if (finite) {
                double most = worst(c, p, arithmetic.transform);
                TN_EXPECT(most <= 1, "%s mode %d is %.3g of its bound", v->name, mode, most);
            }
        }
    }
    free(first);
    return runs;
}

static void sweep(const char *what, uint32_t rare, family kind, int rounds)
{
    uint64_t state = tn_test_seed();
    uint32_t runs = 0;
    for (int i = 0; i < rounds;) {
        uint64_t at = state;
        call c;
        if (!make(&c, &state, rare, kind))
            continue;
        uint32_t before = runs;
        runs += check(&c, &state, rare == 0);
        TN_EXPECT(runs > before, "no row took state %llu", (unsigned long long)at);
        drop(&c);
        i++;
    }
    TN_EXPECT(runs > (uint32_t)rounds, "%s: %u runs", what, runs);
}

TN_TEST(k_conv, bounds_and_bits)
{
    sweep("small", 0, SMALL, 250);
    sweep("big", 0, BIG, 40);
    sweep("depthwise", 0, DEPTHWISE, 60);
    sweep("wide", 0, WIDE, 45);
    sweep("short", 0, SHORT, 60);
    for (uint32_t i = 0; i < tn_k_op_conv.variant_count; i++)
        TN_EXPECT(tried[i] > 0 || (tn_k_op_conv.variants[i]->isa & ~tn_t_isa()) != 0,
                  "%s took no call", tn_k_op_conv.variants[i]->name);
}

TN_TEST(k_conv, specials_keep_their_bits)
{
    sweep("specials", 40, SMALL, 200);
    sweep("rare specials", 2000, BIG, 30);
    sweep("depthwise specials", 40, DEPTHWISE, 50);
    sweep("wide specials", 400, WIDE, 40);
    sweep("short specials", 40, SHORT, 40);
}

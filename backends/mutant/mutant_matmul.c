/* SPDX-License-Identifier: Apache-2.0 */
/* Defects of matmul: sums, sizes, strides, epilogues, integers. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <math.h>

static int64_t depth_at(const tn_tensor *t, bool turned, bool is_b)
{
    return t->rank - ((turned != is_b) ? 2 : 1);
}

static bool turned(const mutant_op *o, uint32_t role)
{
    return (o->attr.matmul.flags &
            (role == TN_ARG_A ? TN_MATMUL_TRANSPOSE_A : TN_MATMUL_TRANSPOSE_B)) != 0;
}

static int64_t *depth(mutant_op *o, uint32_t role)
{
    tn_tensor *t = tn__mutant_tensor(o, role);
    return &t->dim[depth_at(t, turned(o, role), role == TN_ARG_B)];
}

static int64_t depth_stride(mutant_op *o, uint32_t role)
{
    tn_tensor *t = tn__mutant_tensor(o, role);
    return t->stride[depth_at(t, turned(o, role), role == TN_ARG_B)];
}

static bool set_depth(mutant_op *o, int64_t k)
{
    if (k < 0 || k == *depth(o, TN_ARG_A))
        return false;
    *depth(o, TN_ARG_A) = *depth(o, TN_ARG_B) = k;
    return true;
}

static bool shorter(mutant_op *o, int by)
{
    return set_depth(o, *depth(o, TN_ARG_A) - by);
}

static bool whole_tiles(mutant_op *o, int of)
{
    return set_depth(o, *depth(o, TN_ARG_A) / of * of);
}

static bool first_dropped(mutant_op *o, int by)
{
    if (*depth(o, TN_ARG_A) <= by)
        return false;
    o->shift[tn__mutant_index(o, TN_ARG_A)] = depth_stride(o, TN_ARG_A) * by;
    o->shift[tn__mutant_index(o, TN_ARG_B)] = depth_stride(o, TN_ARG_B) * by;
    return shorter(o, by);
}

/* A second block of k begins where the first one did. */
static bool block_repeated(mutant_op *o, int block)
{
    int64_t k = *depth(o, TN_ARG_A);
    if (k < 2 * block)
        return false;
    return set_depth(o, k - block); /* and so the last block is missing */
}

/* Rows (2 from the end) or columns (1) that are not written. */
static bool not_written(mutant_op *o, int from_end)
{
    tn_tensor *out = tn__mutant_tensor(o, TN_ARG_OUT);
    bool row = from_end == 2;
    uint32_t role = row ? TN_ARG_A : TN_ARG_B;
    tn_tensor *t = tn__mutant_tensor(o, role);
    int64_t *d = &t->dim[t->rank - (row == turned(o, role) ? 1 : 2)];
    if (o->op.post_count > 0 || tn__mutant_tensor(o, TN_ARG_C) != NULL || *d < 2 ||
        o->op.arg_count > 3)
        return false;
    --*d;
    --out->dim[out->rank - from_end];
    return true;
}

static bool batch_one(mutant_op *o, int param)
{
    tn_tensor *out = tn__mutant_tensor(o, TN_ARG_OUT), *a = tn__mutant_tensor(o, TN_ARG_A),
              *b = tn__mutant_tensor(o, TN_ARG_B);
    (void)param;
    if (out->rank < 3 || out->dim[0] < 2 || o->op.arg_count > 3)
        return false;
    tn_tensor *all[] = {out, a, b};
    for (int i = 0; i < 3; ++i)
        if (all[i]->rank == out->rank && all[i]->dim[0] > 1)
            all[i]->dim[0]--;
    return true;
}

static bool transposed(mutant_op *o, int role)
{
    tn_tensor *t = tn__mutant_tensor(o, (uint32_t)role);
    uint32_t r = t->rank;
    if (t->dim[r - 1] != t->dim[r - 2] || t->dim[r - 1] < 2)
        return false;
    int64_t s = t->stride[r - 1];
    t->stride[r - 1] = t->stride[r - 2];
    t->stride[r - 2] = s;
    return true;
}

static bool no_leading(mutant_op *o, int role)
{
    tn_tensor *t = tn__mutant_tensor(o, (uint32_t)role);
    if (t->rank < 2 || t->stride[t->rank - 1] != 1 || t->stride[t->rank - 2] == t->dim[t->rank - 1])
        return false;
    t->stride[t->rank - 2] = t->dim[t->rank - 1];
    return true;
}

static bool same_batch(mutant_op *o, int role)
{
    tn_tensor *t = tn__mutant_tensor(o, (uint32_t)role);
    bool changed = false;
    for (uint32_t d = 0; d + 2 < t->rank; ++d) {
        changed = changed || (t->dim[d] > 1 && t->stride[d] != 0);
        t->stride[d] = 0;
    }
    return changed;
}

/* ---- epilogues ---- */

static void drop_arg(mutant_op *o, uint32_t role)
{
    int i = tn__mutant_index(o, role);
    if (i < 0)
        return;
    memmove(&o->args[i], &o->args[i + 1], (o->op.arg_count - (uint32_t)i - 1) * sizeof *o->args);
    memmove(&o->shift[i], &o->shift[i + 1], (o->op.arg_count - (uint32_t)i - 1) * sizeof *o->shift);
    o->op.arg_count--;
}

static bool no_c(mutant_op *o, int param)
{
    (void)param;
    if (tn__mutant_tensor(o, TN_ARG_C) == NULL)
        return false;
    o->attr.matmul.flags |= TN_MATMUL_BETA;
    o->attr.matmul.beta = 0.0f;
    return true;
}

static bool no_flag(mutant_op *o, int flag)
{
    if ((o->attr.matmul.flags & (uint32_t)flag) == 0)
        return false;
    o->attr.matmul.flags &= ~(uint32_t)flag;
    return true;
}

static int post_of(const mutant_op *o, int kind)
{
    for (uint32_t p = 0; p < o->op.post_count; ++p)
        if ((int)o->posts[p].kind == kind)
            return (int)p;
    return -1;
}

static bool drop_post(mutant_op *o, int kind)
{
    int p = post_of(o, kind);
    if (p < 0)
        return false;
    uint32_t role = o->posts[p].role;
    memmove(&o->posts[p], &o->posts[p + 1],
            (o->op.post_count - (uint32_t)p - 1) * sizeof *o->posts);
    o->op.post_count--;
    drop_arg(o, role);
    return true;
}

static bool bias_by_row(mutant_op *o, int param)
{
    int p = post_of(o, TN_POST_BIAS);
    tn_tensor *out = tn__mutant_tensor(o, TN_ARG_OUT);
    (void)param;
    if (p < 0 || out->dim[out->rank - 1] < out->dim[out->rank - 2])
        return false;
    tn_tensor *t = tn__mutant_tensor(o, o->posts[p].role);
    t->rank = 2;
    t->dim[0] = out->dim[out->rank - 2];
    t->dim[1] = 1;
    t->stride[1] = 0;
    o->posts[p].kind = TN_POST_ADD;
    /* an operand of ADD has the shape of the output: broadcast by strides */
    t->dim[1] = out->dim[out->rank - 1];
    return out->rank == 2;
}

static bool other_gelu(mutant_op *o, int to)
{
    int p = post_of(o, to == TN_POST_GELU_TANH ? TN_POST_GELU : TN_POST_GELU_TANH);
    if (p < 0)
        return false;
    o->posts[p].kind = (tn_post_kind)to;
    return true;
}

static bool posts_swapped(mutant_op *o, int param)
{
    (void)param;
    if (o->op.post_count < 2)
        return false;
    tn_post t = o->posts[0];
    o->posts[0] = o->posts[1];
    o->posts[1] = t;
    return true;
}

static bool has_relu(mutant_op *o, int param)
{
    (void)param;
    return post_of(o, TN_POST_RELU) >= 0;
}

/* max(x, 0) as most machines have it: NaN becomes 0. */
static void relu_without_nan(mutant_run *r, int param)
{
    const tn_tensor *t = &r->plan->right.args[tn__mutant_index(&r->plan->right, TN_ARG_OUT)].tensor;
    (void)param;
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n)
        if (isnan(tn__mutant_load(r, TN_ARG_OUT, tn__mutant_offset(t, n))))
            tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(t, n), 0);
}

/* beta * C is added to a sum that is already rounded to the output's type. */
static bool late_c(mutant_op *o, int param)
{
    (void)param;
    tn_tensor *out = tn__mutant_tensor(o, TN_ARG_OUT);
    return out->dtype != TN_F32 && o->op.post_count == 0 && no_c(o, 0);
}

static void add_c(mutant_run *r, int param)
{
    const mutant_op *o = &r->plan->right;
    const tn_tensor *t = &o->args[tn__mutant_index(o, TN_ARG_OUT)].tensor,
                    *c = &o->args[tn__mutant_index(o, TN_ARG_C)].tensor;
    double beta = (o->attr.matmul.flags & TN_MATMUL_BETA) != 0 ? (double)o->attr.matmul.beta : 1;
    (void)param;
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n)
        tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(t, n),
                         tn__mutant_load(r, TN_ARG_OUT, tn__mutant_offset(t, n)) +
                             beta * tn__mutant_load(r, TN_ARG_C, tn__mutant_offset(c, n)));
}

/* ---- sums of its own ---- */

enum {
    SUM_F16,
    SUM_BF16,
    SUM_14,
    SUM_22,
    SUM_ZERO,
    SUM_PRODUCT_F16,
    SUM_PRODUCT_BF16,
    SUM_RANDOM,
    SUM_TAIL,
    SUM_LAST_TWICE,
    SUM_LANE,
    SUM_TILE,
    SUM_RACE,
    SUM_UP,
    SUM_MIDDLE,
    SUM_EVERY_SEVENTH,
    SUM_19,
    SUM_NEIGHBOUR
};

/* Plain sums only: what follows them is not the defect's matter. */
static bool plain(mutant_op *o, int param)
{
    const tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A), *out = tn__mutant_tensor(o, TN_ARG_OUT);
    bool narrow = a->dtype == TN_F16 || a->dtype == TN_BF16 || a->dtype == TN_F32 ||
                  a->dtype == TN_F8E4M3 || a->dtype == TN_F8E5M2;
    (void)param;
    return narrow && o->op.post_count == 0 && o->op.arg_count == 3 &&
           o->attr.matmul.flags < TN_MATMUL_ALPHA && a->rank == out->rank &&
           tn__mutant_tensor(o, TN_ARG_B)->rank == out->rank &&
           o->op.numerics.cls != TN_CLASS_CANONICAL && tn__mutant_count_of(out) < 1 << 20;
}

static float add(int how, float s, double product)
{
    double p = how == SUM_PRODUCT_F16    ? (double)tn__mutant_f16(product)
               : how == SUM_PRODUCT_BF16 ? (double)tn__mutant_round(product, 8, true)
                                         : product;
    double exact = (double)s + p;
    switch (how) {
    case SUM_F16:
        return tn__mutant_f16(exact);
    case SUM_BF16:
        return tn__mutant_round(exact, 8, true);
    case SUM_14:
        return tn__mutant_round(exact, 14, false);
    case SUM_22:
        return tn__mutant_round(exact, 22, true);
    case SUM_19:
        return tn__mutant_round(exact, 19, true);
    case SUM_ZERO:
        return fabs(exact) < 3e38 ? tn__mutant_round(exact, 24, false) : (float)exact;
    case SUM_UP: {
        float f = (float)exact;
        return isfinite(f) && (double)f < exact ? nextafterf(f, INFINITY) : f;
    }
    default:
        return (float)exact;
    }
}

static float sum_of(mutant_run *r, int how, int64_t pa, int64_t pb, int64_t sa, int64_t sb,
                    int64_t k, int64_t m, int64_t n)
{
    float s = 0;
    int64_t last = k;
    uint64_t mix = r->launch * 0x9e3779b97f4a7c15u + (uint64_t)(m * 131 + n);
    if (how == SUM_TAIL)
        last = (k + 3) / 4 * 4;
    if (how == SUM_LANE && n % 16 == 5)
        last = k - 1;
    if (how == SUM_TILE && m / 16 == 1 && n / 16 == 0)
        pa -= 1; /* a tile that reads one element too early */
    /* another first element in each launch, and then round */
    int64_t start = how == SUM_RANDOM && k > 0 ? (int64_t)(mix % (uint64_t)k) : 0;
    for (int64_t j = 0; j < last; ++j) {
        int64_t i = how == SUM_RANDOM ? (j + start) % k : j;
        if (how == SUM_MIDDLE && j == k / 3 && k > 2)
            continue;
        if (how == SUM_EVERY_SEVENTH && j % 7 == 3)
            s = add(how, s,
                    tn__mutant_load(r, TN_ARG_A, pa + i * sa) *
                        tn__mutant_load(r, TN_ARG_B, pb + i * sb));
        s = add(how, s,
                tn__mutant_load(r, TN_ARG_A, pa + i * sa) *
                    tn__mutant_load(r, TN_ARG_B, pb + i * sb));
    }
    if (how == SUM_LAST_TWICE && k > 0)
        s = add(how, s,
                tn__mutant_load(r, TN_ARG_A, pa + (k - 1) * sa) *
                    tn__mutant_load(r, TN_ARG_B, pb + (k - 1) * sb));
    if (how == SUM_RACE && k > 64 && mix % 1009 == 0) /* an update of another worker is lost */
        s = add(how, s, -tn__mutant_load(r, TN_ARG_A, pa) * tn__mutant_load(r, TN_ARG_B, pb));
    return s;
}

static void sums(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    o.op.args = o.args;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *b = tn__mutant_tensor(&o, TN_ARG_B),
                    *out = tn__mutant_tensor(&o, TN_ARG_OUT);
    int64_t k = *depth(&o, TN_ARG_A), sa = depth_stride(&o, TN_ARG_A),
            sb = depth_stride(&o, TN_ARG_B);
    int64_t row = a->stride[a->rank - (turned(&o, TN_ARG_A) ? 1 : 2)],
            column = b->stride[b->rank - (turned(&o, TN_ARG_B) ? 2 : 1)];
    for (int64_t e = 0; e < tn__mutant_count_of(out); ++e) {
        int64_t n = e % out->dim[out->rank - 1], rest = e / out->dim[out->rank - 1];
        if (how == SUM_NEIGHBOUR && (n ^ 4) < out->dim[out->rank - 1])
            n ^= 4; /* two halves of a vector are exchanged */
        int64_t m = rest % out->dim[out->rank - 2], pa = m * row, pb = n * column;
        rest /= out->dim[out->rank - 2];
        for (uint32_t d = out->rank - 2u; d-- > 0; rest /= out->dim[d]) {
            pa += a->dim[d] > 1 ? rest % out->dim[d] * a->stride[d] : 0;
            pb += b->dim[d] > 1 ? rest % out->dim[d] * b->stride[d] : 0;
        }
        tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(out, e),
                         (double)sum_of(r, how, pa, pb, sa, sb, k, m, n));
    }
}

/* ---- integers ---- */

static bool whole_numbers(mutant_op *o, int param)
{
    const tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A);
    (void)param;
    return (a->dtype == TN_S8 || a->dtype == TN_U8) && o->op.arg_count == 3 &&
           o->op.post_count == 0;
}

static bool byte_tail(mutant_op *o, int of)
{
    return whole_numbers(o, 0) && whole_tiles(o, of);
}

static bool plain_integers(mutant_op *o, int param)
{
    return whole_numbers(o, param) && tn__mutant_tensor(o, TN_ARG_OUT)->dtype == TN_S32;
}

static void wrap_16(mutant_run *r, int param)
{
    const tn_tensor *t = &r->plan->right.args[tn__mutant_index(&r->plan->right, TN_ARG_OUT)].tensor;
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        int64_t at = tn__mutant_offset(t, n), v = (int64_t)tn__mutant_load(r, TN_ARG_OUT, at);
        tn__mutant_store(r, TN_ARG_OUT, at,
                         param ? (v > 32767    ? 32767
                                  : v < -32768 ? -32768
                                               : (double)v)
                               : (double)(int16_t)(uint16_t)v);
    }
}

static bool other_sign(mutant_op *o, int dtype)
{
    bool changed = false;
    static const uint32_t roles[] = {TN_ARG_A, TN_ARG_B};
    uint16_t to = dtype == TN_U8 ? TN_S8 : TN_U8;
    for (int i = 0; i < 2; ++i) {
        tn_tensor *t = tn__mutant_tensor(o, roles[i]);
        tn_tensor *z = tn__mutant_tensor(o, TN_ARG_ZERO_OF + roles[i]);
        if (t == NULL || t->dtype != dtype || (i == 1 && dtype == TN_U8))
            continue;
        t->dtype = to;
        if (z != NULL)
            z->dtype = to;
        changed = true;
    }
    return changed;
}

static bool no_zero(mutant_op *o, int role)
{
    if (tn__mutant_tensor(o, TN_ARG_ZERO_OF + (uint32_t)role) == NULL)
        return false;
    drop_arg(o, TN_ARG_ZERO_OF + (uint32_t)role);
    return true;
}

static bool has_scale(mutant_op *o, int role)
{
    int i = tn__mutant_index(o, TN_ARG_SCALE_OF + (uint32_t)role);
    return i >= 0 && o->args[i].tensor.rank == 1 && o->args[i].tensor.dim[0] > 2;
}

static void shift_scale(mutant_run *r, int role)
{
    int i = tn__mutant_index(&r->plan->right, TN_ARG_SCALE_OF + (uint32_t)role);
    const tn_tensor *t = &r->plan->right.args[i].tensor;
    float *s = (float *)(void *)r->data[i], first = s[0];
    for (int64_t k = 0; k < t->dim[0]; ++k) /* put back by the same turn the other way */
        s[k * t->stride[0]] = k + 1 < t->dim[0] ? s[(k + 1) * t->stride[0]] : first;
}

static void shift_back(mutant_run *r, int role)
{
    int i = tn__mutant_index(&r->plan->right, TN_ARG_SCALE_OF + (uint32_t)role);
    const tn_tensor *t = &r->plan->right.args[i].tensor;
    float *s = (float *)(void *)r->data[i], last = s[(t->dim[0] - 1) * t->stride[0]];
    for (int64_t k = t->dim[0]; k-- > 0;)
        s[k * t->stride[0]] = k > 0 ? s[(k - 1) * t->stride[0]] : last;
}

#define MATMUL  .family = "matmul", .kind = TN_OP_MATMUL
#define INTEGER .family = "integer", .kind = TN_OP_MATMUL
const mutant_defect tn__mutant_matmul[] = {
    {.id = "M01",
     .text = "accumulates in f16",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_F16},
    {.id = "M02",
     .text = "accumulates in bf16",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_BF16},
    {.id = "M03",
     .text = "accumulates in 14 bits, toward zero",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_14},
    {.id = "M04",
     .text = "products are rounded to f16",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_PRODUCT_F16},
    {.id = "M05", .text = "last k dropped", MATMUL, .bend = shorter, .param = 1},
    {.id = "M06", .text = "tail of k mod 4 dropped", MATMUL, .bend = whole_tiles, .param = 4},
    {.id = "M07",
     .text = "last k counted twice",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_LAST_TWICE},
    {.id = "M08", .text = "last column not written", MATMUL, .bend = not_written, .param = 1},
    {.id = "M09", .text = "last row not written", MATMUL, .bend = not_written, .param = 2},
    {.id = "M10",
     .text = "A transposed when it is square",
     MATMUL,
     .bend = transposed,
     .param = TN_ARG_A},
    {.id = "M11",
     .text = "B transposed when it is square",
     MATMUL,
     .bend = transposed,
     .param = TN_ARG_B},
    {.id = "M14",
     .text = "accumulates in 22 bits",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_22},
    {.id = "M24",
     .text = "another order of sums in each launch",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_RANDOM},
    {.id = "M25",
     .text = "sums round toward zero",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_ZERO},
    {.id = "M26",
     .text = "reads past the tail of k",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_TAIL},
    {.id = "M27", .text = "sums round up", MATMUL, .bend = plain, .compute = sums, .param = SUM_UP},
    {.id = "M31",
     .text = "leading dimension of A ignored",
     MATMUL,
     .bend = no_leading,
     .param = TN_ARG_A},
    {.id = "M32",
     .text = "batch stride of B ignored",
     MATMUL,
     .bend = same_batch,
     .param = TN_ARG_B},
    {.id = "M33", .text = "beta * C omitted", MATMUL, .bend = no_c},
    {.id = "M34",
     .text = "beta * C added after the rounding",
     MATMUL,
     .bend = late_c,
     .after = add_c},
    {.id = "M36", .text = "bias indexed by the row", MATMUL, .bend = bias_by_row},
    {.id = "M37",
     .text = "relu turns NaN into 0",
     MATMUL,
     .bend = has_relu,
     .after = relu_without_nan},
    {.id = "M39", .text = "alpha ignored", MATMUL, .bend = no_flag, .param = TN_MATMUL_ALPHA},
    {.id = "M40", .text = "first k dropped", MATMUL, .bend = first_dropped, .param = 1},
    {.id = "M41", .text = "tail of k mod 16 dropped", MATMUL, .bend = whole_tiles, .param = 16},
    {.id = "M42", .text = "last batch not written", MATMUL, .bend = batch_one},
    {.id = "M43",
     .text = "gelu by tanh where erf is asked for",
     MATMUL,
     .bend = other_gelu,
     .param = TN_POST_GELU_TANH},
    {.id = "M44", .text = "bias omitted", MATMUL, .bend = drop_post, .param = TN_POST_BIAS},
    {.id = "M45", .text = "residual omitted", MATMUL, .bend = drop_post, .param = TN_POST_ADD},
    {.id = "M46",
     .text = "one tile reads A one element too early",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_TILE},
    {.id = "M47",
     .text = "lane 5 of 16 drops the last k",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_LANE},
    {.id = "M48",
     .text = "products are rounded to bf16",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_PRODUCT_BF16},
    {.id = "M49",
     .text = "an update is lost now and then",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_RACE},
    {.id = "M50",
     .text = "leading dimension of the output ignored",
     MATMUL,
     .bend = no_leading,
     .param = TN_ARG_OUT},
    {.id = "M51",
     .text = "leading dimension of B ignored",
     MATMUL,
     .bend = no_leading,
     .param = TN_ARG_B},
    {.id = "M52",
     .text = "batch stride of A ignored",
     MATMUL,
     .bend = same_batch,
     .param = TN_ARG_A},
    {.id = "M53",
     .text = "last block of 128 k missing",
     MATMUL,
     .bend = block_repeated,
     .param = 128},
    {.id = "M54", .text = "epilogue in the wrong order", MATMUL, .bend = posts_swapped},
    {.id = "M55", .text = "beta taken as 1", MATMUL, .bend = no_flag, .param = TN_MATMUL_BETA},
    {.id = "M56", .text = "activation omitted", MATMUL, .bend = drop_post, .param = TN_POST_RELU},
    {.id = "M57",
     .text = "a term in the middle is lost",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_MIDDLE},
    {.id = "M58",
     .text = "every seventh term counts twice",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_EVERY_SEVENTH},
    {.id = "M59",
     .text = "sums of 19 bits",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_19},
    {.id = "M60",
     .text = "halves of 8 columns exchanged",
     MATMUL,
     .bend = plain,
     .compute = sums,
     .param = SUM_NEIGHBOUR},
    {.id = "I01",
     .text = "sums of bytes wrap at 16 bits",
     INTEGER,
     .bend = plain_integers,
     .after = wrap_16},
    {.id = "I02",
     .text = "sums of bytes saturate at 16 bits",
     INTEGER,
     .bend = plain_integers,
     .after = wrap_16,
     .param = 1},
    {.id = "I03", .text = "u8 read as s8", INTEGER, .bend = other_sign, .param = TN_U8},
    {.id = "I04", .text = "zero point of A ignored", INTEGER, .bend = no_zero, .param = TN_ARG_A},
    {.id = "I05", .text = "zero point of B ignored", INTEGER, .bend = no_zero, .param = TN_ARG_B},
    {.id = "I07", .text = "s8 read as u8", INTEGER, .bend = other_sign, .param = TN_S8},
    {.id = "I08",
     .text = "scale of the next column",
     INTEGER,
     .bend = has_scale,
     .before = shift_scale,
     .after = shift_back,
     .param = TN_ARG_B},
    {.id = "I09",
     .text = "tail of k mod 4 of bytes dropped",
     INTEGER,
     .bend = byte_tail,
     .param = 4},
    {0}};

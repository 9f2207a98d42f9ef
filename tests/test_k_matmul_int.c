/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of s8 and u8: every row against a plain sum in 64 bits, in random calls, at the edges of
 * tiles, where sums wrap, and packed. The 512-bit rows run over emulated instructions. */
#include "support/k_rows.h"
#include <kernels/matmul/matmul.h>
#include <math.h>

extern const tn_k_op tn_k_op_matmul;
extern const tn_k_variant tn_k_matmul_int8_exact, tn_t_int8_vnni, tn_t_int8_wide;
#ifdef __x86_64__
extern const tn_k_variant tn_k_matmul_int8_avx2_6x16, tn_k_matmul_int8_avx2_gemv,
    tn_k_matmul_int8_avx512_14x32, tn_k_matmul_int8_avx512bf16_14x32, tn_k_matmul_int8_amx_32x32;
#endif

static const tn_k_variant *const rows[] = {
    &tn_k_matmul_int8_exact,
#ifdef __x86_64__
    &tn_k_matmul_int8_avx2_6x16,
    &tn_k_matmul_int8_avx2_gemv,
    &tn_k_matmul_int8_avx512_14x32,
    &tn_k_matmul_int8_avx512bf16_14x32,
    &tn_k_matmul_int8_amx_32x32,
#endif
    &tn_t_int8_vnni,
    &tn_t_int8_wide,
};

enum { A, B, OUT, MOST = 16 };

typedef struct call {
    tn_op op;
    tn_matmul attr;
    tn_arg args[MOST];
    tn_post posts[8];
    unsigned char *block[MOST];
} call;

static tn_tensor *add(call *c, uint32_t role, uint32_t dtype, uint32_t rank, const int64_t *dim,
                      bool shuffle, uint64_t *state)
{
    uint32_t at = c->op.arg_count++;
    tn_tensor *t = &c->args[at].tensor;
    c->args[at].role = role;
    t->dtype = (uint16_t)dtype;
    t->rank = (uint16_t)rank;
    memcpy(t->dim, dim, rank * sizeof *dim);
    tn_t_strides(state, t, shuffle);
    c->block[at] = tn_t_block();
    return t;
}

/* What fills the bytes: anything, or one of the ends that saturating instructions get wrong. */
enum { ANY, LOWEST, HIGHEST, ENDS, FILLS };

static void fill_bytes(call *c, uint32_t at, int how, uint64_t *state)
{
    uint8_t low = c->args[at].tensor.dtype == TN_S8 ? 0x80 : 0;
    uint8_t high = c->args[at].tensor.dtype == TN_S8 ? 0x7f : 0xff;
    for (int i = TN_T_MIDDLE; i < TN_T_BYTES; i += 8) {
        uint64_t r = tn_test_random(state);
        for (int j = 0; j < 8; j++, r >>= 8)
            c->block[at][i + j] = how == ANY       ? (uint8_t)r
                                  : how == LOWEST  ? low
                                  : how == HIGHEST ? high
                                  : r & 1          ? low
                                                   : high;
    }
}

static void fill_words(call *c, uint32_t at, uint64_t *state)
{
    bool floats = c->args[at].tensor.dtype == TN_F32;
    bool scale = c->args[at].role >= TN_ARG_SCALE_OF;
    for (int i = TN_T_MIDDLE; i < TN_T_BYTES; i += 4) {
        uint64_t r = tn_test_random(state);
        float f = ((float)(int32_t)(r >> 40) - 0x1p23f) * (scale ? 0x1p-30f : 0x1p-18f);
        if (scale && f < 0)
            f = -f + 0x1p-12f;
        int32_t word = (int32_t)(r >> 32);
        memcpy(c->block[at] + i, floats ? (void *)&f : (void *)&word, 4);
    }
}

static void forget(call *c)
{
    for (uint32_t i = 0; i < c->op.arg_count; i++)
        free(c->block[i]);
}

static void add_posts(call *c, uint32_t rank, const int64_t *out, uint64_t *state)
{
    uint32_t od = c->args[OUT].tensor.dtype, sums = (uint32_t)(tn_test_random(state) % 3);
    uint32_t count = sums + (uint32_t)(tn_test_random(state) % 3);
    for (uint32_t i = 0; i < count; i++) {
        tn_post *q = &c->posts[c->op.post_count++];
        if (i < sums)
            q->kind = tn_test_random(state) % 2 ? TN_POST_BIAS : TN_POST_ADD;
        else if (od == TN_S32)
            q->kind = TN_POST_RELU;
        else
            q->kind = (tn_post_kind)(TN_POST_BIAS + tn_test_random(state) % 6);
        q->a = q->kind == TN_POST_CLAMP ? -9.75f : 0.03125f;
        q->b = 40.5f;
        if (q->kind > TN_POST_MUL)
            continue;
        int64_t dim[TN_MAX_RANK];
        for (uint32_t d = 0; d < rank; d++)
            dim[d] = tn_test_random(state) % 3 ? out[d] : 1;
        bool row = q->kind == TN_POST_BIAS;
        q->role = TN_ARG_POST0 + i;
        add(c, q->role, i < sums ? TN_S32 : TN_F32, row ? 1 : rank, row ? &out[rank - 1] : dim,
            true, state);
        fill_words(c, c->op.arg_count - 1, state);
    }
}

static void add_factors(call *c, int64_t m, int64_t n, uint64_t *state)
{
    uint32_t od = c->args[OUT].tensor.dtype;
    for (uint32_t of = TN_ARG_A; of <= TN_ARG_OUT; of++) {
        int64_t many = of == TN_ARG_A ? m : n;
        if (of == TN_ARG_C)
            continue;
        uint32_t dtype = of == TN_ARG_A   ? c->args[A].tensor.dtype
                         : of == TN_ARG_B ? c->args[B].tensor.dtype
                                          : od;
        bool scales = od != TN_S32 && (of != TN_ARG_OUT || od != TN_F32);
        if (scales && tn_test_random(state) % 3) {
            add(c, TN_ARG_SCALE_OF + of, TN_F32, tn_test_random(state) % 2, &many, true, state);
            fill_words(c, c->op.arg_count - 1, state);
        }
        if ((dtype == TN_S8 || dtype == TN_U8) && tn_test_random(state) % 3) {
            add(c, TN_ARG_ZERO_OF + of, dtype, tn_test_random(state) % 2, &many, true, state);
            fill_bytes(c, c->op.arg_count - 1, ANY, state);
        }
    }
}

static void make(call *c, int64_t m, int64_t n, int64_t k, bool plain, uint64_t *state)
{
    static const uint32_t outs[] = {TN_S32, TN_S8, TN_U8, TN_F32};
    memset(c, 0, sizeof *c);
    c->attr.head = (tn_head){sizeof(tn_matmul), TN_TYPE_tn_matmul, NULL};
    c->op = (tn_op){.head = {sizeof(tn_op), TN_TYPE_tn_op, NULL},
                    .kind = TN_OP_MATMUL,
                    .attr = &c->attr,
                    .args = c->args,
                    .posts = c->posts};
    uint32_t rank = plain ? 2 : 2 + (uint32_t)(tn_test_random(state) % 3);
    int64_t out[TN_MAX_RANK], a[TN_MAX_RANK], b[TN_MAX_RANK];
    for (uint32_t d = 0; d < rank - 2; d++) {
        out[d] = 1 + (int64_t)(tn_test_random(state) % 3);
        a[d] = tn_test_random(state) % 4 ? out[d] : 1;
        b[d] = a[d] == 1 || tn_test_random(state) % 2 ? out[d] : 1;
    }
    c->attr.flags = (uint32_t)(tn_test_random(state) % 4);
    bool ta = c->attr.flags & TN_MATMUL_TRANSPOSE_A, tb = c->attr.flags & TN_MATMUL_TRANSPOSE_B;
    a[rank - 2] = ta ? k : m, a[rank - 1] = ta ? m : k;
    b[rank - 2] = tb ? n : k, b[rank - 1] = tb ? k : n;
    out[rank - 2] = m, out[rank - 1] = n;
    add(c, TN_ARG_A, tn_test_random(state) % 2 ? TN_U8 : TN_S8, rank, a,
        !plain && tn_test_random(state) % 2, state);
    add(c, TN_ARG_B, tn_test_random(state) % 2 ? TN_U8 : TN_S8, rank, b,
        !plain && tn_test_random(state) % 2, state);
    add(c, TN_ARG_OUT, outs[tn_test_random(state) % 4], rank, out,
        !plain && tn_test_random(state) % 2, state);
    fill_bytes(c, A, (int)(tn_test_random(state) % FILLS), state);
    fill_bytes(c, B, (int)(tn_test_random(state) % FILLS), state);
    if (plain && tn_test_random(state) % 2)
        return;
    add_posts(c, rank, out, state);
    add_factors(c, m, n, state);
}

/* ---- the reference: from the op alone, without the kernels' params ---- */

static int find(const call *c, uint32_t role)
{
    for (uint32_t i = 0; i < c->op.arg_count; i++)
        if (c->args[i].role == role)
            return (int)i;
    return -1;
}

/* Element of an operand at an index of the output, whose last dims are m and n. */
static const void *at(const call *c, int arg, const int64_t *index, uint32_t rank, int bytes)
{
    const tn_tensor *t = &c->args[arg].tensor;
    int64_t offset = 0;
    for (uint32_t d = 0; d < t->rank; d++)
        if (t->dim[d] != 1)
            offset += index[rank - t->rank + d] * t->stride[d];
    return c->block[arg] + TN_T_MIDDLE + offset * bytes;
}

static int64_t byte_at(const call *c, int arg, const int64_t *index, uint32_t rank)
{
    const uint8_t *p = at(c, arg, index, rank, 1);
    return c->args[arg].tensor.dtype == TN_U8 ? *p : (int8_t)*p;
}

static float float_at(const call *c, int arg, const int64_t *index, uint32_t rank)
{
    float f;
    memcpy(&f, at(c, arg, index, rank, 4), 4);
    return f;
}

static float post_of(const call *c, const tn_post *q, float y, const int64_t *index, uint32_t rank)
{
    float r = q->role != 0 ? float_at(c, find(c, q->role), index, rank) : 0.0f;
    switch (q->kind) {
    case TN_POST_MUL:
        return y * r;
    case TN_POST_SCALE:
        return y * q->a;
    case TN_POST_CLAMP:
        return y < q->a ? q->a : y > q->b ? q->b : y;
    case TN_POST_RELU:
        return y > 0 ? y : 0.0f;
    default:
        return y + r;
    }
}

/* The sum in 64 bits, which do not wrap here, cut to 32. */
static uint32_t sum_of(const call *c, const int64_t *index, uint32_t rank, int64_t k)
{
    uint32_t flags = c->attr.flags;
    int az = find(c, TN_ARG_ZERO_OF + TN_ARG_A), bz = find(c, TN_ARG_ZERO_OF + TN_ARG_B);
    int64_t a_at[TN_MAX_RANK], b_at[TN_MAX_RANK], sum = 0;
    memcpy(a_at, index, sizeof a_at);
    memcpy(b_at, index, sizeof b_at);
    int64_t za = az < 0 ? 0 : byte_at(c, az, &index[rank - 2], 1);
    int64_t zb = bz < 0 ? 0 : byte_at(c, bz, &index[rank - 1], 1);
    for (int64_t i = 0; i < k; i++) {
        bool ta = flags & TN_MATMUL_TRANSPOSE_A, tb = flags & TN_MATMUL_TRANSPOSE_B;
        a_at[rank - 2] = ta ? i : index[rank - 2], a_at[rank - 1] = ta ? index[rank - 2] : i;
        b_at[rank - 2] = tb ? index[rank - 1] : i, b_at[rank - 1] = tb ? i : index[rank - 1];
        sum += (byte_at(c, A, a_at, rank) - za) * (byte_at(c, B, b_at, rank) - zb);
    }
    return (uint32_t)(uint64_t)sum;
}

static bool right(const call *c, const int64_t *index, uint32_t rank, int64_t k)
{
    uint32_t dtype = c->args[OUT].tensor.dtype, sum = sum_of(c, index, rank, k), i = 0;
    for (; i < c->op.post_count; i++) {
        int arg = c->posts[i].role != 0 ? find(c, c->posts[i].role) : -1;
        if (arg < 0 || c->args[arg].tensor.dtype != TN_S32)
            break;
        uint32_t bias;
        memcpy(&bias, at(c, arg, index, rank, 4), 4);
        sum += bias;
    }
    if (dtype == TN_S32) {
        int32_t have, want = (int32_t)sum;
        memcpy(&have, at(c, OUT, index, rank, 4), 4);
        return have == (i < c->op.post_count && want < 0 ? 0 : want);
    }
    int as = find(c, TN_ARG_SCALE_OF + TN_ARG_A), bs = find(c, TN_ARG_SCALE_OF + TN_ARG_B);
    int os = find(c, TN_ARG_SCALE_OF + TN_ARG_OUT), oz = find(c, TN_ARG_ZERO_OF + TN_ARG_OUT);
    float y = (float)(int32_t)sum;
    float scale = as >= 0 ? float_at(c, as, &index[rank - 2], 1) : 1.0f;
    if (bs >= 0)
        scale = scale * float_at(c, bs, &index[rank - 1], 1);
    y = y * scale;
    for (; i < c->op.post_count; i++)
        y = post_of(c, &c->posts[i], y, index, rank);
    if (dtype == TN_F32) {
        float have = float_at(c, OUT, index, rank);
        return memcmp(&have, &y, 4) == 0;
    }
    if (os >= 0)
        y = y / float_at(c, os, &index[rank - 1], 1);
    double q = nearbyint((double)y), low = dtype == TN_U8 ? 0 : -128;
    double high = dtype == TN_U8 ? 255 : 127;
    q = fmax(fmin(q, 0x1p30), -0x1p30) +
        (oz >= 0 ? (double)byte_at(c, oz, &index[rank - 1], 1) : 0);
    return (double)byte_at(c, OUT, index, rank) == fmax(fmin(q, high), low);
}

/* Whether the output block is right, every element of it. */
static bool all_right(const call *c)
{
    const tn_tensor *out = &c->args[OUT].tensor, *a = &c->args[A].tensor;
    int64_t k = a->dim[a->rank - (c->attr.flags & TN_MATMUL_TRANSPOSE_A ? 2 : 1)], count = 1;
    for (uint32_t d = 0; d < out->rank; d++)
        count *= out->dim[d];
    for (int64_t e = 0; e < count; e++) {
        int64_t index[TN_MAX_RANK], rest = e;
        for (uint32_t d = out->rank; d-- > 0; rest /= out->dim[d])
            index[d] = rest % out->dim[d];
        if (!right(c, index, out->rank, k))
            return false;
    }
    return true;
}

static uint32_t tried[sizeof rows / sizeof rows[0]]; /* runs with a packed b */

/* Packs b with the row's own tasks and runs from that. */
static uint32_t check_packed(call *c, const tn_k_variant *v)
{
    static tn_k_matmul p;
    const tn_k_caps caps = {.isa = tn_t_isa(), .workers = 2, .l1d_bytes = 32768};
    tn_k_why why;
    tn_k_launch launch;
    c->args[B].flags = TN_ARG_PACKED;
    TN_REQUIRE(tn_k_op_matmul.params(&c->op, &p, &why), "%s", why.text);
    c->args[B].flags = 0;
    if (v->pack == NULL || (v->isa & ~caps.isa) != 0 || !v->accepts(&p, &caps, &why))
        return 0;
    v->plan(&p, &caps, &launch);
    unsigned char *packed = tn_t_workspace(launch.pack_bytes), *other = tn_t_block();
    for (uint32_t t = launch.pack_tasks; t-- > 0;)
        v->pack(&launch, &p, &c->args[B].tensor, c->block[B] + TN_T_MIDDLE, packed, t, t + 1);
    void *operand[TN_K_OPERANDS];
    for (uint32_t i = 0; i < p.operands.count; i++) {
        int arg = find(c, p.operands.item[i].role);
        operand[i] = c->block[arg] + TN_T_MIDDLE;
    }
    operand[1] = packed;
    operand[p.out] = other + TN_T_MIDDLE;
    tn_t_run(v, &p, &caps, operand, true);
    TN_EXPECT(tn_t_same(other, c->block[OUT], true), "%s packed", v->name);
    TN_EXPECT(tn_t_workspace_free(packed, launch.pack_bytes), "%s packs past its bytes", v->name);
    free(other);
    return 1;
}

static void check(call *c, const char *what)
{
    static tn_k_matmul p;
    const tn_k_op op = {.kind = TN_OP_MATMUL,
                        .name = "matmul",
                        .params_bytes = sizeof p,
                        .params = tn_k_op_matmul.params,
                        .variants = rows,
                        .variant_count = sizeof rows / sizeof rows[0]};
    tn_t_rows(&op, &c->op, c->block, OUT, c->args[OUT].tensor.dtype == TN_F32, &p);
    const tn_tensor *o = &c->args[OUT].tensor;
    TN_EXPECT(all_right(c), "%s: [%d,%d] of rank %u, %u posts, flags %u", what,
              (int)o->dim[o->rank - 2], (int)o->dim[o->rank - 1], o->rank, c->op.post_count,
              c->attr.flags);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        tried[i] += check_packed(c, rows[i]);
}

TN_TEST(matmul_int, random_calls)
{
    uint64_t state = tn_test_seed();
    for (int round = 0; round < 120; round++) {
        static const int64_t most[] = {1, 4, 7, 20, 40, 70};
        int64_t dim[3];
        for (int d = 0; d < 3; d++)
            dim[d] = (int64_t)(tn_test_random(&state) %
                               (uint64_t)(most[tn_test_random(&state) % 6] + 1));
        call c;
        make(&c, dim[0], dim[1], dim[2], false, &state);
        check(&c, "random");
        forget(&c);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        TN_EXPECT(tried[i] > 0 || rows[i]->pack == NULL || (rows[i]->isa & ~tn_t_isa()) != 0,
                  "%s took no call", rows[i]->name);
}

TN_TEST(matmul_int, edges_of_tiles)
{
    uint64_t state = tn_test_seed() + 1;
    static const int64_t ms[] = {1, 2, 4, 6, 7, 13, 15, 16, 29, 32, 33, 65},
                         ns[] = {1, 15, 16, 17, 31, 32, 33, 65};
    static const int64_t ks[] = {1, 2, 3, 4, 5, 15, 16, 31, 32, 33, 34, 63, 64, 67, 65, 128, 130};
    for (int i = 0; i < 12; i++)
        for (int j = 0; j < 8; j++) {
            call c;
            make(&c, ms[i], ns[j], ks[(i * 8 + j) % 17], true, &state);
            check(&c, "edge");
            forget(&c);
        }
}

/* Sums past 2^31 wrap, and the largest products of every pair of signs do not saturate. */
TN_TEST(matmul_int, sums_wrap)
{
    uint64_t state = tn_test_seed() + 2;
    for (int signs = 0; signs < 4; signs++)
        for (int fill = LOWEST; fill <= ENDS; fill++) {
            call c;
            make(&c, 1, 1, 140001, true, &state);
            c.op.post_count = 0;
            while (c.op.arg_count > 3)
                free(c.block[--c.op.arg_count]);
            c.args[A].tensor.dtype = signs & 1 ? TN_U8 : TN_S8;
            c.args[B].tensor.dtype = signs & 2 ? TN_U8 : TN_S8;
            c.args[OUT].tensor.dtype = TN_S32;
            fill_bytes(&c, A, fill, &state);
            fill_bytes(&c, B, fill, &state);
            check(&c, "wrap");
            forget(&c);
        }
}

/* The comparison above can fail: a wrong bit in any kind of output is seen. */
TN_TEST(matmul_int, a_wrong_bit_is_seen)
{
    uint64_t state = tn_test_seed() + 3;
    for (int round = 0; round < 8; round++) {
        call c;
        static tn_k_matmul p;
        make(&c, 3, 5, 9, true, &state);
        tn_t_rows(&tn_k_op_matmul, &c.op, c.block, OUT, true, &p);
        TN_EXPECT(all_right(&c));
        c.block[OUT][TN_T_MIDDLE] ^= 1;
        TN_EXPECT(!all_right(&c));
        forget(&c);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Attention over caches of keys: few queries, keys split over tasks, pages, s8 with scales. Each
 * has the bits of the plain call on the same numbers, which float64 checks. */
#include "support/k_attention.h"

enum { PAGES = OPERANDS, K_SCALE, V_SCALE, ALL };

/* A call of the kind that decoding makes: few rows, whole vectors, dense. */
static void make_few(problem *c, uint64_t *state, bool whole)
{
    memset(c, 0, sizeof *c);
    c->plain = true;
    c->op =
        (tn_op){.head = TN_INIT(tn_op), .kind = TN_OP_ATTENTION, .attr = &c->attr, .args = c->args};
    int64_t b = pick(state, 1, 2), kv = pick(state, 1, 2), h = kv * pick(state, 1, 8),
            sq = pick(state, 1, 3), sk = pick(state, 1, 460), unit_of = whole ? 8 : 1,
            d = unit_of * pick(state, 1, 136 / unit_of),
            dv = unit_of * pick(state, 1, 96 / unit_of);
    add(c, state, Q, TN_ARG_Q, 4, (int64_t[]){b, h, sq, d});
    add(c, state, K, TN_ARG_K, 4, (int64_t[]){b, kv, sk, d});
    add(c, state, V, TN_ARG_V, 4, (int64_t[]){b, kv, sk, dv});
    add(c, state, OUT, TN_ARG_OUT, 4, (int64_t[]){b, h, sq, dv});
    if (coin(state, 3))
        add_mask(c, state, (int64_t[]){b, h, sq, sk}, 4);
    make_attr(&c->attr, state, sk);
    if (coin(state, 2))
        add_extras(c, state, b, h, sq, sk, 4);
}

TN_TEST(k_attention_cache, few_rows)
{
    uint64_t state = tn_test_seed();
    for (int round = 0; round < 60; round++) {
        problem c;
        make_few(&c, &state, round % 4 != 0);
        for (int i = 0; i < MASK && coin(&state, 2); i++)
            retype(&c, &state, i);
        prepare(&c);
        check(&c, " of few rows");
        if (coin(&state, 2)) { /* one that is not finite, where it takes part and where not */
            int64_t at = pick(&state, 0, elements(&c.all[V].tensor) - 1);
            floats(&c, V)[place(&c.all[V].tensor, at)] = coin(&state, 2) ? INFINITY : NAN;
            check(&c, " of few rows, a value is not finite");
        }
        forget(&c);
    }
}

/* The same call with other operands for its keys and values. */
typedef struct call {
    tn_attention attr;
    tn_arg args[ALL];
    tn_op op;
    void *at[ALL];
    unsigned char *own[ALL];
    tn_k_attention_params p;
} call;

static void *own(call *x, int operand)
{
    x->own[operand] = tn_t_block();
    memset(x->own[operand], 0xff, TN_T_BYTES);
    return x->own[operand] + TN_T_MIDDLE;
}

static void give(call *x, const tn_arg *arg, void *at)
{
    x->args[x->op.arg_count] = *arg;
    x->at[x->op.arg_count++] = at;
}

/* Every row has the bits that the plain call left in c. */
static void compare(problem *c, call *x, const char *what)
{
    tn_k_why why = {"none", "none", "none"};
    uint32_t out = 0, stats = 0, rows = 0;
    TN_REQUIRE(tn_k_op_attention.params(&x->op, &x->p, &why), "%s %s", why.reason, why.text);
    void *operand[ALL];
    for (uint32_t i = 0; i < x->p.operands.count; i++)
        for (uint32_t j = 0; j < x->op.arg_count; j++)
            if (x->args[j].role == x->p.operands.item[i].role) {
                operand[i] = x->at[j];
                out = x->args[j].role == TN_ARG_OUT ? i : out;
                stats = x->args[j].role == TN_ARG_STATS ? i : stats;
            }
    unsigned char *result = tn_t_block(), *told = tn_t_block();
    for (uint32_t i = 0; i <= tn_k_op_attention.variant_count; i++)
        for (uint32_t workers = 1; workers <= 3; workers += 2) {
            const tn_k_variant *v = i < tn_k_op_attention.variant_count
                                        ? tn_k_op_attention.variants[i]
                                        : &tn_t_attention_emulated512;
            tn_k_caps caps = {.isa = tn_t_isa(), .workers = workers, .l1d_bytes = 32768};
            if ((v->isa & caps.isa) != v->isa || !v->accepts(&x->p, &caps, &why))
                continue;
            memset(result, 0xa5, TN_T_BYTES);
            memset(told, 0xa5, TN_T_BYTES);
            operand[out] = result + TN_T_MIDDLE;
            if (stats != 0)
                operand[stats] = told + TN_T_MIDDLE;
            tn_t_run(v, &x->p, &caps, operand, workers > 1);
            rows++;
            TN_EXPECT(
                tn_t_same(result, c->block[OUT], true),
                "%s, %u workers, %s: not the bits of the plain call; b%d h%d/%d q%d k%d d%d/%d",
                v->name, workers, what, (int)x->p.batch, (int)x->p.heads, (int)x->p.kv_heads,
                (int)x->p.queries, (int)x->p.keys, (int)x->p.d, (int)x->p.dv);
            TN_EXPECT(stats == 0 || tn_t_same(told, c->block[STATS], true), "%s: statistics of %s",
                      v->name, what);
        }
    TN_EXPECT(rows >= 4, "only %u runs", rows);
    free(result);
    free(told);
}

static void start(problem *c, call *x)
{
    memset(x, 0, sizeof *x);
    x->attr = c->attr;
    x->op =
        (tn_op){.head = TN_INIT(tn_op), .kind = TN_OP_ATTENTION, .attr = &x->attr, .args = x->args};
    for (int i = 0; i < OPERANDS; i++)
        if (i != K && i != V && c->block[i] != NULL)
            give(x, &c->all[i], given(c, i));
}

static void end(call *x)
{
    for (int i = 0; i < ALL; i++)
        free(x->own[i]);
}

static void dense(tn_tensor *t, uint16_t dtype, uint16_t rank, const int64_t *dim)
{
    int64_t stride = 1;
    *t = (tn_tensor){.dtype = dtype, .rank = rank};
    for (int d = rank; d-- > 0; stride *= dim[d]) {
        t->dim[d] = dim[d];
        t->stride[d] = stride;
    }
}

/* Keys or values in pages of `tokens`, which lie where the table says; the rest of the pages is
 * NaN. Without a page: nowhere. */
static void give_paged(problem *c, call *x, int operand, int64_t tokens, int64_t pages,
                       int64_t columns, const int32_t *table)
{
    const tn_tensor *from = &c->all[operand].tensor;
    tn_arg arg = {.role = c->all[operand].role};
    const int64_t dim[] = {pages, from->dim[1], tokens, from->dim[3]};
    unsigned char *to = own(x, operand);
    dense(&arg.tensor, from->dtype, 4, dim);
    for (int64_t i = 0, n = elements(from); i < n; i++) {
        int64_t e = i % dim[3], j = i / dim[3] % from->dim[2];
        int64_t h = i / dim[3] / from->dim[2] % dim[1], b = i / dim[3] / from->dim[2] / dim[1];
        int64_t page = table[b * columns + j / tokens];
        if (page < 0 || page >= pages)
            continue;
        tn_k_attention_store(from->dtype, to,
                             ((page * dim[1] + h) * tokens + j % tokens) * dim[3] + e,
                             floats(c, operand)[place(from, i)]);
    }
    give(x, &arg, to);
}

/* Pages of any size in any order, shared by nobody, some of them missing: a page that is not there
 * is a mask over its keys. The plain call has lengths that cut off the end of the last page. */
TN_TEST(k_attention_cache, pages)
{
    uint64_t state = tn_test_seed() + 1;
    for (int round = 0; round < 60; round++) {
        problem c;
        call x;
        make_few(&c, &state, round % 3 != 0);
        for (int i = 0; i < OUT && coin(&state, 2); i++)
            retype(&c, &state, i);
        int64_t tokens = (int64_t[]){1, 5, 16, 64, 128, 200}[pick(&state, 0, 5)];
        int64_t b = c.all[K].tensor.dim[0], sk = c.all[K].tensor.dim[2];
        int64_t columns = (sk + tokens - 1) / tokens, pages = b * columns + pick(&state, 0, 3);
        bool exact = columns * tokens == sk, holes = coin(&state, 2) && c.block[MASK] == NULL;
        if (!exact && (c.block[MASK] != NULL || (c.attr.flags & TN_ATTENTION_CAUSAL_FROM_END))) {
            forget(&c); /* masks and ends are of all keys that the pages have */
            continue;
        }
        int32_t *table = calloc((size_t)(b * columns), sizeof *table);
        TN_REQUIRE(table != NULL);
        for (int64_t i = 0; i < b * columns; i++) {
            int64_t j = pick(&state, 0, i);
            table[i] = table[j];
            table[j] = (int32_t)(i + pages - b * columns);
        }
        if (holes) {
            const int64_t dim[] = {b, 1, 1, sk};
            add(&c, &state, MASK, TN_ARG_MASK, 4, dim);
            c.all[MASK].tensor.dtype = TN_BOOL;
            for (int64_t i = 0; i < b * columns; i++)
                if (coin(&state, 3))
                    table[i] = coin(&state, 2) ? -1 : (int32_t)pages;
            for (int64_t i = 0; i < b * sk; i++) {
                int32_t page = table[i / sk * columns + i % sk / tokens];
                (c.block[MASK] + TN_T_MIDDLE)[place(&c.all[MASK].tensor, i)] =
                    page >= 0 && page < pages;
            }
        }
        if (!exact && c.block[LENGTHS] == NULL) { /* the plain call ends where its keys end */
            add(&c, &state, LENGTHS, TN_ARG_LENGTHS, 1, &b);
            c.all[LENGTHS].tensor.dtype = TN_S32;
        }
        for (int64_t i = 0; i < b && c.block[LENGTHS] != NULL; i++) {
            int32_t n = (int32_t)pick(&state, sk / 2, sk);
            memcpy(&floats(&c, LENGTHS)[place(&c.all[LENGTHS].tensor, i)], &n, sizeof n);
        }
        prepare(&c);
        check(&c, " before pages");
        if (holes) { /* the call in pages does without */
            free(c.block[MASK]);
            c.block[MASK] = NULL;
        }
        start(&c, &x);
        x.attr.page_tokens = tokens;
        give_paged(&c, &x, K, tokens, pages, columns, table);
        give_paged(&c, &x, V, tokens, pages, columns, table);
        tn_arg arg = {.role = TN_ARG_PAGES};
        const int64_t dim[] = {b, columns};
        dense(&arg.tensor, TN_S32, 2, dim);
        give(&x, &arg, table);
        compare(&c, &x, holes ? "pages, some missing" : "pages");
        free(table);
        end(&x);
        forget(&c);
    }
}

/* s8 with a scale: one, one a head, one a token. The plain call has q * scale, rounded. */
static void quantise(problem *c, call *x, uint64_t *state, int operand)
{
    tn_tensor *from = &c->all[operand].tensor;
    const int64_t *dim = from->dim;
    const int64_t shape[3][3] = {{dim[0], dim[1], dim[2]}, {1, dim[1], 1}, {1, 1, 1}};
    tn_arg arg = {.role = c->all[operand].role},
           by = {.role = TN_ARG_SCALE_OF + c->all[operand].role};
    int way = (int)pick(state, 0, 2), scale_of = operand == K ? K_SCALE : V_SCALE;
    float *scale = own(x, scale_of);
    int8_t *to = own(x, operand);
    dense(&arg.tensor, TN_S8, 4, dim);
    dense(&by.tensor, TN_F32, 3, shape[way]);
    if (way == 2)
        by.tensor = (tn_tensor){.dtype = TN_F32};
    for (int64_t i = 0; i < shape[way][0] * shape[way][1] * shape[way][2]; i++)
        scale[i] = 0.02f * ordinary(state);
    from->dtype = TN_F32;
    for (int64_t i = 0, n = elements(from); i < n; i++) {
        int64_t j = i / dim[3] % dim[2], h = i / dim[3] / dim[2] % dim[1],
                b = i / dim[3] / dim[2] / dim[1];
        to[i] = (int8_t)pick(state, -128, 127);
        float s = scale[way == 2 ? 0 : way == 1 ? h : (b * dim[1] + h) * dim[2] + j];
        floats(c, operand)[place(from, i)] = (float)to[i] * s;
    }
    give(x, &arg, to);
    give(x, &by, scale);
}

static void give_plain(problem *c, call *x, int operand)
{
    give(x, &c->all[operand], given(c, operand));
}

TN_TEST(k_attention_cache, quantised)
{
    uint64_t state = tn_test_seed() + 2;
    for (int round = 0; round < 60; round++) {
        problem c;
        call x, ready;
        if (round % 3 == 0)
            make(&c, &state, &(limits){2, 2, 3, 60, 260, 70});
        else
            make_few(&c, &state, round % 3 == 1);
        if (c.all[Q].tensor.rank != 4 || c.all[K].tensor.dim[2] == 0) {
            forget(&c);
            continue;
        }
        c.all[OUT].tensor.dtype = TN_F32;
        memset(&ready, 0, sizeof ready);
        bool keys = coin(&state, 2), values = !keys || coin(&state, 2);
        if (keys)
            quantise(&c, &ready, &state, K);
        if (values)
            quantise(&c, &ready, &state, V);
        prepare(&c);
        check(&c, " before s8");
        start(&c, &x);
        for (uint32_t i = 0; i < ready.op.arg_count; i++)
            give(&x, &ready.args[i], ready.at[i]);
        if (!keys)
            give_plain(&c, &x, K);
        if (!values)
            give_plain(&c, &x, V);
        compare(&c, &x, "s8");
        end(&ready);
        end(&x);
        forget(&c);
    }
}

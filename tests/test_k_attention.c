/* SPDX-License-Identifier: Apache-2.0 */
/* Every attention row against float64 and the plain one: heads, masks, windows, strides, NaN. */
#include "support/k_attention.h"

TN_TEST(k_attention, random_calls)
{
    uint64_t state = tn_test_seed();
    for (int round = 0; round < 80; round++) {
        static const limits most[] = {{2, 2, 2, 40, 200, 48}, {1, 1, 2, 110, 420, 140}};
        problem c;
        make(&c, &state, &most[round % 4 == 3]);
        check(&c, "");
        forget(&c);
    }
    expect_all_tried();
}

/* d at the borders of the chunks of dot, keys at those of the blocks, queries at those of tasks. */
TN_TEST(k_attention, borders)
{
    uint64_t state = tn_test_seed() + 1;
    static const int64_t keys[] = {0, 1, 127, 128, 129, 256, 257},
                         depth[] = {1, 127, 128, 129, 260};
    static const int64_t queries[] = {1, 5, 6, 7, 47, 48, 49, 97};
    for (int round = 0; round < 24; round++) {
        problem c;
        memset(&c, 0, sizeof c);
        c.op = (tn_op){
            .head = TN_INIT(tn_op), .kind = TN_OP_ATTENTION, .attr = &c.attr, .args = c.args};
        int64_t sk = keys[tn_test_random(&state) % 7], d = depth[tn_test_random(&state) % 5],
                dv = depth[tn_test_random(&state) % 5], sq = queries[tn_test_random(&state) % 8];
        make_attr(&c.attr, &state, sk);
        add(&c, &state, Q, TN_ARG_Q, 3, (int64_t[]){1, sq, d});
        add(&c, &state, K, TN_ARG_K, 3, (int64_t[]){1, sk, d});
        add(&c, &state, V, TN_ARG_V, 3, (int64_t[]){1, sk, dv});
        add(&c, &state, OUT, TN_ARG_OUT, 3, (int64_t[]){1, sq, dv});
        if (coin(&state, 2))
            all_bf16(&c);
        prepare(&c);
        check(&c, " at borders");
        forget(&c);
    }
}

/* Keys that take no part bring nothing, not even a NaN or an infinity of k or v; where they do take
 * part they are felt. The truth says which outputs those are; the others keep their bits. */
TN_TEST(k_attention, what_is_not_finite)
{
    uint64_t state = tn_test_seed() + 2;
    static const limits most = {1, 2, 2, 60, 300, 40};
    uint32_t felt = 0, unfelt = 0;
    for (int round = 0; round < 60; round++) {
        problem c;
        make(&c, &state, &most);
        if (c.p.keys == 0) {
            forget(&c);
            continue;
        }
        check(&c, " before");
        unsigned char *clean = tn_t_block();
        memcpy(clean, c.block[OUT], TN_T_BYTES);
        bool in_keys = coin(&state, 2);
        float bad = coin(&state, 2) || in_keys ? NAN : coin(&state, 2) ? INFINITY : -INFINITY;
        int64_t key = pick(&state, 0, c.p.keys - 1), head = pick(&state, 0, c.p.kv_heads - 1);
        int64_t column = pick(&state, 0, (in_keys ? c.p.d : c.p.dv) - 1);
        const int64_t *s = c.p.stride[in_keys ? K : V];
        floats(&c, in_keys ? K : V)[head * s[1] + key * s[2] + column * s[3]] = bad;
        check(&c, " with a value that is not finite");
        size_t room = (size_t)c.p.keys * sizeof(double);
        double *score = malloc(room), *size = malloc(room), *y = malloc((size_t)c.p.dv * 8);
        TN_REQUIRE(score && size && y, "memory");
        for (int64_t r = 0; r < c.p.heads * c.p.queries; r++) {
            int64_t i = r % c.p.queries, h = r / c.p.queries;
            tn_k_attention_truth truth = truth_of(&c, 0, h);
            tn_k_attention_ref(&c.p, &c.attr, floats(&c, Q), floats(&c, K), floats(&c, V),
                               c.block[MASK] != NULL ? c.block[MASK] + TN_T_MIDDLE : NULL, &truth,
                               0, h, i, score, size, y);
            bool mine = h / (c.p.heads / c.p.kv_heads) == head && score[key] != -INFINITY;
            for (int64_t e = 0; e < c.p.dv; e++) {
                int64_t at =
                    h * c.p.stride[OUT][1] + i * c.p.stride[OUT][2] + e * c.p.stride[OUT][3];
                float now = floats(&c, OUT)[at], before;
                memcpy(&before, clean + TN_T_MIDDLE + 4 * at, 4);
                if (mine && (in_keys || e == column)) {
                    felt++;
                    TN_EXPECT(in_keys || bad != bad ? now != now : !isfinite(now), "key %d, row %d",
                              (int)key, (int)i);
                } else {
                    unfelt++;
                    TN_EXPECT(bits_of(now) == bits_of(before), "key %d, row %d: %a was %a",
                              (int)key, (int)i, (double)now, (double)before);
                }
            }
        }
        free(score);
        free(size);
        free(y);
        free(clean);
        forget(&c);
    }
    TN_EXPECT(felt > 100 && unfelt > 100, "%u felt, %u not", felt, unfelt);
}

/* Rows without a key are +0, whichever way the keys were taken from them. */
TN_TEST(k_attention, rows_without_keys)
{
    uint64_t state = tn_test_seed() + 3;
    for (int way = 0; way < 5; way++) {
        problem c;
        do {
            make(&c, &state, &(limits){1, 2, 1, 50, 200, 20});
            if (c.p.keys == 0 || c.block[MASK] != NULL)
                forget(&c);
        } while (c.p.keys == 0 || c.block[MASK] != NULL);
        c.attr.flags = 0;
        int64_t dim[] = {c.p.heads, c.p.queries, c.p.keys};
        if (way < 3) {
            add(&c, &state, MASK, TN_ARG_MASK, 3, dim);
            for (int64_t i = 0, n = elements(&c.all[MASK].tensor); i < n; i++) {
                int64_t at = place(&c.all[MASK].tensor, i);
                if (way == 0)
                    (c.block[MASK] + TN_T_MIDDLE)[at] = 0;
                else
                    floats(&c, MASK)[at] = way == 1 ? -INFINITY : -0x1.fffffep127f;
            }
            c.all[MASK].tensor.dtype = way == 0 ? TN_BOOL : TN_F32;
        } else if (way == 3) {
            c.attr.flags = TN_ATTENTION_CAUSAL; /* every key lies after every query */
            c.attr.first_query = 0;
            c.attr.first_key = c.p.queries;
        } else {
            c.attr.flags = TN_ATTENTION_WINDOW; /* every key lies before the window */
            c.attr.window_left = 3;
            c.attr.window_right = 0;
            c.attr.first_key = 0;
            c.attr.first_query = c.p.keys + 3;
        }
        if (way == 2)
            c.attr.scale = 1.0f, c.attr.softcap = 0.0f;
        prepare(&c);
        tn_k_caps caps = {.isa = tn_t_isa(), .workers = 1, .l1d_bytes = 32768};
        for (uint32_t i = 0; i <= tn_k_op_attention.variant_count; i++) {
            const tn_k_variant *v = i < tn_k_op_attention.variant_count
                                        ? tn_k_op_attention.variants[i]
                                        : &tn_t_attention_emulated512;
            tn_k_why why;
            if ((v->isa & caps.isa) != v->isa || !v->accepts(&c.p, &caps, &why))
                continue;
            run_row(&c, v, &caps);
            const tn_tensor *t = &c.all[OUT].tensor;
            uint32_t wrong = 0;
            for (int64_t e = 0, n = elements(t); e < n; e++)
                wrong += bits_of(floats(&c, OUT)[place(t, e)]) != 0;
            TN_EXPECT(wrong == 0, "%s, way %d: %u outputs are not +0", v->name, way, wrong);
        }
        forget(&c);
    }
}

/* The bound is tight enough to see a mask that is off by one key, keys in bf16, and a scale that is
 * not applied. */
TN_TEST(k_attention, bound_sees_defects)
{
    uint64_t state = tn_test_seed() + 4;
    const tn_k_variant *v = tn_k_op_attention.variants[0];
    tn_k_caps caps = {.isa = tn_t_isa(), .workers = 1, .l1d_bytes = 32768};
    for (int defect = 0; defect < 3; defect++) {
        problem c;
        memset(&c, 0, sizeof c);
        c.attr = (tn_attention){.head = TN_INIT(tn_attention), .flags = TN_ATTENTION_CAUSAL};
        c.op = (tn_op){
            .head = TN_INIT(tn_op), .kind = TN_OP_ATTENTION, .attr = &c.attr, .args = c.args};
        int64_t dim[] = {1, 40, 32};
        add(&c, &state, Q, TN_ARG_Q, 3, dim);
        add(&c, &state, K, TN_ARG_K, 3, dim);
        add(&c, &state, V, TN_ARG_V, 3, dim);
        add(&c, &state, OUT, TN_ARG_OUT, 3, dim);
        prepare(&c);
        tn_k_attention_params right = c.p;
        path x = path_of(v, &c.p);
        if (defect == 0)
            c.p.right = 1;
        if (defect == 1)
            c.p.c *= 1.001f;
        float *key = floats(&c, K);
        float kept[40 * 32 * 6];
        int64_t span = place(&c.all[K].tensor, 40 * 32 - 1) + 1;
        TN_REQUIRE(span <= (int64_t)(sizeof kept / sizeof kept[0]), "room");
        memcpy(kept, key, (size_t)span * sizeof *kept);
        for (int64_t i = 0; defect == 2 && i < span; i++) {
            uint32_t cut = bits_of(key[i]) & 0xffff0000u;
            memcpy(&key[i], &cut, sizeof cut);
        }
        run_row(&c, v, &caps);
        memcpy(key, kept, (size_t)span * sizeof *kept);
        c.p = right;
        double score[40], size[40], w[41], eta[41], y[32], most;
        int64_t outside = 0;
        for (int64_t i = 0; i < 40; i++) {
            tn_k_attention_truth truth = truth_of(&c, 0, 0);
            tn_k_attention_ref(&c.p, &c.attr, floats(&c, Q), key, floats(&c, V), NULL, &truth, 0, 0,
                               i, score, size, y);
            weights_of(&c, &x, score, size, &truth, i, 0, w, eta, &most);
            for (int64_t e = 0; e < 32; e++) {
                double got =
                    (double)floats(&c, OUT)[i * c.p.stride[OUT][2] + e * c.p.stride[OUT][3]];
                outside += fabs(got - y[e]) > bound_of(&x, &c.p, w, eta, most,
                                                       floats(&c, V) + e * c.p.stride[V][3],
                                                       c.p.stride[V][2], y[e]);
            }
        }
        TN_EXPECT(outside > 400, "defect %d: only %d of 1280 outputs are outside", defect,
                  (int)outside);
        forget(&c);
    }
}

/* Dense operands of whole panels, of which queries and values are used where they lie; an infinite
 * value among them, and rows whose window lies behind the keys beside such as see some. */
TN_TEST(k_attention, dense_operands)
{
    uint64_t state = tn_test_seed() + 5;
    static const int64_t depth[] = {16, 32, 64, 96};
    for (int round = 0; round < 48; round++) {
        problem c;
        memset(&c, 0, sizeof c);
        c.plain = true;
        c.attr = (tn_attention){.head = TN_INIT(tn_attention)};
        c.op = (tn_op){
            .head = TN_INIT(tn_op), .kind = TN_OP_ATTENTION, .attr = &c.attr, .args = c.args};
        int64_t h = pick(&state, 1, 2), group = pick(&state, 1, 2), sq = pick(&state, 9, 70),
                sk = pick(&state, 1, 300), d = depth[tn_test_random(&state) % 4],
                dv = depth[tn_test_random(&state) % 4];
        if (coin(&state, 2)) {
            c.attr.first_key = pick(&state, 0, 300);
            c.attr.flags = TN_ATTENTION_WINDOW;
            c.attr.window_left = pick(&state, 0, 60);
            c.attr.window_right = pick(&state, -1, 60);
            c.attr.first_query = c.attr.first_key + sk - pick(&state, 0, sq);
        }
        add(&c, &state, Q, TN_ARG_Q, 3, (int64_t[]){h * group, sq, d});
        add(&c, &state, K, TN_ARG_K, 3, (int64_t[]){h, sk, d});
        add(&c, &state, V, TN_ARG_V, 3, (int64_t[]){h, sk, dv});
        add(&c, &state, OUT, TN_ARG_OUT, 3, (int64_t[]){h * group, sq, dv});
        if (coin(&state, 2))
            floats(&c, V)[pick(&state, 0, h * sk * dv - 1)] = INFINITY;
        prepare(&c);
        check(&c, ", dense");
        forget(&c);
    }
}

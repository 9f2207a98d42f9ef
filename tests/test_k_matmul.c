/* SPDX-License-Identifier: Apache-2.0 */
/* Every matmul variant of f32 against its class: random shapes, strides, batches, epilogues and
 * splits. */
#include "support/k_matmul.h"
#include <kernels/common/simd_emulated512.h>
#include <tools/canonmath/canonmath_ref.h>

/* The 512-bit core over plain C: its tile logic is checked where the CPU lacks AVX-512. */
#define MATMUL_ROWS         14
#define MATMUL_CANONICAL    1
#define MATMUL_DIRECT       0
#define MATMUL_VARIANT      emulated_14x32_canonical
#define MATMUL_NAME         "emulated_14x32_canonical"
#define MATMUL_ISA          TN_K_ISA_BASELINE
#define MATMUL_FLOPS_PER_NS 180.0
#include <kernels/matmul/matmul_core.inc>

static const types f32 = {TN_F32, TN_F32, TN_F32};

TN_TEST(matmul, random_calls_match_their_class)
{
    uint64_t state = tn_test_seed();
    for (int round = 0; round < 400; round++) {
        static const int64_t most[] = {1, 4, 7, 20, 40, 130};
        int64_t dim[3];
        for (int d = 0; d < 3; d++)
            dim[d] = (int64_t)(tn_test_random(&state) %
                               (uint64_t)(most[tn_test_random(&state) % 6] + 1));
        call c;
        make_call(&c, f32, dim[0], dim[1], dim[2], false, &state);
        check_call(&c, &emulated_14x32_canonical, true, &state);
        free_call(&c);
    }
}

TN_TEST(matmul, depths_around_chunk_borders)
{
    uint64_t state = tn_test_seed() + 1;
    static const int64_t depths[] = {0,   1,   127, 128, 129, 255, 256,
                                     257, 319, 321, 383, 385, 641, 4097};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        for (int plain = 0; plain < 2; plain++) {
            int64_t m = 1 + (int64_t)(tn_test_random(&state) % 30);
            int64_t n = 1 + (int64_t)(tn_test_random(&state) % 70);
            call c;
            make_call(&c, f32, plain ? 1 + (int64_t)i % 4 : m, n, depths[i], plain, &state);
            check_call(&c, &emulated_14x32_canonical, true, &state);
            free_call(&c);
        }
    }
}

TN_TEST(matmul, whole_shapes)
{
    uint64_t state = tn_test_seed() + 2;
    static const int64_t shapes[][3] = {{16, 16, 16},   {64, 64, 64},   {31, 513, 257},
                                        {1, 1100, 300}, {200, 70, 700}, {7, 2100, 40},
                                        {130, 300, 203}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        call c;
        make_call(&c, f32, shapes[i][0], shapes[i][1], shapes[i][2], true, &state);
        check_call(&c, &emulated_14x32_canonical, true, &state);
        free_call(&c);
    }
}

/* Long rows of b, several packed panels at a time over blocks of k, columns that outgrow L2. */
TN_TEST(matmul, few_rows)
{
    uint64_t state = tn_test_seed() + 3;
    static const int64_t shapes[][3] = {{1, 700, 1100}, {2, 700, 1100}, {2, 2300, 400},
                                        {1, 4400, 130}, {3, 1400, 300}, {2, 150, 900},
                                        {1, 300, 700},  {1, 64, 641}};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof shapes[0]; i++) {
        const int64_t *d = shapes[i / 2];
        call c;
        make_call(&c, f32, d[0], d[1], d[2], i % 2 == 0, &state);
        check_call(&c, &emulated_14x32_canonical, true, &state);
        free_call(&c);
    }
}

/* What the table below says of the functions is what the sweep over all inputs found. */
TN_TEST(matmul, declared_errors_are_the_measured_ones)
{
    static const struct {
        tn_post_kind kind;
        const char *name;
    } functions[] = {
        {TN_POST_GELU, "gelu"}, {TN_POST_GELU_TANH, "gelu_tanh"}, {TN_POST_SILU, "silu"}};
    for (int f = 0; f < 3; f++) {
        tn_k_matmul p = {.post_count = 1};
        p.post[0].kind = functions[f].kind;
        uint32_t compared = 0;
        for (uint32_t i = 0; i < tn_k_op_matmul.variant_count; i++) {
            const tn_k_variant *v = tn_k_op_matmul.variants[i];
            tn_arithmetic a = {.head = TN_INIT(tn_arithmetic)};
            TN_REQUIRE(v->arithmetic != NULL, " %s", v->name);
            v->arithmetic(&p, &a);
            for (int r = 0; r < TN_CANONMATH_ROWS; r++)
                if (strcmp(tn_canonmath_rows[r].name, functions[f].name) == 0) {
                    TN_EXPECT(fabs((double)a.exp_ulp - tn_canonmath_rows[r].declared) < 1e-6,
                              " %s %s", v->name, functions[f].name);
                    compared++;
                }
        }
        TN_EXPECT(compared == tn_k_op_matmul.variant_count, " %s", functions[f].name);
    }
}

/* The bound is tight enough to see operands cut to bf16, and a step that is left out. */
TN_TEST(matmul, bound_sees_defects)
{
    uint64_t state = tn_test_seed() + 3;
    for (int round = 0; round < 20; round++) {
        call c;
        tn_k_matmul p, less;
        tn_k_why why;
        make_call(&c, f32, 1 + (int64_t)(tn_test_random(&state) % 8), 20, 64, true, &state);
        tn_post post = {.kind = round % 2 ? TN_POST_GELU : TN_POST_SCALE, .a = 1.01f};
        c.posts[c.op.post_count++] = post;
        TN_REQUIRE(tn_k_op_matmul.params(&c.op, &p, &why), " params");
        run_variant(&tn_k_matmul_canonical, &c, &p, 1, NULL, &state);
        TN_EXPECT(inside_bound(&tn_k_matmul_canonical, &c, &p), " the kernel itself");
        less = p;
        less.post_count = 0;
        run_variant(&tn_k_matmul_canonical, &c, &less, 1, NULL, &state);
        TN_EXPECT(!inside_bound(&tn_k_matmul_canonical, &c, &p), " without the step");
        slab *a = &c.arg[0];
        unsigned char *whole = malloc(memory_bytes(a));
        memcpy(whole, a->memory, memory_bytes(a));
        for (int64_t i = 0, n = elements(&a->tensor); i < n; i++) {
            uint32_t *cut = (uint32_t *)(void *)a->memory + place(a, i);
            *cut &= 0xffff0000u;
        }
        run_variant(&tn_k_matmul_canonical, &c, &p, 1, NULL, &state);
        memcpy(a->memory, whole, memory_bytes(a));
        TN_EXPECT(!inside_bound(&tn_k_matmul_canonical, &c, &p), " operands in bf16");
        free(whole);
        free_call(&c);
    }
}

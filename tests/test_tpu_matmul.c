/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul on simulated chips: the bits of cpu in CANONICAL, the exact sums of integers, and
 * refusals. */
#include "support/run_op.h"
#include "support/test.h"
#include "support/tpu_count.h"

#include <kernels/common/widen.h>

typedef struct call {
    int64_t m, n, k, batch;
    tn_dtype a, b, out;
    uint32_t flags;
    float alpha, beta;
    bool c, shared_b;
    uint32_t post[4], posts; /* kinds */
    tn_class cls;
} call;

typedef struct built {
    tn_matmul attr;
    tn_arg args[8];
    tn_post posts[4];
    tn_op op;
    void *host[8];
    uint64_t bytes[8];
} built;

static void fill(uint64_t *state, uint32_t type, unsigned char *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = tn_test_random(state);
        float x = ((float)(int32_t)(r >> 40) - 0x1p23f) * 0x1p-22f;
        if (type == TN_S8 || type == TN_U8)
            to[i] = (unsigned char)(r >> 20);
        else
            tn_k_narrow(type, to, i,
                        r % 37 == 0                      ? 0.0f * x
                        : r % 41 == 0 && type == TN_BF16 ? x * 0x1p60f
                                                         : x);
    }
}

static void add(built *x, uint64_t *state, uint32_t role, tn_dtype type, uint16_t rank,
                const int64_t *dim)
{
    uint32_t i = x->op.arg_count++;
    int64_t n = 1;
    x->args[i] = (tn_arg){role, 0, tn_test_tensor(type, rank, dim)};
    for (int d = 0; d < rank; d++)
        n *= dim[d];
    x->bytes[i] = (uint64_t)n * tn_dtype_bits(type) / 8;
    x->host[i] = malloc(x->bytes[i] + 1);
    TN_REQUIRE(x->host[i] != NULL);
    if (role != TN_ARG_OUT)
        fill(state, type, x->host[i], n);
}

static void build(const call *c, uint64_t seed, built *x)
{
    uint64_t state = seed;
    memset(x, 0, sizeof *x);
    x->attr = (tn_matmul){.head = TN_INIT(tn_matmul), .flags = c->flags};
    x->attr.alpha = c->alpha;
    x->attr.beta = c->beta;
    x->op = (tn_op){.head = TN_INIT(tn_op),
                    .kind = TN_OP_MATMUL,
                    .attr = &x->attr,
                    .args = x->args,
                    .posts = x->posts,
                    .numerics = {.cls = c->cls}};
    bool ta = c->flags & TN_MATMUL_TRANSPOSE_A, tb = c->flags & TN_MATMUL_TRANSPOSE_B;
    int64_t a[3] = {c->batch, ta ? c->k : c->m, ta ? c->m : c->k};
    int64_t b[3] = {c->batch, tb ? c->n : c->k, tb ? c->k : c->n};
    int64_t out[3] = {c->batch, c->m, c->n};
    add(x, &state, TN_ARG_A, c->a, 3, a);
    add(x, &state, TN_ARG_B, c->b, c->shared_b ? 2 : 3, c->shared_b ? b + 1 : b);
    if (c->c)
        add(x, &state, TN_ARG_C, TN_F32, 3, out);
    add(x, &state, TN_ARG_OUT, c->out, 3, out);
    for (uint32_t i = 0; i < c->posts; i++) {
        x->posts[i] = (tn_post){.kind = (tn_post_kind)c->post[i], .a = 0.75f, .b = 2.0f};
        if (c->post[i] > TN_POST_MUL)
            continue;
        x->posts[i].role = TN_ARG_POST0 + i;
        int64_t column[2] = {c->m, 1};
        if (c->post[i] == TN_POST_BIAS)
            add(x, &state, TN_ARG_POST0 + i, TN_F32, 1, out + 2);
        else if (c->post[i] == TN_POST_MUL)
            add(x, &state, TN_ARG_POST0 + i, TN_F32, 2, column);
        else
            add(x, &state, TN_ARG_POST0 + i, c->out, 3, out);
    }
    x->op.post_count = c->posts;
}

static void drop(built *x)
{
    for (uint32_t i = 0; i < x->op.arg_count; i++)
        free(x->host[i]);
}

static unsigned char *output(built *x, uint64_t *bytes)
{
    for (uint32_t i = 0; i < x->op.arg_count; i++)
        if (x->args[i].role == TN_ARG_OUT) {
            *bytes = x->bytes[i];
            return x->host[i];
        }
    return NULL;
}

/* Equal bits, any NaN being one NaN. */
static bool same(uint32_t type, const unsigned char *x, const unsigned char *y, int64_t at,
                 int64_t *numbers)
{
    size_t size = tn_dtype_bits((tn_dtype)type) / 8;
    bool nan = false;
    if (type != TN_S32) {
        float a = tn_k_widen(type, x, at), b = tn_k_widen(type, y, at);
        nan = a != a && b != b;
    }
    *numbers += !nan;
    return nan || memcmp(x + (size_t)at * size, y + (size_t)at * size, size) == 0;
}

/* The same bits on cpu and on the chip, which must not have handed it back. */
static void same_bits(tn_test_device *cpu, tn_test_device *chip, const call *c, uint64_t seed)
{
    built x;
    uint64_t bytes = 0;
    tn_error e;
    build(c, seed, &x);
    unsigned char *out = output(&x, &bytes), *want = malloc(bytes + 1);
    TN_REQUIRE(want != NULL);
    tn_status st = tn_device_supports(chip->device, &x.op);
    tn_error_last(&e);
    TN_EXPECT(st == TN_OK, "refused: %s", e.text);
    if (st == TN_OK) {
        memset(out, 0xee, bytes);
        TN_EXPECT(tn_test_compute(cpu, &x.op, x.host, x.bytes), "cpu");
        memcpy(want, out, bytes);
        memset(out, 0xdd, bytes);
        bool ran = tn_test_compute(chip, &x.op, x.host, x.bytes);
        tn_error_last(&e);
        TN_EXPECT(ran, "chip: %s", e.text);
        int64_t count = c->batch * c->m * c->n, at = 0, numbers = 0;
        while (at < count && same(c->out, out, want, at, &numbers))
            at++;
        TN_EXPECT(at == count,
                  "%" PRId64 "x%" PRId64 "x%" PRId64 " a %d out %d: element %" PRId64
                  " (seed %" PRIu64 ")",
                  c->m, c->n, c->k, c->a, c->out, at, seed);
        TN_EXPECT(2 * numbers >= count, "only %" PRId64 " numbers", numbers);
    }
    free(want);
    drop(&x);
}

TN_TEST(tpu_matmul, canonical_bits_are_those_of_cpu)
{
    static const call calls[] = {
        {.m = 1, .n = 1, .k = 1, .batch = 1, .a = TN_BF16, .b = TN_BF16, .out = TN_F32},
        {.m = 31, .n = 257, .k = 513, .batch = 1, .a = TN_BF16, .b = TN_BF16, .out = TN_BF16},
        {.m = 130,
         .n = 384,
         .k = 384,
         .batch = 2,
         .a = TN_BF16,
         .b = TN_BF16,
         .out = TN_F32,
         .flags = TN_MATMUL_TRANSPOSE_B,
         .shared_b = true,
         .posts = 2,
         .post = {TN_POST_BIAS, TN_POST_GELU}},
        {.m = 65,
         .n = 100,
         .k = 129,
         .batch = 3,
         .a = TN_F16,
         .b = TN_F16,
         .out = TN_F16,
         .flags = TN_MATMUL_TRANSPOSE_A | TN_MATMUL_ALPHA | TN_MATMUL_BETA,
         .alpha = 0.3f,
         .beta = -1.7f,
         .c = true,
         .posts = 4,
         .post = {TN_POST_MUL, TN_POST_ADD, TN_POST_CLAMP, TN_POST_SILU}},
        {.m = 5,
         .n = 300,
         .k = 256,
         .batch = 1,
         .a = TN_F8E4M3,
         .b = TN_F8E5M2,
         .out = TN_F32,
         .posts = 3,
         .post = {TN_POST_SCALE, TN_POST_RELU, TN_POST_GELU_TANH}},
        {.m = 3,
         .n = 7,
         .k = 0,
         .batch = 1,
         .a = TN_BF16,
         .b = TN_BF16,
         .out = TN_F32,
         .posts = 1,
         .post = {TN_POST_BIAS}},
        {.m = 300, .n = 40, .k = 2000, .batch = 1, .a = TN_BF16, .b = TN_BF16, .out = TN_BF16},
    };
    tn_test_device cpu, chip;
    uint64_t seed = tn_test_seed();
    TN_REQUIRE(tn_test_open("cpu", &cpu) && tn_test_open("tpu-sim:canonical-128", &chip));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        call c = calls[i];
        c.cls = TN_CLASS_CANONICAL;
        same_bits(&cpu, &chip, &c, seed + i);
    }
    tpu_expect_clean(chip.device);
    tn_test_close(&chip);
    tn_test_close(&cpu);
}

TN_TEST(tpu_matmul, integers_are_exact_on_every_chip_that_has_them)
{
    static const char *const chips[] = {
        "canonical-128", "test-24x40", "tpu-v1",        "tpu-v4",     "tpu-v5e",
        "ascend-910",    "gemmini-16", "ethos-u55-256", "nvdla-full", "tpu-v4?timing=serial"};
    tn_test_device cpu;
    uint64_t seed = tn_test_seed();
    TN_REQUIRE(tn_test_open("cpu", &cpu));
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++) {
        char uri[64];
        tn_test_device chip;
        snprintf(uri, sizeof uri, "tpu-sim:%s", chips[i]);
        TN_REQUIRE(tn_test_open(uri, &chip), "%s", uri);
        for (int t = 0; t < 4; t++) {
            call c = {.m = 1 + (int64_t)(i * 13 + (size_t)t * 30) % 90,
                      .n = 70 + 40 * t,
                      .k = 20 + 150 * t,
                      .batch = 1 + t % 2,
                      .a = TN_S8,
                      .b = TN_S8,
                      .out = TN_S32,
                      .flags = t % 2 ? TN_MATMUL_TRANSPOSE_B : 0,
                      .cls = TN_CLASS_EXACT};
            same_bits(&cpu, &chip, &c, seed + i);
        }
        tpu_expect_clean(chip.device);
        tn_test_close(&chip);
    }
    tn_test_close(&cpu);
}

static void refused(tn_test_device *d, call c, const char *reason)
{
    built x;
    tn_error e;
    c.batch = c.batch != 0 ? c.batch : 1;
    build(&c, 1, &x);
    TN_EXPECT(tn_device_supports(d->device, &x.op) == TN_STATUS_UNSUPPORTED, "%s", reason);
    tn_error_last(&e);
    TN_EXPECT(e.reason != NULL && strcmp(e.reason, reason) == 0, "%s, not %s", e.reason, reason);
    drop(&x);
}

TN_TEST(tpu_matmul, refusals_have_their_reason)
{
    tn_test_device wide, odd, plain;
    call base = {.m = 4, .n = 5, .k = 6, .a = TN_BF16, .b = TN_BF16, .out = TN_F32}, c;
    TN_REQUIRE(tn_test_open("tpu-sim:canonical-128", &wide) &&
               tn_test_open("tpu-sim:test-24x40", &odd) && tn_test_open("tpu-sim:tpu-v4", &plain));
    c = base;
    c.a = c.b = TN_F32;
    c.cls = TN_CLASS_CANONICAL;
    refused(&wide, c, "systolic.dtype");
    c = base;
    c.cls = TN_CLASS_CANONICAL;
    refused(&odd, c, "systolic.order");
    c = base;
    c.posts = 1;
    c.post[0] = TN_POST_GELU;
    refused(&plain, c, "systolic.function");
    c = base;
    c.a = c.b = TN_S8;
    c.out = TN_S32;
    c.posts = 1;
    c.post[0] = TN_POST_RELU;
    refused(&wide, c, "systolic.integers");
    c = base;
    c.k = 60000;
    refused(&odd, c, "systolic.memory");
    tn_test_close(&plain);
    tn_test_close(&odd);
    tn_test_close(&wide);
}

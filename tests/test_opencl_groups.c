/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCL devices as of the class gpu: rows of groups with local memory, which no GPU has to be
 * there for. The bits are those of cpu's plain kernels; who is chosen and who is refused is told.
 */
#include "support/op_problem.h"
#include "support/opencl_devices.h"
#include <math.h>

#if __has_include(<CL/cl.h>)
#include <backends/opencl/opencl.h>

static const char *const groups_texts[] = {
#include "support/opencl_groups.inc"
};
static const char *const all_texts[] = {
#include "support/op_texts.inc"
#include "support/opencl_small.inc"
#include "support/opencl_texts.inc"
};

static bool open_as(const char *uri, const char *options, tn_test_device *out)
{
    char text[200];
    snprintf(text, sizeof text, "%s?%s", uri, options);
    return tn_test_open(text, out);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* Plain bits on the device; `tiled`: by a row of groups. */
static void same_bits(tn_test_device *plain, tn_test_device *device, const char *uri,
                      const char *text, uint64_t seed, bool tiled)
{
    problem p, q;
    tn_plan *plan = NULL;
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    tn_error e = {0};
    make(plain, text, &p, seed);
    tn_status st = tn_plan_create(device->device, p.op, NULL, &plan);
    if (st != TN_OK)
        tn_error_last(&e);
    TN_EXPECT(st == TN_OK, "%s on %s: %s", text, uri, e.text);
    if (st == TN_OK) {
        TN_EXPECT(tn_plan_get_info(plan, &info) == TN_OK &&
                      (!tiled || ends_with(info.kernel, "_tiled")),
                  "%s on %s by %s", text, uri, info.kernel);
        make(device, text, &q, seed);
        compute(plain, "the plain device", text, &p, NULL);
        compute(device, uri, text, &q, p.host);
        drop(device, &q);
    }
    tn_plan_release(plan);
    drop(plain, &p);
}

/* An interpreter takes seconds for a case: a part of them even where all are asked for. */
static bool taken(uint64_t seed, size_t at, bool watched)
{
    uint64_t state = seed + at * 0x9e3779b97f4a7c15u;
    return watched ? tn_test_random(&state) % (whole_lists() ? 3 : 12) == 0 : drawn(seed, at, 6);
}

/* The list by the tiles for small outputs, and, since there is no end of workers, those for large
 * ones. tests/check_oclgrind.py has it watched. */
static void tiles(tn_test_device *plain, const char *uri, const char *options)
{
    static const uint32_t workers[] = {0, 1u << 20};
    tn_test_device d;
    bool watched = strstr(uri, "oclgrind") != NULL;
    TN_REQUIRE(open_as(uri, options, &d), "%s?%s", uri, options);
    tn_k_caps *caps = &((opencl_device *)d.device->object)->caps;
    for (uint32_t w = 0; w < 2; ++w) {
        uint32_t ran = 0;
        caps->workers = workers[w];
        for (size_t t = 0; t < sizeof groups_texts / sizeof groups_texts[0]; ++t)
            if (taken(tn_test_seed() + w, t, watched)) {
                same_bits(plain, &d, uri, groups_texts[t], tn_test_seed() + t, true);
                ++ran;
            }
        same_bits(plain, &d, uri, "topk 3x40:f32:axis=1+k=7+exact+index", 1,
                  false); /* a group of tasks that is not full */
        fprintf(stderr, "%s?%s: %u cases of groups ran, 0 left out\n", uri, options, ran);
        if (watched)
            break;
    }
    tn_test_close(&d);
}

TN_TEST(opencl_groups, small)
{
    opencl_devices all = find_opencl();
    tn_test_device plain;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i)
        tiles(&plain, all.uri[i], "class=gpu");
    tn_test_close(&plain);
}

/* ---- who is chosen, who is refused ---- */

typedef struct asked {
    const char *kernel, *reason; /* whose verdict is wanted, and what it has to be */
    bool told;
} asked;

static void listen(void *self, const tn_choice *c)
{
    asked *a = self;
    a->told |= strcmp(c->kernel, a->kernel) == 0 && strcmp(c->reason, a->reason) == 0;
}

static void expect_told(tn_test_device *d, const char *uri, const char *text, const char *kernel,
                        const char *reason)
{
    asked a = {kernel, reason, false};
    tn_op *op = NULL;
    TN_REQUIRE(tn_op_parse(d->runtime, text, &op) == TN_OK, "%s", text);
    tn_status st = tn_device_explain(d->device, op, listen, &a);
    TN_EXPECT(st == TN_OK || st == TN_STATUS_UNSUPPORTED, "%s", text);
    TN_EXPECT(a.told, "%s on %s: %s is not told of %s", text, uri, reason, kernel);
    tn_op_free(d->runtime, op);
}

static const struct {
    const char *text, *tiled, *wide; /* who takes it in which class */
} rows[] = {
    {"matmul 70x80x90:f32:canonical", "matmul_tiled", "matmul_f32_wide8_6x16_canonical"},
    {"conv n1c24h19w17k40r3s3p1:f32:canonical", "conv_tiled", "conv_wide8_6x16_canonical"},
    {"attention b1h2q40k140d32:f32:canonical", "attention_tiled", "attention_f32_wide8"},
    {"softmax 30x40:f32:axis=1+canonical", "softmax_tiled", "softmax_f32_wide16"},
    {"norm layer 30x40:f32:eps=1e-05+canonical", "norm_tiled", "norm_f32_wide16"},
    {"reduce sum 30x40:f32:axes=1+canonical", "reduce_tiled", "reduce_f32_wide16"},
};

/* What rows of groups leave to others, on their class. */
static const struct {
    const char *text, *tiled, *reason;
} refused[] = {
    {"matmul 7x8x9:f32,f32,f8e4m3:canonical", "matmul_tiled", "matmul.dtype"},
    {"matmul 7x8x64:f32,q4_0,f32:nt+canonical", "matmul_tiled", "matmul.dtype"},
    {"conv n1c3h5w4k2r2s2:u8,s8,s32:exact", "conv_tiled", "kernel.class"},
    {"conv n1c1h40000w40000k1r1s1:f32:canonical", "conv_tiled", "conv.size"},
    {"attention b1h2q4k14d32e300:f32:canonical", "attention_tiled", "attention.columns"},
    {"attention b70000h1q1k1d1:f32:canonical", "attention_tiled", "attention.heads"},
    {"softmax 30x40:f32:axis=0+canonical", "softmax_tiled", "softmax.stride"},
    {"norm layer 30x40:f32:eps=1e-05+canonical+a=30x40@1x30", "norm_tiled", "norm.stride"},
    {"reduce sum 30x40:f32:axes=0+canonical", "reduce_tiled", "reduce.stride"},
};

TN_TEST(opencl_groups, told)
{
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device gpu, cpu;
        TN_REQUIRE(open_as(all.uri[i], "class=gpu", &gpu) &&
                   open_as(all.uri[i], "class=cpu", &cpu));
        tn_k_caps *caps = &((opencl_device *)gpu.device->object)->caps, whole = *caps;
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; ++r) {
            expect_told(&gpu, all.uri[i], rows[r].text, rows[r].tiled, "kernel.chosen");
            expect_told(&cpu, all.uri[i], rows[r].text, rows[r].tiled, "opencl.class");
            expect_told(&gpu, all.uri[i], rows[r].text, rows[r].wide, "opencl.class");
            caps->group_items = 16;
            expect_told(&gpu, all.uri[i], rows[r].text, rows[r].tiled, "opencl.group");
            *caps = whole;
            caps->local_bytes = 255;
            expect_told(&gpu, all.uri[i], rows[r].text, rows[r].tiled, "opencl.local");
            *caps = whole;
        }
        for (size_t r = 0; r < sizeof refused / sizeof refused[0]; ++r)
            expect_told(&gpu, all.uri[i], refused[r].text, refused[r].tiled, refused[r].reason);
        tn_test_close(&gpu);
        tn_test_close(&cpu);
    }
}

TN_TEST(opencl_groups, class_option)
{
    opencl_devices all = find_opencl();
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_error e = {0};
    char uri[200];
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    snprintf(uri, sizeof uri, "%s?class=npu", all.uri[0]);
    TN_EXPECT(tn_device_open(rt, uri, &d) == TN_STATUS_INVALID);
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, "opencl.option") == 0 && strstr(e.text, "cpu or gpu") != NULL,
              "%s: %s", e.reason, e.text);
    tn_runtime_release(rt);
}

/* A filter that is not finite meets taps in the padding, which take no part. */
TN_TEST(opencl_groups, infinite_filter)
{
    static const char text[] = "conv n1c3h5w6k2r3s3p1:f32:canonical";
    opencl_devices all = find_opencl();
    tn_test_device plain, d;
    problem p, q;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        TN_REQUIRE(open_as(all.uri[i], "class=gpu", &d));
        make(&plain, text, &p, 3);
        make(&d, text, &q, 3);
        ((float *)p.host[1])[1] = ((float *)q.host[1])[1] = INFINITY; /* of filter 0 */
        compute(&plain, "the plain device", text, &p, NULL);
        compute(&d, all.uri[i], text, &q, p.host);
        drop(&d, &q);
        drop(&plain, &p);
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}

/* A device of groups of 64 with 2 KiB of local memory has a tile, too. */
TN_TEST(opencl_groups, tiny)
{
    opencl_devices all = find_opencl();
    tn_test_device plain, d;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        TN_REQUIRE(open_as(all.uri[i], "class=gpu", &d));
        tn_k_caps *caps = &((opencl_device *)d.device->object)->caps;
        caps->group_items = 64;
        caps->local_bytes = 2048;
        same_bits(&plain, &d, all.uri[i], "matmul 37x33x140:f32:bias+canonical", 5, true);
        same_bits(&plain, &d, all.uri[i], "conv n2c19h7w6k21r3s3p1:f32:canonical", 5, true);
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}

/* Launches take a part of the groups, along any dimension: the sums are where they belong. */
TN_TEST(opencl_groups, divided)
{
    static const char *const texts[] = {
        "matmul 150x140x40:f32:bias+canonical", /* 3 x 3 groups of the middle tile */
        "matmul 40x300x20:f32:canonical",       "matmul 9x40x50x30:f32:canonical",
        "eltwise add 3000:f32:canonical",       "copy 30x500:f32:exact+a=30x500@1x30",
    };
    opencl_devices all = find_opencl();
    tn_test_device plain;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        TN_REQUIRE(open_as(all.uri[i], "class=gpu&submit_us=1", &d));
        ((opencl_device *)d.device->object)->submit_ns = 1; /* each group apart */
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; ++t)
            same_bits(&plain, &d, all.uri[i], texts[t], tn_test_seed() + t, false);
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}

/* Everything else, too, in many tasks: one case in so many. */
TN_TEST(opencl_groups, all_ops)
{
    opencl_devices all = find_opencl();
    tn_test_device plain;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        uint32_t ran = 0;
        tn_test_device d;
        TN_REQUIRE(open_as(all.uri[i], "class=gpu", &d));
        for (size_t t = 0; t < sizeof all_texts / sizeof all_texts[0]; ++t) {
            if (!drawn(tn_test_seed() + 7, t, 32))
                continue;
            same_bits(&plain, &d, all.uri[i], all_texts[t], tn_test_seed() + t, false);
            ++ran;
        }
        fprintf(stderr, "%s?class=gpu: %u of all cases ran\n", all.uri[i], ran);
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}
#endif

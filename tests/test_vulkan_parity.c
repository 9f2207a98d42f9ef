/* SPDX-License-Identifier: Apache-2.0 */
/* Every op of the list on every Vulkan device that claims CANONICAL, by a kernel of the device
 * itself and under the validation layers: the bits are those of cpu's plain kernels. What a device
 * leaves out is named with its reason. */
#include "support/op_problem.h"
#include "support/vulkan_devices.h"

#include <kernels/common/kernel.h>
#include <math.h>

enum { PIPELINES_MOST = 80, LISTS = 3, KERNEL_OPS = 64 };

static const char *const texts[] = {
#include "support/vulkan_texts.inc"
};
static const char *const kinds[] = {
#include "support/vulkan_kinds.inc"
};
static const char *const types[] = {
#include "support/vulkan_types.inc"
};

static const struct {
    const char *name, *const *text;
    size_t count;
} list[LISTS] = {
    {"texts", texts, sizeof texts / sizeof texts[0]},
    {"kinds", kinds, sizeof kinds / sizeof kinds[0]},
    {"types", types, sizeof types / sizeof types[0]},
};

/* Cases of each op and pass that ran, in the order of tn_k_ops. */
typedef struct coverage {
    uint32_t of[KERNEL_OPS], skipped;
} coverage;

static void cover(coverage *c, const tn_op *op)
{
    for (uint32_t i = 0; i < tn_k_op_count && i < KERNEL_OPS; ++i)
        c->of[i] += tn_k_ops[i]->kind == TN_K_PASS(op->kind, tn_k_pass(op));
}

/* SwiftShader ends the process (SIGILL, while it makes the pipeline) on what the layers' code makes
 * of some modules; without it, it takes them all. */
static bool ends_the_process(const char *uri, const tn_op *op)
{
    return strstr(uri, "swiftshader?validate=2") != NULL && tn_k_pass(op) == 0 &&
           (op->kind == TN_OP_MATMUL || op->kind == TN_OP_CONCAT || op->kind == TN_OP_POOL ||
            op->kind == TN_OP_TOPK);
}

/* False: the device leaves the op out. */
static bool one(tn_test_device *plain, tn_test_device *d, const char *uri, const char *text,
                uint64_t seed, coverage *c)
{
    problem p, q;
    tn_error e = {0};
    tn_plan *plan = NULL;
    make(plain, text, &p, seed);
    if (tn_device_supports(d->device, p.op) != TN_OK) {
        tn_error_last(&e);
        fprintf(stderr, "%s leaves out \"%s\": %s\n", uri, text, e.reason);
        drop(plain, &p);
        return false;
    }
    if (ends_the_process(uri, p.op)) {
        fprintf(stderr, "%s: SwiftShader cannot compile the layers' form of \"%s\"\n", uri, text);
        drop(plain, &p);
        return false;
    }
    tn_status st = tn_plan_create(d->device, p.op, NULL, &plan);
    if (st != TN_OK)
        tn_error_last(&e);
    /* Mesa 22 refuses some modules in which the layers' code is (VK_ERROR_UNKNOWN), and takes all
     * without it. */
    bool layers = strstr(uri, "validate=2") != NULL && strcmp(e.reason, "vulkan.driver") == 0 &&
                  strstr(e.text, "vkCreateComputePipelines gave -13") != NULL;
    if (st != TN_OK && layers) {
        fprintf(stderr, "%s: the driver does not take the layers' form of \"%s\"\n", uri, text);
        drop(plain, &p);
        return false;
    }
    TN_EXPECT(st == TN_OK, "%s on %s: %s", text, uri, e.text);
    if (st == TN_OK) {
        make(d, text, &q, seed);
        compute(plain, "the plain device", text, &p, NULL);
        compute(d, uri, text, &q, p.host);
        drop(d, &q);
        cover(c, p.op);
    }
    tn_plan_release(plan);
    drop(plain, &p);
    return true;
}

/* One list on a device opened for it, so that the pipelines that live at once stay bounded. */
static uint32_t of_list(tn_test_device *plain, const char *uri, uint64_t seed, int which,
                        coverage *c)
{
    char validated[160];
    vulkan_log log = {0};
    tn_test_device d;
    tn_error e;
    uint32_t ran = 0, skipped = 0, undrawn = 0;
    snprintf(validated, sizeof validated, "%s?validate=1", uri);
    bool layers = vulkan_open(validated, &log, &d);
    if (!layers) {
        tn_error_last(&e);
        fprintf(stderr, "%s runs without validation layers: %s\n", uri, e.text);
        tn_test_close(&d);
        TN_REQUIRE(strcmp(e.reason, "vulkan.layer") == 0 && vulkan_open(uri, &log, &d), "%s: %s",
                   uri, e.text);
    }
    for (size_t t = 0; t < list[which].count; ++t) {
        if (!drawn(seed + (uint64_t)which, t, 3)) {
            ++undrawn;
            continue;
        }
        *(one(plain, &d, uri, list[which].text[t], seed + t, c) ? &ran : &skipped) += 1;
    }
    uint32_t pipelines = atomic_load(&log.pipelines), complaints = atomic_load(&log.complaints);
    fprintf(
        stderr,
        "%s: %u cases of %zu in %s ran%s, %u left out, %u not drawn, %u pipelines, %u complaints\n",
        uri, ran, list[which].count, list[which].name, layers ? " under validation layers" : "",
        skipped, undrawn, pipelines, complaints);
    TN_EXPECT(pipelines <= PIPELINES_MOST, "%s made %u pipelines", uri, pipelines);
    TN_EXPECT(complaints == 0, "%s: %u complaints", uri, complaints);
    tn_test_close(&d);
    c->skipped += undrawn;
    return ran;
}

static void on_device(tn_test_device *plain, const char *uri, uint64_t seed)
{
    static const char probe[] = "matmul 33x65x127:f32:canonical";
    coverage c = {0};
    problem p;
    tn_test_device d;
    uint32_t ran = 0, missing = 0;
    for (int i = 0; i < LISTS; ++i)
        ran += of_list(plain, uri, seed, i, &c);
    TN_EXPECT(ran > 0, "%s ran nothing", uri);
    TN_REQUIRE(tn_test_open(uri, &d));
    make(&d, probe, &p, seed);
    bool canonical = tn_device_supports(d.device, p.op) == TN_OK;
    drop(&d, &p);
    tn_test_close(&d);
    for (uint32_t i = 0; i < tn_k_op_count && i < KERNEL_OPS; ++i)
        if (c.of[i] == 0 && c.skipped == 0 && canonical) {
            fprintf(stderr, "%s has no case of %s\n", uri, tn_k_ops[i]->name);
            ++missing;
        }
    TN_EXPECT(missing == 0, "%s: %u ops were not run", uri, missing);
}

TN_TEST(vulkan_parity, the_bits_of_cpu)
{
    vulkan_devices all = find_vulkan();
    tn_test_device plain;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i)
        on_device(&plain, all.uri[i], tn_test_seed());
    tn_test_close(&plain);
}

/* A part of all lists, one case in `of`, with an option; how many ran. */
static uint32_t part_of_lists(tn_test_device *plain, const char *uri, const char *option,
                              uint64_t of, vulkan_log *log)
{
    char opened[160];
    tn_test_device d;
    tn_error e;
    coverage c = {0};
    uint32_t ran = 0;
    snprintf(opened, sizeof opened, "%s?%s", uri, option);
    bool open = vulkan_open(opened, log, &d);
    tn_error_last(&e);
    if (open) {
        for (int which = 0; which < LISTS; ++which)
            for (size_t t = 0; t < list[which].count; ++t)
                if (drawn(tn_test_seed() + 7u * (uint64_t)which, t, of))
                    ran += one(plain, &d, opened, list[which].text[t], tn_test_seed() + t, &c);
    } else {
        fprintf(stderr, "%s: %s\n", opened, e.text);
        TN_EXPECT(strcmp(e.reason, "vulkan.layer") == 0);
    }
    tn_test_close(&d);
    return ran;
}

static bool layers_are_here(const char *uri)
{
    char opened[160];
    vulkan_log log = {0};
    tn_test_device d;
    snprintf(opened, sizeof opened, "%s?validate=1", uri);
    bool open = vulkan_open(opened, &log, &d);
    tn_test_close(&d);
    return open;
}

/* With the layers' own code in the kernels: what reads or writes past a buffer is told. */
TN_TEST(vulkan_parity, assisted_by_the_gpu)
{
    vulkan_devices all = find_vulkan();
    tn_test_device plain;
    uint32_t total = 0;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        vulkan_log log = {0};
        uint32_t ran = part_of_lists(&plain, all.uri[i], "validate=2", 15, &log);
        uint32_t complaints = atomic_load(&log.complaints);
        fprintf(stderr, "%s: %u cases of all lists ran with the GPU's help, %u complaints\n",
                all.uri[i], ran, complaints);
        TN_EXPECT(complaints == 0, "%s: %u complaints", all.uri[i], complaints);
        total += ran;
    }
    TN_EXPECT(total > 0 || !layers_are_here(all.uri[0]), "nothing ran");
    tn_test_close(&plain);
}

/* Plans whose dispatches are divided over submits: the same bits. */
TN_TEST(vulkan_parity, divided)
{
    vulkan_devices all = find_vulkan();
    tn_test_device plain;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        vulkan_log log = {0};
        uint32_t ran = part_of_lists(&plain, all.uri[i], "submit_us=100", 10, &log);
        uint32_t divided = atomic_load(&log.divided);
        fprintf(stderr, "%s: %u cases of all lists ran, %u of them over several submits\n",
                all.uri[i], ran, divided);
        TN_EXPECT(ran == 0 || divided > 0, "%s divided nothing", all.uri[i]);
    }
    tn_test_close(&plain);
}

/* The name of the row that is chosen without "_texel" or "_texel4": the arithmetic at its end is
 * the device's. */
static void without_texels(const tn_test_device *d, const tn_op *op, char name[96])
{
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    tn_plan *plan = NULL;
    TN_REQUIRE(tn_plan_create(d->device, op, NULL, &plan) == TN_OK);
    TN_REQUIRE(tn_plan_get_info(plan, &info) == TN_OK);
    const char *cut = strstr(info.kernel, "_texel");
    snprintf(name, 96, "%.*s%s", cut != NULL ? (int)(cut - info.kernel) : 95, info.kernel,
             cut != NULL ? strstr(cut, "_glsl") : "");
    tn_plan_release(plan);
}

/* f32 products and convolutions by the rows that a GPU takes, which drivers that compute on the cpu
 * would not choose. */
TN_TEST(vulkan_parity, rows_of_gpus)
{
    vulkan_devices all = find_vulkan();
    tn_test_device plain;
    uint64_t seed = tn_test_seed();
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        uint32_t ran = 0;
        bool canonical = true;
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        for (size_t t = 0; t < sizeof texts / sizeof texts[0] && canonical; ++t) {
            problem p, q;
            make(&plain, texts[t], &p, seed + t);
            const tn_op *op = p.op;
            bool takes = (op->kind == TN_OP_MATMUL || op->kind == TN_OP_CONV) &&
                         tn_k_pass(op) == 0 && op->args[0].tensor.dtype == TN_F32 &&
                         op->args[1].tensor.dtype == TN_F32;
            canonical = !takes || tn_device_supports(d.device, op) == TN_OK;
            if (takes && canonical) {
                make(&d, texts[t], &q, seed + t);
                compute(&plain, "the plain device", texts[t], &p, NULL);
                char name[96];
                without_texels(&d, q.op, name);
                d.kernel = name;
                compute(&d, all.uri[i], texts[t], &q, p.host);
                drop(&d, &q);
                ++ran;
            }
            drop(&plain, &p);
        }
        fprintf(stderr, "%s: %u cases by the rows of GPUs%s\n", all.uri[i], ran,
                canonical ? "" : ", the device has no CANONICAL");
        TN_EXPECT(ran > 0 || !canonical, "%s ran nothing", all.uri[i]);
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}

/* Operands of floats as a network has them, zeros among them, whose sums are seldom in the middle
 * between two floats so that chains go the short way; small ones, of which products are subnormal;
 * positive ones with filters that are infinite, which what is around the input has no part in; and
 * two products whose sum is less than the middle between two floats by so little that float64 has
 * the middle itself, which rounds up: of normal floats, and of subnormal ones. Behind FLOATS: whole
 * numbers up to 8, whose sums are exact, so that any order and any fma has the same bits. */
typedef enum floats {
    ORDINARY,
    SMALL,
    ENDLESS,
    MIDDLE,
    SMALL_MIDDLE,
    FLOATS,
    WHOLE,
    WHOLE_ENDLESS
} floats;

/* Where in its chain an element of a dense operand stands: k, or channel of the first tap; -1: at
 * another tap. */
static int64_t link_of(const tn_op *op, uint32_t operand, int64_t at)
{
    const tn_tensor *t = &op->args[operand].tensor;
    int64_t space = 1;
    if (op->kind == TN_OP_MATMUL)
        return operand == 0 ? at % t->dim[1] : at / t->dim[1];
    for (uint32_t d = 2; d < t->rank; ++d)
        space *= t->dim[d];
    return operand == 1 && at % space != 0 ? -1 : at / space % t->dim[1];
}

static void refill(const problem *p, floats how, uint64_t seed)
{
    /* (1 + 2^-23) 2^-12 (1 - 2^-23) 2^-12 is 2^-24 less 2^-70 */
    static const float middle[2][2] = {{0x1.000002p0f, 1.0f}, {0x1.000002p-12f, 0x1.fffffcp-13f}};
    static const float small[2][2] = {{0x1.000004p-64f, 0x1p-63f},
                                      {0x1.000002p-75f, 0x1.fffffcp-76f}};
    for (uint32_t i = 0; i < 2; ++i)
        for (uint64_t at = 0; at < p->bytes[i] / sizeof(float); ++at) {
            uint64_t bits = tn_test_random(&seed);
            float x = (float)(int32_t)(uint32_t)bits * 0x1p-30f;
            bool middle_ones = how == MIDDLE || how == SMALL_MIDDLE;
            int64_t k = middle_ones ? link_of(p->op, i, (int64_t)at) : 0;
            bool endless = how == ENDLESS || how == WHOLE_ENDLESS;
            if (how >= WHOLE)
                x = (float)(bits % 17) - 8.0f;
            if (!endless && bits >> 60 == 0)
                x = 0.0f;
            if (how == SMALL)
                x *= i == 0 ? 0x1p-62f : 0x1p-70f;
            if (endless)
                x = x < 0.0f ? -x : x == 0.0f ? 1.0f : x;
            if (endless && i == 1 && at % 97 == 5)
                x = INFINITY;
            if (middle_ones)
                x = k < 0 || k > 1 ? 0.0f : how == MIDDLE ? middle[k][i] : small[k][i];
            ((float *)p->host[i])[at] = x;
        }
}

/* An op on the plain device and on another one, with operands of both. */
typedef struct both {
    tn_test_device *plain, *d;
    const char *uri, *text;
    problem p, q;
    uint64_t seed;
} both;

static void compare(both *b, floats how)
{
    refill(&b->p, how, b->seed);
    refill(&b->q, how, b->seed);
    compute(b->plain, "the plain device", b->text, &b->p, NULL);
    compute(b->d, b->uri, b->text, &b->q, b->p.host);
}

static void each_op(const char *const *some, size_t count, void (*body)(both *))
{
    vulkan_devices all = find_vulkan();
    tn_test_device plain, d;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        for (size_t t = 0; t < count; ++t) {
            both b = {.plain = &plain,
                      .d = &d,
                      .uri = all.uri[i],
                      .text = some[t],
                      .seed = tn_test_seed() + t};
            make(&plain, some[t], &b.p, b.seed);
            make(&d, some[t], &b.q, b.seed);
            body(&b);
            drop(&d, &b.q);
            drop(&plain, &b.p);
        }
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}

/* Operands of one word and of four behind their buffers' beginning. */
static void anywhere(both *b)
{
    bool canonical = tn_device_supports(b->d->device, b->q.op) == TN_OK;
    compute(b->plain, "the plain device", b->text, &b->p, NULL);
    for (; canonical && b->d->from_bytes <= 16; b->d->from_bytes += 4)
        compute(b->d, b->uri, b->text, &b->q, b->p.host);
    b->d->from_bytes = 0;
    fprintf(stderr, "%s: %s %s\n", b->uri, b->text, canonical ? "ran" : "is refused");
}

TN_TEST(vulkan_parity, operands_anywhere)
{
    static const char *const some[] = {
        "matmul 13x36x260:f32:canonical", "matmul 5x8x4:f32:canonical",
        "conv n2c16h6w6k9r1s1:f32:bias+canonical", "conv n1c8h5w7k24r1s1:f32:nhwc+canonical"};
    each_op(some, sizeof some / sizeof some[0], anywhere);
}

static void all_floats(both *b)
{
    bool canonical = tn_device_supports(b->d->device, b->q.op) == TN_OK;
    for (int how = 0; canonical && how < FLOATS; ++how)
        compare(b, (floats)how);
    fprintf(stderr, "%s: %s %s\n", b->uri, b->text, canonical ? "ran" : "is refused");
}

TN_TEST(vulkan_parity, floats_of_all_sizes)
{
    static const char *const some[] = {
        "matmul 13x36x260:f32:canonical",
        "matmul 30x20x300:f32:canonical",
        "matmul 3x8x300:f32:canonical",
        "conv n2c20h6w6k9r1s1:f32:canonical",
        "conv n1c24h9w7k12r3s3p1:f32:canonical",
        "conv n2c8d4h5w9k40t2r3s2g2p1u2:f32:canonical",
        "conv n1c40h7w10k12r2s3l2p1:f32:canonical",
    };
    each_op(some, sizeof some / sizeof some[0], all_floats);
}

/* The rows that read four neighbours at once, which have a form for operands that begin at any word
 * and one for those that begin at a fourth. They serve BOUNDED. */
static void by_fours(both *b)
{
    char name[96];
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .kernel = name};
    tn_plan *plan = NULL;
    TN_REQUIRE(tn_plan_create(b->d->device, b->q.op, NULL, &plan) == TN_OK, "%s", b->text);
    TN_REQUIRE(tn_plan_get_info(plan, &info) == TN_OK);
    tn_plan_release(plan);
    snprintf(name, sizeof name, "%s_texel4%s", b->q.op->kind == TN_OP_CONV ? "conv" : "matmul",
             strstr(info.kernel, "_glsl"));
    bool has = tn_plan_create(b->d->device, b->q.op, &desc, &plan) == TN_OK;
    if (has)
        tn_plan_release(plan);
    b->d->kernel = name;
    for (b->d->from_bytes = 0; has && b->d->from_bytes <= 16; b->d->from_bytes += 4) {
        compare(b, WHOLE);
        compare(b, WHOLE_ENDLESS);
    }
    b->d->from_bytes = 0;
    b->d->kernel = NULL;
    fprintf(stderr, "%s: %s by %s%s\n", b->uri, b->text, name, has ? "" : " is refused");
    TN_EXPECT(has || strstr(b->uri, "lavapipe") == NULL, "%s has no %s", b->uri, name);
}

TN_TEST(vulkan_parity, rows_by_fours)
{
    static const char *const some[] = {
        "matmul 13x36x260:f32:bounded",
        "matmul 5x8x4:f32:bounded",
        "conv n2c16h6w6k9r1s1:f32:bias+bounded",
        "conv n1c8h5w7k24r1s1:f32:nhwc+bounded",
        "conv n1c24h9w7k12r3s3p1:f32:bounded",
        "conv n2c8d4h5w9k40t2r3s2g2p1u2:f32:bounded",
        "conv n1c40h7w10k12r2s3l2p1:f32:bounded",
        "matmul 37x40x260:f32:bounded",
        "conv n1c20h5w16k30r3s3p1:f32:bounded",
        "conv n2c24h6w9k20r2s4g2p1:f32:nhwc+bounded",
        "conv n1c16d3h4w7k16t2r3s2p1:f32:bounded",
    };
    each_op(some, sizeof some / sizeof some[0], by_fours);
}

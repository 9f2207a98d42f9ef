/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the host as a buffer without a copy: where it may lie, that both sides see it, that it
 * is given back once, and what a driver that fails makes of it. */
#include "support/op_problem.h"
#include "support/vulkan_devices.h"

#if __has_include(<vulkan/vulkan.h>)
#include <backends/vulkan/vk.h>
#include <hal/hal.h>

enum { PAGE = 4096, SIDE = 64, FLOATS = SIDE * SIDE, BYTES = FLOATS * sizeof(float) };

static void *pages(uint64_t bytes)
{
    void *p = aligned_alloc(PAGE, bytes);
    TN_REQUIRE(p != NULL);
    memset(p, 0, bytes);
    return p;
}

static void count(void *self)
{
    ++*(int *)self;
}

static tn_status import(tn_device *d, void *at, uint64_t offset, uint64_t bytes, int *released,
                        tn_buffer **out)
{
    tn_external e = {.head = TN_INIT(tn_external),
                     .kind = TN_EXTERNAL_HOST,
                     .pointer = at,
                     .offset = offset,
                     .bytes = bytes,
                     .release = count,
                     .self = released};
    return tn_buffer_import(d, &e, out);
}

static uint64_t align_of(tn_device *d)
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    TN_REQUIRE(tn_device_get_info(d, &info) == TN_OK);
    return info.import_align;
}

/* A product of imported operands, with nothing written or read by the queue. */
static void computes(tn_test_device *d, const char *uri)
{
    float *m[3], want[FLOATS];
    tn_buffer *b[3] = {NULL};
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    int released = 0;
    tn_bind bind[3];
    static const tn_role role[3] = {TN_ARG_A, TN_ARG_B, TN_ARG_OUT};
    TN_REQUIRE(tn_op_parse(d->runtime, "matmul 64x64x64:f32", &op) == TN_OK);
    TN_REQUIRE(tn_plan_create(d->device, op, NULL, &plan) == TN_OK, "%s", uri);
    for (int i = 0; i < 3; ++i) {
        m[i] = pages(BYTES + PAGE);
        TN_REQUIRE(import(d->device, m[i], i == 1 ? PAGE : 0, BYTES, &released, &b[i]) == TN_OK,
                   "%s", uri);
        bind[i] = (tn_bind){.role = role[i], .buffer = b[i]};
    }
    float *weights = m[1] + PAGE / sizeof(float);
    for (int round = 1; round <= 2; ++round) { /* sums of small integers have one value */
        for (int i = 0; i < FLOATS; ++i) {
            m[0][i] = (float)((i * round) % 7);
            weights[i] = (float)((i + round) % 5) - 2.0f;
        }
        for (int i = 0; i < SIDE; ++i)
            for (int j = 0; j < SIDE; ++j) {
                float sum = 0.0f;
                for (int k = 0; k < SIDE; ++k)
                    sum += m[0][i * SIDE + k] * weights[k * SIDE + j];
                want[i * SIDE + j] = sum;
            }
        TN_EXPECT(tn_queue_run(d->queue, plan, bind, 3, NULL, NULL) == TN_OK);
        TN_EXPECT(tn_queue_wait_idle(d->queue, UINT64_MAX) == TN_OK);
        TN_EXPECT(memcmp(m[2], want, BYTES) == 0, "%s, round %d", uri, round);
    }
    /* Transfers, and the same memory as a map and as a buffer of its own. */
    void *mapped = NULL;
    tn_buffer *again = NULL;
    TN_EXPECT(tn_queue_fill(d->queue, b[0], 0, BYTES, 0x3f800000u, 4, NULL) == TN_OK &&
              tn_queue_fill(d->queue, b[0], 5, 3, 0x11, 1, NULL) == TN_OK &&
              tn_queue_copy(d->queue, b[2], 64, b[0], 0, 128, NULL) == TN_OK &&
              tn_queue_wait_idle(d->queue, UINT64_MAX) == TN_OK);
    TN_EXPECT(m[0][FLOATS - 1] == 1.0f && m[2][16] == 1.0f, "%s", uri);
    TN_EXPECT(((unsigned char *)m[2])[64 + 7] == 0x11, "%s", uri);
    TN_EXPECT(tn_buffer_map(b[2], 0, BYTES, TN_MAP_READ, &mapped) == TN_OK && mapped == m[2]);
    TN_EXPECT(tn_buffer_unmap(b[2]) == TN_OK);
    TN_EXPECT(import(d->device, m[2], 0, PAGE, &released, &again) == TN_OK, "%s: twice", uri);
    tn_buffer_release(again);
    TN_EXPECT(released == 1);
    tn_plan_release(plan);
    tn_op_free(d->runtime, op);
    for (int i = 0; i < 3; ++i) {
        tn_buffer_release(b[i]);
        TN_EXPECT(released == 2 + i, "%s: released %d times", uri, released);
        free(m[i]);
    }
}

TN_TEST(vulkan_import, computed_in_place)
{
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i)
        for (int way = 0; way < 2; ++way) {
            vulkan_log log = {0};
            tn_test_device d;
            char uri[200];
            snprintf(uri, sizeof uri, "%s?%s", all.uri[i], way == 0 ? "validate=1" : "staging=1");
            if (vulkan_open(uri, &log, &d)) {
                if (align_of(d.device) == PAGE) /* the sizes here are of such pages */
                    computes(&d, uri);
                else
                    fprintf(stderr, "%s imports multiples of %" PRIu64 "\n", uri,
                            align_of(d.device));
            }
            tn_test_close(&d);
            TN_EXPECT(atomic_load(&log.complaints) == 0, "%s", uri);
        }
}

/* An import of a size that blocks of buffers have, too, is not kept for later. */
TN_TEST(vulkan_import, as_large_as_a_block)
{
    vulkan_devices all = find_vulkan();
    const uint64_t bytes = 32u << 20;
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        tn_buffer *b = NULL;
        int released = 0;
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        vk_device *own = d.device->object;
        if (align_of(d.device) != 0) {
            uint64_t used = own->memory_used;
            void *p = pages(bytes);
            TN_EXPECT(import(d.device, p, 0, bytes, &released, &b) == TN_OK, "%s", all.uri[i]);
            TN_EXPECT(own->memory_used == used, "%s: the host's memory is not the device's",
                      all.uri[i]);
            tn_buffer_release(b);
            TN_EXPECT(released == 1);
            free(p);
        }
        tn_test_close(&d);
    }
}

static bool refused(tn_status st, const char *reason, const char *argument)
{
    tn_error e;
    tn_error_last(&e);
    bool ok = st == TN_STATUS_UNSUPPORTED && strcmp(e.reason, reason) == 0 &&
              strcmp(e.argument, argument) == 0 && strlen(e.text) > 20;
    if (!ok)
        fprintf(stderr, "%s %s %s: %s\n", tn_status_name(st), e.reason, e.argument, e.text);
    return ok;
}

TN_TEST(vulkan_import, refusals)
{
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        tn_buffer *b = NULL;
        int released = 0;
        char *p = pages(4 * PAGE);
        tn_external file = {.head = TN_INIT(tn_external), .kind = TN_EXTERNAL_DMABUF, .bytes = 64};
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        vk_device *own = d.device->object;
        TN_EXPECT(refused(tn_buffer_import(d.device, &file, &b), "buffer.import", "external.kind"));
        if (own->caps.import_align != 0) {
            TN_EXPECT(refused(import(d.device, p + 64, 0, PAGE, &released, &b),
                              "buffer.import_align", "external.pointer"));
            TN_EXPECT(refused(import(d.device, p, 128, PAGE, &released, &b), "buffer.import_align",
                              "external.pointer"));
            TN_EXPECT(refused(import(d.device, p, 0, PAGE + 4, &released, &b),
                              "buffer.import_align", "external.bytes"));
            TN_EXPECT(refused(import(d.device, p, 0, 0, &released, &b), "buffer.import_align",
                              "external.bytes"));
            own->memory_flags[VK_IMPORTED] |= VK_MEMORY_PROPERTY_PROTECTED_BIT; /* nobody's */
            TN_EXPECT(refused(import(d.device, p, 0, PAGE, &released, &b), "buffer.import",
                              "external.pointer"));
        }
        own->caps.import_align = 0;
        TN_EXPECT(
            refused(import(d.device, p, 0, PAGE, &released, &b), "buffer.import", "external.kind"));
        TN_EXPECT(released == 0 && b == NULL, "%s", all.uri[i]);
        free(p);
        tn_test_close(&d);
    }
}

/* Whether there is something to strike; opening some drivers' devices takes seconds. */
static bool imports_pages(const char *uri)
{
    tn_test_device d;
    TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
    bool does = align_of(d.device) == PAGE;
    tn_test_close(&d);
    return does;
}

/* Lost, or without memory, in any call of an import. */
TN_TEST(vulkan_import, drivers_that_fail)
{
    static const char *const entries[] = {"vkCreateBuffer", "vkGetMemoryHostPointerPropertiesEXT",
                                          "vkAllocateMemory", "vkBindBufferMemory"};
    static const char *const what[] = {"lost", "host", "device"};
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i) {
        const bool imports = imports_pages(all.uri[i]);
        for (size_t e = 0; imports && e < sizeof entries / sizeof entries[0]; ++e)
            for (size_t w = 0; w < sizeof what / sizeof what[0]; ++w) {
                tn_test_device d;
                tn_status st = TN_OK;
                char uri[200], *p = pages(PAGE);
                int released = 0;
                /* behind those of opening, whichever call it is */
                snprintf(uri, sizeof uri, "%s?fault=%s:8:%s", all.uri[i], entries[e], what[w]);
                TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
                for (int n = 0; st == TN_OK && n < 12; ++n) {
                    tn_buffer *b = NULL;
                    st = import(d.device, p, 0, PAGE, &released, &b);
                    tn_buffer_release(b);
                    TN_EXPECT(released == n + (st == TN_OK), "%s", uri);
                }
                TN_EXPECT(st == (w == 0 ? TN_STATUS_DEVICE_LOST : TN_STATUS_NO_MEMORY), "%s: %s",
                          uri, tn_status_name(st));
                tn_test_close(&d);
                free(p);
            }
    }
}
#endif

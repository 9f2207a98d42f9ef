/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of work that are recorded once: by command buffers of the driver, and enqueued one after
 * the other where it has none, with the same bits as the cpu's. */
#include "support/opencl_devices.h"
#include "support/recorded.h"

#if __has_include(<CL/cl.h>)
#include <backends/opencl/opencl.h>
#include <hal/hal.h>

/* The device as the URI's options make it. */
static opencl_device *open_with(const char *uri, const char *options, tn_test_device *d)
{
    char all[240];
    snprintf(all, sizeof all, "%.100s?%s", uri, options);
    TN_REQUIRE(tn_test_open(all, d), "%s", all);
    return d->device->object;
}

TN_TEST(opencl_commands, recorded_and_enqueued)
{
    static const char *const ways[] = {"record=1", "record=0", "submit_us=0"};
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i)
        for (size_t w = 0; w < sizeof ways / sizeof ways[0]; ++w) {
            tn_test_device d;
            const opencl_device *own = open_with(all.uri[i], ways[w], &d);
            fprintf(stderr, "%s?%s: %s\n", all.uri[i], ways[w],
                    own->records ? "command buffers" : "enqueued");
            TN_EXPECT(!own->records || w == 0 || (w == 2 && own->info.kind != TN_KIND_CPU));
            recorded_compare(&d, all.uri[i], RECORDED_ALL);
            tn_test_close(&d);
        }
}

/* More estimated work than one submit may have: lists are cut, and plans in them divided. */
TN_TEST(opencl_commands, in_several_submits)
{
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        opencl_device *own = open_with(all.uri[i], "record=1", &d);
        for (uint64_t ns = 100; ns < 10000; ns *= 20) {
            own->submit_ns = ns;
            recorded_compare(&d, all.uri[i], RECORDED_ALL);
        }
        tn_test_close(&d);
    }
}

/* A driver that has command buffers and likes none: its lists are enqueued. */
TN_TEST(opencl_commands, refused_by_the_driver)
{
    static const char *const faults[] = {"clCreateCommandBufferKHR", "clFinalizeCommandBufferKHR",
                                         "clCommandNDRangeKernelKHR&after=3",
                                         "clGetExtensionFunctionAddressForPlatform"};
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i)
        for (size_t f = 0; f < sizeof faults / sizeof faults[0]; ++f) {
            char options[160];
            tn_test_device d;
            snprintf(options, sizeof options, "record=1&code=59&fail=%s", faults[f]);
            (void)open_with(all.uri[i], options, &d);
            recorded_compare(&d, options, RECORDED_PLAIN);
            tn_test_close(&d);
        }
}

TN_TEST(opencl_commands, without_memory)
{
    static const char *const ways[] = {"record=1", "record=0"};
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i)
        for (size_t w = 0; w < sizeof ways / sizeof ways[0]; ++w) {
            char uri[160];
            snprintf(uri, sizeof uri, "%.100s?%s", all.uri[i], ways[w]);
            recorded_without_memory(uri);
        }
}

/* Packed weights of a list are those of a call. */
TN_TEST(opencl_commands, packs)
{
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i) {
        static float from[64 * 64], want[2 * 64 * 64], got[2 * 64 * 64];
        tn_test_device d;
        tn_op *op = NULL;
        tn_plan *plan = NULL;
        tn_queue *r = NULL;
        tn_commands *list = NULL;
        uint64_t layout = 0, bytes = 0;
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = sizeof want};
        tn_buffer *b = NULL, *once = NULL, *often = NULL;
        (void)open_with(all.uri[i], "record=1", &d);
        TN_REQUIRE(tn_op_parse(d.runtime, "matmul 64x64x64:f32:canonical", &op) == TN_OK);
        TN_REQUIRE(tn_plan_create(d.device, op, NULL, &plan) == TN_OK);
        TN_REQUIRE(tn_buffer_create(d.device, &desc, &b) == TN_OK &&
                   tn_buffer_create(d.device, &desc, &once) == TN_OK &&
                   tn_buffer_create(d.device, &desc, &often) == TN_OK);
        if (tn_plan_layout(plan, TN_ARG_B, &layout, &bytes) == TN_OK && bytes <= sizeof want) {
            tn_tensor source = op->args[1].tensor;
            source.buffer = b;
            for (int k = 0; k < 64 * 64; ++k)
                from[k] = (float)k;
            TN_REQUIRE(tn_commands_begin(d.queue, &r) == TN_OK);
            TN_EXPECT(tn_queue_fill(r, often, 0, sizeof want, 0, 4, NULL) == TN_OK);
            TN_EXPECT(tn_queue_pack(r, plan, TN_ARG_B, &source, often, 0, NULL) == TN_OK);
            TN_REQUIRE(tn_commands_end(r, &list) == TN_OK);
            tn_queue_release(r);
            for (int round = 0; round < 3; ++round) {
                from[round] = -1.0f;
                TN_EXPECT(tn_queue_write(d.queue, b, 0, from, sizeof from, NULL) == TN_OK);
                TN_EXPECT(tn_queue_fill(d.queue, once, 0, sizeof want, 0, 4, NULL) == TN_OK);
                TN_EXPECT(tn_queue_pack(d.queue, plan, TN_ARG_B, &source, once, 0, NULL) == TN_OK);
                TN_EXPECT(tn_queue_submit(d.queue, list, NULL) == TN_OK);
                TN_EXPECT(tn_queue_read(d.queue, want, once, 0, sizeof want, NULL) == TN_OK);
                TN_EXPECT(tn_queue_read(d.queue, got, often, 0, sizeof got, NULL) == TN_OK);
                TN_EXPECT(tn_queue_wait_idle(d.queue, UINT64_MAX) == TN_OK);
                TN_EXPECT(memcmp(want, got, sizeof got) == 0, "%s", all.uri[i]);
            }
            tn_commands_release(list);
        }
        tn_buffer_release(b);
        tn_buffer_release(once);
        tn_buffer_release(often);
        tn_plan_release(plan);
        tn_op_free(d.runtime, op);
        tn_test_close(&d);
    }
}
#endif

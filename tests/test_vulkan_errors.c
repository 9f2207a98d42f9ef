/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with Vulkan devices: URIs, drivers that fail, ops that no kernel takes. Each has
 * a status, a reason and the argument that is to blame. */
#include "support/vulkan_devices.h"

/* Opening fails as it should; `given` is a part of the text. */
static void refused(tn_runtime *rt, const char *uri, tn_status status, const char *reason,
                    const char *argument, const char *given)
{
    tn_device *d = NULL;
    tn_error e;
    tn_status st = tn_device_open(rt, uri, &d);
    tn_error_last(&e);
    TN_EXPECT(st == status && strcmp(e.reason, reason) == 0, "%s: %s %s (%s)", uri,
              tn_status_name(st), e.reason, e.text);
    TN_EXPECT(argument == NULL || (e.argument != NULL && strcmp(e.argument, argument) == 0),
              "%s blames %s", uri, e.argument != NULL ? e.argument : "nobody");
    TN_EXPECT(strstr(e.text, given) != NULL, "%s: \"%s\" does not quote \"%s\"", uri, e.text,
              given);
    tn_device_release(d);
}

TN_TEST(vulkan_errors, uris)
{
    static const struct {
        const char *rest, *reason, *given;
    } rows[] = {
        {"?validate=3", "vulkan.option", "validate=\"3\""},
        {"?submit_us=x", "vulkan.option", "submit_us=\"x\""},
        {"?staging=yes", "vulkan.option", "staging=\"yes\""},
        {"?hang=-1", "vulkan.option", "hang=\"-1\""},
        {"?speed=1", "vulkan.option", "\"speed\""},
        {"?fault=vkNothing:1:lost", "vulkan.fault", "vkNothing"},
        {"?fault=vkQueueSubmit:0:lost", "vulkan.fault", ":0:"},
        {"?fault=vkQueueSubmit:1:odd", "vulkan.fault", "odd"},
        {"?fault=vkQueueSubmit", "vulkan.fault", "vkQueueSubmit"},
    };
    vulkan_devices all = find_vulkan();
    tn_runtime *rt = NULL;
    char uri[256];
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        snprintf(uri, sizeof uri, "%s%s", all.uri[0], rows[i].rest);
        refused(rt, uri, TN_STATUS_INVALID, rows[i].reason, "uri", rows[i].given);
    }
    refused(rt, "vulkan:a-name-that-is-far-longer-than-what-any-driver-is-called-by-anyone",
            TN_STATUS_INVALID, "vulkan.arg", "uri", "a-name-that");
    refused(rt, "vulkan:nobody", TN_STATUS_UNAVAILABLE, "vulkan.device", "uri", "nobody");
    refused(rt, "vulkan:99", TN_STATUS_UNAVAILABLE, "vulkan.device", "uri", "99");
    tn_device *d = NULL; /* by number, as the loader counts */
    TN_EXPECT(tn_device_open(rt, "vulkan:0", &d) == TN_OK);
    tn_device_release(d);
    tn_runtime_release(rt);
}

TN_TEST(vulkan_errors, drivers_that_fail)
{
    static const struct {
        const char *fault;
        tn_status status;
        const char *reason, *given;
    } rows[] = {
        {"vkEnumerateInstanceVersion:1:host", TN_STATUS_UNAVAILABLE, "vulkan.instance",
         "vkEnumerateInstanceVersion"},
        {"vkCreateInstance:1:lost", TN_STATUS_UNAVAILABLE, "vulkan.instance", "vkCreateInstance"},
        {"vkCreateInstance:1:host", TN_STATUS_NO_MEMORY, "vulkan.instance", "vkCreateInstance"},
        {"vkEnumeratePhysicalDevices:1:lost", TN_STATUS_UNAVAILABLE, "vulkan.devices",
         "vkEnumeratePhysicalDevices"},
        {"vkCreateDevice:1:device", TN_STATUS_NO_MEMORY, "vulkan.memory", "vkCreateDevice"},
        {"vkCreateDevice:1:lost", TN_STATUS_DEVICE_LOST, "vulkan.lost", "vkCreateDevice"},
        {"vkCreatePipelineCache:1:unknown", TN_STATUS_INTERNAL, "vulkan.driver",
         "vkCreatePipelineCache"},
        {"vkCreateComputePipelines:2:device", TN_STATUS_NO_MEMORY, "vulkan.memory",
         "vkCreateComputePipelines"},
        {"vkQueueSubmit:1:lost", TN_STATUS_DEVICE_LOST, "vulkan.lost", "vkQueueSubmit"},
        {"vkAllocateMemory:1:host", TN_STATUS_NO_MEMORY, "vulkan.memory", "vkAllocateMemory"},
    };
    vulkan_devices all = find_vulkan();
    tn_runtime *rt = NULL;
    char uri[256];
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        snprintf(uri, sizeof uri, "%s?fault=%s", all.uri[0], rows[i].fault);
        refused(rt, uri, rows[i].status, rows[i].reason, NULL, rows[i].given);
    }
    tn_runtime_release(rt);
}

/* Ops that no kernel takes, each with its reason; what runs instead is another device's matter. */
TN_TEST(vulkan_errors, ops)
{
    static const struct {
        const char *op, *reason, *other; /* other: of a driver with wider limits */
    } rows[] = {
        {"matmul 1x64x96:f32,q4_0,f32:nt", "vulkan.packed", NULL},
        {"matmul 8x8x8:f32:bias+add+mul+add+mul+add", "matmul.posts", NULL},
        {"concat "
         "30:f32:axis=0+exact+input1=30+input2=30+input3=30+input4=30+input5=30+input6=30+input7="
         "30",
         "vulkan.operands", NULL},
        {"matmul 2x2x70000:f32:canonical", "vulkan.loops", NULL},
        {"softmax 1x40000000:f32:axis=1", "vulkan.range", "vulkan.size"},
        {"eltwise add 40000x40000:f32:a=40000x1+b=1x40000", "vulkan.range", NULL},
        {"softmax 50000x50000x2:f16:axis=2", "vulkan.range", NULL},
        {"matmul 8x8x8:f32:acc=bf16", "kernel.accumulate", NULL},
        {"topk 30x90:tf32:axis=1+k=7+exact+index", "topk.dtype", NULL},
        {"copy 3x500:f32,e8m0:canonical", "copy.dtype", NULL},
        {"matmul 33x65x127:f32,f32,f8e4m3:canonical", "matmul.dtype", NULL},
    };
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        tn_error e;
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        tn_class_info info = {.head = TN_INIT(tn_class_info)};
        TN_REQUIRE(tn_device_classes(d.device, TN_F32, &info) == TN_OK);
        bool canonical = (info.classes >> TN_CLASS_CANONICAL & 1u) != 0;
        TN_EXPECT(canonical || strncmp(info.refused, "canonical: probe ", 17) == 0, "%s: \"%s\"",
                  all.uri[i], info.refused);
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; ++r) {
            tn_op *op = NULL;
            TN_REQUIRE(tn_op_parse(d.runtime, rows[r].op, &op) == TN_OK, "%s", rows[r].op);
            tn_status st = tn_device_supports(d.device, op);
            tn_error_last(&e);
            /* A device that refuses CANONICAL says that first; the longest loops are no matter to
             * some drivers. */
            const char *reason =
                !canonical && op->numerics.cls == TN_CLASS_CANONICAL && op->kind != TN_OP_COPY
                    ? "vulkan.canonical"
                    : rows[r].reason;
            bool other = rows[r].other != NULL && strcmp(e.reason, rows[r].other) == 0;
            bool fine = st == TN_OK && strcmp(rows[r].reason, "vulkan.loops") == 0;
            TN_EXPECT((st == TN_STATUS_UNSUPPORTED && (other || strcmp(e.reason, reason) == 0)) ||
                          fine,
                      "%s on %s: %s %s (%s), not %s", rows[r].op, all.uri[i], tn_status_name(st),
                      e.reason, e.text, reason);
            tn_op_free(d.runtime, op);
        }
        tn_test_close(&d);
    }
}

/* A buffer beyond what the device has, and all that fits in small ones: NO_MEMORY, and the device
 * goes on. */
TN_TEST(vulkan_errors, no_memory)
{
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        tn_buffer *buffer[64] = {NULL}, *small = NULL;
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        TN_REQUIRE(tn_device_get_info(d.device, &info) == TN_OK);
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = info.memory_bytes + 1};
        TN_EXPECT(tn_buffer_create(d.device, &desc, &small) == TN_STATUS_NO_MEMORY, "%s",
                  all.uri[i]);
        desc.bytes = info.memory_bytes / 32;
        tn_status st = TN_OK;
        uint32_t n = 0;
        while (st == TN_OK && n < 64)
            st = tn_buffer_create(d.device, &desc, &buffer[n++]);
        TN_EXPECT(st == TN_STATUS_NO_MEMORY && n > 8, "%s: %u buffers, %s", all.uri[i], n,
                  tn_status_name(st));
        for (uint32_t k = 0; k < 64; ++k)
            tn_buffer_release(buffer[k]);
        desc.bytes = 1000;
        TN_EXPECT(tn_buffer_create(d.device, &desc, &small) == TN_OK, "%s", all.uri[i]);
        tn_buffer_release(small);
        tn_test_close(&d);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of work that are recorded once, by secondary command buffers: the bits of the cpu's,
 * nothing for the validation layers to say, and a status when the device is lost in any call on the
 * way. */
#include "support/op_problem.h"
#include "support/recorded.h"
#include "support/vulkan_devices.h"

#if __has_include(<vulkan/vulkan.h>)
#include <backends/vulkan/vk.h>
#include <hal/hal.h>

#include <unistd.h>

/* SwiftShader compiles anew whenever a device is opened: less of it where ./test is not --full. */
static bool whole(const char *device)
{
    return strstr(device, "swiftshader") == NULL || whole_lists();
}

static void compare(const char *device, const char *options, uint32_t kinds)
{
    vulkan_log log = {0};
    tn_test_device d;
    char uri[200];
    snprintf(uri, sizeof uri, "%.120s?%s", device, options);
    if (!vulkan_open(uri, &log, &d)) { /* no layers here */
        TN_EXPECT(strstr(options, "validate") != NULL, "%s", uri);
        tn_test_close(&d);
        return;
    }
    recorded_compare(&d, uri, kinds);
    tn_test_close(&d);
    TN_EXPECT(atomic_load(&log.complaints) == 0, "%s", uri);
}

TN_TEST(vulkan_commands, the_bits_of_cpu)
{
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i) {
        compare(all.uri[i], "validate=1", whole(all.uri[i]) ? RECORDED_ALL : RECORDED_MOVES);
        compare(all.uri[i], "staging=1", whole(all.uri[i]) ? RECORDED_ALL : 0);
    }
}

/* More estimated work than one submit may have: some of the list at a time, then some of a plan. */
TN_TEST(vulkan_commands, in_several_submits)
{
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i) {
        compare(all.uri[i], "submit_us=120&validate=1", whole(all.uri[i]) ? RECORDED_ALL : 0);
        compare(all.uri[i], "submit_us=30", whole(all.uri[i]) ? RECORDED_ALL : RECORDED_MOVES);
    }
}

TN_TEST(vulkan_commands, without_memory)
{
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i)
        if (whole(all.uri[i]))
            recorded_without_memory(all.uri[i]);
}

/* The status of the first call that fails with this fault. */
static tn_status strike(tn_runtime *rt, const char *uri, const char *fault, recorded *r,
                        float out[RECORDED_ROUNDS][RECORDED_COUNT])
{
    tn_test_device d = {.runtime = tn_runtime_retain(rt)};
    char struck[200];
    snprintf(struck, sizeof struck, "%.100s?fault=%s", uri, fault);
    tn_status st = tn_device_open(rt, struck, &d.device);
    if (st == TN_OK) {
        st = recorded_make(&d, RECORDED_TRANSFERS, 0, false, r);
        if (st == TN_OK)
            st = recorded_play(r, 7, out);
        recorded_drop(r);
    }
    tn_test_close(&d);
    return st;
}

TN_TEST(vulkan_commands, lost_at_every_entry)
{
    static const char *const entries[] = {"vkCreateCommandPool",    "vkAllocateCommandBuffers",
                                          "vkCreateDescriptorPool", "vkAllocateDescriptorSets",
                                          "vkResetCommandPool",     "vkBeginCommandBuffer",
                                          "vkCreateBufferView",     "vkEndCommandBuffer",
                                          "vkQueueSubmit",          "vkWaitSemaphores"};
    static float want[RECORDED_ROUNDS][RECORDED_COUNT], got[RECORDED_ROUNDS][RECORDED_COUNT];
    static recorded r;
    char cache[512], gone[600];
    snprintf(cache, sizeof cache, "%s/vulkan-commands-%ld", TN_TEST_ICDS, (long)getpid());
    snprintf(gone, sizeof gone, "rm -rf '%s'", cache);
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i) {
        uint32_t struck = 0;
        tn_runtime *rt = NULL; /* one for all: it knows the driver by then */
        if (!whole(all.uri[i]))
            continue;
        tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc), .cache_dir = cache};
        TN_REQUIRE(tn_runtime_create(&desc, &rt) == TN_OK);
        TN_REQUIRE(strike(rt, all.uri[i], "", &r, want) == TN_OK, "%s", all.uri[i]);
        for (size_t e = 0; e < sizeof entries / sizeof entries[0]; ++e)
            for (unsigned call = 1; call < 14; call = 3 * call + 1)
                for (int memory = 0; memory < (call == 4 ? 2 : 1); ++memory) {
                    char fault[80];
                    snprintf(fault, sizeof fault, "%s:%u:%s", entries[e], call,
                             memory ? "host" : "lost");
                    memset(got, 0, sizeof got);
                    tn_status st = strike(rt, all.uri[i], fault, &r, got);
                    TN_EXPECT(st == TN_OK ||
                                  st == (memory ? TN_STATUS_NO_MEMORY : TN_STATUS_DEVICE_LOST),
                              "%s %s: %s", all.uri[i], fault, tn_status_name(st));
                    TN_EXPECT(st != TN_OK || memcmp(want, got, sizeof got) == 0, "%s %s",
                              all.uri[i], fault);
                    struck += st != TN_OK;
                }
        tn_runtime_release(rt);
        fprintf(stderr, "%s: %u faults brought a status\n", all.uri[i], struck);
        TN_EXPECT(struck > 15, "%s: %u", all.uri[i], struck);
        TN_EXPECT(system(gone) == 0);
    }
}
#endif

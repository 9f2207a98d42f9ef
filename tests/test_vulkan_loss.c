/* SPDX-License-Identifier: Apache-2.0 */
/* A Vulkan device that is lost in any call of its driver: a status, no hang, no crash, and it can
 * be opened again. Likewise without memory, and when work does not end. */
#include "support/op_problem.h"
#include "support/vulkan_devices.h"

#if __has_include(<vulkan/vulkan.h>)
#include <backends/vulkan/vk.h>
#include <hal/hal.h>

#include <unistd.h>

static const char *const entries[] = {
#define VK_GLOBAL(name)   #name,
#define VK_INSTANCE(name) #name,
#define VK_DEVICE(name)   #name,
#define VK_OPTIONAL(name) #name,
#define VK_EXTRA(name)    #name,
#include <backends/vulkan/vk_entries.inc>
};
enum { ALL_ENTRIES = sizeof entries / sizeof entries[0] };

/* Which entries a fault stood in the place of, by what the log says. */
static atomic_uint reached[ALL_ENTRIES];

static void listen_to_faults(void *self, int level, const char *text)
{
    static const char said[] = "vulkan fault strikes ";
    (void)self, (void)level;
    for (size_t e = 0; e < ALL_ENTRIES; ++e)
        if (strncmp(text, said, sizeof said - 1) == 0 &&
            strcmp(text + sizeof said - 1, entries[e]) == 0)
            atomic_fetch_add(&reached[e], 1);
}

static void hear(void *self, const tn_event *event) /* items are timed while somebody does */
{
    (void)self, (void)event;
}

static bool in(const char *name, const char *const *list)
{
    for (; *list != NULL; ++list)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

/* Entries without a result cannot fail. */
static bool cannot_fail(const char *name)
{
    static const char *const none[] = {"vkGetDeviceProcAddr",           "vkGetDeviceQueue",
                                       "vkUpdateDescriptorSets",        "vkFreeMemory",
                                       "vkGetBufferMemoryRequirements", NULL};
    return strncmp(name, "vkDestroy", 9) == 0 || strncmp(name, "vkCmd", 5) == 0 ||
           strncmp(name, "vkGetPhysicalDevice", 19) == 0 || in(name, none);
}

/* What comes of a device that is lost in the entry. */
static tn_status expected(const char *name)
{
    /* The backend goes on without the answer of these. */
    static const char *const needless[] = {"vkEnumerateDeviceExtensionProperties",
                                           "vkEnumerateInstanceExtensionProperties",
                                           "vkCreateDebugUtilsMessengerEXT",
                                           "vkGetPipelineCacheData",
                                           "vkGetQueryPoolResults",
                                           NULL};
    if (in(name, needless))
        return TN_OK;
    return strcmp(name, "vkCreateInstance") == 0 || strncmp(name, "vkEnumerate", 11) == 0
               ? TN_STATUS_UNAVAILABLE
               : TN_STATUS_DEVICE_LOST;
}

/* Those that are called for an import alone, which test_vulkan_import strikes. */
static bool of_imports(const char *name)
{
    return strcmp(name, "vkGetMemoryHostPointerPropertiesEXT") == 0;
}

/* Those that are called for validation layers alone. */
static bool of_layers(const char *name)
{
    return strncmp(name, "vkEnumerateInstanceL", 20) == 0 ||
           strncmp(name, "vkEnumerateInstanceE", 20) == 0 ||
           strcmp(name, "vkCreateDebugUtilsMessengerEXT") == 0;
}

/* Writes, computes, copies, fills, reads; the status of the first that failed. */
static tn_status work(tn_test_device *d, float *out)
{
    static float a[32 * 32], b[32 * 32];
    tn_op *op = NULL;
    tn_buffer *buffer[3] = {NULL};
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = sizeof a};
    TN_REQUIRE(tn_op_parse(d->runtime, "matmul 32x32x32:f32", &op) == TN_OK);
    for (int i = 0; i < 32 * 32; ++i) {
        a[i] = (float)(i % 7);
        b[i] = (float)(i % 5) - 2.0f;
    }
    tn_arg args[3];
    memcpy(args, op->args, sizeof args);
    tn_op bound = *op;
    bound.args = args;
    tn_status st = TN_OK;
    for (uint32_t i = 0; st == TN_OK && i < 3; ++i) {
        st = tn_buffer_create(d->device, &desc, &buffer[i]);
        args[i].tensor.buffer = buffer[i];
    }
    if (st == TN_OK)
        st = tn_queue_write(d->queue, buffer[0], 0, a, sizeof a, NULL);
    if (st == TN_OK)
        st = tn_queue_write(d->queue, buffer[1], 0, b, sizeof b, NULL);
    if (st == TN_OK)
        st = tn_compute(d->queue, &bound);
    if (st == TN_OK)
        st = tn_queue_copy(d->queue, buffer[0], 0, buffer[2], 0, sizeof a, NULL);
    if (st == TN_OK)
        st = tn_queue_fill(d->queue, buffer[0], 3, 7, 0x5a, 1, NULL);
    if (st == TN_OK)
        st = tn_queue_read(d->queue, out, buffer[0], 0, sizeof a, NULL);
    tn_status idle = d->queue != NULL ? tn_queue_wait_idle(d->queue, UINT64_MAX) : TN_OK;
    for (uint32_t i = 0; i < 3; ++i)
        tn_buffer_release(buffer[i]);
    tn_op_free(d->runtime, op);
    return st != TN_OK ? st : idle;
}

/* The status of the first call that fails on a device with this fault; TN_OK: it was not reached.
 */
static tn_status strike(tn_runtime *rt, const char *uri, const char *entry, unsigned call,
                        const char *what)
{
    static float out[32 * 32];
    tn_test_device d = {0};
    char struck[256];
    snprintf(struck, sizeof struck, "%s%s&fault=%s:%u:%s", uri,
             of_layers(entry) ? "&validate=1" : "", entry, call, what);
    d.runtime = tn_runtime_retain(rt);
    tn_status st = tn_device_open(d.runtime, struck, &d.device);
    if (st == TN_OK && strstr(entry, "MappedMemoryRanges") != NULL) /* as if it were not coherent */
        for (int kind = 0; kind < 2; ++kind)
            ((vk_device *)d.device->object)->memory_flags[kind] &=
                ~(VkMemoryPropertyFlags)VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    if (st == TN_OK)
        st = tn_queue_create(d.device, NULL, &d.queue);
    if (st == TN_OK)
        st = work(&d, out);
    if (st == TN_STATUS_DEVICE_LOST && d.device != NULL) /* for good */
        TN_EXPECT(tn_device_get_status(d.device) == TN_STATUS_DEVICE_LOST, "%s", struck);
    tn_test_close(&d);
    return st;
}

/* Every second entry from `half` on; ./test without --full takes a third of them, others each day.
 */
static void on_device(const char *device, bool staging, size_t half)
{
    uint32_t struck = 0, tried = 0;
    uint64_t of = whole_lists() ? 1 : 3, turn = tn_test_seed();
    char uri[200], cache[512], file[700];
    float want[32 * 32], out[32 * 32];
    tn_test_device d;
    snprintf(uri, sizeof uri, "%s?staging=%d", device, staging);
    snprintf(cache, sizeof cache, "%s/vulkan-loss-%ld", TN_TEST_ICDS, (long)getpid());
    TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
    TN_REQUIRE(work(&d, want) == TN_OK, "%s", uri);
    bool layers = false;
    tn_device *validated = NULL;
    snprintf(file, sizeof file, "%s&validate=1", uri);
    layers = tn_device_open(d.runtime, file, &validated) == TN_OK;
    tn_device_release(validated);
    tn_test_close(&d);
    tn_runtime *rt = NULL; /* one for all: it knows the driver by then */
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .log = listen_to_faults,
                            .log_level = 5,
                            .cache_dir = cache};
    TN_REQUIRE(tn_runtime_create(&desc, &rt) == TN_OK);
    TN_REQUIRE(tn_runtime_trace(rt, hear, NULL) == TN_OK);
    for (size_t i = half; i < ALL_ENTRIES; i += 2) {
        if (cannot_fail(entries[i]) || (of_layers(entries[i]) && !layers) ||
            of_imports(entries[i]) || turn++ % of != 0)
            continue;
        ++tried;
        tn_status lost = expected(entries[i]);
        unsigned last =
            strcmp(entries[i], "vkQueueSubmit") == 0 || strcmp(entries[i], "vkWaitSemaphores") == 0
                ? 24
                : 2;
        atomic_store(&reached[i], 0);
        for (unsigned call = 1; call <= last; call += call < 8 ? 1 : 4) {
            tn_status st = strike(rt, uri, entries[i], call, "lost");
            TN_EXPECT(st == TN_OK || st == lost, "%s:%u on %s: %s", entries[i], call, uri,
                      tn_status_name(st));
            /* A later call there need not be. */
            TN_EXPECT(call > 1 || st == lost, "%s on %s: %s", entries[i], uri, tn_status_name(st));
            struck += st != TN_OK;
            st = call == 1 && lost != TN_OK ? strike(rt, uri, entries[i], call, "device") : TN_OK;
            TN_EXPECT(st == TN_OK || st == TN_STATUS_NO_MEMORY ||
                          (lost == TN_STATUS_UNAVAILABLE && st == lost), /* by an instance */
                      "%s:%u without memory on %s: %s", entries[i], call, uri, tn_status_name(st));
        }
        TN_EXPECT(atomic_load(&reached[i]) > 0, "%s does not call %s", uri, entries[i]);
    }
    tn_runtime_release(rt);
    TN_REQUIRE(tn_test_open(uri, &d), "%s cannot be opened again", uri);
    TN_EXPECT(work(&d, out) == TN_OK && memcmp(want, out, sizeof out) == 0, "%s", uri);
    tn_test_close(&d);
    fprintf(stderr, "%s: %u entries of half %zu that have a result, struck %u times%s\n", uri,
            tried, half + 1, struck, layers ? "" : "; no layers here");
    TN_EXPECT(tried > 0 && struck > 0, "%s: %u entries, struck %u times", uri, tried, struck);
    snprintf(file, sizeof file, "rm -rf '%s'", cache);
    TN_EXPECT(system(file) == 0);
}

/* In parts, as the time of a test is limited and each strike opens a device. */
static void nth_device(uint32_t first, uint32_t end, size_t half)
{
    vulkan_devices all = find_vulkan();
    for (uint32_t i = first; i < all.count && i < end; ++i)
        on_device(all.uri[i], i % 2 == 0, half);
}

TN_TEST(vulkan_loss, at_every_entry_of_the_first)
{
    nth_device(0, 1, 0);
}

TN_TEST(vulkan_loss, at_every_other_entry_of_the_first)
{
    nth_device(0, 1, 1);
}

TN_TEST(vulkan_loss, at_every_entry_of_the_others)
{
    nth_device(1, TN_TEST_VULKAN, 0);
}

TN_TEST(vulkan_loss, at_every_other_entry_of_the_others)
{
    nth_device(1, TN_TEST_VULKAN, 1);
}

/* hal's own injection, with the driver at work: the queue ends, the device opens again. */
TN_TEST(vulkan_loss, injected_by_hal)
{
    static float out[32 * 32];
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i)
        for (int at = 1; at <= 8; at += 3) {
            char script[32];
            tn_test_device d;
            snprintf(script, sizeof script, "lose at=%d", at);
            TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
            TN_REQUIRE(tn_device_inject(d.device, script) == TN_OK);
            tn_status st = work(&d, out);
            TN_EXPECT(st == TN_STATUS_DEVICE_LOST, "%s at %d: %s", all.uri[i], at,
                      tn_status_name(st));
            tn_test_close(&d);
        }
}

/* What does not end within ?hang= seconds is a lost device, and nobody waits longer. */
TN_TEST(vulkan_loss, hang)
{
    static float out[32 * 32];
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        tn_error e;
        char uri[200];
        /* behind those of opening: what comes then is work of the queue */
        snprintf(uri, sizeof uri, "%s?hang=1&fault=vkWaitSemaphores:12:timeout", all.uri[i]);
        TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
        tn_status st = TN_OK;
        for (int n = 0; st == TN_OK && n < 12; ++n)
            st = work(&d, out);
        tn_error_last(&e);
        TN_EXPECT(st == TN_STATUS_DEVICE_LOST && strcmp(e.reason, "vulkan.hang") == 0, "%s: %s %s",
                  uri, tn_status_name(st), e.reason);
        tn_test_close(&d);
    }
}
#endif

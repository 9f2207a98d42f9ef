/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: discovery, open, info, loss, memory, links, classes. */
#include <hal/hal.h>
#include <tests/support/test.h>

static bool failed_with(tn_status st, tn_status want, const char *reason)
{
    tn_error e;
    tn_error_last(&e);
    return st == want && e.status == want && strcmp(e.reason, reason) == 0 && e.text[0];
}

static tn_runtime *make(void)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    return rt;
}

TN_TEST(device, discovery_lists_the_cpu)
{
    tn_runtime *rt = make();
    size_t n = tn_runtime_device_count(rt), cpus = 0;
    for (size_t i = 0; i < n; i++) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        tn_device *d;
        TN_REQUIRE(tn_runtime_device_info(rt, i, &info) == TN_OK);
        TN_EXPECT(tn_device_open(rt, info.uri, &d) == TN_OK);
        tn_device_release(d);
        cpus += strcmp(info.uri, "cpu") == 0 && info.kind == TN_KIND_CPU &&
                (info.flags & TN_DEVICE_DEFAULT);
    }
    TN_EXPECT(cpus == 1);
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    TN_EXPECT(failed_with(tn_runtime_device_info(rt, n, &info), TN_STATUS_INVALID, "device.index"));
    TN_EXPECT(tn_runtime_discover(rt) == TN_OK && tn_runtime_device_count(rt) == n);
    tn_runtime_release(rt);
}

TN_TEST(device, discovery_obeys_the_environment)
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    (void)setenv("TENON_DEVICES", "cpu?private=1", 1);
    tn_runtime *rt = make();
    (void)setenv("TENON_DEVICES", "cpu,nosuch", 1);
    tn_runtime *other = make();
    (void)unsetenv("TENON_DEVICES");
    TN_EXPECT(tn_runtime_device_count(rt) == 1);
    TN_EXPECT(tn_runtime_device_info(rt, 0, &info) == TN_OK);
    TN_EXPECT(strcmp(info.uri, "cpu?private=1") == 0 && (info.flags & TN_DEVICE_DEFAULT));
    TN_EXPECT(failed_with(tn_runtime_discover(other), TN_STATUS_UNAVAILABLE, "device.unknown"));
    TN_EXPECT(tn_runtime_device_count(other) == 1);
    tn_runtime_release(other);
    tn_runtime_release(rt);
}

TN_TEST(device, open_refuses)
{
    tn_runtime *rt = make();
    tn_device *d;
    tn_error e;
    TN_EXPECT(
        failed_with(tn_device_open(rt, "nosuch:1", &d), TN_STATUS_UNAVAILABLE, "device.unknown"));
    tn_error_last(&e);
    TN_EXPECT(strstr(e.text, "cpu") != NULL, "the known names are listed");
    TN_EXPECT(failed_with(tn_device_open(rt, NULL, &d), TN_STATUS_INVALID, "uri.null"));
    TN_EXPECT(failed_with(tn_device_open(rt, "cpu", NULL), TN_STATUS_INVALID, "device.null"));
    TN_EXPECT(failed_with(tn_device_open(NULL, "cpu", &d), TN_STATUS_INVALID, "runtime.null"));
    TN_EXPECT(tn_device_open(rt, "cpu?nosuch=1", &d) == TN_STATUS_INVALID);
    TN_EXPECT(tn_device_open(rt, "cpu?threads=none", &d) == TN_STATUS_INVALID);
    tn_device_release(NULL);
    tn_runtime_release(rt);
}

TN_TEST(device, outlives_the_callers_runtime)
{
    for (const char *const *uri = tn_test_devices(); *uri; uri++) {
        tn_runtime *rt = make();
        tn_device *d;
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        TN_REQUIRE(tn_device_open(rt, *uri, &d) == TN_OK);
        tn_runtime_release(rt);
        TN_EXPECT(tn_device_get_info(d, &info) == TN_OK);
        TN_EXPECT(strcmp(info.uri, *uri) == 0 && info.name[0] && info.buffer_align > 0);
        TN_EXPECT(tn_device_get_status(d) == TN_OK);
        tn_device_release(d);
    }
}

static void on_lost(void *self, tn_device *d, const tn_error *e)
{
    unsigned *n = self;
    *n += d != NULL && e->status == TN_STATUS_DEVICE_LOST;
}

TN_TEST(device, loss_is_sticky_and_told_once)
{
    for (const char *const *uri = tn_test_devices(); *uri; uri++) {
        tn_runtime *rt = make();
        tn_device *d, *again;
        unsigned told = 0, late = 0;
        tn_memory_info m = {.head = TN_INIT(tn_memory_info)};
        tn_class_info c = {.head = TN_INIT(tn_class_info)};
        TN_REQUIRE(tn_device_open(rt, *uri, &d) == TN_OK);
        TN_EXPECT(tn_device_on_lost(d, on_lost, &told) == TN_OK);
        rt->host.lost(d, TN_STATUS_DEVICE_LOST, "test.pulled");
        rt->host.lost(d, TN_STATUS_DEVICE_LOST, "test.pulled_again");
        TN_EXPECT(told == 1);
        TN_EXPECT(failed_with(tn_device_get_status(d), TN_STATUS_DEVICE_LOST, "test.pulled"));
        TN_EXPECT(tn_device_classes(d, TN_F32, &c) == TN_STATUS_DEVICE_LOST);
        TN_EXPECT(tn_device_on_lost(d, on_lost, &late) == TN_OK && late == 1);
        TN_EXPECT(tn_device_memory(d, 0, &m) == TN_OK, "a lost device can still be read");
        TN_EXPECT(tn_device_open(rt, *uri, &again) == TN_OK);
        TN_EXPECT(tn_device_get_status(again) == TN_OK);
        tn_device_release(again);
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

TN_TEST(device, memory_children_bus)
{
    for (const char *const *uri = tn_test_devices(); *uri; uri++) {
        tn_runtime *rt = make();
        tn_device *d, *child;
        tn_memory_info m = {.head = TN_INIT(tn_memory_info)};
        tn_bus bus;
        tn_chip chip = {.head = TN_INIT(tn_chip)};
        TN_REQUIRE(tn_device_open(rt, *uri, &d) == TN_OK);
        TN_EXPECT(tn_device_memory(d, 0, &m) == TN_OK && m.total_bytes > 0);
        TN_EXPECT(tn_device_memory(d, 1000, &m) == TN_STATUS_INVALID);
        TN_EXPECT(failed_with(tn_device_child(d, 1000, &child), TN_STATUS_UNSUPPORTED,
                              "device.no_children"));
        if (strncmp(*uri, "cpu", 3) == 0)
            TN_EXPECT(
                failed_with(tn_device_bus(d, &bus, &chip), TN_STATUS_UNSUPPORTED, "bus.none"));
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

TN_TEST(device, links)
{
    for (const char *const *uri = tn_test_devices(); *uri; uri++) {
        tn_runtime *rt = make();
        tn_device *d, *cpu;
        tn_link l = {.head = TN_INIT(tn_link)};
        TN_REQUIRE(tn_device_open(rt, *uri, &d) == TN_OK);
        TN_REQUIRE(tn_device_open(rt, "cpu", &cpu) == TN_OK);
        TN_EXPECT(failed_with(tn_link_get(NULL, NULL, &l), TN_STATUS_INVALID, "link.host"));
        TN_EXPECT(tn_link_get(NULL, d, &l) == TN_OK && l.bytes_per_s > 0);
        TN_EXPECT(tn_link_get(d, NULL, &l) == TN_OK && l.bytes_per_s > 0);
        TN_EXPECT(tn_link_get(d, cpu, &l) == TN_OK && l.bytes_per_s > 0 && l.flags != 0);
        tn_device_release(cpu);
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

TN_TEST(device, classes_are_probed)
{
    for (const char *const *uri = tn_test_devices(); *uri; uri++) {
        tn_runtime *rt = make();
        tn_device *d;
        tn_class_info c = {.head = TN_INIT(tn_class_info)};
        TN_REQUIRE(tn_device_open(rt, *uri, &d) == TN_OK);
        TN_EXPECT(tn_device_classes(d, (tn_dtype)99, &c) == TN_STATUS_INVALID);
        TN_EXPECT(tn_device_classes(d, TN_F32, &c) == TN_OK);
        TN_EXPECT(c.classes & (1u << TN_CLASS_BOUNDED));
        TN_EXPECT((c.classes & (1u << TN_CLASS_CANONICAL)) || c.refused[0]);
        if (strncmp(*uri, "cpu", 3) == 0)
            TN_EXPECT(c.classes & (1u << TN_CLASS_CANONICAL), "%s", c.refused);
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

TN_TEST(device, fallback_device_does_not_keep_the_runtime)
{
    tn_runtime *rt = make();
    tn_device *a, *b;
    TN_REQUIRE(tn__runtime_fallback(rt, &a) == TN_OK);
    TN_REQUIRE(tn__runtime_fallback(rt, &b) == TN_OK);
    TN_EXPECT(a == b && rt->fallback == a);
    tn_device_release(b);
    tn_device_release(a);
    TN_EXPECT(rt->fallback == NULL);
    tn_runtime_release(rt);
}

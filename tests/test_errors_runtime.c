/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of runtimes, their environment, URIs, devices, discovery, links, versioned structs. */
#include "support/errors.h"

static tn_runtime_desc desc_of(void)
{
    return (tn_runtime_desc){.head = TN_INIT(tn_runtime_desc)};
}

static void *no_memory(void *self, size_t bytes, size_t align)
{
    (void)self, (void)bytes, (void)align;
    return NULL;
}

static void no_free(void *self, void *p, size_t bytes)
{
    (void)self, (void)p, (void)bytes;
}

static void no_parallel(void *self, uint32_t tasks,
                        void (*task)(void *arg, uint32_t index, uint32_t worker), void *arg)
{
    (void)self, (void)tasks, (void)task, (void)arg;
}

TN_TEST(errors_runtime, descriptions)
{
    tn_runtime *rt = NULL;
    tn_runtime_desc d = desc_of();
    TN_INVALID(tn_runtime_create(NULL, NULL), "runtime.null", "out_runtime", "NULL");
    d.flags = 0x48;
    TN_INVALID(tn_runtime_create(&d, &rt), "runtime.flags", "desc.flags", "0x48");
    d = desc_of();
    d.allocator.alloc = no_memory;
    TN_INVALID(tn_runtime_create(&d, &rt), "runtime.allocator", "desc.allocator", "alloc only");
    d.allocator = (tn_allocator){.free = no_free};
    TN_INVALID(tn_runtime_create(&d, &rt), "runtime.allocator", "desc.allocator", "free only");
    d.allocator.alloc = no_memory;
    TN_ERROR(tn_runtime_create(&d, &rt), TN_STATUS_NO_MEMORY, "host.memory", NULL, NULL);
    d = desc_of();
    d.executor.parallel = no_parallel;
    TN_INVALID(tn_runtime_create(&d, &rt), "runtime.executor", "desc.executor", "0 workers");
    d.executor.workers = 4097;
    TN_INVALID(tn_runtime_create(&d, &rt), "runtime.executor", "desc.executor", "4097 workers");
    d.executor = (tn_executor){.workers = 3};
    TN_INVALID(tn_runtime_create(&d, &rt), "runtime.executor", "desc.executor", "3 workers");
    d = desc_of();
    d.threads = 4000000000u;
    TN_INVALID(tn_runtime_create(&d, &rt), "runtime.threads", "desc.threads", "4000000000");
    d = desc_of();
    d.log_level = 6;
    TN_INVALID(tn_runtime_create(&d, &rt), "runtime.log_level", "desc.log_level", "6");
    d.log_level = -1;
    TN_INVALID(tn_runtime_create(&d, &rt), "runtime.log_level", "desc.log_level", "-1");
    TN_EXPECT(rt == NULL, "a failed create leaves NULL");
}

/* Heads, for a struct that goes in and one that comes out. */
TN_TEST(errors_runtime, heads)
{
    tn_runtime *rt = NULL;
    tn_device *dev = NULL;
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    tn_runtime_desc d = desc_of();
    struct {
        tn_runtime_desc known;
        unsigned char newer[64];
    } longer = {.known = desc_of()};
    d.head.type = TN_TYPE_tn_plan_desc;
    TN_INVALID(tn_runtime_create(&d, &rt), "struct.type", "desc", "head.type 11");
    d.head.type = TN_TYPE_tn_runtime_desc;
    d.head.size = 15;
    TN_INVALID(tn_runtime_create(&d, &rt), "struct.size", "desc", "15");
    d.head.size = 0;
    TN_INVALID(tn_runtime_create(&d, &rt), "struct.size", "desc", "size 0");
    d.head.size = UINT32_MAX;
    TN_INVALID(tn_runtime_create(&d, &rt), "struct.size", "desc", "4294967295");
    d = desc_of();
    d.head.next = &longer;
    TN_ERROR(tn_runtime_create(&d, &rt), TN_STATUS_INCOMPATIBLE, "struct.next", "desc", "0x");
    longer.known.head.size = sizeof longer;
    longer.newer[63] = 1;
    TN_ERROR(tn_runtime_create(&longer.known, &rt), TN_STATUS_INCOMPATIBLE, "struct.tail", "desc",
             "not zero");
    longer.newer[63] = 0;
    TN_ACCEPTS(tn_runtime_create(&longer.known, &rt) ==
               TN_OK); /* longer, but nothing newer in it */
    tn_runtime_release(rt);
    d = desc_of();
    d.head.size = sizeof(tn_head); /* from before there was any field */
    d.threads = 4000000000u;
    TN_ACCEPTS(tn_runtime_create(&d, &rt) == TN_OK);
    TN_REQUIRE(tn_device_open(rt, "cpu", &dev) == TN_OK);
    TN_INVALID(tn_device_get_info(dev, NULL), "struct.null", "out_info", "NULL");
    info.head.type = 0;
    TN_INVALID(tn_device_get_info(dev, &info), "struct.type", "out_info", "head.type 0");
    info.head = (tn_head){8, TN_TYPE_tn_device_info, NULL};
    TN_INVALID(tn_device_get_info(dev, &info), "struct.size", "out_info", "8");
    info.head = (tn_head){sizeof info, TN_TYPE_tn_device_info, &longer};
    TN_ERROR(tn_device_get_info(dev, &info), TN_STATUS_INCOMPATIBLE, "struct.next", "out_info",
             "0x");
    tn_device_release(dev);
    tn_runtime_release(rt);
}

static tn_status with_env(const char *name, const char *value)
{
    tn_runtime *rt = NULL;
    (void)setenv(name, value, 1);
    tn_status st = tn_runtime_create(NULL, &rt);
    (void)unsetenv(name);
    tn_runtime_release(rt);
    return st;
}

static tn_status discover_with(const char *devices)
{
    tn_runtime *rt = NULL;
    (void)setenv("TENON_DEVICES", devices, 1);
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    (void)unsetenv("TENON_DEVICES");
    tn_status st = tn_runtime_discover(rt);
    tn_error e;
    tn_error_last(&e);
    tn__error_copy copy;
    tn__error_save(&copy, NULL);
    tn_runtime_release(rt);
    if (st != TN_OK)
        (void)tn__fail_again(&copy.error);
    return st;
}

TN_TEST(errors_runtime, environment)
{
    static const struct {
        const char *name, *value;
    } bad[] = {{"TENON_CPU_MAX", "sse9"},    {"TENON_THREADS", "0"},    {"TENON_THREADS", "4097"},
               {"TENON_THREADS", "-1"},      {"TENON_THREADS", "2x"},   {"TENON_LOG", "loud"},
               {"TENON_DEVICES", "cpu,CPU"}, {"TENON_DEVICES", "cpu?x"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
        const char *quoted = strchr(bad[i].value, ',') != NULL ? "CPU" : bad[i].value;
        TN_ERROR_OF("tn_runtime_create", with_env(bad[i].name, bad[i].value), TN_STATUS_INVALID,
                    "env.value", bad[i].name, quoted);
    }
    TN_ERROR_OF("tn_runtime_create", with_env("TENON_DEVICES", "cpu,,cpu"), TN_STATUS_INVALID,
                "uri.list", "TENON_DEVICES", ",cpu");
    TN_ERROR_OF("tn_runtime_create", with_env("TENON_DEVICES", "cpu,"), TN_STATUS_INVALID,
                "uri.list", "TENON_DEVICES", "cpu,");
    TN_ERROR_OF("tn_runtime_create", with_env("TENON_DEVICES", "cpu,[null"), TN_STATUS_INVALID,
                "uri.brackets", "TENON_DEVICES", "[null");
    TN_ERROR_OF("tn_runtime_discover", discover_with("cpu,nowhere"), TN_STATUS_UNAVAILABLE,
                "device.unknown", "uri", "nowhere");
    TN_ERROR_OF("tn_runtime_discover", discover_with("cpu?private=2"), TN_STATUS_INVALID,
                "cpu.option", "uri", "private=\"2\"");
    /* as many threads as the environment allows are as many as the device takes */
    (void)setenv("TENON_THREADS", "4096", 1);
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    (void)unsetenv("TENON_THREADS");
    TN_ACCEPTS(tn_device_open(rt, "cpu", &d) == TN_OK);
    tn_device_release(d);
    tn_runtime_release(rt);
}

TN_TEST(errors_runtime, uris)
{
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    char long_uri[160], long_value[128];
    memset(long_uri, 'a', sizeof long_uri);
    long_uri[sizeof long_uri - 1] = '\0';
    snprintf(long_value, sizeof long_value, "cpu?delay=%.90s", long_uri);
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    TN_INVALID(tn_device_open(NULL, "cpu", &d), "runtime.null", "runtime", "NULL");
    TN_INVALID(tn_device_open(rt, "cpu", NULL), "device.null", "out_device", "NULL");
    TN_INVALID(tn_device_open(rt, NULL, &d), "uri.null", "uri", "NULL");
    TN_INVALID(tn_device_open(rt, long_uri, &d), "uri.length", "uri", "159");
    TN_INVALID(tn_device_open(rt, "", &d), "uri.name", "uri", "\"\"");
    TN_INVALID(tn_device_open(rt, "CPU", &d), "uri.name", "uri", "\"CPU\"");
    TN_INVALID(tn_device_open(rt, "cpu/1", &d), "uri.name", "uri", "\"cpu/1\"");
    TN_INVALID(tn_device_open(rt, "cpu:[a", &d), "uri.brackets", "uri", "cpu:[a");
    TN_INVALID(tn_device_open(rt, "cpu:a]", &d), "uri.brackets", "uri", "cpu:a]");
    TN_INVALID(tn_device_open(rt, "cpu?private", &d), "uri.parameter", "uri", "private");
    TN_INVALID(tn_device_open(rt, "cpu?=1", &d), "uri.parameter", "uri", "=1");
    TN_INVALID(tn_device_open(rt, "cpu?private=1&&max=avx2", &d), "uri.parameter", "uri", "&&");
    TN_INVALID(tn_device_open(rt, "cpu?threads=1&private=1&threads=2", &d), "uri.parameter", "uri",
               "\"threads\" twice");
    TN_ERROR(tn_device_open(rt, "nowhere:3", &d), TN_STATUS_UNAVAILABLE, "device.unknown", "uri",
             "\"nowhere\"");
    TN_INVALID(tn_device_open(rt, "cpu:3", &d), "cpu.arg", "uri", "\"3\"");
    TN_INVALID(tn_device_open(rt, "cpu?threads=many", &d), "cpu.option", "uri", "many");
    TN_INVALID(tn_device_open(rt, "cpu?threads=4097", &d), "cpu.option", "uri", "4097");
    TN_INVALID(tn_device_open(rt, "cpu?delay=18446744073709551616", &d), "cpu.option", "uri",
               "18446744073709551616");
    TN_INVALID(tn_device_open(rt, "cpu?private=", &d), "cpu.option", "uri", "private=\"\"");
    TN_INVALID(tn_device_open(rt, "cpu?max=sse9", &d), "cpu.option", "uri", "sse9");
    TN_INVALID(tn_device_open(rt, "cpu?colour=red", &d), "cpu.option", "uri", "colour");
    TN_INVALID(tn_device_open(rt, long_value, &d), "cpu.option", "uri", "delay=aaa");
    TN_INVALID(tn_device_open(rt, "null:3", &d), "null.arg", "uri", "\"3\"");
    TN_INVALID(tn_device_open(rt, "mutant:M99", &d), "mutant.unknown", "uri", "M99");
    TN_EXPECT(d == NULL);
    tn_runtime_release(rt);
}

static void ignore_choice(void *self, const tn_choice *choice)
{
    (void)self, (void)choice;
}

static void ignore_lost(void *self, tn_device *d, const tn_error *e)
{
    (void)self, (void)d, (void)e;
}

TN_TEST(errors_runtime, devices)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_device *child = NULL;
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        tn_memory_info memory = {.head = TN_INIT(tn_memory_info)};
        tn_class_info classes = {.head = TN_INIT(tn_class_info)};
        tn_link link = {.head = TN_INIT(tn_link)};
        size_t count = tn_runtime_device_count(bed.rt);
        TN_INVALID(tn_runtime_discover(NULL), "runtime.null", "runtime", "NULL");
        TN_INVALID(tn_runtime_device_info(NULL, 0, &info), "runtime.null", "runtime", "NULL");
        TN_INVALID(tn_runtime_device_info(bed.rt, count + 7, &info), "device.index", "index",
                   "devices");
        TN_INVALID(tn_runtime_device_info(bed.rt, SIZE_MAX, &info), "device.index", "index",
                   "18446744073709551615");
        TN_INVALID(tn_runtime_device_info(bed.rt, 0, NULL), "struct.null", "out_info", "NULL");
        errors_forget();
        TN_ACCEPTS(tn_runtime_device_count(NULL) == 0);
        tn_error e;
        tn_error_last(&e);
        TN_ERROR_IS("tn_runtime_device_count", &e, TN_STATUS_INVALID, "runtime.null", "runtime",
                    "NULL");
        TN_INVALID(tn_device_get_info(NULL, &info), "device.null", "device", "NULL");
        TN_INVALID(tn_device_get_status(NULL), "device.null", "device", "NULL");
        TN_INVALID(tn_device_on_lost(NULL, ignore_lost, NULL), "device.null", "device", "NULL");
        TN_INVALID(tn_device_child(NULL, 0, &child), "device.null", "device", "NULL");
        TN_INVALID(tn_device_child(bed.d, 0, NULL), "device.null", "out_device", "NULL");
        TN_ERROR(tn_device_child(bed.d, 0, &child), TN_STATUS_UNSUPPORTED, "device.no_children",
                 "device", *uri);
        TN_INVALID(tn_device_memory(NULL, 0, &memory), "device.null", "device", "NULL");
        TN_INVALID(tn_device_memory(bed.d, 9, &memory), "memory.index", "index", "9");
        TN_INVALID(tn_device_memory(bed.d, 0, NULL), "struct.null", "out_info", "NULL");
        TN_INVALID(tn_device_classes(NULL, TN_F32, &classes), "device.null", "device", "NULL");
        TN_INVALID(tn_device_classes(bed.d, (tn_dtype)17, &classes), "dtype.unknown", "dtype",
                   "17");
        TN_INVALID(tn_device_classes(bed.d, (tn_dtype)0, &classes), "dtype.unknown", "dtype", "0");
        TN_INVALID(tn_device_classes(bed.d, TN_S8, NULL), "struct.null", "out_info", "NULL");
        TN_INVALID(tn_link_get(NULL, NULL, &link), "link.host", "from", "NULL");
        TN_INVALID(tn_link_get(bed.d, bed.other, &link), "link.runtime", "to", *uri);
        TN_INVALID(tn_link_get(bed.d, NULL, NULL), "struct.null", "out_link", "NULL");
        TN_INVALID(tn_link_get(bed.d, bed.again, NULL), "struct.null", "out_link", "NULL");
        TN_INVALID(tn_device_supports(NULL, NULL), "device.null", "device", "NULL");
        TN_INVALID(tn_device_supports(bed.d, NULL), "struct.null", "op", "NULL");
        TN_INVALID(tn_device_explain(NULL, NULL, ignore_choice, NULL), "device.null", "device",
                   "NULL");
        TN_INVALID(tn_device_explain(bed.d, NULL, NULL, NULL), "argument.null", "fn", "NULL");
        TN_INVALID(tn_device_explain(bed.d, NULL, ignore_choice, NULL), "struct.null", "op",
                   "NULL");
        errors_drop(&bed);
    }
}

/* What there is to say of a plugin that is not there depends on how plugins are looked for. */
static void refused_plugin(void *self, const char *path, tn_status status, const char *reason)
{
    char text[256];
    ++*(int *)self;
    snprintf(text, sizeof text, "%s is no plugin: %s", path, reason);
    tn_error e = {.status = status, .line = 1, .reason = reason, .text = text, .file = "hal"};
    TN_EXPECT(status != TN_OK && reason != NULL && strncmp(reason, "plugin.", 7) == 0);
    TN_ERROR_IS("tn_runtime_plugins", &e, status, reason, NULL, "/nowhere");
}

static void ignore_event(void *self, const tn_event *event)
{
    (void)self, (void)event;
}

static void ignore_plugin(void *self, const char *path, tn_status status, const char *reason)
{
    (void)self, (void)path, (void)status, (void)reason;
}

static void trace_inside(void *self, const tn_event *e)
{
    (void)e;
    TN_INVALID(tn_runtime_trace(self, ignore_event, NULL), "trace.inside", "fn", "inside");
}

TN_TEST(errors_runtime, diagnostics)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_bus bus;
        tn_chip chip = {.head = TN_INIT(tn_chip)};
        TN_INVALID(tn_runtime_trace(NULL, ignore_event, NULL), "runtime.null", "runtime", "NULL");
        TN_EXPECT(tn_runtime_trace(bed.rt, trace_inside, bed.rt) == TN_OK);
        tn_buffer *told = NULL;
        tn_buffer_desc told_desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
        TN_EXPECT(tn_buffer_create(bed.d, &told_desc, &told) == TN_OK);
        TN_EXPECT(tn_runtime_trace(bed.rt, NULL, NULL) == TN_OK);
        tn_buffer_release(told);
        TN_INVALID(tn_runtime_plugins(NULL, ignore_plugin, NULL), "runtime.null", "runtime",
                   "NULL");
        TN_INVALID(tn_runtime_plugins(bed.rt, NULL, NULL), "plugin.null", "fn", "NULL");
        TN_INVALID(tn_device_inject(NULL, "lose at=1"), "device.null", "device", "NULL");
        TN_INVALID(tn_device_inject(bed.d, NULL), "inject.null", "script", "NULL");
        TN_INVALID(tn_device_bus(NULL, &bus, &chip), "device.null", "device", "NULL");
        TN_INVALID(tn_device_bus(bed.d, NULL, &chip), "bus.null", "out_bus", "NULL");
        TN_INVALID(tn_device_bus(bed.d, &bus, NULL), "struct.null", "out_chip", "NULL");
        TN_ERROR(tn_device_bus(bed.d, &bus, &chip), TN_STATUS_UNSUPPORTED, "bus.none", "device",
                 *uri);
        errors_drop(&bed);
    }
}

TN_TEST(errors_runtime, plugins)
{
    tn_runtime_desc d = desc_of();
    tn_runtime *rt = NULL;
    int told = 0;
    d.plugin_path = "/nowhere/at/all";
    TN_REQUIRE(tn_runtime_create(&d, &rt) == TN_OK);
    TN_ACCEPTS(tn_runtime_plugins(rt, refused_plugin, &told) == TN_OK);
    TN_EXPECT(told == 1, "a path that was given is not ignored in silence");
    tn_runtime_release(rt);
}

TN_TEST(errors_runtime, what_cannot_fail)
{
    tn_error e;
    errors_forget();
    tn_error_last(NULL); /* says nothing and writes nothing */
    tn_error_last(&e);
    TN_ACCEPTS((tn_error_last(&e), strcmp(e.reason, "errors.stale") == 0));
    TN_ACCEPTS(strcmp(tn_status_name((tn_status)99), "?") == 0);
    TN_ACCEPTS(strcmp(tn_status_name((tn_status)-1), "?") == 0);
    TN_ACCEPTS(tn_version() != 0);
    TN_ACCEPTS(strcmp(tn_dtype_name((tn_dtype)0), "?") == 0);
    TN_ACCEPTS(strcmp(tn_dtype_name((tn_dtype)-5), "?") == 0);
    TN_ACCEPTS(tn_dtype_bits((tn_dtype)17) == 0);
    TN_ACCEPTS(tn_runtime_retain(NULL) == NULL);
    TN_ACCEPTS(tn_device_retain(NULL) == NULL);
    TN_ACCEPTS(tn_buffer_retain(NULL) == NULL);
    TN_ACCEPTS(tn_queue_retain(NULL) == NULL);
    TN_ACCEPTS(tn_fence_retain(NULL) == NULL);
    TN_ACCEPTS(tn_plan_retain(NULL) == NULL);
    TN_ACCEPTS(tn_commands_retain(NULL) == NULL);
    TN_ACCEPTS((tn_runtime_release(NULL), true));
    TN_ACCEPTS((tn_device_release(NULL), true));
    TN_ACCEPTS((tn_buffer_release(NULL), true));
    TN_ACCEPTS((tn_queue_release(NULL), true));
    TN_ACCEPTS((tn_fence_release(NULL), true));
    TN_ACCEPTS((tn_plan_release(NULL), true));
    TN_ACCEPTS((tn_commands_release(NULL), true));
    TN_ACCEPTS((tn_op_free(NULL, NULL), true));
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, "errors.stale") == 0, "%s: none of these is an error", e.reason);
}

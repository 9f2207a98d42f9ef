/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of runtimes, devices, buffers, maps and DLPack, failed one by one. */
#include "support/alloc_bed.h"

#include <hal/dlpack.h>

/* ---- runtimes and devices ---- */
static tn_status runtime_create(bed *b)
{
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .allocator = failing_allocator(&b->mem),
                            .flags = TN_RUNTIME_NO_ENV | TN_RUNTIME_NO_PLUGINS,
                            .cache_dir = "/nowhere/cache"};
    tn_runtime *rt = NULL;
    tn_status st = tn_runtime_create(&desc, &rt);
    tn_runtime_release(tn_runtime_retain(rt));
    if (st != TN_OK && rt != NULL)
        return TN_STATUS_INTERNAL;
    tn_runtime_release(rt);
    return st;
}

static tn_status runtime_environment(bed *b)
{
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .allocator = failing_allocator(&b->mem)};
    tn_runtime *rt = NULL;
    setenv("TENON_CACHE_DIR", "/nowhere/cache", 1);
    setenv("TENON_PLUGIN_PATH", "/nowhere/plugins", 1);
    setenv("TENON_DEVICES", "cpu,null", 1);
    tn_status st = tn_runtime_create(&desc, &rt);
    unsetenv("TENON_CACHE_DIR");
    unsetenv("TENON_PLUGIN_PATH");
    unsetenv("TENON_DEVICES");
    tn_runtime_release(rt);
    return st;
}

static void environment_runtime(bed *b)
{
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .allocator = failing_allocator(&b->mem)};
    setenv("TENON_DEVICES", "cpu,cpu?private=1,null", 1);
    tn_status st = tn_runtime_create(&desc, &b->rt);
    unsetenv("TENON_DEVICES");
    TN_REQUIRE(st == TN_OK);
}

static tn_status device_info_at(bed *b)
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    return tn_runtime_device_info(b->rt, 0, &info);
}

static void know_devices(bed *b)
{
    TN_REQUIRE(tn_runtime_device_count(b->rt) > 0);
}

/* A failed second discovery leaves what the first one found. */
static tn_status discover_again(bed *b)
{
    tn_status st = tn_runtime_discover(b->rt);
    failing_disarm(&b->mem);
    tn_error e;
    tn__error_copy kept;
    tn_error_last(&e);
    tn__error_save(&kept, NULL);
    if (tn_runtime_device_count(b->rt) == 0)
        return TN_STATUS_INTERNAL;
    return st == TN_OK ? TN_OK : tn__fail_again(&kept.error);
}

/* The same devices as ever, once there is memory again. */
static tn_status discover_named(bed *b)
{
    tn_status st = tn_runtime_discover(b->rt);
    if (st == TN_OK) {
        b->got[0] = (uint8_t)tn_runtime_device_count(b->rt);
        b->got_bytes = 1;
    }
    return st;
}

static void any_plugin(void *self, const char *path, tn_status st, const char *reason)
{
    (void)self, (void)path, (void)st, (void)reason;
}

static tn_status plugins(bed *b)
{
    return tn_runtime_plugins(b->rt, any_plugin, NULL);
}

static tn_status device_open(bed *b)
{
    tn_device *d = NULL;
    tn_status st = tn_device_open(b->rt, b->uri, &d);
    tn_device_release(tn_device_retain(d));
    if (st != TN_OK && d != NULL)
        return TN_STATUS_INTERNAL;
    tn_device_release(d);
    return st;
}

static tn_status device_classes(bed *b)
{
    tn_class_info info = {.head = TN_INIT(tn_class_info)};
    tn_status st = tn_device_classes(b->d, TN_F32, &info);
    b->got[0] = (uint8_t)info.classes;
    b->got_bytes = 1;
    return st;
}

/* A fault so late that it never comes. */
static tn_status device_inject(bed *b)
{
    tn_status st = tn_device_inject(b->d, "fail op=copy nth=1000000 as=no_memory");
    return st == TN_STATUS_UNSUPPORTED ? TN_OK : st;
}

static const scenario runtime_scenarios[] = {
    {"runtime_create", BED_NOTHING, 0, 3, NULL, runtime_create},
    {"runtime_environment", BED_NOTHING, 0, 5, NULL, runtime_environment},
    {"device_info_first", BED_RUNTIME, BED_KEEPS, 1, NULL, device_info_at},
    {"discover_again", BED_RUNTIME, BED_KEEPS, 1, know_devices, discover_again},
    {"discover_named", BED_NOTHING, BED_KEEPS, 4, environment_runtime, discover_named},
    {"plugins", BED_RUNTIME, BED_KEEPS, 0, NULL, plugins},
};

TN_TEST(alloc_failure, runtimes)
{
    uint64_t sum = bed_sweep_all(runtime_scenarios,
                                 sizeof runtime_scenarios / sizeof runtime_scenarios[0], "cpu");
    fprintf(stderr, "%llu allocation points of runtimes\n", (unsigned long long)sum);
}

static const scenario device_scenarios[] = {
    {"device_open", BED_RUNTIME, 0, 3, NULL, device_open},
    {"device_inject", BED_DEVICE, BED_KEEPS, 0, NULL, device_inject},
};
static const scenario classes_scenario = {"device_classes", BED_DEVICE, BED_KEEPS, 15, NULL,
                                          device_classes};

TN_TEST(alloc_failure, devices)
{
    static const char *const uris[] = {"cpu", "cpu?private=1", "cpu?threads=1&max=baseline",
                                       "null"};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; ++i) {
        sum += bed_sweep_all(device_scenarios, 2, uris[i]);
        if (i < 2)
            sum += bed_sweep_all(&classes_scenario, 1, uris[i]);
    }
    fprintf(stderr, "%llu allocation points of devices\n", (unsigned long long)sum);
}

/* ---- buffers ---- */
static void one_buffer(bed *b)
{
    b->buffer[0] = bed_buffer(b, BED_BYTES);
    if (b->q != NULL) {
        TN_REQUIRE(tn_queue_write(b->q, b->buffer[0], 0, b->in, BED_BYTES, NULL) == TN_OK);
        TN_REQUIRE(tn_queue_wait_idle(b->q, UINT64_MAX) == TN_OK);
    }
}

/* Where the device hands out host pointers the address is one, also for the buffer that nearly did
 * not come to be. */
static bool address_is_real(tn_buffer *x)
{
    tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)};
    tn_external out = {.head = TN_INIT(tn_external)};
    if (tn_buffer_get_info(x, &info) != TN_OK)
        return false;
    return tn_buffer_export(x, TN_EXTERNAL_HOST, &out) != TN_OK ||
           (uint64_t)(uintptr_t)out.pointer == info.address;
}

static tn_status buffer_create(bed *b)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 5000, .align = 256};
    tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)};
    tn_buffer *x = NULL, *found = NULL;
    tn_status st = tn_buffer_create(b->d, &desc, &x);
    if (st != TN_OK)
        return x == NULL ? st : TN_STATUS_INTERNAL;
    uint64_t offset = 0;
    (void)bed_try(&st, tn_buffer_get_info(x, &info));
    (void)bed_try(&st, tn_runtime_find(b->rt, info.address + 77, &found, &offset));
    if (st == TN_OK && (found != x || offset != 77))
        st = TN_STATUS_INTERNAL;
    tn_buffer_release(tn_buffer_retain(x));
    tn_buffer_release(x);
    return st;
}

enum { ADDRESSES_FIRST = 64 };

/* Into the table of addresses when it is full: it grows and keeps that. */
static tn_status buffer_create_many(bed *b)
{
    tn_buffer *x[ADDRESSES_FIRST + 1] = {NULL};
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
    tn_status st = TN_OK;
    for (int i = 0; i <= ADDRESSES_FIRST && st == TN_OK; ++i)
        if (bed_try(&st, tn_buffer_create(b->d, &desc, &x[i])) && !address_is_real(x[i]))
            st = TN_STATUS_INTERNAL;
    for (int i = 0; i <= ADDRESSES_FIRST; ++i)
        tn_buffer_release(x[i]);
    return st;
}

static tn_status buffer_view(bed *b)
{
    tn_buffer *view = NULL;
    tn_status st = tn_buffer_view(b->buffer[0], 128, 256, &view);
    tn_buffer_release(view);
    return st;
}

/* A map that reads: staged on a device whose memory the host does not see. */
static tn_status buffer_map_read(bed *b)
{
    void *p = NULL;
    tn_status st = tn_buffer_map(b->buffer[0], 64, 4096, TN_MAP_READ, &p);
    if (st != TN_OK)
        return p == NULL ? st : TN_STATUS_INTERNAL;
    memcpy(b->got, p, 4096);
    b->got_bytes = 4096;
    return tn_buffer_unmap(b->buffer[0]);
}

/* What was written through a map is still there when unmap had no memory to send it. */
static tn_status buffer_map_write(bed *b)
{
    void *p = NULL;
    tn_status st = tn_buffer_map(b->buffer[0], 64, 4096, TN_MAP_WRITE | TN_MAP_DISCARD, &p);
    if (st != TN_OK)
        return st;
    memset(p, 0x3c, 4096);
    st = tn_buffer_unmap(b->buffer[0]);
    tn__error_copy kept;
    tn__error_save(&kept, NULL);
    failing_disarm(&b->mem);
    if (st == TN_STATUS_NO_MEMORY && tn_buffer_unmap(b->buffer[0]) != TN_OK)
        return TN_STATUS_INTERNAL;
    if (tn_buffer_unmap(b->buffer[0]) != TN_STATUS_INVALID) /* now it is unmapped */
        return TN_STATUS_INTERNAL;
    tn_status rd = tn_buffer_map(b->buffer[0], 0, BED_BYTES, TN_MAP_READ, &p);
    if (rd == TN_OK) {
        memcpy(b->got, p, BED_BYTES);
        b->got_bytes = BED_BYTES;
        rd = tn_buffer_unmap(b->buffer[0]);
    }
    if (rd != TN_OK || b->got[63] != b->in[63] || b->got[64] != 0x3c || b->got[64 + 4095] != 0x3c ||
        b->got[64 + 4096] != b->in[64 + 4096])
        return TN_STATUS_INTERNAL;
    return st == TN_OK ? TN_OK : tn__fail_again(&kept.error);
}

static const scenario buffer_scenarios[] = {
    {"buffer_create", BED_QUEUE, 0, 2, one_buffer, buffer_create},
    {"buffer_create_many", BED_DEVICE, BED_KEEPS, 2 * ADDRESSES_FIRST, NULL, buffer_create_many},
    {"buffer_view", BED_DEVICE, 0, 1, one_buffer, buffer_view},
};
static const scenario staged_scenarios[] = {
    {"buffer_map_read", BED_QUEUE, BED_KEEPS, 4, one_buffer, buffer_map_read},
    {"buffer_map_write", BED_QUEUE, BED_KEEPS, 4, one_buffer, buffer_map_write},
};

TN_TEST(alloc_failure, buffers)
{
    static const char *const uris[] = {"cpu", "cpu?private=1", "null"};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; ++i) {
        sum += bed_sweep_all(buffer_scenarios, 3, uris[i]);
        if (i > 0)
            sum += bed_sweep_all(staged_scenarios, 2, uris[i]);
    }
    fprintf(stderr, "%llu allocation points of buffers\n", (unsigned long long)sum);
}

/* ---- memory of others ---- */
static void count_release(void *self)
{
    ++*(uint32_t *)self;
}

static uint32_t deleted;

static void forget(tn__dl_managed *m)
{
    (void)m;
    ++deleted;
}

/* Twice the same memory: the second buffer has a reserved address. Not imported: not released. */
static tn_status buffer_import(bed *b)
{
    static uint8_t memory[4096];
    uint32_t released = 0, made = 0;
    tn_external external = {.head = TN_INIT(tn_external),
                            .kind = TN_EXTERNAL_HOST,
                            .pointer = memory,
                            .bytes = sizeof memory,
                            .release = count_release,
                            .self = &released};
    tn_external out = {.head = TN_INIT(tn_external)};
    tn_buffer *x[2] = {NULL, NULL};
    tn_status st = TN_OK;
    for (int i = 0; i < 2 && st == TN_OK; ++i)
        if (bed_try(&st, tn_buffer_import(b->d, &external, &x[i])))
            ++made;
    if (st == TN_OK)
        st = tn_buffer_export(x[1], TN_EXTERNAL_HOST, &out);
    tn_buffer_release(x[0]);
    tn_buffer_release(x[1]);
    return released == made ? st : TN_STATUS_INTERNAL;
}

static tn_status dlpack(bed *b)
{
    static float data[12];
    int64_t shape[2] = {3, 4};
    tn__dl_managed m = {.version = {1, 0},
                        .deleter = forget,
                        .tensor = {.data = data,
                                   .device = {TN__DL_CPU, 0},
                                   .ndim = 2,
                                   .dtype = {TN__DL_FLOAT, 32, 1},
                                   .shape = shape}};
    tn_tensor t;
    void *out = NULL;
    deleted = 0;
    tn_status st = tn_tensor_from_dlpack(b->d, &m, &t);
    if (st != TN_OK)
        return deleted == 0 ? st : TN_STATUS_INTERNAL;
    st = tn_tensor_to_dlpack(&t, &out);
    tn_buffer_release(t.buffer);
    if (st == TN_OK) {
        tn__dl_managed *o = out;
        o->deleter(o);
    }
    return deleted == 1 ? st : TN_STATUS_INTERNAL;
}

static void forget_legacy(tn__dl_legacy *m)
{
    (void)m;
    ++deleted;
}

static tn_status dlpack_legacy(bed *b)
{
    static float data[12];
    int64_t shape[2] = {3, 4};
    tn__dl_legacy m = {.deleter = forget_legacy,
                       .tensor = {.data = data,
                                  .device = {TN__DL_CPU, 0},
                                  .ndim = 2,
                                  .dtype = {TN__DL_FLOAT, 32, 1},
                                  .shape = shape}};
    tn_tensor t;
    void *out = NULL;
    deleted = 0;
    tn_status st = tn_tensor_from_dlpack_legacy(b->d, &m, &t);
    if (st != TN_OK)
        return deleted == 0 ? st : TN_STATUS_INTERNAL;
    st = tn_tensor_to_dlpack_legacy(&t, &out);
    tn_buffer_release(t.buffer);
    if (st == TN_OK) {
        tn__dl_legacy *o = out;
        o->deleter(o);
    }
    return deleted == 1 ? st : TN_STATUS_INTERNAL;
}

static const scenario foreign_scenarios[] = {
    {"buffer_import", BED_QUEUE, 0, 4, one_buffer, buffer_import},
    {"dlpack", BED_QUEUE, 0, 3, one_buffer, dlpack},
    {"dlpack_legacy", BED_QUEUE, 0, 3, one_buffer, dlpack_legacy},
};

TN_TEST(alloc_failure, foreign_memory)
{
    uint64_t sum = bed_sweep_all(foreign_scenarios, 3, "cpu");
    fprintf(stderr, "%llu allocation points of foreign memory\n", (unsigned long long)sum);
}

/* ---- calls that take no memory ---- */
static void on_lost(void *self, tn_device *d, const tn_error *e)
{
    (void)self, (void)d, (void)e;
}

static void on_event(void *self, const tn_event *e)
{
    (void)self, (void)e;
}

static tn_status questions(bed *b)
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    tn_memory_info memory = {.head = TN_INIT(tn_memory_info)};
    tn_link link = {.head = TN_INIT(tn_link)};
    tn_buffer_info buffer = {.head = TN_INIT(tn_buffer_info)};
    tn_status st = tn_device_get_info(b->d, &info);
    (void)bed_try(&st, tn_device_get_status(b->d));
    (void)bed_try(&st, tn_device_on_lost(b->d, on_lost, NULL));
    (void)bed_try(&st, tn_device_on_lost(b->d, NULL, NULL));
    (void)bed_try(&st, tn_device_memory(b->d, 0, &memory));
    (void)bed_try(&st, tn_link_get(b->d, NULL, &link));
    (void)bed_try(&st, tn_buffer_get_info(b->buffer[0], &buffer));
    (void)bed_try(&st, tn_runtime_trace(b->rt, on_event, NULL));
    (void)bed_try(&st, tn_runtime_trace(b->rt, NULL, NULL));
    tn_device *child = NULL;
    tn_external out = {.head = TN_INIT(tn_external)};
    tn_bus bus;
    tn_chip chip = {.head = TN_INIT(tn_chip)};
    tn_fence *f = NULL;
    if (tn_device_child(b->d, 0, &child) == TN_OK || tn_fence_import(b->rt, &out, &f) == TN_OK ||
        tn_device_bus(b->d, &bus, &chip) == TN_OK)
        st = TN_STATUS_INTERNAL;
    return tn_version() != 0 && tn_status_name(st) != NULL && tn_dtype_bits(TN_F32) == 32 &&
                   tn_dtype_name(TN_F32) != NULL
               ? st
               : TN_STATUS_INTERNAL;
}

TN_TEST(alloc_failure, questions_take_none)
{
    static const char *const uris[] = {"cpu", "cpu?private=1", "null"};
    static const scenario s = {"questions", BED_DEVICE, 0, 0, one_buffer, questions};
    static bed b;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; ++i) {
        bed_make(&b, &s, uris[i]);
        bed_without(&b, s.name, questions);
        bed_drop(&b, s.name);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers on the fakes and on real devices: addresses, views, mappings, imports, accounting. */
#include "support/test.h"

#include "support/fake_device.h"

static void released(void *self)
{
    ++*(int *)self;
}

TN_TEST(buffer, addresses_and_views)
{
    for (const char *const *uri = test_all_devices(); *uri != NULL; ++uri) {
        tn_runtime *rt = NULL;
        TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
        tn_device *d = test_open(rt, *uri);
        TN_REQUIRE(d != NULL, "%s", *uri);
        tn_buffer *a = test_buffer(d, 1000), *empty = test_buffer(d, 0), *other = test_buffer(d, 0);
        TN_REQUIRE(a != NULL && empty != NULL && other != NULL, "%s", *uri);
        tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)}, none = info, view_info = info;
        TN_EXPECT(tn_buffer_get_info(a, &info) == TN_OK && info.bytes == 1000 && info.device == d);
        TN_EXPECT(tn_buffer_get_info(empty, &none) == TN_OK && none.bytes == 0);
        uint64_t first_empty = none.address;
        TN_EXPECT(tn_buffer_get_info(other, &none) == TN_OK && none.address != first_empty);
        tn_buffer *found = NULL, *view = NULL;
        uint64_t offset = 0;
        TN_EXPECT(tn_runtime_find(rt, info.address + 999, &found, &offset) == TN_OK);
        TN_EXPECT(found == a && offset == 999);
        TN_EXPECT(tn_buffer_view(a, 100, 901, &view) == TN_STATUS_INVALID);
        TN_EXPECT(tn_buffer_view(a, UINT64_MAX, 2, &view) == TN_STATUS_INVALID);
        TN_REQUIRE(tn_buffer_view(a, 100, 900, &view) == TN_OK);
        TN_EXPECT(tn_buffer_get_info(view, &view_info) == TN_OK &&
                  view_info.address == info.address + 100 && view_info.bytes == 900);
        tn_buffer_release(a);
        TN_EXPECT(tn_runtime_find(rt, info.address, &found, NULL) == TN_OK); /* the view holds it */
        tn_buffer_release(view);
        TN_EXPECT(tn_runtime_find(rt, info.address, &found, NULL) == TN_STATUS_INVALID);
        tn_buffer_release(empty);
        tn_buffer_release(other);
        TN_EXPECT(d->used_bytes == 0 && d->peak_bytes == 1000);
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

TN_TEST(buffer, map_roundtrip)
{
    for (const char *const *uri = test_all_devices(); *uri != NULL; ++uri) {
        tn_runtime *rt = NULL;
        TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
        tn_device *d = test_open(rt, *uri);
        TN_REQUIRE(d != NULL, "%s", *uri);
        tn_buffer *b = test_buffer(d, 64);
        tn_queue *q = NULL;
        TN_REQUIRE(b != NULL && tn_queue_create(d, NULL, &q) == TN_OK);
        uint8_t bytes[64], back[64];
        for (int i = 0; i < 64; ++i)
            bytes[i] = (uint8_t)(i * 3);
        TN_EXPECT(tn_queue_write(q, b, 0, bytes, 64, NULL) == TN_OK);
        TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
        uint8_t *p = NULL, *again = NULL;
        TN_EXPECT(tn_buffer_map(b, 8, 16, 0, (void **)&p) == TN_STATUS_INVALID);
        TN_EXPECT(tn_buffer_map(b, 60, 16, TN_MAP_READ, (void **)&p) == TN_STATUS_INVALID);
        TN_REQUIRE(tn_buffer_map(b, 8, 16, TN_MAP_READ | TN_MAP_WRITE, (void **)&p) == TN_OK);
        TN_EXPECT(memcmp(p, bytes + 8, 16) == 0, "%s", *uri);
        p[3] = 0xee;
        bytes[11] = 0xee;
        TN_EXPECT(tn_buffer_map(b, 0, 4, TN_MAP_READ, (void **)&again) == TN_STATUS_INVALID);
        TN_EXPECT(tn_queue_read(q, back, b, 0, 64, NULL) == TN_STATUS_INVALID);
        tn_error e;
        tn_error_last(&e);
        TN_EXPECT(strcmp(e.reason, "buffer.mapped") == 0 && strcmp(e.argument, "from") == 0);
        TN_EXPECT(tn_queue_read(q, back, b, 24, 40, NULL) == TN_OK); /* beside the mapped range */
        TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
        TN_EXPECT(tn_buffer_unmap(b) == TN_OK);
        TN_EXPECT(tn_buffer_unmap(b) == TN_STATUS_INVALID);
        TN_EXPECT(tn_queue_read(q, back, b, 0, 64, NULL) == TN_OK);
        TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
        TN_EXPECT(memcmp(back, bytes, 64) == 0, "%s", *uri);
        tn_queue_release(q);
        tn_buffer_release(b);
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

TN_TEST(buffer, import_releases_once)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_device *d = fake_open(rt, FAKE_MAPPED), *p = fake_open(rt, 0);
    char memory[32] = "imported";
    int count = 0;
    tn_external external = {.head = TN_INIT(tn_external),
                            .kind = TN_EXTERNAL_HOST,
                            .pointer = memory,
                            .bytes = sizeof memory,
                            .release = released,
                            .self = &count};
    tn_buffer *a = NULL, *b = NULL;
    TN_EXPECT(tn_buffer_import(p, &external, &a) == TN_STATUS_UNSUPPORTED && count == 0);
    TN_REQUIRE(tn_buffer_import(d, &external, &a) == TN_OK);
    TN_REQUIRE(tn_buffer_import(d, &external, &b) == TN_OK); /* twice: still two addresses */
    tn_buffer_info one = {.head = TN_INIT(tn_buffer_info)}, two = one;
    TN_EXPECT(tn_buffer_get_info(a, &one) == TN_OK && tn_buffer_get_info(b, &two) == TN_OK);
    TN_EXPECT(one.address == (uint64_t)(uintptr_t)memory && two.address != one.address);
    tn_buffer_release(a);
    TN_EXPECT(count == 1);
    tn_external out = {.head = TN_INIT(tn_external)};
    TN_EXPECT(tn_buffer_export(b, TN_EXTERNAL_HOST, &out) == TN_OK && out.pointer == memory);
    tn_buffer_release(b);
    TN_EXPECT(count == 2);
    tn_device_release(d);
    tn_device_release(p);
    tn_runtime_release(rt);
}

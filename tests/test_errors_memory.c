/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of buffers, views, imports, exports, mappings, addresses and DLPack. */
#include "support/errors.h"
#include <hal/dlpack.h>

static tn_buffer_desc desc_of(uint64_t bytes)
{
    return (tn_buffer_desc){.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
}

TN_TEST(errors_memory, create)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_buffer *b = NULL;
        tn_buffer_desc d = desc_of(64);
        TN_INVALID(tn_buffer_create(NULL, &d, &b), "device.null", "device", "NULL");
        TN_INVALID(tn_buffer_create(bed.d, NULL, &b), "struct.null", "desc", "NULL");
        TN_INVALID(tn_buffer_create(bed.d, &d, NULL), "argument.null", "out_buffer", "NULL");
        d.align = 48;
        TN_INVALID(tn_buffer_create(bed.d, &d, &b), "buffer.align", "desc.align", "48");
        d = desc_of(64);
        d.memory = 9;
        TN_INVALID(tn_buffer_create(bed.d, &d, &b), "buffer.memory", "desc.memory", "0x9");
        d = desc_of(64);
        d.flags = 2;
        TN_INVALID(tn_buffer_create(bed.d, &d, &b), "buffer.flags", "desc.flags", "0x2");
        d = desc_of(UINT64_MAX);
        TN_ERROR(tn_buffer_create(bed.d, &d, &b), TN_STATUS_NO_MEMORY, "buffer.too_large",
                 "desc.bytes", "18446744073709551615");
        d = desc_of((uint64_t)INT64_MAX + 1);
        TN_ERROR(tn_buffer_create(bed.d, &d, &b), TN_STATUS_NO_MEMORY, "buffer.too_large",
                 "desc.bytes", "9223372036854775808");
        TN_EXPECT(b == NULL);
        d = desc_of(0);
        TN_ACCEPTS(tn_buffer_create(bed.d, &d, &b) == TN_OK);
        tn_buffer_release(b);
        errors_drop(&bed);
    }
    /* a device that tells no largest buffer */
    errors_bed bed = errors_make("null");
    tn_buffer *b = NULL;
    tn_buffer_desc d = desc_of((uint64_t)INT64_MAX + 1);
    TN_ERROR(tn_buffer_create(bed.d, &d, &b), TN_STATUS_NO_MEMORY, "buffer.too_large", "desc.bytes",
             "9223372036854775808");
    errors_drop(&bed);
}

TN_TEST(errors_memory, views_and_info)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_buffer *v = NULL, *inner = NULL;
        tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)};
        uint64_t offset;
        TN_INVALID(tn_buffer_view(NULL, 0, 1, &v), "argument.null", "buffer", "NULL");
        TN_INVALID(tn_buffer_view(bed.b, 0, 1, NULL), "argument.null", "out_view", "NULL");
        TN_INVALID(tn_buffer_view(bed.b, 0, 4097, &v), "buffer.range", "offset", "4097");
        TN_INVALID(tn_buffer_view(bed.b, 4097, 0, &v), "buffer.range", "offset", "4097");
        TN_INVALID(tn_buffer_view(bed.b, UINT64_MAX, 2, &v), "buffer.range", "offset",
                   "18446744073709551615");
        TN_REQUIRE(tn_buffer_view(bed.b, 100, 100, &v) == TN_OK);
        TN_INVALID(tn_buffer_view(v, 90, 11, &inner), "buffer.range", "offset", "100");
        TN_INVALID(tn_buffer_get_info(NULL, &info), "argument.null", "buffer", "NULL");
        TN_INVALID(tn_buffer_get_info(v, NULL), "struct.null", "out_info", "NULL");
        TN_INVALID(tn_runtime_find(NULL, 1, &inner, &offset), "runtime.null", "runtime", "NULL");
        TN_INVALID(tn_runtime_find(bed.rt, 1, NULL, &offset), "argument.null", "out_borrowed",
                   "NULL");
        TN_INVALID(tn_runtime_find(bed.rt, 1, &inner, &offset), "address.unknown", "address",
                   "0x1");
        TN_REQUIRE(tn_buffer_get_info(bed.b, &info) == TN_OK);
        TN_INVALID(tn_runtime_find(bed.other_rt, info.address, &inner, NULL), "address.unknown",
                   "address", "0x");
        TN_INVALID(tn_runtime_find(bed.rt, UINT64_MAX, &inner, NULL), "address.unknown", "address",
                   "0xffffffffffffffff");
        TN_EXPECT(inner == NULL);
        tn_buffer_release(v);
        errors_drop(&bed);
    }
}

/* What no device of ours makes happen: the list of ranges itself. */
TN_TEST(errors_memory, addresses)
{
    errors_bed bed = errors_make("cpu");
    uint64_t out = 0;
    tn__addresses *a = bed.rt->addresses;
    TN_ERROR_OF("tn_buffer_create", tn__addresses_add(a, 64, 0, bed.b), TN_STATUS_INVALID,
                "buffer.address", "address", "0x40");
    TN_ERROR_OF("tn_buffer_create", tn__addresses_add(a, UINT64_MAX, 2, bed.b), TN_STATUS_INVALID,
                "buffer.address", "address", "0xffffffffffffffff");
    TN_ERROR_OF("tn_buffer_create", tn__addresses_add(a, bed.b->address + 1, 8, bed.b),
                TN_STATUS_INVALID, "buffer.address", "address", "overlap");
    TN_ERROR_OF("tn_buffer_create", tn__address_reserve(UINT64_MAX, &out), TN_STATUS_NO_MEMORY,
                "buffer.address", "bytes", "18446744073709551615");
    TN_ERROR_OF("tn_buffer_create", tn__address_reserve(UINT64_C(1) << 62, &out),
                TN_STATUS_NO_MEMORY, "buffer.address", "bytes", "4611686018427387904");
    errors_drop(&bed);
}

static int released;

static void count_release(void *self)
{
    (void)self;
    ++released;
}

static tn_external host_memory(void *p, uint64_t bytes)
{
    return (tn_external){.head = TN_INIT(tn_external),
                         .kind = TN_EXTERNAL_HOST,
                         .pointer = p,
                         .bytes = bytes,
                         .release = count_release};
}

TN_TEST(errors_memory, import_and_export)
{
    static _Alignas(64) unsigned char memory[256];
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        tn_buffer *b = NULL;
        tn_external e = host_memory(memory, sizeof memory);
        TN_REQUIRE(tn_device_get_info(bed.d, &info) == TN_OK);
        bool visible = (info.flags & TN_DEVICE_HOST_VISIBLE) != 0;
        released = 0;
        TN_INVALID(tn_buffer_import(NULL, &e, &b), "device.null", "device", "NULL");
        TN_INVALID(tn_buffer_import(bed.d, NULL, &b), "struct.null", "external", "NULL");
        TN_INVALID(tn_buffer_import(bed.d, &e, NULL), "argument.null", "out_buffer", "NULL");
        e.pointer = NULL;
        TN_INVALID(tn_buffer_import(bed.d, &e, &b), "argument.null", "external.pointer", "256");
        e = host_memory(memory, sizeof memory);
        e.kind = (tn_external_kind)7;
        TN_INVALID(tn_buffer_import(bed.d, &e, &b), "external.kind", "external.kind", "7");
        e.kind = (tn_external_kind)0;
        TN_INVALID(tn_buffer_import(bed.d, &e, &b), "external.kind", "external.kind", "0");
        e = host_memory(memory, UINT64_MAX);
        TN_INVALID(tn_buffer_import(bed.d, &e, &b), "external.range", "external.bytes",
                   "18446744073709551615");
        e = host_memory(memory, 8);
        e.offset = UINT64_MAX - 8;
        TN_INVALID(tn_buffer_import(bed.d, &e, &b), "external.range", "external.bytes",
                   "18446744073709551607");
        e = host_memory(memory, sizeof memory);
        e.kind = TN_EXTERNAL_DMABUF;
        TN_ERROR(tn_buffer_import(bed.d, &e, &b), TN_STATUS_UNSUPPORTED, "buffer.import",
                 "external.kind", "3");
        if (!visible) {
            e.kind = TN_EXTERNAL_HOST;
            TN_ERROR(tn_buffer_import(bed.d, &e, &b), TN_STATUS_UNSUPPORTED, "buffer.import",
                     "external.kind", "copy");
        }
        TN_EXPECT(released == 0 && b == NULL, "a refused import leaves the memory to its owner");

        tn_external out = {.head = TN_INIT(tn_external)};
        TN_INVALID(tn_buffer_export(NULL, TN_EXTERNAL_HOST, &out), "argument.null", "buffer",
                   "NULL");
        TN_INVALID(tn_buffer_export(bed.b, TN_EXTERNAL_HOST, NULL), "struct.null", "out_external",
                   "NULL");
        TN_INVALID(tn_buffer_export(bed.b, (tn_external_kind)99, &out), "external.kind", "kind",
                   "99");
        TN_ERROR(tn_buffer_export(bed.b, TN_EXTERNAL_SHM, &out), TN_STATUS_UNSUPPORTED,
                 "buffer.export", "kind", "5");
        errors_drop(&bed);
    }
    errors_bed bed = errors_make("null");
    tn_external e = host_memory(memory, sizeof memory);
    tn_buffer *b = NULL;
    TN_ERROR(tn_buffer_import(bed.d, &e, &b), TN_STATUS_UNSUPPORTED, "buffer.import", "device",
             "null");
    errors_drop(&bed);
}

TN_TEST(errors_memory, map)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_buffer *v = NULL;
        void *p = NULL;
        char host[64] = {0};
        TN_REQUIRE(tn_buffer_view(bed.b, 1024, 1024, &v) == TN_OK);
        TN_INVALID(tn_buffer_map(NULL, 0, 1, TN_MAP_READ, &p), "argument.null", "buffer", "NULL");
        TN_INVALID(tn_buffer_map(bed.b, 0, 1, TN_MAP_READ, NULL), "argument.null", "out_pointer",
                   "NULL");
        TN_INVALID(tn_buffer_map(bed.b, 0, 1, 0, &p), "map.mode", "mode", "0x0");
        TN_INVALID(tn_buffer_map(bed.b, 0, 1, 16 | TN_MAP_READ, &p), "map.mode", "mode", "0x11");
        TN_INVALID(tn_buffer_map(bed.b, 0, 1, TN_MAP_DISCARD, &p), "map.mode", "mode", "0x4");
        TN_INVALID(tn_buffer_map(bed.b, 0, 1, TN_MAP_READ | TN_MAP_DISCARD, &p), "map.mode", "mode",
                   "0x5");
        TN_INVALID(tn_buffer_map(bed.b, 4000, 97, TN_MAP_READ, &p), "buffer.range", "buffer",
                   "4000");
        TN_INVALID(tn_buffer_map(bed.b, 2, UINT64_MAX, TN_MAP_READ, &p), "buffer.range", "buffer",
                   "18446744073709551615");
        TN_INVALID(tn_buffer_unmap(NULL), "argument.null", "buffer", "NULL");
        TN_INVALID(tn_buffer_unmap(bed.b), "unmap.not_mapped", "buffer", "4096");
        TN_REQUIRE(tn_buffer_map(bed.b, 1000, 100, TN_MAP_WRITE, &p) == TN_OK);
        TN_INVALID(tn_buffer_map(bed.b, 0, 100, TN_MAP_WRITE, &p), "map.twice", "buffer", "1000");
        TN_INVALID(tn_buffer_map(v, 0, 100, TN_MAP_WRITE, &p), "buffer.mapped", "buffer", "100");
        TN_INVALID(tn_queue_write(bed.q, bed.b, 1090, host, 20, NULL), "buffer.mapped", "to",
                   "1090");
        TN_INVALID(tn_queue_read(bed.q, host, v, 0, 20, NULL), "buffer.mapped", "from", "20");
        TN_INVALID(tn_queue_fill(bed.q, bed.b, 1096, 8, 0, 4, NULL), "buffer.mapped", "buffer",
                   "1096");
        TN_INVALID(tn_queue_copy(bed.q, bed.b, 0, v, 0, 8, NULL), "buffer.mapped", "from", "8");
        TN_ACCEPTS(tn_queue_write(bed.q, bed.b, 1100, host, 20, NULL) == TN_OK);
        TN_ACCEPTS(tn_buffer_unmap(bed.b) == TN_OK);
        TN_INVALID(tn_buffer_unmap(bed.b), "unmap.not_mapped", "buffer", "4096");
        TN_EXPECT(tn_queue_wait_idle(bed.q, UINT64_MAX) == TN_OK);
        tn_buffer_release(v);
        errors_drop(&bed);
    }
}

/* ---- DLPack ---- */
static int64_t one_dim[TN_MAX_RANK + 1] = {4, 1, 1, 1, 1, 1, 1, 1, 1};
static int64_t one_stride[TN_MAX_RANK + 1] = {1, 1, 1, 1, 1, 1, 1, 1, 1};

static tn__dl_managed managed_of(void *data)
{
    tn__dl_managed m = {.version = {1, 0}};
    m.tensor.data = data;
    m.tensor.device.type = TN__DL_CPU;
    m.tensor.ndim = 1;
    m.tensor.dtype.code = TN__DL_FLOAT;
    m.tensor.dtype.bits = 32;
    m.tensor.dtype.lanes = 1;
    m.tensor.shape = one_dim;
    m.tensor.strides = one_stride;
    return m;
}

TN_TEST(errors_memory, from_dlpack)
{
    static _Alignas(64) float data[4];
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_tensor t = {0};
        int64_t negative[1] = {-4}, huge[2] = {INT64_MAX, INT64_MAX}, far[2] = {4, 4},
                step[2] = {INT64_MAX / 2, INT64_MAX / 2};
        tn__dl_managed m = managed_of(data);
        TN_INVALID(tn_tensor_from_dlpack(NULL, &m, &t), "device.null", "device", "NULL");
        TN_INVALID(tn_tensor_from_dlpack(bed.d, NULL, &t), "argument.null", "managed_versioned",
                   "NULL");
        TN_INVALID(tn_tensor_from_dlpack(bed.d, &m, NULL), "argument.null", "out_tensor", "NULL");
#define BAD(change, status, reason, given)                                                         \
    do {                                                                                           \
        m = managed_of(data);                                                                      \
        change;                                                                                    \
        TN_ERROR(tn_tensor_from_dlpack(bed.d, &m, &t), status, reason, "managed_versioned",        \
                 given);                                                                           \
    } while (0)
        TN_INVALID(tn_tensor_from_dlpack_legacy(NULL, &m, &t), "device.null", "device", "NULL");
        TN_INVALID(tn_tensor_from_dlpack_legacy(bed.d, NULL, &t), "argument.null", "managed",
                   "NULL");
        TN_INVALID(tn_tensor_from_dlpack_legacy(bed.d, &m, NULL), "argument.null", "out_tensor",
                   "NULL");
        tn__dl_legacy old = {.tensor = m.tensor};
        old.tensor.dtype.bits = 12;
        TN_ERROR(tn_tensor_from_dlpack_legacy(bed.d, &old, &t), TN_STATUS_UNSUPPORTED,
                 "dlpack.dtype", "managed", "12");
        BAD(m.version.major = 2, TN_STATUS_INCOMPATIBLE, "dlpack.version", "2.0");
        BAD(m.tensor.device.type = 2, TN_STATUS_UNSUPPORTED, "dlpack.device", "2");
        BAD(m.flags = TN__DL_FLAG_READ_ONLY, TN_STATUS_UNSUPPORTED, "dlpack.read_only", "0x1");
        BAD(m.tensor.dtype.bits = 12, TN_STATUS_UNSUPPORTED, "dlpack.dtype", "12");
        BAD(m.tensor.dtype.code = 77, TN_STATUS_UNSUPPORTED, "dlpack.dtype", "77");
        BAD(m.tensor.dtype.lanes = 4, TN_STATUS_UNSUPPORTED, "dlpack.dtype", "4 lanes");
        BAD(m.tensor.ndim = 9, TN_STATUS_UNSUPPORTED, "dlpack.rank", "9");
        BAD(m.tensor.ndim = -1, TN_STATUS_UNSUPPORTED, "dlpack.rank", "-1");
        BAD(m.tensor.shape = NULL, TN_STATUS_INVALID, "dlpack.shape", "NULL");
        BAD(m.tensor.shape = negative, TN_STATUS_INVALID, "dlpack.shape", "-4");
        BAD(m.tensor.strides = negative, TN_STATUS_UNSUPPORTED, "dlpack.stride", "-4");
        BAD((m.tensor.ndim = 2, m.tensor.shape = huge), TN_STATUS_INVALID, "dlpack.shape",
            "9223372036854775807");
        BAD((m.tensor.ndim = 2, m.tensor.shape = far, m.tensor.strides = step), TN_STATUS_INVALID,
            "dlpack.shape", "rank 2");
        BAD(m.tensor.data = NULL, TN_STATUS_INVALID, "dlpack.data", "16");
        BAD(m.tensor.byte_offset = UINT64_MAX - 8, TN_STATUS_INVALID, "dlpack.shape",
            "18446744073709551607");
#undef BAD
        errors_drop(&bed);
    }
}

TN_TEST(errors_memory, to_dlpack)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        void *managed = NULL;
        const tn_tensor good = {
            .dtype = TN_F32, .rank = 2, .dim = {4, 8}, .stride = {8, 1}, .buffer = bed.b};
        tn_tensor t = good;
        TN_REQUIRE(tn_device_get_info(bed.d, &info) == TN_OK);
        TN_INVALID(tn_tensor_to_dlpack(NULL, &managed), "argument.null", "tensor", "NULL");
        TN_INVALID(tn_tensor_to_dlpack(&t, NULL), "argument.null", "out_managed_versioned", "NULL");
        TN_INVALID(tn_tensor_to_dlpack_legacy(NULL, &managed), "argument.null", "tensor", "NULL");
        TN_INVALID(tn_tensor_to_dlpack_legacy(&t, NULL), "argument.null", "out_managed", "NULL");
#define BAD(change, status, reason, given)                                                         \
    do {                                                                                           \
        t = good;                                                                                  \
        change;                                                                                    \
        TN_ERROR(tn_tensor_to_dlpack(&t, &managed), status, reason, "tensor", given);              \
    } while (0)
        BAD(t.rank = 9, TN_STATUS_INVALID, "tensor.rank", "9");
        BAD((t.dim[0] = 0, t.dim[1] = -8), TN_STATUS_INVALID, "tensor.dim", "-8");
        BAD(t.stride[0] = -8, TN_STATUS_INVALID, "tensor.dim", "-8");
        BAD(t.dim[0] = INT64_MAX, TN_STATUS_INVALID, "tensor.extent", "rank 2");
        BAD(t.dtype = TN_S4, TN_STATUS_UNSUPPORTED, "dlpack.dtype", "s4");
        BAD(t.dtype = 99, TN_STATUS_UNSUPPORTED, "dlpack.dtype", "99");
        BAD(t.layout = TN_LAYOUT_Q8_0, TN_STATUS_UNSUPPORTED, "dlpack.dtype", "layout 2");
        BAD(t.quant_group = 32, TN_STATUS_UNSUPPORTED, "dlpack.dtype", "32");
        BAD(t.buffer = NULL, TN_STATUS_INVALID, "buffer.null", "no buffer");
        BAD(t.offset_bytes = 4000, TN_STATUS_INVALID, "buffer.range", "4000");
#undef BAD
        t = good;
        if ((info.flags & TN_DEVICE_HOST_VISIBLE) == 0)
            TN_ERROR(tn_tensor_to_dlpack(&t, &managed), TN_STATUS_UNSUPPORTED, "buffer.export",
                     "kind", *uri);
        TN_EXPECT(managed == NULL);
        errors_drop(&bed);
    }
}

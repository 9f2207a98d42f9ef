/* SPDX-License-Identifier: Apache-2.0 */
/* DLPack both ways without a copy, in both of its structs; refusals where a copy would be needed;
 * and the producer's deleter, which is called once or stays the caller's. */
#include "support/test.h"

#include "support/failing_alloc.h"
#include "support/fake_device.h"
#include <hal/dlpack.h>

enum { LEGACY, VERSIONED, STRUCTS };
static const char *const struct_names[] = {"legacy", "versioned"};

/* Memory of somebody else: one tensor in either struct, and how often it was given back. */
typedef struct producer {
    tn__dl_managed managed;
    tn__dl_legacy legacy;
    int64_t shape[8], strides[8];
    atomic_int calls;
    _Alignas(64) unsigned char data[1024];
} producer;

static void give_back(tn__dl_managed *m)
{
    producer *p = m->manager_ctx;
    atomic_fetch_add(&p->calls, 1);
}

static void give_back_legacy(tn__dl_legacy *m)
{
    producer *p = m->manager_ctx;
    atomic_fetch_add(&p->calls, 1);
}

/* f32 [3,4], compact. */
static void make(producer *p)
{
    memset(p, 0, sizeof *p);
    p->shape[0] = 3;
    p->shape[1] = 4;
    p->strides[0] = 4;
    p->strides[1] = 1;
    p->managed = (tn__dl_managed){.version = {1, 0}, .manager_ctx = p, .deleter = give_back};
    p->legacy = (tn__dl_legacy){.manager_ctx = p, .deleter = give_back_legacy};
    p->managed.tensor = (tn__dl_tensor){.data = p->data,
                                        .device = {TN__DL_CPU, 0},
                                        .ndim = 2,
                                        .dtype = {TN__DL_FLOAT, 32, 1},
                                        .shape = p->shape,
                                        .strides = p->strides};
}

static tn_status import(tn_device *d, producer *p, int kind, tn_tensor *out)
{
    p->legacy.tensor = p->managed.tensor;
    return kind == VERSIONED ? tn_tensor_from_dlpack(d, &p->managed, out)
                             : tn_tensor_from_dlpack_legacy(d, &p->legacy, out);
}

static tn_status export(const tn_tensor *t, int kind, void **out)
{
    return kind == VERSIONED ? tn_tensor_to_dlpack(t, out) : tn_tensor_to_dlpack_legacy(t, out);
}

static tn__dl_tensor *inside(void *managed, int kind)
{
    return kind == VERSIONED ? &((tn__dl_managed *)managed)->tensor
                             : &((tn__dl_legacy *)managed)->tensor;
}

static void drop(void *managed, int kind)
{
    if (kind == VERSIONED)
        ((tn__dl_managed *)managed)->deleter(managed);
    else
        ((tn__dl_legacy *)managed)->deleter(managed);
}

static void refused(tn_device *d, producer *p, int kind, tn_status status, const char *reason)
{
    tn_tensor t;
    tn_error e;
    memset(&t, 0x5a, sizeof t);
    tn_tensor before = t;
    TN_EXPECT(import(d, p, kind, &t) == status, "%s %s", struct_names[kind], reason);
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, reason) == 0, "want %s, got %s: %s", reason, e.reason, e.text);
    TN_EXPECT(atomic_load(&p->calls) == 0, "%s was consumed by a failure", struct_names[kind]);
    TN_EXPECT(memcmp(&t, &before, sizeof t) == 0, "the tensor was written by a failure");
}

/* Devices that read host memory; the others refuse both ways. */
static bool shares(tn_device *d)
{
    return strstr(d->uri, "private") == NULL;
}

typedef struct world {
    failing_alloc mem;
    tn_runtime *rt;
    tn_device *device[8];
    int count;
} world;

static void open_all(world *w)
{
    memset(w, 0, sizeof *w);
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .allocator = failing_allocator(&w->mem)};
    TN_REQUIRE(tn_runtime_create(&desc, &w->rt) == TN_OK);
    for (const char *const *uri = tn_test_devices(); *uri != NULL && w->count < 7; ++uri)
        w->device[w->count++] = test_open(w->rt, *uri);
    w->device[w->count++] = fake_open(w->rt, FAKE_MAPPED);
}

static void close_all(world *w)
{
    for (int i = 0; i < w->count; ++i)
        tn_device_release(w->device[i]);
    tn_runtime_release(w->rt);
    TN_EXPECT(atomic_load(&w->mem.live_bytes) == 0, "%lld bytes are left",
              (long long)atomic_load(&w->mem.live_bytes));
    TN_EXPECT(atomic_load(&w->mem.misuse) == 0);
}

static const struct {
    uint8_t code, bits;
    uint16_t dtype;
} known[] = {
    {TN__DL_FLOAT, 64, TN_F64},
    {TN__DL_FLOAT, 32, TN_F32},
    {TN__DL_FLOAT, 16, TN_F16},
    {TN__DL_BFLOAT, 16, TN_BF16},
    {TN__DL_INT, 64, TN_S64},
    {TN__DL_INT, 32, TN_S32},
    {TN__DL_INT, 8, TN_S8},
    {TN__DL_UINT, 8, TN_U8},
    {TN__DL_BOOL, 8, TN_BOOL},
    {TN__DL_FLOAT8_E4M3FN, 8, TN_F8E4M3},
    {TN__DL_FLOAT8_E5M2, 8, TN_F8E5M2},
    {TN__DL_FLOAT8_E8M0FNU, 8, TN_E8M0},
};
enum { KNOWN = sizeof known / sizeof known[0] };

/* In with an offset and gaps, out again in both structs, given back after the last of them. */
static void round_trip(tn_device *d, int kind, int row)
{
    producer p;
    tn_tensor t;
    void *out[STRUCTS];
    make(&p);
    p.managed.tensor.dtype.code = known[row].code;
    p.managed.tensor.dtype.bits = known[row].bits;
    p.managed.tensor.byte_offset = 64;
    p.strides[0] = 10;
    p.strides[1] = 2;
    TN_REQUIRE(import(d, &p, kind, &t) == TN_OK, "%s", d->uri);
    TN_EXPECT(t.dtype == known[row].dtype && t.rank == 2 && t.dim[0] == 3 && t.dim[1] == 4 &&
                  t.stride[0] == 10 && t.stride[1] == 2 && t.layout == 0 && t.quant_group == 0,
              "%s %s", d->uri, tn_dtype_name((tn_dtype)known[row].dtype));
    for (int k = 0; k < STRUCTS; ++k) {
        TN_REQUIRE(export(&t, k, &out[k]) == TN_OK, "%s %s", d->uri, struct_names[k]);
        const tn__dl_tensor *x = inside(out[k], k);
        TN_EXPECT((unsigned char *)x->data + x->byte_offset == p.data + 64, "it was copied");
        TN_EXPECT(x->device.type == TN__DL_CPU && x->device.id == 0 && x->ndim == 2 &&
                  x->dtype.code == known[row].code && x->dtype.bits == known[row].bits &&
                  x->dtype.lanes == 1);
        TN_EXPECT(x->shape[0] == 3 && x->shape[1] == 4 && x->strides[0] == 10 &&
                  x->strides[1] == 2);
    }
    const tn__dl_managed *m = out[VERSIONED];
    TN_EXPECT(m->version.major == 1 && m->flags == 0);
    tn_buffer_release(t.buffer);
    for (int k = 0; k < STRUCTS; ++k) {
        TN_EXPECT(atomic_load(&p.calls) == 0, "%s gave it back too early", d->uri);
        drop(out[k], k);
    }
    TN_EXPECT(atomic_load(&p.calls) == 1, "%s called the deleter %d times", d->uri,
              atomic_load(&p.calls));
}

TN_TEST(dlpack, every_dtype_in_both_structs)
{
    world w;
    open_all(&w);
    for (int i = 0; i < w.count; ++i)
        for (int kind = 0; kind < STRUCTS; ++kind)
            for (int row = 0; row < KNOWN && shares(w.device[i]); ++row)
                round_trip(w.device[i], kind, row);
    close_all(&w);
}

TN_TEST(dlpack, dtypes_that_are_refused)
{
    static const struct {
        uint8_t code, bits;
        uint16_t lanes;
    } unknown[] = {
        {5, 64, 1},
        {5, 128, 1}, /* complex */
        {3, 64, 1},  /* opaque */
        {TN__DL_INT, 16, 1},
        {TN__DL_INT, 4, 1},
        {TN__DL_UINT, 16, 1},
        {TN__DL_UINT, 32, 1},
        {TN__DL_UINT, 64, 1},
        {TN__DL_UINT, 1, 1},
        {TN__DL_FLOAT, 8, 1},
        {TN__DL_FLOAT, 128, 1},
        {TN__DL_BFLOAT, 32, 1},
        {TN__DL_BOOL, 1, 1},
        {TN__DL_BOOL, 32, 1},
        {7, 8, 1},
        {8, 8, 1},
        {9, 8, 1},
        {11, 8, 1},
        {13, 8, 1}, /* other 8-bit floats */
        {15, 6, 1},
        {16, 6, 1},
        {17, 4, 1},
        {17, 4, 2}, /* 6 and 4 bits */
        {TN__DL_FLOAT8_E5M2, 16, 1},
        {TN__DL_FLOAT, 32, 2},
        {TN__DL_FLOAT, 32, 0},
        {255, 255, 1},
    };
    static const uint16_t no_word[] = {TN_S4, TN_U4, TN_F4E2M1, TN_TF32};
    world w;
    open_all(&w);
    for (int i = 0; i < w.count; ++i) {
        for (int kind = 0; kind < STRUCTS; ++kind)
            for (size_t u = 0; u < sizeof unknown / sizeof unknown[0]; ++u) {
                producer p;
                make(&p);
                p.managed.tensor.dtype.code = unknown[u].code;
                p.managed.tensor.dtype.bits = unknown[u].bits;
                p.managed.tensor.dtype.lanes = unknown[u].lanes;
                refused(w.device[i], &p, kind, TN_STATUS_UNSUPPORTED, "dlpack.dtype");
            }
        tn_tensor t = {
            .rank = 1, .dim = {8}, .stride = {1}, .buffer = test_buffer(w.device[i], 64)};
        for (size_t u = 0; u < sizeof no_word / sizeof no_word[0]; ++u)
            for (int kind = 0; kind < STRUCTS; ++kind) {
                void *out = &w;
                t.dtype = no_word[u];
                TN_EXPECT(export(&t, kind, &out) == TN_STATUS_UNSUPPORTED && out == NULL, "%s",
                          tn_dtype_name((tn_dtype)no_word[u]));
            }
        tn_buffer_release(t.buffer);
    }
    close_all(&w);
}

TN_TEST(dlpack, a_failure_consumes_nothing)
{
    static const int32_t elsewhere[] = {0, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, -1};
    static int64_t negative[] = {3, -4};
    world w;
    open_all(&w);
    for (int i = 0; i < w.count; ++i) {
        tn_device *d = w.device[i];
        producer p;
        make(&p);
        p.managed.flags = TN__DL_FLAG_READ_ONLY;
        refused(d, &p, VERSIONED, TN_STATUS_UNSUPPORTED, "dlpack.read_only");
        make(&p);
        p.managed.flags = 6; /* copied, and padded sub-bytes: nothing that forbids to take over */
        if (shares(d)) {
            tn_tensor t;
            TN_EXPECT(import(d, &p, VERSIONED, &t) == TN_OK);
            tn_buffer_release(t.buffer);
            TN_EXPECT(atomic_load(&p.calls) == 1);
        }
        make(&p);
        p.managed.version.major = 2;
        refused(d, &p, VERSIONED, TN_STATUS_INCOMPATIBLE, "dlpack.version");
        for (int kind = 0; kind < STRUCTS; ++kind) {
            for (size_t k = 0; k < sizeof elsewhere / sizeof elsewhere[0]; ++k) {
                make(&p);
                p.managed.tensor.device.type = elsewhere[k];
                refused(d, &p, kind, TN_STATUS_UNSUPPORTED, "dlpack.device");
            }
            make(&p);
            p.managed.tensor.strides = negative;
            refused(d, &p, kind, TN_STATUS_UNSUPPORTED, "dlpack.stride");
            make(&p);
            p.managed.tensor.shape = negative;
            refused(d, &p, kind, TN_STATUS_INVALID, "dlpack.shape");
            make(&p);
            p.managed.tensor.ndim = 9;
            refused(d, &p, kind, TN_STATUS_UNSUPPORTED, "dlpack.rank");
            make(&p);
            p.managed.tensor.data = NULL;
            refused(d, &p, kind, TN_STATUS_INVALID, "dlpack.data");
        }
    }
    close_all(&w);
}

/* Memory that the host does not see cannot be lent, nor the host's taken over. */
TN_TEST(dlpack, hidden_memory)
{
    world w;
    open_all(&w);
    for (int i = 0; i < w.count; ++i) {
        if (shares(w.device[i]))
            continue;
        for (int kind = 0; kind < STRUCTS; ++kind) {
            producer p;
            void *out = &p;
            tn_tensor t = {.dtype = TN_F32, .rank = 1, .dim = {4}, .stride = {1}};
            make(&p);
            TN_EXPECT(import(w.device[i], &p, kind, &t) == TN_STATUS_UNSUPPORTED);
            TN_EXPECT(atomic_load(&p.calls) == 0);
            t.buffer = test_buffer(w.device[i], 16);
            TN_EXPECT(export(&t, kind, &out) == TN_STATUS_UNSUPPORTED && out == NULL);
            tn_buffer_release(t.buffer);
        }
    }
    close_all(&w);
}

/* Empty tensors, with and without memory, scalars, and strides that were not given. */
TN_TEST(dlpack, small_shapes)
{
    static const struct {
        int32_t rank;
        int64_t dim[3];
        bool data, strides;
    } row[] = {
        {2, {0, 4}, false, true},    {2, {3, 0}, false, false}, {1, {0}, true, true},
        {3, {2, 0, 5}, true, false}, {0, {0}, true, false},     {0, {0}, true, true},
        {2, {3, 4}, true, false},    {1, {1}, true, false},
    };
    world w;
    open_all(&w);
    for (int i = 0; i < w.count; ++i)
        for (int kind = 0; kind < STRUCTS; ++kind)
            for (size_t r = 0; r < sizeof row / sizeof row[0]; ++r) {
                producer p;
                tn_tensor t;
                void *out;
                bool empty = false;
                make(&p);
                p.managed.tensor.ndim = row[r].rank;
                for (int k = 0; k < row[r].rank; ++k) {
                    p.shape[k] = row[r].dim[k];
                    p.strides[k] = 1;
                    empty = empty || p.shape[k] == 0;
                }
                if (!row[r].data)
                    p.managed.tensor.data = NULL;
                if (!row[r].strides)
                    p.managed.tensor.strides = NULL;
                if (row[r].rank == 0)
                    p.managed.tensor.shape = NULL;
                if (!shares(w.device[i]) && !empty)
                    continue;
                TN_REQUIRE(import(w.device[i], &p, kind, &t) == TN_OK, "row %zu on %s", r,
                           w.device[i]->uri);
                int64_t compact = 1;
                for (int k = row[r].rank - 1; k >= 0 && !row[r].strides; --k) {
                    TN_EXPECT(t.stride[k] == compact, "row %zu: stride %d is %lld", r, k,
                              (long long)t.stride[k]);
                    compact *= t.dim[k] != 0 ? t.dim[k] : 1;
                }
                TN_EXPECT(t.rank == row[r].rank && t.buffer != NULL);
                if (shares(w.device[i])) {
                    TN_REQUIRE(export(&t, kind, &out) == TN_OK, "row %zu on %s", r,
                               w.device[i]->uri);
                    const tn__dl_tensor *x = inside(out, kind);
                    TN_EXPECT(x->ndim == row[r].rank);
                    for (int k = 0; k < row[r].rank; ++k)
                        TN_EXPECT(x->shape[k] == row[r].dim[k]);
                    TN_EXPECT(empty || x->data == p.data);
                    drop(out, kind);
                }
                tn_buffer_release(t.buffer);
                TN_EXPECT(atomic_load(&p.calls) == 1, "row %zu: %d calls", r,
                          atomic_load(&p.calls));
            }
    close_all(&w);
}

/* A tensor of our own somewhere in a view of its buffer, with a broadcast dim. */
TN_TEST(dlpack, lends_a_view)
{
    world w;
    open_all(&w);
    for (int i = 0; i < w.count; ++i)
        for (int kind = 0; kind < STRUCTS && shares(w.device[i]); ++kind) {
            tn_buffer *whole = test_buffer(w.device[i], 4096), *view = NULL;
            tn_queue *q = NULL;
            void *out;
            TN_REQUIRE(tn_buffer_view(whole, 1024, 2048, &view) == TN_OK);
            TN_REQUIRE(tn_queue_create(w.device[i], NULL, &q) == TN_OK);
            TN_EXPECT(tn_queue_fill(q, whole, 0, 4096, 7, 4, NULL) == TN_OK);
            TN_EXPECT(tn_queue_fill(q, view, 256, 64, 9, 4, NULL) == TN_OK);
            TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
            tn_tensor t = {.dtype = TN_S32,
                           .rank = 2,
                           .dim = {5, 4},
                           .stride = {0, 1},
                           .buffer = view,
                           .offset_bytes = 256};
            TN_REQUIRE(export(&t, kind, &out) == TN_OK);
            tn_buffer_release(view);
            tn_buffer_release(whole);
            const tn__dl_tensor *x = inside(out, kind);
            const int32_t *at = (const int32_t *)(const void *)((char *)x->data + x->byte_offset);
            TN_EXPECT(at[0] == 9 && at[15] == 9 && at[16] == 7 && at[-1] == 7);
            TN_EXPECT(x->strides[0] == 0 && x->shape[0] == 5);
            drop(out, kind);
            tn_queue_release(q);
        }
    close_all(&w);
}

/* The memory is given back after the last work that uses it, however early its tensor went. */
TN_TEST(dlpack, given_back_after_the_last_work)
{
    world w;
    open_all(&w);
    for (int i = 0; i < w.count; ++i)
        for (int kind = 0; kind < STRUCTS && shares(w.device[i]); ++kind) {
            producer p;
            tn_tensor t;
            tn_queue *q = NULL;
            tn_fence *gate = NULL;
            make(&p);
            TN_REQUIRE(tn_queue_create(w.device[i], NULL, &q) == TN_OK);
            TN_REQUIRE(tn_fence_create(w.rt, 0, &gate) == TN_OK);
            TN_REQUIRE(import(w.device[i], &p, kind, &t) == TN_OK);
            tn_point open = {gate, 1};
            tn_sync held = {.wait = &open, .wait_count = 1};
            TN_REQUIRE(tn_queue_fill(q, t.buffer, 0, 48, 0x01010101, 4, &held) == TN_OK);
            tn_buffer_release(t.buffer);
            TN_EXPECT(atomic_load(&p.calls) == 0 && p.data[0] == 0);
            TN_EXPECT(tn_fence_signal(gate, 1) == TN_OK);
            TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
            TN_EXPECT(atomic_load(&p.calls) == 1 && p.data[0] == 1 && p.data[47] == 1 &&
                      p.data[48] == 0);
            tn_fence_release(gate);
            tn_queue_release(q);
        }
    close_all(&w);
}

/* Whichever allocation fails, what was given stays the caller's, and is consumed once in the end.
 */
TN_TEST(dlpack, allocation_failures)
{
    world w;
    open_all(&w);
    for (int i = 0; i < w.count; ++i)
        for (int kind = 0; kind < STRUCTS && shares(w.device[i]); ++kind)
            for (int empty = 0; empty < 2; ++empty) {
                producer p;
                tn_tensor t;
                void *out = NULL;
                uint64_t at = 0;
                tn_status st;
                make(&p);
                if (empty != 0)
                    p.shape[0] = 0;
                do {
                    failing_arm(&w.mem, ++at, false);
                    st = import(w.device[i], &p, kind, &t);
                    failing_disarm(&w.mem);
                    TN_REQUIRE(st == TN_OK ||
                                   (st == TN_STATUS_NO_MEMORY && atomic_load(&p.calls) == 0),
                               "%s", tn_status_name(st));
                } while (st != TN_OK && at < 50);
                TN_EXPECT(at > 1 && at < 50, "%s: nothing was refused", w.device[i]->uri);
                at = 0;
                do {
                    failing_arm(&w.mem, ++at, false);
                    st = export(&t, kind, &out);
                    failing_disarm(&w.mem);
                    TN_REQUIRE(st == TN_OK || (st == TN_STATUS_NO_MEMORY && out == NULL));
                } while (st != TN_OK && at < 50);
                TN_EXPECT(at == 2, "%llu", (unsigned long long)at);
                tn_buffer_release(t.buffer);
                drop(out, kind);
                TN_EXPECT(atomic_load(&p.calls) == 1);
            }
    close_all(&w);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The classes that a device offers: its claims, less those that its own arithmetic refutes. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <fenv.h>
#include <stdio.h>

#include <hal/hal.h>
#include <kernels/common/probe.h>

typedef struct probe {
    const char *name;
    uint32_t kind, operands;
    float (*expected)(tn_probe_triple);
} probe;

static const probe probes[] = {
    {"fma", TN_ELTWISE_FMA, 3, tn_probe_fma},       {"add", TN_ELTWISE_ADD, 2, tn_probe_add},
    {"sub", TN_ELTWISE_SUB, 2, tn_probe_sub},       {"mul", TN_ELTWISE_MUL, 2, tn_probe_mul},
    {"recip", TN_ELTWISE_RECIP, 1, tn_probe_recip}, {"sqrt", TN_ELTWISE_SQRT, 1, tn_probe_sqrt},
    {"rint", TN_ELTWISE_RINT, 1, tn_probe_rint},
};

enum { VECTORS = 4, VECTOR_BYTES = TN_PROBE_TRIPLES * sizeof(float), OUT = 3 };

typedef struct bench {
    tn_queue *queue;
    tn_buffer *buffer; /* a, b, c, out */
    float *host;       /* the same four */
} bench;

static tn_tensor vector(const bench *x, uint32_t index)
{
    tn_tensor t = {.dtype = TN_F32, .rank = 1, .dim = {TN_PROBE_TRIPLES}, .stride = {1}};
    t.buffer = x->buffer;
    t.offset_bytes = (uint64_t)index * VECTOR_BYTES;
    return t;
}

/* Runs one probe. OK with refused[0] set: the device answered, but not with the canonical bits. */
static tn_status run_probe(const bench *x, const probe *p, char *refused, size_t bytes)
{
    static const uint32_t roles[] = {TN_ARG_A, TN_ARG_B, TN_ARG_C};
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = p->kind};
    tn_arg args[VECTORS] = {{0}};
    for (uint32_t i = 0; i < p->operands; i++)
        args[i] = (tn_arg){.role = roles[i], .tensor = vector(x, i)};
    args[p->operands] = (tn_arg){.role = TN_ARG_OUT, .tensor = vector(x, OUT)};
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_ELTWISE,
                .arg_count = p->operands + 1,
                .attr = &attr,
                .args = args,
                .numerics = {.cls = TN_CLASS_CANONICAL}};
    float *out = x->host + OUT * TN_PROBE_TRIPLES;
    /* tn_compute would fall back to cpu, whose arithmetic says nothing about this device. */
    tn_status st = tn_device_supports(tn__queue_device(x->queue), &op);
    if (!st)
        st = tn_compute(x->queue, &op);
    if (st == TN_STATUS_UNSUPPORTED) {
        (void)snprintf(refused, bytes, "canonical: probe %s cannot run, the device has no such op",
                       p->name);
        return TN_OK;
    }
    if (!st)
        st = tn_queue_read(x->queue, out, x->buffer, OUT * VECTOR_BYTES, VECTOR_BYTES, NULL);
    if (!st)
        st = tn_queue_wait_idle(x->queue, UINT64_MAX);
    for (uint32_t i = 0; !st && i < TN_PROBE_TRIPLES; i++) {
        tn_probe_triple in = {x->host[i], x->host[TN_PROBE_TRIPLES + i],
                              x->host[2 * TN_PROBE_TRIPLES + i]};
        float want = p->expected(in);
        if (!tn_probe_same(out[i], want)) {
            (void)snprintf(refused, bytes, "canonical: probe %s, input %u: bits %08x, right %08x",
                           p->name, i, tn_probe_bits(out[i]), tn_probe_bits(want));
            break;
        }
    }
    return st;
}

static tn_status run_all(tn_device *d, char *refused, size_t bytes)
{
    tn_queue_desc queue = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    tn_buffer_desc buffer = {.head = TN_INIT(tn_buffer_desc), .bytes = VECTORS * VECTOR_BYTES};
    bench x = {0};
    x.host = tn__alloc(d->runtime, VECTORS * VECTOR_BYTES);
    tn_status st = x.host ? TN_OK : TN_STATUS_NO_MEMORY;
    if (!st)
        st = tn_queue_create(d, &queue, &x.queue);
    if (!st)
        st = tn_buffer_create(d, &buffer, &x.buffer);
    for (uint32_t i = 0; !st && i < TN_PROBE_TRIPLES; i++) {
        tn_probe_triple p = tn_probe_input(i);
        x.host[i] = p.a;
        x.host[TN_PROBE_TRIPLES + i] = p.b;
        x.host[2 * TN_PROBE_TRIPLES + i] = p.c;
    }
    if (!st)
        st = tn_queue_write(x.queue, x.buffer, 0, x.host, VECTORS * VECTOR_BYTES, NULL);
    if (!st)
        st = tn_queue_wait_idle(x.queue, UINT64_MAX);
    for (size_t i = 0; !st && !refused[0] && i < sizeof(probes) / sizeof(probes[0]); i++)
        st = run_probe(&x, &probes[i], refused, bytes);
    tn_buffer_release(x.buffer);
    tn_queue_release(x.queue);
    tn__free(d->runtime, x.host, VECTORS * VECTOR_BYTES);
    return st;
}

/* Once per open device, in the default floating-point environment whatever the caller's is. */
static tn_status probe_device(tn_device *d)
{
    fenv_t caller;
    tn_status st = TN_OK;
    (void)pthread_mutex_lock(&d->probe_lock);
    if (!d->probed) {
        (void)fegetenv(&caller);
        (void)fesetenv(FE_DFL_ENV);
        st = run_all(d, d->probe_refused, sizeof(d->probe_refused));
        (void)fesetenv(&caller);
        if (!st) {
            d->probed = true;
            d->probe_lost_classes = d->probe_refused[0] ? 1u << TN_CLASS_CANONICAL : 0;
        }
    }
    (void)pthread_mutex_unlock(&d->probe_lock);
    return st;
}

static bool is_float(tn_dtype dtype)
{
    return dtype >= TN_F64 && dtype <= TN_F4E2M1;
}

tn_status tn_device_classes(const tn_device *device, tn_dtype dtype, tn_class_info *out)
{
    const uint32_t canonical = 1u << TN_CLASS_CANONICAL;
    tn_class_info info = {.head = TN_INIT(tn_class_info), .classes = 1u << TN_CLASS_BOUNDED};
    tn_device *d = (tn_device *)(uintptr_t)device; /* what the probe found out is kept there */
    tn_status st = tn__device_usable(d, "device");
    if (st)
        return st;
    if (!tn_dtype_bits(dtype))
        return tn__fail(TN_STATUS_INVALID, "dtype.unknown", "dtype",
                        "dtype is %d; give one of TN_F64 (%d) to TN_BOOL (%d)", (int)dtype, TN_F64,
                        TN_BOOL);
    if (tn__has(d->ops, classes)) {
        tn__error_clear();
        st = d->ops->classes(d->object, dtype, &info);
        if (st)
            return tn__backend_failed(st, d->uri, "classes");
    }
    /* The canonical forms of the narrow floats are built from f32 arithmetic. */
    if ((info.classes & canonical) && dtype == TN_F64) {
        info.classes &= ~canonical;
        (void)snprintf(info.refused, sizeof(info.refused), "canonical: f64 has no probe");
    } else if ((info.classes & canonical) && is_float(dtype)) {
        st = probe_device(d);
        if (st)
            return st;
        info.classes &= ~d->probe_lost_classes;
        if (d->probe_lost_classes)
            (void)snprintf(info.refused, sizeof(info.refused), "%s", d->probe_refused);
    }
    return tn__struct_out(out, &info, sizeof(info), TN_TYPE_tn_class_info, "out_info");
}

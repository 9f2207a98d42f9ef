/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that multiplies matrices in the order that its URI names: orders:sequential, reversed,
 * pairwise, lanes4, lanes16, split4, fusedWxE (W products at once, E extra bits), zero (rounds
 * toward zero), f16, f64 (accumulators), separate (product and sum rounded apart), atomic (any
 * order), parts (four lanes of fma, then a remainder of rounded products in f64), address
 * (sequential where operand a lies at a multiple of 32 bytes, else reversed). Each declares what it
 * does, so none of them is wrong; with !declared behind the name it declares nothing.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/backend.h>

typedef enum order {
    SEQUENTIAL,
    REVERSED,
    PAIRWISE,
    LANES,
    SPLIT,
    FUSED,
    ZERO,
    F16,
    F64,
    SEPARATE,
    ATOMIC,
    PARTS,
    ADDRESS,
    CBLAS,
    ONEDNN
} order;

typedef struct device {
    const tn_host *host;
    order order;
    int width, extra;
    bool silent; /* declares nothing */
    void *library, *sgemm;
    uint64_t launches;
    char name[32];
} device;

typedef struct buffer {
    device *device;
    unsigned char *data;
    uint64_t bytes;
} buffer;

typedef struct queue {
    device *device;
    void *token;
} queue;

typedef struct plan {
    device *device;
    tn_tensor a, b, out;
    bool turn_a, turn_b;
} plan;

#define FAIL(d, status, reason, ...)                                                               \
    (d)->host->fail(TN_STATUS_##status, reason, __FILE__, __LINE__, __VA_ARGS__)

static void *take(const tn_host *host, size_t bytes)
{
    void *p = host->allocator.alloc(host->allocator.self, bytes, 64);
    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

static void give(const tn_host *host, void *p, size_t bytes)
{
    if (p != NULL)
        host->allocator.free(host->allocator.self, p, bytes);
}

/* ---- numbers ---- */

static float half_value(uint16_t h)
{
    int e = h >> 10 & 31, f = h & 1023;
    double v = e == 31  ? (f != 0 ? NAN : INFINITY)
               : e == 0 ? ldexp(f, -24)
                        : ldexp(1024 + f, e - 25);
    return (float)(h & 0x8000 ? -v : v);
}

static double cut(double v, int bits, bool nearest)
{
    int e;
    if (v == 0 || !isfinite(v))
        return v;
    (void)frexp(v, &e);
    double s = ldexp(v, bits - e);
    return copysign(ldexp(nearest ? nearbyint(s) : trunc(s), e - bits), v);
}

static uint16_t half_bits(double v)
{
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    int e;
    v = fabs(v);
    if (isnan(v))
        return 0x7e00;
    if (v == 0)
        return sign;
    (void)frexp(v, &e);
    double step = ldexp(1.0, e < -13 ? -24 : e - 11), r = nearbyint(v / step) * step;
    if (r >= 65520)
        return sign | 0x7c00;
    (void)frexp(r, &e);
    if (r < 0x1p-14)
        return sign | (uint16_t)ldexp(r, 24);
    return sign | (uint16_t)((uint32_t)(e + 14) << 10) | ((uint16_t)ldexp(r, 11 - e) & 1023);
}

static double to_half(double v)
{
    return (double)half_value(half_bits(v));
}

/* ---- sums ---- */

static float chain(const float *a, const float *b, int first, int step, int n)
{
    float s = 0;
    for (int k = first; k < n; k += step)
        s = fmaf(a[k], b[k], s);
    return s;
}

static float pairs(const float *a, const float *b, int first, int n)
{
    if (n == 1)
        return a[first] * b[first];
    int half = 1;
    while (half * 2 < n)
        half *= 2;
    return pairs(a, b, first, half) + pairs(a, b, first + half, n - half);
}

static float unit(const device *d, const float *a, const float *b, int n)
{
    float s = 0;
    for (int first = 0; first < n; first += d->width) {
        double term[65];
        int count = 0, top = -100000, e;
        for (int k = first; k < n && k < first + d->width; ++k)
            term[count++] = (double)a[k] * (double)b[k];
        term[count++] = (double)s;
        double sum = 0;
        for (int i = 0; i < count; ++i) {
            if (!isfinite(term[i]))
                top = 100000;
            if (top != 100000 && term[i] != 0) {
                (void)frexp(term[i], &e);
                top = e > top ? e : top;
            }
            sum += top == 100000 ? term[i] : 0;
        }
        if (top == 100000) { /* infinities and NaN have no place to be aligned to */
            sum = 0;
            for (int i = 0; i < count; ++i)
                sum += term[i];
            s = (float)sum;
            continue;
        }
        if (top == -100000)
            continue;
        int quantum = top - 24 - d->extra;
        for (int i = 0; i < count; ++i)
            sum += trunc(ldexp(term[i], -quantum));
        s = (float)cut(ldexp(sum, quantum), 24, false);
    }
    return s;
}

/* x + y toward zero in 24 bits; the products are exact in float64. */
static float toward_zero(double x, double y)
{
    double s = x + y, back = s - x, rest = (x - (s - back)) + (y - back);
    if (!isfinite(s))
        return (float)s;
    double r = cut(s, 24, false);
    if (r == s && rest != 0 && (rest < 0) == (s > 0))
        r = cut(nextafter(s, 0), 24, false);
    return (float)r;
}

static double sum(device *d, order how, const float *a, const float *b, int n)
{
    float s = 0, lane[64];
    double wide = 0;
    switch (how) {
    case SEQUENTIAL:
        return (double)chain(a, b, 0, 1, n);
    case REVERSED:
        for (int k = n; k-- > 0;)
            s = fmaf(a[k], b[k], s);
        return (double)s;
    case PAIRWISE:
        return n > 0 ? (double)pairs(a, b, 0, n) : 0;
    case LANES:
        for (int l = 0; l < d->width; ++l)
            lane[l] = chain(a, b, l, d->width, n);
        for (int h = d->width / 2; h > 0; h /= 2)
            for (int l = 0; l < h; ++l)
                lane[l] = lane[l] + lane[l + h];
        return (double)lane[0];
    case SPLIT: { /* contiguous parts, added in their order */
        int part = (n + d->width - 1) / d->width;
        for (int p = 0; p < d->width && p * part < n; ++p) {
            int count = n - p * part < part ? n - p * part : part;
            float one = chain(a + p * part, b + p * part, 0, 1, count);
            s = p == 0 ? one : s + one;
        }
        return (double)s;
    }
    case FUSED:
        return (double)unit(d, a, b, n);
    case ZERO:
        for (int k = 0; k < n; ++k)
            s = toward_zero((double)s, (double)a[k] * (double)b[k]);
        return (double)s;
    case F16:
        for (int k = 0; k < n; ++k)
            wide = to_half(wide + (double)a[k] * (double)b[k]);
        return wide;
    case F64:
        for (int k = 0; k < n; ++k)
            wide += (double)a[k] * (double)b[k];
        return wide;
    case SEPARATE:
        for (int k = 0; k < n; ++k)
            s = s + a[k] * b[k];
        return (double)s;
    case PARTS:
        for (int l = 0; l < 4; ++l)
            lane[l] = chain(a, b, l, 4, n - n % 8);
        wide = (double)((lane[0] + lane[1]) + (lane[2] + lane[3]));
        for (int k = n - n % 8; k < n; ++k) {
            float product = a[k] * b[k];
            wide += (double)product;
        }
        return wide;
    default: { /* another first element each time, as atomic additions would have it */
        int start = n > 0 ? (int)((d->launches * 2654435761u) % (uint64_t)n) : 0;
        for (int k = 0; k < n; ++k)
            s = fmaf(a[(k + start) % n], b[(k + start) % n], s);
        return (double)s;
    }
    }
}

static float load(const tn_tensor *t, const unsigned char *p, int64_t at)
{
    float f;
    uint16_t h;
    if (t->dtype == TN_F32) {
        memcpy(&f, p + at * 4, 4);
        return f;
    }
    memcpy(&h, p + at * 2, 2);
    if (t->dtype == TN_F16)
        return half_value(h);
    uint32_t w = (uint32_t)h << 16;
    memcpy(&f, &w, 4);
    return f;
}

static void store(const tn_tensor *t, unsigned char *p, int64_t at, double v)
{
    float f = (float)v;
    uint16_t h = half_bits(v);
    if (t->dtype == TN_F32)
        memcpy(p + at * 4, &f, 4);
    else
        memcpy(p + at * 2, &h, 2);
}

static unsigned char *operand(const tn_work *w, uint32_t role)
{
    uint32_t i = 0;
    while (w->slots[i].role != role)
        ++i;
    return ((buffer *)w->slots[i].buffer)->data + w->slots[i].offset;
}

static tn_status run_library(const plan *p, const float *a, const float *b, float *out);

static tn_status run(const tn_work *w)
{
    plan *p = w->plan;
    device *d = p->device;
    const unsigned char *a = operand(w, TN_ARG_A), *b = operand(w, TN_ARG_B);
    unsigned char *out = operand(w, TN_ARG_OUT);
    int64_t m = p->out.dim[0], n = p->out.dim[1], k = p->a.dim[p->turn_a ? 0 : 1];
    if (d->sgemm != NULL)
        return run_library(p, (const float *)(const void *)a, (const float *)(const void *)b,
                           (float *)(void *)out);
    float *row = take(d->host, (size_t)(2 * k + 1) * sizeof *row),
          *column = row != NULL ? row + k : NULL;
    if (row == NULL)
        return FAIL(d, NO_MEMORY, "orders.memory", "no memory for a row; free something");
    d->launches++;
    order how = d->order != ADDRESS                    ? d->order
                : (uintptr_t)(const void *)a % 32 == 0 ? SEQUENTIAL
                                                       : REVERSED;
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            for (int64_t x = 0; x < k; ++x) {
                row[x] = load(&p->a, a, i * p->a.stride[p->turn_a] + x * p->a.stride[!p->turn_a]);
                column[x] =
                    load(&p->b, b, j * p->b.stride[!p->turn_b] + x * p->b.stride[p->turn_b]);
            }
            store(&p->out, out, i * p->out.stride[0] + j * p->out.stride[1],
                  sum(d, how, row, column, (int)k));
        }
    give(d->host, row, (size_t)(2 * k + 1) * sizeof *row);
    return TN_OK;
}

/* ---- libraries ---- */

typedef void (*cblas_sgemm)(int order, int turn_a, int turn_b, int m, int n, int k, float alpha,
                            const float *a, int lda, const float *b, int ldb, float beta, float *c,
                            int ldc);
typedef int (*dnnl_sgemm)(char turn_a, char turn_b, int64_t m, int64_t n, int64_t k, float alpha,
                          const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                          float *c, int64_t ldc);

/* Rows of a matrix that a library can read: dense in one direction. */
static bool dense(const tn_tensor *t)
{
    return (t->dim[1] == 1 || t->stride[1] == 1) && t->stride[0] >= t->dim[1];
}

static tn_status run_library(const plan *p, const float *a, const float *b, float *out)
{
    const device *d = p->device;
    int64_t m = p->out.dim[0], n = p->out.dim[1], k = p->a.dim[p->turn_a ? 0 : 1];
    /* Some leave the output as it was where there is nothing to add. */
    for (int64_t i = 0; i < m && k == 0; ++i)
        memset(out + i * p->out.stride[0], 0, (size_t)n * sizeof *out);
    if (k == 0)
        return TN_OK;
    if (d->order == CBLAS) {
        cblas_sgemm f;
        memcpy(&f, &d->sgemm, sizeof f);
        f(101, p->turn_a ? 112 : 111, p->turn_b ? 112 : 111, (int)m, (int)n, (int)k, 1, a,
          (int)p->a.stride[0], b, (int)p->b.stride[0], 0, out, (int)p->out.stride[0]);
        return TN_OK;
    }
    dnnl_sgemm f;
    memcpy(&f, &d->sgemm, sizeof f);
    int st = f(p->turn_a ? 'T' : 'N', p->turn_b ? 'T' : 'N', m, n, k, 1, a, p->a.stride[0], b,
               p->b.stride[0], 0, out, p->out.stride[0]);
    return st == 0 ? TN_OK : FAIL(d, INTERNAL, "orders.library", "dnnl_sgemm gave %d", st);
}

static bool open_library(device *d)
{
    static const struct {
        const char *name, *files[3], *symbol;
        order order;
    } rows[] = {{"openblas", {"libopenblas.so.0"}, "cblas_sgemm", CBLAS},
                {"blis", {"libblis.so.4"}, "cblas_sgemm", CBLAS},
                {"mkl", {"libmkl_rt.so.3", "libmkl_rt.so.2"}, "cblas_sgemm", CBLAS},
                {"onednn", {"libdnnl.so.3", "libdnnl.so.2"}, "dnnl_sgemm", ONEDNN}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i)
        for (int f = 0; strcmp(d->name, rows[i].name) == 0 && f < 3 && rows[i].files[f] != NULL;
             ++f) {
            d->library = dlopen(rows[i].files[f], RTLD_NOW | RTLD_LOCAL);
            d->sgemm = d->library != NULL ? dlsym(d->library, rows[i].symbol) : NULL;
            d->order = rows[i].order;
            if (d->sgemm != NULL)
                return true;
        }
    return false;
}

/* ---- the device ---- */

static void buffer_destroy(void *object)
{
    buffer *b = object;
    const tn_host *host = b->device->host;
    give(host, b->data, b->bytes);
    give(host, b, sizeof *b);
}

static const tn_buffer_ops buffer_ops = {
    .abi = TN_BACKEND_ABI, .bytes = sizeof(tn_buffer_ops), .destroy = buffer_destroy};

static tn_status buffer_create(void *object, const tn_buffer_desc *desc, void **out,
                               const tn_buffer_ops **out_ops)
{
    device *d = object;
    buffer *b = take(d->host, sizeof *b);
    if (b != NULL) {
        b->device = d;
        b->bytes = desc->bytes;
        b->data = take(d->host, (size_t)desc->bytes);
    }
    if (b == NULL || b->data == NULL) {
        give(d->host, b, sizeof *b);
        return FAIL(d, NO_MEMORY, "orders.memory", "no memory for a buffer; free something");
    }
    *out = b;
    *out_ops = &buffer_ops;
    return TN_OK;
}

static void queue_destroy(void *object)
{
    queue *q = object;
    give(q->device->host, q, sizeof *q);
}

static tn_status submit(void *object, const tn_work *w)
{
    queue *q = object;
    tn_status st = TN_OK;
    switch (w->kind) {
    case TN_WORK_WRITE:
        memcpy(((buffer *)w->to)->data + w->to_offset, w->from, (size_t)w->bytes);
        break;
    case TN_WORK_READ:
        memcpy(w->to, ((buffer *)w->from)->data + w->from_offset, (size_t)w->bytes);
        break;
    case TN_WORK_RUN:
        st = run(w);
        break;
    default:
        return FAIL(q->device, UNSUPPORTED, "orders.work", "the core does it");
    }
    q->device->host->complete(q->token, w->item, st, NULL);
    return TN_OK;
}

static tn_status poll_queue(void *object, uint64_t timeout_ns)
{
    (void)object, (void)timeout_ns;
    return TN_OK;
}

static const tn_queue_ops queue_ops = {.abi = TN_BACKEND_ABI,
                                       .bytes = sizeof(tn_queue_ops),
                                       .destroy = queue_destroy,
                                       .submit = submit,
                                       .poll = poll_queue};

static tn_status queue_create(void *object, const tn_queue_desc *desc, void *token, void **out,
                              const tn_queue_ops **out_ops)
{
    device *d = object;
    queue *q = take(d->host, sizeof *q);
    (void)desc;
    if (q == NULL)
        return FAIL(d, NO_MEMORY, "orders.memory", "no memory for a queue; free something");
    *q = (queue){d, token};
    *out = q;
    *out_ops = &queue_ops;
    return TN_OK;
}

static void plan_destroy(void *object)
{
    plan *p = object;
    give(p->device->host, p, sizeof *p);
}

static tn_status arithmetic(void *object, tn_arithmetic *out)
{
    const device *d = ((plan *)object)->device;
    if (d->silent)
        return TN_OK;
    if (d->order == FUSED) {
        out->block = (uint16_t)d->width;
        out->extra_bits = (uint16_t)d->extra;
    }
    out->accumulate_round = d->order == FUSED || d->order == ZERO;
    out->accumulate = d->order == F16 ? TN_F16 : d->order == F64 ? TN_F64 : 0;
    out->unrepeatable = d->order == ATOMIC;
    return TN_OK;
}

static const tn_plan_ops plan_ops = {.abi = TN_BACKEND_ABI,
                                     .bytes = sizeof(tn_plan_ops),
                                     .destroy = plan_destroy,
                                     .arithmetic = arithmetic};

static bool takes(const tn_op *op, bool half)
{
    if (op->kind != TN_OP_MATMUL || op->arg_count != 3 || op->post_count != 0 ||
        op->numerics.cls > TN_CLASS_FAST || (((const tn_matmul *)op->attr)->flags & ~3u) != 0)
        return false;
    for (int i = 0; i < 3; ++i) {
        const tn_tensor *t = &op->args[i].tensor;
        bool type = t->dtype == TN_F32 || t->dtype == TN_F16 || (i < 2 && t->dtype == TN_BF16);
        if (t->rank != 2 || !type || (half && t->dtype != TN_F16))
            return false;
    }
    return true;
}

static tn_status plan_create(void *object, const tn_op *op, const tn_plan_desc *desc,
                             tn_choice_fn fn, void *self, void **out, const tn_plan_ops **out_ops)
{
    device *d = object;
    (void)desc, (void)fn, (void)self;
    bool library = d->sgemm != NULL;
    for (int i = 0; i < 3 && library; ++i)
        library = op->arg_count == 3 && op->args[i].tensor.rank == 2 &&
                  op->args[i].tensor.dtype == TN_F32 && dense(&op->args[i].tensor);
    if (!takes(op, d->order == F16) || library != (d->sgemm != NULL))
        return FAIL(d, UNSUPPORTED, "orders.op",
                    "plain matrix products of f32, f16 and bf16 alone");
    plan *p = take(d->host, sizeof *p);
    if (p == NULL)
        return FAIL(d, NO_MEMORY, "orders.memory", "no memory for a plan; free something");
    uint32_t flags = ((const tn_matmul *)op->attr)->flags;
    *p = (plan){d,
                op->args[0].tensor,
                op->args[1].tensor,
                op->args[2].tensor,
                (flags & TN_MATMUL_TRANSPOSE_A) != 0,
                (flags & TN_MATMUL_TRANSPOSE_B) != 0};
    *out = p;
    *out_ops = &plan_ops;
    return TN_OK;
}

static void close_device(void *object)
{
    device *d = object;
    give(d->host, d, sizeof *d);
}

static tn_status info(void *object, tn_device_info *out)
{
    const device *d = object;
    snprintf(out->uri, sizeof out->uri, "orders:%s", d->name);
    snprintf(out->name, sizeof out->name, "sums in the order %s", d->name);
    snprintf(out->vendor, sizeof out->vendor, "none");
    snprintf(out->driver, sizeof out->driver, "orders");
    snprintf(out->group, sizeof out->group, "host-cpu");
    out->kind = TN_KIND_ACCELERATOR;
    out->buffer_align = 64;
    out->offset_align = 1;
    out->queues = 1;
    return TN_OK;
}

static const tn_device_ops device_ops = {.abi = TN_BACKEND_ABI,
                                         .bytes = sizeof(tn_device_ops),
                                         .close = close_device,
                                         .info = info,
                                         .buffer_create = buffer_create,
                                         .queue_create = queue_create,
                                         .plan_create = plan_create};

static tn_status enumerate(const tn_host *host, void *token,
                           void (*found)(void *token, const tn_device_info *))
{
    (void)host, (void)token, (void)found;
    return TN_OK;
}

static tn_status open_device(const tn_host *host, const char *arg, void *token, void **out,
                             const tn_device_ops **out_ops)
{
    static const struct {
        const char *name;
        order order;
        int width;
    } orders[] = {{"sequential", SEQUENTIAL, 0},
                  {"reversed", REVERSED, 0},
                  {"pairwise", PAIRWISE, 0},
                  {"lanes4", LANES, 4},
                  {"lanes16", LANES, 16},
                  {"split4", SPLIT, 4},
                  {"zero", ZERO, 0},
                  {"f16", F16, 0},
                  {"f64", F64, 0},
                  {"separate", SEPARATE, 0},
                  {"atomic", ATOMIC, 0},
                  {"parts", PARTS, 0},
                  {"address", ADDRESS, 0}};
    device d = {.host = host};
    (void)token;
    snprintf(d.name, sizeof d.name, "%s",
             arg != NULL && arg[0] == ':' ? arg + 1
             : arg != NULL                ? arg
                                          : "");
    size_t n = strcspn(d.name, "!");
    bool found =
        sscanf(d.name, "fused%dx%d", &d.width, &d.extra) == 2 && d.width > 1 && d.width <= 64;
    d.order = FUSED;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0] && !found; ++i)
        if (strlen(orders[i].name) == n && strncmp(orders[i].name, d.name, n) == 0) {
            found = true;
            d.order = orders[i].order;
            d.width = orders[i].width;
        }
    if (!found)
        found = open_library(&d);
    d.silent = strcmp(d.name + n, "!declared") == 0;
    if (!found)
        return host->fail(TN_STATUS_INVALID, "orders.name", __FILE__, __LINE__,
                          "uri names no order: \"%s\"", d.name);
    device *made = take(host, sizeof *made);
    if (made == NULL)
        return host->fail(TN_STATUS_NO_MEMORY, "orders.memory", __FILE__, __LINE__,
                          "no memory for a device; free something");
    *made = d;
    *out = made;
    *out_ops = &device_ops;
    return TN_OK;
}

static const tn_backend_ops backend_ops = {.abi = TN_BACKEND_ABI,
                                           .bytes = sizeof(tn_backend_ops),
                                           .name = "orders",
                                           .enumerate = enumerate,
                                           .open = open_device};

tn_status tn_backend_query(uint32_t host_abi, const tn_backend_ops **out)
{
    if (host_abi < TN_BACKEND_ABI)
        return TN_STATUS_INCOMPATIBLE;
    *out = &backend_ops;
    return TN_OK;
}

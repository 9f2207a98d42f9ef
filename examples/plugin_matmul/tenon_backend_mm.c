/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin with one kernel: f32 matmul in the canonical order. Its memory is hidden from the host,
 * its work runs when the queue is polled; every other op falls back to cpu, and tn_plan_info says
 * so. It needs <tenon/backend.h> and nothing else of Tenon, neither to build nor to link. */
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/backend.h>

enum { CHUNK = 128, LANES = 16, POSTS = 4 };
#define TABLE(type) .abi = TN_BACKEND_ABI, .bytes = sizeof(type)
#define FAIL(status, reason, ...)                                                                  \
    host->fail(TN_STATUS_##status, reason, __FILE__, __LINE__, __VA_ARGS__)
/* One source, two builds of the inner loops; fmaf is a call on the plain one. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TWO_BUILDS __attribute__((target_clones("arch=haswell", "default")))
#else
#define TWO_BUILDS
#endif

/* The device has no state: its object is hal's tn_host, a buffer's is the memory itself. */
typedef struct operand {
    uint32_t role;
    int64_t row, col; /* strides in elements, as the product uses them; 0 repeats */
} operand;
typedef struct plan {
    int64_t m, n, k;
    uint32_t post_count;
    operand a, b, out, post[POSTS];
} plan;
typedef struct item {
    struct item *next;
    tn_work work; /* what it points to stays until complete() */
} item;
typedef struct queue {
    const tn_host *host;
    void *token;
    pthread_mutex_t list, run; /* run is taken first; complete() is called under run alone */
    item *first, **end;
} queue;

/* ---- the kernel ---- */

/* LANES dots side by side: chunks of 128 fused steps from +0, their sums added in order. */
TWO_BUILDS static void dots(const float *a, int64_t a_step, const float *b, int64_t b_step,
                            int64_t b_lane, int64_t count, float *restrict total)
{
    for (int64_t first = 0; first < count; first += CHUNK) {
        int64_t last = first + CHUNK < count ? first + CHUNK : count;
        float sum[LANES] = {0};
        for (int64_t k = first; k < last; ++k)
            for (int j = 0; j < LANES; ++j)
                sum[j] = fmaf(a[k * a_step], b[k * b_step + j * b_lane], sum[j]);
        for (int j = 0; j < LANES; ++j)
            total[j] = total[j] + sum[j];
    }
}

static float *start(const tn_work *w, uint32_t role)
{
    uint32_t i = 0;
    while (w->slots[i].role != role) /* hal binds every role */
        ++i;
    return (float *)w->slots[i].buffer + w->slots[i].offset / sizeof(float);
}

static void run(const tn_work *w)
{
    const plan *p = w->plan;
    const float *a = start(w, TN_ARG_A), *b = start(w, TN_ARG_B);
    float *out = start(w, TN_ARG_OUT);
    for (int64_t i = 0; i < p->m; ++i)
        for (int64_t j = 0, lanes; j < p->n; j += lanes) {
            float y[LANES] = {0};
            /* At the end one column is computed LANES times: nothing behind b is read. */
            lanes = p->n - j >= LANES ? LANES : 1;
            dots(a + i * p->a.row, p->a.col, b + j * p->b.col, p->b.row, lanes > 1 ? p->b.col : 0,
                 p->k, y);
            for (uint32_t s = 0; s < p->post_count; ++s) {
                const operand *r = &p->post[s];
                const float *from = start(w, r->role) + i * r->row + j * r->col;
                for (int64_t l = 0; l < lanes; ++l)
                    y[l] = y[l] + from[l * r->col];
            }
            for (int64_t l = 0; l < lanes; ++l)
                out[i * p->out.row + (j + l) * p->out.col] = y[l];
        }
}

/* ---- plans ---- */

static const char kernel_name[] = "mm_matmul_f32";

static tn_status plan_info(void *self, tn_plan_info *out)
{
    (void)self; /* out has the op's numerics: the canonical order serves every class */
    snprintf(out->kernel, sizeof out->kernel, "%s", kernel_name);
    return TN_OK;
}

static const tn_plan_ops plan_ops = {TABLE(tn_plan_ops), .destroy = free, .info = plan_info};

/* Finds the operand of a role; NULL if it is not plain f32 of at most two dims. */
static const tn_tensor *look(const tn_op *op, uint32_t role, bool transposed, operand *out)
{
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        const tn_tensor *t = &op->args[i].tensor;
        if (op->args[i].role != role || t->dtype != TN_F32 || t->rank == 0 || t->rank > 2 ||
            (op->args[i].flags & (TN_ARG_PACKED | TN_ARG_MAY_ALIAS)) != 0)
            continue;
        int last = t->rank - 1;
        int64_t row = last && t->dim[0] != 1 ? t->stride[0] : 0;
        int64_t col = t->dim[last] != 1 ? t->stride[last] : 0;
        *out = (operand){role, transposed ? col : row, transposed ? row : col};
        return t;
    }
    return NULL;
}

/* Whether the kernel can do it; hal has checked that the op is right. */
static bool prepare(const tn_op *op, plan *p)
{
    const uint32_t flags = op->kind == TN_OP_MATMUL ? ((const tn_matmul *)op->attr)->flags : 0;
    bool ta = flags & TN_MATMUL_TRANSPOSE_A, tb = flags & TN_MATMUL_TRANSPOSE_B;
    operand none;
    if (op->kind != TN_OP_MATMUL || (flags & (TN_MATMUL_ALPHA | TN_MATMUL_BETA)) != 0 ||
        op->numerics.cls == TN_CLASS_EXACT || op->post_count > POSTS)
        return false;
    const tn_tensor *a = look(op, TN_ARG_A, ta, &p->a), *b = look(op, TN_ARG_B, tb, &p->b);
    const tn_tensor *out = look(op, TN_ARG_OUT, false, &p->out);
    if (a == NULL || b == NULL || out == NULL || look(op, TN_ARG_C, false, &none) != NULL)
        return false;
    p->m = out->dim[0];
    p->n = out->dim[1];
    p->k = a->dim[ta ? 0 : 1];
    for (; p->post_count < op->post_count; ++p->post_count) {
        const tn_post *post = &op->posts[p->post_count];
        if ((post->kind != TN_POST_BIAS && post->kind != TN_POST_ADD) ||
            look(op, post->role, false, &p->post[p->post_count]) == NULL)
            return false;
    }
    return true;
}

static tn_status plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                             tn_choice_fn fn, void *self, void **out, const tn_plan_ops **out_ops)
{
    const tn_host *host = device;
    plan *p = calloc(1, sizeof *p);
    (void)fn, (void)self; /* one kernel: there is no choice to tell of */
    if (p == NULL)
        return FAIL(NO_MEMORY, "mm.memory", "no memory for a plan");
    if (!prepare(op, p) || (desc->kernel != NULL && strcmp(desc->kernel, kernel_name) != 0)) {
        free(p);
        return FAIL(UNSUPPORTED, "mm.unsupported",
                    "mm has one kernel, %s: f32 matrices, then bias and add", kernel_name);
    }
    *out = p;
    *out_ops = &plan_ops;
    return TN_OK;
}

/* ---- buffers: no map and no address, so hal goes through WRITE and READ ---- */

static const tn_buffer_ops buffer_ops = {TABLE(tn_buffer_ops), .destroy = free};

static tn_status buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                               const tn_buffer_ops **out_ops)
{
    const tn_host *host = device;
    *out = calloc(1, (size_t)desc->bytes);
    *out_ops = &buffer_ops;
    return *out != NULL ? TN_OK
                        : FAIL(NO_MEMORY, "mm.memory", "no memory for %llu bytes",
                               (unsigned long long)desc->bytes);
}

/* ---- queues: submit lists, poll works ---- */

static tn_status submit(void *self, const tn_work *w)
{
    queue *q = self;
    const tn_host *host = q->host;
    if (w->kind != TN_WORK_RUN && w->kind != TN_WORK_WRITE && w->kind != TN_WORK_READ &&
        w->kind != TN_WORK_COPY)
        return FAIL(UNSUPPORTED, "mm.work", "mm copies and runs; hal does the rest");
    item *i = calloc(1, sizeof *i);
    if (i == NULL)
        return FAIL(NO_MEMORY, "mm.memory", "no memory for an item");
    /* an older Tenon's struct is shorter than this one */
    memcpy(&i->work, w, w->head.size < sizeof i->work ? w->head.size : sizeof i->work);
    pthread_mutex_lock(&q->list);
    *q->end = i;
    q->end = &i->next;
    pthread_mutex_unlock(&q->list);
    return TN_OK;
}

static tn_status poll(void *self, uint64_t timeout_ns)
{
    queue *q = self;
    (void)timeout_ns; /* all that is listed is done; there is nothing to sleep for */
    pthread_mutex_lock(&q->run);
    for (;;) {
        pthread_mutex_lock(&q->list);
        item *i = q->first;
        if (i != NULL && (q->first = i->next) == NULL)
            q->end = &q->first;
        pthread_mutex_unlock(&q->list);
        if (i == NULL)
            break;
        const tn_work *w = &i->work;
        if (w->kind == TN_WORK_RUN)
            run(w);
        else /* the offset of what is a host pointer is 0 */
            memmove((char *)w->to + w->to_offset, (const char *)w->from + w->from_offset,
                    (size_t)w->bytes);
        q->host->complete(q->token, w->item, TN_OK, NULL);
        free(i);
    }
    pthread_mutex_unlock(&q->run);
    return TN_OK;
}

static const tn_queue_ops queue_ops = {TABLE(tn_queue_ops), .destroy = free, .submit = submit,
                                       .poll = poll};

static tn_status queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                              const tn_queue_ops **out_ops)
{
    const tn_host *host = device;
    queue *q = calloc(1, sizeof *q);
    (void)desc;
    if (q == NULL)
        return FAIL(NO_MEMORY, "mm.memory", "no memory for a queue");
    *q =
        (queue){host, token, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, NULL, &q->first};
    *out = q;
    *out_ops = &queue_ops;
    return TN_OK;
}

/* ---- device and backend ---- */

static void device_close(void *self)
{
    (void)self; /* it is hal's */
}

static tn_status device_info(void *self, tn_device_info *out)
{
    (void)self;
    snprintf(out->uri, sizeof out->uri, "mm");
    snprintf(out->name, sizeof out->name, "matmul-only example");
    snprintf(out->driver, sizeof out->driver, "tenon_backend_mm");
    snprintf(out->group, sizeof out->group, "host-cpu");
    out->kind = TN_KIND_ACCELERATOR;
    out->offset_align = sizeof(float);
    return TN_OK;
}

static const tn_device_ops device_ops = {
    TABLE(tn_device_ops),           .close = device_close,        .info = device_info,
    .buffer_create = buffer_create, .queue_create = queue_create, .plan_create = plan_create};

static tn_status enumerate(const tn_host *host, void *token,
                           void (*found)(void *token, const tn_device_info *))
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    (void)host;
    (void)device_info(NULL, &info);
    found(token, &info);
    return TN_OK;
}

static tn_status open(const tn_host *host, const char *arg, void *token, void **out,
                      const tn_device_ops **out_ops)
{
    (void)token; /* this device is never lost */
    if (arg != NULL && arg[0] != '\0')
        return FAIL(INVALID, "mm.arg", "mm takes no argument, not \"%s\"", arg);
    *out = (void *)(uintptr_t)host; /* read only */
    *out_ops = &device_ops;
    return TN_OK;
}

static const tn_backend_ops backend_ops = {TABLE(tn_backend_ops), .name = "mm",
                                           .enumerate = enumerate, .open = open};

tn_status tn_backend_query(uint32_t host_abi, const tn_backend_ops **out)
{
    if (host_abi < TN_BACKEND_ABI)
        return TN_STATUS_INCOMPATIBLE;
    *out = &backend_ops;
    return TN_OK;
}

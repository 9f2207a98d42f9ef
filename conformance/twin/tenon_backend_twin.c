/* SPDX-License-Identifier: Apache-2.0 */
/* twin:FILE, the device of a datasheet: it multiplies the shapes that the sheet has, each place by
 * its own tree, with the bits that the fingerprinted device would give. */
#include <conformance/bounds/number.h>
#include <conformance/twin/twin_sheet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/backend.h>

#define TABLE(type) .abi = TN_BACKEND_ABI, .bytes = sizeof(type)
#define FAIL(status, reason, ...)                                                                  \
    host->fail(TN_STATUS_##status, reason, __FILE__, __LINE__, __VA_ARGS__)

typedef struct device {
    const tn_host *host;
    tn_v_sheet sheet;
} device;
typedef struct operand {
    int64_t row, col; /* strides in elements, as the product uses them; 0 repeats */
} operand;
typedef struct plan {
    int64_t m, n, k;
    const tn_v_sum *sum;
    bool whole; /* of the sheet's own shape: paths by place; else the one path */
    operand a, b, out;
} plan;
typedef struct queue {
    const tn_host *host;
    void *token;
} queue;

/* ---- the kernel ---- */

static unsigned char *start(const tn_work *w, uint32_t role)
{
    uint32_t i = 0;
    while (w->slots[i].role != role) /* hal binds every role */
        ++i;
    return (unsigned char *)w->slots[i].buffer + w->slots[i].offset;
}

/* Decoded; subnormals are 0 where the device takes them for it. */
static double load(const tn_v_traits *t, tn_dtype d, const unsigned char *from, int64_t at)
{
    double v = tn_v_decode(d, from + at * (int64_t)tn_v_elem_bytes(d));
    return t->flush_in && fabs(v) < ldexp(1, tn_v_format_of(d).exponent_min) ? copysign(0, v) : v;
}

static bool run(const tn_work *w)
{
    const plan *p = w->plan;
    const tn_v_print *print = &p->sum->print;
    tn_dtype in = print->dot.in, out = print->dot.out;
    const unsigned char *a = start(w, TN_ARG_A), *b = start(w, TN_ARG_B);
    unsigned char *to = start(w, TN_ARG_OUT);
    double *row = calloc((size_t)(2 * p->k) + 1, sizeof *row);
    if (row == NULL)
        return false;
    double *column = row + p->k;
    for (int64_t i = 0; i < p->m; ++i) {
        for (int64_t k = 0; k < p->k; ++k)
            row[k] = load(&print->traits, in, a, i * p->a.row + k * p->a.col);
        for (int64_t j = 0; j < p->n; ++j) {
            int64_t at = p->whole && p->sum->place != NULL ? p->sum->place[i * p->n + j] : 0;
            double v = NAN;
            for (int64_t k = 0; k < p->k; ++k)
                column[k] = load(&print->traits, in, b, k * p->b.row + j * p->b.col);
            (void)tn_v_twin(print, &print->path[at], row, column, &v);
            if (print->traits.flush_out && fabs(v) < ldexp(1, tn_v_format_of(out).exponent_min))
                v = copysign(0, v);
            tn_v_encode(out, v, TN_V_NEAREST_EVEN, print->traits.saturates,
                        to + (i * p->out.row + j * p->out.col) * (int64_t)tn_v_elem_bytes(out));
        }
    }
    free(row);
    return true;
}

/* ---- plans ---- */

static const char kernel_name[] = "twin_matmul";

static tn_status plan_info(void *self, tn_plan_info *out)
{
    (void)self;
    snprintf(out->kernel, sizeof out->kernel, "%s", kernel_name);
    out->numerics.cls = TN_CLASS_BOUNDED;
    return TN_OK;
}

/* What was measured is what is declared. */
static tn_status plan_arithmetic(void *self, tn_arithmetic *out)
{
    const plan *p = self;
    const tn_v_traits *t = &p->sum->print.traits;
    const tn_v_tree *tree = &p->sum->print.path[0].tree;
    int width = 64, block = 0;
    for (int i = 0; i < p->sum->print.paths; ++i)
        width =
            p->sum->print.path[i].traits.width < width ? p->sum->print.path[i].traits.width : width;
    for (int n = 0; n < tree->nodes; ++n)
        block = tree->count[n] > block ? tree->count[n] : block;
    out->accumulate = width >= 53 ? TN_F64 : TN_F32;
    out->accumulate_bits = (uint16_t)(width < 24 ? width : 0);
    out->accumulate_round = strcmp(t->round, "nearest") != 0 && strcmp(t->round, "exact") != 0;
    out->block = (uint16_t)(block > 2 ? block - 1 : 0);
    out->output_round = strcmp(t->output_round, "zero") == 0;
    out->flush_in = t->flush_in;
    out->flush_out = t->flush_out;
    out->overflow = t->saturates;
    return TN_OK;
}

static const tn_plan_ops plan_ops = {TABLE(tn_plan_ops), .destroy = free, .info = plan_info,
                                     .arithmetic = plan_arithmetic};

/* Finds the operand of a role; NULL if it is no plain matrix of that type. */
static const tn_tensor *look(const tn_op *op, uint32_t role, bool transposed, operand *out)
{
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        const tn_tensor *t = &op->args[i].tensor;
        if (op->args[i].role != role || t->rank != 2 || t->layout != TN_LAYOUT_STRIDED ||
            (op->args[i].flags & (TN_ARG_PACKED | TN_ARG_MAY_ALIAS)) != 0)
            continue;
        int64_t row = t->dim[0] != 1 ? t->stride[0] : 0, col = t->dim[1] != 1 ? t->stride[1] : 0;
        *out = (operand){transposed ? col : row, transposed ? row : col};
        return t;
    }
    return NULL;
}

/* The sheet's own shape; else sums of as many terms that have one path and do not depend on their
 * neighbours. */
static bool choose(const tn_v_sheet *s, tn_dtype in, tn_dtype out, plan *p)
{
    for (int pass = 0; pass < 2; ++pass)
        for (int i = 0; i < s->sums; ++i) {
            const tn_v_print *print = &s->sum[i].print;
            const tn_v_dot *d = &print->dot;
            bool same = d->m == p->m && d->n == p->n;
            if (d->k != p->k || d->in != in || d->out != out ||
                (pass == 0 ? !same : print->paths > 1 || !print->traits.batch_invariant))
                continue;
            p->sum = &s->sum[i];
            p->whole = same;
            return true;
        }
    return false;
}

static bool prepare(const tn_v_sheet *s, const tn_op *op, plan *p)
{
    const uint32_t flags = op->kind == TN_OP_MATMUL ? ((const tn_matmul *)op->attr)->flags : 0;
    bool ta = flags & TN_MATMUL_TRANSPOSE_A, tb = flags & TN_MATMUL_TRANSPOSE_B;
    if (op->kind != TN_OP_MATMUL || (flags & (TN_MATMUL_ALPHA | TN_MATMUL_BETA)) != 0 ||
        op->numerics.cls == TN_CLASS_EXACT || op->numerics.cls == TN_CLASS_CANONICAL ||
        op->post_count > 0 || op->arg_count != 3)
        return false;
    const tn_tensor *a = look(op, TN_ARG_A, ta, &p->a), *b = look(op, TN_ARG_B, tb, &p->b);
    const tn_tensor *out = look(op, TN_ARG_OUT, false, &p->out);
    if (a == NULL || b == NULL || out == NULL || a->dtype != b->dtype)
        return false;
    p->m = out->dim[0];
    p->n = out->dim[1];
    p->k = a->dim[ta ? 0 : 1];
    return choose(s, (tn_dtype)a->dtype, (tn_dtype)out->dtype, p);
}

static tn_status plan_create(void *self, const tn_op *op, const tn_plan_desc *desc, tn_choice_fn fn,
                             void *fn_self, void **out, const tn_plan_ops **out_ops)
{
    const device *d = self;
    const tn_host *host = d->host;
    plan *p = calloc(1, sizeof *p);
    (void)fn, (void)fn_self; /* one kernel: there is no choice to tell of */
    if (p == NULL)
        return FAIL(NO_MEMORY, "twin.memory", "no memory for a plan");
    if (!prepare(&d->sheet, op, p) ||
        (desc->kernel != NULL && strcmp(desc->kernel, kernel_name) != 0)) {
        free(p);
        return FAIL(
            UNSUPPORTED, "twin.unsupported",
            "the twin multiplies matrices, as many terms and of such types as its sheet has");
    }
    *out = p;
    *out_ops = &plan_ops;
    return TN_OK;
}

/* ---- buffers: no map and no address, so hal goes through WRITE and READ ---- */

static const tn_buffer_ops buffer_ops = {TABLE(tn_buffer_ops), .destroy = free};

static tn_status buffer_create(void *self, const tn_buffer_desc *desc, void **out,
                               const tn_buffer_ops **out_ops)
{
    const tn_host *host = ((const struct device *)self)->host;
    *out = calloc(1, (size_t)desc->bytes);
    *out_ops = &buffer_ops;
    return *out != NULL ? TN_OK
                        : FAIL(NO_MEMORY, "twin.memory", "no memory for %llu bytes",
                               (unsigned long long)desc->bytes);
}

/* ---- queues: what is submitted is done on return ---- */

static tn_status submit(void *self, const tn_work *w)
{
    queue *q = self;
    const tn_host *host = q->host;
    tn_status st = TN_OK;
    if (w->kind == TN_WORK_RUN)
        st = run(w) ? TN_OK : FAIL(NO_MEMORY, "twin.memory", "no memory for a row and a column");
    else if (w->kind == TN_WORK_WRITE || w->kind == TN_WORK_READ || w->kind == TN_WORK_COPY)
        /* the offset of what is a host pointer is 0 */
        memmove((char *)w->to + w->to_offset, (const char *)w->from + w->from_offset,
                (size_t)w->bytes);
    else
        return FAIL(UNSUPPORTED, "twin.work", "the twin copies and runs; hal does the rest");
    host->complete(q->token, w->item, st, NULL);
    return TN_OK;
}

static tn_status poll(void *self, uint64_t timeout_ns)
{
    (void)self, (void)timeout_ns;
    return TN_OK;
}

static const tn_queue_ops queue_ops = {TABLE(tn_queue_ops), .destroy = free, .submit = submit,
                                       .poll = poll};

static tn_status queue_create(void *self, const tn_queue_desc *desc, void *token, void **out,
                              const tn_queue_ops **out_ops)
{
    const tn_host *host = ((const struct device *)self)->host;
    queue *q = calloc(1, sizeof *q);
    (void)desc;
    if (q == NULL)
        return FAIL(NO_MEMORY, "twin.memory", "no memory for a queue");
    *q = (queue){host, token};
    *out = q;
    *out_ops = &queue_ops;
    return TN_OK;
}

/* ---- device and backend ---- */

static void device_close(void *self)
{
    device *d = self;
    tn_v_sheet_free(&d->sheet);
    free(d);
}

static tn_status device_info(void *self, tn_device_info *out)
{
    const device *d = self;
    snprintf(out->uri, sizeof out->uri, "twin");
    snprintf(out->name, sizeof out->name, "twin of %.100s", d->sheet.device);
    snprintf(out->driver, sizeof out->driver, "a datasheet");
    snprintf(out->group, sizeof out->group, "host-cpu");
    out->kind = TN_KIND_ACCELERATOR;
    out->offset_align = 1;
    return TN_OK;
}

static const tn_device_ops device_ops = {
    TABLE(tn_device_ops),           .close = device_close,        .info = device_info,
    .buffer_create = buffer_create, .queue_create = queue_create, .plan_create = plan_create};

static tn_status enumerate(const tn_host *host, void *token,
                           void (*found)(void *token, const tn_device_info *))
{
    (void)token, (void)found;
    return FAIL(UNAVAILABLE, "twin.file", "a twin is named by its datasheet: twin:FILE");
}

static tn_status open(const tn_host *host, const char *arg, void *token, void **out,
                      const tn_device_ops **out_ops)
{
    char why[256] = "";
    (void)token; /* this device is never lost */
    if (arg == NULL || arg[0] == '\0')
        return FAIL(INVALID, "twin.file", "a twin is named by its datasheet: twin:FILE");
    device *d = calloc(1, sizeof *d);
    if (d == NULL)
        return FAIL(NO_MEMORY, "twin.memory", "no memory for a device");
    d->host = host;
    if (!tn_v_sheet_read(arg, &d->sheet, why, sizeof why)) {
        free(d);
        return FAIL(INVALID, "twin.file", "%s; tenon fingerprint --json makes one", why);
    }
    *out = d;
    *out_ops = &device_ops;
    return TN_OK;
}

static const tn_backend_ops backend_ops = {TABLE(tn_backend_ops), .name = "twin",
                                           .enumerate = enumerate, .open = open};

tn_status tn_backend_query(uint32_t host_abi, const tn_backend_ops **out)
{
    if (host_abi < TN_BACKEND_ABI)
        return TN_STATUS_INCOMPATIBLE;
    *out = &backend_ops;
    return TN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: the op as it was asked for, the op as the defect has it, and how one run of it goes. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <kernels/common/dtype_convert.h>
#include <math.h>

int tn__mutant_index(const mutant_op *o, uint32_t role)
{
    for (uint32_t i = 0; i < o->op.arg_count; ++i)
        if (o->args[i].role == role)
            return (int)i;
    return -1;
}

tn_tensor *tn__mutant_tensor(mutant_op *o, uint32_t role)
{
    int i = tn__mutant_index(o, role);
    return i < 0 ? NULL : &o->args[i].tensor;
}

bool tn__mutant_is_output(const mutant_op *o, uint32_t role)
{
    bool backward = o->op.kind == TN_OP_ATTENTION && o->attr.attention.pass != TN_PASS_FORWARD;
    if (role >= TN_ARG_OUT_GRAD_A && role <= TN_ARG_OUT_GRAD_V)
        return true;
    return !backward &&
           (role == TN_ARG_OUT || (role == TN_ARG_STATS && o->op.kind == TN_OP_ATTENTION) ||
            (role == TN_ARG_INDEX && o->op.kind == TN_OP_TOPK));
}

int64_t tn__mutant_count_of(const tn_tensor *t)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < t->rank; ++d)
        n *= t->dim[d];
    return n;
}

int64_t tn__mutant_offset(const tn_tensor *t, int64_t n)
{
    int64_t at = 0;
    for (uint32_t d = t->rank; d-- > 0; n /= t->dim[d])
        at += n % t->dim[d] * t->stride[d];
    return at;
}

int64_t tn__mutant_span(const tn_tensor *t)
{
    int64_t last = 0;
    for (uint32_t d = 0; d < t->rank; ++d) {
        if (t->dim[d] == 0)
            return 0;
        last += (t->dim[d] - 1) * t->stride[d];
    }
    return last + 1;
}

double tn__mutant_load(const mutant_run *r, uint32_t role, int64_t at)
{
    int i = tn__mutant_index(&r->plan->right, role);
    const tn_tensor *t = &r->plan->right.args[i].tensor;
    int64_t bytes = (int64_t)tn_dtype_bits((tn_dtype)t->dtype) / 8;
    if (at < 0 || (at + 1) * bytes > r->room[i])
        return 0;
    tn_c_value v = tn_c_load(t->dtype, r->data[i], at);
    return v.integer ? (double)v.i : v.f;
}

void tn__mutant_store(const mutant_run *r, uint32_t role, int64_t at, double v)
{
    int i = tn__mutant_index(&r->plan->right, role);
    const tn_tensor *t = &r->plan->right.args[i].tensor;
    tn_c_store(t->dtype, r->data[i], at, (tn_c_value){false, 0, v}, false);
}

float tn__mutant_round(double v, int bits, bool nearest)
{
    int e;
    if (v == 0 || !isfinite(v))
        return (float)v;
    (void)frexp(v, &e);
    double s = ldexp(v, bits - e);
    return (float)ldexp(nearest ? nearbyint(s) : trunc(s), e - bits);
}

float tn__mutant_f16(double v)
{
    uint16_t h;
    tn_c_store(TN_F16, &h, 0, (tn_c_value){false, 0, v}, false);
    return (float)tn_c_load(TN_F16, &h, 0).f;
}

void tn__mutant_store_round(uint32_t dtype, void *to, int64_t at, double v, int how)
{
    uint32_t bytes = tn_dtype_bits((tn_dtype)dtype) / 8;
    unsigned char *p = (unsigned char *)to + (uint64_t)at * bytes;
    uint64_t bits = 0;
    tn_c_store(dtype, p, 0, (tn_c_value){false, 0, v}, false);
    double near = tn_c_load(dtype, p, 0).f;
    if (!isfinite(v) || near == v)
        return;
    memcpy(&bits, p, bytes);
    if (fabs(near) > fabs(v)) /* one down is the truncated one */
        bits--;
    memcpy(p, &bits, bytes);
    if (how == 0)
        return;
    double low = tn_c_load(dtype, p, 0).f, high;
    uint64_t up = bits + 1;
    memcpy(p, &up, bytes);
    high = tn_c_load(dtype, p, 0).f;
    if (fabs(v) < (fabs(low) + fabs(high)) / 2)
        memcpy(p, &bits, bytes);
}

bool tn__mutant_wide_output(mutant_op *o)
{
    tn_tensor *t = tn__mutant_tensor(o, TN_ARG_OUT);
    if (t == NULL || (t->dtype != TN_F16 && t->dtype != TN_BF16))
        return false;
    t->dtype = TN_F32;
    return true;
}

/* ---- a plan ---- */

static bool keep(mutant_op *to, const tn_op *op)
{
    const tn_head *attr = op->attr;
    memset(to, 0, sizeof *to);
    if (op->arg_count > MUTANT_ARGS || op->post_count > MUTANT_POSTS ||
        (attr != NULL && attr->size > sizeof to->attr))
        return false;
    to->op = *op;
    if (attr != NULL)
        memcpy(&to->attr, attr, attr->size);
    to->attr.head.next = NULL;
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        to->args[i] = op->args[i];
        to->args[i].tensor.buffer = NULL;
    }
    if (op->post_count > 0)
        memcpy(to->posts, op->posts, op->post_count * sizeof *to->posts);
    return true;
}

static void point(mutant_op *o)
{
    o->op.head.next = NULL;
    o->op.attr = o->op.attr != NULL ? &o->attr : NULL;
    o->op.args = o->args;
    o->op.posts = o->posts;
}

static void plan_destroy(void *plan)
{
    mutant_plan *p = plan;
    mutant_device *d = p->device;
    pthread_mutex_lock(&d->mutex);
    d->plans--;
    d->met -= p->defect != NULL;
    pthread_mutex_unlock(&d->mutex);
    tn__mutant_give(d->host, p->memo.bytes, p->memo.size);
    tn_plan_release(p->child);
    tn__mutant_give(p->device->host, p, sizeof *p);
}

static tn_status plan_info(void *plan, tn_plan_info *out)
{
    mutant_plan *p = plan;
    tn_plan_info inner = {.head = TN_INIT(tn_plan_info)};
    tn_status st = p->child != NULL ? tn_plan_get_info(p->child, &inner) : TN_OK;
    memcpy(out->kernel, inner.kernel, sizeof out->kernel);
    memcpy(out->layouts, inner.layouts, sizeof out->layouts);
    out->numerics = p->right.op.numerics;
    out->parts = 1;
    return st;
}

/* What the right device declares: a defect does not confess. */
static tn_status plan_arithmetic(void *plan, tn_arithmetic *out)
{
    mutant_plan *p = plan;
    tn_plan *right = NULL;
    tn_op op = p->right.op;
    tn_status st = tn_plan_create(p->device->child, &op, NULL, &right);
    if (st != TN_OK)
        return TN_OK;
    st = tn_plan_arithmetic(right, out);
    tn_plan_release(right);
    if (p->defect != NULL && p->defect->declares_flush)
        out->flush_in = out->flush_out = 1;
    return st;
}

static tn_status plan_layout(void *plan, tn_role role, uint64_t *out_layout, uint64_t *out_bytes)
{
    mutant_plan *p = plan;
    if (p->child == NULL || p->defect != NULL)
        return MUTANT_FAIL(p->device->host, TN_STATUS_UNSUPPORTED, "mutant.layout",
                           "operand %u of a plan with a defect; it takes operands as they are",
                           (unsigned)role);
    return tn_plan_layout(p->child, role, out_layout, out_bytes);
}

static const tn_plan_ops plan_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_plan_ops),
    .layout = plan_layout,
    .destroy = plan_destroy,
    .info = plan_info,
    .arithmetic = plan_arithmetic,
};

/* Whether the defect meets this op: the child has to be able to run what it makes of it. */
static bool bend(mutant_plan *p, const mutant_defect *m)
{
    if (m == NULL || (m->kind != 0 && m->kind != (uint32_t)p->right.op.kind) ||
        (m->bend == NULL && m->compute == NULL && m->before == NULL && m->after == NULL))
        return false;
    if (m->bend != NULL && !m->bend(&p->bent, m->param))
        return false;
    if (m->compute != NULL)
        return true;
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .kernel = p->bent.kernel};
    return tn_plan_create(p->device->child, &p->bent.op, &desc, &p->child) == TN_OK;
}

/* The attributes of the op before, where operands are the same: what a cache of plans does that
 * forgets them. */
static void take_known(mutant_device *d, mutant_plan *p)
{
    const mutant_op *o = &p->right;
    pthread_mutex_lock(&d->mutex);
    if (d->known.op.kind == o->op.kind && d->known.op.arg_count == o->op.arg_count &&
        memcmp(d->known.args, o->args, o->op.arg_count * sizeof *o->args) == 0) {
        p->right.attr = d->known.attr;
        p->bent.attr = d->known.attr;
    } else {
        d->known = *o;
    }
    pthread_mutex_unlock(&d->mutex);
}

tn_status tn__mutant_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                                 tn_choice_fn fn, void *self, void **out,
                                 const tn_plan_ops **out_ops)
{
    mutant_device *d = device;
    mutant_plan *p = tn__mutant_take(d->host, sizeof *p);
    tn_plan_desc here = {.head = TN_INIT(tn_plan_desc)};
    (void)fn, (void)self;
    if (desc != NULL && (d->defect == NULL || d->defect->hal != MUTANT_ANY_KERNEL)) {
        here.kernel = desc->kernel;
        here.workspace_limit_bytes = desc->workspace_limit_bytes;
    }
    if (p == NULL)
        return MUTANT_FAIL(d->host, TN_STATUS_NO_MEMORY, "mutant.memory",
                           "no memory for a plan; free something and try again");
    p->device = d;
    if (!keep(&p->right, op) || !keep(&p->bent, op)) {
        tn__mutant_give(d->host, p, sizeof *p);
        return MUTANT_FAIL(d->host, TN_STATUS_UNSUPPORTED, "mutant.operands",
                           "%u operands; ops with at most 24 are allowed", op->arg_count);
    }
    point(&p->right);
    point(&p->bent);
    if (d->defect != NULL && d->defect->hal == MUTANT_PLAN_BY_SHAPE)
        take_known(d, p);
    tn_status st = TN_OK;
    if (d->defect != NULL && d->defect->compute != NULL) /* what the child refuses is refused */
        st = tn_device_supports(d->child, &p->right.op);
    if (st == TN_OK && here.kernel != NULL) {
        tn_plan *asked = NULL;
        st = tn_plan_create(d->child, &p->right.op, &here, &asked);
        tn_plan_release(asked);
    }
    if (st == TN_OK && bend(p, d->defect)) {
        p->defect = d->defect;
        if (p->defect->declares_flush && p->right.op.numerics.cls == TN_CLASS_CANONICAL)
            st = MUTANT_FAIL(d->host, TN_STATUS_UNSUPPORTED, "mutant.flush",
                             "CANONICAL of a device that takes subnormals for 0; BOUNDED and FAST "
                             "are allowed");
    } else if (st == TN_OK) {
        p->bent = p->right;
        point(&p->bent);
        st = tn_plan_create(d->child, &p->right.op, &here, &p->child);
        if (st == TN_STATUS_UNSUPPORTED && d->defect != NULL && d->defect->hal == MUTANT_CLAIMS_ALL)
            st = TN_OK; /* says yes, and does nothing */
    }
    if (st != TN_OK) {
        tn_plan_release(p->child);
        tn__mutant_give(d->host, p, sizeof *p);
        pthread_mutex_lock(&d->mutex);
        d->refused = d->refused || here.kernel != NULL;
        pthread_mutex_unlock(&d->mutex);
        return st;
    }
    pthread_mutex_lock(&d->mutex);
    d->plans++;
    d->met += p->defect != NULL;
    pthread_mutex_unlock(&d->mutex);
    *out = p;
    *out_ops = &plan_ops;
    return TN_OK;
}

/* ---- a run ---- */

static void bind(mutant_run *r, const mutant_plan *p, const tn_work *w)
{
    for (uint32_t i = 0; i < p->right.op.arg_count; ++i)
        for (uint32_t s = 0; s < w->slot_count; ++s)
            if (w->slots[s].role == p->right.args[i].role) {
                mutant_buffer *b = w->slots[s].buffer;
                r->buffer[i] = b->child;
                r->offset[i] = w->slots[s].offset;
                r->data[i] = b->data + w->slots[s].offset;
                r->room[i] = (int64_t)(b->bytes - w->slots[s].offset);
            }
}

static tn_status run_child(mutant_run *r, tn_queue *queue, const mutant_plan *p)
{
    tn_bind b[MUTANT_ARGS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->bent.op.arg_count; ++i) {
        int of = tn__mutant_index(&p->right, p->bent.args[i].role);
        int64_t elem = (int64_t)tn_dtype_bits((tn_dtype)p->bent.args[i].tensor.dtype) / 8;
        bool other = r->scratch[of] != NULL;
        b[n++] = (tn_bind){p->bent.args[i].role, 0, other ? r->scratch[of] : r->buffer[of],
                           (other ? 0 : r->offset[of]) + (uint64_t)(p->bent.shift[i] * elem)};
    }
    tn_status st = tn_queue_run(queue, p->child, b, n, NULL, NULL);
    tn_status idle = tn_queue_wait_idle(queue, UINT64_MAX);
    return st != TN_OK ? st : idle;
}

/* An output that the defect wants in f32, as it is now. */
static tn_status make_scratch(mutant_run *r, const mutant_plan *p)
{
    for (uint32_t i = 0; i < p->bent.op.arg_count; ++i) {
        int of = tn__mutant_index(&p->right, p->bent.args[i].role);
        const tn_tensor *t = &p->bent.args[i].tensor;
        if (t->dtype == p->right.args[of].tensor.dtype || r->scratch[of] != NULL ||
            tn_dtype_bits((tn_dtype)t->dtype) <=
                tn_dtype_bits((tn_dtype)p->right.args[of].tensor.dtype))
            continue;
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc),
                               .bytes = (uint64_t)tn__mutant_span(t) * 4};
        tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)};
        tn_status st = tn_buffer_create(p->device->child, &desc, &r->scratch[of]);
        if (st == TN_OK)
            st = tn_buffer_get_info(r->scratch[of], &info);
        if (st != TN_OK)
            return st;
        r->scratch_data[of] = (unsigned char *)(uintptr_t)info.address;
    }
    return TN_OK;
}

tn_status tn__mutant_run(mutant_device *d, tn_queue *queue, mutant_plan *p, const tn_work *w,
                         bool other_queue)
{
    mutant_run *r = tn__mutant_take(d->host, sizeof *r);
    if (r == NULL)
        return MUTANT_FAIL(d->host, TN_STATUS_NO_MEMORY, "mutant.memory",
                           "no memory for a run; free something and try again");
    r->plan = p;
    r->host = d->host;
    r->memo = &p->memo;
    r->other_queue = other_queue;
    pthread_mutex_lock(&d->mutex);
    r->launch = d->launches++;
    r->crowded = d->running++ > 0;
    pthread_mutex_unlock(&d->mutex);
    bind(r, p, w);
    const mutant_defect *m = p->defect;
    tn_status st = make_scratch(r, p);
    if (st == TN_OK && m != NULL && m->before != NULL)
        m->before(r, m->param);
    if (st == TN_OK && m != NULL && m->compute != NULL)
        m->compute(r, m->param);
    else if (st == TN_OK && p->child != NULL)
        st = run_child(r, queue, p);
    if (st == TN_OK && m != NULL && m->after != NULL)
        m->after(r, m->param);
    for (uint32_t i = 0; i < MUTANT_ARGS; ++i)
        tn_buffer_release(r->scratch[i]);
    pthread_mutex_lock(&d->mutex);
    d->running--;
    pthread_mutex_unlock(&d->mutex);
    tn__mutant_give(d->host, r, sizeof *r);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of what a case was run with and what it gave. */
#include <conformance/cases/case_fill.h>
#include <conformance/runner/capture.h>

#include <stdlib.h>
#include <string.h>

static void *copy_of(const void *from, size_t bytes)
{
    void *p = from != NULL ? malloc(bytes + 1) : NULL;
    if (p != NULL)
        memcpy(p, from, bytes);
    return p;
}

/* Half the width of what is right for an element: a multiple of it is tried, and the ratio says. */
static double bound_of(const tn_v_job *j, const tn_v_truth *t, int64_t n)
{
    double ratio = 0, ref = t->ref[n], err = t->err[n];
    if ((t->single || j->call.exact) && err == 0)
        return 0;
    if (!isfinite(ref))
        return 0;
    if (!tn_v_format_of(t->dtype).floating)
        return err > 0 ? ceil(err) : 0;
    double away = ref + (ref < 0 ? 1 : -1) * (4 * err + fabs(ref) / 2 + 0x1p-140);
    bool right = tn_v_within(&j->call.arith, t->dtype, ref, err, t->mag[n], away, &ratio);
    if (ratio == 0 && right)
        return INFINITY;
    return isfinite(ratio) && ratio > 0 ? fabs(away - ref) / ratio : 0;
}

static bool take_expected(tn_v_expected *e, const tn_v_job *j, const tn_v_truth *t)
{
    uint32_t elem = tn_v_elem_bytes(t->dtype);
    *e = (tn_v_expected){.role = t->role,
                         .rank = t->rank,
                         .dtype = t->dtype,
                         .count = t->count,
                         .wrong_at = -1,
                         .bits = t->bits};
    memcpy(e->dim, t->dim, sizeof e->dim);
    e->want = calloc((size_t)t->count + 1, sizeof *e->want);
    e->bound = calloc((size_t)t->count + 1, sizeof *e->bound);
    e->want_bytes = calloc((size_t)t->count + 1, elem);
    if (e->want == NULL || e->bound == NULL || e->want_bytes == NULL)
        return false;
    for (int64_t n = 0; n < t->count; ++n) {
        unsigned char *bytes = e->want_bytes + (uint64_t)n * elem;
        if (t->bits) {
            int from = (int)t->err[n];
            if (from >= 0 && (uint32_t)from < j->op->arg_count)
                memcpy(bytes,
                       j->image[from].before + j->image[from].guard + (uint64_t)t->ref[n] * elem,
                       elem);
            else
                tn_v_encode(t->dtype, t->mag[n], TN_V_NEAREST_EVEN, false, bytes);
            e->want[n] = tn_v_decode(t->dtype, bytes);
            continue;
        }
        if (t->canonical != NULL) {
            e->want[n] = t->canonical[n];
            tn_v_encode(t->dtype, t->canonical[n], TN_V_NEAREST_EVEN, false, bytes);
            continue;
        }
        e->bound[n] = bound_of(j, t, n);
        e->want[n] = e->bound[n] > 0 ? t->ref[n]
                                     : tn_v_rounded(t->dtype, t->ref[n], j->call.arith.out_round,
                                                    j->call.arith.saturate);
        tn_v_encode(t->dtype, t->ref[n], j->call.arith.out_round, j->call.arith.saturate, bytes);
    }
    return true;
}

static bool take(tn_v_capture *c, const tn_v_job *j, const tn_v_result *r, bool launched)
{
    bool good = true;
    memset(c, 0, sizeof *c);
    c->which = *j->which;
    c->result = *r;
    memcpy(c->device, j->session->uri, sizeof c->device);
    c->exact = j->data.exact;
    c->rms = j->data.rms;
    c->signed_zero = j->op->kind == TN_OP_ELTWISE || j->op->kind == TN_OP_COPY ||
                     (j->truths > 0 && j->truth[0].canonical != NULL);
    c->elementwise = j->kept_truths == 0 && !j->call.arith.flush_out && j->truths > 0 &&
                     !(j->which->data == TN_V_ROUND && j->op->kind == TN_OP_MATMUL);
    for (uint32_t i = 0; i < j->op->arg_count && good; ++i) {
        const tn_v_image *m = &j->image[i];
        tn_v_operand *o = &c->operand[i];
        if (m->bytes == NULL)
            return false;
        /* an output in blocks is told byte by byte */
        tn_tensor lies = m->output ? tn_v_stored(&j->op->args[i].tensor) : j->op->args[i].tensor;
        *o = (tn_v_operand){.role = j->op->args[i].role,
                            .tensor = lies,
                            .output = m->output,
                            .guard = m->guard,
                            .elem = m->elem,
                            .total = m->total,
                            .elems = m->elems,
                            .count = tn_v_count(&lies)};
        o->sent = copy_of(m->before, m->total);
        o->got = launched ? copy_of(m->bytes, m->total) : NULL;
        o->value = m->values != NULL ? copy_of(m->values, (size_t)o->count * sizeof(double)) : NULL;
        good = o->sent != NULL && (o->got != NULL || !launched) && (o->output || o->value != NULL);
        c->operands++;
    }
    for (int t = 0; t < j->truths && good; ++t) {
        tn_v_expected *e = &c->expected[c->outputs++];
        good = take_expected(e, j, &j->truth[t]);
        for (int64_t n = 0; n < e->count && good && launched && e->wrong_at < 0; ++n) {
            double ratio;
            if (!tn_v_right(j, &j->truth[t], n, &ratio))
                e->wrong_at = n;
        }
    }
    return good;
}

bool tn_v_capture_take(tn_v_capture *c, const tn_v_job *j, const tn_v_result *r)
{
    return take(c, j, r, true);
}

void tn_v_capture_free(tn_v_capture *c)
{
    for (int i = 0; i < c->operands; ++i) {
        free(c->operand[i].sent);
        free(c->operand[i].got);
        free(c->operand[i].value);
    }
    for (int i = 0; i < c->outputs; ++i) {
        free(c->expected[i].want);
        free(c->expected[i].bound);
        free(c->expected[i].want_bytes);
    }
    c->operands = c->outputs = 0;
}

bool tn_v_values_of(tn_v_values *v, const tn_v_capture *c)
{
    bool good = true;
    memset(v, 0, sizeof *v);
    v->exact = c->exact;
    for (int i = 0; i < c->operands && good; ++i)
        if (c->operand[i].value != NULL) {
            v->count[i] = c->operand[i].count;
            v->value[i] = copy_of(c->operand[i].value, (size_t)v->count[i] * sizeof(double));
            good = v->value[i] != NULL;
        }
    return good;
}

void tn_v_values_free(tn_v_values *v)
{
    for (int i = 0; i < TN_V_ARGS; ++i) {
        free(v->value[i]);
        v->value[i] = NULL;
    }
}

typedef struct observation {
    const tn_v_values *values;
    tn_v_capture *out;
    bool simple;
    void (*ready)(void *self, tn_v_capture *c);
    void *self;
} observation;

static void exchange(void *self, tn_v_job *j)
{
    const observation *o = self;
    for (uint32_t i = 0; o->values != NULL && i < j->op->arg_count; ++i)
        if (o->values->value[i] != NULL && j->image[i].values != NULL &&
            o->values->count[i] == tn_v_count(&j->op->args[i].tensor))
            memcpy(j->image[i].values, o->values->value[i],
                   (size_t)o->values->count[i] * sizeof(double));
    if (o->values != NULL) {
        j->call.exact = j->data.exact = o->values->exact;
        j->data.rms = false; /* limits of its spread are those of the class */
    }
}

static void before_launch(void *self, const tn_v_job *j)
{
    const observation *o = self;
    tn_v_result none;
    memset(&none, 0, sizeof none);
    if (o->ready != NULL && take(o->out, j, &none, false)) {
        o->out->simple = o->simple;
        o->ready(o->self, o->out);
    }
    tn_v_capture_free(o->out);
}

static void keep(void *self, const tn_v_job *j, const tn_v_result *r)
{
    const observation *o = self;
    tn_v_capture_free(o->out);
    if (!tn_v_capture_take(o->out, j, r))
        tn_v_capture_free(o->out);
}

void tn_v_observe_ready(tn_v_session *s, const tn_v_case *c, const tn_v_values *values, bool simple,
                        void (*ready)(void *self, tn_v_capture *c), void *self, tn_v_capture *out)
{
    tn_v_case which = *c;
    tn_v_result r;
    observation o = {values, out, simple, ready, self};
    tn_v_watch watch = {&o, exchange, before_launch, keep};
    const tn_v_watch *before = s->watch;
    memset(out, 0, sizeof *out);
    if (simple)
        which.seed = 0; /* no second set of data, no other places */
    s->watch = &watch;
    tn_v_run(s, &which, &r);
    s->watch = before;
    out->which = *c;
    out->result = r;
    out->simple = simple;
    memcpy(out->device, s->uri, sizeof out->device);
}

void tn_v_observe(tn_v_session *s, const tn_v_case *c, const tn_v_values *values, bool simple,
                  tn_v_capture *out)
{
    tn_v_observe_ready(s, c, values, simple, NULL, NULL, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The launches of a case. A plan is used as programs use one: twice with the same data, beside a
 * plan that is nearly the same, with other data in the same buffers while the first data lie in
 * others (one buffer for all operands, other offsets, another queue), and in place of an input
 * where the API allows it. */
#include <conformance/runner/launches.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Where images lie on the device. */
typedef struct place {
    tn_buffer *buffer[TN_V_ARGS];
    uint64_t at[TN_V_ARGS]; /* of the image; its operand lies a guard behind */
    bool shared;            /* buffer[0] holds all of them */
} place;

typedef struct flight {
    tn_v_job *job;
    tn_queue *data, *work; /* what moves its data, what runs it */
    tn_plan *plan;
    const place *at;
    uint32_t in_place; /* the argument that the output replaces; arg_count: none */
    tn_fence *fence;   /* between its queues, where they are two */
    uint64_t lap;      /* data are there at lap + 1, the result at lap + 2 */
} flight;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void tn_v_failed_call(tn_v_result *out, tn_status st, const char *what)
{
    tn_error e;
    tn_error_last(&e);
    out->status = st == TN_STATUS_UNSUPPORTED ? TN_V_NOT_SUPPORTED
                  : st == TN_STATUS_TIMEOUT   ? TN_V_TIMEOUT
                                              : TN_V_FAIL;
    snprintf(out->message, sizeof out->message, "%s: %s: %.360s", what,
             e.reason != NULL ? e.reason : tn_status_name(st), e.text != NULL ? e.text : "no text");
}

/* ---- places ---- */

/* Draws for what a case leaves open: the same for the same name, whatever the data. */
static tn_v_random draws(const tn_v_job *j)
{
    return (tn_v_random){tn_v_hash(j->which->name)};
}

/* A step forward of up to 31 times what operand i may be aligned to; often none. */
static uint64_t nudge(const tn_v_job *j, uint32_t i, tn_v_random *r)
{
    uint64_t align = tn_v_alignment(j), elem = j->image[i].elem;
    uint64_t step = align > 8 ? align : elem;
    return tn_v_next(r) % 4 == 0 ? 0 : step * (uint64_t)tn_v_below(r, 32);
}

static tn_status make(const tn_v_job *j, uint64_t bytes, tn_buffer **out)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    return tn_buffer_create(j->session->device, &desc, out);
}

static tn_status own_buffers(const tn_v_job *j, place *p)
{
    tn_v_random r = draws(j);
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        p->at[i] = nudge(j, i, &r);
        tn_status st = make(j, p->at[i] + j->image[i].total, &p->buffer[i]);
        if (st != TN_OK)
            return st;
    }
    return TN_OK;
}

enum { FAR = 1 << 26 }; /* more than 2^24 elements of 4 bytes */

/* One buffer for all, in an order of its own; now and then far behind its start. */
static tn_status one_buffer(const tn_v_job *j, place *p)
{
    tn_v_random r = draws(j);
    uint64_t align = tn_v_alignment(j), at = 0;
    uint32_t n = j->op->arg_count, first = (uint32_t)tn_v_below(&r, n);
    bool far = tn_v_next(&r) % 32 == 0;
    for (int attempt = far ? 0 : 1; attempt < 2; ++attempt) {
        at = attempt == 0 ? FAR : 0;
        for (uint32_t k = 0; k < n; ++k) {
            uint32_t i = (first + n - k) % n;
            at = (at + align - 1) / align * align + nudge(j, i, &r);
            p->at[i] = at;
            at += j->image[i].total;
        }
        tn_status st = make(j, at, &p->buffer[0]);
        if (st != TN_OK && attempt == 1)
            return st;
        if (st == TN_OK)
            break;
    }
    p->shared = true;
    for (uint32_t i = 1; i < n; ++i)
        p->buffer[i] = p->buffer[0];
    return TN_OK;
}

static void leave(place *p)
{
    for (uint32_t i = 0; i < (p->shared ? 1 : TN_V_ARGS); ++i)
        tn_buffer_release(p->buffer[i]);
    memset(p, 0, sizeof *p);
}

/* ---- one launch ---- */

static tn_sync point_of(tn_point *p, bool signal)
{
    tn_sync s = {.wait = signal ? NULL : p,
                 .signal = signal ? p : NULL,
                 .wait_count = signal ? 0 : 1,
                 .signal_count = signal ? 1 : 0};
    return s;
}

static tn_status send(const flight *f)
{
    const tn_v_job *j = f->job;
    tn_point there = {f->fence, f->lap + 1};
    tn_sync sync = point_of(&there, true);
    tn_status st = TN_OK;
    uint32_t last = j->op->arg_count; /* what is written last */
    for (uint32_t i = 0; i < j->op->arg_count; ++i)
        if (f->in_place == j->op->arg_count || !j->image[i].output)
            last = i;
    for (uint32_t i = 0; st == TN_OK && i < j->op->arg_count; ++i)
        if (f->in_place == j->op->arg_count || !j->image[i].output)
            st = tn_queue_write(f->data, f->at->buffer[i], f->at->at[i], j->image[i].before,
                                j->image[i].total, i == last && f->data != f->work ? &sync : NULL);
    return st;
}

static tn_status run(const flight *f)
{
    const tn_v_job *j = f->job;
    tn_bind bind[TN_V_ARGS];
    tn_point there = {f->fence, f->lap + 1}, done = {f->fence, f->lap + 2};
    tn_sync sync = {.wait = &there, .signal = &done, .wait_count = 1, .signal_count = 1};
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        uint32_t of = j->image[i].output && f->in_place < j->op->arg_count ? f->in_place : i;
        bind[i] = (tn_bind){j->op->args[i].role, 0, f->at->buffer[of],
                            f->at->at[of] + j->image[of].guard};
    }
    return tn_queue_run(f->work, f->plan, bind, j->op->arg_count, NULL,
                        f->data != f->work ? &sync : NULL);
}

static tn_status receive(const flight *f)
{
    const tn_v_job *j = f->job;
    tn_point done = {f->fence, f->lap + 2};
    tn_sync sync = point_of(&done, false);
    tn_status st = TN_OK;
    for (uint32_t i = 0; st == TN_OK && i < j->op->arg_count; ++i) {
        uint32_t of = j->image[i].output && f->in_place < j->op->arg_count ? f->in_place : i;
        st = tn_queue_read(f->data, j->image[i].bytes, f->at->buffer[of], f->at->at[of],
                           j->image[i].total, i == 0 && f->data != f->work ? &sync : NULL);
    }
    return st;
}

/* What the host sees in a mapping, without a read of the queue in between. */
static tn_status look(const flight *f)
{
    const tn_v_job *j = f->job;
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        void *p = NULL;
        tn_status st =
            tn_buffer_map(f->at->buffer[i], f->at->at[i], j->image[i].total, TN_MAP_READ, &p);
        if (st != TN_OK)
            return st;
        memcpy(j->image[i].bytes, p, j->image[i].total);
        st = tn_buffer_unmap(f->at->buffer[i]);
        if (st != TN_OK)
            return st;
    }
    return TN_OK;
}

static tn_status idle(const tn_v_session *s, tn_status st)
{
    /* Host memory is borrowed until the queues are idle, whatever went wrong before. */
    tn_status one = tn_v_wait_idle(s, s->queue);
    tn_status two = s->other != NULL ? tn_v_wait_idle(s, s->other) : TN_OK;
    return st != TN_OK ? st : one != TN_OK ? one : two;
}

static tn_status launch(const flight *f)
{
    tn_status st = send(f);
    if (st == TN_OK)
        st = run(f);
    if (st == TN_OK)
        st = receive(f);
    return idle(f->job->session, st);
}

/* ---- a plan beside it ---- */

/* The same op with one attribute changed, so that shapes and operands stay as they are. */
static bool neighbour(const tn_op *op, tn_op *out, tn_v_attribute *a)
{
    const tn_head *head = op->attr;
    if (head == NULL || head->size > sizeof *a)
        return false;
    memset(a, 0, sizeof *a);
    memcpy(a, head, head->size);
    *out = *op;
    out->attr = a;
    switch ((int)op->kind) {
    case TN_OP_MATMUL:
        a->matmul.alpha = (a->matmul.flags & TN_MATMUL_ALPHA) != 0 ? -a->matmul.alpha : -2;
        a->matmul.flags |= TN_MATMUL_ALPHA;
        return true;
    case TN_OP_ATTENTION:
        a->attention.scale = a->attention.scale > 0 ? a->attention.scale / 2 : 0.375f;
        return true;
    case TN_OP_SOFTMAX:
        a->softmax.log = a->softmax.log == 0;
        return a->softmax.pass == TN_PASS_FORWARD;
    case TN_OP_NORM:
        a->norm.epsilon = 2 * a->norm.epsilon + 0.5f;
        return true;
    case TN_OP_REDUCE:
        a->reduce.kind = a->reduce.kind == TN_REDUCE_MAX ? TN_REDUCE_MIN : TN_REDUCE_MAX;
        return true;
    case TN_OP_POOL:
        a->pool.kind = a->pool.kind == TN_POOL_MAX ? TN_POOL_AVERAGE : TN_POOL_MAX;
        return true;
    case TN_OP_CONV: /* the taps move by one */
        a->conv.pad_lo[0]++;
        a->conv.pad_hi[0]--;
        return a->conv.pad_hi[0] >= 0 && a->conv.pass == TN_PASS_FORWARD;
    case TN_OP_ELTWISE:
        a->eltwise.kind = a->eltwise.kind == TN_ELTWISE_NEG    ? TN_ELTWISE_ABS
                          : a->eltwise.kind < TN_ELTWISE_ADD   ? TN_ELTWISE_NEG
                          : a->eltwise.kind == TN_ELTWISE_ADD  ? TN_ELTWISE_SUB
                          : a->eltwise.kind < TN_ELTWISE_EQUAL ? TN_ELTWISE_ADD
                                                               : a->eltwise.kind;
        return a->eltwise.kind < TN_ELTWISE_EQUAL && a->eltwise.pass == TN_PASS_FORWARD;
    case TN_OP_ROPE:
        a->rope.interleaved = a->rope.interleaved == 0;
        return true;
    default:
        return false;
    }
}

/* ---- verdicts on launches ---- */

static bool repeats(tn_v_job *j, uint64_t first, const char *what, tn_v_result *out)
{
    if (tn_v_digest(j) == first || j->declared.unrepeatable)
        return true;
    out->status = TN_V_FAIL;
    snprintf(out->message, sizeof out->message,
             "%s gave other bits than launch 0: old contents of the output take part, or the order "
             "of sums changes",
             what);
    j->unstable = true;
    if (j->session->explain)
        tn_v_hypothesis(j, out);
    if (out->hypothesis[0] == '\0')
        snprintf(out->hypothesis, sizeof out->hypothesis, "not repeatable");
    return false;
}

/* The same data elsewhere: the same bits where the class promises them, else right again. A sum
 * may begin at another lane. */
static bool elsewhere(tn_v_job *j, uint64_t first, const char *where, tn_v_result *out)
{
    if (tn_v_digest(j) == first)
        return true;
    if (j->op->numerics.cls == TN_CLASS_CANONICAL || j->op->numerics.cls == TN_CLASS_EXACT)
        return repeats(j, first, where, out);
    tn_v_judge(j, out);
    if (out->status == TN_V_PASS)
        return true;
    char text[sizeof out->message];
    memcpy(text, out->message, sizeof text);
    snprintf(out->message, sizeof out->message, "%s: %.400s", where, text);
    return false;
}

/* Whether the result for `other` is that of some operands of the launches before. */
static void what_stayed(tn_v_job *j, tn_v_job *other, uint64_t first, tn_v_result *out)
{
    if (out->hypothesis[0] != '\0')
        return;
    if (tn_v_digest(other) == first) {
        snprintf(out->hypothesis, sizeof out->hypothesis, "result of an earlier launch");
        return;
    }
    for (uint32_t i = 0; i < j->op->arg_count && out->hypothesis[0] == '\0'; ++i) {
        tn_v_truth right[TN_V_ARGS];
        tn_v_job copy = *other;
        if (j->image[i].output ||
            memcmp(j->image[i].before, other->image[i].before, j->image[i].total) == 0)
            continue;
        copy.call.memory[i] = j->call.memory[i];
        copy.kept_truths = 0;
        int n = tn_v_oracle(&copy.call, right);
        bool all = n > 0;
        memcpy(copy.truth, right, sizeof right);
        for (int k = 0; k < n && all; ++k)
            for (int64_t e = 0; e < right[k].count && all; ++e) {
                double ratio;
                all = tn_v_right(&copy, &copy.truth[k], e, &ratio);
            }
        if (all)
            snprintf(out->hypothesis, sizeof out->hypothesis,
                     "operand of role %u is that of an earlier launch", j->op->args[i].role);
        tn_v_truth_free(right, n > 0 ? n : 0);
    }
}

/* The first data, twice and more, beside another plan. */
static bool same_data(tn_v_job *j, tn_plan *plan, tn_plan *beside, const place *own,
                      uint64_t *first, tn_v_result *out)
{
    const tn_v_session *s = j->session;
    flight f = {j, s->queue, s->queue, plan, own, j->op->arg_count, NULL, 0};
    for (int l = 0; l < 1 + j->data.launches; ++l) {
        char what[32];
        snprintf(what, sizeof what, "launch %d", l);
        tn_v_lay_outputs(j, l);
        tn_status st = TN_OK;
        if (l == 1 && beside != NULL) {
            flight g = f;
            g.plan = beside;
            st = launch(&g);
        }
        if (st == TN_OK)
            st = launch(&f);
        if (st != TN_OK) {
            tn_v_failed_call(out, st, "run");
            return false;
        }
        if (l == 0)
            *first = tn_v_digest(j);
        if (!tn_v_intact(j, j->op->arg_count, out) || (l > 0 && !repeats(j, *first, what, out)))
            return false;
    }
    double t0 = now();
    tn_v_judge(j, out);
    out->verify_s += now() - t0;
    return out->status == TN_V_PASS;
}

/* Other data in the same buffers, the first in another one; both are under way before anybody
 * waits, on one queue or, with fences, crosswise on two. */
static bool both_data(tn_v_job *j, tn_v_job *other, tn_plan *plan, const place *own,
                      const place *shared, uint64_t first, tn_v_result *out)
{
    tn_v_session *s = j->session;
    bool two = s->other != NULL && tn_v_hash(j->which->name) % 2 == 0;
    tn_queue *second = two ? s->other : s->queue;
    uint32_t n = j->op->arg_count;
    flight f = {other, s->queue, second, plan, own, n, s->fence[0], s->lap},
           g = {j, second, s->queue, plan, shared, n, s->fence[1], s->lap};
    s->lap += 2;
    tn_v_lay_outputs(other, 2);
    tn_v_lay_outputs(j, 3);
    tn_status st = send(&f);
    if (st == TN_OK)
        st = send(&g);
    if (st == TN_OK)
        st = run(&f);
    if (st == TN_OK)
        st = run(&g);
    st = idle(s, st);
    if (st == TN_OK)
        st = look(&g); /* before a read of the queue makes late work good */
    if (st == TN_OK)
        st = receive(&f);
    st = idle(s, st);
    if (st != TN_OK) {
        tn_v_failed_call(out, st, "run beside another");
        return false;
    }
    if (!tn_v_intact(other, n, out) || !tn_v_intact(j, n, out) ||
        !elsewhere(j, first, "operands in one buffer", out))
        return false;
    double t0 = now();
    tn_v_judge(other, out);
    out->verify_s += now() - t0;
    if (out->status == TN_V_PASS)
        return true;
    char text[sizeof out->message];
    memcpy(text, out->message, sizeof text);
    snprintf(out->message, sizeof out->message, "other data, same plan and buffers: %.400s", text);
    if (s->explain)
        what_stayed(j, other, first, out);
    return false;
}

/* ---- in place ---- */

static bool same_view(const tn_tensor *a, const tn_tensor *b)
{
    return a->dtype == b->dtype && a->rank == b->rank && a->layout == b->layout &&
           memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0 &&
           memcmp(a->stride, b->stride, a->rank * sizeof a->stride[0]) == 0;
}

/* An input that an output of the same view may replace; arg_count: none. */
static uint32_t replaceable(const tn_v_job *j)
{
    uint32_t n = j->op->arg_count, outputs = 0, at = n, found = n;
    int kind = (int)j->op->kind;
    for (uint32_t i = 0; i < n; ++i)
        if (j->image[i].output) {
            at = i;
            outputs++;
        }
    if (outputs != 1 ||
        (kind != TN_OP_SOFTMAX && kind != TN_OP_NORM && kind != TN_OP_ELTWISE &&
         kind != TN_OP_COPY && kind != TN_OP_ROPE && kind != TN_OP_SCAN && kind != TN_OP_MATMUL))
        return n;
    for (uint32_t i = 0; i < n; ++i) {
        uint32_t role = j->op->args[i].role;
        bool may = kind != TN_OP_MATMUL || role == TN_ARG_C ||
                   (role >= TN_ARG_POST0 && role < TN_ARG_SCALE_OF);
        if (i != at && may && same_view(&j->op->args[i].tensor, &j->op->args[at].tensor) &&
            (found == n || tn_v_hash(j->which->name) % 3 == 0))
            found = i;
    }
    return found;
}

static bool in_place(tn_v_job *j, const place *own, uint64_t first, tn_v_result *out)
{
    uint32_t replaced = replaceable(j), n = j->op->arg_count;
    tn_arg args[TN_V_ARGS];
    tn_op op = *j->op;
    tn_plan *plan = NULL;
    if (replaced == n)
        return true;
    memcpy(args, j->op->args, n * sizeof *args);
    for (uint32_t i = 0; i < n; ++i)
        args[i].flags |= j->image[i].output ? TN_ARG_MAY_ALIAS : 0;
    op.args = args;
    tn_status st = tn_plan_create(j->session->device, &op, NULL, &plan);
    if (st == TN_STATUS_UNSUPPORTED) /* in place is an offer */
        return true;
    flight f = {j, j->session->queue, j->session->queue, plan, own, replaced, NULL, 0};
    for (uint32_t i = 0; i < n; ++i)
        if (j->image[i].output)
            memcpy(j->image[i].before, j->image[replaced].before, j->image[i].total);
    if (st == TN_OK)
        st = launch(&f);
    tn_plan_release(plan);
    if (st != TN_OK) {
        tn_v_failed_call(out, st, "run in place");
        return false;
    }
    return tn_v_intact(j, replaced, out) && elsewhere(j, first, "in place of an input", out);
}

tn_plan *tn_v_beside(const tn_v_job *j)
{
    tn_op near;
    tn_v_attribute room;
    tn_plan *plan = NULL;
    if (!neighbour(j->op, &near, &room) ||
        tn_plan_create(j->session->device, &near, NULL, &plan) != TN_OK)
        return NULL;
    return plan;
}

void tn_v_launches(tn_v_job *j, tn_v_job *other, tn_plan *plan, tn_plan *beside, tn_v_result *out)
{
    place own, shared;
    uint64_t first = 0;
    double t0 = now();
    memset(&own, 0, sizeof own);
    memset(&shared, 0, sizeof shared);
    tn_status st = own_buffers(j, &own);
    if (st == TN_OK && other != NULL)
        st = one_buffer(j, &shared);
    if (st != TN_OK)
        tn_v_failed_call(out, st, "buffer");
    if (st == TN_OK && same_data(j, plan, beside, &own, &first, out) && other != NULL &&
        both_data(j, other, plan, &own, &shared, first, out))
        (void)in_place(j, &own, first, out);
    out->run_s = now() - t0 - out->verify_s;
    snprintf(out->digest, sizeof out->digest, "%016llx", (unsigned long long)first);
    if (out->status == TN_V_TIMEOUT) /* a queue that hangs still uses them */
        return;
    leave(&own);
    leave(&shared);
}

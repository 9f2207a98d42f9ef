/* SPDX-License-Identifier: Apache-2.0 */
/* Running a case: operands between guards, gaps and outputs poisoned, several launches. */
#include <conformance/runner/execute.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const tn_v_status_names[TN_V_STATUS_COUNT] = {
    "pass",  "fail",  "quality_warning", "not_supported", "waived", "unexpected_pass",
    "flake", "crash", "timeout",         "internal_error"};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void last_error(char *text, size_t bytes)
{
    tn_error e;
    tn_error_last(&e);
    snprintf(text, bytes, "%s: %s", e.reason != NULL ? e.reason : tn_status_name(e.status),
             e.text != NULL ? e.text : "no text");
}

bool tn_v_open(const char *uri, tn_v_session *s, char *why, size_t why_bytes)
{
    memset(s, 0, sizeof *s);
    snprintf(s->uri, sizeof s->uri, "%s", uri);
    s->timeout_ns = 20ull * 1000000000ull;
    s->explain = true;
    if (tn_runtime_create(NULL, &s->runtime) == TN_OK &&
        tn_device_open(s->runtime, uri, &s->device) == TN_OK &&
        tn_queue_create(s->device, NULL, &s->queue) == TN_OK)
        return true;
    last_error(why, why_bytes);
    tn_v_close(s);
    return false;
}

void tn_v_close(tn_v_session *s)
{
    tn_queue_release(s->queue);
    tn_device_release(s->device);
    tn_runtime_release(s->runtime);
    s->queue = NULL;
    s->device = NULL;
    s->runtime = NULL;
}

static int64_t spanned(const tn_tensor *t)
{
    int64_t last = 0;
    for (uint32_t d = 0; d < t->rank; ++d) {
        if (t->dim[d] == 0)
            return 0;
        last += (t->dim[d] - 1) * t->stride[d];
    }
    return last + 1;
}

static int64_t offset_of(const tn_tensor *t, int64_t n)
{
    int64_t i[TN_MAX_RANK], at = 0;
    tn_v_unravel(t->dim, t->rank, n, i);
    for (uint32_t d = 0; d < t->rank; ++d)
        at += i[d] * t->stride[d];
    return at;
}

static int64_t elements(const tn_tensor *t)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < t->rank; ++d)
        n *= t->dim[d];
    return n;
}

static void forget(tn_v_job *j)
{
    for (uint32_t i = 0; i < TN_V_ARGS; ++i) {
        free(j->image[i].bytes);
        free(j->image[i].before);
        free(j->image[i].values);
        free(j->image[i].decoded);
    }
    tn_v_truth_free(j->truth, j->truths);
    tn_v_truth_free(j->kept, j->kept_truths);
}

static bool make_images(tn_v_job *j, char *why, size_t bytes)
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    uint64_t align = 1;
    if (tn_device_get_info(j->session->device, &info) == TN_OK && info.offset_align > 1)
        align = info.offset_align;
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        const tn_tensor *t = &j->op->args[i].tensor;
        tn_v_image *m = &j->image[i];
        m->elem = tn_v_elem_bytes((tn_dtype)t->dtype);
        m->output = tn_v_is_output(j->op, j->op->args[i].role);
        m->elems = spanned(t);
        if (m->elem == 0 || t->layout != TN_LAYOUT_STRIDED) {
            snprintf(why, bytes, "the suite makes no data of type %s in that layout",
                     tn_dtype_name((tn_dtype)t->dtype));
            return false;
        }
        m->guard = (TN_V_GUARD + align - 1) / align * align;
        m->total = 2 * m->guard + (uint64_t)m->elems * m->elem;
        m->bytes = malloc(m->total);
        m->before = malloc(m->total);
        m->decoded = calloc((size_t)m->elems + 1, sizeof(double));
        if (!m->output)
            m->values = calloc((size_t)elements(t) + 1, sizeof(double));
        if (m->bytes == NULL || m->before == NULL || m->decoded == NULL ||
            (!m->output && m->values == NULL)) {
            snprintf(why, bytes, "no host memory for the operands");
            return false;
        }
    }
    return true;
}

/* Inputs into their memory; what no index reaches is NaN, or 0xa5 where integers lie. flush: what
 * the reference reads has no subnormals. Returns whether there were any. */
static bool lay_inputs(tn_v_job *j, bool flush)
{
    bool tiny = false;
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        const tn_tensor *t = &j->op->args[i].tensor;
        tn_v_image *m = &j->image[i];
        tn_dtype d = (tn_dtype)t->dtype;
        bool floating = tn_v_format_of(d).floating;
        memset(m->before, floating ? 0xff : 0xa5, m->total);
        if (m->output)
            memset(m->before, 0xa5, m->total);
        unsigned char *base = m->before + m->guard;
        int64_t n = m->output ? 0 : elements(t);
        for (int64_t k = 0; k < n; ++k)
            tn_v_encode(d, m->values[k], TN_V_NEAREST_EVEN, false,
                        base + (uint64_t)offset_of(t, k) * m->elem);
        for (int64_t k = 0; k < m->elems; ++k) {
            double v = tn_v_decode(d, base + (uint64_t)k * m->elem);
            if (j->call.arith.read_as != 0 && d == TN_F32)
                v = tn_v_rounded(j->call.arith.read_as, v, TN_V_NEAREST_EVEN, false);
            /* Types of fewer exponents are widened first, and what was subnormal is no more. */
            if (floating && v != 0 &&
                tn_v_format_of(d).exponent_min <= tn_v_format_of(TN_F32).exponent_min &&
                fabs(v) < ldexp(1.0, tn_v_format_of(d).exponent_min)) {
                tiny = true;
                v = flush ? copysign(0.0, v) : v;
            }
            m->decoded[k] = v;
        }
        j->call.memory[i] = (tn_v_memory){m->decoded, m->elems};
    }
    return tiny;
}

/* The reference; a device that may take subnormal inputs for 0 need not always do so. */
static void refer(tn_v_job *j)
{
    bool flush = j->call.arith.flush_in;
    bool tiny = lay_inputs(j, flush);
    if (flush && tiny) {
        (void)lay_inputs(j, false);
        j->kept_truths = tn_v_oracle(&j->call, j->kept);
        j->kept_truths = j->kept_truths < 0 ? 0 : j->kept_truths;
        (void)lay_inputs(j, true);
    }
    j->truths = tn_v_oracle(&j->call, j->truth);
}

/* Elements of outputs: NaN in the first launch, -7 in the others. */
static void lay_outputs(tn_v_job *j, int launch)
{
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        const tn_tensor *t = &j->op->args[i].tensor;
        tn_v_image *m = &j->image[i];
        if (!m->output)
            continue;
        tn_dtype d = (tn_dtype)t->dtype;
        bool floating = tn_v_format_of(d).floating;
        for (int64_t n = 0; n < elements(t); ++n) {
            unsigned char *e = m->before + m->guard + (uint64_t)offset_of(t, n) * m->elem;
            if (launch == 0 && floating)
                memset(e, 0xff, m->elem);
            else
                tn_v_encode(d, launch % 2 ? -7.0 : 5.0, TN_V_NEAREST_EVEN, false, e);
        }
    }
}

typedef struct bound_buffers {
    tn_buffer *buffer[TN_V_ARGS];
    tn_bind bind[TN_V_ARGS];
} bound_buffers;

static tn_status make_buffers(tn_v_job *j, bound_buffers *b)
{
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = j->image[i].total};
        tn_status st = tn_buffer_create(j->session->device, &desc, &b->buffer[i]);
        if (st != TN_OK)
            return st;
        b->bind[i] = (tn_bind){j->op->args[i].role, 0, b->buffer[i], j->image[i].guard};
    }
    return TN_OK;
}

static tn_status launch(tn_v_job *j, tn_plan *plan, const bound_buffers *b)
{
    tn_queue *q = j->session->queue;
    tn_status st = TN_OK;
    for (uint32_t i = 0; st == TN_OK && i < j->op->arg_count; ++i)
        st = tn_queue_write(q, b->buffer[i], 0, j->image[i].before, j->image[i].total, NULL);
    if (st == TN_OK)
        st = tn_queue_run(q, plan, b->bind, j->op->arg_count, NULL, NULL);
    for (uint32_t i = 0; st == TN_OK && i < j->op->arg_count; ++i)
        st = tn_queue_read(q, j->image[i].bytes, b->buffer[i], 0, j->image[i].total, NULL);
    /* Host memory is borrowed until the queue is idle, whatever went wrong before. */
    tn_status idle = tn_queue_wait_idle(q, j->session->timeout_ns);
    return st != TN_OK ? st : idle;
}

const unsigned char *tn_v_element(const tn_v_job *j, const tn_v_truth *t, int64_t n)
{
    for (uint32_t i = 0; i < j->op->arg_count; ++i)
        if (j->op->args[i].role == t->role) {
            const tn_v_image *m = &j->image[i];
            return m->bytes + m->guard + (uint64_t)offset_of(&j->op->args[i].tensor, n) * m->elem;
        }
    return NULL;
}

/* Guards, gaps of outputs, and inputs have to be as they were. */
static bool intact(tn_v_job *j, tn_v_result *out)
{
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        const tn_v_image *m = &j->image[i];
        const tn_tensor *t = &j->op->args[i].tensor;
        unsigned char *ours = m->output ? calloc((size_t)m->elems + 1, 1) : NULL;
        for (int64_t n = 0; ours != NULL && n < elements(t); ++n)
            ours[offset_of(t, n)] = 1;
        for (uint64_t k = 0; k < m->total; ++k) {
            uint64_t at = (k - m->guard) / m->elem;
            bool inside = k >= m->guard && k < m->total - m->guard;
            if (m->bytes[k] == m->before[k] || (inside && ours != NULL && ours[at]))
                continue;
            snprintf(out->message, sizeof out->message,
                     "role %u: byte %lld of its tensor changed: %s", j->op->args[i].role,
                     (long long)k - (long long)m->guard,
                     !m->output     ? "an input was written"
                     : inside       ? "a gap between elements was written"
                     : k < m->guard ? "written before the output"
                                    : "written past the output");
            snprintf(out->hypothesis, sizeof out->hypothesis, "%s",
                     !m->output ? "input overwritten"
                     : inside   ? "writes past the row into the gap"
                                : "writes outside of the output");
            free(ours);
            out->status = TN_V_FAIL;
            return false;
        }
        free(ours);
    }
    return true;
}

static uint64_t digest(const tn_v_job *j)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (int t = 0; t < j->truths; ++t)
        for (int64_t n = 0; n < j->truth[t].count; ++n) {
            const unsigned char *e = tn_v_element(j, &j->truth[t], n);
            for (uint32_t b = 0; b < tn_v_elem_bytes(j->truth[t].dtype); ++b)
                h = (h ^ e[b]) * 0x100000001b3u;
        }
    return h;
}

static void failed_call(tn_v_result *out, tn_status st, const char *what)
{
    char text[360];
    last_error(text, sizeof text);
    out->status = st == TN_STATUS_UNSUPPORTED ? TN_V_NOT_SUPPORTED
                  : st == TN_STATUS_TIMEOUT   ? TN_V_TIMEOUT
                                              : TN_V_FAIL;
    snprintf(out->message, sizeof out->message, "%s: %s", what, text);
}

/* All launches; false when the verdict is there already. */
static bool launches(tn_v_job *j, tn_plan *plan, tn_v_result *out)
{
    bound_buffers b;
    memset(&b, 0, sizeof b);
    uint64_t first = 0;
    bool good = true;
    double t0 = now();
    tn_status st = make_buffers(j, &b);
    if (st != TN_OK)
        failed_call(out, st, "buffer");
    for (int l = 0; st == TN_OK && good && l < 1 + j->data.launches; ++l) {
        lay_outputs(j, l);
        st = launch(j, plan, &b);
        if (st != TN_OK) {
            failed_call(out, st, "run");
            break;
        }
        uint64_t h = digest(j);
        good = intact(j, out);
        if (good && l > 0 && h != first && !j->declared.unrepeatable) {
            out->status = TN_V_FAIL;
            snprintf(out->message, sizeof out->message,
                     "launch %d gave other bits than launch 0: old contents of the output take "
                     "part, or the order of sums changes",
                     l);
            j->unstable = true;
            if (j->session->explain)
                tn_v_hypothesis(j, out);
            if (out->hypothesis[0] == '\0')
                snprintf(out->hypothesis, sizeof out->hypothesis, "not repeatable");
            good = false;
        }
        if (l == 0)
            first = h;
    }
    out->run_s = now() - t0;
    snprintf(out->digest, sizeof out->digest, "%016llx", (unsigned long long)first);
    if (st != TN_STATUS_TIMEOUT) /* a queue that hangs still uses them */
        for (uint32_t i = 0; i < TN_V_ARGS; ++i)
            tn_buffer_release(b.buffer[i]);
    return st == TN_OK && good;
}

static void run_job(tn_v_job *j, tn_v_result *out)
{
    tn_plan *plan = NULL;
    tn_status st = tn_plan_create(j->session->device, j->op, NULL, &plan);
    if (st != TN_OK) {
        failed_call(out, st, "plan");
        return;
    }
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    j->declared = (tn_arithmetic){.head = TN_INIT(tn_arithmetic)};
    if (tn_plan_get_info(plan, &info) == TN_OK)
        snprintf(out->kernel, sizeof out->kernel, "%s", info.kernel);
    if (tn_plan_arithmetic(plan, &j->declared) != TN_OK)
        memset(&j->declared, 0, sizeof j->declared);
    j->call.op = j->op;
    j->call.arith = tn_v_arith_of(&j->declared, j->op);
    double *values[TN_V_ARGS] = {NULL};
    if (!make_images(j, out->message, sizeof out->message)) {
        out->status = TN_V_INTERNAL;
        tn_plan_release(plan);
        return;
    }
    for (uint32_t i = 0; i < j->op->arg_count; ++i)
        values[i] = j->image[i].values;
    if (!tn_v_fill(j->which, j->op, &j->call.arith, values, &j->data)) {
        out->status = TN_V_NOT_SUPPORTED;
        snprintf(out->message, sizeof out->message, "no data of class %s for this op",
                 tn_v_data_names[j->which->data]);
        tn_plan_release(plan);
        return;
    }
    j->call.exact = j->data.exact;
    refer(j);
    if (j->truths <= 0) {
        out->status = TN_V_INTERNAL;
        snprintf(out->message, sizeof out->message, "the suite has no reference for this op");
        j->truths = 0;
    } else if (launches(j, plan, out)) {
        double t0 = now();
        tn_v_judge(j, out);
        out->verify_s = now() - t0;
    } else if (out->status == TN_V_FAIL && j->session->explain && out->hypothesis[0] == '\0') {
        tn_v_hypothesis(j, out);
    }
    tn_plan_release(plan);
}

void tn_v_run(tn_v_session *s, const tn_v_case *c, tn_v_result *out)
{
    memset(out, 0, sizeof *out);
    if (tn_v_is_lowlevel(c->op)) {
        double t0 = now();
        tn_v_lowlevel(s, c, out);
        out->run_s = now() - t0;
        return;
    }
    tn_v_job *j = calloc(1, sizeof *j);
    tn_op *op = NULL;
    tn_status st = j != NULL ? tn_op_parse(s->runtime, c->op, &op) : TN_STATUS_NO_MEMORY;
    if (st != TN_OK) {
        last_error(out->message, sizeof out->message);
        out->status = TN_V_INTERNAL;
        free(j);
        return;
    }
    j->session = s;
    j->which = c;
    j->op = op;
    if (op->arg_count > TN_V_ARGS)
        out->status = TN_V_INTERNAL;
    else
        run_job(j, out);
    forget(j);
    free(j);
    tn_op_free(s->runtime, op);
}

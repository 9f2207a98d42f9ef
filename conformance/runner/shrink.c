/* SPDX-License-Identifier: Apache-2.0 */
/* A failure made smaller: simpler data, fewer parts of the op, smaller sizes, then fewer and
 * simpler numbers, as long as the case still fails.
 * source    Zeller and Hildebrandt, Simplifying and isolating failure-inducing input, 2002 */
#include <conformance/runner/capture.h>
#include <conformance/runner/runner.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct search {
    const tn_v_trial *trial;
    tn_v_small *best;
    double end;
    int level;
} search;

static bool time_left(const search *s)
{
    return tn_v_now() < s->end;
}

/* Whether a case fails as the first did; then it is the best. */
static bool still_fails(search *s, const tn_v_case *c, const tn_v_values *values)
{
    s->best->tries++;
    if (!s->trial->fails(s->trial->self, c, values))
        return false;
    s->best->capture.which = *c;
    return true;
}

static bool try_op(search *s, const char *op, tn_v_data data)
{
    tn_v_case c;
    return time_left(s) && tn_v_case_make(&c, s->level, op, data, 0) && still_fails(s, &c, NULL);
}

/* Parts behind the shape: "+bias", "+a=19x35@38x1"; ":nt" is left, it is short. */
static bool drop_parts(search *s)
{
    bool dropped = false;
    for (int part = 0; time_left(s); ++part) {
        char op[TN_V_NAME];
        const tn_v_case *c = &s->best->capture.which;
        const char *at = c->op;
        for (int k = 0; k <= part && at != NULL; ++k)
            at = strchr(at + (k > 0), '+');
        if (at == NULL)
            break;
        size_t end = strcspn(at + 1, "+") + 1;
        snprintf(op, sizeof op, "%.*s%s", (int)(at - c->op), c->op, at + end);
        if (try_op(s, op, c->data)) {
            dropped = true;
            --part;
        }
    }
    return dropped;
}

/* The number at a place of the op's shape, made smaller; *from moves behind it. */
static bool smaller_number(search *s, size_t *from)
{
    const tn_v_case *c = &s->best->capture.which;
    size_t end = strcspn(c->op, ":"), at = *from;
    while (at < end && (c->op[at] < '0' || c->op[at] > '9'))
        ++at;
    if (at >= end)
        return false;
    char *behind, op[2 * TN_V_NAME + 24], head[TN_V_NAME], tail[TN_V_NAME];
    long v = strtol(c->op + at, &behind, 10), low = 0;
    snprintf(head, sizeof head, "%.*s", (int)at, c->op);
    snprintf(tail, sizeof tail, "%s", behind);
    tn_v_data data = c->data;
    /* low is too small, v fails */
    for (long next = 1; v > low + 1 && time_left(s); next = (low + v) / 2) {
        snprintf(op, sizeof op, "%s%ld%s", head, next, tail);
        if (try_op(s, op, data))
            v = next;
        else
            low = next;
    }
    *from = at;
    while (s->best->capture.which.op[*from] >= '0' && s->best->capture.which.op[*from] <= '9')
        ++*from;
    return true;
}

static void shrink_shape(search *s)
{
    static const tn_v_data simple[] = {TN_V_EXACT, TN_V_ONE_HOT, TN_V_ZERO_MEAN};
    tn_v_data data = s->best->capture.which.data;
    for (int i = 0; i < 3 && data != simple[i]; ++i)
        if (try_op(s, s->best->capture.which.op, simple[i]))
            break;
    for (int lap = 0; lap < 4; ++lap) {
        char before[TN_V_NAME];
        snprintf(before, sizeof before, "%s", s->best->capture.which.op);
        (void)drop_parts(s);
        for (size_t at = 0; smaller_number(s, &at);)
            ;
        if (strcmp(before, s->best->capture.which.op) == 0)
            return;
    }
}

/* ---- values ---- */

/* Operands whose numbers are terms; scales, masks, lengths and indices stay. */
static bool is_term(const tn_v_operand *o)
{
    return o->value != NULL &&
           (o->role == TN_ARG_A || o->role == TN_ARG_B || o->role == TN_ARG_C ||
            o->role == TN_ARG_BIAS || o->role == TN_ARG_Q || o->role == TN_ARG_K ||
            o->role == TN_ARG_V || o->role == TN_ARG_GRAD ||
            (o->role >= TN_ARG_INPUT0 && o->role < TN_ARG_SCALE_OF));
}

typedef struct spot {
    int arg;
    int64_t at;
} spot;

static int64_t spots(const search *s, spot **out)
{
    const tn_v_capture *c = &s->best->capture;
    int64_t n = 0, room = 0;
    for (int i = 0; i < c->operands; ++i)
        room += is_term(&c->operand[i]) ? c->operand[i].count : 0;
    *out = calloc((size_t)room + 1, sizeof **out);
    for (int i = 0; i < c->operands && *out != NULL; ++i)
        for (int64_t k = 0; is_term(&c->operand[i]) && k < c->operand[i].count; ++k)
            if (s->best->values.value[i][k] != 0)
                (*out)[n++] = (spot){i, k};
    return n;
}

/* Sets some numbers; whether that still fails. If not they are as before. */
static bool set(search *s, const spot *which, int64_t count, bool to_one)
{
    tn_v_values *v = &s->best->values;
    double *before = calloc((size_t)count + 1, sizeof *before);
    bool changed = false;
    for (int64_t i = 0; i < count && before != NULL; ++i) {
        double *at = &v->value[which[i].arg][which[i].at];
        before[i] = *at;
        *at = to_one ? copysign(1, *at) : 0;
        changed = changed || before[i] != *at;
    }
    tn_v_case c = s->best->capture.which;
    bool good = before != NULL && changed && time_left(s) && still_fails(s, &c, v);
    for (int64_t i = 0; i < count && before != NULL && !good; ++i)
        v->value[which[i].arg][which[i].at] = before[i];
    free(before);
    return good;
}

/* Operands that a forward call made of the others cannot change alone. */
static bool dependent(const tn_v_capture *c)
{
    for (int i = 0; i < c->operands; ++i)
        if (!c->operand[i].output &&
            (c->operand[i].role == TN_ARG_STATS || c->operand[i].role == TN_ARG_OUT))
            return true;
    return false;
}

static void shrink_values(search *s)
{
    tn_v_data d = s->best->capture.which.data;
    tn_v_case c = s->best->capture.which;
    if (d == TN_V_ROUND || d == TN_V_ORDER || d == TN_V_SPECIAL ||
        !s->trial->operands(s->trial->self, s->best) || dependent(&s->best->capture) ||
        !still_fails(s, &c, &s->best->values)) { /* fails beside other data alone */
        tn_v_values_free(&s->best->values);
        return;
    }
    spot *all = NULL;
    int64_t n = spots(s, &all);
    for (int64_t chunk = (n + 1) / 2; chunk >= 1 && time_left(s); chunk /= 2)
        for (int64_t at = 0; at < n && time_left(s); at += chunk)
            (void)set(s, all + at, at + chunk < n ? chunk : n - at, false);
    free(all);
    n = spots(s, &all);
    if (n > 0 && !set(s, all, n, true))
        for (int64_t i = 0; i < n && time_left(s); ++i)
            (void)set(s, all + i, 1, true);
    free(all);
}

/* The one term of a product of matrices that a wrong sum needs, by halves: elsewhere A is 0. */
static int64_t find_term(search *s, tn_v_session *session, const tn_v_capture *failing)
{
    tn_v_values v;
    tn_v_capture now;
    int a = 0;
    const tn_v_operand *o = failing->operand;
    while (a < failing->operands && o[a].role != TN_ARG_A)
        ++a;
    if (strncmp(failing->which.op, "matmul ", 7) != 0 || a == failing->operands ||
        o[a].tensor.rank < 2 || !failing->exact || !tn_v_values_of(&v, failing))
        return -1;
    /* k is the last axis of A, or the one before if A is transposed */
    const char *layout = strchr(failing->which.op, ':');
    layout = layout != NULL ? strchr(layout + 1, ':') : NULL;
    uint32_t rank = o[a].tensor.rank,
             axis = layout != NULL && layout[1] == 't' ? rank - 2 : rank - 1;
    int64_t dim = o[a].tensor.dim[axis], after = axis == rank - 1 ? 1 : o[a].tensor.dim[rank - 1];
    int64_t low = 0, high = dim;
    while (high - low > 1 && time_left(s)) {
        int64_t middle = (low + high) / 2;
        bool found = false;
        for (int half = 0; half < 2 && !found; ++half) {
            int64_t from = half ? middle : low, to = half ? high : middle;
            for (int64_t n = 0; n < v.count[a]; ++n) {
                int64_t k = n / after % dim;
                v.value[a][n] = k >= from && k < to ? o[a].value[n] : 0;
            }
            tn_v_observe(session, &failing->which, &v, true, &now);
            s->best->tries++;
            found = now.result.status == TN_V_FAIL;
            tn_v_capture_free(&now);
            if (found) {
                low = from;
                high = to;
            }
        }
        if (!found)
            break;
    }
    tn_v_values_free(&v);
    return high - low == 1 && dim > 1 ? low : -1;
}

void tn_v_shrink_by(const tn_v_trial *trial, const tn_v_case *failing, double seconds,
                    tn_v_small *out)
{
    search s = {.trial = trial,
                .best = out,
                .end = tn_v_now() + seconds / 2,
                .level = 6}; /* what --op makes of a text */
    if (try_op(&s, failing->op, failing->data)) {
        shrink_shape(&s);
    } else {
        s.end = tn_v_now() + seconds;
        if (!still_fails(&s, failing, NULL))
            return;
    }
    s.end = tn_v_now() + seconds / 2;
    shrink_values(&s);
}

/* ---- in this process ---- */

typedef struct here {
    tn_v_session *session;
    tn_v_small *best;
    char first[16]; /* how the first message begins where a call failed: "run:" */
} here;

static bool fails_here(void *self, const tn_v_case *c, const tn_v_values *values)
{
    here *h = self;
    tn_v_capture now;
    tn_v_observe(h->session, c, values, values != NULL, &now);
    bool same = now.result.status == TN_V_FAIL && now.operands > 0 &&
                strncmp(now.result.message, h->first, strlen(h->first)) == 0;
    if (!same) {
        tn_v_capture_free(&now);
        return false;
    }
    tn_v_capture_free(&h->best->capture);
    h->best->capture = now;
    return true;
}

static bool operands_here(void *self, tn_v_small *small)
{
    (void)self;
    return tn_v_values_of(&small->values, &small->capture);
}

void tn_v_shrink(tn_v_session *session, const tn_v_capture *failing, double seconds,
                 tn_v_small *out)
{
    here h = {.session = session, .best = out};
    tn_v_trial trial = {&h, fails_here, operands_here};
    search s = {.trial = &trial, .best = out, .end = tn_v_now() + seconds / 4};
    bool explained = session->explain;
    memset(out, 0, sizeof *out);
    if (strncmp(failing->result.message, "run:", 4) == 0)
        snprintf(h.first, sizeof h.first, "run:");
    session->explain = false;
    out->k = find_term(&s, session, failing);
    tn_v_shrink_by(&trial, &failing->which, seconds * 0.8, out);
    session->explain = explained;
}

void tn_v_small_free(tn_v_small *small)
{
    tn_v_capture_free(&small->capture);
    tn_v_values_free(&small->values);
}

/* ---- where ---- */

/* "0 10000010 0110.." and the number. */
static size_t bits_of(tn_dtype d, const unsigned char *e, const char *name, char *text, size_t room)
{
    static const struct {
        tn_dtype type;
        int exponent, mantissa;
    } forms[] = {{TN_F64, 11, 52}, {TN_F32, 8, 23},   {TN_F16, 5, 10},
                 {TN_BF16, 8, 7},  {TN_F8E4M3, 4, 3}, {TN_F8E5M2, 5, 2}};
    uint64_t v = 0;
    uint32_t bytes = tn_v_elem_bytes(d);
    char digits[80];
    size_t n = 0;
    memcpy(&v, e, bytes);
    int split[2] = {-1, -1}, all = (int)(8 * bytes);
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; ++f)
        if (forms[f].type == d) {
            split[0] = forms[f].exponent + forms[f].mantissa;
            split[1] = forms[f].mantissa;
        }
    for (int b = all - 1; b >= 0; --b) {
        digits[n++] = v >> b & 1 ? '1' : '0';
        if (b == split[0] || b == split[1])
            digits[n++] = ' ';
    }
    digits[n] = '\0';
    int made = snprintf(text, room, "  %-5s %s  0x%0*llx  %.9g\n", name, digits, (int)(2 * bytes),
                        (unsigned long long)v, tn_v_decode(d, e));
    return made > 0 && (size_t)made < room ? (size_t)made : 0;
}

void tn_v_where(const tn_v_capture *c, int64_t k, char *text, size_t room)
{
    size_t at = 0;
    text[0] = '\0';
    for (int o = 0; o < c->outputs; ++o) {
        const tn_v_expected *e = &c->expected[o];
        if (e->wrong_at < 0)
            continue;
        int64_t i[TN_MAX_RANK];
        int arg = 0, n = 0;
        while (arg < c->operands && c->operand[arg].role != e->role)
            ++arg;
        if (arg == c->operands)
            continue;
        tn_v_unravel(e->dim, e->rank, e->wrong_at, i);
        char index[96] = "";
        for (uint32_t d = 0; d < e->rank; ++d)
            n += snprintf(index + n, sizeof index - (size_t)n, "%s%lld", d ? ", " : "",
                          (long long)i[d]);
        n = snprintf(text, room, "  element [%s]", index);
        if (e->rank >= 2)
            n += snprintf(text + n, room - (size_t)n,
                          "; tile of 16 x 16 at [%lld, %lld], lane %lld of 16",
                          (long long)i[e->rank - 2] / 16 * 16, (long long)i[e->rank - 1] / 16 * 16,
                          (long long)i[e->rank - 1] % 16);
        if (k >= 0)
            n += snprintf(text + n, room - (size_t)n, "; k %lld alone shows it", (long long)k);
        n += snprintf(text + n, room - (size_t)n, "\n");
        at = (size_t)n;
        const tn_v_operand *out = &c->operand[arg];
        const unsigned char *got =
            out->got + out->guard + (uint64_t)tn_v_offset(&out->tensor, e->wrong_at) * out->elem;
        unsigned char differ[8] = {0};
        const unsigned char *want = e->want_bytes + (uint64_t)e->wrong_at * out->elem;
        for (uint64_t b = 0; b < out->elem; ++b)
            differ[b] = got[b] ^ want[b];
        at += bits_of(e->dtype, want, "want", text + at, room - at);
        at += bits_of(e->dtype, got, "got", text + at, room - at);
        (void)bits_of(e->dtype, differ, "xor", text + at, room - at);
        return;
    }
}

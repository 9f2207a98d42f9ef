/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure looks like: known defects are evaluated in float64 on the same memory, and the one
 * that gives the device's results in every element is named. */
#include <conformance/runner/models.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int role_index(const tn_op *op, uint32_t role)
{
    for (uint32_t i = 0; i < op->arg_count; ++i)
        if (op->args[i].role == role)
            return (int)i;
    return -1;
}

tn_tensor *tn_v_edit_tensor(tn_v_edit *e, uint32_t role)
{
    int i = role_index(&e->op, role);
    return i < 0 ? NULL : &e->args[i].tensor;
}

tn_v_memory *tn_v_edit_memory(tn_v_edit *e, uint32_t role)
{
    int i = role_index(&e->op, role);
    return i < 0 ? NULL : &e->call.memory[i];
}

/* Values of an operand through a function: inputs that a device rounds first. */
bool tn_v_edit_map(tn_v_edit *e, uint32_t role, double (*f)(double))
{
    tn_v_memory *m = tn_v_edit_memory(e, role);
    if (m == NULL || e->owned >= TN_V_ARGS)
        return false;
    double *copy = malloc(((size_t)m->elems + 1) * sizeof *copy);
    if (copy == NULL)
        return false;
    bool changed = false;
    for (int64_t i = 0; i < m->elems; ++i) {
        copy[i] = f(m->value[i]);
        changed = changed || (copy[i] != m->value[i] && !isnan(m->value[i])) ||
                  (isnan(m->value[i]) && !isnan(copy[i]));
    }
    e->own[e->owned++] = copy;
    m->value = copy;
    return changed;
}

static void begin(tn_v_edit *e, const tn_v_job *j)
{
    memset(e, 0, sizeof *e);
    e->job = j;
    e->call = j->call;
    e->op = *j->op;
    size_t bytes =
        ((const tn_head *)j->op->attr) != NULL ? ((const tn_head *)j->op->attr)->size : 0;
    if (bytes > 0 && bytes <= sizeof e->attr)
        memcpy(&e->attr, j->op->attr, bytes);
    memcpy(e->args, j->op->args, j->op->arg_count * sizeof *e->args);
    if (j->op->post_count > 0 && j->op->post_count <= 8)
        memcpy(e->posts, j->op->posts, j->op->post_count * sizeof *e->posts);
    e->op.attr = &e->attr;
    e->op.args = e->args;
    e->op.posts = e->posts;
    e->call.op = &e->op;
    e->round = j->call.arith.out_round;
}

static void finish(tn_v_edit *e)
{
    for (int i = 0; i < e->owned; ++i)
        free(e->own[i]);
    e->owned = 0;
}

/* What the device would give for a reference of the model. */
static double final(const tn_v_edit *e, const tn_v_truth *t, double ref)
{
    tn_v_format f = tn_v_format_of(t->dtype);
    double v = tn_v_rounded(t->dtype, ref, e->round, e->saturate || e->call.arith.saturate);
    if (e->flush && v != 0 && fabs(v) < ldexp(1.0, f.exponent_min))
        v = copysign(0.0, v);
    return v;
}

static bool like(const tn_v_edit *e, const tn_v_truth *t, int64_t n, double got)
{
    double ratio;
    if (t->err[n] == 0 || e->round != e->job->call.arith.out_round || e->saturate || e->flush) {
        double want = final(e, t, t->ref[n]);
        if (want == got || (isnan(want) && isnan(got)))
            return true;
        if (t->err[n] == 0)
            return false;
        /* the value before the last rounding is only known within its error */
        double low = final(e, t, t->ref[n] - t->err[n]), high = final(e, t, t->ref[n] + t->err[n]);
        return got >= low && got <= high;
    }
    return tn_v_within(&e->call.arith, t->dtype, t->ref[n], t->err[n], t->mag[n], got, &ratio);
}

/* Whether the model explains every element, and what the right op gives does not; `only_wrong`: of
 * those elements that are wrong. */
static bool explains(tn_v_edit *e, bool only_wrong)
{
    const tn_v_job *j = e->job;
    tn_v_truth truth[TN_V_ARGS];
    int n = tn_v_oracle(&e->call, truth);
    bool good = n == j->truths;
    int64_t told = 0;
    for (int k = 0; k < n && good; ++k) {
        const tn_v_truth *t = &j->truth[k];
        good = truth[k].count == t->count && !truth[k].bits;
        if (good && e->combine != NULL)
            good = e->combine(e, &truth[k], t);
        /* masks leave bounds that explain anything: there, only what is exact says something */
        if (j->which->data == TN_V_ROUND || j->which->data == TN_V_ORDER)
            for (int64_t i = 0; i < t->count && good; ++i)
                good = truth[k].err[i] == 0;
        for (int64_t i = 0; i < t->count && good; ++i) {
            double ratio, got = tn_v_decode(t->dtype, tn_v_element(j, t, i));
            bool right = tn_v_right(j, t, i, &ratio);
            if (only_wrong && right)
                continue;
            good = like(e, &truth[k], i, got);
            told += good && !right;
        }
    }
    tn_v_truth_free(truth, n > 0 ? n : 0);
    /* one number is explained by too much */
    return good && told > (only_wrong ? 1 : 0);
}

/* ---- patterns that need no model ---- */

static bool poisoned(const tn_v_job *j, const tn_v_truth *t, int64_t n)
{
    const unsigned char *got = tn_v_element(j, t, n);
    for (uint32_t i = 0; i < j->op->arg_count; ++i)
        if (j->op->args[i].role == t->role)
            return memcmp(got, j->image[i].before + (got - j->image[i].bytes),
                          tn_v_elem_bytes(t->dtype)) == 0;
    return false;
}

typedef struct pattern {
    int64_t wrong, stale, nan, last_row, last_column;
} pattern;

static pattern look(const tn_v_job *j, const tn_v_truth *t)
{
    pattern p = {0, 0, 0, 0, 0};
    int64_t i[TN_MAX_RANK];
    for (int64_t n = 0; n < t->count; ++n) {
        double ratio;
        if (tn_v_right(j, t, n, &ratio))
            continue;
        p.wrong++;
        p.stale += poisoned(j, t, n);
        p.nan +=
            !t->bits && isnan(tn_v_decode(t->dtype, tn_v_element(j, t, n))) && isfinite(t->ref[n]);
        tn_v_unravel(t->dim, t->rank, n, i);
        p.last_column += t->rank > 0 && i[t->rank - 1] == t->dim[t->rank - 1] - 1;
        p.last_row += t->rank > 1 && i[t->rank - 2] == t->dim[t->rank - 2] - 1;
    }
    return p;
}

static bool inputs_finite(const tn_v_job *j)
{
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        const tn_tensor *t = &j->op->args[i].tensor;
        int64_t n = 1;
        for (uint32_t d = 0; d < t->rank; ++d)
            n *= t->dim[d];
        for (int64_t k = 0; j->image[i].values != NULL && k < n; ++k)
            if (!isfinite(j->image[i].values[k]))
                return false;
    }
    return true;
}

static bool by_pattern(const tn_v_job *j, tn_v_result *out)
{
    for (int k = 0; k < j->truths; ++k) {
        const tn_v_truth *t = &j->truth[k];
        pattern p = look(j, t);
        if (p.wrong == 0)
            continue;
        const char *what = NULL;
        if (p.stale == p.wrong)
            what = p.last_column == p.wrong && t->rank > 0 && t->dim[t->rank - 1] > 1
                       ? "last column not written"
                   : p.last_row == p.wrong && t->rank > 1 && t->dim[t->rank - 2] > 1
                       ? "last row not written"
                       : "elements not written";
        if (what == NULL)
            continue;
        snprintf(out->hypothesis, sizeof out->hypothesis, "%s", what);
        return true;
    }
    return false;
}

/* Poison that lies between and behind the rows has reached results. */
static bool by_poison(const tn_v_job *j, tn_v_result *out)
{
    for (int k = 0; k < j->truths; ++k) {
        pattern p = look(j, &j->truth[k]);
        if (p.wrong == 0 || p.nan != p.wrong || !inputs_finite(j))
            continue;
        snprintf(out->hypothesis, sizeof out->hypothesis, "reads past a row of an input");
        return true;
    }
    return false;
}

/* Of an axis: where all wrong elements lie. */
typedef struct extent {
    int64_t size, first, last, distinct;
} extent;

static bool one_lane(const tn_v_job *j, uint32_t axis, int64_t of, int64_t *lane)
{
    const tn_v_truth *t = &j->truth[0];
    int64_t i[TN_MAX_RANK];
    *lane = -1;
    for (int64_t n = 0; n < t->count; ++n) {
        double ratio;
        if (tn_v_right(j, t, n, &ratio))
            continue;
        tn_v_unravel(t->dim, t->rank, n, i);
        if (*lane >= 0 && *lane != i[axis] % of)
            return false;
        *lane = i[axis] % of;
    }
    return *lane >= 0;
}

static extent extent_of(const tn_v_job *j, uint32_t axis)
{
    const tn_v_truth *t = &j->truth[0];
    extent x = {t->dim[axis], -1, -1, 0};
    unsigned char *at = calloc((size_t)x.size + 1, 1);
    int64_t i[TN_MAX_RANK];
    for (int64_t n = 0; n < t->count && at != NULL; ++n) {
        double ratio;
        if (tn_v_right(j, t, n, &ratio))
            continue;
        tn_v_unravel(t->dim, t->rank, n, i);
        at[i[axis]] = 1;
    }
    for (int64_t k = 0; k < x.size && at != NULL; ++k)
        if (at[k]) {
            x.first = x.first < 0 ? k : x.first;
            x.last = k;
            ++x.distinct;
        }
    free(at);
    return x;
}

/* "last column", "columns 16 to 31", "one lane, row mod 8 = 3"; whether it says anything. */
static bool along(const tn_v_job *j, uint32_t axis, const char *name, char *text, size_t bytes)
{
    extent x = extent_of(j, axis);
    int64_t lane;
    if (x.distinct == 0 || x.size < 2 || x.distinct == x.size)
        return false;
    if (x.distinct == 1) {
        if (x.last == x.size - 1)
            snprintf(text, bytes, "last %s alone, %lld", name, (long long)x.last);
        else
            snprintf(text, bytes, "one %s alone, %lld of %lld", name, (long long)x.last,
                     (long long)x.size);
        return true;
    }
    for (int64_t of = 64; of >= 2; --of) /* the widest that still has all of them */
        if (of < x.size && x.last - x.first >= of && one_lane(j, axis, of, &lane)) {
            snprintf(text, bytes, "one lane, %s mod %lld = %lld", name, (long long)of,
                     (long long)lane);
            return true;
        }
    if (x.last - x.first + 1 == x.size)
        return false;
    snprintf(text, bytes, "%ss %lld to %lld of %lld", name, (long long)x.first, (long long)x.last,
             (long long)x.size);
    return true;
}

/* Where the wrong elements are; "" where they are all over. */
static void region(const tn_v_job *j, char *text, size_t bytes)
{
    const tn_v_truth *t = &j->truth[0];
    int64_t wrong = 0, last = -1;
    text[0] = '\0';
    if (j->truths != 1 || t->rank < 1)
        return;
    for (int64_t n = 0; n < t->count; ++n) {
        double ratio;
        if (!tn_v_right(j, t, n, &ratio)) {
            wrong++;
            last = n;
        }
    }
    if (wrong == 1 && t->count > 1) {
        snprintf(text, bytes, last == t->count - 1 ? "last element alone" : "one element alone");
        return;
    }
    char row[60] = "", column[60] = "";
    bool rows = t->rank > 1 && along(j, t->rank - 2, "row", row, sizeof row),
         columns = along(j, t->rank - 1, "column", column, sizeof column);
    if (rows && columns) {
        extent r = extent_of(j, t->rank - 2), c = extent_of(j, t->rank - 1);
        if (r.first / 16 == r.last / 16 && c.first / 16 == c.last / 16 && r.distinct > 1 &&
            c.distinct > 1)
            snprintf(text, bytes, "one tile of 16 x 16, at %lld, %lld",
                     (long long)r.first / 16 * 16, (long long)c.first / 16 * 16);
        else
            snprintf(text, bytes, "%.50s; %.50s", column, row);
    } else if (columns || rows) {
        snprintf(text, bytes, "%s", columns ? column : row);
    }
    bool batches =
        t->rank > 2 && t->dim[0] > 1 && text[0] == '\0' && along(j, 0, "batch", text, bytes);
    (void)batches;
}

/* One wrong element whose bits differ in one place. */
static bool one_bit(const tn_v_job *j, tn_v_result *out)
{
    int64_t wrong = 0;
    bool bit = false;
    for (int k = 0; k < j->truths; ++k)
        for (int64_t n = 0; n < j->truth[k].count; ++n) {
            const tn_v_truth *t = &j->truth[k];
            double ratio;
            if (tn_v_right(j, t, n, &ratio) || t->bits)
                continue;
            wrong++;
            uint64_t got = 0, want = 0;
            memcpy(&got, tn_v_element(j, t, n), tn_v_elem_bytes(t->dtype));
            tn_v_encode(t->dtype, t->ref[n], TN_V_NEAREST_EVEN, false, &want);
            uint64_t x = got ^ want;
            bit = x != 0 && (x & (x - 1)) == 0;
        }
    if (wrong != 1 || !bit || !j->call.exact)
        return false;
    snprintf(out->hypothesis, sizeof out->hypothesis, "one bit of one element is flipped");
    return true;
}

static bool by_model(const tn_v_job *j, bool only_wrong, const char *where, tn_v_result *out)
{
    static const tn_v_model *const tables[] = {tn_v_models_matmul, tn_v_models_conv,
                                               tn_v_models_attention, tn_v_models_any};
    tn_v_edit *e = malloc(sizeof *e);
    bool found = false;
    for (int t = 0; t < 4 && e != NULL && !found; ++t)
        for (const tn_v_model *m = tables[t]; m->name != NULL && !found; ++m) {
            if (m->kind != 0 && m->kind != (int)j->op->kind)
                continue;
            begin(e, j);
            found = m->bend(e, m->param) && explains(e, only_wrong);
            if (found)
                snprintf(out->hypothesis, sizeof out->hypothesis, "%s%s%s: %s", where,
                         where[0] != '\0' ? "; " : "",
                         j->call.exact ? "bit-identical to" : "every element as", m->name);
            finish(e);
        }
    free(e);
    return found;
}

void tn_v_hypothesis(tn_v_job *j, tn_v_result *out)
{
    if (out->hypothesis[0] != '\0' || j->truths <= 0)
        return;
    if (by_pattern(j, out) || one_bit(j, out) || by_model(j, false, "", out))
        return;
    if (j->unstable)
        return;
    char where[120];
    region(j, where, sizeof where);
    if (where[0] != '\0' && !by_model(j, true, where, out) && !tn_v_family(j, where, out))
        snprintf(out->hypothesis, sizeof out->hypothesis, "%s", where);
    if (out->hypothesis[0] != '\0' || by_poison(j, out) || tn_v_family(j, "", out))
        return;
    /* Data whose sums are exact, or where one term is a result, say more. */
    static const tn_v_data better[] = {TN_V_EXACT, TN_V_ONE_HOT, TN_V_ZERO_MEAN};
    bool sums =
        j->op->kind == TN_OP_MATMUL || j->op->kind == TN_OP_CONV || j->op->kind == TN_OP_ATTENTION;
    for (int i = 0; i < 3 && sums && out->hypothesis[0] == '\0'; ++i) {
        tn_v_case c = *j->which;
        tn_v_result again;
        tn_v_session s = *j->session;
        s.watch = NULL;
        if (c.data == better[i] || !s.explain || c.seed == 0)
            continue;
        c.data = better[i];
        c.seed = 0; /* marks the second look: it has no third */
        tn_v_run(&s, &c, &again);
        if (again.status == TN_V_FAIL)
            snprintf(out->hypothesis, sizeof out->hypothesis, "%s", again.hypothesis);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Defects with parameters, which are read off the results: any terms of a sum lost or counted
 * again, an accumulator of any width, results of another place, results times or plus a constant.
 */
#include <conformance/runner/models.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS = 24, TERMS = 2048, CANDIDATES = 4096 };

typedef struct element {
    int64_t n, i[TN_MAX_RANK], terms;
    double got;
    tn_v_term *term;
    double *group; /* sums of the terms by key */
} element;

typedef struct family {
    const tn_v_job *job;
    const tn_v_truth *t;
    element wrong[ELEMENTS], good[ELEMENTS]; /* a few of each, spread over the output */
    int wrongs, goods;
    int64_t keys;
    char what[100];
    bool everywhere; /* also what is right comes out of it */
} family;

/* Whether the device's element is what a model's value would be. */
static bool as(const family *f, const element *e, double value)
{
    const tn_v_truth *t = f->t;
    const tn_v_arith *a = &f->job->call.arith;
    double ratio;
    if (!isfinite(value))
        return false;
    if (t->err[e->n] == 0)
        return tn_v_rounded(t->dtype, value, a->out_round, a->saturate) == e->got;
    return tn_v_within(a, t->dtype, value, t->err[e->n], t->mag[e->n], e->got, &ratio);
}

/* A value for every element; false where the model says nothing of it. */
typedef bool (*model)(const family *f, const element *e, const void *param, double *value);

static bool explains(family *f, model m, const void *param)
{
    double v;
    for (int i = 0; i < f->wrongs; ++i)
        if (!m(f, &f->wrong[i], param, &v) || !as(f, &f->wrong[i], v))
            return false;
    f->everywhere = true;
    for (int i = 0; i < f->goods; ++i)
        f->everywhere = f->everywhere && (!m(f, &f->good[i], param, &v) || as(f, &f->good[i], v));
    return true;
}

/* ---- terms ---- */

/* Keys from .. to (or every `every`-th from `from` on) are taken 1 + weight times. */
typedef struct part {
    int64_t from, to, every;
    double weight;
} part;

static bool without(const family *f, const element *e, const void *param, double *value)
{
    const part *p = param;
    double s = f->t->ref[e->n];
    for (int64_t k = p->from; k < p->to; k += p->every)
        s += p->weight * e->group[k];
    *value = s;
    return true;
}

static void group(element *e, int64_t keys, bool by_tap)
{
    memset(e->group, 0, (size_t)keys * sizeof *e->group);
    for (int64_t k = 0; k < e->terms; ++k)
        e->group[by_tap ? e->term[k].tap : e->term[k].k] += e->term[k].a * e->term[k].b;
}

static bool try_part(family *f, const char *key, int64_t from, int64_t to, int64_t every)
{
    static const struct {
        double weight;
        const char *word;
    } ways[] = {{-1, "dropped"}, {1, "counted twice"}, {-2, "subtracted"}};
    for (int w = 0; w < 3; ++w) {
        part p = {from, to, every, ways[w].weight};
        double v;
        if (!without(f, &f->wrong[0], &p, &v) || !as(f, &f->wrong[0], v) ||
            !explains(f, without, &p))
            continue;
        if (every > 1)
            snprintf(f->what, sizeof f->what, "%s mod %lld = %lld %s", key, (long long)every,
                     (long long)from, ways[w].word);
        else if (to - from == 1)
            snprintf(f->what, sizeof f->what, "%s %lld of %lld %s", key, (long long)from,
                     (long long)f->keys, ways[w].word);
        else
            snprintf(f->what, sizeof f->what, "%s %lld to %lld of %lld %s", key, (long long)from,
                     (long long)to - 1, (long long)f->keys, ways[w].word);
        return true;
    }
    return false;
}

static bool parts(family *f, const char *key)
{
    int64_t n = f->keys;
    for (int64_t k = 0; k < n; ++k)
        if (try_part(f, key, k, k + 1, 1))
            return true;
    for (int64_t k = 1; k < n; ++k)
        if (try_part(f, key, k, n, 1) || try_part(f, key, 0, k, 1))
            return true;
    for (int64_t every = 2; every <= 64 && every < n; ++every)
        for (int64_t from = 0; from < every; ++from)
            if (try_part(f, key, from, n, every))
                return true;
    for (int64_t size = 2; size <= 64 && size < n; ++size) /* a block in its middle */
        for (int64_t from = 1; from + size < n; ++from)
            if (n <= 300 && try_part(f, key, from, from + size, 1))
                return true;
    return false;
}

/* ---- accumulators ---- */

typedef struct width {
    int bits, block; /* block: only sums of so many terms are stored like this */
    tn_v_round round;
} width;

static bool narrow(const family *f, const element *e, const void *param, double *value)
{
    const width *w = param;
    double s = 0;
    (void)f;
    for (int64_t k = 0; k < e->terms; ++k) {
        s += e->term[k].a * e->term[k].b;
        if ((k + 1) % w->block == 0 || k + 1 == e->terms)
            s = tn_v_to_bits(s, w->bits, w->round);
    }
    *value = s;
    return e->terms > 0;
}

static bool widths(family *f)
{
    static const struct {
        tn_v_round round;
        const char *word;
    } ways[] = {{TN_V_NEAREST_EVEN, ""},
                {TN_V_TOWARD_ZERO, ", rounds toward zero"},
                {TN_V_UP, ", rounds up"}};
    static const int blocks[] = {1, 2, 4, 8, 16, 32, 64, 128};
    for (int bits = 23; bits >= 4; --bits)
        for (int r = 0; r < 3; ++r)
            for (int b = 0; b < 8; ++b) {
                width w = {bits, blocks[b], ways[r].round};
                if (!explains(f, narrow, &w))
                    continue;
                snprintf(f->what, sizeof f->what, "accumulator of %d bits%s", bits, ways[r].word);
                if (blocks[b] > 1)
                    snprintf(f->what + strlen(f->what), 40, ", stored every %d terms", blocks[b]);
                return true;
            }
    return false;
}

/* ---- results of other places, and scaled ones ---- */

typedef struct move {
    int64_t rows, columns, mask_row, mask_column; /* i + rows, or i ^ mask */
} move;

static bool moved(const family *f, const element *e, const void *param, double *value)
{
    const move *m = param;
    const tn_v_truth *t = f->t;
    int64_t row = (e->i[t->rank - 2] + m->rows) ^ m->mask_row,
            column = (e->i[t->rank - 1] + m->columns) ^ m->mask_column;
    if (row < 0 || row >= t->dim[t->rank - 2] || column < 0 || column >= t->dim[t->rank - 1])
        return false;
    int64_t columns = t->dim[t->rank - 1],
            first = e->n - e->i[t->rank - 2] * columns - e->i[t->rank - 1];
    *value = t->ref[first + row * columns + column];
    return true;
}

static bool places(family *f)
{
    const tn_v_truth *t = f->t;
    char word[2][36];
    if (t->rank < 2 || f->wrongs < 4)
        return false;
    for (int64_t mask = 1; mask <= 64; mask *= 2)
        for (int axis = 0; axis < 2; ++axis) {
            move m = {0, 0, axis == 0 ? mask : 0, axis == 1 ? mask : 0};
            if (explains(f, moved, &m)) {
                snprintf(f->what, sizeof f->what, "%s i and i xor %lld exchanged",
                         axis == 0 ? "rows" : "columns", (long long)mask);
                return true;
            }
        }
    for (int64_t far = 1; far <= 128; ++far)
        for (int64_t r = -far; r <= far; ++r)
            for (int64_t c = -far; c <= far; ++c) {
                move m = {r, c, 0, 0};
                if ((far > 8 && r != 0 && c != 0) || (llabs(r) != far && llabs(c) != far) ||
                    !explains(f, moved, &m))
                    continue;
                snprintf(word[0], sizeof word[0], r != 0 ? "%lld rows %s" : "", (long long)llabs(r),
                         r > 0 ? "below" : "above");
                snprintf(word[1], sizeof word[1], c != 0 ? "%lld columns to the %s" : "",
                         (long long)llabs(c), c > 0 ? "right" : "left");
                snprintf(f->what, sizeof f->what, "results of the place %.35s%s%.35s", word[0],
                         r != 0 && c != 0 ? ", " : "", word[1]);
                return true;
            }
    return false;
}

static bool scaled(const family *f, const element *e, const void *param, double *value)
{
    const double *p = param;
    *value = f->t->ref[e->n] * p[0] + p[1];
    return true;
}

static bool factors(family *f)
{
    const element *e = &f->wrong[0];
    double ref = f->t->ref[e->n], p[2] = {0, 0};
    if (f->wrongs < 4)
        return false;
    for (int i = 0; i < f->wrongs; ++i) /* the largest tells a factor best */
        if (fabs(f->t->ref[f->wrong[i].n]) > fabs(ref)) {
            e = &f->wrong[i];
            ref = f->t->ref[e->n];
        }
    p[0] = ref != 0 ? e->got / ref : 1;
    if (isfinite(p[0]) && explains(f, scaled, p)) {
        bool near = fabs(p[0] - 1) < 1e-3;
        snprintf(f->what, sizeof f->what, "results times %s%.6g", near ? "1 + " : "",
                 near ? p[0] - 1 : p[0]);
        return true;
    }
    p[0] = 1;
    p[1] = e->got - ref;
    if (isfinite(p[1]) && explains(f, scaled, p)) {
        snprintf(f->what, sizeof f->what, "results plus %.6g", p[1]);
        return true;
    }
    return false;
}

/* ---- */

static int64_t terms_of(const family *f, element *e)
{
    const tn_v_job *j = f->job;
    int64_t n = j->op->kind == TN_OP_MATMUL
                    ? tn_v_matmul_terms(&j->call, f->t, e->i, e->term, TERMS)
                : j->op->kind == TN_OP_CONV ? tn_v_conv_terms(&j->call, e->i, e->term, TERMS)
                                            : -1;
    return n;
}

static void collect(family *f)
{
    const tn_v_truth *t = f->t;
    int64_t wrong = 0, right = 0, w = 0, r = 0;
    double ratio;
    for (int64_t n = 0; n < t->count; ++n)
        if (tn_v_right(f->job, t, n, &ratio))
            ++right;
        else
            ++wrong;
    for (int64_t n = 0; n < t->count; ++n) {
        bool good = tn_v_right(f->job, t, n, &ratio);
        int64_t all = good ? right : wrong, at = good ? r++ : w++;
        int *have = good ? &f->goods : &f->wrongs;
        if (*have == ELEMENTS || at < *have * all / ELEMENTS)
            continue;
        element *e = good ? &f->good[*have] : &f->wrong[*have];
        e->n = n;
        e->got = tn_v_decode(t->dtype, tn_v_element(f->job, t, n));
        tn_v_unravel(t->dim, t->rank, n, e->i);
        ++*have;
    }
}

/* Whether a sum of products is all that there is: no epilogue, no C, no scales. */
static bool plain(const tn_v_job *j)
{
    if (j->op->post_count > 0 || j->op->arg_count != 3)
        return false;
    if (j->op->kind == TN_OP_MATMUL)
        return (((const tn_matmul *)j->op->attr)->flags & (TN_MATMUL_ALPHA | TN_MATMUL_BETA)) == 0;
    return j->op->kind == TN_OP_CONV;
}

static bool sums(family *f)
{
    bool conv = f->job->op->kind == TN_OP_CONV, good = true;
    int64_t keys[2] = {0, 0};
    element *of[] = {f->wrong, f->good};
    const int count[] = {f->wrongs, f->goods};
    for (int s = 0; s < 2 && good; ++s)
        for (int i = 0; i < count[s] && good; ++i) {
            element *e = &of[s][i];
            e->term = malloc(TERMS * sizeof *e->term);
            e->group = malloc(TERMS * sizeof *e->group);
            e->terms = e->term != NULL && e->group != NULL ? terms_of(f, e) : -1;
            good = e->terms >= 0 && e->terms <= TERMS;
            for (int64_t k = 0; k < e->terms && good; ++k) {
                keys[0] = e->term[k].k >= keys[0] ? e->term[k].k + 1 : keys[0];
                keys[1] = e->term[k].tap >= keys[1] ? e->term[k].tap + 1 : keys[1];
            }
        }
    for (int by = 0; by < (conv ? 2 : 1) && good && f->what[0] == '\0'; ++by) {
        f->keys = keys[by];
        for (int s = 0; s < 2; ++s)
            for (int i = 0; i < count[s]; ++i)
                group(&of[s][i], keys[by], by == 1);
        (void)parts(f, by == 1 ? "tap" : conv ? "channel" : "k");
    }
    bool found = good && (f->what[0] != '\0' || widths(f));
    for (int s = 0; s < 2; ++s)
        for (int i = 0; i < count[s]; ++i) {
            free(of[s][i].term);
            free(of[s][i].group);
        }
    return found;
}

bool tn_v_family(const tn_v_job *j, const char *where, tn_v_result *out)
{
    family *f = j->truths == 1 && !j->truth[0].bits ? calloc(1, sizeof *f) : NULL;
    if (f == NULL)
        return false;
    f->job = j;
    f->t = &j->truth[0];
    collect(f);
    bool found = f->wrongs >= 4 && j->which->data != TN_V_ROUND && j->which->data != TN_V_ORDER &&
                 j->which->data != TN_V_SPECIAL &&
                 ((plain(j) && sums(f)) || factors(f) || places(f));
    if (found)
        snprintf(out->hypothesis, sizeof out->hypothesis, "%s%s%s: %.99s",
                 f->everywhere ? "" : where, !f->everywhere && where[0] != '\0' ? "; " : "",
                 j->call.exact ? "bit-identical to" : "every element as", f->what);
    free(f);
    return found;
}

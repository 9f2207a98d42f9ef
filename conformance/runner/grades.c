/* SPDX-License-Identifier: Apache-2.0 */
/* Grades of a run by op and type: from the records, and from what the device was found to do. */
#include <conformance/fingerprint/fingerprint.h>
#include <conformance/runner/runner.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tally {
    tn_v_op_grade *g;
    int count, room;
} tally;

/* The op's name and the type of its first operand. */
static void key_of(const tn_v_case *c, char *op, size_t op_bytes, char *type, size_t type_bytes)
{
    const char *types = strchr(c->op, ':');
    snprintf(op, op_bytes, "%.*s", (int)strcspn(c->op, " :"), c->op);
    types = types != NULL ? types + 1 : "";
    snprintf(type, type_bytes, "%.*s", (int)strcspn(types, ",:+"), types);
}

static int row_of(tally *t, const tn_v_case *c)
{
    char op[sizeof t->g->op], type[sizeof t->g->type];
    key_of(c, op, sizeof op, type, sizeof type);
    for (int i = 0; i < t->count; ++i)
        if (strcmp(t->g[i].op, op) == 0 && strcmp(t->g[i].type, type) == 0)
            return i;
    if (t->count == t->room) {
        int room = t->room * 2 + 32;
        tn_v_op_grade *more = realloc(t->g, (size_t)room * sizeof *more);
        if (more == NULL)
            return -1;
        t->g = more;
        t->room = room;
    }
    memset(&t->g[t->count], 0, sizeof *t->g);
    memcpy(t->g[t->count].op, op, sizeof op);
    memcpy(t->g[t->count].type, type, sizeof type);
    return t->count++;
}

static bool wrong(tn_v_status s)
{
    return s == TN_V_FAIL || s == TN_V_CRASH || s == TN_V_TIMEOUT || s == TN_V_INTERNAL ||
           s == TN_V_UNEXPECTED_PASS || s == TN_V_FLAKE;
}

static void judge(tn_v_op_grade *g, int bits, bool nearest, long warned, const char *first)
{
    int n = 0;
    if (g->failed > 0) {
        g->grade = '-';
        snprintf(g->reason, sizeof g->reason, "%ld of %ld cases failed: %.120s", g->failed,
                 g->cases, first);
        return;
    }
    if (g->cases == 0) {
        g->grade = '?';
        snprintf(g->reason, sizeof g->reason, "every case is waived");
        return;
    }
    if (g->worst == 0) {
        g->grade = 'A';
        n = snprintf(g->reason, sizeof g->reason, "all results have the bits of the reference");
    } else if (bits == 0) { /* records of an older version */
        g->grade = '?';
        snprintf(g->reason, sizeof g->reason, "the records do not tell what was declared");
    } else {
        g->grade = bits < 24 ? 'D' : nearest ? 'B' : 'C';
        n = snprintf(g->reason, sizeof g->reason,
                     "declares an accumulator of %d bits that %s; largest error %.2f of its bound",
                     bits, nearest ? "rounds to nearest" : "does not round to nearest", g->worst);
    }
    if (warned > 0)
        snprintf(g->reason + n, sizeof g->reason - (size_t)n, "; %ld warnings of quality", warned);
}

/* What was found counts more than what is declared. */
static void found(tn_v_op_grade *g, const tn_v_identity *who)
{
    for (int i = 0; who != NULL && i < who->types; ++i) {
        const tn_v_grade *w = &who->grade[i];
        if (strcmp(g->op, "matmul") != 0 || strcmp(g->type, w->types) != 0 || g->failed > 0)
            continue;
        g->grade = w->grade;
        if (w->disagrees[0] != '\0')
            snprintf(g->reason, sizeof g->reason, "found: %s", w->disagrees);
        else
            snprintf(g->reason, sizeof g->reason,
                     "found: an accumulator of %d bits, rounding %s, products %s, %s; the twin "
                     "foresees %d of %d results",
                     w->width, w->round, w->fma, w->kind, w->twin_right, w->twin_of);
    }
}

static int by_name(const void *a, const void *b)
{
    const tn_v_op_grade *x = a, *y = b;
    int op = strcmp(x->op, y->op);
    return op != 0 ? op : strcmp(x->type, y->type);
}

int tn_v_grades(const tn_v_summary *s, const struct tn_v_identity *who, tn_v_op_grade **out)
{
    typedef struct more {
        int bits;
        bool truncates;
        long warned;
        const tn_v_result *first;
    } more;
    tally t = {NULL, 0, 0};
    more *m = calloc((size_t)s->total + 1, sizeof *m); /* no more groups than records */
    for (long i = 0; i < s->total && m != NULL; ++i) {
        const tn_v_record *r = &s->records[i];
        if (r->which == NULL || tn_v_is_lowlevel(r->which->op) ||
            r->result.status == TN_V_NOT_SUPPORTED)
            continue;
        int at = row_of(&t, r->which);
        if (at < 0)
            break;
        tn_v_op_grade *g = &t.g[at];
        if (r->result.status == TN_V_WAIVED) {
            g->waived++;
            continue;
        }
        g->cases++;
        m[at].warned += r->result.status == TN_V_QUALITY;
        if (wrong(r->result.status)) {
            if (g->failed++ == 0 || m[at].first->hypothesis[0] == '\0')
                m[at].first = &r->result;
            continue;
        }
        g->worst = r->result.ratio > g->worst ? r->result.ratio : g->worst;
        if (r->result.bits > 0 && r->result.ratio > 0) {
            m[at].bits =
                m[at].bits == 0 || r->result.bits < m[at].bits ? r->result.bits : m[at].bits;
            m[at].truncates = m[at].truncates || !r->result.nearest;
        }
    }
    for (int i = 0; i < t.count; ++i) {
        const tn_v_result *f = m[i].first;
        judge(&t.g[i], m[i].bits, !m[i].truncates, m[i].warned,
              f == NULL                  ? ""
              : f->hypothesis[0] != '\0' ? f->hypothesis
                                         : f->message);
        if (t.g[i].cases > 0)
            found(&t.g[i], who);
        size_t n = strlen(t.g[i].reason);
        if (t.g[i].waived > 0)
            snprintf(t.g[i].reason + n, sizeof t.g[i].reason - n, "; %ld more failed, waived",
                     t.g[i].waived);
    }
    free(m);
    if (t.count > 0)
        qsort(t.g, (size_t)t.count, sizeof *t.g, by_name);
    *out = t.g;
    return t.count;
}

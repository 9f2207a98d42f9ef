/* SPDX-License-Identifier: Apache-2.0 */
/* What the failing cases of an op have in common, and the passing ones have not: a size, a part of
 * the op, a type, a kernel, or two of these together. */
#include <conformance/runner/runner.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRAITS = 40 };
typedef struct trait {
    char name[40];
    double value; /* of a size; parts and words have 1 */
    bool size;
} trait;

typedef struct seen {
    trait t[TRAITS];
    int count;
    bool failed;
} seen;

typedef struct condition {
    char name[40];
    enum { IS, AT_LEAST, AT_MOST, REMAINDER, HAS } how;
    double value, rest;
} condition;

static void note(seen *s, bool size, double value, const char *name, int length)
{
    if (s->count == TRAITS || length <= 0)
        return;
    trait *t = &s->t[s->count++];
    snprintf(t->name, sizeof t->name, "%.*s", length, name);
    t->value = value;
    t->size = size;
}

static bool wrong(tn_v_status s)
{
    return s == TN_V_FAIL || s == TN_V_CRASH || s == TN_V_TIMEOUT || s == TN_V_FLAKE;
}

/* "3x2x63x131x127": by place from the end; "n1c5h12": by letter. */
static void sizes(seen *s, const char *shape, size_t length, bool matmul)
{
    static const char *const of_matmul[] = {"k", "n", "m"};
    double v[TN_MAX_RANK];
    int n = 0;
    const char *end = shape + length;
    double batches = 1;
    for (const char *at = shape; at < end;) {
        char letter = isalpha((unsigned char)*at) && *at != 'x' ? *at : 0, *behind;
        at += !isdigit((unsigned char)*at);
        double value = (double)strtoll(at, &behind, 10); /* "24e40" are two sizes */
        if (behind == at)
            continue;
        at = behind;
        if (letter != 0)
            note(s, true, value, (char[]){letter, '\0'}, 1);
        else if (n < TN_MAX_RANK)
            v[n++] = value;
    }
    for (int i = n; i-- > 0;) {
        char name[40];
        int back = n - 1 - i;
        if (matmul && back > 2) {
            batches *= v[i];
            continue;
        }
        snprintf(name, sizeof name, "%s", back == 0 ? "last size" : "size");
        if (back > 0)
            snprintf(name, sizeof name, "size %d before the last", back % 16);
        note(s, true, v[i], matmul ? of_matmul[back] : name, 39);
    }
    if (n > 0)
        note(s, true, n, "rank", 39);
    if (matmul)
        note(s, true, batches, "batches", 39);
}

static void traits_of(const tn_v_record *r, seen *s)
{
    const char *op = r->which->op, *at = strchr(op, ' ');
    char text[64];
    s->count = 0;
    s->failed = wrong(r->result.status);
    if (at == NULL)
        return;
    while (isalpha((unsigned char)at[1]) && strchr(at + 1, ' ') != NULL) { /* a kind: "exp" */
        const char *next = strchr(at + 1, ' ');
        note(s, false, 1, at + 1, (int)(next - at) - 1);
        at = next;
    }
    size_t length = strcspn(++at, ":+");
    sizes(s, at, length, strncmp(op, "matmul ", 7) == 0);
    int parts = 0;
    for (at += length; *at != '\0'; at += length) {
        length = strcspn(at + 1, ":+") + 1;
        size_t word = strcspn(at + 1, ":+=");
        note(s, false, 1, at + (*at == ':'), (int)(word + (*at == '+')));
        parts += *at == '+';
        const char *value = at + 1 + word;
        if (*value == '=' && isdigit((unsigned char)value[1])) {
            snprintf(text, sizeof text, "%.*s of", (int)word, at + 1);
            note(s, true, strtod(value + 1, NULL), text, 39);
        }
        if (strchr(at, '@') != NULL && strchr(at, '@') < at + length)
            note(s, false, 1, "strides of its own", 39);
    }
    note(s, true, parts, "number of parts", 39);
    snprintf(text, sizeof text, "data %s", tn_v_data_names[r->which->data]);
    note(s, false, 1, text, 39);
    snprintf(text, sizeof text, "kernel %.30s", r->result.kernel);
    if (r->result.kernel[0] != '\0')
        note(s, false, 1, text, 39);
}

static bool holds(const condition *c, const seen *s)
{
    for (int i = 0; i < s->count; ++i) {
        double v = s->t[i].value;
        if (strcmp(s->t[i].name, c->name) != 0)
            continue;
        switch (c->how) {
        case IS:
            return v == c->value;
        case AT_LEAST:
            return v >= c->value;
        case AT_MOST:
            return v <= c->value;
        case REMAINDER:
            return fmod(v, c->value) == c->rest;
        default:
            return true;
        }
    }
    return false;
}

typedef struct met {
    long failed, passed; /* of the cases that meet the conditions */
} met;

static met met_by(const seen *s, long n, const condition *a, const condition *b)
{
    met c = {0, 0};
    for (long i = 0; i < n; ++i)
        if ((a == NULL || holds(a, &s[i])) && (b == NULL || holds(b, &s[i]))) {
            c.failed += s[i].failed;
            c.passed += !s[i].failed;
        }
    return c;
}

/* How the failing cases see a size: its least, its most. */
static bool range(const seen *s, long n, const char *name, double *least, double *most)
{
    bool any = false;
    for (long i = 0; i < n; ++i)
        for (int k = 0; k < s[i].count && s[i].failed; ++k)
            if (strcmp(s[i].t[k].name, name) == 0) {
                double v = s[i].t[k].value;
                *least = any && *least < v ? *least : v;
                *most = any && *most > v ? *most : v;
                any = true;
            }
    return any;
}

/* Of all conditions that every failing case meets, the one that the fewest passing ones do. The
 * first failing case has all that they have in common. */
static bool best(const seen *s, long n, long failed, const condition *with, condition *out,
                 long *passed)
{
    long first = 0;
    bool found = false;
    while (first < n && !s[first].failed)
        ++first;
    for (int k = 0; first < n && k < s[first].count; ++k) {
        const trait *t = &s[first].t[k];
        double least = 0, most = 0;
        (void)range(s, n, t->name, &least, &most);
        const condition ways[] = {{"", IS, t->value, 0},
                                  {"", REMAINDER, 64, fmod(t->value, 64)},
                                  {"", REMAINDER, 32, fmod(t->value, 32)},
                                  {"", REMAINDER, 16, fmod(t->value, 16)},
                                  {"", REMAINDER, 8, fmod(t->value, 8)},
                                  {"", REMAINDER, 4, fmod(t->value, 4)},
                                  {"", REMAINDER, 3, fmod(t->value, 3)},
                                  {"", REMAINDER, 2, fmod(t->value, 2)},
                                  {"", AT_LEAST, least, 0},
                                  {"", AT_MOST, most, 0}};
        const condition has = {"", HAS, 1, 0};
        for (int w = 0; w < (t->size ? 10 : 1); ++w) {
            condition c = t->size ? ways[w] : has;
            memcpy(c.name, t->name, sizeof c.name);
            met now = met_by(s, n, &c, with);
            if (now.failed == failed && (!found || now.passed < *passed)) {
                *out = c;
                *passed = now.passed;
                found = true;
            }
        }
    }
    return found;
}

static int say(const condition *c, char *text, size_t bytes)
{
    static const char *const words[] = {"=", ">=", "<="};
    if (c->how == HAS)
        return snprintf(text, bytes, "%s", c->name);
    if (c->how == REMAINDER)
        return snprintf(text, bytes, "%s mod %g = %g", c->name, c->value, c->rest);
    return snprintf(text, bytes, "%s %s %g", c->name, words[c->how], c->value);
}

static void of_op(const tn_v_summary *s, const char *op, int length,
                  void (*tell)(void *self, const char *line), void *self)
{
    seen *all = calloc((size_t)s->total + 1, sizeof *all);
    long n = 0, failed = 0;
    for (long i = 0; i < s->total && all != NULL; ++i) {
        const tn_v_record *r = &s->records[i];
        if (r->which == NULL || r->result.status == TN_V_NOT_SUPPORTED ||
            strncmp(r->which->op, op, (size_t)length) != 0)
            continue;
        traits_of(r, &all[n]);
        failed += all[n++].failed;
    }
    condition one, two;
    long passed = n - failed, with_one = 0, with_two = 0;
    char line[256];
    if (all != NULL && failed > 1 && best(all, n, failed, NULL, &one, &with_one) &&
        with_one < passed) {
        int at =
            snprintf(line, sizeof line, "all %ld failing cases of %.*s: ", failed, length - 1, op);
        at += say(&one, line + at, sizeof line - (size_t)at);
        if (with_one > 0 && best(all, n, failed, &one, &two, &with_two) && with_two < with_one) {
            at += snprintf(line + at, sizeof line - (size_t)at, " and ");
            at += say(&two, line + at, sizeof line - (size_t)at);
            with_one = with_two;
        }
        /* what most of the passing cases have, too, says nothing */
        snprintf(line + at, sizeof line - (size_t)at, "; so have %ld of %ld that pass", with_one,
                 passed);
        if (4 * with_one <= passed)
            tell(self, line);
    }
    free(all);
}

void tn_v_common(const tn_v_summary *s, void (*tell)(void *self, const char *line), void *self)
{
    char told[32][24];
    int count = 0;
    for (long i = 0; i < s->total && count < 32; ++i) {
        const tn_v_record *r = &s->records[i];
        if (r->which == NULL || !wrong(r->result.status))
            continue;
        const char *op = r->which->op, *end = strchr(op, ' ');
        bool known = end == NULL || end - op > 20;
        for (int k = 0; k < count && !known; ++k)
            known = strncmp(told[k], op, (size_t)(end - op) + 1) == 0;
        if (known)
            continue;
        snprintf(told[count++], sizeof told[0], "%.*s", (int)(end - op) + 1, op);
        of_op(s, op, (int)(end - op) + 1, tell, self);
    }
}

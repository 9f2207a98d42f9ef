/* SPDX-License-Identifier: Apache-2.0 */
/* Recovering the tree of a sum from which units survive between a mask and its negative. */
#include <conformance/bounds/number.h>
#include <conformance/fingerprint/fingerprint.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct search {
    const tn_v_dot *dot;
    int64_t at; /* element of the result */
    int n;
    double *a, *b, *c, mask[2], unit[2]; /* as two factors */
    bool single, failed;
    tn_v_tree *tree;
} search;

/* Mask and unit as two factors of the type each. The ratio swamps every accumulator that the type
 * can have; the second choice is for accumulators that the first mask overflows. */
static bool choose(search *s, tn_dtype in, tn_dtype out, int attempt)
{
    static const struct {
        tn_dtype in, out;
        double mask, unit;
    } rows[] = {{TN_F64, 0, 0x1p500, 1},         {TN_F16, TN_F16, 0x1p15, 0x1p-5},
                {TN_F16, 0, 0x1p15, 0x1p-14},    {TN_F8E4M3, 0, 0x1p8, 0x1p-9},
                {TN_F8E5M2, 0, 0x1p15, 0x1p-14}, {0, 0, 0x1p63, 1}};
    const int last = sizeof rows / sizeof rows[0] - 1;
    int r = 0;
    while (r < last && (rows[r].in != in || (rows[r].out != 0 && rows[r].out != out)))
        ++r;
    s->mask[0] = s->mask[1] = rows[r].mask;
    s->unit[0] = s->unit[1] = rows[r].unit;
    if (attempt == 0)
        return true;
    s->mask[0] = 0x1p8; /* 2^15 fits f16, and units of 2^-10 are below its last place */
    s->mask[1] = 0x1p7;
    s->unit[0] = s->unit[1] = 0x1p-5;
    return attempt == 1 && in == TN_F16;
}

static double ask(search *s)
{
    s->tree->queries++;
    if (!s->dot->run(s->dot->self, s->a, s->b, s->c)) {
        s->failed = true;
        return NAN;
    }
    return s->c[s->at];
}

static void masks(search *s, int i, int j)
{
    for (int k = 0; k < s->n; ++k) {
        bool masked = k == i || k == j;
        s->a[k] = k == i ? s->mask[0] : k == j ? -s->mask[0] : s->single ? 0 : s->unit[0];
        s->b[k] = masked ? s->mask[1] : s->unit[1];
    }
}

/* Number of leaves under the lowest node that has i and j. */
static int meet(search *s, int i, int j)
{
    masks(s, i, j);
    if (!s->single) {
        double left = ask(s) / (s->unit[0] * s->unit[1]);
        if (!isfinite(left)) { /* the mask overflows */
            s->failed = true;
            return 2;
        }
        if (left >= 0 && left <= s->n - 2 && left == floor(left))
            return s->n - (int)left;
        s->single = true; /* the count makes no sense: one unit at a time from here on */
    }
    int inside = 2;
    for (int k = 0; k < s->n && !s->failed; ++k) {
        if (k == i || k == j)
            continue;
        masks(s, i, j);
        s->a[k] = s->unit[0];
        double left = ask(s);
        s->failed = s->failed || !isfinite(left);
        inside += left != s->unit[0] * s->unit[1];
    }
    return inside;
}

static int add_node(search *s, const int *child, int count)
{
    tn_v_tree *t = s->tree;
    int first = t->nodes > 0 ? t->first[t->nodes - 1] + t->count[t->nodes - 1] : 0;
    if (t->nodes >= t->leaves || first + count > t->room) {
        s->failed = true;
        return 0;
    }
    t->first[t->nodes] = first;
    t->count[t->nodes] = count;
    memcpy(t->child + first, child, (size_t)count * sizeof *child);
    return t->leaves + t->nodes++;
}

static int subtree(search *s, int i, const int *set, const int *value, int count);

/* The subtrees that make up `set`, whose members meet at `top` where they are of different ones. */
static int forest(search *s, int *set, int count, int top, int *out)
{
    int found = 0;
    int *inside = malloc(((size_t)count + 1) * 2 * sizeof *inside), *value = inside + count + 1;
    while (inside != NULL && count > 0 && !s->failed) {
        int i = set[0], in = 0, rest = 0;
        for (int k = 1; k < count && !s->failed; ++k) {
            int l = meet(s, i, set[k]);
            if (l < top) {
                inside[in] = set[k];
                value[in++] = l;
            } else {
                set[rest++] = set[k];
            }
        }
        out[found++] = subtree(s, i, inside, value, in);
        count = rest;
    }
    s->failed = s->failed || inside == NULL;
    free(inside);
    return found;
}

static int subtree(search *s, int i, const int *set, const int *value, int count)
{
    int node = i;
    int *group = malloc(((size_t)count + 2) * 2 * sizeof *group), *child = group + count + 1;
    for (int level = 2; group != NULL && level <= s->n && !s->failed; ++level) {
        int n = 0;
        for (int k = 0; k < count; ++k)
            if (value[k] == level)
                group[n++] = set[k];
        if (n == 0)
            continue;
        child[0] = node;
        int kids = forest(s, group, n, level, child + 1);
        node = add_node(s, child, kids + 1);
    }
    s->failed = s->failed || group == NULL;
    free(group);
    return node;
}

static bool sound(const tn_v_tree *t)
{
    int seen = 0;
    for (int n = 0; n < t->nodes; ++n)
        for (int c = 0; c < t->count[n]; ++c)
            seen += t->child[t->first[n] + c] < t->leaves;
    return seen == t->leaves && (t->leaves < 2 || t->nodes > 0);
}

static bool attempt(const tn_v_dot *dot, int64_t at, int which, tn_v_tree *out)
{
    int n = (int)dot->k;
    search s = {.dot = dot, .at = at, .n = n, .tree = out};
    if (!choose(&s, dot->in, dot->out, which))
        return false;
    memset(out, 0, sizeof *out);
    out->leaves = n;
    out->room = 2 * n + 2;
    out->count = calloc((size_t)n + 1, sizeof *out->count);
    out->first = calloc((size_t)n + 1, sizeof *out->first);
    out->child = calloc((size_t)out->room, sizeof *out->child);
    double *room = calloc((size_t)(2 * n + dot->m * dot->n) + 1, sizeof *room);
    int *all = calloc((size_t)n + 1, sizeof *all), *roots = calloc((size_t)n + 1, sizeof *roots);
    bool good = out->count != NULL && out->first != NULL && out->child != NULL && room != NULL &&
                all != NULL && roots != NULL && n > 1;
    s.a = room;
    s.b = room != NULL ? room + n : NULL;
    s.c = room != NULL ? room + 2 * n : NULL;
    /* A count of units has to be exact in the output, and the mask has to swamp all of them. */
    double ratio = s.mask[0] * s.mask[1] / (s.unit[0] * s.unit[1]);
    s.single = n > (int)ldexp(1.0, tn_v_format_of(dot->out).precision < 30
                                       ? tn_v_format_of(dot->out).precision
                                       : 30) ||
               (which == 0 && ratio < ldexp((double)n, 26));
    for (int k = 0; good && k < n; ++k)
        all[k] = k;
    good = good && forest(&s, all, n, n + 1, roots) == 1 && !s.failed && sound(out);
    free(room);
    free(all);
    free(roots);
    if (!good)
        tn_v_tree_free(out);
    return good;
}

bool tn_v_tree_find(const tn_v_dot *dot, int64_t row, int64_t column, tn_v_tree *out)
{
    return attempt(dot, row * dot->n + column, 0, out) ||
           attempt(dot, row * dot->n + column, 1, out);
}

void tn_v_tree_free(tn_v_tree *t)
{
    free(t->count);
    free(t->first);
    free(t->child);
    memset(t, 0, sizeof *t);
}

/* ---- what a tree says ---- */

static int leaves_under(const tn_v_tree *t, int node, int i, int j, int *found, int *size)
{
    if (node < t->leaves) {
        *size = 1;
        return (node == i) + (node == j);
    }
    int n = node - t->leaves, have = 0, all = 0;
    for (int c = 0; c < t->count[n]; ++c) {
        int below;
        have += leaves_under(t, t->child[t->first[n] + c], i, j, found, &below);
        all += below;
    }
    *size = all;
    if (have == 2 && *found == 0)
        *found = all;
    return have;
}

int tn_v_tree_meet(const tn_v_tree *t, int i, int j)
{
    int found = 0, size;
    leaves_under(t, t->leaves + t->nodes - 1, i, j, &found, &size);
    return found;
}

static int depth_of(const tn_v_tree *t, int node)
{
    if (node < t->leaves)
        return 0;
    int most = 0, n = node - t->leaves;
    for (int c = 0; c < t->count[n]; ++c) {
        int d = depth_of(t, t->child[t->first[n] + c]);
        most = d > most ? d : most;
    }
    return most + 1;
}

int tn_v_tree_depth(const tn_v_tree *t)
{
    return depth_of(t, t->leaves + t->nodes - 1);
}

typedef struct text {
    char *at;
    size_t used, room;
} text;

static void put(text *s, const char *word)
{
    size_t n = strlen(word);
    if (s->used + n + 1 > s->room) {
        size_t room = s->room * 2 + n + 64;
        char *more = realloc(s->at, room);
        if (more == NULL)
            return;
        s->at = more;
        s->room = room;
    }
    memcpy(s->at + s->used, word, n + 1);
    s->used += n;
}

static void write_node(const tn_v_tree *t, int node, text *s)
{
    char word[16];
    if (node < t->leaves) {
        snprintf(word, sizeof word, "%d", node);
        put(s, word);
        return;
    }
    int n = node - t->leaves;
    put(s, "(");
    for (int c = 0; c < t->count[n]; ++c) {
        put(s, c > 0 ? " " : "");
        write_node(t, t->child[t->first[n] + c], s);
    }
    put(s, ")");
}

char *tn_v_tree_text(const tn_v_tree *t)
{
    text s = {NULL, 0, 0};
    put(&s, "");
    if (t->nodes > 0)
        write_node(t, t->leaves + t->nodes - 1, &s);
    return s.at;
}

/* ---- names of orders, by writing them and comparing ---- */

static void chain(text *s, int first, int step, int count)
{
    char word[16];
    for (int i = 1; i < count; ++i)
        put(s, "(");
    for (int i = 0; i < count; ++i) {
        snprintf(word, sizeof word, "%s%d%s", i > 0 ? " " : "", first + i * step, i > 0 ? ")" : "");
        put(s, word);
    }
}

static void reversed(text *s, int n)
{
    char word[16];
    for (int i = 0; i + 1 < n; ++i) {
        snprintf(word, sizeof word, "(%d ", i);
        put(s, word);
    }
    snprintf(word, sizeof word, "%d", n - 1);
    put(s, word);
    for (int i = 0; i + 1 < n; ++i)
        put(s, ")");
}

static void pairwise(text *s, int first, int n)
{
    char word[16];
    if (n == 1) {
        snprintf(word, sizeof word, "%d", first);
        put(s, word);
        return;
    }
    int half = 1;
    while (half * 2 < n)
        half *= 2;
    put(s, "(");
    pairwise(s, first, half);
    put(s, " ");
    pairwise(s, first + half, n - half);
    put(s, ")");
}

enum { BY_NEIGHBOURS, BY_HALVES, IN_TURN };

/* Lanes first .. first + count, `step` apart, put together. */
static void reduce(text *s, int n, int lanes, int first, int count, int step, int how)
{
    if (count == 1) {
        chain(s, first, lanes, (n - first + lanes - 1) / lanes);
        return;
    }
    put(s, "(");
    if (how == IN_TURN) {
        reduce(s, n, lanes, first, count - 1, step, how);
        put(s, " ");
        reduce(s, n, lanes, first + count - 1, 1, step, how);
    } else if (how == BY_NEIGHBOURS) {
        reduce(s, n, lanes, first, count / 2, step, how);
        put(s, " ");
        reduce(s, n, lanes, first + count / 2, count - count / 2, step, how);
    } else { /* l + (l + half) first: the last step adds the even and the odd lanes */
        reduce(s, n, lanes, first, count / 2, step * 2, how);
        put(s, " ");
        reduce(s, n, lanes, first + step, count / 2, step * 2, how);
    }
    put(s, ")");
}

static void parts(text *s, int n, int size)
{
    int count = (n + size - 1) / size;
    for (int i = 1; i < count; ++i)
        put(s, "(");
    for (int i = 0; i < count; ++i) {
        put(s, i > 0 ? " " : "");
        chain(s, i * size, 1, n - i * size < size ? n - i * size : size);
        put(s, i > 0 ? ")" : "");
    }
}

static void fused(text *s, int n, int width, bool with_start)
{
    char word[16];
    int blocks = (n + width - 1) / width;
    for (int i = 0; i < blocks; ++i)
        put(s, "(");
    for (int b = 0; b < blocks; ++b) {
        for (int k = b * width; k < n && k < (b + 1) * width; ++k) {
            snprintf(word, sizeof word, "%s%d", k > 0 ? " " : "", k);
            put(s, word);
        }
        put(s, ")");
    }
    (void)with_start;
}

static bool named(const char *have, text *candidate, char *out, uint64_t bytes, const char *name)
{
    bool same = candidate->at != NULL && strcmp(have, candidate->at) == 0;
    if (same)
        snprintf(out, bytes, "%s", name);
    free(candidate->at);
    *candidate = (text){NULL, 0, 0};
    return same;
}

void tn_v_tree_kind(const tn_v_tree *t, char *out, uint64_t bytes)
{
    static const char *const ends[] = {"neighbours first", "halves first", "in turn"};
    char *have = tn_v_tree_text(t), name[64];
    text s = {NULL, 0, 0};
    int n = t->leaves;
    snprintf(out, bytes, "other");
    chain(&s, 0, 1, n);
    bool found = have == NULL || named(have, &s, out, bytes, "sequential");
    if (!found) {
        reversed(&s, n);
        found = named(have, &s, out, bytes, "reversed");
    }
    if (!found) {
        pairwise(&s, 0, n);
        found = named(have, &s, out, bytes, "pairwise");
    }
    for (int lanes = 2; lanes <= 64 && lanes < n && !found; lanes *= 2)
        for (int how = 0; how < 3 && !found; ++how) {
            reduce(&s, n, lanes, 0, lanes, 1, how);
            snprintf(name, sizeof name, "%d lanes, %s", lanes, ends[how]);
            found = named(have, &s, out, bytes, name);
        }
    for (int width = 2; width <= 32 && width <= n && !found; width *= 2) {
        fused(&s, n, width, true);
        snprintf(name, sizeof name, "fused by %d", width);
        found = named(have, &s, out, bytes, name);
    }
    for (int size = 2; size < n && !found; ++size) {
        parts(&s, n, size);
        snprintf(name, sizeof name, "blocks of %d", size);
        found = named(have, &s, out, bytes, name);
    }
    free(have);
}

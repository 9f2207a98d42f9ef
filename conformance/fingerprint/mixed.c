/* SPDX-License-Identifier: Apache-2.0 */
/* Sums whose parts are computed in different ways: vectors of fused products and then a remainder
 * of products rounded apart, or added up in wider numbers. Asked node by node. */
#include <conformance/bounds/number.h>
#include <conformance/cases/cases.h>
#include <conformance/fingerprint/fingerprint.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int child(const tn_v_tree *t, int node, int which)
{
    return t->child[t->first[node - t->leaves] + which];
}

static int some_leaf(const tn_v_tree *t, int node)
{
    while (node >= t->leaves)
        node = child(t, node, 0);
    return node;
}

/* Whether the product of a leaf comes to its sum as it is: its square beside what is nearly its
 * negative, at a leaf of the other side. */
static char leaf_of(tn_v_probe *s, int leaf, int other)
{
    int precision = tn_v_format_of(s->dot->in).precision;
    double e = ldexp(1.0, -(precision + 1) / 2);
    tn_v_probe_clear(s);
    s->a[other] = -(1 + 2 * e);
    s->a[leaf] = s->b[leaf] = 1 + e;
    return tn_v_probe_ask(s) == e * e ? TN_V_LEAF_EXACT : TN_V_LEAF_ROUNDED;
}

/* 2^bits + 1 is no number of a sum of that many bits; -2^bits comes at the node above. */
static bool keeps(tn_v_probe *s, int x, int y, int z, int bits)
{
    tn_v_probe_clear(s);
    s->a[x] = ldexp(1.0, bits);
    s->a[y] = 1;
    s->a[z] = -s->a[x];
    return tn_v_probe_ask(s) == 1;
}

static int bits_of(tn_v_probe *s, int x, int y, int z, int likely)
{
    if (!keeps(s, x, y, z, likely) && keeps(s, x, y, z, likely - 1))
        return likely;
    int bits = 1;
    while (bits < 60 && keeps(s, x, y, z, bits) && !s->failed)
        ++bits;
    return bits;
}

/* The twin on random products. */
static bool foresees(tn_v_probe *s, const tn_v_print *p, const tn_v_path *path)
{
    enum { TRIALS = 64 };
    tn_v_random r = {31};
    double want;
    for (int lap = 0; lap < TRIALS; ++lap) {
        for (int64_t k = 0; k < s->dot->k; ++k) {
            s->a[k] = tn_v_rounded(s->dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
            s->b[k] = tn_v_rounded(s->dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
        }
        if (!tn_v_twin(p, path, s->a, s->b, &want) || tn_v_probe_ask(s) != want)
            return false;
    }
    return true;
}

static void forget(tn_v_path *path)
{
    free(path->leaf);
    free(path->bits);
    path->leaf = NULL;
    path->bits = NULL;
}

bool tn_v_mixed_find(const tn_v_print *p, tn_v_path *path)
{
    const tn_v_dot *dot = &p->dot;
    const tn_v_tree *t = &path->tree;
    tn_v_probe s = {.dot = dot, .at = path->row * dot->n + path->column};
    for (int n = 0; n < t->nodes; ++n)
        if (t->count[n] > 2)
            return true;
    if (t->nodes == 0 || !path->stable || tn_v_format_of(dot->in).max < 0x1p100)
        return true;
    double *room = calloc((size_t)(2 * dot->k + dot->m * dot->n) + 1, sizeof *room);
    if (room == NULL)
        return false;
    s.a = room;
    s.b = room + dot->k;
    s.c = room + 2 * dot->k;
    if (foresees(&s, p, path) || s.failed) {
        free(room);
        return !s.failed;
    }
    path->leaf = calloc((size_t)t->leaves + 1, 1);
    path->bits = calloc((size_t)t->nodes + 1, sizeof *path->bits);
    bool good = path->leaf != NULL && path->bits != NULL;
    for (int n = t->leaves; good && n < t->leaves + t->nodes && !s.failed; ++n) {
        int up = n + 1; /* the node above stands behind all below it */
        while (up < t->leaves + t->nodes && child(t, up, 0) != n && child(t, up, 1) != n)
            ++up;
        int x = some_leaf(t, child(t, n, 0)), y = some_leaf(t, child(t, n, 1));
        path->bits[n - t->leaves] = tn_v_format_of(dot->out).precision;
        if (up < t->leaves + t->nodes) {
            int z = some_leaf(t, child(t, up, child(t, up, 0) == n));
            path->bits[n - t->leaves] = bits_of(&s, x, y, z, path->traits.width);
        }
        for (int side = 0; side < 2; ++side)
            if (child(t, n, side) < t->leaves)
                path->leaf[child(t, n, side)] = leaf_of(&s, side ? y : x, side ? x : y);
    }
    good = good && !s.failed;
    if (!good || !foresees(&s, p, path))
        forget(path);
    free(room);
    return good;
}

void tn_v_path_free(tn_v_path *path)
{
    forget(path);
    tn_v_tree_free(&path->tree);
}

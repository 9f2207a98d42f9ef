/* SPDX-License-Identifier: Apache-2.0 */
/* The software twin: a sum by the tree and the traits of a fingerprint. */
#include <conformance/bounds/number.h>
#include <conformance/fingerprint/fingerprint.h>

#include <math.h>
#include <string.h>

typedef struct twin {
    const tn_v_traits *traits;
    const tn_v_tree *tree;
    const tn_v_path *path;
    tn_dtype out;
    const double *a, *b;
    bool fused, nearest, exact_products;
    int bits;
    tn_v_round round;
} twin;

/* Rounded to the accumulator; f16 and f32 have an end below, where steps no longer shrink. */
static double narrow(const twin *t, double v)
{
    if (t->round == TN_V_NEAREST_EVEN && t->bits == 11)
        return tn_v_rounded(TN_F16, v, TN_V_NEAREST_EVEN, false);
    if (t->round == TN_V_NEAREST_EVEN && t->bits == 24)
        return tn_v_rounded(TN_F32, v, TN_V_NEAREST_EVEN, false);
    return tn_v_to_bits(v, t->bits, t->round);
}

/* x + y, where both are doubles whose sum may not be one, rounded once to the accumulator. */
static double add(const twin *t, double x, double y)
{
    double s = x + y, back = s - x, rest = (x - (s - back)) + (y - back);
    if (!isfinite(s) || t->bits >= 53)
        return s;
    double r = narrow(t, s);
    if (rest == 0)
        return r;
    if (t->round == TN_V_TOWARD_ZERO) {
        /* s itself was rounded: it may have gone past a number of the accumulator */
        if (r == s && (rest < 0) == (s > 0))
            r = tn_v_to_bits(nextafter(s, 0), t->bits, t->round);
        return r;
    }
    /* to odd, then to nearest */
    uint64_t bits;
    memcpy(&bits, &s, sizeof bits);
    if ((bits & 1) == 0)
        s = nextafter(s, rest > 0 ? INFINITY : -INFINITY);
    return narrow(t, s);
}

static double rounded(const twin *t, double p)
{
    return t->bits >= 53 || t->exact_products ? p : narrow(t, p);
}

static double product(const twin *t, int k)
{
    return t->a[k] * t->b[k];
}

/* Terms of a unit that adds several at once: aligned to the largest, cut off, added, cut off. */
static double unit_sum(const twin *t, const double *term, int count)
{
    int top = -100000, e;
    double sum = 0;
    for (int i = 0; i < count; ++i)
        if (term[i] != 0) {
            (void)frexp(term[i], &e);
            top = e > top ? e : top;
        }
    if (top == -100000)
        return 0;
    int quantum = top - t->bits; /* 24 and the extra bits */
    for (int i = 0; i < count; ++i)
        sum += trunc(ldexp(term[i], -quantum));
    return tn_v_to_bits(ldexp(sum, quantum), 24, TN_V_TOWARD_ZERO);
}

/* Of a sum of different parts: every node has its bits, every product comes in its own way. */
static double mixed_value(const twin *t, int node)
{
    const tn_v_tree *tree = t->tree;
    twin own = *t;
    if (node < tree->leaves) {
        own.bits = tn_v_format_of(t->out).precision;
        return t->path->leaf[node] == TN_V_LEAF_EXACT ? product(t, node)
                                                      : narrow(&own, product(t, node));
    }
    own.bits = t->path->bits[node - tree->leaves];
    const int *child = tree->child + tree->first[node - tree->leaves];
    return add(&own, mixed_value(t, child[0]), mixed_value(t, child[1]));
}

static double value(const twin *t, int node, bool *good)
{
    enum { MOST = 64 };
    const tn_v_tree *tree = t->tree;
    double term[MOST];
    int n = node - tree->leaves;
    if (node < tree->leaves)
        return rounded(t, product(t, node));
    int count = tree->count[n];
    const int *child = tree->child + tree->first[n];
    if (count > 2) {
        *good = *good && count <= MOST;
        for (int i = 0; i < count && *good; ++i)
            term[i] = child[i] < tree->leaves ? product(t, child[i]) : value(t, child[i], good);
        return *good ? unit_sum(t, term, count) : 0;
    }
    bool leaf[2] = {child[0] < tree->leaves, child[1] < tree->leaves};
    if (!t->fused || (!leaf[0] && !leaf[1]))
        return add(t, value(t, child[0], good), value(t, child[1], good));
    int last = leaf[0] && leaf[1] ? (t->traits->later_rounded ? 0 : 1) : leaf[1] ? 1 : 0;
    double before = value(t, child[1 - last], good);
    if (t->bits >= 53) /* a product of float64 has more bits than this arithmetic */
        return fma(t->a[child[last]], t->b[child[last]], before);
    return add(t, before, product(t, child[last]));
}

bool tn_v_twin(const tn_v_print *p, const tn_v_path *path, const double *a, const double *b,
               double *out)
{
    const tn_v_traits *r = &path->traits;
    twin t = {.traits = r, .tree = &path->tree, .path = path, .out = p->dot.out, .a = a, .b = b};
    bool good = path->tree.nodes > 0;
    t.exact_products = strcmp(r->fma, "exact products") == 0;
    t.fused = strcmp(r->fma, "fused") == 0 || t.exact_products;
    t.bits = r->width;
    t.round = strcmp(r->round, "zero") == 0 ? TN_V_TOWARD_ZERO : TN_V_NEAREST_EVEN;
    bool units = false;
    for (int n = 0; n < path->tree.nodes; ++n)
        units = units || path->tree.count[n] > 2;
    good = good && (units || strcmp(r->round, "nearest") == 0 || strcmp(r->round, "zero") == 0 ||
                    r->width >= 53);
    if (!good)
        return false;
    int root = path->tree.leaves + path->tree.nodes - 1;
    double v = path->leaf != NULL ? mixed_value(&t, root) : value(&t, root, &good);
    /* Beyond the type's exponents there is nothing to round down to. */
    double beyond = ldexp(1.0, ilogb(tn_v_format_of(p->dot.out).max) + 1);
    if (!r->saturates && fabs(v) >= beyond)
        v = copysign(INFINITY, v);
    *out = tn_v_rounded(p->dot.out, v,
                        strcmp(r->output_round, "zero") == 0 ? TN_V_TOWARD_ZERO : TN_V_NEAREST_EVEN,
                        false);
    return good;
}

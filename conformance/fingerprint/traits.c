/* SPDX-License-Identifier: Apache-2.0 */
/* Paths by place, widths, roundings and the rest of what a few multiplications tell. */
#include <conformance/cases/cases.h>
#include <conformance/fingerprint/fingerprint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tn_v_probe_clear(tn_v_probe *p)
{
    memset(p->a, 0, (size_t)p->dot->k * sizeof *p->a);
    for (int64_t k = 0; k < p->dot->k; ++k)
        p->b[k] = 1;
}

double tn_v_probe_ask(tn_v_probe *p)
{
    p->failed = p->failed || !p->dot->run(p->dot->self, p->a, p->b, p->c);
    return p->failed ? NAN : p->c[p->at];
}

/* A product as two factors of the type. */
static void term(tn_v_probe *p, int k, double value)
{
    tn_v_format f = tn_v_format_of(p->dot->in);
    int e = 0, least = f.exponent_min - f.precision + 1;
    if (value != 0 && isfinite(value))
        (void)frexp(value, &e);
    int half = e > 1 || e < 0 ? e / 2 : 0;
    if (fabs(value) <= f.max / 4 && e > 0)
        half = 0;
    half = half < least ? least : half;
    p->a[k] = ldexp(value, -half);
    p->b[k] = ldexp(1.0, half);
}

/* What stands for 1: a type of few exponents has no 2^24 beside it. */
static double one_of(const tn_v_probe *p)
{
    return p->dot->in == TN_F8E4M3 ? 0x1p-15 : 1;
}

/* x and y meet first, z later; in a unit that adds several at once all three are of one block,
 * where its extra bits show. */
static void three_places(const tn_v_tree *t, int *x, int *y, int *z)
{
    *x = 0;
    *y = 1;
    *z = t->leaves - 1;
    for (int n = 0; n < t->nodes; ++n) {
        const int *child = t->child + t->first[n];
        if (child[0] >= t->leaves || child[1] >= t->leaves)
            continue;
        *x = child[0];
        *y = child[1];
        if (t->count[n] > 2 && child[2] < t->leaves) {
            *z = child[2];
            return;
        }
        break;
    }
    while (*z == *x || *z == *y)
        --*z;
}

static double three(tn_v_probe *p, int x, double vx, int y, double vy, int z, double vz)
{
    tn_v_probe_clear(p);
    term(p, x, vx);
    term(p, y, vy);
    term(p, z, vz);
    return tn_v_probe_ask(p);
}

static void find_width(tn_v_probe *p, tn_v_traits *t, int x, int y, int z)
{
    tn_v_format f = tn_v_format_of(p->dot->in);
    double one = one_of(p);
    t->width = 64;
    for (int s = 1; s < 64; ++s) {
        double m = ldexp(one, s);
        if (m > f.max * f.max / 8)
            break;
        if (three(p, x, m, y, one, z, -m) != one) {
            t->width = s;
            break;
        }
    }
}

static void find_rounding(tn_v_probe *p, tn_v_traits *t, int x, int y, int z)
{
    static const double small[] = {1, 1.5, 3, -1, -1.5, -3};
    bool near = true, zero = true, truncates = true, exact = true;
    for (int s = -1; s <= 1; s += 2)
        for (int i = 0; i < 6; ++i) {
            double one = one_of(p), m = s * ldexp(1.5, t->width), v = small[i];
            double got = three(p, x, m * one, y, v * one, z, -m * one) / one;
            near = near && got == tn_v_to_bits(m + v, t->width, TN_V_NEAREST_EVEN) - m;
            zero = zero && got == tn_v_to_bits(m + v, t->width, TN_V_TOWARD_ZERO) - m;
            truncates = truncates && got == 2 * trunc(v / 2);
            exact = exact && got == v;
        }
    snprintf(t->round, sizeof t->round, "%s",
             t->width >= 64 || exact ? "exact"
             : near                  ? "nearest"
             : zero                  ? "zero"
             : truncates             ? "truncates addends"
                                     : "unknown");
}

static void find_fma(tn_v_probe *p, tn_v_traits *t, int x, int y)
{
    tn_v_format f = tn_v_format_of(p->dot->in);
    if (2 * f.precision <= t->width) {
        snprintf(t->fma, sizeof t->fma, "exact products");
        return;
    }
    double e = ldexp(1.0, -(t->width + 1) / 2),
           got[2]; /* its square is below the last place of 1 */
    for (int turn = 0; turn < 2; ++turn) {
        tn_v_probe_clear(p);
        int minus = turn ? y : x, square = turn ? x : y;
        p->a[minus] = -(1 + 2 * e);
        p->a[square] = p->b[square] = 1 + e;
        got[turn] = tn_v_probe_ask(p);
    }
    t->later_rounded = got[0] == 0 && got[1] == e * e;
    bool fused = got[0] == e * e || got[1] == e * e;
    snprintf(t->fma, sizeof t->fma, "%s",
             got[0] == e * e && got[1] == e * e ? "exact products"
             : fused                            ? "fused"
             : got[0] == 0 && got[1] == 0       ? "separate"
                                                : "unknown");
}

static void find_output(tn_v_probe *p, tn_v_traits *t, int x, int y)
{
    tn_v_format f = tn_v_format_of(p->dot->out);
    snprintf(t->output_round, sizeof t->output_round, "none");
    if (f.precision >= t->width)
        return;
    bool near = true, zero = true, away = true;
    for (int i = 0; i < 4; ++i) {
        double m = ldexp(1.0, f.precision - 1) + i % 2, v = m + 0.5, sign = i < 2 ? 1 : -1;
        tn_v_probe_clear(p);
        term(p, x, sign * m);
        term(p, y, sign * 0.5);
        double got = tn_v_probe_ask(p);
        near = near && got == sign * tn_v_to_bits(v, f.precision, TN_V_NEAREST_EVEN);
        zero = zero && got == sign * m;
        away = away && got == sign * (m + 1);
    }
    snprintf(t->output_round, sizeof t->output_round, "%s",
             near   ? "nearest"
             : zero ? "zero"
             : away ? "away"
                    : "unknown");
}

static void find_specials(tn_v_probe *p, tn_v_traits *t, int x, int y)
{
    tn_v_format in = tn_v_format_of(p->dot->in), out = tn_v_format_of(p->dot->out);
    tn_v_probe_clear(p);
    p->a[x] = ldexp(1.0, in.exponent_min - in.precision + 1);
    p->b[x] = ldexp(1.0, in.precision + 4 < 15 ? in.precision + 4 : 14);
    t->flush_in = tn_v_probe_ask(p) == 0;
    int e = out.exponent_min - 3;
    if (e / 2 - 1 >= in.exponent_min) { /* else no product is that small */
        tn_v_probe_clear(p);
        p->a[x] = ldexp(1.0, e / 2);
        p->b[x] = ldexp(1.0, e - e / 2);
        t->flush_out = tn_v_probe_ask(p) == 0;
    }
    if (in.max >= out.max) { /* else two products cannot overflow */
        tn_v_probe_clear(p);
        p->a[x] = p->a[y] = in.max;
        t->saturates = isfinite(tn_v_probe_ask(p));
    }
    tn_v_probe_clear(p);
    p->a[x] = NAN;
    p->b[x] = 0;
    t->nan_lost = !isnan(tn_v_probe_ask(p));
}

/* The same question again and again, with all places looked at. */
static bool repeats(tn_v_probe *p)
{
    tn_v_random r = {7};
    int64_t n = p->dot->m * p->dot->n;
    double *first = calloc((size_t)n + 1, sizeof *first);
    bool same = first != NULL;
    tn_v_probe_clear(p);
    for (int64_t k = 0; k < p->dot->k; ++k)
        p->a[k] = tn_v_rounded(p->dot->in, tn_v_normal(&r) * exp2(8 * tn_v_uniform(&r)),
                               TN_V_NEAREST_EVEN, true);
    for (int lap = 0; lap < 6 && same; ++lap) {
        (void)tn_v_probe_ask(p);
        if (lap == 0)
            memcpy(first, p->c, (size_t)n * sizeof *first);
        same = !p->failed && memcmp(first, p->c, (size_t)n * sizeof *first) == 0;
    }
    free(first);
    return same;
}

/* Places whose answers to the same questions differ have different paths. */
static int find_paths(tn_v_probe *p, tn_v_print *out)
{
    int64_t n = p->dot->m * p->dot->n;
    uint64_t *mark = calloc((size_t)n + 1, sizeof *mark);
    tn_v_random r = {11};
    for (int lap = 0; lap < 40 && mark != NULL; ++lap) {
        tn_v_probe_clear(p);
        for (int64_t k = 0; k < p->dot->k; ++k) {
            double v = tn_v_normal(&r) * exp2(10 * tn_v_uniform(&r));
            p->a[k] = tn_v_rounded(p->dot->in, v, TN_V_NEAREST_EVEN, true);
            p->b[k] = tn_v_rounded(p->dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
        }
        (void)tn_v_probe_ask(p);
        for (int64_t i = 0; i < n; ++i) {
            uint64_t bits;
            memcpy(&bits, &p->c[i], sizeof bits);
            tn_v_random mix = {mark[i] ^ bits};
            mark[i] = tn_v_next(&mix);
        }
    }
    uint64_t of[TN_V_PATHS];
    int paths = 0;
    out->place = calloc((size_t)n + 1, 1);
    for (int64_t i = 0; i < n && mark != NULL; ++i) {
        int k = 0;
        while (k < paths && of[k] != mark[i])
            ++k;
        if (out->place != NULL)
            out->place[i] = (unsigned char)k;
        if (k == paths) {
            if (paths == TN_V_PATHS)
                continue;
            of[paths] = mark[i];
            memset(&out->path[paths], 0, sizeof out->path[0]);
            out->path[paths].row = i / p->dot->n;
            out->path[paths].column = i % p->dot->n;
            paths++;
        }
        out->path[k].places++;
    }
    free(mark);
    return paths;
}

/* Asks pairs again, with other numbers; the tree has to foresee every answer. */
static void confirm(tn_v_probe *p, tn_v_path *path, int pairs)
{
    int n = (int)p->dot->k;
    tn_v_random r = {23};
    tn_v_tree again;
    (void)pairs;
    path->stable = true;
    if (!tn_v_tree_find(p->dot, path->row, path->column, &again)) {
        path->stable = false;
        tn_v_tree_free(&again);
        return;
    }
    for (int lap = 0; lap < 200; ++lap) {
        int i = (int)tn_v_below(&r, n), j = (int)tn_v_below(&r, n);
        if (i == j)
            continue;
        int a = tn_v_tree_meet(&path->tree, i, j), b = tn_v_tree_meet(&again, i, j);
        if (a != b && (path->stable || (a < b ? a : b) < path->unstable_at)) {
            path->stable = false;
            path->unstable_at = a < b ? a : b;
        }
    }
    tn_v_tree_free(&again);
}

bool tn_v_fingerprint(const tn_v_dot *dot, tn_v_print *out)
{
    memset(out, 0, sizeof *out);
    out->dot = *dot;
    tn_v_probe p = {.dot = dot};
    double *room = calloc((size_t)(2 * dot->k + dot->m * dot->n) + 1, sizeof *room);
    if (room == NULL || dot->k < 3) {
        free(room);
        snprintf(out->error, sizeof out->error, "a sum of 3 terms or more is needed");
        return false;
    }
    p.a = room;
    p.b = room + dot->k;
    p.c = room + 2 * dot->k;
    out->traits.repeatable = repeats(&p);
    out->paths = out->traits.repeatable ? find_paths(&p, out) : 1;
    if (!out->traits.repeatable) {
        out->path[0] = (tn_v_path){.row = 0, .column = 0, .places = dot->m * dot->n};
    }
    for (int i = 0; i < out->paths && !p.failed; ++i) {
        tn_v_path *path = &out->path[i];
        if (tn_v_tree_find(dot, path->row, path->column, &path->tree)) {
            tn_v_tree_kind(&path->tree, path->kind, sizeof path->kind);
            confirm(&p, path, 200);
        } else {
            snprintf(path->kind, sizeof path->kind, "no tree");
            path->stable = false;
        }
    }
    for (int i = 0; i < out->paths && !p.failed; ++i) {
        tn_v_path *path = &out->path[i];
        int x, y, z;
        path->traits = out->traits;
        if (path->tree.nodes == 0)
            continue;
        three_places(&path->tree, &x, &y, &z);
        p.at = path->row * dot->n + path->column;
        find_width(&p, &path->traits, x, y, z);
        find_rounding(&p, &path->traits, x, y, z);
        find_fma(&p, &path->traits, x, y);
        find_output(&p, &path->traits, x, y);
        find_specials(&p, &path->traits, x, y);
        p.failed = p.failed || (out->traits.repeatable && !tn_v_mixed_find(out, path));
    }
    if (out->paths > 0)
        out->traits = out->path[0].traits;
    free(room);
    if (p.failed)
        snprintf(out->error, sizeof out->error, "a multiplication failed");
    return !p.failed && out->paths > 0;
}

void tn_v_print_free(tn_v_print *p)
{
    for (int i = 0; i < TN_V_PATHS; ++i)
        tn_v_path_free(&p->path[i]);
    free(p->place);
    p->place = NULL;
}

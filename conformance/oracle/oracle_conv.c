/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution from its definition: forward, transposed, and the gradient of the filters. */
#include <conformance/oracle/oracle_canonical.h>

#include <stdlib.h>

/* Batch, channel and three dims of space of a tensor; dims that are not there have size 1. */
typedef struct image {
    tn_v_view v;
    int64_t dim[5], stride[5];
} image;

static image image_of(const tn_v_view v, const tn_conv *t)
{
    image m = {v, {1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}};
    bool last = (t->flags & TN_CONV_CHANNELS_LAST) != 0;
    for (uint32_t d = 0; d < v.t->rank && d < 5; ++d) {
        uint32_t space = last ? 1 : 2;
        uint32_t to = d == 0 ? 0 : d == (last ? t->dims + 1 : 1) ? 1 : 5 - t->dims + d - space;
        m.dim[to] = v.t->dim[d];
        m.stride[to] = v.t->stride[d];
    }
    return m;
}

static double pixel(const image *m, int64_t n, int64_t c, const int64_t s[3])
{
    return tn_v_load(&m->v, n * m->stride[0] + c * m->stride[1] + s[0] * m->stride[2] +
                                s[1] * m->stride[3] + s[2] * m->stride[4]);
}

typedef struct geometry {
    int64_t stride[3], dilation[3], lo[3], groups;
} geometry;

static geometry geometry_of(const tn_conv *t)
{
    geometry g = {{1, 1, 1}, {1, 1, 1}, {0, 0, 0}, t->groups == 0 ? 1 : t->groups};
    for (uint32_t d = 0; d < t->dims; ++d) {
        uint32_t to = 3 - t->dims + d;
        g.stride[to] = t->stride[d] == 0 ? 1 : t->stride[d];
        g.dilation[to] = t->dilation[d] == 0 ? 1 : t->dilation[d];
        g.lo[to] = t->pad_lo[d];
    }
    return g;
}

typedef struct sums {
    int bits; /* of each addition, 0: exact */
    bool row_above;
    tn_v_term *list; /* NULL: the sum alone is wanted */
    int64_t room, k, tap;
    double sum, mag;
    uint32_t whole;
    int64_t terms;
} sums;

static void add(sums *s, double x, double y)
{
    s->sum += x * y;
    if (s->bits > 0)
        s->sum = tn_v_to_bits(s->sum, s->bits, TN_V_NEAREST_EVEN);
    s->mag += fabs(x * y);
    s->whole += (uint32_t)(isfinite(x * y) && fabs(x * y) < 0x1p62 ? (int64_t)(x * y) : 0);
    if (s->list != NULL && s->terms < s->room)
        s->list[s->terms] = (tn_v_term){s->k, s->tap, x, y};
    s->terms++;
}

/* Forward: taps of output position o. */
static sums forward(const image *a, const image *b, const geometry *g, int64_t n, int64_t f,
                    const int64_t *o, const tn_v_twist *twist, tn_v_term *list, int64_t room)
{
    sums s = {.bits = twist->sum_bits, .row_above = twist->row_above, .list = list, .room = room};
    int64_t per = b->dim[0] / g->groups, first = f / per * b->dim[1], r[3], i[3];
    for (r[0] = 0; r[0] < b->dim[2]; ++r[0])
        for (r[1] = 0; r[1] < b->dim[3]; ++r[1])
            for (r[2] = 0; r[2] < b->dim[4]; ++r[2]) {
                bool inside = true;
                for (int d = 0; d < 3; ++d)
                    i[d] = o[d] * g->stride[d] - g->lo[d] + r[d] * g->dilation[d];
                if (s.row_above && i[1] > 0 && i[1] < a->dim[3] && i[2] < 0) {
                    i[1] -= 1;
                    i[2] += a->dim[4];
                }
                for (int d = 0; d < 3; ++d)
                    inside = inside && i[d] >= 0 && i[d] < a->dim[2 + d];
                s.tap = (r[0] * b->dim[3] + r[1]) * b->dim[4] + r[2];
                for (s.k = 0; inside && s.k < b->dim[1]; ++s.k)
                    add(&s, pixel(a, n, first + s.k, i), pixel(b, f, s.k, r));
            }
    return s;
}

/* Transposed: what the forward conv with these filters would have spread to position o. */
static sums transposed(const image *a, const image *b, const geometry *g, int64_t n, int64_t c,
                       const int64_t *o, tn_v_term *list, int64_t room)
{
    sums s = {.list = list, .room = room};
    int64_t filters = b->dim[0] / g->groups, group = c / b->dim[1], r[3], i[3];
    for (r[0] = 0; r[0] < b->dim[2]; ++r[0])
        for (r[1] = 0; r[1] < b->dim[3]; ++r[1])
            for (r[2] = 0; r[2] < b->dim[4]; ++r[2]) {
                bool inside = true;
                for (int d = 0; d < 3; ++d) {
                    int64_t at = o[d] + g->lo[d] - r[d] * g->dilation[d];
                    inside = inside && at >= 0 && at % g->stride[d] == 0;
                    i[d] = at / g->stride[d];
                    inside = inside && i[d] < a->dim[2 + d];
                }
                s.tap = (r[0] * b->dim[3] + r[1]) * b->dim[4] + r[2];
                for (s.k = 0; inside && s.k < filters; ++s.k)
                    add(&s, pixel(a, n, group * filters + s.k, i),
                        pixel(b, group * filters + s.k, c % b->dim[1], r));
            }
    return s;
}

/* Gradient of filter f, channel c, tap r. */
static sums weights(const image *a, const image *grad, const geometry *g, int64_t f, int64_t c,
                    int64_t per_channels, const int64_t *r, tn_v_term *list, int64_t room)
{
    sums s = {.list = list, .room = room};
    int64_t per = grad->dim[1] / g->groups, o[3], i[3];
    for (int64_t n = 0; n < a->dim[0]; ++n)
        for (o[0] = 0; o[0] < grad->dim[2]; ++o[0])
            for (o[1] = 0; o[1] < grad->dim[3]; ++o[1])
                for (o[2] = 0; o[2] < grad->dim[4]; ++o[2]) {
                    bool inside = true;
                    for (int d = 0; d < 3; ++d) {
                        i[d] = o[d] * g->stride[d] - g->lo[d] + r[d] * g->dilation[d];
                        inside = inside && i[d] >= 0 && i[d] < a->dim[2 + d];
                    }
                    s.k = ((n * grad->dim[2] + o[0]) * grad->dim[3] + o[1]) * grad->dim[4] + o[2];
                    if (inside)
                        add(&s, pixel(a, n, f / per * per_channels + c, i), pixel(grad, n, f, o));
                }
    return s;
}

/* A transformed convolution mixes neighbours: its error is that of the largest of them. */
static double largest(const tn_v_view *v)
{
    double most = 0;
    for (int64_t i = 0; i < v->m->elems; ++i)
        if (isfinite(v->m->value[i]) && fabs(v->m->value[i]) > most)
            most = fabs(v->m->value[i]);
    return most;
}

int64_t tn_v_conv_taps(const tn_v_call *call, const int64_t *i, tn_v_term *out, int64_t room,
                       int64_t *out_per)
{
    const tn_conv *t = call->op->attr;
    bool back = t->pass == TN_PASS_BACKWARD_WEIGHTS, last = (t->flags & TN_CONV_CHANNELS_LAST) != 0;
    tn_v_view va = tn_v_view_of(call, TN_ARG_A),
              vb = tn_v_view_of(call, back ? TN_ARG_GRAD : TN_ARG_B),
              vo = tn_v_view_of(call, TN_ARG_OUT);
    if (va.t == NULL || vb.t == NULL || t->dims < 1 || t->dims > 3)
        return -1;
    image a = image_of(va, t), b = image_of(vb, t), o = image_of(vo, t);
    geometry g = geometry_of(t);
    int64_t at[3] = {0, 0, 0}, c = i[last ? t->dims + 1 : 1];
    for (uint32_t d = 0; d < t->dims; ++d)
        at[3 - t->dims + d] = i[(last ? 1 : 2) + d];
    bool turned = (t->flags & TN_CONV_TRANSPOSED) != 0;
    *out_per = back ? 0 : turned ? b.dim[0] / g.groups : b.dim[1];
    return back     ? weights(&a, &b, &g, i[0], c, o.dim[1], at, out, room).terms
           : turned ? transposed(&a, &b, &g, i[0], c, at, out, room).terms
                    : forward(&a, &b, &g, i[0], c, at, &call->twist, out, room).terms;
}

/* Section 5; borders of chunks lie where they would with all taps. */
static bool canonical(const tn_v_call *call, tn_v_truth *out, int64_t n, const int64_t *i)
{
    int64_t per = 0, count = tn_v_conv_taps(call, i, NULL, 0, &per);
    tn_v_term *list = malloc(((size_t)count + 1) * sizeof *list);
    tn_v_dot dot = {0, 0, 0};
    if (list == NULL)
        return false;
    count = tn_v_conv_taps(call, i, list, count, &per);
    for (int64_t k = 0; k < count; ++k)
        tn_v_dot_add(&dot, list[k].tap * per + list[k].k, (float)list[k].a, (float)list[k].b);
    free(list);
    tn_v_c_keep(call, out, n, tn_v_c_posts(call, out, i, tn_v_dot_end(&dot)));
    return true;
}

bool tn_v_conv(const tn_v_call *call, tn_v_truth *out)
{
    const tn_conv *t = call->op->attr;
    bool back = t->pass == TN_PASS_BACKWARD_WEIGHTS;
    tn_v_view va = tn_v_view_of(call, TN_ARG_A),
              vb = tn_v_view_of(call, back ? TN_ARG_GRAD : TN_ARG_B),
              vo = tn_v_view_of(call, TN_ARG_OUT);
    if (va.t == NULL || vb.t == NULL || t->dims < 1 || t->dims > 3)
        return false;
    image a = image_of(va, t), b = image_of(vb, t), o = image_of(vo, t);
    geometry g = geometry_of(t);
    bool last = (t->flags & TN_CONV_CHANNELS_LAST) != 0,
         integer = va.t->dtype == TN_S8 || va.t->dtype == TN_U8;
    double growth = call->arith.transform != 0 ? tn_v_transform_growth(call->arith.transform) *
                                                     largest(&va) * largest(&vb) * (double)b.dim[1]
                                               : 0;
    int64_t i[TN_MAX_RANK];
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        int64_t at[3] = {0, 0, 0}, c = i[last ? t->dims + 1 : 1];
        for (uint32_t d = 0; d < t->dims; ++d)
            at[3 - t->dims + d] = i[(last ? 1 : 2) + d];
        if (out->canonical != NULL && !integer && !canonical(call, out, n, i))
            return false;
        sums s = back ? weights(&a, &b, &g, i[0], c, o.dim[1], at, NULL, 0)
                 : (t->flags & TN_CONV_TRANSPOSED) != 0
                     ? transposed(&a, &b, &g, i[0], c, at, NULL, 0)
                     : forward(&a, &b, &g, i[0], c, at, &call->twist, NULL, 0);
        double ref = integer ? (double)(int32_t)s.whole : s.sum, err = 0;
        if (!call->exact && !integer)
            err = tn_v_sum_error(&call->arith, (double)s.terms, s.mag) +
                  (double)s.terms * 0x1p-53 * s.mag +
                  growth * call->arith.u * (double)(s.terms + 8);
        tn_v_posts(call, out, i, &ref, &err);
        out->ref[n] = ref;
        out->err[n] = integer ? 0 : err;
        out->mag[n] = s.mag;
        out->terms = (double)s.terms > out->terms ? (double)s.terms : out->terms;
    }
    out->single = integer;
    return true;
}

int64_t tn_v_conv_terms(const tn_v_call *call, const int64_t *i, tn_v_term *out, int64_t room)
{
    const tn_conv *t = call->op->attr;
    tn_v_view va = tn_v_view_of(call, TN_ARG_A), vb = tn_v_view_of(call, TN_ARG_B);
    if (va.t == NULL || vb.t == NULL || t->dims < 1 || t->dims > 3 || t->pass != TN_PASS_FORWARD ||
        (t->flags & TN_CONV_TRANSPOSED) != 0)
        return -1;
    int64_t per;
    return tn_v_conv_taps(call, i, out, room, &per);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Known defects of convolution. */
#include <conformance/runner/models.h>

#include <stdlib.h>
#include <string.h>

/* ---- convolution ---- */

static bool conv_is(const tn_v_edit *e, bool forward)
{
    return !forward ||
           (e->attr.conv.pass == TN_PASS_FORWARD && (e->attr.conv.flags & TN_CONV_TRANSPOSED) == 0);
}

static void exchange(int32_t *x, int32_t *y)
{
    int32_t t = *x;
    *x = *y;
    *y = t;
}

static bool pads(tn_v_edit *e, int how)
{
    tn_conv *c = &e->attr.conv;
    tn_conv old = *c;
    for (uint32_t d = 0; d < c->dims && how == 0; ++d)
        exchange(&c->pad_lo[d], &c->pad_hi[d]);
    if (how == 1 && c->dims > 1)
        exchange(&c->pad_lo[0], &c->pad_lo[1]);
    if (how == 2)
        memset(c->pad_lo, 0, sizeof c->pad_lo);
    return memcmp(&old, c, sizeof old) != 0;
}

static bool axes(tn_v_edit *e, int how)
{
    tn_conv *c = &e->attr.conv;
    tn_conv old = *c;
    if (how == 0)
        memset(c->dilation, 0, sizeof c->dilation);
    else if (how == 1 && c->dims > 1)
        exchange(&c->stride[0], &c->stride[1]);
    else if (how == 2 && c->dims > 1)
        exchange(&c->dilation[0], &c->dilation[1]);
    else if (how == 3)
        memset(c->stride, 0, sizeof c->stride);
    return memcmp(&old, c, sizeof old) != 0;
}

/* Every group reads the channels of the first: A looks as if it had only those. */
static bool no_groups(tn_v_edit *e, int role)
{
    tn_conv *c = &e->attr.conv;
    tn_tensor *t = tn_v_edit_tensor(e, (uint32_t)role);
    tn_v_memory *m = tn_v_edit_memory(e, (uint32_t)role);
    if (c->groups < 2 || t == NULL || e->owned == TN_V_ARGS || !conv_is(e, true))
        return false;
    int axis = role == TN_ARG_B ? 0 : (c->flags & TN_CONV_CHANNELS_LAST) != 0 ? t->rank - 1 : 1;
    int64_t per = t->dim[axis] / c->groups, i[TN_MAX_RANK], count = 1;
    double *copy = malloc(((size_t)m->elems + 1) * sizeof *copy);
    if (copy == NULL)
        return false;
    memcpy(copy, m->value, (size_t)m->elems * sizeof *copy);
    for (uint32_t d = 0; d < t->rank; ++d)
        count *= t->dim[d];
    for (int64_t n = 0; n < count; ++n) {
        int64_t to = 0, from = 0;
        tn_v_unravel(t->dim, t->rank, n, i);
        for (uint32_t d = 0; d < t->rank; ++d) {
            to += i[d] * t->stride[d];
            from += ((int)d == axis ? i[d] % per : i[d]) * t->stride[d];
        }
        copy[to] = m->value[from];
    }
    e->own[e->owned++] = copy;
    m->value = copy;
    return true;
}

static bool flipped(tn_v_edit *e, int param)
{
    (void)param;
    tn_tensor *b = tn_v_edit_tensor(e, TN_ARG_B);
    tn_v_memory *m = tn_v_edit_memory(e, TN_ARG_B);
    tn_conv *c = &e->attr.conv;
    if (b == NULL || e->owned == TN_V_ARGS)
        return false;
    double *copy = malloc(((size_t)m->elems + 1) * sizeof *copy);
    if (copy == NULL)
        return false;
    memcpy(copy, m->value, (size_t)m->elems * sizeof *copy);
    uint32_t space = (c->flags & TN_CONV_CHANNELS_LAST) != 0 ? 1 : 2;
    int64_t i[TN_MAX_RANK], count = 1;
    for (uint32_t d = 0; d < b->rank; ++d)
        count *= b->dim[d];
    for (int64_t n = 0; n < count; ++n) {
        int64_t to = 0, from = 0;
        tn_v_unravel(b->dim, b->rank, n, i);
        for (uint32_t d = 0; d < b->rank; ++d) {
            bool turned = d >= space && d < space + c->dims;
            to += i[d] * b->stride[d];
            from += (turned ? b->dim[d] - 1 - i[d] : i[d]) * b->stride[d];
        }
        copy[to] = m->value[from];
    }
    e->own[e->owned++] = copy;
    m->value = copy;
    return true;
}

/* Channels first read as channels last, where the sizes allow it, and the other way round. */
static bool other_layout(tn_v_edit *e, int role)
{
    tn_tensor *t = tn_v_edit_tensor(e, (uint32_t)role);
    if (t == NULL || t->rank < 3)
        return false;
    bool last = (e->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0;
    int64_t s[TN_MAX_RANK];
    for (uint32_t d = 1; d < t->rank; ++d) {
        if (t->dim[d] != t->dim[1])
            return false;
        uint32_t from = last ? (d == t->rank - 1u ? 1 : d + 1) : (d == 1 ? t->rank - 1u : d - 1);
        s[d] = t->stride[from];
    }
    memcpy(t->stride + 1, s + 1, (t->rank - 1u) * sizeof *s);
    return true;
}

static bool turned_kernel(tn_v_edit *e, int param)
{
    (void)param;
    tn_tensor *b = tn_v_edit_tensor(e, TN_ARG_B);
    uint32_t space = (e->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0 ? 1 : 2;
    if (b == NULL || e->attr.conv.dims != 2 || b->dim[space] != b->dim[space + 1])
        return false;
    int64_t s = b->stride[space];
    b->stride[space] = b->stride[space + 1];
    b->stride[space + 1] = s;
    return true;
}

/* The last channel of the group takes no part. */
static bool drop_channel(tn_v_edit *e, int param)
{
    (void)param;
    tn_tensor *b = tn_v_edit_tensor(e, TN_ARG_B);
    if (b == NULL || e->attr.conv.groups > 1 || !conv_is(e, true))
        return false;
    int axis = (e->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0 ? b->rank - 1 : 1;
    return --b->dim[axis] > 0;
}

/* The tap in the corner takes no part. */
static bool corner_tap(tn_v_edit *e, int param)
{
    tn_tensor *b = tn_v_edit_tensor(e, TN_ARG_B);
    tn_v_memory *m = tn_v_edit_memory(e, TN_ARG_B);
    uint32_t space = (e->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0 ? 1 : 2;
    int64_t i[TN_MAX_RANK], count = 1;
    (void)param;
    if (b == NULL || e->owned == TN_V_ARGS || !conv_is(e, true))
        return false;
    double *copy = malloc(((size_t)m->elems + 1) * sizeof *copy);
    if (copy == NULL)
        return false;
    memcpy(copy, m->value, (size_t)m->elems * sizeof *copy);
    for (uint32_t d = 0; d < b->rank; ++d)
        count *= b->dim[d];
    for (int64_t n = 0; n < count; ++n) {
        bool corner = true;
        int64_t at = 0;
        tn_v_unravel(b->dim, b->rank, n, i);
        for (uint32_t d = 0; d < b->rank; ++d) {
            corner =
                corner && (d < space || d >= space + e->attr.conv.dims || i[d] == b->dim[d] - 1);
            at += i[d] * b->stride[d];
        }
        if (corner)
            copy[at] = 0;
    }
    e->own[e->owned++] = copy;
    m->value = copy;
    return true;
}

/* Each addition rounded to few bits, in the order of the taps. */
static bool conv_sum(tn_v_edit *e, int bits)
{
    const tn_tensor *a = tn_v_edit_tensor(e, TN_ARG_A);
    if (e->op.post_count > 0 || !tn_v_format_of((tn_dtype)a->dtype).floating || !conv_is(e, true))
        return false;
    e->call.twist.sum_bits = bits;
    e->call.exact = true;
    return true;
}

static bool drop_image(tn_v_edit *e, int param)
{
    tn_tensor *a = tn_v_edit_tensor(e, TN_ARG_A), *g = tn_v_edit_tensor(e, TN_ARG_GRAD);
    (void)param;
    if (g == NULL || a->dim[0] < 2)
        return false;
    a->dim[0]--;
    g->dim[0]--;
    return true;
}

static bool row_above(tn_v_edit *e, int param)
{
    (void)param;
    e->call.twist.row_above = true;
    return e->attr.conv.dims == 2 && conv_is(e, true);
}

static bool drop_tap(tn_v_edit *e, int which)
{
    tn_tensor *b = tn_v_edit_tensor(e, TN_ARG_B);
    uint32_t space = (e->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0 ? 1 : 2;
    if (b == NULL || !conv_is(e, true) || (uint32_t)which >= e->attr.conv.dims)
        return false;
    return --b->dim[space + (uint32_t)which] > 0;
}

const tn_v_model tn_v_models_conv[] = {
    {"padding of the low and the high side exchanged", TN_OP_CONV, pads, 0},
    {"padding of height and width exchanged", TN_OP_CONV, pads, 1},
    {"padding ignored", TN_OP_CONV, pads, 2},
    {"dilation ignored", TN_OP_CONV, axes, 0},
    {"strides of height and width exchanged", TN_OP_CONV, axes, 1},
    {"dilation of height and width exchanged", TN_OP_CONV, axes, 2},
    {"stride ignored", TN_OP_CONV, axes, 3},
    {"groups read the channels of the first group", TN_OP_CONV, no_groups, TN_ARG_A},
    {"groups use the filters of the first group", TN_OP_CONV, no_groups, TN_ARG_B},
    {"filter flipped", TN_OP_CONV, flipped, 0},
    {"filter transposed", TN_OP_CONV, turned_kernel, 0},
    {"channels first and last mixed up in A", TN_OP_CONV, other_layout, TN_ARG_A},
    {"channels first and last mixed up in B", TN_OP_CONV, other_layout, TN_ARG_B},
    {"last channel dropped", TN_OP_CONV, drop_channel, 0},
    {"last tap of the filter dropped", TN_OP_CONV, corner_tap, 0},
    {"last image left out", TN_OP_CONV, drop_image, 0},
    {"padding reads the row above", TN_OP_CONV, row_above, 0},
    {"bf16 accumulator", TN_OP_CONV, conv_sum, 8},
    {"accumulator of 11 bits (f16)", TN_OP_CONV, conv_sum, 11},
    {"last row of the filter dropped", TN_OP_CONV, drop_tap, 0},
    {"last column of the filter dropped", TN_OP_CONV, drop_tap, 1},
    {"accumulator not cleared", TN_OP_CONV, tn_v_not_cleared, 0},
    {NULL, 0, NULL, 0}};

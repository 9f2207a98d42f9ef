/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of conv: its letters, its keys, and the tensors that they imply; and pool's keys.
 */
/* path: [api] > placement > queue > backend > kernel > device */
#include <stdio.h>

#include "hal/optext.h"

const char tn__conv_letters[TN__CONV_LETTERS + 1] = "ncdhwktrsgpul";
enum { N, C, D, H, W, K, T, R, S, G, P, U, L };

bool tn__conv_tensor(const tn__headline *h, const tn__op_view *v, uint32_t role, tn_tensor *t)
{
    const tn_conv *attr = &v->attr.conv;
    const int64_t *dim = h->dim, groups = attr->groups == 0 ? 1 : (int64_t)attr->groups;
    bool last = (attr->flags & TN_CONV_CHANNELS_LAST) != 0;
    bool turned = (attr->flags & TN_CONV_TRANSPOSED) != 0, bias = false;
    uint32_t dims = h->rank, space = last ? 1 : 2, channel = last ? dims + 1 : 1;
    for (uint32_t p = 0; p < v->op.post_count; ++p)
        bias = bias || (v->op.posts[p].role == role && v->op.posts[p].kind == TN_POST_BIAS);
    if (bias) { /* one a filter */
        t->rank = (uint16_t)(last ? 1 : dims + 1);
        for (uint32_t d = 0; d < t->rank; ++d)
            t->dim[d] = d == 0 ? dim[K] : 1;
        return true;
    }
    t->rank = (uint16_t)(dims + 2);
    bool b = role == (h->pass == TN_PASS_FORWARD ? TN_ARG_B : TN_ARG_OUT), a = role == TN_ARG_A;
    t->dim[0] = b ? (turned ? dim[C] : dim[K]) : dim[N];
    t->dim[channel] = b ? (turned ? dim[K] : dim[C]) / groups : a ? dim[C] : dim[K];
    for (uint32_t d = 0; d < dims; ++d) {
        int64_t in = dim[D + 3 - dims + d], kernel = dim[T + 3 - dims + d],
                *to = &t->dim[space + d];
        *to = b ? kernel : in;
        if (!a && !b && !tn__conv_out_dim(attr, d, in, kernel, to))
            return false;
    }
    return true;
}

/* Whether every dim has the value of the first, which a letter then says. */
static bool alike(const int32_t *x, uint32_t dims)
{
    for (uint32_t d = 1; d < 3; ++d)
        if (x[d] != (d < dims ? x[0] : 0))
            return false;
    return true;
}

bool tn__conv_letter_set(tn_conv *t, uint32_t letter, int64_t value, uint32_t dims)
{
    if (letter < G)
        return true;
    if (value < 0 || value > INT32_MAX)
        return false;
    if (letter == G)
        t->groups = (uint32_t)value;
    for (uint32_t d = 0; d < dims; ++d) {
        if (letter == P)
            t->pad_lo[d] = t->pad_hi[d] = (int32_t)value;
        else if (letter != G)
            (letter == U ? t->stride : t->dilation)[d] = (int32_t)value;
    }
    return true;
}

void tn__conv_headline(const tn__op_view *v, tn__headline *h)
{
    const tn_conv *t = &v->attr.conv;
    bool back = h->pass != TN_PASS_FORWARD; /* of the weights, which are its out */
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A);
    const tn_tensor *b = tn__op_tensor(v, back ? TN_ARG_OUT : TN_ARG_B);
    const tn_tensor *out = tn__op_tensor(v, back ? TN_ARG_GRAD : TN_ARG_OUT);
    uint32_t dims = t->dims, last = (t->flags & TN_CONV_CHANNELS_LAST) != 0;
    h->rank = dims;
    h->dim[N] = a->dim[0];
    h->dim[C] = a->dim[last ? dims + 1 : 1];
    h->dim[K] = out->dim[last ? dims + 1 : 1];
    for (uint32_t d = 0; d < dims; ++d) {
        h->dim[D + 3 - dims + d] = a->dim[(last ? 1 : 2) + d];
        h->dim[T + 3 - dims + d] = b->dim[(last ? 1 : 2) + d];
    }
}

static int put(char *text, size_t bytes, int at, char letter, int64_t value)
{
    return at + snprintf(text + at, bytes - (size_t)at, "%c%lld", letter, (long long)value);
}

void tn__conv_put_letters(const tn__op_view *v, const tn__headline *h, char *text, size_t bytes)
{
    const tn_conv *t = &v->attr.conv;
    uint32_t dims = h->rank;
    int at = 0;
    for (uint32_t i = N; i <= S; ++i)
        if ((i < D || i > W || i >= D + 3 - dims) && (i < T || i >= T + 3 - dims))
            at = put(text, bytes, at, tn__conv_letters[i], h->dim[i]);
    if (t->groups != 0)
        at = put(text, bytes, at, 'g', t->groups);
    bool pads = alike(t->pad_lo, dims) && memcmp(t->pad_lo, t->pad_hi, sizeof t->pad_lo) == 0;
    if (pads && t->pad_lo[0] != 0)
        at = put(text, bytes, at, 'p', t->pad_lo[0]);
    if (alike(t->stride, dims) && t->stride[0] != 0)
        at = put(text, bytes, at, 'u', t->stride[0]);
    if (alike(t->dilation, dims) && t->dilation[0] != 0)
        (void)put(text, bytes, at, 'l', t->dilation[0]);
}

/* "+key=AxBxC" where the letters do not say it. */
static int put_list(char *text, size_t bytes, int at, const char *name, const int32_t *x)
{
    return at + snprintf(text + at, bytes - (size_t)at, "+%s=%dx%dx%d", name, x[0], x[1], x[2]);
}

void tn__conv_put_keys(const tn__op_view *v, char *text, size_t bytes)
{
    static const int32_t none[3];
    const tn_conv *t = &v->attr.conv;
    int at = 0;
    text[0] = '\0';
    if ((t->flags & TN_CONV_CHANNELS_LAST) != 0)
        at += snprintf(text + at, bytes - (size_t)at, "+nhwc");
    if ((t->flags & TN_CONV_TRANSPOSED) != 0)
        at += snprintf(text + at, bytes - (size_t)at, "+transposed");
    if (!alike(t->stride, t->dims))
        at = put_list(text, bytes, at, "stride", t->stride);
    if (!alike(t->dilation, t->dims))
        at = put_list(text, bytes, at, "dilation", t->dilation);
    if (!alike(t->pad_lo, t->dims) || memcmp(t->pad_lo, t->pad_hi, sizeof t->pad_lo) != 0) {
        at = put_list(text, bytes, at, "lo", t->pad_lo);
        at = put_list(text, bytes, at, "hi", t->pad_hi);
    }
    if (memcmp(t->out_pad, none, sizeof none) != 0)
        (void)put_list(text, bytes, at, "out_pad", t->out_pad);
}

void tn__pool_put_keys(const tn__op_view *v, char *text, size_t bytes)
{
    static const int32_t none[3];
    const tn_pool *t = &v->attr.pool;
    const struct {
        const char *name;
        const int32_t *x;
    } lists[] = {{"window", t->window},
                 {"stride", t->stride},
                 {"dilation", t->dilation},
                 {"lo", t->pad_lo},
                 {"hi", t->pad_hi}};
    int at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; ++i)
        for (uint32_t d = 0; d < t->dims && memcmp(lists[i].x, none, sizeof none) != 0; ++d)
            at += snprintf(text + at, bytes - (size_t)at, "%s%s%s%d", d == 0 ? "+" : "x",
                           d == 0 ? lists[i].name : "", d == 0 ? "=" : "", lists[i].x[d]);
    if (t->ceil != 0)
        at += snprintf(text + at, bytes - (size_t)at, "+ceil");
    if ((t->flags & TN_POOL_CHANNELS_LAST) != 0)
        at += snprintf(text + at, bytes - (size_t)at, "+nhwc");
    if ((t->flags & TN_POOL_COUNT_PADDING) != 0)
        (void)snprintf(text + at, bytes - (size_t)at, "+count_padding");
}

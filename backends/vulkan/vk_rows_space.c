/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of conv, pool and resize. */
/* path: api > placement > queue > backend > [kernel] > device */
#include "vk_rows.h"

#include <kernels/conv/conv.h>
#include <kernels/conv/conv_glsl.h>
#include <kernels/pool/pool.h>
#include <kernels/pool/pool_glsl.h>
#include <kernels/resize/resize.h>
#include <kernels/resize/resize_glsl.h>

enum { POSTS = 6, FIRST_POST = 4 /* binding of the first operand of a step */ };

_Static_assert(sizeof(struct conv_glsl) <= sizeof(int32_t) * VK_PARAM_INTS, "params do not fit");

static bool computes(uint32_t type)
{
    return type == TN_F32 || type == TN_F16 || type == TN_BF16;
}

static bool three(const int64_t from[3], int to[3])
{
    bool fits = true;
    for (int d = 0; d < 3; ++d) {
        to[d] = (int)from[d];
        fits = fits && from[d] <= INT32_MAX / 4 && from[d] >= -INT32_MAX / 4;
    }
    return fits;
}

static bool view(const tn_k_conv_view *from, conv_view_glsl *to)
{
    to->n = (int)from->n;
    to->c = (int)from->c;
    return three(from->s, to->s) && from->n <= INT32_MAX && from->c <= INT32_MAX;
}

static bool posts(const tn_k_conv *p, const uint32_t module[4], vk_launch *out, struct conv_glsl *g,
                  tn_k_why *why)
{
    uint32_t function = 0, bound = 0, binding_of[TN_K_OPERANDS] = {0};
    if (p->post_count > POSTS)
        return tn_k_refuse(why, "conv.posts", "posts", "at most 6 epilogue steps");
    for (uint32_t i = 0; i < p->post_count; ++i) {
        const tn_k_conv_post *q = &p->post[i];
        uint32_t which = 0;
        if (q->kind >= TN_POST_GELU) {
            if (function != 0 && function != q->kind)
                return tn_k_refuse(why, "conv.posts", "posts",
                                   "at most one function among the epilogue steps");
            function = q->kind;
        }
        if (q->operand >= 0) {
            which = binding_of[q->operand];
            if (which == 0) {
                if (bound == 4)
                    return tn_k_refuse(why, "conv.posts", "posts",
                                       "at most 4 operands of epilogue steps");
                which = FIRST_POST + bound;
                if (!view(&q->view, &g->post[bound++]))
                    return vk_size_refused(why);
                binding_of[q->operand] = which;
                out->binding[q->operand] = (uint8_t)which;
            }
        }
        g->post_kind[i] = (int)q->kind;
        g->post_binding[i] = (int)which;
        g->post_type[i] = (int)q->dtype;
        g->post_a[i] = vk_bits(q->a);
        g->post_b[i] = vk_bits(q->b);
    }
    g->post_count = (int)p->post_count;
    out->step[0].spec[VK_SPEC_STEPS] = p->post_count != 0;
    out->step[0].module = module[function == 0 ? 0 : function - TN_POST_GELU + 1];
    return true;
}

/* Sizes and strides, and what the pipelines of all rows have in common. */
static bool geometry(const tn_k_conv *p, int64_t filters, vk_launch *out, tn_k_why *why)
{
    struct conv_glsl *g = (struct conv_glsl *)(void *)out->param;
    int64_t pixels = tn_k_conv_pixels(p), blocks = (p->kg + filters - 1) / filters;
    int64_t taps = tn_k_conv_taps(p);
    if (p->packed)
        return tn_k_refuse(why, "conv.packed", "b", "the kernel has no packed form");
    if (pixels > INT32_MAX - 64 || p->groups * (blocks + 1) > INT32_MAX ||
        (taps + 1) * (p->cg + 1) > INT32_MAX || p->kg > INT32_MAX || !view(&p->a_view, &g->a) ||
        !view(&p->out_view, &g->out_view) || !three(p->in, g->in_size) ||
        !three(p->size, g->size) || !three(p->kernel, g->kernel) || !three(p->stride, g->stride) ||
        !three(p->dilation, g->dilation) || !three(p->lo, g->lo) || !three(p->b_s, g->b_s))
        return vk_size_refused(why);
    g->pixels = (int)pixels;
    g->groups = (int)p->groups;
    g->cg = (int)p->cg;
    g->kg = (int)p->kg;
    g->blocks = (int)(blocks > 0 ? blocks : 1);
    g->b_group = (int)p->b_group;
    g->b_k = (int)p->b_k;
    g->b_c = (int)p->b_c;
    uint32_t *spec = out->step[0].spec;
    spec[0] = p->a_dtype;
    spec[1] = p->b_dtype;
    spec[2] = p->out_dtype;
    spec[3] = (uint32_t)filters;
    spec[4] = p->transposed != 0;
    out->steps = pixels != 0 && blocks != 0 && p->groups != 0;
    out->flops =
        2.0 * (double)pixels * (double)p->groups * (double)p->kg * (double)taps * (double)p->cg;
    return true;
}

/* module: without a function in the epilogue, and with each of three. */
static bool convolve(const tn_k_conv *p, const uint32_t module[4], const vk_caps *caps,
                     vk_launch *out, tn_k_why *why)
{
    struct conv_glsl *g = (struct conv_glsl *)(void *)out->param;
    int64_t filters = p->kg == 1 ? 1 : 8, pixels = tn_k_conv_pixels(p), taps = tn_k_conv_taps(p);
    if (!computes(p->a_dtype) || !computes(p->b_dtype) || !computes(p->out_dtype))
        return tn_k_refuse(why, "conv.types", "a", "this kernel adds f32, f16 and bf16");
    if (!geometry(p, filters, out, why))
        return false;
    if (!posts(p, module, out, g, why))
        return false;
    uint32_t side = pixels >= 64 && filters > 1 ? 4 : 1;
    out->step[0].spec[5] = side;
    vk_groups_rows(caps, (uint64_t)pixels, 16 * side, (uint64_t)(p->groups * g->blocks),
                   &out->step[0]);
    /* Of k, those of taps and chunks, and the second way through a chunk. */
    int64_t turns =
        (side + 1) * taps * p->cg + taps * 6 + (2 + side) * (taps * p->cg / 128 + 1) + 512;
    out->loops = turns > UINT32_MAX ? UINT32_MAX : (uint32_t)turns;
    return true;
}

static bool conv(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    static const uint32_t module[] = {VK_MODULE_conv_0, VK_MODULE_conv_7, VK_MODULE_conv_8,
                                      VK_MODULE_conv_9};
    return convolve(params, module, caps, out, why);
}

static bool conv_exact(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_conv *p = params;
    const struct conv_glsl *g = (const struct conv_glsl *)(const void *)out->param;
    int64_t filters = p->kg == 1 ? 1 : 8, taps = tn_k_conv_taps(p);
    if (p->out_dtype != TN_S32)
        return tn_k_refuse(why, "conv.types", "out", "this kernel adds s8 and u8 to s32");
    if (!geometry(p, filters, out, why))
        return false;
    out->step[0].module = VK_MODULE_conv_int;
    out->step[0].spec[VK_SPEC_STEPS] = false;
    vk_groups_rows(caps, (uint64_t)tn_k_conv_pixels(p), 64, (uint64_t)(p->groups * g->blocks),
                   &out->step[0]);
    int64_t turns = (filters + 1) * taps * p->cg + taps * 5 + 64;
    out->loops = turns > UINT32_MAX ? UINT32_MAX : (uint32_t)turns;
    return true;
}

static bool conv_texel(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    static const uint32_t module[] = {VK_MODULE_conv_texel_0, VK_MODULE_conv_texel_7,
                                      VK_MODULE_conv_texel_8, VK_MODULE_conv_texel_9};
    const tn_k_conv *p = params;
    if (caps->type != VK_PHYSICAL_DEVICE_TYPE_CPU)
        return tn_k_refuse(why, "vulkan.class", NULL,
                           "this kernel is for drivers that compute on the cpu");
    if (p->a_dtype != TN_F32 || p->b_dtype != TN_F32 || p->transposed)
        return tn_k_refuse(why, "conv.kind", "a", "this kernel takes f32, not transposed");
    out->texels = true;
    out->speed = VK_TEXEL_SPEED;
    return convolve(p, module, caps, out, why);
}

/* Dim d of a view is the one within, that many times as long: positions of both count as one. */
static bool joined(const int64_t outer, const int64_t inner, int64_t count, int64_t outer_count)
{
    return outer_count == 1 || outer == inner * count;
}

/* Whether conv_texel4.comp reads the input where it lies: one tap for each pixel, pixels of an
 * image side by side, all that it goes by in fours. */
static bool input_in_fours(const tn_k_conv *p)
{
    const tn_k_conv_view *a = &p->a_view, *o = &p->out_view;
    int64_t pixels = p->size[0] * p->size[1] * p->size[2];
    bool ok = tn_k_conv_taps(p) == 1 && pixels % 4 == 0 && (a->s[2] == 1 || p->size[2] == 1) &&
              a->c % 4 == 0 && a->n % 4 == 0;
    for (int d = 0; d < 3; d++)
        ok = ok && p->lo[d] == 0 && p->stride[d] == 1 && p->size[d] == p->in[d];
    return ok && p->size[2] > 1 && joined(a->s[1], a->s[2], p->size[2], p->size[1]) &&
           joined(a->s[0], a->s[1], p->size[1], p->size[0]) &&
           joined(o->s[1], o->s[2], p->size[2], p->size[1]) &&
           joined(o->s[0], o->s[1], p->size[1], p->size[0]);
}

/* Likewise the filters: channels of all taps side by side. */
static bool filters_in_fours(const tn_k_conv *p)
{
    int64_t wide = p->cg;
    bool ok = p->b_c == 1 && p->b_k % 4 == 0 && p->b_group % 4 == 0;
    for (int d = 2; d >= 0; d--) {
        ok = ok && joined(p->b_s[d], wide, 1, p->kernel[d]);
        wide *= p->kernel[d];
    }
    return ok;
}

/* Taps along width that conv_texel4.comp takes at once: side by side, of a packed input. */
static int64_t wide_taps(const tn_k_conv *p, bool pack_a)
{
    bool few = p->kernel[2] >= 2 && p->kernel[2] <= 4;
    return pack_a && few && p->stride[2] == 1 && p->dilation[2] == 1 ? p->kernel[2] : 1;
}

/* Filters of an invocation: more read fewer words each, those beyond the last are for nothing. */
static int64_t filters_at_once(int64_t kg)
{
    int64_t filters = 32;
    while (filters > 8 && (kg + filters - 1) / filters * filters - kg > kg / 8)
        filters /= 2;
    return filters;
}

static bool conv_texel4(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    static const uint32_t module[] = {VK_MODULE_conv_texel4_0, VK_MODULE_conv_texel4_7,
                                      VK_MODULE_conv_texel4_8, VK_MODULE_conv_texel4_9};
    enum { FEWEST = 24 /* sums that each packed word has to serve */ };
    const tn_k_conv *p = params;
    struct conv_glsl *g = (struct conv_glsl *)(void *)out->param;
    if (caps->type != VK_PHYSICAL_DEVICE_TYPE_CPU || !caps->shuffles || caps->subgroup < 8)
        return tn_k_refuse(why, "vulkan.class", NULL,
                           "this kernel is for drivers that compute on the cpu and shuffle in "
                           "subgroups of 8 and more");
    if (p->a_dtype != TN_F32 || p->b_dtype != TN_F32 || p->transposed)
        return tn_k_refuse(why, "conv.kind", "a", "this kernel takes f32, not transposed");
    bool pack_a = !input_in_fours(p);
    int64_t wide = wide_taps(p, pack_a), filters = filters_at_once(p->kg);
    bool pack_b = wide > 1 || !filters_in_fours(p);
    if (p->cg % 4 != 0 || p->kg < 8 || p->cg == 0)
        return tn_k_refuse(why, "conv.kind", "b",
                           "this kernel takes channels in fours and at least 8 filters a group");
    if (pack_a && p->kg * p->kernel[0] * p->kernel[1] * wide < FEWEST)
        return tn_k_refuse(why, "conv.kind", "b",
                           "too few filters for the input to be laid out for them");
    if (!convolve(p, module, caps, out, why))
        return false;
    int64_t taps = tn_k_conv_taps(p), images = p->n, columns = (p->size[2] + 3) / 4;
    int64_t pack[3] = {4 * (columns + (wide + 2) / 4 * (wide > 1)), 0, 0}; /* row, rows, planes */
    for (int d = 0; d < 2; d++)
        pack[2 - d] = (p->size[d] - 1) * p->stride[d] + (p->kernel[d] - 1) * p->dilation[d] + 1;
    int64_t filter_words = pack_b ? (p->groups * p->kg * taps * p->cg + 3) / 4 * 4 : 0;
    int64_t copies = wide > 1 ? 1 : p->kernel[2];
    double input = pack_a ? (double)images * (double)p->groups * (double)copies * (double)p->cg *
                                (double)pack[0] * (double)pack[1] * (double)pack[2]
                          : 0.0;
    double words = (double)p->groups * (double)p->kg * (double)taps * (double)p->cg;
    if (input + words > (double)(INT32_MAX / 8))
        return vk_size_refused(why);
    bool padded = false;
    for (int d = 0; d < 3; d++) {
        int64_t past = (p->size[d] - 1) * p->stride[d] + (p->kernel[d] - 1) * p->dilation[d];
        padded = padded || p->lo[d] > 0 || past - p->lo[d] >= p->in[d];
        g->pack[d] = (int)pack[d];
    }
    g->blocks = (int)((p->kg + filters - 1) / filters);
    g->pack_at = (int)filter_words;
    g->filter_words = pack_b ? (int)(taps * p->cg) : (int)p->b_k;
    g->filter_groups = pack_b ? (int)((p->groups * p->kg * (p->cg / 4) + 7) / 8) : 0;
    g->width = pack_a ? (int)p->size[2] : (int)(p->size[0] * p->size[1] * p->size[2]);
    g->rows = pack_a ? (int)(images * p->size[0] * p->size[1]) : (int)images;
    g->quads = (g->width + 3) / 4;
    /* Two fours of a wide turn lie in one row; more sums at once than 128 are no faster. */
    bool one = (int64_t)g->rows * g->quads <= 8 || (wide > 1 && g->quads % 2 != 0) || filters > 16;
    uint32_t count = 0, quads = one ? 1 : 2;
    vk_step multiply = out->step[0];
    multiply.spec[8] = pack_a;
    multiply.spec[9] = pack_b;
    multiply.spec[11] = (uint32_t)wide;
    if (out->steps != 0 && (pack_a || pack_b)) {
        vk_step *step = &out->step[count++];
        *step = (vk_step){.module = VK_MODULE_conv_pack};
        memcpy(&step->spec[8], &multiply.spec[8], 4 * sizeof step->spec[0]);
        vk_groups(caps,
                  (uint64_t)g->filter_groups + ((uint64_t)input / 4 / (uint64_t)pack[1] + 7) / 8,
                  step);
    }
    multiply.spec[3] = (uint32_t)filters;
    multiply.spec[6] = quads;
    multiply.spec[VK_SPEC_ALIGNED] = true;
    multiply.spec[10] = padded && pack_a;
    vk_groups_rows(caps, (uint64_t)g->rows * (uint64_t)g->quads, 8 * quads,
                   (uint64_t)(p->groups * g->blocks), &multiply);
    out->step[count++] = multiply;
    out->steps = out->steps != 0 ? count : 0;
    out->texels = true;
    out->fours = (pack_a ? 0 : 1u) | (pack_b ? 0 : 2u) | (count > 1 ? VK_WORK_FOURS : 0);
    out->workspace_bytes =
        count > 1 ? ((uint64_t)input + (uint64_t)filter_words) * sizeof(uint32_t) + 16 : 0;
    out->speed = VK_TEXEL4_SPEED;
    int64_t turns = taps * p->cg * 2 + taps * 8 + 256 + pack[1]; /* all of them twice */
    out->loops = turns > UINT32_MAX ? UINT32_MAX : (uint32_t)turns;
    return true;
}

static bool pool(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_pool *p = params;
    struct pool_glsl *g = (struct pool_glsl *)(void *)out->param;
    int64_t count = p->n * p->channels * p->size[0] * p->size[1] * p->size[2];
    int64_t taps = tn_k_pool_taps(p);
    if (count > INT32_MAX / 2 || taps > INT32_MAX / 2 || p->channels > INT32_MAX ||
        !three(p->in, g->in_size) || !three(p->size, g->size) || !three(p->window, g->window) ||
        !three(p->stride, g->stride) || !three(p->dilation, g->dilation) || !three(p->lo, g->lo) ||
        !three(p->hi, g->hi) || !three(p->a_s, g->a_s) || !three(p->out_s, g->out_s))
        return vk_size_refused(why);
    g->count = (int)count;
    g->channels = (int)p->channels;
    g->count_padding = p->count_padding != 0;
    g->a_n = (int)p->a_n;
    g->a_c = (int)p->a_c;
    g->out_n = (int)p->out_n;
    g->out_c = (int)p->out_c;
    bool most = p->kind == TN_POOL_MAX;
    out->step[0].module = most ? VK_MODULE_pool_max : VK_MODULE_pool_average;
    out->step[0].spec[0] = p->dtype;
    if (most)
        vk_groups_of(caps, (uint64_t)count, 64, &out->step[0]);
    else
        vk_groups(caps, (uint64_t)count, &out->step[0]);
    out->steps = count != 0;
    int64_t turns = most ? taps * 4 + 8
                         : taps / 16 + taps / 512 + 64 + p->window[0] + p->window[1] + p->window[2];
    out->loops = turns > UINT32_MAX ? UINT32_MAX : (uint32_t)turns;
    out->flops = (double)count * (double)taps * 8.0;
    return true;
}

static bool pool_floats(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_pool *p = params;
    if (!computes(p->dtype))
        return tn_k_refuse(why, "pool.dtype_row", "a", "this row takes floats");
    return pool(params, caps, out, why);
}

static bool pool_by_bits(const void *params)
{
    return ((const tn_k_pool *)params)->kind == TN_POOL_MAX;
}

static bool pool_exact(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_pool *p = params;
    if (p->dtype != TN_S8 && p->dtype != TN_U8)
        return tn_k_refuse(why, "pool.dtype_row", "a", "this row takes s8 and u8");
    return pool(params, caps, out, why);
}

/* Ints of an element of an axis in the table. */
static int64_t entry_ints(const tn_k_resize *p)
{
    return p->kind == TN_RESIZE_NEAREST ? 1 : 2 * TN_K_RESIZE_TAPS;
}

static void resize_table(const void *params, int32_t *out)
{
    const tn_k_resize *p = params;
    for (uint32_t d = 0; d < p->rank; ++d)
        for (int64_t o = 0; !tn_k_resize_kept(p, d) && o < p->out[d]; ++o) {
            int64_t at[TN_K_RESIZE_TAPS] = {0};
            float w[TN_K_RESIZE_TAPS] = {0.0f};
            if (p->kind == TN_RESIZE_NEAREST) {
                *out++ = (int32_t)tn_k_resize_nearest(p, d, o);
                continue;
            }
            (void)tn_k_resize_taps(p, d, o, at, w);
            for (uint32_t t = 0; t < TN_K_RESIZE_TAPS; ++t) {
                out[t] = (int32_t)at[t];
                out[TN_K_RESIZE_TAPS + t] = vk_bits(w[t]);
            }
            out += entry_ints(p);
        }
}

static bool resize(const tn_k_resize *p, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    enum { TABLE_MOST = 1 << 22, AXES = 3 };
    struct resize_glsl *g = (struct resize_glsl *)(void *)out->param;
    bool nearest = p->kind == TN_RESIZE_NEAREST;
    int64_t count = 1, table = 0;
    uint32_t active = 0, elem = tn_k_elem_bytes(p->dtype);
    for (int i = 0; i < AXES; ++i)
        g->moving[i] = -1;
    for (uint32_t d = 0; d < p->rank; ++d) {
        if (p->in[d] > INT32_MAX || p->out[d] > INT32_MAX ||
            __builtin_mul_overflow(count, p->out[d], &count) || count > INT32_MAX / 2)
            return vk_size_refused(why);
        g->dim[d] = (int)p->out[d];
        g->a_stride[d] = p->in[d] > 1 ? (int)p->a_s[d] : 0;
        g->out_stride[d] = p->out[d] > 1 ? (int)p->out_s[d] : 0;
        g->first[d] = -1;
        if (tn_k_resize_kept(p, d))
            continue;
        if (!nearest && active == AXES)
            return tn_k_refuse(why, "resize.kind_row", "a", "this row sums along at most 3 axes");
        if (!nearest)
            g->moving[active++] = (int)d;
        g->first[d] = VK_PARAM_INTS + (int)table;
        table += p->out[d] * entry_ints(p);
        if (table > TABLE_MOST)
            return vk_size_refused(why);
    }
    g->count = (int)count;
    g->rank = (int)p->rank;
    g->taps = p->kind == TN_RESIZE_CUBIC ? 4 : 2;
    out->table_ints = count == 0 ? 0 : (uint32_t)table;
    out->step[0].module = VK_MODULE_resize;
    out->step[0].spec[0] = nearest ? 0 : p->dtype;
    out->step[0].spec[1] = nearest;
    out->step[0].spec[2] = nearest ? vk_log2(elem) : 0;
    vk_groups_of(caps, (uint64_t)count * (nearest && elem == 8 ? 2 : 1), 64, &out->step[0]);
    out->steps = count != 0;
    out->flops = (double)count * (nearest ? 8.0 : 60.0);
    out->bytes = 8.0 * (double)count;
    return true;
}

static bool resize_sums(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_resize *p = params;
    return (p->kind != TN_RESIZE_NEAREST ||
            tn_k_refuse(why, "resize.kind_row", "attr.kind", "this row is for linear and cubic")) &&
           resize(p, caps, out, why);
}

static bool resize_nearest(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_resize *p = params;
    return (p->kind == TN_RESIZE_NEAREST ||
            tn_k_refuse(why, "resize.kind_row", "attr.kind", "this row is for nearest")) &&
           resize(p, caps, out, why);
}

extern const vk_row tn__vk_resize, tn__vk_resize_nearest;
const vk_row tn__vk_resize = {.name = "resize_glsl",
                              .kind = TN_OP_RESIZE,
                              .cls = TN_CLASS_CANONICAL,
                              .make = resize_sums,
                              .table = resize_table};
const vk_row tn__vk_resize_nearest = {.name = "resize_nearest_glsl",
                                      .kind = TN_OP_RESIZE,
                                      .cls = TN_CLASS_EXACT,
                                      .make = resize_nearest,
                                      .table = resize_table};

extern const vk_row tn__vk_conv, tn__vk_conv_exact, tn__vk_conv_texel, tn__vk_conv_texel4,
    tn__vk_pool, tn__vk_pool_exact;
const vk_row tn__vk_conv = {.name = "conv_glsl",
                            .kind = TN_OP_CONV,
                            .cls = TN_CLASS_CANONICAL,
                            .chains = true,
                            .make = conv,
                            .arithmetic = tn_k_conv_arithmetic};
const vk_row tn__vk_conv_exact = {.name = "conv_int_exact_glsl",
                                  .kind = TN_OP_CONV,
                                  .cls = TN_CLASS_EXACT,
                                  .make = conv_exact,
                                  .arithmetic = tn_k_conv_arithmetic};
const vk_row tn__vk_conv_texel = {.name = "conv_texel_glsl",
                                  .kind = TN_OP_CONV,
                                  .cls = TN_CLASS_CANONICAL,
                                  .chains = true,
                                  .make = conv_texel,
                                  .arithmetic = tn_k_conv_arithmetic};
const vk_row tn__vk_conv_texel4 = {.name = "conv_texel4_glsl",
                                   .kind = TN_OP_CONV,
                                   .cls = TN_CLASS_CANONICAL,
                                   .chains = true,
                                   .bounded = true,
                                   .make = conv_texel4,
                                   .arithmetic = tn_k_conv_arithmetic};
const vk_row tn__vk_pool = {.name = "pool_glsl",
                            .kind = TN_OP_POOL,
                            .cls = TN_CLASS_CANONICAL,
                            .make = pool_floats,
                            .by_bits = pool_by_bits};
const vk_row tn__vk_pool_exact = {
    .name = "pool_exact_glsl", .kind = TN_OP_POOL, .cls = TN_CLASS_EXACT, .make = pool_exact};

/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of eltwise, copy, gather, concat, pad and topk. */
/* path: api > placement > queue > backend > [kernel] > device */
#include "vk_rows.h"

#include <kernels/concat/concat.h>
#include <kernels/concat/concat_glsl.h>
#include <kernels/copy/copy.h>
#include <kernels/copy/copy_glsl.h>
#include <kernels/eltwise/eltwise.h>
#include <kernels/eltwise/eltwise_glsl.h>
#include <kernels/gather/gather.h>
#include <kernels/gather/gather_glsl.h>
#include <kernels/pad/pad.h>
#include <kernels/pad/pad_glsl.h>
#include <kernels/topk/topk.h>
#include <kernels/topk/topk_glsl.h>

_Static_assert(VK_MODULE_eltwise_function_19 - VK_MODULE_eltwise_function_6 ==
                       TN_ELTWISE_COS - TN_ELTWISE_RECIP &&
                   TN_ELTWISE_RECIP == 6,
               "eltwise_function.comp has these variants, in this order");
_Static_assert(TN_ELTWISE_CLAMP == 21 && TN_ELTWISE_ADD == 64 && TN_ELTWISE_DIV == 67 &&
                   TN_ELTWISE_EQUAL == 70 && TN_ELTWISE_LESS_EQUAL == 72 && TN_ELTWISE_FMA == 128 &&
                   TN_ELTWISE_WHERE == 129,
               "eltwise_kinds.glsl has these numbers");
_Static_assert(TN_PAD_EDGE == 1 && TN_PAD_REFLECT == 2, "pad.comp has these numbers");
_Static_assert(TN_F64 == 1 && TN_F32 == 2 && TN_F16 == 4 && TN_BF16 == 5 && TN_F8E4M3 == 6 &&
                   TN_F8E5M2 == 7 && TN_S64 == 10 && TN_S32 == 11 && TN_S8 == 12 && TN_U8 == 13 &&
                   TN_BOOL == 16,
               "prelude.glsl has these numbers");

enum { CONCAT_INPUTS = 7 /* and behind them OUT */ };

/* What a pipeline is specialised for: 0 for the cheap kinds, which share one. */
static uint32_t own_pipeline(uint32_t kind)
{
    switch (kind) {
    case TN_ELTWISE_SCALE:
    case TN_ELTWISE_DIV:
    case TN_ELTWISE_FMA:
    case TN_ELTWISE_WHERE:
        return kind;
    default:
        return tn_k_eltwise_is_compare(kind) ? (uint32_t)TN_ELTWISE_EQUAL : 0;
    }
}

static bool eltwise_any(const tn_k_eltwise_params *p, const vk_caps *caps, vk_launch *out,
                        tn_k_why *why)
{
    struct eltwise_glsl *g = (struct eltwise_glsl *)(void *)out->param;
    uint32_t *spec = out->step[0].spec;
    if (!vk_grid(&p->grid, p->inputs + 1, &g->grid, why))
        return false;
    g->a = vk_bits(p->a);
    g->b = vk_bits(p->b);
    g->kind = (int)p->kind;
    spec[0] = own_pipeline(p->kind);
    spec[1] = p->dtype;
    spec[2] = p->inputs;
    spec[3] = vk_grid_dense(&p->grid, p->inputs + 1);
    spec[4] = vk_log2(tn_k_elem_bytes(p->dtype));
    for (uint32_t i = 0; i <= p->inputs; ++i)
        out->binding[i] = (uint8_t)i;
    out->step[0].module = VK_MODULE_eltwise;
    if (p->kind >= TN_ELTWISE_RECIP && p->kind <= TN_ELTWISE_COS) {
        out->step[0].module = VK_MODULE_eltwise_function_6 + (p->kind - TN_ELTWISE_RECIP);
        spec[0] = spec[2] = spec[4] = 0;
    }
    vk_groups_of(caps, (uint64_t)g->grid.count, 64, &out->step[0]);
    out->steps = g->grid.count != 0;
    out->flops = 20.0 * g->grid.count;
    out->bytes = 4.0 * (p->inputs + 1) * g->grid.count;
    return true;
}

static bool eltwise_moves(const tn_k_eltwise_params *p)
{
    return p->kind == TN_ELTWISE_WHERE || p->dtype == TN_S32;
}

static bool eltwise_floats(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_eltwise_params *p = params;
    if (eltwise_moves(p))
        return tn_k_refuse(why, "eltwise.dtype", "a", "this kernel computes f32, f16 and bf16");
    if (p->kind == TN_ELTWISE_DIV && !caps->divides)
        return tn_k_refuse(why, "vulkan.division", "attr.kind",
                           "the device's division is not the correctly rounded one");
    return eltwise_any(p, caps, out, why);
}

static bool eltwise_by_bits(const void *params)
{
    const tn_k_eltwise_params *p = params;
    return p->kind == TN_ELTWISE_NEG || p->kind == TN_ELTWISE_ABS || p->kind == TN_ELTWISE_CLAMP ||
           p->kind == TN_ELTWISE_MAX || p->kind == TN_ELTWISE_MIN ||
           tn_k_eltwise_is_compare(p->kind);
}

static bool eltwise_exact(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_eltwise_params *p = params;
    if (!eltwise_moves(p))
        return tn_k_refuse(why, "eltwise.dtype", "a", "this kernel computes s32");
    if (p->kind == TN_ELTWISE_WHERE && tn_k_elem_bytes(p->dtype) == 8)
        return tn_k_refuse(why, "eltwise.dtype", "b", "where of at most 4 bytes an element");
    return eltwise_any(p, caps, out, why);
}

/* Pairs of types that shaders convert with one rounding. */
static bool casts(uint32_t from, uint32_t to)
{
    bool narrow = from == TN_S8 || from == TN_U8 || from == TN_BOOL;
    bool floats = from == TN_F32 || from == TN_F16 || from == TN_BF16 || from == TN_F8E4M3 ||
                  from == TN_F8E5M2;
    if (to == TN_F16 || to == TN_BF16 || to == TN_F8E4M3 || to == TN_F8E5M2)
        return floats || narrow;
    return (floats || narrow || from == TN_S32) &&
           (to == TN_F32 || to == TN_S32 || to == TN_S8 || to == TN_U8 || to == TN_BOOL);
}

static bool copy_any(const tn_k_copy_params *p, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    struct copy_glsl *g = (struct copy_glsl *)(void *)out->param;
    uint32_t *spec = out->step[0].spec;
    if (!vk_grid(&p->grid, 2, &g->grid, why))
        return false;
    g->saturate = p->saturate;
    spec[0] = p->from;
    spec[1] = p->to;
    spec[2] = p->elem_bytes == 0;
    spec[3] = vk_log2(p->elem_bytes);
    spec[4] = vk_grid_dense(&p->grid, 2);
    /* Of a copy the types say no more than the size, and fewer pipelines are fewer to make. */
    if (p->elem_bytes != 0)
        spec[0] = spec[1] = 0;
    out->step[0].module = VK_MODULE_copy;
    vk_groups_of(caps, (uint64_t)g->grid.count * (p->elem_bytes == 8 ? 2 : 1), 64, &out->step[0]);
    out->steps = g->grid.count != 0;
    out->bytes = 8.0 * g->grid.count;
    return true;
}

static bool copy_moves(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_copy_params *p = params;
    if (p->elem_bytes == 0)
        return tn_k_refuse(why, "copy.dtype", "out", "this kernel moves one type unchanged");
    return copy_any(p, caps, out, why);
}

static bool copy_casts(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_copy_params *p = params;
    if (p->elem_bytes != 0)
        return tn_k_refuse(why, "copy.dtype", "out", "this kernel converts types");
    if (!casts(p->from, p->to))
        return tn_k_refuse(why, "copy.dtype", "a",
                           "this kernel converts floats of at most 32 bits, s8, u8 and bool, and "
                           "s32 to f32 and integers");
    return copy_any(p, caps, out, why);
}

static bool cast_by_bits(const void *params)
{
    (void)params;
    return true;
}

static bool gather(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_gather_params *p = params;
    struct gather_glsl *g = (struct gather_glsl *)(void *)out->param;
    if (!vk_grid(&p->outer, 3, &g->outer, why) || !vk_grid(&p->slice, 3, &g->slice, why))
        return false;
    int64_t count = (int64_t)g->outer.count * g->slice.count;
    if (p->extent > INT32_MAX || count > INT32_MAX / 2)
        return vk_size_refused(why);
    g->extent = (int)p->extent;
    g->axis_stride = p->extent > 1 ? (int)p->axis_stride : 0;
    out->step[0].spec[0] = vk_log2(p->elem_bytes);
    out->step[0].spec[1] = p->index_bytes == 8;
    out->step[0].module = VK_MODULE_gather;
    vk_groups_of(caps, (uint64_t)count * (p->elem_bytes == 8 ? 2 : 1), 64, &out->step[0]);
    out->steps = count != 0;
    out->bytes = 8.0 * (double)count;
    return true;
}

static bool concat(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_concat_params *p = params;
    struct concat_glsl *g = (struct concat_glsl *)(void *)out->param;
    int64_t count = tn_k_concat_count(p, 0, p->rank);
    if (p->inputs > CONCAT_INPUTS)
        return tn_k_refuse(why, "vulkan.operands", "args", "this kernel takes at most 7 inputs");
    if (count > INT32_MAX / 2)
        return vk_size_refused(why);
    g->count = (int)count;
    g->rank = (int)p->rank;
    g->axis = (int)p->axis;
    g->inputs = (int)p->inputs;
    for (uint32_t d = 0; d < p->rank; ++d) {
        g->dim[d] = (int)p->dim[d];
        g->stride[d] = (int)p->stride[d];
        for (uint32_t i = 0; i < p->inputs; ++i)
            g->from_stride[i * 8 + d] = (int)p->in[i].stride[d];
    }
    for (uint32_t i = 0; i < p->inputs; ++i)
        g->extent[i] = (int)p->in[i].extent;
    out->binding[p->inputs] = CONCAT_INPUTS;
    out->step[0].module = VK_MODULE_concat;
    out->step[0].spec[0] = vk_log2(p->elem_bytes);
    vk_groups_of(caps, (uint64_t)count * (p->elem_bytes == 8 ? 2 : 1), 64, &out->step[0]);
    out->steps = count != 0;
    out->bytes = 8.0 * (double)count;
    return true;
}

static bool pad(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_pad_params *p = params;
    struct pad_glsl *g = (struct pad_glsl *)(void *)out->param;
    int64_t count = tn_k_pad_height(p) * tn_k_pad_width(p);
    if (count > INT32_MAX / 2)
        return vk_size_refused(why);
    g->count = (int)count;
    g->rank = (int)p->rank;
    memcpy(g->value, p->value, sizeof p->value);
    for (uint32_t d = 0; d < p->rank; ++d) {
        if (p->lo[d] > INT32_MAX / 2 || p->lo[d] < -INT32_MAX / 2)
            return vk_size_refused(why);
        g->from_dim[d] = (int)p->from_dim[d];
        g->from_stride[d] = (int)p->from_stride[d];
        g->lo[d] = (int)p->lo[d];
        g->dim[d] = (int)p->dim[d];
        g->stride[d] = (int)p->stride[d];
    }
    out->step[0].module = VK_MODULE_pad;
    out->step[0].spec[0] = vk_log2(p->elem_bytes);
    out->step[0].spec[1] = p->mode;
    vk_groups_of(caps, (uint64_t)count * (p->elem_bytes == 8 ? 2 : 1), 64, &out->step[0]);
    out->steps = count != 0;
    out->bytes = 8.0 * (double)count;
    return true;
}

static bool topk(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_topk_params *p = params;
    struct topk_glsl *g = (struct topk_glsl *)(void *)out->param;
    bool known = p->dtype == TN_F32 || p->dtype == TN_F16 || p->dtype == TN_BF16 ||
                 p->dtype == TN_F8E4M3 || p->dtype == TN_F8E5M2 || p->dtype == TN_S32 ||
                 p->dtype == TN_S8 || p->dtype == TN_U8 || p->dtype == TN_F64 || p->dtype == TN_S64;
    if (!known)
        return tn_k_refuse(why, "topk.dtype", "a",
                           "this kernel orders f64, f32, f16, bf16, 8-bit floats, s64, s32, s8 and "
                           "u8");
    if (!vk_grid(&p->rows, 3, &g->rows, why))
        return false;
    if (p->extent > INT32_MAX - 64 || p->k > INT32_MAX)
        return vk_size_refused(why);
    g->k = (int)p->k;
    g->extent = (int)p->extent;
    for (uint32_t i = 0; i < 3; ++i)
        g->stride[i] = (i == 0 ? p->extent : p->k) > 1 ? (int)p->stride[i] : 0;
    if (p->index_at >= 0)
        out->binding[p->index_at] = 2;
    out->step[0].module = VK_MODULE_topk;
    out->step[0].spec[0] = p->dtype;
    out->step[0].spec[1] = p->smallest;
    out->step[0].spec[2] = p->values_at >= 0;
    out->step[0].spec[3] = p->index_at >= 0 ? p->index_bytes / 4 : 0;
    vk_groups(caps, (uint64_t)g->rows.count, &out->step[0]);
    out->steps = g->rows.count != 0 && p->k != 0;
    double turns = (double)p->k * ((double)p->extent / 64 + 2 * (double)p->rows.rank + 9);
    out->loops = turns > UINT32_MAX ? UINT32_MAX : (uint32_t)turns;
    out->flops = 8.0 * (double)p->k * (double)p->extent * g->rows.count;
    return true;
}

extern const vk_row tn__vk_topk;
const vk_row tn__vk_topk = {
    .name = "topk_glsl", .kind = TN_OP_TOPK, .cls = TN_CLASS_EXACT, .make = topk};

extern const vk_row tn__vk_concat, tn__vk_pad;
const vk_row tn__vk_concat = {
    .name = "concat_glsl", .kind = TN_OP_CONCAT, .cls = TN_CLASS_EXACT, .make = concat};
const vk_row tn__vk_pad = {
    .name = "pad_glsl", .kind = TN_OP_PAD, .cls = TN_CLASS_EXACT, .make = pad};

extern const vk_row tn__vk_eltwise, tn__vk_eltwise_exact, tn__vk_copy, tn__vk_cast, tn__vk_gather;
const vk_row tn__vk_eltwise = {.name = "eltwise_glsl",
                               .kind = TN_OP_ELTWISE,
                               .cls = TN_CLASS_CANONICAL,
                               .make = eltwise_floats,
                               .by_bits = eltwise_by_bits,
                               .arithmetic = tn_k_eltwise_arithmetic};
const vk_row tn__vk_eltwise_exact = {.name = "eltwise_exact_glsl",
                                     .kind = TN_OP_ELTWISE,
                                     .cls = TN_CLASS_EXACT,
                                     .make = eltwise_exact};
const vk_row tn__vk_copy = {
    .name = "copy_glsl", .kind = TN_OP_COPY, .cls = TN_CLASS_EXACT, .make = copy_moves};
const vk_row tn__vk_cast = {.name = "copy_cast_glsl",
                            .kind = TN_OP_COPY,
                            .cls = TN_CLASS_CANONICAL,
                            .make = copy_casts,
                            .by_bits = cast_by_bits};
const vk_row tn__vk_gather = {
    .name = "gather_glsl", .kind = TN_OP_GATHER, .cls = TN_CLASS_EXACT, .make = gather};

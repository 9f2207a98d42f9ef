/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of quantize, dequantize and the matmul of bytes. */
/* path: api > placement > queue > backend > [kernel] > device */
#include "vk_rows.h"

#include <kernels/dequantize/dequantize.h>
#include <kernels/matmul/matmul.h>
#include <kernels/matmul/matmul_glsl.h>
#include <kernels/quantize/quantize.h>
#include <kernels/quantize/quantize_glsl.h>

enum { POSTS = 6, FIRST_FREE = 3 /* binding behind A, B and OUT */ };

_Static_assert(TN_POST_BIAS == 1 && TN_POST_GELU == 7 && TN_POST_SILU == 9,
               "post.glsl has these numbers");
_Static_assert(sizeof(struct matmul_int_glsl) <= sizeof(int32_t) * VK_PARAM_INTS,
               "params do not fit");

static bool quantize(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_quantize_params *p = params;
    struct quantize_glsl *g = (struct quantize_glsl *)(void *)out->param;
    if (p->layout != TN_LAYOUT_STRIDED)
        return tn_k_refuse(why, "quantize.layout", "out", "leaves the scale to an operand");
    if (p->divide && !caps->divides)
        return tn_k_refuse(why, "vulkan.division", "args",
                           "the device's division is not the correctly rounded one");
    if (!vk_grid(&p->grid, 4, &g->grid, why))
        return false;
    g->saturate = p->saturate;
    out->step[0].module = VK_MODULE_quantize;
    out->step[0].spec[0] = p->from;
    out->step[0].spec[1] = p->to;
    out->step[0].spec[2] = p->divide;
    out->step[0].spec[3] = p->zero;
    vk_groups_of(caps, (uint64_t)g->grid.count, 64, &out->step[0]);
    out->steps = g->grid.count != 0;
    out->flops = 20.0 * g->grid.count;
    out->bytes = 8.0 * g->grid.count;
    return true;
}

static bool dequantize(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_dequantize_params *p = params;
    struct quantize_glsl *g = (struct quantize_glsl *)(void *)out->param;
    if (p->layout != TN_LAYOUT_STRIDED)
        return tn_k_refuse(why, "dequantize.layout", "a", "leaves the scale to an operand");
    if (!vk_grid(&p->grid, 4, &g->grid, why))
        return false;
    out->step[0].module = VK_MODULE_dequantize;
    out->step[0].spec[0] = p->from;
    out->step[0].spec[1] = p->to;
    out->step[0].spec[2] = p->zero;
    vk_groups_of(caps, (uint64_t)g->grid.count, 64, &out->step[0]);
    out->steps = g->grid.count != 0;
    out->flops = 10.0 * g->grid.count;
    out->bytes = 8.0 * g->grid.count;
    return true;
}

static bool is_byte(uint32_t type)
{
    return type == TN_S8 || type == TN_U8;
}

static void view(const tn_k_matmul_view *from, int64_t rows, int64_t columns, uint32_t rank,
                 matmul_view_glsl *to)
{
    to->row = rows > 1 ? (int)from->row : 0;
    to->col = columns > 1 ? (int)from->col : 0;
    for (uint32_t d = 0; d < rank; ++d)
        to->batch[d] = (int)from->batch[d];
}

/* Operands behind A, B and OUT in their own order; the module by the function of the steps. */
static bool epilogue(const tn_k_matmul *p, vk_launch *out, struct matmul_int_glsl *g, tn_k_why *why)
{
    static const uint32_t module[] = {VK_MODULE_matmul_int_0, VK_MODULE_matmul_int_7,
                                      VK_MODULE_matmul_int_8, VK_MODULE_matmul_int_9};
    const tn_k_matmul_factor *factor[6] = {&p->a_scale, &p->b_scale, &p->out_scale,
                                           &p->a_zero,  &p->b_zero,  &p->out_zero};
    uint32_t function = 0, next = FIRST_FREE;
    if (p->post_count > POSTS)
        return tn_k_refuse(why, "matmul.posts", "posts", "at most 6 epilogue steps");
    for (uint32_t i = 0; i < p->operands.count; ++i) {
        if (i < 2 || (int32_t)i == p->out)
            continue;
        out->binding[i] =
            (uint8_t)(next < VK_WORKSPACE ? next : next + VK_MORE_OPERANDS - VK_WORKSPACE);
        ++next;
    }
    out->binding[p->out] = 2;
    for (uint32_t f = 0; f < 6; ++f) {
        g->factor[f] = factor[f]->operand < 0 ? -1 : out->binding[factor[f]->operand];
        g->factor_stride[f] = (int)factor[f]->stride;
    }
    for (uint32_t i = 0; i < p->post_count; ++i) {
        const tn_k_matmul_post *q = &p->post[i];
        if (q->kind >= TN_POST_GELU) {
            if (function != 0 && function != q->kind)
                return tn_k_refuse(why, "matmul.posts", "posts",
                                   "at most one function among the epilogue steps");
            function = q->kind;
        }
        g->post_kind[i] = (int)q->kind;
        g->post_binding[i] = q->operand < 0 ? -1 : out->binding[q->operand];
        g->post_a[i] = vk_bits(q->a);
        g->post_b[i] = vk_bits(q->b);
        view(&q->view, p->m, p->n, p->batch_rank, &g->post[i]);
    }
    g->int_posts = (int)p->int_posts;
    g->post_count = (int)p->post_count;
    out->step[0].module = module[function == 0 ? 0 : function - TN_POST_GELU + 1];
    return true;
}

static bool matmul(const tn_k_matmul *p, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    enum { ROWS = 4 }; /* of an invocation */
    struct matmul_int_glsl *g = (struct matmul_int_glsl *)(void *)out->param;
    int64_t blocks = (p->m + ROWS - 1) / ROWS;
    if (p->m > INT32_MAX || p->n > INT32_MAX - 64 || p->k > INT32_MAX - 128 ||
        p->batch_count * blocks > INT32_MAX)
        return vk_size_refused(why);
    g->m = (int)p->m;
    g->n = (int)p->n;
    g->k = (int)p->k;
    g->batch_rank = (int)p->batch_rank;
    g->batch_count = (int)p->batch_count;
    g->row_blocks = (int)(blocks > 0 ? blocks : 1);
    for (uint32_t d = 0; d < p->batch_rank; ++d)
        g->batch[d] = (int)p->batch[d];
    view(&p->a_view, p->m, p->k, p->batch_rank, &g->a);
    view(&p->b_view, p->k, p->n, p->batch_rank, &g->b);
    view(&p->out_view, p->m, p->n, p->batch_rank, &g->out_view);
    if (!epilogue(p, out, g, why))
        return false;
    uint32_t *spec = out->step[0].spec;
    spec[0] = p->a_type == TN_S8;
    spec[1] = p->b_type == TN_S8;
    spec[2] = p->out_type;
    spec[3] = p->a_scale.operand >= 0 || p->b_scale.operand >= 0;
    spec[4] = p->out_scale.operand >= 0;
    vk_groups_rows(caps, (uint64_t)p->n, 64, (uint64_t)(p->batch_count * blocks), &out->step[0]);
    out->steps = p->m != 0 && p->n != 0 && p->batch_count != 0;
    int64_t turns = (ROWS + 1) * p->k + 256;
    out->loops = turns > UINT32_MAX ? UINT32_MAX : (uint32_t)turns;
    out->flops = 2.0 * (double)p->m * (double)p->n * (double)p->k * (double)p->batch_count;
    return true;
}

static bool bytes(const tn_k_matmul *p, tn_k_why *why)
{
    return (is_byte(p->a_type) && is_byte(p->b_type) && p->b_layout == 0) ||
           tn_k_refuse(why, "matmul.dtype", "a", "for s8 and u8");
}

static bool matmul_floats(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_matmul *p = params;
    if (!bytes(p, why))
        return false;
    if (p->out_type == TN_S32)
        return tn_k_refuse(why, "matmul.dtype", "out", "this kernel scales sums to f32, s8 and u8");
    if (p->out_scale.operand >= 0 && !caps->divides)
        return tn_k_refuse(why, "vulkan.division", "args",
                           "the device's division is not the correctly rounded one");
    return matmul(p, caps, out, why);
}

static bool matmul_exact(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_matmul *p = params;
    if (!bytes(p, why))
        return false;
    if (p->out_type != TN_S32)
        return tn_k_refuse(why, "matmul.dtype", "out", "this kernel gives s32");
    return matmul(p, caps, out, why);
}

extern const vk_row tn__vk_quantize, tn__vk_dequantize, tn__vk_matmul_int, tn__vk_matmul_int_exact;
const vk_row tn__vk_quantize = {
    .name = "quantize_glsl", .kind = TN_OP_QUANTIZE, .cls = TN_CLASS_CANONICAL, .make = quantize};
const vk_row tn__vk_dequantize = {.name = "dequantize_glsl",
                                  .kind = TN_OP_DEQUANTIZE,
                                  .cls = TN_CLASS_CANONICAL,
                                  .make = dequantize};
const vk_row tn__vk_matmul_int = {.name = "matmul_int_glsl",
                                  .kind = TN_OP_MATMUL,
                                  .cls = TN_CLASS_CANONICAL,
                                  .make = matmul_floats,
                                  .arithmetic = tn_k_matmul_arithmetic};
const vk_row tn__vk_matmul_int_exact = {.name = "matmul_int_exact_glsl",
                                        .kind = TN_OP_MATMUL,
                                        .cls = TN_CLASS_EXACT,
                                        .make = matmul_exact,
                                        .arithmetic = tn_k_matmul_arithmetic};

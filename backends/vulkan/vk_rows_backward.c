/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the backward passes. */
/* path: api > placement > queue > backend > [kernel] > device */
#include "vk_rows.h"

#include <kernels/attention_backward/attention_backward.h>
#include <kernels/attention_backward/attention_backward_glsl.h>
#include <kernels/conv_weights/conv_weights.h>
#include <kernels/conv_weights/conv_weights_glsl.h>
#include <kernels/eltwise_backward/eltwise_backward.h>
#include <kernels/eltwise_backward/eltwise_backward_glsl.h>
#include <kernels/gather_backward/gather_backward.h>
#include <kernels/gather_backward/gather_backward_glsl.h>
#include <kernels/norm_backward/norm_backward.h>
#include <kernels/norm_backward/norm_backward_glsl.h>
#include <kernels/softmax_backward/softmax_backward.h>
#include <kernels/softmax_backward/softmax_backward_glsl.h>

_Static_assert(VK_MODULE_eltwise_backward_19 - VK_MODULE_eltwise_backward_6 ==
                   TN_ELTWISE_COS - TN_ELTWISE_RECIP,
               "eltwise_backward.comp has these variants, in this order");
_Static_assert(TN_ELTWISE_NEG == 1 && TN_ELTWISE_RINT == 5 && TN_ELTWISE_SCALE == 20,
               "eltwise_backward.comp has these numbers");

static bool softmax(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_softmax_backward_params *p = params;
    struct softmax_backward_glsl *g = (struct softmax_backward_glsl *)(void *)out->param;
    if (!vk_grid(&p->rows, 3, &g->rows, why))
        return false;
    if (p->count > INT32_MAX / 64)
        return vk_size_refused(why);
    g->count = (int)p->count;
    for (uint32_t i = 0; i < 3; ++i)
        g->stride[i] = p->count > 1 ? (int)p->stride[i] : 0;
    out->step[0].module = VK_MODULE_softmax_backward;
    out->step[0].spec[0] = p->log != 0;
    vk_groups(caps, (uint64_t)g->rows.count, &out->step[0]);
    out->steps = g->rows.count != 0 && p->count != 0;
    out->loops = vk_turns(p->count, 2, 0);
    out->flops = 30.0 * (double)p->count * g->rows.count;
    return true;
}

static bool eltwise(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_eltwise_backward_params *p = params;
    struct eltwise_backward_glsl *g = (struct eltwise_backward_glsl *)(void *)out->param;
    if (!vk_grid(&p->grid, 3, &g->grid, why))
        return false;
    bool function = p->kind >= TN_ELTWISE_RECIP && p->kind <= TN_ELTWISE_COS;
    g->kind = (int)p->kind;
    g->a = vk_bits(p->a);
    g->b = vk_bits(p->b);
    out->step[0].module = function ? VK_MODULE_eltwise_backward_6 + (p->kind - TN_ELTWISE_RECIP)
                                   : VK_MODULE_eltwise_backward_0;
    vk_groups_of(caps, (uint64_t)g->grid.count, 64, &out->step[0]);
    out->steps = g->grid.count != 0;
    out->flops = 40.0 * g->grid.count;
    out->bytes = 12.0 * g->grid.count;
    return true;
}

static bool norm(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_norm_backward_params *p = params;
    struct norm_backward_glsl *g = (struct norm_backward_glsl *)(void *)out->param;
    if (!vk_grid(&p->rows, 3, &g->rows, why) || !vk_grid(&p->inner, 4, &g->inner, why))
        return false;
    if (p->count > INT32_MAX / 64 || p->channels > INT32_MAX || p->groups > INT32_MAX)
        return vk_size_refused(why);
    g->count = (int)p->count;
    g->epsilon = vk_bits(p->epsilon);
    g->groups = (int)p->groups;
    g->channels = (int)p->channels;
    g->space = (int)p->space;
    g->gamma_stride = (int)p->gamma_stride;
    out->step[0].module = VK_MODULE_norm_backward;
    out->step[0].spec[0] = p->kind;
    out->step[0].spec[1] = p->gamma;
    vk_groups(caps, (uint64_t)g->rows.count, &out->step[0]);
    out->steps = g->rows.count != 0 && p->count != 0;
    out->loops = vk_turns(p->count, 5, 3 * p->inner.rank);
    out->flops = 40.0 * (double)p->count * g->rows.count;
    return true;
}

static bool gather(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_gather_backward_params *p = params;
    struct gather_backward_glsl *g = (struct gather_backward_glsl *)(void *)out->param;
    if (!vk_grid(&p->outer, 2, &g->outer, why) || !vk_grid(&p->inner, 2, &g->inner, why) ||
        !vk_grid(&p->positions, 2, &g->places, why))
        return false;
    double count = (double)g->outer.count * (double)p->rows * g->inner.count;
    if (p->rows > INT32_MAX || count > INT32_MAX / 2)
        return vk_size_refused(why);
    g->rows = (int)p->rows;
    g->positions = (int)p->grad_positions;
    g->row_stride = p->rows > 1 ? (int)p->row_stride : 0;
    out->step[0].module = VK_MODULE_gather_backward;
    out->step[0].spec[0] = p->grad_dtype;
    out->step[0].spec[1] = p->out_dtype;
    out->step[0].spec[2] = p->index_dtype == TN_S64;
    vk_groups_of(caps, (uint64_t)count, 64, &out->step[0]);
    out->steps = count != 0.0;
    /* both offsets of a position walk its dims */
    double turns = (double)p->grad_positions * (1 + 2 * p->positions.rank) + 64;
    out->loops = turns > UINT32_MAX ? UINT32_MAX : (uint32_t)turns;
    out->flops = 8.0 * count * (double)p->grad_positions;
    return true;
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

static bool computes(uint32_t type)
{
    return type == TN_F32 || type == TN_F16 || type == TN_BF16;
}

static bool conv_weights(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_conv_weights_params *p = params;
    struct conv_weights_glsl *g = (struct conv_weights_glsl *)(void *)out->param;
    int64_t positions = tn_k_conv_weights_positions(p);
    double count =
        (double)p->groups * (double)p->kg * (double)p->cg * (double)tn_k_conv_weights_taps(p);
    if (!computes(p->a_dtype) || !computes(p->g_dtype) || !computes(p->out_dtype))
        return tn_k_refuse(why, "conv.types", "a", "this kernel adds f32, f16 and bf16");
    if (count > INT32_MAX / 2 || positions > INT32_MAX / 2 || !three(p->in, g->in_size) ||
        !three(p->size, g->size) || !three(p->kernel, g->kernel) || !three(p->stride, g->stride) ||
        !three(p->dilation, g->dilation) || !three(p->lo, g->lo) || !three(p->a_view.s, g->a_s) ||
        !three(p->g_view.s, g->g_s) || !three(p->out_s, g->out_s))
        return vk_size_refused(why);
    g->count = (int)count;
    g->positions = (int)positions;
    g->cg = (int)p->cg;
    g->kg = (int)p->kg;
    g->a_n = (int)p->a_view.n;
    g->a_c = (int)p->a_view.c;
    g->g_n = (int)p->g_view.n;
    g->g_c = (int)p->g_view.c;
    g->out_f = (int)p->out_f;
    g->out_c = (int)p->out_c;
    out->step[0].module = VK_MODULE_conv_weights;
    out->step[0].spec[0] = p->a_dtype;
    out->step[0].spec[1] = p->g_dtype;
    out->step[0].spec[2] = p->out_dtype;
    vk_groups_of(caps, (uint64_t)count, 64, &out->step[0]);
    out->steps = count != 0.0;
    /* three dims a position, and the second way through a chunk in doubt */
    double turns = 8.0 * (double)positions + (double)positions / 128 + 64;
    out->loops = turns > UINT32_MAX ? UINT32_MAX : (uint32_t)turns;
    out->flops = 4.0 * count * (double)positions;
    return true;
}

static void four(const int64_t from[4], int to[4])
{
    for (uint32_t i = 0; i < 4; ++i)
        to[i] = (int)from[i];
}

static int window(int64_t n)
{
    return n > INT32_MAX / 4 ? -1 : (int)n;
}

/* Bindings of the operands; of the gradients behind those of the params. */
static void attention_bindings(const tn_k_attention_backward_params *p, vk_launch *out)
{
    static const uint8_t place[TN_K_ATT_OPERANDS] = {
        [TN_K_ATT_Q] = 0,   [TN_K_ATT_K] = 1,    [TN_K_ATT_V] = 2,
        [TN_K_ATT_OUT] = 3, [TN_K_ATT_MASK] = 4, [TN_K_ATT_STATS] = 5};
    static const uint8_t gradient[3] = {7, VK_MORE_OPERANDS, VK_MORE_OPERANDS + 1};
    for (uint32_t i = 0; i < TN_K_ATT_OPERANDS; ++i)
        if (p->f.slot[i] != 0)
            out->binding[p->f.slot[i] - 1] = place[i];
    out->binding[p->grad_slot] = 6;
    for (uint32_t i = 0; i < 3; ++i)
        out->binding[p->out_slot[i]] = gradient[i];
}

static bool attention(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_attention_backward_params *p = params;
    const tn_k_attention_params *f = &p->f;
    struct attention_backward_glsl *g = (struct attention_backward_glsl *)(void *)out->param;
    const int64_t most = INT32_MAX / 8;
    if (f->slot[TN_K_ATT_SLOPES] != 0 || f->slot[TN_K_ATT_LENGTHS] != 0)
        return tn_k_refuse(why, "attention.operand", "args",
                           "this kernel takes no SLOPES or LENGTHS");
    int64_t rows = f->batch * f->heads * f->queries, keys = f->batch * f->kv_heads * f->keys;
    int64_t position = f->from_end ? f->first_key + f->keys - f->queries : f->position;
    if (rows > most || keys > most || f->d > most || f->dv > most || f->first_key > most ||
        f->first_key < 0 || position > most || position < -most || f->position > most ||
        f->position < -most || (double)rows * (double)f->keys * 2.0 > (double)INT32_MAX)
        return vk_size_refused(why);
    attention_bindings(p, out);
    g->batch = (int)f->batch;
    g->heads = (int)f->heads;
    g->kv_heads = (int)f->kv_heads;
    g->queries = (int)f->queries;
    g->keys = (int)f->keys;
    g->d = (int)f->d;
    g->dv = (int)f->dv;
    four(f->stride[TN_K_ATT_Q], g->q);
    four(f->stride[TN_K_ATT_K], g->k);
    four(f->stride[TN_K_ATT_V], g->v);
    four(f->stride[TN_K_ATT_OUT], g->out_stride);
    four(f->stride[TN_K_ATT_MASK], g->mask);
    four(f->stride[TN_K_ATT_STATS], g->stats);
    four(p->grad_stride, g->grad);
    four(p->out_stride[0], g->to_q);
    four(p->out_stride[1], g->to_k);
    four(p->out_stride[2], g->to_v);
    g->position = (int)position;
    g->first_key = (int)f->first_key;
    g->left = window(f->left);
    g->right = window(f->right);
    g->chunk_position = (int)f->position;
    g->c = vk_bits(f->c);
    g->inner = vk_bits(f->inner);
    g->scale = vk_bits(p->scale);
    uint32_t mask = f->mask == TN_K_ATT_NO_MASK     ? 0
                    : f->mask == TN_K_ATT_BOOL_MASK ? (uint32_t)TN_BOOL
                                                    : (uint32_t)TN_F32;
    const uint32_t *type = f->type;
    if (rows != 0 && f->keys != 0) {
        vk_step *s = &out->step[out->steps++];
        *s = (vk_step){.module = VK_MODULE_attention_backward_pair,
                       .spec = {type[TN_K_ATT_Q], type[TN_K_ATT_K], type[TN_K_ATT_V],
                                type[TN_K_ATT_OUT], p->grad_type, mask, f->inner != 0.0f}};
        vk_groups(caps, (uint64_t)rows, s);
    }
    if (rows != 0 && f->d != 0) {
        vk_step *s = &out->step[out->steps++];
        *s = (vk_step){.module = VK_MODULE_attention_backward_query,
                       .spec = {type[TN_K_ATT_K], p->out_type[0]}};
        vk_groups_rows(caps, (uint64_t)f->d, 32, (uint64_t)rows, s);
    }
    if (keys != 0 && f->d + f->dv != 0) {
        vk_step *s = &out->step[out->steps++];
        *s = (vk_step){.module = VK_MODULE_attention_backward_key,
                       .spec = {type[TN_K_ATT_Q], p->grad_type, p->out_type[1], p->out_type[2]}};
        vk_groups_rows(caps, (uint64_t)(f->d + f->dv), 32, (uint64_t)keys, s);
    }
    double pair = ((double)f->keys / 64 + 2) * (2.2 * (double)(f->d + f->dv) + 16);
    double key = (double)f->queries * (double)(f->kv_heads > 0 ? f->heads / f->kv_heads : 1);
    double turns = pair > key ? pair : key;
    turns = turns > (double)f->keys ? turns : (double)f->keys;
    out->loops = turns > UINT32_MAX - 64.0 ? UINT32_MAX : (uint32_t)turns + 64;
    out->workspace_bytes = (uint64_t)rows * (uint64_t)f->keys * 2u * sizeof(uint32_t);
    out->flops = 2.0 * (double)rows * (double)f->keys * (double)(3 * f->d + 2 * f->dv);
    return true;
}

extern const vk_row tn__vk_softmax_backward, tn__vk_eltwise_backward, tn__vk_norm_backward;
extern const vk_row tn__vk_gather_backward, tn__vk_conv_weights, tn__vk_attention_backward;
const vk_row tn__vk_softmax_backward = {.name = "softmax_backward_glsl",
                                        .kind = TN_K_PASS(TN_OP_SOFTMAX, TN_PASS_BACKWARD_DATA),
                                        .cls = TN_CLASS_CANONICAL,
                                        .make = softmax};
const vk_row tn__vk_eltwise_backward = {.name = "eltwise_backward_glsl",
                                        .kind = TN_K_PASS(TN_OP_ELTWISE, TN_PASS_BACKWARD_DATA),
                                        .cls = TN_CLASS_CANONICAL,
                                        .make = eltwise};
const vk_row tn__vk_norm_backward = {.name = "norm_backward_glsl",
                                     .kind = TN_K_PASS(TN_OP_NORM, TN_PASS_BACKWARD_DATA),
                                     .cls = TN_CLASS_CANONICAL,
                                     .make = norm};
const vk_row tn__vk_gather_backward = {.name = "gather_backward_glsl",
                                       .kind = TN_K_PASS(TN_OP_GATHER, TN_PASS_BACKWARD_DATA),
                                       .cls = TN_CLASS_CANONICAL,
                                       .make = gather};
const vk_row tn__vk_conv_weights = {.name = "conv_weights_glsl",
                                    .kind = TN_K_PASS(TN_OP_CONV, TN_PASS_BACKWARD_WEIGHTS),
                                    .cls = TN_CLASS_CANONICAL,
                                    .chains = true,
                                    .make = conv_weights};
const vk_row tn__vk_attention_backward = {.name = "attention_backward_glsl",
                                          .kind = TN_K_PASS(TN_OP_ATTENTION, TN_PASS_BACKWARD_DATA),
                                          .cls = TN_CLASS_CANONICAL,
                                          .chains = true,
                                          .make = attention};

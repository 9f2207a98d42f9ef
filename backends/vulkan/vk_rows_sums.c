/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of softmax, norm and reduce, a workgroup of 64 lanes a row; batch
 * norm, rope and scan. */
/* path: api > placement > queue > backend > [kernel] > device */
#include "vk_rows.h"

#include <kernels/norm/norm.h>
#include <kernels/norm/norm_glsl.h>
#include <kernels/reduce/reduce.h>
#include <kernels/reduce/reduce_glsl.h>
#include <kernels/rope/rope.h>
#include <kernels/rope/rope_glsl.h>
#include <kernels/scan/scan.h>
#include <kernels/scan/scan_glsl.h>
#include <kernels/softmax/softmax.h>
#include <kernels/softmax/softmax_glsl.h>

_Static_assert(TN_REDUCE_MEAN == 1 && TN_REDUCE_MAX == 2 && TN_REDUCE_MIN == 3 &&
                   TN_REDUCE_SUMSQ == 4,
               "reduce.comp has these numbers");
_Static_assert(TN_NORM_RMS == 1 && TN_NORM_GROUP == 2, "norm.comp has these numbers");

static bool softmax(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_softmax_params *p = params;
    struct softmax_glsl *g = (struct softmax_glsl *)(void *)out->param;
    if (!vk_grid(&p->rows, 2, &g->rows, why))
        return false;
    if (p->count > INT32_MAX / 64)
        return vk_size_refused(why);
    g->count = (int)p->count;
    g->from_stride = p->count > 1 ? (int)p->stride[0] : 0;
    g->to_stride = p->count > 1 ? (int)p->stride[1] : 0;
    out->step[0].module = VK_MODULE_softmax;
    out->step[0].spec[0] = p->from;
    out->step[0].spec[1] = p->to;
    out->step[0].spec[2] = p->log;
    vk_groups(caps, (uint64_t)g->rows.count, &out->step[0]);
    out->steps = g->rows.count != 0 && p->count != 0;
    out->loops = vk_turns(p->count, 3, 0);
    out->flops = 60.0 * (double)p->count * g->rows.count;
    return true;
}

static bool norm_batch(const tn_k_norm_params *p, const vk_caps *caps, vk_launch *out,
                       tn_k_why *why)
{
    struct norm_batch_glsl *g = (struct norm_batch_glsl *)(void *)out->param;
    if (!vk_grid(&p->rows, 2, &g->rows, why) || !vk_grid(&p->inner, 2, &g->inner, why))
        return false;
    double count = (double)g->rows.count * (double)p->channels * (double)g->inner.count;
    if (p->channels > INT32_MAX || count > INT32_MAX / 2)
        return vk_size_refused(why);
    g->channels = (int)p->channels;
    g->epsilon = vk_bits(p->epsilon);
    g->from_channel = (int)p->channel_stride[0];
    g->to_channel = (int)p->channel_stride[1];
    g->gamma_stride = (int)p->affine_stride[0];
    g->beta_stride = (int)p->affine_stride[1];
    g->stats_which = (int)p->stats_stride[0];
    g->stats_stride = (int)p->stats_stride[1];
    out->step[0].module = VK_MODULE_norm_batch;
    out->step[0].spec[0] = p->gamma_at >= 0;
    out->step[0].spec[1] = p->beta_at >= 0;
    vk_groups_of(caps, (uint64_t)count, 64, &out->step[0]);
    out->steps = count != 0.0;
    out->flops = 60.0 * count;
    return true;
}

static bool rope(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_rope_params *p = params;
    struct rope_glsl *g = (struct rope_glsl *)(void *)out->param;
    if (!vk_grid(&p->rows, 3, &g->rows, why))
        return false;
    double count = (double)g->rows.count * (double)(p->d - p->half);
    if (count > INT32_MAX / 2)
        return vk_size_refused(why);
    g->d = (int)p->d;
    g->half_d = (int)p->half;
    g->a_stride = (int)p->a_stride;
    g->freq_stride = (int)p->freq_stride;
    g->out_stride = (int)p->out_stride;
    out->step[0].module = VK_MODULE_rope;
    out->step[0].spec[0] = p->from;
    out->step[0].spec[1] = p->to;
    out->step[0].spec[2] = p->interleaved;
    vk_groups_of(caps, (uint64_t)count, 64, &out->step[0]);
    out->steps = count != 0.0;
    out->flops = 60.0 * count;
    return true;
}

static bool norm(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_norm_params *p = params;
    struct norm_glsl *g = (struct norm_glsl *)(void *)out->param;
    if (p->gamma_at >= 0)
        out->binding[p->gamma_at] = 2;
    if (p->beta_at >= 0)
        out->binding[p->beta_at] = 3;
    if (p->stats_at >= 0)
        out->binding[p->stats_at] = 4;
    if (p->kind == TN_NORM_BATCH_INFERENCE)
        return norm_batch(p, caps, out, why);
    if (!vk_grid(&p->rows, 2, &g->rows, why) || !vk_grid(&p->inner, 4, &g->inner, why))
        return false;
    if (p->count > INT32_MAX / 64 || p->channels > INT32_MAX || p->groups > INT32_MAX)
        return vk_size_refused(why);
    g->count = (int)p->count;
    g->epsilon = vk_bits(p->epsilon);
    g->groups = (int)p->groups;
    g->channels = (int)p->channels;
    g->space = (int)p->space;
    g->gamma_stride = (int)p->affine_stride[0];
    g->beta_stride = (int)p->affine_stride[1];
    uint32_t *spec = out->step[0].spec;
    spec[0] = p->from;
    spec[1] = p->to;
    spec[2] = p->kind;
    spec[3] = p->gamma_at >= 0 ? p->affine[0] : 0;
    spec[4] = p->beta_at >= 0 ? p->affine[1] : 0;
    out->step[0].module = VK_MODULE_norm;
    vk_groups(caps, (uint64_t)g->rows.count, &out->step[0]);
    out->steps = g->rows.count != 0 && p->count != 0;
    out->loops = vk_turns(p->count, 5, p->inner.rank);
    out->flops = 20.0 * (double)p->count * g->rows.count;
    return true;
}

static bool reduce(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_reduce_params *p = params;
    struct reduce_glsl *g = (struct reduce_glsl *)(void *)out->param;
    if (!vk_grid(&p->kept, 2, &g->kept, why) || !vk_grid(&p->inner, 1, &g->inner, why))
        return false;
    g->count = (int)p->count;
    out->step[0].module = VK_MODULE_reduce;
    out->step[0].spec[0] = p->from;
    out->step[0].spec[1] = p->to;
    out->step[0].spec[2] = p->kind;
    vk_groups(caps, (uint64_t)g->kept.count, &out->step[0]);
    out->steps = g->kept.count != 0;
    out->loops = vk_turns(p->count, 1, p->inner.rank);
    out->flops = 4.0 * (double)p->count * g->kept.count;
    return true;
}

static bool reduce_by_bits(const void *params)
{
    uint32_t kind = ((const tn_k_reduce_params *)params)->kind;
    return kind == TN_REDUCE_MAX || kind == TN_REDUCE_MIN;
}

static bool scan(const tn_k_scan_params *p, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    struct scan_glsl *g = (struct scan_glsl *)(void *)out->param;
    if (!vk_grid(&p->rows, 2, &g->rows, why))
        return false;
    if (p->extent > INT32_MAX / 2)
        return vk_size_refused(why);
    g->extent = (int)p->extent;
    for (int i = 0; i < 2; ++i) {
        g->first[i] = (int)p->first[i];
        g->step_of[i] = p->extent > 1 ? (int)p->step[i] : 0;
    }
    out->step[0].module = VK_MODULE_scan;
    out->step[0].spec[0] = p->from;
    out->step[0].spec[1] = p->to;
    out->step[0].spec[2] = p->exclusive;
    vk_groups_of(caps, (uint64_t)g->rows.count, 64, &out->step[0]);
    out->steps = g->rows.count != 0 && p->extent != 0;
    out->loops = (uint32_t)p->extent + 64;
    out->flops = 8.0 * (double)p->extent * g->rows.count;
    return true;
}

static bool scan_floats(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_scan_params *p = params;
    if (!tn_k_scan_float(p->from))
        return tn_k_refuse(why, "scan.dtype", "a", "this kernel sums floats");
    return scan(p, caps, out, why);
}

static bool scan_exact(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_scan_params *p = params;
    if (tn_k_scan_float(p->from) || p->from == TN_S64 || p->to == TN_S64 || p->to == TN_BOOL)
        return tn_k_refuse(why, "scan.dtype", "a", "this kernel sums integers of at most 32 bits");
    return scan(p, caps, out, why);
}

extern const vk_row tn__vk_softmax, tn__vk_norm, tn__vk_reduce, tn__vk_rope;
extern const vk_row tn__vk_scan, tn__vk_scan_exact;
const vk_row tn__vk_scan = {
    .name = "scan_glsl", .kind = TN_OP_SCAN, .cls = TN_CLASS_CANONICAL, .make = scan_floats};
const vk_row tn__vk_scan_exact = {
    .name = "scan_exact_glsl", .kind = TN_OP_SCAN, .cls = TN_CLASS_EXACT, .make = scan_exact};
const vk_row tn__vk_rope = {.name = "rope_glsl",
                            .kind = TN_OP_ROPE,
                            .cls = TN_CLASS_CANONICAL,
                            .make = rope,
                            .arithmetic = tn_k_rope_arithmetic};
const vk_row tn__vk_softmax = {.name = "softmax_glsl",
                               .kind = TN_OP_SOFTMAX,
                               .cls = TN_CLASS_CANONICAL,
                               .make = softmax,
                               .arithmetic = tn_k_softmax_arithmetic};
const vk_row tn__vk_norm = {
    .name = "norm_glsl", .kind = TN_OP_NORM, .cls = TN_CLASS_CANONICAL, .make = norm};
const vk_row tn__vk_reduce = {.name = "reduce_glsl",
                              .kind = TN_OP_REDUCE,
                              .cls = TN_CLASS_CANONICAL,
                              .make = reduce,
                              .by_bits = reduce_by_bits};

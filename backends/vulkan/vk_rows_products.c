/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of matmul and attention. */
/* path: api > placement > queue > backend > [kernel] > device */
#include "vk_rows.h"

#include <kernels/attention/attention.h>
#include <kernels/attention/attention_glsl.h>
#include <kernels/matmul/matmul.h>
#include <kernels/matmul/matmul_glsl.h>

enum { POSTS = 6, FIRST_POST = 4 /* binding of the first operand of a step */ };

_Static_assert(TN_POST_BIAS == 1 && TN_POST_GELU == 7 && TN_POST_SILU == 9,
               "post.glsl has these numbers");
_Static_assert(sizeof(struct matmul_glsl) <= sizeof(int32_t) * VK_PARAM_INTS, "params do not fit");

static bool computes(uint32_t type)
{
    return type == TN_F32 || type == TN_F16 || type == TN_BF16;
}

static bool multiplies(uint32_t type)
{
    return computes(type) || type == TN_F8E4M3 || type == TN_F8E5M2;
}

static void view(const tn_k_matmul_view *from, int64_t rows, int64_t columns, uint32_t rank,
                 matmul_view_glsl *to)
{
    to->row = rows > 1 ? (int)from->row : 0;
    to->col = columns > 1 ? (int)from->col : 0;
    for (uint32_t d = 0; d < rank; ++d)
        to->batch[d] = (int)from->batch[d];
}

/* The steps, and their operands at bindings 4 to 7. */
static bool posts(const tn_k_matmul *p, const uint32_t module[4], vk_launch *out,
                  struct matmul_glsl *g, tn_k_why *why)
{
    uint32_t function = 0, bound = 0, binding_of[TN_K_OPERANDS] = {0};
    if (p->post_count > POSTS)
        return tn_k_refuse(why, "matmul.posts", "posts", "at most 6 epilogue steps");
    for (uint32_t i = 0; i < p->post_count; ++i) {
        const tn_k_matmul_post *q = &p->post[i];
        uint32_t which = 0;
        if (q->kind >= TN_POST_GELU) {
            if (function != 0 && function != q->kind)
                return tn_k_refuse(why, "matmul.posts", "posts",
                                   "at most one function among the epilogue steps");
            function = q->kind;
        }
        g->post_kind[i] = (int)q->kind;
        g->post_a[i] = vk_bits(q->a);
        g->post_b[i] = vk_bits(q->b);
        if (q->operand >= 0) {
            if (!computes(q->type))
                return tn_k_refuse(why, "matmul.post_operand", "posts",
                                   "takes operands of f32, f16 and bf16");
            /* Steps that share an operand see it in one way. */
            which = binding_of[q->operand];
            if (which == 0) {
                if (bound == 4)
                    return tn_k_refuse(why, "matmul.posts", "posts",
                                       "at most 4 operands of epilogue steps");
                which = FIRST_POST + bound;
                view(&q->view, p->m, p->n, p->batch_rank, &g->post[bound++]);
                binding_of[q->operand] = which;
                out->binding[q->operand] = (uint8_t)which;
            }
        }
        g->post_binding[i] = (int)which;
        g->post_type[i] = (int)q->type;
    }
    g->post_count = (int)p->post_count;
    out->step[0].spec[VK_SPEC_STEPS] = p->post_count != 0;
    out->step[0].module = module[function == 0 ? 0 : function - TN_POST_GELU + 1];
    return true;
}

/* module: without a function in the epilogue, and with each of three. */
static bool multiply(const tn_k_matmul *p, const uint32_t module[4], int64_t rows, int64_t columns,
                     const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    struct matmul_glsl *g = (struct matmul_glsl *)(void *)out->param;
    uint32_t *spec = out->step[0].spec;
    if (p->b_layout != 0 || !multiplies(p->a_type) || !multiplies(p->b_type) ||
        !computes(p->out_type) || (p->c >= 0 && !computes(p->c_type)))
        return tn_k_refuse(why, "matmul.dtype", "a",
                           "this kernel multiplies floats, to f32, f16 and bf16");
    int64_t blocks = (p->m + rows - 1) / rows;
    if (p->m > INT32_MAX || p->n > INT32_MAX - 64 || p->k > INT32_MAX - 128 ||
        p->batch_count * blocks > INT32_MAX)
        return vk_size_refused(why);
    g->m = (int)p->m;
    g->n = (int)p->n;
    g->k = (int)p->k;
    g->batch_rank = (int)p->batch_rank;
    g->batch_count = (int)p->batch_count;
    g->row_blocks = (int)(blocks > 0 ? blocks : 1);
    g->alpha = vk_bits(p->alpha);
    g->beta = vk_bits(p->beta);
    for (uint32_t d = 0; d < p->batch_rank; ++d)
        g->batch[d] = (int)p->batch[d];
    view(&p->a_view, p->m, p->k, p->batch_rank, &g->a);
    view(&p->b_view, p->k, p->n, p->batch_rank, &g->b);
    view(&p->out_view, p->m, p->n, p->batch_rank, &g->out_view);
    out->binding[p->out] = 2;
    for (uint32_t i = 0; i < p->operands.count; ++i)
        if (p->operands.item[i].role == TN_ARG_C)
            out->binding[i] = 3;
    if (p->c >= 0)
        view(&p->c_view, p->m, p->n, p->batch_rank, &g->c);
    if (!posts(p, module, out, g, why))
        return false;
    spec[0] = p->a_type;
    spec[1] = p->b_type;
    spec[2] = p->out_type;
    spec[3] = p->c >= 0 ? p->c_type : 0;
    spec[4] = (uint32_t)rows;
    spec[5] = p->alpha != 1.0f;
    spec[6] = (uint32_t)columns;
    vk_groups_rows(caps, (uint64_t)p->n, 16 * (uint32_t)columns,
                   (uint64_t)(p->batch_count * blocks), &out->step[0]);
    out->steps = p->m != 0 && p->n != 0 && p->batch_count != 0;
    int64_t turns = (rows + 1) * p->k + (2 * rows + 2) * (p->k / 128 + 1) + 256;
    out->loops = turns > UINT32_MAX ? UINT32_MAX : (uint32_t)turns;
    out->flops = 2.0 * (double)p->m * (double)p->n * (double)p->k * (double)p->batch_count;
    return true;
}

static bool matmul(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    static const uint32_t module[] = {VK_MODULE_matmul_0, VK_MODULE_matmul_7, VK_MODULE_matmul_8,
                                      VK_MODULE_matmul_9};
    const tn_k_matmul *p = params;
    /* Loops of an invocation: k, and a chunk whose sums are in doubt once more for each row. Of
     * long rows one at a time, where the driver has few turns. */
    int64_t rows = p->m == 1 || (caps->short_loops && p->k > 6500) ? 1 : 8;
    int64_t columns = p->n >= 128 ? 8 : p->n > 16 ? 4 : 1;
    return multiply(p, module, rows, columns, caps, out, why);
}

static bool matmul_texel(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    static const uint32_t module[] = {VK_MODULE_matmul_texel_0, VK_MODULE_matmul_texel_7,
                                      VK_MODULE_matmul_texel_8, VK_MODULE_matmul_texel_9};
    const tn_k_matmul *p = params;
    if (caps->type != VK_PHYSICAL_DEVICE_TYPE_CPU)
        return tn_k_refuse(why, "vulkan.class", NULL,
                           "this kernel is for drivers that compute on the cpu");
    if (p->a_type != TN_F32 || p->b_type != TN_F32)
        return tn_k_refuse(why, "matmul.dtype", "a", "this kernel takes f32");
    int64_t rows = p->m < 8 ? p->m : 8;
    if (rows == 0 || (caps->short_loops && p->k > 6500))
        rows = 1;
    out->texels = true;
    out->speed = VK_TEXEL_SPEED;
    return multiply(p, module, rows, p->n > 16 ? 4 : 1, caps, out, why);
}

/* Whether four neighbours at a multiple of four are four neighbours of the operand. */
static bool in_fours(const tn_k_matmul_view *v, int64_t rows, int64_t columns, const tn_k_matmul *p)
{
    bool ok = (columns == 1 || v->col == 1) && columns % 4 == 0 && (rows == 1 || v->row % 4 == 0);
    for (uint32_t d = 0; d < p->batch_rank; ++d)
        ok = ok && v->batch[d] % 4 == 0;
    return ok;
}

static bool matmul_texel4(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    static const uint32_t module[] = {VK_MODULE_matmul_texel4_0, VK_MODULE_matmul_texel4_7,
                                      VK_MODULE_matmul_texel4_8, VK_MODULE_matmul_texel4_9};
    const tn_k_matmul *p = params;
    if (caps->type != VK_PHYSICAL_DEVICE_TYPE_CPU || !caps->shuffles || caps->subgroup < 8)
        return tn_k_refuse(why, "vulkan.class", NULL,
                           "this kernel is for drivers that compute on the cpu and shuffle in "
                           "subgroups of 8 and more");
    if (p->a_type != TN_F32 || p->b_type != TN_F32)
        return tn_k_refuse(why, "matmul.dtype", "a", "this kernel takes f32");
    if (!in_fours(&p->a_view, p->m, p->k, p) || !in_fours(&p->b_view, p->k, p->n, p))
        return tn_k_refuse(why, "matmul.layout", "args",
                           "reads four neighbours at once: k, n and the strides of rows are to be "
                           "multiples of 4, columns contiguous");
    int64_t rows = p->m < 8 ? p->m : p->m < 16 ? 8 : 16, quads = p->n > 32 ? 2 : 1;
    if (rows == 0)
        rows = 1;
    out->texels = true;
    out->fours = 3;
    out->speed = VK_TEXEL4_SPEED;
    out->step[0].spec[VK_SPEC_ALIGNED] = true;
    if (!multiply(p, module, rows, 4 * quads, caps, out, why))
        return false;
    out->step[0].spec[6] = (uint32_t)quads;
    out->loops = (uint32_t)(p->k / 4 + p->k / 128 + 256);
    vk_groups_rows(caps, (uint64_t)p->n, 32 * (uint32_t)quads,
                   (uint64_t)(p->batch_count * ((p->m + rows - 1) / rows)), &out->step[0]);
    return true;
}

static int limit(int64_t n)
{
    return n > INT32_MAX / 4 ? -1 : (int)n;
}

static bool attention(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why)
{
    const tn_k_attention_params *p = params;
    struct attention_glsl *g = (struct attention_glsl *)(void *)out->param;
    static const uint8_t place[TN_K_ATT_OPERANDS] = {
        [TN_K_ATT_Q] = 0,        [TN_K_ATT_K] = 1,       [TN_K_ATT_V] = 2,
        [TN_K_ATT_OUT] = 3,      [TN_K_ATT_MASK] = 4,    [TN_K_ATT_SLOPES] = 5,
        [TN_K_ATT_SINKS] = 6,    [TN_K_ATT_LENGTHS] = 7, [TN_K_ATT_K_SCALE] = 10,
        [TN_K_ATT_V_SCALE] = 11, [TN_K_ATT_STATS] = 12};
    uint32_t k_type = p->type[TN_K_ATT_K], v_type = p->type[TN_K_ATT_V];
    if (p->slot[TN_K_ATT_PAGES] != 0)
        return tn_k_refuse(why, "attention.operand", "args", "this kernel takes no pages");
    if (!computes(p->type[TN_K_ATT_Q]) || !computes(p->type[TN_K_ATT_OUT]) ||
        !(computes(k_type) || k_type == TN_S8) || !(computes(v_type) || v_type == TN_S8) ||
        (p->slot[TN_K_ATT_SINKS] != 0 && !computes(p->type[TN_K_ATT_SINKS])))
        return tn_k_refuse(why, "attention.dtype", "q",
                           "this kernel takes f32, f16 and bf16, keys and values of s8");
    const int64_t most = INT32_MAX / 8;
    int64_t rows = p->batch * p->heads * p->queries;
    int64_t first = p->first_key / 128;
    int64_t blocks = (p->first_key + p->keys + 127) / 128 - first;
    int64_t position = p->from_end ? p->first_key + p->keys - p->queries : p->position;
    if (rows > most || p->keys > most || p->d > most || p->dv > most || p->first_key > most ||
        p->first_key < 0 || position > most || position < -most ||
        (double)rows * (double)(blocks + 1) * 130.0 > (double)INT32_MAX)
        return vk_size_refused(why);
    g->batch = (int)p->batch;
    g->heads = (int)p->heads;
    g->group = p->kv_heads > 0 ? (int)(p->heads / p->kv_heads) : 1;
    g->queries = (int)p->queries;
    g->keys = (int)p->keys;
    g->d = (int)p->d;
    g->dv = (int)p->dv;
    for (uint32_t i = 0; i < 4; ++i) {
        g->q[i] = (int)p->stride[TN_K_ATT_Q][i];
        g->k[i] = (int)p->stride[TN_K_ATT_K][i];
        g->v[i] = (int)p->stride[TN_K_ATT_V][i];
        g->out_stride[i] = (int)p->stride[TN_K_ATT_OUT][i];
        g->mask[i] = (int)p->stride[TN_K_ATT_MASK][i];
    }
    g->slopes = (int)p->stride[TN_K_ATT_SLOPES][1];
    g->sinks = (int)p->stride[TN_K_ATT_SINKS][1];
    g->lengths = (int)p->stride[TN_K_ATT_LENGTHS][0];
    g->from_end = p->from_end;
    for (uint32_t i = 0; i < 3; ++i) {
        g->k_scale[i] = (int)p->stride[TN_K_ATT_K_SCALE][i];
        g->v_scale[i] = (int)p->stride[TN_K_ATT_V_SCALE][i];
    }
    for (uint32_t i = 0; i < 4; ++i)
        g->stats[i] = (int)p->stride[TN_K_ATT_STATS][i];
    for (uint32_t i = 0; i < TN_K_ATT_OPERANDS; ++i)
        if (p->slot[i] != 0)
            out->binding[p->slot[i] - 1] = place[i];
    g->blocks = (int)blocks;
    g->border = (int)(first * 128 - p->first_key);
    g->position = (int)position;
    g->first_key = (int)p->first_key;
    g->left = p->left == INT64_MAX ? -1 : limit(p->left);
    g->right = p->right == INT64_MAX ? -1 : limit(p->right);
    g->c = vk_bits(p->c);
    g->inner = vk_bits(p->inner);
    uint32_t mask = p->mask == TN_K_ATT_NO_MASK     ? 0
                    : p->mask == TN_K_ATT_BOOL_MASK ? (uint32_t)TN_BOOL
                                                    : (uint32_t)TN_F32;
    out->step[0] =
        (vk_step){.module = VK_MODULE_attention_score,
                  .spec = {p->type[TN_K_ATT_Q], p->type[TN_K_ATT_K], mask, p->inner != 0.0f,
                           p->slot[TN_K_ATT_SLOPES] != 0, p->slot[TN_K_ATT_LENGTHS] != 0,
                           p->slot[TN_K_ATT_K_SCALE] != 0}};
    vk_groups_rows(caps, (uint64_t)blocks * 128, 64, (uint64_t)rows, &out->step[0]);
    out->step[1] = (vk_step){.module = VK_MODULE_attention_weight, .spec = {p->type[TN_K_ATT_V]}};
    vk_groups(caps, (uint64_t)(rows * blocks), &out->step[1]);
    out->step[2] =
        (vk_step){.module = VK_MODULE_attention_value,
                  .spec = {p->type[TN_K_ATT_V], p->type[TN_K_ATT_OUT],
                           p->slot[TN_K_ATT_SINKS] != 0 ? p->type[TN_K_ATT_SINKS] : 0,
                           p->slot[TN_K_ATT_V_SCALE] != 0, p->slot[TN_K_ATT_STATS] != 0}};
    vk_groups_rows(caps, (uint64_t)p->dv, 32, (uint64_t)rows, &out->step[2]);
    /* Without keys only the last step has something to do: it writes zeros. */
    out->steps = rows == 0 || p->dv == 0 ? 0 : 3;
    if (out->steps != 0 && blocks == 0) {
        out->step[0] = out->step[2];
        out->steps = 1;
    }
    /* Chains are gone through twice where a sum is in doubt. */
    int64_t score = 2 * p->d + p->d / 32, value = 2 * p->keys + 8 * blocks;
    out->loops = (uint32_t)((score > value ? score : value) + 64);
    out->workspace_bytes = (uint64_t)rows * (uint64_t)blocks * 130u * sizeof(uint32_t);
    out->flops = 2.0 * (double)rows * (double)p->keys * (double)(p->d + p->dv);
    return true;
}

extern const vk_row tn__vk_matmul, tn__vk_matmul_texel, tn__vk_matmul_texel4, tn__vk_attention;
const vk_row tn__vk_matmul = {.name = "matmul_glsl",
                              .kind = TN_OP_MATMUL,
                              .cls = TN_CLASS_CANONICAL,
                              .chains = true,
                              .make = matmul,
                              .arithmetic = tn_k_matmul_arithmetic};
const vk_row tn__vk_matmul_texel = {.name = "matmul_texel_glsl",
                                    .kind = TN_OP_MATMUL,
                                    .cls = TN_CLASS_CANONICAL,
                                    .chains = true,
                                    .make = matmul_texel,
                                    .arithmetic = tn_k_matmul_arithmetic};
const vk_row tn__vk_matmul_texel4 = {.name = "matmul_texel4_glsl",
                                     .kind = TN_OP_MATMUL,
                                     .cls = TN_CLASS_CANONICAL,
                                     .chains = true,
                                     .bounded = true,
                                     .make = matmul_texel4,
                                     .arithmetic = tn_k_matmul_arithmetic};
const vk_row tn__vk_attention = {.name = "attention_glsl",
                                 .kind = TN_OP_ATTENTION,
                                 .cls = TN_CLASS_CANONICAL,
                                 .chains = true,
                                 .make = attention,
                                 .arithmetic = tn_k_attention_arithmetic};

/* SPDX-License-Identifier: Apache-2.0 */
/* The words that the text form of each op knows, and where their values go. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/optext.h"

#define AT(field) offsetof(tn__attr, field)
static const tn__word_row matmul_rows[] = {
    {"nn", TN__WORD_FLAG, 0, 0},
    {"tn", TN__WORD_FLAG, TN_MATMUL_TRANSPOSE_A, 0},
    {"nt", TN__WORD_FLAG, TN_MATMUL_TRANSPOSE_B, 0},
    {"tt", TN__WORD_FLAG, TN_MATMUL_TRANSPOSE_A | TN_MATMUL_TRANSPOSE_B, 0},
    {"alpha", TN__WORD_FLOAT, TN_MATMUL_ALPHA, AT(matmul.alpha)},
    {"beta", TN__WORD_FLOAT, TN_MATMUL_BETA, AT(matmul.beta)},
    {0}};
static const tn__word_row attention_rows[] = {
    {"causal", TN__WORD_FLAG, TN_ATTENTION_CAUSAL, 0},
    {"causal_end", TN__WORD_FLAG, TN_ATTENTION_CAUSAL_FROM_END, 0},
    {"window", TN__WORD_PAIR, TN_ATTENTION_WINDOW, AT(attention.window_left)},
    {"first", TN__WORD_PAIR, 0, AT(attention.first_query)},
    {"page", TN__WORD_INT64, 0, AT(attention.page_tokens)},
    {"scale", TN__WORD_FLOAT, 0, AT(attention.scale)},
    {"softcap", TN__WORD_FLOAT, 0, AT(attention.softcap)},
    {"backward", TN__WORD_PASS, TN_PASS_BACKWARD_DATA, AT(attention.pass)},
    {0}};
static const tn__word_row conv_rows[] = {
    {"nhwc", TN__WORD_FLAG, TN_CONV_CHANNELS_LAST, 0},
    {"transposed", TN__WORD_FLAG, TN_CONV_TRANSPOSED, 0},
    {"stride", TN__WORD_SPACE, 0, AT(conv.stride)},
    {"dilation", TN__WORD_SPACE, 0, AT(conv.dilation)},
    {"lo", TN__WORD_SPACE, 0, AT(conv.pad_lo)},
    {"hi", TN__WORD_SPACE, 0, AT(conv.pad_hi)},
    {"out_pad", TN__WORD_SPACE, 0, AT(conv.out_pad)},
    {"backward_weights", TN__WORD_PASS, TN_PASS_BACKWARD_WEIGHTS, AT(conv.pass)},
    {0}};
static const tn__word_row softmax_rows[] = {
    {"axis", TN__WORD_INT, 0, AT(softmax.axis)},
    {"log", TN__WORD_FLAG, 1, 0},
    {"backward", TN__WORD_PASS, TN_PASS_BACKWARD_DATA, AT(softmax.pass)},
    {0}};
static const tn__word_row gather_rows[] = {{"axis", TN__WORD_INT, 0, AT(axis.axis)},
                                           {"backward", TN__WORD_FLAG, TN_GATHER_BACKWARD, 0},
                                           {0}};
static const tn__word_row concat_rows[] = {{"axis", TN__WORD_INT, 0, AT(axis.axis)}, {0}};
static const tn__word_row norm_rows[] = {
    {"axes", TN__WORD_INT, 0, AT(norm.axes)},
    {"groups", TN__WORD_INT32, 0, AT(norm.groups)},
    {"eps", TN__WORD_FLOAT, 0, AT(norm.epsilon)},
    {"backward", TN__WORD_PASS, TN_PASS_BACKWARD_DATA, AT(norm.pass)},
    {0}};
static const tn__word_row rope_rows[] = {
    {"interleaved", TN__WORD_FLAG, 1, 0}, {"rotary", TN__WORD_INT32, 0, AT(rope.rotary_dims)}, {0}};
static const tn__word_row pad_rows[] = {
    {"lo", TN__WORD_LIST, 0, AT(window.lo)},        {"hi", TN__WORD_LIST, 0, AT(window.hi)},
    {"edge", TN__WORD_FLAG, TN_PAD_EDGE, 0},        {"reflect", TN__WORD_FLAG, TN_PAD_REFLECT, 0},
    {"value", TN__WORD_FLOAT, 0, AT(window.value)}, {0}};
static const tn__word_row pool_rows[] = {{"window", TN__WORD_SPACE, 0, AT(pool.window)},
                                         {"stride", TN__WORD_SPACE, 0, AT(pool.stride)},
                                         {"dilation", TN__WORD_SPACE, 0, AT(pool.dilation)},
                                         {"lo", TN__WORD_SPACE, 0, AT(pool.pad_lo)},
                                         {"hi", TN__WORD_SPACE, 0, AT(pool.pad_hi)},
                                         {"ceil", TN__WORD_ONE, 0, AT(pool.ceil)},
                                         {"nhwc", TN__WORD_FLAG, TN_POOL_CHANNELS_LAST, 0},
                                         {"count_padding", TN__WORD_FLAG, TN_POOL_COUNT_PADDING, 0},
                                         {0}};
static const tn__word_row resize_rows[] = {
    {"scale", TN__WORD_FLOATS, 0, AT(window.scale)},
    {"align_corners", TN__WORD_FLAG, TN_RESIZE_ALIGN_CORNERS, 0},
    {"asymmetric", TN__WORD_FLAG, TN_RESIZE_ASYMMETRIC, 0},
    {"pytorch_half_pixel", TN__WORD_FLAG, TN_RESIZE_PYTORCH_HALF_PIXEL, 0},
    {"prefer_ceil", TN__WORD_FLAG, TN_RESIZE_ROUND_PREFER_CEIL, 0},
    {"floor", TN__WORD_FLAG, TN_RESIZE_FLOOR, 0},
    {"ceil", TN__WORD_FLAG, TN_RESIZE_CEIL, 0},
    {"value", TN__WORD_FLOAT, 0, AT(window.value)},
    {0}};
static const tn__word_row topk_rows[] = {{"axis", TN__WORD_INT, 0, AT(axis.axis)},
                                         {"k", TN__WORD_INT64, 0, AT(axis.param)},
                                         {"smallest", TN__WORD_FLAG, TN_TOPK_SMALLEST, 0},
                                         {"indices", TN__WORD_FLAG, TN_TOPK_INDICES, 0},
                                         {0}};
static const tn__word_row quantize_rows[] = {
    {"axis", TN__WORD_INT, 0, AT(axis.axis)}, {"group", TN__WORD_INT64, 0, AT(axis.param)}, {0}};
static const tn__word_row scan_rows[] = {{"axis", TN__WORD_INT, 0, AT(axis.axis)},
                                         {"exclusive", TN__WORD_FLAG, TN_SCAN_EXCLUSIVE, 0},
                                         {"reverse", TN__WORD_FLAG, TN_SCAN_REVERSE, 0},
                                         {0}};
static const tn__word_row reduce_rows[] = {{"axes", TN__WORD_AXES, 0, AT(reduce.axes_mask)}, {0}};
static const tn__word_row eltwise_rows[] = {
    {"pa", TN__WORD_FLOAT, 0, AT(eltwise.a)},
    {"pb", TN__WORD_FLOAT, 0, AT(eltwise.b)},
    {"backward", TN__WORD_PASS, TN_PASS_BACKWARD_DATA, AT(eltwise.pass)},
    {0}};
static const tn__word_row no_rows[] = {{0}};

const tn__word_row *tn__optext_words(tn_op_kind kind, tn__attr *attr, uint32_t **out_flags)
{
    *out_flags = NULL;
    switch (kind) {
    case TN_OP_MATMUL:
        *out_flags = &attr->matmul.flags;
        return matmul_rows;
    case TN_OP_CONV:
        *out_flags = &attr->conv.flags;
        return conv_rows;
    case TN_OP_ATTENTION:
        *out_flags = &attr->attention.flags;
        return attention_rows;
    case TN_OP_SOFTMAX:
        *out_flags = &attr->softmax.log;
        return softmax_rows;
    case TN_OP_GATHER:
        *out_flags = &attr->axis.flags;
        return gather_rows;
    case TN_OP_CONCAT:
        return concat_rows;
    case TN_OP_ROPE:
        *out_flags = &attr->rope.interleaved;
        return rope_rows;
    case TN_OP_PAD:
        *out_flags = &attr->window.mode;
        return pad_rows;
    case TN_OP_POOL:
        *out_flags = &attr->pool.flags;
        return pool_rows;
    case TN_OP_RESIZE:
        *out_flags = &attr->window.mode;
        return resize_rows;
    case TN_OP_TOPK:
        *out_flags = &attr->axis.flags;
        return topk_rows;
    case TN_OP_SCAN:
        *out_flags = &attr->axis.flags;
        return scan_rows;
    case TN_OP_QUANTIZE:
    case TN_OP_DEQUANTIZE:
        return quantize_rows;
    case TN_OP_NORM:
        return norm_rows;
    case TN_OP_REDUCE:
        return reduce_rows;
    case TN_OP_ELTWISE:
        return eltwise_rows;
    default:
        return no_rows;
    }
}

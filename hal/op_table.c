/* SPDX-License-Identifier: Apache-2.0 */
/* What hal knows of each op: its operands, its outputs, who checks it. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/op.h"

static const tn__op_row rows[] = {
    {.kind = TN_OP_MATMUL,
     .name = "matmul",
     .attr_type = TN_TYPE_tn_matmul,
     .attr_bytes = sizeof(tn_matmul),
     .attr_optional = true,
     .required = {TN_ARG_A, TN_ARG_B},
     .optional = {TN_ARG_C, TN_ARG_SCALE_OF + TN_ARG_A, TN_ARG_SCALE_OF + TN_ARG_B,
                  TN_ARG_SCALE_OF + TN_ARG_OUT, TN_ARG_ZERO_OF + TN_ARG_A,
                  TN_ARG_ZERO_OF + TN_ARG_B, TN_ARG_ZERO_OF + TN_ARG_OUT},
     .outputs = {TN_ARG_OUT},
     .posts = true,
     .check = tn__op_matmul},
    {.kind = TN_OP_CONV,
     .name = "conv",
     .attr_type = TN_TYPE_tn_conv,
     .attr_bytes = sizeof(tn_conv),
     .required = {TN_ARG_A, TN_ARG_B},
     .outputs = {TN_ARG_OUT},
     .posts = true,
     .check = tn__op_conv},
    {.kind = TN_OP_ATTENTION,
     .name = "attention",
     .attr_type = TN_TYPE_tn_attention,
     .attr_bytes = sizeof(tn_attention),
     .attr_optional = true,
     .required = {TN_ARG_Q, TN_ARG_K, TN_ARG_V},
     .optional = {TN_ARG_MASK, TN_ARG_SINKS, TN_ARG_LENGTHS, TN_ARG_SLOPES, TN_ARG_PAGES,
                  TN_ARG_SCALE_OF + TN_ARG_K, TN_ARG_SCALE_OF + TN_ARG_V},
     .outputs = {TN_ARG_OUT, TN_ARG_STATS},
     .no_alias = true,
     .check = tn__op_attention},
    {.kind = TN_OP_SOFTMAX,
     .name = "softmax",
     .attr_type = TN_TYPE_tn_softmax,
     .attr_bytes = sizeof(tn_softmax),
     .required = {TN_ARG_A},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_softmax},
    {.kind = TN_OP_NORM,
     .name = "norm",
     .attr_type = TN_TYPE_tn_norm,
     .attr_bytes = sizeof(tn_norm),
     .required = {TN_ARG_A},
     .optional = {TN_ARG_GAMMA, TN_ARG_BETA, TN_ARG_STATS},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_norm},
    {.kind = TN_OP_ELTWISE,
     .name = "eltwise",
     .attr_type = TN_TYPE_tn_eltwise,
     .attr_bytes = sizeof(tn_eltwise),
     .required = {TN_ARG_A},
     .optional = {TN_ARG_B, TN_ARG_C},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_eltwise},
    {.kind = TN_OP_REDUCE,
     .name = "reduce",
     .attr_type = TN_TYPE_tn_reduce,
     .attr_bytes = sizeof(tn_reduce),
     .required = {TN_ARG_A},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_reduce},
    {.kind = TN_OP_GATHER,
     .name = "gather",
     .attr_type = TN_TYPE_tn_axis,
     .attr_bytes = sizeof(tn_axis),
     .required = {TN_ARG_A, TN_ARG_INDEX},
     .outputs = {TN_ARG_OUT},
     .no_alias = true,
     .check = tn__op_gather},
    {.kind = TN_OP_COPY,
     .name = "copy",
     .required = {TN_ARG_A},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_copy_kind},
    {.kind = TN_OP_ROPE,
     .name = "rope",
     .attr_type = TN_TYPE_tn_rope,
     .attr_bytes = sizeof(tn_rope),
     .attr_optional = true,
     .required = {TN_ARG_A, TN_ARG_INDEX, TN_ARG_FREQ},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_rope},
    {.kind = TN_OP_CONCAT,
     .name = "concat",
     .attr_type = TN_TYPE_tn_axis,
     .attr_bytes = sizeof(tn_axis),
     .inputs = true,
     .outputs = {TN_ARG_OUT},
     .check = tn__op_concat},
    {.kind = TN_OP_PAD,
     .name = "pad",
     .attr_type = TN_TYPE_tn_window,
     .attr_bytes = sizeof(tn_window),
     .required = {TN_ARG_A},
     .outputs = {TN_ARG_OUT},
     .no_alias = true,
     .check = tn__op_pad},
    {.kind = TN_OP_POOL,
     .name = "pool",
     .attr_type = TN_TYPE_tn_pool,
     .attr_bytes = sizeof(tn_pool),
     .required = {TN_ARG_A},
     .outputs = {TN_ARG_OUT},
     .no_alias = true,
     .check = tn__op_pool},
    {.kind = TN_OP_RESIZE,
     .name = "resize",
     .attr_type = TN_TYPE_tn_window,
     .attr_bytes = sizeof(tn_window),
     .required = {TN_ARG_A},
     .outputs = {TN_ARG_OUT},
     .no_alias = true,
     .check = tn__op_resize},
    {.kind = TN_OP_TOPK,
     .name = "topk",
     .attr_type = TN_TYPE_tn_axis,
     .attr_bytes = sizeof(tn_axis),
     .required = {TN_ARG_A},
     .outputs = {TN_ARG_OUT, TN_ARG_INDEX},
     .no_alias = true,
     .check = tn__op_topk},
    {.kind = TN_OP_SCAN,
     .name = "scan",
     .attr_type = TN_TYPE_tn_axis,
     .attr_bytes = sizeof(tn_axis),
     .required = {TN_ARG_A},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_scan},
    {.kind = TN_OP_QUANTIZE,
     .name = "quantize",
     .attr_type = TN_TYPE_tn_axis,
     .attr_bytes = sizeof(tn_axis),
     .attr_optional = true,
     .required = {TN_ARG_A},
     .optional = {TN_ARG_SCALE_OF + TN_ARG_A, TN_ARG_SCALE_OF + TN_ARG_OUT,
                  TN_ARG_ZERO_OF + TN_ARG_OUT},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_quantize},
    {.kind = TN_OP_DEQUANTIZE,
     .name = "dequantize",
     .attr_type = TN_TYPE_tn_axis,
     .attr_bytes = sizeof(tn_axis),
     .attr_optional = true,
     .required = {TN_ARG_A, TN_ARG_SCALE_OF + TN_ARG_A},
     .optional = {TN_ARG_ZERO_OF + TN_ARG_A},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_dequantize},
};
const char tn__op_built[] =
    "matmul, conv, attention, softmax, norm, eltwise, reduce, gather, copy, "
    "rope, concat, pad, pool, resize, topk, scan, quantize, dequantize";

bool tn__op_in_place(tn_op_kind kind, uint32_t role)
{
    return (kind != TN_OP_MATMUL && kind != TN_OP_CONV) || role == TN_ARG_C ||
           (role >= TN_ARG_POST0 && role < TN_ARG_SCALE_OF);
}

/* Passes other than forward. What is not here is made of other ops: ops.h says of which. */
static const tn__op_row backward_rows[] = {
    {.kind = TN_OP_CONV,
     .name = "conv",
     .attr_type = TN_TYPE_tn_conv,
     .attr_bytes = sizeof(tn_conv),
     .pass = TN_PASS_BACKWARD_WEIGHTS,
     .required = {TN_ARG_A, TN_ARG_GRAD},
     .outputs = {TN_ARG_OUT},
     .no_alias = true,
     .check = tn__op_conv_weights},
    {.kind = TN_OP_ATTENTION,
     .name = "attention",
     .attr_type = TN_TYPE_tn_attention,
     .attr_bytes = sizeof(tn_attention),
     .pass = TN_PASS_BACKWARD_DATA,
     .required = {TN_ARG_Q, TN_ARG_K, TN_ARG_V, TN_ARG_OUT, TN_ARG_GRAD, TN_ARG_STATS},
     .optional = {TN_ARG_MASK, TN_ARG_LENGTHS, TN_ARG_SLOPES},
     .outputs = {TN_ARG_OUT_GRAD_A, TN_ARG_OUT_GRAD_B, TN_ARG_OUT_GRAD_V},
     .all_outputs = true,
     .no_alias = true,
     .check = tn__op_attention_backward},
    {.kind = TN_OP_SOFTMAX,
     .name = "softmax",
     .attr_type = TN_TYPE_tn_softmax,
     .attr_bytes = sizeof(tn_softmax),
     .pass = TN_PASS_BACKWARD_DATA,
     .required = {TN_ARG_A, TN_ARG_GRAD},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_same_backward},
    {.kind = TN_OP_NORM,
     .name = "norm",
     .attr_type = TN_TYPE_tn_norm,
     .attr_bytes = sizeof(tn_norm),
     .pass = TN_PASS_BACKWARD_DATA,
     .required = {TN_ARG_A, TN_ARG_GRAD},
     .optional = {TN_ARG_GAMMA},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_same_backward},
    {.kind = TN_OP_ELTWISE,
     .name = "eltwise",
     .attr_type = TN_TYPE_tn_eltwise,
     .attr_bytes = sizeof(tn_eltwise),
     .pass = TN_PASS_BACKWARD_DATA,
     .required = {TN_ARG_A, TN_ARG_GRAD},
     .outputs = {TN_ARG_OUT},
     .check = tn__op_same_backward},
    {.kind = TN_OP_GATHER,
     .name = "gather",
     .attr_type = TN_TYPE_tn_axis,
     .attr_bytes = sizeof(tn_axis),
     .pass = TN_PASS_BACKWARD_DATA,
     .required = {TN_ARG_GRAD, TN_ARG_INDEX},
     .outputs = {TN_ARG_OUT},
     .no_alias = true,
     .check = tn__op_gather_backward},
};

bool tn__row_writes(const tn__op_row *row, uint32_t role)
{
    for (uint32_t i = 0; i < TN__OP_OUTPUTS && row->outputs[i] != 0; ++i)
        if (row->outputs[i] == role)
            return true;
    return false;
}

bool tn__role_is_output(const tn_op *op, uint32_t role)
{
    uint32_t kind = (uint32_t)op->kind;
    return tn__row_writes(tn__op_find(kind, tn__op_pass(kind, op->attr)), role);
}

uint32_t tn__op_pass(uint32_t kind, const void *attr)
{
    if (attr == NULL)
        return TN_PASS_FORWARD;
    switch (kind) {
    case TN_OP_CONV:
        return ((const tn_conv *)attr)->pass;
    case TN_OP_ATTENTION:
        return ((const tn_attention *)attr)->pass;
    case TN_OP_SOFTMAX:
        return ((const tn_softmax *)attr)->pass;
    case TN_OP_NORM:
        return ((const tn_norm *)attr)->pass;
    case TN_OP_ELTWISE:
        return ((const tn_eltwise *)attr)->pass;
    case TN_OP_GATHER: /* a bit among others that gather may get */
        return (((const tn_axis *)attr)->flags & TN_GATHER_BACKWARD) != 0 ? TN_PASS_BACKWARD_DATA
                                                                          : TN_PASS_FORWARD;
    default:
        return TN_PASS_FORWARD;
    }
}

const tn__op_row *tn__op_find(uint32_t kind, uint32_t pass)
{
    const tn__op_row *row = pass == TN_PASS_FORWARD ? rows : backward_rows;
    size_t count = pass == TN_PASS_FORWARD ? sizeof rows / sizeof rows[0]
                                           : sizeof backward_rows / sizeof backward_rows[0];
    for (size_t i = 0; i < count; ++i)
        if ((uint32_t)row[i].kind == kind && row[i].pass == pass)
            return &row[i];
    return NULL;
}

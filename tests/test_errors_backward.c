/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of backward passes: operands and gradients, through every function that takes an op. */
#include "support/errors_op.h"

static void row_rules(void)
{
    WRONG(softmax_backward, s.op.arg_count = 2, "op.role_missing", "grad", "grad is missing");
    WRONG(softmax_backward, s.args[1].role = TN_ARG_BETA, "op.role", "beta", "beta");
    WRONG(softmax_backward, s.args[2].tensor.dim[1] = 5, "op.grad_shape", "grad", "[3,5]");
    WRONG(softmax_backward, s.args[2].tensor.dtype = TN_S32, "op.grad_dtype", "grad", "s32");
    WRONG(softmax_backward, s.args[1].tensor.dim[1] = 3, "op.out_shape", "out", "[3,3]");
    WRONG(softmax_backward, s.attr.softmax.axis = 2, "softmax.axis", "attr.axis", "2 over");
    WRONG(softmax, s.args[0].role = TN_ARG_GRAD, "op.role", "grad", "grad");
    WRONG(norm_backward, s.args[3].tensor.dim[0] = 4, "op.grad_shape", "grad", "[4,4]");
    WRONG(norm_backward, s.args[2].tensor.dim[0] = 3, "norm.affine_shape", "gamma", "[3]");
    WRONG(norm_backward, add(&s, TN_ARG_BETA, TN_F32, DIMS(4)), "op.role", "beta", "beta");
    WRONG(eltwise_backward, s.args[1].tensor.dim[0] = 1, "op.grad_shape", "grad", "[1,4]");
    WRONG(eltwise_backward, s.args[0].tensor.dtype = s.args[2].tensor.dtype = TN_S32, "op.float",
          "a", "s32");
    LACKS(eltwise_backward, s.attr.eltwise.kind = TN_ELTWISE_MUL, "eltwise.pass", "attr.pass",
          "kind 66");
    WRONG(gather_backward, s.attr.axis.flags = 3, "gather.attr", "attr.flags", "0x3");
    WRONG(gather_backward, s.attr.axis.param = -1, "gather.attr", "attr.param", "-1");
    WRONG(gather_backward, s.args[1].tensor.dtype = TN_U8, "gather.index_dtype", "index", "u8");
    WRONG(gather_backward, s.args[0].tensor.rank = 0, "gather.rank", "grad", "rank 0");
    WRONG(gather_backward, s.attr.axis.axis = 2, "gather.axis", "attr.axis", "is 2");
    WRONG(gather_backward, s.args[0].tensor.dim[0] = 3, "op.grad_shape", "grad", "[3,4]");
    WRONG(gather_backward, s.args[2].tensor.dim[0] = 4, "op.grad_shape", "out", "[4,4]");
    WRONG(gather_backward, s.args[2].tensor.dtype = TN_S32, "op.grad_dtype", "out", "s32");
}

static void product_rules(void)
{
    WRONG(conv_weights, s.op.arg_count = 1, "op.role_missing", "grad", "grad is missing");
    LACKS(conv_weights, s.attr.conv.flags = TN_CONV_TRANSPOSED, "conv.pass", "attr.pass", "0x1");
    LACKS(conv_weights, s.attr.conv.pass = TN_PASS_BACKWARD_DATA, "op.pass", "attr.pass", "is 1");
    LACKS(conv_weights, (s.posts[0].kind = TN_POST_RELU, s.op.post_count = 1), "op.posts", "posts",
          "1 are given");
    WRONG(conv_weights, s.args[1].tensor.rank = 3, "conv.rank", "grad", "rank 3");
    WRONG(conv_weights, s.args[0].tensor.dtype = TN_S8, "conv.dtype", "a", "s8");
    WRONG(conv_weights, s.args[1].tensor.dtype = TN_S32, "conv.dtype", "grad", "s32");
    WRONG(conv_weights, s.args[2].tensor.dtype = TN_S32, "conv.dtype", "out", "s32");
    WRONG(conv_weights, s.attr.conv.groups = 4, "conv.groups", "attr.groups", "is 4");
    WRONG(conv_weights, s.args[1].tensor.dim[0] = 2, "conv.batch", "grad", "2 batches");
    WRONG(conv_weights, s.args[1].tensor.dim[2] = 9, "conv.window", "grad", "9 positions");
    WRONG(conv_weights, s.args[2].tensor.dim[2] = 2, "conv.window", "grad", "kernel of 2");
    WRONG(conv_weights, s.args[2].tensor.dim[1] = 1, "op.out_shape", "out", "[6,1,3,3]");
    WRONG(attention_backward, s.args[4].tensor.dim[2] = 6, "op.grad_shape", "grad", "[2,4,6,7]");
    WRONG(attention_backward, s.args[4].tensor.dtype = TN_S8, "op.grad_dtype", "grad", "s8");
    WRONG(attention_backward, s.args[6].tensor.dim[3] = 7, "op.grad_shape", "out_grad_a",
          "[2,4,5,7]");
    WRONG(attention_backward, s.args[7].tensor.dim[2] = 5, "op.grad_shape", "out_grad_b",
          "[2,2,5,8]");
    WRONG(attention_backward, s.args[8].tensor.dtype = TN_BOOL, "op.grad_dtype", "out_grad_v",
          "bool");
    WRONG(attention_backward, s.args[5].tensor.dim[3] = 3, "op.out_shape", "stats", "[2,4,5,3]");
    WRONG(attention_backward, s.op.arg_count = 8, "op.role_missing", "out_grad_v", "is missing");
    WRONG(attention_backward, add(&s, TN_ARG_SINKS, TN_F32, DIMS(4)), "op.role", "sinks", "sinks");
    WRONG(attention_backward, s.attr.attention.softcap = -1, "attention.softcap", "attr.softcap",
          "-1");
    WRONG(attention_backward, s.args[6].flags = TN_ARG_MAY_ALIAS, "op.may_alias", "out_grad_a",
          "0x4");
}

TN_TEST(errors_backward, rows)
{
    each_device(row_rules);
}

TN_TEST(errors_backward, products)
{
    each_device(product_rules);
}

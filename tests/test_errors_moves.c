/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the ops that move, order, scan, rotate, quantise, pool and resize. */
#include "support/errors_op.h"

/* a [3,32] to blocks; a third operand stands behind, not counted. */
static void to_blocks(sample *s)
{
    s->args[0].tensor = dense(TN_F32, 2, (const int64_t[]){3, 32});
    s->args[2] = s->args[1];
    s->args[1] = (tn_arg){.role = TN_ARG_OUT, .tensor = dense(TN_S4, 2, (const int64_t[]){3, 32})};
    s->args[1].tensor.layout = TN_LAYOUT_Q4_0;
    s->op.arg_count = 2;
}

static void moving_rules(void)
{
    WRONG(concat, s.args[1].role = TN_ARG_INPUT0 + 2, "op.role_missing", "input1", "is missing");
    WRONG(concat, s.args[0].role = TN_ARG_A, "op.role", "a", "role 1");
    WRONG(concat, s.args[0].role = TN_ARG_POST0 - 1, "op.role", "args", "role 127");
    WRONG(concat, (s.args[0] = s.args[2], s.op.arg_count = 1), "op.role_missing", "input0",
          "concat");
    WRONG(concat, s.attr.axis.axis = 2, "concat.axis", "attr.axis", "2 over");
    WRONG(concat, s.attr.axis.axis = INT32_MIN, "concat.axis", "attr.axis", "-2147483648");
    WRONG(concat, s.attr.axis.flags = 1, "concat.attr", "attr.flags", "0x1");
    WRONG(concat, s.attr.axis.param = 9, "concat.attr", "attr.param", "9");
    WRONG(concat, s.args[1].tensor.dim[1] = 3, "concat.shape", "input1", "[2,3]");
    WRONG(concat, s.args[1].tensor.rank = 1, "concat.shape", "input1", "[2]");
    WRONG(concat, s.args[1].tensor.dtype = TN_S32, "concat.dtype", "input1", "s32");
    WRONG(concat, s.args[2].tensor.dtype = TN_S32, "concat.dtype", "out", "s32");
    WRONG(concat, s.args[2].tensor.dim[0] = 4, "op.out_shape", "out", "[4,4]");
    WRONG(pad, s.attr.window.kind = 1, "pad.kind", "attr.kind", "is 1");
    WRONG(pad, s.attr.window.mode = 3, "pad.mode", "attr.mode", "is 3");
    WRONG(pad, (s.attr.window.mode = TN_PAD_EDGE, s.attr.window.value = 1), "pad.value",
          "attr.value", "is 1");
    WRONG(pad, s.attr.window.scale[7] = 2, "pad.scale", "attr.scale", "is 2");
    WRONG(pad, s.attr.window.lo[0] = -4, "pad.dims", "attr.lo", "is -4");
    WRONG(pad, s.attr.window.lo[2] = 1, "pad.dims", "attr.lo", "rank 2");
    WRONG(pad, s.attr.window.hi[1] = INT64_MAX, "pad.dims", "attr.lo", "9223372036854775807");
    WRONG(pad, (s.attr.window.mode = TN_PAD_EDGE, s.args[0].tensor.dim[0] = 0), "pad.edge",
          "attr.lo", "dim of 0");
    WRONG(pad, (s.attr.window.mode = TN_PAD_REFLECT, s.attr.window.hi[1] = 4), "pad.reflect",
          "attr.lo", "dim of 4");
    WRONG(pad, s.args[1].tensor.dtype = TN_S32, "pad.dtype", "out", "s32");
    WRONG(pad, s.args[1].flags = TN_ARG_MAY_ALIAS, "op.may_alias", "out", "pad");
    WRONG(gather, s.args[2].flags = TN_ARG_MAY_ALIAS, "op.may_alias", "out", "gather");
}

static void axis_rules(void)
{
    WRONG(topk, s.attr.axis.axis = -3, "topk.axis", "attr.axis", "-3 over");
    WRONG(topk, s.attr.axis.flags = 4, "topk.flags", "attr.flags", "0x4");
    WRONG(topk, s.attr.axis.param = 0, "topk.k", "attr.param", "0 of 3");
    WRONG(topk, s.attr.axis.param = 4, "topk.k", "attr.param", "4 of 3");
    WRONG(topk, s.args[0].tensor.dtype = TN_BOOL, "topk.dtype", "a", "bool");
    WRONG(topk, s.args[1].tensor.dtype = TN_S32, "topk.dtype", "out", "s32");
    WRONG(topk, s.attr.axis.flags = TN_TOPK_INDICES, "topk.index_dtype", "out", "f32");
    WRONG(topk, add(&s, TN_ARG_INDEX, TN_U8, DIMS(2, 4)), "topk.index_dtype", "index", "u8");
    WRONG(topk, add(&s, TN_ARG_INDEX, TN_S64, DIMS(3, 4)), "op.out_shape", "index", "[3,4]");
    WRONG(topk, (s.attr.axis.flags = 2, add(&s, TN_ARG_INDEX, TN_S64, DIMS(2, 4))), "topk.index",
          "index", "TN_TOPK_INDICES");
    WRONG(topk, s.args[1].flags = TN_ARG_MAY_ALIAS, "op.may_alias", "out", "topk");
    WRONG(quantize, s.attr.axis.axis = 2, "quant.axis", "attr.axis", "2 over");
    WRONG(quantize, s.attr.axis.flags = 1, "quant.flags", "attr.flags", "0x1");
    WRONG(quantize, s.attr.axis.param = 2, "quant.group", "attr.param", "2 over a dim of 3");
    WRONG(quantize, s.args[1].role = TN_ARG_ZERO_OF + TN_ARG_OUT, "quant.scale", "args", "none");
    WRONG(quantize, (to_blocks(&s), s.op.arg_count = 3), "block.scale", "args", "3 operands");
    WRONG(quantize, (to_blocks(&s), s.attr.axis.axis = 1), "block.attr", "attr", "axis 1");
    WRONG(quantize, (to_blocks(&s), s.args[1].tensor.dim[0] = 4), "op.out_shape", "out", "[4,32]");
    WRONG(quantize, add(&s, TN_ARG_SCALE_OF + TN_ARG_A, TN_F32, DIMS(3)), "quant.scale", "args",
          "both");
    WRONG(quantize, s.args[2].tensor.dtype = TN_BOOL, "quant.dtype", "out", "bool");
    WRONG(quantize, s.args[1].tensor.dim[0] = 4, "quant.shape", "scale_of_out", "[4]");
    WRONG(quantize, s.args[1].tensor.dtype = TN_F16, "quant.factor_dtype", "scale_of_out", "f16");
    WRONG(quantize, add(&s, TN_ARG_ZERO_OF + TN_ARG_OUT, TN_U8, DIMS(3)), "quant.factor_dtype",
          "zero_of_out", "u8");
    WRONG(quantize, add(&s, TN_ARG_ZERO_OF + TN_ARG_OUT, TN_S8, DIMS(4)), "quant.zero",
          "zero_of_out", "[4]");
    WRONG(dequantize, s.args[0].tensor.dtype = TN_BOOL, "quant.dtype", "a", "bool");
    WRONG(dequantize, s.args[2].tensor.dtype = TN_S32, "quant.dtype", "out", "s32");
    WRONG(dequantize, s.args[1].role = TN_ARG_ZERO_OF + TN_ARG_A, "op.role_missing", "scale_of_a",
          "dequantize");
    WRONG(dequantize,
          (s.args[0].tensor.dtype = TN_F8E4M3,
           add(&s, TN_ARG_ZERO_OF + TN_ARG_A, TN_F8E4M3, DIMS(3))),
          "quant.zero", "zero_of_a", "f8e4m3");
    WRONG(scan, s.attr.axis.axis = 2, "scan.axis", "attr.axis", "2 over");
    WRONG(scan, s.attr.axis.flags = 8, "scan.flags", "attr.flags", "0x8");
    WRONG(scan, s.attr.axis.param = 1, "scan.kind", "attr.param", "is 1");
    WRONG(scan, s.args[0].tensor.dtype = TN_BOOL, "scan.dtype", "a", "bool");
    WRONG(scan, s.args[1].tensor.dtype = TN_S64, "scan.dtype", "out", "s64");
    WRONG(rope, s.args[0].tensor.rank = 0, "rope.rank", "a", "rank 0");
    WRONG(rope, s.attr.rope.interleaved = 2, "rope.interleaved", "attr.interleaved", "is 2");
    WRONG(rope, s.attr.rope.rotary_dims = 3, "rope.dims", "attr.rotary_dims", "is 3");
    WRONG(rope, s.attr.rope.rotary_dims = 6, "rope.dims", "attr.rotary_dims", "is 6");
    WRONG(rope, s.args[1].tensor.dtype = TN_F32, "rope.index_dtype", "index", "f32");
    WRONG(rope, s.args[1].tensor.dim[0] = 2, "rope.index_shape", "index", "[2]");
    WRONG(rope, s.args[2].tensor.dim[0] = 4, "rope.freq", "freq", "[4]");
    WRONG(rope, s.args[2].tensor.dtype = TN_F16, "rope.freq", "freq", "f16");
}

static void image_rules(void)
{
    LACKS(pool, s.attr.pool.pass = 1, "pool.pass", "attr.pass", "is 1");
    WRONG(pool, s.attr.pool.kind = 2, "pool.kind", "attr.kind", "is 2");
    WRONG(pool, s.attr.pool.dims = 4, "pool.dims", "attr.dims", "is 4");
    WRONG(pool, s.attr.pool.ceil = 2, "pool.ceil", "attr.ceil", "is 2");
    WRONG(pool, s.attr.pool.flags = 1, "pool.flags", "attr.flags", "0x1");
    WRONG(pool, s.attr.pool.flags = TN_POOL_COUNT_PADDING, "pool.flags", "attr.flags", "0x4");
    WRONG(pool, s.attr.pool.window[0] = -1, "pool.window", "attr.window", "-1");
    WRONG(pool, s.attr.pool.window[2] = 1, "pool.window", "attr.window", "[2] is 1");
    WRONG(pool, s.attr.pool.window[1] = 6, "pool.window", "attr.window", "is 6");
    WRONG(pool, s.attr.pool.stride[1] = -2, "pool.stride", "attr.stride", "-2");
    WRONG(pool, s.attr.pool.dilation[1] = -3, "pool.dilation", "attr.dilation", "-3");
    WRONG(pool, s.attr.pool.pad_lo[0] = -1, "pool.pad", "attr.pad_lo", "-1");
    WRONG(pool, s.attr.pool.pad_hi[2] = 1, "pool.pad", "attr.pad_hi", "[2] is 1");
    WRONG(pool, s.attr.pool.pad_lo[0] = s.attr.pool.pad_hi[1] = INT32_MAX, "pool.pad",
          "attr.pad_lo", "2147483647");
    WRONG(pool, s.args[0].tensor.rank = 3, "pool.rank", "a", "rank 3");
    WRONG(pool, s.args[0].tensor.dtype = TN_S32, "pool.dtype", "a", "s32");
    WRONG(pool, (s.attr.pool.kind = 1, s.args[0].tensor.dtype = TN_U8), "pool.dtype", "a", "u8");
    WRONG(pool, s.args[1].tensor.dtype = TN_F16, "pool.dtype", "out", "f16");
    WRONG(pool, s.attr.pool.stride[0] = 2, "op.out_shape", "out", "[1,3,3,4]");
    WRONG(pool, s.args[1].flags = TN_ARG_MAY_ALIAS, "op.may_alias", "out", "pool");
    WRONG(resize, s.attr.window.kind = 3, "resize.kind", "attr.kind", "is 3");
    WRONG(resize, s.attr.window.mode = 4, "resize.mode", "attr.mode", "0x4");
    WRONG(resize, s.attr.window.mode = TN_RESIZE_FLOOR, "resize.mode", "attr.mode", "0x20");
    WRONG(resize, (s.attr.window.kind = 0, s.attr.window.mode = 64), "resize.mode", "attr.mode",
          "0x40");
    WRONG(resize, s.attr.window.value = 1, "resize.value", "attr.value", "is 1");
    WRONG(resize, s.attr.window.lo[1] = 2, "resize.lo", "attr.lo", "is 2");
    WRONG(resize, s.attr.window.hi[7] = 3, "resize.lo", "attr.hi", "3");
    WRONG(resize, s.attr.window.scale[1] = -2, "resize.scale", "attr.scale", "-2");
    WRONG(resize, s.attr.window.scale[3] = 2, "resize.scale", "attr.scale", "rank 3");
    WRONG(resize, s.attr.window.scale[1] = 1e30f, "resize.scale", "attr.scale", "1e+30");
    WRONG(resize, s.attr.window.scale[1] = 3, "op.out_shape", "out", "[1,6,9]");
    WRONG(resize, s.args[0].tensor.dtype = TN_S32, "resize.dtype", "a", "s32");
    WRONG(resize, s.args[1].tensor.dtype = TN_F16, "resize.dtype", "out", "f16");
    WRONG(resize, s.args[0].tensor.dim[2] = 0, "resize.empty", "out", "9 elements");
}

TN_TEST(errors_moves, of_images)
{
    each_device(image_rules);
}

TN_TEST(errors_moves, of_moves)
{
    each_device(moving_rules);
}

TN_TEST(errors_moves, of_axes)
{
    each_device(axis_rules);
}

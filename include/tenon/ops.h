/* SPDX-License-Identifier: Apache-2.0 */
/* Operations as plain data: operands with roles, attributes, numerics. */
#ifndef TENON_OPS_H
#define TENON_OPS_H

#include <tenon/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_class {
    TN_CLASS_BOUNDED = 0,
    TN_CLASS_FAST,
    TN_CLASS_CANONICAL,
    TN_CLASS_EXACT
} tn_class;
enum {
    TN_ALLOW_TF32 = 1,
    TN_ALLOW_BF16 = 2,
    TN_ALLOW_F16_ACCUMULATE = 4,
    TN_ALLOW_WINOGRAD = 8
}; /* FAST only; 0: nothing narrower than the accumulator, no transform: only order and functions
      are free */
enum {
    TN_NUMERICS_SATURATE = 1
}; /* float8 and float4 results above the range become the largest value */
typedef struct tn_numerics {
    tn_class cls;
    uint16_t accumulate, canonical_version;
    uint32_t allow, flags;
} tn_numerics; /* accumulate 0: f32, f64 for f64, s32 for integers; version 0: newest */
typedef struct tn_class_info {
    tn_head head;
    uint32_t classes;
    char refused[160];
} tn_class_info; /* bit (1 << tn_class); which probe refused what */

/** The classes that a device gives for a dtype, bit (1 << tn_class) each; CANONICAL and EXACT only
 *  after their probe passed.
 *  returns   INVALID
 *  threads   thread-safe; the first call for a dtype may block
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_classes(const tn_device *device, tn_dtype dtype,
                                                tn_class_info *out_info);
typedef enum tn_op_kind {
    TN_OP_MATMUL = 1,
    TN_OP_CONV,
    TN_OP_ATTENTION,
    TN_OP_SOFTMAX,
    TN_OP_NORM,
    TN_OP_ELTWISE,
    TN_OP_REDUCE,
    TN_OP_POOL,
    TN_OP_ROPE,
    TN_OP_GATHER,
    TN_OP_COPY,
    TN_OP_CONCAT,
    TN_OP_QUANTIZE,
    TN_OP_DEQUANTIZE,
    TN_OP_RESIZE,
    TN_OP_PAD,
    TN_OP_TOPK,
    TN_OP_SCAN,
    TN_OP_VENDOR = 0x10000
} tn_op_kind;
typedef enum tn_role {
    TN_ARG_A = 1,
    TN_ARG_B,
    TN_ARG_C,
    TN_ARG_OUT,
    TN_ARG_BIAS,
    TN_ARG_MASK,
    TN_ARG_Q,
    TN_ARG_K,
    TN_ARG_V,
    TN_ARG_SINKS,
    TN_ARG_LENGTHS,
    TN_ARG_PAGES,
    TN_ARG_GROUPS,
    TN_ARG_GAMMA,
    TN_ARG_BETA,
    TN_ARG_INDEX,
    TN_ARG_GRAD,
    TN_ARG_OUT_GRAD_A,
    TN_ARG_OUT_GRAD_B,
    TN_ARG_OUT_GRAD_V,
    TN_ARG_STATS,
    TN_ARG_SLOPES,
    TN_ARG_FREQ,
    TN_ARG_INPUT0 = 64,
    TN_ARG_POST0 = 128,
    TN_ARG_SCALE_OF = 256,
    TN_ARG_ZERO_OF = 512
} tn_role; /* TN_ARG_SCALE_OF + TN_ARG_B; TN_ARG_POST0 + i */
enum {
    TN_ARG_PACKED = 1,
    TN_ARG_CONSTANT = 2,
    TN_ARG_MAY_ALIAS = 4
}; /* MAY_ALIAS: the output may be the same tensor as an input that is read element by element: any
    * input of softmax, norm, eltwise, copy, rope, scan and the like, c and posts of matmul; the
    * other kinds refuse the flag */
typedef struct tn_arg {
    uint32_t role, flags;
    tn_tensor tensor;
} tn_arg;
typedef enum tn_post_kind {
    TN_POST_BIAS = 1,
    TN_POST_ADD,
    TN_POST_MUL,
    TN_POST_SCALE,
    TN_POST_CLAMP,
    TN_POST_RELU,
    TN_POST_GELU,
    TN_POST_GELU_TANH,
    TN_POST_SILU
} tn_post_kind;
typedef struct tn_post {
    tn_post_kind kind;
    uint32_t role;
    float a, b;
} tn_post; /* in order, one rounding each */
enum {
    TN_MATMUL_TRANSPOSE_A = 1,
    TN_MATMUL_TRANSPOSE_B = 2,
    TN_MATMUL_ALPHA = 4,
    TN_MATMUL_BETA = 8
}; /* without the flag a factor is 1; C takes part only when given */
typedef struct tn_matmul {
    tn_head head;
    uint32_t flags;
    float alpha, beta;
} tn_matmul;
/* s8 and u8, of any two signs: sums of (a - zero of a) (b - zero of b) mod 2^32, EXACT. An OUT of s32
 * takes leading posts BIAS and ADD of s32, then RELU; no alpha, beta, C. An OUT of f32, s8 or u8: the
 * sum, with the leading s32 posts, is rounded to f32 and multiplied by scale_of_a * scale_of_b
 * (TN_ARG_SCALE_OF + role, f32; rounded, either may be left out), then come the posts, then for s8 and
 * u8 clamp(rint(y / scale_of_out) + zero_of_out). A zero (TN_ARG_ZERO_OF + role) has its operand's
 * dtype. Scales and zeros are one number (rank 0), [M] of a, [N] of b and out. */
enum { TN_PASS_FORWARD = 0, TN_PASS_BACKWARD_DATA, TN_PASS_BACKWARD_WEIGHTS };
/* Backward passes: GRAD is the gradient of the loss by the forward out, in its shape. Bits as in
 * NUMERICS.md. BACKWARD_DATA but for conv:
 *
 *   eltwise (unary)     A, GRAD -> OUT = f'(A) * GRAD
 *   softmax, and log    A = y of the forward call, GRAD -> OUT
 *   norm                A, GRAD, [GAMMA] -> OUT, gradient of A
 *   attention           Q, K, V, OUT, GRAD, STATS, [MASK, LENGTHS, SLOPES] -> OUT_GRAD_A (of Q),
 *                       OUT_GRAD_B (of K), OUT_GRAD_V; OUT and STATS of the forward call, with its
 *                       attribute; STATS holds the sinks
 *   gather              GRAD, INDEX -> OUT, gradient of A: TN_GATHER_BACKWARD
 *   conv                BACKWARD_WEIGHTS: A, GRAD -> OUT, gradient of B
 *
 * The other gradients are forward ops, with their bits:
 *
 *   matmul              of A: GRAD B', of B: A' GRAD (TRANSPOSE flags); of a broadcast operand
 *                       reduce over what it is broadcast along
 *   conv                of A: conv of GRAD and B with TRANSPOSED (out_pad for what strides left);
 *                       of a transposed conv the plain conv; its B: A and GRAD exchanged
 *   bias, beta          reduce of GRAD over all but its own dims
 *   gamma               reduce of GRAD * norm(A), the norm without gamma and beta
 *   rope                rope of GRAD with -FREQ
 *   reduce sum, mean    GRAD broadcast, times 1 / n for the mean
 *   scan                scan of GRAD from the other end
 *   concat, pad, copy   slices of GRAD; pad with widths negated; copy
 *   add, sub, mul, ..   GRAD, -GRAD, GRAD * B, ..; where: where(A, GRAD, 0) */
enum { TN_CONV_TRANSPOSED = 1, TN_CONV_CHANNELS_LAST = 2 };
typedef struct tn_conv {
    tn_head head;
    uint32_t dims, groups, pass, flags;
    int32_t stride[3], dilation[3], pad_lo[3], pad_hi[3], out_pad[3];
} tn_conv;
/* A [n, channels, space..], B [filters, channels / groups, kernel..], OUT [n, filters, space..],
 * with 1 to 3 dims of space; CHANNELS_LAST: [n, space.., channels], [filters, kernel.., channels /
 * groups]. TRANSPOSED is the backward data pass of such a conv: B [channels of A, filters / groups,
 * kernel..]. stride, dilation, groups: 0 is 1; padding is of the forward conv, by zeros that take
 * no part; out_pad (transposed) makes OUT longer. Posts broadcast to OUT. Floats in f32, s8 and u8
 * with an s32 OUT EXACT; quantize then requantises. NUMERICS.md section 5 */
enum {
    TN_ATTENTION_CAUSAL = 1,
    TN_ATTENTION_CAUSAL_FROM_END = 2,
    TN_ATTENTION_WINDOW = 4
}; /* causal: key j <= query i, or j <= i + (keys - queries) */
typedef struct tn_attention {
    tn_head head;
    uint32_t pass, flags;
    float scale, softcap;
    int64_t window_left, window_right, page_tokens, first_query, first_key;
} tn_attention;
/* scale 0: rsqrt(f32(d)); heads from shapes; TN_ARG_STATS [..., 2] f32 is (m, l) of NUMERICS.md 7;
 * TN_ARG_SLOPES: bias = slope * f32(j - i), one rounding.
 *
 * A cache of keys and values is a tensor with room for tokens to come: TN_ARG_LENGTHS (s32 [batch])
 * says how many there are, and CAUSAL_FROM_END puts the queries at its end. New tokens are written
 * by copy into a view of it: the same strides, the dims of what is new, and offset_bytes of their
 * place. With page_tokens > 0 K and V are pages, [pages, heads, page_tokens, d], and TN_ARG_PAGES
 * (s32 [batch, n]) says which page holds the tokens from i * page_tokens on; a number that is no
 * page's means that these take no part (evicted, or not there yet). n * page_tokens is the number
 * of keys that a mask has; a copy writes new tokens to views of their pages.
 *
 * K and V may be s8, each with TN_ARG_SCALE_OF + its role: f32, broadcast to it without its last
 * dim ([]: one for all; [heads, 1]; [.., heads, tokens]); the key is then q * scale, rounded. */
/* LAYER and RMS go over the last `axes` axes (0: one), GAMMA and BETA have their dims. GROUP: the
 * last `axes` axes (0: all but the first) are channels and space; each of `groups` runs of
 * neighbouring channels is normalised as one row, GAMMA and BETA are [channels]. */
enum { TN_NORM_LAYER = 0, TN_NORM_RMS, TN_NORM_GROUP, TN_NORM_BATCH_INFERENCE };
enum { TN_REDUCE_SUM = 0, TN_REDUCE_MEAN, TN_REDUCE_MAX, TN_REDUCE_MIN, TN_REDUCE_SUMSQ };
/* BATCH_INFERENCE: A as in GROUP (0 axes: all but the first); STATS [2, channels] is the means and
 * the variances, y = x * a + b with a = gamma * rsqrt(variance + epsilon), b = beta - mean * a. */
enum { TN_POOL_MAX = 0, TN_POOL_AVERAGE };
enum { TN_POOL_CHANNELS_LAST = 2, TN_POOL_COUNT_PADDING = 4 };
/* Unary kinds read A; binary A and B; ternary A, B and C; operands broadcast to the output. */
enum {
    TN_ELTWISE_NEG = 1,
    TN_ELTWISE_ABS,
    TN_ELTWISE_SQUARE,
    TN_ELTWISE_RELU,
    TN_ELTWISE_RINT,
    TN_ELTWISE_RECIP,
    TN_ELTWISE_SQRT,
    TN_ELTWISE_RSQRT,
    TN_ELTWISE_EXP,
    TN_ELTWISE_EXP2,
    TN_ELTWISE_LOG,
    TN_ELTWISE_TANH,
    TN_ELTWISE_SIGMOID,
    TN_ELTWISE_SILU,
    TN_ELTWISE_GELU,
    TN_ELTWISE_GELU_TANH,
    TN_ELTWISE_ERF,
    TN_ELTWISE_SIN,
    TN_ELTWISE_COS,
    TN_ELTWISE_SCALE, /* fma(x, a, b) */
    TN_ELTWISE_CLAMP, /* min(max(x, a), b) */
    TN_ELTWISE_ADD = 64,
    TN_ELTWISE_SUB,
    TN_ELTWISE_MUL,
    TN_ELTWISE_DIV,
    TN_ELTWISE_MAX,
    TN_ELTWISE_MIN,
    TN_ELTWISE_EQUAL, /* comparisons give bool */
    TN_ELTWISE_LESS,
    TN_ELTWISE_LESS_EQUAL,
    TN_ELTWISE_FMA = 128, /* fma(a, b, c), fused */
    TN_ELTWISE_WHERE      /* a is bool: a ? b : c */
};
typedef struct tn_softmax {
    tn_head head;
    uint32_t pass;
    int32_t axis;
    uint32_t log;
} tn_softmax;
typedef struct tn_norm {
    tn_head head;
    uint32_t pass, kind, axes, groups;
    float epsilon;
} tn_norm; /* LAYER, RMS, GROUP, BATCH_INFERENCE */
typedef struct tn_reduce {
    tn_head head;
    uint32_t kind, axes_mask;
} tn_reduce;
typedef struct tn_eltwise {
    tn_head head;
    uint32_t pass, kind;
    float a, b;
} tn_eltwise;
typedef struct tn_pool {
    tn_head head;
    uint32_t pass, kind, dims, ceil;
    int32_t window[3], stride[3], pad_lo[3], pad_hi[3], dilation[3];
    uint32_t flags;
} tn_pool;
/* A [n, channels, space..] with 1 to 3 dims of space; CHANNELS_LAST: [n, space.., channels].
 * Strides of the tensors are free, too. window 0: all of A along that dim (a global pool); stride,
 * dilation 0 is 1. ceil 1: the last window may reach beyond the padding, but starts within A or the
 * padding before it. Taps in the padding take no part; an average counts those in A, with
 * COUNT_PADDING those in the padding, too, but none beyond it. Without a tap the maximum is -Inf,
 * or the least integer, an average NaN. MAX: floats, s8 and u8; AVERAGE: floats. NUMERICS.md
 * section 6 */
typedef struct tn_rope {
    tn_head head;
    uint32_t interleaved;
    int32_t rotary_dims;
} tn_rope;
/* Rotary embedding of A [.., tokens, d] by TN_ARG_INDEX, positions (s32) that broadcast to A
 * without its last dim, and TN_ARG_FREQ, a table (f32) [rotary_dims / 2]. Pairs are (i, i +
 * rotary_dims / 2), or (2 i, 2 i + 1) if interleaved; elements from rotary_dims on (0: d) are
 * copied. */

enum { TN_PAD_CONSTANT = 0, TN_PAD_EDGE, TN_PAD_REFLECT };
typedef struct tn_window {
    tn_head head;
    uint32_t kind, mode;
    int64_t lo[TN_MAX_RANK], hi[TN_MAX_RANK];
    float scale[TN_MAX_RANK], value;
} tn_window;
/* Pad: out[i] = a[i - lo], dims grow by lo + hi. Outside of a: CONSTANT gives `value`, converted to
 * the dtype; EDGE the nearest element; REFLECT mirrors at the first and the last element, which are
 * not repeated (lo and hi up to dim - 1). A negative lo or hi takes elements away: with both, a
 * slice. (A slice is also a view: dims, strides and offset_bytes of a tn_tensor; copy makes it
 * dense.) kind and scale are resize's and 0 here. EXACT. */

enum { TN_RESIZE_NEAREST = 0, TN_RESIZE_LINEAR, TN_RESIZE_CUBIC };
/* mode: where element o of OUT lies in A, along a dim of in elements that becomes out elements */
enum {
    TN_RESIZE_HALF_PIXEL = 0,     /* (o + 1/2) / scale - 1/2 */
    TN_RESIZE_ALIGN_CORNERS,      /* o * (in - 1) / (out - 1); 0 where out is 1 */
    TN_RESIZE_ASYMMETRIC,         /* o / scale */
    TN_RESIZE_PYTORCH_HALF_PIXEL, /* as HALF_PIXEL; 0 where out is 1 */
    TN_RESIZE_COORDINATE = 15,    /* the bits of these; with NEAREST one of the following, too */
    TN_RESIZE_ROUND_PREFER_FLOOR = 0,
    TN_RESIZE_ROUND_PREFER_CEIL = 16,
    TN_RESIZE_FLOOR = 32,
    TN_RESIZE_CEIL = 48
};
/* Resize of any axes: scale[d] > 0 makes floor(dim * scale), in f32, of a dim; 0: scale is out /
 * in, and an OUT that is not given keeps the dim. Taps outside of A are the nearest element. value
 * is the coefficient of CUBIC, 0 for -0.75; lo and hi are 0. NEAREST is EXACT in any dtype, the
 * others take floats. NUMERICS.md section 11 */

/* The order is that of max and min (NUMERICS.md 1): +0 above -0, NaN first either way; equal
 * elements by index, the lowest first. */
enum {
    TN_TOPK_SMALLEST = 1, /* the smallest elements, ascending; otherwise the largest, descending */
    TN_TOPK_INDICES = 2   /* OUT is the indices (s32, s64): argmax and argmin with param = 1 */
};
enum {
    TN_SCAN_EXCLUSIVE = 1, /* out[i] leaves out a[i]; the first is 0 */
    TN_SCAN_REVERSE = 2    /* from the end on */
};
typedef struct tn_axis {
    tn_head head;
    int32_t axis;
    uint32_t flags;
    int64_t param;
} tn_axis;
enum {
    TN_GATHER_BACKWARD = 1 /* gradient of a: OUT has param elements along the axis */
};
/* axis: -rank to rank - 1.
 *
 * gather (EXACT): out = a[index] along the axis; index s32 or s64, negative ones count from the
 * end, one out of range gives zeros. BACKWARD: out[index] += grad over a zero out, positions of
 * index in ascending order; rows out of range are left out. NUMERICS.md section 6.
 *
 * concat (EXACT): TN_ARG_INPUT0, INPUT0 + 1, ... one after the other along the axis.
 *
 * topk (EXACT): param elements (1 to the dim) of each row along the axis, in order; flags
 * TN_TOPK_*. The optional output TN_ARG_INDEX is where they were (s32, s64).
 *
 * scan: running sum along the axis, flags TN_SCAN_*, param 0; CANONICAL is cumsum of NUMERICS.md 6,
 * integers wrap.
 *
 * Blocks (docs/LAYOUTS.md) carry their scale: quantize to an OUT and dequantize of an A in such a
 * layout take no other operand and 0 in all fields; matmul takes them as B [.., N, K] with
 * TRANSPOSE_B and a float A.
 *
 * dequantize (CANONICAL): out = a * scale, or fma(a, scale, -(zero * scale)): TN_ARG_SCALE_OF +
 * TN_ARG_A (f32), for integers also TN_ARG_ZERO_OF + TN_ARG_A of their dtype.
 *
 * quantize (CANONICAL): out = clamp(rint(x) + zero), x = a / scale of out (TN_ARG_SCALE_OF +
 * TN_ARG_OUT) or a * scale of a (TN_ARG_SCALE_OF + TN_ARG_A: requantising sums), one of both;
 * TN_ARG_ZERO_OF + TN_ARG_OUT of the dtype of out; a float out is x cast. A NaN gives the zero
 * point.
 *
 * A scale is one number (rank 0); or [dim] along the axis with param 0; or, with param a divisor of
 * the dim, of the rank of a, one for each run of param elements along the axis. A zero has the
 * shape of its scale. */
typedef struct tn_op {
    tn_head head;
    tn_op_kind kind;
    uint32_t arg_count, post_count;
    const void *attr;
    const tn_arg *args;
    const tn_post *posts;
    tn_numerics numerics;
} tn_op;

/** Shape and dtype of an output from the op's inputs, with dense strides.
 *  memory    buffers are not looked at; the op need not have the output yet
 *  returns   INVALID with the argument, UNSUPPORTED for an op kind that is not there yet
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_op_infer(const tn_op *op, tn_role role, tn_tensor *out_tensor);

/** Floating-point operations of an op and the bytes of its operands, each counted once.
 *  returns   INVALID as tn_op_infer
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_op_cost(const tn_op *op, uint64_t *out_flops, uint64_t *out_bytes);
/* one text form for command line, case names, capsules, journals and remote devices: `op
 * dims[:dtypes][:key[+key]...]`, e.g. "matmul 33x65x127:bf16,bf16,f32:nt+canonical+bias+gelu"; dims
 * MxNxK or letters with numbers (conv n1c64h56w56k64r3s3p1, attention b1h12q1024k1024d64); dtypes
 * a,b,out (one name: all); keys in any order: layout nn|nt|tn|tt, class
 * exact|canonical|bounded|fast[+allow], acc=f32, posts, causal. In case names space is `.`, `:` is
 * `.`, `,` is `_`. */

/** Write the text form of an op; strides and broadcast are said as ROLE=dims@strides.
 *  memory    *bytes is the room on entry, what is needed (with the zero) on return; text may be
 *            NULL to ask
 *  returns   INVALID for a wrong op or too little room, UNSUPPORTED for posts whose operands are
 *            not numbered by their place (posts[i] reads TN_ARG_POST0 + i)
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_op_format(const tn_op *op, char *text, size_t *bytes);

/** Make an op from its text form, without buffers.
 *  memory    one allocation; tn_op_free gives it back
 *  returns   INVALID with the position of the first word that is not understood, NO_MEMORY
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_op_parse(tn_runtime *runtime, const char *text, tn_op **out_op);

/** Give back an op made by tn_op_parse; NULL is accepted.
 *  threads   thread-safe
 *  since     0.1 */
TN_API void tn_op_free(tn_runtime *runtime, tn_op *op);

#ifdef __cplusplus
}
#endif

#endif

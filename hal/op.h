/* SPDX-License-Identifier: Apache-2.0 */
/* What the validators of op.c and its neighbours share. */
#ifndef TN_HAL_OP_H
#define TN_HAL_OP_H

#include "hal/hal.h"

enum {
    TN__OP_ARGS = 24,    /* most operands of one op, posts included */
    TN__OP_POSTS = 8,    /* most posts */
    TN__OP_REQUIRED = 6, /* most of each in a row of the table */
    TN__OP_OPTIONAL = 8,
    TN__OP_OUTPUTS = 3,
    TN__CANONICAL_NEWEST = 1 /* the version that canonical_version 0 asks for */
};

/* Room for the attribute struct of any kind that hal knows. */
typedef union tn__attr {
    tn_head head;
    tn_matmul matmul;
    tn_conv conv;
    tn_attention attention;
    tn_softmax softmax;
    tn_norm norm;
    tn_eltwise eltwise;
    tn_reduce reduce;
    tn_axis axis;
    tn_window window;
    tn_rope rope;
    tn_pool pool;
} tn__attr;

/* One kind: its attribute and roles. */
typedef struct tn__op_view tn__op_view;
typedef struct tn__op_row {
    tn_op_kind kind;
    const char *name;
    uint32_t attr_type;
    size_t attr_bytes;                  /* 0: attr has to be NULL */
    bool attr_optional;                 /* NULL attr: all fields 0 */
    uint32_t pass;                      /* of the call that this row describes, TN_PASS_* */
    uint16_t required[TN__OP_REQUIRED]; /* input roles, 0 ends */
    uint16_t optional[TN__OP_OPTIONAL]; /* input roles, 0 ends */
    uint16_t outputs[TN__OP_OUTPUTS];   /* the first is needed, the others are optional */
    bool all_outputs;                   /* no: all of them are needed */
    bool posts;
    bool inputs;   /* TN_ARG_INPUT0 and on, one or more, without gaps */
    bool no_alias; /* reads elements after it has written others: no MAY_ALIAS */
    /* Checks inputs, attribute and the outputs that are given; writes shape and dtype of `role`
     * (one of the outputs), strides not set. */
    tn_status (*check)(const tn__op_view *v, uint32_t role, tn_tensor *out);
} tn__op_row;

/* An op from outside, made safe to read: whole structs, known kind, bounded counts. */
struct tn__op_view {
    tn_op op;
    tn__attr attr;
    const tn__op_row *row;
};
/* Structs, kind and counts only: enough to read the op, serialise or copy it. */
tn_status tn__op_open(const tn_op *op, tn__op_view *out);
/* All that tn__op_check does, on an opened op. */
tn_status tn__op_check_view(const tn__op_view *v);
tn_status tn__op_copy_view(tn_runtime *rt, const tn__op_view *v, tn_op **out, size_t *out_bytes);
/* Operations of a checked op by its definition; UINT64_MAX: more than that (cost.c). */
uint64_t tn__op_flops(const tn__op_view *v);
size_t tn__op_copy_bytes(const tn_op *op);  /* what the copy of such an op takes */
extern const char tn__op_built[];           /* names of the kinds with a row, for messages */
extern const uint32_t tn__op_newest;        /* kinds are 1 to this, with a row or without */
const char *tn__role_static(uint32_t role); /* "args" for a role that does not exist */
/* The row of a kind's pass; NULL: a kind that hal does not know, or a pass that it lacks. */
const tn__op_row *tn__op_find(uint32_t kind, uint32_t pass);
/* The pass that an attribute of a kind asks for; attr may be NULL. */
uint32_t tn__op_pass(uint32_t kind, const void *attr);
bool tn__row_writes(const tn__op_row *row, uint32_t role); /* the role is an output */

/* The operand of a role, or NULL. */
const tn_tensor *tn__op_tensor(const tn__op_view *v, uint32_t role);

/* Right-aligned broadcast of b into the shape of out (in place): false where the dims disagree. */
bool tn__shape_broadcast(tn_tensor *out, const tn_tensor *b);
/* Whether t broadcasts to the shape of `to` without growing it. */
bool tn__shape_fits(const tn_tensor *t, const tn_tensor *to);
bool tn__shape_equal(const tn_tensor *a, const tn_tensor *b);
/* "[2,3,4]" */
void tn__shape_text(const tn_tensor *t, char *text, size_t bytes);
/* An output, if given, has to have this shape; `rule` says what the shape is made of. */
tn_status tn__op_expect(const tn__op_view *v, uint32_t role, const tn_tensor *shape,
                        const char *rule);
void tn__strides_contiguous(tn_tensor *t);
/* Layouts of blocks (docs/LAYOUTS.md): bytes of a block, 0 for other layouts; dtype; name. */
enum { TN__BLOCK = 32 };
uint32_t tn__block_bytes(uint64_t layout);
uint16_t tn__block_dtype(uint64_t layout);
const char *tn__block_name(uint64_t layout);
bool tn__dtype_float(uint32_t dtype);
bool tn__dtype_integer(uint32_t dtype);
uint32_t tn__eltwise_arity(uint32_t kind); /* 0: no such kind */
bool tn__eltwise_compares(uint32_t kind);

tn_status tn__op_matmul(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_conv(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__conv_check_attr(const tn_conv *t);
tn_status tn__conv_check_operand(const tn_conv *t, const tn_tensor *x, const char *name);
/* One spatial dim of a conv's output; false: the window does not fit, or numbers overflow. */
bool tn__conv_out_dim(const tn_conv *t, uint32_t d, int64_t in, int64_t kernel, int64_t *out);
tn_status tn__op_attention(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_softmax(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_norm(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_reduce(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_eltwise(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_gather(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_rope(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_concat(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_pad(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_resize(const tn__op_view *v, uint32_t role, tn_tensor *out);
/* The dim that resize makes of `in` by a scale; false: not a scale, or too large. */
bool tn__resize_out_dim(float scale, int64_t in, int64_t *out);
tn_status tn__op_pool(const tn__op_view *v, uint32_t role, tn_tensor *out);
/* One spatial dim of a pool's output; false: the window does not fit, or numbers overflow. */
bool tn__pool_out_dim(const tn_pool *t, uint32_t d, int64_t in, int64_t *out);
tn_status tn__op_topk(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_quantize(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_dequantize(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_scan(const tn__op_view *v, uint32_t role, tn_tensor *out);
/* Axes that a norm goes over: 0 stands for the usual. */
uint32_t tn__norm_axes(const tn_norm *t, uint32_t rank);
tn_status tn__op_copy_kind(const tn__op_view *v, uint32_t role, tn_tensor *out);
/* Backward passes (op_backward.c). */
tn_status tn__op_same_backward(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_conv_weights(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_attention_backward(const tn__op_view *v, uint32_t role, tn_tensor *out);
tn_status tn__op_gather_backward(const tn__op_view *v, uint32_t role, tn_tensor *out);

#endif

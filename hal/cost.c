/* SPDX-License-Identifier: Apache-2.0 */
/* What an op costs: operations of its definition, and bytes that have to move at least once. */
/* path: api > [placement] > queue > backend > kernel > device */
#include "hal/op.h"

static uint64_t mul(uint64_t a, uint64_t b)
{
    uint64_t r;
    return tn__mul_u64(a, b, &r) ? r : UINT64_MAX;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t r;
    return tn__add_u64(a, b, &r) ? r : UINT64_MAX;
}

/* Elements; a dim that stride 0 repeats is read once. */
static uint64_t elems(const tn_tensor *t, bool once)
{
    uint64_t n = 1;
    for (int i = 0; i < t->rank; ++i)
        if (!once || t->stride[i] != 0 || t->dim[i] == 0)
            n = mul(n, (uint64_t)t->dim[i]);
    return n;
}

static uint64_t moved_bytes(const tn_tensor *t)
{
    if (tn__block_bytes(t->layout) != 0)
        return mul(elems(t, true) / TN__BLOCK, tn__block_bytes(t->layout));
    uint64_t bits = mul(elems(t, true), tn_dtype_bits((tn_dtype)t->dtype));
    return bits / 8 + (bits % 8 != 0);
}

uint64_t tn__op_flops(const tn__op_view *v)
{
    const tn_tensor *out = tn__op_tensor(v, TN_ARG_OUT), *a = tn__op_tensor(v, TN_ARG_A);
    switch (v->op.kind) {
    case TN_OP_MATMUL: {
        bool ta = (v->attr.matmul.flags & TN_MATMUL_TRANSPOSE_A) != 0;
        uint64_t k = (uint64_t)a->dim[a->rank - (ta ? 2 : 1)], n = elems(out, false);
        uint64_t extra = v->op.post_count + (tn__op_tensor(v, TN_ARG_C) != NULL ? 2u : 0u);
        return add(mul(mul(2, n), k), mul(n, extra));
    }
    case TN_OP_CONV: { /* taps that fall into the padding are counted, too */
        if (v->row->pass == TN_PASS_BACKWARD_WEIGHTS) {
            uint64_t every = elems(out, false);
            every = every == 0 ? 0 : every / (uint64_t)out->dim[0];
            return mul(mul(2, elems(tn__op_tensor(v, TN_ARG_GRAD), false)), every);
        }
        const tn_tensor *b = tn__op_tensor(v, TN_ARG_B);
        bool turned = (v->attr.conv.flags & TN_CONV_TRANSPOSED) != 0;
        uint64_t taps = elems(b, false), n = elems(out, false);
        uint64_t per = taps == 0 ? 0 : taps / (uint64_t)b->dim[0];
        if (turned)
            return add(mul(mul(2, elems(a, false)), per), mul(n, v->op.post_count));
        return add(mul(mul(2, n), per), mul(n, v->op.post_count));
    }
    case TN_OP_ATTENTION: {
        /* two products and a softmax of about five operations a score */
        const tn_tensor *q = tn__op_tensor(v, TN_ARG_Q), *k = tn__op_tensor(v, TN_ARG_K);
        int r = q->rank;
        const tn_tensor *pages = tn__op_tensor(v, TN_ARG_PAGES);
        uint64_t scores = (uint64_t)k->dim[r - 2];
        if (pages != NULL)
            scores = mul(scores, (uint64_t)pages->dim[1]);
        for (int i = 0; i < r - 1; ++i)
            scores = mul(scores, (uint64_t)q->dim[i]);
        /* backward: scores once more, and four products for the gradients */
        bool back = v->row->pass != TN_PASS_FORWARD;
        uint64_t d = (uint64_t)q->dim[r - 1], e = (uint64_t)out->dim[r - 1];
        uint64_t width = back ? add(add(mul(d, 6), mul(e, 4)), 9) : add(add(d, e) * 2, 5);
        return mul(scores, width);
    }
    case TN_OP_POOL: { /* a tap is one sum or comparison */
        const tn_pool *t = &v->attr.pool;
        uint64_t n = elems(out, false);
        for (uint32_t d = 0; d < t->dims; ++d)
            n = mul(n, t->window[d] != 0
                           ? (uint64_t)t->window[d]
                           : (uint64_t)a->dim[a->rank - t->dims + d -
                                              ((t->flags & TN_POOL_CHANNELS_LAST) != 0)]);
        return n;
    }
    case TN_OP_RESIZE: { /* the taps of each axis that changes, as if the axes had no order */
        uint64_t taps = v->attr.window.kind == TN_RESIZE_CUBIC ? 4 : 2, n = elems(out, false),
                 m = 0;
        for (int d = 0; v->attr.window.kind != TN_RESIZE_NEAREST && d < out->rank; ++d)
            m += out->dim[d] != a->dim[d] ? 2 * taps : 0;
        return mul(n, m);
    }
    case TN_OP_SOFTMAX:
        return mul(5, elems(out, false));
    case TN_OP_NORM:
        return mul(8, elems(out, false));
    case TN_OP_ELTWISE:
        return mul(v->attr.eltwise.kind == TN_ELTWISE_FMA ? 2 : 1, elems(out, false));
    case TN_OP_ROPE: /* a pair: four products and two sums */
        return mul(3, elems(out, false));
    case TN_OP_QUANTIZE:
    case TN_OP_DEQUANTIZE:
        return mul(2, elems(out, false));
    case TN_OP_REDUCE:
    case TN_OP_SCAN:
    case TN_OP_TOPK:
        return elems(a, false);
    case TN_OP_GATHER:
        return v->row->pass == TN_PASS_FORWARD ? 0 : elems(tn__op_tensor(v, TN_ARG_GRAD), false);
    default:
        return 0;
    }
}

/** Counts an op's operations and the bytes of its operands.
 *  numerics  a multiply-add is 2; causal attention counts the full square
 *  returns   INVALID for a wrong op; numbers too large to hold are UINT64_MAX
 *  threads   thread-safe
 *  since     0.1 */
tn_status tn_op_cost(const tn_op *op, uint64_t *out_flops, uint64_t *out_bytes)
{
    tn__op_view v;
    tn_status st = tn__op_open(op, &v);
    if (st == TN_OK)
        st = tn__op_check_view(&v);
    if (st != TN_OK)
        return st;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < v.op.arg_count; ++i) {
        const tn_tensor *t = &v.op.args[i].tensor;
        bool gathered = v.op.kind == TN_OP_GATHER && v.op.args[i].role == TN_ARG_A;
        /* gather reads as much of its table as it writes */
        bytes = add(bytes, moved_bytes(gathered ? tn__op_tensor(&v, TN_ARG_OUT) : t));
    }
    if (out_flops != NULL)
        *out_flops = tn__op_flops(&v);
    if (out_bytes != NULL)
        *out_bytes = bytes;
    return TN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* References in float64 with error bounds formed in the same pass. An operand is the decoded memory
 * of a tensor, gaps included, read through the strides of the op: a deliberately wrong op (other
 * strides, fewer terms) can be evaluated on the same memory, which is how a failure is named. */
#ifndef TN_CONFORMANCE_ORACLE_H
#define TN_CONFORMANCE_ORACLE_H

#include <conformance/bounds/bounds.h>
#include <math.h>
#include <tenon/ops.h>

enum { TN_V_ARGS = 24 };

typedef struct tn_v_memory {
    double *value; /* [elems]; element 0 is the tensor's first */
    int64_t elems;
} tn_v_memory;

/* What an output has to be, one entry an element in row-major order; of blocks one a byte. */
typedef struct tn_v_truth {
    uint32_t role;
    tn_dtype dtype;
    uint32_t rank;
    int64_t dim[TN_MAX_RANK], count;
    double *ref, *err, *mag; /* value; error before the last rounding; sum of magnitudes, or 0 */
    double terms;            /* of a sum */
    bool single;             /* one rounding of the exact value, whatever the accumulator */
    bool bits;               /* moves data: compare bits, NaN payloads included */
    /* What CANONICAL has to give, rounded; NULL: another class, or a rule that is not written here.
     */
    double *canonical;
    bool known; /* for the parts: they have filled it */
} tn_v_truth;

/* Deliberate deviations that no change of the op expresses; all zero: none. */
typedef struct tn_v_twist {
    double mask_add;    /* what does not take part stays, with this added to its score */
    int64_t extra_to;   /* keys of score 0 and value 0 up to a multiple of this */
    int64_t no_rescale; /* the sum of weights keeps the maximum of its block of keys */
    int exp_kind;       /* 1 by exponent bits, 2 of the second degree, 3 rounded to bf16 */
    bool head_modulo, mean_row, no_max;
    tn_dtype weights, scores; /* stored in this type */
    int sum_bits;             /* conv: each addition is rounded to these */
    bool row_above;           /* conv: left of a row lies the end of the row above */
} tn_v_twist;

typedef struct tn_v_call {
    const tn_op *op;
    tn_v_twist twist;
    tn_v_memory memory[TN_V_ARGS]; /* as op->args */
    tn_v_arith arith;
    bool exact; /* the data were chosen so that every order of every sum is exact */
} tn_v_call;

/** Computes outputs `truth[0 .. n)`, one for each output of the op in the order of its args.
 *  memory    arrays are malloc'ed; tn_v_truth_free gives them back
 *  returns   number of outputs; 0: the oracle does not know the op; -1: no memory */
int tn_v_oracle(const tn_v_call *call, tn_v_truth truth[TN_V_ARGS]);
void tn_v_truth_free(tn_v_truth *truth, int count);

/* ---- for the parts of the oracle ---- */
const tn_arg *tn_v_arg(const tn_op *op, uint32_t role);
bool tn_v_is_output(const tn_op *op, uint32_t role);
/* Bytes of a block of 32 elements (docs/LAYOUTS.md); 0: the layout has none. */
int64_t tn_v_block_bytes(const tn_tensor *t);
/* A tensor as it lies in memory: blocks are bytes, others as they are. */
tn_tensor tn_v_stored(const tn_tensor *t);

/* An operand with its memory; NULL arg: not given. */
typedef struct tn_v_view {
    const tn_tensor *t;
    const tn_v_memory *m;
} tn_v_view;
tn_v_view tn_v_view_of(const tn_v_call *call, uint32_t role);

/* A wrong op may point outside: that reads NaN. */
static inline double tn_v_load(const tn_v_view *v, int64_t at)
{
    return at >= 0 && at < v->m->elems ? v->m->value[at] : NAN;
}

/* Whether element n may be `got` by its bits; NaNs are all alike. Classes without such: always. */
static inline bool tn_v_canonical(const tn_v_truth *t, int64_t n, double got)
{
    if (t->canonical == NULL)
        return true;
    double want = t->canonical[n];
    return (isnan(want) && isnan(got)) ||
           (want == got && (signbit(want) != 0) == (signbit(got) != 0));
}

/* Offset of the element that meets index i[0 .. rank) of an output of that rank. */
static inline int64_t tn_v_broadcast(const tn_tensor *t, const int64_t *i, uint32_t rank)
{
    int64_t at = 0;
    for (uint32_t d = 0; d < t->rank; ++d) {
        uint32_t of = rank - t->rank + d;
        if (t->dim[d] > 1)
            at += i[of] * t->stride[d];
    }
    return at;
}

/* Row-major index of element n of dims. */
static inline void tn_v_unravel(const int64_t *dim, uint32_t rank, int64_t n, int64_t *i)
{
    for (uint32_t d = rank; d-- > 0;) {
        i[d] = dim[d] > 0 ? n % dim[d] : 0;
        n = dim[d] > 0 ? n / dim[d] : 0;
    }
}

/* Applies the posts of the op to output element `i`. */
void tn_v_posts(const tn_v_call *call, const tn_v_truth *truth, const int64_t *i, double *ref,
                double *err);
/* A function in float64: value, and a Lipschitz constant near it. False: not a unary kind. */
bool tn_v_function(uint32_t kind, double x, double pa, double pb, double *out_value,
                   double *out_slope);
bool tn_v_gelu_slope(double x, double *value, double *slope, bool tanh_form);

/* One product of a sum, and where it comes from. */
typedef struct tn_v_term {
    int64_t k, tap; /* of a matmul k; of a convolution the channel in its group, and the tap */
    double a, b;
} tn_v_term;
/** The products of output element `i`, in ascending order of k, or of taps and then channels.
 *  returns   how many, at most `room` of them in `out`; -1: not an op of such sums */
int64_t tn_v_matmul_terms(const tn_v_call *call, const tn_v_truth *of, const int64_t *i,
                          tn_v_term *out, int64_t room);
int64_t tn_v_conv_terms(const tn_v_call *call, const int64_t *i, tn_v_term *out, int64_t room);
/* The same of any pass; *out_per: products of a tap in the order of CANONICAL, where term n of tap
 * t has k = t * per + its own. */
int64_t tn_v_conv_taps(const tn_v_call *call, const int64_t *i, tn_v_term *out, int64_t room,
                       int64_t *out_per);

bool tn_v_matmul(const tn_v_call *call, tn_v_truth *out);
bool tn_v_conv(const tn_v_call *call, tn_v_truth *out);
int tn_v_attention(const tn_v_call *call, tn_v_truth *out, int count);
bool tn_v_softmax(const tn_v_call *call, tn_v_truth *out);
bool tn_v_norm(const tn_v_call *call, tn_v_truth *out);
bool tn_v_reduce(const tn_v_call *call, tn_v_truth *out);
bool tn_v_pool(const tn_v_call *call, tn_v_truth *out);
bool tn_v_eltwise(const tn_v_call *call, tn_v_truth *out);
bool tn_v_move(const tn_v_call *call, tn_v_truth *out); /* copy concat pad gather */
bool tn_v_quantize(const tn_v_call *call, tn_v_truth *out);
bool tn_v_quantize_blocks(const tn_v_call *call, tn_v_truth *out);
bool tn_v_rope(const tn_v_call *call, tn_v_truth *out);
bool tn_v_topk(const tn_v_call *call, tn_v_truth *truth, int count);
bool tn_v_scan(const tn_v_call *call, tn_v_truth *out);
bool tn_v_resize(const tn_v_call *call, tn_v_truth *out);
bool tn_v_gather_back(const tn_v_call *call, tn_v_truth *out);
bool tn_v_eltwise_back(const tn_v_call *call, tn_v_truth *out);

#endif

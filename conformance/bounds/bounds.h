/* SPDX-License-Identifier: Apache-2.0 */
/* Error bounds, derived from what a kernel declares of its arithmetic and from sums of magnitudes
 * that the oracle forms beside the reference. No tolerance is a number that somebody typed. */
#ifndef TN_CONFORMANCE_BOUNDS_H
#define TN_CONFORMANCE_BOUNDS_H

#include <conformance/bounds/number.h>
#include <tenon/plan.h>

/* The declared arithmetic of one plan as unit roundoffs. */
typedef struct tn_v_arith {
    tn_dtype accumulate;      /* of sums and of everything between input and output */
    double u;                 /* one rounding of a sum: 2^-p to nearest, 2^(1-p) otherwise */
    bool nearest;             /* rounding errors have mean zero: their root mean square counts */
    double product_u;         /* of a product that is stored narrower than the accumulator */
    int block;                /* products that a fused unit adds at once; 0: one by one */
    double block_u;           /* alignment error of such a unit, of the largest partial sum */
    double split_u;           /* f32 products put together of narrower ones */
    tn_dtype read_as;         /* inputs are rounded to this type first; 0: read as they are */
    double function_rel;      /* exp and the like, relative */
    double rsqrt_rel;         /* rsqrt, relative */
    double score_u, weight_u; /* attention: stored scores, stored weights */
    int transform;            /* of a transformed convolution F(m, 3) */
    tn_v_round out_round;
    bool saturate, flush_in, flush_out;
    double tiny; /* absolute error of a rounding near zero in the accumulator */
} tn_v_arith;

/** What a plan declares, for the op that it was made of. `declared` all zero is the strictest. */
tn_v_arith tn_v_arith_of(const tn_arithmetic *declared, const tn_op *op);

/** Error of a sum of `n` terms with magnitudes that add up to `sum_abs`, products rounded as
 *  declared: min(n u / (1 - n u), lambda sqrt(n) u) sum_abs, the second where errors have mean
 * zero. source    Higham and Mary, A new approach to probabilistic rounding error analysis, 2019 */
double tn_v_sum_error(const tn_v_arith *a, double n, double sum_abs);

/** Growth of errors by F(m x m, r x r): product of the row sums of the transforms, squared for two
 *  dims, relative to max |a| * max |b| * channels.
 *  source    Barabasz et al., Error analysis and improving the accuracy of Winograd convolution */
double tn_v_transform_growth(int m);

/** Whether `got` is right where the exact value is `ref` and everything before the last rounding
 *  has an absolute error of at most `err`; `sum_abs` above the accumulator's range excuses
 *  infinities and NaN. *out_ratio: the error over its bound. */
bool tn_v_within(const tn_v_arith *a, tn_dtype out, double ref, double err, double sum_abs,
                 double got, double *out_ratio);

/* Root mean square of the errors, in units of the accumulator times the sum of magnitudes; from the
 * measured spread of legitimate orders (docs/CONFORMANCE.md), by class of data. */
typedef enum tn_v_spread { TN_V_SPREAD_ZERO, TN_V_SPREAD_POSITIVE, TN_V_SPREAD_WIDE } tn_v_spread;
double tn_v_rms_limit(const tn_v_arith *a, tn_v_spread spread, double n);

enum { TN_V_LAMBDA = 6 }; /* 2 exp(-18) = 3e-8: chance of a false alarm per element, at most */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Cases: an op in its text form, a class of data, a seed. The name says all of it. */
#ifndef TN_CONFORMANCE_CASES_H
#define TN_CONFORMANCE_CASES_H

#include <conformance/oracle/oracle.h>

/* Classes of data; each is an argument that a certain kind of defect cannot survive. */
typedef enum tn_v_data {
    TN_V_ONE_HOT,   /* "hot": one term a sum: which element went where, bit for bit */
    TN_V_EXACT,     /* "e24": sums that climb to 2^23 and are exact in any order */
    TN_V_ZERO_MEAN, /* "zero": normal numbers of both signs */
    TN_V_POSITIVE,  /* "pos": of one sign: errors do not cancel */
    TN_V_WIDE,      /* "wide": magnitudes over many binades */
    TN_V_TIES,      /* "ties": results on and around ties of the output's rounding */
    TN_V_ROUND,     /* "round": one addition that shows how the accumulator rounds */
    TN_V_ORDER,     /* "order": masks and units, several launches: any order, but one order */
    TN_V_SPECIAL,   /* "special": NaN, infinities, overflow, subnormals, zeros of both signs */
    TN_V_GRADED,    /* "graded": rows and columns scaled against each other */
    TN_V_BIG,       /* "big": scores far from zero, means far above their spread */
    TN_V_RISE,      /* "rise": maxima that grow along the row */
    TN_V_EDGE,      /* "edge": values that make a neighbour's share visible */
    TN_V_HUGE,      /* "huge": magnitudes over the whole range of the type */
    TN_V_REPEAT,    /* "repeat": as zero, launched again and again */
    TN_V_TRIPLES,   /* "triples": the triples of docs/NUMERICS.md section 2, from the first on */
    TN_V_MANTISSAS, /* "mantissas": the next n of all of a type, from the case's number times n on */
    TN_V_DATA_COUNT
} tn_v_data;
extern const char *const tn_v_data_names[TN_V_DATA_COUNT];

enum { TN_V_NAME = 224 };
typedef struct tn_v_case {
    char name[TN_V_NAME]; /* [a-zA-Z0-9_+.=@-]+ */
    char op[TN_V_NAME];   /* text form, or the name of a check of levels 0 to 3 */
    uint8_t level;
    tn_v_data data;
    uint32_t number; /* at the end of the name: other data of the same class */
    uint64_t seed;
    double cost; /* multiplications, for budgets */
} tn_v_case;

typedef enum tn_v_list {
    TN_V_MANDATORY,
    TN_V_BRINGUP,
    TN_V_QUICK,
    TN_V_STANDARD,
    TN_V_FULL,
    TN_V_LIST_COUNT
} tn_v_list;
extern const char *const tn_v_list_names[TN_V_LIST_COUNT];

/** The cases of a list, sorted by level and name; the same everywhere.
 *  memory    malloc'ed; the caller frees *out
 *  returns   how many, -1 without memory */
long tn_v_list_cases(tn_v_list list, tn_v_case **out);

/** Fill a case from an op's text and a class of data. */
bool tn_v_case_make(tn_v_case *c, int level, const char *op, tn_v_data data, uint32_t number);

/** A digest of the names of a list, in hexadecimal; the same cases give the same. */
void tn_v_list_hash(const tn_v_case *cases, long count, char out[17]);

uint64_t tn_v_hash(const char *text);
bool tn_v_glob(const char *pattern, const char *text); /* * and ? */

/* ---- numbers: counter-based, the same on every host ---- */
typedef struct tn_v_random {
    uint64_t state;
} tn_v_random;
uint64_t tn_v_next(tn_v_random *r);
double tn_v_uniform(tn_v_random *r); /* [0, 1) */
double tn_v_normal(tn_v_random *r);
int64_t tn_v_below(tn_v_random *r, int64_t n);

/* Values of one operand in row-major order. `exact`: sums of this case are exact in any order;
 * `spread`: limits of the root mean square apply. */
typedef struct tn_v_plan {
    bool exact, rms, same;
    tn_v_spread spread;
    int launches;
} tn_v_plan;

/** Fill the inputs of an op, row-major; value[i] has room for the elements of op->args[i] (NULL for
 *  outputs). Every number is representable in its operand's type.
 *  returns   false when the class makes no sense for the op */
bool tn_v_fill(const tn_v_case *c, const tn_op *op, const tn_v_arith *arith,
               double *const value[TN_V_ARGS], tn_v_plan *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a device does with numbers, found out by asking: the tree of its sums, its widths, its
 * roundings. Anything that can multiply two matrices can be asked. */
#ifndef TN_CONFORMANCE_FINGERPRINT_H
#define TN_CONFORMANCE_FINGERPRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <tenon/dtype.h>

/* A multiplication of one shape: every row of A is `a`, every column of B is `b`, so that every
 * element of the result is the same dot product, by the path that its place takes. */
typedef struct tn_v_dot {
    int64_t m, n, k;
    tn_dtype in, out;
    void *self;
    bool (*run)(void *self, const double *a, const double *b, double *c); /* c [m * n] */
} tn_v_dot;

/* One place of such a multiplication, asked by operands of the caller's: k of a and of b, all of c.
 */
typedef struct tn_v_probe {
    const tn_v_dot *dot;
    double *a, *b, *c;
    int64_t at;
    bool failed; /* for good */
} tn_v_probe;
void tn_v_probe_clear(tn_v_probe *p); /* a is 0, b is 1 */
double tn_v_probe_ask(tn_v_probe *p); /* NaN once it has failed */

/* The tree of a sum: leaves are k, inner nodes have two children, or more where a unit adds several
 * at once. Node i has children first[i] .. in `child`; a child below `leaves` is a leaf, others are
 * node child - leaves. Children are sorted by their smallest leaf. */
typedef struct tn_v_tree {
    int leaves, nodes;
    int *count, *first, *child, room;
    int queries; /* multiplications that it took */
} tn_v_tree;

typedef struct tn_v_traits {
    char fma[24];      /* "fused", "separate", "unknown" */
    int later_rounded; /* fused: of the two products of a first pair the second is rounded */
    int width;         /* bits of the accumulator, at least; 64: no loss found */
    char round[24];    /* "nearest", "zero", "truncates addends", "exact" */
    char output_round[16];
    bool flush_in, flush_out, saturates, nan_lost;
    bool repeatable, batch_invariant;
} tn_v_traits;

enum { TN_V_LEAF_EXACT = 'e', TN_V_LEAF_ROUNDED = 'r' };
typedef struct tn_v_path {
    int64_t row, column; /* the first place with this path, and how many there are */
    int64_t places;
    tn_v_tree tree;
    tn_v_traits traits;
    char kind[64]; /* "sequential", "4 lanes, ..", "fused by 8", .. or "other" */
    /* Of a sum that has parts of different arithmetic; else NULL: the traits are those of all.
     * leaf [leaves], a text: how the product comes to its sum; bits [nodes]: what the sum keeps. */
    char *leaf;
    int *bits;
    bool stable;     /* asked again, the same answers */
    int unstable_at; /* leaves under the lowest node that changes */
} tn_v_path;

enum { TN_V_PATHS = 8 };
typedef struct tn_v_print {
    tn_v_dot dot;
    tn_v_path path[TN_V_PATHS];
    int paths;
    tn_v_traits traits; /* of the first path */
    unsigned char
        *place; /* [m * n]: the path of each place, TN_V_PATHS: of none; NULL: not known */
    char error[128];
} tn_v_print;

/** Recover the tree of the element at (row, column).
 *  memory    tn_v_tree_free gives it back
 *  returns   false when the answers make no tree
 *  source    FPRev, Xie et al., Revealing floating-point accumulation orders, 2024; with one unit
 * at a time where a count of units makes no sense (accumulators that round toward zero) */
bool tn_v_tree_find(const tn_v_dot *dot, int64_t row, int64_t column, tn_v_tree *out);
void tn_v_tree_free(tn_v_tree *t);
/* "((0 1) 2)"; malloc'ed. */
char *tn_v_tree_text(const tn_v_tree *t);
void tn_v_tree_kind(const tn_v_tree *t, char *text, uint64_t bytes);
int tn_v_tree_depth(const tn_v_tree *t);
/* Leaves under the lowest node that has both. */
int tn_v_tree_meet(const tn_v_tree *t, int i, int j);

/** Paths by place, and traits, of one shape. False: dot->run failed; out->error says where. */
bool tn_v_fingerprint(const tn_v_dot *dot, tn_v_print *out);
void tn_v_print_free(tn_v_print *p);
void tn_v_path_free(tn_v_path *path);
/* Where the twin does not foresee a stable path, asks it node by node, and keeps what was found if
 * the twin then does. False: no memory, or a multiplication failed. */
bool tn_v_mixed_find(const tn_v_print *p, tn_v_path *path);

/** What the device will give for these operands, by its tree and traits: the software twin.
 *  returns   false where the traits do not say enough (a fused unit of unknown width) */
bool tn_v_twin(const tn_v_print *p, const tn_v_path *path, const double *a, const double *b,
               double *out);

/** A short digest of how a device adds up f32: paths, trees and traits of one shape. Asked in a
 * child process, with an end after 20 s, since the device may be one that hangs. returns   false
 * where it cannot be had */
bool tn_v_numeric_id(const char *device, char out[17]);

/* How a device multiplies one pair of types, and what that is worth: A its bits are foreseen by the
 * twin, B an accumulator of 24 bits or more that rounds to nearest, C one that truncates, D
 * narrower. A device that does less than its plans declare has no grade, '-'. */
enum { TN_V_GRADED_TYPES = 3 };
/* One way through the device: the first place that takes it, and how it adds. */
typedef struct tn_v_sketch {
    int64_t row, column, places;
    bool stable;
    char kind[64], tree[1024]; /* tree "": none was found, or its text is longer */
} tn_v_sketch;
typedef struct tn_v_grade {
    char types[16], grade;
    int width, twin_right, twin_of, paths;
    int64_t m, n, k;
    char round[24], fma[24], kind[64], disagrees[96];
    tn_v_sketch path[TN_V_PATHS];
} tn_v_grade;
typedef struct tn_v_identity {
    char name[64], vendor[64], driver[64];
    int types; /* of those, how many the device has */
    tn_v_grade grade[TN_V_GRADED_TYPES];
} tn_v_identity;
/** Ask a device, in a child process, with an end after `seconds`. False: it cannot be had. */
bool tn_v_identify(const char *device, int seconds, tn_v_identity *out);

/* ---- who can be asked ---- */
typedef struct tn_v_asked tn_v_asked;
/** A device by URI, or a framework by name (numpy, onnxruntime, torch, jax, ggml), through
 *  `python` with the script beside it. NULL with the reason in `why`. */
tn_v_asked *tn_v_ask(const char *device, const char *python, const char *script, char *why,
                     uint64_t bytes);
/* A shape and types of it; false: it does not have them. */
bool tn_v_ask_shape(tn_v_asked *s, int64_t m, int64_t n, int64_t k, tn_dtype in, tn_dtype out,
                    tn_v_dot *dot);
/* Both operands this many bytes behind a multiple of 64, below TN_V_SHIFTS, until the next shape;
 * false: the types or the device do not allow it. */
enum { TN_V_SHIFTS = 64 };
bool tn_v_ask_shift(tn_v_asked *s, uint32_t bytes);
void tn_v_ask_end(tn_v_asked *s);

#endif

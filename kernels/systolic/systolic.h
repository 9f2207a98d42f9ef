/* SPDX-License-Identifier: Apache-2.0 */
/* What a chip with a matrix array and a vector unit executes: 64-byte packets; what a lowering may
 * know of the chip; and the rows that turn an op into packets. */
#ifndef TN_KERNELS_SYSTOLIC_H
#define TN_KERNELS_SYSTOLIC_H

#include <kernels/common/shape.h>
#include <kernels/systolic/systolic_lookup.h>

/* Engines: one front end hands packets to their queues in order; each executes in order, and only
 * semaphores order one after another. Every array has a weight loader and a multiplier. */
enum {
    TN_K_SYS_DMA_IN,
    TN_K_SYS_DMA_OUT,
    TN_K_SYS_VECTOR,
    TN_K_SYS_SYNC,
    TN_K_SYS_WEIGHTS, /* of array i: WEIGHTS + 2 i */
    TN_K_SYS_ARRAY,   /* of array i: ARRAY + 2 i */
    TN_K_SYS_ARRAYS_MOST = 4,
    TN_K_SYS_ENGINES = TN_K_SYS_WEIGHTS + 2 * TN_K_SYS_ARRAYS_MOST
};

/* Address of an on-chip row; this bit: of the accumulators, whose rows are acc_row_bytes. */
#define TN_K_SYS_ACC  0x80000000u
#define TN_K_SYS_NONE 0xffu /* no semaphore */

/* Operations and the fields that they read; a row is row_bytes of the scratchpad.
 *
 * LD, ST   n2 planes of n0 rows of n1 bytes between host address iova + plane * s1 + row * s0 and
 *          row a + (plane * n0 + row) * pitch, c bytes into it; pitch is b, or what c + n1 takes
 *          when b is 0.
 *          STRIDED: element (r, c) of p0 bytes is at iova + r * s0 + c * s1, n2 is 1
 * GTH      n0 rows of n1 bytes to row a on, from iova + index[row] * s0; the indices (p0 bytes
 * each) are on row b. One below 0 counts from n2, one out of range gives zeros FILL     n0 rows
 * from a on, the word p0 LDW      the tile of n0 (k) by n1 (columns) elements of type p1 at row a,
 * one k a row, s0 rows apart, into plane b of array d. TRANSPOSE: one column a row MM       n0 rows
 * of elements of type p1 through plane b of array d into accumulator row c + i; row i is at a + (i
 * / n1) * s1 + (i % n1) * s0, n1 0: a + i * s0. ACCUMULATE adds the sum of the tile to what is
 * there, otherwise +0 + sum is stored. GATED: an element that is -0 is no element, and brings
 * nothing, not even a NaN of its weight MAP      c = f(a, b, d) for n0 rows of n1 columns, computed
 * in f32 and rounded once: s0 is the kind and three modes, n2 four types (MAP_KIND, MAP_TYPES), p0
 * and p1 two constants; iova has four numbers of 16 bits (MAP_PARTS): how many rows apart those of
 * a and c are, 0: what n1 takes, and how many bytes into them the columns begin. IOT      f32
 * c[row][column] = s1 + column * p0 + row * p1, as integers of 32 bits. RED      f32 c[row] = max,
 * sum or sum of squares of row a; s0 and n2 as MAP BLK      one block of keys: a scores t (f32, n0
 * by n1), b keys that take part (bytes, n0 by n1; type 0 in n2: all), of them those from p0 + row
 * to below p1 + row; c weights p (of type n2 >> 24), -0 for a key that takes none; d two vectors:
 * maxima, sums of the weights MRG      merges block (d: two vectors, a: f32 n0 by n1) into state
 * (b: two vectors, c: f32 n0 by n1); ZERO: there is no state yet. A vector is n0 words on rows of
 * its own NOP      nothing, on engine d. FENCE  waits for all engines, clears the semaphores,
 * writes the number iova. HALT  stops the front end */
enum {
    TN_K_SYS_NOP = 1,
    TN_K_SYS_FENCE,
    TN_K_SYS_HALT,
    TN_K_SYS_LD,
    TN_K_SYS_ST,
    TN_K_SYS_FILL,
    TN_K_SYS_LDW,
    TN_K_SYS_MM,
    TN_K_SYS_MAP,
    TN_K_SYS_RED,
    TN_K_SYS_BLK,
    TN_K_SYS_MRG,
    TN_K_SYS_GTH,
    TN_K_SYS_IOT,
    TN_K_SYS_OPS
};
enum {
    TN_K_SYS_IRQ = 1, /* interrupt when done */
    TN_K_SYS_ACCUMULATE = 2,
    TN_K_SYS_ZERO = 4,
    TN_K_SYS_STRIDED = 8,
    TN_K_SYS_TRANSPOSE = 16,
    TN_K_SYS_GATED = 32
};

typedef struct tn_k_sys_packet {
    uint8_t op, flags;
    uint8_t wait_sem, wait_val; /* starts when the semaphore is at least wait_val, and takes it */
    uint8_t sig_sem, sig_val;   /* when done, adds */
    uint16_t tag;               /* the driver's own; shows in traces */
    uint32_t a, b, c, d;
    uint64_t iova;
    uint32_t n0, n1, n2;
    int32_t s0, s1;
    uint32_t p0, p1;
    uint32_t crc; /* CRC-32 of the bytes before, checked where the chip protects packets */
} tn_k_sys_packet;
_Static_assert(sizeof(tn_k_sys_packet) == 64, "a packet is 64 bytes");

/* MAP: how an operand covers the tile; kinds are those of TN_ELTWISE_*, 0 copies. */
enum { TN_K_SYS_FULL, TN_K_SYS_PER_COLUMN, TN_K_SYS_PER_ROW, TN_K_SYS_ONE };
#define TN_K_SYS_MAP_KIND(kind, mode_a, mode_b, mode_d)                                            \
    ((int32_t)((uint32_t)(kind) | (uint32_t)(mode_a) << 16 | (uint32_t)(mode_b) << 20 |            \
               (uint32_t)(mode_d) << 24))
#define TN_K_SYS_MAP_TYPES(a, b, d, c)                                                             \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(d) << 16 | (uint32_t)(c) << 24)
#define TN_K_SYS_MAP_PARTS(a_pitch, c_pitch, a_bytes, c_bytes)                                     \
    ((uint64_t)(a_pitch) | (uint64_t)(c_pitch) << 16 | (uint64_t)(a_bytes) << 32 |                 \
     (uint64_t)(c_bytes) << 48)
enum { TN_K_SYS_RED_MAX, TN_K_SYS_RED_SUM, TN_K_SYS_RED_SUMSQ };

/** What a lowering may know: read from the capability registers. Immutable after open. */
typedef struct tn_k_sys_caps {
    uint32_t rows, cols, arrays, planes; /* as usable: disabled rows and columns are left out */
    uint32_t row_bytes, spad_rows;       /* scratchpad */
    uint32_t acc_row_bytes, acc_rows, lanes, semaphores;
    uint32_t array_types; /* bit (1 << tn_dtype) of what the array multiplies */
    uint32_t flags;       /* TN_K_SYS_* below */
    uint32_t numerics;    /* how the array adds, as the register has it; 0: as docs/NUMERICS.md */
    uint32_t segments;    /* of the tables that its functions are looked up in; 0: none */
} tn_k_sys_caps;
enum {
    TN_K_SYS_SEQUENTIAL = 1, /* a column adds its rows one by one from +0, in f32, nearest even */
    TN_K_SYS_MATH = 2,       /* the vector unit has the functions of docs/NUMERICS.md section 9 */
    TN_K_SYS_LDW_TRANSPOSES = 4,
    TN_K_SYS_VECTOR_F32 = 8, /* the vector unit computes in f32, with fma, subnormals kept */
    TN_K_SYS_TABLES = 16     /* it looks those functions up (systolic_lookup.h): FAST alone */
};

/** Where packets go. emit returns false when the stream has to end early (no room, no memory). */
typedef struct tn_k_sys_stream {
    void *self;
    bool (*emit)(void *self, const tn_k_sys_packet *packet);
    bool failed;
} tn_k_sys_stream;

/** One lowering: an op as packets. Pure functions; accepts() sees the params of the op's tn_k_op,
 *  lower() only accepted ones. */
typedef struct tn_k_sys_row {
    const char *name;
    tn_op_kind kind; /* TN_K_PASS */
    bool (*accepts)(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why);
    /* operand: address of each as in params' tn_k_operands; no fence at the end */
    void (*lower)(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out);
    void (*arithmetic)(const void *params, tn_arithmetic *out); /* NULL: nothing deviates */
    uint64_t (*macs)(const void *params);                       /* useful ones; NULL: none */
} tn_k_sys_row;

/* Made by CMake from the files kernels/<op>/<op>_systolic.c. */
extern const tn_k_sys_row *const tn_k_sys_rows[];
extern const uint32_t tn_k_sys_row_count;

static inline void tn_k_sys_put(tn_k_sys_stream *out, tn_k_sys_packet packet)
{
    if (packet.wait_val == 0)
        packet.wait_sem = TN_K_SYS_NONE;
    if (packet.sig_val == 0)
        packet.sig_sem = TN_K_SYS_NONE;
    if (!out->failed && !out->emit(out->self, &packet))
        out->failed = true;
}

static inline uint32_t tn_k_sys_rows_of(const tn_k_sys_caps *caps, uint32_t at, uint64_t bytes)
{
    uint64_t row = at & TN_K_SYS_ACC ? caps->acc_row_bytes : caps->row_bytes;
    return (uint32_t)((bytes + row - 1) / row);
}

/** The arithmetic of the engines over plain floats, one table an ISA; every table gives the same
 *  bits. Values need no alignment. */
typedef struct tn_k_sys_math {
    uint32_t isa; /* TN_K_ISA_* that it needs */
    /* s[i][c] = sum over k ascending of a[i][k] * w[k][c] by fma from +0: a column of the array is
     * a lane, so vectors change no bit. Rows are lda, ldw, lds apart; w and s have columns up to a
     * multiple of TN_K_SYS_PAD. */
    void (*tile)(const float *a, int64_t lda, const float *w, int64_t ldw, int64_t rows, int64_t k,
                 int64_t columns, float *s, int64_t lds);
    /* out[i] = f(x[i], y[i], z[i]) of a kind of TN_ELTWISE_*, comparisons as 1 and 0; out may be x
     */
    void (*map)(uint32_t kind, const float *x, const float *y, const float *z, float a, float b,
                float *out, int64_t n);
    float (*sum)(const float *x, int64_t n); /* reduce and sumsq of docs/NUMERICS.md section 3 */
    float (*sumsq)(const float *x, int64_t n);
    float (*max)(const float *x, int64_t n); /* -Inf for none */
    /* A block of section 7: p from t, -0 where `takes` is 0 or t is -Inf; its maximum, -Inf if no
     * key takes part, and the sum of p. n is at most 128. */
    void (*block)(const float *t, const uint8_t *takes, int64_t n, float *p, float *out_max,
                  float *out_sum);
} tn_k_sys_math;
enum { TN_K_SYS_PAD = 64, TN_K_SYS_BLOCK = 128 };
extern const tn_k_sys_math tn_k_sys_math_baseline, tn_k_sys_math_avx2, tn_k_sys_math_avx512;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel contract: what an op, a variant and a launch are. Pure compute: no OS, no allocation,
 * no globals, no stdio. Every target (cpu, OpenCL, Vulkan, systolic) shares params, accepts and
 * plan; only run differs. */
#ifndef TN_KERNELS_KERNEL_H
#define TN_KERNELS_KERNEL_H

#include <stdbool.h>
#include <tenon/ops.h>
#include <tenon/plan.h>

enum {
    TN_K_OPERANDS = 24,       /* most operands of one op, posts included */
    TN_K_PHASES = 4,          /* steps that need all tasks of the step before */
    TN_K_PARAMS_BYTES = 2048, /* room that a backend gives to an op's params */
    TN_K_NUMBERS = 24         /* a variant's own blocking numbers */
};

/* Marks an array to which a pointer may point that otherwise points to a buffer. OpenCL C has a
 * kind of pointer for each; there the array is put in a buffer, too. */
#ifdef TN_K_OPENCL
#define TN_K_BESIDE __attribute__((tn_beside))
#else
#define TN_K_BESIDE
#endif

/* Instruction sets by tier; a device's bits are cumulative on its architecture. */
enum {
    TN_K_ISA_BASELINE = 1,
    TN_K_ISA_AVX2 = 2,       /* avx2 + fma + f16c */
    TN_K_ISA_AVX512 = 4,     /* f bw dq vl */
    TN_K_ISA_AVX512BF16 = 8, /* + bf16 + vnni */
    TN_K_ISA_AMX = 16,
    TN_K_ISA_NEON = 32,
    TN_K_ISA_NEON_DOT = 64 /* + sdot and udot; part of the tier neon */
};

/** What a variant may know of the device. Immutable after the device is opened. */
typedef struct tn_k_caps {
    uint32_t isa;                                       /* TN_K_ISA_* */
    uint32_t workers;                                   /* tasks that may run at the same time */
    uint32_t l1d_bytes, l2_bytes, l3_bytes, line_bytes; /* per core; l3: this device's share */
    uint32_t task_bytes; /* least work of a task; 0: what suits a thread of a cpu */
    /* Devices that run groups of work-items with memory of their own: most of each; and their names,
     * for tables of what suits whom. */
    uint32_t group_items, local_bytes;
    const char *vendor, *device, *driver;
    /* Memory comes fastest to loads of whole lines and when a page is asked for after the other, at
     * least by several streams side by side. */
    bool page_by_page;
} tn_k_caps;

/* Why a variant refuses: a stable reason id and a sentence; both static strings. */
typedef struct tn_k_why {
    const char *reason, *argument, *text;
} tn_k_why;

/** Operands in the order in which run() gets their pointers. First member of every op's params, so
 *  that a backend can bind roles without knowing the op. An operand's pointer is its buffer plus
 *  the offset given at run; strides come from the op. */
typedef struct tn_k_operands {
    uint32_t count;
    struct {
        uint32_t role, flags; /* tn_role; TN_ARG_* */
    } item[TN_K_OPERANDS];
} tn_k_operands;

/** What plan() decides: tasks, scratch and the variant's own numbers. Plain data. */
typedef struct tn_k_launch {
    uint32_t phases;             /* 1..TN_K_PHASES; 0: nothing to do (an empty output) */
    uint32_t tasks[TN_K_PHASES]; /* independent, no order between them */
    uint64_t shared_bytes;       /* workspace that all tasks see, at its start, 64-byte aligned */
    uint64_t worker_bytes;       /* then this much for each worker, a multiple of 64 */
    uint32_t workers;            /* from caps: worker indices are below this */
    uint32_t pack_role;          /* operand that this variant can take packed, or 0 */
    uint64_t pack_layout;        /* >= 2^32, stable across processes */
    uint64_t pack_bytes;
    uint32_t pack_tasks;
    uint64_t estimate_ns; /* modelled, for choosing among variants of one device */
    int64_t number[TN_K_NUMBERS];
} tn_k_launch;

/** One variant: one file, one row. All entries are pure functions of their arguments, thread-safe,
 *  and static data only. accepts() sees valid params; plan() and run() only accepted ones. */
typedef struct tn_k_variant {
    const char *name; /* "matmul_f32_avx2_6x16": the token in file, symbol, report and bench line */
    uint32_t isa;     /* all of these bits are needed */
    tn_class cls;     /* what it promises; tn_k_serves() says which requests that covers */
    bool (*accepts)(const void *params, const tn_k_caps *caps, tn_k_why *why);
    void (*plan)(const void *params, const tn_k_caps *caps, tn_k_launch *out);
    /* Packs tasks [first, last) of launch->pack_tasks. `from` has the operand's shape; NULL where
     * nothing can be packed. */
    void (*pack)(const tn_k_launch *, const void *params, const tn_tensor *from, const void *src,
                 void *dst, uint32_t first, uint32_t last);
    /* Computes tasks [first, last) of one phase and nothing else. `worker_scratch` is this worker's
     * own worker_bytes. An optional operand that was not given is NULL. */
    void (*run)(const tn_k_launch *, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last);
    /* Fills in what deviates from the strictest arithmetic (tn_plan_arithmetic shows it, tests make
     * their bounds of it); *out is zeroed. NULL: nothing does, all that is rounded is rounded
     * correctly. */
    void (*arithmetic)(const void *params, tn_arithmetic *out);
    /* How the launch has its operands inside, for people: which are read where they lie, and the
     * form of those that are moved first. Static text, below 160 characters. NULL: all are read
     * where they lie. */
    const char *(*layouts)(const tn_k_launch *, const void *params);
} tn_k_variant;

/** The id of a packed form by its name, FNV-1a: rows that share the form share the id. */
static inline uint64_t tn_k_layout_id(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * 0x100000001b3u;
    return h | (uint64_t)1 << 63;
}

/** One op: how its params come from a validated tn_op, and the rows of the cpu target, from
 *  reference to best. */
typedef struct tn_k_op {
    tn_op_kind kind; /* of another pass than forward: TN_K_PASS of it */
    const char *name;
    size_t params_bytes; /* <= TN_K_PARAMS_BYTES */
    /* false + why: no kernel of this op takes such a call (dtype, rank, flag) */
    bool (*params)(const tn_op *op, void *out_params, tn_k_why *why);
    const tn_k_variant *const *variants;
    uint32_t variant_count;
} tn_k_op;

/** Whether a kernel of class `have` may serve a request for class `want`: EXACT kernels serve all,
 *  CANONICAL all but EXACT, BOUNDED itself and FAST, FAST only FAST. */
static inline bool tn_k_serves(tn_class have, tn_class want)
{
    switch (have) {
    case TN_CLASS_EXACT:
        return true;
    case TN_CLASS_CANONICAL:
        return want != TN_CLASS_EXACT;
    case TN_CLASS_BOUNDED:
        return want == TN_CLASS_BOUNDED || want == TN_CLASS_FAST;
    default:
        return want == TN_CLASS_FAST;
    }
}

/* Each pass of an op has rows and params of its own. */
#define TN_K_PASS(kind, pass) ((tn_op_kind)((uint32_t)(kind) + ((uint32_t)(pass) << 8)))

/** The pass that an op asks for. */
static inline uint32_t tn_k_pass(const tn_op *op)
{
    switch (op->attr == NULL ? 0 : op->kind) {
    case TN_OP_CONV:
        return ((const tn_conv *)op->attr)->pass;
    case TN_OP_ATTENTION:
        return ((const tn_attention *)op->attr)->pass;
    case TN_OP_SOFTMAX:
        return ((const tn_softmax *)op->attr)->pass;
    case TN_OP_NORM:
        return ((const tn_norm *)op->attr)->pass;
    case TN_OP_ELTWISE:
        return ((const tn_eltwise *)op->attr)->pass;
    case TN_OP_GATHER:
        return (((const tn_axis *)op->attr)->flags & TN_GATHER_BACKWARD) != 0
                   ? TN_PASS_BACKWARD_DATA
                   : TN_PASS_FORWARD;
    default:
        return TN_PASS_FORWARD;
    }
}

/* Made by CMake from the folders of kernels/ that have an <op>_op.c. */
extern const tn_k_op *const tn_k_ops[];
extern const uint32_t tn_k_op_count;

#endif

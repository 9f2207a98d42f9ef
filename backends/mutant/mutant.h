/* SPDX-License-Identifier: Apache-2.0 */
/* The cpu device with one known defect: what the conformance suite is measured with. `mutant:ID`
 * has the defect ID, `mutant` none; its children are all of them, with what each does in their
 * info. */
#ifndef TN_BACKEND_MUTANT_H
#define TN_BACKEND_MUTANT_H

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <tenon/backend.h>
#include <tenon/tenon.h>

enum { MUTANT_ARGS = 24, MUTANT_POSTS = 8 };

/* An op that can be changed. */
typedef struct mutant_op {
    tn_op op;
    union {
        tn_head head;
        tn_matmul matmul;
        tn_conv conv;
        tn_attention attention;
        tn_softmax softmax;
        tn_norm norm;
        tn_reduce reduce;
        tn_eltwise eltwise;
        tn_pool pool;
        tn_axis axis;
        tn_rope rope;
        tn_window window;
        unsigned char room[512];
    } attr;
    tn_arg args[MUTANT_ARGS];
    tn_post posts[MUTANT_POSTS];
    int64_t shift[MUTANT_ARGS]; /* elements that an operand begins later */
    const char *kernel;         /* of the child, NULL: its choice */
} mutant_op;

/* What a plan remembers of its launches. */
typedef struct mutant_memo {
    unsigned char *bytes;
    uint64_t size, key, runs;
} mutant_memo;

typedef struct mutant_run {
    const struct mutant_plan *plan;
    const tn_host *host;
    mutant_memo *memo;
    bool other_queue;                 /* not the first of the device */
    bool crowded;                     /* another run is under way on the device */
    uint64_t launch;                  /* counts launches of the device */
    tn_buffer *buffer[MUTANT_ARGS];   /* in the order of the op's args */
    uint64_t offset[MUTANT_ARGS];     /* bytes */
    unsigned char *data[MUTANT_ARGS]; /* where the operand lies */
    int64_t room[MUTANT_ARGS];        /* bytes behind it in its buffer */
    tn_buffer *scratch[MUTANT_ARGS];  /* takes the place of an operand for the child */
    unsigned char *scratch_data[MUTANT_ARGS];
} mutant_run;

/* Defects of what moves data and orders work, by mutant_defect.hal. */
enum {
    MUTANT_NONE,
    MUTANT_EARLY_FENCE,
    MUTANT_COPY_OFFSET,
    MUTANT_COPY_LENGTH,
    MUTANT_OLD_PARAMS,
    MUTANT_STALE_MAP,
    MUTANT_CLAIMS_ALL,
    MUTANT_HUGE_BUFFER,
    MUTANT_ADDRESS_LINE,
    MUTANT_HANG,
    MUTANT_WRITE_ALIGN,
    MUTANT_FILL_PATTERN,
    MUTANT_READ_ODD,
    MUTANT_CRASH,
    MUTANT_LOST_WRITE,
    MUTANT_PAGE,
    MUTANT_DATA_LINE,
    MUTANT_CALLS,
    MUTANT_LATE_MAP,
    MUTANT_PLAN_BY_SHAPE,
    MUTANT_MANY_BUFFERS,
    MUTANT_MANY_BYTES,
    MUTANT_RECORD,
    MUTANT_PACK,
    MUTANT_IMPORT,
    MUTANT_ANY_KERNEL
};

typedef struct mutant_defect {
    const char *id, *family, *text;
    uint32_t kind; /* tn_op_kind that it is about; 0: any */
    /* Changes the op that the child gets; false: this op does not meet the defect. */
    bool (*bend)(mutant_op *o, int param);
    /* Instead of the child; applies only to ops that `bend`, where there is one, has taken. */
    void (*compute)(mutant_run *r, int param);
    void (*before)(mutant_run *r, int param);
    void (*after)(mutant_run *r, int param);
    int param, hal;
    bool declares_flush;    /* no defect: the plan's arithmetic says what is done */
    const char *equivalent; /* why no call can tell it from the right device; NULL: it can */
} mutant_defect;

/* Tables of defects, each ending with a row without id. */
extern const mutant_defect tn__mutant_matmul[], tn__mutant_ops[], tn__mutant_rows[],
    tn__mutant_hal[], tn__mutant_seldom[], tn__mutant_subtle[], tn__mutant_launches[],
    tn__mutant_stress[], tn__mutant_classes[], tn__mutant_order[];
const mutant_defect *tn__mutant_find(const char *id);
const mutant_defect *tn__mutant_at(uint32_t index); /* NULL past the last */
uint32_t tn__mutant_count(void);

typedef struct mutant_device {
    const tn_host *host;
    void *token;
    tn_device *child;
    const mutant_defect *defect;      /* NULL: none */
    uint64_t launches, plans, queues; /* plans: alive; queues: made so far */
    uint64_t alive, buffers, bytes;   /* queues, buffers and their bytes that are alive */
    struct mutant_buffer *newest;     /* whose memory a defect uses again; NULL: none */
    uint64_t running;                 /* runs under way */
    uint64_t met;                     /* plans alive that meet the defect */
    bool refused;                     /* a plan with a kernel of its own was */
    struct {
        const tn_buffer *buffer;
        uint64_t offset;
        tn_tensor tensor;
    } written[16];   /* outputs of late, by their buffer's address */
    mutant_op known; /* MUTANT_PLAN_BY_SHAPE: the op of the plan before */
    pthread_t late;  /* work that was reported before it was done */
    bool is_late;
    pthread_mutex_t mutex; /* guards: all that changes above */
} mutant_device;

typedef struct mutant_buffer {
    mutant_device *device;
    tn_buffer *child;
    unsigned char *data, *stale;
    uint64_t bytes;
    bool imported; /* its memory is the host's */
} mutant_buffer;

typedef struct mutant_plan {
    mutant_device *device;
    tn_plan *child;
    mutant_op right, bent;
    const mutant_defect *defect; /* NULL: this op does not meet it */
    struct mutant_plan *before;  /* MUTANT_OLD_PARAMS */
    mutant_memo memo;
} mutant_plan;

tn_status tn__mutant_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                                 tn_choice_fn fn, void *self, void **out,
                                 const tn_plan_ops **out_ops);
/* Runs a plan with its buffers on the child's queue, and waits. */
tn_status tn__mutant_run(mutant_device *d, tn_queue *queue, mutant_plan *p, const tn_work *w,
                         bool other_queue);
void *tn__mutant_take(const tn_host *host, size_t bytes); /* zeroed */
void tn__mutant_give(const tn_host *host, void *p, size_t bytes);
void tn__mutant_join(mutant_device *d);

#define MUTANT_FAIL(host, status, reason, ...)                                                     \
    (host)->fail(status, reason, __FILE__, __LINE__, __VA_ARGS__)

/* ---- for the tables ---- */
tn_tensor *tn__mutant_tensor(mutant_op *o, uint32_t role); /* NULL: not given */
int tn__mutant_index(const mutant_op *o, uint32_t role);   /* -1: not given */
bool tn__mutant_is_output(const mutant_op *o, uint32_t role);
double tn__mutant_load(const mutant_run *r, uint32_t role, int64_t at); /* element */
void tn__mutant_store(const mutant_run *r, uint32_t role, int64_t at, double v);
int64_t tn__mutant_count_of(const tn_tensor *t);
int64_t tn__mutant_offset(const tn_tensor *t, int64_t n); /* of element n in row-major order */
int64_t tn__mutant_span(const tn_tensor *t);
/* Numbers of fewer bits: 24, 14, 11 or 8 significand bits, to nearest or toward zero. */
float tn__mutant_round(double v, int bits, bool nearest);
float tn__mutant_f16(double v);
/* Stores v in a type, rounding toward zero (0) or half away from zero (1). */
void tn__mutant_store_round(uint32_t dtype, void *to, int64_t at, double v, int how);
/* Spoils the last element of the output; `which` is a defect's param and counts for nothing. */
void tn__mutant_spoil_last(mutant_run *r, int which);
/* An output in f32 that `after` turns into the type of the call. */
bool tn__mutant_wide_output(mutant_op *o);

#endif

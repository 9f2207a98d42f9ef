/* SPDX-License-Identifier: Apache-2.0 */
/* One case on one device: memory with guards and poison, the launches, the verdict. */
#ifndef TN_CONFORMANCE_EXECUTE_H
#define TN_CONFORMANCE_EXECUTE_H

#include <conformance/cases/cases.h>
#include <tenon/tenon.h>

typedef enum tn_v_status {
    TN_V_PASS,
    TN_V_FAIL,
    TN_V_QUALITY,       /* within its bound, but more errors than such arithmetic makes */
    TN_V_NOT_SUPPORTED, /* the device says so */
    TN_V_WAIVED,
    TN_V_UNEXPECTED_PASS, /* a waiver says that it must fail */
    TN_V_FLAKE,           /* failed, and passed when it was tried again */
    TN_V_CRASH,
    TN_V_TIMEOUT,
    TN_V_INTERNAL, /* the suite itself: no oracle, no memory */
    TN_V_STATUS_COUNT
} tn_v_status;
extern const char *const tn_v_status_names[TN_V_STATUS_COUNT];

struct tn_v_job;
struct tn_v_result;
/* Who looks at a case on its way, or changes its data; a NULL entry is left out. */
typedef struct tn_v_watch {
    void *self;
    void (*made)(void *self, struct tn_v_job *job);        /* the inputs have values */
    void (*ready)(void *self, const struct tn_v_job *job); /* before the first launch */
    void (*judged)(void *self, const struct tn_v_job *job, const struct tn_v_result *r);
} tn_v_watch;

/* The attribute of any op, to be changed. */
typedef union tn_v_attribute {
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
} tn_v_attribute;

typedef struct tn_v_session {
    tn_runtime *runtime;
    tn_device *device;
    tn_queue *queue, *other; /* other NULL: the device has one queue */
    tn_fence *fence[2];      /* between them */
    uint64_t lap;            /* what they have reached */
    char uri[128];
    uint64_t timeout_ns;     /* of one launch; tn_v_wait_idle */
    bool explain;            /* look for the hypothesis of a failure */
    const tn_v_watch *watch; /* NULL: nobody */
    struct tn_v_bed *bed;    /* of wrong calls, made when the first is tried */
} tn_v_session;

typedef struct tn_v_result {
    tn_v_status status;
    char message[480], hypothesis[120], kernel[96], digest[17];
    double ratio, rms, bias; /* largest error over bound; normalised */
    double rms_limit, terms; /* what rms was held to, and of how long sums; 0: to nothing */
    double run_s, verify_s;
    int64_t elements, wrong;
    int bits; /* of the declared accumulator; 0: no plan was made */
    bool nearest;
    char worst[160];
} tn_v_result;

/** Open a device for a run.
 *  returns   false with the reason in `why` */
bool tn_v_open(const char *uri, tn_v_session *s, char *why, size_t why_bytes);
void tn_v_close(tn_v_session *s);
/* Waits as long as the session's limit allows (tn_v_waits); as tn_queue_wait_idle, tn_fence_wait. */
tn_status tn_v_wait_idle(const tn_v_session *s, tn_queue *queue);
tn_status tn_v_wait_point(const tn_v_session *s, const tn_point *point);
void tn_v_drop_bed(struct tn_v_bed *bed); /* NULL is accepted */

void tn_v_run(tn_v_session *s, const tn_v_case *c, tn_v_result *out);

/* ---- shared by the files of one run ---- */
enum { TN_V_GUARD = 256 };
typedef struct tn_v_image {
    unsigned char *bytes, *before; /* what came back; what was sent */
    uint64_t total, guard, elem;
    int64_t elems;
    bool output;
    double *values; /* row-major, inputs */
    double *decoded;
    unsigned char *ours; /* outputs: 1 where an element lies, 0 in the gaps */
} tn_v_image;

typedef struct tn_v_job {
    tn_v_session *session;
    const tn_v_case *which;
    const tn_op *op;
    tn_v_call call;
    tn_v_plan data;
    tn_arithmetic declared;
    tn_v_image image[TN_V_ARGS];
    tn_v_truth truth[TN_V_ARGS];
    int truths;
    /* The same with subnormal inputs kept, where the device declares that it may take them for 0;
     * otherwise none. */
    tn_v_truth kept[TN_V_ARGS];
    int kept_truths;
    bool unstable; /* launches differ */
} tn_v_job;

/* Element `n` (row-major) of a tensor, counted from its first. */
int64_t tn_v_offset(const tn_tensor *t, int64_t n);
/* Element `n` (row-major) of output `t` among the bytes that came back. */
const unsigned char *tn_v_element(const tn_v_job *job, const tn_v_truth *t, int64_t n);
/* Whether one element is right; *ratio: error over bound. */
bool tn_v_right(const tn_v_job *job, const tn_v_truth *t, int64_t n, double *ratio);
void tn_v_judge(tn_v_job *job, tn_v_result *out);
/* Names the defect that would give these bits; "" where none does. */
void tn_v_hypothesis(tn_v_job *job, tn_v_result *out);
/* Cases that are no single op (lowlevel.h), by name; false: no such case. */
bool tn_v_lowlevel(tn_v_session *s, const tn_v_case *c, tn_v_result *out);
bool tn_v_is_lowlevel(const char *op);
/* Whether the same op with another seed is another case. */
bool tn_v_takes_seed(const char *op);

#endif

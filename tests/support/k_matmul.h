/* SPDX-License-Identifier: Apache-2.0 */
/* Random matmul calls of every float type, run by kernel rows and judged by their class: the bits
 * of the plain canonical kernel, or a bound made of the declared arithmetic. */
#ifndef TN_TESTS_SUPPORT_K_MATMUL_H
#define TN_TESTS_SUPPORT_K_MATMUL_H

#include "k_rows.h"
#include <kernels/common/widen.h>
#include <kernels/matmul/matmul.h>
#include <math.h>

extern const tn_k_op tn_k_op_matmul;
extern const tn_k_variant tn_k_matmul_canonical;

enum { GUARD = 64, OPERANDS = 9 };
enum { POISON = 0xff }; /* bytes of it are a NaN in every float type */

typedef struct slab {
    tn_tensor tensor;
    unsigned char *memory; /* GUARD elements, span elements, GUARD elements */
    int64_t span, start, size;
} slab;

/* Types of a and b, and of out; operands of posts and c are f32 or out's. */
typedef struct types {
    tn_dtype a, b, out;
} types;

typedef struct call {
    slab arg[OPERANDS]; /* a, b, c, out, then posts */
    tn_arg args[OPERANDS];
    tn_post posts[5];
    tn_matmul attr;
    tn_op op;
    types type;
    int64_t m, n, k;
} call;

static inline float random_float(uint64_t *state)
{
    uint64_t r = tn_test_random(state);
    return ((float)(r & 0xffffff) - 8388608.0f) * 0x1p-23f * (r >> 60 == 0 ? 64.0f : 1.0f);
}

/* Element i (row-major) of a tensor, as an index into its memory. */
static inline int64_t place(const slab *o, int64_t i)
{
    int64_t at = o->start;
    for (int d = o->tensor.rank; d-- > 0;) {
        at += i % o->tensor.dim[d] * o->tensor.stride[d];
        i /= o->tensor.dim[d];
    }
    return at;
}

static inline int64_t elements(const tn_tensor *t)
{
    int64_t n = 1;
    for (int d = 0; d < t->rank; d++)
        n *= t->dim[d];
    return n;
}

static inline double at_place(const slab *o, int64_t at)
{
    return tn_c_load(o->tensor.dtype, o->memory, at).f;
}

static inline void *start(const slab *o)
{
    return o->memory + o->start * o->size;
}

static inline size_t memory_bytes(const slab *o)
{
    return (size_t)((o->span + 2 * GUARD) * o->size);
}

/* Random order of dimensions and random gaps; NaN wherever no element lies. */
static inline void make(slab *o, tn_dtype type, int rank, const int64_t *dim, bool dense,
                        uint64_t *state)
{
    memset(o, 0, sizeof *o);
    o->tensor.dtype = (uint16_t)type;
    o->size = tn_k_float_bytes(type);
    o->tensor.rank = (uint16_t)rank;
    int order[TN_MAX_RANK];
    for (int d = 0; d < rank; d++)
        order[d] = rank - 1 - d;
    for (int d = rank; !dense && d-- > 1;) {
        int e = (int)(tn_test_random(state) % (uint64_t)(d + 1)), x = order[d];
        order[d] = order[e];
        order[e] = x;
    }
    int64_t pitch = !dense && tn_test_random(state) % 4 == 0 ? 2 : 1;
    for (int i = 0; i < rank; i++) {
        int d = order[i];
        o->tensor.dim[d] = dim[d];
        o->tensor.stride[d] = pitch;
        pitch *= dim[d] > 0 ? dim[d] : 1;
        if (!dense)
            pitch += (int64_t)(tn_test_random(state) % 4);
    }
    o->span = pitch;
    o->memory = malloc(memory_bytes(o));
    o->start = GUARD;
    memset(o->memory, POISON, memory_bytes(o));
    for (int64_t i = 0, n = elements(&o->tensor); i < n; i++)
        tn_k_narrow(type, o->memory, place(o, i), random_float(state));
}

static inline void poison(slab *o)
{
    memset(o->memory, POISON, memory_bytes(o));
}

static inline tn_dtype other_type(const call *c, uint64_t *state)
{
    return tn_test_random(state) % 2 ? TN_F32 : c->type.out;
}

static inline void free_call(call *c)
{
    for (int i = 0; i < OPERANDS; i++)
        free(c->arg[i].memory);
}

static inline void add_arg(call *c, uint32_t role, int index)
{
    tn_arg *arg = &c->args[c->op.arg_count++];
    *arg = (tn_arg){.role = role, .tensor = c->arg[index].tensor};
}

static inline void make_call(call *c, types type, int64_t m, int64_t n, int64_t k, bool plain,
                             uint64_t *state)
{
    memset(c, 0, sizeof *c);
    c->type = type;
    c->m = m, c->n = n, c->k = k;
    c->attr.head = (tn_head){sizeof(tn_matmul), TN_TYPE_tn_matmul, NULL};
    c->op = (tn_op){.head = {sizeof(tn_op), TN_TYPE_tn_op, NULL},
                    .kind = TN_OP_MATMUL,
                    .attr = &c->attr,
                    .args = c->args,
                    .posts = c->posts};
    int rank = plain ? 2 : 2 + (int)(tn_test_random(state) % 3);
    int64_t out[TN_MAX_RANK], a[TN_MAX_RANK], b[TN_MAX_RANK], other[TN_MAX_RANK];
    bool small = m * n * k < 40000;
    for (int d = 0; d < rank - 2; d++) {
        out[d] = 1 + (int64_t)(tn_test_random(state) % (small ? 4 : 2));
        a[d] = tn_test_random(state) % 4 ? out[d] : 1;
        b[d] = a[d] == 1 || tn_test_random(state) % 2 ? out[d] : 1;
    }
    c->attr.flags = plain ? 0 : (uint32_t)(tn_test_random(state) % 4);
    bool ta = c->attr.flags & TN_MATMUL_TRANSPOSE_A, tb = c->attr.flags & TN_MATMUL_TRANSPOSE_B;
    a[rank - 2] = ta ? k : m, a[rank - 1] = ta ? m : k;
    b[rank - 2] = tb ? n : k, b[rank - 1] = tb ? k : n;
    out[rank - 2] = m, out[rank - 1] = n;
    bool dense = plain || tn_test_random(state) % 2;
    make(&c->arg[0], type.a, rank, a, dense, state);
    make(&c->arg[1], type.b, rank, b, plain || tn_test_random(state) % 2, state);
    make(&c->arg[3], type.out, rank, out, plain || tn_test_random(state) % 2, state);
    add_arg(c, TN_ARG_A, 0);
    add_arg(c, TN_ARG_B, 1);
    static const float factors[] = {1.0f, -0.5f, 3.0f, 0.0f, -0.0f};
    if (!plain && tn_test_random(state) % 3 == 0) {
        for (int d = 0; d < rank; d++)
            other[d] = tn_test_random(state) % 3 ? out[d] : 1;
        make(&c->arg[2], other_type(c, state), rank, other, false, state);
        c->attr.flags |= TN_MATMUL_BETA;
        c->attr.beta = factors[tn_test_random(state) % 5];
        if (c->attr.beta == 0.0f)
            poison(&c->arg[2]);
        add_arg(c, TN_ARG_C, 2);
    }
    if (!plain && tn_test_random(state) % 3 == 0) {
        c->attr.flags |= TN_MATMUL_ALPHA;
        c->attr.alpha = factors[tn_test_random(state) % 5];
    }
    add_arg(c, TN_ARG_OUT, 3);
    uint32_t posts = plain ? 0 : (uint32_t)(tn_test_random(state) % 5);
    for (uint32_t i = 0; i < posts; i++) {
        tn_post *q = &c->posts[c->op.post_count++];
        q->kind = (tn_post_kind)(1 + tn_test_random(state) % 9);
        q->a = random_float(state);
        q->b = q->a + 1.5f;
        if (q->kind > TN_POST_MUL)
            continue;
        int post_rank = rank;
        for (int d = 0; d < rank; d++)
            other[d] = tn_test_random(state) % 3 ? out[d] : 1;
        if (q->kind == TN_POST_BIAS) {
            post_rank = 1;
            other[0] = n;
        }
        make(&c->arg[4 + i], other_type(c, state), post_rank, other, false, state);
        q->role = TN_ARG_POST0 + i;
        add_arg(c, q->role, (int)(4 + i));
    }
}

static inline void *aligned(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    memset(p, 0xff, (bytes + 127) / 64 * 64);
    return p;
}

static inline void bind(const call *c, const tn_k_matmul *p, void **pointers, void *b)
{
    for (uint32_t i = 0; i < p->operands.count; i++) {
        uint32_t role = p->operands.item[i].role;
        int index = role == TN_ARG_A     ? 0
                    : role == TN_ARG_B   ? 1
                    : role == TN_ARG_C   ? 2
                    : role == TN_ARG_OUT ? 3
                                         : 4 + (int)(role - TN_ARG_POST0);
        pointers[i] = start(&c->arg[index]);
    }
    if (b != NULL)
        pointers[1] = b;
}

/* Runs a variant with its tasks in random order on random workers. false: it refuses. */
static inline bool run_variant(const tn_k_variant *v, const call *c, const tn_k_matmul *p,
                               uint32_t workers, void *packed, uint64_t *state)
{
    tn_k_caps caps = {tn_t_isa(),
                      workers,
                      32 << 10,
                      512 << 10,
                      8 << 20,
                      64,
                      .page_by_page = tn_test_random(state) % 2 == 0};
    tn_k_launch launch;
    tn_k_why why;
    void *pointers[TN_K_OPERANDS];
    if (!v->accepts(p, &caps, &why))
        return false;
    v->plan(p, &caps, &launch);
    bind(c, p, pointers, packed);
    char *shared = aligned(launch.shared_bytes);
    char *scratch = aligned((launch.worker_bytes + 64) * workers);
    for (uint32_t phase = 0; phase < launch.phases; phase++) {
        uint32_t n = launch.tasks[phase];
        uint32_t *order = malloc((n + 1) * sizeof *order);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t j = (uint32_t)(tn_test_random(state) % (i + 1));
            order[i] = order[j];
            order[j] = i;
        }
        for (uint32_t i = 0; i < n; i++)
            v->run(&launch, p, pointers, shared,
                   scratch + launch.worker_bytes * (tn_test_random(state) % workers), phase,
                   order[i], order[i] + 1);
        free(order);
    }
    free(shared);
    free(scratch);
    return true;
}

/* Same bits everywhere, padding and guards included (they hold the poison in both). */
static inline bool same_bits(const call *c, const unsigned char *expected)
{
    const slab *o = &c->arg[3];
    if (memcmp(o->memory, expected, memory_bytes(o)) == 0)
        return true;
    for (int64_t i = 0; i < o->span + 2 * GUARD; i++) {
        double x = at_place(o, i), y = tn_c_load(o->tensor.dtype, expected, i).f;
        if (memcmp(o->memory + i * o->size, expected + i * o->size, (size_t)o->size) != 0 &&
            (x == x || y == y))
            return false;
    }
    return true;
}

/* Whatever is no element of the output still holds the poison. */
static inline bool only_elements_written(call *c)
{
    slab *o = &c->arg[3];
    bool clean = true;
    for (int64_t i = 0, n = elements(&o->tensor); i < n; i++)
        memset(o->memory + place(o, i) * o->size, POISON, (size_t)o->size);
    for (size_t i = 0; i < memory_bytes(o); i++)
        clean = clean && o->memory[i] == POISON;
    return clean;
}

/* A float64 value and how far the f32 value that stands for it may be off. */
typedef struct value {
    double y, error;
} value;

static const double unit = 0x1p-24,
                    smallest = 0x1p-149; /* half an ulp, relative; least subnormal */

/* One rounding of an operation whose exact result would be y +- error. */
static inline value rounded(double y, double error)
{
    return (value){y, error + unit * (fabs(y) + error) + smallest};
}

static inline double function_ref(uint32_t kind, double x)
{
    static const double two_over_pi_root = 0.79788456080286535588;
    switch (kind) {
    case TN_POST_GELU:
        return x * 0.5 * erfc(-x * 0.70710678118654752440);
    case TN_POST_GELU_TANH:
        return x / (1 + exp(-2 * two_over_pi_root * (x + 0.044715 * x * x * x)));
    default:
        return x / (1 + exp(-x));
    }
}

/* Largest slope of a function: mean slopes over steps of h, which miss the largest by at most h/2
 * times the largest second derivative (2 phi(0) < 1 for gelu, gelu by tanh 0.9, silu 1/2); beyond
 * +-16 all of them are 0 or x but for 2^-20. */
static inline double steepest(uint32_t kind)
{
    static double known[TN_POST_SILU + 1];
    const double h = 0x1p-10;
    if (known[kind] == 0) {
        double most = 1 + 0x1p-20;
        for (double x = -16; x < 16; x += h)
            most = fmax(most, fabs(function_ref(kind, x + h) - function_ref(kind, x)) / h);
        known[kind] = most + h;
    }
    return known[kind];
}

/* One step of the epilogue; r: its operand, where it has one; ulp: what the row declares of its
 * functions. */
static inline value step(value x, const tn_k_matmul_post *q, double r, double ulp)
{
    switch (q->kind) {
    case TN_POST_BIAS:
    case TN_POST_ADD:
        return rounded(x.y + r, x.error);
    case TN_POST_MUL:
        return rounded(x.y * r, x.error * fabs(r));
    case TN_POST_SCALE:
        return rounded(x.y * (double)q->a, x.error * fabs((double)q->a));
    case TN_POST_CLAMP: /* exact, slope at most 1 */
        return (value){fmin(fmax(x.y, (double)q->a), (double)q->b), x.error};
    case TN_POST_RELU:
        return (value){fmax(x.y, 0), x.error};
    default: {
        double y = function_ref(q->kind, x.y), error = steepest(q->kind) * x.error;
        return (value){y, error + ulp * fmax(2 * unit * (fabs(y) + error), smallest)};
    }
    }
}

static inline double element(const call *c, const tn_k_matmul *p, int32_t index, int64_t offset)
{
    uint32_t role = p->operands.item[index].role;
    const slab *o = &c->arg[role == TN_ARG_C ? 2 : 4 + (int)(role - TN_ARG_POST0)];
    return at_place(o, o->start + offset);
}

/* Half an ulp, relative, half the least subnormal and the largest value of a type. */
typedef struct format {
    double unit, tiny, most;
} format;

static inline format format_of(uint32_t type)
{
    switch (type) {
    case TN_BF16:
        return (format){0x1p-8, 0x1p-134, 0x1.fep127};
    case TN_F16:
        return (format){0x1p-11, 0x1p-25, 65504};
    case TN_F8E4M3:
        return (format){0x1p-4, 0x1p-10, 448};
    case TN_F8E5M2:
        return (format){0x1p-3, 0x1p-17, 57344};
    default: /* the last operation has rounded already */
        return (format){0, 0, 0x1.fffffep127};
    }
}

/* The largest magnitude of an operand. */
static inline double largest(const slab *o)
{
    double most = 0;
    for (int64_t i = 0, n = elements(&o->tensor); i < n; i++)
        most = fmax(most, fabs(at_place(o, place(o, i))));
    return most;
}

/* What zeros in the place of subnormals do to a dot: of operands, below 2^-126 times the other one,
 * or of both; of products and sums, below 2^-126 each. */
static inline double flushed(const tn_arithmetic *a, const call *c, const tn_k_matmul *p)
{
    double least = 0x1p-126, in = largest(&c->arg[0]) + largest(&c->arg[1]) + least;
    return (double)p->k * least * ((a->flush_in ? in : 0) + (a->flush_out ? 2 : 0));
}

/* Every output within a bound that follows from the declared arithmetic. The dot: |y - ref| <=
 * gamma_K sum|a||b| + K subnormal units, gamma_K = K u / (1 - K u), in any order (Higham, Accuracy
 * and Stability, 3.1; one more for the sum of chunks). Then step by step: slope times the error so
 * far, one rounding, or the function's error. */
static inline bool inside_bound(const tn_k_variant *v, const call *c, const tn_k_matmul *p)
{
    size_t n = (size_t)(p->batch_count * p->m * p->n), at = 0;
    tn_arithmetic a = {.head = TN_INIT(tn_arithmetic)};
    if (v->arithmetic != NULL)
        v->arithmetic(p, &a);
    TN_REQUIRE(a.product == 0 && a.accumulate == 0 && a.transform == 0,
               " %s declares what this bound does not know", v->name);
    double *dot = malloc((n + 1) * sizeof *dot), *magnitude = malloc((n + 1) * sizeof *magnitude);
    tn_k_matmul_ref(p, start(&c->arg[0]), start(&c->arg[1]), dot, magnitude);
    format f = format_of(p->out_type);
    double ku = (double)(p->k + 1) * unit, gamma = ku / (1 - ku), flush = flushed(&a, c, p);
    bool inside = true;
    for (int64_t z = 0; z < p->batch_count; z++) {
        tn_k_matmul_item item;
        tn_k_matmul_locate(p, z, &item);
        for (int64_t ij = 0; ij < p->m * p->n; ij++, at++) {
            int64_t i = ij / p->n, j = ij % p->n;
            value x = {dot[at], gamma * magnitude[at] + (double)p->k * smallest + flush};
            if (p->alpha != 1.0f)
                x = rounded((double)p->alpha * x.y, fabs((double)p->alpha) * x.error);
            if (p->c >= 0) {
                double other = element(c, p, p->c, item.c + i * p->c_view.row + j * p->c_view.col);
                x = rounded(fma((double)p->beta, other, x.y), x.error);
            }
            for (uint32_t s = 0; s < p->post_count; s++) {
                const tn_k_matmul_post *q = &p->post[s];
                double r = q->operand < 0
                               ? 0
                               : element(c, p, q->operand,
                                         item.post[s] + i * q->view.row + j * q->view.col);
                x = step(x, q, r, (double)a.exp_ulp);
            }
            const slab *out = &c->arg[3];
            double y = at_place(out, place(out, (int64_t)at));
            x.error += f.unit * (fabs(x.y) + x.error) + f.tiny;
            /* Beyond the type's range there is nothing to be near to. */
            inside = inside && (fabs(y - x.y) <= x.error || fabs(x.y) + x.error > f.most);
        }
    }
    free(dot);
    free(magnitude);
    return inside;
}

static inline void *pack_b(const tn_k_variant *v, call *c, tn_k_matmul *p, uint64_t *state)
{
    tn_k_caps caps = {tn_t_isa(), 3, 32 << 10, 512 << 10, 8 << 20, 64};
    tn_k_launch launch;
    tn_k_why why;
    if (!v->accepts(p, &caps, &why)) /* of another type than b's, perhaps: not to be read */
        return NULL;
    v->plan(p, &caps, &launch);
    if (launch.pack_role == 0)
        return NULL;
    TN_EXPECT(launch.pack_role == TN_ARG_B && launch.pack_layout >= UINT64_C(1) << 32, " layout");
    void *packed = aligned(launch.pack_bytes);
    uint32_t cut = launch.pack_tasks ? (uint32_t)(tn_test_random(state) % launch.pack_tasks) : 0;
    const slab *b = &c->arg[1];
    v->pack(&launch, p, &b->tensor, start(b), packed, cut, launch.pack_tasks);
    v->pack(&launch, p, &b->tensor, start(b), packed, 0, cut);
    c->args[1].flags = TN_ARG_PACKED;
    TN_EXPECT(tn_k_op_matmul.params(&c->op, p, &why), " packed params");
    c->args[1].flags = 0;
    return packed;
}

enum { MOST_ROWS_OF_OP = 128 };
static uint32_t tried[MOST_ROWS_OF_OP]; /* runs of the op's rows */

/* Rows for a b of the type that this cpu can run, and that no call came to. */
static inline void expect_tried(const char *token)
{
    char part[32];
    (void)snprintf(part, sizeof part, "matmul_%s_", token);
    for (uint32_t i = 0; i < tn_k_op_matmul.variant_count; i++) {
        const tn_k_variant *v = tn_k_op_matmul.variants[i];
        if ((v->isa & ~tn_t_isa()) == 0 && strncmp(v->name, part, strlen(part)) == 0)
            TN_EXPECT(tried[i] > 0, " %s took no call", v->name);
    }
}

/* Returns how often it ran. */
static inline int check_variant(const tn_k_variant *v, call *c, const unsigned char *expected,
                                uint64_t *state)
{
    int runs = 0;
    tn_k_matmul p;
    tn_k_why why;
    for (int packed = 0; packed < 2; packed++) {
        TN_EXPECT(tn_k_op_matmul.params(&c->op, &p, &why), " params");
        tn_k_matmul unpacked = p;
        void *b = NULL;
        if (packed && (v->pack == NULL || (b = pack_b(v, c, &p, state)) == NULL))
            continue;
        uint32_t workers = 1 + (uint32_t)(tn_test_random(state) % 5);
        poison(&c->arg[3]);
        if (run_variant(v, c, &p, workers, b, state)) {
            runs++;
            if (v->cls == TN_CLASS_CANONICAL)
                TN_EXPECT(same_bits(c, expected),
                          " %s %" PRId64 "x%" PRId64 "x%" PRId64
                          " types %d %d %d flags %u posts %u packed %d",
                          v->name, c->m, c->n, c->k, c->type.a, c->type.b, c->type.out,
                          c->attr.flags, c->op.post_count, packed);
            else
                TN_EXPECT(inside_bound(v, c, &unpacked) && only_elements_written(c),
                          " %s %" PRId64 "x%" PRId64 "x%" PRId64
                          " types %d %d %d flags %u posts %u packed %d",
                          v->name, c->m, c->n, c->k, c->type.a, c->type.b, c->type.out,
                          c->attr.flags, c->op.post_count, packed);
        }
        free(b);
    }
    return runs;
}

/* Every row that takes the call, and `more`, against its class; the plain kernel's output makes the
 * bits. `bounded`: the plain kernel has to be within its bound, too. */
static inline void check_call(call *c, const tn_k_variant *more, bool bounded, uint64_t *state)
{
    int runs = 0;
    tn_k_matmul p;
    tn_k_why why;
    TN_REQUIRE(tn_k_op_matmul.params(&c->op, &p, &why), " params");
    poison(&c->arg[3]);
    run_variant(&tn_k_matmul_canonical, c, &p, 1, NULL, state);
    if (bounded)
        TN_EXPECT(inside_bound(&tn_k_matmul_canonical, c, &p), " flags %u posts %u", c->attr.flags,
                  c->op.post_count);
    size_t bytes = memory_bytes(&c->arg[3]);
    unsigned char *expected = malloc(bytes);
    memcpy(expected, c->arg[3].memory, bytes);
    for (uint32_t i = 0; i < tn_k_op_matmul.variant_count; i++) {
        const tn_k_variant *v = tn_k_op_matmul.variants[i];
        if ((v->isa & ~tn_t_isa()) != 0 || (!bounded && v->cls != TN_CLASS_CANONICAL))
            continue;
        int more_runs = check_variant(v, c, expected, state);
        tried[i] += (uint32_t)more_runs;
        runs += more_runs;
    }
    runs += check_variant(more, c, expected, state);
    TN_EXPECT(runs >= 2, " %d runs", runs);
    free(expected);
}

#endif

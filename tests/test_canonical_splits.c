/* SPDX-License-Identifier: Apache-2.0 */
/* CANONICAL means the same bits however the work is split: pieces along independent dimensions, K
 * and keys at block borders, joined as docs/NUMERICS.md says. The whole is computed by the plain
 * kernels, the pieces by every device. */
#include "support/run_op.h"
#include "support/test.h"
#include <math.h>

enum { OPERANDS = 8, BLOCK = 128, SEGMENT = 4096 };

/* An op over host arrays; strides are in its tensors. */
typedef struct problem {
    tn_op op;
    tn_arg args[OPERANDS];
    tn_post posts[3];
    void *host[OPERANDS];
    uint64_t bytes[OPERANDS];
    uint32_t out;
} problem;

static int64_t pick(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(tn_test_random(state) % (uint64_t)(high - low + 1));
}

static bool coin(uint64_t *state)
{
    return (tn_test_random(state) & 1u) != 0;
}

static float random_float(uint64_t *state)
{
    uint64_t r = tn_test_random(state);
    return (float)((double)(int64_t)r * 0x1p-63 * (double)(1u << (r & 3u)));
}

/* Tiers, thread counts and private memory, then whatever else the tests run on. */
static const char *const *devices(void)
{
    static const char *list[48] = {"cpu?threads=1", "cpu?threads=2", "cpu?max=baseline",
                                   TN_TEST_TIERS,   "cpu?private=1", "cpu?private=1&threads=1"};
    size_t n = 0;
    while (list[n] != NULL && strcmp(list[n], "cpu?private=1&threads=1") != 0)
        n++;
    n++;
    for (const char *const *d = tn_test_devices(); *d != NULL && n < 47; d++)
        if (strcmp(*d, "cpu") != 0 && strcmp(*d, "cpu?private=1") != 0)
            list[n++] = *d;
    list[n] = NULL;
    return list;
}

static uint32_t elem_bytes(const tn_tensor *t)
{
    return t->dtype == TN_BOOL ? 1u : 4u;
}

/* Dims in a random order of memory with random gaps; the gaps hold what no kernel may use. */
static uint32_t add(problem *p, uint64_t *state, uint32_t role, tn_dtype dtype, uint16_t rank,
                    const int64_t *dim)
{
    uint32_t at = p->op.arg_count++;
    tn_tensor *t = &p->args[at].tensor;
    *t = tn_test_tensor(dtype, rank, dim);
    p->args[at].role = role;
    bool shuffle = coin(state);
    uint16_t order[TN_MAX_RANK];
    for (uint16_t d = 0; d < rank; d++)
        order[d] = d;
    for (uint16_t d = rank; shuffle && d-- > 1;) {
        uint16_t e = (uint16_t)(tn_test_random(state) % (d + 1u)), x = order[d];
        order[d] = order[e];
        order[e] = x;
    }
    int64_t step = 1;
    for (uint16_t i = rank; i-- > 0;) {
        t->stride[order[i]] = step;
        step = step * (dim[order[i]] > 0 ? dim[order[i]] : 1) + (shuffle ? pick(state, 0, 3) : 0);
    }
    p->bytes[at] = (uint64_t)step * elem_bytes(t);
    p->host[at] = malloc(p->bytes[at] + 4u);
    TN_REQUIRE(p->host[at] != NULL, "memory");
    for (int64_t i = 0; i < step; i++)
        if (dtype == TN_BOOL)
            ((uint8_t *)p->host[at])[i] = tn_test_random(state) % 4 != 0;
        else
            ((float *)p->host[at])[i] = random_float(state);
    if (role == TN_ARG_OUT) {
        p->out = at;
        memset(p->host[at], 0x7f, p->bytes[at]);
    }
    return at;
}

static void begin(problem *p, tn_op_kind kind, const void *attr)
{
    memset(p, 0, sizeof *p);
    p->op = (tn_op){.head = TN_INIT(tn_op),
                    .kind = kind,
                    .attr = attr,
                    .args = p->args,
                    .posts = p->posts,
                    .numerics = {.cls = TN_CLASS_CANONICAL}};
}

static void forget(problem *p)
{
    for (uint32_t i = 0; i < p->op.arg_count; i++)
        free(p->host[i]);
}

static void compute(tn_test_device *d, const tn_op *op, void *const *host, const uint64_t *bytes,
                    const char *what)
{
    tn_error e = {0};
    bool ok = tn_test_compute(d, op, host, bytes);
    if (!ok)
        tn_error_last(&e);
    TN_REQUIRE(ok, "%s: %s", what, e.text != NULL ? e.text : "");
}

/* Computes the op whole; its output, gaps included, is returned and its array is poison again. */
static void *whole(tn_test_device *plain, problem *p, const char *what)
{
    compute(plain, &p->op, p->host, p->bytes, what);
    void *want = malloc(p->bytes[p->out] + 1);
    TN_REQUIRE(want != NULL, "memory");
    memcpy(want, p->host[p->out], p->bytes[p->out]);
    memset(p->host[p->out], 0x7f, p->bytes[p->out]);
    return want;
}

/* The part [first, first + count) of a dim, counted from the last; none where it is broadcast. */
static void cut(tn_tensor *t, int from_last, int64_t extent, int64_t first, int64_t count)
{
    int d = (int)t->rank - 1 - from_last;
    if (d < 0 || t->dim[d] != extent)
        return;
    if (count > 0) /* where no element lies, there may be no memory either */
        t->offset_bytes += (uint64_t)(first * t->stride[d]) * elem_bytes(t);
    t->dim[d] = count;
}

/* Up to three pieces of an extent: the borders 0 < .. < extent. Returns the pieces. */
static int borders(uint64_t *state, int64_t extent, int64_t *border)
{
    int n = 0;
    int64_t at = 0;
    border[0] = 0;
    while (at < extent) {
        at = n == 2 ? extent : pick(state, at + 1, extent);
        border[++n] = at;
    }
    return n;
}

typedef struct test_devices {
    tn_test_device plain, one;
    const char *uri;
} test_devices;

static void open_both(test_devices *t, const char *uri)
{
    t->uri = uri;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &t->plain), "the plain device");
    TN_REQUIRE(tn_test_open(uri, &t->one), "%s", uri);
}

static void close_both(test_devices *t)
{
    tn_test_close(&t->one);
    tn_test_close(&t->plain);
}

/* ---- matmul ---- */

/* [batch, m, n] = a b, with C and an epilogue; operands of the epilogue broadcast. */
static void make_matmul(problem *p, tn_matmul *attr, uint64_t *state, int64_t b, int64_t m,
                        int64_t n, int64_t k, bool factors)
{
    *attr = (tn_matmul){.head = TN_INIT(tn_matmul), .flags = (uint32_t)pick(state, 0, 3)};
    begin(p, TN_OP_MATMUL, attr);
    bool ta = attr->flags & TN_MATMUL_TRANSPOSE_A, tb = attr->flags & TN_MATMUL_TRANSPOSE_B;
    add(p, state, TN_ARG_A, TN_F32, 3, (int64_t[]){b, ta ? k : m, ta ? m : k});
    add(p, state, TN_ARG_B, TN_F32, 3, (int64_t[]){coin(state) ? b : 1, tb ? n : k, tb ? k : n});
    add(p, state, TN_ARG_OUT, TN_F32, 3, (int64_t[]){b, m, n});
    if (factors) {
        attr->flags |= TN_MATMUL_ALPHA | TN_MATMUL_BETA;
        attr->alpha = coin(state) ? -0.75f : 1.0f;
        attr->beta = 1.5f;
        add(p, state, TN_ARG_C, TN_F32, 2, (int64_t[]){coin(state) ? m : 1, n});
    }
    if (coin(state)) {
        add(p, state, TN_ARG_POST0, TN_F32, 1, (int64_t[]){n});
        add(p, state, TN_ARG_POST0 + 2, TN_F32, 3, (int64_t[]){coin(state) ? b : 1, m, n});
        p->posts[0] = (tn_post){TN_POST_BIAS, TN_ARG_POST0, 0, 0};
        p->posts[1] = (tn_post){coin(state) ? TN_POST_GELU : TN_POST_SILU, 0, 0, 0};
        p->posts[2] = (tn_post){TN_POST_ADD, TN_ARG_POST0 + 2, 0, 0};
        p->op.post_count = 3;
    }
}

/* One piece [b0, b1) x [m0, m1) x [n0, n1) of every operand. */
static void cut_matmul(const problem *p, const tn_matmul *attr, tn_arg *args, const int64_t *full,
                       const int64_t *first, const int64_t *end)
{
    memcpy(args, p->args, sizeof p->args);
    for (uint32_t i = 0; i < p->op.arg_count; i++) {
        tn_tensor *t = &args[i].tensor;
        bool a = args[i].role == TN_ARG_A, b = args[i].role == TN_ARG_B;
        bool ta = attr->flags & TN_MATMUL_TRANSPOSE_A, tb = attr->flags & TN_MATMUL_TRANSPOSE_B;
        cut(t, 2, full[0], first[0], end[0] - first[0]);
        if (!b)
            cut(t, a && ta ? 0 : 1, full[1], first[1], end[1] - first[1]);
        if (!a)
            cut(t, b && tb ? 1 : 0, full[2], first[2], end[2] - first[2]);
    }
}

TN_TEST(canonical_splits, matmul_along_batch_m_n)
{
    uint64_t state = tn_test_seed();
    for (const char *const *uri = devices(); *uri != NULL; uri++) {
        test_devices t;
        open_both(&t, *uri);
        for (int round = 0; round < 10; round++) {
            problem p;
            tn_matmul attr;
            int64_t full[3] = {pick(&state, 1, 3), pick(&state, 1, 60), pick(&state, 1, 80)};
            make_matmul(&p, &attr, &state, full[0], full[1], full[2], pick(&state, 0, 400),
                        coin(&state));
            void *want = whole(&t.plain, &p, "the whole matmul");
            int64_t border[3][4];
            int pieces[3];
            for (int d = 0; d < 3; d++)
                pieces[d] = borders(&state, full[d], border[d]);
            for (int i = 0; i < pieces[0] * pieces[1] * pieces[2]; i++) {
                int at[3] = {i / (pieces[1] * pieces[2]), i / pieces[2] % pieces[1], i % pieces[2]};
                int64_t first[3], end[3];
                for (int d = 0; d < 3; d++)
                    first[d] = border[d][at[d]], end[d] = border[d][at[d] + 1];
                tn_arg args[OPERANDS];
                cut_matmul(&p, &attr, args, full, first, end);
                tn_op op = p.op;
                op.args = args;
                compute(&t.one, &op, p.host, p.bytes, *uri);
            }
            TN_EXPECT(memcmp(want, p.host[p.out], p.bytes[p.out]) == 0,
                      "%s: %dx%dx%d in %dx%dx%d pieces", *uri, (int)full[0], (int)full[1],
                      (int)full[2], pieces[0], pieces[1], pieces[2]);
            free(want);
            forget(&p);
        }
        close_both(&t);
    }
}

/* K at multiples of 128: the first part has any number of chunks, every later one is handed over
 * alone and added in ascending order, which is beta = 1 with the sum so far as C; the epilogue
 * comes with the last. */
TN_TEST(canonical_splits, matmul_along_k)
{
    uint64_t state = tn_test_seed() + 1;
    for (const char *const *uri = devices(); *uri != NULL; uri++) {
        test_devices t;
        open_both(&t, *uri);
        for (int round = 0; round < 10; round++) {
            problem p;
            tn_matmul attr;
            int64_t b = pick(&state, 1, 2), m = pick(&state, 1, 40), n = pick(&state, 1, 50);
            int64_t k = pick(&state, 129, 900), chunks = (k + BLOCK - 1) / BLOCK;
            make_matmul(&p, &attr, &state, b, m, n, k, false);
            void *want = whole(&t.plain, &p, "the whole matmul");
            uint64_t bytes = (uint64_t)(b * m * n) * 4;
            float *sum = malloc(bytes), *next = malloc(bytes);
            TN_REQUIRE(sum != NULL && next != NULL, "memory");
            tn_tensor dense = tn_test_tensor(TN_F32, 3, (int64_t[]){b, m, n});
            int64_t done = 0, first_chunks = pick(&state, 1, chunks - 1);
            while (done < k) {
                int64_t end = (done == 0 ? first_chunks : done / BLOCK + 1) * BLOCK;
                end = end < k ? end : k;
                tn_arg args[OPERANDS];
                void *host[OPERANDS];
                uint64_t size[OPERANDS];
                memcpy(args, p.args, sizeof args);
                memcpy(host, p.host, sizeof host);
                memcpy(size, p.bytes, sizeof size);
                tn_matmul part = attr;
                tn_op op = p.op;
                op.args = args;
                op.attr = &part;
                bool ta = attr.flags & TN_MATMUL_TRANSPOSE_A,
                     tb = attr.flags & TN_MATMUL_TRANSPOSE_B;
                cut(&args[0].tensor, ta ? 1 : 0, k, done, end - done);
                cut(&args[1].tensor, tb ? 0 : 1, k, done, end - done);
                if (end < k) { /* no epilogue, and the sum goes to an array of its own */
                    op.post_count = 0;
                    op.arg_count = 3;
                    args[2].tensor = dense;
                    host[2] = next;
                    size[2] = bytes;
                }
                if (done > 0) {
                    uint32_t c = op.arg_count++;
                    args[c] = (tn_arg){.role = TN_ARG_C, .tensor = dense};
                    host[c] = sum;
                    size[c] = bytes;
                    part.flags |= TN_MATMUL_BETA;
                    part.beta = 1.0f;
                }
                compute(&t.one, &op, host, size, *uri);
                float *swap = sum;
                sum = next;
                next = swap;
                done = end;
            }
            TN_EXPECT(memcmp(want, p.host[p.out], p.bytes[p.out]) == 0,
                      "%s: %dx%dx%dx%d after %d chunks", *uri, (int)b, (int)m, (int)n, (int)k,
                      (int)first_chunks);
            free(sum);
            free(next);
            free(want);
            forget(&p);
        }
        close_both(&t);
    }
}

/* ---- attention ---- */

typedef struct attention {
    problem p;
    tn_attention attr;
    int64_t batch, group, kv, queries, keys, d, dv;
} attention;

static void make_attention(attention *a, uint64_t *state)
{
    a->batch = pick(state, 1, 2), a->kv = pick(state, 1, 2), a->group = pick(state, 1, 3);
    a->queries = pick(state, 1, 60), a->keys = pick(state, 1, 400);
    a->d = pick(state, 1, 70), a->dv = pick(state, 1, 40);
    a->attr = (tn_attention){.head = TN_INIT(tn_attention)};
    a->attr.flags = (uint32_t)pick(state, 0, 2); /* CAUSAL, CAUSAL_FROM_END */
    a->attr.first_key = coin(state) ? pick(state, 0, 300) : 0;
    a->attr.first_query = a->attr.first_key + pick(state, 0, a->keys);
    if (coin(state)) {
        a->attr.flags |= TN_ATTENTION_WINDOW;
        a->attr.window_left = pick(state, 0, 200);
        a->attr.window_right = pick(state, -1, 80);
    }
    begin(&a->p, TN_OP_ATTENTION, &a->attr);
    int64_t h = a->kv * a->group;
    add(&a->p, state, TN_ARG_Q, TN_F32, 4, (int64_t[]){a->batch, h, a->queries, a->d});
    add(&a->p, state, TN_ARG_K, TN_F32, 4, (int64_t[]){a->batch, a->kv, a->keys, a->d});
    add(&a->p, state, TN_ARG_V, TN_F32, 4, (int64_t[]){a->batch, a->kv, a->keys, a->dv});
    add(&a->p, state, TN_ARG_OUT, TN_F32, 4, (int64_t[]){a->batch, h, a->queries, a->dv});
    if (coin(state))
        add(&a->p, state, TN_ARG_MASK, coin(state) ? TN_BOOL : TN_F32, 4,
            (int64_t[]){coin(state) ? a->batch : 1, coin(state) ? h : 1,
                        coin(state) ? a->queries : 1, a->keys});
}

/* The absolute position of query 0. */
static int64_t first_position(const attention *a)
{
    return a->attr.flags & TN_ATTENTION_CAUSAL_FROM_END ? a->attr.first_key + a->keys - a->queries
                                                        : a->attr.first_query;
}

/* Keys [*low, *high) that some query of [q0, q1) may see. */
static void visible(const attention *a, int64_t q0, int64_t q1, int64_t *low, int64_t *high)
{
    int64_t first = first_position(a) + q0 - a->attr.first_key, last = first + q1 - q0;
    *low = 0, *high = a->keys;
    if (a->attr.flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END))
        *high = last < *high ? last : *high;
    if (a->attr.flags & TN_ATTENTION_WINDOW) {
        *low = first - a->attr.window_left > 0 ? first - a->attr.window_left : 0;
        if (a->attr.window_right >= 0 && last + a->attr.window_right < *high)
            *high = last + a->attr.window_right;
    }
    *high = *high < 0 ? 0 : *high;
    *low = *low > *high ? *high : *low;
}

/* One piece: a batch item, query heads [h0, h1) over key heads from kv0 on, queries [q0, q1), and
 * only keys that they see, or some more. Borders of blocks stay where they are: they are absolute.
 */
static void attention_piece(const attention *a, tn_test_device *d, uint64_t *state, int64_t b,
                            int64_t h0, int64_t h1, int64_t q0, int64_t q1, const char *what)
{
    tn_arg args[OPERANDS];
    tn_attention attr = a->attr;
    tn_op op = a->p.op;
    int64_t kv0 = h0 / a->group, kv1 = (h1 + a->group - 1) / a->group, low, high;
    memcpy(args, a->p.args, sizeof args);
    op.args = args;
    op.attr = &attr;
    visible(a, q0, q1, &low, &high);
    low = coin(state) ? low : pick(state, 0, low);
    high = coin(state) ? high : pick(state, high, a->keys);
    for (uint32_t i = 0; i < op.arg_count; i++) {
        tn_tensor *t = &args[i].tensor;
        bool keys = args[i].role == TN_ARG_K || args[i].role == TN_ARG_V;
        if (t->dim[0] != 1)
            cut(t, 3, a->batch, b, 1);
        if (keys)
            cut(t, 2, a->kv, kv0, kv1 - kv0);
        else if (t->dim[1] != 1)
            cut(t, 2, a->kv * a->group, h0, h1 - h0);
        if (keys)
            cut(t, 1, a->keys, low, high - low);
        else if (t->dim[2] != 1)
            cut(t, 1, a->queries, q0, q1 - q0);
        if (args[i].role == TN_ARG_MASK)
            cut(t, 0, a->keys, low, high - low);
    }
    attr.first_query = first_position(a) + q0;
    if (attr.first_query < 0) { /* FROM_END with more queries than keys: shift all positions */
        int64_t shift = (-attr.first_query + BLOCK - 1) / BLOCK * BLOCK;
        attr.first_query += shift;
        attr.first_key += shift;
    }
    attr.first_key += low;
    if (attr.flags & TN_ATTENTION_CAUSAL_FROM_END)
        attr.flags ^= TN_ATTENTION_CAUSAL_FROM_END | TN_ATTENTION_CAUSAL;
    compute(d, &op, a->p.host, a->p.bytes, what);
}

TN_TEST(canonical_splits, attention_along_batch_heads_queries)
{
    uint64_t state = tn_test_seed() + 2;
    for (const char *const *uri = devices(); *uri != NULL; uri++) {
        test_devices t;
        open_both(&t, *uri);
        for (int round = 0; round < 8; round++) {
            attention a;
            make_attention(&a, &state);
            void *want = whole(&t.plain, &a.p, "the whole attention");
            int64_t border[4], heads = a.kv * a.group, step = coin(&state) ? 1 : a.group;
            int pieces = borders(&state, a.queries, border);
            for (int64_t b = 0; b < a.batch; b++)
                for (int64_t h = 0; h < heads; h += step)
                    for (int i = 0; i < pieces; i++)
                        attention_piece(&a, &t.one, &state, b, h, h + step, border[i],
                                        border[i + 1], *uri);
            TN_EXPECT(memcmp(want, a.p.host[a.p.out], a.p.bytes[a.p.out]) == 0,
                      "%s: b%d h%d/%d q%d k%d, flags %u, %d pieces, %d heads each", *uri,
                      (int)a.batch, (int)heads, (int)a.kv, (int)a.queries, (int)a.keys,
                      a.attr.flags, pieces, (int)step);
            free(want);
            forget(&a.p);
        }
        close_both(&t);
    }
}

/* ---- pieces of the normative order, each an op of the device ---- */

/* out = kind(a, b, c) over dense [rows, columns]; an operand of other dims broadcasts. */
static void dense_op(tn_test_device *d, tn_op_kind kind, const void *attr, int inputs,
                     const tn_tensor *tensor, void *const *host, const char *what)
{
    static const uint32_t roles[] = {TN_ARG_A, TN_ARG_B, TN_ARG_C};
    tn_arg args[4];
    uint64_t bytes[4];
    for (int i = 0; i <= inputs; i++) {
        args[i] = (tn_arg){.role = i < inputs ? roles[i] : TN_ARG_OUT, .tensor = tensor[i]};
        bytes[i] = (uint64_t)(tensor[i].dim[0] * tensor[i].dim[1]) * elem_bytes(&tensor[i]);
    }
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = kind,
                .attr = attr,
                .args = args,
                .arg_count = (uint32_t)inputs + 1,
                .numerics = {.cls = TN_CLASS_CANONICAL}};
    compute(d, &op, host, bytes, what);
}

typedef struct matrix {
    int64_t rows, columns;
    float *at;
} matrix;

static matrix matrix_of(int64_t rows, int64_t columns)
{
    matrix m = {rows, columns, malloc((size_t)(rows * columns) * 4 + 4)};
    TN_REQUIRE(m.at != NULL, "memory");
    return m;
}

static tn_tensor tensor_of(const matrix *m)
{
    return tn_test_tensor(TN_F32, 2, (int64_t[]){m->rows, m->columns});
}

static void eltwise(tn_test_device *d, uint32_t kind, const matrix *a, const matrix *b, matrix *out)
{
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = kind};
    tn_tensor t[3] = {tensor_of(a)};
    void *host[3] = {a->at};
    int n = 1;
    if (b != NULL)
        t[n] = tensor_of(b), host[n++] = b->at;
    t[n] = tensor_of(out), host[n] = out->at;
    dense_op(d, TN_OP_ELTWISE, &attr, n, t, host, "eltwise");
}

/* out = mask ? a : other */
static void where(tn_test_device *d, uint8_t *mask, const matrix *a, float other, matrix *out)
{
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = TN_ELTWISE_WHERE};
    matrix one = {1, 1, &other};
    tn_tensor t[4] = {tensor_of(a), tensor_of(a), tensor_of(&one), tensor_of(out)};
    t[0].dtype = TN_BOOL;
    dense_op(d, TN_OP_ELTWISE, &attr, 3, t, (void *[]){mask, a->at, &other, out->at}, "where");
}

static void reduce(tn_test_device *d, uint32_t kind, const matrix *a, matrix *out)
{
    tn_reduce attr = {.head = TN_INIT(tn_reduce), .kind = kind, .axes_mask = 2};
    dense_op(d, TN_OP_REDUCE, &attr, 1, (tn_tensor[]){tensor_of(a), tensor_of(out)},
             (void *[]){a->at, out->at}, "reduce");
}

/* out = alpha a b + beta c, b transposed or not; c NULL: without */
static void matmul(tn_test_device *d, const matrix *a, const matrix *b, bool transposed,
                   float alpha, const matrix *c, float beta, matrix *out)
{
    tn_matmul attr = {.head = TN_INIT(tn_matmul), .flags = TN_MATMUL_ALPHA, .alpha = alpha};
    attr.flags |= transposed ? TN_MATMUL_TRANSPOSE_B : 0;
    tn_tensor t[4] = {tensor_of(a), tensor_of(b)};
    void *host[4] = {a->at, b->at};
    int n = 2;
    if (c != NULL) {
        attr.flags |= TN_MATMUL_BETA;
        attr.beta = beta;
        t[n] = tensor_of(c), host[n++] = c->at;
    }
    t[n] = tensor_of(out), host[n] = out->at;
    dense_op(d, TN_OP_MATMUL, &attr, n, t, host, "matmul");
}

/* The triple (M, l_b, o_b) of one block of 128 keys, composed of other ops; mask: which take part.
 * Scores stay below 2^6, so that exp2 of a difference of integers is pow2 of section 1, and exp2 of
 * a fraction is P. */
static void block_triple(tn_test_device *d, const matrix *q, const matrix *k, const matrix *v,
                         uint8_t *mask, const matrix *bias, float c, matrix *top, matrix *sum,
                         matrix *out)
{
    int64_t rows = q->rows;
    matrix t = matrix_of(rows, BLOCK), n = matrix_of(rows, BLOCK), x = matrix_of(rows, BLOCK),
           y = matrix_of(rows, BLOCK);
    matmul(d, q, k, true, c, bias, 0x1.715476p+0f, &t); /* fma(bias, L2E, z * c) */
    for (int64_t i = 0; i < rows * BLOCK; i++)
        TN_REQUIRE(fabsf(t.at[i]) < 60.0f, "the test's own scores are too large");
    eltwise(d, TN_ELTWISE_RINT, &t, NULL, &n);
    where(d, mask, &n, -INFINITY, &x);
    reduce(d, TN_REDUCE_MAX, &x, top);
    eltwise(d, TN_ELTWISE_SUB, &n, top, &x);
    eltwise(d, TN_ELTWISE_EXP2, &x, NULL, &y); /* pow2(n - M) */
    eltwise(d, TN_ELTWISE_SUB, &t, &n, &x);
    eltwise(d, TN_ELTWISE_EXP2, &x, NULL, &t); /* P(t - n) */
    eltwise(d, TN_ELTWISE_MUL, &t, &y, &x);
    where(d, mask, &x, 0.0f, &y);
    reduce(d, TN_REDUCE_SUM, &y, sum);
    matmul(d, &y, v, false, 1.0f, NULL, 0.0f, out);
    free(t.at);
    free(n.at);
    free(x.at);
    free(y.at);
}

/* Section 7's merge of one block into the rows' states; m is -Inf before a row's first block. */
static void merge(matrix *m, matrix *l, matrix *o, const matrix *top, const matrix *sum,
                  const matrix *out)
{
    for (int64_t r = 0; r < m->rows; r++) {
        float *to = o->at + r * o->columns, *from = out->at + r * o->columns;
        float have = m->at[r], add = top->at[r];
        if (add == -INFINITY)
            continue;
        bool first = have == -INFINITY, up = add > have;
        float f = first ? 0.0f : ldexpf(1.0f, (int)(up ? have - add : add - have));
        l->at[r] = first ? sum->at[r]
                   : up  ? fmaf(l->at[r], f, sum->at[r])
                         : fmaf(sum->at[r], f, l->at[r]);
        for (int64_t e = 0; e < o->columns; e++)
            to[e] = first ? from[e] : up ? fmaf(to[e], f, from[e]) : fmaf(from[e], f, to[e]);
        m->at[r] = first || up ? add : have;
    }
}

/* Keys: the blocks of 128 at absolute positions are computed one by one, by two devices in turn,
 * as compositions of other ops, and their triples are merged in ascending order. */
TN_TEST(canonical_splits, attention_along_keys)
{
    uint64_t state = tn_test_seed() + 3;
    for (const char *const *uri = devices(); *uri != NULL; uri++) {
        test_devices t;
        open_both(&t, *uri);
        for (int round = 0; round < 5; round++) {
            int64_t rows = pick(&state, 1, 30), keys = pick(&state, 1, 700),
                    dv = pick(&state, 1, 20);
            int64_t depth = pick(&state, 1, 40),
                    first_key = coin(&state) ? pick(&state, 0, 300) : 0;
            bool causal = coin(&state), biased = coin(&state);
            tn_attention attr = {.head = TN_INIT(tn_attention), .scale = 0.5f / (float)depth};
            attr.flags = causal ? TN_ATTENTION_CAUSAL_FROM_END : 0;
            attr.first_key = first_key;
            problem p;
            begin(&p, TN_OP_ATTENTION, &attr);
            add(&p, &state, TN_ARG_Q, TN_F32, 3, (int64_t[]){1, rows, depth});
            add(&p, &state, TN_ARG_K, TN_F32, 3, (int64_t[]){1, keys, depth});
            add(&p, &state, TN_ARG_V, TN_F32, 3, (int64_t[]){1, keys, dv});
            add(&p, &state, TN_ARG_OUT, TN_F32, 3, (int64_t[]){1, rows, dv});
            add(&p, &state, TN_ARG_MASK, biased ? TN_F32 : TN_BOOL, 2, (int64_t[]){rows, keys});
            void *want = whole(&t.plain, &p, "the whole attention");
            const tn_tensor *tq = &p.args[0].tensor, *tk = &p.args[1].tensor,
                            *tv = &p.args[2].tensor, *to = &p.args[3].tensor,
                            *tm = &p.args[4].tensor;
            matrix q = matrix_of(rows, depth), k = matrix_of(BLOCK, depth),
                   v = matrix_of(BLOCK, dv);
            matrix bias = matrix_of(rows, BLOCK), top = matrix_of(rows, 1),
                   sum = matrix_of(rows, 1), out = matrix_of(rows, dv), m = matrix_of(rows, 1),
                   l = matrix_of(rows, 1), o = matrix_of(rows, dv);
            uint8_t *mask = malloc((size_t)(rows * BLOCK));
            TN_REQUIRE(mask != NULL, "memory");
            for (int64_t i = 0; i < rows * depth; i++)
                q.at[i] =
                    ((float *)p.host[0])[i / depth * tq->stride[1] + i % depth * tq->stride[2]];
            for (int64_t r = 0; r < rows; r++)
                m.at[r] = -INFINITY;
            float c = attr.scale * 0x1.715476p+0f;
            for (int64_t block = first_key / BLOCK; block * BLOCK < first_key + keys; block++) {
                for (int64_t j = 0; j < BLOCK; j++) {
                    int64_t key = block * BLOCK + j - first_key;
                    bool there = key >= 0 && key < keys;
                    for (int64_t e = 0; e < depth; e++)
                        k.at[j * depth + e] =
                            there ? ((float *)p.host[1])[key * tk->stride[1] + e * tk->stride[2]]
                                  : 0.0f;
                    for (int64_t e = 0; e < dv; e++)
                        v.at[j * dv + e] =
                            there ? ((float *)p.host[2])[key * tv->stride[1] + e * tv->stride[2]]
                                  : 0.0f;
                    for (int64_t r = 0; r < rows; r++) {
                        int64_t at = r * tm->stride[0] + key * tm->stride[1];
                        mask[r * BLOCK + j] = there && (!causal || key <= r + keys - rows) &&
                                              (biased || ((uint8_t *)p.host[4])[at] != 0);
                        bias.at[r * BLOCK + j] = there && biased ? ((float *)p.host[4])[at] : 0.0f;
                    }
                }
                block_triple(block % 2 != 0 ? &t.one : &t.plain, &q, &k, &v, mask,
                             biased ? &bias : NULL, c, &top, &sum, &out);
                merge(&m, &l, &o, &top, &sum, &out);
            }
            for (int64_t i = 0; i < rows * dv; i++)
                ((float *)p.host[3])[i / dv * to->stride[1] + i % dv * to->stride[2]] =
                    m.at[i / dv] == -INFINITY ? 0.0f : o.at[i] * (1.0f / l.at[i / dv]);
            TN_EXPECT(memcmp(want, p.host[p.out], p.bytes[p.out]) == 0,
                      "%s: q%d k%d from %d, causal %d, bias %d", *uri, (int)rows, (int)keys,
                      (int)first_key, causal, biased);
            float *all[] = {q.at, k.at, v.at, bias.at, top.at, sum.at, out.at, m.at, l.at, o.at};
            for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
                free(all[i]);
            free(mask);
            free(want);
            forget(&p);
        }
        close_both(&t);
    }
}

/* ---- softmax and norm ---- */

TN_TEST(canonical_splits, softmax_and_norm_along_rows)
{
    uint64_t state = tn_test_seed() + 4;
    for (const char *const *uri = devices(); *uri != NULL; uri++) {
        test_devices t;
        open_both(&t, *uri);
        for (int round = 0; round < 12; round++) {
            tn_softmax softmax = {.head = TN_INIT(tn_softmax), .log = (uint32_t)pick(&state, 0, 1)};
            tn_norm norm = {.head = TN_INIT(tn_norm), .axes = 1, .epsilon = 1e-5f};
            norm.kind = (uint32_t)pick(&state, 0, 1);
            bool is_norm = round % 2 != 0;
            int64_t dim[2] = {pick(&state, 1, 60), pick(&state, 1, 40)};
            dim[1] = coin(&state) ? dim[1] : pick(&state, 4000, 9000) / dim[0] * 4 + 1;
            int axis = is_norm ? 1 : (int)pick(&state, 0, 1); /* rows lie along the other one */
            softmax.axis = axis;
            problem p;
            begin(&p, is_norm ? TN_OP_NORM : TN_OP_SOFTMAX,
                  is_norm ? (const void *)&norm : (const void *)&softmax);
            add(&p, &state, TN_ARG_A, TN_F32, 2, dim);
            add(&p, &state, TN_ARG_OUT, TN_F32, 2, dim);
            if (is_norm) {
                add(&p, &state, TN_ARG_GAMMA, TN_F32, 1, &dim[1]);
                if (norm.kind == TN_NORM_LAYER)
                    add(&p, &state, TN_ARG_BETA, TN_F32, 1, &dim[1]);
            }
            void *want = whole(&t.plain, &p, "the whole op");
            int64_t border[4];
            int pieces = borders(&state, dim[1 - axis], border);
            for (int i = 0; i < pieces; i++) {
                tn_arg args[OPERANDS];
                tn_op op = p.op;
                memcpy(args, p.args, sizeof args);
                op.args = args;
                for (int j = 0; j < 2; j++)
                    cut(&args[j].tensor, axis == 1 ? 1 : 0, dim[1 - axis], border[i],
                        border[i + 1] - border[i]);
                compute(&t.one, &op, p.host, p.bytes, *uri);
            }
            TN_EXPECT(memcmp(want, p.host[p.out], p.bytes[p.out]) == 0, "%s: %s %dx%d axis %d",
                      *uri, is_norm ? "norm" : "softmax", (int)dim[0], (int)dim[1], axis);
            free(want);
            forget(&p);
        }
        close_both(&t);
    }
}

/* A softmax row in segments of 4096: the maximum in any order, the segments' sums in ascending
 * order, every piece an op of the device. */
TN_TEST(canonical_splits, softmax_along_its_axis)
{
    uint64_t state = tn_test_seed() + 5;
    for (const char *const *uri = devices(); *uri != NULL; uri++) {
        test_devices t;
        open_both(&t, *uri);
        for (int round = 0; round < 3; round++) {
            int64_t rows = pick(&state, 1, 4), n = pick(&state, 1, 3 * SEGMENT);
            tn_softmax attr = {.head = TN_INIT(tn_softmax), .axis = 1};
            matrix a = matrix_of(rows, n), want = matrix_of(rows, n), y = matrix_of(rows, n);
            for (int64_t i = 0; i < rows * n; i++)
                a.at[i] = random_float(&state);
            dense_op(&t.plain, TN_OP_SOFTMAX, &attr, 1, (tn_tensor[]){tensor_of(&a), tensor_of(&y)},
                     (void *[]){a.at, want.at}, "the whole softmax");
            matrix top = matrix_of(rows, 1), part = matrix_of(rows, 1), sum = matrix_of(rows, 1);
            for (int64_t r = 0; r < rows; r++)
                top.at[r] = -INFINITY, sum.at[r] = 0.0f;
            for (int pass = 0; pass < 2; pass++)
                for (int64_t first = 0; first < n; first += SEGMENT) {
                    matrix x = matrix_of(rows, n - first < SEGMENT ? n - first : SEGMENT);
                    for (int64_t r = 0; r < rows; r++)
                        memcpy(x.at + r * x.columns, a.at + r * n + first, (size_t)x.columns * 4);
                    if (pass == 0) {
                        reduce(&t.one, TN_REDUCE_MAX, &x, &part);
                        eltwise(&t.one, TN_ELTWISE_MAX, &top, &part, &top);
                    } else {
                        eltwise(&t.one, TN_ELTWISE_SUB, &x, &top, &x);
                        eltwise(&t.one, TN_ELTWISE_EXP, &x, NULL, &x);
                        reduce(&t.one, TN_REDUCE_SUM, &x, &part);
                        eltwise(&t.one, TN_ELTWISE_ADD, &sum, &part, &sum);
                        for (int64_t r = 0; r < rows; r++)
                            memcpy(y.at + r * n + first, x.at + r * x.columns,
                                   (size_t)x.columns * 4);
                    }
                    free(x.at);
                }
            eltwise(&t.one, TN_ELTWISE_RECIP, &sum, NULL, &sum);
            eltwise(&t.one, TN_ELTWISE_MUL, &y, &sum, &y);
            TN_EXPECT(memcmp(want.at, y.at, (size_t)(rows * n) * 4) == 0, "%s: %dx%d", *uri,
                      (int)rows, (int)n);
            float *all[] = {a.at, want.at, y.at, top.at, part.at, sum.at};
            for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
                free(all[i]);
        }
        close_both(&t);
    }
}

/* The comparison can fail: K split off a border of a chunk gives other bits. */
TN_TEST(canonical_splits, other_borders_are_seen)
{
    tn_test_device d;
    uint64_t state = tn_test_seed() + 6;
    TN_REQUIRE(tn_test_open("cpu", &d));
    matrix a = matrix_of(8, 256), b = matrix_of(256, 8), want = matrix_of(8, 8),
           sum = matrix_of(8, 8), a0 = matrix_of(8, 100), a1 = matrix_of(8, 156);
    matrix b0 = {100, 8, b.at}, b1 = {156, 8, b.at + 100 * 8};
    for (int64_t i = 0; i < 8 * 256; i++)
        a.at[i] = random_float(&state), b.at[i] = random_float(&state);
    for (int64_t r = 0; r < 8; r++) {
        memcpy(a0.at + r * 100, a.at + r * 256, 400);
        memcpy(a1.at + r * 156, a.at + r * 256 + 100, 624);
    }
    matmul(&d, &a, &b, false, 1.0f, NULL, 0.0f, &want);
    matmul(&d, &a0, &b0, false, 1.0f, NULL, 0.0f, &sum);
    matrix joined = matrix_of(8, 8);
    matmul(&d, &a1, &b1, false, 1.0f, &sum, 1.0f, &joined);
    TN_EXPECT(memcmp(want.at, joined.at, 256) != 0);
    float *all[] = {a.at, b.at, want.at, sum.at, a0.at, a1.at, joined.at};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    tn_test_close(&d);
}

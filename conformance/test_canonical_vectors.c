/* SPDX-License-Identifier: Apache-2.0 */
/* The golden vectors of CANONICAL 1 through the public API, on every device of the test list. */
#include <tests/support/test.h>

#include <tenon/tenon.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { MAX_OPERANDS = 12, MAX_POSTS = 4, LINE_BYTES = 1 << 20 };

typedef struct operand {
    char name[16];
    int64_t dim[4];
    uint16_t rank;
    uint32_t *word;
    size_t count;
} operand;

typedef struct golden {
    char head[256], op[16];
    operand item[MAX_OPERANDS];
    uint32_t count;
} golden;

static const char *value_of(const golden *g, const char *key, char *text, size_t bytes)
{
    char pattern[32];
    snprintf(pattern, sizeof pattern, " %s=", key);
    const char *at = strstr(g->head, pattern);
    if (at == NULL)
        return NULL;
    at += strlen(pattern);
    size_t n = strcspn(at, " \n");
    snprintf(text, bytes, "%.*s", (int)n, at);
    return text;
}

static operand *find(golden *g, const char *name)
{
    for (uint32_t i = 0; i < g->count; ++i)
        if (strcmp(g->item[i].name, name) == 0)
            return &g->item[i];
    return NULL;
}

static void forget(golden *g)
{
    for (uint32_t i = 0; i < g->count; ++i)
        free(g->item[i].word);
    memset(g, 0, sizeof *g);
}

static bool read_operand(golden *g, char *line)
{
    if (g->count == MAX_OPERANDS)
        return false;
    operand *o = &g->item[g->count++];
    char *save = NULL, *t = strtok_r(line, " \n", &save);
    snprintf(o->name, sizeof o->name, "%s", t);
    t = strtok_r(NULL, " \n", &save);
    size_t total = 1;
    for (char *end = t; t != NULL && o->rank < 4; t = end + 1) {
        o->dim[o->rank++] = strtoll(t, &end, 10);
        total *= (size_t)o->dim[o->rank - 1];
        if (*end != 'x')
            break;
    }
    o->word = malloc((total + 1) * sizeof *o->word);
    if (o->word == NULL)
        return false;
    while ((t = strtok_r(NULL, " \n", &save)) != NULL && o->count < total)
        o->word[o->count++] = (uint32_t)strtoul(t, NULL, 16);
    return o->count == total;
}

static const struct {
    const char *name;
    uint32_t kind;
} eltwise[] = {{"exp", TN_ELTWISE_EXP},   {"exp2", TN_ELTWISE_EXP2},
               {"log", TN_ELTWISE_LOG},   {"recip", TN_ELTWISE_RECIP},
               {"sqrt", TN_ELTWISE_SQRT}, {"rsqrt", TN_ELTWISE_RSQRT},
               {"tanh", TN_ELTWISE_TANH}, {"silu", TN_ELTWISE_SILU},
               {"gelu", TN_ELTWISE_GELU}, {"gelu_tanh", TN_ELTWISE_GELU_TANH},
               {"erf", TN_ELTWISE_ERF},   {"sin", TN_ELTWISE_SIN},
               {"cos", TN_ELTWISE_COS},   {"relu", TN_ELTWISE_RELU},
               {"rint", TN_ELTWISE_RINT}, {"sigmoid", TN_ELTWISE_SIGMOID},
               {"add", TN_ELTWISE_ADD},   {"mul", TN_ELTWISE_MUL},
               {"max", TN_ELTWISE_MAX},   {"min", TN_ELTWISE_MIN}};

static uint32_t role_of(const char *op, const char *name, uint32_t post_index)
{
    static const struct {
        const char *name;
        uint32_t role;
    } roles[] = {{"a", TN_ARG_A},
                 {"b", TN_ARG_B},
                 {"c", TN_ARG_C},
                 {"q", TN_ARG_Q},
                 {"k", TN_ARG_K},
                 {"v", TN_ARG_V},
                 {"mask", TN_ARG_MASK},
                 {"gamma", TN_ARG_GAMMA},
                 {"beta", TN_ARG_BETA},
                 {"out", TN_ARG_OUT},
                 {"index", TN_ARG_INDEX},
                 {"freq", TN_ARG_FREQ},
                 {"grad", TN_ARG_GRAD},
                 {"stats", TN_ARG_STATS},
                 {"out_grad_a", TN_ARG_OUT_GRAD_A},
                 {"out_grad_b", TN_ARG_OUT_GRAD_B},
                 {"out_grad_v", TN_ARG_OUT_GRAD_V},
                 {"scale_of_a", TN_ARG_SCALE_OF + TN_ARG_A},
                 {"scale_of_b", TN_ARG_SCALE_OF + TN_ARG_B},
                 {"scale_of_out", TN_ARG_SCALE_OF + TN_ARG_OUT},
                 {"zero_of_a", TN_ARG_ZERO_OF + TN_ARG_A},
                 {"zero_of_b", TN_ARG_ZERO_OF + TN_ARG_B},
                 {"zero_of_out", TN_ARG_ZERO_OF + TN_ARG_OUT},
                 {"pages", TN_ARG_PAGES},
                 {"scale_of_k", TN_ARG_SCALE_OF + TN_ARG_K},
                 {"scale_of_v", TN_ARG_SCALE_OF + TN_ARG_V}};
    if (strcmp(op, "matmul") == 0 && (strcmp(name, "bias") == 0 || strcmp(name, "add") == 0))
        return TN_ARG_POST0 + post_index;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; ++i)
        if (strcmp(roles[i].name, name) == 0)
            return roles[i].role;
    return 0;
}

/* Everything that the op points to; lives while it is computed. */
typedef struct built {
    tn_matmul matmul;
    tn_eltwise eltwise;
    tn_reduce reduce;
    tn_softmax softmax;
    tn_norm norm;
    tn_attention attention;
    tn_axis axis;
    tn_rope rope;
    tn_pool pool;
    tn_window window;
    tn_post posts[MAX_POSTS];
    tn_arg args[MAX_OPERANDS];
    tn_op op;
} built;

static void build_posts(const golden *g, built *b)
{
    char text[64], number[64];
    if (value_of(g, "posts", text, sizeof text) == NULL)
        return;
    static const struct {
        const char *name;
        tn_post_kind kind;
    } kinds[] = {{"bias", TN_POST_BIAS}, {"add", TN_POST_ADD},   {"scale", TN_POST_SCALE},
                 {"relu", TN_POST_RELU}, {"gelu", TN_POST_GELU}, {"gelu_tanh", TN_POST_GELU_TANH},
                 {"silu", TN_POST_SILU}};
    char *save = NULL;
    for (char *t = strtok_r(text, "+", &save); t != NULL; t = strtok_r(NULL, "+", &save)) {
        uint32_t at = b->op.post_count++;
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i)
            if (strcmp(kinds[i].name, t) == 0)
                b->posts[at].kind = kinds[i].kind;
        if (strcmp(t, "bias") == 0 || strcmp(t, "add") == 0)
            b->posts[at].role = TN_ARG_POST0 + at;
        if (strcmp(t, "scale") == 0)
            b->posts[at].a = strtof(value_of(g, "scale", number, sizeof number), NULL);
    }
    b->op.posts = b->posts;
}

static void build_pool(const golden *g, built *b)
{
    char text[64];
    tn_pool *p = &b->pool;
    *p = (tn_pool){.head = TN_INIT(tn_pool), .dims = 2};
    struct {
        const char *name;
        int32_t *to;
    } pairs[] = {
        {"window", p->window}, {"stride", p->stride}, {"lo", p->pad_lo}, {"hi", p->pad_hi}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; ++i)
        (void)sscanf(value_of(g, pairs[i].name, text, sizeof text), "%dx%d", &pairs[i].to[0],
                     &pairs[i].to[1]);
    p->kind =
        strcmp(value_of(g, "kind", text, sizeof text), "max") == 0 ? TN_POOL_MAX : TN_POOL_AVERAGE;
    if (value_of(g, "count", text, sizeof text) != NULL)
        p->flags = TN_POOL_COUNT_PADDING;
    b->op.kind = TN_OP_POOL, b->op.attr = p;
}

static void build_resize(const golden *g, built *b)
{
    static const char *const modes[] = {"half_pixel", "align_corners", "asymmetric",
                                        "pytorch_half_pixel"};
    char text[64];
    b->window = (tn_window){.head = TN_INIT(tn_window), .kind = TN_RESIZE_LINEAR};
    if (strcmp(value_of(g, "kind", text, sizeof text), "cubic") == 0)
        b->window.kind = TN_RESIZE_CUBIC;
    (void)value_of(g, "mode", text, sizeof text);
    for (uint32_t i = 0; i < 4; ++i)
        if (strcmp(text, modes[i]) == 0)
            b->window.mode = i;
    char *second = strstr(value_of(g, "scale", text, sizeof text), "x_");
    b->window.scale[0] = strtof(text, NULL);
    b->window.scale[1] = strtof(second + 2, NULL);
    b->op.kind = TN_OP_RESIZE, b->op.attr = &b->window;
}

static void build(golden *g, built *b)
{
    char text[64];
    memset(b, 0, sizeof *b);
    b->op = (tn_op){.head = TN_INIT(tn_op), .numerics = {.cls = TN_CLASS_CANONICAL}};
    if (strcmp(g->op, "unary") == 0 || strcmp(g->op, "binary") == 0) {
        b->eltwise = (tn_eltwise){.head = TN_INIT(tn_eltwise)};
        for (size_t i = 0; i < sizeof eltwise / sizeof eltwise[0]; ++i)
            if (strcmp(eltwise[i].name, value_of(g, "kind", text, sizeof text)) == 0)
                b->eltwise.kind = eltwise[i].kind;
        b->op.kind = TN_OP_ELTWISE, b->op.attr = &b->eltwise;
    } else if (strcmp(g->op, "matmul") == 0) {
        b->matmul = (tn_matmul){.head = TN_INIT(tn_matmul)};
        if (value_of(g, "alpha", text, sizeof text) != NULL)
            b->matmul.flags |= TN_MATMUL_ALPHA, b->matmul.alpha = strtof(text, NULL);
        if (value_of(g, "beta", text, sizeof text) != NULL)
            b->matmul.flags |= TN_MATMUL_BETA, b->matmul.beta = strtof(text, NULL);
        build_posts(g, b);
        b->op.kind = TN_OP_MATMUL, b->op.attr = &b->matmul;
    } else if (strcmp(g->op, "reduce") == 0) {
        b->reduce = (tn_reduce){.head = TN_INIT(tn_reduce), .axes_mask = 2};
        value_of(g, "kind", text, sizeof text);
        b->reduce.kind = strcmp(text, "sum") == 0    ? TN_REDUCE_SUM
                         : strcmp(text, "mean") == 0 ? TN_REDUCE_MEAN
                                                     : TN_REDUCE_SUMSQ;
        b->op.kind = TN_OP_REDUCE, b->op.attr = &b->reduce;
    } else if (strcmp(g->op, "softmax") == 0) {
        b->softmax = (tn_softmax){.head = TN_INIT(tn_softmax), .axis = 1};
        b->softmax.log = value_of(g, "log", text, sizeof text) != NULL;
        b->op.kind = TN_OP_SOFTMAX, b->op.attr = &b->softmax;
    } else if (strcmp(g->op, "norm") == 0) {
        b->norm = (tn_norm){.head = TN_INIT(tn_norm), .axes = 1};
        value_of(g, "kind", text, sizeof text);
        b->norm.kind = strcmp(text, "rms") == 0     ? TN_NORM_RMS
                       : strcmp(text, "group") == 0 ? TN_NORM_GROUP
                       : strcmp(text, "batch") == 0 ? TN_NORM_BATCH_INFERENCE
                                                    : TN_NORM_LAYER;
        if (value_of(g, "groups", text, sizeof text) != NULL)
            b->norm.axes = 2, b->norm.groups = (uint32_t)strtoul(text, NULL, 10);
        if (b->norm.kind == TN_NORM_BATCH_INFERENCE)
            b->norm.axes = 2;
        b->norm.epsilon = strtof(value_of(g, "eps", text, sizeof text), NULL);
        b->op.kind = TN_OP_NORM, b->op.attr = &b->norm;
    } else if (strcmp(g->op, "pool") == 0) {
        build_pool(g, b);
    } else if (strcmp(g->op, "resize") == 0) {
        build_resize(g, b);
    } else if (strcmp(g->op, "scan") == 0) {
        b->axis = (tn_axis){.head = TN_INIT(tn_axis), .axis = 1};
        if (value_of(g, "exclusive", text, sizeof text) != NULL)
            b->axis.flags |= TN_SCAN_EXCLUSIVE;
        if (value_of(g, "reverse", text, sizeof text) != NULL)
            b->axis.flags |= TN_SCAN_REVERSE;
        b->op.kind = TN_OP_SCAN, b->op.attr = &b->axis;
    } else if (strcmp(g->op, "rope") == 0) {
        b->rope = (tn_rope){.head = TN_INIT(tn_rope)};
        b->rope.interleaved = value_of(g, "interleaved", text, sizeof text) != NULL;
        b->rope.rotary_dims = (int32_t)strtol(value_of(g, "rotary", text, sizeof text), NULL, 10);
        b->op.kind = TN_OP_ROPE, b->op.attr = &b->rope;
    } else {
        b->attention = (tn_attention){.head = TN_INIT(tn_attention)};
        if (value_of(g, "causal", text, sizeof text) != NULL)
            b->attention.flags =
                strcmp(text, "end") == 0 ? TN_ATTENTION_CAUSAL_FROM_END : TN_ATTENTION_CAUSAL;
        if (value_of(g, "left", text, sizeof text) != NULL) {
            b->attention.flags |= TN_ATTENTION_WINDOW;
            b->attention.window_left = strtoll(text, NULL, 10);
            b->attention.window_right = strtoll(value_of(g, "right", text, sizeof text), NULL, 10);
        }
        if (value_of(g, "softcap", text, sizeof text) != NULL)
            b->attention.softcap = strtof(text, NULL);
        if (value_of(g, "page", text, sizeof text) != NULL)
            b->attention.page_tokens = strtoll(text, NULL, 10);
        b->op.kind = TN_OP_ATTENTION, b->op.attr = &b->attention;
    }
    b->op.args = b->args;
}

/* Every NaN of a type as the one that the vectors hold. */
static uint32_t one_nan(uint32_t dtype, uint32_t word)
{
    static const struct {
        uint32_t dtype, magnitude, inf, nan;
    } types[] = {{TN_F32, 0x7fffffff, 0x7f800000, 0x7fc00000},
                 {TN_BF16, 0x7fff, 0x7f80, 0x7fc0},
                 {TN_F16, 0x7fff, 0x7c00, 0x7e00},
                 {TN_F8E4M3, 0x7f, 0x7e, 0x7f},
                 {TN_F8E5M2, 0x7f, 0x7c, 0x7e}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; ++i)
        if (types[i].dtype == dtype && (word & types[i].magnitude) > types[i].inf)
            return types[i].nan;
    return word;
}

/* What `types=a:bf16,out:f16` says of an operand; f32 where it says nothing. */
static tn_dtype type_of(const golden *g, const char *name)
{
    static const tn_dtype types[] = {TN_BF16, TN_F16, TN_F8E4M3, TN_F8E5M2, TN_S32, TN_S8, TN_U8};
    char text[128], *save = NULL;
    if (value_of(g, "types", text, sizeof text) == NULL)
        return TN_F32;
    for (char *t = strtok_r(text, ",", &save); t != NULL; t = strtok_r(NULL, ",", &save)) {
        size_t n = strlen(name);
        for (size_t i = 0; i < sizeof types / sizeof types[0]; ++i)
            if (strncmp(t, name, n) == 0 && t[n] == ':' &&
                strcmp(t + n + 1, tn_dtype_name(types[i])) == 0)
                return types[i];
    }
    return TN_F32;
}

/* Reads an output back and counts the words that are not the golden ones. */
static void compare(tn_queue *queue, const golden *g, const operand *want, uint32_t dtype,
                    tn_buffer *buffer)
{
    size_t element_bytes = tn_dtype_bits((tn_dtype)dtype) / 8, wrong = 0;
    char *got = malloc(want->count * element_bytes + 4u);
    TN_REQUIRE(got != NULL &&
                   tn_queue_read(queue, got, buffer, 0, want->count * element_bytes, NULL) ==
                       TN_OK &&
                   tn_queue_wait_idle(queue, UINT64_MAX) == TN_OK,
               "%s", g->head);
    for (size_t k = 0; k < want->count; ++k) {
        uint32_t word = 0;
        memcpy(&word, got + k * element_bytes, element_bytes);
        word = one_nan(dtype, word);
        if (word != want->word[k] && wrong++ == 0)
            fprintf(stderr, "%s: %s %zu is %08x, golden %08x\n", g->head, want->name, k, word,
                    want->word[k]);
    }
    TN_EXPECT(wrong == 0, "%s: %zu of %zu words of %s differ", g->head, wrong, want->count,
              want->name);
    free(got);
}

/* Uploads the operands, computes, compares the words of the output. */
static void check(tn_device *device, tn_queue *queue, golden *g)
{
    built b;
    char text[64];
    build(g, &b);
    tn_buffer *buffer[MAX_OPERANDS] = {NULL};
    bool boolean = value_of(g, "mask", text, sizeof text) != NULL && strcmp(text, "bool") == 0;
    bool quantised = value_of(g, "type", text, sizeof text) != NULL;
    for (uint32_t i = 0; i < g->count; ++i) {
        operand *o = &g->item[i];
        bool as_bool = boolean && strcmp(o->name, "mask") == 0;
        uint32_t post = 0;
        for (uint32_t p = 0; p < b.op.post_count; ++p)
            if ((b.posts[p].kind == TN_POST_BIAS && strcmp(o->name, "bias") == 0) ||
                (b.posts[p].kind == TN_POST_ADD && strcmp(o->name, "add") == 0))
                post = p;
        tn_tensor *t = &b.args[i].tensor;
        b.args[i].role = role_of(g->op, o->name, post);
        /* written as an f32, as all words are */
        bool as_int = strcmp(o->name, "index") == 0 || strcmp(o->name, "pages") == 0;
        bool as_s8 = quantised && (strcmp(o->name, "k") == 0 || strcmp(o->name, "v") == 0);
        for (size_t k = 0; as_int && k < o->count; ++k) {
            float f;
            memcpy(&f, &o->word[k], sizeof f);
            o->word[k] = (uint32_t)(int32_t)f;
        }
        t->dtype = as_bool ? TN_BOOL : as_int ? TN_S32 : as_s8 ? TN_S8 : type_of(g, o->name);
        size_t size = tn_dtype_bits((tn_dtype)t->dtype) / 8;
        uint64_t bytes = o->count * size;
        bool factor = strstr(o->name, "_of_") != NULL;
        t->rank = factor && o->count == 1 ? 0 : o->rank; /* one number */
        int64_t stride = 1;
        for (int d = t->rank; d-- > 0;) {
            t->dim[d] = o->dim[d];
            t->stride[d] = stride;
            stride *= o->dim[d];
        }
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
        TN_REQUIRE(tn_buffer_create(device, &desc, &buffer[i]) == TN_OK, "%s", g->head);
        t->buffer = buffer[i];
        uint8_t *packed = malloc(o->count * 4u + 1);
        TN_REQUIRE(packed != NULL, "memory");
        for (size_t k = 0; k < o->count; ++k) {
            uint32_t w = as_bool ? o->word[k] != 0 : o->word[k];
            if (as_s8) { /* written as an f32, too */
                float f;
                memcpy(&f, &o->word[k], sizeof f);
                w = (uint8_t)(int8_t)f;
            }
            memcpy(packed + k * size, &w, size); /* little-endian, as all that is tested here */
        }
        bool out = strcmp(o->name, "out") == 0;
        if (out)
            TN_REQUIRE(tn_queue_fill(queue, buffer[i], 0, bytes, 0x7f, 1, NULL) == TN_OK, "%s",
                       g->head);
        else if (o->count != 0)
            TN_REQUIRE(tn_queue_write(queue, buffer[i], 0, packed, bytes, NULL) == TN_OK, "%s",
                       g->head);
        TN_REQUIRE(tn_queue_wait_idle(queue, UINT64_MAX) == TN_OK, "%s", g->head);
        free(packed);
    }
    b.op.arg_count = g->count;
    operand *want = find(g, "out");
    TN_REQUIRE(want != NULL, "%s", g->head);
    tn_error e = {0};
    tn_status st = tn_compute(queue, &b.op);
    if (st != TN_OK)
        tn_error_last(&e);
    TN_EXPECT(st == TN_OK, "%s: %s", g->head, e.text != NULL ? e.text : "");
    if (st == TN_OK) {
        size_t at = (size_t)(want - g->item);
        compare(queue, g, want, b.args[at].tensor.dtype, buffer[at]);
    }
    for (uint32_t i = 0; i < g->count; ++i)
        tn_buffer_release(buffer[i]);
}

/* A backward pass: the op stands in its text form, and may have outputs beside OUT, which is then
 * an input of it. */
static void check_backward(tn_runtime *rt, tn_device *device, tn_queue *queue, golden *g)
{
    char form[192] = "";
    tn_op *op = NULL;
    (void)value_of(g, "form", form, sizeof form);
    for (char *at = form; (at = strchr(at, '~')) != NULL;)
        *at = ' ';
    TN_REQUIRE(tn_op_parse(rt, form, &op) == TN_OK && op->arg_count == g->count, "%s", g->head);
    tn_arg args[MAX_OPERANDS];
    tn_buffer *buffer[MAX_OPERANDS] = {NULL};
    bool output[MAX_OPERANDS] = {false}, many = find(g, "out_grad_a") != NULL;
    for (uint32_t i = 0; i < g->count; ++i) {
        operand *o = &g->item[i];
        uint32_t role = role_of(g->op, o->name, 0), at = 0;
        while (at < op->arg_count && op->args[at].role != role)
            ++at;
        TN_REQUIRE(at < op->arg_count, "%s: %s", g->head, o->name);
        args[at] = op->args[at];
        output[i] = many ? strncmp(o->name, "out_", 4) == 0 : strcmp(o->name, "out") == 0;
        for (size_t k = 0; args[at].tensor.dtype == TN_S32 && k < o->count; ++k) {
            float f;
            memcpy(&f, &o->word[k], sizeof f);
            o->word[k] = (uint32_t)(int32_t)f;
        }
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = o->count * 4u};
        TN_REQUIRE(tn_buffer_create(device, &desc, &buffer[i]) == TN_OK, "%s", g->head);
        args[at].tensor.buffer = buffer[i];
        tn_status st = output[i]
                           ? tn_queue_fill(queue, buffer[i], 0, desc.bytes, 0x7fc0dead, 4, NULL)
                           : tn_queue_write(queue, buffer[i], 0, o->word, desc.bytes, NULL);
        TN_REQUIRE(st == TN_OK && tn_queue_wait_idle(queue, UINT64_MAX) == TN_OK, "%s", g->head);
    }
    tn_op bound = *op;
    bound.args = args;
    tn_error e = {0};
    tn_status st = tn_compute(queue, &bound);
    if (st != TN_OK)
        tn_error_last(&e);
    TN_EXPECT(st == TN_OK, "%s: %s", g->head, e.text != NULL ? e.text : "");
    for (uint32_t i = 0; i < g->count; ++i) {
        if (st == TN_OK && output[i])
            compare(queue, g, &g->item[i], TN_F32, buffer[i]);
        tn_buffer_release(buffer[i]);
    }
    tn_op_free(rt, op);
}

static unsigned run_file(tn_runtime *rt, tn_device *device, tn_queue *queue, const char *path)
{
    FILE *f = fopen(path, "r");
    TN_REQUIRE(f != NULL, "cannot open %s", path);
    char *line = malloc(LINE_BYTES);
    TN_REQUIRE(line != NULL, "memory");
    golden g = {0};
    unsigned cases = 0;
    for (bool more = true; more;) {
        more = fgets(line, LINE_BYTES, f) != NULL;
        if (!more || strncmp(line, "case ", 5) == 0) {
            if (g.count != 0) {
                if (strcmp(g.op, "backward") == 0)
                    check_backward(rt, device, queue, &g);
                else
                    check(device, queue, &g);
                ++cases;
            }
            forget(&g);
            if (more) {
                line[strcspn(line, "\n")] = '\0';
                snprintf(g.head, sizeof g.head, "%s", line + 5);
                snprintf(g.op, sizeof g.op, "%.*s", (int)strcspn(g.head, " "), g.head);
            }
        } else {
            TN_REQUIRE(read_operand(&g, line), "%s: bad operand line in %s", g.head, path);
        }
    }
    free(line);
    fclose(f);
    return cases;
}

static void golden_vectors(uint32_t queue_flags)
{
    static const char *const files[] = {
        "functions.txt", "matmul.txt", "rows.txt",          "attention.txt", "axes.txt",
        "backward.txt",  "images.txt", "matmul_narrow.txt", "integers.txt",  "cache.txt"};
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        tn_runtime *rt = NULL;
        tn_device *device = NULL;
        tn_queue *queue = NULL;
        unsigned cases = 0;
        tn_queue_desc desc = {.head = TN_INIT(tn_queue_desc), .flags = queue_flags};
        TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK &&
                       tn_device_open(rt, *uri, &device) == TN_OK &&
                       tn_queue_create(device, &desc, &queue) == TN_OK,
                   "%s cannot be opened", *uri);
        for (size_t i = 0; i < sizeof files / sizeof files[0]; ++i) {
            char path[1024];
            snprintf(path, sizeof path, "%s/%s", TN_VECTORS_FOLDER, files[i]);
            cases += run_file(rt, device, queue, path);
        }
        fprintf(stderr, "%s: %u golden cases\n", *uri, cases);
        TN_EXPECT(cases >= 140, "%s: only %u golden cases ran", *uri, cases);
        tn_queue_release(queue);
        tn_device_release(device);
        tn_runtime_release(rt);
    }
}

TN_TEST(canonical, golden_vectors)
{
    golden_vectors(0);
}

/* The caller's thread flushes subnormals and rounds up: work that runs on it must not, and has to
 * leave it as it was. */
TN_TEST(canonical, golden_vectors_from_a_thread_that_rounds_up)
{
#if defined(__x86_64__)
    const unsigned odd = 0xc040u; /* FTZ, round up, DAZ */
    unsigned old = _mm_getcsr();
    _mm_setcsr((old & ~0xe040u) | odd);
    golden_vectors(TN_QUEUE_INLINE);
    unsigned after = _mm_getcsr() & 0xe040u;
    _mm_setcsr(old);
    TN_EXPECT(after == odd, "the thread's mode became %x", after);
#elif defined(__aarch64__)
    const uint64_t odd = 0x1c00000u & ~(uint64_t)0x800000u; /* FZ, round up */
    uint64_t old, after;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" : : "r"(odd) : "memory");
    golden_vectors(TN_QUEUE_INLINE);
    __asm__ volatile("mrs %0, fpcr" : "=r"(after));
    __asm__ volatile("msr fpcr, %0" : : "r"(old) : "memory");
    TN_EXPECT(after == odd, "the thread's mode became %llx", (unsigned long long)after);
#endif
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul as packets for a weight-stationary array: B stands, rows of A stream through, accumulators
 * add the tiles of k, the vector unit does the epilogue. Loads, weights, products and stores of
 * neighbouring tiles overlap; semaphores alone order them. */
#include <kernels/common/canon.h>
#include <kernels/matmul/matmul.h>
#include <kernels/systolic/systolic_rows.h>

/* Semaphores. Of array i: B_FULL + 4 i and so on. */
enum { A_FULL = 0, A_FREE, O_FULL, O_FREE, P_FULL, P_FREE, B_FULL, B_FREE, ACC_FULL, ACC_FREE };
enum { SEMAPHORES = B_FULL + 4 * TN_K_SYS_ARRAYS_MOST };

typedef struct shape {
    int64_t step, tiles; /* of k */
    int64_t rows;        /* of A at a time */
    uint32_t a_at, b_at, o_at, p_at, one_at;
    uint32_t a_pitch, b_pitch, b_rows, o_pitch, p_rows; /* rows of the scratchpad */
    uint32_t operands;                                  /* of the epilogue, C included */
    uint32_t b_buffers; /* tiles of B on their way to one array: they hide the memory's latency */
    bool turned;        /* B lies with k along its rows */
} shape;

static bool integer(uint32_t type)
{
    return type == TN_S8 || type == TN_U8;
}

static uint32_t function_of(uint32_t post)
{
    return post == TN_POST_GELU        ? TN_ELTWISE_GELU
           : post == TN_POST_GELU_TANH ? TN_ELTWISE_GELU_TANH
           : post == TN_POST_SILU      ? TN_ELTWISE_SILU
                                       : 0;
}

static uint32_t rows_for(uint64_t bytes, uint32_t row)
{
    return (uint32_t)((bytes + row - 1) / row);
}

/* Where everything lies in the scratchpad, with as many rows of A as there is room for. */
static bool layout(const tn_k_matmul *p, const tn_k_sys_caps *caps, shape *s)
{
    uint32_t row = caps->row_bytes, ea = tn_k_elem_bytes(p->a_type),
             eb = tn_k_elem_bytes(p->b_type);
    uint32_t eo = tn_k_elem_bytes(p->out_type);
    *s = (shape){.step = caps->rows >= TN_C_CHUNK ? TN_C_CHUNK : caps->rows};
    if (integer(p->a_type)) /* sums of integers have no order */
        s->step = caps->rows;
    s->tiles = (p->k + s->step - 1) / s->step;
    s->turned =
        p->b_view.col != 1 && p->b_view.row == 1 && (caps->flags & TN_K_SYS_LDW_TRANSPOSES) != 0;
    s->a_pitch = rows_for((uint64_t)s->step * ea, row);
    s->b_rows = s->turned ? caps->cols : (uint32_t)s->step;
    s->b_pitch = rows_for((uint64_t)(s->turned ? (uint32_t)s->step : caps->cols) * eb, row);
    s->o_pitch = rows_for((uint64_t)caps->cols * eo, row);
    s->p_rows = rows_for((uint64_t)caps->cols * 4, row);
    s->operands = p->c >= 0;
    for (uint32_t i = 0; i < p->post_count; i++)
        s->operands += p->post[i].operand >= 0;
    bool a_scale = p->a_scale.operand >= 0, b_scale = p->b_scale.operand >= 0;
    s->operands += (uint32_t)a_scale + b_scale + (a_scale && b_scale); /* and their product */
    s->operands += (p->out_scale.operand >= 0) + (p->out_zero.operand >= 0 ? 3u : 0u);
    uint64_t tile = (uint64_t)caps->arrays * s->b_rows * s->b_pitch;
    s->b_buffers = 8;
    while (s->b_buffers > 2 && s->b_buffers * tile > caps->spad_rows / 4)
        s->b_buffers /= 2;
    uint64_t fixed = 1 + s->b_buffers * tile;
    uint64_t each =
        (uint64_t)s->tiles * s->a_pitch + 2 * s->o_pitch + 2 * (uint64_t)s->operands * s->p_rows;
    int64_t most = caps->acc_rows / (2 * caps->arrays);
    if (fixed + each > caps->spad_rows || most == 0)
        return false;
    uint64_t fit = (caps->spad_rows - fixed) / each;
    s->rows = p->m < most ? p->m : most;
    s->rows = s->rows < (int64_t)fit ? s->rows : (int64_t)fit;
    uint32_t t = (uint32_t)s->rows;
    s->b_at = 1;
    s->a_at = (uint32_t)fixed;
    s->o_at = s->a_at + (uint32_t)s->tiles * t * s->a_pitch;
    s->p_at = s->o_at + 2 * t * s->o_pitch;
    return true;
}

static bool fits(int64_t stride, uint32_t bytes)
{
    int64_t most = INT32_MAX / (int64_t)bytes;
    return stride >= -most && stride <= most;
}

static bool view_fits(const tn_k_matmul_view *v, uint32_t type)
{
    uint32_t bytes = tn_k_elem_bytes(type);
    return fits(v->row, bytes) && fits(v->col, bytes);
}

static bool strides_fit(const tn_k_matmul *p)
{
    bool good = view_fits(&p->a_view, p->a_type) && view_fits(&p->b_view, p->b_type) &&
                view_fits(&p->out_view, p->out_type) &&
                (p->c < 0 || view_fits(&p->c_view, p->c_type));
    for (uint32_t i = 0; i < p->post_count; i++)
        good = good && (p->post[i].operand < 0 || view_fits(&p->post[i].view, p->post[i].type));
    return good && p->k < INT32_MAX && p->m < INT32_MAX && p->n < INT32_MAX;
}

/* Sums as they are, or in floats: nothing is added to integers. */
static bool plain_sum(const tn_k_matmul *p)
{
    return p->c < 0 && p->alpha == 1.0f && p->a_zero.operand < 0 && p->b_zero.operand < 0 &&
           p->int_posts == 0 && (p->out_type != TN_S32 || p->post_count == 0);
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_matmul *p = params;
    shape s;
    bool ints = integer(p->a_type), functions = false;
    if (p->b_layout != 0 || (caps->array_types >> p->a_type & 1u) == 0 ||
        (caps->array_types >> p->b_type & 1u) == 0 || ints != integer(p->b_type))
        return tn_k_refuse(why, "systolic.dtype", "a",
                           "the matrix array has no multipliers for these types");
    if (p->b_packed)
        return tn_k_refuse(why, "matmul.packed", "b", "the array takes B as it is");
    if (ints && !plain_sum(p))
        return tn_k_refuse(
            why, "systolic.integers", "out",
            "the vector unit adds no integers: zero points of a and b, and steps in s32");
    for (uint32_t i = 0; i < p->post_count; i++)
        functions = functions || function_of(p->post[i].kind) != 0;
    /* What follows sums of integers rounds as it is written down, which is EXACT's. */
    tn_class vector = ints && cls == TN_CLASS_EXACT ? TN_CLASS_CANONICAL : cls;
    if ((!ints || p->out_type != TN_S32) && !tn_k_sys_vector_class(caps, functions, vector, why))
        return false;
    if (!ints && cls == TN_CLASS_CANONICAL &&
        (caps->rows < TN_C_CHUNK || (caps->flags & TN_K_SYS_SEQUENTIAL) == 0))
        return tn_k_refuse(why, "systolic.order", "numerics.cls",
                           "the array adds in another order than chunks of 128, one by one");
    if (!strides_fit(p) || !layout(p, caps, &s) || caps->semaphores < SEMAPHORES)
        return tn_k_refuse(why, "systolic.memory", "args",
                           "one row of A with its tiles is more than the scratchpad holds");
    return true;
}

/* What is emitted, and how often each buffer was used. */
typedef struct lowering {
    const tn_k_matmul *p;
    const tn_k_sys_caps *caps;
    const uint64_t *operand;
    tn_k_sys_stream *out;
    shape s;
    tn_k_matmul_item at;
    uint32_t b_used[TN_K_SYS_ARRAYS_MOST], acc_used[TN_K_SYS_ARRAYS_MOST];
    uint32_t o_used, p_used, blocks;
} lowering;

/* Rows by columns of a view of host memory, to or from the chip. */
static tn_k_sys_packet transfer(uint32_t op, uint64_t operand, uint32_t type, int64_t at,
                                const tn_k_matmul_view *v, int64_t rows, int64_t cols,
                                uint32_t chip, uint32_t pitch)
{
    uint32_t bytes = tn_k_elem_bytes(type);
    tn_k_sys_packet x = {.op = (uint8_t)op,
                         .a = chip,
                         .b = pitch,
                         .iova = operand + (uint64_t)(at * (int64_t)bytes),
                         .n0 = (uint32_t)rows,
                         .n1 = (uint32_t)cols * bytes,
                         .n2 = 1,
                         .s0 = (int32_t)(v->row * bytes)};
    if (cols != 1 && v->col != 1) {
        x.flags = TN_K_SYS_STRIDED;
        x.s1 = (int32_t)(v->col * bytes);
        x.p0 = bytes;
    }
    return x;
}

static void nop(lowering *l, uint32_t engine, uint32_t wait_sem, uint32_t wait, uint32_t sig_sem,
                uint32_t sig)
{
    tn_k_sys_put(l->out, (tn_k_sys_packet){.op = TN_K_SYS_NOP,
                                           .d = engine,
                                           .wait_sem = (uint8_t)wait_sem,
                                           .wait_val = (uint8_t)wait,
                                           .sig_sem = (uint8_t)sig_sem,
                                           .sig_val = (uint8_t)sig});
}

/* Rows of the scratchpad that elements in a row take: the last tile of k is narrower. */
static uint32_t pitch_of(const lowering *l, int64_t elements, uint32_t type)
{
    return rows_for((uint64_t)elements * tn_k_elem_bytes(type), l->caps->row_bytes);
}

static void load_a(lowering *l, int64_t row, int64_t rows, int64_t tile, uint32_t arrays)
{
    const tn_k_matmul *p = l->p;
    int64_t k = tile * l->s.step, count = p->k - k < l->s.step ? p->k - k : l->s.step;
    tn_k_sys_packet x = transfer(
        TN_K_SYS_LD, l->operand[0], p->a_type, l->at.a + row * p->a_view.row + k * p->a_view.col,
        &p->a_view, rows, count, l->s.a_at + (uint32_t)(tile * rows) * l->s.a_pitch, l->s.a_pitch);
    x.b = pitch_of(l, count, p->a_type);
    x.sig_sem = A_FULL;
    x.sig_val = (uint8_t)arrays;
    if (tile == 0 && l->blocks != 0) { /* the block before is through */
        x.wait_sem = A_FREE;
        x.wait_val = (uint8_t)arrays;
    }
    tn_k_sys_put(l->out, x);
}

static void weights(lowering *l, uint32_t array, int64_t col, int64_t cols, int64_t tile)
{
    const tn_k_matmul *p = l->p;
    int64_t k = tile * l->s.step, count = p->k - k < l->s.step ? p->k - k : l->s.step;
    uint32_t used = l->b_used[array]++;
    uint32_t at =
        l->s.b_at + (l->s.b_buffers * array + used % l->s.b_buffers) * l->s.b_rows * l->s.b_pitch;
    tn_k_matmul_view turned = {.row = p->b_view.col, .col = p->b_view.row};
    tn_k_sys_packet x = transfer(TN_K_SYS_LD, l->operand[1], p->b_type,
                                 l->at.b + k * p->b_view.row + col * p->b_view.col,
                                 l->s.turned ? &turned : &p->b_view, l->s.turned ? cols : count,
                                 l->s.turned ? count : cols, at, l->s.b_pitch);
    x.b = pitch_of(l, l->s.turned ? count : cols, p->b_type);
    x.wait_sem = (uint8_t)(B_FREE + 4 * array);
    x.wait_val = used >= l->s.b_buffers;
    x.sig_sem = (uint8_t)(B_FULL + 4 * array);
    x.sig_val = 1;
    tn_k_sys_put(l->out, x);
    tn_k_sys_put(l->out, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                           .flags = l->s.turned ? TN_K_SYS_TRANSPOSE : 0,
                                           .wait_sem = (uint8_t)(B_FULL + 4 * array),
                                           .wait_val = 1,
                                           .sig_sem = (uint8_t)(B_FREE + 4 * array),
                                           .sig_val = 1,
                                           .a = at,
                                           .b = used % l->caps->planes,
                                           .d = array,
                                           .n0 = (uint32_t)count,
                                           .n1 = (uint32_t)cols,
                                           .s0 = (int32_t)x.b,
                                           .p1 = p->b_type});
}

static uint32_t acc_of(const lowering *l, uint32_t array, uint32_t used)
{
    return TN_K_SYS_ACC | (2 * array + used % 2) * (uint32_t)l->s.rows;
}

static void multiply(lowering *l, uint32_t array, int64_t rows, int64_t tile, bool first_group)
{
    uint32_t used = l->acc_used[array], engine = TN_K_SYS_ARRAY + 2 * array;
    bool last = tile + 1 == l->s.tiles;
    int64_t k = l->p->k - tile * l->s.step;
    if (tile == 0 && used >= 2)
        nop(l, engine, ACC_FREE + 4 * array, 1, 0, 0);
    tn_k_sys_put(l->out,
                 (tn_k_sys_packet){
                     .op = TN_K_SYS_MM,
                     .flags = tile == 0 ? TN_K_SYS_ZERO : TN_K_SYS_ACCUMULATE,
                     .wait_sem = A_FULL,
                     .wait_val = first_group,
                     .sig_sem = (uint8_t)(ACC_FULL + 4 * array),
                     .sig_val = last,
                     .a = l->s.a_at + (uint32_t)(tile * rows) * l->s.a_pitch,
                     .b = (l->b_used[array] - 1) % l->caps->planes,
                     .c = acc_of(l, array, used),
                     .d = array,
                     .n0 = (uint32_t)rows,
                     .s0 = (int32_t)pitch_of(l, k < l->s.step ? k : l->s.step, l->p->a_type),
                     .p1 = l->p->a_type,
                 });
}

/* An operand of the epilogue for one tile; returns how it covers the tile. */
static uint32_t load_operand(lowering *l, uint32_t slot, int32_t operand, uint32_t type, int64_t at,
                             const tn_k_matmul_view *v, int64_t row, int64_t rows, int64_t col,
                             int64_t cols, uint32_t *out_at)
{
    uint32_t mode = v->row != 0 && v->col != 0 ? TN_K_SYS_FULL
                    : v->col != 0              ? TN_K_SYS_PER_COLUMN
                    : v->row != 0              ? TN_K_SYS_PER_ROW
                                               : TN_K_SYS_ONE;
    tn_k_matmul_view along = *v;
    int64_t high = rows, wide = cols;
    if (mode != TN_K_SYS_FULL)
        high = 1;
    if (mode == TN_K_SYS_PER_ROW) {
        along.col = v->row;
        wide = rows;
    } else if (mode == TN_K_SYS_ONE) {
        wide = 1;
    }
    *out_at =
        l->s.p_at + (l->p_used % 2 * l->s.operands + slot) * (uint32_t)l->s.rows * l->s.p_rows;
    tn_k_sys_packet x = transfer(TN_K_SYS_LD, l->operand[operand], type,
                                 at + row * v->row + col * v->col, &along, high, wide, *out_at, 0);
    x.wait_sem = P_FREE;
    x.wait_val = slot == 0 && l->p_used >= 2;
    x.sig_sem = P_FULL;
    x.sig_val = 1;
    tn_k_sys_put(l->out, x);
    return mode;
}

/* c = f(x, y, z) over the tile, or over one row of `wide` words; `loads`: how many of its operands
 * have to be waited for. */
typedef struct step {
    uint32_t kind, loads, to, to_type, wide;
    tn_k_sys_source x, y, z;
    float a, b;
} step;

enum { STEPS = TN_K_MATMUL_POSTS + 10 };

/* A tile's steps as they are listed: what they read and write lies in slots of the epilogue's room,
 * and in the accumulators, whose rows are of type `sum`. */
typedef struct list {
    lowering *l;
    step step[STEPS];
    uint32_t count, slot, acc, sum;
    int64_t row, rows, col, cols;
} list;

static uint32_t word(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static uint32_t slot_at(const list *s, uint32_t slot)
{
    const shape *h = &s->l->s;
    return h->p_at + (s->l->p_used % 2 * h->operands + slot) * (uint32_t)h->rows * h->p_rows;
}

static tn_k_sys_source loaded(list *s, int32_t operand, uint32_t type, int64_t at,
                              const tn_k_matmul_view *v)
{
    tn_k_sys_source x = {.type = type};
    x.mode = load_operand(s->l, s->slot++, operand, type, at, v, s->row, s->rows, s->col, s->cols,
                          &x.at);
    return x;
}

static tn_k_sys_source factor(list *s, const tn_k_matmul_factor *f, uint32_t type, bool along_rows)
{
    tn_k_matmul_view v = {.row = along_rows ? f->stride : 0, .col = along_rows ? 0 : f->stride};
    return loaded(s, f->operand, type, 0, &v);
}

static tn_k_sys_source sums(const list *s)
{
    return (tn_k_sys_source){s->acc, TN_K_SYS_FULL, s->sum};
}

static void add_step(list *s, step x)
{
    if (x.to == 0) {
        x.to = s->acc;
        s->sum = TN_F32;
    }
    x.to_type = x.to_type == 0 ? TN_F32 : x.to_type;
    s->step[s->count++] = x;
}

/* Times scale of a * scale of b, which is rounded first. */
static void rescale(list *s)
{
    const tn_k_matmul *p = s->l->p;
    static const tn_k_sys_source none;
    bool two = p->a_scale.operand >= 0 && p->b_scale.operand >= 0;
    tn_k_sys_source a = none, b = none, y;
    if (p->a_scale.operand >= 0)
        a = factor(s, &p->a_scale, TN_F32, true);
    if (p->b_scale.operand >= 0)
        b = factor(s, &p->b_scale, TN_F32, false);
    y = a.type != 0 ? a : b;
    if (two) {
        y.at = slot_at(s, s->slot++);
        y.mode = a.mode == TN_K_SYS_ONE   ? b.mode
                 : b.mode == TN_K_SYS_ONE ? a.mode
                                          : (uint32_t)TN_K_SYS_FULL;
        step x = {.kind = TN_ELTWISE_MUL, .loads = 2, .to = y.at, .x = a, .y = b};
        if (y.mode != TN_K_SYS_FULL) { /* one vector of both */
            x.wide = y.mode == TN_K_SYS_ONE       ? 1
                     : y.mode == TN_K_SYS_PER_ROW ? (uint32_t)s->rows
                                                  : (uint32_t)s->cols;
            x.x.mode = a.mode == TN_K_SYS_ONE ? TN_K_SYS_ONE : TN_K_SYS_PER_COLUMN;
            x.y.mode = b.mode == TN_K_SYS_ONE ? TN_K_SYS_ONE : TN_K_SYS_PER_COLUMN;
        }
        add_step(s, x);
    }
    if (y.type != 0)
        add_step(s, (step){.kind = TN_ELTWISE_MUL, .loads = !two, .x = sums(s), .y = y});
}

/* Over the scale of out, to the nearest integer, a NaN made 0, and the zero point: the unit
 * saturates as it narrows. */
static void requantise(list *s)
{
    const tn_k_matmul *p = s->l->p;
    if (p->out_scale.operand >= 0)
        add_step(s, (step){.kind = TN_ELTWISE_DIV,
                           .loads = 1,
                           .x = sums(s),
                           .y = factor(s, &p->out_scale, TN_F32, false)});
    if (p->out_zero.operand < 0)
        return;
    tn_k_sys_source zero = factor(s, &p->out_zero, p->out_type, false);
    tn_k_sys_source number = tn_k_sys_full(slot_at(s, s->slot++), TN_BOOL);
    tn_k_sys_source nothing = tn_k_sys_full(slot_at(s, s->slot++), TN_BOOL);
    add_step(s, (step){.kind = TN_ELTWISE_RINT, .x = sums(s)});
    add_step(s, (step){.kind = TN_ELTWISE_EQUAL,
                       .to = number.at,
                       .to_type = TN_BOOL,
                       .x = sums(s),
                       .y = sums(s)});
    add_step(s, (step){.kind = TN_ELTWISE_LESS,
                       .to = nothing.at,
                       .to_type = TN_BOOL,
                       .x = sums(s),
                       .y = sums(s)});
    add_step(s, (step){.kind = TN_ELTWISE_WHERE, .x = number, .y = sums(s), .z = nothing});
    add_step(s, (step){.kind = TN_ELTWISE_ADD, .loads = 1, .x = sums(s), .y = zero});
}

/* The steps of one tile; their operands are loaded here. */
static void steps_of(list *s)
{
    const tn_k_matmul *p = s->l->p;
    if (p->alpha != 1.0f)
        add_step(s, (step){.kind = TN_ELTWISE_SCALE, .x = sums(s), .a = p->alpha, .b = -0.0f});
    if (p->c >= 0) /* c * beta + y */
        add_step(s, (step){.kind = TN_ELTWISE_FMA,
                           .loads = 1,
                           .x = loaded(s, p->c, p->c_type, s->l->at.c, &p->c_view),
                           .y = {s->l->s.one_at, TN_K_SYS_ONE, TN_F32},
                           .z = sums(s)});
    if (integer(p->a_type))
        rescale(s);
    for (uint32_t i = 0; i < p->post_count; i++) {
        const tn_k_matmul_post *q = &p->post[i];
        step x = {.x = sums(s), .a = q->a, .b = q->b};
        switch (q->kind) {
        case TN_POST_BIAS:
        case TN_POST_ADD:
        case TN_POST_MUL:
            x.kind = q->kind == TN_POST_MUL ? TN_ELTWISE_MUL : TN_ELTWISE_ADD;
            x.loads = 1;
            x.y = loaded(s, q->operand, q->type, s->l->at.post[i], &q->view);
            break;
        case TN_POST_SCALE:
            x.kind = TN_ELTWISE_SCALE;
            x.b = -0.0f;
            break;
        case TN_POST_CLAMP:
            x.kind = TN_ELTWISE_CLAMP;
            break;
        case TN_POST_RELU:
            x.kind = TN_ELTWISE_RELU;
            break;
        default:
            x.kind = function_of(q->kind);
            break;
        }
        add_step(s, x);
    }
    if (integer(p->a_type) && integer(p->out_type))
        requantise(s);
    if (s->count == 0)
        add_step(s, (step){.kind = 0, .x = sums(s)});
}

/* Accumulators, through the steps, to the host. */
static void finish(lowering *l, uint32_t array, int64_t row, int64_t rows, int64_t col,
                   int64_t cols)
{
    const tn_k_matmul *p = l->p;
    list s = {.l = l, .row = row, .rows = rows, .col = col, .cols = cols};
    s.acc = acc_of(l, array, l->acc_used[array]++);
    s.sum = integer(p->a_type) ? TN_S32 : TN_F32;
    uint32_t used = l->o_used++;
    uint32_t o_at = l->s.o_at + used % 2 * (uint32_t)l->s.rows * l->s.o_pitch;
    steps_of(&s);
    nop(l, TN_K_SYS_VECTOR, ACC_FULL + 4 * array, 1, 0, 0);
    if (used >= 2)
        nop(l, TN_K_SYS_VECTOR, O_FREE, 1, 0, 0);
    for (uint32_t i = 0; i < s.count; i++) {
        const step *x = &s.step[i];
        bool last = i + 1 == s.count;
        tn_k_sys_put(l->out, (tn_k_sys_packet){
                                 .op = TN_K_SYS_MAP,
                                 .wait_sem = P_FULL,
                                 .wait_val = (uint8_t)x->loads,
                                 .sig_sem = O_FULL,
                                 .sig_val = last,
                                 .a = x->x.at,
                                 .b = x->y.at,
                                 .c = last ? o_at : x->to,
                                 .d = x->z.at,
                                 .n0 = x->wide != 0 ? 1 : (uint32_t)rows,
                                 .n1 = x->wide != 0 ? x->wide : (uint32_t)cols,
                                 .n2 = TN_K_SYS_MAP_TYPES(x->x.type, x->y.type, x->z.type,
                                                          last ? p->out_type : x->to_type),
                                 .s0 = TN_K_SYS_MAP_KIND(x->kind, x->x.mode, x->y.mode, x->z.mode),
                                 .p0 = word(x->a),
                                 .p1 = word(x->b),
                             });
    }
    nop(l, TN_K_SYS_VECTOR, 0, 0, ACC_FREE + 4 * array, 1);
    if (l->s.operands != 0) {
        nop(l, TN_K_SYS_VECTOR, 0, 0, P_FREE, 1);
        l->p_used++;
    }
    tn_k_sys_packet x = transfer(TN_K_SYS_ST, l->operand[p->out], p->out_type,
                                 l->at.out + row * p->out_view.row + col * p->out_view.col,
                                 &p->out_view, rows, cols, o_at, 0);
    x.wait_sem = O_FULL;
    x.wait_val = 1;
    x.sig_sem = O_FREE;
    x.sig_val = 1;
    tn_k_sys_put(l->out, x);
}

/* Without k the sums are +0. */
static void clear_sums(lowering *l, uint32_t array, int64_t rows)
{
    tn_k_sys_put(l->out, (tn_k_sys_packet){.op = TN_K_SYS_FILL,
                                           .wait_sem = (uint8_t)(ACC_FREE + 4 * array),
                                           .wait_val = l->acc_used[array] >= 2,
                                           .sig_sem = (uint8_t)(ACC_FULL + 4 * array),
                                           .sig_val = 1,
                                           .a = acc_of(l, array, l->acc_used[array]),
                                           .n0 = (uint32_t)rows});
}

static void block(lowering *l, int64_t row, int64_t rows)
{
    const int64_t wide = l->caps->cols, n = l->p->n;
    uint32_t arrays = l->caps->arrays;
    int64_t tiles = (n + wide - 1) / wide;
    uint32_t used = tiles < arrays ? (uint32_t)tiles : arrays;
    for (int64_t group = 0; group < tiles; group += arrays) {
        int64_t here = tiles - group < arrays ? tiles - group : arrays;
        for (int64_t k = 0; k < l->s.tiles; k++) {
            if (group == 0)
                load_a(l, row, rows, k, used);
            for (uint32_t i = 0; i < here; i++) {
                int64_t col = (group + i) * wide;
                weights(l, i, col, n - col < wide ? n - col : wide, k);
                multiply(l, i, rows, k, group == 0);
            }
        }
        for (uint32_t i = 0; i < here; i++) {
            int64_t col = (group + i) * wide;
            if (l->s.tiles == 0)
                clear_sums(l, i, rows);
            finish(l, i, row, rows, col, n - col < wide ? n - col : wide);
        }
    }
    for (uint32_t i = 0; i < used && l->s.tiles != 0; i++)
        nop(l, TN_K_SYS_ARRAY + 2 * i, 0, 0, A_FREE, 1);
    l->blocks++;
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_matmul *p = params;
    lowering l = {.p = p, .caps = caps, .operand = operand, .out = out};
    if (!layout(p, caps, &l.s) || p->n == 0 || p->m == 0) {
        out->failed = p->n != 0 && p->m != 0; /* fewer columns than when the plan was made */
        return;
    }
    if (p->c >= 0) {
        tn_k_sys_put(out, (tn_k_sys_packet){.op = TN_K_SYS_FILL,
                                            .a = l.s.one_at,
                                            .n0 = 1,
                                            .p0 = word(p->beta),
                                            .sig_sem = P_FULL,
                                            .sig_val = 1});
        nop(&l, TN_K_SYS_VECTOR, P_FULL, 1, 0, 0);
    }
    for (int64_t b = 0; b < p->batch_count && !out->failed; b++) {
        tn_k_matmul_locate(p, b, &l.at);
        for (int64_t row = 0; row < p->m; row += l.s.rows)
            block(&l, row, p->m - row < l.s.rows ? p->m - row : l.s.rows);
    }
}

static uint64_t macs(const void *params)
{
    const tn_k_matmul *p = params;
    return (uint64_t)p->batch_count * (uint64_t)p->m * (uint64_t)p->n * (uint64_t)p->k;
}

extern const tn_k_sys_row tn_k_matmul_systolic;
const tn_k_sys_row tn_k_matmul_systolic = {
    .name = "matmul_systolic",
    .kind = TN_OP_MATMUL,
    .accepts = accepts,
    .lower = lower,
    .arithmetic = tn_k_matmul_arithmetic,
    .macs = macs,
};

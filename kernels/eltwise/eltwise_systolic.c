/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise kinds and casts as packets for the vector unit. */
#include <kernels/common/float_rows.h>
#include <kernels/copy/copy.h>
#include <kernels/eltwise/eltwise.h>
#include <kernels/systolic/systolic_rows.h>

/* What both ops are: a kind over a grid. */
typedef struct job {
    uint32_t kind, inputs, from[3], to;
    float a, b;
    const tn_k_grid *grid; /* inputs, then at [inputs] OUT */
} job;

/* Columns and rows of a block: as wide as there is room for. */
static bool fits(const job *j, const tn_k_sys_caps *caps, int64_t *out_rows, int64_t *out_width)
{
    tn_k_sys_plane p = tn_k_sys_plane_of(j->grid);
    bool good = true;
    for (uint32_t i = 0; i <= j->inputs; i++) {
        uint32_t bytes = tn_k_elem_bytes(i < j->inputs ? j->from[i] : j->to);
        good = good && tn_k_sys_grid_fits(j->grid, i, bytes);
    }
    *out_rows = 0;
    for (*out_width = TN_K_SYS_COLUMNS; *out_width >= 16 && *out_rows == 0; *out_width /= 2) {
        uint64_t each = 0, cols = (uint64_t)(p.cols < *out_width ? p.cols : *out_width);
        for (uint32_t i = 0; i <= j->inputs; i++) {
            uint32_t bytes = tn_k_elem_bytes(i < j->inputs ? j->from[i] : j->to);
            each += tn_k_sys_rows_of(caps, 0, cols * (bytes > 4 ? bytes : 4));
        }
        *out_rows = tn_k_sys_fit(caps, each, 0);
    }
    *out_width *= 2; /* the loop has gone on */
    return good && (*out_rows > 0 || p.cols == 0);
}

/* One long row whose operands all go on is cut into rows of a block's width. */
static tn_k_sys_plane planes(const job *j, int64_t width, int64_t *out_tail)
{
    tn_k_sys_plane p = tn_k_sys_plane_of(j->grid);
    bool dense = p.rows == 1 && p.cols > width;
    *out_tail = 0;
    if (dense) {
        *out_tail = p.cols % width;
        p.rows = p.cols / width;
        p.cols = width;
        for (uint32_t i = 0; i <= j->inputs; i++)
            p.row[i] = p.col[i] * width;
    }
    return p;
}

static void piece(tn_k_sys_block *b, const job *j, const tn_k_sys_plane *p, const uint64_t *operand,
                  const int64_t *at, int64_t rows, int64_t cols)
{
    tn_k_sys_source in[3] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
    tn_k_sys_begin(b);
    for (uint32_t i = 0; i < j->inputs; i++) {
        uint64_t from = operand[i] + (uint64_t)(at[i] * tn_k_elem_bytes(j->from[i]));
        if (j->kind == 0) { /* bits as they are: nothing passes through f32 but casts */
            in[i] = tn_k_sys_load_full(b, from, j->from[i], p->row[i], p->col[i], rows, cols);
            continue;
        }
        in[i].type = j->from[i];
        in[i].at =
            tn_k_sys_load(b, from, j->from[i], p->row[i], p->col[i], rows, cols, &in[i].mode);
    }
    uint32_t out = tn_k_sys_room(b, (uint64_t)rows, (uint64_t)cols * tn_k_elem_bytes(j->to));
    tn_k_sys_ready(b);
    tn_k_sys_map(b, j->kind, in[0], in[1], in[2], j->a, j->b, rows, cols, out, j->to);
    tn_k_sys_store(b, operand[j->inputs] + (uint64_t)(at[j->inputs] * tn_k_elem_bytes(j->to)),
                   j->to, p->row[j->inputs], p->col[j->inputs], rows, cols, out);
}

static void emit(const job *j, const tn_k_sys_caps *caps, const uint64_t *operand,
                 tn_k_sys_stream *out)
{
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    int64_t tail, most, width;
    if (!fits(j, caps, &most, &width) || tn_k_grid_count(j->grid) == 0)
        return;
    tn_k_sys_plane p = planes(j, width, &tail);
    for (int64_t o = 0; o < p.outer && !out->failed; o++) {
        int64_t base[4], at[4];
        for (uint32_t i = 0; i <= j->inputs; i++)
            base[i] = tn_k_sys_outer(j->grid, &p, i, o);
        for (int64_t r = 0; r < p.rows; r += most)
            for (int64_t c = 0; c < p.cols; c += width) {
                for (uint32_t i = 0; i <= j->inputs; i++)
                    at[i] = base[i] + r * p.row[i] + c * p.col[i];
                piece(&b, j, &p, operand, at, p.rows - r < most ? p.rows - r : most,
                      p.cols - c < width ? p.cols - c : width);
            }
        if (tail != 0) {
            for (uint32_t i = 0; i <= j->inputs; i++)
                at[i] = base[i] + p.rows * p.row[i];
            piece(&b, j, &p, operand, at, 1, tail);
        }
    }
}

static bool is_function(uint32_t kind)
{
    return kind >= TN_ELTWISE_RSQRT && kind <= TN_ELTWISE_COS;
}

static job eltwise_job(const tn_k_eltwise_params *p)
{
    job j = {.kind = p->kind, .inputs = p->inputs, .a = p->a, .b = p->b, .grid = &p->grid};
    for (uint32_t i = 0; i < p->inputs; i++)
        j.from[i] = p->dtype;
    if (p->kind == TN_ELTWISE_WHERE)
        j.from[0] = TN_BOOL;
    j.to = tn_k_eltwise_is_compare(p->kind) ? TN_BOOL : p->dtype;
    return j;
}

static bool eltwise_accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls,
                            tn_k_why *why)
{
    const tn_k_eltwise_params *p = params;
    job j = eltwise_job(p);
    int64_t rows, width;
    /* f32 is moved as it is, NaNs included; narrower types pass through f32 */
    bool where = p->kind == TN_ELTWISE_WHERE;
    if (!tn_k_computes(p->dtype) || (where && p->dtype != TN_F32))
        return tn_k_refuse(why, "eltwise.dtype", "a", "the vector unit computes f32, f16 and bf16");
    if (!tn_k_sys_vector_class(caps, is_function(p->kind), where ? TN_CLASS_CANONICAL : cls, why))
        return false;
    return fits(&j, caps, &rows, &width) || tn_k_sys_no_room(why);
}

static void eltwise_lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                          tn_k_sys_stream *out)
{
    job j = eltwise_job(params);
    emit(&j, caps, operand, out);
}

static job copy_job(const tn_k_copy_params *p)
{
    job j = {.inputs = 1, .from = {p->from}, .to = p->to, .grid = &p->grid};
    return j;
}

static bool copy_accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_copy_params *p = params;
    job j = copy_job(p);
    int64_t rows, width;
    bool same = p->from == p->to;
    if (tn_k_elem_bytes(p->from) == 0 ||
        (!same && (!tn_k_widens(p->from) || !tn_k_widens(p->to))) || (!same && p->saturate))
        return tn_k_refuse(why, "systolic.dtype", "a",
                           "the vector unit casts f32, f16, bf16 and f8");
    if (!same && !tn_k_sys_vector_class(caps, false, cls, why))
        return false;
    return fits(&j, caps, &rows, &width) || tn_k_sys_no_room(why);
}

static void copy_lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                       tn_k_sys_stream *out)
{
    job j = copy_job(params);
    emit(&j, caps, operand, out);
}

const tn_k_sys_row tn_k_eltwise_systolic = {
    .name = "eltwise_systolic",
    .kind = TN_OP_ELTWISE,
    .accepts = eltwise_accepts,
    .lower = eltwise_lower,
    .arithmetic = tn_k_eltwise_arithmetic,
};
const tn_k_sys_row tn_k_copy_systolic = {
    .name = "copy_systolic",
    .kind = TN_OP_COPY,
    .accepts = copy_accepts,
    .lower = copy_lower,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Padding and cropping as packets: OUT in boxes in which indices of A go up, stand or go down; each
 * is a transfer through the scratchpad, or its value alone. */
#include <kernels/pad/pad.h>
#include <kernels/systolic/systolic_job.h>

/* Below A, A and above it, in each dim. */
enum { PARTS = 3 };

/* Not IN_FULL: a fill overtakes the transfer that was issued before it. */
enum { FILLED = TN_K_SYS_STORED + 1 };

static uint32_t type_of(const tn_k_pad_params *p)
{
    return p->elem_bytes == 8   ? TN_S64
           : p->elem_bytes == 4 ? TN_F32
           : p->elem_bytes == 2 ? TN_BF16
                                : TN_U8;
}

static int64_t boxes(const tn_k_pad_params *p)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < p->rank; d++)
        n *= PARTS;
    return n;
}

/* The word that repeats the value; false for one of 8 bytes that no word repeats to. */
static bool word_of(const tn_k_pad_params *p, uint32_t *out)
{
    unsigned char all[8];
    for (uint32_t i = 0; i < 8; i++)
        all[i] = p->value[i % p->elem_bytes];
    memcpy(out, all, 4);
    return memcmp(all, all + 4, 4) == 0;
}

static void filled(tn_k_sys_block *b, const tn_k_sys_job *j, const tn_k_sys_source in[3],
                   uint32_t room, uint32_t tile, int64_t rows, int64_t cols, uint32_t out)
{
    uint32_t word = 0, bytes = tn_k_elem_bytes(j->to);
    (void)in, (void)room, (void)tile, (void)word_of(j->params, &word);
    tn_k_sys_put(b->out,
                 (tn_k_sys_packet){.op = TN_K_SYS_FILL,
                                   .a = out,
                                   .n0 = (uint32_t)rows *
                                         tn_k_sys_rows_of(b->caps, 0, (uint64_t)cols * bytes),
                                   .p0 = word,
                                   .sig_sem = FILLED,
                                   .sig_val = 1});
    tn_k_sys_nop(b->out, TN_K_SYS_VECTOR, FILLED, 1, 0, 0);
}

/* Box `index`: its grid, where it begins in A (with one input) and OUT; false: nothing is there. */
static bool box(const tn_k_pad_params *p, int64_t index, tn_k_grid *grid, tn_k_sys_job *j,
                int64_t *from, int64_t *to)
{
    bool value = false;
    *from = *to = 0;
    *grid = (tn_k_grid){.rank = p->rank};
    for (uint32_t d = 0; d < p->rank; d++, index /= PARTS) {
        int64_t low = p->lo[d] < 0 ? 0 : p->lo[d] < p->dim[d] ? p->lo[d] : p->dim[d];
        int64_t high = p->lo[d] + p->from_dim[d];
        high = high < low ? low : high < p->dim[d] ? high : p->dim[d];
        const int64_t edge[PARTS + 1] = {0, low, high, p->dim[d]};
        int64_t part = index % PARTS, first = edge[part];
        grid->dim[d] = edge[part + 1] - first;
        if (grid->dim[d] == 0)
            return false;
        int64_t at = tn_k_pad_index(p, d, first);
        int64_t step = part == 1 ? 1 : p->mode == TN_PAD_EDGE ? 0 : -1;
        value = value || at < 0;
        *from += at * p->from_stride[d];
        *to += first * p->stride[d];
        grid->stride[0][d] = step * p->from_stride[d];
        grid->stride[1][d] = p->stride[d];
    }
    *j = (tn_k_sys_job){.inputs = 1, .from = {type_of(p)}, .to = type_of(p), .grid = grid};
    if (value) {
        memcpy(grid->stride[0], grid->stride[1], sizeof grid->stride[0]);
        j->inputs = 0;
        j->steps = filled;
        j->params = p;
    }
    tn_k_grid_collapse(grid, j->inputs + 1);
    return true;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_pad_params *p = params;
    uint32_t word;
    bool good = true;
    (void)cls; /* EXACT serves all */
    if (p->mode == TN_PAD_CONSTANT && !word_of(p, &word))
        return tn_k_refuse(why, "systolic.value", "attr.value",
                           "words of 32 bits that are all equal make no such value");
    for (int64_t i = 0; i < boxes(p) && good; i++) {
        tn_k_grid grid;
        tn_k_sys_job j;
        int64_t from, to, rows, width;
        good = !box(p, i, &grid, &j, &from, &to) || tn_k_sys_job_fits(&j, caps, &rows, &width);
    }
    return good || tn_k_sys_no_room(why);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_pad_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    for (int64_t i = 0; i < boxes(p) && !out->failed; i++) {
        tn_k_grid grid;
        tn_k_sys_job j;
        int64_t from, to;
        if (!box(p, i, &grid, &j, &from, &to))
            continue;
        const uint64_t a = operand[0] + (uint64_t)(from * (int64_t)p->elem_bytes);
        const uint64_t y = operand[1] + (uint64_t)(to * (int64_t)p->elem_bytes);
        const uint64_t at[2] = {j.inputs != 0 ? a : y, y};
        tn_k_sys_job_go_on(&b, &j, at);
    }
}

extern const tn_k_sys_row tn_k_pad_systolic;
const tn_k_sys_row tn_k_pad_systolic = {
    .name = "pad_systolic",
    .kind = TN_OP_PAD,
    .accepts = accepts,
    .lower = lower,
};

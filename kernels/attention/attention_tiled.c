/* SPDX-License-Identifier: Apache-2.0 */
/* Attention for devices of groups with local memory, in the CANONICAL order: what the host decides
 * of attention_tiled.cl. */
#include <kernels/attention/attention_sequence.h>
#include <kernels/common/group_tiles.h>

enum { BLOCK = 128, WIDE = 64, HIGH = 4, DEEP = 16, MOST_COLUMNS = 4, MOST_HEADS = 65535 };
enum { MANY_ROWS = 16, FEW_ROWS = HIGH };
/* Blocks of keys are divided among groups where rows are few, and these triples are not too many.
 */
enum { MOST_SHARED = 64 << 20 };
enum { NUMBER_ROWS, NUMBER_BLOCKS, NUMBER_SPLIT };

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_attention_params *p = params;
    (void)caps;
    if (p->dv > MOST_COLUMNS * WIDE)
        return tn_k_refuse(why, "attention.columns", "v", "for up to 256 columns of v");
    return p->batch * p->heads <= MOST_HEADS ||
           tn_k_refuse(why, "attention.heads", "q", "for up to 65535 heads of all batches");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_attention_params *p = params;
    int64_t heads = p->batch * p->heads, rows = p->queries > FEW_ROWS ? MANY_ROWS : FEW_ROWS;
    int64_t blocks = (p->first_key % BLOCK + p->keys + BLOCK - 1) / BLOCK;
    int64_t groups = heads * ((p->queries + rows - 1) / rows);
    double shared = (double)(heads * p->queries) * (double)blocks * (double)(p->dv + 2) * 4.0;
    *out = (tn_k_launch){.workers = caps->workers};
    if (p->dv == 0 || groups == 0)
        return;
    bool split = blocks > 1 && blocks <= MOST_HEADS && groups < caps->workers / 64 &&
                 shared <= (double)MOST_SHARED;
    out->phases = split ? 2 : 1;
    out->tasks[0] = out->tasks[1] = 1;
    out->number[NUMBER_ROWS] = rows;
    out->number[NUMBER_BLOCKS] = blocks;
    out->number[NUMBER_SPLIT] = split;
    out->shared_bytes = split ? ((uint64_t)shared + 63) & ~(uint64_t)63 : 0;
    out->estimate_ns = tn_k_group_estimate(
        caps, (double)(heads * p->queries) * (double)(p->keys + 1) * (double)(p->d + p->dv + 32));
}

static void lay_out(const tn_k_launch *launch, const void *params, const tn_k_caps *caps,
                    tn_k_groups *out)
{
    const tn_k_attention_params *p = params;
    (void)caps;
    if (launch->phases == 0)
        return;
    uint32_t rows = (uint32_t)launch->number[NUMBER_ROWS];
    out->size[0] = WIDE;
    out->size[1] = HIGH;
    out->size[2] = 1;
    for (uint32_t i = 0; i < launch->phases; i++) {
        out->count[i][0] = (uint32_t)((p->queries + rows - 1) / rows);
        out->count[i][1] = (uint32_t)(p->batch * p->heads);
        out->count[i][2] =
            i == 0 && launch->number[NUMBER_SPLIT] ? (uint32_t)launch->number[NUMBER_BLOCKS] : 1;
    }
    out->local_bytes =
        (DEEP * (rows + 1 + BLOCK + 1) + rows * (BLOCK + WIDE + 1) + WIDE * HIGH) * 4 +
        BLOCK * (8 + 8 + 4 + 4 + 4);
    tn_k_group_option(out, "ROWS", rows);
    tn_k_group_option(out, "COLUMNS", (p->dv + WIDE - 1) / WIDE);
    tn_k_group_option(out, "SPLIT", launch->number[NUMBER_SPLIT]);
    tn_k_group_option(out, "Q_TYPE", p->type[TN_K_ATT_Q]);
    tn_k_group_option(out, "K_TYPE", p->type[TN_K_ATT_K]);
    tn_k_group_option(out, "V_TYPE", p->type[TN_K_ATT_V]);
}

extern const tn_k_group_row tn_k_attention_tiled;
const tn_k_group_row tn_k_attention_tiled = {
    .variant = {.name = "attention_tiled",
                .isa = TN_K_ISA_GROUPS,
                .cls = TN_CLASS_CANONICAL,
                .accepts = accepts,
                .plan = plan,
                .arithmetic = tn_k_attention_arithmetic},
    .groups = lay_out,
};

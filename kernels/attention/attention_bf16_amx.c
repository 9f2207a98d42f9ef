/* SPDX-License-Identifier: Apache-2.0 */
/* attention of bf16 on AMX: the fused core with 32 query rows at a time in tiles. */
#define ATTENTION_MR    32
#define ATTENTION_TILES 1
#include <kernels/common/simd_avx512.h>

#include "attention_core.inc"

static void arithmetic(const void *params, tn_arithmetic *out)
{
    tn_k_attention_arithmetic(params, out);
    out->flush_in = out->flush_out = 1;
}

extern const tn_k_variant tn_k_attention_bf16_amx;
const tn_k_variant tn_k_attention_bf16_amx = {
    .name = "attention_bf16_amx",
    .isa = TN_K_ISA_AMX | TN_K_ISA_AVX512BF16,
    .cls = TN_CLASS_BOUNDED,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = arithmetic,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm with AVX2 flags. */
#include "norm_batch_simd.inc"

extern const tn_k_variant tn_k_norm_batch_f32_avx2;
const tn_k_variant tn_k_norm_batch_f32_avx2 = {
    .name = "norm_batch_f32_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

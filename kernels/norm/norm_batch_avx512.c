/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm with AVX512 flags. */
#include "norm_batch_simd.inc"

extern const tn_k_variant tn_k_norm_batch_f32_avx512;
const tn_k_variant tn_k_norm_batch_f32_avx512 = {
    .name = "norm_batch_f32_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

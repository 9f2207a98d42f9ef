/* SPDX-License-Identifier: Apache-2.0 */
/* rope with AVX512 flags. */
#include "rope_simd.inc"

extern const tn_k_variant tn_k_rope_f32_avx512;
const tn_k_variant tn_k_rope_f32_avx512 = {
    .name = "rope_f32_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_rope_arithmetic,
};

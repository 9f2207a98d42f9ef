/* SPDX-License-Identifier: Apache-2.0 */
/* softmax with AVX2 flags. */
#include "softmax_simd.inc"

extern const tn_k_variant tn_k_softmax_f32_avx2;
const tn_k_variant tn_k_softmax_f32_avx2 = {
    .name = "softmax_f32_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_softmax_arithmetic,
};

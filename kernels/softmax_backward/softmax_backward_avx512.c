/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of softmax with AVX512 flags. */
#include "softmax_backward_simd.inc"

extern const tn_k_variant tn_k_softmax_backward_f32_avx512;
const tn_k_variant tn_k_softmax_backward_f32_avx512 = {
    .name = "softmax_backward_f32_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* softmax on NEON. */
#include "softmax_simd.inc"

extern const tn_k_variant tn_k_softmax_f32_neon;
const tn_k_variant tn_k_softmax_f32_neon = {
    .name = "softmax_f32_neon",
    .isa = TN_K_ISA_NEON,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_softmax_arithmetic,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Casts with AVX2 flags. */
#include "copy_cast_simd.inc"

extern const tn_k_variant tn_k_copy_cast_avx2;
const tn_k_variant tn_k_copy_cast_avx2 = {
    .name = "copy_cast_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

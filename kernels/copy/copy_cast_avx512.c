/* SPDX-License-Identifier: Apache-2.0 */
/* Casts with AVX512 flags. */
#include "copy_cast_simd.inc"

extern const tn_k_variant tn_k_copy_cast_avx512;
const tn_k_variant tn_k_copy_cast_avx512 = {
    .name = "copy_cast_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Casts on NEON. */
#include "copy_cast_simd.inc"

extern const tn_k_variant tn_k_copy_cast_neon;
const tn_k_variant tn_k_copy_cast_neon = {
    .name = "copy_cast_neon",
    .isa = TN_K_ISA_NEON,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

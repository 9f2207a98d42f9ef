/* SPDX-License-Identifier: Apache-2.0 */
/* pool of floats with AVX2 flags. */
#include "pool_simd.inc"

extern const tn_k_variant tn_k_pool_avx2;
const tn_k_variant tn_k_pool_avx2 = {
    .name = "pool_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

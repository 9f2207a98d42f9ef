/* SPDX-License-Identifier: Apache-2.0 */
/* pool of floats with AVX512 flags. */
#include "pool_simd.inc"

extern const tn_k_variant tn_k_pool_avx512;
const tn_k_variant tn_k_pool_avx512 = {
    .name = "pool_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum pool of bytes with AVX512 flags. */
#include "pool_bytes.inc"

extern const tn_k_variant tn_k_pool_max_bytes_avx512;
const tn_k_variant tn_k_pool_max_bytes_avx512 = {
    .name = "pool_max_bytes_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

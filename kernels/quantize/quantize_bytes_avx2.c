/* SPDX-License-Identifier: Apache-2.0 */
/* quantize to bytes with AVX2 flags. */
#include "quantize_simd.inc"

extern const tn_k_variant tn_k_quantize_bytes_avx2;
const tn_k_variant tn_k_quantize_bytes_avx2 = {
    .name = "quantize_bytes_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

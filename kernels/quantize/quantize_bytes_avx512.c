/* SPDX-License-Identifier: Apache-2.0 */
/* quantize to bytes with AVX512 flags. */
#include "quantize_simd.inc"

extern const tn_k_variant tn_k_quantize_bytes_avx512;
const tn_k_variant tn_k_quantize_bytes_avx512 = {
    .name = "quantize_bytes_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

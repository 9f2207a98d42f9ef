/* SPDX-License-Identifier: Apache-2.0 */
/* dequantize of 8-bit types with AVX512 flags. */
#include "dequantize_simd.inc"

extern const tn_k_variant tn_k_dequantize_bytes_avx512;
const tn_k_variant tn_k_dequantize_bytes_avx512 = {
    .name = "dequantize_bytes_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

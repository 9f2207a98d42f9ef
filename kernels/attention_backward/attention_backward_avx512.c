/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention on AVX512: tiles of 12 rows by two vectors. */
#include <kernels/common/simd_avx512.h>
enum { TILE = 12 };
#include "attention_backward_core.inc"

extern const tn_k_variant tn_k_attention_backward_avx512;
const tn_k_variant tn_k_attention_backward_avx512 = {
    .name = "attention_backward_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention on AVX2: tiles of 6 rows by two vectors. */
#include <kernels/common/simd_avx2.h>
enum { TILE = 6 };
#include "attention_backward_core.inc"

extern const tn_k_variant tn_k_attention_backward_avx2;
const tn_k_variant tn_k_attention_backward_avx2 = {
    .name = "attention_backward_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

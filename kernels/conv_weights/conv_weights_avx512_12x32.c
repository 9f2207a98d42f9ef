/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of convolution to its weights on AVX512: 12 columns by two vectors of filters. */
#include <kernels/common/simd_avx512.h>
enum { J = 12 };
#include "conv_weights_core.inc"

extern const tn_k_variant tn_k_conv_weights_avx512_12x32;
const tn_k_variant tn_k_conv_weights_avx512_12x32 = {
    .name = "conv_weights_avx512_12x32",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

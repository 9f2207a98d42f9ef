/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of convolution to its weights on AVX2: 6 columns by two vectors of filters. */
#include <kernels/common/simd_avx2.h>
enum { J = 6 };
#include "conv_weights_core.inc"

extern const tn_k_variant tn_k_conv_weights_avx2_6x16;
const tn_k_variant tn_k_conv_weights_avx2_6x16 = {
    .name = "conv_weights_avx2_6x16",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

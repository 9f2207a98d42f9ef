/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution by Winograd's F(2 x 2, 3 x 3) on AVX-512. */
#include <kernels/common/simd_avx512.h>

#define WINOGRAD_M        2
#define CONV_ROWS         12
#define CONV_VARIANT      tn_k_conv_winograd2_f32_avx512
#define CONV_NAME         "conv_winograd2_f32_avx512"
#define CONV_ISA          TN_K_ISA_AVX512
#define CONV_FLOPS_PER_NS 180.0
#include <kernels/conv/conv_winograd.inc>

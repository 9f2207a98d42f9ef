/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution by Winograd's F(4 x 4, 3 x 3) on AVX2. */
#include <kernels/common/simd_avx2.h>

#define WINOGRAD_M        4
#define CONV_ROWS         6
#define CONV_VARIANT      tn_k_conv_winograd4_f32_avx2
#define CONV_NAME         "conv_winograd4_f32_avx2"
#define CONV_ISA          TN_K_ISA_AVX2
#define CONV_FLOPS_PER_NS 100.0
#include <kernels/conv/conv_winograd.inc>

/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of s8 and u8 on AVX2, exact sums in s32. */
#include <kernels/common/simd_avx2.h>

#define CONV_ROWS         6
#define CONV_CANONICAL    1
#define CONV_EXACT        1
#define CONV_VARIANT      tn_k_conv_int8_avx2_6x16
#define CONV_NAME         "conv_int8_avx2_6x16"
#define CONV_ISA          TN_K_ISA_AVX2
#define CONV_FLOPS_PER_NS 100.0
#include <kernels/conv/conv_core.inc>

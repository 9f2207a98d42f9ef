/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of s8 and u8 on AVX-512, exact sums in s32. */
#include <kernels/common/simd_avx512.h>

#define CONV_ROWS         12
#define CONV_CANONICAL    1
#define CONV_EXACT        1
#define CONV_VARIANT      tn_k_conv_int8_avx512_12x32
#define CONV_NAME         "conv_int8_avx512_12x32"
#define CONV_ISA          TN_K_ISA_AVX512
#define CONV_FLOPS_PER_NS 180.0
#include <kernels/conv/conv_core.inc>

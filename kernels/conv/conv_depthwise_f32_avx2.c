/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution on AVX2, in the CANONICAL order. */
#include <kernels/common/simd_avx2.h>

#define CONV_VARIANT      tn_k_conv_depthwise_f32_avx2
#define CONV_NAME         "conv_depthwise_f32_avx2"
#define CONV_ISA          TN_K_ISA_AVX2
#define CONV_FLOPS_PER_NS 40.0
#define CONV_MASKED       8
#include <kernels/conv/conv_depthwise.inc>

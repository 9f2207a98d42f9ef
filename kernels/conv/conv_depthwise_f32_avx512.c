/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution on AVX-512, in the CANONICAL order. */
#include <kernels/common/simd_avx512.h>

#define CONV_VARIANT      tn_k_conv_depthwise_f32_avx512
#define CONV_NAME         "conv_depthwise_f32_avx512"
#define CONV_ISA          TN_K_ISA_AVX512
#define CONV_FLOPS_PER_NS 60.0
#define CONV_MASKED       16
#include <kernels/conv/conv_depthwise.inc>

/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution on NEON, in the CANONICAL order. */
#include <kernels/common/simd_neon.h>

#define CONV_VARIANT      tn_k_conv_depthwise_f32_neon
#define CONV_NAME         "conv_depthwise_f32_neon"
#define CONV_ISA          TN_K_ISA_NEON
#define CONV_FLOPS_PER_NS 20.0
#include <kernels/conv/conv_depthwise.inc>

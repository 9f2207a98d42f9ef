/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution with space last on AVX-512, in place, in the CANONICAL order. */
#include <kernels/common/simd_avx512.h>

#define CONV_VARIANT      tn_k_conv_space_f32_avx512
#define CONV_NAME         "conv_space_f32_avx512"
#define CONV_ISA          TN_K_ISA_AVX512
#define CONV_FLOPS_PER_NS 190.0
#include <kernels/conv/conv_space.inc>

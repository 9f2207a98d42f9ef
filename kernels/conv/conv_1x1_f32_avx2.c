/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of one tap on AVX2, as a matmul. */
#define CONV_VARIANT tn_k_conv_1x1_f32_avx2
#define CONV_NAME    "conv_1x1_f32_avx2"
#define CONV_ISA     TN_K_ISA_AVX2
#define CONV_PACKED  tn_k_matmul_f32_avx2_6x16_canonical
#define CONV_DIRECT  tn_k_matmul_f32_avx2_direct_6x16_canonical
#include <kernels/conv/conv_1x1.inc>

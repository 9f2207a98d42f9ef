/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of one tap on AVX512, as a matmul. */
#define CONV_VARIANT tn_k_conv_1x1_f32_avx512
#define CONV_NAME    "conv_1x1_f32_avx512"
#define CONV_ISA     TN_K_ISA_AVX512
#define CONV_PACKED  tn_k_matmul_f32_avx512_14x32_canonical
#define CONV_DIRECT  tn_k_matmul_f32_avx512_direct_14x32_canonical
#include <kernels/conv/conv_1x1.inc>

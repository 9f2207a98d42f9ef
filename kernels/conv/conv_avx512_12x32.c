/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution on AVX-512, packed filters, one chain over all taps and channels. */
#include <kernels/common/simd_avx512.h>

#define CONV_ROWS         12
#define CONV_EVEN         1
#define CONV_CANONICAL    0
#define CONV_VARIANT      tn_k_conv_avx512_12x32
#define CONV_NAME         "conv_avx512_12x32"
#define CONV_ISA          TN_K_ISA_AVX512
#define CONV_FLOPS_PER_NS 180.0
#include <kernels/conv/conv_core.inc>

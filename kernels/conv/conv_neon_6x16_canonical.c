/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution on NEON, packed filters, in the CANONICAL order. */
#include <kernels/common/simd_neon.h>

#define CONV_ROWS         6
#define CONV_CANONICAL    1
#define CONV_VARIANT      tn_k_conv_neon_6x16_canonical
#define CONV_NAME         "conv_neon_6x16_canonical"
#define CONV_ISA          TN_K_ISA_NEON
#define CONV_FLOPS_PER_NS 44.0
#include <kernels/conv/conv_core.inc>

/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution on OpenCL's wide vectors, in the CANONICAL order. */
#include <kernels/common/kernel_opencl.h>
#include <kernels/common/simd_wide16.h>

#define CONV_VARIANT      tn_k_conv_depthwise_f32_wide16
#define CONV_NAME         "conv_depthwise_f32_wide16"
#define CONV_ISA          TN_K_ISA_WIDE16
#define CONV_FLOPS_PER_NS 60.0
#include <kernels/conv/conv_depthwise.inc>

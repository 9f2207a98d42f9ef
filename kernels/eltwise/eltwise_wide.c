/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise kinds in blocks, which an OpenCL compiler for a cpu makes wide vectors of. */
#include <kernels/common/kernel_opencl.h>

#include "eltwise_simd.inc"

extern const tn_k_variant tn_k_eltwise_f32_wide, tn_k_eltwise_s32_wide;
const tn_k_variant tn_k_eltwise_f32_wide = {
    .name = "eltwise_f32_wide",
    .isa = TN_K_ISA_WIDE8,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts_f32,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_eltwise_arithmetic,
};
const tn_k_variant tn_k_eltwise_s32_wide = {
    .name = "eltwise_s32_wide",
    .isa = TN_K_ISA_WIDE8,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts_s32,
    .plan = plan,
    .run = run,
};

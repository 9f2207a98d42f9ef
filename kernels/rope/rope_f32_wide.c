/* SPDX-License-Identifier: Apache-2.0 */
/* rope in loops that an OpenCL compiler for a cpu makes wide vectors of. */
#include <kernels/common/kernel_opencl.h>

#include "rope_simd.inc"

extern const tn_k_variant tn_k_rope_f32_wide;
const tn_k_variant tn_k_rope_f32_wide = {
    .name = "rope_f32_wide",
    .isa = TN_K_ISA_WIDE8,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_rope_arithmetic,
};

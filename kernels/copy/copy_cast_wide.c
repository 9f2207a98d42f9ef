/* SPDX-License-Identifier: Apache-2.0 */
/* Casts in loops that an OpenCL compiler for a cpu makes wide vectors of. */
#include <kernels/common/kernel_opencl.h>

#include "copy_cast_simd.inc"

extern const tn_k_variant tn_k_copy_cast_wide;
const tn_k_variant tn_k_copy_cast_wide = {
    .name = "copy_cast_wide",
    .isa = TN_K_ISA_WIDE8,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

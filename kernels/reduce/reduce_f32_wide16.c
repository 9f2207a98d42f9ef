/* SPDX-License-Identifier: Apache-2.0 */
/* reduce on OpenCL's wide vectors: 16 lanes, in two parts where the device has 8. */
#include <kernels/common/kernel_opencl.h>
#include <kernels/common/simd_wide16.h>

#include "reduce_simd.inc"

extern const tn_k_variant tn_k_reduce_f32_wide16;
const tn_k_variant tn_k_reduce_f32_wide16 = {
    .name = "reduce_f32_wide16",
    .isa = TN_K_ISA_WIDE8,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* attention on OpenCL's vectors of 8, weights by sixteens: the fused core. */
#include <kernels/common/kernel_opencl.h>
#define TN_V_WIDE16
#define VF_WIDE 8
#include <kernels/common/simd_wide.inc>

#include "attention_core.inc"

/* Half as fast as the row of 16 lanes, where a device has both. */
static void plan_of_8(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    plan(params, caps, out);
    out->estimate_ns *= 2;
}

extern const tn_k_variant tn_k_attention_f32_wide8;
const tn_k_variant tn_k_attention_f32_wide8 = {
    .name = "attention_f32_wide8",
    .isa = TN_K_ISA_WIDE8,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan_of_8,
    .run = run,
    .arithmetic = tn_k_attention_arithmetic,
};

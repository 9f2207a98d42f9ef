/* SPDX-License-Identifier: Apache-2.0 */
/* attention on OpenCL's wide vectors: the fused core. */
#include <kernels/common/kernel_opencl.h>
#include <kernels/common/simd_wide16.h>

#define ATTENTION_MR 12

#include "attention_core.inc"

extern const tn_k_variant tn_k_attention_f32_wide16;
const tn_k_variant tn_k_attention_f32_wide16 = {
    .name = "attention_f32_wide16",
    .isa = TN_K_ISA_WIDE16,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_attention_arithmetic,
};

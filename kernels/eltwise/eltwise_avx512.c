/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise kinds with AVX512 flags. */
#include "eltwise_simd.inc"

extern const tn_k_variant tn_k_eltwise_f32_avx512, tn_k_eltwise_s32_avx512,
    tn_k_eltwise_fast_avx512;
const tn_k_variant tn_k_eltwise_f32_avx512 = {
    .name = "eltwise_f32_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts_f32,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_eltwise_arithmetic,
};
const tn_k_variant tn_k_eltwise_s32_avx512 = {
    .name = "eltwise_s32_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts_s32,
    .plan = plan,
    .run = run,
};
const tn_k_variant tn_k_eltwise_fast_avx512 = {
    .name = "eltwise_fast_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_FAST,
    .accepts = accepts_fast,
    .plan = plan,
    .run = run_fast,
    .arithmetic = arithmetic_fast,
};

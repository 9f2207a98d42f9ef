/* SPDX-License-Identifier: Apache-2.0 */
/* Linear and cubic resize with AVX512 flags. */
#include "resize_rows.inc"

extern const tn_k_variant tn_k_resize_rows_avx512;
const tn_k_variant tn_k_resize_rows_avx512 = {
    .name = "resize_rows_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

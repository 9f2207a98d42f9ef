/* SPDX-License-Identifier: Apache-2.0 */
/* Linear and cubic resize with AVX2 flags. */
#include "resize_rows.inc"

extern const tn_k_variant tn_k_resize_rows_avx2;
const tn_k_variant tn_k_resize_rows_avx2 = {
    .name = "resize_rows_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};

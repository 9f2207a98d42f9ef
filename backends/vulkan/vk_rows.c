/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of all ops in one list. */
/* path: api > placement > queue > backend > [kernel] > device */
#include "vk.h"

#define ROWS(ROW)                                                                                  \
    ROW(tn__vk_matmul)                                                                             \
    ROW(tn__vk_matmul_int)                                                                         \
    ROW(tn__vk_matmul_int_exact)                                                                   \
    ROW(tn__vk_attention)                                                                          \
    ROW(tn__vk_softmax)                                                                            \
    ROW(tn__vk_norm)                                                                               \
    ROW(tn__vk_reduce)                                                                             \
    ROW(tn__vk_eltwise)                                                                            \
    ROW(tn__vk_eltwise_exact)                                                                      \
    ROW(tn__vk_copy)                                                                               \
    ROW(tn__vk_cast)                                                                               \
    ROW(tn__vk_gather)                                                                             \
    ROW(tn__vk_concat)                                                                             \
    ROW(tn__vk_pad)                                                                                \
    ROW(tn__vk_scan)                                                                               \
    ROW(tn__vk_scan_exact)                                                                         \
    ROW(tn__vk_rope)                                                                               \
    ROW(tn__vk_matmul_texel)                                                                       \
    ROW(tn__vk_matmul_texel4)                                                                      \
    ROW(tn__vk_conv_texel4)                                                                        \
    ROW(tn__vk_conv_texel)                                                                         \
    ROW(tn__vk_conv)                                                                               \
    ROW(tn__vk_conv_exact)                                                                         \
    ROW(tn__vk_pool)                                                                               \
    ROW(tn__vk_pool_exact)                                                                         \
    ROW(tn__vk_topk)                                                                               \
    ROW(tn__vk_resize)                                                                             \
    ROW(tn__vk_resize_nearest)                                                                     \
    ROW(tn__vk_quantize)                                                                           \
    ROW(tn__vk_dequantize)                                                                         \
    ROW(tn__vk_softmax_backward)                                                                   \
    ROW(tn__vk_eltwise_backward)                                                                   \
    ROW(tn__vk_norm_backward)                                                                      \
    ROW(tn__vk_gather_backward)                                                                    \
    ROW(tn__vk_conv_weights)                                                                       \
    ROW(tn__vk_attention_backward)

#define DECLARE(name) extern const vk_row name;
ROWS(DECLARE)

#define ADDRESS(name) &name,
const vk_row *const tn__vk_rows[] = {ROWS(ADDRESS) NULL};

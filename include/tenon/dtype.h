/* SPDX-License-Identifier: Apache-2.0 */
/* Element types and their plain facts. */
#ifndef TENON_DTYPE_H
#define TENON_DTYPE_H

#include <tenon/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_dtype {
    TN_F64 = 1,
    TN_F32,
    TN_TF32,
    TN_F16,
    TN_BF16,
    TN_F8E4M3,
    TN_F8E5M2,
    TN_F4E2M1,
    TN_E8M0,
    TN_S64,
    TN_S32,
    TN_S8,
    TN_U8,
    TN_S4,
    TN_U4,
    TN_BOOL
} tn_dtype;

/** The token of a dtype ("f32"), the same in files, symbols, reports and on the command line.
 *  returns   a static string; "?" for a value that is no dtype
 *  threads   thread-safe
 *  since     0.1 */
TN_API const char *tn_dtype_name(tn_dtype dtype);

/** Bits of one element in memory: 4 for f4e2m1, s4 and u4, 32 for tf32, 8 for bool.
 *  returns   0 for a value that is no dtype
 *  threads   thread-safe
 *  since     0.1 */
TN_API uint32_t tn_dtype_bits(tn_dtype dtype);

#ifdef __cplusplus
}
#endif

#endif

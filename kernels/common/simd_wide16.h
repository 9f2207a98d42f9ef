/* SPDX-License-Identifier: Apache-2.0 */
/* The few vector operations that tile cores need, on OpenCL's float16; on the host over plain C. */
#ifndef TN_KERNELS_SIMD_WIDE16_H
#define TN_KERNELS_SIMD_WIDE16_H

#define TN_V_WIDE16 /* canon_simd.h: its vectors, too, are these */
#define VF_WIDE     16
#include <kernels/common/simd_wide.inc>

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The few vector operations that tile cores need, on OpenCL's float8; on the host over plain C. */
#ifndef TN_KERNELS_SIMD_WIDE8_H
#define TN_KERNELS_SIMD_WIDE8_H

#if defined(__ARM_NEON)
/* The host's side of a row: simd_transpose8.h has its own eight floats there. */
#include <kernels/common/simd_neon.h>
#else
#define VF_WIDE 8
#include <kernels/common/simd_wide.inc>
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The few vector operations that tile cores need, on OpenCL's float8; on the host over plain C. */
#ifndef TN_KERNELS_SIMD_WIDE8_H
#define TN_KERNELS_SIMD_WIDE8_H

#define VF_WIDE 8
#include <kernels/common/simd_wide.inc>

#endif

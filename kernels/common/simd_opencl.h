/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a core is compiled for the rows of OpenCL devices, whose simd header (simd_wide.inc) has
 * been included before: their compilers want other forms of the same sums. */
#ifndef TN_KERNELS_SIMD_OPENCL_H
#define TN_KERNELS_SIMD_OPENCL_H

#ifdef VF_WIDE
enum { OF_OPENCL = 1 };
#else
enum { OF_OPENCL = 0 };
#endif

#endif

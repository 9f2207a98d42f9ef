/* SPDX-License-Identifier: Apache-2.0 */
/* What the C text of kernel rows finds in OpenCL C in place of the compiler's own functions. In
 * it every pointer says where it points to (cmake/opencl_spaces.py). */
#pragma OPENCL FP_CONTRACT OFF
#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
#define __builtin_fmaf(a, b, c) fma((float)(a), (float)(b), (float)(c))
#define __builtin_rintf(x)      rint((float)(x))
#define __builtin_fabsf(x)      fabs((float)(x))
#define __builtin_fabs(x)       fabs(x)
#define __builtin_sqrtf(x)      sqrt((float)(x))
#define __builtin_floorf(x)     floor((float)(x))
#define __builtin_signbit(x)    signbit(x)
#define __builtin_inff()        as_float(0x7f800000u) /* INFINITY is made of it in some headers */
#ifndef TN_PREFETCH
#define __builtin_prefetch(...)
#endif
/* Exact; the words of the text are not OpenCL's, so its type of 16 bits is named here. */
#define TN_SPACE_F16_g(lanes, p) vload_half##lanes(0, (__global const half *)(p))
#define TN_SPACE_F16_p(lanes, p) vload_half##lanes(0, (const half *)(p))

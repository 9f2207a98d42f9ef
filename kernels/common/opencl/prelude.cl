/* SPDX-License-Identifier: Apache-2.0 */
/* What the C text of kernel rows finds in OpenCL C in place of the compiler's own functions. The host
 * defines TN_FLAT (1: every address space is the machine's one memory) or builds for a version of
 * OpenCL C whose unqualified pointers are generic. */
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
#define __builtin_inff()        INFINITY
#define __builtin_prefetch(...)
#if TN_FLAT
#define TN_POINTER(p) ((uchar *)(ulong)(p))
#else
#define TN_POINTER(p) ((uchar *)(p))
#endif
/* Exact; the words of the text are not OpenCL's, so its type of 16 bits is named here. */
#define TN_LOAD_F16(lanes, p) vload_half##lanes(0, (const half *)(p))

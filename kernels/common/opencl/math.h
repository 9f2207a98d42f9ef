/* SPDX-License-Identifier: Apache-2.0 */
/* <math.h> for kernels whose text becomes OpenCL C: what kernels use of it, by OpenCL C's names. */
#ifndef TN_OPENCL_MATH_H
#define TN_OPENCL_MATH_H

#define floorf floor
#define ceilf  ceil
#define fabsf  fabs
#define rintf  rint

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* <string.h> for kernels whose text becomes OpenCL C: what kernels use of it. */
#ifndef TN_OPENCL_STRING_H
#define TN_OPENCL_STRING_H

#include <stddef.h>
#define memcpy  __builtin_memcpy
/* Operands are the same memory or lie apart, and OpenCL's compilers copy both alike. */
#define memmove __builtin_memcpy
#define memset  __builtin_memset

#endif

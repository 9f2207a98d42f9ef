/* SPDX-License-Identifier: Apache-2.0 */
/* <string.h> for kernels whose text becomes OpenCL C: what kernels use of it. */
#ifndef TN_OPENCL_STRING_H
#define TN_OPENCL_STRING_H

#include <stddef.h>
#define memcpy  __builtin_memcpy
#define memmove __builtin_memmove
#define memset  __builtin_memset

#endif

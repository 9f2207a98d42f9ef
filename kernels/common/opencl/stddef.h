/* SPDX-License-Identifier: Apache-2.0 */
/* <stddef.h> for kernels whose text becomes OpenCL C, which has size_t by itself. */
#ifndef TN_OPENCL_STDDEF_H
#define TN_OPENCL_STDDEF_H

#ifndef NULL
#define NULL ((void *)0)
#endif

#endif

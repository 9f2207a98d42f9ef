/* SPDX-License-Identifier: Apache-2.0 */
/* <stdbool.h> for kernels whose text becomes OpenCL C, which has bool by itself. */

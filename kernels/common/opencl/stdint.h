/* SPDX-License-Identifier: Apache-2.0 */
/* <stdint.h> for kernels whose text becomes OpenCL C. */
#ifndef TN_OPENCL_STDINT_H
#define TN_OPENCL_STDINT_H

typedef char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
#define INT8_MIN   (-128)
#define INT8_MAX   127
#define UINT8_MAX  255
#define INT32_MIN  (-2147483647 - 1)
#define INT32_MAX  2147483647
#define INT64_MIN  (-9223372036854775807L - 1)
#define INT64_MAX  9223372036854775807L
#define UINT32_MAX 4294967295u
#define UINT64_MAX 18446744073709551615ul

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Every matmul variant with a b of the 8-bit floats against its class. */
#include "support/test.h"
#include <tenon/dtype.h>

#define FIRST        TN_F8E4M3
#define FIRST_TOKEN  "f8e4m3"
#define SECOND_TOKEN "f8e5m2"
#define SECOND       TN_F8E5M2
#define MATMUL_B     TN_F8E4M3
#define MATMUL_TOKEN "f8e4m3"
#define MATMUL_ELEM  uint8_t
#define MATMUL_LOAD  vf_load_f8e4m3
#include "support/k_matmul_narrow.inc"

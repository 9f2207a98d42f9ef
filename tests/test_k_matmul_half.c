/* SPDX-License-Identifier: Apache-2.0 */
/* Every matmul variant with a b of bf16 and f16 against its class. */
#include "support/test.h"
#include <tenon/dtype.h>

#define FIRST        TN_BF16
#define FIRST_TOKEN  "bf16"
#define SECOND_TOKEN "f16"
#define SECOND       TN_F16
#define MATMUL_B     TN_BF16
#define MATMUL_TOKEN "bf16"
#define MATMUL_ELEM  uint16_t
#define MATMUL_LOAD  vf_load_bf16
#include "support/k_matmul_narrow.inc"

/* SPDX-License-Identifier: Apache-2.0 */
/* Names and sizes of element types. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <hal/hal.h>

static const struct {
    const char *name;
    uint32_t bits;
} dtypes[] = {
    [TN_F64] = {"f64", 64},      [TN_F32] = {"f32", 32},      [TN_TF32] = {"tf32", 32},
    [TN_F16] = {"f16", 16},      [TN_BF16] = {"bf16", 16},    [TN_F8E4M3] = {"f8e4m3", 8},
    [TN_F8E5M2] = {"f8e5m2", 8}, [TN_F4E2M1] = {"f4e2m1", 4}, [TN_E8M0] = {"e8m0", 8},
    [TN_S64] = {"s64", 64},      [TN_S32] = {"s32", 32},      [TN_S8] = {"s8", 8},
    [TN_U8] = {"u8", 8},         [TN_S4] = {"s4", 4},         [TN_U4] = {"u4", 4},
    [TN_BOOL] = {"bool", 8},
};

static bool known(tn_dtype dtype)
{
    return (unsigned)dtype >= TN_F64 && (unsigned)dtype <= TN_BOOL;
}

const char *tn_dtype_name(tn_dtype dtype)
{
    return known(dtype) ? dtypes[dtype].name : "?";
}

uint32_t tn_dtype_bits(tn_dtype dtype)
{
    return known(dtype) ? dtypes[dtype].bits : 0;
}

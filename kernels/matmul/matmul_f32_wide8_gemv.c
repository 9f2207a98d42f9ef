/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of at most four rows with a B of f32, read once where it lies, on OpenCL's wide vectors.
 */
#include <kernels/common/kernel_opencl.h>
#include <kernels/common/simd_wide8.h>

#define MATMUL_B       TN_F32
#define MATMUL_TOKEN   "f32"
#define MATMUL_ELEM    float
#define MATMUL_LOAD    vf_load
#define MATMUL_VARIANT tn_k_matmul_f32_wide8_gemv
#define MATMUL_NAME    "matmul_f32_wide8_gemv"
#define MATMUL_ISA     TN_K_ISA_WIDE8
#include <kernels/matmul/matmul_gemv.inc>

/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel rows that run on OpenCL devices: the row itself (accepts, plan, arithmetic) and the OpenCL
 * C text of its run and pack, which CMake makes of the same C text. */
#ifndef TN_KERNELS_KERNEL_OPENCL_H
#define TN_KERNELS_KERNEL_OPENCL_H

#include <kernels/common/kernel.h>

/* Instruction sets of OpenCL devices on a cpu, beside those of kernel.h: vectors of so many floats
 * are native. Rows that need them run on the host, too, for the tests, over plain C. */
enum { TN_K_ISA_WIDE8 = 1 << 16, TN_K_ISA_WIDE16 = 1 << 17 };

/* What arrays marked TN_K_BESIDE have room for, of one task. */
enum { TN_K_BESIDE_BYTES = 8192 };

typedef struct tn_k_opencl_row {
    const tn_k_op *op;
    const tn_k_variant *variant;
    const char *text; /* without prelude and entry */
    bool beside;      /* tasks need TN_K_BESIDE_BYTES behind their scratch */
} tn_k_opencl_row;

extern const tn_k_opencl_row tn_k_opencl_rows[];
extern const uint32_t tn_k_opencl_row_count;
extern const char tn_k_opencl_prelude[], tn_k_opencl_entry[], tn_k_opencl_probe[];

#endif

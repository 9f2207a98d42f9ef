/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel rows that run on OpenCL devices: the row itself (accepts, plan, arithmetic) and the OpenCL
 * C text of its run and pack, which CMake makes of the same C text. */
#ifndef TN_KERNELS_KERNEL_OPENCL_H
#define TN_KERNELS_KERNEL_OPENCL_H

#include <kernels/common/kernel.h>

/* What rows need of OpenCL devices, beside the instruction sets of kernel.h: vectors of so many floats
 * are native, which is said of cpus alone; work-items in groups with memory of their own are what the
 * device is made for. Rows over vectors run on the host, too, for the tests, over plain C. */
enum { TN_K_ISA_WIDE8 = 1 << 16, TN_K_ISA_WIDE16 = 1 << 17, TN_K_ISA_GROUPS = 1 << 18 };

/* What arrays marked TN_K_BESIDE have room for, of one task. */
enum { TN_K_BESIDE_BYTES = 8192 };

/* Most names that a row of groups gives numbers to. */
enum { TN_K_GROUP_OPTIONS = 24 };

/* How a row is launched: groups of work-items, and what its text is compiled with. */
typedef struct tn_k_groups {
    uint32_t size[3];               /* work-items of a group */
    uint32_t count[TN_K_PHASES][3]; /* groups of each phase; a launch may take a range of them along
                                       one dimension, so TN_GROUP(d) is not get_group_id(d) */
    uint32_t local_bytes;           /* memory of a group */
    uint32_t options;
    struct {
        const char *name;
        int32_t value;
    } option[TN_K_GROUP_OPTIONS]; /* of the compiler; no lengths, or each shape has a program */
} tn_k_groups;

/* A row of groups: `variant` has no run; <file>.cl beside its C file has the kernel (group.cl says what it
 * finds there), and of the C file what that calls. `groups` is a pure function as plan() is. */
typedef struct tn_k_group_row {
    tn_k_variant variant;
    void (*groups)(const tn_k_launch *, const void *params, const tn_k_caps *, tn_k_groups *out);
} tn_k_group_row;

typedef struct tn_k_opencl_row {
    const tn_k_op *op;
    const tn_k_variant *variant;
    const char *text;            /* without what stands around it */
    const char *kernel;          /* of a row of groups; NULL: tn_k_opencl_entry */
    const tn_k_group_row *group; /* NULL: tasks are work-items */
    bool beside;                 /* tasks need TN_K_BESIDE_BYTES behind their scratch */
} tn_k_opencl_row;

extern const tn_k_opencl_row tn_k_opencl_rows[];
extern const uint32_t tn_k_opencl_row_count;
extern const char tn_k_opencl_prelude[], tn_k_opencl_operands[], tn_k_opencl_entry[],
    tn_k_opencl_group[], tn_k_opencl_probe[];

#endif

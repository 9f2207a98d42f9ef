/* SPDX-License-Identifier: Apache-2.0 */
/* What a device is found to do when it is opened; what it reports of itself is not believed. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "opencl.h"

#include <kernels/common/probe.h>
#include <stdio.h>

enum { ITEMS = 1024, WORDS = 2 + 6 * ITEMS };

static void fill(uint32_t *io)
{
    io[0] = ITEMS;
    io[1] = 0;
    for (uint32_t i = 0; i < ITEMS; ++i) {
        tn_probe_triple t = tn_probe_input(i);
        uint32_t *at = io + 2 + 6 * i;
        at[0] = tn_probe_bits(t.a);
        at[1] = tn_probe_bits(t.b);
        at[2] = tn_probe_bits(t.c);
        at[3] = at[4] = at[5] = 0;
    }
}

static bool is(uint32_t bits, float want)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return tn_probe_same(x, want);
}

static bool right(const uint32_t *io)
{
    for (uint32_t i = 0; i < ITEMS; ++i) {
        tn_probe_triple t = tn_probe_input(i);
        const uint32_t *at = io + 2 + 6 * i;
        if (!is(at[3], tn_probe_fma(t)) || !is(at[4], tn_probe_add(t)) ||
            !is(at[5], tn_probe_mul(t)))
            return false;
    }
    return true;
}

/* Runs the probe with the options that are set; false in *out_reaches: plain pointers do not reach
 * buffers that way. */
static tn_status run(opencl_device *d, uint32_t *io, bool *out_reaches)
{
    const char *text[] = {tn_k_opencl_prelude, tn_k_opencl_probe};
    const size_t one = 1;
    char log[256];
    const char *call = "clBuildProgram";
    cl_int error = CL_SUCCESS;
    cl_kernel kernel = NULL;
    cl_mem mem = NULL;
    *out_reaches = false;
    fill(io);
    cl_program program = tn__opencl_build(d, text, 2, d->options, log, sizeof log, &error);
    if (error == CL_BUILD_PROGRAM_FAILURE)
        return TN_OK; /* not that way */
    if (error == CL_SUCCESS) {
        call = "clCreateKernel";
        kernel = OPENCL_MAKE(&d->driver, clCreateKernel, &error, program, "tn_probe");
    }
    if (error == CL_SUCCESS) {
        call = "clCreateBuffer";
        mem = OPENCL_MAKE(&d->driver, clCreateBuffer, &error, d->context,
                          CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, WORDS * sizeof *io, io);
    }
    if (error == CL_SUCCESS) {
        call = "clSetKernelArg";
        error = OPENCL_CALL(&d->driver, clSetKernelArg, kernel, 0, sizeof mem, &mem);
    }
    if (error == CL_SUCCESS) {
        call = "clEnqueueNDRangeKernel";
        error = OPENCL_CALL(&d->driver, clEnqueueNDRangeKernel, d->control, kernel, 1, NULL, &one,
                            &one, 0, NULL, NULL);
    }
    if (error == CL_SUCCESS) {
        call = "clEnqueueReadBuffer";
        error = OPENCL_CALL(&d->driver, clEnqueueReadBuffer, d->control, mem, CL_TRUE, 0,
                            WORDS * sizeof *io, io, 0, NULL, NULL);
    }
    if (mem != NULL)
        (void)OPENCL_CALL(&d->driver, clReleaseMemObject, mem);
    if (kernel != NULL)
        (void)OPENCL_CALL(&d->driver, clReleaseKernel, kernel);
    if (program != NULL)
        (void)OPENCL_CALL(&d->driver, clReleaseProgram, program);
    if (error != CL_SUCCESS)
        return tn__opencl_failed(d, error, call, true);
    *out_reaches = io[1] == (ITEMS ^ 0x5a5a5a5au);
    d->sums_right = *out_reaches && right(io);
    return TN_OK;
}

tn_status tn__opencl_probe(opencl_device *d)
{
    cl_device_fp_config fp = 0;
    cl_bool generic = CL_FALSE;
    uint32_t *io = tn__opencl_take(d->host, WORDS * sizeof *io);
    if (io == NULL)
        return OPENCL_NO_HOST_MEMORY(d->host, "the probe of a device");
    (void)OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, CL_DEVICE_SINGLE_FP_CONFIG,
                      sizeof fp, &fp, NULL);
    (void)OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id,
                      CL_DEVICE_GENERIC_ADDRESS_SPACE_SUPPORT, sizeof generic, &generic, NULL);
    const char *divide = (fp & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0
                             ? " -cl-fp32-correctly-rounded-divide-sqrt"
                             : "";
    tn_status st = TN_OK;
    /* On a cpu every address space is the machine's memory; elsewhere a plain pointer has to be
     * generic. */
    if (d->info.kind == TN_KIND_CPU) {
        snprintf(d->options, sizeof d->options, "-cl-std=CL1.2 -w -DTN_FLAT=1%s", divide);
        st = run(d, io, &d->flat);
    }
    if (st == TN_OK && !d->flat && generic) {
        snprintf(d->options, sizeof d->options, "-cl-std=CL3.0 -w -DTN_FLAT=0%s", divide);
        st = run(d, io, &d->generic);
    }
    tn__opencl_give(d->host, io, WORDS * sizeof *io);
    return st;
}

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

static tn_status run(opencl_device *d, uint32_t *io)
{
    const char *text[] = {tn_k_opencl_prelude, tn_k_opencl_probe};
    const size_t one = 1;
    char log[256];
    const char *call = "clBuildProgram";
    cl_int error = CL_SUCCESS;
    cl_kernel kernel = NULL;
    cl_mem mem = NULL;
    fill(io);
    cl_program program = tn__opencl_build(d, text, 2, d->options, log, sizeof log, &error);
    if (error == CL_BUILD_PROGRAM_FAILURE)
        return OPENCL_FAIL(d->host, TN_STATUS_UNSUPPORTED, "opencl.build",
                           "the probe could not be built by the driver of %s: %.200s", d->info.uri,
                           log);
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
    d->sums_right = io[1] == (ITEMS ^ 0x5a5a5a5au) && right(io);
    return TN_OK;
}

/* Oclgrind does not know what its own compiler makes of pointers in functions that were inlined.
 * The compilers of the others here are Clang's and know a prefetch, which OpenCL's own is not. */
static const char *options_of(const char *alias)
{
    return strncmp(alias, "oclgrind", 8) == 0 ? " -cl-opt-disable -Dalways_inline="
           : strncmp(alias, "pocl", 4) == 0 || strncmp(alias, "intel", 5) == 0 ? " -DTN_PREFETCH"
                                                                               : "";
}

tn_status tn__opencl_probe(opencl_device *d)
{
    cl_device_fp_config fp = 0;
    uint32_t *io = tn__opencl_take(d->host, WORDS * sizeof *io);
    if (io == NULL)
        return OPENCL_NO_HOST_MEMORY(d->host, "the probe of a device");
    (void)OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, CL_DEVICE_SINGLE_FP_CONFIG,
                      sizeof fp, &fp, NULL);
    snprintf(d->options, sizeof d->options, "-cl-std=CL1.2 -w%s%s",
             (fp & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0
                 ? " -cl-fp32-correctly-rounded-divide-sqrt"
                 : "",
             options_of(d->found.alias));
    tn_status st = run(d, io);
    tn__opencl_give(d->host, io, WORDS * sizeof *io);
    return st;
}

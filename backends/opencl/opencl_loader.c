/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL library at run time: its entries, faults in their place, names of its errors. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "opencl.h"

#include <dlfcn.h>
#include <stdio.h>

#ifndef RTLD_NODELETE
#define RTLD_NODELETE 0
#endif

static const char *const entry_names[] = {
#define OPENCL_NAME(entry) #entry,
    OPENCL_ALL_ENTRIES(OPENCL_NAME)
#undef OPENCL_NAME
};

tn_status tn__opencl_load(const tn_host *host, opencl_driver *out)
{
    const char *missing = NULL;
    memset(out, 0, sizeof *out);
    out->host = host;
    out->fault_entry = OPENCL_ENTRIES;
    out->fault_code = CL_OUT_OF_RESOURCES;
    if (host->drivers != NULL) /* each device brings its own entries */
        return TN_OK;
    /* Drivers have threads and handlers at exit, so what is loaded stays. */
    void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL)
        return OPENCL_FAIL(
            host, TN_STATUS_UNAVAILABLE, "opencl.loader",
            "there is no libOpenCL.so.1 here; install ocl-icd-libopencl1 and a driver "
            "(tenon doctor)");
#define OPENCL_FIND(entry)                                                                         \
    *(void **)(void *)&out->entry = dlsym(library, #entry);                                        \
    if (out->entry == NULL)                                                                        \
        missing = #entry;
    OPENCL_CALL_ENTRIES(OPENCL_FIND)
    OPENCL_MAKE_ENTRIES(OPENCL_FIND)
    OPENCL_ADDRESS_ENTRIES(OPENCL_FIND)
#undef OPENCL_FIND
    (void)dlclose(library);
    if (missing != NULL)
        return OPENCL_FAIL(host, TN_STATUS_UNAVAILABLE, "opencl.loader",
                           "libOpenCL.so.1 has no %s; install one of OpenCL 1.2 or newer", missing);
    return TN_OK;
}

bool tn__opencl_struck(opencl_driver *driver, uint32_t entry)
{
    char text[80];
    if (entry != driver->fault_entry)
        return false;
    int left = atomic_fetch_sub_explicit(&driver->fault_left, 1, memory_order_relaxed);
    if (left == 0) {
        snprintf(text, sizeof text, "opencl fault strikes %s", entry_names[entry]);
        driver->host->log(driver->host->runtime, 5, text);
    }
    return left <= 0;
}

uint32_t tn__opencl_entry(const char *name)
{
    uint32_t i = 0;
    while (i < OPENCL_ENTRIES && strcmp(entry_names[i], name) != 0)
        ++i;
    return i;
}

const char *tn__opencl_error_name(cl_int error)
{
    switch (error) {
#define OPENCL_ERROR(name)                                                                         \
    case name:                                                                                     \
        return #name;
        OPENCL_ERROR(CL_DEVICE_NOT_FOUND)
        OPENCL_ERROR(CL_DEVICE_NOT_AVAILABLE)
        OPENCL_ERROR(CL_COMPILER_NOT_AVAILABLE)
        OPENCL_ERROR(CL_MEM_OBJECT_ALLOCATION_FAILURE)
        OPENCL_ERROR(CL_OUT_OF_RESOURCES)
        OPENCL_ERROR(CL_OUT_OF_HOST_MEMORY)
        OPENCL_ERROR(CL_BUILD_PROGRAM_FAILURE)
        OPENCL_ERROR(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
        OPENCL_ERROR(CL_INVALID_VALUE)
        OPENCL_ERROR(CL_INVALID_DEVICE)
        OPENCL_ERROR(CL_INVALID_COMMAND_QUEUE)
        OPENCL_ERROR(CL_INVALID_BINARY)
        OPENCL_ERROR(CL_INVALID_KERNEL_NAME)
        OPENCL_ERROR(CL_INVALID_BUFFER_SIZE)
#undef OPENCL_ERROR
    default:
        return "an error of OpenCL";
    }
}

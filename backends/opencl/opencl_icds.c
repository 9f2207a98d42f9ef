/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCL drivers without the machine's loader: which there are, and their platforms. For machines
 * where one of them ends every process that loads it: the loader would load it with the others. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "opencl.h"
#include <backends/common/driver_names.h>

#include <dlfcn.h>
#include <stdio.h>

#ifndef RTLD_NODELETE
#define RTLD_NODELETE 0
#endif

/* ---- which there are ---- */

typedef struct listing {
    void *token;
    void (*found)(void *token, const char *driver);
} listing;

/* An .icd file has the library's name in its first line. */
static void of_file(void *self, const char *file)
{
    const listing *l = self;
    char text[DRIVER_NAME_BYTES];
    driver_read(file, text, sizeof text);
    char *name = text + strspn(text, " \t");
    name[strcspn(name, " \t\r\n")] = '\0';
    if (name[0] != '\0')
        l->found(l->token, name);
}

/* The variables are those of the loaders of Khronos and of ocl-icd. */
tn_status tn__opencl_drivers(const tn_host *host, const char *(*variable)(const char *name),
                             void *token, void (*found)(void *token, const char *driver))
{
    listing l = {token, found};
    char name[DRIVER_NAME_BYTES];
    const char *vendors = variable("OCL_ICD_VENDORS"), *files = variable("OCL_ICD_FILENAMES");
    (void)host;
    if (vendors == NULL)
        vendors = variable("OPENCL_VENDOR_PATH");
    if (vendors == NULL)
        vendors = "/etc/OpenCL/vendors";
    if (driver_ends_in(vendors, ".icd"))
        of_file(&l, vendors);
    else if (!driver_each_file(vendors, ".icd", &l, of_file) && strstr(vendors, ".so") != NULL)
        found(token, vendors);
    while (files != NULL && driver_next(&files, name))
        found(token, name);
    return TN_OK;
}

/* ---- their platforms ---- */

/* What every object of an OpenCL driver begins with. */
struct _cl_platform_id {
    const cl_icd_dispatch *entries;
};

bool tn__opencl_use(opencl_driver *driver, const opencl_found *found)
{
    bool all = true;
    if (found->entries == NULL)
        return true;
#define OPENCL_TAKE(entry)                                                                         \
    *(void **)(void *)&driver->entry = *(void *const *)(const void *)&found->entries->entry;       \
    all = all && driver->entry != NULL;
    OPENCL_CALL_ENTRIES(OPENCL_TAKE)
    OPENCL_MAKE_ENTRIES(OPENCL_TAKE)
    const bool enough = all;
    OPENCL_ADDRESS_ENTRIES(OPENCL_TAKE) /* without it there are no extensions */
#undef OPENCL_TAKE
    return enough;
}

typedef cl_int(CL_API_CALL *list_platforms)(cl_uint room, cl_platform_id *out, cl_uint *out_count);

/* As an extension of the driver, which no symbol of its library need be. */
static list_platforms find_list(const char *name)
{
    void *(CL_API_CALL * extension)(const char *) = NULL;
    list_platforms list = NULL;
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL)
        return NULL;
    *(void **)(void *)&extension = dlsym(library, "clGetExtensionFunctionAddress");
    if (extension != NULL)
        *(void **)(void *)&list = extension("clIcdGetPlatformIDsKHR");
    if (list == NULL)
        *(void **)(void *)&list = dlsym(library, "clIcdGetPlatformIDsKHR");
    (void)dlclose(library);
    return list;
}

void tn__opencl_list_apart(const tn_host *host, opencl_driver *driver,
                           opencl_found out[OPENCL_DEVICES], uint32_t *out_count)
{
    const char *at = host->drivers;
    char name[DRIVER_NAME_BYTES];
    while (driver_next(&at, name)) {
        cl_platform_id platform[OPENCL_PLATFORMS] = {NULL};
        cl_uint count = 0;
        list_platforms list = find_list(name);
        if (list == NULL || list(OPENCL_PLATFORMS, platform, &count) != CL_SUCCESS)
            continue;
        for (cl_uint p = 0; p < count && p < OPENCL_PLATFORMS; ++p)
            if (platform[p] != NULL && platform[p]->entries != NULL)
                tn__opencl_list_platform(driver, platform[p], platform[p]->entries, out, out_count);
    }
}

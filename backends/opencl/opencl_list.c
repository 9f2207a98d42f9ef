/* SPDX-License-Identifier: Apache-2.0 */
/* Which OpenCL devices there are, and what they say of themselves. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "opencl.h"

#include <ctype.h>
#include <stdio.h>

/* As drivers give it, with an end and with nothing that a line of text cannot have. */
static void plain(char *text, size_t text_bytes, char *out, size_t bytes)
{
    text[text_bytes - 1] = '\0';
    for (char *c = text; *c != '\0'; ++c)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            *c = '?';
    snprintf(out, bytes, "%s", text);
}

static void platform_text(opencl_driver *driver, cl_platform_id p, cl_platform_info what, char *out,
                          size_t bytes)
{
    char text[256] = "";
    if (OPENCL_CALL(driver, clGetPlatformInfo, p, what, sizeof text, text, NULL) != CL_SUCCESS)
        text[0] = '\0';
    plain(text, sizeof text, out, bytes);
}

static void device_text(opencl_driver *driver, cl_device_id d, cl_device_info what, char *out,
                        size_t bytes)
{
    char text[256] = "";
    if (OPENCL_CALL(driver, clGetDeviceInfo, d, what, sizeof text, text, NULL) != CL_SUCCESS)
        text[0] = '\0';
    plain(text, sizeof text, out, bytes);
}

/* The word that a platform is known by: its first, in lower case, but where makers chose names that
 * nobody says. */
static void alias_of(const char *platform, char *out, size_t bytes)
{
    static const struct {
        const char *begin, *alias;
    } known[] = {{"Portable Computing Language", "pocl"},
                 {"Intel(R)", "intel"},
                 {"NVIDIA", "nvidia"},
                 {"AMD", "amd"},
                 {"rusticl", "rusticl"},
                 {"Clover", "clover"},
                 {"Oclgrind", "oclgrind"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i)
        if (strncmp(platform, known[i].begin, strlen(known[i].begin)) == 0) {
            snprintf(out, bytes, "%s", known[i].alias);
            return;
        }
    size_t n = 0;
    for (; n + 1 < bytes && isalnum((unsigned char)platform[n]); ++n)
        out[n] = (char)tolower((unsigned char)platform[n]);
    out[n] = '\0';
    if (n == 0)
        snprintf(out, bytes, "other");
}

/* The second device of a name gets a number. */
static void make_unique(opencl_found *all, uint32_t count, const char *alias)
{
    uint32_t same = 0;
    size_t n = strlen(alias);
    for (uint32_t i = 0; i < count; ++i)
        same += strncmp(all[i].alias, alias, n) == 0 &&
                (all[i].alias[n] == '\0' || all[i].alias[n] == '.');
    if (same == 0)
        snprintf(all[count].alias, sizeof all[count].alias, "%s", alias);
    else
        snprintf(all[count].alias, sizeof all[count].alias, "%s.%u", alias, same);
}

void tn__opencl_list_platform(opencl_driver *driver, cl_platform_id platform,
                              const cl_icd_dispatch *entries, opencl_found out[OPENCL_DEVICES],
                              uint32_t *out_count)
{
    opencl_found found = {.platform = platform, .entries = entries};
    cl_device_id id[OPENCL_DEVICES] = {NULL};
    cl_uint devices = 0;
    char name[128], alias[16];
    /* A platform without devices is nothing unusual: a driver for hardware that is not here. */
    if (!tn__opencl_use(driver, &found) ||
        OPENCL_CALL(driver, clGetDeviceIDs, platform, CL_DEVICE_TYPE_ALL, OPENCL_DEVICES, id,
                    &devices) != CL_SUCCESS)
        return;
    platform_text(driver, platform, CL_PLATFORM_NAME, name, sizeof name);
    alias_of(name, alias, sizeof alias);
    for (cl_uint i = 0; i < devices && i < OPENCL_DEVICES && *out_count < OPENCL_DEVICES; ++i) {
        if (id[i] == NULL) /* fewer than it says */
            continue;
        make_unique(out, *out_count, alias);
        found.id = id[i];
        memcpy(found.alias, out[*out_count].alias, sizeof found.alias);
        out[(*out_count)++] = found;
    }
}

tn_status tn__opencl_list(const tn_host *host, opencl_driver *driver,
                          opencl_found out[OPENCL_DEVICES], uint32_t *out_count)
{
    cl_platform_id platform[OPENCL_PLATFORMS];
    cl_uint platforms = 0;
    *out_count = 0;
    if (host->drivers != NULL) {
        tn__opencl_list_apart(host, driver, out, out_count);
        return TN_OK;
    }
    cl_int error = OPENCL_CALL(driver, clGetPlatformIDs, OPENCL_PLATFORMS, platform, &platforms);
    if (error != CL_SUCCESS) /* -1001: the loader knows of no driver */
        return OPENCL_FAIL(host, TN_STATUS_UNAVAILABLE, "opencl.none",
                           "the OpenCL loader has no driver (%d); install one (tenon doctor), or "
                           "name its folder in OCL_ICD_VENDORS",
                           error);
    for (cl_uint p = 0; p < platforms && p < OPENCL_PLATFORMS; ++p)
        tn__opencl_list_platform(driver, platform[p], NULL, out, out_count);
    return TN_OK;
}

void tn__opencl_describe(opencl_driver *driver, const opencl_found *found, tn_device_info *out)
{
    char version[64], device[60];
    cl_device_type type = CL_DEVICE_TYPE_CPU;
    cl_ulong bytes = 0, most = 0;
    cl_uint align_bits = 0;
    snprintf(out->uri, sizeof out->uri, "opencl:%s", found->alias);
    device_text(driver, found->id, CL_DEVICE_NAME, out->name, sizeof out->name);
    device_text(driver, found->id, CL_DEVICE_VENDOR, out->vendor, sizeof out->vendor);
    platform_text(driver, found->platform, CL_PLATFORM_VERSION, version, sizeof version);
    device_text(driver, found->id, CL_DRIVER_VERSION, device, sizeof device);
    snprintf(out->driver, sizeof out->driver, "%s, %s", version, device);
    (void)OPENCL_CALL(driver, clGetDeviceInfo, found->id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    (void)OPENCL_CALL(driver, clGetDeviceInfo, found->id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof bytes,
                      &bytes, NULL);
    (void)OPENCL_CALL(driver, clGetDeviceInfo, found->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof most,
                      &most, NULL);
    (void)OPENCL_CALL(driver, clGetDeviceInfo, found->id, CL_DEVICE_MEM_BASE_ADDR_ALIGN,
                      sizeof align_bits, &align_bits, NULL);
    bool cpu = (type & CL_DEVICE_TYPE_CPU) != 0;
    out->kind = cpu                                ? TN_KIND_CPU
                : (type & CL_DEVICE_TYPE_GPU) != 0 ? TN_KIND_GPU
                                                   : TN_KIND_ACCELERATOR;
    out->flags = TN_DEVICE_ASYNC | TN_DEVICE_DEFAULT;
    snprintf(out->group, sizeof out->group, "%s", cpu ? "host-cpu" : found->alias);
    out->memory_bytes = bytes;
    out->largest_buffer_bytes = most < bytes ? most : bytes;
    out->buffer_align = 64;
    out->offset_align = 1;
    out->import_align = 64;
    out->queues = 64;
}

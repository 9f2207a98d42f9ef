/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCL drivers that are no good, by KIND_*: crash and hang do so when they are loaded (Vulkan's
 * loader loads these as well as OpenCL's), list when it is asked for platforms, compile when a
 * program is built; empty has no device; garbage tells nonsense of them. */
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <CL/cl_icd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#if defined(KIND_crash) || defined(KIND_hang)
__attribute__((constructor)) static void begin(void)
{
#ifdef KIND_crash
    (void)raise(SIGSEGV);
#endif
    for (;;)
        (void)pause();
}
#endif

#if defined(KIND_garbage)
enum { IDS = 3, COUNT = 1000000, GARBAGE = 1 };
#elif defined(KIND_empty)
enum { IDS = 0, COUNT = 0, GARBAGE = 0 };
#else
enum { IDS = 1, COUNT = 1, GARBAGE = 0 };
#endif

struct object {
    const cl_icd_dispatch *entries;
};
static cl_icd_dispatch entries;
static struct object one = {&entries};

static cl_int give(const void *from, size_t bytes, size_t room, void *to, size_t *out_bytes)
{
    if (to != NULL && GARBAGE)
        memset(to, 0xff, room);
    else if (to != NULL && room < bytes)
        return CL_INVALID_VALUE;
    else if (to != NULL)
        memcpy(to, from, bytes);
    if (out_bytes != NULL)
        *out_bytes = bytes;
    return CL_SUCCESS;
}

static cl_int text(const char *from, size_t room, void *to, size_t *out_bytes)
{
    return give(from, strlen(from) + 1, room, to, out_bytes);
}

/* A loader wants to know the extensions, whatever else is nonsense. */
static cl_int CL_API_CALL platform_info(cl_platform_id p, cl_platform_info what, size_t room,
                                        void *to, size_t *out_bytes)
{
    (void)p;
    if (what == CL_PLATFORM_EXTENSIONS || what == CL_PLATFORM_ICD_SUFFIX_KHR) {
        const char *said = what == CL_PLATFORM_EXTENSIONS ? "cl_khr_icd" : "BAD";
        if (to != NULL && room > strlen(said))
            memcpy(to, said, strlen(said) + 1);
        if (out_bytes != NULL)
            *out_bytes = strlen(said) + 1;
        return CL_SUCCESS;
    }
    return text(what == CL_PLATFORM_VERSION ? "OpenCL 1.2 bad" : "Bad", room, to, out_bytes);
}

static cl_int CL_API_CALL devices(cl_platform_id p, cl_device_type type, cl_uint room,
                                  cl_device_id *out, cl_uint *out_count)
{
    (void)p, (void)type;
    for (int i = 0; out != NULL && i < (int)room && i < IDS; ++i)
        out[i] = i == 1 ? NULL : (cl_device_id)(void *)&one;
    if (out_count != NULL)
        *out_count = COUNT;
    return IDS > 0 ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

static cl_int CL_API_CALL device_info(cl_device_id d, cl_device_info what, size_t room, void *to,
                                      size_t *out_bytes)
{
    const cl_device_type type = CL_DEVICE_TYPE_CPU;
    const cl_ulong bytes = 1u << 30;
    const cl_uint few = 1024;
    (void)d;
    if (what == CL_DEVICE_TYPE)
        return give(&type, sizeof type, room, to, out_bytes);
    if (what == CL_DEVICE_GLOBAL_MEM_SIZE || what == CL_DEVICE_MAX_MEM_ALLOC_SIZE ||
        what == CL_DEVICE_SINGLE_FP_CONFIG)
        return give(&bytes, sizeof bytes, room, to, out_bytes);
    if (room == sizeof few)
        return give(&few, sizeof few, room, to, out_bytes);
    return text("Bad", room, to, out_bytes);
}

static cl_context CL_API_CALL context(const cl_context_properties *p, cl_uint n,
                                      const cl_device_id *d,
                                      void(CL_CALLBACK *fn)(const char *, const void *, size_t,
                                                            void *),
                                      void *self, cl_int *out_error)
{
    (void)p, (void)n, (void)d, (void)fn, (void)self;
    *out_error = CL_SUCCESS;
    return (cl_context)(void *)&one;
}

static cl_command_queue CL_API_CALL queue(cl_context c, cl_device_id d,
                                          cl_command_queue_properties p, cl_int *out_error)
{
    (void)c, (void)d, (void)p;
    *out_error = CL_SUCCESS;
    return (cl_command_queue)(void *)&one;
}

static cl_program CL_API_CALL program(cl_context c, cl_uint n, const char **texts,
                                      const size_t *bytes, cl_int *out_error)
{
    (void)c, (void)n, (void)texts, (void)bytes;
    *out_error = CL_SUCCESS;
    return (cl_program)(void *)&one;
}

static cl_int CL_API_CALL build(cl_program p, cl_uint n, const cl_device_id *d, const char *options,
                                void(CL_CALLBACK *fn)(cl_program, void *), void *self)
{
    (void)p, (void)n, (void)d, (void)options, (void)fn, (void)self;
    (void)raise(SIGABRT); /* as a compiler's failed assertion does */
    return CL_SUCCESS;
}

static cl_int CL_API_CALL platforms(cl_uint room, cl_platform_id *out, cl_uint *out_count)
{
#ifdef KIND_list
    (void)raise(SIGABRT);
#endif
    entries.clGetPlatformIDs = platforms;
    entries.clGetPlatformInfo = platform_info;
    entries.clGetDeviceIDs = devices;
    entries.clGetDeviceInfo = device_info;
    if (!GARBAGE) {
        entries.clCreateContext = context;
        entries.clCreateCommandQueue = queue;
        entries.clCreateProgramWithSource = program;
        entries.clBuildProgram = build;
    }
    if (out != NULL && room > 0)
        out[0] = (cl_platform_id)(void *)&one;
    if (out_count != NULL)
        *out_count = 1;
    return CL_SUCCESS;
}

__attribute__((visibility("default"))) CL_API_ENTRY cl_int CL_API_CALL
clGetPlatformInfo(cl_platform_id p, cl_platform_info what, size_t room, void *to, size_t *out_bytes)
{
    return platform_info(p, what, room, to, out_bytes);
}

__attribute__((visibility("default"))) CL_API_ENTRY void *CL_API_CALL
clGetExtensionFunctionAddress(const char *name)
{
    void *found = NULL;
    cl_int(CL_API_CALL * list)(cl_uint, cl_platform_id *, cl_uint *) = platforms;
    if (strcmp(name, "clIcdGetPlatformIDsKHR") == 0)
        memcpy(&found, &list, sizeof found);
    return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tenon doctor: what this machine lacks for one of Tenon's uses, and the line that installs it. */
#include "tool.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *library, *use, *install;
} wanted[] = {
    {"libhwloc.so.15", "topology of the cpu device", "apt-get install libhwloc15"},
    {"libOpenCL.so.1", "OpenCL devices", "apt-get install ocl-icd-libopencl1 && ./run --setup"},
    {"libvulkan.so.1", "Vulkan devices", "apt-get install libvulkan1 && ./run --setup"},
    {"peers/peer_openblas.so", "OpenBLAS in tenon bench",
     "apt-get install libopenblas-pthread-dev && ./run --setup"},
    {"peers/peer_blis.so", "BLIS in tenon bench",
     "apt-get install libblis-pthread-dev && ./run --setup"},
    {"peers/peer_libxsmm.so", "libxsmm in tenon bench",
     "apt-get install libxsmm-dev && ./run --setup"},
    {"peers/peer_onednn.so", "oneDNN in tenon bench",
     "rm -rf .venv/onednn build/release/build.ninja && ./run --setup"},
    {"peers/peer_mkl.so", "MKL in tenon bench", "./run --setup --peers"},
    {"peers/peer_xnnpack.so", "XNNPACK in tenon bench", "./run --setup --peers"},
    {"peers/peer_onnxruntime.so", "ONNX Runtime in tenon bench", "./run --setup --peers"},
};

/* Kinds of devices that need a driver of somebody else: whether there is one, and if not why. */
static int check_devices(tn_runtime *rt, size_t count)
{
    static const struct {
        const char *scheme, *open, *install;
    } kinds[] = {{"opencl:", "opencl:0", "apt-get install pocl-opencl-icd, or ./run --setup"},
                 {"vulkan:", "vulkan:0", "apt-get install mesa-vulkan-drivers, or ./run --setup"}};
    int missing = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; ++k) {
        size_t found = 0;
        for (size_t i = 0; i < count; ++i) {
            tn_device_info info = {.head = TN_INIT(tn_device_info)};
            found += tn_runtime_device_info(rt, i, &info) == TN_OK &&
                     strncmp(info.uri, kinds[k].scheme, strlen(kinds[k].scheme)) == 0;
        }
        printf("  %-8s %zu device%s of %s\n", found > 0 ? "ok" : "missing", found,
               found == 1 ? "" : "s", kinds[k].scheme);
        if (found > 0)
            continue;
        tn_device *d = NULL;
        if (tn_device_open(rt, kinds[k].open, &d) != TN_OK) {
            tn_error e;
            tn_error_last(&e);
            printf("           %s\n", e.text);
        }
        tn_device_release(d);
        printf("           %s\n", kinds[k].install);
        ++missing;
    }
    return missing;
}

int tool_doctor(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "usage: tenon doctor\n");
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    char folder[512];
    if (!tool_folder(folder, sizeof folder))
        folder[0] = '\0';
    int missing = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; ++i) {
        char path[700];
        bool beside = strchr(wanted[i].library, '/') != NULL, found;
        snprintf(path, sizeof path, "%s%s%s", beside ? folder : "", beside ? "/" : "",
                 wanted[i].library);
        if (beside) {
            found = access(path, R_OK) == 0;
        } else {
            void *h = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
            found = h != NULL;
            if (h != NULL)
                dlclose(h);
        }
        printf("  %-8s %s\n", found ? "ok" : "missing", wanted[i].use);
        if (!found) {
            printf("           %s\n", wanted[i].install);
            ++missing;
        }
    }
    tn_runtime *rt = NULL;
    if (tn_runtime_create(NULL, &rt) != TN_OK)
        return tool_error("the runtime could not be made");
    size_t n = tn_runtime_device_count(rt);
    missing += check_devices(rt, n);
    printf("  %-8s %zu device%s found (tenon info lists them)\n", n > 0 ? "ok" : "missing", n,
           n == 1 ? "" : "s");
    tn_runtime_release(rt);
    if (missing == 0)
        printf("nothing is missing\n");
    return n > 0 ? 0 : 1;
}

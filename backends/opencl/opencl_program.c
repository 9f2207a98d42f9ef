/* SPDX-License-Identifier: Apache-2.0 */
/* Programs: one a kernel row, built when a plan first needs it. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "opencl.h"

#include <stdio.h>

enum { TEXTS = 8 };

/* The end of the build log, where the errors are counted, without its line ends. */
static void keep_log(opencl_device *d, cl_program program, char *log, size_t log_bytes)
{
    size_t bytes = 0;
    if (OPENCL_CALL(&d->driver, clGetProgramBuildInfo, program, d->found.id, CL_PROGRAM_BUILD_LOG,
                    0, NULL, &bytes) != CL_SUCCESS ||
        bytes == 0)
        return;
    char *all = tn__opencl_take(d->host, bytes + 1);
    if (all == NULL)
        return;
    if (OPENCL_CALL(&d->driver, clGetProgramBuildInfo, program, d->found.id, CL_PROGRAM_BUILD_LOG,
                    bytes, all, NULL) == CL_SUCCESS) {
        const char *at = strstr(all, "error");
        if (at == NULL)
            at = all;
        snprintf(log, log_bytes, "%s", at);
        for (char *c = log; *c != '\0'; ++c)
            if ((unsigned char)*c < ' ')
                *c = ' ';
    }
    tn__opencl_give(d->host, all, bytes + 1);
}

static cl_program from_text(opencl_device *d, const char *const *text, uint32_t texts,
                            const char *options, char *log, size_t log_bytes, cl_int *out_error)
{
    const char *part[TEXTS];
    for (uint32_t i = 0; i < texts; ++i)
        part[i] = text[i];
    log[0] = '\0';
    cl_program program = OPENCL_MAKE(&d->driver, clCreateProgramWithSource, out_error, d->context,
                                     texts, part, NULL);
    if (program == NULL)
        return NULL;
    *out_error =
        OPENCL_CALL(&d->driver, clBuildProgram, program, 1, &d->found.id, options, NULL, NULL);
    if (*out_error == CL_SUCCESS)
        return program;
    keep_log(d, program, log, log_bytes);
    (void)OPENCL_CALL(&d->driver, clReleaseProgram, program);
    return NULL;
}

static cl_program from_binary(opencl_device *d, uint64_t key, const char *options)
{
    size_t bytes = 0;
    cl_int error = CL_SUCCESS, status = CL_SUCCESS;
    void *binary = tn__opencl_cache_read(d->host, key, &bytes);
    if (binary == NULL)
        return NULL;
    const unsigned char *from = binary;
    cl_program program = OPENCL_MAKE(&d->driver, clCreateProgramWithBinary, &error, d->context, 1,
                                     &d->found.id, &bytes, &from, &status);
    if (program != NULL &&
        (status != CL_SUCCESS || OPENCL_CALL(&d->driver, clBuildProgram, program, 1, &d->found.id,
                                             options, NULL, NULL) != CL_SUCCESS)) {
        (void)OPENCL_CALL(&d->driver, clReleaseProgram, program);
        program = NULL;
    }
    tn__opencl_give(d->host, binary, bytes);
    return program;
}

static void to_cache(opencl_device *d, uint64_t key, cl_program program)
{
    size_t bytes = 0;
    if (d->host->cache_dir == NULL ||
        OPENCL_CALL(&d->driver, clGetProgramInfo, program, CL_PROGRAM_BINARY_SIZES, sizeof bytes,
                    &bytes, NULL) != CL_SUCCESS ||
        bytes == 0)
        return;
    unsigned char *binary = tn__opencl_take(d->host, bytes);
    if (binary == NULL)
        return;
    if (OPENCL_CALL(&d->driver, clGetProgramInfo, program, CL_PROGRAM_BINARIES, sizeof binary,
                    &binary, NULL) == CL_SUCCESS)
        tn__opencl_cache_write(d->host, key, binary, bytes);
    tn__opencl_give(d->host, binary, bytes);
}

/* The source is all that is built, the options how, the rest by whom and for what. */
static uint64_t key_of(const opencl_device *d, const char *const *text, uint32_t texts,
                       const char *options)
{
    uint64_t key = OPENCL_HASH_START;
    for (uint32_t i = 0; i < texts; ++i)
        key = tn__opencl_hash(key, text[i], strlen(text[i]) + 1);
    key = tn__opencl_hash(key, options, strlen(options) + 1);
    return tn__opencl_hash(key, d->identity, strlen(d->identity) + 1);
}

cl_program tn__opencl_build(opencl_device *d, const char *const *text, uint32_t texts,
                            const char *options, char *log, size_t log_bytes, cl_int *out_error)
{
    uint64_t key = key_of(d, text, texts, options);
    *out_error = CL_SUCCESS;
    cl_program program = from_binary(d, key, options);
    if (program != NULL)
        return program;
    program = from_text(d, text, texts, options, log, log_bytes, out_error);
    if (program != NULL)
        to_cache(d, key, program);
    return program;
}

static void options_of(opencl_device *d, uint32_t row, uint32_t form, const tn_k_groups *groups,
                       char out[OPENCL_OPTIONS])
{
    static const int slots[OPENCL_FORMS] = {4, 8, TN_K_OPERANDS, 0};
    /* The sizes are checked by the device's compiler: both sides see the same structs. */
    snprintf(out, OPENCL_OPTIONS,
             "%s -DTN_SLOTS=%d -DTN_LAUNCH_BYTES=%zu -DTN_PARAMS_AT=%d -DTN_PARAMS_BYTES=%zu "
             "-DTN_BESIDE_BYTES=%d -DTN_SIZE_0=%u -DTN_SIZE_1=%u -DTN_SIZE_2=%u",
             d->options, slots[form], sizeof(tn_k_launch), OPENCL_PARAMS_AT,
             tn_k_opencl_rows[row].op->params_bytes, TN_K_BESIDE_BYTES, groups->size[0],
             groups->size[1], groups->size[2]);
    for (uint32_t i = 0; i < groups->options; ++i) {
        size_t at = strlen(out);
        snprintf(out + at, OPENCL_OPTIONS - at, " -D%s=%d", groups->option[i].name,
                 groups->option[i].value);
    }
}

static void build(opencl_device *d, const tn_k_opencl_row *row, opencl_built *b, cl_int *out_error)
{
    const char *text[] = {tn_k_opencl_prelude, row->text, tn_k_opencl_operands,
                          row->kernel != NULL ? tn_k_opencl_group : tn_k_opencl_entry,
                          row->kernel != NULL ? row->kernel : ""};
    b->program = tn__opencl_build(d, text, sizeof text / sizeof text[0], b->options, b->log,
                                  sizeof b->log, out_error);
}

/* What has been, or is to be, built with these options; NULL: no host memory. */
static opencl_built *find_built(opencl_device *d, opencl_program *p, const char *options)
{
    for (opencl_built *b = p->first; b != NULL; b = b->next)
        if (strcmp(b->options, options) == 0)
            return b;
    opencl_built *b = tn__opencl_take(d->host, sizeof *b);
    if (b != NULL) {
        snprintf(b->options, sizeof b->options, "%s", options);
        b->next = p->first;
        p->first = b;
    }
    return b;
}

void tn__opencl_program_forget(opencl_device *d, opencl_program *p)
{
    while (p->first != NULL) {
        opencl_built *b = p->first;
        p->first = b->next;
        if (b->program != NULL)
            (void)OPENCL_CALL(&d->driver, clReleaseProgram, b->program);
        tn__opencl_give(d->host, b, sizeof *b);
    }
}

tn_status tn__opencl_program(opencl_device *d, uint32_t row, uint32_t form,
                             const tn_k_groups *groups, cl_program *out)
{
    opencl_program *p = &d->programs[row * OPENCL_FORMS + form];
    char options[OPENCL_OPTIONS];
    cl_int error = CL_SUCCESS;
    options_of(d, row, form, groups, options);
    pthread_mutex_lock(&p->lock);
    opencl_built *b = find_built(d, p, options);
    if (b != NULL && !b->tried) {
        build(d, &tn_k_opencl_rows[row], b, &error);
        /* A text that does not compile never will; anything else may pass. */
        b->tried = b->program != NULL || error == CL_BUILD_PROGRAM_FAILURE;
        if (error == CL_BUILD_PROGRAM_FAILURE && b->log[0] == '\0')
            snprintf(b->log, sizeof b->log, "the driver gave no build log");
    }
    *out = b != NULL ? b->program : NULL;
    bool broken = b != NULL && b->tried && b->program == NULL;
    pthread_mutex_unlock(&p->lock);
    if (*out != NULL)
        return TN_OK;
    if (b == NULL)
        return OPENCL_NO_HOST_MEMORY(d->host, "a program");
    if (!broken)
        return tn__opencl_failed(d, error, "clBuildProgram", true);
    return OPENCL_FAIL(d->host, TN_STATUS_UNSUPPORTED, "opencl.build",
                       "%s could not be built by the driver of %s: %.300s",
                       tn_k_opencl_rows[row].variant->name, d->info.uri, b->log);
}

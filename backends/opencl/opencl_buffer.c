/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of an OpenCL device: buffers of its context, and host memory that a cpu device uses in
 * place. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "opencl.h"

static void buffer_destroy(void *buffer)
{
    opencl_buffer *b = buffer;
    opencl_device *d = b->device;
    (void)OPENCL_CALL(&d->driver, clReleaseMemObject, b->mem);
    if (b->release != NULL)
        b->release(b->release_self);
    tn__opencl_give(d->host, b, sizeof *b);
}

/* hal maps ranges, of views too, and does not say which of them ends: the first maps everything. */
static tn_status buffer_map(void *buffer, uint64_t offset, uint64_t bytes, uint32_t mode,
                            void **out)
{
    opencl_buffer *b = buffer;
    opencl_device *d = b->device;
    cl_int error = CL_SUCCESS;
    (void)mode, (void)bytes;
    pthread_mutex_lock(&d->control_lock);
    if (b->maps == 0)
        b->mapped = OPENCL_MAKE(&d->driver, clEnqueueMapBuffer, &error, d->control, b->mem, CL_TRUE,
                                CL_MAP_READ | CL_MAP_WRITE, 0, (size_t)b->bytes, 0, NULL, NULL);
    b->maps += b->mapped != NULL;
    *out = b->mapped != NULL ? b->mapped + offset : NULL;
    pthread_mutex_unlock(&d->control_lock);
    return *out != NULL ? TN_OK : tn__opencl_lose(d, error, "clEnqueueMapBuffer");
}

static tn_status buffer_unmap(void *buffer)
{
    opencl_buffer *b = buffer;
    opencl_device *d = b->device;
    const char *call = "clEnqueueUnmapMemObject";
    cl_int error = CL_SUCCESS;
    pthread_mutex_lock(&d->control_lock);
    if (b->maps > 0 && --b->maps == 0) {
        error = OPENCL_CALL(&d->driver, clEnqueueUnmapMemObject, d->control, b->mem, b->mapped, 0,
                            NULL, NULL);
        if (error == CL_SUCCESS) {
            call = "clFinish";
            error = OPENCL_CALL(&d->driver, clFinish, d->control);
        }
        b->mapped = NULL;
    }
    pthread_mutex_unlock(&d->control_lock);
    return error == CL_SUCCESS ? TN_OK : tn__opencl_lose(d, error, call);
}

static const tn_buffer_ops buffer_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_buffer_ops),
    .destroy = buffer_destroy,
    .map = buffer_map,
    .unmap = buffer_unmap,
};

/* host NULL: memory of the device. */
static tn_status make(opencl_device *d, uint64_t bytes, void *host, opencl_buffer **out)
{
    cl_int error = CL_SUCCESS;
    opencl_buffer *b = tn__opencl_take(d->host, sizeof *b);
    if (b == NULL)
        return OPENCL_NO_HOST_MEMORY(d->host, "a buffer");
    b->device = d;
    b->bytes = bytes == 0 ? 1 : bytes;
    if (bytes > d->info.largest_buffer_bytes)
        error = CL_INVALID_BUFFER_SIZE; /* some drivers promise what they cannot keep */
    else
        b->mem = OPENCL_MAKE(&d->driver, clCreateBuffer, &error, d->context,
                             CL_MEM_READ_WRITE | (host != NULL ? CL_MEM_USE_HOST_PTR : 0),
                             (size_t)b->bytes, host);
    if (b->mem == NULL) {
        tn__opencl_give(d->host, b, sizeof *b);
        if (error == CL_INVALID_BUFFER_SIZE)
            return OPENCL_FAIL_ARGUMENT(
                d->host, TN_STATUS_NO_MEMORY, "buffer.memory", "desc.bytes",
                "desc.bytes is %llu; %s has buffers of at most %llu bytes; divide it",
                (unsigned long long)bytes, d->info.uri,
                (unsigned long long)d->info.largest_buffer_bytes);
        return tn__opencl_failed(d, error, "clCreateBuffer", true);
    }
    *out = b;
    return TN_OK;
}

tn_status tn__opencl_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                                   const tn_buffer_ops **out_ops)
{
    opencl_buffer *b = NULL;
    tn_status st = make(device, desc->bytes, NULL, &b);
    *out = b;
    *out_ops = &buffer_ops;
    return st;
}

tn_status tn__opencl_buffer_import(void *device, const tn_external *external, void **out,
                                   const tn_buffer_ops **out_ops)
{
    opencl_device *d = device;
    opencl_buffer *b = NULL;
    if (d->info.kind != TN_KIND_CPU || external->kind != TN_EXTERNAL_HOST)
        return OPENCL_FAIL_ARGUMENT(
            d->host, TN_STATUS_UNSUPPORTED, "buffer.import", "external.kind",
            "external.kind is %d; an OpenCL device on a cpu imports host pointers (1), others "
            "nothing: create a buffer and copy with tn_queue_write",
            (int)external->kind);
    tn_status st =
        make(d, external->bytes, (unsigned char *)external->pointer + external->offset, &b);
    if (st != TN_OK)
        return st;
    b->release = external->release;
    b->release_self = external->self;
    *out = b;
    *out_ops = &buffer_ops;
    return TN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors in and out of DLPack, without a copy. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "dlpack.h"
#include "hal.h"

/* ---- tensor from DLPack ---- */
static uint16_t dtype_from(uint8_t code, uint8_t bits)
{
    switch (code) {
    case TN__DL_INT:
        return bits == 64 ? TN_S64 : bits == 32 ? TN_S32 : bits == 8 ? TN_S8 : 0;
    case TN__DL_UINT:
        return bits == 8 ? TN_U8 : 0;
    case TN__DL_FLOAT:
        return bits == 64 ? TN_F64 : bits == 32 ? TN_F32 : bits == 16 ? TN_F16 : 0;
    case TN__DL_BFLOAT:
        return bits == 16 ? TN_BF16 : 0;
    case TN__DL_BOOL:
        return bits == 8 ? TN_BOOL : 0;
    case TN__DL_FLOAT8_E4M3FN:
        return bits == 8 ? TN_F8E4M3 : 0;
    case TN__DL_FLOAT8_E5M2:
        return bits == 8 ? TN_F8E5M2 : 0;
    case TN__DL_FLOAT8_E8M0FNU:
        return bits == 8 ? TN_E8M0 : 0;
    default:
        return 0;
    }
}

/* What either struct says; `release` is called with `self` once the memory is not needed any more.
 */
typedef struct incoming {
    const tn__dl_tensor *tensor;
    const char *name; /* of the argument that it came with */
    void (*release)(void *self);
    void *self;
} incoming;

static void release_managed(void *self)
{
    tn__dl_managed *m = self;
    if (m->deleter != NULL)
        m->deleter(m);
}

static void release_legacy(void *self)
{
    tn__dl_legacy *m = self;
    if (m->deleter != NULL)
        m->deleter(m);
}

static tn_status shape_from(const incoming *in, tn_tensor *out)
{
    const tn__dl_tensor *t = in->tensor;
    if (t->ndim < 0 || t->ndim > TN_MAX_RANK)
        return tn__fail(TN_STATUS_UNSUPPORTED, "dlpack.rank", in->name,
                        "%s has rank %d; 0 to %d are allowed", in->name, (int)t->ndim, TN_MAX_RANK);
    if (t->ndim != 0 && t->shape == NULL)
        return tn__fail(TN_STATUS_INVALID, "dlpack.shape", in->name,
                        "%s has rank %d and shape NULL; give a dim for each axis", in->name,
                        (int)t->ndim);
    out->rank = (uint16_t)t->ndim;
    int64_t stride = 1;
    for (int32_t i = t->ndim - 1; i >= 0; --i) {
        out->dim[i] = t->shape[i];
        if (out->dim[i] < 0)
            return tn__fail(TN_STATUS_INVALID, "dlpack.shape", in->name,
                            "%s has dim %d = %lld; 0 or more is allowed", in->name, (int)i,
                            (long long)out->dim[i]);
        out->stride[i] = t->strides != NULL ? t->strides[i] : stride;
        if (out->stride[i] < 0)
            return tn__fail(TN_STATUS_UNSUPPORTED, "dlpack.stride", in->name,
                            "%s has stride %d = %lld; 0 or more is allowed, copy "
                            "the tensor first",
                            in->name, (int)i, (long long)out->stride[i]);
        if (__builtin_mul_overflow(stride, out->dim[i] != 0 ? out->dim[i] : 1, &stride))
            return tn__fail(TN_STATUS_INVALID, "dlpack.shape", in->name,
                            "%s has more elements than 64 bits count, at dim %d = "
                            "%lld; give a smaller tensor",
                            in->name, (int)i, (long long)out->dim[i]);
    }
    return TN_OK;
}

static tn_status take_over(tn_device *device, const incoming *in, tn_tensor *out)
{
    const tn__dl_tensor *t = in->tensor;
    if (t->device.type != TN__DL_CPU)
        return tn__fail(TN_STATUS_UNSUPPORTED, "dlpack.device", in->name,
                        "%s is memory of DLPack device type %d; only host memory "
                        "(1) can be taken over",
                        in->name, (int)t->device.type);
    tn_tensor local = {.dtype = dtype_from(t->dtype.code, t->dtype.bits)};
    if (local.dtype == 0 || t->dtype.lanes != 1)
        return tn__fail(TN_STATUS_UNSUPPORTED, "dlpack.dtype", in->name,
                        "%s has DLPack code %u with %u bits and %u lanes, which is "
                        "no dtype here; convert it first",
                        in->name, t->dtype.code, t->dtype.bits, t->dtype.lanes);
    tn_status st = shape_from(in, &local);
    if (st != TN_OK)
        return st;
    uint64_t bytes;
    if (!tn__tensor_extent(&local, &bytes))
        return tn__fail(TN_STATUS_INVALID, "dlpack.shape", in->name,
                        "%s reaches past the address space with its dims and "
                        "strides (rank %u); give a smaller tensor",
                        in->name, local.rank);
    if (t->data == NULL && bytes != 0)
        return tn__fail(TN_STATUS_INVALID, "dlpack.data", in->name,
                        "%s has data NULL and %llu bytes; give its memory", in->name,
                        (unsigned long long)bytes);
    uint64_t end;
    if (!tn__add_u64((uint64_t)(uintptr_t)t->data, t->byte_offset, &end) ||
        !tn__add_u64(end, bytes, &end))
        return tn__fail(TN_STATUS_INVALID, "dlpack.shape", in->name,
                        "%s has byte_offset %llu, which with its %llu bytes reaches "
                        "past the address space; give the offset inside its memory",
                        in->name, (unsigned long long)t->byte_offset, (unsigned long long)bytes);
    tn_external external = {.head = TN_INIT(tn_external),
                            .kind = TN_EXTERNAL_HOST,
                            .pointer = t->data != NULL ? (char *)t->data + t->byte_offset : NULL,
                            .bytes = bytes,
                            .release = in->release,
                            .self = in->self};
    if (bytes == 0) { /* nothing to take over: an empty buffer, and the producer may go */
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc)};
        st = tn_buffer_create(device, &desc, &local.buffer);
        if (st == TN_OK)
            in->release(in->self);
    } else {
        /* UNSUPPORTED where it would need a copy: the caller copies, knowingly. */
        st = tn_buffer_import(device, &external, &local.buffer);
    }
    if (st == TN_OK)
        *out = local;
    return st;
}

tn_status tn_tensor_from_dlpack(tn_device *device, void *managed_versioned, tn_tensor *out)
{
    tn__dl_managed *m = managed_versioned;
    if (m == NULL)
        return tn__fail_null("managed_versioned", "give a DLManagedTensorVersioned");
    if (out == NULL)
        return tn__fail_null("out_tensor", "give a tn_tensor to fill");
    tn_status st = tn__device_usable(device, "device");
    if (st != TN_OK)
        return st;
    if (m->version.major != 1)
        return tn__fail(TN_STATUS_INCOMPATIBLE, "dlpack.version", "managed_versioned",
                        "managed_versioned has DLPack version %u.%u; this library reads version 1",
                        m->version.major, m->version.minor);
    if ((m->flags & TN__DL_FLAG_READ_ONLY) != 0)
        return tn__fail(TN_STATUS_UNSUPPORTED, "dlpack.read_only", "managed_versioned",
                        "managed_versioned has the read-only flag (flags 0x%llx) and a buffer can "
                        "be written; copy it with tn_queue_write",
                        (unsigned long long)m->flags);
    incoming in = {&m->tensor, "managed_versioned", release_managed, m};
    return take_over(device, &in, out);
}

tn_status tn_tensor_from_dlpack_legacy(tn_device *device, void *managed, tn_tensor *out)
{
    tn__dl_legacy *m = managed;
    if (m == NULL)
        return tn__fail_null("managed", "give a DLManagedTensor");
    if (out == NULL)
        return tn__fail_null("out_tensor", "give a tn_tensor to fill");
    tn_status st = tn__device_usable(device, "device");
    if (st != TN_OK)
        return st;
    incoming in = {&m->tensor, "managed", release_legacy, m};
    return take_over(device, &in, out);
}

/* ---- tensor to DLPack ---- */
typedef struct held {
    tn__dl_managed managed; /* one of the two is handed out */
    tn__dl_legacy legacy;
    tn_runtime *runtime;
    tn_buffer *buffer;
    int64_t shape[TN_MAX_RANK], strides[TN_MAX_RANK];
} held;

static void drop_held(held *h)
{
    tn_runtime *rt = h->runtime;
    tn_buffer_release(h->buffer);
    tn__free(rt, h, sizeof *h);
    tn_runtime_release(rt);
}

static void drop_managed(tn__dl_managed *m)
{
    drop_held(m->manager_ctx);
}

static void drop_legacy(tn__dl_legacy *m)
{
    drop_held(m->manager_ctx);
}

static bool dtype_to(uint16_t dtype, uint8_t *code, uint8_t *bits)
{
    static const uint8_t codes[] = {TN__DL_FLOAT,       TN__DL_BFLOAT,        TN__DL_INT,
                                    TN__DL_UINT,        TN__DL_BOOL,          TN__DL_FLOAT8_E4M3FN,
                                    TN__DL_FLOAT8_E5M2, TN__DL_FLOAT8_E8M0FNU};
    uint32_t width = tn_dtype_bits((tn_dtype)dtype);
    for (size_t i = 0; i < sizeof codes; ++i)
        if (width != 0 && dtype_from(codes[i], (uint8_t)width) == dtype) {
            *code = codes[i];
            *bits = (uint8_t)width;
            return true;
        }
    return false;
}

/* What both structs are made of; *out_tensor is filled. */
static tn_status lend(const tn_tensor *tensor, held **out, tn__dl_tensor *out_tensor)
{
    uint8_t code = 0, bits = 0;
    if (tensor->rank > TN_MAX_RANK)
        return tn__fail(TN_STATUS_INVALID, "tensor.rank", "tensor",
                        "tensor has rank %u; at most %d is allowed", tensor->rank, TN_MAX_RANK);
    for (uint32_t i = 0; i < tensor->rank; ++i)
        if (tensor->dim[i] < 0 || tensor->stride[i] < 0)
            return tn__fail(TN_STATUS_INVALID, "tensor.dim", "tensor",
                            "tensor has dim %u = %lld with stride %lld; 0 or more is allowed", i,
                            (long long)tensor->dim[i], (long long)tensor->stride[i]);
    if (tensor->layout != TN_LAYOUT_STRIDED || tensor->quant_group != 0 ||
        !dtype_to(tensor->dtype, &code, &bits))
        return tn__fail(TN_STATUS_UNSUPPORTED, "dlpack.dtype", "tensor",
                        "tensor has dtype %s (%u) in layout %llu and groups of %u, which DLPack "
                        "has no word for; hand out a plain strided tensor",
                        tn_dtype_name((tn_dtype)tensor->dtype), tensor->dtype,
                        (unsigned long long)tensor->layout, tensor->quant_group);
    uint64_t bytes;
    if (!tn__tensor_extent(tensor, &bytes))
        return tn__fail(TN_STATUS_INVALID, "tensor.extent", "tensor",
                        "tensor reaches past the address space with its dims and strides (rank "
                        "%u); give a smaller one",
                        tensor->rank);
    tn_buffer *b = tensor->buffer;
    if (b == NULL)
        return tn__fail(TN_STATUS_INVALID, "buffer.null", "tensor",
                        "tensor has no buffer; only one with memory can be handed out");
    tn_status st = tn__buffer_check(b, b->device, tensor->offset_bytes, bytes, "tensor");
    if (st != TN_OK)
        return st;
    tn_external external = {.head = TN_INIT(tn_external)};
    st = tn_buffer_export(b, TN_EXTERNAL_HOST, &external);
    if (st != TN_OK)
        return st;
    tn_runtime *rt = b->device->runtime;
    held *h = tn__alloc(rt, sizeof *h);
    if (h == NULL)
        return TN_STATUS_NO_MEMORY;
    h->runtime = tn_runtime_retain(rt);
    h->buffer = tn_buffer_retain(b);
    for (uint32_t i = 0; i < tensor->rank; ++i) {
        h->shape[i] = tensor->dim[i];
        h->strides[i] = tensor->stride[i];
    }
    *out_tensor = (tn__dl_tensor){.data = external.pointer,
                                  .device = {TN__DL_CPU, 0},
                                  .ndim = tensor->rank,
                                  .dtype = {code, bits, 1},
                                  .shape = h->shape,
                                  .strides = h->strides,
                                  .byte_offset = tensor->offset_bytes};
    *out = h;
    return TN_OK;
}

tn_status tn_tensor_to_dlpack(const tn_tensor *tensor, void **out_managed_versioned)
{
    held *h = NULL;
    tn__dl_tensor lent;
    if (tensor == NULL)
        return tn__fail_null("tensor", "give the tensor to hand out");
    if (out_managed_versioned == NULL)
        return tn__fail_null("out_managed_versioned", "give a void * to fill");
    *out_managed_versioned = NULL;
    tn_status st = lend(tensor, &h, &lent);
    if (st != TN_OK)
        return st;
    h->managed = (tn__dl_managed){
        .version = {1, 0}, .manager_ctx = h, .deleter = drop_managed, .tensor = lent};
    *out_managed_versioned = &h->managed;
    return TN_OK;
}

tn_status tn_tensor_to_dlpack_legacy(const tn_tensor *tensor, void **out_managed)
{
    held *h = NULL;
    tn__dl_tensor lent;
    if (tensor == NULL)
        return tn__fail_null("tensor", "give the tensor to hand out");
    if (out_managed == NULL)
        return tn__fail_null("out_managed", "give a void * to fill");
    *out_managed = NULL;
    tn_status st = lend(tensor, &h, &lent);
    if (st != TN_OK)
        return st;
    h->legacy = (tn__dl_legacy){.tensor = lent, .manager_ctx = h, .deleter = drop_legacy};
    *out_managed = &h->legacy;
    return TN_OK;
}

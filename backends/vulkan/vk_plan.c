/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a row for an op, and what it needs at run: pipelines and params on the device. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "vk.h"
#include <backends/common/plan_choice.h>

#include <kernels/common/shape.h>
#include <stdio.h>

enum { LOOPS_MOST = 65000 /* of an invocation where longer ones are cut off */ };

static void tell(const vk_plan *p, tn_choice_fn fn, void *self, const char *kernel,
                 const tn_k_why *why, bool accepted, uint64_t estimate)
{
    char uri[80];
    if (fn == NULL)
        return;
    snprintf(uri, sizeof uri, "vulkan:%s", p->device->caps.uri);
    tn_choice c = {.device = uri,
                   .kernel = kernel,
                   .reason = why->reason,
                   .text = why->text,
                   .accepted = accepted,
                   .estimate_ns = estimate};
    fn(self, &c);
}

static bool refuse(tn_k_why *why, const char *reason, const char *argument, const char *text)
{
    *why = (tn_k_why){reason, argument, text};
    return false;
}

static void kernel_name(const vk_device *d, const vk_row *row, bool plain, char *out, size_t bytes)
{
    static const char *const how[] = {"_fma", "_f64", "_int"};
    snprintf(out, bytes, "%s%s", row->name,
             row->cls == TN_CLASS_EXACT ? ""
             : plain                    ? "_plain"
                                        : how[d->fma]);
}

/* Where an operand's elements lie around its offset. */
static bool find_span(vk_plan *p, const tn_op *op, uint32_t i, tn_k_why *why)
{
    const tn_k_operands *o = (const tn_k_operands *)(const void *)p->params;
    const tn_tensor *t = &tn_k_find(op, o->item[i].role)->tensor;
    uint32_t bytes = tn_k_elem_bytes(t->dtype);
    int64_t low = 0, high = 0;
    if ((o->item[i].flags & TN_ARG_PACKED) != 0 || t->layout != TN_LAYOUT_STRIDED || bytes == 0)
        return refuse(
            why, "vulkan.packed", "args",
            "no kernel of a Vulkan device takes packed operands, blocks or parts of bytes");
    p->span[i].unit_bytes = bytes < 4 ? bytes : 4;
    for (uint32_t d = 0; d < t->rank; ++d) {
        if (t->dim[d] == 0)
            return true; /* of no bytes */
        int64_t reach;
        if (__builtin_mul_overflow(t->dim[d] - 1, t->stride[d], &reach) ||
            __builtin_add_overflow(reach < 0 ? low : high, reach, reach < 0 ? &low : &high))
            return refuse(why, "vulkan.range", "args", "reaches past the address space");
    }
    if (high - low >= INT32_MAX / (int64_t)bytes ||
        (uint64_t)(high - low + 1) * bytes + 2 * p->device->caps.offset_align >
            p->device->caps.range_bytes)
        return refuse(why, "vulkan.range", "args",
                      "an operand is longer than what the device binds at once");
    p->span[i].low = low * (int64_t)bytes;
    p->span[i].bytes = (high - low + 1) * (int64_t)bytes;
    return true;
}

/* Whether a row takes the op, and how it would run it; else why not. */
static bool consider(vk_plan *p, const tn_op *op, const vk_row *row, bool plain, const char *kernel,
                     uint64_t limit, vk_launch *launch, tn_k_why *no)
{
    const vk_device *d = p->device;
    char name[96];
    *no = (tn_k_why){"kernel.refused", "args", "does not take such an op"};
    memset(launch, 0, sizeof *launch);
    for (uint32_t i = 0; i < TN_K_OPERANDS; ++i)
        launch->binding[i] = (uint8_t)(i < VK_WORKSPACE ? i : i + VK_MORE_OPERANDS - VK_WORKSPACE);
    kernel_name(d, row, plain, name, sizeof name);
    if (kernel != NULL && strcmp(kernel, name) != 0)
        return refuse(no, "kernel.not_asked", "desc.kernel",
                      "this op has no kernel of that name, tn_device_explain lists them");
    if (row->bounded && !plain)
        return refuse(no, "kernel.class", "numerics.cls",
                      "the kernel promises less than the class asked for");
    tn_class cls = plain ? TN_CLASS_BOUNDED : row->cls;
    if (cls == TN_CLASS_CANONICAL && !d->canonical) {
        if (op->numerics.cls == TN_CLASS_CANONICAL)
            return refuse(no, "vulkan.canonical", "numerics.cls", d->refused);
        cls = TN_CLASS_BOUNDED;
    }
    if (!tn_k_serves(cls, op->numerics.cls))
        return refuse(no, "kernel.class", "numerics.cls",
                      "the kernel promises less than the class asked for");
    const tn_k_operands *o = (const tn_k_operands *)(const void *)p->params;
    if (o->count > VK_OPERANDS)
        return refuse(no, "vulkan.operands", "args",
                      "has more operands than a kernel of a Vulkan device binds");
    for (uint32_t i = 0; i < o->count; ++i)
        if (!find_span(p, op, i, no))
            return false;
    if (!row->make(p->params, &d->caps, launch, no))
        return false;
    for (uint32_t i = 0; i < launch->steps; ++i) {
        const uint32_t *g = launch->step[i].groups;
        if (g[0] > d->caps.groups[0] || g[1] > d->caps.groups[1] || g[2] > d->caps.groups[2])
            return refuse(no, "vulkan.groups", "args",
                          "needs more workgroups than the device starts at once");
        launch->step[i].spec[VK_SPEC_PLAIN] = plain;
    }
    if (launch->loops > LOOPS_MOST && d->caps.short_loops)
        return refuse(no, "vulkan.loops", "args",
                      "this driver cuts loops of 65,535 turns off, and the kernel would take more");
    for (uint32_t i = 0; launch->texels && i < o->count && i < VK_OPERANDS; ++i)
        if (launch->binding[i] < VK_TEXELS &&
            ((uint64_t)p->span[i].bytes + 2 * d->caps.offset_align) / 4 > d->caps.texels)
            return refuse(no, "vulkan.texels", "args",
                          "an operand is longer than what the device binds as texels");
    if (launch->workspace_bytes + 2 * d->caps.offset_align > d->caps.range_bytes)
        return refuse(no, "vulkan.range", "args",
                      "the workspace is longer than what the device binds at once");
    if (limit != 0 && launch->workspace_bytes > limit)
        return refuse(no, "kernel.workspace", "desc.workspace_limit_bytes",
                      "the workspace is above the limit of the plan");
    return true;
}

static uint64_t estimate(const vk_device *d, bool plain, const vk_launch *l)
{
    bool cpu = d->caps.type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    /* Of CPU drivers measured; of others a guess that only orders rows. */
    double flops_ns = cpu ? (plain || d->fma == VK_FMA_NATIVE ? 4.0 : 1.0) : 1000.0;
    double bytes_ns = cpu ? 2.0 : 200.0;
    if (l->speed != 0.0)
        flops_ns *= l->speed;
    return l->steps == 0
               ? 0
               : (uint64_t)(50000.0 * l->steps + l->flops / flops_ns + l->bytes / bytes_ns);
}

static const vk_row *next_row(const vk_plan *p, uint32_t *at)
{
    while (tn__vk_rows[*at] != NULL && tn__vk_rows[*at]->kind != p->op->kind)
        ++*at;
    return tn__vk_rows[*at] != NULL ? tn__vk_rows[(*at)++] : NULL;
}

/* The best row that takes the op; otherwise *why is what refused the last one that could have been
 * it. */
static bool choose(vk_plan *p, const tn_op *op, const char *kernel, uint64_t limit, tn_k_why *why)
{
    vk_launch launch;
    const vk_row *row;
    for (uint32_t at = 0; (row = next_row(p, &at)) != NULL;)
        for (int plain = 0; plain <= row->chains; ++plain) {
            tn_k_why no;
            if (!consider(p, op, row, plain != 0, kernel, limit, &launch, &no)) {
                if (why->reason == NULL || strcmp(why->reason, "kernel.not_asked") == 0 ||
                    (strcmp(why->reason, "kernel.class") == 0 && !plan_for_other_types(&no)))
                    *why = no;
                continue;
            }
            uint64_t ns = estimate(p->device, plain != 0, &launch);
            if (p->row != NULL && ns >= p->estimate_ns)
                continue;
            p->row = row;
            p->plain = plain != 0;
            p->launch = launch;
            p->estimate_ns = ns;
        }
    if (p->row == NULL && why->reason == NULL)
        *why = (tn_k_why){"vulkan.no_kernels", "kind", "no kernel of a Vulkan device is for it"};
    return p->row != NULL;
}

static void tell_all(vk_plan *p, const tn_op *op, const char *kernel, uint64_t limit,
                     tn_choice_fn fn, void *self)
{
    vk_launch launch;
    const vk_row *row;
    char name[96];
    if (fn == NULL)
        return;
    for (uint32_t at = 0; (row = next_row(p, &at)) != NULL;)
        for (int plain = 0; plain <= row->chains; ++plain) {
            tn_k_why why;
            bool ok = consider(p, op, row, plain != 0, kernel, limit, &launch, &why);
            if (ok)
                why = plan_verdict(row == p->row && (plain != 0) == p->plain);
            kernel_name(p->device, row, plain != 0, name, sizeof name);
            tell(p, fn, self, name, &why, ok, ok ? estimate(p->device, plain != 0, &launch) : 0);
        }
}

static tn_status unsupported(const vk_device *d, const tn_op *op, const char *who,
                             const tn_k_why *why)
{
    char asked[128];
    return VK_FAIL_ARGUMENT(d->host, TN_STATUS_UNSUPPORTED, why->reason, why->argument,
                            "%s on vulkan:%s, %s: %s; asked for %s", who, d->caps.uri,
                            why->argument != NULL ? why->argument : "any operand", why->text,
                            plan_asked(op, asked));
}

static tn_status fill(vk_device *d, const tn_op *op, const tn_plan_desc *desc, tn_choice_fn fn,
                      void *self, vk_plan *p)
{
    tn_k_why why = {NULL, NULL, NULL};
    p->device = d;
    p->numerics = op->numerics;
    p->op = plan_find_op(op);
    if (p->op == NULL)
        return VK_FAIL_ARGUMENT(d->host, TN_STATUS_UNSUPPORTED, "vulkan.no_kernels", "kind",
                                "kind %d is an op that a Vulkan device has no kernel for; use "
                                "another device",
                                (int)op->kind);
    if (op->numerics.accumulate != 0 && op->numerics.accumulate != plan_usual_accumulate(op))
        return VK_FAIL_ARGUMENT(d->host, TN_STATUS_UNSUPPORTED, "kernel.accumulate",
                                "numerics.accumulate",
                                "numerics.accumulate is %s; the kernels of %s on a Vulkan device "
                                "accumulate in %s here, "
                                "which 0 asks for",
                                tn_dtype_name((tn_dtype)op->numerics.accumulate), p->op->name,
                                tn_dtype_name((tn_dtype)plan_usual_accumulate(op)));
    if (!p->op->params(op, p->params, &why))
        return unsupported(d, op, p->op->name, &why);
    const char *kernel = desc != NULL ? desc->kernel : NULL;
    uint64_t limit = desc != NULL ? desc->workspace_limit_bytes : 0;
    bool found = choose(p, op, kernel, limit, &why);
    tell_all(p, op, kernel, limit, fn, self);
    if (!found)
        return unsupported(d, op, kernel != NULL ? kernel : p->op->name, &why);
    kernel_name(d, p->row, p->plain, p->kernel, sizeof p->kernel);
    if (p->numerics.accumulate == 0)
        p->numerics.accumulate = plan_usual_accumulate(op);
    p->numerics.canonical_version = 1;
    return TN_OK;
}

tn_status tn__vk_supports(void *device, const tn_op *op)
{
    vk_device *d = device;
    vk_plan *p = tn__vk_alloc(d->host, sizeof *p);
    if (p == NULL)
        return TN_STATUS_NO_MEMORY;
    tn_status st = fill(d, op, NULL, NULL, NULL, p);
    tn__vk_free(d->host, p, sizeof *p);
    return st;
}

static void plan_destroy(void *plan)
{
    vk_plan *p = plan;
    vk_device *d = p->device;
    tn__vk_memory_give(d, &p->param);
    tn__vk_free(d->host, p, sizeof *p);
}

static tn_status plan_info(void *plan, tn_plan_info *out)
{
    const vk_plan *p = plan;
    snprintf(out->kernel, sizeof out->kernel, "%s", p->kernel);
    out->numerics = p->numerics;
    out->parts = 1;
    out->workspace_bytes = p->launch.workspace_bytes;
    out->estimate_ns = p->estimate_ns;
    return TN_OK;
}

static tn_status plan_arithmetic(void *plan, tn_arithmetic *out)
{
    const vk_plan *p = plan;
    if (p->row->arithmetic != NULL)
        p->row->arithmetic(p->params, out);
    if (p->plain)
        out->product = TN_F32;
    bool by_bits = p->row->by_bits != NULL && p->row->by_bits(p->params);
    if (!p->device->canonical && p->row->cls != TN_CLASS_EXACT && !by_bits)
        out->flush_in = out->flush_out = 1;
    return TN_OK;
}

static const tn_plan_ops plan_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_plan_ops),
    .destroy = plan_destroy,
    .info = plan_info,
    .arithmetic = plan_arithmetic,
};

/* The pipelines, and the params where shaders find them. */
static tn_status prepare(vk_plan *p)
{
    vk_device *d = p->device;
    uint64_t bytes = sizeof p->launch.param + p->launch.table_ints * (uint64_t)sizeof(int32_t);
    tn_status st = TN_OK;
    if (atomic_load(&d->lost))
        return tn__vk_lose(d, "vulkan.lost", "an earlier call");
    for (uint32_t i = 0; st == TN_OK && i < p->launch.steps; ++i)
        st = tn__vk_pipeline(d, p->launch.step[i].module,
                             p->row->cls == TN_CLASS_EXACT ? VK_FMA_NATIVE : d->fma,
                             p->launch.step[i].spec, &p->pipeline[i]);
    if (st == TN_OK)
        st = tn__vk_memory_take(d, 1, bytes, 0, &p->param);
    if (st == TN_OK) {
        unsigned char *to = tn__vk_mapped(&p->param);
        memcpy(to, p->launch.param, sizeof p->launch.param);
        if (p->launch.table_ints != 0)
            p->row->table(p->params, (int32_t *)(void *)(to + sizeof p->launch.param));
        st = tn__vk_flush(d, &p->param, 0, bytes, true);
    }
    return st;
}

tn_status tn__vk_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                             tn_choice_fn fn, void *self, void **out, const tn_plan_ops **out_ops)
{
    vk_device *d = device;
    vk_plan *p = tn__vk_alloc(d->host, sizeof *p);
    if (p == NULL)
        return TN_STATUS_NO_MEMORY;
    tn_status st = fill(d, op, desc, fn, self, p);
    if (st == TN_OK && out != NULL)
        st = prepare(p);
    if (st != TN_OK) {
        p->device = d;
        plan_destroy(p);
        return st;
    }
    *out = p;
    *out_ops = &plan_ops;
    return TN_OK;
}

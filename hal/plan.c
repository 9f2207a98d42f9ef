/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: made once for an op on a device, found again, asked. */
/* path: api > [placement] > queue > backend > kernel > device */
#include <stdio.h>

#include "hal/inject.h"
#include "hal/plan.h"

tn_plan *tn_plan_retain(tn_plan *plan)
{
    if (plan != NULL) {
        tn__ref_retain(&plan->ref);
        tn_device_retain(plan->device);
    }
    return plan;
}

uint32_t tn__plan_kind(const tn_plan *plan)
{
    return (uint32_t)plan->op->kind;
}

void tn__plan_drop(tn_plan *plan)
{
    if (plan == NULL || !tn__ref_release(&plan->ref))
        return;
    tn_runtime *rt = plan->device->runtime;
    if (plan->object != NULL)
        plan->ops->destroy(plan->object);
    tn_plan_release(plan->inner);
    tn__choices_free(&plan->choices);
    tn__free(rt, plan->key, plan->key_words * sizeof plan->key[0]);
    tn__free(rt, plan->op, plan->op_bytes);
    tn__free(rt, plan, sizeof *plan);
}

void tn_plan_release(tn_plan *plan)
{
    if (plan == NULL || tn__runtime_forked(plan->device->runtime))
        return;
    tn_device *device = plan->device; /* the plan goes first: destroy needs the open device */
    tn__plan_drop(plan);
    tn_device_release(device);
}

/* One below -rank stays what it is, for validation to refuse. */
static void resolve_axis(int32_t *axis, int32_t rank)
{
    if (*axis < 0 && *axis >= -rank)
        *axis += rank;
}

/* Version 0 and accumulate 0 become what they stand for, so that equal requests have equal keys. */
static void resolve(tn__op_view *v)
{
    tn_numerics *n = &v->op.numerics;
    if (n->canonical_version == 0)
        n->canonical_version = TN__CANONICAL_NEWEST;
    const tn_tensor *a = tn__op_tensor(v, v->op.kind == TN_OP_ATTENTION ? TN_ARG_Q : TN_ARG_A);
    if (v->op.kind == TN_OP_GATHER && v->row->pass != TN_PASS_FORWARD)
        a = tn__op_tensor(v, TN_ARG_OUT); /* the gradient of a */
    if (n->accumulate == 0 && a != NULL) {
        uint16_t dtype = a->dtype;
        n->accumulate = TN_F32;
        if (dtype == TN_F64)
            n->accumulate = TN_F64;
        else if (tn__dtype_integer(dtype))
            n->accumulate = TN_S32;
    }
    /* A negative axis becomes the one it means: kernels see 0 and up. */
    if (v->op.kind == TN_OP_SOFTMAX && a != NULL)
        resolve_axis(&v->attr.softmax.axis, a->rank);
    if (v->op.kind == TN_OP_CONCAT)
        a = tn__op_tensor(v, TN_ARG_INPUT0);
    if ((v->op.kind == TN_OP_GATHER || v->op.kind == TN_OP_CONCAT || v->op.kind == TN_OP_TOPK ||
         v->op.kind == TN_OP_SCAN || v->op.kind == TN_OP_QUANTIZE ||
         v->op.kind == TN_OP_DEQUANTIZE) &&
        a != NULL)
        resolve_axis(&v->attr.axis.axis, a->rank);
    if (v->op.kind == TN_OP_NORM && a != NULL)
        v->attr.norm.axes = tn__norm_axes(&v->attr.norm, a->rank);
}

static tn_status desc_in(const tn_plan_desc *from, tn_plan_desc *out)
{
    memset(out, 0, sizeof *out);
    if (from != NULL) {
        tn_status st = tn__struct_in(out, sizeof *out, TN_TYPE_tn_plan_desc, from, "desc");
        if (st != TN_OK)
            return st;
    }
    out->head = (tn_head)TN_INIT(tn_plan_desc);
    if ((out->flags & ~(uint32_t)(TN_PLAN_ALLOW_FALLBACK | TN_PLAN_TUNE)) != 0)
        return tn__fail(
            TN_STATUS_INVALID, "plan.flags", "desc.flags",
            "desc.flags is 0x%x; only TN_PLAN_ALLOW_FALLBACK and TN_PLAN_TUNE (0x3) are allowed",
            out->flags);
    if (out->kernel != NULL && strlen(out->kernel) >= sizeof((tn_plan_info *)0)->kernel)
        return tn__fail(
            TN_STATUS_INVALID, "plan.kernel", "desc.kernel",
            "desc.kernel has %zu characters (\"%.32s...\"); a kernel name has at most 95",
            strlen(out->kernel), out->kernel);
    return TN_OK;
}

static void copy_text(char *to, size_t bytes, const char *from)
{
    (void)snprintf(to, bytes, "%s", from);
}

static tn_status fill_info(tn_plan *p)
{
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    info.numerics = p->op->numerics;
    if (p->inner != NULL) {
        info = p->inner->info;
        info.fallback = 1;
        info.workspace_bytes = 0; /* the inner run takes it from its own queue */
    } else {
        copy_text(info.kernel, sizeof info.kernel, "device");
        if (tn__has(p->ops, info)) {
            tn__error_clear();
            tn_status st = p->ops->info(p->object, &info);
            if (st != TN_OK)
                return tn__backend_failed(st, p->device->uri, "info");
        } else {
            info.numerics.cls = TN_CLASS_BOUNDED;
        }
        copy_text(info.device, sizeof info.device, p->device->uri);
    }
    info.head = (tn_head)TN_INIT(tn_plan_info);
    info.kernel[sizeof info.kernel - 1] = 0; /* a backend's text, whatever it wrote */
    if (info.numerics.canonical_version == 0)
        info.numerics.canonical_version = p->op->numerics.canonical_version;
    if (info.numerics.accumulate == 0)
        info.numerics.accumulate = p->op->numerics.accumulate;
    if (info.parts == 0)
        info.parts = 1;
    p->info = info;
    return TN_OK;
}

static tn_status fill_args(tn_plan *p)
{
    p->arg_count = p->op->arg_count;
    for (uint32_t i = 0; i < p->arg_count; ++i) {
        const tn_arg *a = &p->op->args[i];
        uint32_t bits = tn_dtype_bits((tn_dtype)a->tensor.dtype);
        p->arg[i].role = a->role;
        p->arg[i].flags = a->flags;
        p->arg[i].output = tn__role_is_output(p->op, a->role);
        p->arg[i].align = bits < 8 ? 1 : bits / 8;
        /* a fallback copies its operands out, which takes any offset */
        if (p->inner == NULL && p->device->info.offset_align > p->arg[i].align)
            p->arg[i].align = p->device->info.offset_align;
        if ((a->flags & TN_ARG_PACKED) == 0) {
            if (!tn__tensor_extent(&a->tensor, &p->arg[i].extent))
                return tn__fail(
                    TN_STATUS_INVALID, "op.extent", "args",
                    "args[%u] reaches past the address space; give smaller dims or strides", i);
            continue;
        }
        uint64_t layout = 0;
        if (p->object == NULL || !tn__has(p->ops, layout) ||
            p->ops->layout(p->object, (tn_role)a->role, &layout, &p->arg[i].extent) != TN_OK)
            return tn__fail(TN_STATUS_UNSUPPORTED, "plan.packed", "args",
                            "args[%u] is PACKED, and %s takes no packed operand; give the plain "
                            "tensor or choose another kernel",
                            i, p->inner != NULL ? "a fallback" : "the chosen kernel");
        if (a->tensor.layout != 0 && a->tensor.layout != layout)
            return tn__fail(TN_STATUS_INCOMPATIBLE, "plan.layout", "args",
                            "args[%u] has layout 0x%llx, the plan packs as 0x%llx; pack again", i,
                            (unsigned long long)a->tensor.layout, (unsigned long long)layout);
    }
    return TN_OK;
}

/* Asks the backend; a plan without the table that it must bring is none. */
static tn_status make(tn_device *d, const tn_op *op, const tn_plan_desc *desc, tn_choice_fn fn,
                      void *self, void **out, const tn_plan_ops **out_ops)
{
    *out = NULL;
    *out_ops = NULL;
    tn__error_clear();
    tn_status st = d->ops->plan_create(d->object, op, desc, fn, self, out, out_ops);
    if (st != TN_OK)
        st = tn__backend_failed(st, d->uri, "plan_create");
    else if (!tn__table_known(*out_ops) || !tn__has(*out_ops, destroy))
        st = tn__backend_table(d->uri, "plan");
    if (st != TN_OK)
        *out = NULL;
    return st;
}

static tn_status build(tn_device *d, const tn__op_view *v, const tn_plan_desc *desc, tn_plan **out)
{
    tn_runtime *rt = d->runtime;
    tn_plan *p = tn__alloc(rt, sizeof *p);
    if (p == NULL)
        return TN_STATUS_NO_MEMORY;
    tn__ref_init(&p->ref);
    p->device = tn_device_retain(d);
    p->choices.runtime = rt;
    tn__error_copy first;
    tn_status st = tn__op_copy_view(rt, v, &p->op, &p->op_bytes);
    if (st != TN_OK)
        goto fail;
    st = tn__inject_call(d, TN__CALL_PLAN, (uint32_t)p->op->kind, 0);
    if (st == TN_OK)
        st = make(d, p->op, desc, tn__choices_add, &p->choices, &p->object, &p->ops);
    if (st == TN_STATUS_UNSUPPORTED && (desc->flags & TN_PLAN_ALLOW_FALLBACK) != 0)
        st = tn__fallback_create(p, desc);
    if (st == TN_OK)
        st = fill_args(p);
    if (st == TN_OK)
        st = fill_info(p);
    if (st == TN_OK)
        st = tn__choices_status(&p->choices);
    if (st != TN_OK)
        goto fail;
    if (desc->workspace_limit_bytes != 0 && p->info.workspace_bytes > desc->workspace_limit_bytes) {
        (void)tn__fail(TN_STATUS_UNSUPPORTED, "plan.workspace", "desc.workspace_limit_bytes",
                       "desc.workspace_limit_bytes is %llu, but %s needs %llu; raise the limit",
                       (unsigned long long)desc->workspace_limit_bytes, p->info.kernel,
                       (unsigned long long)p->info.workspace_bytes);
        goto fail;
    }
    *out = p;
    return TN_OK;
fail:
    tn__error_save(&first, NULL);
    tn_plan_release(p);
    return tn__fail_again(&first.error);
}

/** Prepares an op for a device: chooses the kernel, or finds the plan of an equal request.
 *  memory    *out is one reference; op and desc are not kept
 *  numerics  plan_info.numerics says what will run; a class that the device lacks is UNSUPPORTED
 *  returns   INVALID for a wrong op; UNSUPPORTED with the reason where no kernel takes it, unless
 *            TN_PLAN_ALLOW_FALLBACK and the cpu device does; NO_MEMORY; DEVICE_LOST; INCOMPATIBLE
 *            for an unknown canonical version or a foreign packed layout
 *  threads   thread-safe
 *  since     0.1 */
tn_status tn_plan_create(tn_device *device, const tn_op *op, const tn_plan_desc *desc,
                         tn_plan **out)
{
    tn__op_view v;
    tn_plan_desc whole;
    tn__plan_key key;
    tn_status st = tn__device_usable(device, "device");
    if (st != TN_OK)
        return st;
    if (out == NULL)
        return tn__fail_null("out_plan", "give a tn_plan * to fill");
    *out = NULL;
    st = tn__op_open(op, &v);
    if (st == TN_OK)
        st = desc_in(desc, &whole);
    if (st != TN_OK)
        return st;
    resolve(&v);
    bool cached = device->plans != NULL && tn__plan_key_make(&v, &whole, &key);
    /* A hit needs no check: an op that is equal in all that is checked passed it before. */
    if (cached && (*out = tn__plan_cache_find(device->plans, &key)) != NULL) {
        if (tn__tracing(device->runtime))
            tn__trace_hit(*out);
        return TN_OK;
    }
    st = tn__op_check_view(&v);
    if (st != TN_OK)
        return st;
    tn_plan *p = NULL;
    uint64_t began = tn__trace_begin(device->runtime);
    st = build(device, &v, &whole, &p);
    if (began != 0) {
        tn_op shown = v.op;
        shown.attr = v.row->attr_bytes > 0 ? &v.attr : NULL;
        (void)tn__trace_host(device->runtime, "placement", "plan", st, began, p, &shown);
    }
    if (st != TN_OK) {
        tn__error_device(device->uri);
        return st;
    }
    *out = cached ? tn__plan_cache_insert(device->plans, &key, p) : p;
    return TN_OK;
}

static void ignore_choice(void *self, const tn_choice *choice)
{
    (void)self;
    (void)choice;
}

/** Says whether a device has a kernel for an op.
 *  returns   OK; INVALID for a wrong op; UNSUPPORTED, the reason is in tn_error_last
 *  threads   thread-safe
 *  since     0.1 */
tn_status tn_device_supports(tn_device *device, const tn_op *op)
{
    tn__op_view v;
    tn_status st = tn__device_usable(device, "device");
    if (st == TN_OK)
        st = tn__op_open(op, &v);
    if (st == TN_OK) {
        resolve(&v);
        st = tn__op_check_view(&v);
    }
    if (st != TN_OK)
        return st;
    tn_op whole = v.op;
    whole.attr = v.row->attr_bytes > 0 ? &v.attr : NULL;
    tn__error_clear();
    if (tn__has(device->ops, supports)) {
        st = device->ops->supports(device->object, &whole);
    } else {
        tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc)};
        const tn_plan_ops *ops;
        void *object;
        st = make(device, &whole, &desc, ignore_choice, NULL, &object, &ops);
        if (st == TN_OK)
            ops->destroy(object);
    }
    return st == TN_OK ? TN_OK : tn__backend_failed(st, device->uri, "supports");
}

static tn_status plan_usable(const tn_plan *plan)
{
    if (plan == NULL)
        return tn__fail_null("plan", "make one with tn_plan_create");
    return tn__runtime_usable(plan->device->runtime) ? TN_OK : TN_STATUS_INVALID;
}

tn_status tn_plan_get_info(const tn_plan *plan, tn_plan_info *out)
{
    tn_status st = plan_usable(plan);
    return st != TN_OK ? st
                       : tn__struct_out(out, &plan->info, sizeof plan->info, TN_TYPE_tn_plan_info,
                                        "out_info");
}

tn_status tn_plan_arithmetic(const tn_plan *plan, tn_arithmetic *out)
{
    tn_status st = plan_usable(plan);
    if (st != TN_OK)
        return st;
    const tn_plan *p = plan->inner != NULL ? plan->inner : plan;
    tn_arithmetic a = {.head = TN_INIT(tn_arithmetic)};
    tn__error_clear();
    if (tn__has(p->ops, arithmetic))
        st = p->ops->arithmetic(p->object, &a);
    if (st != TN_OK)
        return tn__backend_failed(st, p->device->uri, "arithmetic");
    a.head = (tn_head)TN_INIT(tn_arithmetic);
    return tn__struct_out(out, &a, sizeof a, TN_TYPE_tn_arithmetic, "out_arithmetic");
}

tn_status tn_plan_explain(const tn_plan *plan, tn_choice_fn fn, void *self)
{
    tn_status st = plan_usable(plan);
    if (st != TN_OK)
        return st;
    if (fn == NULL)
        return tn__fail_null("fn", "give a function that takes each candidate");
    if (plan->choices.first != NULL || plan->object == NULL || !tn__has(plan->ops, explain)) {
        tn__choices_visit(&plan->choices, fn, self);
        if (plan->choices.first == NULL) {
            tn_choice only = {.device = plan->info.device,
                              .kernel = plan->info.kernel,
                              .reason = "kernel.chosen",
                              .text = "the one kernel of this device",
                              .accepted = 1,
                              .estimate_ns = plan->info.estimate_ns};
            fn(self, &only);
        }
        return TN_OK;
    }
    tn__error_clear();
    st = plan->ops->explain(plan->object, fn, self);
    return st == TN_OK ? TN_OK : tn__backend_failed(st, plan->device->uri, "explain");
}

/** Names every candidate for an op on a device, also when none takes it.
 *  returns   OK when the candidates were named; INVALID for a wrong op
 *  threads   thread-safe; fn is called on this thread
 *  since     0.1 */
tn_status tn_device_explain(tn_device *device, const tn_op *op, tn_choice_fn fn, void *self)
{
    tn__op_view v;
    tn_status st = tn__device_usable(device, "device");
    if (st != TN_OK)
        return st;
    if (fn == NULL)
        return tn__fail_null("fn", "give a function that takes each candidate");
    st = tn__op_open(op, &v);
    if (st == TN_OK) {
        resolve(&v);
        st = tn__op_check_view(&v);
    }
    if (st != TN_OK)
        return st;
    tn_op whole = v.op;
    whole.attr = v.row->attr_bytes > 0 ? &v.attr : NULL;
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc)};
    tn__choices choices = {.runtime = device->runtime};
    const tn_plan_ops *ops;
    void *object;
    st = make(device, &whole, &desc, tn__choices_add, &choices, &object, &ops);
    if (st == TN_OK)
        ops->destroy(object);
    else if (choices.first == NULL && st == TN_STATUS_UNSUPPORTED)
        tn__choices_add_error(&choices, device->uri);
    if (st == TN_OK || st == TN_STATUS_UNSUPPORTED)
        st = tn__choices_status(&choices);
    if (st == TN_OK)
        tn__choices_visit(&choices, fn, self);
    tn__choices_free(&choices);
    return st;
}

tn_status tn_plan_layout(const tn_plan *plan, tn_role role, uint64_t *out_layout,
                         uint64_t *out_bytes)
{
    tn_status st = plan_usable(plan);
    if (st != TN_OK)
        return st;
    if (out_layout == NULL)
        return tn__fail_null("out_layout", "give a uint64_t to fill");
    if (out_bytes == NULL)
        return tn__fail_null("out_bytes", "give a uint64_t to fill");
    if (plan->object == NULL || !tn__has(plan->ops, layout))
        return tn__fail(TN_STATUS_UNSUPPORTED, "plan.layout", "role",
                        "role %u is not packed, %s has nothing to pack; bind the plain tensor",
                        (unsigned)role, plan->info.kernel);
    tn__error_clear();
    st = plan->ops->layout(plan->object, role, out_layout, out_bytes);
    return st == TN_OK ? TN_OK : tn__backend_failed(st, plan->device->uri, "layout");
}

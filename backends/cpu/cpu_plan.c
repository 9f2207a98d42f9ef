/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a kernel row for an op: a pure function of the device's caps and the op. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "cpu.h"
#include "cpu_float.h"
#include <backends/common/plan_choice.h>

#include <stdio.h>

static void tell(tn_choice_fn fn, void *self, const tn_k_variant *v, const tn_k_why *why,
                 bool accepted, uint64_t estimate)
{
    tn_choice c = {.device = "cpu",
                   .kernel = v->name,
                   .reason = why->reason,
                   .text = why->text,
                   .accepted = accepted,
                   .estimate_ns = estimate};
    fn(self, &c);
}

/* Whether a row takes the op, and how it would run it; else why not. */
static bool consider(const cpu_plan *p, const tn_op *op, const tn_k_variant *v, const char *kernel,
                     uint64_t limit, tn_k_launch *launch, tn_k_why *no)
{
    const tn_k_caps *caps = &p->device->caps;
    *no = (tn_k_why){"kernel.refused", "args", "does not take such an op"};
    memset(launch, 0, sizeof *launch);
    if (kernel != NULL && strcmp(kernel, v->name) != 0) {
        *no = (tn_k_why){"kernel.not_asked", "desc.kernel",
                         "this op has no kernel of that name, tn_device_explain lists them"};
        return false;
    }
    if ((v->isa & ~caps->isa) != 0) {
        *no = (tn_k_why){"kernel.isa", NULL,
                         "the cpu, or the limit on its tier (max=, TENON_CPU_MAX), lacks the "
                         "instructions"};
        return false;
    }
    if (!tn_k_serves(v->cls, op->numerics.cls)) {
        *no = (tn_k_why){"kernel.class", "numerics.cls",
                         "the kernel promises less than the class asked for"};
        return false;
    }
    if (v->accepts != NULL && !v->accepts(p->params, caps, no))
        return false;
    v->plan(p->params, caps, launch);
    launch->workers = caps->workers;
    uint64_t bytes = launch->shared_bytes + launch->worker_bytes * launch->workers;
    if (limit != 0 && bytes > limit) {
        *no = (tn_k_why){"kernel.workspace", "desc.workspace_limit_bytes",
                         "the workspace is above the limit of the plan"};
        return false;
    }
    return true;
}

/* Walks the rows and leaves the best in `p`; `why` is the refusal of the last row that could have
 * served the class. */
static bool choose(cpu_plan *p, const tn_op *op, const char *kernel, uint64_t limit, tn_k_why *why)
{
    bool told = false;
    for (uint32_t i = 0; i < p->op->variant_count; ++i) {
        const tn_k_variant *v = p->op->variants[i];
        tn_k_why no;
        tn_k_launch launch;
        if (!consider(p, op, v, kernel, limit, &launch, &no)) {
            /* The reason to tell is that of a kernel that could have been it: the one that was
             * asked for, or one that this cpu can run. */
            bool near = kernel != NULL ? strcmp(kernel, v->name) == 0
                                       : (v->isa & ~p->device->caps.isa) == 0;
            bool other = plan_for_other_types(&no);
            if (why->reason == NULL || (near && (!other || !told)))
                *why = no;
            told = told || (near && !other);
        } else if (p->variant == NULL || launch.estimate_ns == 0 || p->launch.estimate_ns == 0 ||
                   launch.estimate_ns <= p->launch.estimate_ns) {
            p->variant = v;
            p->launch = launch;
        }
    }
    return p->variant != NULL;
}

/* Every row with its reason, once it is known which one it became: the rows are few and pure, so
 * asking them again is cheaper than a list of answers would be to keep. */
static void tell_all(const cpu_plan *p, const tn_op *op, const char *kernel, uint64_t limit,
                     tn_choice_fn fn, void *self)
{
    for (uint32_t i = 0; fn != NULL && i < p->op->variant_count; ++i) {
        const tn_k_variant *v = p->op->variants[i];
        tn_k_why why;
        tn_k_launch launch;
        bool ok = consider(p, op, v, kernel, limit, &launch, &why);
        if (ok)
            why = plan_verdict(v == p->variant);
        tell(fn, self, v, &why, ok, ok ? launch.estimate_ns : 0);
    }
}

/* What the op asks for that no row has: the same reason for each of them. */
static void tell_none(const cpu_plan *p, const tn_k_why *why, tn_choice_fn fn, void *self)
{
    for (uint32_t i = 0; fn != NULL && i < p->op->variant_count; ++i)
        tell(fn, self, p->op->variants[i], why, false, 0);
}

/* The kernel's own words, and what it was asked for. */
static tn_status refuse(cpu_device *d, const tn_op *op, const char *who, const tn_k_why *why)
{
    char asked[128];
    return CPU_FAIL_ARGUMENT(d->host, TN_STATUS_UNSUPPORTED, why->reason, why->argument,
                             "%s on cpu, %s: %s; asked for %s", who,
                             why->argument != NULL ? why->argument : "any operand", why->text,
                             plan_asked(op, asked));
}

static tn_status fill(cpu_device *d, const tn_op *op, const tn_plan_desc *desc, tn_choice_fn fn,
                      void *self, cpu_plan *p)
{
    tn_k_why why = {NULL, NULL, NULL};
    memset(p, 0, sizeof *p);
    p->device = d;
    p->numerics = op->numerics;
    p->op = plan_find_op(op);
    if (p->op == NULL)
        return CPU_FAIL_ARGUMENT(
            d->host, TN_STATUS_UNSUPPORTED, "cpu.no_kernels", "kind",
            "kind %d is an op that the cpu device has no kernel for; use another device",
            (int)op->kind);
    if (op->numerics.accumulate != 0 && op->numerics.accumulate != plan_usual_accumulate(op)) {
        why = (tn_k_why){"kernel.accumulate", "numerics.accumulate",
                         "the kernels accumulate these dtypes in another one; 0 asks for it"};
        tell_none(p, &why, fn, self);
        return CPU_FAIL_ARGUMENT(
            d->host, TN_STATUS_UNSUPPORTED, "kernel.accumulate", "numerics.accumulate",
            "numerics.accumulate is %s; the kernels of %s on cpu accumulate in "
            "%s here, which 0 asks for",
            tn_dtype_name((tn_dtype)op->numerics.accumulate), p->op->name,
            tn_dtype_name((tn_dtype)plan_usual_accumulate(op)));
    }
    if (!p->op->params(op, p->params, &why)) {
        tell_none(p, &why, fn, self);
        return refuse(d, op, p->op->name, &why);
    }
    const char *kernel = desc != NULL ? desc->kernel : NULL;
    uint64_t limit = desc != NULL ? desc->workspace_limit_bytes : 0;
    bool found = choose(p, op, kernel, limit, &why);
    tell_all(p, op, kernel, limit, fn, self);
    if (!found)
        return refuse(d, op, kernel != NULL ? kernel : p->op->name, &why);
    if (p->numerics.accumulate == 0)
        p->numerics.accumulate = plan_usual_accumulate(op);
    p->numerics.canonical_version = 1;
    return TN_OK;
}

/* Params hold numbers that are computed here and now, the scale of attention for one. */
static tn_status prepare(cpu_device *d, const tn_op *op, const tn_plan_desc *desc, tn_choice_fn fn,
                         void *self, cpu_plan *p)
{
    uint32_t old = float_enter();
    tn_status st = fill(d, op, desc, fn, self, p);
    float_leave(old);
    return st;
}

tn_status tn__cpu_supports(void *device, const tn_op *op)
{
    cpu_plan p;
    return prepare(device, op, NULL, NULL, NULL, &p);
}

static void plan_destroy(void *plan)
{
    cpu_plan *p = plan;
    tn_allocator a = p->device->host->allocator;
    a.free(a.self, p, sizeof *p);
}

static tn_status plan_info(void *plan, tn_plan_info *out)
{
    const cpu_plan *p = plan;
    snprintf(out->kernel, sizeof out->kernel, "%s", p->variant->name);
    out->numerics = p->numerics;
    out->parts = 1;
    out->workspace_bytes = p->launch.shared_bytes + p->launch.worker_bytes * p->launch.workers;
    out->estimate_ns = p->launch.estimate_ns;
    plan_tell_layouts(p->variant, &p->launch, p->params, out);
    return TN_OK;
}

static tn_status plan_layout(void *plan, tn_role role, uint64_t *out_layout, uint64_t *out_bytes)
{
    const cpu_plan *p = plan;
    if (p->launch.pack_role == 0 || p->launch.pack_role != (uint32_t)role)
        return CPU_FAIL_ARGUMENT(p->device->host, TN_STATUS_UNSUPPORTED, "plan.no_layout", "role",
                                 "role %u is not packed by %s; bind the plain tensor",
                                 (unsigned)role, p->variant->name);
    *out_layout = p->launch.pack_layout;
    *out_bytes = p->launch.pack_bytes;
    return TN_OK;
}

static tn_status plan_arithmetic(void *plan, tn_arithmetic *out)
{
    const cpu_plan *p = plan;
    if (p->variant->arithmetic != NULL)
        p->variant->arithmetic(p->params, out);
    return TN_OK;
}

static const tn_plan_ops plan_ops;

tn_status tn__cpu_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                              tn_choice_fn fn, void *self, void **out, const tn_plan_ops **out_ops)
{
    cpu_device *d = device;
    tn_allocator a = d->host->allocator;
    cpu_plan *p = a.alloc(a.self, sizeof *p, 64);
    if (p == NULL)
        return CPU_FAIL(d->host, TN_STATUS_NO_MEMORY, "host.memory",
                        "no host memory for a plan; free something and try again");
    tn_status st = prepare(d, op, desc, fn, self, p);
    if (st != TN_OK) {
        a.free(a.self, p, sizeof *p);
        return st;
    }
    *out = p;
    *out_ops = &plan_ops;
    return TN_OK;
}

static const tn_plan_ops plan_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_plan_ops),
    .destroy = plan_destroy,
    .info = plan_info,
    .layout = plan_layout,
    .arithmetic = plan_arithmetic,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: the row that lowers an op to packets, or why there is none. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "tpu_backend.h"
#include <backends/common/plan_choice.h>
#include <kernels/eltwise/eltwise.h>

#include <stdio.h>
#include <string.h>

static void tell(const tpu_device *d, tn_choice_fn fn, void *self, const tn_k_why *why,
                 bool accepted, const char *kernel)
{
    char uri[TPU_ARGUMENT + 16];
    snprintf(uri, sizeof uri, "tpu-sim:%s", d->name);
    tn_choice c = {.device = uri,
                   .kernel = kernel,
                   .reason = why->reason,
                   .text = why->text,
                   .accepted = accepted};
    if (fn != NULL)
        fn(self, &c);
}

static tn_status refuse(const tpu_device *d, const tn_k_why *why)
{
    return TPU_FAIL_ARGUMENT(d->host, TN_STATUS_UNSUPPORTED, why->reason, why->argument,
                             "%s on tpu-sim:%s: %s", why->argument != NULL ? why->argument : "args",
                             d->name, why->text);
}

static bool repeatable(const tn_op *op)
{
    for (uint32_t i = 0; i < op->arg_count; i++)
        if ((op->args[i].flags & TN_ARG_MAY_ALIAS) != 0)
            return false;
    return true;
}

static tn_status fill(tpu_device *d, const tn_op *op, const char *kernel, tn_choice_fn fn,
                      void *self, tpu_plan *p)
{
    tn_op_kind kind = TN_K_PASS(op->kind, tn_k_pass(op));
    tn_k_why why = {"tpu.no_kernel", "kind", "no row turns this op into packets"};
    memset(p, 0, sizeof *p);
    p->device = d;
    p->numerics = op->numerics;
    p->repeatable = repeatable(op);
    p->op = plan_find_op(op);
    bool good = p->op != NULL, any = false;
    if (good)
        good = p->op->params(op, p->params, &why);
    pthread_mutex_lock(&d->lock);
    tn_k_sys_caps caps = d->chip.caps;
    pthread_mutex_unlock(&d->lock);
    /* The first row that accepts; special ones come before the general one, whose reason counts. */
    for (uint32_t i = 0; good && p->row == NULL && i < tn_k_sys_row_count; i++) {
        const tn_k_sys_row *row = tn_k_sys_rows[i];
        if (row->kind != kind)
            continue;
        if (kernel != NULL && strcmp(kernel, row->name) != 0)
            why =
                (tn_k_why){"kernel.not_asked", "desc.kernel", "this op has no kernel of that name"};
        else if (row->accepts(p->params, &caps, op->numerics.cls, &why))
            p->row = row;
        any = true;
        if (p->row == NULL)
            tell(d, fn, self, &why, false, row->name);
    }
    if (p->row == NULL) {
        if (!any)
            tell(d, fn, self, &why, false, "");
        return refuse(d, &why);
    }
    why = (tn_k_why){"kernel.chosen", NULL, "the lowering for this op"};
    tell(d, fn, self, &why, true, p->row->name);
    p->numerics.canonical_version = 1;
    if (p->numerics.accumulate == 0) {
        uint16_t a = op->args[0].tensor.dtype;
        p->numerics.accumulate = a == TN_S8 || a == TN_U8 ? TN_S32 : TN_F32;
    }
    return TN_OK;
}

tn_status tn__tpu_supports(void *device, const tn_op *op)
{
    tpu_plan p;
    return fill(device, op, NULL, NULL, NULL, &p);
}

static void plan_destroy(void *plan)
{
    tpu_plan *p = plan;
    tn_allocator a = p->device->host->allocator;
    a.free(a.self, p, sizeof *p);
}

static tn_status plan_info(void *plan, tn_plan_info *out)
{
    const tpu_plan *p = plan;
    pthread_mutex_lock(&p->device->lock); /* a repair may take columns away */
    tn_k_sys_caps caps = p->device->chip.caps;
    pthread_mutex_unlock(&p->device->lock);
    snprintf(out->kernel, sizeof out->kernel, "%s", p->row->name);
    out->numerics = p->numerics;
    out->parts = 1;
    /* The array's peak: no lowering is faster. */
    uint64_t macs = p->row->macs != NULL ? p->row->macs(p->params) : 0;
    uint64_t each = (uint64_t)caps.rows * caps.cols * caps.arrays;
    out->estimate_ns = macs / each * 1000000 / p->device->chip.clock_khz + 1;
    return TN_OK;
}

static tn_status plan_arithmetic(void *plan, tn_arithmetic *out)
{
    const tpu_plan *p = plan;
    pthread_mutex_lock(&p->device->lock);
    uint32_t segments = p->device->chip.caps.segments, id = p->device->chip.caps.numerics;
    pthread_mutex_unlock(&p->device->lock);
    if (p->row->arithmetic != NULL)
        p->row->arithmetic(p->params, out);
    if (p->row->macs != NULL) { /* the array adds in its own way */
        out->tree = (id & TPU_NUMERICS_TREE) != 0;
        out->accumulate_round = (id & TPU_NUMERICS_TO_ZERO) != 0;
        out->flush_in = out->flush_out = (id & TPU_NUMERICS_FLUSH) != 0;
    }
    if (segments != 0) { /* functions are looked up */
        /* Relative errors, in units of 2^-23: up to two ulp each, towards the end of a binade. */
        float ulp = 2 * tn_k_sys_tables_ulp(segments);
        float root = 2 * tn_k_sys_tables_rsqrt_ulp(segments);
        bool norm = p->op->kind == TN_OP_NORM || out->rsqrt_ulp > 0.0f;
        bool alone =
            p->op->kind == TN_OP_ELTWISE &&
            ((const tn_k_eltwise_params *)(const void *)p->params)->kind == TN_ELTWISE_RSQRT;
        out->exp_ulp = out->exp_ulp > 0.0f ? ulp : alone ? root : 0.0f;
        out->rsqrt_ulp = norm ? root : 0.0f;
    }
    return TN_OK;
}

static const tn_plan_ops plan_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_plan_ops),
    .destroy = plan_destroy,
    .info = plan_info,
    .arithmetic = plan_arithmetic,
};

tn_status tn__tpu_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                              tn_choice_fn fn, void *self, void **out, const tn_plan_ops **out_ops)
{
    tpu_device *d = device;
    tn_allocator a = d->host->allocator;
    tpu_plan *p = a.alloc(a.self, sizeof *p, 64);
    if (p == NULL)
        return TPU_FAIL(d->host, TN_STATUS_NO_MEMORY, "host.memory",
                        "no host memory for a plan; free something and try again");
    tn_status st = fill(d, op, desc != NULL ? desc->kernel : NULL, fn, self, p);
    if (st != TN_OK) {
        a.free(a.self, p, sizeof *p);
        return st;
    }
    *out = p;
    *out_ops = &plan_ops;
    return TN_OK;
}

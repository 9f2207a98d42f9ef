/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a kernel row for an op, and making its kernels ready. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "opencl.h"
#include <backends/common/plan_choice.h>

#include <fenv.h>
#include <stdio.h>

/* Whether row `i` belongs to the op: its params are the op's, or it is one of the op's own rows. */
static bool row_of(const tn_k_op *op, uint32_t i)
{
    return tn_k_opencl_rows[i].op == op;
}

/* Every task has scratch of its own: devices do not say which worker runs it. */
static uint64_t scratch_bytes(const tn_k_launch *launch)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < launch->phases; ++i)
        most = launch->tasks[i] > most ? launch->tasks[i] : most;
    return launch->worker_bytes * most;
}

/* Work-items of a group of tasks, and scratch that is not worth more of them. */
enum { TASKS_OF_A_GROUP = 64, MOST_SCRATCH = 64 << 20 };

/* Where the tasks are work-items: a group has one on a cpu, so that each thread takes the next. */
static void group_tasks(const opencl_device *d, const tn_k_launch *launch, tn_k_groups *groups)
{
    bool many = d->groups && d->caps.group_items >= TASKS_OF_A_GROUP;
    uint32_t size = many ? TASKS_OF_A_GROUP : 1;
    *groups = (tn_k_groups){.size = {size, 1, 1}};
    for (uint32_t i = 0; i < launch->phases; ++i) {
        groups->count[i][0] = (launch->tasks[i] + size - 1) / size;
        groups->count[i][1] = groups->count[i][2] = 1;
    }
}

/* The row's tasks: as many as fill the device, less where each has much scratch. */
static void plan_tasks(const opencl_plan *p, const tn_k_variant *v, bool beside,
                       tn_k_launch *launch)
{
    tn_k_caps caps = p->device->caps;
    for (;; caps.workers /= 2) {
        memset(launch, 0, sizeof *launch);
        v->plan(p->params, &caps, launch);
        launch->workers = caps.workers;
        if (beside)
            launch->worker_bytes += TN_K_BESIDE_BYTES;
        if (!p->device->groups || caps.workers < 2 * TASKS_OF_A_GROUP ||
            scratch_bytes(launch) <= MOST_SCRATCH)
            return;
    }
}

/* Whether the device can run such groups. */
static bool groups_fit(const opencl_device *d, const tn_k_groups *groups, tn_k_why *no)
{
    if (groups->size[0] * groups->size[1] * groups->size[2] > d->caps.group_items) {
        *no = (tn_k_why){"opencl.group", NULL,
                         "the device runs fewer work-items in a group than the kernel's tile has"};
        return false;
    }
    if (groups->local_bytes > d->caps.local_bytes) {
        *no = (tn_k_why){"opencl.local", NULL,
                         "the device has less local memory than the kernel's tile needs"};
        return false;
    }
    return true;
}

/* Whether a row takes the op, and how it would run it; else why not. */
static bool consider(const opencl_plan *p, const tn_op *op, uint32_t i, const char *kernel,
                     uint64_t limit, tn_k_launch *launch, tn_k_groups *groups, tn_k_why *no)
{
    const tn_k_variant *v = tn_k_opencl_rows[i].variant;
    const tn_k_caps *caps = &p->device->caps;
    *no = (tn_k_why){"kernel.refused", "args", "does not take such an op"};
    memset(launch, 0, sizeof *launch);
    if (kernel != NULL && strcmp(kernel, v->name) != 0) {
        *no = (tn_k_why){"kernel.not_asked", "desc.kernel",
                         "this op has no kernel of that name, tn_device_explain lists them"};
        return false;
    }
    if ((v->isa & ~caps->isa) != 0) {
        const uint32_t wide = TN_K_ISA_WIDE8 | TN_K_ISA_WIDE16;
        *no = (v->isa & TN_K_ISA_GROUPS) != 0
                  ? (tn_k_why){"opencl.class", "uri",
                               "for the class gpu; this device is of the class cpu, by its type or "
                               "class=cpu"}
              : p->device->groups && (v->isa & wide) != 0
                  ? (tn_k_why){"opencl.class", "uri",
                               "for the class cpu; this device is of the class gpu, by its type or "
                               "class=gpu"}
                  : (tn_k_why){"kernel.isa", NULL, "the device has no vectors of that width"};
        return false;
    }
    if (!tn_k_serves(v->cls, op->numerics.cls)) {
        *no = (tn_k_why){"kernel.class", "numerics.cls",
                         "the kernel promises less than the class asked for"};
        return false;
    }
    if (v->accepts != NULL && !v->accepts(p->params, caps, no))
        return false;
    plan_tasks(p, v, tn_k_opencl_rows[i].beside, launch);
    if (tn_k_opencl_rows[i].group == NULL) {
        group_tasks(p->device, launch, groups);
    } else {
        memset(groups, 0, sizeof *groups);
        tn_k_opencl_rows[i].group->groups(launch, p->params, caps, groups);
        if (!groups_fit(p->device, groups, no))
            return false;
    }
    if (limit != 0 && launch->shared_bytes + scratch_bytes(launch) > limit) {
        *no = (tn_k_why){"kernel.workspace", "desc.workspace_limit_bytes",
                         "the workspace is above the limit of the plan"};
        return false;
    }
    return true;
}

/* Estimates of tasks suppose a cpu's threads, so a row of groups is better than any of those. */
static bool better(const opencl_plan *p, uint32_t i, const tn_k_launch *launch)
{
    if (p->variant == NULL)
        return true;
    bool is = tn_k_opencl_rows[i].group != NULL, was = tn_k_opencl_rows[p->row].group != NULL;
    return is != was ? is : launch->estimate_ns <= p->launch.estimate_ns;
}

/* Walks the rows and leaves the best in `p`; `why` is the last refusal that is not of other types.
 */
static bool choose(opencl_plan *p, const tn_op *op, const char *kernel, uint64_t limit,
                   tn_k_why *why)
{
    for (uint32_t i = 0; i < tn_k_opencl_row_count; ++i) {
        tn_k_why no;
        tn_k_launch launch;
        tn_k_groups groups;
        if (!row_of(p->op, i))
            continue;
        if (!consider(p, op, i, kernel, limit, &launch, &groups, &no)) {
            if (why->reason == NULL || !plan_for_other_types(&no))
                *why = no;
        } else if (better(p, i, &launch)) {
            p->variant = tn_k_opencl_rows[i].variant;
            p->row = i;
            p->launch = launch;
            p->groups = groups;
        }
    }
    return p->variant != NULL;
}

static void tell(tn_choice_fn fn, void *self, const opencl_plan *p, const tn_k_variant *v,
                 const tn_k_why *why, bool accepted, uint64_t estimate)
{
    tn_choice c = {.device = p->device->info.uri,
                   .kernel = v->name,
                   .reason = why->reason,
                   .text = why->text,
                   .accepted = accepted,
                   .estimate_ns = estimate};
    fn(self, &c);
}

/* Every row with its reason, asked again once it is known which one it became. */
static void tell_all(const opencl_plan *p, const tn_op *op, const char *kernel, uint64_t limit,
                     tn_choice_fn fn, void *self)
{
    for (uint32_t i = 0; fn != NULL && i < tn_k_opencl_row_count; ++i) {
        const tn_k_variant *v = tn_k_opencl_rows[i].variant;
        tn_k_why why;
        tn_k_launch launch;
        tn_k_groups groups;
        if (!row_of(p->op, i))
            continue;
        bool ok = consider(p, op, i, kernel, limit, &launch, &groups, &why);
        if (ok)
            why = plan_verdict(v == p->variant);
        tell(fn, self, p, v, &why, ok, ok ? launch.estimate_ns : 0);
    }
}

/* What the op asks for that no row has: the same reason for each of them. */
static void tell_none(const opencl_plan *p, const tn_k_why *why, tn_choice_fn fn, void *self)
{
    for (uint32_t i = 0; fn != NULL && i < tn_k_opencl_row_count; ++i)
        if (row_of(p->op, i))
            tell(fn, self, p, tn_k_opencl_rows[i].variant, why, false, 0);
}

static tn_status refuse(opencl_device *d, const tn_op *op, const char *who, const tn_k_why *why)
{
    char asked[128];
    return OPENCL_FAIL_ARGUMENT(d->host, TN_STATUS_UNSUPPORTED, why->reason, why->argument,
                                "%s on %s, %s: %s; asked for %s", who, d->info.uri,
                                why->argument != NULL ? why->argument : "any operand", why->text,
                                plan_asked(op, asked));
}

static tn_status fill(opencl_device *d, const tn_op *op, const tn_plan_desc *desc, tn_choice_fn fn,
                      void *self, opencl_plan *p)
{
    tn_k_why why = {NULL, NULL, NULL};
    p->device = d;
    p->numerics = op->numerics;
    p->op = plan_find_op(op);
    if (p->op == NULL)
        return OPENCL_FAIL_ARGUMENT(d->host, TN_STATUS_UNSUPPORTED, "opencl.no_kernels", "kind",
                                    "kind %d is an op that OpenCL devices have no kernel for",
                                    (int)op->kind);
    if (op->numerics.cls == TN_CLASS_CANONICAL && !d->sums_right)
        why = (tn_k_why){"opencl.canonical", "numerics.cls",
                         "the probe at open found other bits of fma, + or *"};
    else if (op->numerics.accumulate != 0 && op->numerics.accumulate != plan_usual_accumulate(op))
        why = (tn_k_why){"kernel.accumulate", "numerics.accumulate",
                         "the kernels accumulate these dtypes in another one; 0 asks for it"};
    else
        (void)p->op->params(op, p->params, &why);
    if (why.reason != NULL) {
        tell_none(p, &why, fn, self);
        return refuse(d, op, p->op->name, &why);
    }
    const char *kernel = desc != NULL ? desc->kernel : NULL;
    uint64_t limit = desc != NULL ? desc->workspace_limit_bytes : 0;
    bool found = choose(p, op, kernel, limit, &why);
    tell_all(p, op, kernel, limit, fn, self);
    if (!found)
        return refuse(d, op, kernel != NULL ? kernel : p->op->name, &why);
    p->scratch_bytes = scratch_bytes(&p->launch);
    if (p->numerics.accumulate == 0)
        p->numerics.accumulate = plan_usual_accumulate(op);
    p->numerics.canonical_version = 1;
    return TN_OK;
}

/* Params hold numbers that are computed here and now, the scale of attention for one. */
static tn_status prepare(opencl_device *d, const tn_op *op, const tn_plan_desc *desc,
                         tn_choice_fn fn, void *self, opencl_plan *p)
{
    fenv_t caller;
    (void)fegetenv(&caller);
    (void)fesetenv(FE_DFL_ENV);
    tn_status st = fill(d, op, desc, fn, self, p);
    (void)fesetenv(&caller);
    return st;
}

tn_status tn__opencl_supports(void *device, const tn_op *op)
{
    opencl_device *d = device;
    opencl_plan *p = tn__opencl_take(d->host, sizeof *p);
    if (p == NULL)
        return OPENCL_NO_HOST_MEMORY(d->host, "a plan");
    tn_status st = prepare(d, op, NULL, NULL, NULL, p);
    tn__opencl_give(d->host, p, sizeof *p);
    return st;
}

static void plan_destroy(void *plan)
{
    opencl_plan *p = plan;
    opencl_device *d = p->device;
    if (p->run != NULL)
        (void)OPENCL_CALL(&d->driver, clReleaseKernel, p->run);
    if (p->pack != NULL)
        (void)OPENCL_CALL(&d->driver, clReleaseKernel, p->pack);
    if (p->box != NULL)
        (void)OPENCL_CALL(&d->driver, clReleaseMemObject, p->box);
    pthread_mutex_destroy(&p->lock);
    tn__opencl_give(d->host, p, sizeof *p);
}

static tn_status plan_info(void *plan, tn_plan_info *out)
{
    const opencl_plan *p = plan;
    snprintf(out->kernel, sizeof out->kernel, "%s", p->variant->name);
    out->numerics = p->numerics;
    out->parts = 1;
    out->workspace_bytes = p->launch.shared_bytes + p->scratch_bytes;
    out->estimate_ns = p->launch.estimate_ns;
    plan_tell_layouts(p->variant, &p->launch, p->params, out);
    return TN_OK;
}

static tn_status plan_layout(void *plan, tn_role role, uint64_t *out_layout, uint64_t *out_bytes)
{
    const opencl_plan *p = plan;
    if (p->launch.pack_role == 0 || p->launch.pack_role != (uint32_t)role)
        return OPENCL_FAIL_ARGUMENT(p->device->host, TN_STATUS_UNSUPPORTED, "plan.no_layout",
                                    "role", "role %u is not packed by %s; bind the plain tensor",
                                    (unsigned)role, p->variant->name);
    *out_layout = p->launch.pack_layout;
    *out_bytes = p->launch.pack_bytes;
    return TN_OK;
}

static tn_status plan_arithmetic(void *plan, tn_arithmetic *out)
{
    const opencl_plan *p = plan;
    if (p->variant->arithmetic != NULL)
        p->variant->arithmetic(p->params, out);
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

static tn_status make_kernel(opencl_device *d, uint32_t row, uint32_t form,
                             const tn_k_groups *groups, const char *name, cl_kernel *out)
{
    cl_program program = NULL;
    cl_int error = CL_SUCCESS;
    tn_status st = tn__opencl_program(d, row, form, groups, &program);
    if (st != TN_OK)
        return st;
    *out = OPENCL_MAKE(&d->driver, clCreateKernel, &error, program, name);
    return *out != NULL ? TN_OK : tn__opencl_failed(d, error, "clCreateKernel", true);
}

/* A kernel may need more registers than a device has for so many work-items. */
static tn_status check_group(const opencl_plan *p)
{
    opencl_device *d = p->device;
    size_t most = 0, items = (size_t)p->groups.size[0] * p->groups.size[1] * p->groups.size[2];
    cl_int error = OPENCL_CALL(&d->driver, clGetKernelWorkGroupInfo, p->run, d->found.id,
                               CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    if (error != CL_SUCCESS)
        return tn__opencl_failed(d, error, "clGetKernelWorkGroupInfo", true);
    return most >= items ? TN_OK
                         : OPENCL_FAIL(d->host, TN_STATUS_UNSUPPORTED, "opencl.group",
                                       "%s has groups of %zu work-items and %s runs %zu of them; "
                                       "name another row in desc.kernel, tn_device_explain lists "
                                       "them",
                                       p->variant->name, items, d->info.uri, most);
}

/* Program, kernels and the box that they read launch and params from. */
static tn_status make_ready(opencl_plan *p)
{
    opencl_device *d = p->device;
    const tn_k_operands *o = (const tn_k_operands *)(const void *)p->params;
    unsigned char box[OPENCL_PARAMS_AT + TN_K_PARAMS_BYTES];
    cl_int error = CL_SUCCESS;
    if (p->launch.phases == 0 && p->launch.pack_role == 0)
        return TN_OK;
    uint32_t form = o->count <= 4   ? OPENCL_SLOTS_4
                    : o->count <= 8 ? OPENCL_SLOTS_8
                                    : OPENCL_SLOTS_ALL;
    p->slots = form == OPENCL_SLOTS_4 ? 4 : form == OPENCL_SLOTS_8 ? 8 : TN_K_OPERANDS;
    tn_status st = make_kernel(d, p->row, form, &p->groups, "tn_run", &p->run);
    if (st == TN_OK)
        st = check_group(p);
    if (st == TN_OK && p->launch.pack_role != 0)
        st = make_kernel(d, p->row, OPENCL_PACK, &p->groups, "tn_pack", &p->pack);
    if (st != TN_OK)
        return st;
    memset(box, 0, sizeof box);
    memcpy(box, &p->launch, sizeof p->launch);
    memcpy(box + OPENCL_PARAMS_AT, p->params, sizeof p->params);
    p->box = OPENCL_MAKE(&d->driver, clCreateBuffer, &error, d->context,
                         CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof box, box);
    return p->box != NULL ? TN_OK : tn__opencl_failed(d, error, "clCreateBuffer", true);
}

tn_status tn__opencl_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                                 tn_choice_fn fn, void *self, void **out,
                                 const tn_plan_ops **out_ops)
{
    _Static_assert(sizeof(tn_k_launch) <= OPENCL_PARAMS_AT, "a launch fits in front of the params");
    opencl_device *d = device;
    opencl_plan *p = tn__opencl_take(d->host, sizeof *p);
    if (p == NULL)
        return OPENCL_NO_HOST_MEMORY(d->host, "a plan");
    pthread_mutex_init(&p->lock, NULL);
    p->device = d;
    tn_status st = prepare(d, op, desc, fn, self, p);
    if (st == TN_OK)
        st = make_ready(p);
    if (st != TN_OK) {
        plan_destroy(p);
        return st;
    }
    *out = p;
    *out_ops = &plan_ops;
    return TN_OK;
}

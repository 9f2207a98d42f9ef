/* SPDX-License-Identifier: Apache-2.0 */
/* Running a plan: operands bound to buffers, checked, handed to the queue; packing. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/plan.h"

static const char *role_text(uint32_t role, char *text, size_t bytes)
{
    return tn__role_name(role, text, bytes) ? text : "binds";
}

static const tn_buffer *root_of(const tn_buffer *b)
{
    while (b->parent != NULL)
        b = b->parent;
    return b;
}

/* Where an operand starts in the memory of its buffer, of which b may be a view. */
static tn_status check_offset(const tn_buffer *b, uint64_t offset, uint64_t align, const char *name)
{
    if (((b->offset + offset) & (align - 1)) == 0)
        return TN_OK;
    return tn__fail(TN_STATUS_INVALID, "run.offset", name,
                    "%s starts at byte %llu of its buffer (views counted); a multiple of %llu is "
                    "needed: the size of the element, or offset_align of the device",
                    name, (unsigned long long)(b->offset + offset), (unsigned long long)align);
}

/* The rare path, out of line: the error of a bind that bind_ok() did not wave through. */
static tn_status check_bind(const tn_plan *p, const tn_bind *bind, uint32_t arg)
{
    char name[32];
    role_text(bind->role, name, sizeof name);
    if (arg == p->arg_count)
        return tn__fail(
            TN_STATUS_INVALID, "run.role", "binds",
            "binds has role %u (%s), which is no operand of this plan; bind the roles of its op",
            bind->role, role_text(bind->role, name, sizeof name));
    if ((bind->flags & ~p->arg[arg].flags) != 0)
        return tn__fail(TN_STATUS_INVALID, "run.flags", name,
                        "%s is bound with flags 0x%x, the op gives it 0x%x; bind with those or 0",
                        name, bind->flags, p->arg[arg].flags);
    if (bind->buffer != NULL) {
        tn_status st = check_offset(bind->buffer, bind->offset_bytes, p->arg[arg].align, name);
        if (st != TN_OK)
            return st;
    }
    /* a mapping elsewhere in the same buffer is fine */
    return tn__buffer_check(bind->buffer, p->device, bind->offset_bytes, p->arg[arg].extent, name);
}

static bool bind_ok(const tn_plan *p, const tn_bind *bind, uint32_t arg)
{
    const tn_buffer *b = bind->buffer;
    return b != NULL && b->device == p->device && (bind->flags & ~p->arg[arg].flags) == 0 &&
           ((b->offset + bind->offset_bytes) & (p->arg[arg].align - 1)) == 0 &&
           bind->offset_bytes <= b->bytes && p->arg[arg].extent <= b->bytes - bind->offset_bytes &&
           atomic_load_explicit(&root_of(b)->mapped, memory_order_relaxed) == 0;
}

static bool same_view(const tn_tensor *a, const tn_tensor *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0 &&
           memcmp(a->stride, b->stride, a->rank * sizeof a->stride[0]) == 0;
}

static tn_status check_overlap(const tn_plan *p, const tn_slot *slot, uint32_t out)
{
    uint64_t begin = slot[out].offset, end = begin + p->arg[out].extent;
    for (uint32_t i = 0; i < p->arg_count; ++i) {
        if (i == out || slot[i].buffer != slot[out].buffer || p->arg[i].extent == 0 ||
            begin == end || slot[i].offset >= end || slot[i].offset + p->arg[i].extent <= begin)
            continue;
        if (!p->arg[i].output && (p->arg[out].flags & TN_ARG_MAY_ALIAS) != 0 &&
            slot[i].offset == begin && (p->arg[i].flags & TN_ARG_PACKED) == 0 &&
            tn__op_in_place(p->op->kind, p->arg[i].role) &&
            same_view(&p->op->args[i].tensor, &p->op->args[out].tensor))
            continue;
        char a[32], b[32];
        return tn__fail(TN_STATUS_INVALID, "run.overlap", role_text(p->arg[out].role, a, sizeof a),
                        "%s is an output and overlaps %s, %llu bytes at %llu; only an input that "
                        "is the very same tensor may (of matmul only c and posts), and only with "
                        "MAY_ALIAS on the output",
                        role_text(p->arg[out].role, a, sizeof a),
                        role_text(p->arg[i].role, b, sizeof b),
                        (unsigned long long)p->arg[i].extent, (unsigned long long)slot[i].offset);
    }
    return TN_OK;
}

/* What the kernel keeps there would end up in an operand. */
static tn_status check_workspace(const tn_plan *p, const tn_slot *slot, const tn_buffer *workspace)
{
    uint64_t begin = workspace->offset, end = begin + p->info.workspace_bytes;
    for (uint32_t i = 0; i < p->arg_count; ++i) {
        if (slot[i].buffer != workspace->object || slot[i].offset >= end ||
            slot[i].offset + p->arg[i].extent <= begin || begin == end || p->arg[i].extent == 0)
            continue;
        char name[32];
        return tn__fail(TN_STATUS_INVALID, "run.overlap", "workspace",
                        "workspace (%llu bytes at %llu) overlaps %s, %llu bytes at %llu; give it "
                        "memory of its own",
                        (unsigned long long)p->info.workspace_bytes, (unsigned long long)begin,
                        role_text(p->arg[i].role, name, sizeof name),
                        (unsigned long long)p->arg[i].extent, (unsigned long long)slot[i].offset);
    }
    return TN_OK;
}

static tn_status check_front(tn_queue *q, const tn_plan *plan, tn_buffer *workspace)
{
    if (q == NULL)
        return tn__fail_null("queue", "make one with tn_queue_create");
    if (plan == NULL)
        return tn__fail_null("plan", "make one with tn_plan_create");
    if (!tn__runtime_usable(plan->device->runtime))
        return TN_STATUS_INVALID;
    if (tn__queue_device(q) != plan->device)
        return tn__fail(TN_STATUS_INVALID, "run.device", "plan",
                        "the plan is for %s, the queue is of %s, another device; make both on one",
                        plan->device->uri, tn__queue_device(q)->uri);
    if (workspace == NULL)
        return TN_OK;
    const tn_device_info *info = &plan->device->info;
    uint64_t align =
        info->buffer_align > info->offset_align ? info->buffer_align : info->offset_align;
    if (align != 0 && (workspace->offset & (align - 1)) != 0)
        return check_offset(workspace, 0, align, "workspace");
    return tn__buffer_check(workspace, plan->device, 0, plan->info.workspace_bytes, "workspace");
}

/** Runs a plan on a queue of its device.
 *  memory    every role of the op is bound exactly once; the buffers and the plan are kept until
 *            the work is done; workspace NULL: the queue's own. An output overlaps no other
 *            operand, but may be the very input tensor where it has TN_ARG_MAY_ALIAS
 *  returns   INVALID naming the bind (run.role, run.overlap, run.mapped, ...); what fails later
 *            fails the signal points
 *  threads   thread-safe
 *  since     0.1 */
tn_status tn_queue_run(tn_queue *q, tn_plan *plan, const tn_bind *binds, uint32_t count,
                       tn_buffer *workspace, const tn_sync *sync)
{
    tn_slot slot[TN__OP_ARGS];
    tn_buffer *buffer[TN__OP_ARGS];
    uint64_t offset[TN__OP_ARGS];
    tn_status st = check_front(q, plan, workspace);
    if (st != TN_OK)
        return st;
    if (count != plan->arg_count || binds == NULL)
        return tn__fail(
            TN_STATUS_INVALID, "run.count", "binds",
            "binds is %s with count %u; the plan has %u operands, and each is bound once",
            binds == NULL ? "NULL" : "given", count, plan->arg_count);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < count; ++i) {
        uint32_t arg = i; /* binds mostly come in the order of the op */
        if (plan->arg[arg].role != binds[i].role)
            for (arg = 0; arg < count && plan->arg[arg].role != binds[i].role;)
                ++arg;
        if ((arg == count || !bind_ok(plan, &binds[i], arg)) &&
            (st = check_bind(plan, &binds[i], arg)) != TN_OK)
            return st;
        if ((seen >> arg & 1u) != 0)
            return tn__fail(TN_STATUS_INVALID, "run.role", "binds",
                            "binds has role %u twice; each operand is bound once", binds[i].role);
        seen |= 1u << arg;
        buffer[arg] = binds[i].buffer;
        offset[arg] = binds[i].offset_bytes;
        slot[arg] = (tn_slot){.role = binds[i].role,
                              .flags = plan->arg[arg].flags,
                              .buffer = binds[i].buffer->object,
                              .offset = binds[i].buffer->offset + binds[i].offset_bytes};
    }
    for (uint32_t i = 0; i < count; ++i)
        if (plan->arg[i].output && (st = check_overlap(plan, slot, i)) != TN_OK)
            return st;
    if (workspace != NULL && (st = check_workspace(plan, slot, workspace)) != TN_OK)
        return st;
    if (plan->inner != NULL)
        return tn__fallback_run(q, plan, buffer, offset, sync);
    return tn__queue_run_plan(q, plan, plan->object, slot, count, buffer, count, workspace,
                              plan->info.workspace_bytes, sync);
}

/** Packs an operand into the layout that a plan names.
 *  memory    `to` needs the bytes that tn_plan_layout gave, from to_offset on; `from` has the
 *            operand's shape and dtype and its own buffer
 *  returns   INVALID; UNSUPPORTED where the plan packs nothing for this role
 *  threads   thread-safe
 *  since     0.1 */
tn_status tn_queue_pack(tn_queue *q, const tn_plan *plan, tn_role role, const tn_tensor *from,
                        tn_buffer *to, uint64_t to_offset, const tn_sync *sync)
{
    uint64_t layout, bytes, extent;
    tn_status st = check_front(q, plan, NULL);
    if (st == TN_OK)
        st = tn_plan_layout(plan, role, &layout, &bytes);
    if (st != TN_OK)
        return st;
    const tn_tensor *operand = NULL;
    uint64_t align = 1;
    for (uint32_t i = 0; i < plan->op->arg_count; ++i)
        if (plan->op->args[i].role == (uint32_t)role) {
            operand = &plan->op->args[i].tensor;
            align = plan->arg[i].align;
        }
    if (from == NULL)
        return tn__fail_null("from", "give the tensor to pack");
    if (operand == NULL)
        return tn__fail(TN_STATUS_INVALID, "pack.role", "role",
                        "role %u is no operand of the plan; pack one that is", (unsigned)role);
    if (from->dtype != operand->dtype || from->rank > TN_MAX_RANK ||
        !tn__shape_equal(from, operand) || !tn__tensor_extent(from, &extent)) {
        char have[96] = "too many dims", want[96];
        if (from->rank <= TN_MAX_RANK)
            tn__shape_text(from, have, sizeof have);
        tn__shape_text(operand, want, sizeof want);
        return tn__fail(TN_STATUS_INVALID, "pack.shape", "from",
                        "from is %s %s (rank %u) with strides from %lld on; the plan's operand is "
                        "%s %s, and strides of 0 or more are allowed",
                        tn_dtype_name((tn_dtype)from->dtype), have, from->rank,
                        (long long)from->stride[0], tn_dtype_name((tn_dtype)operand->dtype), want);
    }
    st = tn__buffer_check(from->buffer, plan->device, from->offset_bytes, extent, "from");
    if (st == TN_OK)
        st = tn__buffer_check(to, plan->device, to_offset, bytes, "to");
    if (st == TN_OK)
        st = check_offset(from->buffer, from->offset_bytes, align, "from");
    if (st == TN_OK)
        st = check_offset(to, to_offset, align, "to");
    if (st != TN_OK)
        return st;
    uint64_t src = from->buffer->offset + from->offset_bytes, dst = to->offset + to_offset;
    if (from->buffer->object == to->object && src < dst + bytes && dst < src + extent)
        return tn__fail(TN_STATUS_INVALID, "run.overlap", "to",
                        "to (%llu bytes at %llu) overlaps from (%llu bytes at %llu) in one buffer; "
                        "give ranges apart",
                        (unsigned long long)bytes, (unsigned long long)dst,
                        (unsigned long long)extent, (unsigned long long)src);
    /* The queue keeps the plan, which is immutable: it counts references and reads. */
    return tn__queue_pack_plan(q, (tn_plan *)(uintptr_t)plan, plan->object, role, from, to,
                               to_offset, sync);
}

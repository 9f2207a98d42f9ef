/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: items of a queue recorded into one command buffer, with what they bind. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "vk.h"

static tn_status take_sets(vk_device *d, const vk_batch *b, VkDescriptorSetLayout of,
                           VkDescriptorSet *out)
{
    VkDescriptorSetLayout layout[VK_SETS];
    for (uint32_t i = 0; i < VK_SETS; ++i)
        layout[i] = of;
    VkDescriptorSetAllocateInfo sets = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                        .descriptorPool = b->descriptors,
                                        .descriptorSetCount = VK_SETS,
                                        .pSetLayouts = layout};
    return tn__vk_result(d, VK_CALL(&d->api, vkAllocateDescriptorSets, d->device, &sets, out),
                         "vkAllocateDescriptorSets");
}

tn_status tn__vk_batch_create(vk_device *d, vk_batch *b, bool kept)
{
    vk_api *api = &d->api;
    b->kept = kept;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = d->caps.family};
    VkResult r = VK_CALL(api, vkCreateCommandPool, d->device, &pool, NULL, &b->pool);
    if (r != VK_SUCCESS)
        b->pool = VK_NULL_HANDLE;
    tn_status st = tn__vk_result(d, r, "vkCreateCommandPool");
    if (st != TN_OK)
        return st;
    VkCommandBufferAllocateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                            .commandPool = b->pool,
                                            .level = kept ? VK_COMMAND_BUFFER_LEVEL_SECONDARY
                                                          : VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                            .commandBufferCount = 1};
    st =
        tn__vk_result(d, VK_CALL(api, vkAllocateCommandBuffers, d->device, &commands, &b->commands),
                      "vkAllocateCommandBuffers");
    if (st != TN_OK)
        return st;
    VkDescriptorPoolSize size[2] = {{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, VK_SETS * VK_BINDINGS},
                                    {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, VK_SETS * VK_TEXELS}};
    VkDescriptorPoolCreateInfo descriptors = {.sType =
                                                  VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                              .maxSets = 2 * VK_SETS,
                                              .poolSizeCount = 2,
                                              .pPoolSizes = size};
    r = VK_CALL(api, vkCreateDescriptorPool, d->device, &descriptors, NULL, &b->descriptors);
    if (r != VK_SUCCESS)
        b->descriptors = VK_NULL_HANDLE;
    st = tn__vk_result(d, r, "vkCreateDescriptorPool");
    if (st != TN_OK)
        return st;
    st = take_sets(d, b, d->set_layout, b->set);
    if (st == TN_OK)
        st = take_sets(d, b, d->texel_layout, b->texels);
    if (st != TN_OK || kept || d->caps.tick_ns == 0.0)
        return st;
    VkQueryPoolCreateInfo queries = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                     .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                     .queryCount = 2 * VK_BATCH};
    r = VK_CALL(api, vkCreateQueryPool, d->device, &queries, NULL, &b->queries);
    if (r != VK_SUCCESS)
        b->queries = VK_NULL_HANDLE;
    return tn__vk_result(d, r, "vkCreateQueryPool");
}

static void drop_views(vk_device *d, vk_batch *b)
{
    while (b->views != 0)
        d->api.vkDestroyBufferView(d->device, b->view[--b->views], NULL);
}

void tn__vk_batch_destroy(vk_device *d, vk_batch *b)
{
    drop_views(d, b);
    if (b->queries != VK_NULL_HANDLE)
        d->api.vkDestroyQueryPool(d->device, b->queries, NULL);
    if (b->descriptors != VK_NULL_HANDLE)
        d->api.vkDestroyDescriptorPool(d->device, b->descriptors, NULL);
    if (b->pool != VK_NULL_HANDLE)
        d->api.vkDestroyCommandPool(d->device, b->pool, NULL);
}

/* What comes sees all that was before: in this batch, and, with the one that ends each batch, in
 * those submitted later; some drivers wait for the device at each. */
static void barrier(vk_device *d, const vk_batch *b, VkPipelineStageFlags more_stages,
                    VkAccessFlags more_access)
{
    const VkPipelineStageFlags work =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkAccessFlags written = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    VkMemoryBarrier memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                              .srcAccessMask = written,
                              .dstAccessMask = written | VK_ACCESS_SHADER_READ_BIT |
                                               VK_ACCESS_TRANSFER_READ_BIT | more_access};
    d->api.vkCmdPipelineBarrier(b->commands, work, work | more_stages, 0, 1, &memory, 0, NULL, 0,
                                NULL);
}

tn_status tn__vk_batch_begin(vk_device *d, vk_batch *b, bool timed)
{
    VkCommandBufferInheritanceInfo nothing = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO};
    VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                     .flags = b->kept ? VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT
                                                      : VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
                                     .pInheritanceInfo = b->kept ? &nothing : NULL};
    b->sets_used = b->count = 0;
    b->timed = timed && b->queries != VK_NULL_HANDLE;
    drop_views(d, b);
    tn_status st = tn__vk_result(d, VK_CALL(&d->api, vkResetCommandPool, d->device, b->pool, 0),
                                 "vkResetCommandPool");
    if (st == TN_OK)
        st = tn__vk_result(d, VK_CALL(&d->api, vkBeginCommandBuffer, b->commands, &info),
                           "vkBeginCommandBuffer");
    if (st != TN_OK)
        return st;
    if (b->timed)
        d->api.vkCmdResetQueryPool(b->commands, b->queries, 0, 2 * VK_BATCH);
    return TN_OK;
}

tn_status tn__vk_batch_end(vk_device *d, vk_batch *b)
{
    if (!b->kept) /* else whoever executes it does */
        barrier(d, b, VK_PIPELINE_STAGE_HOST_BIT,
                VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT);
    return tn__vk_result(d, VK_CALL(&d->api, vkEndCommandBuffer, b->commands),
                         "vkEndCommandBuffer");
}

tn_status tn__vk_batch_copy(vk_device *d, vk_batch *b, const vk_buffer *to, uint64_t to_offset,
                            const vk_buffer *from, uint64_t from_offset, uint64_t bytes)
{
    VkBufferCopy region = {from->offset + from_offset, to->offset + to_offset, bytes};
    d->api.vkCmdCopyBuffer(b->commands, from->block->buffer, to->block->buffer, 1, &region);
    return TN_OK;
}

/* Binds bytes of a buffer from `first` on; returns how far behind its beginning `origin` lies. */
static uint64_t bind(const vk_device *d, const vk_buffer *buffer, uint64_t first, uint64_t bytes,
                     uint64_t origin, VkDescriptorBufferInfo *out)
{
    uint64_t start = (buffer->offset + first) & ~(d->caps.offset_align - 1);
    /* Whole words: a buffer's last one is its own, rounding saw to that. */
    uint64_t end = (buffer->offset + first + bytes + 3u) & ~(uint64_t)3u;
    *out = (VkDescriptorBufferInfo){buffer->block->buffer, start, end - start};
    return buffer->offset + origin - start;
}

/* The ranges of operands 0 and 1 and of the workspace once more, as texels of a word or, where
 * `fours` has their bit, of four. */
static tn_status bind_texels(vk_device *d, vk_batch *b, VkDescriptorSet set,
                             const VkDescriptorBufferInfo *info, uint32_t fours)
{
    VkBufferView *view = &b->view[b->views];
    for (uint32_t i = 0; i < VK_TEXELS; ++i) {
        const VkDescriptorBufferInfo *of = &info[i == 2 ? VK_WORKSPACE : i];
        bool four = (fours >> i & 1u) != 0;
        VkBufferViewCreateInfo make = {.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
                                       .buffer = of->buffer,
                                       .format =
                                           four ? VK_FORMAT_R32G32B32A32_UINT : VK_FORMAT_R32_UINT,
                                       .offset = of->offset,
                                       .range = of->range & ~(VkDeviceSize)(four ? 15 : 3)};
        VkResult r = VK_CALL(&d->api, vkCreateBufferView, d->device, &make, NULL, &view[i]);
        if (r != VK_SUCCESS)
            return tn__vk_result(d, r, "vkCreateBufferView");
        ++b->views;
    }
    VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                  .dstSet = set,
                                  .descriptorCount = VK_TEXELS,
                                  .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
                                  .pTexelBufferView = view};
    d->api.vkUpdateDescriptorSets(d->device, 1, &write, 0, NULL);
    return TN_OK;
}

/* The pipeline of a step; one that reads fours has a form for operands that begin elsewhere. */
static tn_status pipeline_of(vk_device *d, const vk_plan *p, uint32_t i, bool aligned,
                             VkPipeline *out)
{
    uint32_t spec[VK_SPECS];
    *out = p->pipeline[i];
    if (p->launch.step[i].spec[VK_SPEC_ALIGNED] == 0 || aligned)
        return TN_OK;
    memcpy(spec, p->launch.step[i].spec, sizeof spec);
    spec[VK_SPEC_ALIGNED] = false;
    return tn__vk_pipeline(d, p->launch.step[i].module, d->fma, spec, out);
}

/* What all dispatches of a plan find bound; *out_aligned: operands begin where fours of texels do.
 */
static tn_status bind_run(vk_device *d, vk_batch *b, const tn_work *w, bool *out_aligned)
{
    const vk_plan *p = w->plan;
    const tn_k_operands *o = (const tn_k_operands *)(const void *)p->params;
    VkDescriptorBufferInfo info[VK_BINDINGS];
    uint32_t push[VK_PUSH] = {0};
    (void)bind(d, &p->param, 0, p->param.bytes, 0, &info[VK_PARAMS]);
    for (uint32_t i = 0; i < VK_BINDINGS; ++i)
        info[i] = info[VK_PARAMS]; /* what a kernel has no operand for it does not touch */
    for (uint32_t i = 0; i < o->count && i < VK_OPERANDS; ++i)
        for (uint32_t s = 0; s < w->slot_count; ++s)
            if (w->slots[s].role == o->item[i].role && p->span[i].bytes != 0)
                push[p->launch.binding[i]] =
                    (uint32_t)(bind(d, w->slots[s].buffer,
                                    w->slots[s].offset + (uint64_t)p->span[i].low,
                                    (uint64_t)p->span[i].bytes, w->slots[s].offset,
                                    &info[p->launch.binding[i]]) /
                               p->span[i].unit_bytes);
    uint32_t fours = p->launch.fours;
    if (p->launch.workspace_bytes != 0) {
        uint64_t at = bind(d, w->workspace, w->workspace_offset, p->launch.workspace_bytes,
                           w->workspace_offset, &info[VK_WORKSPACE]);
        if ((fours & VK_WORK_FOURS) != 0) /* there is room for it */
            at = (at + 15u) & ~(uint64_t)15u;
        push[VK_WORKSPACE] = (uint32_t)(at / sizeof(uint32_t));
    }
    VkDescriptorSet set[2] = {b->set[b->sets_used], b->texels[b->sets_used]};
    ++b->sets_used;
    VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                  .dstSet = set[0],
                                  .descriptorCount = VK_BINDINGS,
                                  .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                  .pBufferInfo = info};
    d->api.vkUpdateDescriptorSets(d->device, 1, &write, 0, NULL);
    bool aligned =
        ((fours & 1u) == 0 || push[0] % 4 == 0) && ((fours & 2u) == 0 || push[1] % 4 == 0);
    if (!aligned)
        fours &= VK_WORK_FOURS;
    tn_status st = p->launch.texels ? bind_texels(d, b, set[1], info, fours) : TN_OK;
    *out_aligned = aligned;
    if (st != TN_OK)
        return st;
    d->api.vkCmdBindDescriptorSets(b->commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->layout, 0,
                                   p->launch.texels ? 2 : 1, set, 0, NULL);
    d->api.vkCmdPushConstants(b->commands, d->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof push,
                              push);
    return TN_OK;
}

static tn_status record_run(vk_device *d, vk_batch *b, const tn_work *w)
{
    const vk_plan *p = w->plan;
    bool aligned = false;
    tn_status st = p->launch.steps != 0 ? bind_run(d, b, w, &aligned) : TN_OK;
    for (uint32_t i = 0; st == TN_OK && i < p->launch.steps; ++i) {
        const uint32_t *g = p->launch.step[i].groups;
        VkPipeline pipeline;
        st = pipeline_of(d, p, i, aligned, &pipeline);
        if (st != TN_OK)
            break;
        if (i != 0)
            barrier(d, b, 0, 0);
        d->api.vkCmdBindPipeline(b->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
        d->api.vkCmdDispatch(b->commands, g[0], g[1], g[2]);
    }
    return st;
}

/* The last dimension of more than one group. Kernels fold the row before it, by how many of its
 * groups a dispatch has, only into one that is outside of it: so this one alone can be divided. */
static uint32_t outer_dim(const vk_step *step)
{
    return step->groups[2] > 1 ? 2 : step->groups[1] > 1 ? 1 : 0;
}

uint32_t tn__vk_outer(const vk_step *step)
{
    return step->groups[outer_dim(step)];
}

tn_status tn__vk_batch_part(vk_device *d, vk_batch *b, const tn_work *w, uint32_t step,
                            uint32_t first, uint32_t count)
{
    const vk_plan *p = w->plan;
    uint32_t base[3] = {0}, groups[3], dim = outer_dim(&p->launch.step[step]);
    memcpy(groups, p->launch.step[step].groups, sizeof groups);
    base[dim] = first;
    groups[dim] = count;
    VkPipeline pipeline;
    bool aligned = false;
    tn_status st = bind_run(d, b, w, &aligned);
    if (st == TN_OK)
        st = pipeline_of(d, p, step, aligned, &pipeline);
    if (st != TN_OK)
        return st;
    d->api.vkCmdBindPipeline(b->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    d->api.vkCmdDispatchBase(b->commands, base[0], base[1], base[2], groups[0], groups[1],
                             groups[2]);
    return TN_OK;
}

void tn__vk_batch_execute(vk_device *d, vk_batch *b, const vk_part *part, uint32_t parts)
{
    for (uint32_t i = 0; i < parts; ++i) {
        if (i != 0)
            barrier(d, b, 0, 0);
        d->api.vkCmdExecuteCommands(b->commands, 1, &part[i].batch->commands);
    }
}

tn_status tn__vk_batch_add(vk_device *d, vk_batch *b, const vk_item *item)
{
    uint32_t i = b->count++;
    vk_item *own = &b->item[i];
    *own = *item;
    own->work.slots = own->slot;
    const tn_work *w = &own->work;
    tn_status st = TN_OK;
    if (i != 0)
        barrier(d, b, 0, 0);
    if (b->timed)
        d->api.vkCmdWriteTimestamp(b->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, b->queries,
                                   2 * i);
    if (w->kind == TN_WORK_RUN) {
        st = record_run(d, b, w);
    } else if (w->kind == TN_WORK_COPY) {
        (void)tn__vk_batch_copy(d, b, w->to, w->to_offset, w->from, w->from_offset, w->bytes);
    } else if (w->kind == TN_WORK_COMMANDS) {
        const vk_commands *c = w->commands;
        tn__vk_batch_execute(d, b, c->part, c->parts);
    } else { /* FILL, of whole words */
        const vk_buffer *to = w->to;
        uint32_t word = w->pattern_bytes == 1   ? (w->pattern & 0xffu) * 0x01010101u
                        : w->pattern_bytes == 2 ? (w->pattern & 0xffffu) * 0x00010001u
                                                : w->pattern;
        d->api.vkCmdFillBuffer(b->commands, to->block->buffer, to->offset + w->to_offset, w->bytes,
                               word);
    }
    if (b->timed)
        d->api.vkCmdWriteTimestamp(b->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, b->queries,
                                   2 * i + 1);
    return st;
}

bool tn__vk_batch_times(vk_device *d, vk_batch *b, uint32_t i, uint64_t ended_ns, tn_times *out)
{
    uint64_t tick[2 * VK_BATCH];
    if (!b->timed ||
        VK_CALL(&d->api, vkGetQueryPoolResults, d->device, b->queries, 0, 2 * b->count, sizeof tick,
                tick, sizeof tick[0], VK_QUERY_RESULT_64_BIT) != VK_SUCCESS)
        return false;
    /* Seen from the end, which the host knows, and not before the submit, which it knows too. */
    double last = (double)(int64_t)(tick[2 * b->count - 1] - tick[2 * i]) * d->caps.tick_ns;
    double rest = (double)(int64_t)(tick[2 * b->count - 1] - tick[2 * i + 1]) * d->caps.tick_ns;
    uint64_t most = ended_ns - b->submitted_ns;
    uint64_t start = last < 0.0 ? 0 : last > (double)most ? most : (uint64_t)last;
    uint64_t end = rest < 0.0 ? 0 : rest > (double)most ? most : (uint64_t)rest;
    out->start_ns = ended_ns - start;
    out->end_ns = ended_ns - (end < start ? end : start);
    return true;
}

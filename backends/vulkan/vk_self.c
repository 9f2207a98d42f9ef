/* SPDX-License-Identifier: Apache-2.0 */
/* What a device's own arithmetic is, asked when it is opened: drivers do not tell, or tell less
 * than they do. The inputs are those of hal's probe. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "vk.h"

#include <fenv.h>
#include <kernels/common/probe.h>
#include <stdio.h>

enum { TRIPLES = TN_PROBE_TRIPLES, VECTOR = TRIPLES * (int)sizeof(float), OUT = 3 };

typedef struct bench {
    vk_device *device;
    vk_buffer buffer; /* a, b, c, out */
    vk_batch *batch;
    VkSemaphore timeline;
    uint64_t value;
} bench;

static float expected_div(tn_probe_triple p)
{
    return p.a / p.b;
}

/* Submits what the batch holds and waits; a first launch may compile for long. */
static tn_status run(bench *x)
{
    vk_device *d = x->device;
    uint64_t value = ++x->value;
    VkTimelineSemaphoreSubmitInfo times = {.sType =
                                               VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                           .signalSemaphoreValueCount = 1,
                                           .pSignalSemaphoreValues = &value};
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .pNext = &times,
                         .commandBufferCount = 1,
                         .pCommandBuffers = &x->batch->commands,
                         .signalSemaphoreCount = 1,
                         .pSignalSemaphores = &x->timeline};
    VkSemaphoreWaitInfo wait = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                .semaphoreCount = 1,
                                .pSemaphores = &x->timeline,
                                .pValues = &value};
    tn_status st = tn__vk_result(
        d, VK_CALL(&d->api, vkQueueSubmit, d->queue, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit");
    if (st != TN_OK)
        return st;
    VkResult r = VK_CALL(&d->api, vkWaitSemaphores, d->device, &wait, d->hang_ns);
    if (r == VK_TIMEOUT) {
        atomic_store(&d->abandoned, true);
        return tn__vk_lose(d, "vulkan.hang", "its first work (?hang= is the limit)");
    }
    if (r != VK_SUCCESS) /* struck: the work itself goes on */
        (void)d->api.vkWaitSemaphores(d->device, &wait, d->hang_ns);
    return tn__vk_result(d, r, "vkWaitSemaphores");
}

/* One kind over all triples; *out_wrong: the first that is not as it should be, or -1. */
static tn_status ask(bench *x, uint32_t kind, uint32_t operands, float (*expected)(tn_probe_triple),
                     int *out_wrong, char *text, size_t bytes)
{
    static const uint32_t roles[] = {TN_ARG_A, TN_ARG_B, TN_ARG_C};
    vk_device *d = x->device;
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = kind};
    tn_arg args[4] = {{0}};
    tn_slot slot[4] = {{0}};
    const tn_tensor vector = {.dtype = TN_F32, .rank = 1, .dim = {TRIPLES}, .stride = {1}};
    for (uint32_t i = 0; i <= operands; ++i) {
        uint32_t role = i < operands ? roles[i] : (uint32_t)TN_ARG_OUT;
        args[i] = (tn_arg){.role = role, .tensor = vector};
        slot[i] = (tn_slot){.role = role,
                            .buffer = &x->buffer,
                            .offset = (uint64_t)(i < operands ? i : OUT) * VECTOR};
    }
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_ELTWISE,
                .arg_count = operands + 1,
                .attr = &attr,
                .args = args,
                .numerics = {.cls = TN_CLASS_CANONICAL}};
    const tn_plan_ops *ops = NULL;
    void *plan = NULL;
    *out_wrong = -1;
    tn_status st = tn__vk_plan_create(d, &op, NULL, NULL, NULL, &plan, &ops);
    if (st != TN_OK)
        return st;
    vk_item item = {.work = {.kind = TN_WORK_RUN, .slot_count = operands + 1, .plan = plan}};
    memcpy(item.slot, slot, sizeof slot);
    st = tn__vk_batch_begin(d, x->batch, false);
    if (st == TN_OK)
        st = tn__vk_batch_add(d, x->batch, &item);
    if (st == TN_OK)
        st = tn__vk_batch_end(d, x->batch);
    if (st == TN_OK)
        st = run(x);
    if (st == TN_OK)
        st = tn__vk_flush(d, &x->buffer, 0, x->buffer.bytes, false);
    const float *out = (const float *)(const void *)(tn__vk_mapped(&x->buffer) + OUT * VECTOR);
    for (int i = 0; st == TN_OK && i < TRIPLES && *out_wrong < 0; ++i) {
        float want = expected(tn_probe_input((uint32_t)i));
        if (!tn_probe_same(out[i], want)) {
            *out_wrong = i;
            snprintf(text, bytes, "input %d: bits %08x, right %08x", i, tn_probe_bits(out[i]),
                     tn_probe_bits(want));
        }
    }
    ops->destroy(plan);
    return st;
}

static tn_status ask_all(bench *x)
{
    static const struct {
        const char *name;
        uint32_t kind, operands;
        float (*expected)(tn_probe_triple);
    } rest[] = {
        {"add", TN_ELTWISE_ADD, 2, tn_probe_add},       {"sub", TN_ELTWISE_SUB, 2, tn_probe_sub},
        {"mul", TN_ELTWISE_MUL, 2, tn_probe_mul},       {"rint", TN_ELTWISE_RINT, 1, tn_probe_rint},
        {"recip", TN_ELTWISE_RECIP, 1, tn_probe_recip},
    };
    vk_device *d = x->device;
    char text[96];
    int wrong = 0;
    tn_status st = TN_OK;
    d->canonical = d->caps.divides = true; /* so that the probes themselves can run */
    for (int fma = VK_FMA_NATIVE; st == TN_OK && fma < VK_FMAS; ++fma) {
        if (fma == VK_FMA_F64 && !d->caps.float64)
            continue;
        d->fma = (vk_fma)fma;
        st = ask(x, TN_ELTWISE_FMA, 3, tn_probe_fma, &wrong, text, sizeof text);
        if (st != TN_OK || wrong < 0)
            break;
    }
    if (st == TN_OK && wrong >= 0)
        snprintf(d->refused, sizeof d->refused, "canonical: probe fma, %s", text);
    for (size_t i = 0; st == TN_OK && d->refused[0] == '\0' && i < sizeof rest / sizeof rest[0];
         ++i) {
        st = ask(x, rest[i].kind, rest[i].operands, rest[i].expected, &wrong, text, sizeof text);
        if (st == TN_OK && wrong >= 0)
            snprintf(d->refused, sizeof d->refused, "canonical: probe %s, %s", rest[i].name, text);
    }
    if (st == TN_OK)
        st = ask(x, TN_ELTWISE_DIV, 2, expected_div, &wrong, text, sizeof text);
    d->caps.divides = wrong < 0;
    d->canonical = d->refused[0] == '\0';
    return st;
}

tn_status tn__vk_self_test(vk_device *d)
{
    bench x = {.device = d};
    VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                      .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    fenv_t caller;
    VkResult r = VK_CALL(&d->api, vkCreateSemaphore, d->device, &info, NULL, &x.timeline);
    if (r != VK_SUCCESS)
        x.timeline = VK_NULL_HANDLE;
    tn_status st = tn__vk_result(d, r, "vkCreateSemaphore");
    if (st == TN_OK)
        st = tn__vk_memory_take(d, 1, 4 * (uint64_t)VECTOR, 0, &x.buffer);
    if (st == TN_OK) {
        x.batch = tn__vk_alloc(d->host, sizeof *x.batch);
        st = x.batch != NULL ? tn__vk_batch_create(d, x.batch, false) : TN_STATUS_NO_MEMORY;
    }
    if (st == TN_OK) {
        (void)fegetenv(&caller);
        (void)fesetenv(FE_DFL_ENV);
        float *in = (float *)(void *)tn__vk_mapped(&x.buffer);
        for (uint32_t i = 0; i < TRIPLES; ++i) {
            tn_probe_triple p = tn_probe_input(i);
            in[i] = p.a;
            in[TRIPLES + i] = p.b;
            in[2 * TRIPLES + i] = p.c;
        }
        st = tn__vk_flush(d, &x.buffer, 0, x.buffer.bytes, true);
        if (st == TN_OK)
            st = ask_all(&x);
        (void)fesetenv(&caller);
    }
    if (!atomic_load(&d->abandoned)) {
        if (x.batch != NULL)
            tn__vk_batch_destroy(d, x.batch);
        if (x.timeline != VK_NULL_HANDLE)
            d->api.vkDestroySemaphore(d->device, x.timeline, NULL);
        tn__vk_free(d->host, x.batch, sizeof *x.batch);
    }
    tn__vk_memory_give(d, &x.buffer);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a simulated chip by the backend's table and runs ops on it, where the public calls show too
 * little of it. */
#include "sim_chip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARGS = TN_K_OPERANDS };

static void *take(void *self, size_t bytes, size_t align)
{
    void *p = NULL;
    (void)self;
    return posix_memalign(&p, align < sizeof p ? sizeof p : align, bytes) == 0 ? p : NULL;
}

static void give(void *self, void *p, size_t bytes)
{
    (void)self, (void)bytes;
    free(p);
}

const tn_allocator *tool_allocator(void)
{
    static const tn_allocator a = {NULL, take, give};
    return &a;
}

static void say(const char *reason, const char *format, va_list args)
{
    fprintf(stderr, "tenon: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, " [%s]\n", reason);
}

static tn_status fail(tn_status st, const char *reason, const char *file, int32_t line,
                      const char *format, ...)
{
    va_list args;
    (void)file, (void)line;
    va_start(args, format);
    say(reason, format, args);
    va_end(args);
    return st;
}

static tn_status fail_argument(tn_status st, const char *reason, const char *argument,
                               const char *file, int32_t line, const char *format, ...)
{
    va_list args;
    (void)argument, (void)file, (void)line;
    va_start(args, format);
    say(reason, format, args);
    va_end(args);
    return st;
}

static void log_line(tn_runtime *rt, int32_t level, const char *text)
{
    (void)rt, (void)level;
    fprintf(stderr, "tenon: %s\n", text);
}

static void lost(void *token, tn_status st, const char *reason)
{
    (void)token, (void)st, (void)reason;
}

tn_status tn_backend_query_tpu_sim(uint32_t host_abi, const tn_backend_ops **out);

bool tool_chip_open(const char *arg, tool_chip *out)
{
    const tn_backend_ops *backend = NULL;
    void *object = NULL;
    *out = (tool_chip){.host = {.allocator = {NULL, take, give},
                                .fail = fail,
                                .fail_argument = fail_argument,
                                .log = log_line,
                                .lost = lost}};
    if (tn_backend_query_tpu_sim(TN_BACKEND_ABI, &backend) != TN_OK ||
        backend->open(&out->host, arg, NULL, &object, &out->ops) != TN_OK)
        return false;
    out->device = object;
    return true;
}

void tool_chip_close(tool_chip *chip)
{
    chip->ops->close(chip->device);
}

sim_dev *tool_chip_model(const tool_chip *chip)
{
    return tn__tpu_bus_model_chip(&chip->device->model);
}

/* Numbers that are exact in every type: 1 and 2 as bf16, f16 or f32 alike would need the type,
 * bytes do not. */
static void fill(unsigned char *to, uint64_t bytes, uint32_t type)
{
    static const unsigned char f32[] = {0, 0, 0x80, 0x3f}, half[] = {0x80, 0x3f};
    uint64_t size = tn_dtype_bits((tn_dtype)type) / 8;
    for (uint64_t i = 0; i < bytes; i++)
        to[i] = type == TN_F32 ? f32[i % 4] : type == TN_BF16 ? half[i % 2] : size == 1 ? 1 : 0;
}

bool tool_chip_run(tool_chip *chip, const tn_op *op)
{
    tpu_device *d = chip->device;
    const tn_plan_ops *plan_ops = NULL;
    void *object = NULL, *block[ARGS] = {NULL};
    uint64_t at[ARGS] = {0}, operand[ARGS] = {0};
    bool good = op->arg_count <= ARGS &&
                chip->ops->plan_create(d, op, NULL, NULL, NULL, &object, &plan_ops) == TN_OK;
    for (uint32_t i = 0; good && i < op->arg_count; i++) {
        uint64_t bytes = tool_tensor_bytes(&op->args[i].tensor);
        block[i] = d->bus.dma_alloc(d->bus.self, bytes + 1, 64, &at[i]);
        good = block[i] != NULL;
        if (good)
            fill(block[i], bytes, op->args[i].tensor.dtype);
    }
    if (good) {
        const tpu_plan *plan = object;
        const tn_k_operands *o = (const tn_k_operands *)(const void *)plan->params;
        for (uint32_t i = 0; i < o->count; i++)
            for (uint32_t j = 0; j < op->arg_count; j++)
                if (op->args[j].role == o->item[i].role)
                    operand[i] = at[j];
        good = tn__tpu_run(d, plan, operand) == TN_OK;
    }
    for (uint32_t i = 0; i < ARGS; i++)
        if (block[i] != NULL)
            d->bus.dma_free(d->bus.self, block[i]);
    if (plan_ops != NULL)
        plan_ops->destroy(object);
    return good;
}

void tool_engine_name(uint32_t engine, char *text, size_t room)
{
    static const char *const names[] = {"dma_in", "dma_out", "vector", "sync"};
    if (engine < TN_K_SYS_WEIGHTS)
        snprintf(text, room, "%s", names[engine]);
    else
        snprintf(text, room, "%s%u", (engine - TN_K_SYS_WEIGHTS) % 2 ? "array" : "weights",
                 (engine - TN_K_SYS_WEIGHTS) / 2);
}

const char *tool_profile_text(const char *name, size_t *bytes, char **out_file)
{
    const char *text = tn__sim_profile_text(name, bytes);
    FILE *f = text == NULL ? fopen(name, "rb") : NULL;
    *out_file = NULL;
    if (f == NULL)
        return text;
    *out_file = malloc(1 << 16);
    *bytes = *out_file != NULL ? fread(*out_file, 1, 1 << 16, f) : 0;
    fclose(f);
    return *out_file;
}

bool tool_profile_read(const char *name, sim_profile *out)
{
    char error[200] = "no such profile or file", *file;
    size_t bytes = 0;
    const char *text = tool_profile_text(name, &bytes, &file);
    bool good = text != NULL && tn__sim_profile_read(text, bytes, out, error, sizeof error);
    if (!good)
        fprintf(stderr, "tenon: %s: %s\n", name, error);
    free(file);
    return good;
}

const char *tool_packet_name(uint32_t op)
{
    static const char *const names[TN_K_SYS_OPS] = {"?",   "NOP",  "FENCE", "HALT", "LD",
                                                    "ST",  "FILL", "LDW",   "MM",   "MAP",
                                                    "RED", "BLK",  "MRG",   "GTH",  "IOT"};
    return op < TN_K_SYS_OPS ? names[op] : "?";
}

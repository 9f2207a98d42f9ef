/* SPDX-License-Identifier: Apache-2.0 */
/* The vulkan backend's own view of its objects. */
#ifndef TN_BACKENDS_VK_H
#define TN_BACKENDS_VK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define VK_NO_PROTOTYPES
#include <kernels/common/kernel.h>
#include <tenon/backend.h>
#include <vulkan/vulkan.h>

#define VK_FAIL(host, status, reason, ...)                                                         \
    (host)->fail(status, reason, __FILE__, __LINE__, __VA_ARGS__)
/* With the name of the offending argument, field or operand. */
#define VK_FAIL_ARGUMENT(host, status, reason, argument, ...)                                      \
    (host)->fail_argument(status, reason, argument, __FILE__, __LINE__, __VA_ARGS__)

/* ---- driver entries (vk_api.c) ---- */
typedef enum vk_entry {
#define VK_GLOBAL(name)   VK_ENTRY_##name,
#define VK_INSTANCE(name) VK_ENTRY_##name,
#define VK_DEVICE(name)   VK_ENTRY_##name,
#define VK_OPTIONAL(name) VK_ENTRY_##name,
#define VK_EXTRA(name)    VK_ENTRY_##name,
#include "vk_entries.inc"
    VK_ENTRIES
} vk_entry;

enum { VK_FAULTS = 4 };
typedef struct vk_fault {
    uint32_t entry, left; /* left: calls until it strikes; 0: no fault, or one that has struck */
    VkResult result;
} vk_fault;

/* The entries of one opened loader; filled in three steps as instance and device come to be. */
typedef struct vk_api {
    const tn_host *host;
    void *library;
    PFN_vkGetInstanceProcAddr get;
#define VK_GLOBAL(name)   PFN_##name name;
#define VK_INSTANCE(name) PFN_##name name;
#define VK_DEVICE(name)   PFN_##name name;
#define VK_OPTIONAL(name) PFN_##name name;
#define VK_EXTRA(name)    PFN_##name name;
#include "vk_entries.inc"
    pthread_mutex_t lock; /* guards: fault */
    vk_fault fault[VK_FAULTS];
    uint32_t faults;
} vk_api;

/* driver: the library of one, without the machine's loader and its layers; NULL: the loader. */
tn_status tn__vk_api_open(const tn_host *host, vk_api *api, const char *driver);
tn_status tn__vk_api_instance(const tn_host *host, vk_api *api, VkInstance instance);
tn_status tn__vk_api_device(const tn_host *host, vk_api *api, VkDevice device);
void tn__vk_api_close(vk_api *api);
/* "vkQueueSubmit:3:lost+...": the third call gives VK_ERROR_DEVICE_LOST; host, device: no memory;
 * unknown: VK_ERROR_UNKNOWN; timeout: VK_TIMEOUT from then on. */
tn_status tn__vk_api_faults(const tn_host *host, vk_api *api, const char *text);
/* Whether this call of an entry is struck; then its result stands in for the driver's. */
bool tn__vk_struck(vk_api *api, vk_entry entry, VkResult *out);
const char *tn__vk_entry_name(uint32_t entry); /* NULL behind the last */
/* A call that has a result, by way of the faults; for entries without one there is nothing to say.
 */
#define VK_CALL(api, name, ...)                                                                    \
    __extension__({                                                                                \
        VkResult vk_call_result;                                                                   \
        if (!tn__vk_struck(api, VK_ENTRY_##name, &vk_call_result))                                 \
            vk_call_result = (api)->name(__VA_ARGS__);                                             \
        vk_call_result;                                                                            \
    })

/* ---- devices ---- */
enum {
    VK_OPERANDS = 11,      /* at bindings 0 to 7, the rest behind those of workspace and params */
    VK_WORKSPACE = 8,      /* binding */
    VK_PARAMS = 9,         /* binding */
    VK_MORE_OPERANDS = 10, /* first binding of the rest */
    VK_BINDINGS = VK_OPERANDS + 2,
    VK_TEXELS = 3, /* at bindings of set 1: operands 0 and 1, and the workspace, as texels */
    VK_PUSH = VK_BINDINGS, /* uints: where operands and workspace begin */
    VK_SPECS = 16,         /* specialisation constants of a pipeline */
    VK_STEPS = 4,          /* dispatches of a plan */
    VK_PARAM_INTS = 256
};
/* How a module's FMA is made: docs/NUMERICS.md section 10. */
typedef enum vk_fma { VK_FMA_NATIVE, VK_FMA_F64, VK_FMA_INT, VK_FMAS } vk_fma;

typedef struct vk_module {
    const char *name;
    struct {
        const uint32_t *words;
        size_t bytes;
    } code[VK_FMAS];
} vk_module;
extern const vk_module tn__vk_modules[]; /* made by CMake from kernels/<op>/<op>_*.comp */
extern const uint32_t tn__vk_module_count;

/* What rows may know of a device. Immutable after open. */
typedef struct vk_caps {
    char uri[64], name[128], vendor[64], driver[128];
    uint8_t uuid[16];
    VkDriverId driver_id;
    VkPhysicalDeviceType type;
    uint32_t vendor_id, device_id, api_version;
    bool float64, budget, unified, divides; /* divides: as IEEE does, found out at open */
    uint64_t range_bytes;                   /* of one operand: maxStorageBufferRange */
    uint64_t offset_align;                  /* of what a descriptor begins at */
    uint64_t texels;                        /* of one operand: maxTexelBufferElements */
    uint64_t import_align;                  /* of the host's memory; 0: none is imported */
    uint64_t atom_bytes, largest_bytes, heap_bytes;
    uint32_t groups[3], invocations, shared_bytes, subgroup;
    double tick_ns; /* of a timestamp; 0: none */
    uint32_t family;
    bool shuffles;    /* in compute shaders, among a subgroup */
    bool short_loops; /* loops of one invocation end at 65,535 turns */
} vk_caps;

enum { VK_IMPORTED = 2 }; /* the kind of blocks that are the host's memory */
typedef struct vk_block vk_block;
typedef struct vk_pipeline vk_pipeline;

typedef struct vk_device {
    const tn_host *host;
    void *token;
    vk_api api;
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    pthread_mutex_t queue_lock; /* guards: submits to queue */
    vk_caps caps;
    vk_fma fma;     /* of CANONICAL rows */
    bool canonical; /* so is the rest of its arithmetic; else refused says which probe failed */
    char refused[160];
    uint32_t validate; /* 1: core and synchronisation, 2: core and with the GPU's help */
    bool staging;
    uint64_t submit_ns; /* estimated work of one submit: drivers end what takes seconds */
    uint64_t hang_ns;   /* a batch that takes longer means that the device hangs */
    VkDescriptorSetLayout set_layout, texel_layout;
    VkPipelineLayout layout;
    VkPipelineCache cache;
    char cache_path[512];          /* "": kept in memory alone */
    pthread_mutex_t pipeline_lock; /* guards: pipelines, pipeline_count */
    vk_pipeline *pipelines;
    uint32_t pipeline_count;
    pthread_mutex_t memory_lock; /* guards: blocks, memory_used */
    vk_block *blocks;
    uint64_t memory_used;
    uint32_t memory_type[2]; /* of device memory, of memory that the host reads and writes */
    VkMemoryPropertyFlags memory_flags[VK_IMPORTED + 1];
    atomic_bool lost;
    atomic_bool
        abandoned; /* work that never ended may still use what it was given: nothing is freed */
} vk_device;

/* Says to hal that the device is lost, once; returns DEVICE_LOST with its error recorded. */
tn_status tn__vk_lose(vk_device *d, const char *reason, const char *what);
/* The status of a driver's result, with the error recorded; a lost device is told to hal. */
tn_status tn__vk_result(vk_device *d, VkResult result, const char *what);
tn_status tn__vk_device_create(vk_device *d, const char *which, const char *fault);
void tn__vk_device_destroy(vk_device *d);
/* vk_physical.c: what a physical device is, and whether it will do (else why not). */
typedef struct vk_found {
    VkPhysicalDevice physical;
    vk_caps caps;
    const char *refused;
} vk_found;
enum { VK_DEVICES = 32 };
tn_status tn__vk_instance(const tn_host *host, vk_api *api, uint32_t validate, VkInstance *out);
/* Adds the devices of an instance behind the *count that are there. */
tn_status tn__vk_physical(const tn_host *host, vk_api *api, VkInstance instance,
                          vk_found found[VK_DEVICES], uint32_t *count);
void tn__vk_fill_info(const vk_caps *caps, tn_device_info *out);
/* vk_drivers.c */
tn_status tn__vk_drivers(const tn_host *host, const char *(*variable)(const char *name),
                         void *token, void (*found)(void *token, const char *driver));
/* vk_debug.c */
void tn__vk_debug_create(vk_device *d);

/* ---- memory (vk_memory.c) ---- */
/* What every buffer may be. */
#define VK_BUFFER_USES                                                                             \
    (VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT |               \
     VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT)
struct vk_block {
    vk_block *next;
    VkDeviceMemory memory;
    VkBuffer buffer; /* over all of it */
    uint64_t bytes;
    uint32_t kind; /* index of memory_type, or VK_IMPORTED: in no list */
    unsigned char *mapped;
    struct vk_range *free; /* by offset, neighbours joined */
    uint64_t used;
};
typedef struct vk_buffer {
    vk_device *device;
    vk_block *block;
    uint64_t offset, bytes, held; /* held: with what rounding added */
} vk_buffer;
tn_status tn__vk_memory_take(vk_device *d, uint32_t kind, uint64_t bytes, uint64_t align,
                             vk_buffer *out);
void tn__vk_memory_give(vk_device *d, vk_buffer *b);
void tn__vk_memory_destroy(vk_device *d);
/* The host's view of a buffer, or NULL; flush after writing, invalidate before reading. */
unsigned char *tn__vk_mapped(const vk_buffer *b);
tn_status tn__vk_flush(vk_device *d, const vk_buffer *b, uint64_t offset, uint64_t bytes,
                       bool to_device);
tn_status tn__vk_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                               const tn_buffer_ops **out_ops);
/* Memory of the host under a block of its own, without a copy; UNSUPPORTED with the reason. */
tn_status tn__vk_memory_import(vk_device *d, void *host, uint64_t bytes, vk_buffer *out);
tn_status tn__vk_buffer_import(void *device, const tn_external *external, void **out,
                               const tn_buffer_ops **out_ops);
tn_status tn__vk_device_memory(void *device, uint32_t index, tn_memory_info *out);

/* ---- pipelines (vk_pipeline.c) ---- */
struct vk_pipeline {
    vk_pipeline *next;
    uint32_t module, spec[VK_SPECS];
    vk_fma fma;
    VkPipeline pipeline;
};
/* spec: VK_SPECS of them, those that the module lacks are 0. */
tn_status tn__vk_pipeline(vk_device *d, uint32_t module, vk_fma fma, const uint32_t *spec,
                          VkPipeline *out);
tn_status tn__vk_pipelines_create(vk_device *d);
void tn__vk_pipelines_destroy(vk_device *d);

/* ---- plans (vk_plan.c) ---- */
/* One dispatch as a row describes it. */
typedef struct vk_step {
    uint32_t module, spec[VK_SPECS];
    uint32_t groups[3];
} vk_step;
enum {
    VK_WORK_FOURS = 4,            /* the workspace's bit */
    VK_SPEC_ALIGNED = 7,          /* of a module that reads fours: operands begin at one */
    VK_SPEC_STEPS = 14,           /* of matmul and conv: the epilogue has steps */
    VK_SPEC_PLAIN = VK_SPECS - 1, /* of a module with chains: multiply, then add */
};
/* f32 products and convolutions by texels beside those by buffers: 1.8 to 2.7 were measured on
 * lavapipe, and 2 to 4 times that by fours. */
#define VK_TEXEL_SPEED  2.5
#define VK_TEXEL4_SPEED 7.0

/* What a row makes of an op's params; zeroed before. */
typedef struct vk_launch {
    uint32_t steps; /* 0: nothing to do */
    vk_step step[VK_STEPS];
    uint8_t binding[TN_K_OPERANDS]; /* of each operand; their own order if the row says nothing */
    uint64_t workspace_bytes;
    double flops, bytes;
    double speed;   /* measured beside the usual rate of flops; 0: that. Only orders rows */
    bool texels;    /* reads the operands at bindings 0 and 1 as texels */
    uint32_t fours; /* bits of texels that are four neighbours each: of operands 0 and 1 where these
                       begin at a multiple of four, of the workspace always */
    uint32_t loops; /* turns that the loops of one invocation take */
    uint32_t table_ints; /* behind the params: what the row's `table` writes */
    int32_t param[VK_PARAM_INTS];
} vk_launch;
typedef struct vk_row {
    const char *name; /* of the kernel, to which the way of its fma is added */
    tn_op_kind kind;  /* as in tn_k_op */
    tn_class cls;     /* EXACT: no float is computed, any fma will do; else CANONICAL */
    bool chains;      /* also as BOUNDED, with products rounded before they are added */
    bool bounded;     /* as that alone */
    bool (*make)(const void *params, const vk_caps *caps, vk_launch *out, tn_k_why *why);
    void (*arithmetic)(const void *params, tn_arithmetic *out); /* or NULL */
    void (*table)(const void *params, int32_t *out);            /* table_ints of them; or NULL */
    /* Whether integers do it all, so that devices that flush subnormals keep them; NULL: no. */
    bool (*by_bits)(const void *params);
} vk_row;
/* The rows of all ops; the last is NULL. */
extern const vk_row *const tn__vk_rows[];

typedef struct vk_plan {
    vk_device *device;
    const tn_k_op *op;
    const vk_row *row;
    bool plain; /* the BOUNDED form of a row with chains */
    char kernel[96];
    vk_launch launch;
    tn_numerics numerics;
    uint64_t estimate_ns;
    VkPipeline pipeline[VK_STEPS];
    vk_buffer param; /* the launch's, where shaders read them */
    struct {
        int64_t low, bytes;  /* of the operand, from its offset on */
        uint32_t unit_bytes; /* of an element, a word of those of 8 */
    } span[VK_OPERANDS];
    TN_ALIGNED(64) unsigned char params[TN_K_PARAMS_BYTES];
} vk_plan;
tn_status tn__vk_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                             tn_choice_fn fn, void *self, void **out, const tn_plan_ops **out_ops);
tn_status tn__vk_supports(void *device, const tn_op *op);
/* Asks the device's own arithmetic before anyone else uses it: which fma is right, and whether the
 * rest is (vk_self.c). */
tn_status tn__vk_self_test(vk_device *d);

/* ---- queues (vk_queue.c, vk_record.c, vk_commands.c) ---- */
tn_status tn__vk_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                              const tn_queue_ops **out_ops);
/* An item takes a set at most, which the dispatches of its plan share. */
enum { VK_BATCH = 16, VK_SETS = VK_BATCH, VK_SLOTS = 3 };
typedef struct vk_item {
    tn_work work;
    tn_slot slot[TN_K_OPERANDS];
} vk_item;
/* What one submit to the driver needs; used again when the device is through with it. One that is
 * `kept` is recorded once, and executed by others as often as they like. */
typedef struct vk_batch {
    bool kept;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkDescriptorPool descriptors;
    VkDescriptorSet set[VK_SETS], texels[VK_SETS];
    VkQueryPool queries;
    VkBufferView view[VK_SETS * VK_TEXELS];
    uint32_t sets_used, count, views;
    bool timed;     /* items get timestamps, each of which some drivers wait for */
    uint64_t value; /* of the queue's semaphore when it is done */
    uint64_t submitted_ns;
    vk_item item[VK_BATCH];
} vk_batch;
tn_status tn__vk_batch_create(vk_device *d, vk_batch *b, bool kept);
void tn__vk_batch_destroy(vk_device *d, vk_batch *b);
tn_status tn__vk_batch_begin(vk_device *d, vk_batch *b, bool timed);
tn_status tn__vk_batch_add(vk_device *d, vk_batch *b, const vk_item *item);
/* One dispatch of a plan, `count` groups from `first` on of its outermost dimension, which has
 * tn__vk_outer of them. */
tn_status tn__vk_batch_part(vk_device *d, vk_batch *b, const tn_work *w, uint32_t step,
                            uint32_t first, uint32_t count);
uint32_t tn__vk_outer(const vk_step *step);
tn_status tn__vk_batch_copy(vk_device *d, vk_batch *b, const vk_buffer *to, uint64_t to_offset,
                            const vk_buffer *from, uint64_t from_offset, uint64_t bytes);
tn_status tn__vk_batch_end(vk_device *d, vk_batch *b);
/* Start and end of item i in ns, on the clock of the host; false: not known. */
bool tn__vk_batch_times(vk_device *d, vk_batch *b, uint32_t i, uint64_t ended_ns, tn_times *out);
/* Recorded work: parts, each of them items that a kept batch has or one that the queue's thread
 * does apart. */
typedef struct vk_part {
    const tn_work *work; /* the first */
    uint64_t estimate_ns;
    vk_batch *batch; /* NULL: apart */
} vk_part;
typedef struct vk_commands {
    size_t bytes;
    uint32_t count, parts;
    bool apart; /* takes more than one submit */
    uint64_t estimate_ns;
    vk_part *part;
    tn_work *work;
} vk_commands;
tn_status tn__vk_record(void *queue, const tn_work *works, uint32_t count, void **out);
void tn__vk_commands_destroy(void *queue, void *commands);
/* Some parts with kept batches, all in one submit; in a batch that was begun. */
void tn__vk_batch_execute(vk_device *d, vk_batch *b, const vk_part *part, uint32_t parts);
/* vk_queue.c: what of an item is not for a batch. */
vk_device *tn__vk_queue_device(void *queue);
bool tn__vk_batchable(const vk_device *d, const tn_work *w);
uint64_t tn__vk_estimate(const tn_work *w);
uint64_t tn__vk_now(void);
tn_status tn__vk_no_memory(const tn_host *host, size_t bytes); /* records it */
void *tn__vk_alloc(const tn_host *host, size_t bytes); /* zeroed; NULL: the error is recorded */
void tn__vk_free(const tn_host *host, void *p, size_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL backend's own view of its objects. */
#ifndef TN_BACKENDS_OPENCL_H
#define TN_BACKENDS_OPENCL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define CL_TARGET_OPENCL_VERSION          300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS /* drivers of 1.2 have no newer form of these */
#include <CL/cl.h>
#include <CL/cl_icd.h>

#include "opencl_entries.h"
#include <backends/common/item_ring.h>
#include <kernels/common/kernel_opencl.h>
#include <tenon/backend.h>

enum {
#define OPENCL_NUMBER(entry) OPENCL_##entry,
    OPENCL_ALL_ENTRIES(OPENCL_NUMBER)
#undef OPENCL_NUMBER
        OPENCL_ENTRIES
};

/* cl_khr_command_buffer as far as it is used; headers have it in the form of their own time. */
typedef struct _cl_command_buffer_khr *opencl_recording;
typedef struct _cl_mutable_command_khr *opencl_recorded;
typedef opencl_recording CL_API_CALL opencl_clCreateCommandBufferKHR(cl_uint queues,
                                                                     const cl_command_queue *queue,
                                                                     const cl_ulong *properties,
                                                                     cl_int *out_error);
typedef cl_int CL_API_CALL opencl_clFinalizeCommandBufferKHR(opencl_recording);
typedef cl_int CL_API_CALL opencl_clReleaseCommandBufferKHR(opencl_recording);
typedef cl_int CL_API_CALL opencl_clEnqueueCommandBufferKHR(cl_uint queues, cl_command_queue *queue,
                                                            opencl_recording, cl_uint waits,
                                                            const cl_event *wait, cl_event *out);
typedef cl_int CL_API_CALL opencl_clCommandNDRangeKernelKHR(
    opencl_recording, cl_command_queue, const cl_ulong *properties, cl_kernel, cl_uint dims,
    const size_t *first, const size_t *items, const size_t *group, cl_uint waits,
    const cl_uint *wait, cl_uint *out_point, opencl_recorded *out);

/* The driver, and the fault that the URI asks for (?fail=ENTRY): from that call of the entry on the
 * device is as good as gone. */
typedef struct opencl_driver {
#define OPENCL_MEMBER(entry) __typeof__(entry) *entry;
    OPENCL_CALL_ENTRIES(OPENCL_MEMBER)
    OPENCL_MAKE_ENTRIES(OPENCL_MEMBER)
    OPENCL_ADDRESS_ENTRIES(OPENCL_MEMBER)
#undef OPENCL_MEMBER
#define OPENCL_MEMBER(entry) opencl_##entry *entry;
    OPENCL_RECORD_CALL_ENTRIES(OPENCL_MEMBER)
    OPENCL_RECORD_MAKE_ENTRIES(OPENCL_MEMBER)
#undef OPENCL_MEMBER
    const tn_host *host;
    uint32_t fault_entry;  /* OPENCL_ENTRIES: none */
    atomic_int fault_left; /* calls before it strikes */
    cl_int fault_code;
} opencl_driver;

/* Calls go through these, so that a fault can be put in the place of any of them. */
#define OPENCL_CALL(driver, entry, ...)                                                            \
    (tn__opencl_struck(driver, OPENCL_##entry) ? (driver)->fault_code                              \
                                               : (driver)->entry(__VA_ARGS__))
#define OPENCL_MAKE(driver, entry, out_error, ...)                                                 \
    (tn__opencl_struck(driver, OPENCL_##entry) ? (*(out_error) = (driver)->fault_code, NULL)       \
                                               : (driver)->entry(__VA_ARGS__, out_error))

/* ---- opencl_loader.c ---- */
tn_status tn__opencl_load(const tn_host *host, opencl_driver *out);
bool tn__opencl_struck(opencl_driver *driver, uint32_t entry);
/* The number of an entry by its name; OPENCL_ENTRIES for none. */
uint32_t tn__opencl_entry(const char *name);
const char *tn__opencl_error_name(cl_int error);

/* ---- opencl_list.c: what there is ---- */
enum { OPENCL_DEVICES = 64, OPENCL_PLATFORMS = 32 };
typedef struct opencl_found {
    cl_platform_id platform;
    cl_device_id id;
    const cl_icd_dispatch *entries; /* the driver's own; NULL: those of the loader */
    char alias[32];                 /* "pocl", "intel", "intel.1" */
} opencl_found;
/* Every device of every platform, in the loader's order; *out_count may be 0. */
tn_status tn__opencl_list(const tn_host *host, opencl_driver *driver,
                          opencl_found out[OPENCL_DEVICES], uint32_t *out_count);
/* The devices of one platform, behind those that are in the list. */
void tn__opencl_list_platform(opencl_driver *driver, cl_platform_id platform,
                              const cl_icd_dispatch *entries, opencl_found out[OPENCL_DEVICES],
                              uint32_t *out_count);
/* What is known of a device without a context. */
void tn__opencl_describe(opencl_driver *driver, const opencl_found *found, tn_device_info *out);

/* ---- opencl_icds.c: host->drivers, without the loader ---- */
tn_status tn__opencl_drivers(const tn_host *host, const char *(*variable)(const char *name),
                             void *token, void (*found)(void *token, const char *driver));
/* Calls go to what the device was found by; false: its driver lacks entries. */
bool tn__opencl_use(opencl_driver *driver, const opencl_found *found);
void tn__opencl_list_apart(const tn_host *host, opencl_driver *driver,
                           opencl_found out[OPENCL_DEVICES], uint32_t *out_count);

enum { OPENCL_OPTIONS = 1024 };
/* What a row was compiled to with some options. */
typedef struct opencl_built {
    struct opencl_built *next;
    bool tried;
    cl_program program; /* NULL: not built, or it cannot be */
    char log[512];      /* the end of the build log then */
    char options[OPENCL_OPTIONS];
} opencl_built;
typedef struct opencl_program {
    pthread_mutex_t lock; /* guards: the list; held while one is built */
    opencl_built *first;
} opencl_program;

/* Whether lists go into the driver's command buffers; OPENCL_BY_KIND: not on a cpu, whose drivers
 * were not faster by them. */
enum { OPENCL_BY_KIND, OPENCL_ENQUEUE, OPENCL_RECORD };

typedef struct opencl_device {
    const tn_host *host;
    void *token;
    opencl_driver driver;
    opencl_found found;
    tn_device_info info;
    cl_context context;
    cl_command_queue control;     /* for maps and the probe */
    pthread_mutex_t control_lock; /* guards: control, and maps of all buffers */
    tn_k_caps caps;
    bool groups;        /* of the class gpu: made for groups of work-items with local memory */
    bool class_asked;   /* the URI says which */
    bool sums_right;    /* the probe at open: fused fma, subnormals kept */
    uint32_t record;    /* ?record=: OPENCL_BY_KIND and so on */
    bool records;       /* lists go into command buffers */
    uint64_t submit_ns; /* estimated work of one launch: drivers end what takes seconds */
    char options[192];
    char identity[384];       /* of driver and device, for the cache's key */
    opencl_program *programs; /* OPENCL_FORMS a row */
    atomic_bool lost;
} opencl_device;

/* A failed call as a status with its reason; DEVICE_LOST marks the device. `creates`: out of
 * resources then means too little memory. */
tn_status tn__opencl_failed(opencl_device *d, cl_int error, const char *call, bool creates);
/* As above for a call whose failure can only mean that the device is gone. */
tn_status tn__opencl_lose(opencl_device *d, cl_int error, const char *call);

/* ---- opencl_program.c, opencl_cache.c ---- */
/* What a row's program is built for: so many operands, or packing. */
enum { OPENCL_SLOTS_4, OPENCL_SLOTS_8, OPENCL_SLOTS_ALL, OPENCL_PACK, OPENCL_FORMS };
/* The program of row `row` in one form, for so many work-items a group; built at first need, or
 * taken from the cache on disk. */
tn_status tn__opencl_program(opencl_device *d, uint32_t row, uint32_t form,
                             const tn_k_groups *groups, cl_program *out);
/* Gives up what was built. */
void tn__opencl_program_forget(opencl_device *d, opencl_program *p);
/* Builds a text, or takes what was built before from the cache on disk; the log's end goes to
 * `log`. NULL: *out_error says why. */
cl_program tn__opencl_build(opencl_device *d, const char *const *text, uint32_t texts,
                            const char *options, char *log, size_t log_bytes, cl_int *out_error);
uint64_t tn__opencl_hash(uint64_t hash, const void *data, size_t bytes);
#define OPENCL_HASH_START 0xcbf29ce484222325u
/* A binary by its key; NULL: there is none that can be trusted. The caller frees *out_bytes. */
void *tn__opencl_cache_read(const tn_host *host, uint64_t key, size_t *out_bytes);
void tn__opencl_cache_write(const tn_host *host, uint64_t key, const void *binary, size_t bytes);

/* ---- opencl_probe.c ---- */
/* Finds out whether sums are right. */
tn_status tn__opencl_probe(opencl_device *d);

/* ---- opencl_buffer.c ---- */
typedef struct opencl_buffer {
    opencl_device *device;
    cl_mem mem;
    uint64_t bytes;
    unsigned char *mapped; /* the whole buffer, while `maps` ranges of it are mapped */
    uint32_t maps;
    void (*release)(void *self); /* imported memory */
    void *release_self;
} opencl_buffer;
tn_status tn__opencl_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                                   const tn_buffer_ops **out_ops);
tn_status tn__opencl_buffer_import(void *device, const tn_external *external, void **out,
                                   const tn_buffer_ops **out_ops);

/* ---- opencl_plan.c ---- */
enum { OPENCL_PARAMS_AT = 512 }; /* in a plan's box, behind the launch */
typedef struct opencl_plan {
    opencl_device *device;
    const tn_k_op *op;
    const tn_k_variant *variant;
    uint32_t row; /* of tn_k_opencl_rows */
    tn_k_launch launch;
    tn_k_groups groups;
    tn_numerics numerics;
    pthread_mutex_t lock; /* guards: the kernels' arguments until they are enqueued */
    cl_kernel run, pack;
    uint32_t slots;         /* operands that the run kernel has room for */
    cl_mem box;             /* launch and params, where kernels read them */
    uint64_t scratch_bytes; /* of all tasks of the largest phase */
    TN_ALIGNED(64) unsigned char params[TN_K_PARAMS_BYTES];
} opencl_plan;
tn_status tn__opencl_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                                 tn_choice_fn fn, void *self, void **out,
                                 const tn_plan_ops **out_ops);
tn_status tn__opencl_supports(void *device, const tn_op *op);

/* ---- opencl_queue.c ---- */
typedef struct opencl_queue {
    opencl_device *device;
    void *token;
    cl_command_queue commands;
    item_ring ring;
} opencl_queue;
/* What an enqueueing call leaves behind. */
typedef struct opencl_handed {
    cl_event first, last;  /* last NULL: done once everything before it is */
    cl_mem held;           /* released with the item; PACK: the shape, made if it is not there */
    const char *call;      /* that failed */
    bool untimed;          /* the events do not tell when it began and ended */
    opencl_recording into; /* kernels are recorded, not enqueued, and leave no events */
    struct opencl_commands *list; /* what they are recorded for, or NULL */
} opencl_handed;
/* Enqueues one item, or records its kernels. */
cl_int tn__opencl_hand(opencl_queue *q, const tn_work *w, opencl_handed *h);
/* Takes an event over, or NULL: keeps the first and the newest. */
void tn__opencl_keep_event(opencl_queue *q, opencl_handed *h, cl_event event);
/* The shape of a PACK's source, where its kernel reads it. */
cl_mem tn__opencl_shape(opencl_device *d, const tn_tensor *shape, cl_int *out_error);
tn_status tn__opencl_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                                  const tn_queue_ops **out_ops);

/* ---- opencl_commands.c: recorded work ---- */
/* Finds out whether lists go into command buffers; else they are enqueued as they are. */
void tn__opencl_find_commands(opencl_device *d);
tn_status tn__opencl_record(void *queue, const tn_work *works, uint32_t count, void **out);
void tn__opencl_commands_destroy(void *queue, void *commands);
cl_int tn__opencl_hand_commands(opencl_queue *q, const void *commands, opencl_handed *h);
/* The kernel itself or, for a list, one of the same program that nobody else gives arguments to:
 * PoCL 3.1 runs recorded kernels with those that their object was given last. */
cl_int tn__opencl_twin(opencl_queue *q, opencl_handed *h, cl_kernel of, cl_kernel *out);

/* ---- opencl_device.c ---- */
tn_status tn__opencl_open(const tn_host *host, const char *arg, void *token, void **out,
                          const tn_device_ops **out_ops);

static inline void *tn__opencl_take(const tn_host *host, size_t bytes)
{
    void *p = host->allocator.alloc(host->allocator.self, bytes, 64);
    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

static inline void tn__opencl_give(const tn_host *host, void *p, size_t bytes)
{
    if (p != NULL)
        host->allocator.free(host->allocator.self, p, bytes);
}

#define OPENCL_FAIL(host, status, reason, ...)                                                     \
    (host)->fail(status, reason, __FILE__, __LINE__, __VA_ARGS__)
/* With the name of the offending argument, field or operand. */
#define OPENCL_FAIL_ARGUMENT(host, status, reason, argument, ...)                                  \
    (host)->fail_argument(status, reason, argument, __FILE__, __LINE__, __VA_ARGS__)
#define OPENCL_NO_HOST_MEMORY(host, what)                                                          \
    OPENCL_FAIL(host, TN_STATUS_NO_MEMORY, "host.memory",                                          \
                "no host memory for " what "; free something and try again")

#endif

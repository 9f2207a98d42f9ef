/* SPDX-License-Identifier: Apache-2.0 */
/* Traces, plugins, fault injection, the bus of a chip: data, never text formats. */
#ifndef TENON_DIAG_H
#define TENON_DIAG_H

#include <tenon/device.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_event_kind {
    TN_EVENT_SLICE = 1, /* something that took from start_ns to end_ns; slices of a queue never
                           overlap, those of a host thread are apart or one inside the other */
    TN_EVENT_SIGNAL,    /* the slice of the same track and item brought fence `flow` to `value` */
    TN_EVENT_WAIT,      /* that slice went on because fence `flow` had reached `value` */
    TN_EVENT_COUNTER,   /* what is counted on `track` is `value` from start_ns on */
    TN_EVENT_MARK       /* something that took no time, at start_ns:
                           submit    a host thread gave item `value` to the queue of track_id `flow`
                           plan_hit  a host thread found a plan that was made before
                           fallback  device `track` refused op for `reason`; `device` runs it
                           lost      device `track` was lost for `reason` */
} tn_event_kind;
typedef struct tn_event { /* no string is NULL; what does not apply is "" or 0 */
    tn_event_kind kind;
    tn_status status; /* SLICE: how it ended; MARK: what the reason is of */
    int32_t cls;      /* tn_class of a plan, -1 where there is none */
    /* Which crossing of api > placement > queue > backend > kernel > device the time was spent at:
     * api (a host thread in a call), placement (making a plan), queue (work that the core did in
     * the device's stead), kernel (running or packing for a plan), device (other work). */
    const char *crossing;
    const char *track;  /* URI of the queue's or counter's device; "host" for a host thread */
    const char *name;   /* SLICE: op, kind of work or call; COUNTER: what is counted; MARK: what */
    const char *device; /* URI of the queue's or the plan's device */
    const char *op;     /* text form, of a plan */
    const char *kernel; /* variant, of a plan */
    const char *reason; /* id, where status is not TN_OK */
    uint64_t track_id;  /* tells apart tracks of the same name */
    uint64_t item;      /* number of the work in its queue; of a host's slice: its own */
    uint64_t flow, value;
    uint64_t submitted_ns, start_ns, end_ns; /* monotonic, as tn_times; submitted: 0 on the host */
    uint64_t bytes, flops;                   /* moved, or by the cost of the op */
} tn_event;

/** Hand what happens from now on to fn as events; NULL stops. Work that was submitted while nobody
 *  listened is not told. The events of one item come before its fences are signalled, but for the
 *  mark of its submit, which comes before the call that submits returns.
 *  memory    the event is borrowed during the call; once this returns, the former fn is not called
 *            any more
 *  returns   INVALID from inside of fn
 *  threads   thread-safe; fn is called without a lock, on any thread and on several at a time; it
 *            must not wait for work
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_runtime_trace(tn_runtime *runtime,
                                               void (*fn)(void *self, const tn_event *event),
                                               void *self);

/** List the plugins that were looked at, with the reason for each refusal: every file
 *  tenon_backend_*.so in a folder of the plugin path or in that of the installation, and every
 *  named folder that cannot be read. Looks for them if nothing did before.
 *  memory    path and reason are borrowed during the call; a plugin that is in use has TN_OK and
 *            "plugin.loaded"; of a refused one tn_error_last has the text, during the call
 *  returns   INVALID, NO_MEMORY
 *  threads   thread-safe; the first call may block while plugins are tried in a child process
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_runtime_plugins(tn_runtime *runtime,
                                                 void (*fn)(void *self, const char *path,
                                                            tn_status status, const char *reason),
                                                 void *self);

/** Inject faults at the front functions of any device, by count, op, size or chance: "lose at=17;
 *  fail op=copy nth=3 as=no_memory" (docs/FAULTS.md has the language). The calls of the device are
 *  counted from 1 on; which of them are struck depends on the script and the order of calls alone.
 *  A call that answers at once fails at once; work fails in queue order, as if the device had.
 *  memory    the script is not kept; it replaces the one before, "" ends faults
 *  returns   INVALID with line and column, the script in force then stays; NO_MEMORY; DEVICE_LOST
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_inject(tn_device *device, const char *script);
/* bring-up (levels 0 to 3): the bus that the driver itself uses, and what the chip says about
 * itself */
typedef struct tn_bus {
    void *self;
    uint32_t (*read32)(void *self, uint32_t offset);
    void (*write32)(void *self, uint32_t offset, uint32_t value);
    void *(*dma_alloc)(void *self, size_t bytes, size_t align, uint64_t *out_iova);
    void (*dma_free)(void *self, void *p);
    void (*dma_sync)(void *self, void *p, size_t bytes, int32_t to_device);
    int32_t (*wait)(void *self, uint32_t irq_mask, uint64_t timeout_ns);
    uint64_t (*now_ns)(void *self);
} tn_bus;
typedef struct tn_register {
    uint32_t offset, reset, writable_mask, flags;
    const char *name;
} tn_register;
typedef struct tn_chip {
    tn_head head;
    const tn_register *registers;
    uint32_t register_count, window_offset, window_bytes, doorbell_offset;
    uint32_t dma_align, flags;
    uint32_t ring_offset, ring_log2_offset, head_offset, reset_offset;
    /* builds one packet of the chip's own format into `out`, returns its bytes, 0 if the chip has
     * none; what: TN_PACKET_NOP, COPY, FILL, SIGNAL, WAIT, BAD, HANG */
    uint32_t (*packet)(uint32_t what, uint64_t a, uint64_t b, uint64_t bytes, uint8_t *out,
                       uint32_t out_bytes);
} tn_chip;

/** The bus that the driver itself uses, for bring-up; takes the device out of service.
 *  returns   UNSUPPORTED where there are no registers to show
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_bus(tn_device *device, tn_bus *out_bus, tn_chip *out_chip);

#ifdef __cplusplus
}
#endif

#endif

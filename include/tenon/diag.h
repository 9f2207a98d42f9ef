/* SPDX-License-Identifier: Apache-2.0 */
/* Traces, plugins, fault injection, the bus of a chip: data, never text formats. */
#ifndef TENON_DIAG_H
#define TENON_DIAG_H

#include <tenon/device.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_event {
    const char *track, *name, *args;
    uint64_t start_ns, end_ns, flow;
} tn_event;

/** Hand every event to fn; NULL stops.
 *  memory    the event is borrowed during the call
 *  threads   thread-safe; fn is called without a lock, on any thread
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

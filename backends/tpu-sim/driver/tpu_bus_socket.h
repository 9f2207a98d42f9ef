/* SPDX-License-Identifier: Apache-2.0 */
/* A bus over a stream socket, for an RTL bench, a board in a lab, or a model somewhere else. */
#ifndef TN_BACKENDS_TPU_BUS_SOCKET_H
#define TN_BACKENDS_TPU_BUS_SOCKET_H

#include <backends/tpu-sim/model/sim.h>
#include <tenon/diag.h>

/* One request, answered before the next. Numbers are little endian; what follows it is `bytes`
 * long. */
typedef struct tpu_message {
    uint32_t kind, offset;
    uint64_t a, b, bytes;
} tpu_message;
enum {
    TPU_SAY_READ = 1, /* offset -> a */
    TPU_SAY_WRITE,    /* offset, a; no answer */
    TPU_SAY_WAIT,     /* offset the mask, a nanoseconds -> a: 1 for an interrupt */
    TPU_SAY_NOW,      /* -> a */
    TPU_SAY_ALLOC,    /* a address, b bytes -> a: 1 if there is room */
    TPU_SAY_FREE,     /* a address; no answer */
    TPU_SAY_PUT,      /* a address, and bytes for there; no answer */
    TPU_SAY_GET,      /* a address, b bytes -> bytes */
    TPU_SAY_CLOSE     /* no answer */
};

/** Connects to "/path" or "host:port". Memory is the driver's; the other side keeps a copy that
 * dma_sync brings up to date. threads   dma_alloc and dma_free from any thread; the rest externally
 * synchronised */
bool tn__tpu_socket_open(const tn_allocator *allocator, const char *address, tn_bus *out,
                         char *error, size_t room);
void tn__tpu_socket_close(tn_bus *bus);
/** Waits for one driver at an address and is a chip for it until it closes. */
bool tn__tpu_socket_serve(const tn_allocator *allocator, const char *address,
                          const sim_profile *profile, const sim_options *options, uint32_t idle_ms,
                          char *error, size_t room);

#endif

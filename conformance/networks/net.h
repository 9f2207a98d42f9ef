/* SPDX-License-Identifier: Apache-2.0 */
/* Level 8: networks put together of public ops, with their reference in float64 and a bound that
 * goes from layer to layer. */
#ifndef TN_CONFORMANCE_NET_H
#define TN_CONFORMANCE_NET_H

#include <conformance/stress/step.h>

enum { TN_V_NET_VALUES = 256, TN_V_NET_LAYERS = 160, TN_V_NET_BINDS = 8 };

/* Memory that layers read and write, through the strides of their operands. */
typedef struct tn_v_net_value {
    tn_buffer *buffer;
    int64_t count;
    unsigned char *start; /* what it holds before the first layer */
    double *ref, *err;    /* what it holds, and how far a device may be off */
    bool given;           /* nobody has computed it */
} tn_v_net_value;

typedef struct tn_v_net_bind {
    uint32_t role;
    int value;
    int64_t offset; /* elements */
} tn_v_net_bind;

typedef struct tn_v_net_layer {
    tn_v_step step;
    int value[TN_V_ARGS];
    int64_t offset[TN_V_ARGS];
} tn_v_net_layer;

typedef struct tn_v_net {
    tn_v_session *s; /* its device, or cpu */
    tn_v_result *out;
    tn_v_random *r;
    tn_dtype dtype;
    bool canonical;
    int values, layers, last; /* last: the value that is the network's result */
    tn_v_net_value value[TN_V_NET_VALUES];
    tn_v_net_layer layer[TN_V_NET_LAYERS];
} tn_v_net;

/** Memory of `count` elements: random numbers of magnitude `scale`; 0: poison that nobody may read.
 *  returns   its number; -1 without memory, and every later call fails */
int tn_v_net_memory(tn_v_net *n, int64_t count, double scale);

/** A layer: `format` is the text of its op with %s where the type stands. Inputs that are not bound
 *  are weights of its own; the output, where it is not bound, is new memory.
 *  returns   the number of the output's value; -1: out->message and out->status say why */
int tn_v_net_layer_of(tn_v_net *n, const char *format, const tn_v_net_bind *binds, int count);

/* The reference of the layer and how far it may be off, into the value of its output;
 * `propagate.c`. */
bool tn_v_net_refer(tn_v_net *n, const tn_v_net_layer *layer);

/* One at a time with each layer judged, then all at once; the result of both. */
bool tn_v_net_run(tn_v_net *n, unsigned char **result);
void tn_v_net_free(tn_v_net *n);

#endif

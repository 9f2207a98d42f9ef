/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough of ONNX's protobuf to write a model of one node into memory. */
#ifndef TN_BENCH_ONNX_MODEL_H
#define TN_BENCH_ONNX_MODEL_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ONNX_FLOAT = 1, ONNX_UINT8 = 2, ONNX_INT8 = 3, ONNX_INT32 = 6 };
/* Numbers of fields, by message. */
enum {
    MODEL_IR = 1,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    OPSET_DOMAIN = 1,
    OPSET_VERSION = 2,
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_F = 2,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_TYPE = 20,
    TENSOR_DIMS = 1,
    TENSOR_TYPE = 2,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9
};

/* Bytes that grow; `failed` sticks, so that only the end has to be looked at. */
typedef struct onnx_bytes {
    unsigned char *data;
    size_t size, room;
    int failed;
} onnx_bytes;

static inline void onnx_put(onnx_bytes *b, const void *from, size_t n)
{
    if (b->size + n > b->room) {
        size_t room = (b->size + n) * 2 + 64;
        unsigned char *more = realloc(b->data, room);
        if (more == NULL) {
            b->failed = 1;
            return;
        }
        b->data = more;
        b->room = room;
    }
    memcpy(b->data + b->size, from, n);
    b->size += n;
}

static inline void onnx_varint(onnx_bytes *b, uint64_t v)
{
    unsigned char out[10];
    size_t n = 0;
    do {
        out[n++] = (unsigned char)((v & 127u) | (v > 127u ? 128u : 0u));
        v >>= 7;
    } while (v != 0);
    onnx_put(b, out, n);
}

static inline void onnx_int(onnx_bytes *b, uint32_t field, int64_t v)
{
    onnx_varint(b, field << 3);
    onnx_varint(b, (uint64_t)v);
}

static inline void onnx_float(onnx_bytes *b, uint32_t field, float v)
{
    onnx_varint(b, field << 3 | 5u);
    onnx_put(b, &v, 4);
}

static inline void onnx_block(onnx_bytes *b, uint32_t field, const void *from, size_t n)
{
    onnx_varint(b, field << 3 | 2u);
    onnx_varint(b, n);
    onnx_put(b, from, n);
}

static inline void onnx_text(onnx_bytes *b, uint32_t field, const char *text)
{
    onnx_block(b, field, text, strlen(text));
}

/* Puts a finished message into another and frees it. */
static inline void onnx_message(onnx_bytes *b, uint32_t field, onnx_bytes *inner)
{
    b->failed |= inner->failed;
    onnx_block(b, field, inner->data, inner->size);
    free(inner->data);
    memset(inner, 0, sizeof *inner);
}

static inline void onnx_attribute_int(onnx_bytes *node, const char *name, int64_t v)
{
    onnx_bytes a = {0};
    onnx_text(&a, ATTRIBUTE_NAME, name);
    onnx_int(&a, ATTRIBUTE_I, v);
    onnx_int(&a, ATTRIBUTE_TYPE, 2);
    onnx_message(node, NODE_ATTRIBUTE, &a);
}

static inline void onnx_attribute_float(onnx_bytes *node, const char *name, float v)
{
    onnx_bytes a = {0};
    onnx_text(&a, ATTRIBUTE_NAME, name);
    onnx_float(&a, ATTRIBUTE_F, v);
    onnx_int(&a, ATTRIBUTE_TYPE, 1);
    onnx_message(node, NODE_ATTRIBUTE, &a);
}

static inline void onnx_attribute_ints(onnx_bytes *node, const char *name, const int64_t *v,
                                       size_t n)
{
    onnx_bytes a = {0};
    onnx_text(&a, ATTRIBUTE_NAME, name);
    for (size_t i = 0; i < n; ++i)
        onnx_int(&a, ATTRIBUTE_INTS, v[i]);
    onnx_int(&a, ATTRIBUTE_TYPE, 7);
    onnx_message(node, NODE_ATTRIBUTE, &a);
}

/* An input or output of the graph. */
static inline void onnx_value(onnx_bytes *graph, uint32_t field, const char *name, int type,
                              const int64_t *dim, size_t rank)
{
    onnx_bytes shape = {0}, tensor = {0}, kind = {0}, value = {0};
    for (size_t d = 0; d < rank; ++d) {
        onnx_bytes one = {0};
        onnx_int(&one, 1, dim[d]);
        onnx_message(&shape, 1, &one);
    }
    onnx_int(&tensor, 1, type);
    onnx_message(&tensor, 2, &shape);
    onnx_message(&kind, 1, &tensor);
    onnx_text(&value, 1, name);
    onnx_message(&value, 2, &kind);
    onnx_message(graph, field, &value);
}

/* A constant, which the library may put in a layout of its own. */
static inline void onnx_constant(onnx_bytes *graph, const char *name, int type, const int64_t *dim,
                                 size_t rank, const void *data, size_t bytes)
{
    onnx_bytes t = {0};
    for (size_t d = 0; d < rank; ++d)
        onnx_int(&t, TENSOR_DIMS, dim[d]);
    onnx_int(&t, TENSOR_TYPE, type);
    onnx_text(&t, TENSOR_NAME, name);
    onnx_block(&t, TENSOR_RAW, data, bytes);
    onnx_message(graph, GRAPH_INITIALIZER, &t);
}

/* The model around a graph, whose bytes are freed. */
static inline onnx_bytes onnx_model(onnx_bytes *graph, int64_t opset)
{
    onnx_bytes model = {0}, set = {0};
    onnx_int(&model, MODEL_IR, 10);
    onnx_text(&set, OPSET_DOMAIN, "");
    onnx_int(&set, OPSET_VERSION, opset);
    onnx_message(&model, MODEL_OPSET, &set);
    onnx_message(&model, MODEL_GRAPH, graph);
    return model;
}

#endif

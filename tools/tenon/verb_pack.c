/* SPDX-License-Identifier: Apache-2.0 */
/* tenon pack: weights packed once for a device's kernel and kept in a file, which is mapped back
 * and checked; refused where the device packs in another way. */
#include "pack_file.h"
#include "tool.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *op, *weights, *out, *check, *device;
} options;

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'o':
        o->out = arg;
        return 0;
    case 'c':
        o->check = arg;
        return 0;
    case 'd':
        o->device = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->op == NULL)
            o->op = arg;
        else if (o->weights == NULL)
            o->weights = arg;
        else
            argp_error(state, "an op and one file of weights");
        return 0;
    case ARGP_KEY_END:
        if (o->check == NULL && (o->op == NULL || o->weights == NULL || o->out == NULL))
            argp_error(state, "give an op, a file of weights and -o FILE, or --check FILE [OP]");
        if (o->check != NULL && (o->weights != NULL || o->out != NULL))
            argp_error(state, "--check takes an op, but no weights and no -o");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The device, and a plan that takes b packed. */
typedef struct session {
    tn_runtime *rt;
    tn_device *device;
    tn_queue *queue;
    tn_op *op;
    tn_arg *b;
    tn_plan *plan;
    uint64_t layout, bytes;
    tn_plan_info info;
} session;

static void session_close(session *s)
{
    tn_plan_release(s->plan);
    tn_queue_release(s->queue);
    tn_device_release(s->device);
    if (s->op != NULL)
        tn_op_free(s->rt, s->op);
    tn_runtime_release(s->rt);
}

static bool session_open(const options *o, const char *text, session *s)
{
    memset(s, 0, sizeof *s);
    s->info.head = (tn_head)TN_INIT(tn_plan_info);
    if (tn_runtime_create(NULL, &s->rt) != TN_OK || tn_op_parse(s->rt, text, &s->op) != TN_OK)
        return tool_error(text) == 0;
    union {
        const tn_arg *read;
        tn_arg *write;
    } args = {s->op->args}; /* tn_op_parse gave them: they are ours */
    for (uint32_t i = 0; i < s->op->arg_count; ++i)
        if (args.write[i].role == TN_ARG_B)
            s->b = &args.write[i];
    if (s->b == NULL || (s->op->kind != TN_OP_MATMUL && s->op->kind != TN_OP_CONV)) {
        fprintf(stderr, "tenon pack: %s: only b of matmul and conv is packed\n", text);
        return false;
    }
    s->b->flags |= TN_ARG_PACKED;
    s->b->tensor.layout = 0; /* whatever the plan packs */
    if (tn_device_open(s->rt, o->device, &s->device) != TN_OK)
        return tool_error(o->device) == 0;
    if (tn_queue_create(s->device, NULL, &s->queue) != TN_OK ||
        tn_plan_create(s->device, s->op, NULL, &s->plan) != TN_OK ||
        tn_plan_layout(s->plan, TN_ARG_B, &s->layout, &s->bytes) != TN_OK ||
        tn_plan_get_info(s->plan, &s->info) != TN_OK)
        return tool_error(text) == 0;
    return true;
}

static bool buffer_of(const session *s, uint64_t bytes, tn_buffer **out)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    return tn_buffer_create(s->device, &desc, out) == TN_OK;
}

static bool idle(const session *s)
{
    return tn_queue_wait_idle(s->queue, UINT64_MAX) == TN_OK;
}

/* The mapped file becomes a buffer: in place where the device imports host memory, else copied. */
static bool take(const session *s, const pack_file *file, bool *out_mapped)
{
    union {
        const unsigned char *read;
        void *write;
    } data = {file->data}; /* an import is for reading here: b is an input */
    tn_external external = {.head = TN_INIT(tn_external),
                            .kind = TN_EXTERNAL_HOST,
                            .pointer = data.write,
                            .bytes = file->head.bytes};
    tn_buffer *b = NULL;
    void *back = malloc(file->head.bytes + 1);
    tn_error e;
    bool ok = tn_buffer_import(s->device, &external, &b) == TN_OK;
    *out_mapped = ok;
    if (!ok) {
        tn_error_last(&e);
        ok = e.status == TN_STATUS_UNSUPPORTED && buffer_of(s, file->head.bytes, &b) &&
             tn_queue_write(s->queue, b, 0, file->data, file->head.bytes, NULL) == TN_OK && idle(s);
    }
    ok = ok && back != NULL &&
         tn_queue_read(s->queue, back, b, 0, file->head.bytes, NULL) == TN_OK && idle(s);
    if (!ok)
        (void)tool_error("the packed weights on the device");
    else if (memcmp(back, file->data, file->head.bytes) != 0) {
        fprintf(stderr, "tenon pack: the device reads other bytes than the file holds\n");
        ok = false;
    }
    tn_buffer_release(b);
    free(back);
    return ok;
}

/* Maps a file, and asks the device whether it packs this op so. */
/* A panel's padding can hide that the file is of other weights: the layout says how, not how many.
 */
static bool same_shape(const session *s, const pack_head *head, const char *path, const char *text)
{
    const tn_tensor *b = &s->b->tensor;
    if (head->rank == b->rank && memcmp(head->dim, b->dim, b->rank * sizeof b->dim[0]) == 0)
        return true;
    fprintf(stderr, "tenon pack: %s: made for b of %s, which has another shape than b of %s\n",
            path, head->op, text);
    return false;
}

static int check(const options *o, const char *path)
{
    pack_file file;
    session s;
    bool mapped = false;
    if (!pack_open(path, &file))
        return 1;
    const char *text = o->op != NULL && o->check != NULL ? o->op : file.head.op;
    bool ok = session_open(o, text, &s) && same_shape(&s, &file.head, path, text);
    if (ok && (s.layout != file.head.layout || s.bytes != file.head.bytes)) {
        fprintf(
            stderr,
            "tenon pack: %s: made for layout %llx of %s (%llu bytes), %s on %s packs %s as %llx "
            "(%llu bytes); pack again there\n",
            path, (unsigned long long)file.head.layout, file.head.kernel,
            (unsigned long long)file.head.bytes, s.info.kernel, o->device, text,
            (unsigned long long)s.layout, (unsigned long long)s.bytes);
        ok = false;
    }
    ok = ok && take(&s, &file, &mapped);
    if (ok)
        printf("%s: %s\n  layout %llx, %llu bytes for %s, %s\n", path, text,
               (unsigned long long)s.layout, (unsigned long long)s.bytes, s.info.kernel,
               mapped ? "mapped in place" : "copied to the device");
    session_close(&s);
    pack_close(&file);
    return ok ? 0 : 1;
}

static bool pack(const session *s, const options *o)
{
    tn_tensor from = s->b->tensor;
    size_t bytes = tool_tensor_bytes(&from), size = 0;
    tn_buffer *plain = NULL, *packed = NULL;
    static pack_head head;
    void *data = pack_read_weights(o->weights, tn_dtype_name((tn_dtype)from.dtype), from.dim,
                                   from.rank, bytes);
    if (data == NULL)
        return false;
    void *out = calloc(1, s->bytes + 1);
    bool ok = out != NULL && buffer_of(s, bytes, &plain) && buffer_of(s, s->bytes, &packed) &&
              tn_queue_fill(s->queue, packed, 0, s->bytes / 4 * 4, 0, 4, NULL) == TN_OK &&
              tn_queue_write(s->queue, plain, 0, data, bytes, NULL) == TN_OK;
    from.buffer = plain;
    ok = ok && tn_queue_pack(s->queue, s->plan, TN_ARG_B, &from, packed, 0, NULL) == TN_OK &&
         tn_queue_read(s->queue, out, packed, 0, s->bytes, NULL) == TN_OK;
    ok = idle(s) && ok;
    if (!ok)
        (void)tool_error(o->weights);
    head = (pack_head){
        .library = tn_version(), .role = TN_ARG_B, .layout = s->layout, .bytes = s->bytes};
    head.rank = from.rank;
    memcpy(head.dim, from.dim, from.rank * sizeof from.dim[0]);
    size = sizeof head.op;
    if (ok && tn_op_format(s->op, head.op, &size) != TN_OK) {
        (void)tool_error(o->op);
        ok = false;
    }
    snprintf(head.kernel, sizeof head.kernel, "%.95s", s->info.kernel);
    snprintf(head.device, sizeof head.device, "%.127s", s->info.device);
    ok = ok && pack_write(o->out, &head, out);
    tn_buffer_release(plain);
    tn_buffer_release(packed);
    free(data);
    free(out);
    return ok;
}

int tool_pack(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"output", 'o', "FILE", 0, "where the packed weights go", 0},
        {"check", 'c', "FILE", 0, "map a file, check it, and that the device packs so", 0},
        {"device", 'd', "URI", 0, "cpu by default", 0},
        {0}};
    static const struct argp argp = {
        known,
        parse,
        "OP WEIGHTS -o FILE\n--check FILE [OP]",
        "Packs b of a matmul or conv for the kernel that a device gives "
        "it. WEIGHTS is raw or .npy.\v"
        "  tenon pack \"matmul 64x512x256:u8s8s32\" b.npy -o b.pack\n"
        "  tenon pack --check b.pack",
        NULL,
        NULL,
        NULL};
    options o = {.device = "cpu"};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (o.check != NULL)
        return check(&o, o.check);
    session s;
    bool ok = session_open(&o, o.op, &s) && pack(&s, &o);
    session_close(&s);
    return ok ? check(&o, o.out) : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A network on a device: memory, layers, both ways to run them. */
#include <conformance/networks/net.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tn_v_net_memory(tn_v_net *n, int64_t count, double scale)
{
    if (n->values == TN_V_NET_VALUES)
        return -1;
    uint32_t elem = tn_v_elem_bytes(n->dtype);
    tn_v_net_value *v = &n->value[n->values];
    v->count = count;
    v->given = scale != 0;
    v->start = malloc((size_t)count * elem + 1);
    v->ref = calloc((size_t)count + 1, sizeof *v->ref);
    v->err = calloc((size_t)count + 1, sizeof *v->err);
    n->values++; /* whatever there is of it is given back */
    if (v->start == NULL || v->ref == NULL || v->err == NULL) {
        n->out->status = TN_V_INTERNAL;
        (void)tn_v_wrong(n->out, "no host memory");
        return -1;
    }
    memset(v->start, 0xff, (size_t)count * elem);
    for (int64_t i = 0; i < count; ++i) {
        if (scale != 0)
            tn_v_encode(n->dtype, scale * (2 * tn_v_uniform(n->r) - 1), TN_V_NEAREST_EVEN, false,
                        v->start + i * elem);
        v->ref[i] = tn_v_decode(n->dtype, v->start + i * elem);
    }
    return tn_v_buffer(n->s, (uint64_t)count * elem, &v->buffer, n->out) ? n->values - 1 : -1;
}

/* Weights of an operand: sums of them stay about as large as what they are sums of. */
static double weight_scale(const tn_tensor *t, uint32_t role)
{
    double terms = 1;
    for (uint32_t d = 1; d < t->rank; ++d)
        terms *= (double)t->dim[d];
    return role == TN_ARG_GAMMA ? 1 : sqrt(3 / terms) / (t->rank < 2 ? 8 : 1);
}

static bool take_operands(tn_v_net *n, tn_v_net_layer *l, const tn_v_net_bind *binds, int count)
{
    const tn_op *op = l->step.op;
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        const tn_arg *a = &op->args[i];
        l->value[i] = -1;
        for (int b = 0; b < count; ++b)
            if (binds[b].role == a->role) {
                l->value[i] = binds[b].value;
                l->offset[i] = binds[b].offset;
            }
        bool output = tn_v_is_output(op, a->role);
        if (l->value[i] < 0)
            l->value[i] = tn_v_net_memory(n, tn_v_span(&a->tensor),
                                          output ? 0 : weight_scale(&a->tensor, a->role));
        if (l->value[i] < 0)
            return false;
        if (output)
            n->last = l->value[i];
    }
    return true;
}

int tn_v_net_layer_of(tn_v_net *n, const char *format, const tn_v_net_bind *binds, int count)
{
    char text[TN_V_NAME], *keys;
    tn_v_net_layer *l = &n->layer[n->layers];
    if (n->layers == TN_V_NET_LAYERS)
        return -1;
    for (int b = 0; b < count; ++b)
        if (binds[b].value < 0)
            return -1;
    snprintf(text, sizeof text, format, tn_dtype_name(n->dtype));
    keys = strchr(text, ':');
    keys = keys != NULL ? strchr(keys + 1, ':') : NULL;
    size_t used = strlen(text);
    if (n->canonical)
        snprintf(text + used, sizeof text - used, "%s", keys != NULL ? "+canonical" : ":canonical");
    n->layers++;
    if (!tn_v_step_make(n->s, n->s->device, text, &l->step, n->out) ||
        !take_operands(n, l, binds, count))
        return -1;
    if (!tn_v_net_refer(n, l)) {
        n->out->status = TN_V_INTERNAL;
        (void)tn_v_wrong(n->out, "no bound goes through %.300s", text);
        return -1;
    }
    return n->last;
}

static tn_status submit(tn_v_net *n, const tn_v_net_layer *l)
{
    tn_bind bind[TN_V_ARGS];
    const tn_op *op = l->step.op;
    for (uint32_t i = 0; i < op->arg_count; ++i)
        bind[i] = (tn_bind){op->args[i].role, 0, n->value[l->value[i]].buffer,
                            (uint64_t)l->offset[i] * tn_v_elem_bytes(n->dtype)};
    return tn_queue_run(n->s->queue, l->step.plan, bind, op->arg_count, NULL, NULL);
}

static bool start(tn_v_net *n)
{
    tn_status st = TN_OK;
    for (int v = 0; v < n->values && st == TN_OK; ++v)
        st = tn_queue_write(n->s->queue, n->value[v].buffer, 0, n->value[v].start,
                            (uint64_t)n->value[v].count * tn_v_elem_bytes(n->dtype), NULL);
    tn_status idle = tn_v_wait_idle(n->s, n->s->queue);
    return tn_v_good(n->out, st != TN_OK ? st : idle, "write");
}

static bool one_layer(tn_v_net *n, int at, unsigned char *const room[])
{
    tn_v_net_layer *l = &n->layer[at];
    const tn_op *op = l->step.op;
    const unsigned char *bytes[TN_V_ARGS] = {NULL};
    uint32_t elem = tn_v_elem_bytes(n->dtype);
    tn_status st = submit(n, l);
    tn_status idle = tn_v_wait_idle(n->s, n->s->queue);
    bool good = tn_v_good(n->out, st != TN_OK ? st : idle, "run");
    for (uint32_t i = 0; i < op->arg_count && good; ++i) {
        const tn_v_net_value *v = &n->value[l->value[i]];
        good = tn_v_get(n->s, room[l->value[i]], v->buffer, 0, (uint64_t)v->count * elem, n->out);
        bytes[i] = room[l->value[i]] + l->offset[i] * elem;
    }
    if (!good || tn_v_step_right(&l->step, bytes, n->out))
        return good;
    char text[160] = "", why[sizeof n->out->message];
    size_t most = sizeof text;
    memcpy(why, n->out->message, sizeof why);
    (void)!tn_op_format(op, text, &most);
    return tn_v_wrong(n->out, "layer %d (%s): %.250s", at, text, why);
}

static bool within(tn_v_net *n, const unsigned char *got)
{
    const tn_v_net_value *v = &n->value[n->last];
    for (int64_t i = 0; i < v->count; ++i) {
        double x = tn_v_decode(n->dtype, got + i * tn_v_elem_bytes(n->dtype));
        double ratio = fabs(x - v->ref[i]) / v->err[i];
        n->out->elements++;
        if (ratio > n->out->ratio)
            n->out->ratio = ratio;
        if (!(ratio <= 1))
            return tn_v_wrong(n->out,
                              "element %lld of the network's result is %.9g, %.9g +- %.3g is right",
                              (long long)i, x, v->ref[i], v->err[i]);
    }
    return true;
}

bool tn_v_net_run(tn_v_net *n, unsigned char **result)
{
    unsigned char *room[TN_V_NET_VALUES] = {NULL}, *got;
    uint32_t elem = tn_v_elem_bytes(n->dtype);
    uint64_t bytes = (uint64_t)n->value[n->last].count * elem;
    bool repeatable = true;
    *result = got = malloc(bytes + 1);
    bool good = got != NULL && start(n);
    for (int v = 0; v < n->values && good; ++v)
        good = (room[v] = malloc((size_t)n->value[v].count * elem + 1)) != NULL;
    for (int l = 0; l < n->layers && good; ++l) {
        good = one_layer(n, l, room);
        repeatable = repeatable && !n->layer[l].step.unrepeatable;
    }
    good = good && within(n, room[n->last]) && start(n);
    tn_status st = TN_OK; /* no wait between the layers */
    for (int l = 0; l < n->layers && good && st == TN_OK; ++l)
        st = submit(n, &n->layer[l]);
    if (good && st == TN_OK)
        st = tn_queue_read(n->s->queue, got, n->value[n->last].buffer, 0, bytes, NULL);
    tn_status idle = tn_v_wait_idle(n->s, n->s->queue);
    good = good && tn_v_good(n->out, st != TN_OK ? st : idle, "run") && within(n, got);
    if (good && repeatable && memcmp(got, room[n->last], bytes) != 0)
        good = tn_v_wrong(n->out, "all layers at once give other bits than one at a time");
    for (int v = 0; v < n->values; ++v)
        free(room[v]);
    return good;
}

void tn_v_net_free(tn_v_net *n)
{
    for (int l = 0; l < n->layers; ++l)
        tn_v_step_drop(n->s, &n->layer[l].step);
    for (int v = 0; v < n->values; ++v) {
        tn_buffer_release(n->value[v].buffer);
        free(n->value[v].start);
        free(n->value[v].ref);
        free(n->value[v].err);
    }
    free(n);
}

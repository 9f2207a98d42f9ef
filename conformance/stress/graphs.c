/* SPDX-License-Identifier: Apache-2.0 */
/* Level 7: drawn graphs of ops over several queues. Places are used again as soon as their readers
 * are done, which fences alone say; work is submitted before what it waits for. Every graph is also
 * run one item at a time: each result is judged there, and all bits have to be the same here. */
#include <conformance/stress/step.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 10, NODES = 128, QUEUES = 4, STEPS = 16, LAPS = 2 };
enum { RUN, COPY, WRITE, READ, CALL };

typedef struct node {
    int kind, step, in[2], out, queue;
    uint64_t turn;          /* in its queue, from 1 */
    uint64_t after[QUEUES]; /* turns of other queues that have to be over; 0: none */
    unsigned char *host;    /* WRITE: what is written */
    unsigned char *seen;    /* READ: what came */
    unsigned char *want;    /* READ: what came one at a time */
} node;

typedef struct graph {
    tn_v_session *s;
    tn_v_result *out;
    tn_dtype dtype;
    int side, nodes, queues, steps;
    bool recorded;
    uint64_t bytes;
    tn_v_step step[STEPS];
    bool two[STEPS];  /* reads two operands */
    int grows[STEPS]; /* see forms */
    node node[NODES];
    tn_buffer *place[PLACES];
    unsigned char *shadow[PLACES]; /* contents, one at a time */
    tn_queue *queue[QUEUES];
    tn_fence *fence[QUEUES];
    uint64_t turns[QUEUES];
    atomic_int calls;
} graph;

/* grows: how the magnitude of a result comes of the operands': 0: at most 1; 1: a + 1; 2: a + b; 3:
 * of a sum of products; 4: a b. */
static const struct {
    const char *text;
    bool two;
    int grows;
} forms[] = {
    {"matmul %dx%dx%d:%s", true, 3},        {"matmul %dx%dx%d:%s:nt", true, 3},
    {"matmul %dx%dx%d:%s:tn", true, 3},     {"eltwise add %dx%d:%s", true, 2},
    {"eltwise sub %dx%d:%s", true, 2},      {"eltwise mul %dx%d:%s", true, 4},
    {"eltwise max %dx%d:%s", true, 2},      {"eltwise neg %dx%d:%s", false, 1},
    {"eltwise relu %dx%d:%s", false, 1},    {"eltwise tanh %dx%d:%s", false, 0},
    {"eltwise sigmoid %dx%d:%s", false, 0}, {"eltwise scale %dx%d:%s:pa=0.5+pb=-0.25", false, 1},
    {"softmax %dx%d:%s:axis=1", false, 0},
};
enum { FORMS = sizeof forms / sizeof forms[0] };
static_assert((int)FORMS <= (int)STEPS, "a step for each form");

static double size_of(const graph *g, int step, double a, double b)
{
    switch (g->grows[step]) {
    case 0:
        return 1;
    case 1:
        return a + 1;
    case 2:
        return a + b;
    case 3:
        return g->side * a * b;
    default:
        return a * b;
    }
}

static bool make_steps(graph *g)
{
    for (int f = 0; f < FORMS; ++f) {
        char text[96];
        const char *type = tn_dtype_name(g->dtype);
        if (strncmp(forms[f].text, "matmul", 6) == 0)
            snprintf(text, sizeof text, forms[f].text, g->side, g->side, g->side, type);
        else
            snprintf(text, sizeof text, forms[f].text, g->side, g->side, type);
        tn_v_step *step = &g->step[g->steps];
        if (!tn_v_step_make(g->s, g->s->device, text, step, g->out)) {
            if (g->out->status != TN_V_NOT_SUPPORTED)
                return false;
            tn_v_step_drop(g->s, step);
            continue;
        }
        if (step->unrepeatable) { /* its bits are no promise */
            tn_v_step_drop(g->s, step);
            continue;
        }
        g->two[g->steps] = forms[f].two;
        g->grows[g->steps++] = forms[f].grows;
    }
    if (g->steps == 0)
        return false;
    g->out->status = TN_V_PASS;
    g->out->message[0] = '\0';
    return true;
}

/* What each place holds while the graph is drawn. */
typedef struct drawing {
    int writer[PLACES], readers[PLACES][NODES], reader_count[PLACES];
    double size[PLACES];
} drawing;

static void wait_for(graph *g, int n, int other)
{
    const node *o = &g->node[other];
    node *at = &g->node[n];
    if (o->queue != at->queue && o->turn > at->after[o->queue])
        at->after[o->queue] = o->turn;
}

static void reads(graph *g, drawing *d, int n, int place)
{
    if (d->writer[place] >= 0)
        wait_for(g, n, d->writer[place]);
    d->readers[place][d->reader_count[place]++] = n;
}

static void writes(graph *g, drawing *d, int n, int place)
{
    if (d->writer[place] >= 0)
        wait_for(g, n, d->writer[place]);
    for (int i = 0; i < d->reader_count[place]; ++i)
        wait_for(g, n, d->readers[place][i]);
    d->reader_count[place] = 0;
    d->writer[place] = n;
}

static int draw_kind(tn_v_random *r)
{
    int64_t k = tn_v_below(r, 16);
    return k < 10 ? RUN : k < 12 ? COPY : k < 13 ? WRITE : k < 15 ? READ : CALL;
}

/* A step whose result stays in the range of the type. */
static void draw_step(graph *g, drawing *d, node *at, tn_v_random *r)
{
    double most = g->dtype == TN_F16 ? 1e3 : 1e6;
    do {
        at->step = (int)tn_v_below(r, g->steps);
        at->in[0] = (int)tn_v_below(r, PLACES);
        at->in[1] = g->two[at->step] ? (int)tn_v_below(r, PLACES) : at->in[0];
    } while (size_of(g, at->step, d->size[at->in[0]], d->size[at->in[1]]) > most &&
             (g->grows[at->step] > 1 || d->size[at->in[0]] + 1 > most));
}

static bool draw(graph *g, tn_v_random *r)
{
    drawing *d = calloc(1, sizeof *d);
    if (d == NULL)
        return tn_v_wrong(g->out, "no host memory");
    for (int p = 0; p < PLACES; ++p)
        d->writer[p] = -1;
    for (int n = 0; n < g->nodes; ++n) {
        node *at = &g->node[n];
        at->kind = n < PLACES ? WRITE : draw_kind(r); /* first something in every place */
        at->queue = (int)tn_v_below(r, g->queues);
        at->turn = ++g->turns[at->queue];
        at->out = n < PLACES ? n : (int)tn_v_below(r, PLACES);
        at->in[0] = (int)tn_v_below(r, PLACES);
        if (at->kind == RUN)
            draw_step(g, d, at, r);
        while (at->kind <= COPY &&
               (at->out == at->in[0] || (at->kind == RUN && at->out == at->in[1])))
            at->out = (at->out + 1) % PLACES;
        at->host = at->kind == WRITE ? malloc(g->bytes) : NULL;
        at->seen = at->kind == READ ? malloc(g->bytes) : NULL;
        at->want = at->kind == READ ? malloc(g->bytes) : NULL;
        if ((at->kind == WRITE && at->host == NULL) ||
            (at->kind == READ && (at->seen == NULL || at->want == NULL))) {
            free(d);
            return tn_v_wrong(g->out, "no host memory");
        }
        if (at->kind == WRITE)
            tn_v_draw(g->dtype, r, at->host, (int64_t)g->side * g->side);
        if (at->kind == CALL)
            continue;
        double size = 1;
        if (at->kind == RUN)
            size = size_of(g, at->step, d->size[at->in[0]], d->size[at->in[1]]);
        else if (at->kind == COPY)
            size = d->size[at->in[0]];
        if (at->kind != WRITE)
            reads(g, d, n, at->in[0]);
        if (at->kind == RUN && at->in[1] != at->in[0])
            reads(g, d, n, at->in[1]);
        if (at->kind != READ) {
            writes(g, d, n, at->out);
            d->size[at->out] = size;
        }
    }
    free(d);
    return true;
}

static void count_call(void *self)
{
    atomic_fetch_add((atomic_int *)self, 1);
}

static tn_status submit(graph *g, tn_queue *q, node *at, unsigned char *seen, const tn_sync *sync)
{
    tn_buffer **p = g->place;
    switch (at->kind) {
    case RUN: {
        const tn_op *op = g->step[at->step].op;
        tn_bind bind[3];
        for (uint32_t i = 0; i < op->arg_count; ++i) {
            uint32_t role = op->args[i].role;
            bind[i] = (tn_bind){
                role, 0, p[role == TN_ARG_OUT ? at->out : at->in[role == TN_ARG_A ? 0 : 1]], 0};
        }
        return tn_queue_run(q, g->step[at->step].plan, bind, op->arg_count, NULL, sync);
    }
    case COPY:
        return tn_queue_copy(q, p[at->out], 0, p[at->in[0]], 0, g->bytes, sync);
    case WRITE:
        return tn_queue_write(q, p[at->out], 0, at->host, g->bytes, sync);
    case READ:
        return tn_queue_read(q, seen, p[at->in[0]], 0, g->bytes, sync);
    default:
        return tn_queue_call(q, count_call, &g->calls, sync);
    }
}

static bool judge(graph *g, int n, const unsigned char *result)
{
    const node *at = &g->node[n];
    const tn_op *op = g->step[at->step].op;
    const unsigned char *bytes[TN_V_ARGS] = {NULL};
    char why[sizeof g->out->message], text[160] = "";
    size_t room = sizeof text;
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        uint32_t role = op->args[i].role;
        bytes[i] = role == TN_ARG_OUT ? result : g->shadow[at->in[role == TN_ARG_A ? 0 : 1]];
    }
    if (tn_v_step_right(&g->step[at->step], bytes, g->out))
        return true;
    memcpy(why, g->out->message, sizeof why);
    (void)!tn_op_format(op, text, &room);
    return tn_v_wrong(g->out, "node %d, one at a time (%s): %.200s", n, text, why);
}

/* The graph one item at a time, each result judged; what it leaves behind is what has to come. */
static bool one_by_one(graph *g)
{
    unsigned char *got = malloc(g->bytes);
    bool good = got != NULL;
    for (int n = 0; n < g->nodes && good; ++n) {
        node *at = &g->node[n];
        if (at->kind == CALL)
            continue;
        int place = at->kind == READ ? at->in[0] : at->out;
        tn_status st = submit(g, g->s->queue, at, at->want, NULL);
        tn_status idle = tn_v_wait_idle(g->s, g->s->queue);
        good = tn_v_good(g->out, st != TN_OK ? st : idle, "one at a time") &&
               tn_v_get(g->s, got, g->place[place], 0, g->bytes, g->out);
        const unsigned char *same = at->kind == COPY    ? g->shadow[at->in[0]]
                                    : at->kind == WRITE ? at->host
                                    : at->kind == READ  ? at->want
                                                        : NULL;
        if (good && at->kind == RUN)
            good = judge(g, n, got);
        else if (good && memcmp(got, same, g->bytes) != 0)
            good = tn_v_wrong(g->out, "node %d: data were not moved as they are", n);
        if (good)
            memcpy(g->shadow[place], got, g->bytes);
    }
    free(got);
    return good;
}

static bool compare(graph *g, const char *how)
{
    unsigned char *got = malloc(g->bytes);
    bool good = got != NULL;
    for (int n = 0; n < g->nodes && good; ++n)
        if (g->node[n].kind == READ && memcmp(g->node[n].seen, g->node[n].want, g->bytes) != 0)
            good = tn_v_wrong(g->out, "%s: what node %d read has other bits than one at a time",
                              how, n);
    for (int p = 0; p < PLACES && good; ++p) {
        good = tn_v_get(g->s, got, g->place[p], 0, g->bytes, g->out);
        int64_t at = good ? tn_v_differs(got, g->shadow[p], g->bytes) : -1;
        if (at >= 0)
            good = tn_v_wrong(g->out, "%s: byte %lld of place %d has other bits than one at a time",
                              how, (long long)at, p);
    }
    free(got);
    return good;
}

/* All at once, the queues in a drawn order. */
static bool at_once(graph *g, int lap, tn_v_random *r)
{
    int next[QUEUES] = {0}, left = g->nodes;
    tn_status st = TN_OK;
    while (left > 0 && st == TN_OK) {
        int q = (int)tn_v_below(r, g->queues), n = next[q];
        while (n < g->nodes && g->node[n].queue != q)
            ++n;
        next[q] = n + 1;
        if (n >= g->nodes)
            continue;
        node *at = &g->node[n];
        tn_point wait[QUEUES], done = {g->fence[q], (uint64_t)lap * g->turns[q] + at->turn};
        tn_sync sync = {.wait = wait, .signal = &done, .signal_count = 1};
        for (int k = 0; k < g->queues; ++k)
            if (at->after[k] > 0)
                wait[sync.wait_count++] =
                    (tn_point){g->fence[k], (uint64_t)lap * g->turns[k] + at->after[k]};
        st = submit(g, g->queue[q], at, at->seen, &sync);
        --left;
    }
    for (int q = 0; q < g->queues; ++q) {
        tn_status idle = tn_v_wait_idle(g->s, g->queue[q]);
        st = st != TN_OK ? st : idle;
    }
    return tn_v_good(g->out, st, "all at once") && compare(g, "all at once");
}

/* The whole graph recorded, and submitted again and again. */
static bool from_record(graph *g)
{
    tn_queue *recorder = NULL;
    tn_commands *commands = NULL;
    bool good = tn_v_good(g->out, tn_commands_begin(g->queue[0], &recorder), "begin");
    for (int n = 0; n < g->nodes && good; ++n)
        good = tn_v_good(g->out, submit(g, recorder, &g->node[n], g->node[n].seen, NULL), "record");
    good = good && tn_v_good(g->out, tn_commands_end(recorder, &commands), "end");
    for (int lap = 0; lap < LAPS + 1 && good; ++lap) {
        for (int n = 0; n < g->nodes; ++n)
            if (g->node[n].kind == READ)
                memset(g->node[n].seen, 0xa5, g->bytes);
        tn_status st = tn_queue_submit(g->queue[0], commands, NULL);
        tn_status idle = tn_v_wait_idle(g->s, g->queue[0]);
        good = tn_v_good(g->out, st != TN_OK ? st : idle, "submit") && compare(g, "recorded");
    }
    tn_commands_release(commands);
    tn_queue_release(recorder);
    return good;
}

static bool set_up(graph *g)
{
    for (int q = 0; q < g->queues; ++q)
        if (tn_queue_create(g->s->device, NULL, &g->queue[q]) != TN_OK) {
            g->queues = q; /* the device has no more */
            break;
        }
    bool good = g->queues > 0 || tn_v_wrong(g->out, "no queue can be made");
    for (int q = 0; q < g->queues && good; ++q)
        good = tn_v_good(g->out, tn_fence_create(g->s->runtime, 0, &g->fence[q]), "fence");
    for (int p = 0; p < PLACES && good; ++p) {
        g->shadow[p] = calloc(1, g->bytes);
        good = g->shadow[p] != NULL && tn_v_buffer(g->s, g->bytes, &g->place[p], g->out);
    }
    return good;
}

static void take_down(graph *g)
{
    for (int i = 0; i < g->steps; ++i)
        tn_v_step_drop(g->s, &g->step[i]);
    for (int n = 0; n < g->nodes; ++n) {
        free(g->node[n].host);
        free(g->node[n].seen);
        free(g->node[n].want);
    }
    for (int p = 0; p < PLACES; ++p) {
        tn_buffer_release(g->place[p]);
        free(g->shadow[p]);
    }
    for (int q = 0; q < QUEUES; ++q) {
        tn_queue_release(g->queue[q]);
        tn_fence_release(g->fence[q]);
    }
}

static bool run(tn_v_session *s, const tn_v_case *c, tn_v_random *r, tn_v_result *out)
{
    static const tn_dtype types[] = {TN_F32, TN_F16, TN_BF16};
    char type[8] = "", how[16] = "";
    graph *g = calloc(1, sizeof *g);
    int queues, nodes, k;
    if (g == NULL || sscanf(c->op, "graph.q%d.n%d.%7[a-z0-9].%15[a-z].%d", &queues, &nodes, type,
                            how, &k) != 5) {
        free(g);
        out->status = TN_V_INTERNAL;
        return tn_v_wrong(out, "no such graph, or no memory for it");
    }
    g->s = s;
    g->out = out;
    g->recorded = strcmp(how, "recorded") == 0;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; ++t)
        if (strcmp(tn_dtype_name(types[t]), type) == 0)
            g->dtype = types[t];
    g->queues = queues > QUEUES ? QUEUES : queues;
    g->nodes = nodes > NODES ? NODES : nodes;
    g->side = 9 + (int)tn_v_below(r, 33);
    g->bytes = (uint64_t)(g->side * g->side) * tn_v_elem_bytes(g->dtype);
    bool good = set_up(g) && make_steps(g) && draw(g, r) && one_by_one(g);
    int calls = 0;
    for (int n = 0; n < g->nodes; ++n)
        calls += g->node[n].kind == CALL;
    if (good && g->recorded) {
        good = from_record(g);
        calls *= LAPS + 1;
    } else {
        for (int lap = 0; lap < LAPS && good; ++lap)
            good = at_once(g, lap, r);
        calls *= LAPS;
    }
    if (good && atomic_load(&g->calls) != calls)
        good = tn_v_wrong(out, "%d host calls of %d were made", atomic_load(&g->calls), calls);
    for (int p = 0; p < PLACES && good; ++p)
        tn_v_mix_digest(out, g->shadow[p], g->bytes);
    if (out->status == TN_V_TIMEOUT) /* a queue that hangs still uses it */
        return false;
    take_down(g);
    free(g);
    return good;
}

static void list(tn_v_sink *s)
{
    static const char *const types[] = {"f32", "f16", "bf16"};
    for (int k = 0; k < 24; ++k)
        for (int t = 0; t < 3; ++t) {
            tn_v_list from = k < 2 ? TN_V_QUICK : k < 8 ? TN_V_STANDARD : TN_V_FULL;
            tn_v_add(s, from, 7, TN_V_BIT(TN_V_EDGE), "graph.q%d.n%d.%s.fences.%d", 2 + (k + t) % 3,
                     k < 8 ? 60 : 120, types[t], k);
            if (k % 2 == 0)
                tn_v_add(s, from, 7, TN_V_BIT(TN_V_EDGE), "graph.q1.n%d.%s.recorded.%d",
                         k < 8 ? 40 : 100, types[t], k);
        }
}

const tn_v_family tn_v_graphs = {"graph", true, list, run};

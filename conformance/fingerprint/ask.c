/* SPDX-License-Identifier: Apache-2.0 */
/* Who can be asked to multiply: a device of Tenon, or a framework in a Python process. */
#include <conformance/cases/cases.h>
#include <conformance/fingerprint/fingerprint.h>
#include <tenon/tenon.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct tn_v_asked {
    tn_v_dot dot;
    /* a device */
    tn_runtime *runtime;
    tn_device *device;
    tn_queue *queue;
    tn_plan *plan;
    tn_op *op;
    tn_buffer *buffer[3];
    unsigned char *host[3];
    uint64_t bytes[3], offset_align;
    uint32_t shift;
    /* a framework */
    pid_t pid;
    FILE *to, *from;
};

static void forget_shape(tn_v_asked *s)
{
    for (int i = 0; i < 3; ++i) {
        tn_buffer_release(s->buffer[i]);
        free(s->host[i]);
        s->buffer[i] = NULL;
        s->host[i] = NULL;
    }
    tn_plan_release(s->plan);
    s->plan = NULL;
    if (s->runtime != NULL)
        tn_op_free(s->runtime, s->op);
    s->op = NULL;
}

static bool run_device(void *self, const double *a, const double *b, double *c)
{
    tn_v_asked *s = self;
    const tn_v_dot *d = &s->dot;
    uint32_t in = tn_v_elem_bytes(d->in), out = tn_v_elem_bytes(d->out);
    for (int64_t i = 0; i < d->m; ++i)
        for (int64_t k = 0; k < d->k; ++k)
            tn_v_encode(d->in, a[k], TN_V_NEAREST_EVEN, false,
                        s->host[0] + (uint64_t)(i * d->k + k) * in);
    for (int64_t k = 0; k < d->k; ++k)
        for (int64_t j = 0; j < d->n; ++j)
            tn_v_encode(d->in, b[k], TN_V_NEAREST_EVEN, false,
                        s->host[1] + (uint64_t)(k * d->n + j) * in);
    tn_bind bind[3] = {{TN_ARG_A, 0, s->buffer[0], s->shift},
                       {TN_ARG_B, 0, s->buffer[1], s->shift},
                       {TN_ARG_OUT, 0, s->buffer[2], 0}};
    tn_status st = TN_OK;
    for (int i = 0; i < 2 && st == TN_OK; ++i)
        st = tn_queue_write(s->queue, s->buffer[i], s->shift, s->host[i], s->bytes[i], NULL);
    if (st == TN_OK)
        st = tn_queue_run(s->queue, s->plan, bind, 3, NULL, NULL);
    if (st == TN_OK)
        st = tn_queue_read(s->queue, s->host[2], s->buffer[2], 0, s->bytes[2], NULL);
    if (tn_queue_wait_idle(s->queue, UINT64_MAX) != TN_OK || st != TN_OK)
        return false;
    for (int64_t i = 0; i < d->m * d->n; ++i)
        c[i] = tn_v_decode(d->out, s->host[2] + (uint64_t)i * out);
    return true;
}

/* Lines of text would be slow: a header of one line, then numbers as they are in memory. */
static bool run_python(void *self, const double *a, const double *b, double *c)
{
    tn_v_asked *s = self;
    size_t k = (size_t)s->dot.k, n = (size_t)(s->dot.m * s->dot.n);
    return fprintf(s->to, "run %u\n", s->shift) > 0 && fwrite(a, sizeof *a, k, s->to) == k &&
           fwrite(b, sizeof *b, k, s->to) == k && fflush(s->to) == 0 &&
           fread(c, sizeof *c, n, s->from) == n;
}

static bool start_python(tn_v_asked *s, const char *name, const char *python, const char *script)
{
    int to[2], from[2];
    if (pipe(to) != 0)
        return false;
    if (pipe(from) != 0) {
        close(to[0]);
        close(to[1]);
        return false;
    }
    s->pid = fork();
    if (s->pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execlp(python, python, script, name, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    s->to = fdopen(to[1], "wb");
    s->from = fdopen(from[0], "rb");
    char line[64] = "";
    return s->pid > 0 && s->to != NULL && s->from != NULL &&
           fgets(line, sizeof line, s->from) != NULL && strcmp(line, "ready\n") == 0;
}

static bool framework(const char *name)
{
    static const char *const names[] = {"numpy", "onnxruntime", "torch", "jax", "ggml"};
    size_t n = strcspn(name, ":");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i)
        if (strlen(names[i]) == n && strncmp(name, names[i], n) == 0)
            return true;
    return false;
}

tn_v_asked *tn_v_ask(const char *device, const char *python, const char *script, char *why,
                     uint64_t bytes)
{
    tn_v_asked *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    if (framework(device)) {
        if (start_python(s, device, python, script))
            return s;
        snprintf(why, bytes, "%s cannot be asked: %s %s does not answer; is it installed there?",
                 device, python, script);
        tn_v_ask_end(s);
        return NULL;
    }
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    if (tn_runtime_create(NULL, &s->runtime) == TN_OK &&
        tn_device_open(s->runtime, device, &s->device) == TN_OK &&
        tn_device_get_info(s->device, &info) == TN_OK &&
        tn_queue_create(s->device, NULL, &s->queue) == TN_OK) {
        s->offset_align = info.offset_align;
        return s;
    }
    tn_error e;
    tn_error_last(&e);
    snprintf(why, bytes, "%s", e.text != NULL ? e.text : "the device cannot be opened");
    tn_v_ask_end(s);
    return NULL;
}

bool tn_v_ask_shape(tn_v_asked *s, int64_t m, int64_t n, int64_t k, tn_dtype in, tn_dtype out,
                    tn_v_dot *dot)
{
    forget_shape(s);
    s->shift = 0;
    s->dot = (tn_v_dot){m, n, k, in, out, s, s->pid > 0 ? run_python : run_device};
    *dot = s->dot;
    if (s->pid > 0) {
        char line[64] = "";
        return fprintf(s->to, "shape %lld %lld %lld %s %s\n", (long long)m, (long long)n,
                       (long long)k, tn_dtype_name(in), tn_dtype_name(out)) > 0 &&
               fflush(s->to) == 0 && fgets(line, sizeof line, s->from) != NULL &&
               strcmp(line, "yes\n") == 0;
    }
    char text[128];
    snprintf(text, sizeof text, "matmul %lldx%lldx%lld:%s,%s,%s", (long long)m, (long long)n,
             (long long)k, tn_dtype_name(in), tn_dtype_name(in), tn_dtype_name(out));
    if (tn_op_parse(s->runtime, text, &s->op) != TN_OK ||
        tn_plan_create(s->device, s->op, NULL, &s->plan) != TN_OK)
        return false;
    int64_t elems[3] = {m * k, k * n, m * n};
    for (int i = 0; i < 3; ++i) {
        s->bytes[i] = (uint64_t)elems[i] * tn_v_elem_bytes(i < 2 ? in : out);
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = s->bytes[i] + TN_V_SHIFTS};
        s->host[i] = malloc(s->bytes[i] + 1);
        if (s->host[i] == NULL || tn_buffer_create(s->device, &desc, &s->buffer[i]) != TN_OK)
            return false;
    }
    return true;
}

bool tn_v_ask_shift(tn_v_asked *s, uint32_t bytes)
{
    uint32_t step = tn_v_elem_bytes(s->dot.in);
    if (bytes >= TN_V_SHIFTS || bytes % step != 0 || (s->pid == 0 && bytes % s->offset_align != 0))
        return false;
    s->shift = bytes;
    return true;
}

void tn_v_ask_end(tn_v_asked *s)
{
    if (s == NULL)
        return;
    forget_shape(s);
    tn_queue_release(s->queue);
    tn_device_release(s->device);
    tn_runtime_release(s->runtime);
    if (s->to != NULL)
        fclose(s->to);
    if (s->from != NULL)
        fclose(s->from);
    if (s->pid > 0)
        waitpid(s->pid, NULL, 0);
    free(s);
}

static uint64_t mix(uint64_t h, const char *text)
{
    tn_v_random r = {h ^ tn_v_hash(text)};
    return tn_v_next(&r);
}

static bool identify(const char *device, char out[17])
{
    char why[256], line[256];
    tn_v_dot dot;
    tn_v_print p;
    uint64_t h = 0;
    tn_v_asked *s = tn_v_ask(device, "", "", why, sizeof why);
    bool good = s != NULL && tn_v_ask_shape(s, 17, 33, 32, TN_F32, TN_F32, &dot) &&
                tn_v_fingerprint(&dot, &p);
    for (int i = 0; good && i < p.paths; ++i) {
        char *tree = p.path[i].tree.nodes > 0 ? tn_v_tree_text(&p.path[i].tree) : NULL;
        snprintf(line, sizeof line, "%lld %lld %lld", (long long)p.path[i].row,
                 (long long)p.path[i].column, (long long)p.path[i].places);
        h = mix(mix(h, line), tree != NULL ? tree : "");
        free(tree);
    }
    if (good) {
        snprintf(line, sizeof line, "%s %d %s %s %d %d %d %d %d", p.traits.fma, p.traits.width,
                 p.traits.round, p.traits.output_round, p.traits.flush_in, p.traits.flush_out,
                 p.traits.saturates, p.traits.nan_lost, p.traits.repeatable);
        snprintf(out, 17, "%016llx", (unsigned long long)mix(h, line));
        tn_v_print_free(&p);
    }
    tn_v_ask_end(s);
    return good;
}

bool tn_v_numeric_id(const char *device, char out[17])
{
    int pipes[2];
    if (framework(device) || pipe(pipes) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        char id[17] = "";
        close(pipes[0]);
        alarm(20);
        _exit(identify(device, id) && write(pipes[1], id, sizeof id) == (ssize_t)sizeof id ? 0 : 1);
    }
    close(pipes[1]);
    bool good = pid > 0 && read(pipes[0], out, 17) == 17;
    close(pipes[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return good;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One failure in one file, and running it again. */
#include <conformance/cases/case_fill.h>
#include <conformance/runner/capture.h>
#include <conformance/runner/runner.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Operands beyond this are made again from the seed. */
enum { MOST_BYTES = 4 << 20 };

static void add_hex(cJSON *to, const char *key, const unsigned char *bytes, uint64_t count)
{
    char *text = malloc(2 * count + 1);
    if (text == NULL)
        return;
    for (uint64_t i = 0; i < count; ++i)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    text[2 * count] = '\0';
    cJSON_AddStringToObject(to, key, text);
    free(text);
}

static void add_numbers(cJSON *to, const char *key, const double *v, int64_t count)
{
    cJSON *list = cJSON_AddArrayToObject(to, key);
    char text[40];
    for (int64_t i = 0; i < count; ++i) {
        snprintf(text, sizeof text, "%a", v[i]);
        cJSON_AddItemToArray(list, cJSON_CreateString(text));
    }
}

static cJSON *describe(const tn_v_capture *c)
{
    cJSON *j = cJSON_CreateObject();
    char text[32];
    uint64_t all = 0;
    cJSON_AddStringToObject(j, "case", c->which.name);
    cJSON_AddStringToObject(j, "op", c->which.op);
    cJSON_AddStringToObject(j, "data", tn_v_data_names[c->which.data]);
    cJSON_AddNumberToObject(j, "level", c->which.level);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)c->which.seed);
    cJSON_AddStringToObject(j, "seed", text);
    cJSON_AddBoolToObject(j, "exact", c->exact);
    cJSON_AddBoolToObject(j, "simple", c->simple); /* two launches with these values alone */
    if (c->limit_s > 0)
        cJSON_AddNumberToObject(j, "limit_s", c->limit_s);
    cJSON_AddStringToObject(j, "status", tn_v_status_names[c->result.status]);
    cJSON_AddStringToObject(j, "message", c->result.message);
    cJSON_AddStringToObject(j, "looks_like", c->result.hypothesis);
    cJSON_AddStringToObject(j, "kernel", c->result.kernel);
    cJSON_AddStringToObject(j, "digest", c->result.digest);
    for (int i = 0; i < c->operands; ++i)
        all += c->operand[i].total;
    cJSON *operands = cJSON_AddArrayToObject(j, "operands");
    for (int i = 0; i < c->operands && all <= MOST_BYTES; ++i) {
        const tn_v_operand *o = &c->operand[i];
        cJSON *one = cJSON_CreateObject(), *dim = cJSON_AddArrayToObject(one, "dim"),
              *stride = cJSON_AddArrayToObject(one, "stride");
        cJSON_AddNumberToObject(one, "role", o->role);
        cJSON_AddStringToObject(one, "type", tn_dtype_name((tn_dtype)o->tensor.dtype));
        for (uint32_t d = 0; d < o->tensor.rank; ++d) {
            cJSON_AddItemToArray(dim, cJSON_CreateNumber((double)o->tensor.dim[d]));
            cJSON_AddItemToArray(stride, cJSON_CreateNumber((double)o->tensor.stride[d]));
        }
        if (!o->output || o->got != NULL)
            add_hex(one, o->output ? "got" : "bytes", (o->output ? o->got : o->sent) + o->guard,
                    o->total - 2 * o->guard);
        cJSON_AddItemToArray(operands, one);
    }
    cJSON *expected = cJSON_AddArrayToObject(j, "expected");
    for (int i = 0; i < c->outputs && all <= MOST_BYTES; ++i) {
        const tn_v_expected *e = &c->expected[i];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddNumberToObject(one, "role", e->role);
        add_numbers(one, "want", e->want, e->count);
        add_numbers(one, "bound", e->bound, e->count);
        cJSON_AddItemToArray(expected, one);
    }
    return j;
}

bool tn_v_capsule_write(const char *path, const tn_v_capture *c, const tn_v_small *small,
                        const char *list_hash)
{
    char text[64];
    uint32_t v = tn_version();
    cJSON *j = cJSON_CreateObject();
    snprintf(text, sizeof text, "%u.%u.%u", v >> 16, v >> 8 & 255u, v & 255u);
    cJSON_AddNumberToObject(j, "capsule", 1);
    cJSON_AddStringToObject(j, "device", c->device);
    cJSON_AddStringToObject(j, "library", text);
    cJSON_AddStringToObject(j, "list_hash", list_hash);
    cJSON_AddItemToObject(j, "failure", describe(c));
    if (small != NULL && small->capture.operands > 0)
        cJSON_AddItemToObject(j, "smallest", describe(&small->capture));
    char *line = cJSON_PrintUnformatted(j);
    FILE *f = line != NULL ? fopen(path, "w") : NULL;
    bool good = f != NULL && fprintf(f, "%s\n", line) > 0;
    good = (f == NULL || fclose(f) == 0) && good;
    cJSON_free(line);
    cJSON_Delete(j);
    return good;
}

/* ---- again ---- */

static int index_of(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; ++i)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

/* The values that an input's bytes stand for. */
static bool values_of(const cJSON *one, double **out, int64_t *count)
{
    const char *hex = tn_v_json_text(one, "bytes");
    tn_tensor t = {.rank = (uint8_t)cJSON_GetArraySize(cJSON_GetObjectItem(one, "dim"))};
    size_t bytes = strlen(hex) / 2;
    if (hex[0] == '\0')
        return true;
    for (int d = TN_F64; t.dtype == 0 && d < 64; ++d)
        if (tn_dtype_name((tn_dtype)d) != NULL &&
            strcmp(tn_dtype_name((tn_dtype)d), tn_v_json_text(one, "type")) == 0)
            t.dtype = (uint8_t)d;
    for (uint32_t d = 0; d < t.rank && d < TN_MAX_RANK; ++d) {
        t.dim[d] =
            (int64_t)cJSON_GetArrayItem(cJSON_GetObjectItem(one, "dim"), (int)d)->valuedouble;
        t.stride[d] =
            (int64_t)cJSON_GetArrayItem(cJSON_GetObjectItem(one, "stride"), (int)d)->valuedouble;
    }
    unsigned char *data = malloc(bytes + 8);
    uint32_t elem = tn_v_elem_bytes((tn_dtype)t.dtype);
    *count = tn_v_count(&t);
    *out = calloc((size_t)*count + 1, sizeof **out);
    bool good = data != NULL && *out != NULL && elem > 0;
    for (size_t i = 0; i < bytes && good; ++i) {
        unsigned v;
        good = sscanf(hex + 2 * i, "%2x", &v) == 1;
        data[i] = (unsigned char)v;
    }
    for (int64_t n = 0; n < *count && good; ++n) {
        uint64_t at = (uint64_t)tn_v_offset(&t, n) * elem;
        good = at + elem <= bytes;
        if (good)
            (*out)[n] = tn_v_decode((tn_dtype)t.dtype, data + at);
    }
    free(data);
    return good;
}

static bool read_part(const cJSON *part, tn_v_case *c, tn_v_values *v)
{
    int data = index_of(tn_v_data_names, TN_V_DATA_COUNT, tn_v_json_text(part, "data"));
    const cJSON *one, *operands = cJSON_GetObjectItem(part, "operands");
    memset(v, 0, sizeof *v);
    memset(c, 0, sizeof *c);
    if (data < 0 || tn_v_json_text(part, "op")[0] == '\0')
        return false;
    snprintf(c->name, sizeof c->name, "%s", tn_v_json_text(part, "case"));
    snprintf(c->op, sizeof c->op, "%s", tn_v_json_text(part, "op"));
    c->data = (tn_v_data)data;
    c->level = (uint8_t)cJSON_GetNumberValue(cJSON_GetObjectItem(part, "level"));
    c->seed = strtoull(tn_v_json_text(part, "seed"), NULL, 16);
    v->exact = cJSON_IsTrue(cJSON_GetObjectItem(part, "exact"));
    int i = 0;
    cJSON_ArrayForEach(one, operands)
    {
        if (i == TN_V_ARGS || !values_of(one, &v->value[i], &v->count[i]))
            return false;
        ++i;
    }
    return true;
}

static cJSON *read_json(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t room = 0;
    bool read = f != NULL && getline(&text, &room, f) > 0;
    if (f != NULL)
        fclose(f);
    cJSON *j = read ? cJSON_Parse(text) : NULL;
    free(text);
    return j;
}

bool tn_v_capsule_read(const char *path, tn_v_case *c, tn_v_values *v, tn_v_capture *operands)
{
    cJSON *j = read_json(path);
    const cJSON *part = cJSON_GetObjectItem(j, "failure"), *one;
    bool good = read_part(part, c, v);
    int n = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(part, "operands"))
    {
        tn_v_operand *o = &operands->operand[n];
        if (!good || n == TN_V_ARGS)
            break;
        memset(o, 0, sizeof *o);
        o->role = (uint32_t)tn_v_json_number(one, "role");
        o->output = v->value[n] == NULL;
        o->count = v->count[n];
        o->value = o->output ? NULL : calloc((size_t)o->count + 1, sizeof(double));
        if (o->value != NULL)
            memcpy(o->value, v->value[n], (size_t)o->count * sizeof(double));
        good = o->output || o->value != NULL;
        operands->operands = ++n;
    }
    cJSON_Delete(j);
    return good && n > 0;
}

bool tn_v_capsule_join(const char *path, const char *smallest)
{
    cJSON *to = read_json(path), *from = read_json(smallest);
    cJSON *part = cJSON_DetachItemFromObject(from, "failure");
    bool good = to != NULL && part != NULL;
    if (good)
        cJSON_AddItemToObject(to, "smallest", part);
    char *line = good ? cJSON_PrintUnformatted(to) : NULL;
    FILE *f = line != NULL ? fopen(path, "w") : NULL;
    good = f != NULL && fprintf(f, "%s\n", line) > 0;
    good = (f == NULL || fclose(f) == 0) && good;
    cJSON_free(line);
    cJSON_Delete(to);
    cJSON_Delete(from);
    return good;
}

typedef struct again {
    const tn_v_case *which;
    const tn_v_values *values;
    bool simple, rms;
} again;

static void run_again(tn_v_session *s, void *self, tn_v_result *out)
{
    const again *a = self;
    tn_v_capture c;
    tn_v_observe(s, a->which, a->rms ? NULL : a->values, a->simple, &c);
    *out = c.result;
    tn_v_capture_free(&c);
}

int tn_v_replay(const char *path, const char *device, bool smallest, tn_v_replayed *out)
{
    memset(out, 0, sizeof *out);
    cJSON *j = read_json(path);
    const cJSON *part = cJSON_GetObjectItem(j, smallest ? "smallest" : "failure");
    tn_v_case c;
    tn_v_values v;
    bool good = read_part(part, &c, &v);
    int was = index_of(tn_v_status_names, TN_V_STATUS_COUNT, tn_v_json_text(part, "status"));
    snprintf(out->device, sizeof out->device, "%s",
             device != NULL ? device : tn_v_json_text(j, "device"));
    if (!good || was < 0 || cJSON_GetNumberValue(cJSON_GetObjectItem(j, "capsule")) != 1) {
        snprintf(out->why, sizeof out->why, "%s is no capsule%s", path,
                 smallest && part == NULL && j != NULL ? " with a smallest form" : "");
        cJSON_Delete(j);
        tn_v_values_free(&v);
        return TN_V_EXIT_USAGE;
    }
    out->before.status = (tn_v_status)was;
    snprintf(out->before.digest, sizeof out->before.digest, "%s", tn_v_json_text(part, "digest"));
    snprintf(out->before.hypothesis, sizeof out->before.hypothesis, "%s",
             tn_v_json_text(part, "looks_like"));
    snprintf(out->before.message, sizeof out->before.message, "%s",
             tn_v_json_text(part, "message"));
    snprintf(out->name, sizeof out->name, "%s", c.name);
    double limit = tn_v_json_number(part, "limit_s");
    /* Limits of a whole tensor's spread belong to the data of the class. */
    again a = {&c, &v, cJSON_IsTrue(cJSON_GetObjectItem(part, "simple")),
               strstr(tn_v_json_text(part, "message"), "root mean square") != NULL};
    int status = tn_v_in_child(out->device, limit > 0 ? limit : 30, run_again, &a, &out->now,
                               out->why, sizeof out->why);
    cJSON_Delete(j);
    tn_v_values_free(&v);
    if (status != 0)
        return status;
    const tn_v_result *n = &out->now, *b = &out->before;
    out->outcome = n->status == TN_V_PASS || n->status == TN_V_QUALITY ? TN_V_FIXED
                   : n->status != b->status && b->status != TN_V_FLAKE ? TN_V_DIFFERENT
                   : n->status == TN_V_TIMEOUT                         ? TN_V_SAME_END
                   : n->status == TN_V_CRASH
                       ? (strcmp(n->message, b->message) == 0 ? TN_V_SAME_END : TN_V_DIFFERENT)
                   : strcmp(n->digest, b->digest) == 0 ? TN_V_SAME_BITS
                                                       : TN_V_SAME;
    return out->outcome == TN_V_FIXED ? TN_V_EXIT_PASSED : TN_V_EXIT_FAILED;
}

/* ---- all failures of a run ---- */

typedef struct capturing {
    const tn_v_record *record;
    const char *folder, *list_hash;
    double seconds;
} capturing;

/* In the child: what is known first, so that a crash leaves that; then all of it. */
static void capture_one(tn_v_session *s, void *self, tn_v_result *out)
{
    const capturing *w = self;
    tn_v_capture c;
    tn_v_small small;
    char path[1024], text[sizeof out->message];
    memset(&c, 0, sizeof c);
    memset(&small, 0, sizeof small);
    c.which = *w->record->which;
    c.result = w->record->result;
    snprintf(c.device, sizeof c.device, "%s", s->uri);
    snprintf(path, sizeof path, "%s/%s.capsule", w->folder, c.which.name);
    (void)tn_v_capsule_write(path, &c, NULL, w->list_hash);
    memset(out, 0, sizeof *out);
    if (tn_v_is_lowlevel(c.which.op))
        return;
    tn_v_observe(s, w->record->which, NULL, false, &c);
    if (c.result.status != TN_V_FAIL || c.operands == 0) {
        snprintf(out->message, sizeof out->message, "did not fail again");
        return;
    }
    (void)tn_v_capsule_write(path, &c, NULL, w->list_hash);
    tn_v_shrink(s, &c, w->seconds, &small);
    (void)tn_v_capsule_write(path, &c, &small, w->list_hash);
    const tn_v_capture *least = small.capture.operands > 0 ? &small.capture : &c;
    snprintf(path, sizeof path, "%s/%s.c", w->folder, c.which.name);
    bool program = small.values.value[0] != NULL && tn_v_program_write(path, least);
    tn_v_where(&c, small.k, text, sizeof text);
    snprintf(out->message, sizeof out->message, "%s", text);
    if (small.capture.operands > 0)
        snprintf(out->worst, sizeof out->worst, "%.120s, data %s", small.capture.which.op,
                 tn_v_data_names[small.capture.which.data]);
    snprintf(out->kernel, sizeof out->kernel, "%s", program ? "with a program" : "");
    tn_v_small_free(&small);
    tn_v_capture_free(&c);
}

/* The cheapest of several failures of one kind shows it best. */
static int by_cost(const void *a, const void *b)
{
    const tn_v_record *x = *(const tn_v_record *const *)a, *y = *(const tn_v_record *const *)b;
    if (x->which->cost != y->which->cost)
        return x->which->cost < y->which->cost ? -1 : 1;
    return strcmp(x->which->name, y->which->name);
}

int tn_v_keep_failures(const tn_v_options *o, const tn_v_summary *s, const char *folder, int most,
                       double seconds, void (*tell)(void *self, const char *line), void *self)
{
    const tn_v_record *told[64], **order = calloc((size_t)s->total + 1, sizeof(void *));
    int kept = 0;
    long count = 0;
    most = most < 64 ? most : 64;
    for (long i = 0; i < s->total && order != NULL; ++i)
        if (s->records[i].which != NULL)
            order[count++] = &s->records[i];
    if (order != NULL)
        qsort(order, (size_t)count, sizeof *order, by_cost);
    for (long i = 0; i < count && kept < most; ++i) {
        const tn_v_record *r = order[i];
        tn_v_status st = r->result.status;
        bool another =
            st == TN_V_FAIL || st == TN_V_CRASH || st == TN_V_TIMEOUT || st == TN_V_FLAKE;
        for (int k = 0; k < kept && another; ++k)
            another = strncmp(told[k]->which->op, r->which->op, strcspn(r->which->op, " ")) != 0 ||
                      strcmp(told[k]->result.hypothesis, r->result.hypothesis) != 0;
        if (!another)
            continue;
        capturing w = {r, folder, s->list_hash, seconds};
        tn_v_result out;
        char line[1400], why[256] = "";
        told[kept++] = r;
        if ((st == TN_V_CRASH || st == TN_V_TIMEOUT) && !tn_v_is_lowlevel(r->which->op))
            (void)tn_v_keep_lost(o, r, folder, s->list_hash, seconds, &out);
        else
            (void)tn_v_in_child(o->device, seconds + 2 * o->case_timeout_s, capture_one, &w, &out,
                                why, sizeof why);
        snprintf(line, sizeof line, "%s\n%s%s%s%s  kept: tenon replay '%s/%s.capsule'%s",
                 r->which->name, out.message, out.worst[0] != '\0' ? "  smallest: " : "", out.worst,
                 out.worst[0] != '\0' ? "\n" : "", folder, r->which->name,
                 out.kernel[0] != '\0' ? ", and a program beside it (.c)" : "");
        tell(self, line);
    }
    free(order);
    return kept;
}

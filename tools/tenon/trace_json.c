/* SPDX-License-Identifier: Apache-2.0 */
/* Trace events as Chrome's JSON (chrome://tracing, ui.perfetto.dev): devices are processes, queues
 * their threads; the host is one more process. */
#include "tool.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MOST = 250000, TRACKS_MOST = 4096 };

struct tool_trace {
    tn_runtime *runtime;
    FILE *file;
    char path[512];
    pthread_mutex_t lock; /* guards: the rest, until the trace is stopped */
    tn_event *event;      /* strings are ours */
    size_t count, capacity;
    uint64_t lost;
    /* while writing */
    const char *process[TRACKS_MOST];
    struct {
        uint64_t id;
        uint32_t process, number;
    } thread[TRACKS_MOST];
    uint32_t processes, threads;
    uint64_t base_ns, flows;
    bool first;
};

/* ---- collecting ---- */
static void drop_strings(tn_event *e)
{
    free((void *)(uintptr_t)e->track);
    free((void *)(uintptr_t)e->name);
    free((void *)(uintptr_t)e->device);
    free((void *)(uintptr_t)e->op);
    free((void *)(uintptr_t)e->kernel);
    free((void *)(uintptr_t)e->reason);
}

/* A copy that is valid UTF-8 whatever a backend or a plugin gave: other bytes become U+FFFD. */
static char *clean_copy(const char *from)
{
    const unsigned char *s = (const unsigned char *)from;
    char *copy = malloc(3 * strlen(from) + 1), *to = copy;
    if (copy == NULL)
        return NULL;
    while (*s != 0) {
        uint32_t more = 0, least = 0, code = *s;
        if (code >= 0xf0 && code < 0xf8)
            more = 3, least = 0x10000, code &= 7u;
        else if (code >= 0xe0 && code < 0xf0)
            more = 2, least = 0x800, code &= 15u;
        else if (code >= 0xc0 && code < 0xe0)
            more = 1, least = 0x80, code &= 31u;
        bool good = *s < 0x80 || more != 0;
        for (uint32_t i = 1; good && i <= more; ++i) {
            good = (s[i] & 0xc0u) == 0x80u;
            code = code << 6 | (s[i] & 0x3fu);
        }
        good = good && code >= least && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
        if (good) {
            memcpy(to, s, more + 1u);
            to += more + 1u;
            s += more + 1u;
        } else {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
            ++s;
        }
    }
    *to = 0;
    return copy;
}

static void take(void *self, const tn_event *event)
{
    tool_trace *t = self;
    tn_event e = *event;
    e.track = clean_copy(event->track);
    e.name = clean_copy(event->name);
    e.device = clean_copy(event->device);
    e.op = clean_copy(event->op);
    e.kernel = clean_copy(event->kernel);
    e.reason = clean_copy(event->reason);
    bool kept = e.track != NULL && e.name != NULL && e.device != NULL && e.op != NULL &&
                e.kernel != NULL && e.reason != NULL;
    pthread_mutex_lock(&t->lock);
    if (kept && t->count == t->capacity && t->count < EVENTS_MOST) {
        size_t capacity = t->capacity != 0 ? 2 * t->capacity : 1024;
        tn_event *larger = realloc(t->event, capacity * sizeof *larger);
        if (larger != NULL) {
            t->event = larger;
            t->capacity = capacity;
        }
    }
    kept = kept && t->count < t->capacity && t->count < EVENTS_MOST;
    if (kept)
        t->event[t->count++] = e;
    else
        ++t->lost;
    pthread_mutex_unlock(&t->lock);
    if (!kept)
        drop_strings(&e);
}

static tool_trace *open_file(const char *path)
{
    tool_trace *t = calloc(1, sizeof *t);
    FILE *file = fopen(path, "w"); /* now, so that a wrong path costs no run */
    if (t == NULL || file == NULL) {
        fprintf(stderr, "tenon: cannot write the trace %s\n", path);
        free(t);
        if (file != NULL)
            fclose(file);
        return NULL;
    }
    t->file = file;
    snprintf(t->path, sizeof t->path, "%s", path);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

bool tool_trace_start(tn_runtime *rt, const char *path, tool_trace **out)
{
    *out = NULL;
    if (path == NULL)
        path = getenv("TENON_TRACE");
    if (path == NULL || path[0] == '\0')
        return true;
    tool_trace *t = open_file(path);
    if (t == NULL)
        return false;
    t->runtime = tn_runtime_retain(rt);
    if (tn_runtime_trace(rt, take, t) != TN_OK) {
        tool_error(path);
        (void)tool_trace_write(t);
        return false;
    }
    *out = t;
    return true;
}

/* ---- order ---- */
static int by_time(const void *a, const void *b)
{
    const tn_event *x = a, *y = b;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    if (x->end_ns != y->end_ns) /* the longer one is around the shorter one */
        return x->end_ns > y->end_ns ? -1 : 1;
    return 0;
}

static int by_item(const void *a, const void *b)
{
    const tn_event *x = *(const tn_event *const *)a, *y = *(const tn_event *const *)b;
    if (x->track_id != y->track_id)
        return x->track_id < y->track_id ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static int by_value(const void *a, const void *b)
{
    const tn_event *x = *(const tn_event *const *)a, *y = *(const tn_event *const *)b;
    if (x->flow != y->flow)
        return x->flow < y->flow ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

/* The events of one kind, sorted; NULL when there is no memory. */
static const tn_event **pick(const tool_trace *t, tn_event_kind kind,
                             int (*order)(const void *, const void *), size_t *out_count)
{
    const tn_event **list = malloc((t->count + 1) * sizeof *list);
    *out_count = 0;
    for (size_t i = 0; list != NULL && i < t->count; ++i)
        if (t->event[i].kind == kind)
            list[(*out_count)++] = &t->event[i];
    if (list != NULL)
        qsort((void *)list, *out_count, sizeof *list, order);
    return list;
}

/* ---- writing ---- */
static uint32_t process_of(tool_trace *t, const char *name)
{
    uint32_t i = 0;
    while (i < t->processes && strcmp(t->process[i], name) != 0)
        ++i;
    if (i == t->processes && i < TRACKS_MOST)
        t->process[t->processes++] = name;
    return i + 1;
}

/* Its place in the list, counted from 1; the number within its process is what people see. */
static uint32_t thread_of(tool_trace *t, const tn_event *e)
{
    uint32_t process = process_of(t, e->track), i = 0, number = 1;
    for (; i < t->threads; ++i) {
        if (t->thread[i].process != process)
            continue;
        if (t->thread[i].id == e->track_id)
            break;
        ++number;
    }
    if (i == t->threads && i < TRACKS_MOST) {
        t->thread[i].id = e->track_id;
        t->thread[i].process = process;
        t->thread[i].number = number;
        ++t->threads;
    }
    return i + 1;
}

static void write_one(tool_trace *t, cJSON *o)
{
    char *text = cJSON_PrintUnformatted(o);
    if (text != NULL)
        fprintf(t->file, "%s%s", t->first ? "\n" : ",\n", text);
    t->first = false;
    cJSON_free(text);
    cJSON_Delete(o);
}

/* Microseconds with the nanoseconds behind the point: exact, unlike a double. */
static void add_us(cJSON *o, const char *key, uint64_t ns)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64 ".%03u", ns / 1000u, (unsigned)(ns % 1000u));
    cJSON_AddRawToObject(o, key, text);
}

static cJSON *begin(tool_trace *t, const char *phase, const char *name, const char *category,
                    uint32_t process, uint32_t thread, uint64_t at_ns)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "ph", phase);
    cJSON_AddStringToObject(o, "name", name);
    if (category[0] != '\0')
        cJSON_AddStringToObject(o, "cat", category);
    cJSON_AddNumberToObject(o, "pid", process);
    cJSON_AddNumberToObject(o, "tid", thread);
    add_us(o, "ts", at_ns - t->base_ns);
    return o;
}

static void name_tracks(tool_trace *t)
{
    char text[64];
    for (uint32_t i = 0; i < t->processes; ++i) {
        cJSON *o = begin(t, "M", "process_name", "", i + 1, 0, t->base_ns);
        cJSON_AddStringToObject(cJSON_AddObjectToObject(o, "args"), "name", t->process[i]);
        write_one(t, o);
    }
    for (uint32_t i = 0; i < t->threads; ++i) {
        uint32_t process = t->thread[i].process;
        bool host = strcmp(t->process[process - 1], "host") == 0;
        cJSON *o = begin(t, "M", "thread_name", "", process, i + 1, t->base_ns);
        snprintf(text, sizeof text, "%s %u", host ? "thread" : "queue", t->thread[i].number);
        cJSON_AddStringToObject(cJSON_AddObjectToObject(o, "args"), "name", text);
        write_one(t, o);
    }
}

static void write_slice(tool_trace *t, const tn_event *e)
{
    uint32_t thread = thread_of(t, e);
    bool run = strcmp(e->crossing, "kernel") == 0 && strcmp(e->name, "pack") != 0;
    cJSON *o = begin(t, "X", run && e->op[0] != '\0' ? e->op : e->name, e->crossing,
                     process_of(t, e->track), thread, e->start_ns);
    add_us(o, "dur", e->end_ns - e->start_ns);
    cJSON *args = cJSON_AddObjectToObject(o, "args");
    if (e->op[0] != '\0')
        cJSON_AddStringToObject(args, "op", e->op);
    if (e->device[0] != '\0')
        cJSON_AddStringToObject(args, "device", e->device);
    if (e->kernel[0] != '\0')
        cJSON_AddStringToObject(args, "kernel", e->kernel);
    if (e->cls >= 0)
        cJSON_AddStringToObject(args, "class", tool_class_name((tn_class)e->cls));
    if (e->bytes != 0)
        cJSON_AddNumberToObject(args, "bytes", (double)e->bytes);
    if (e->flops != 0)
        cJSON_AddNumberToObject(args, "flops", (double)e->flops);
    if (e->submitted_ns != 0 && e->submitted_ns <= e->start_ns)
        add_us(args, "waited_us", e->start_ns - e->submitted_ns);
    cJSON_AddNumberToObject(args, "item", (double)e->item);
    cJSON_AddStringToObject(args, "status", tn_status_name(e->status));
    if (e->reason[0] != '\0')
        cJSON_AddStringToObject(args, "reason", e->reason);
    write_one(t, o);
}

/* On its thread, or on the whole process for what happened to a device. */
static void write_mark(tool_trace *t, const tn_event *e)
{
    bool whole = e->track_id == 0;
    cJSON *o = begin(t, "i", e->name, e->crossing, process_of(t, e->track),
                     whole ? 0 : thread_of(t, e), e->start_ns);
    cJSON_AddStringToObject(o, "s", whole ? "p" : "t");
    cJSON *args = cJSON_AddObjectToObject(o, "args");
    cJSON_AddStringToObject(args, "device", e->device);
    if (e->flow != 0) {
        tn_event to = {.track = e->device, .track_id = e->flow};
        cJSON_AddNumberToObject(args, "queue_tid", thread_of(t, &to));
        cJSON_AddNumberToObject(args, "item", (double)e->value);
    }
    if (e->op[0] != '\0')
        cJSON_AddStringToObject(args, "op", e->op);
    if (e->kernel[0] != '\0')
        cJSON_AddStringToObject(args, "kernel", e->kernel);
    if (e->reason[0] != '\0')
        cJSON_AddStringToObject(args, "reason", e->reason);
    write_one(t, o);
}

static void write_counter(tool_trace *t, const tn_event *e)
{
    cJSON *o = begin(t, "C", e->name, e->crossing, process_of(t, e->track), 0, e->start_ns);
    cJSON_AddNumberToObject(cJSON_AddObjectToObject(o, "args"), "bytes", (double)e->value);
    write_one(t, o);
}

static const tn_event *slice_of(const tn_event **slices, size_t count, const tn_event *point)
{
    const tn_event **at =
        bsearch((const void *)&point, (const void *)slices, count, sizeof *slices, by_item);
    return at != NULL ? *at : NULL;
}

/* One arrow for each wait whose signal was seen: from the slice that signalled to the one that went
 * on. What a fence started with, or what came before the trace, has no slice to come from. */
static void write_flow(tool_trace *t, const tn_event *wait, const tn_event **signals,
                       size_t signal_count, const tn_event **slices, size_t slice_count)
{
    size_t low = 0, high = signal_count;
    while (low < high) { /* the first signal of that fence with the value or a later one */
        size_t middle = low + (high - low) / 2;
        if (by_value((const void *)&signals[middle], (const void *)&wait) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == signal_count || signals[low]->flow != wait->flow)
        return;
    const tn_event *from = slice_of(slices, slice_count, signals[low]),
                   *to = slice_of(slices, slice_count, wait);
    if (from == NULL || to == NULL)
        return;
    uint64_t start = from->start_ns, end = wait->start_ns;
    if (end >= to->end_ns && to->end_ns > to->start_ns)
        end = to->end_ns - 1;
    if (end < to->start_ns)
        end = to->start_ns;
    if (end < start)
        return;
    char name[48];
    snprintf(name, sizeof name, "fence %" PRIu64, wait->flow);
    double id = (double)++t->flows;
    cJSON *s = begin(t, "s", name, "fence", process_of(t, from->track), thread_of(t, from), start);
    cJSON *f = begin(t, "f", name, "fence", process_of(t, to->track), thread_of(t, to), end);
    cJSON_AddNumberToObject(s, "id", id);
    cJSON_AddNumberToObject(f, "id", id);
    cJSON_AddStringToObject(f, "bp", "e");
    cJSON_AddNumberToObject(cJSON_AddObjectToObject(s, "args"), "value",
                            (double)signals[low]->value);
    cJSON_AddNumberToObject(cJSON_AddObjectToObject(f, "args"), "value", (double)wait->value);
    write_one(t, s);
    write_one(t, f);
}

static bool write_all(tool_trace *t)
{
    size_t slice_count, signal_count, wait_count;
    if (t->count != 0)
        qsort(t->event, t->count, sizeof *t->event, by_time);
    const tn_event **slices = pick(t, TN_EVENT_SLICE, by_item, &slice_count);
    const tn_event **signals = pick(t, TN_EVENT_SIGNAL, by_value, &signal_count);
    const tn_event **waits = pick(t, TN_EVENT_WAIT, by_value, &wait_count);
    bool good = slices != NULL && signals != NULL && waits != NULL;
    t->base_ns = t->count != 0 ? t->event[0].start_ns : 0;
    t->first = true;
    fprintf(t->file, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    for (size_t i = 0; good && i < t->count; ++i)
        if (t->event[i].kind == TN_EVENT_SLICE)
            write_slice(t, &t->event[i]);
        else if (t->event[i].kind == TN_EVENT_COUNTER)
            write_counter(t, &t->event[i]);
        else if (t->event[i].kind == TN_EVENT_MARK)
            write_mark(t, &t->event[i]);
    for (size_t i = 0; good && i < wait_count; ++i)
        write_flow(t, waits[i], signals, signal_count, slices, slice_count);
    name_tracks(t);
    uint32_t v = tn_version();
    fprintf(t->file,
            "\n],\"otherData\":{\"tenon\":\"%u.%u.%u\",\"base_ns\":%" PRIu64 ",\"lost\":%" PRIu64
            "}}\n",
            v >> 16, v >> 8 & 255u, v & 255u, t->base_ns, t->lost);
    free((void *)slices);
    free((void *)signals);
    free((void *)waits);
    return good && ferror(t->file) == 0;
}

int tool_trace_write(tool_trace *t)
{
    if (t == NULL)
        return 0;
    if (t->runtime != NULL && tn_runtime_trace(t->runtime, NULL, NULL) != TN_OK)
        return tool_error(t->path); /* still listening: nothing may be freed */
    bool good = write_all(t);
    good = fclose(t->file) == 0 && good;
    if (!good)
        fprintf(stderr, "tenon: the trace %s could not be written in full\n", t->path);
    else if (t->lost != 0)
        fprintf(stderr, "tenon: the trace %s lacks %" PRIu64 " events; at most %d are kept\n",
                t->path, t->lost, EVENTS_MOST);
    for (size_t i = 0; i < t->count; ++i)
        drop_strings(&t->event[i]);
    free(t->event);
    pthread_mutex_destroy(&t->lock);
    tn_runtime_release(t->runtime);
    free(t);
    return good ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing cases, handing them to workers, and what becomes of a crash, a hang or a failure. */
#include <conformance/runner/runner.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct run {
    const tn_v_options *o;
    tn_v_summary *s;
    tn_v_waivers *waivers;
    long *order, count, next, failed;
    int jsonl;
    int stopped_at; /* level whose failures end the ladder, 99: none */
    double start;
} run;

static bool has_name(char *const *names, long count, const char *name)
{
    for (long i = 0; i < count; ++i)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static char **read_names(const char *path, long *count)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char line[512], **names = NULL;
    *count = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, " \t\r\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        char **more = realloc(names, (size_t)(*count + 1) * sizeof *more);
        if (more == NULL)
            break;
        names = more;
        names[*count] = strdup(line);
        *count += names[*count] != NULL;
    }
    if (f != NULL && f != stdin)
        fclose(f);
    return names;
}

/* Names of the cases that an earlier, interrupted run has recorded. */
static char **recorded(const char *path, long *count)
{
    FILE *f = path != NULL ? fopen(path, "r") : NULL;
    char *line = NULL, **names = NULL;
    size_t room = 0;
    *count = 0;
    while (f != NULL && getline(&line, &room, f) > 0) {
        char *at = strstr(line, "\"case\":\""), *end = at != NULL ? strchr(at + 8, '"') : NULL;
        if (end == NULL || line[strlen(line) - 1] != '\n') /* half a line: it was being written */
            continue;
        char **more = realloc(names, (size_t)(*count + 1) * sizeof *more);
        if (more == NULL)
            break;
        names = more;
        names[*count] = strndup(at + 8, (size_t)(end - at - 8));
        *count += names[*count] != NULL;
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return names;
}

static void free_names(char **names, long count)
{
    for (long i = 0; i < count; ++i)
        free(names[i]);
    free(names);
}

static bool chosen(const tn_v_options *o, const tn_v_case *c)
{
    bool match = o->glob_count == 0;
    for (int i = 0; i < o->glob_count && !match; ++i)
        match = tn_v_glob(o->globs[i], c->name);
    if (match && o->shards > 1)
        match = tn_v_hash(c->name) % (uint64_t)o->shards == (uint64_t)o->shard - 1;
    return match;
}

/* A check that multiplies nothing, or little, costs about as many steps of the host. */
enum { STEPS = 100 };

static double cost_of(const tn_v_case *c)
{
    double cost = tn_v_is_lowlevel(c->op) ? STEPS : 1;
    for (const char *p = c->op; *p != '\0' && *p != ':'; ++p) /* the product of the numbers */
        if (*p >= '0' && *p <= '9') {
            cost *= (double)strtol(p, NULL, 10) + 1; /* d24e40 is no 24e40 */
            while (p[1] >= '0' && p[1] <= '9')
                ++p;
        }
    return cost;
}

/* What finds most for its cost comes first: data whose sums are exact, in cases of few
 * multiplications; of each op one before a second one. */
static double value_of(const tn_v_case *c, long before)
{
    static const double worth[] = {
        [TN_V_ONE_HOT] = 4, [TN_V_EXACT] = 4, [TN_V_ZERO_MEAN] = 2, [TN_V_SPECIAL] = 2};
    double w =
        (size_t)c->data < sizeof worth / sizeof worth[0] && worth[c->data] > 0 ? worth[c->data] : 1;
    return w / sqrt(c->cost + 1) / (double)(before + 1);
}

typedef struct ranked {
    long index;
    uint64_t kind;
    double value;
} ranked;

static int by_value(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_kind(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return by_value(a, b);
}

/* The op's name, its types and the class of data; of a check the first two words of its name. */
static uint64_t kind_of(const tn_v_case *c)
{
    char text[TN_V_NAME];
    size_t name = strcspn(c->op, " ");
    if (tn_v_is_lowlevel(c->op)) {
        size_t first = strcspn(c->op, ". ");
        size_t two = c->op[first] == '.' ? first + 1 + strcspn(c->op + first + 1, ". ") : first;
        name = two < name ? two : name;
    }
    const char *types = strchr(c->op, ':');
    size_t n = types != NULL ? strcspn(types + 1, ":+") : 0;
    snprintf(text, sizeof text, "%.*s %.*s %d", (int)name, c->op, (int)n,
             types != NULL ? types + 1 : "", (int)c->data);
    return tn_v_hash(text);
}

static int by_index(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return x < y ? -1 : x > y;
}

/* Keeps of the chosen cases what the budget allows, by value, in the order of the list. */
static bool spend(run *r)
{
    ranked *all = calloc((size_t)r->count + 1, sizeof *all);
    double spent = 0;
    long kept = 0;
    if (all == NULL)
        return false;
    for (long i = 0; i < r->count; ++i) {
        const tn_v_case *c = &r->s->cases_made[r->order[i]];
        all[i] = (ranked){r->order[i], kind_of(c), value_of(c, 0)};
    }
    qsort(all, (size_t)r->count, sizeof *all, by_kind);
    for (long i = 0, before = 0; i < r->count; ++i) {
        before = i > 0 && all[i].kind == all[i - 1].kind ? before + 1 : 0;
        all[i].value = value_of(&r->s->cases_made[all[i].index], before);
    }
    qsort(all, (size_t)r->count, sizeof *all, by_value);
    for (long i = 0; i < r->count; ++i) {
        double cost = r->s->cases_made[all[i].index].cost;
        if (spent + cost > r->o->budget)
            continue;
        spent += cost;
        r->order[kept++] = all[i].index;
    }
    r->count = kept;
    qsort(r->order, (size_t)kept, sizeof *r->order, by_index);
    free(all);
    return true;
}

static bool choose(run *r)
{
    const tn_v_options *o = r->o;
    tn_v_summary *s = r->s;
    long names = 0, old = 0, total;
    char **name = NULL, **was = recorded(o->resume, &old);
    if (o->op != NULL) {
        s->cases_made = calloc(1, sizeof *s->cases_made);
        total =
            s->cases_made != NULL && tn_v_case_make(s->cases_made, 6, o->op, o->op_data, o->seed);
    } else {
        total = tn_v_list_cases(o->caselist != NULL ? TN_V_FULL : o->list, &s->cases_made);
    }
    if (o->caselist != NULL)
        name = read_names(o->caselist, &names);
    s->records = calloc((size_t)(total > 0 ? total : 1), sizeof *s->records);
    r->order = calloc((size_t)(total > 0 ? total : 1), sizeof *r->order);
    bool good = total >= 0 && s->records != NULL && r->order != NULL;
    if (good)
        tn_v_list_hash(s->cases_made, total, s->list_hash);
    s->total = good ? total : 0;
    for (long i = 0; good && i < total; ++i) {
        tn_v_case *c = &s->cases_made[i];
        c->cost = cost_of(c);
        if (!chosen(o, c) || (o->caselist != NULL && !has_name(name, names, c->name)) ||
            has_name(was, old, c->name))
            continue;
        if (o->seed != 0 && o->op == NULL && tn_v_takes_seed(c->op)) {
            tn_v_case repeat;
            if (tn_v_case_make(&repeat, c->level, c->op, c->data, o->seed)) {
                repeat.cost = c->cost;
                *c = repeat;
            }
        }
        r->order[r->count++] = i;
    }
    if (o->budget > 0)
        good = good && spend(r);
    if (o->shuffle != 0) {
        tn_v_random random = {o->shuffle};
        for (long i = r->count; i-- > 1;) {
            long j = (long)tn_v_below(&random, i + 1), t = r->order[i];
            r->order[i] = r->order[j];
            r->order[j] = t;
        }
    }
    free_names(name, names);
    free_names(was, old);
    return good;
}

/* The fewest earlier cases after which this one crashes: halves, as long as one half suffices. */
static void bisect(run *r, const tn_v_worker *w, long index, tn_v_result *out)
{
    long count = w->done - 1, *batch = calloc((size_t)w->done + 1, sizeof *batch);
    const long *from = w->history;
    tn_v_result last;
    while (batch != NULL && count > 1) {
        bool halved = false;
        for (int h = 0; h < 2 && !halved; ++h) {
            const long *part = h == 0 ? from + count / 2 : from;
            long n = h == 0 ? count - count / 2 : count / 2;
            memcpy(batch, part, (size_t)n * sizeof *batch);
            batch[n] = index;
            if (!tn_v_alone(r->o, r->s->cases_made, batch, n + 1, &last) &&
                last.status == TN_V_CRASH) {
                from = part;
                count = n;
                halved = true;
            }
        }
        if (!halved)
            break;
    }
    if (count == 1)
        snprintf(out->message, sizeof out->message, "crashes after %s, not alone",
                 r->s->cases_made[from[0]].name);
    else
        snprintf(out->message, sizeof out->message,
                 "crashed once, not alone and not after the %ld cases before it", w->done - 1);
    free(batch);
}

static void write_line(run *r, const tn_v_record *record)
{
    char *line = r->jsonl >= 0 ? tn_v_record_json(r->o, record, r->s->list_hash) : NULL;
    if (line == NULL)
        return;
    size_t bytes = strlen(line);
    ssize_t n = write(r->jsonl, line, bytes); /* one record, one write */
    if (n != (ssize_t)bytes)
        snprintf(r->s->why, sizeof r->s->why, "a record could not be written");
    free(line);
}

static bool bad(tn_v_status s)
{
    return s == TN_V_FAIL || s == TN_V_CRASH || s == TN_V_TIMEOUT || s == TN_V_INTERNAL ||
           s == TN_V_UNEXPECTED_PASS || s == TN_V_FLAKE;
}

static void record(run *r, long index, tn_v_result *result)
{
    tn_v_record *rec = &r->s->records[index];
    tn_v_result again;
    rec->which = &r->s->cases_made[index];
    /* A second try can only show that the first was chance; it never makes a Pass. */
    if (result->status == TN_V_FAIL && !r->o->no_retry &&
        tn_v_alone(r->o, r->s->cases_made, &index, 1, &again) && again.status == TN_V_PASS) {
        result->status = TN_V_FLAKE;
    }
    rec->result = *result;
    tn_v_waive(r->waivers, r->o->device, rec);
    r->s->status[rec->result.status]++;
    r->s->ran++;
    if (bad(rec->result.status)) {
        r->failed++;
        if (r->o->ladder && rec->which->level < r->stopped_at)
            r->stopped_at = rec->which->level;
    }
    write_line(r, rec);
    if (r->o->progress != NULL)
        r->o->progress(r->o->progress_self, r->s->ran, r->count, tn_v_now() - r->start, r->failed);
}

/* A worker that gave no answer: it died, or was stopped because it took too long. */
static void lost(run *r, tn_v_worker *w, bool timeout)
{
    tn_v_result out;
    long index = w->running;
    memset(&out, 0, sizeof out);
    tn_v_worker_stop(w);
    out.status = timeout ? TN_V_TIMEOUT : TN_V_CRASH;
    if (timeout) {
        snprintf(out.message, sizeof out.message, "no answer in %.0f s", r->o->case_timeout_s);
    } else {
        tn_v_result alone;
        bool answered = tn_v_alone(r->o, r->s->cases_made, &index, 1, &alone);
        if (!answered && alone.status == TN_V_CRASH)
            memcpy(out.message, alone.message, sizeof out.message);
        else
            bisect(r, w, index, &out);
    }
    w->running = -1;
    record(r, index, &out);
}

/* Gives an idle worker its next case; false: there is none. */
static bool feed(run *r, tn_v_worker *w)
{
    while (r->next < r->count && (r->o->stop_after == 0 || r->failed < r->o->stop_after)) {
        long index = r->order[r->next];
        if (r->s->cases_made[index].level > r->stopped_at) { /* a rung of the ladder is missing */
            r->next++;
            continue;
        }
        if (w->pid <= 0 && !tn_v_worker_start(w, r->o, r->s->cases_made)) {
            snprintf(r->s->why, sizeof r->s->why, "no process could be started");
            return false;
        }
        r->next++;
        if (tn_v_worker_ask(w, index))
            return true;
        lost(r, w, false);
    }
    return false;
}

static void answer(run *r, tn_v_worker *w)
{
    tn_v_result out;
    unsigned char *p = (unsigned char *)&out;
    size_t have = 0;
    while (have < sizeof out) {
        ssize_t n = read(w->from, p + have, sizeof out - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    if (have < sizeof out) {
        lost(r, w, false);
        return;
    }
    long index = w->running;
    w->running = -1;
    if (out.status == TN_V_TIMEOUT)
        tn_v_worker_stop(w);
    record(r, index, &out);
}

static void drive(run *r, tn_v_worker *w, int jobs)
{
    struct pollfd p[64];
    for (;;) {
        int busy = 0;
        for (int i = 0; i < jobs; ++i) {
            if (w[i].running < 0)
                feed(r, &w[i]);
            p[i] = (struct pollfd){w[i].running >= 0 ? w[i].from : -1, POLLIN, 0};
            busy += w[i].running >= 0;
        }
        if (busy == 0)
            return;
        if (poll(p, (nfds_t)jobs, 200) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < jobs; ++i) {
            if (w[i].running < 0)
                continue;
            if ((p[i].revents & (POLLIN | POLLHUP)) != 0)
                answer(r, &w[i]);
            else if (tn_v_worker_late(&w[i], r->o->case_timeout_s))
                lost(r, &w[i], true);
        }
    }
}

static bool device_opens(const tn_v_options *o, char *why, size_t bytes)
{
    /* In a child: this process must stay without threads, and forks later. */
    tn_v_case none;
    tn_v_result r;
    long index = 0;
    memset(&none, 0, sizeof none);
    snprintf(none.op, sizeof none.op, "memory.sizes");
    if (!tn_v_alone(o, &none, &index, 1, &r)) {
        snprintf(why, bytes, "opening %s ends in a %s", o->device, tn_v_status_names[r.status]);
        return true; /* there is a device: its cases will say so one by one */
    }
    bool open = r.run_s > 0;
    if (!open)
        snprintf(why, bytes, "%.200s", r.message);
    return open;
}

int tn_v_verify(const tn_v_options *o, tn_v_summary *s)
{
    run r = {.o = o, .s = s, .jsonl = -1, .stopped_at = 99, .start = tn_v_now()};
    int jobs = o->jobs < 1 ? 1 : o->jobs > 64 ? 64 : o->jobs;
    memset(s, 0, sizeof *s);
    signal(SIGPIPE, SIG_IGN);
    r.waivers = tn_v_waivers_load(o->waivers, s->why, sizeof s->why);
    if (r.waivers == NULL || !choose(&r)) {
        tn_v_waivers_free(r.waivers);
        free(r.order);
        return TN_V_EXIT_USAGE;
    }
    if (!device_opens(o, s->why, sizeof s->why)) {
        tn_v_waivers_free(r.waivers);
        free(r.order);
        return TN_V_EXIT_NO_DEVICE;
    }
    s->why[0] = '\0';
    if (o->jsonl != NULL)
        r.jsonl = open(
            o->jsonl,
            O_WRONLY | O_CREAT | O_APPEND | (o->resume != NULL || o->append ? 0 : O_TRUNC), 0644);
    if (o->jsonl != NULL && r.jsonl < 0) {
        snprintf(s->why, sizeof s->why, "%s cannot be written", o->jsonl);
        tn_v_waivers_free(r.waivers);
        free(r.order);
        return TN_V_EXIT_USAGE;
    }
    tn_v_worker *w = calloc((size_t)jobs, sizeof *w);
    for (int i = 0; w != NULL && i < jobs; ++i)
        w[i].running = -1;
    s->cases = r.count;
    if (w != NULL)
        drive(&r, w, jobs);
    for (int i = 0; w != NULL && i < jobs; ++i) {
        tn_v_worker_stop(&w[i]);
        free(w[i].history);
    }
    free(w);
    if (r.jsonl >= 0)
        close(r.jsonl);
    s->seconds = tn_v_now() - r.start;
    tn_v_waivers_free(r.waivers);
    free(r.order);
    if (r.failed > 0 || s->why[0] != '\0')
        return TN_V_EXIT_FAILED;
    long executed = s->ran - s->status[TN_V_NOT_SUPPORTED];
    return executed > 0 ? TN_V_EXIT_PASSED : TN_V_EXIT_NOTHING;
}

void tn_v_summary_free(tn_v_summary *s)
{
    free(s->records);
    free(s->cases_made);
    s->records = NULL;
    s->cases_made = NULL;
}

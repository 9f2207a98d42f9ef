/* SPDX-License-Identifier: Apache-2.0 */
/* tenon verify: a device against the conformance suite. */
#include "tool.h"

#include <argp.h>
#include <conformance/fingerprint/fingerprint.h>
#include <conformance/mutants/mutants.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct asked {
    tn_v_options o;
    const char *json;
    const char *globs[64];
    const char *list;
    const char *failures; /* folder; NULL: none is kept */
    bool list_only, mutants, failures_named, certify;
    int draw;
    double soak; /* seconds; 0: no soaking */
} asked;

enum {
    KEY_SHARD = 256,
    KEY_JOBS,
    KEY_SHUFFLE,
    KEY_BUDGET,
    KEY_TIMEOUT,
    KEY_JSONL,
    KEY_RESUME,
    KEY_JUNIT,
    KEY_CSV,
    KEY_HTML,
    KEY_BASELINE,
    KEY_WAIVERS,
    KEY_CASELIST,
    KEY_OP,
    KEY_DATA,
    KEY_LADDER,
    KEY_NAMES,
    KEY_NO_RETRY,
    KEY_MUTANTS,
    KEY_DRAW,
    KEY_SEED,
    KEY_FAILURES,
    KEY_SOAK,
    KEY_CERTIFY
};

static const struct argp_option options[] = {
    {"list", 'l', "LIST", 0, "mandatory, bringup, quick (default), standard or full", 0},
    {"case", 'c', "GLOB", 0, "only cases whose name matches; may be repeated", 0},
    {"caselist", KEY_CASELIST, "FILE", 0, "the cases named in a file, - is standard input", 0},
    {"op", KEY_OP, "TEXT", 0, "one case of this op", 0},
    {"data", KEY_DATA, "CLASS", 0, "class of data for --op: hot, e24, zero, ..", 0},
    {"seed", KEY_SEED, "N", 0, "other data of the same class: those of the names that end in .sN",
     0},
    {"failures", KEY_FAILURES, "FOLDER", 0,
     "keep failures there, made smaller, for tenon replay (default: three, in tenon-failures; with "
     "--quiet none)",
     0},
    {"json", 'j', "FILE", 0, "write the summary", 0},
    {"jsonl", KEY_JSONL, "FILE", 0, "write one record a line, as they come", 0},
    {"resume", KEY_RESUME, "FILE", 0, "leave out cases that FILE has, and go on in it", 0},
    {"junit", KEY_JUNIT, "FILE", 0, "write JUnit XML", 0},
    {"csv", KEY_CSV, "FILE", 0, "write a table", 0},
    {"html", KEY_HTML, "FILE", 0, "write a report of one page", 0},
    {"baseline", KEY_BASELINE, "FILE", 0, "records of an earlier run, for the report's differences",
     0},
    {"waivers", KEY_WAIVERS, "FILE", 0, "known failures with reason and end", 0},
    {"shard", KEY_SHARD, "I/N", 0,
     "the I-th of N parts; a case's part does not change when others come", 0},
    {"jobs", KEY_JOBS, "N", 0, "processes at a time (default 1)", 0},
    {"shuffle", KEY_SHUFFLE, "SEED", OPTION_ARG_OPTIONAL, "in random order; the seed is printed",
     0},
    {"budget", KEY_BUDGET, "N", 0, "at most about N multiplications in all", 0},
    {"case-timeout", KEY_TIMEOUT, "S", 0, "seconds until a case is given up (default 30)", 0},
    {"ladder", KEY_LADDER, NULL, 0, "no level above one with failures (always for bringup)", 0},
    {"no-retry", KEY_NO_RETRY, NULL, 0, "do not try failures again", 0},
    {"names", KEY_NAMES, NULL, 0, "print the names and the hash of the list; run nothing", 0},
    {"soak", KEY_SOAK, "S", 0,
     "levels 7 and 8 of the list again and again for S seconds, drawn anew in each round; --seed "
     "is "
     "the first round's",
     0},
    {"certify", KEY_CERTIFY, NULL, 0,
     "the list three times, the last in another order: all records have to be the same; --jsonl "
     "FILE also writes FILE.again and FILE.shuffled",
     0},
    {"mutants", KEY_MUTANTS, NULL, 0,
     "run the suite on devices with one known defect each, and on those without", 0},
    {"draw", KEY_DRAW, "N", 0,
     "with --mutants: N of them, chosen by --shuffle's seed, and an eighth of the list for the "
     "devices without a defect",
     0},
    {"quiet", 'q', NULL, 0, "no progress", 0},
    {0}};

static error_t shard_of(asked *a, const char *arg, struct argp_state *state)
{
    if (sscanf(arg, "%d/%d", &a->o.shard, &a->o.shards) != 2 || a->o.shard < 1 ||
        a->o.shard > a->o.shards)
        argp_error(state, "--shard takes I/N with 1 <= I <= N, not \"%s\"", arg);
    return 0;
}

static error_t list_of(asked *a, const char *arg, struct argp_state *state)
{
    for (int i = 0; i < TN_V_LIST_COUNT; ++i)
        if (strcmp(arg, tn_v_list_names[i]) == 0) {
            a->o.list = (tn_v_list)i;
            a->list = tn_v_list_names[i];
            return 0;
        }
    argp_error(state,
               "there is no list \"%s\"; mandatory, bringup, quick, standard and full are there",
               arg);
    return EINVAL;
}

static error_t data_of(asked *a, const char *arg, struct argp_state *state)
{
    for (int i = 0; i < TN_V_DATA_COUNT; ++i)
        if (strcmp(arg, tn_v_data_names[i]) == 0) {
            a->o.op_data = (tn_v_data)i;
            return 0;
        }
    argp_error(state, "there is no class of data \"%s\"", arg);
    return EINVAL;
}

/* A name that ends in .s5 is a case of the lists, which end in .s0, with the seed 5. */
static void seed_of(tn_v_options *o, char *name)
{
    char *dot = strrchr(name, '.'), *end;
    if (dot == NULL || dot[1] != 's' || dot[2] < '1' || dot[2] > '9')
        return;
    unsigned long n = strtoul(dot + 2, &end, 10);
    if (*end != '\0')
        return;
    o->seed = (uint32_t)n;
    snprintf(dot, 4, ".s0"); /* there is room: a dot, an s and a digit */
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    asked *a = state->input;
    tn_v_options *o = &a->o;
    switch (key) {
    case 'l':
        return list_of(a, arg, state);
    case 'c':
        if (o->glob_count == 64)
            argp_error(state, "at most 64 --case");
        seed_of(o, arg);
        a->globs[o->glob_count++] = arg;
        break;
    case KEY_SEED:
        o->seed = (uint32_t)strtoul(arg, NULL, 10);
        break;
    case KEY_FAILURES:
        a->failures = arg;
        a->failures_named = true;
        break;
    case KEY_CASELIST:
        o->caselist = arg;
        break;
    case KEY_OP:
        o->op = arg;
        break;
    case KEY_DATA:
        return data_of(a, arg, state);
    case 'j':
        a->json = arg;
        break;
    case KEY_JSONL:
        o->jsonl = arg;
        break;
    case KEY_RESUME:
        o->resume = o->jsonl = arg;
        break;
    case KEY_JUNIT:
        o->junit = arg;
        break;
    case KEY_CSV:
        o->csv = arg;
        break;
    case KEY_HTML:
        o->html = arg;
        break;
    case KEY_BASELINE:
        o->baseline = arg;
        break;
    case KEY_WAIVERS:
        o->waivers = arg;
        break;
    case KEY_SHARD:
        return shard_of(a, arg, state);
    case KEY_JOBS:
        o->jobs = (int)strtol(arg, NULL, 10);
        break;
    case KEY_SHUFFLE:
        o->shuffle = arg != NULL ? strtoull(arg, NULL, 0) : (uint64_t)time(NULL);
        break;
    case KEY_BUDGET:
        o->budget = strtod(arg, NULL);
        break;
    case KEY_TIMEOUT:
        o->case_timeout_s = strtod(arg, NULL);
        break;
    case KEY_LADDER:
        o->ladder = true;
        break;
    case KEY_NO_RETRY:
        o->no_retry = true;
        break;
    case KEY_NAMES:
        a->list_only = true;
        break;
    case KEY_MUTANTS:
        a->mutants = true;
        break;
    case KEY_SOAK:
        a->soak = strtod(arg, NULL);
        if (!(a->soak > 0))
            argp_error(state, "--soak takes a number of seconds above 0, not \"%s\"", arg);
        break;
    case KEY_CERTIFY:
        a->certify = true;
        break;
    case KEY_DRAW:
        a->draw = (int)strtol(arg, NULL, 10);
        break;
    case 'q':
        o->quiet = true;
        break;
    case ARGP_KEY_ARG:
        if (o->device != NULL)
            argp_error(state, "one device at a time");
        o->device = arg;
        break;
    case ARGP_KEY_END:
        if (o->device == NULL && !a->mutants && !a->list_only)
            argp_error(state, "which device? tenon info lists them");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {options,
                                 parse,
                                 "DEVICE",
                                 "Verify a device against the conformance suite.\v"
                                 "Exit status: 0 nothing failed and something ran, 1 something "
                                 "failed, 2 wrong call, 3 no such device, "
                                 "4 nothing was executed.",
                                 NULL,
                                 NULL,
                                 NULL};

static void progress(void *self, long done, long all, double seconds, long failed)
{
    static double last;
    double now = tool_now(), rate = seconds > 0 ? (double)done / seconds : 0;
    char bar[31];
    (void)self;
    if (now - last < 0.1 && done != all)
        return;
    last = now;
    int full = all > 0 ? (int)(30 * done / all) : 30;
    for (int i = 0; i < 30; ++i)
        bar[i] = i < full ? '#' : '.';
    bar[30] = '\0';
    fprintf(stderr, "\r[%s] %ld/%ld  %.0f/s  %.0f s left  %ld failed ", bar, done, all, rate,
            rate > 0 ? (double)(all - done) / rate : 0, failed);
    if (done == all)
        fputc('\n', stderr);
}

static int print_names(const asked *a)
{
    tn_v_case *cases;
    long n = tn_v_list_cases(a->o.list, &cases);
    char hash[17];
    if (n < 0)
        return 1;
    tn_v_list_hash(cases, n, hash);
    for (long i = 0; i < n; ++i) {
        bool match = a->o.glob_count == 0;
        for (int g = 0; g < a->o.glob_count; ++g)
            match = match || tn_v_glob(a->globs[g], cases[i].name);
        if (match)
            puts(cases[i].name);
    }
    fprintf(stderr, "%s: %ld cases, hash %s\n", a->list, n, hash);
    free(cases);
    return 0;
}

static bool write_json(const char *path, cJSON *j)
{
    char *text = cJSON_Print(j);
    FILE *f = text != NULL ? fopen(path, "w") : NULL;
    bool good = f != NULL && fprintf(f, "%s\n", text) > 0;
    good = (f == NULL || fclose(f) == 0) && good;
    if (!good)
        fprintf(stderr, "tenon: %s cannot be written\n", path);
    cJSON_free(text);
    return good;
}

static bool write_summary(const asked *a, const tn_v_summary *s)
{
    static const struct {
        const char *name;
        tn_v_status st;
    } counts[] = {{"passed", TN_V_PASS},
                  {"failed", TN_V_FAIL},
                  {"not_supported", TN_V_NOT_SUPPORTED},
                  {"waived", TN_V_WAIVED},
                  {"crashed", TN_V_CRASH},
                  {"timeout", TN_V_TIMEOUT},
                  {"flake", TN_V_FLAKE},
                  {"unexpected_pass", TN_V_UNEXPECTED_PASS},
                  {"quality_warning", TN_V_QUALITY},
                  {"internal_error", TN_V_INTERNAL}};
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "device", a->o.device);
    cJSON_AddStringToObject(j, "list", a->list);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; ++i)
        cJSON_AddNumberToObject(j, counts[i].name, (double)s->status[counts[i].st]);
    cJSON_AddNumberToObject(j, "seconds", s->seconds);
    cJSON_AddNumberToObject(j, "canonical_version", 1);
    char id[17];
    if (tn_v_numeric_id(a->o.device, id))
        cJSON_AddStringToObject(j, "fingerprint", id);
    else
        cJSON_AddNullToObject(j, "fingerprint");
    tn_v_identity who;
    cJSON *grades = cJSON_AddObjectToObject(j, "grades");
    if (tn_v_identify(a->o.device, 60, &who))
        for (int i = 0; i < who.types; ++i) {
            const tn_v_grade *g = &who.grade[i];
            char letter[2] = {g->grade, '\0'};
            cJSON *one = cJSON_AddObjectToObject(grades, g->types);
            cJSON_AddStringToObject(one, "grade", letter);
            cJSON_AddStringToObject(one, "disagrees_with_declared", g->disagrees);
        }
    cJSON_AddStringToObject(j, "list_hash", s->list_hash);
    bool good = write_json(a->json, j);
    cJSON_Delete(j);
    return good;
}

static void tell_failures(const tn_v_summary *s, const tn_v_options *o)
{
    long told = 0;
    for (long i = 0; i < s->total; ++i) {
        const tn_v_record *r = &s->records[i];
        tn_v_status st = r->which != NULL ? r->result.status : TN_V_PASS;
        if (st == TN_V_PASS || st == TN_V_NOT_SUPPORTED || st == TN_V_WAIVED)
            continue;
        if (told++ == 20) {
            printf("  .. and more; --jsonl has all\n");
            break;
        }
        printf("%s %s\n", tn_v_status_names[st], r->which->name);
        if (r->result.hypothesis[0] != '\0')
            printf("  looks like: %s\n", r->result.hypothesis);
        if (r->result.message[0] != '\0')
            printf("  %s\n", r->result.message);
        char line[2 * TN_V_NAME + 128];
        tn_v_again(o, r->which, line, sizeof line);
        printf("  again: %s\n", line);
    }
}

static void tell_line(void *self, const char *line)
{
    (void)self;
    puts(line);
}

static void tell_common(void *self, const char *line)
{
    (void)self;
    printf("in common: %s\n", line);
}

/* Smaller, and in files of their own. */
static void keep_failures(const asked *a, const tn_v_summary *s)
{
    const char *folder = a->failures != NULL ? a->failures : "tenon-failures";
    if ((a->o.quiet && !a->failures_named) || s->ran == s->status[TN_V_PASS])
        return;
    long bad = s->status[TN_V_FAIL] + s->status[TN_V_CRASH] + s->status[TN_V_TIMEOUT] +
               s->status[TN_V_FLAKE];
    if (bad == 0)
        return;
    if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
        fprintf(stderr, "tenon: %s cannot be made\n", folder);
        return;
    }
    (void)tn_v_keep_failures(&a->o, s, folder, a->failures_named ? 10 : 3, 1, tell_line, NULL);
}

static void tell_mutant(void *self, const tn_v_mutant *m, int done, int all)
{
    const asked *a = self;
    if (a->o.quiet && m->killed && (m->named || !m->judged))
        return;
    printf("%3d/%d %-12s %-9s %s%s%s%s%s\n", done, all, m->uri,
           m->killed                  ? "killed"
           : m->equivalent[0] != '\0' ? "equivalent"
                                      : "SURVIVED",
           m->text, m->hypothesis[0] != '\0' ? "; looks like: " : "", m->hypothesis,
           m->common[0] != '\0' ? "; " : "", m->common);
    fflush(stdout);
}

static bool score_json(const char *path, const tn_v_score *s)
{
    cJSON *j = cJSON_CreateObject(), *families = cJSON_CreateObject(), *list = cJSON_CreateArray();
    cJSON_AddNumberToObject(j, "killed", s->killed);
    cJSON_AddNumberToObject(j, "survived", s->survived);
    cJSON_AddNumberToObject(j, "equivalent", s->equivalent);
    cJSON_AddNumberToObject(j, "false_alarms", s->false_alarms);
    cJSON_AddItemToObject(j, "by_family", families);
    cJSON_AddNumberToObject(j, "hypothesis_right", s->named);
    cJSON_AddNumberToObject(j, "hypothesis_of", s->judged);
    cJSON_AddNumberToObject(j, "seconds", s->seconds);
    cJSON_AddItemToObject(j, "mutants", list);
    for (int i = 0; i < s->count; ++i) {
        const tn_v_mutant *m = &s->mutants[i];
        cJSON *f = cJSON_GetObjectItem(families, m->family), *one = cJSON_CreateObject();
        if (f == NULL) {
            f = cJSON_AddObjectToObject(families, m->family);
            cJSON_AddNumberToObject(f, "killed", 0);
            cJSON_AddNumberToObject(f, "survived", 0);
            cJSON_AddNumberToObject(f, "equivalent", 0);
        }
        cJSON *n = cJSON_GetObjectItem(f, m->killed                  ? "killed"
                                          : m->equivalent[0] != '\0' ? "equivalent"
                                                                     : "survived");
        cJSON_SetNumberValue(n, n->valuedouble + 1);
        cJSON_AddStringToObject(one, "device", m->uri);
        cJSON_AddStringToObject(one, "defect", m->text);
        cJSON_AddBoolToObject(one, "killed", m->killed);
        cJSON_AddStringToObject(one, "by", m->by);
        cJSON_AddStringToObject(one, "hypothesis", m->hypothesis);
        cJSON_AddStringToObject(one, "in_common", m->common);
        cJSON_AddBoolToObject(one, "named", m->named);
        cJSON_AddStringToObject(one, "equivalent", m->equivalent);
        cJSON_AddItemToArray(list, one);
    }
    bool good = write_json(path, j);
    cJSON_Delete(j);
    return good;
}

static void table(const tn_v_score *s)
{
    printf("%-12s %7s %9s %10s\n", "family", "killed", "survived", "equivalent");
    for (int i = 0; i < s->count; ++i) {
        const char *family = s->mutants[i].family;
        int killed = 0, survived = 0, equivalent = 0, first = i;
        for (int k = 0; k < s->count; ++k) {
            const tn_v_mutant *m = &s->mutants[k];
            if (strcmp(m->family, family) != 0)
                continue;
            first = k < first ? k : first;
            killed += m->killed;
            equivalent += !m->killed && m->equivalent[0] != '\0';
            survived += !m->killed && m->equivalent[0] == '\0';
        }
        if (first == i)
            printf("%-12s %7d %9d %10d\n", family, killed, survived, equivalent);
    }
}

static int run_mutants(asked *a)
{
    static const char *const right[] = {"cpu", "cpu?private=1", "mutant", "mutant:L01", NULL};
    tn_v_score s;
    if (!tn_v_mutants(&a->o, right, a->draw, tell_mutant, a, &s)) {
        fprintf(stderr, "tenon: the device mutant does not tell its defects\n");
        return TN_V_EXIT_NO_DEVICE;
    }
    int real = s.killed + s.survived;
    double score = real > 0 ? 100.0 * s.killed / real : 0;
    table(&s);
    printf("mutation score %.1f %%: %d of %d killed, %d equivalent; %d false alarms; hypothesis "
           "right for %d of %d; "
           "%.0f s\n",
           score, s.killed, real, s.equivalent, s.false_alarms, s.named, s.judged, s.seconds);
    bool good = a->json == NULL || score_json(a->json, &s);
    tn_v_score_free(&s);
    return good && score >= 98 && s.false_alarms == 0 ? TN_V_EXIT_PASSED : TN_V_EXIT_FAILED;
}

int tool_verify(int argc, char **argv)
{
    asked a;
    tn_v_summary s;
    memset(&a, 0, sizeof a);
    a.o.list = TN_V_QUICK;
    a.list = "quick";
    a.o.jobs = 1;
    a.o.case_timeout_s = 30;
    a.o.op_data = TN_V_ZERO_MEAN;
    argp_err_exit_status = TN_V_EXIT_USAGE;
    error_t e = argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (e != 0)
        return TN_V_EXIT_USAGE;
    a.o.globs = a.globs;
    if (a.list_only)
        return print_names(&a);
    if (a.mutants)
        return run_mutants(&a);
    if (a.o.list == TN_V_BRINGUP)
        a.o.ladder = true;
    if (!a.o.quiet && isatty(STDERR_FILENO))
        a.o.progress = progress;
    if (a.o.shuffle != 0)
        printf("shuffled with seed %llu (--shuffle=%llu)\n", (unsigned long long)a.o.shuffle,
               (unsigned long long)a.o.shuffle);
    long rounds = 0;
    int status = a.soak > 0  ? tn_v_soak(&a.o, a.soak, &s, &rounds, tell_line, NULL)
                 : a.certify ? tn_v_certify(&a.o, &s, tell_line, NULL)
                             : tn_v_verify(&a.o, &s);
    if (rounds > 1) /* what is told of failures is of the last round */
        a.o.seed = (a.o.seed != 0 ? a.o.seed : 1) + (uint32_t)rounds - 1;
    if (s.why[0] != '\0')
        fprintf(stderr, "tenon: %s\n", s.why);
    if (status == TN_V_EXIT_USAGE || status == TN_V_EXIT_NO_DEVICE) {
        tn_v_summary_free(&s);
        return status;
    }
    tell_failures(&s, &a.o);
    tn_v_common(&s, tell_common, NULL);
    keep_failures(&a, &s);
    printf("%s, list %s (%s): %ld of %ld cases in %.1f s:", a.o.device, a.list, s.list_hash, s.ran,
           s.cases, s.seconds);
    for (int i = 0; i < TN_V_STATUS_COUNT; ++i)
        if (s.status[i] > 0)
            printf(" %ld %s", s.status[i], tn_v_status_names[i]);
    putchar('\n');
    bool good = a.json == NULL || write_summary(&a, &s);
    good = (a.o.junit == NULL || tn_v_write_junit(&a.o, &s, a.o.junit)) && good;
    good = (a.o.csv == NULL || tn_v_write_csv(&a.o, &s, a.o.csv)) && good;
    good = (a.o.html == NULL || tn_v_write_html(&a.o, &s, a.o.html)) && good;
    tn_v_summary_free(&s);
    return good ? status : TN_V_EXIT_FAILED;
}

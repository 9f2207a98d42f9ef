/* SPDX-License-Identifier: Apache-2.0 */
/* Crashes and hangs: kept with the operands that led there, and made smaller. Every try has a
 * process of its own, which leaves its capsule before the launch. */
#include <conformance/runner/capture.h>
#include <conformance/runner/runner.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Seconds after which a smaller form counts as hanging; the smallest is given the whole limit of
 * the run before it is believed. */
enum { SHORT_HANG = 2 };

typedef struct lost {
    const char *device, *list_hash;
    const tn_v_result *first;
    double limit;       /* of the tries */
    double told;        /* that a capsule names: of the run */
    char path[2][1100]; /* capsules: of the try under way, and of the best that was lost, too */
    const tn_v_case *which;
    const tn_v_values *values;
    bool simple;
} lost;

static void program_of(const char *capsule, char *path, size_t bytes)
{
    snprintf(path, bytes, "%s.c", capsule);
}

static void before_launch(void *self, tn_v_capture *c)
{
    const lost *l = self;
    char path[1200];
    c->result = *l->first;
    c->limit_s = l->told;
    (void)tn_v_capsule_write(l->path[0], c, NULL, l->list_hash);
    program_of(l->path[0], path, sizeof path);
    if (c->simple)
        (void)tn_v_program_write(path, c);
}

static void try_it(tn_v_session *s, void *self, tn_v_result *out)
{
    lost *l = self;
    tn_v_capture c;
    tn_v_observe_ready(s, l->which, l->values, l->simple, before_launch, l, &c);
    *out = c.result;
    tn_v_capture_free(&c);
}

/* In a new process; whether it was lost in the same way. */
static bool lost_again(lost *l, const tn_v_case *c, const tn_v_values *values, bool simple)
{
    tn_v_result now;
    char why[256] = "";
    l->which = c;
    l->values = values;
    l->simple = simple;
    if (tn_v_in_child(l->device, l->limit, try_it, l, &now, why, sizeof why) != 0)
        return false;
    return now.status == l->first->status &&
           (now.status != TN_V_CRASH || strcmp(now.message, l->first->message) == 0);
}

static bool fails(void *self, const tn_v_case *c, const tn_v_values *values)
{
    lost *l = self;
    char from[1200], to[1200];
    if (!lost_again(l, c, values, values != NULL))
        return false;
    program_of(l->path[0], from, sizeof from);
    program_of(l->path[1], to, sizeof to);
    (void)rename(from, to);
    return rename(l->path[0], l->path[1]) == 0;
}

static bool operands(void *self, tn_v_small *small)
{
    const lost *l = self;
    tn_v_case c;
    return tn_v_capsule_read(l->path[1], &c, &small->values, &small->capture);
}

/* The smallest form has to be lost in the time that the run allowed, too. */
static bool confirmed(lost *l)
{
    tn_v_case c;
    tn_v_values v;
    tn_v_capture operand;
    memset(&operand, 0, sizeof operand);
    bool simple = false, read = tn_v_capsule_read(l->path[1], &c, &v, &operand);
    char program[1200];
    program_of(l->path[1], program, sizeof program);
    simple = access(program, R_OK) == 0;
    l->limit = l->told;
    bool good = read && lost_again(l, &c, simple ? &v : NULL, simple);
    tn_v_values_free(&v);
    tn_v_capture_free(&operand);
    return good;
}

static void forget(const char *capsule)
{
    char program[1200];
    program_of(capsule, program, sizeof program);
    (void)unlink(capsule);
    (void)unlink(program);
}

bool tn_v_keep_lost(const tn_v_options *o, const tn_v_record *r, const char *folder,
                    const char *list_hash, double seconds, tn_v_result *out)
{
    bool hang = r->result.status == TN_V_TIMEOUT;
    lost l = {.device = o->device,
              .list_hash = list_hash,
              .first = &r->result,
              .limit = o->case_timeout_s,
              .told = o->case_timeout_s};
    tn_v_trial trial = {&l, fails, operands};
    tn_v_small small;
    char program[1200], path[1024];
    memset(&small, 0, sizeof small);
    memset(out, 0, sizeof *out);
    snprintf(path, sizeof path, "%s/%.300s.capsule", folder, r->which->name);
    snprintf(l.path[0], sizeof l.path[0], "%s", path);
    if (!lost_again(&l, r->which, NULL, false)) {
        snprintf(out->message, sizeof out->message, "  did not happen again\n");
        return false;
    }
    snprintf(l.path[0], sizeof l.path[0], "%s.try", path);
    snprintf(l.path[1], sizeof l.path[1], "%s.least", path);
    l.limit = hang && SHORT_HANG < l.told ? SHORT_HANG : l.told;
    /* a try costs a process, and that of a hang its whole limit */
    tn_v_shrink_by(&trial, r->which, (hang ? 10 * l.limit : 10) * seconds, &small);
    snprintf(out->message, sizeof out->message, "  %.200s\n", r->result.message);
    if (access(l.path[1], R_OK) == 0 && (!hang || confirmed(&l)) &&
        tn_v_capsule_join(path, l.path[1])) {
        snprintf(out->worst, sizeof out->worst, "%.120s, data %s", small.capture.which.op,
                 tn_v_data_names[small.capture.which.data]);
        program_of(l.path[1], program, sizeof program);
        snprintf(path + strlen(path) - strlen("capsule"), 2, "c");
        if (rename(program, path) == 0)
            snprintf(out->kernel, sizeof out->kernel, "with a program");
    }
    forget(l.path[0]);
    forget(l.path[1]);
    tn_v_small_free(&small);
    return true;
}

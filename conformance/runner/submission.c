/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a submission: records of a whole list, nothing changed, nothing left out, nothing twice.
 */
#include <conformance/runner/runner.h>

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct check {
    void (*tell)(void *self, const char *line);
    void *self;
    long problems, records;
    tn_v_case *cases;
    long count;
    unsigned char *seen;
    tn_v_list list;
    char hash[17], device[128];
    const tn_v_record *again; /* what a case gave when it was run once more */
} check;

static void problem(check *c, const char *what, const char *of)
{
    char line[TN_V_NAME + 128];
    snprintf(line, sizeof line, "%s: %.220s", what, of);
    if (c->problems++ < 50)
        c->tell(c->self, line);
}

/* The list whose digest the records name. */
static bool find_list(check *c, const char *hash)
{
    for (int l = 0; l < TN_V_LIST_COUNT; ++l) {
        tn_v_case *cases;
        long n = tn_v_list_cases((tn_v_list)l, &cases);
        char have[17];
        if (n > 0) {
            tn_v_list_hash(cases, n, have);
            if (strcmp(have, hash) == 0) {
                c->cases = cases;
                c->count = n;
                c->list = (tn_v_list)l;
                snprintf(c->hash, sizeof c->hash, "%s", hash);
                c->seen = calloc((size_t)n + 1, 1);
                return c->seen != NULL;
            }
        }
        free(cases);
    }
    return false;
}

static long find_case(const check *c, const char *name)
{
    long low = 0, high = c->count;
    while (low < high) {
        long middle = (low + high) / 2;
        int order = strcmp(c->cases[middle].name, name);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* The record again from what it says, and whether its seal is that of this. */
static bool sealed(const check *c, const cJSON *r, const tn_v_case *which)
{
    const cJSON *m = cJSON_GetObjectItem(r, "metrics");
    tn_v_record made;
    memset(&made, 0, sizeof made);
    made.which = which;
    while (made.result.status < TN_V_STATUS_COUNT &&
           strcmp(tn_v_status_names[made.result.status], tn_v_json_text(r, "status")) != 0)
        made.result.status++;
    if (made.result.status == TN_V_STATUS_COUNT)
        return false;
    snprintf(made.result.digest, sizeof made.result.digest, "%s", tn_v_json_text(m, "digest"));
    made.result.elements = (int64_t)tn_v_json_number(m, "elements");
    made.result.wrong = (int64_t)tn_v_json_number(m, "wrong");
    made.result.ratio = tn_v_json_number(m, "error_over_bound");
    snprintf(made.waiver, sizeof made.waiver, "%s", tn_v_json_text(r, "waiver"));
    tn_v_options o = {.device = tn_v_json_text(r, "device")};
    char *line = tn_v_record_json(&o, &made, c->hash);
    cJSON *again = line != NULL ? cJSON_Parse(line) : NULL;
    bool same =
        again != NULL && strcmp(tn_v_json_text(again, "seal"), tn_v_json_text(r, "seal")) == 0;
    cJSON_Delete(again);
    free(line);
    return same;
}

static void check_record(check *c, const char *line)
{
    cJSON *r = cJSON_Parse(line);
    const char *name = tn_v_json_text(r, "case");
    if (r == NULL || name[0] == '\0') {
        problem(c, "no record", line);
        cJSON_Delete(r);
        return;
    }
    c->records++;
    if (c->cases == NULL && !find_list(c, tn_v_json_text(r, "list_hash"))) {
        problem(c, "no list of this version has the hash", tn_v_json_text(r, "list_hash"));
        cJSON_Delete(r);
        return;
    }
    if (c->device[0] == '\0')
        snprintf(c->device, sizeof c->device, "%s", tn_v_json_text(r, "device"));
    long i = find_case(c, name);
    if (strcmp(tn_v_json_text(r, "list_hash"), c->hash) != 0)
        problem(c, "of another list", name);
    else if (strcmp(tn_v_json_text(r, "device"), c->device) != 0)
        problem(c, "of another device", name);
    else if (i < 0)
        problem(c, "not in the list", name);
    else if (c->seen[i])
        problem(c, "twice", name);
    else if (!sealed(c, r, &c->cases[i]))
        problem(c, "changed after it was written", name);
    else if (strcmp(tn_v_json_text(r, "status"), "pass") != 0 &&
             strcmp(tn_v_json_text(r, "status"), "not_supported") != 0 &&
             strcmp(tn_v_json_text(r, "status"), "waived") != 0 &&
             strcmp(tn_v_json_text(r, "status"), "quality_warning") != 0)
        problem(c, tn_v_json_text(r, "status"), name);
    if (i >= 0)
        c->seen[i] = 1;
    if (c->again != NULL && i >= 0 && c->again[i].which != NULL &&
        (strcmp(c->again[i].result.digest,
                tn_v_json_text(cJSON_GetObjectItem(r, "metrics"), "digest")) != 0 ||
         (strcmp(tn_v_json_text(r, "status"), "waived") != 0 &&
          strcmp(tn_v_status_names[c->again[i].result.status], tn_v_json_text(r, "status")) != 0)))
        problem(c, "gives something else when it is run again", name);
    cJSON_Delete(r);
}

static void read_folder(check *c, const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    if (dir == NULL) {
        problem(c, "no such folder", folder);
        return;
    }
    while ((e = readdir(dir)) != NULL) {
        size_t n = strlen(e->d_name);
        char path[1024], *line = NULL;
        size_t room = 0;
        if (n < 7 || strcmp(e->d_name + n - 6, ".jsonl") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *f = fopen(path, "r");
        while (f != NULL && getline(&line, &room, f) > 0)
            check_record(c, line);
        free(line);
        if (f != NULL)
            fclose(f);
    }
    closedir(dir);
}

int tn_v_verify_submission(const char *folder, const char *device,
                           void (*tell)(void *self, const char *line), void *self)
{
    check c = {.tell = tell, .self = self};
    tn_v_summary again;
    memset(&again, 0, sizeof again);
    read_folder(&c, folder);
    for (long i = 0; i < c.count; ++i)
        if (!c.seen[i])
            problem(&c, "missing", c.cases[i].name);
    if (c.records == 0)
        problem(&c, "no records (*.jsonl) in", folder);
    if (c.problems == 0 && device != NULL) {
        check second = {.tell = tell, .self = self};
        tn_v_options o = {
            .device = device, .list = c.list, .jobs = 1, .case_timeout_s = 30, .no_retry = true};
        tn_v_verify(&o, &again);
        second.again = again.records;
        if (again.ran == 0)
            problem(&c, "cannot be run again", again.why);
        else
            read_folder(&second, folder);
        c.problems += second.problems;
        free(second.cases);
        free(second.seen);
    }
    char line[256];
    snprintf(line, sizeof line, "%ld records of %s, list %s: %ld problems%s", c.records, c.device,
             c.cases != NULL ? tn_v_list_names[c.list] : "?", c.problems,
             device != NULL ? ", run again" : "");
    tell(self, line);
    tn_v_summary_free(&again);
    free(c.cases);
    free(c.seen);
    return c.problems == 0 ? TN_V_EXIT_PASSED : TN_V_EXIT_FAILED;
}

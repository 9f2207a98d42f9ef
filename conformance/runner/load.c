/* SPDX-License-Identifier: Apache-2.0 */
/* Records read back: the shards of a run become one summary, as if it had just been made. */
#include <conformance/runner/runner.h>

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct loading {
    tn_v_summary *s;
    char *device;
    size_t device_bytes;
    long room;
} loading;

static bool refuse(loading *l, const char *what, const char *of)
{
    snprintf(l->s->why, sizeof l->s->why, "%s: %.160s", what, of);
    return false;
}

static bool grow(loading *l)
{
    tn_v_summary *s = l->s;
    if (s->total < l->room)
        return true;
    long room = l->room * 2 + 1024;
    tn_v_case *cases = realloc(s->cases_made, (size_t)room * sizeof *cases);
    if (cases != NULL)
        s->cases_made = cases;
    tn_v_record *records =
        cases != NULL ? realloc(s->records, (size_t)room * sizeof *records) : NULL;
    if (records == NULL)
        return refuse(l, "no memory for", "the records");
    s->records = records;
    l->room = room;
    return true;
}

static bool take(loading *l, const cJSON *r)
{
    tn_v_summary *s = l->s;
    const cJSON *m = cJSON_GetObjectItem(r, "metrics"), *t = cJSON_GetObjectItem(r, "seconds");
    const char *name = tn_v_json_text(r, "case"), *hash = tn_v_json_text(r, "list_hash");
    int status = 0, data = 0;
    while (status < TN_V_STATUS_COUNT &&
           strcmp(tn_v_status_names[status], tn_v_json_text(r, "status")) != 0)
        ++status;
    while (data < TN_V_DATA_COUNT && strcmp(tn_v_data_names[data], tn_v_json_text(r, "data")) != 0)
        ++data;
    if (name[0] == '\0' || status == TN_V_STATUS_COUNT || data == TN_V_DATA_COUNT)
        return refuse(l, "a line is no record of this version", name);
    if (l->device[0] == '\0')
        snprintf(l->device, l->device_bytes, "%s", tn_v_json_text(r, "device"));
    if (s->list_hash[0] == '\0')
        snprintf(s->list_hash, sizeof s->list_hash, "%.16s", hash);
    if (strcmp(l->device, tn_v_json_text(r, "device")) != 0)
        return refuse(l, "records of another device", tn_v_json_text(r, "device"));
    if (strcmp(s->list_hash, hash) != 0)
        return refuse(l, "records of another list", hash);
    if (!grow(l))
        return false;
    tn_v_case *c = &s->cases_made[s->total];
    tn_v_record *to = &s->records[s->total++];
    tn_v_result *v = &to->result;
    memset(c, 0, sizeof *c);
    memset(to, 0, sizeof *to);
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(c->op, sizeof c->op, "%s", tn_v_json_text(r, "op"));
    c->level = (uint8_t)tn_v_json_number(r, "level");
    c->data = (tn_v_data)data;
    v->status = (tn_v_status)status;
    snprintf(v->message, sizeof v->message, "%s", tn_v_json_text(r, "message"));
    snprintf(v->hypothesis, sizeof v->hypothesis, "%s", tn_v_json_text(r, "hypothesis"));
    snprintf(v->kernel, sizeof v->kernel, "%s", tn_v_json_text(r, "kernel"));
    snprintf(v->digest, sizeof v->digest, "%s", tn_v_json_text(m, "digest"));
    v->elements = (int64_t)tn_v_json_number(m, "elements");
    v->wrong = (int64_t)tn_v_json_number(m, "wrong");
    v->ratio = tn_v_json_number(m, "error_over_bound");
    v->rms = tn_v_json_number(m, "rms");
    v->bias = tn_v_json_number(m, "bias");
    const cJSON *declared = cJSON_GetObjectItem(r, "declared");
    v->bits = (int)tn_v_json_number(declared, "bits");
    v->nearest = cJSON_IsTrue(cJSON_GetObjectItem(declared, "nearest"));
    v->run_s = tn_v_json_number(t, "run");
    v->verify_s = tn_v_json_number(t, "verify");
    snprintf(to->waiver, sizeof to->waiver, "%s", tn_v_json_text(r, "waiver"));
    snprintf(to->waiver_reason, sizeof to->waiver_reason, "%s", tn_v_json_text(r, "waiver_reason"));
    snprintf(to->waiver_expires, sizeof to->waiver_expires, "%s",
             tn_v_json_text(r, "waiver_expires"));
    s->status[status]++;
    s->ran++;
    s->seconds += v->run_s + v->verify_s;
    return true;
}

static bool load_file(loading *l, const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    bool good = f != NULL || refuse(l, "cannot be read", path);
    while (good && getline(&line, &room, f) > 0) {
        cJSON *r = cJSON_Parse(line);
        good = r != NULL ? take(l, r) : refuse(l, "half a record, or none, in", path);
        cJSON_Delete(r);
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return good;
}

static bool load_folder(loading *l, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    bool good = dir != NULL || refuse(l, "cannot be read", path);
    while (good && (e = readdir(dir)) != NULL) {
        size_t n = strlen(e->d_name);
        char file[1024];
        if (n < 7 || strcmp(e->d_name + n - 6, ".jsonl") != 0)
            continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        good = load_file(l, file);
    }
    if (dir != NULL)
        closedir(dir);
    return good;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tn_v_record *)a)->which->name, ((const tn_v_record *)b)->which->name);
}

bool tn_v_load_records(const char *const *paths, int count, tn_v_summary *s, char *device,
                       size_t bytes)
{
    loading l = {s, device, bytes, 0};
    bool good = true;
    memset(s, 0, sizeof *s);
    device[0] = '\0';
    for (int i = 0; i < count && good; ++i) {
        struct stat st;
        bool folder = stat(paths[i], &st) == 0 && S_ISDIR(st.st_mode);
        good = folder ? load_folder(&l, paths[i]) : load_file(&l, paths[i]);
    }
    if (good && s->total == 0)
        good = refuse(&l, "no records in", count > 0 ? paths[0] : "nothing");
    for (long i = 0; i < s->total; ++i)
        s->records[i].which = &s->cases_made[i];
    if (good)
        qsort(s->records, (size_t)s->total, sizeof *s->records, by_name);
    for (long i = 0; i + 1 < s->total && good; ++i)
        if (strcmp(s->records[i].which->name, s->records[i + 1].which->name) == 0)
            good = refuse(&l, "twice", s->records[i].which->name);
    s->cases = s->total;
    return good;
}

bool tn_v_list_of_hash(const char *hash, tn_v_list *out)
{
    for (int l = 0; l < TN_V_LIST_COUNT; ++l) {
        tn_v_case *cases;
        char have[17] = "";
        long n = tn_v_list_cases((tn_v_list)l, &cases);
        if (n > 0)
            tn_v_list_hash(cases, n, have);
        free(cases);
        if (n > 0 && strcmp(have, hash) == 0) {
            *out = (tn_v_list)l;
            return true;
        }
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A record as JSON, JUnit XML and CSV. */
#include <conformance/runner/runner.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void number(cJSON *to, const char *key, double v)
{
    if (isfinite(v))
        cJSON_AddNumberToObject(to, key, v);
    else
        cJSON_AddStringToObject(to, key, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

const char *tn_v_json_text(const cJSON *r, const char *key)
{
    const char *t = cJSON_GetStringValue(cJSON_GetObjectItem(r, key));
    return t != NULL ? t : "";
}

double tn_v_json_number(const cJSON *r, const char *key)
{
    const cJSON *n = cJSON_GetObjectItem(r, key);
    const char *word = cJSON_GetStringValue(n);
    if (word != NULL)
        return strcmp(word, "inf") == 0 ? INFINITY : strcmp(word, "-inf") == 0 ? -INFINITY : NAN;
    return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

void tn_v_again(const tn_v_options *o, const tn_v_case *c, char *text, size_t bytes)
{
    char seed[32] = "";
    if (o->seed != 0 && o->op != NULL)
        snprintf(seed, sizeof seed, " --seed %u", (unsigned)o->seed);
    if (o->op != NULL)
        snprintf(text, bytes, "tenon verify '%s' --op '%s' --data %s%s", o->device, c->op,
                 tn_v_data_names[c->data], seed);
    else
        snprintf(text, bytes, "tenon verify '%s' --list full --case '%s'", o->device, c->name);
}

/* What a later change of the line would break: a digest of all that was measured. */
static void seal(const tn_v_record *r, const char *device, const char *list_hash, char out[17])
{
    char text[1280];
    snprintf(text, sizeof text, "%s|%s|%s|%s|%s|%lld|%lld|%.6g|%s%s%s", device, r->which->name,
             tn_v_status_names[r->result.status], r->result.digest, list_hash,
             (long long)r->result.elements, (long long)r->result.wrong, r->result.ratio, r->waiver,
             r->waiver_reason, r->waiver_expires);
    snprintf(out, 17, "%016llx", (unsigned long long)tn_v_hash(text));
}

char *tn_v_record_json(const tn_v_options *o, const tn_v_record *r, const char *list_hash)
{
    cJSON *j = cJSON_CreateObject();
    char line[2 * TN_V_NAME], mark[17];
    const tn_v_result *v = &r->result;
    seal(r, o->device, list_hash, mark);
    tn_v_again(o, r->which, line, sizeof line);
    cJSON_AddStringToObject(j, "case", r->which->name);
    cJSON_AddStringToObject(j, "status", tn_v_status_names[v->status]);
    cJSON_AddStringToObject(j, "device", o->device);
    cJSON_AddNumberToObject(j, "level", r->which->level);
    cJSON_AddStringToObject(j, "op", r->which->op);
    cJSON_AddStringToObject(j, "data", tn_v_data_names[r->which->data]);
    cJSON_AddStringToObject(j, "list_hash", list_hash);
    cJSON_AddStringToObject(j, "kernel", v->kernel);
    cJSON *m = cJSON_AddObjectToObject(j, "metrics");
    cJSON_AddNumberToObject(m, "elements", (double)v->elements);
    cJSON_AddNumberToObject(m, "wrong", (double)v->wrong);
    number(m, "error_over_bound", v->ratio);
    number(m, "rms", v->rms);
    number(m, "bias", v->bias);
    if (v->rms_limit > 0) {
        number(m, "rms_limit", v->rms_limit);
        number(m, "terms", v->terms);
    }
    cJSON_AddStringToObject(m, "digest", v->digest);
    if (v->bits > 0) {
        cJSON *d = cJSON_AddObjectToObject(j, "declared");
        cJSON_AddNumberToObject(d, "bits", v->bits);
        cJSON_AddBoolToObject(d, "nearest", v->nearest);
    }
    if (v->message[0] != '\0')
        cJSON_AddStringToObject(j, "message", v->message);
    if (v->hypothesis[0] != '\0')
        cJSON_AddStringToObject(j, "hypothesis", v->hypothesis);
    if (r->waiver[0] != '\0') {
        cJSON_AddStringToObject(j, "waiver", r->waiver);
        cJSON_AddStringToObject(j, "waiver_reason", r->waiver_reason);
        cJSON_AddStringToObject(j, "waiver_expires", r->waiver_expires);
    }
    cJSON_AddStringToObject(j, "replay", line);
    cJSON *t = cJSON_AddObjectToObject(j, "seconds");
    number(t, "run", v->run_s);
    number(t, "verify", v->verify_s);
    cJSON_AddStringToObject(j, "seal", mark);
    char *text = cJSON_PrintUnformatted(j);
    cJSON_Delete(j);
    size_t n = text != NULL ? strlen(text) : 0;
    char *out = text != NULL ? realloc(text, n + 2) : NULL;
    if (out == NULL) {
        free(text);
        return NULL;
    }
    memcpy(out + n, "\n", 2);
    return out;
}

static void xml(FILE *f, const char *text)
{
    for (; *text != '\0'; ++text) {
        unsigned char c = (unsigned char)*text;
        if (c == '<')
            fputs("&lt;", f);
        else if (c == '>')
            fputs("&gt;", f);
        else if (c == '&')
            fputs("&amp;", f);
        else if (c == '"')
            fputs("&quot;", f);
        else if (c >= 32 || c == '\n' || c == '\t')
            fputc(c, f);
    }
}

static bool failed(tn_v_status s)
{
    return s == TN_V_FAIL || s == TN_V_UNEXPECTED_PASS || s == TN_V_FLAKE;
}

static bool error(tn_v_status s)
{
    return s == TN_V_CRASH || s == TN_V_TIMEOUT || s == TN_V_INTERNAL;
}

bool tn_v_write_junit(const tn_v_options *o, const tn_v_summary *s, const char *path)
{
    FILE *f = fopen(path, "w");
    long failures = 0, errors = 0, skipped = 0;
    if (f == NULL)
        return false;
    for (int i = 0; i < TN_V_STATUS_COUNT; ++i) {
        failures += failed((tn_v_status)i) ? s->status[i] : 0;
        errors += error((tn_v_status)i) ? s->status[i] : 0;
    }
    skipped = s->status[TN_V_NOT_SUPPORTED] + s->status[TN_V_WAIVED];
    fprintf(f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"tenon.");
    xml(f, o->device);
    fprintf(f, "\" tests=\"%ld\" failures=\"%ld\" errors=\"%ld\" skipped=\"%ld\" time=\"%.3f\">\n",
            s->ran, failures, errors, skipped, s->seconds);
    for (long i = 0; i < s->total; ++i) {
        const tn_v_record *r = &s->records[i];
        if (r->which == NULL)
            continue;
        char line[2 * TN_V_NAME];
        tn_v_again(o, r->which, line, sizeof line);
        fprintf(f, "<testcase classname=\"L%d\" name=\"%s\" time=\"%.4f\">", r->which->level,
                r->which->name, r->result.run_s + r->result.verify_s);
        tn_v_status st = r->result.status;
        if (failed(st) || error(st)) {
            fprintf(f, "<%s type=\"%s\" message=\"", failed(st) ? "failure" : "error",
                    tn_v_status_names[st]);
            xml(f, r->result.message);
            fputs("\">", f);
            xml(f, r->result.hypothesis);
            fputc('\n', f);
            xml(f, line);
            fprintf(f, "</%s>", failed(st) ? "failure" : "error");
        } else if (st == TN_V_NOT_SUPPORTED || st == TN_V_WAIVED) {
            fputs("<skipped message=\"", f);
            xml(f, st == TN_V_WAIVED ? r->waiver : r->result.message);
            fputs("\"/>", f);
        }
        fputs("</testcase>\n", f);
    }
    fputs("</testsuite>\n</testsuites>\n", f);
    return fclose(f) == 0;
}

bool tn_v_write_csv(const tn_v_options *o, const tn_v_summary *s, const char *path)
{
    FILE *f = fopen(path, "w");
    (void)o;
    if (f == NULL)
        return false;
    fputs("case,status,level,data,kernel,elements,wrong,error_over_bound,rms,bias,digest,"
          "hypothesis\n",
          f);
    for (long i = 0; i < s->total; ++i) {
        const tn_v_record *r = &s->records[i];
        if (r->which == NULL)
            continue;
        const tn_v_result *v = &r->result;
        fprintf(f, "%s,%s,%d,%s,%s,%lld,%lld,%.6g,%.6g,%.6g,%s,\"%s\"\n", r->which->name,
                tn_v_status_names[v->status], r->which->level, tn_v_data_names[r->which->data],
                v->kernel, (long long)v->elements, (long long)v->wrong, v->ratio, v->rms, v->bias,
                v->digest, v->hypothesis);
    }
    return fclose(f) == 0;
}

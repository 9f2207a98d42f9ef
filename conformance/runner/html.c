/* SPDX-License-Identifier: Apache-2.0 */
/* The report of one page: report.html with the records inside, drawn by its own script. */
#include <conformance/fingerprint/fingerprint.h>
#include <conformance/runner/runner.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* report.html as CMake embeds it. */
extern const char tn_v_report_page[];

/* What the page needs of a record: the rest is in the records' own file. */
static cJSON *slim(cJSON *r, bool whole)
{
    static const char *const left_out[] = {"device", "list_hash", "seal", "declared"};
    cJSON *m = cJSON_GetObjectItem(r, "metrics");
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; ++i)
        cJSON_DeleteItemFromObject(r, left_out[i]);
    if (!whole)
        cJSON_DeleteItemFromObject(r, "replay");
    cJSON_DeleteItemFromObject(m, "rms");
    cJSON_DeleteItemFromObject(m, "bias");
    return r;
}

/* Text inside of a script element: a closing tag must not end it. */
static void inline_json(FILE *f, cJSON *j)
{
    char *text = j != NULL ? cJSON_PrintUnformatted(j) : NULL;
    for (const char *at = text != NULL ? text : "null"; *at != '\0'; ++at)
        if (*at == '<')
            fputs("\\u003c", f);
        else
            fputc(*at, f);
    cJSON_free(text);
    cJSON_Delete(j);
}

/* Records of an earlier run; an unreadable line is left out. */
static void baseline(FILE *out, const char *path)
{
    FILE *f = path != NULL ? fopen(path, "r") : NULL;
    char *line = NULL;
    size_t room = 0;
    bool first = true;
    if (f == NULL)
        return;
    fputs(",\"baseline\":[", out);
    while (getline(&line, &room, f) > 0) {
        cJSON *r = cJSON_Parse(line);
        if (tn_v_json_text(r, "case")[0] == '\0' || tn_v_json_text(r, "status")[0] == '\0') {
            cJSON_Delete(r);
            continue;
        }
        fputs(first ? "" : ",", out);
        inline_json(out, slim(r, false));
        first = false;
    }
    fputc(']', out);
    free(line);
    fclose(f);
}

static void paths(cJSON *to, const tn_v_grade *g)
{
    cJSON *list = cJSON_AddArrayToObject(to, "paths");
    for (int i = 0; i < g->paths; ++i) {
        const tn_v_sketch *p = &g->path[i];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddNumberToObject(one, "row", (double)p->row);
        cJSON_AddNumberToObject(one, "column", (double)p->column);
        cJSON_AddNumberToObject(one, "places", (double)p->places);
        cJSON_AddBoolToObject(one, "stable", p->stable);
        cJSON_AddStringToObject(one, "kind", p->kind);
        cJSON_AddStringToObject(one, "tree", p->tree);
        cJSON_AddItemToArray(list, one);
    }
}

static cJSON *identity(const tn_v_identity *who, const char *number)
{
    cJSON *j = cJSON_CreateObject(), *sums = cJSON_AddArrayToObject(j, "sums");
    cJSON_AddStringToObject(j, "name", who->name);
    cJSON_AddStringToObject(j, "vendor", who->vendor);
    cJSON_AddStringToObject(j, "driver", who->driver);
    cJSON_AddStringToObject(j, "fingerprint", number);
    for (int i = 0; i < who->types; ++i) {
        const tn_v_grade *g = &who->grade[i];
        cJSON *one = cJSON_CreateObject();
        char letter[2] = {g->grade, '\0'}, shape[64];
        snprintf(shape, sizeof shape, "%lldx%lldx%lld", (long long)g->m, (long long)g->n,
                 (long long)g->k);
        cJSON_AddStringToObject(one, "type", g->types);
        cJSON_AddStringToObject(one, "grade", letter);
        cJSON_AddStringToObject(one, "shape", shape);
        cJSON_AddNumberToObject(one, "width", g->width);
        cJSON_AddStringToObject(one, "round", g->round);
        cJSON_AddStringToObject(one, "products", g->fma);
        cJSON_AddStringToObject(one, "disagrees", g->disagrees);
        cJSON_AddNumberToObject(one, "twin_right", g->twin_right);
        cJSON_AddNumberToObject(one, "twin_of", g->twin_of);
        cJSON_AddNumberToObject(one, "places", (double)(g->m * g->n));
        paths(one, g);
        cJSON_AddItemToArray(sums, one);
    }
    return j;
}

static cJSON *grades(const tn_v_summary *s, const tn_v_identity *who)
{
    tn_v_op_grade *g = NULL;
    cJSON *list = cJSON_CreateArray();
    int n = tn_v_grades(s, who, &g);
    for (int i = 0; i < n; ++i) {
        cJSON *one = cJSON_CreateObject();
        char letter[2] = {g[i].grade, '\0'};
        cJSON_AddStringToObject(one, "op", g[i].op);
        cJSON_AddStringToObject(one, "type", g[i].type);
        cJSON_AddStringToObject(one, "grade", letter);
        cJSON_AddNumberToObject(one, "cases", (double)g[i].cases);
        cJSON_AddNumberToObject(one, "waived", (double)g[i].waived);
        cJSON_AddStringToObject(one, "reason", g[i].reason);
        cJSON_AddItemToArray(list, one);
    }
    free(g);
    return list;
}

static void add_line(void *self, const char *line)
{
    cJSON_AddItemToArray(self, cJSON_CreateString(line));
}

static void about(FILE *f, const tn_v_options *o, const tn_v_summary *s)
{
    static tn_v_identity who; /* too large for a stack */
    char number[17] = "", text[64];
    uint32_t v = tn_version();
    time_t now = time(NULL);
    struct tm tm;
    cJSON *j = cJSON_CreateObject();
    bool known = tn_v_identify(o->device, 60, &who);
    cJSON_AddStringToObject(j, "device", o->device);
    cJSON_AddStringToObject(j, "list", o->op != NULL ? "one case" : tn_v_list_names[o->list]);
    cJSON_AddStringToObject(j, "list_hash", s->list_hash);
    cJSON_AddNumberToObject(j, "seconds", s->seconds);
    cJSON_AddNumberToObject(j, "total", (double)s->cases);
    snprintf(text, sizeof text, "%u.%u.%u", v >> 16, v >> 8 & 255u, v & 255u);
    cJSON_AddStringToObject(j, "library", text);
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y-%m-%d", &tm);
    cJSON_AddStringToObject(j, "made", text);
    if (known)
        (void)tn_v_numeric_id(o->device, number);
    cJSON_AddItemToObject(j, "identity", known ? identity(&who, number) : cJSON_CreateNull());
    cJSON_AddItemToObject(j, "grades", grades(s, known ? &who : NULL));
    tn_v_common(s, add_line, cJSON_AddArrayToObject(j, "common"));
    fputs("{\"about\":", f);
    inline_json(f, j);
}

bool tn_v_write_html(const tn_v_options *o, const tn_v_summary *s, const char *path)
{
    static const char mark[] = "@DATA@";
    const char *data = strstr(tn_v_report_page, mark);
    FILE *f = fopen(path, "w");
    if (f == NULL || data == NULL) {
        if (f != NULL)
            fclose(f);
        return false;
    }
    fwrite(tn_v_report_page, 1, (size_t)(data - tn_v_report_page), f);
    about(f, o, s);
    fputs(",\"records\":[", f);
    bool first = true;
    for (long i = 0; i < s->total; ++i) {
        const tn_v_record *r = &s->records[i];
        char *line = r->which != NULL ? tn_v_record_json(o, r, s->list_hash) : NULL;
        if (line == NULL)
            continue;
        fputs(first ? "" : ",", f);
        inline_json(f, slim(cJSON_Parse(line), r->result.status != TN_V_PASS &&
                                                   r->result.status != TN_V_NOT_SUPPORTED));
        free(line);
        first = false;
    }
    fputs("]", f);
    baseline(f, o->baseline);
    fputs("}", f);
    fputs(data + sizeof mark - 1, f);
    return fclose(f) == 0;
}

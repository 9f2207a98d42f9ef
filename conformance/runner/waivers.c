/* SPDX-License-Identifier: Apache-2.0 */
/* Waivers: known failures of a device, with a reason and an end. A file is a list of
 * {"id", "device" (glob of its URI), "cases" (globs), "reason", "url", "expires": "YYYY-MM-DD",
 * "must_fail": true}. */
#include <conformance/runner/runner.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct tn_v_waivers {
    cJSON *list;
    char today[16];
};

static const char *text(const cJSON *item, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(item, key));
}

tn_v_waivers *tn_v_waivers_load(const char *path, char *why, size_t bytes)
{
    tn_v_waivers *w = calloc(1, sizeof *w);
    time_t now = time(NULL);
    struct tm tm;
    if (w == NULL)
        return NULL;
    gmtime_r(&now, &tm);
    strftime(w->today, sizeof w->today, "%Y-%m-%d", &tm);
    if (path == NULL)
        return w;
    FILE *f = fopen(path, "r");
    char *data = calloc(1, 1 << 20);
    if (f != NULL && data != NULL)
        (void)!fread(data, 1, (1 << 20) - 1, f);
    if (f != NULL)
        fclose(f);
    w->list = data != NULL ? cJSON_Parse(data) : NULL;
    free(data);
    const cJSON *item;
    bool good = cJSON_IsArray(w->list);
    if (!good)
        snprintf(why, bytes, "%s is not a list of waivers in JSON", path);
    cJSON_ArrayForEach(item, w->list)
    {
        static const char *const needed[] = {"id", "device", "reason", "expires"};
        for (int i = 0; i < 4 && good; ++i)
            if (text(item, needed[i]) == NULL || text(item, needed[i])[0] == '\0') {
                snprintf(why, bytes, "%s: a waiver lacks \"%s\"", path, needed[i]);
                good = false;
            }
        if (good && !cJSON_IsArray(cJSON_GetObjectItem(item, "cases"))) {
            snprintf(why, bytes, "%s: waiver %s lacks the list \"cases\"", path, text(item, "id"));
            good = false;
        }
    }
    if (good)
        return w;
    tn_v_waivers_free(w);
    return NULL;
}

void tn_v_waivers_free(tn_v_waivers *w)
{
    if (w != NULL)
        cJSON_Delete(w->list);
    free(w);
}

void tn_v_waive(const tn_v_waivers *w, const char *device, tn_v_record *r)
{
    const cJSON *item, *glob, *list = w != NULL ? w->list : NULL;
    tn_v_status st = r->result.status;
    cJSON_ArrayForEach(item, list)
    {
        if (!tn_v_glob(text(item, "device"), device) || strcmp(text(item, "expires"), w->today) < 0)
            continue;
        cJSON_ArrayForEach(glob, cJSON_GetObjectItem(item, "cases"))
        {
            const char *g = cJSON_GetStringValue(glob);
            if (g == NULL || !tn_v_glob(g, r->which->name))
                continue;
            bool must = cJSON_IsTrue(cJSON_GetObjectItem(item, "must_fail"));
            if (st == TN_V_FAIL || st == TN_V_CRASH || st == TN_V_TIMEOUT || st == TN_V_FLAKE)
                r->result.status = TN_V_WAIVED;
            else if (st == TN_V_PASS && must)
                r->result.status = TN_V_UNEXPECTED_PASS;
            snprintf(r->waiver, sizeof r->waiver, "%s", text(item, "id"));
            snprintf(r->waiver_reason, sizeof r->waiver_reason, "%s", text(item, "reason"));
            snprintf(r->waiver_expires, sizeof r->waiver_expires, "%s", text(item, "expires"));
            return;
        }
    }
}

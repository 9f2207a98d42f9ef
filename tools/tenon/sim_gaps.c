/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim gaps: every number of a profile that no public source gives. */
#include "sim_chip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct listing {
    cJSON *gaps;
    uint32_t all;
} listing;

static bool add(void *self, const char *key, const char *value, const char *source)
{
    listing *l = self;
    l->all++;
    if (strncmp(source, "assumed", 7) == 0) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "parameter", key);
        cJSON_AddStringToObject(row, "value", value);
        cJSON_AddStringToObject(row, "source", source);
        cJSON_AddItemToArray(l->gaps, row);
    }
    return true;
}

static bool profile(const char *name, cJSON *root)
{
    char error[200] = "", *file;
    size_t bytes = 0;
    sim_profile p;
    listing l = {.gaps = cJSON_CreateArray()};
    const char *text = tool_profile_text(name, &bytes, &file);
    bool good = text != NULL && tn__sim_profile_read(text, bytes, &p, error, sizeof error) &&
                tn__sim_profile_each(text, bytes, add, &l, error, sizeof error);
    if (!good) {
        fprintf(stderr, "tenon: %s: %s\n", name, text == NULL ? "no such profile or file" : error);
        cJSON_Delete(l.gaps);
    } else {
        cJSON *o = cJSON_AddObjectToObject(root, name);
        cJSON_AddNumberToObject(o, "parameters", l.all);
        cJSON_AddItemToObject(o, "assumed", l.gaps);
    }
    free(file);
    return good;
}

int tool_sim_gaps(int argc, char **argv)
{
    cJSON *root = cJSON_CreateObject(), *one, *row;
    bool json = false, good = true, any = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (argv[i][0] == '-') {
            printf("usage: tenon sim gaps [PROFILE|FILE]... [--json]\n");
            cJSON_Delete(root);
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        } else {
            any = true;
            good = profile(argv[i], root) && good;
        }
    }
    for (uint32_t i = 0; !any && tn__sim_profile_name(i) != NULL; i++)
        good = profile(tn__sim_profile_name(i), root) && good;
    if (json) {
        char *text = cJSON_Print(root);
        if (text != NULL)
            puts(text);
        cJSON_free(text);
    }
    cJSON_ArrayForEach(one, root)
    {
        if (json)
            break;
        const cJSON *gaps = cJSON_GetObjectItem(one, "assumed");
        printf("%s: %d of %d parameters are assumed\n", one->string, cJSON_GetArraySize(gaps),
               cJSON_GetObjectItem(one, "parameters")->valueint);
        cJSON_ArrayForEach(row, gaps)
            printf("  %-24s %-14s %s\n", cJSON_GetObjectItem(row, "parameter")->valuestring,
                   cJSON_GetObjectItem(row, "value")->valuestring,
                   cJSON_GetObjectItem(row, "source")->valuestring);
    }
    cJSON_Delete(root);
    return good ? 0 : 1;
}

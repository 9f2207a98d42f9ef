/* SPDX-License-Identifier: Apache-2.0 */
/* Datasheets: trees from their text, paths by place, traits. */
#include <conformance/twin/twin_sheet.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const cJSON *j, const char *key)
{
    const char *t = cJSON_GetStringValue(cJSON_GetObjectItem(j, key));
    return t != NULL ? t : "";
}

static int number_of(const cJSON *j, const char *key)
{
    const cJSON *n = cJSON_GetObjectItem(j, key);
    return cJSON_IsNumber(n) ? n->valueint : 0;
}

static bool flag_of(const cJSON *j, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItem(j, key));
}

/* Reads "((0 1) 2)"; children come before their node, so that the last node is the root. -1: no
 * tree. */
static int subtree(tn_v_tree *t, const char **at)
{
    enum { MOST = 256 };
    int child[MOST], count = 0;
    while (**at == ' ')
        ++*at;
    if (**at >= '0' && **at <= '9') {
        char *end;
        long leaf = strtol(*at, &end, 10);
        *at = end;
        return leaf < t->leaves ? (int)leaf : -1;
    }
    if (**at != '(')
        return -1;
    for (++*at; **at != ')';) {
        if (count == MOST || (child[count++] = subtree(t, at)) < 0)
            return -1;
        while (**at == ' ')
            ++*at;
    }
    ++*at;
    int used = t->nodes > 0 ? t->first[t->nodes - 1] + t->count[t->nodes - 1] : 0;
    if (count < 2 || t->nodes >= t->leaves || used + count > t->room)
        return -1;
    t->first[t->nodes] = used;
    t->count[t->nodes] = count;
    memcpy(t->child + used, child, (size_t)count * sizeof *child);
    return t->leaves + t->nodes++;
}

static bool read_tree(const char *text, int leaves, tn_v_tree *out)
{
    const char *at = text;
    *out = (tn_v_tree){.leaves = leaves, .room = 2 * leaves + 2};
    out->count = calloc((size_t)leaves + 1, sizeof *out->count);
    out->first = calloc((size_t)leaves + 1, sizeof *out->first);
    out->child = calloc((size_t)out->room, sizeof *out->child);
    return out->count != NULL && out->first != NULL && out->child != NULL &&
           subtree(out, &at) == leaves + out->nodes - 1 && *at == '\0';
}

static tn_dtype type_of(const char *name, size_t n)
{
    for (int d = 1; d < 32; ++d) {
        const char *have = tn_dtype_name((tn_dtype)d);
        if (have != NULL && strlen(have) == n && strncmp(have, name, n) == 0)
            return (tn_dtype)d;
    }
    return (tn_dtype)0;
}

/* Where a sum has parts of different arithmetic: a letter a leaf, a number a node. */
static bool read_mixed(const cJSON *j, tn_v_path *out)
{
    const char *leaf = cJSON_GetStringValue(cJSON_GetObjectItem(j, "leaves"));
    const cJSON *one, *bits = cJSON_GetObjectItem(j, "node_bits");
    int n = 0;
    if (leaf == NULL && bits == NULL)
        return true;
    if (leaf == NULL || strlen(leaf) != (size_t)out->tree.leaves ||
        cJSON_GetArraySize(bits) != out->tree.nodes)
        return false;
    out->leaf = strdup(leaf);
    out->bits = calloc((size_t)out->tree.nodes + 1, sizeof *out->bits);
    if (out->leaf == NULL || out->bits == NULL)
        return false;
    for (int i = 0; i < out->tree.nodes; ++i)
        if (out->tree.count[i] != 2)
            return false;
    cJSON_ArrayForEach(one, bits)
    {
        if (!cJSON_IsNumber(one) || one->valueint < 1 || one->valueint > 64)
            return false;
        out->bits[n++] = one->valueint;
    }
    return strspn(leaf, "er") == strlen(leaf);
}

static bool read_path(const cJSON *j, const tn_v_print *p, tn_v_path *out)
{
    out->row = number_of(j, "row");
    out->column = number_of(j, "column");
    out->places = number_of(j, "places");
    out->traits = p->traits;
    out->traits.width = number_of(j, "accumulator_bits");
    out->traits.later_rounded = flag_of(j, "later_rounded");
    snprintf(out->traits.fma, sizeof out->traits.fma, "%s", text_of(j, "multiply_add"));
    return flag_of(j, "stable") && read_tree(text_of(j, "tree"), (int)p->dot.k, &out->tree) &&
           read_mixed(j, out);
}

/* "0*32,1*1,..": runs of places. */
static bool read_places(const char *text, tn_v_sum *s)
{
    int64_t n = s->print.dot.m * s->print.dot.n, at = 0;
    s->place = calloc((size_t)n + 1, 1);
    while (s->place != NULL && *text != '\0' && at < n) {
        int path, used;
        long long run;
        if (sscanf(text, "%d*%lld%n", &path, &run, &used) != 2 || run < 1 || run > n - at ||
            path < 0 || path >= s->print.paths)
            return false;
        memset(s->place + at, path, (size_t)run);
        at += run;
        text += used + (text[used] == ',');
    }
    return s->place != NULL && at == n;
}

static bool read_sum(const cJSON *j, const char *places, tn_v_sum *s)
{
    tn_v_print *p = &s->print;
    tn_v_traits *t = &p->traits;
    long long m, n, k;
    const char *types = text_of(j, "types");
    size_t first = strcspn(types, ",");
    if (sscanf(text_of(j, "shape"), "%lldx%lldx%lld", &m, &n, &k) != 3 || types[first] != ',' ||
        m < 1 || n < 1 || k < 3 || m > 4096 || n > 4096 || k > 4096)
        return false;
    p->dot = (tn_v_dot){.m = m,
                        .n = n,
                        .k = k,
                        .in = type_of(types, first),
                        .out = type_of(types + first + 1, strlen(types + first + 1))};
    snprintf(t->round, sizeof t->round, "%s", text_of(j, "accumulate_round"));
    snprintf(t->output_round, sizeof t->output_round, "%s", text_of(j, "output_round"));
    t->width = number_of(j, "accumulator_bits");
    t->flush_in = flag_of(j, "flush_in");
    t->flush_out = flag_of(j, "flush_out");
    t->saturates = flag_of(j, "saturates");
    t->repeatable = flag_of(j, "repeatable");
    t->batch_invariant = flag_of(j, "batch_invariant");
    const cJSON *one, *paths = cJSON_GetObjectItem(j, "paths");
    cJSON_ArrayForEach(one, paths)
    {
        if (p->paths == TN_V_PATHS)
            return false;
        if (!read_path(one, p, &p->path[p->paths++]))
            return false;
    }
    return p->dot.in != 0 && p->dot.out != 0 && p->paths > 0 &&
           (p->paths == 1 || read_places(places, s));
}

bool tn_v_sheet_read(const char *path, tn_v_sheet *out, char *why, uint64_t bytes)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t room = 0;
    memset(out, 0, sizeof *out);
    if (f == NULL) {
        snprintf(why, bytes, "%s cannot be read", path);
        return false;
    }
    ssize_t n = getdelim(&text, &room, '\0', f);
    fclose(f);
    cJSON *j = n > 0 ? cJSON_Parse(text) : NULL;
    free(text);
    const cJSON *one, *sums = cJSON_GetObjectItem(j, "sums"),
                      *places = cJSON_GetObjectItem(j, "places");
    snprintf(out->device, sizeof out->device, "%s", text_of(j, "device"));
    int i = 0;
    cJSON_ArrayForEach(one, sums)
    {
        const char *where = cJSON_GetStringValue(cJSON_GetArrayItem(places, i++));
        tn_v_sum *s = &out->sum[out->sums];
        if (out->sums == TN_V_SHEET_SUMS)
            break;
        memset(s, 0, sizeof *s);
        if (read_sum(one, where != NULL ? where : "", s)) {
            out->sums++;
            continue;
        }
        tn_v_print_free(&s->print); /* an order that changes, or no tree: the twin lacks it */
        free(s->place);
    }
    cJSON_Delete(j);
    if (out->sums == 0)
        snprintf(why, bytes, "%s is no datasheet with a stable sum", path);
    return out->sums > 0;
}

void tn_v_sheet_free(tn_v_sheet *s)
{
    for (int i = 0; i < s->sums; ++i) {
        tn_v_print_free(&s->sum[i].print);
        free(s->sum[i].place);
    }
    s->sums = 0;
}

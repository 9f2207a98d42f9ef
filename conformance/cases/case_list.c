/* SPDX-License-Identifier: Apache-2.0 */
/* The lists: quick, standard and full grow out of each other; bringup is levels 0 to 5, mandatory
 * what no run leaves out. */
#include <conformance/cases/case_list.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const tn_v_list_names[TN_V_LIST_COUNT] = {"mandatory", "bringup", "quick", "standard",
                                                      "full"};

static bool wanted(const tn_v_sink *s, tn_v_list from, int level, tn_v_data data)
{
    switch (s->list) {
    case TN_V_MANDATORY:
        return from == TN_V_QUICK &&
               (level > 6 || (level >= 4 && (data == TN_V_EXACT || data == TN_V_ONE_HOT)));
    case TN_V_BRINGUP:
        return level <= 5 && from <= TN_V_STANDARD;
    default:
        return from <= s->list;
    }
}

/* The op in the class of the sink: for the word bounded, or behind the last one. */
static bool in_class(const tn_v_sink *s, char *op)
{
    char text[TN_V_NAME];
    const char *word = s->cls != NULL ? strstr(op, "bounded") : NULL;
    int n = s->cls == NULL ? 0
            : word == NULL ? snprintf(text, sizeof text, "%s+%s", op, s->cls)
                           : snprintf(text, sizeof text, "%.*s%s%s", (int)(word - op), op, s->cls,
                                      word + strlen("bounded"));
    if (n > 0 && (size_t)n < sizeof text)
        memcpy(op, text, (size_t)n + 1);
    return n >= 0 && (size_t)n < sizeof text;
}

static void add_one(tn_v_sink *s, int level, const char *op, tn_v_data data, uint32_t number)
{
    if (s->count == s->room) {
        long room = s->room * 2 + 1024;
        tn_v_case *more = realloc(s->cases, (size_t)room * sizeof *more);
        if (more == NULL) {
            s->failed = true;
            return;
        }
        s->cases = more;
        s->room = room;
    }
    if (!tn_v_case_make(&s->cases[s->count++], level, op, data, number))
        s->failed = true;
}

void tn_v_add(tn_v_sink *s, tn_v_list from, int level, uint32_t classes, const char *format, ...)
{
    char op[TN_V_NAME];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(op, sizeof op, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof op || !in_class(s, op))
        s->failed = true;
    for (int d = 0; d < TN_V_DATA_COUNT && !s->failed; ++d) {
        if ((classes & TN_V_BIT(d)) == 0 || !wanted(s, from, level, (tn_v_data)d))
            continue;
        uint32_t numbers = d == TN_V_MANTISSAS ? TN_V_MANTISSA_CASES : 1;
        for (uint32_t number = 0; number < numbers && !s->failed; ++number)
            add_one(s, level, op, (tn_v_data)d, number);
    }
}

void tn_v_add_form(tn_v_sink *s, tn_v_list from, int level, uint32_t classes, const char *op,
                   const char *form, const char *type)
{
    char text[TN_V_NAME];
    int n = snprintf(text, sizeof text, form, type, type);
    if (n < 0 || (size_t)n >= sizeof text)
        s->failed = true;
    tn_v_add(s, from, level, classes, "%s %s", op, text);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tn_v_case *)a)->name, ((const tn_v_case *)b)->name);
}

long tn_v_list_cases(tn_v_list list, tn_v_case **out)
{
    tn_v_sink s = {.list = list};
    tn_v_list_lowlevel(&s);
    tn_v_list_moves(&s);
    tn_v_list_rows(&s);
    tn_v_list_matmul(&s);
    tn_v_list_conv(&s);
    tn_v_list_attention(&s);
    tn_v_list_edges(&s);
    tn_v_list_drawn(&s);
    tn_v_list_places(&s);
    tn_v_list_classes(&s);
    if (s.failed) {
        free(s.cases);
        *out = NULL;
        return -1;
    }
    qsort(s.cases, (size_t)s.count, sizeof *s.cases, by_name);
    long n = 0; /* the same op may have been asked for twice */
    for (long i = 0; i < s.count; ++i)
        if (n == 0 || strcmp(s.cases[n - 1].name, s.cases[i].name) != 0)
            s.cases[n++] = s.cases[i];
    *out = s.cases;
    return n;
}

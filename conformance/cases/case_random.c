/* SPDX-License-Identifier: Apache-2.0 */
/* Names, digests and numbers of cases: the same on every host, no library's generator. */
#include <conformance/cases/cases.h>

#include <stdio.h>
#include <string.h>

const char *const tn_v_data_names[TN_V_DATA_COUNT] = {
    "hot",    "e24", "zero", "pos",  "wide", "ties",   "round",   "order",    "special",
    "graded", "big", "rise", "edge", "huge", "repeat", "triples", "mantissas"};

uint64_t tn_v_next(tn_v_random *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double tn_v_uniform(tn_v_random *r)
{
    return (double)(tn_v_next(r) >> 11) * 0x1p-53;
}

/* The sum of 12 uniform numbers: near enough to normal, and exact arithmetic on every host. */
double tn_v_normal(tn_v_random *r)
{
    double s = -6;
    for (int i = 0; i < 12; ++i)
        s += tn_v_uniform(r);
    return s;
}

int64_t tn_v_below(tn_v_random *r, int64_t n)
{
    return n > 0 ? (int64_t)(tn_v_next(r) % (uint64_t)n) : 0;
}

uint64_t tn_v_hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text != '\0'; ++text)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    tn_v_random r = {h};
    return tn_v_next(&r);
}

void tn_v_list_hash(const tn_v_case *cases, long count, char out[17])
{
    uint64_t h = 0;
    for (long i = 0; i < count; ++i) {
        tn_v_random r = {h ^ tn_v_hash(cases[i].name)};
        h = tn_v_next(&r);
    }
    snprintf(out, 17, "%016llx", (unsigned long long)h);
}

bool tn_v_glob(const char *p, const char *t)
{
    for (; *p != '\0'; ++p, ++t) {
        if (*p == '*') {
            while (p[1] == '*')
                ++p;
            for (;; ++t) {
                if (tn_v_glob(p + 1, t))
                    return true;
                if (*t == '\0')
                    return false;
            }
        }
        if (*t == '\0' || (*p != '?' && *p != *t))
            return false;
    }
    return *t == '\0';
}

bool tn_v_case_make(tn_v_case *c, int level, const char *op, tn_v_data data, uint32_t number)
{
    memset(c, 0, sizeof *c);
    int n = snprintf(c->op, sizeof c->op, "%s", op);
    char text[TN_V_NAME];
    snprintf(text, sizeof text, "%s", op);
    for (char *p = text; *p != '\0'; ++p)
        *p = *p == ' ' || *p == ':' ? '.' : *p == ',' ? '_' : *p == '/' ? '-' : *p;
    int m = snprintf(c->name, sizeof c->name, "L%d.%s.%s.s%u", level, text, tn_v_data_names[data],
                     number);
    c->level = (uint8_t)level;
    c->data = data;
    c->number = number;
    c->seed = tn_v_hash(c->name);
    return n > 0 && (size_t)n < sizeof c->op && m > 0 && (size_t)m < sizeof c->name;
}

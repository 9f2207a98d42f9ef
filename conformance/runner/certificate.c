/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate of a whole run without a failure. */
#include <conformance/fingerprint/fingerprint.h>
#include <conformance/runner/runner.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct page {
    char text[8192];
    size_t n;
} page;

static void line(page *p, const char *key, const char *value)
{
    int n = snprintf(p->text + p->n, sizeof p->text - p->n, "%-22s %s\n", key, value);
    p->n = n > 0 && (size_t)n < sizeof p->text - p->n ? p->n + (size_t)n : p->n;
}

/* Whether the summary is the whole of a list, and nothing in it failed. */
static bool whole(const tn_v_summary *s, tn_v_list *list, char *why, size_t bytes)
{
    static const tn_v_status bad[] = {TN_V_FAIL,  TN_V_CRASH,    TN_V_TIMEOUT,
                                      TN_V_FLAKE, TN_V_INTERNAL, TN_V_UNEXPECTED_PASS};
    tn_v_case *cases = NULL;
    if (!tn_v_list_of_hash(s->list_hash, list)) {
        snprintf(why, bytes, "no list of this version has the hash %s", s->list_hash);
        return false;
    }
    long n = tn_v_list_cases(*list, &cases), lost = 0;
    bool good = n > 0;
    /* both are sorted by name */
    long at = 0;
    for (long i = 0; i < n && good; ++i) {
        while (at < s->total && (s->records[at].which == NULL ||
                                 strcmp(s->records[at].which->name, cases[i].name) < 0))
            ++at;
        bool there = at < s->total && s->records[at].which != NULL &&
                     strcmp(s->records[at].which->name, cases[i].name) == 0;
        if (!there && lost++ == 0)
            snprintf(why, bytes, "the list has %s, the run has not", cases[i].name);
    }
    free(cases);
    if (lost > 0 || !good || s->ran != n) {
        if (lost == 0)
            snprintf(why, bytes, "the run has %ld cases, the list %ld", s->ran, n);
        return false;
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i)
        if (s->status[bad[i]] > 0) {
            snprintf(why, bytes, "%ld cases ended as %s", s->status[bad[i]],
                     tn_v_status_names[bad[i]]);
            return false;
        }
    if (s->ran == s->status[TN_V_NOT_SUPPORTED]) {
        snprintf(why, bytes, "nothing was executed");
        return false;
    }
    return true;
}

/* Of all that was measured, in the order of names: the same results give the same digest. */
void tn_v_results_digest(const tn_v_summary *s, char out[17])
{
    uint64_t h = 0;
    for (long i = 0; i < s->total; ++i) {
        const tn_v_record *r = &s->records[i];
        char text[TN_V_NAME + 64];
        if (r->which == NULL)
            continue;
        snprintf(text, sizeof text, "%s %s %s", r->which->name, tn_v_status_names[r->result.status],
                 r->result.digest);
        tn_v_random mix = {h ^ tn_v_hash(text)};
        h = tn_v_next(&mix);
    }
    snprintf(out, 17, "%016llx", (unsigned long long)h);
}

static void waivers(page *p, const tn_v_summary *s)
{
    char last[48] = "";
    for (long i = 0; i < s->total; ++i) {
        const tn_v_record *r = &s->records[i];
        if (r->which == NULL || r->result.status != TN_V_WAIVED || strcmp(last, r->waiver) == 0)
            continue;
        snprintf(last, sizeof last, "%s", r->waiver);
        char text[256];
        snprintf(text, sizeof text, "%s, until %s: %s", r->waiver, r->waiver_expires,
                 r->waiver_reason);
        line(p, "waiver", text);
    }
}

static void html(FILE *f, const char *text)
{
    fputs(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Certificate of "
        "conformance</title>\n<style>body{font:16px/1.5 "
        "system-ui,sans-serif;max-width:46rem;margin:4rem "
        "auto;padding:0 1.5rem;color:#1b1f24}h1{font-size:1.7rem;border-bottom:2px solid "
        "#2f7d4f;padding-bottom:.5rem}table{border-collapse:collapse;width:100%}td{padding:.35rem "
        "1rem .35rem 0;border-bottom:1px solid "
        "#dfe3e8;vertical-align:top;font-variant-numeric:tabular-nums}td:first-child{color:#5b6570;"
        "white-space:nowrap}</style></head><body>\n<h1>Certificate of conformance</h1>\n<table>\n",
        f);
    for (const char *at = text; *at != '\0';) {
        size_t n = strcspn(at, "\n"), key = n < 22 ? n : 22;
        while (key > 0 && at[key - 1] == ' ')
            --key;
        fputs("<tr><td>", f);
        fwrite(at, 1, key, f);
        fputs("</td><td>", f);
        for (size_t i = 23; i < n; ++i) {
            if (at[i] == '<')
                fputs("&lt;", f);
            else if (at[i] == '&')
                fputs("&amp;", f);
            else
                fputc(at[i], f);
        }
        fputs("</td></tr>\n", f);
        at += n + (at[n] == '\n');
    }
    fputs("</table>\n<p>tenon verify-submission checks the records behind it; --recheck runs them "
          "again.</p></body></html>\n",
          f);
}

/* Whether the records of another run of the list are the same. */
static bool same_again(const tn_v_options *o, const tn_v_summary *s, const char *path, char *why,
                       size_t bytes)
{
    tn_v_summary other;
    char device[128], here[17], there[17];
    bool good = tn_v_load_records(&path, 1, &other, device, sizeof device);
    if (!good) {
        snprintf(why, bytes, "%.200s", other.why);
    } else {
        tn_v_results_digest(s, here);
        tn_v_results_digest(&other, there);
        good = strcmp(device, o->device) == 0 && strcmp(other.list_hash, s->list_hash) == 0 &&
               strcmp(here, there) == 0;
        if (!good)
            snprintf(why, bytes, "the records of %.160s differ from those of the first run", path);
    }
    tn_v_summary_free(&other);
    return good;
}

bool tn_v_write_certificate(const tn_v_options *o, const tn_v_summary *s, const char *const with[2],
                            const char *path, char *why, size_t bytes)
{
    page p = {{0}, 0};
    tn_v_identity id;
    tn_v_list list;
    char text[256], digest[17], number[17], seal[17];
    uint32_t v = tn_version();
    time_t now = time(NULL);
    struct tm tm;
    if (!whole(s, &list, why, bytes))
        return false;
    if (with[0] == NULL || with[1] == NULL || strcmp(with[0], with[1]) == 0) {
        snprintf(why, bytes,
                 "it needs the records of two more runs, one of them shuffled: tenon verify "
                 "--certify writes them");
        return false;
    }
    for (int i = 0; i < 2; ++i)
        if (!same_again(o, s, with[i], why, bytes))
            return false;
    if (!tn_v_identify(o->device, 60, &id) || !tn_v_numeric_id(o->device, number)) {
        snprintf(why, bytes, "%s cannot be asked for its arithmetic", o->device);
        return false;
    }
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y-%m-%d", &tm);
    line(&p, "issued", text);
    line(&p, "device", o->device);
    line(&p, "name", id.name);
    line(&p, "vendor", id.vendor);
    line(&p, "driver", id.driver);
    snprintf(text, sizeof text, "%u.%u.%u, CANONICAL 1", v >> 16, v >> 8 & 255u, v & 255u);
    line(&p, "library", text);
    snprintf(text, sizeof text, "%s, %ld cases, hash %s", tn_v_list_names[list], s->ran,
             s->list_hash);
    line(&p, "list", text);
    for (int i = 0; i < TN_V_STATUS_COUNT; ++i)
        if (s->status[i] > 0) {
            snprintf(text, sizeof text, "%ld", s->status[i]);
            line(&p, tn_v_status_names[i], text);
        }
    for (int i = 0; i < id.types; ++i) {
        const tn_v_grade *g = &id.grade[i];
        char key[32];
        if (g->grade == '-') {
            snprintf(why, bytes, "%s does less than it declares in %s: %s", o->device, g->types,
                     g->disagrees);
            return false;
        }
        snprintf(key, sizeof key, "grade of sums in %s", g->types);
        snprintf(text, sizeof text, "%c: %d bits, %s, %s; the twin foresees %d of %d", g->grade,
                 g->width, g->fma, g->kind, g->twin_right, g->twin_of);
        line(&p, key, text);
    }
    line(&p, "numeric fingerprint", number);
    waivers(&p, s);
    tn_v_results_digest(s, digest);
    line(&p, "digest of results", digest);
    line(&p, "runs", "3 with the same records, one of them shuffled");
    tn_v_random mix = {tn_v_hash(p.text)};
    snprintf(seal, sizeof seal, "%016llx", (unsigned long long)tn_v_next(&mix));
    line(&p, "seal", seal);
    FILE *f = fopen(path, "w");
    size_t n = strlen(path);
    if (f == NULL) {
        snprintf(why, bytes, "%s cannot be written", path);
        return false;
    }
    if (n > 4 && strcmp(path + n - 4, ".txt") == 0)
        fputs(p.text, f);
    else
        html(f, p.text);
    if (fclose(f) == 0)
        return true;
    snprintf(why, bytes, "%s cannot be written", path);
    return false;
}

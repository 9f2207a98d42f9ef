/* SPDX-License-Identifier: Apache-2.0 */
/* tenon report: reports of a run, or of all its shards together, from their records. */
#include "tool.h"

#include <conformance/verify.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool write_records(const tn_v_options *o, const tn_v_summary *s, const char *path)
{
    FILE *f = fopen(path, "w");
    bool good = f != NULL;
    for (long i = 0; i < s->total && good; ++i) {
        char *line = tn_v_record_json(o, &s->records[i], s->list_hash);
        good = line != NULL && fputs(line, f) >= 0;
        free(line);
    }
    return f != NULL && fclose(f) == 0 && good;
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: tenon report FILE|FOLDER.. [--jsonl FILE] [--junit FILE] [--csv FILE] [--html "
        "FILE]\n                    [--baseline FILE] [--certificate FILE.html|FILE.txt --again "
        "FILE|FOLDER --shuffled FILE|FOLDER]\n"
        "Puts the records (*.jsonl) of the shards of a run together and writes its reports. "
        "Exit status: 0 nothing\nfailed and something ran, 1 something failed or cannot be "
        "written, 2 wrong call or records that do not\nbelong together, 4 nothing was "
        "executed.\n");
    return TN_V_EXIT_USAGE;
}

int tool_report_verb(int argc, char **argv)
{
    const char *paths[256], *jsonl = NULL, *certificate = NULL, *with[2] = {NULL, NULL};
    char device[128], why[256] = "";
    int count = 0;
    tn_v_options o;
    tn_v_summary s;
    memset(&o, 0, sizeof o);
    const struct {
        const char *name;
        const char **to;
    } files[] = {{"--jsonl", &jsonl},         {"--junit", &o.junit},
                 {"--csv", &o.csv},           {"--html", &o.html},
                 {"--baseline", &o.baseline}, {"--certificate", &certificate},
                 {"--again", &with[0]},       {"--shuffled", &with[1]}};
    for (int i = 1; i < argc; ++i) {
        size_t f = 0;
        while (f < sizeof files / sizeof files[0] && strcmp(argv[i], files[f].name) != 0)
            ++f;
        if (f < sizeof files / sizeof files[0] && i + 1 < argc)
            *files[f].to = argv[++i];
        else if (argv[i][0] != '-' && count < 256)
            paths[count++] = argv[i];
        else
            return usage();
    }
    if (count == 0)
        return usage();
    if (!tn_v_load_records(paths, count, &s, device, sizeof device)) {
        fprintf(stderr, "tenon: %s\n", s.why);
        tn_v_summary_free(&s);
        return TN_V_EXIT_USAGE;
    }
    o.device = device;
    bool known = tn_v_list_of_hash(s.list_hash, &o.list);
    printf("%s, list %s (%s): %ld records:", device, known ? tn_v_list_names[o.list] : "unknown",
           s.list_hash, s.total);
    long bad = 0;
    for (int i = 0; i < TN_V_STATUS_COUNT; ++i) {
        if (s.status[i] > 0)
            printf(" %ld %s", s.status[i], tn_v_status_names[i]);
        if (i != TN_V_PASS && i != TN_V_NOT_SUPPORTED && i != TN_V_WAIVED && i != TN_V_QUALITY)
            bad += s.status[i];
    }
    putchar('\n');
    bool good = jsonl == NULL || write_records(&o, &s, jsonl);
    good = (o.junit == NULL || tn_v_write_junit(&o, &s, o.junit)) && good;
    good = (o.csv == NULL || tn_v_write_csv(&o, &s, o.csv)) && good;
    good = (o.html == NULL || tn_v_write_html(&o, &s, o.html)) && good;
    if (!good)
        fprintf(stderr, "tenon: a report cannot be written\n");
    if (certificate != NULL &&
        !tn_v_write_certificate(&o, &s, with, certificate, why, sizeof why)) {
        fprintf(stderr, "tenon: no certificate: %s\n", why);
        good = false;
    }
    int status = !good || bad > 0                        ? TN_V_EXIT_FAILED
                 : s.ran == s.status[TN_V_NOT_SUPPORTED] ? TN_V_EXIT_NOTHING
                                                         : TN_V_EXIT_PASSED;
    tn_v_summary_free(&s);
    return status;
}

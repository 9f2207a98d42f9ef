/* SPDX-License-Identifier: Apache-2.0 */
/* tenon bringup: the ladder, rung by rung, up to the first that breaks, and what to do then. */
#include "tool.h"

#include <conformance/verify.h>
#include <stdio.h>
#include <string.h>

static const struct {
    tn_v_list list;
    const char *glob, *name, *proves, *next;
} rungs[] = {
    {TN_V_BRINGUP, "L0.*", "link and registers", "the chip answers, and its registers hold",
     "compare id, version and reset values with the data sheet; look at the bus with `tenon sim "
     "dump` or a logic analyser; nothing above can be trusted before"},
    {TN_V_BRINGUP, "L1.*", "memory", "every byte has one place of its own",
     "the message names the address line or the pattern; a fault at a power of two is a line, one "
     "at random places is timing or refresh"},
    {TN_V_BRINGUP, "L2.*", "copies", "copies of every length and offset arrive whole",
     "look at burst borders (64 bytes, 4 KiB), at lengths that are no multiple of the bus, and at "
     "caches that are not written back"},
    {TN_V_BRINGUP, "L3.*", "queues and fences", "order, waiting and errors are as promised",
     "a fence that comes early looks like old data: check what orders the last store before the "
     "signal"},
    {TN_V_BRINGUP, "L4.*", "functions, casts, moves", "one kernel runs, and each element is right",
     "begin with the copies and casts among the failures: they name the lane and the type"},
    {TN_V_BRINGUP, "L5.*", "sums of one tile", "the matrix unit multiplies, and rounds as declared",
     "`tenon fingerprint DEVICE --tree` shows how it adds; class hot names a dead lane, e24 a "
     "narrow accumulator"},
    {TN_V_QUICK, "L6.*", "library ops", "all ops at all borders of tiles",
     "the hypothesis of each failure names the step; tails and gaps come first"},
    {TN_V_QUICK, "L7.*", "stress", "much at a time, and for long, is as right as one op alone",
     "a graph that is right one op at a time and wrong at once lacks a wait: look at fences "
     "between "
     "queues; `tenon verify DEVICE --soak 3600` finds what is seldom"},
    {TN_V_QUICK, "L8.*", "networks", "whole networks have their bits, and are within their bound",
     "the message names the first layer that is wrong; run its op alone"},
    {TN_V_MANDATORY, "*", "certification",
     "three runs, one of them shuffled, have the same records",
     "what differs from run to run depends on what ran before, or on time: `tenon verify --list "
     "mandatory --shuffle=SEED` repeats an order"},
};
enum { RUNGS = sizeof rungs / sizeof rungs[0] };

static void tell_line(void *self, const char *line)
{
    (void)self;
    printf("    %s\n", line);
}

int tool_bringup(int argc, char **argv)
{
    const char *device = NULL;
    bool wrong = false;
    double timeout = 30;
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--case-timeout") == 0 && i + 1 < argc)
            wrong = sscanf(argv[++i], "%lf", &timeout) != 1 || timeout <= 0;
        else if (argv[i][0] != '-' && device == NULL)
            device = argv[i];
        else
            wrong = true;
    }
    if (wrong || device == NULL) {
        fprintf(stderr, "usage: tenon bringup DEVICE [--case-timeout S]\n"
                        "Climbs the levels of the conformance suite, and stops at the first that "
                        "fails. Exit status as of tenon verify.\n");
        return TN_V_EXIT_USAGE;
    }
    long climbed = 0;
    for (size_t r = 0; r < RUNGS; ++r) {
        tn_v_options o = {.device = device,
                          .list = rungs[r].list,
                          .globs = &rungs[r].glob,
                          .glob_count = 1,
                          .jobs = 1,
                          .case_timeout_s = timeout,
                          .stop_after = 5};
        tn_v_summary s;
        bool last = r + 1 == RUNGS; /* the certificate's runs */
        int status = last ? tn_v_certify(&o, &s, tell_line, NULL) : tn_v_verify(&o, &s);
        if (status == TN_V_EXIT_NO_DEVICE || status == TN_V_EXIT_USAGE) {
            fprintf(stderr, "tenon: %s\n", s.why);
            tn_v_summary_free(&s);
            return status;
        }
        long executed = s.ran - s.status[TN_V_NOT_SUPPORTED];
        if (s.cases > 0)
            printf("L%zu  %-24s %s: %ld of %ld cases, %.1f s\n", r, rungs[r].name,
                   status == TN_V_EXIT_PASSED    ? "holds"
                   : status == TN_V_EXIT_NOTHING ? "not there"
                                                 : "BROKEN",
                   executed, s.cases, s.seconds);
        fflush(stdout);
        climbed += executed;
        if (status == TN_V_EXIT_FAILED) {
            if (s.why[0] != '\0')
                printf("    %s\n", s.why);
            for (long i = 0; i < s.total; ++i) {
                const tn_v_record *at = &s.records[i];
                char line[2 * TN_V_NAME + 128];
                if (at->which == NULL || at->result.status == TN_V_PASS ||
                    at->result.status == TN_V_NOT_SUPPORTED)
                    continue;
                tn_v_again(&o, at->which, line, sizeof line);
                printf("    %s %s\n", tn_v_status_names[at->result.status], at->which->name);
                if (at->result.hypothesis[0] != '\0')
                    printf("      looks like: %s\n", at->result.hypothesis);
                printf("      %s\n      again: %s\n", at->result.message, line);
            }
            printf("What held so far: %s.\nThis rung would show that %s.\nNext: %s.\n",
                   r == 0 ? "nothing" : rungs[r - 1].name, rungs[r].proves, rungs[r].next);
            tn_v_summary_free(&s);
            return TN_V_EXIT_FAILED;
        }
        tn_v_summary_free(&s);
    }
    printf("%s\n", climbed > 0 ? "Every rung holds. Next: tenon verify --list full --certify, then "
                                 "tenon report --certificate."
                               : "Nothing was executed.");
    return climbed > 0 ? TN_V_EXIT_PASSED : TN_V_EXIT_NOTHING;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tenon replay: a failure from its capsule, in a new process. */
#include "tool.h"

#include <conformance/verify.h>
#include <stdio.h>
#include <string.h>

int tool_replay(int argc, char **argv)
{
    const char *path = NULL, *device = NULL;
    bool smallest = false, wrong = false;
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            device = argv[++i];
        else if (strcmp(argv[i], "--smallest") == 0)
            smallest = true;
        else if (argv[i][0] != '-' && path == NULL)
            path = argv[i];
        else
            wrong = true;
    }
    if (wrong || path == NULL) {
        fprintf(stderr,
                "usage: tenon replay FILE [--smallest] [--device URI]\n"
                "FILE is a capsule that tenon verify has kept; --smallest runs its smallest "
                "form.\nExit status: 0 it passes now, 1 it fails, 2 no capsule, 3 no such "
                "device.\n");
        return TN_V_EXIT_USAGE;
    }
    static const char *const outcomes[] = {"the same verdict and the same bits",
                                           "the same verdict, other bits", "fixed: it passes",
                                           "another verdict", "the same end"};
    tn_v_replayed r;
    int status = tn_v_replay(path, device, smallest, &r);
    if (r.why[0] != '\0') {
        fprintf(stderr, "tenon: %s\n", r.why);
        return status;
    }
    printf("%s on %s\n%s: it was %s, it is %s\n", r.name, r.device, outcomes[r.outcome],
           tn_v_status_names[r.before.status], tn_v_status_names[r.now.status]);
    if (r.now.hypothesis[0] != '\0')
        printf("  looks like: %s\n", r.now.hypothesis);
    if (r.now.message[0] != '\0')
        printf("  %s\n", r.now.message);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tenon verify-submission: whether records of a run are whole and as they were written. */
#include "tool.h"

#include <conformance/verify.h>
#include <stdio.h>
#include <string.h>

static void tell(void *self, const char *line)
{
    (void)self;
    puts(line);
}

int tool_submission(int argc, char **argv)
{
    const char *folder = NULL, *recheck = NULL;
    bool wrong = false;
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--recheck") == 0 && i + 1 < argc)
            recheck = argv[++i];
        else if (argv[i][0] != '-' && folder == NULL)
            folder = argv[i];
        else
            wrong = true;
    }
    if (wrong || folder == NULL) {
        fprintf(stderr, "usage: tenon verify-submission FOLDER [--recheck DEVICE]\n"
                        "FOLDER has the records (*.jsonl) of all parts of one list; --recheck runs "
                        "them again.\n");
        return TN_V_EXIT_USAGE;
    }
    return tn_v_verify_submission(folder, recheck, tell, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim: looks into the simulated chips. One file a subject. */
#include "tool.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
    int (*run)(int argc, char **argv);
} subjects[] = {
    {"gemm", "cycles of a product on an array in closed form (M N K --array RxC)", tool_sim_gemm},
    {"conv", "the same of a convolution (H W KH KW C F S --array RxC)", tool_sim_conv},
    {"run", "ops on profiles: cycles, utilisation, roofline, bound (--json)", tool_sim_run},
    {"trace", "what each engine did for an op (--html, --golden, --perfetto, --vcd FILE)",
     tool_sim_trace},
    {"dump", "registers, and who waits for whom when an op hangs (--chip PROFILE?faults=FILE)",
     tool_sim_dump},
    {"step", "an op's packets one by one from a breakpoint on (--break N, --count N)",
     tool_sim_step},
    {"speed", "how fast this machine simulates (--json)", tool_sim_speed},
    {"serve", "be a chip for another process (FILE, then tpu-sim:PROFILE?bus=mmio:FILE)",
     tool_sim_serve},
    {"calibrate", "fits a profile's constants to a chip (--chip PROFILE?OPTIONS, --write FILE)",
     tool_sim_calibrate},
    {"gaps", "what a profile only assumes (PROFILE..., --json)", tool_sim_gaps},
    {"faults", "faults at random and how each ended (--count N --seed S --json)", tool_sim_faults},
};

static int usage(FILE *to)
{
    fprintf(to, "usage: tenon sim SUBJECT [OPTIONS]   (tenon sim SUBJECT --help says more)\n\n");
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; ++i)
        fprintf(to, "  %-9s %s\n", subjects[i].name, subjects[i].text);
    return to == stdout ? 0 : 2;
}

int tool_sim(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof subjects / sizeof subjects[0]; ++i)
        if (strcmp(argv[1], subjects[i].name) == 0)
            return subjects[i].run(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    if (argc > 1)
        fprintf(stderr, "tenon: unknown subject '%s' of sim\n", argv[1]);
    return usage(stderr);
}

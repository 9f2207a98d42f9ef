/* SPDX-License-Identifier: Apache-2.0 */
/* The `tenon` command: finds the verb and hands over. */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name, *text;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"info", "devices, classes per dtype, links, topology (--json)", tool_info},
    {"explain", "which kernel an op gets, and why the others were refused", tool_explain},
    {"bench", "time an op beside the peer libraries that are found", tool_bench},
    {"pack", "pack weights for a device's kernel into a file, map it back, check it", tool_pack},
    {"trace", "run ops or a verb, and write the timeline for ui.perfetto.dev", tool_trace_verb},
    {"sim", "look into the simulated chips: cycles, gaps of profiles, faults", tool_sim},
    {"fingerprint", "how a device or framework adds and rounds", tool_fingerprint},
    {"verify", "a device against the conformance suite", tool_verify},
    {"replay", "a failure that verify has kept, once more", tool_replay},
    {"report", "reports and the certificate of a run, from its records", tool_report_verb},
    {"bringup", "a new device up the ladder, to the first rung that breaks", tool_bringup},
    {"verify-submission", "whether records of verify are whole and unchanged", tool_submission},
    {"doctor", "what is missing here, and the line that installs it", tool_doctor},
};

int tool_error(const char *what)
{
    tn_error e;
    tn_error_last(&e);
    fprintf(stderr, "tenon: %s: %s [%s%s%s]\n", what, e.text != NULL ? e.text : "unknown error",
            e.reason != NULL ? e.reason : tn_status_name(e.status),
            e.argument != NULL ? ", argument " : "", e.argument != NULL ? e.argument : "");
    return 1;
}

const char *tool_class_name(tn_class cls)
{
    static const char *const names[] = {"bounded", "fast", "canonical", "exact"};
    return (unsigned)cls < 4 ? names[cls] : "?";
}

int tool_class_of(const char *name)
{
    for (int c = 0; c < 4; ++c)
        if (strcmp(name, tool_class_name((tn_class)c)) == 0)
            return c;
    return -1;
}

cJSON *tool_classes_json(uint32_t mask)
{
    cJSON *list = cJSON_CreateArray();
    for (unsigned c = 0; c < 4; ++c)
        if (mask >> c & 1u)
            cJSON_AddItemToArray(list, cJSON_CreateString(tool_class_name((tn_class)c)));
    return list;
}

bool tool_folder(char *text, size_t bytes)
{
    ssize_t n = readlink("/proc/self/exe", text, bytes - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    char *slash = strrchr(text, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

static clockid_t clock_read = CLOCK_MONOTONIC;

void tool_count_thread_time(void)
{
    clock_read = CLOCK_THREAD_CPUTIME_ID;
}

double tool_now(void)
{
    struct timespec t;
    clock_gettime(clock_read, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

uint64_t tool_block_bytes(uint64_t layout)
{
    static const uint64_t bytes[] = {0, 18, 34, 17};
    return layout <= TN_LAYOUT_MXFP4 ? bytes[layout] : 0;
}

uint64_t tool_tensor_bytes(const tn_tensor *t)
{
    uint64_t last = 0, block = tool_block_bytes(t->layout);
    for (int d = 0; d < t->rank; ++d) {
        if (t->dim[d] == 0)
            return 0;
        last += (uint64_t)(t->dim[d] - 1) * (uint64_t)t->stride[d];
    }
    return block != 0 ? (last / 32 + 1) * block
                      : ((last + 1) * tn_dtype_bits((tn_dtype)t->dtype) + 7) / 8;
}

static int usage(FILE *to)
{
    fprintf(to, "usage: tenon VERB [OPTIONS]   (tenon VERB --help says more)\n\n");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; ++i)
        fprintf(to, "  %-17s %s\n", verbs[i].name, verbs[i].text);
    return to == stdout ? 0 : 2;
}

/* A twin is a plugin beside the command: the library is told where. */
static void name_twins(int argc, char **argv)
{
    char folder[512], path[1400];
    bool twin = false;
    for (int i = 1; i < argc; ++i)
        twin = twin || strncmp(argv[i], "twin:", 5) == 0;
    if (!twin || !tool_folder(folder, sizeof folder))
        return;
    snprintf(path, sizeof path, "%s/twin", folder);
    if (access(path, R_OK) != 0) /* installed */
        snprintf(path, sizeof path, "%s/../libexec/tenon/twin", folder);
    const char *others = getenv("TENON_PLUGIN_PATH");
    size_t n = strlen(path);
    if (others != NULL && others[0] != '\0')
        snprintf(path + n, sizeof path - n, ":%s", others);
    (void)setenv("TENON_PLUGIN_PATH", path, 1);
}

int tool_dispatch(int argc, char **argv)
{
    static char name[40]; /* what argp calls the verb in its messages */
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; ++i)
        if (strcmp(argv[0], verbs[i].name) == 0) {
            snprintf(name, sizeof name, "tenon %s", verbs[i].name);
            argv[0] = name;
            return verbs[i].run(argc, argv);
        }
    fprintf(stderr, "tenon: unknown verb '%s'\n", argv[0]);
    return usage(stderr);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout);
    if (strcmp(argv[1], "--version") == 0) {
        uint32_t v = tn_version();
        printf("tenon %u.%u.%u\n", v >> 16, v >> 8 & 255u, v & 255u);
        return 0;
    }
    name_twins(argc, argv);
    return tool_dispatch(argc - 1, argv + 1);
}

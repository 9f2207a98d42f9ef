/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim serve: a simulated chip behind a shared file or a socket, for a driver in another
 * process. */
#include "sim_chip.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 256, IDLE };

typedef struct options {
    const char *path, *profile;
    uint64_t memory_mib;
    uint32_t timing, protect, idle_s;
    bool socket;
} options;

static uint32_t one_of(struct argp_state *state, const char *arg, const char *const *names)
{
    for (uint32_t i = 0; names[i] != NULL; i++)
        if (strcmp(arg, names[i]) == 0)
            return i;
    argp_error(state, "'%s' is no choice; see --help", arg);
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    static const char *const timings[] = {"serial", "overlap", NULL};
    static const char *const protects[] = {"none", "ecc", "full", NULL};
    options *o = state->input;
    switch (key) {
    case 'c':
        o->profile = arg;
        return 0;
    case 't':
        o->timing = one_of(state, arg, timings);
        return 0;
    case 'p':
        o->protect = one_of(state, arg, protects);
        return 0;
    case 's':
        o->socket = true;
        return 0;
    case MEMORY:
        o->memory_mib = strtoull(arg, NULL, 10);
        if (o->memory_mib == 0 || o->memory_mib > 1u << 20)
            argp_error(state, "memory is 1 to 2^20 MiB");
        return 0;
    case IDLE:
        o->idle_s = (uint32_t)strtoul(arg, NULL, 10);
        if (o->idle_s == 0 || o->idle_s > 1000000)
            argp_error(state, "idle is 1 to 1000000 seconds");
        return 0;
    case ARGP_KEY_ARG:
        if (o->path != NULL)
            argp_error(state, "one file at a time");
        o->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->path == NULL)
            argp_error(state, "name a file to be shared, best in /dev/shm");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int tool_sim_serve(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"profile", 'c', "NAME", 0, "chip (canonical-128)", 0},
        {"timing", 't', "serial|overlap", 0, "(overlap)", 0},
        {"protect", 'p', "none|ecc|full", 0, "(none)", 0},
        {"socket", 's', NULL, 0, "FILE is the address of a socket: /path or host:port", 0},
        {"memory", MEMORY, "MIB", 0, "that the chip reaches (1024)", 0},
        {"idle", IDLE, "SECONDS", 0, "give up after so long without a call (60)", 0},
        {0},
    };
    static const struct argp parser = {flags,
                                       parse,
                                       "FILE",
                                       "Makes FILE, or listens there, and is the chip behind it "
                                       "until the driver that came closes.",
                                       NULL,
                                       NULL,
                                       NULL};
    options o = {
        .profile = "canonical-128", .memory_mib = 1024, .timing = SIM_OVERLAP, .idle_s = 60};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    sim_profile p;
    char error[200] = "";
    size_t bytes = 0;
    const char *text = tn__sim_profile_text(o.profile, &bytes);
    sim_options s = {.timing = o.timing, .protect = o.protect, .math = tn__tpu_best_math()};
    if (text == NULL || !tn__sim_profile_read(text, bytes, &p, error, sizeof error)) {
        fprintf(stderr, "tenon: %s is no built-in profile\n", o.profile);
        return 1;
    }
    bool good = o.socket ? tn__tpu_socket_serve(tool_allocator(), o.path, &p, &s, o.idle_s * 1000,
                                                error, sizeof error)
                         : tn__tpu_mmio_make(o.path, o.memory_mib << 20, error, sizeof error) &&
                               tn__tpu_mmio_serve(tool_allocator(), o.path, &p, &s, o.idle_s * 1000,
                                                  error, sizeof error);
    if (!good)
        fprintf(stderr, "tenon: %s\n", error[0] != '\0' ? error : "nobody came");
    if (!o.socket)
        remove(o.path);
    return good ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of the `tenon` command share. One file a verb. */
#ifndef TN_TOOLS_TOOL_H
#define TN_TOOLS_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <tenon/tenon.h>

/* Each verb gets its own argv (argv[0] is the verb) and returns the exit status. */
int tool_info(int argc, char **argv);
int tool_explain(int argc, char **argv);
int tool_bench(int argc, char **argv);
int tool_pack(int argc, char **argv);
int tool_verify(int argc, char **argv);
int tool_fingerprint(int argc, char **argv);
int tool_submission(int argc, char **argv);
int tool_replay(int argc, char **argv);
int tool_report_verb(int argc, char **argv);
int tool_bringup(int argc, char **argv);
int tool_doctor(int argc, char **argv);
int tool_trace_verb(int argc, char **argv);
int tool_sim(int argc, char **argv);
/* ---- sim_*.c: what tenon sim shows; argv[0] is the subject ---- */
int tool_sim_gemm(int argc, char **argv);
int tool_sim_conv(int argc, char **argv);
int tool_sim_run(int argc, char **argv);
int tool_sim_gaps(int argc, char **argv);
int tool_sim_calibrate(int argc, char **argv);
int tool_sim_step(int argc, char **argv);
int tool_sim_dump(int argc, char **argv);
int tool_sim_serve(int argc, char **argv);
int tool_sim_speed(int argc, char **argv);
int tool_sim_trace(int argc, char **argv);
int tool_sim_faults(int argc, char **argv);
int tool_dispatch(int argc, char **argv); /* argv[0] is the verb */

/* Prints this thread's last error on standard error, as one readable paragraph; returns 1. */
int tool_error(const char *what);
const char *tool_class_name(tn_class cls);
int tool_class_of(const char *name); /* -1 for a name that is no class */
/* "f32:canonical" or such a list of the classes in `mask`, as a JSON array. */
cJSON *tool_classes_json(uint32_t mask);
/* The folder of the running command, for what lies beside it. */
bool tool_folder(char *text, size_t bytes);
double tool_now(void); /* seconds, monotonic */
/* From here on tool_now() counts the calling thread's own time: what others take is left out. */
void tool_count_thread_time(void);
/* What a tensor spans, its last element or block included. */
uint64_t tool_tensor_bytes(const tn_tensor *t);
uint64_t tool_block_bytes(uint64_t layout); /* of 32 elements; 0: not in blocks */

/* ---- machine.c: limits measured in the same minute ---- */
double tool_peak_gflops(uint32_t threads); /* f32 fma, pinned to cpus 0..threads-1 */
double tool_read_gbs(uint32_t threads);    /* reading 256 MiB */
/* Copying 128 MiB to another 128 MiB, both counted, by the faster of two kinds of stores. */
double tool_copy_gbs(uint32_t threads);
/* Zeroed, for operands that all contestants share; in huge pages where it is large. free() it. */
void *tool_memory(uint64_t bytes);
/* The memory as a buffer; false where the device cannot read memory of the host's. */
bool tool_share(tn_device *device, void *memory, uint64_t bytes, tn_buffer **out);
bool tool_pin(uint32_t threads); /* this thread and its children to cpus 0..threads-1 */
void tool_cpu_name(char *text, size_t bytes);

/* ---- bench_rows.c: samples, statistics, the table ---- */
typedef struct tool_contestant {
    char impl[96], cls[16], shape[64], op[16], kernel[96];
    bool packed;
    void (*run)(void *self);
    void *self;
    double *sample_s;
    uint32_t count, repeat;
} tool_contestant;
typedef struct tool_stats {
    double median, p10, p90;
} tool_stats;
tool_stats tool_statistics(double *values, uint32_t count);
/* Runs the contestants in turn for `rounds` rounds, each sample long enough to be timed. */
bool tool_interleave(tool_contestant *c, uint32_t count, uint32_t rounds);
/* Median over the rounds of (a's time / b's time), pair by pair. */
double tool_pair_ratio(const tool_contestant *a, const tool_contestant *b);

/* What all benches of one call share. */
typedef struct tool_setup {
    tn_runtime *runtime;
    tn_device *device;
    const char *vs;
    uint32_t threads, rounds;
    bool thread_time;                       /* the clock counts the calling thread's own time */
    double peak_gflops, read_gbs, copy_gbs; /* measured in the same minute */
    cJSON *rows;
} tool_setup;
typedef struct tool_problem {
    const char *text, *dtype; /* "softmax 4096x4096:f32" */
    double flops, bytes, written;
} tool_problem;
/* Prints the table of contestants, the first `own` of them ours, and adds their rows. */
void tool_report(const tool_setup *with, const tool_problem *p, tool_contestant *c, uint32_t own,
                 uint32_t count);

/* ---- bench_peers.c ---- */
enum { TOOL_PEERS = 20 };
struct tn_peer;
/* The entries of every module that is there; they stay loaded. */
uint32_t tool_peers(const struct tn_peer **out, uint32_t room);
bool tool_peer_wanted(const char *vs, const char *name); /* "all", or names joined by commas */
/* data: a pointer for each operand. NULL: the peer lacks the op. */
void *tool_peer_prepare(const struct tn_peer *peer, const tn_op *op, void *const *data);
/* Says which peers are not there and what installs them; adds their names. */
void tool_peers_missing(cJSON *out);

/* ---- bench_op.c, bench_suite.c ---- */
int tool_bench_op(const tool_setup *with, const char *text);
/* Every op of a suite whose text has one of the words (none: all). 2: no such suite. */
int tool_bench_suite(const tool_setup *with, const char *suite, const char *const *word,
                     uint32_t words);

/* ---- bench_conv.c ---- */
int tool_bench_conv(tn_runtime *rt, tn_device *device, const char *shape, const char *vs,
                    uint32_t threads, uint32_t rounds, double peak, cJSON *rows);
/* ---- trace_json.c: the events of a runtime, written as Chrome's JSON ---- */
typedef struct tool_trace tool_trace;
/* path NULL: the file that TENON_TRACE names. Without either: true, and *out is NULL. */
bool tool_trace_start(tn_runtime *rt, const char *path, tool_trace **out);
/* Ends, writes and frees; NULL is accepted. Returns the exit status. */
int tool_trace_write(tool_trace *trace);

/* ---- bench_overhead.c, bench_attention.c ---- */
int tool_bench_overhead(tn_device *device);
int tool_bench_attention(tn_device *device, const char *shape, uint32_t threads, uint32_t rounds,
                         double peak, cJSON *rows);

#endif

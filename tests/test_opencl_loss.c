/* SPDX-License-Identifier: Apache-2.0 */
/* A driver whose entries begin to fail: every call gets a status, nothing hangs or crashes, and the
 * device can be opened again. */
#include "support/opencl_devices.h"
#include "support/run_op.h"

#if __has_include(<CL/cl.h>)
#include <backends/opencl/opencl.h>
#include <hal/hal.h>

#include <dirent.h>
#include <stdatomic.h>
#include <unistd.h>

static const char *const entries[] = {
#define NAME(entry) #entry,
    OPENCL_ALL_ENTRIES(NAME)
#undef NAME
};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

/* Which entries a fault stood in the place of, by what the log says. */
static atomic_uint struck[ENTRIES];

static void listen_to(void *self, int level, const char *text)
{
    static const char said[] = "opencl fault strikes ";
    (void)self, (void)level;
    for (size_t e = 0; e < ENTRIES; ++e)
        if (strncmp(text, said, sizeof said - 1) == 0 &&
            strcmp(text + sizeof said - 1, entries[e]) == 0)
            atomic_fetch_add(&struck[e], 1);
}

static void hear(void *self, const tn_event *event) /* items are timed while somebody does */
{
    (void)self, (void)event;
}

/* The folder of built programs; what is there or not decides which entries build them. */
static char cache[512];

static void empty_cache(void)
{
    char file[1200];
    DIR *d = opendir(cache);
    for (const struct dirent *f; d != NULL && (f = readdir(d)) != NULL;)
        if (strncmp(f->d_name, "opencl-", 7) == 0) {
            snprintf(file, sizeof file, "%s/%s", cache, f->d_name);
            (void)unlink(file);
        }
    if (d != NULL)
        (void)closedir(d);
}

enum { SIDE = 64, COUNT = SIDE * SIDE, BYTES = COUNT * sizeof(float) };
static const uint64_t patience_ns = 60000000000u;

/* What may come of a broken driver; TIMEOUT, INVALID and INTERNAL may not. */
static bool allowed(tn_status st)
{
    return st == TN_OK || st == TN_STATUS_DEVICE_LOST || st == TN_STATUS_NO_MEMORY ||
           st == TN_STATUS_UNAVAILABLE || st == TN_STATUS_UNSUPPORTED;
}

typedef struct job {
    const char *uri;
    tn_runtime *rt;
    tn_device *d;
    tn_queue *q;
    tn_buffer *a, *b, *packed, *out;
    tn_plan *plan;
    tn_op *op;
    tn_commands *list;
    tn_status first; /* that was not TN_OK */
} job;

static bool step(job *j, tn_status st, const char *what)
{
    tn_error e;
    tn_error_last(&e);
    TN_EXPECT(allowed(st), "%s: %s gave %s: %s", j->uri, what, tn_status_name(st), e.text);
    if (st != TN_OK && j->first == TN_OK)
        j->first = st;
    return st == TN_OK;
}

static tn_buffer *buffer(job *j)
{
    tn_buffer *b = NULL;
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = BYTES};
    return step(j, tn_buffer_create(j->d, &desc, &b), "buffer") ? b : NULL;
}

/* Recorded and submitted twice: the product, and packed weights where they fit. */
static bool listed(job *j, const tn_bind *bind, const tn_tensor *packed)
{
    tn_queue *r = NULL;
    bool ok =
        step(j, tn_commands_begin(j->q, &r), "begin") &&
        step(j, tn_queue_run(r, j->plan, bind, 3, NULL, NULL), "recorded run") &&
        (packed == NULL || step(j, tn_queue_pack(r, j->plan, TN_ARG_B, packed, j->packed, 0, NULL),
                                "recorded pack")) &&
        step(j, tn_queue_run(r, j->plan, bind, 3, NULL, NULL), "recorded run") &&
        step(j, tn_commands_end(r, &j->list), "end") &&
        step(j, tn_queue_submit(j->q, j->list, NULL), "submit") &&
        step(j, tn_queue_submit(j->q, j->list, NULL), "submit");
    tn_queue_release(r);
    return ok;
}

/* Two products, one with packed weights, every kind of transfer, and a list. */
static void work(job *j, const float *a, const float *b, float *got)
{
    tn_bind bind[] = {{.role = TN_ARG_A, .buffer = j->a},
                      {.role = TN_ARG_B, .buffer = j->b},
                      {.role = TN_ARG_OUT, .buffer = j->out}};
    tn_tensor from = j->op->args[1].tensor;
    uint64_t layout = 0, bytes = 0;
    void *mapped = NULL;
    from.buffer = j->b;
    bool ok = step(j, tn_queue_fill(j->q, j->out, 0, BYTES, 0x7e7e7e7eu, 4, NULL), "fill") &&
              step(j, tn_queue_write(j->q, j->packed, 0, a, BYTES, NULL), "write") &&
              step(j, tn_queue_copy(j->q, j->a, 0, j->packed, 0, BYTES, NULL), "copy") &&
              step(j, tn_queue_write(j->q, j->b, 0, b, BYTES, NULL), "write") &&
              step(j, tn_queue_run(j->q, j->plan, bind, 3, NULL, NULL), "run");
    bool packs =
        ok && tn_plan_layout(j->plan, TN_ARG_B, &layout, &bytes) == TN_OK && bytes <= BYTES;
    if (packs)
        ok = step(j, tn_queue_pack(j->q, j->plan, TN_ARG_B, &from, j->packed, 0, NULL), "pack");
    if (ok)
        ok = listed(j, bind, packs ? &from : NULL);
    if (ok)
        step(j, tn_queue_read(j->q, got, j->out, 0, BYTES, NULL), "read");
    step(j, tn_queue_wait_idle(j->q, patience_ns), "wait");
    if (j->first == TN_OK && step(j, tn_buffer_map(j->b, 0, BYTES, TN_MAP_READ, &mapped), "map")) {
        TN_EXPECT(memcmp(mapped, b, BYTES) == 0, "%s: mapped", j->uri);
        step(j, tn_buffer_unmap(j->b), "unmap");
    }
}

/* A text that is no program: only then does the backend ask for a build log. */
static void build_nonsense(job *j)
{
    const char *text[] = {"this is no program"};
    char log[64];
    cl_int error = CL_SUCCESS;
    cl_program p = tn__opencl_build(j->d->object, text, 1, "", log, sizeof log, &error);
    TN_EXPECT(p == NULL && error != CL_SUCCESS, "%s builds nonsense", j->uri);
}

/* Returns the first failure; OK with the right product in `got`. */
static tn_status attempt(const char *uri, const float *a, const float *b, float *got)
{
    job j = {.uri = uri};
    tn_runtime_desc desc = {
        .head = TN_INIT(tn_runtime_desc), .log = listen_to, .log_level = 5, .cache_dir = cache};
    TN_REQUIRE(tn_runtime_create(&desc, &j.rt) == TN_OK);
    TN_REQUIRE(tn_runtime_trace(j.rt, hear, NULL) == TN_OK);
    TN_REQUIRE(tn_op_parse(j.rt, "matmul 64x64x64:f32:canonical", &j.op) == TN_OK);
    if (step(&j, tn_device_open(j.rt, uri, &j.d), "open") &&
        step(&j, tn_queue_create(j.d, NULL, &j.q), "queue") && (j.a = buffer(&j)) != NULL &&
        (j.b = buffer(&j)) != NULL && (j.out = buffer(&j)) != NULL &&
        (j.packed = buffer(&j)) != NULL &&
        step(&j, tn_plan_create(j.d, j.op, NULL, &j.plan), "plan"))
        work(&j, a, b, got);
    if (j.d != NULL && strstr(uri, "clGetProgramBuildInfo") != NULL)
        build_nonsense(&j);
    tn_commands_release(j.list);
    tn_plan_release(j.plan);
    tn_buffer_release(j.a);
    tn_buffer_release(j.b);
    tn_buffer_release(j.out);
    tn_buffer_release(j.packed);
    tn_queue_release(j.q);
    tn_device_release(j.d);
    tn_op_free(j.rt, j.op);
    tn_runtime_release(j.rt);
    return j.first;
}

static bool records(const char *uri)
{
    tn_test_device d;
    char recording[160];
    snprintf(recording, sizeof recording, "%.60s?record=1", uri);
    TN_REQUIRE(tn_test_open(recording, &d), "%s", recording);
    bool does = ((opencl_device *)d.device->object)->records;
    tn_test_close(&d);
    return does;
}

/* Entries of an extension that not every driver has, or that are called for it alone. */
static bool of_records(const char *entry)
{
    return strstr(entry, "CommandBufferKHR") != NULL ||
           strcmp(entry, "clCommandNDRangeKernelKHR") == 0 ||
           strcmp(entry, "clGetKernelInfo") == 0 ||
           strcmp(entry, "clGetExtensionFunctionAddressForPlatform") == 0;
}

TN_TEST(opencl_loss, every_entry)
{
    static const int after[] = {0, 1, 2, 20};
    static float a[COUNT], b[COUNT], want[COUNT], got[COUNT];
    opencl_devices all = find_opencl();
    uint64_t state = tn_test_seed();
    for (int i = 0; i < COUNT; ++i) {
        a[i] = (float)(tn_test_random(&state) % 2001u) / 1000.0f - 1.0f;
        b[i] = (float)(tn_test_random(&state) % 2001u) / 1000.0f - 1.0f;
    }
    if (all.count == 0)
        return;
    snprintf(cache, sizeof cache, "%s/loss-%ld", TN_TEST_ICDS, (long)getpid());
    TN_REQUIRE(attempt("cpu", a, b, want) == TN_OK);
    for (uint32_t d = 0; d < all.count; ++d) {
        uint32_t noticed = 0;
        const bool lists = records(all.uri[d]);
        for (size_t e = 0; e < ENTRIES; ++e) {
            const bool recorded = of_records(entries[e]);
            if (recorded && !lists)
                continue;
            bool failed = false, builds = strstr(entries[e], "Program") != NULL &&
                                          strcmp(entries[e], "clCreateProgramWithBinary") != 0;
            atomic_store(&struck[e], 0);
            for (size_t i = 0; i < (d == 0 || recorded ? sizeof after / sizeof after[0] : 1); ++i) {
                char uri[160];
                snprintf(uri, sizeof uri, "%.60s?record=1&fail=%.40s&after=%d", all.uri[d],
                         entries[e], after[i]);
                memset(got, 0, sizeof got);
                if (builds)
                    empty_cache();
                tn_status st = attempt(uri, a, b, got);
                failed = failed || st != TN_OK;
                TN_EXPECT(st != TN_OK || memcmp(got, want, BYTES) == 0, "%s: a wrong product", uri);
            }
            TN_EXPECT(atomic_load(&struck[e]) > 0, "%s: %s is never called", all.uri[d],
                      entries[e]);
            noticed += failed;
            TN_EXPECT(attempt(all.uri[d], a, b, got) == TN_OK && memcmp(got, want, BYTES) == 0,
                      "%s after a fault of %s", all.uri[d], entries[e]);
        }
        /* Releases, build logs, times and the cache are asked for by nobody who needs the answer.
         */
        fprintf(stderr, "%s: faults struck at all of %d entries, those of %u brought a status\n",
                all.uri[d], (int)ENTRIES, noticed);
        TN_EXPECT(noticed >= 15, "%u", noticed);
    }
    empty_cache();
    char file[1200];
    DIR *left = opendir(cache);
    for (const struct dirent *f; left != NULL && (f = readdir(left)) != NULL;) {
        snprintf(file, sizeof file, "%s/%s", cache, f->d_name);
        (void)unlink(file);
    }
    if (left != NULL)
        (void)closedir(left);
    (void)rmdir(cache);
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCL from the outside: names of devices, drivers that are missing, crash or hang, programs that
 * do not build, and the cache of programs. */
#include "support/op_problem.h"
#include "support/opencl_devices.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hal/plugin.h>

static bool failed(tn_status st, tn_status want, const char *reason)
{
    tn_error e;
    tn_error_last(&e);
    bool ok = st == want && strcmp(e.reason, reason) == 0 && strlen(e.text) > 20;
    if (!ok)
        fprintf(stderr, "%s %s: %s\n", tn_status_name(st), e.reason, e.text);
    return ok;
}

static void cpu_works(tn_runtime *rt)
{
    tn_device *d = NULL;
    TN_EXPECT(tn_device_open(rt, "cpu", &d) == TN_OK, "cpu");
    tn_device_release(d);
    TN_EXPECT(tn_runtime_device_count(rt) >= 1);
}

/* ---- names ---- */

TN_TEST(opencl_driver, names)
{
    static const struct {
        const char *rest;
        tn_status status;
        const char *reason;
    } wrong[] = {{"opencl:nobody", TN_STATUS_UNAVAILABLE, "opencl.device"},
                 {"opencl:63", TN_STATUS_UNAVAILABLE, "opencl.device"},
                 {"opencl?colour=red", TN_STATUS_INVALID, "opencl.option"},
                 {"opencl?fail=clNothing", TN_STATUS_INVALID, "opencl.option"},
                 {"opencl?after=x", TN_STATUS_INVALID, "opencl.option"},
                 {"opencl?code=-5", TN_STATUS_INVALID, "opencl.option"}};
    opencl_devices all = find_opencl();
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i)
        TN_EXPECT(failed(tn_device_open(rt, wrong[i].rest, &d), wrong[i].status, wrong[i].reason),
                  "%s", wrong[i].rest);
    for (uint32_t i = 0; i < all.count; ++i) {
        char number[32];
        tn_device_info one = {.head = TN_INIT(tn_device_info)}, two = one;
        snprintf(number, sizeof number, "opencl:%u", i);
        TN_REQUIRE(tn_device_open(rt, number, &d) == TN_OK, "%s", number);
        TN_EXPECT(tn_device_get_info(d, &one) == TN_OK);
        tn_device_release(d);
        TN_REQUIRE(tn_device_open(rt, all.uri[i], &d) == TN_OK, "%s", all.uri[i]);
        TN_EXPECT(tn_device_get_info(d, &two) == TN_OK);
        tn_device_release(d);
        TN_EXPECT(strcmp(one.name, two.name) == 0 && strcmp(one.driver, two.driver) == 0);
    }
    tn_runtime_release(rt);
}

/* ---- drivers ---- */

/* A folder for this process with one .icd that names `library`. */
static void one_driver(const char *library, char *folder, size_t bytes)
{
    char file[600];
    snprintf(folder, bytes, "%s/icd-%ld", TN_TEST_ICDS, (long)getpid());
    (void)mkdir(folder, 0700);
    snprintf(file, sizeof file, "%s/only.icd", folder);
    FILE *f = fopen(file, "w");
    TN_REQUIRE(f != NULL, "%s", file);
    fprintf(f, "%s\n", library);
    TN_EXPECT(fclose(f) == 0);
    (void)setenv("OCL_ICD_VENDORS", folder, 1);
}

static void remove_driver(const char *folder)
{
    char file[600];
    snprintf(file, sizeof file, "%s/only.icd", folder);
    (void)unlink(file);
    (void)rmdir(folder);
}

TN_TEST(opencl_driver, none)
{
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_error e;
    (void)setenv("OCL_ICD_VENDORS", TN_TEST_ICDS "/nothing", 1);
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_status st = tn_device_open(rt, "opencl:0", &d);
    tn_error_last(&e);
    /* opencl.absent: built without the headers; opencl.loader: no libOpenCL.so.1 */
    TN_EXPECT(st == TN_STATUS_UNAVAILABLE && d == NULL &&
                  (strcmp(e.reason, "opencl.none") == 0 || strcmp(e.reason, "opencl.loader") == 0 ||
                   strcmp(e.reason, "opencl.absent") == 0),
              "%s: %s", e.reason, e.text);
    cpu_works(rt);
    tn_runtime_release(rt);
}

/* Without the loader nobody loads the driver either. */
static void bad_driver(const char *library, const char *reason)
{
    char folder[512];
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_error e;
    one_driver(library, folder, sizeof folder);
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    rt->plugins->limit_ns = 300000000u;
    for (int i = 0; i < 2; ++i) { /* the second time it is remembered */
        tn_status st = tn_device_open(rt, "opencl:0", &d);
        tn_error_last(&e);
        bool absent =
            strcmp(e.reason, "opencl.loader") == 0 || strcmp(e.reason, "opencl.absent") == 0;
        TN_EXPECT(st == TN_STATUS_UNAVAILABLE && d == NULL &&
                      (absent || strcmp(e.reason, reason) == 0),
                  "%s: %s", e.reason, e.text);
    }
    cpu_works(rt);
    tn_runtime_release(rt);
    remove_driver(folder);
}

TN_TEST(opencl_driver, one_that_crashes)
{
    bad_driver(TN_TEST_ICDS "/libtn_icd_crash.so", "driver.crashed");
}

TN_TEST(opencl_driver, one_that_hangs)
{
    bad_driver(TN_TEST_ICDS "/libtn_icd_hang.so", "driver.timeout");
}

TN_TEST(opencl_driver, no_helper)
{
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    rt->plugins->helper = "/bin/true";
    tn_status st = tn_device_open(rt, "opencl:0", &d);
    tn_error e;
    tn_error_last(&e);
    TN_EXPECT(st == TN_STATUS_UNAVAILABLE && (strcmp(e.reason, "driver.helper") == 0 ||
                                              strcmp(e.reason, "opencl.absent") == 0),
              "%s: %s", e.reason, e.text);
    cpu_works(rt);
    tn_runtime_release(rt);
}

/* ---- programs ---- */

static const char text[] = "matmul 30x40x50:f32:canonical";

/* Computes on a device with its own cache folder; the number of messages is left in *messages. */
static bool right_product(const char *uri, const char *cache, tn_log_fn log, void *self)
{
    tn_test_device cpu, d = {0};
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .cache_dir = cache,
                            .log = log,
                            .log_self = self,
                            .log_level = 3};
    problem p;
    TN_REQUIRE(tn_test_open("cpu", &cpu));
    make(&cpu, text, &p, 5);
    compute(&cpu, "cpu", text, &p, NULL);
    void *got[OPERANDS];
    for (uint32_t i = 0; i < p.op->arg_count; ++i) {
        got[i] = malloc(p.bytes[i]);
        TN_REQUIRE(got[i] != NULL);
        memcpy(got[i], p.host[i], p.bytes[i]);
    }
    memset(got[2], 0x7e, p.bytes[2]);
    bool ok = tn_runtime_create(&desc, &d.runtime) == TN_OK &&
              tn_device_open(d.runtime, uri, &d.device) == TN_OK &&
              tn_queue_create(d.device, NULL, &d.queue) == TN_OK &&
              tn_test_compute(&d, p.op, got, p.bytes) && memcmp(got[2], p.host[2], p.bytes[2]) == 0;
    tn_test_close(&d);
    for (uint32_t i = 0; i < p.op->arg_count; ++i)
        free(got[i]);
    drop(&cpu, &p);
    tn_test_close(&cpu);
    return ok;
}

/* Calls fn for each program of the cache; returns how many there are. What hal notes of devices
 * that were opened lies beside them, and is nothing that a driver reads. */
static unsigned each_file(const char *folder, void (*fn)(const char *name))
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char name[900];
        snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || strncmp(e->d_name, "opened-", 7) == 0)
            continue;
        ++n;
        if (fn != NULL)
            fn(name);
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static void damage(const char *name)
{
    struct stat s;
    unsigned char byte = 0;
    int fd = open(name, O_RDWR);
    TN_REQUIRE(fd >= 0 && fstat(fd, &s) == 0 && s.st_size > 200, "%s", name);
    TN_EXPECT(pread(fd, &byte, 1, s.st_size / 2) == 1);
    byte ^= 0x10;
    TN_EXPECT(pwrite(fd, &byte, 1, s.st_size / 2) == 1);
    (void)close(fd);
}

static void cut(const char *name)
{
    TN_EXPECT(truncate(name, 100) == 0, "%s", name);
}

static void erase(const char *name)
{
    TN_EXPECT(unlink(name) == 0, "%s", name);
}

static void count_damaged(void *self, int level, const char *message)
{
    (void)level;
    if (strstr(message, "damaged program") != NULL)
        ++*(unsigned *)self;
}

TN_TEST(opencl_driver, cache)
{
    char folder[512];
    opencl_devices all = find_opencl();
    snprintf(folder, sizeof folder, "%s/cache-%ld", TN_TEST_ICDS, (long)getpid());
    for (uint32_t i = 0; i < all.count; ++i) {
        unsigned damaged = 0;
        TN_EXPECT(right_product(all.uri[i], folder, count_damaged, &damaged), "%s", all.uri[i]);
        unsigned files = each_file(folder, NULL);
        TN_EXPECT(files > 0, "%s keeps nothing", all.uri[i]);
        TN_EXPECT(right_product(all.uri[i], folder, count_damaged, &damaged) && damaged == 0);
        (void)each_file(folder, damage);
        TN_EXPECT(right_product(all.uri[i], folder, count_damaged, &damaged) && damaged >= 1,
                  "%s: %u damaged", all.uri[i], damaged);
        damaged = 0;
        TN_EXPECT(right_product(all.uri[i], folder, count_damaged, &damaged) && damaged == 0,
                  "%s builds again what it had built again", all.uri[i]);
        (void)each_file(folder, cut);
        TN_EXPECT(right_product(all.uri[i], folder, count_damaged, &damaged) && damaged >= 1);
        TN_EXPECT(each_file(folder, erase) >= files);
    }
    DIR *d = opendir(folder);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d != NULL)
        (void)closedir(d);
    TN_EXPECT(all.count == 0 || rmdir(folder) == 0, "%s", folder);
}

/* CL_BUILD_PROGRAM_FAILURE in the place of the second build: the first is the probe's. */
TN_TEST(opencl_driver, a_program_that_does_not_build)
{
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i) {
        char uri[200];
        tn_test_device d;
        tn_op *op = NULL;
        tn_plan *plan = NULL;
        tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
        tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = TN_PLAN_ALLOW_FALLBACK};
        snprintf(uri, sizeof uri, "%s?fail=clBuildProgram&after=1&code=11", all.uri[i]);
        TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
        TN_REQUIRE(tn_op_parse(d.runtime, text, &op) == TN_OK);
        TN_EXPECT(failed(tn_plan_create(d.device, op, NULL, &plan), TN_STATUS_UNSUPPORTED,
                         "opencl.build"));
        TN_EXPECT(tn_plan_create(d.device, op, &desc, &plan) == TN_OK &&
                      tn_plan_get_info(plan, &info) == TN_OK && info.fallback != 0,
                  "what does not build falls back to cpu");
        tn_plan_release(plan);
        tn_op_free(d.runtime, op);
        tn_test_close(&d);
    }
}

#if __has_include(<CL/cl.h>)
#include <backends/opencl/opencl.h>

/* Devices that the probe finds wanting, as these are told to be. */
TN_TEST(opencl_driver, probes_that_fail)
{
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        tn_op *op = NULL;
        tn_plan *plan = NULL;
        tn_class_info c = {.head = TN_INIT(tn_class_info)};
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        opencl_device *own = d.device->object;
        TN_REQUIRE(tn_op_parse(d.runtime, text, &op) == TN_OK);
        own->sums_right = false;
        TN_EXPECT(failed(tn_plan_create(d.device, op, NULL, &plan), TN_STATUS_UNSUPPORTED,
                         "opencl.canonical"));
        TN_EXPECT(tn_device_classes(d.device, TN_F32, &c) == TN_OK &&
                      (c.classes & 1u << TN_CLASS_CANONICAL) == 0 &&
                      strstr(c.refused, "probe") != NULL,
                  "%s", c.refused);
        op->kind = (tn_op_kind)(TN_OP_MATMUL | 0x4000); /* hal would have refused it */
        TN_EXPECT(failed(tn__opencl_supports(own, op), TN_STATUS_UNSUPPORTED, "opencl.no_kernels"));
        op->kind = TN_OP_MATMUL;
        tn_op_free(d.runtime, op);
        tn_test_close(&d);
    }
}

/* What a queue leaves to hal, and errors of a driver as statuses. */
TN_TEST(opencl_driver, statuses)
{
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        tn_buffer *b = NULL;
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
        tn_work call = {.head = TN_INIT(tn_work), .kind = TN_WORK_CALL};
        const tn_queue_ops *ops = NULL;
        void *object = NULL;
        char uri[200];
        snprintf(uri, sizeof uri, "%s?fail=clCreateBuffer&after=1&code=4", all.uri[i]);
        TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
        opencl_device *own = d.device->object;
        TN_EXPECT(
            failed(tn_buffer_create(d.device, &desc, &b), TN_STATUS_NO_MEMORY, "opencl.memory"));
        TN_REQUIRE(d.device->ops->queue_create(own, NULL, NULL, &object, &ops) == TN_OK);
        TN_EXPECT(failed(ops->submit(object, &call), TN_STATUS_UNSUPPORTED, "opencl.work"));
        ops->destroy(object);
        TN_EXPECT(failed(tn__opencl_lose(own, CL_DEVICE_NOT_AVAILABLE, "a call"),
                         TN_STATUS_DEVICE_LOST, "opencl.lost"));
        TN_EXPECT(tn_device_get_status(d.device) == TN_STATUS_DEVICE_LOST);
        tn_test_close(&d);
    }
}
#endif

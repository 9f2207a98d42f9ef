/* SPDX-License-Identifier: Apache-2.0 */
/* Runtime creation, errors, versioned structs, the environment, URIs, fork. */
#include <sys/wait.h>
#include <unistd.h>

#include <hal/hal.h>
#include <tests/support/test.h>

static bool failed_with(tn_status st, tn_status want, const char *reason)
{
    tn_error e;
    tn_error_last(&e);
    return st == want && e.status == want && strcmp(e.reason, reason) == 0 && e.text[0] &&
           e.file[0] && e.line > 0;
}

TN_TEST(runtime, create_release)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    TN_EXPECT(tn_runtime_retain(rt) == rt);
    tn_runtime_release(rt);
    TN_EXPECT(tn_runtime_device_count(rt) >= 1);
    tn_runtime_release(rt);
    tn_runtime_release(NULL);
    TN_EXPECT(tn_runtime_retain(NULL) == NULL);
    TN_EXPECT(tn_version() >> 16 == 0 && tn_version() >= 0x000100);
}

TN_TEST(runtime, refuses_bad_descriptions)
{
    struct {
        tn_runtime_desc d;
        uint64_t newer;
    } longer;
    tn_runtime *rt;
    memset(&longer, 0, sizeof(longer));
    longer.d = (tn_runtime_desc){.head = TN_INIT(tn_runtime_desc)};
    longer.d.head.size = sizeof(longer);
    TN_REQUIRE(tn_runtime_create(&longer.d, &rt) == TN_OK, "a zero tail is fine");
    tn_runtime_release(rt);
    longer.newer = 1;
    TN_EXPECT(
        failed_with(tn_runtime_create(&longer.d, &rt), TN_STATUS_INCOMPATIBLE, "struct.tail"));
    TN_EXPECT(rt == NULL);

    tn_runtime_desc d = {.head = TN_INIT(tn_runtime_desc)};
    TN_EXPECT(failed_with(tn_runtime_create(&d, NULL), TN_STATUS_INVALID, "runtime.null"));
    d.head.next = &d;
    TN_EXPECT(failed_with(tn_runtime_create(&d, &rt), TN_STATUS_INCOMPATIBLE, "struct.next"));
    d.head = (tn_head)TN_INIT(tn_plan_desc);
    TN_EXPECT(failed_with(tn_runtime_create(&d, &rt), TN_STATUS_INVALID, "struct.type"));
    d.head = (tn_head)TN_INIT(tn_runtime_desc);
    d.head.size = 4;
    TN_EXPECT(failed_with(tn_runtime_create(&d, &rt), TN_STATUS_INVALID, "struct.size"));
    d.head.size = sizeof(tn_head); /* an old caller with no field at all */
    d.flags = 0x80;
    TN_REQUIRE(tn_runtime_create(&d, &rt) == TN_OK);
    tn_runtime_release(rt);
    d.head.size = sizeof(d);
    TN_EXPECT(failed_with(tn_runtime_create(&d, &rt), TN_STATUS_INVALID, "runtime.flags"));
}

TN_TEST(runtime, struct_out_respects_the_size)
{
    tn_link from = {.head = TN_INIT(tn_link), .flags = 3, .latency_ns = 5, .measured = 7}, to;
    memset(&to, 0x55, sizeof(to));
    to.head = (tn_head)TN_INIT(tn_link);
    to.head.size = offsetof(tn_link, latency_ns);
    TN_EXPECT(tn__struct_out(&to, &from, sizeof(from), TN_TYPE_tn_link, "to") == TN_OK);
    TN_EXPECT(to.flags == 3 && to.latency_ns == 0x5555555555555555u);
    to.head.size = sizeof(to);
    TN_EXPECT(tn__struct_out(&to, &from, sizeof(from), TN_TYPE_tn_link, "to") == TN_OK);
    TN_EXPECT(to.latency_ns == 5 && to.measured == 7 && to.head.size == sizeof(to));
}

TN_TEST(runtime, errors_survive_being_put_back)
{
    tn_error e;
    tn__error_copy copy;
    (void)tn__fail(TN_STATUS_INVALID, "test.first", "x", "x is %d", 7);
    tn_error_last(&e);
    TN_EXPECT(tn__fail_again(&e) == TN_STATUS_INVALID, "the record onto itself");
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.text, "x is 7") == 0 && strcmp(e.argument, "x") == 0);
    tn__error_save(&copy, NULL);
    (void)tn__fail(TN_STATUS_TIMEOUT, "test.second", NULL, "%s", e.text);
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.text, "x is 7") == 0 && e.argument == NULL);
    TN_EXPECT(strcmp(copy.error.reason, "test.first") == 0 && copy.error.line > 0);
}

static tn_status create_with(const char *name, const char *value)
{
    tn_runtime *rt = NULL;
    (void)setenv(name, value, 1);
    tn_status st = tn_runtime_create(NULL, &rt);
    tn_runtime_release(rt);
    (void)unsetenv(name);
    return st;
}

TN_TEST(runtime, reads_the_environment)
{
    static const char *const bad[][2] = {
        {"TENON_CPU_MAX", "sse9"},  {"TENON_THREADS", "0"},   {"TENON_THREADS", "2x"},
        {"TENON_THREADS", "99999"}, {"TENON_LOG", "loud"},    {"TENON_SPIN_US", "100001"},
        {"TENON_SPIN_US", "-1"},    {"TENON_SPIN_US", "1ms"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        tn_error e;
        TN_EXPECT(failed_with(create_with(bad[i][0], bad[i][1]), TN_STATUS_INVALID, "env.value"));
        tn_error_last(&e);
        TN_EXPECT(strcmp(e.argument, bad[i][0]) == 0 && strstr(e.text, "allowed are"));
    }
    TN_EXPECT(create_with("TENON_CPU_MAX", "baseline") == TN_OK);
    TN_EXPECT(create_with("TENON_THREADS", "") == TN_OK, "empty is unset");
    TN_EXPECT(create_with("TENON_LOG", "debug") == TN_OK);
    TN_EXPECT(create_with("TENON_DEVICES", "cpu,mixed:[cpu?threads=1],cpu") == TN_OK);
    TN_EXPECT(create_with("TENON_DEVICES", "cpu,,cpu") == TN_STATUS_INVALID);
    TN_EXPECT(create_with("TENON_DEVICES", "cpu,[cpu") == TN_STATUS_INVALID);
    TN_EXPECT(create_with("TENON_PLUGIN_PATH", "/nowhere") == TN_OK);

    tn_runtime_desc d = {.head = TN_INIT(tn_runtime_desc), .flags = TN_RUNTIME_NO_ENV};
    tn_runtime *rt;
    (void)setenv("TENON_THREADS", "none", 1);
    TN_EXPECT(tn_runtime_create(&d, &rt) == TN_OK, "NO_ENV reads nothing");
    tn_runtime_release(rt);
    (void)setenv("TENON_THREADS", "3", 1);
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    TN_EXPECT(rt->threads == 3 && rt->env.spin_us == TN__SPIN_US);
    tn_runtime_release(rt);
    (void)unsetenv("TENON_THREADS");
    (void)setenv("TENON_SPIN_US", "0", 1);
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    TN_EXPECT(rt->env.spin_us == 0);
    tn_runtime_release(rt);
    TN_REQUIRE(tn_runtime_create(&d, &rt) == TN_OK);
    TN_EXPECT(rt->env.spin_us == TN__SPIN_US);
    tn_runtime_release(rt);
    (void)unsetenv("TENON_SPIN_US");
}

TN_TEST(runtime, uris)
{
    static const char *const good[][3] = {
        {"cpu", "cpu", ""},
        {"cpu?private=1&delay=3", "cpu", "?private=1&delay=3"},
        {"opencl:pocl", "opencl", "pocl"},
        {"mixed:[cpu?threads=1],opencl:0", "mixed", "[cpu?threads=1],opencl:0"},
        {"tpu-sim:a/b.profile?bus=model", "tpu-sim", "a/b.profile?bus=model"},
    };
    static const char *const bad[] = {"",       "?a=1",  "CPU",        "cpu?",     "cpu?private",
                                      "cpu?=1", "cpu/0", "mixed:[cpu", "mixed:a]", "cpu?a=1&"};
    char scheme[TN__SCHEME_BYTES];
    const char *rest;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        TN_EXPECT(tn__uri_split(good[i][0], scheme, &rest) == TN_OK);
        TN_EXPECT(strcmp(scheme, good[i][1]) == 0 && strcmp(rest, good[i][2]) == 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        TN_EXPECT(tn__uri_split(bad[i], scheme, &rest) == TN_STATUS_INVALID);
    TN_EXPECT(tn__uri_has("cpu?a=1&threads=2", "threads") && !tn__uri_has("cpu?a=1", "threads"));
    TN_EXPECT(!tn__uri_has("mixed:[cpu?threads=1]", "threads"), "a child's own parameter");
}

TN_TEST(runtime, says_no_in_a_forked_child)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    pid_t child = fork();
    TN_REQUIRE(child >= 0);
    if (child == 0) {
        tn_device *d;
        bool ok = failed_with(tn_device_open(rt, "cpu", &d), TN_STATUS_INVALID, "runtime.forked");
        tn_runtime_release(rt); /* must neither hang nor crash */
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    TN_EXPECT(waitpid(child, &status, 0) == child);
    TN_EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tn_runtime_release(rt);
}

static void name_plugin(void *self, const char *path, tn_status st, const char *reason)
{
    unsigned *n = self;
    *n += path[0] == '/' && st == TN_STATUS_UNAVAILABLE && strcmp(reason, "plugin.folder") == 0;
}

TN_TEST(runtime, names_plugin_folders_that_are_not_there)
{
    tn_runtime_desc d = {.head = TN_INIT(tn_runtime_desc), .plugin_path = "/nowhere/a:/nowhere/b"};
    tn_runtime *rt;
    unsigned n = 0;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    TN_EXPECT(tn_runtime_plugins(rt, name_plugin, &n) == TN_OK && n == 0);
    TN_EXPECT(tn_runtime_plugins(rt, NULL, NULL) == TN_STATUS_INVALID);
    tn_runtime_release(rt);
    TN_REQUIRE(tn_runtime_create(&d, &rt) == TN_OK);
    TN_EXPECT(tn_runtime_plugins(rt, name_plugin, &n) == TN_OK && n == 2);
    tn_runtime_release(rt);
}

TN_TEST(runtime, dtypes)
{
    TN_EXPECT(strcmp(tn_dtype_name(TN_BF16), "bf16") == 0 && tn_dtype_bits(TN_S4) == 4);
    TN_EXPECT(strcmp(tn_dtype_name((tn_dtype)99), "?") == 0 && tn_dtype_bits((tn_dtype)0) == 0);
    TN_EXPECT(tn_dtype_bits(TN_TF32) == 32 && tn_dtype_bits(TN_BOOL) == 8);
}

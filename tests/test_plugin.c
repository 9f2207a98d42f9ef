/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins: those that are good run ops, each bad one is named with its reason, and nothing that a
 * file does reaches this process. */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hal/plugin.h>
#include <tests/support/plugin_files.h>
#include <tests/support/run_op.h>
#include <tests/support/test.h>

#define GOOD    TN_TEST_PLUGINS "/good"
#define BAD     TN_TEST_PLUGINS "/bad"
#define OUTSIDE TN_TEST_PLUGINS "/outside/plugins"

/* The helper loads whole sanitizer runtimes, on machines that others use too; only plugins that
 * hang wait for it. */
static const uint64_t child_limit_ns = UINT64_C(3000000000);

static tn_runtime *open_runtime(const char *path, uint32_t flags)
{
    tn_runtime_desc d = {
        .head = TN_INIT(tn_runtime_desc), .plugin_path = path, .flags = flags | TN_RUNTIME_NO_ENV};
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(&d, &rt) == TN_OK);
    return rt;
}

/* ---- rows ---- */

typedef struct row {
    char path[1024], reason[64], text[384];
    tn_status status;
} row;
typedef struct rows {
    size_t count;
    row row[128];
} rows;

static void add_row(void *self, const char *path, tn_status status, const char *reason)
{
    rows *all = self;
    tn_error e;
    TN_REQUIRE(all->count < 128);
    row *r = &all->row[all->count++];
    (void)snprintf(r->path, sizeof(r->path), "%s", path);
    (void)snprintf(r->reason, sizeof(r->reason), "%s", reason);
    r->status = status;
    tn_error_last(&e);
    (void)snprintf(r->text, sizeof(r->text), "%s", status ? e.text : "");
    TN_EXPECT(!status || (e.status == status && strcmp(e.reason, reason) == 0),
              "%s: the text of the error is another's", path);
}

static void read_rows(tn_runtime *rt, rows *all)
{
    all->count = 0;
    TN_REQUIRE(tn_runtime_plugins(rt, add_row, all) == TN_OK);
}

static const row *find_row(const rows *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++) {
        const char *slash = strrchr(all->row[i].path, '/');
        if (slash && strcmp(slash + 1, name) == 0)
            return &all->row[i];
    }
    return NULL;
}

static void expect_row(const rows *all, const char *kind, tn_status status, const char *reason)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "tenon_backend_%s.so", kind);
    const row *r = find_row(all, name);
    TN_EXPECT(r != NULL, "%s is not listed", name);
    if (!r)
        return;
    TN_EXPECT(r->status == status && strcmp(r->reason, reason) == 0,
              "%s: %s %s (%s), but %s %s is right", name, tn_status_name(r->status), r->reason,
              r->text, tn_status_name(status), reason);
    TN_EXPECT(!status || strlen(r->text) > 20, "%s: text \"%s\"", name, r->text);
}

static bool failed_with(tn_status st, tn_status want, const char *reason)
{
    tn_error e;
    tn_error_last(&e);
    return st == want && e.status == want && strcmp(e.reason, reason) == 0;
}

/* ---- files ---- */

static unsigned open_files(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 512; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- ops ---- */

enum { M = 7, N = 37, K = 300 };

/* A matmul with bias on a device; its bits. */
static void multiply(tn_device *device, tn_class cls, float *out)
{
    static const int64_t da[] = {M, K}, db[] = {N, K}, dn[] = {N}, dout[] = {M, N};
    float a[M * K], b[N * K], bias[N];
    uint64_t state = 7;
    for (int i = 0; i < M * K; i++)
        a[i] = (float)(tn_test_random(&state) % 2001) / 1000.0f - 1.0f;
    for (int i = 0; i < N * K; i++)
        b[i] = (float)(tn_test_random(&state) % 2001) / 1000.0f - 1.0f;
    for (int i = 0; i < N; i++)
        bias[i] = (float)i;
    tn_matmul attr = {.head = TN_INIT(tn_matmul), .flags = TN_MATMUL_TRANSPOSE_B};
    tn_post post = {.kind = TN_POST_BIAS, .role = TN_ARG_POST0};
    tn_arg args[] = {{TN_ARG_A, 0, tn_test_tensor(TN_F32, 2, da)},
                     {TN_ARG_B, 0, tn_test_tensor(TN_F32, 2, db)},
                     {TN_ARG_POST0, 0, tn_test_tensor(TN_F32, 1, dn)},
                     {TN_ARG_OUT, 0, tn_test_tensor(TN_F32, 2, dout)}};
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_MATMUL,
                .arg_count = 4,
                .post_count = 1,
                .attr = &attr,
                .args = args,
                .posts = &post,
                .numerics = {.cls = cls}};
    void *host[] = {a, b, bias, out};
    const uint64_t bytes[] = {sizeof(a), sizeof(b), sizeof(bias), M * N * sizeof(float)};
    tn_test_device d = {.device = device};
    TN_REQUIRE(tn_queue_create(device, NULL, &d.queue) == TN_OK);
    memset(out, 0, M * N * sizeof(float));
    bool done = tn_test_compute(&d, &op, host, bytes);
    tn_error e;
    tn_error_last(&e);
    TN_EXPECT(done, "%s: %s", e.reason, e.text);
    tn_queue_release(d.queue);
}

static void softmax_falls_back(tn_device *device)
{
    static const int64_t dim[] = {4, 4};
    tn_softmax attr = {.head = TN_INIT(tn_softmax), .axis = 1};
    tn_arg args[] = {{TN_ARG_A, 0, tn_test_tensor(TN_F32, 2, dim)},
                     {TN_ARG_OUT, 0, tn_test_tensor(TN_F32, 2, dim)}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_SOFTMAX, .arg_count = 2, .attr = &attr, .args = args};
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc)};
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    tn_plan *plan = NULL;
    TN_EXPECT(tn_plan_create(device, &op, &desc, &plan) == TN_STATUS_UNSUPPORTED);
    desc.flags = TN_PLAN_ALLOW_FALLBACK;
    TN_REQUIRE(tn_plan_create(device, &op, &desc, &plan) == TN_OK);
    TN_EXPECT(tn_plan_get_info(plan, &info) == TN_OK && info.fallback == 1);
    tn_plan_release(plan);
}

/* Its ops, and that it has the canonical bits of every built-in device. */
static void expect_works(tn_runtime *rt, const char *uri)
{
    float got[M * N], want[M * N];
    tn_device *mm = NULL, *other;
    TN_REQUIRE(tn_device_open(rt, uri, &mm) == TN_OK, "%s", uri);
    multiply(mm, TN_CLASS_CANONICAL, got);
    for (const char *const *name = tn_test_devices(); *name; name++) {
        TN_REQUIRE(tn_device_open(rt, *name, &other) == TN_OK);
        multiply(other, TN_CLASS_CANONICAL, want);
        TN_EXPECT(memcmp(got, want, sizeof(got)) == 0, "the bits of %s are not those of %s", uri,
                  *name);
        tn_device_release(other);
    }
    softmax_falls_back(mm);
    tn_device_release(mm);
}

TN_TEST(plugin, good_ones_run_ops)
{
    tn_runtime *rt = open_runtime(GOOD, 0);
    rows all;
    read_rows(rt, &all);
    TN_EXPECT(all.count == 6, "%zu rows", all.count);
    for (size_t i = 0; i < all.count; i++)
        TN_EXPECT(all.row[i].status == TN_OK && strcmp(all.row[i].reason, "plugin.loaded") == 0,
                  "%s: %s %s", all.row[i].path, all.row[i].reason, all.row[i].text);
    size_t listed = 0;
    for (size_t i = 0; i < tn_runtime_device_count(rt); i++) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        TN_REQUIRE(tn_runtime_device_info(rt, i, &info) == TN_OK);
        listed += strcmp(info.uri, "mm") == 0 || strcmp(info.uri, "old") == 0 ||
                  strcmp(info.uri, "grown") == 0;
    }
    TN_EXPECT(listed == 3, "discovery lists what plugins enumerate");
    expect_works(rt, "mm");
    expect_works(rt, "mm:");
    tn_runtime_release(rt);
}

/* What chip makers do: built by projects of their own against what is installed. */
TN_TEST(plugin, built_outside_of_the_tree)
{
    tn_runtime *rt = open_runtime(OUTSIDE, 0);
    rows all;
    read_rows(rt, &all);
    TN_REQUIRE(all.count == 2, "%zu plugins in " OUTSIDE " (ctest builds them first)", all.count);
    expect_row(&all, "copied", TN_OK, "plugin.loaded");
    expect_row(&all, "mm", TN_OK, "plugin.loaded");
    expect_works(rt, "mm");
    tn_device *copied = NULL;
    float got[M * N], want[M * N];
    TN_REQUIRE(tn_device_open(rt, "copied", &copied) == TN_OK);
    multiply(copied, TN_CLASS_CANONICAL, got); /* falls back, through memory of its own */
    softmax_falls_back(copied);
    tn_device_release(copied);
    TN_REQUIRE(tn_device_open(rt, "cpu", &copied) == TN_OK);
    multiply(copied, TN_CLASS_CANONICAL, want);
    TN_EXPECT(memcmp(got, want, sizeof(got)) == 0);
    tn_device_release(copied);
    tn_runtime_release(rt);
}

/* ---- the bad ---- */

static const struct {
    const char *kind;
    tn_status status;
    const char *reason;
} expected[] = {
    {"symbol", TN_STATUS_INCOMPATIBLE, "plugin.symbol"},
    {"undefined", TN_STATUS_UNAVAILABLE, "plugin.load"},
    {"crash_load", TN_STATUS_INCOMPATIBLE, "plugin.crashed"},
    {"crash_query", TN_STATUS_INCOMPATIBLE, "plugin.crashed"},
    {"crash_enumerate", TN_STATUS_INCOMPATIBLE, "plugin.crashed"},
    {"exit_query", TN_STATUS_INCOMPATIBLE, "plugin.crashed"},
    {"touched", TN_STATUS_UNAVAILABLE, "plugin.changed"},
    {"hang_query", TN_STATUS_TIMEOUT, "plugin.timeout"},
    {"hang_enumerate", TN_STATUS_TIMEOUT, "plugin.timeout"},
    {"hang_deaf", TN_STATUS_INCOMPATIBLE, "plugin.crashed"},
    {"hang_family", TN_STATUS_UNAVAILABLE, "plugin.refused"},
    {"abi_newer", TN_STATUS_INCOMPATIBLE, "plugin.abi"},
    {"abi_zero", TN_STATUS_INCOMPATIBLE, "plugin.abi"},
    {"abi_refused", TN_STATUS_INCOMPATIBLE, "plugin.abi"},
    {"refused", TN_STATUS_UNAVAILABLE, "plugin.refused"},
    {"refused_odd", TN_STATUS_INCOMPATIBLE, "plugin.refused"},
    {"table_null", TN_STATUS_INCOMPATIBLE, "plugin.table"},
    {"table_wild", TN_STATUS_INCOMPATIBLE, "plugin.crashed"},
    {"table_short", TN_STATUS_INCOMPATIBLE, "plugin.table"},
    {"table_long", TN_STATUS_INCOMPATIBLE, "plugin.table"},
    {"table_enumerate", TN_STATUS_INCOMPATIBLE, "plugin.table"},
    {"table_open", TN_STATUS_INCOMPATIBLE, "plugin.table"},
    {"name_null", TN_STATUS_INCOMPATIBLE, "plugin.table"},
    {"name_bad", TN_STATUS_INCOMPATIBLE, "plugin.name"},
    {"name_long", TN_STATUS_INCOMPATIBLE, "plugin.name"},
    {"name_builtin", TN_STATUS_INCOMPATIBLE, "plugin.name_taken"},
    {"info_uri", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    {"info_kind", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    {"info_text", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    {"info_flags", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    {"info_align", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    {"info_memory", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    {"info_children", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    {"info_head", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    {"info_tail", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    {"info_many", TN_STATUS_INCOMPATIBLE, "plugin.device_info"},
    /* made here from the good one */
    {"cut_0", TN_STATUS_CORRUPT, "plugin.truncated"},
    {"cut_3", TN_STATUS_CORRUPT, "plugin.truncated"},
    {"cut_40", TN_STATUS_CORRUPT, "plugin.truncated"},
    {"cut_header", TN_STATUS_CORRUPT, "plugin.truncated"},
    {"cut_half", TN_STATUS_CORRUPT, "plugin.truncated"},
    {"cut_1", TN_STATUS_CORRUPT, "plugin.truncated"},
    {"cut_random", TN_STATUS_CORRUPT, "plugin.truncated"},
    {"text", TN_STATUS_CORRUPT, "plugin.not_elf"},
    {"program", TN_STATUS_CORRUPT, "plugin.not_elf"},
    {"machine", TN_STATUS_INCOMPATIBLE, "plugin.architecture"},
    {"class", TN_STATUS_INCOMPATIBLE, "plugin.architecture"},
    {"order", TN_STATUS_INCOMPATIBLE, "plugin.architecture"},
    {"folder", TN_STATUS_UNAVAILABLE, "plugin.file"},
    {"pipe", TN_STATUS_UNAVAILABLE, "plugin.file"},
    {"dangling", TN_STATUS_UNAVAILABLE, "plugin.file"},
    {"linked", TN_STATUS_INCOMPATIBLE, "plugin.duplicate"},
    {"twin", TN_STATUS_INCOMPATIBLE, "plugin.name_taken"},
};
enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

static void make_bad_files(const scratch *s)
{
    const char *from = GOOD "/tenon_backend_mm.so";
    char path[1024];
    uint64_t seed = tn_test_seed();
    size_t whole = copy_plugin(from, s, "twin", 0, 0, 0);
    write_text(s, "cut_0", "");
    (void)copy_plugin(from, s, "cut_3", 3, 0, 0);
    (void)copy_plugin(from, s, "cut_40", 40, 0, 0);
    (void)copy_plugin(from, s, "cut_header", sizeof(Elf64_Ehdr), 0, 0);
    (void)copy_plugin(from, s, "cut_half", whole / 2, 0, 0);
    (void)copy_plugin(from, s, "cut_1", whole - 1, 0, 0);
    (void)copy_plugin(from, s, "cut_random", 1 + tn_test_random(&seed) % (whole - 2), 0, 0);
    write_text(s, "text", "#!/bin/sh\necho a script, not a library\n");
    (void)copy_plugin(from, s, "program", 0, offsetof(Elf64_Ehdr, e_type), ET_EXEC);
    (void)copy_plugin(from, s, "machine", 0, offsetof(Elf64_Ehdr, e_machine), EM_SPARC);
    (void)copy_plugin(from, s, "class", 0, EI_CLASS, sizeof(void *) == 8 ? 1 : 2);
    (void)copy_plugin(from, s, "order", 0, EI_DATA, ELFDATA2MSB);
    TN_REQUIRE(mkdir(in_scratch(s, "folder"), 0700) == 0);
    TN_REQUIRE(mkfifo(in_scratch(s, "pipe"), 0600) == 0);
    TN_REQUIRE(symlink("/nowhere/at/all.so", in_scratch(s, "dangling")) == 0);
    TN_REQUIRE(symlink(from, in_scratch(s, "linked")) == 0);
    /* not plugins by name: nobody looks at them */
    (void)snprintf(path, sizeof(path), "%s/libtenon_backend_x.so", s->folder);
    TN_REQUIRE(symlink(from, path) == 0);
    (void)snprintf(path, sizeof(path), "%s/tenon_backend_.so", s->folder);
    TN_REQUIRE(symlink(from, path) == 0);
}

static void remove_names(const scratch *s)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/libtenon_backend_x.so", s->folder);
    (void)unlink(path);
    remove_scratch(s);
}

static void count_kinds(const rows *all)
{
    size_t refused = 0, kinds = 0;
    char text[1024] = "";
    for (size_t i = 0; i < all->count; i++) {
        size_t same = 0;
        bool first = true;
        refused += all->row[i].status != TN_OK;
        for (size_t j = 0; j < all->count; j++) {
            bool equal = strcmp(all->row[i].reason, all->row[j].reason) == 0;
            same += equal;
            first = first && !(equal && j < i);
        }
        if (all->row[i].status && first) {
            size_t at = strlen(text);
            (void)snprintf(text + at, sizeof(text) - at, " %s %zu", all->row[i].reason + 7, same);
            kinds++;
        }
    }
    printf("plugins refused by kind:%s (%zu files, %zu reasons)\n", text, refused, kinds);
}

TN_TEST(plugin, bad_ones_are_named_and_the_others_work)
{
    static rows all;
    scratch s;
    char path[4096];
    make_scratch(&s);
    make_bad_files(&s);
    (void)snprintf(path, sizeof(path), "%s:%s/:%s:/nowhere/plugins::%s", GOOD, BAD, s.folder, GOOD);
    unsigned files = open_files();
    tn_runtime *rt = open_runtime(path, 0);
    rt->plugins->limit_ns = child_limit_ns;
    read_rows(rt, &all);
    for (size_t i = 0; i < EXPECTED; i++)
        expect_row(&all, expected[i].kind, expected[i].status, expected[i].reason);
    expect_row(&all, "mm", TN_OK, "plugin.loaded");
    expect_row(&all, "old", TN_OK, "plugin.loaded");
    const row *missing = find_row(&all, "plugins");
    TN_EXPECT(missing && strcmp(missing->reason, "plugin.folder") == 0 &&
              missing->status == TN_STATUS_UNAVAILABLE);
    TN_EXPECT(all.count == EXPECTED + 6 + 1, "%zu rows", all.count);
    count_kinds(&all);
    expect_works(rt, "mm");

    /* Whoever asks for a refused one by name is told why. */
    tn_device *d;
    tn_error e;
    TN_EXPECT(
        failed_with(tn_device_open(rt, "hang-query", &d), TN_STATUS_UNAVAILABLE, "device.refused"));
    tn_error_last(&e);
    TN_EXPECT(strstr(e.text, "plugin.timeout") != NULL, "%s", e.text);
    TN_EXPECT(
        failed_with(tn_device_open(rt, "nobody", &d), TN_STATUS_UNAVAILABLE, "device.unknown"));
    tn_error_last(&e);
    TN_EXPECT(strstr(e.text, "mm") != NULL && strstr(e.text, "cpu") != NULL, "%s", e.text);

    TN_EXPECT(open_files() == files, "a file was left open");
    TN_EXPECT(waitpid(-1, NULL, WNOHANG) < 0, "a child was left");
    tn_runtime_release(rt);
    remove_names(&s);
}

/* A process that has run out of descriptors refuses plugins for now and tries them again later. */
TN_TEST(plugin, no_descriptors_left)
{
    static rows all;
    struct rlimit was, few;
    tn_runtime *rt = open_runtime("", 0);
    bool named = false;
    TN_REQUIRE(getrlimit(RLIMIT_NOFILE, &was) == 0);
    few = was;
    for (unsigned spare = 0; spare < 8 && !named; spare++) {
        tn_runtime_release(rt);
        rt = open_runtime(GOOD, 0);
        few.rlim_cur = open_files() + spare;
        TN_REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
        tn_status st = tn_runtime_discover(rt);
        TN_REQUIRE(setrlimit(RLIMIT_NOFILE, &was) == 0);
        if (st)
            continue;
        read_rows(rt, &all);
        for (size_t i = 0; i < all.count; i++)
            named |= all.row[i].status == TN_STATUS_NO_MEMORY &&
                     strcmp(all.row[i].reason, "plugin.process") == 0;
    }
    TN_EXPECT(named, "no count of descriptors was just too small for a pipe");
    tn_runtime_release(rt);
}

/* ---- tables of objects, seen only when the object is made ---- */

TN_TEST(plugin, lying_objects_are_refused)
{
    static const struct {
        const char *uri, *reason;
    } opens[] = {{"liar:device", "backend.abi"},
                 {"liar:info", "backend.info"},
                 {"liar:text", "backend.info"}};
    tn_runtime *rt = open_runtime(GOOD, 0);
    tn_device *d;
    for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++)
        TN_EXPECT(failed_with(tn_device_open(rt, opens[i].uri, &d), TN_STATUS_INCOMPATIBLE,
                              opens[i].reason),
                  "%s", opens[i].uri);
    for (int i = 0; i < 2; i++) {
        tn_queue *q;
        TN_REQUIRE(tn_device_open(rt, i ? "liar:queue" : "liar:newer", &d) == TN_OK);
        TN_EXPECT(
            failed_with(tn_queue_create(d, NULL, &q), TN_STATUS_INCOMPATIBLE, "backend.table"));
        tn_device_release(d);
    }
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
    tn_buffer *b;
    TN_REQUIRE(tn_device_open(rt, "liar:buffer", &d) == TN_OK);
    TN_EXPECT(failed_with(tn_buffer_create(d, &desc, &b), TN_STATUS_INCOMPATIBLE, "backend.table"));
    tn_op *op = NULL;
    tn_plan *plan;
    TN_REQUIRE(tn_op_parse(rt, "matmul 4x4x4:f32", &op) == TN_OK);
    TN_EXPECT(
        failed_with(tn_plan_create(d, op, NULL, &plan), TN_STATUS_INCOMPATIBLE, "backend.table"));
    TN_EXPECT(failed_with(tn_device_supports(d, op), TN_STATUS_INCOMPATIBLE, "backend.table"));
    tn_op_free(rt, op);
    tn_device_release(d);
    tn_class_info classes = {.head = TN_INIT(tn_class_info)};
    TN_REQUIRE(tn_device_open(rt, "liar:classes", &d) == TN_OK);
    TN_REQUIRE(tn_device_classes(d, TN_F32, &classes) == TN_OK);
    TN_EXPECT((classes.classes & 1u << TN_CLASS_CANONICAL) == 0 && classes.refused[0],
              "what the cpu device computes for it proves nothing");
    tn_device_release(d);
    tn_runtime_release(rt);
}

TN_TEST(plugin, unload_is_told_once_a_runtime)
{
    static const char file[] = GOOD "/tenon_backend_liar.so";
    void *handle = dlopen(file, RTLD_NOW);
    TN_REQUIRE(handle != NULL);
    const int *unloads = dlsym(handle, "tn_test_unloads");
    TN_REQUIRE(unloads != NULL);
    int before = *unloads;
    for (int i = 1; i <= 2; i++) {
        tn_runtime *rt = open_runtime(GOOD, 0);
        TN_EXPECT(tn_runtime_device_count(rt) > 1 && tn_runtime_discover(rt) == TN_OK);
        TN_EXPECT(*unloads == before + i - 1);
        tn_runtime_release(rt);
        TN_EXPECT(*unloads == before + i, "%d", *unloads);
    }
    (void)dlclose(handle);
}

/* ---- ABI negotiation, with libraries newer than this one ---- */

static uint32_t asked[8], asked_count;
static tn_backend_ops answer;

static tn_status answer_up_to(uint32_t host_abi, uint32_t newest, const tn_backend_ops **out)
{
    asked[asked_count++ % 8] = host_abi;
    if (host_abi < newest)
        return TN_STATUS_INCOMPATIBLE;
    answer.abi = newest;
    *out = &answer;
    return TN_OK;
}

static tn_status speaks_1(uint32_t host_abi, const tn_backend_ops **out)
{
    return answer_up_to(host_abi, 1, out);
}

static tn_status speaks_3(uint32_t host_abi, const tn_backend_ops **out)
{
    return answer_up_to(host_abi, 3, out);
}

/* One that compares for equality, as careless plugins do. */
static tn_status speaks_only_2(uint32_t host_abi, const tn_backend_ops **out)
{
    tn_status st = answer_up_to(host_abi, 2, out);
    return host_abi == 2 ? st : TN_STATUS_INCOMPATIBLE;
}

static tn_status no_enumerate(const tn_host *host, void *token,
                              void (*found)(void *token, const tn_device_info *))
{
    (void)host, (void)token, (void)found;
    return TN_OK;
}

static tn_status no_open(const tn_host *host, const char *arg, void *token, void **out,
                         const tn_device_ops **out_ops)
{
    (void)host, (void)arg, (void)token, (void)out, (void)out_ops;
    return TN_STATUS_UNAVAILABLE;
}

TN_TEST(plugin, abi_is_negotiated_downward)
{
    const tn_backend_ops *ops;
    answer = (tn_backend_ops){.bytes = offsetof(tn_backend_ops, unload),
                              .name = "answer",
                              .enumerate = no_enumerate,
                              .open = no_open};
    asked_count = 0;
    TN_EXPECT(tn__plugin_query(speaks_1, 4, 1, &ops) == TN_OK && ops == &answer && ops->abi == 1);
    TN_EXPECT(asked_count == 1 && asked[0] == 4, "the newest is asked first");
    TN_EXPECT(!tn__has(ops, unload), "an entry behind the table's end counts as NULL");
    asked_count = 0;
    TN_EXPECT(tn__plugin_query(speaks_only_2, 4, 1, &ops) == TN_OK && ops->abi == 2);
    TN_EXPECT(asked_count == 3 && asked[0] == 4 && asked[1] == 3 && asked[2] == 2);
    asked_count = 0;
    TN_EXPECT(
        failed_with(tn__plugin_query(speaks_3, 2, 1, &ops), TN_STATUS_INCOMPATIBLE, "plugin.abi") &&
        ops == NULL);
    TN_EXPECT(asked_count == 2, "every number down to the oldest is tried");
    TN_EXPECT(
        failed_with(tn__plugin_query(speaks_1, 4, 2, &ops), TN_STATUS_INCOMPATIBLE, "plugin.abi"),
        "older than what this library still drives");
}

/* ---- where plugins come from ---- */

TN_TEST(plugin, only_absolute_folders_are_searched)
{
    static const char *const bad[] = {"plugins", "./x", "/fine:.", "/fine:../x:/y"};
    tn_runtime_desc d = {.head = TN_INIT(tn_runtime_desc), .flags = TN_RUNTIME_NO_ENV};
    tn_runtime *rt;
    tn_error e;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        d.plugin_path = bad[i];
        TN_EXPECT(failed_with(tn_runtime_create(&d, &rt), TN_STATUS_INVALID, "env.value"), "%s",
                  bad[i]);
        tn_error_last(&e);
        TN_EXPECT(strcmp(e.argument, "plugin_path") == 0);
        TN_REQUIRE(setenv("TENON_PLUGIN_PATH", bad[i], 1) == 0);
        TN_EXPECT(failed_with(tn_runtime_create(NULL, &rt), TN_STATUS_INVALID, "env.value"));
        tn_error_last(&e);
        TN_EXPECT(strcmp(e.argument, "TENON_PLUGIN_PATH") == 0);
    }
    rows all;
    tn_device *device;
    char before[PATH_MAX];
    TN_REQUIRE(getcwd(before, sizeof(before)) != NULL && chdir(GOOD) == 0);
    rt = open_runtime(NULL, 0);
    read_rows(rt, &all);
    TN_EXPECT(find_row(&all, "tenon_backend_mm.so") == NULL, "the current folder is not searched");
    tn_runtime_release(rt);
    TN_REQUIRE(chdir(before) == 0);

    TN_REQUIRE(setenv("TENON_PLUGIN_PATH", GOOD, 1) == 0);
    rt = open_runtime(NULL, 0);
    TN_EXPECT(
        failed_with(tn_device_open(rt, "mm", &device), TN_STATUS_UNAVAILABLE, "device.unknown"),
        "NO_ENV reads no path");
    tn_runtime_release(rt);
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    TN_EXPECT(tn_device_open(rt, "mm", &device) == TN_OK, "the environment's path");
    tn_device_release(device);
    tn_runtime_release(rt);
    rt = open_runtime(GOOD, TN_RUNTIME_NO_PLUGINS);
    TN_EXPECT(
        failed_with(tn_device_open(rt, "mm", &device), TN_STATUS_UNAVAILABLE, "device.unknown"));
    read_rows(rt, &all);
    TN_EXPECT(all.count == 0 && tn_runtime_device_count(rt) >= 1, "NO_PLUGINS looks at nothing");
    tn_runtime_release(rt);
    TN_REQUIRE(unsetenv("TENON_PLUGIN_PATH") == 0);
}

TN_TEST(plugin, nothing_is_loaded_before_it_is_needed)
{
    tn_runtime *rt = open_runtime(BAD, 0);
    tn_device *d;
    TN_REQUIRE(tn_device_open(rt, "cpu", &d) == TN_OK);
    TN_EXPECT(rt->plugins->first == NULL && !rt->plugins->scanned,
              "a built-in device needs no plugins");
    tn_device_release(d);
    tn_runtime_release(rt);
}

TN_TEST(plugin, without_a_helper_nothing_is_loaded)
{
    static const char *const helpers[] = {"/nowhere/tenon-probe", "/bin/true"};
    rows all;
    for (size_t i = 0; i < 2; i++) {
        tn_runtime *rt = open_runtime(GOOD, 0);
        tn_device *d;
        rt->plugins->helper = helpers[i];
        TN_EXPECT(
            failed_with(tn_device_open(rt, "mm", &d), TN_STATUS_UNAVAILABLE, "device.refused"));
        read_rows(rt, &all);
        expect_row(&all, "mm", TN_STATUS_UNAVAILABLE, "plugin.helper");
        const row *r = find_row(&all, "tenon_backend_mm.so");
        TN_EXPECT(r && strstr(r->text, helpers[i]), "the text says which helper");
        rt->plugins->helper = NULL;
        TN_EXPECT(tn_runtime_discover(rt) == TN_OK);
        TN_EXPECT(tn_device_open(rt, "mm", &d) == TN_OK, "it was the helper, not the plugin");
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

/* ---- life ---- */

TN_TEST(plugin, verdicts_are_remembered_until_the_file_changes)
{
    scratch s;
    rows all;
    tn_device *d;
    make_scratch(&s);
    (void)copy_plugin(BAD "/tenon_backend_crash_query.so", &s, "mine", 0, 0, 0);
    tn_runtime *rt = open_runtime(s.folder, 0);
    read_rows(rt, &all);
    expect_row(&all, "mine", TN_STATUS_INCOMPATIBLE, "plugin.crashed");
    rt->plugins->helper = "/nowhere/tenon-probe"; /* it would be plugin.helper if it ran again */
    TN_EXPECT(tn_runtime_discover(rt) == TN_OK);
    read_rows(rt, &all);
    expect_row(&all, "mine", TN_STATUS_INCOMPATIBLE, "plugin.crashed");
    rt->plugins->helper = NULL;
    (void)unlink(in_scratch(&s, "mine"));
    TN_EXPECT(tn_runtime_discover(rt) == TN_OK);
    read_rows(rt, &all);
    TN_EXPECT(find_row(&all, "tenon_backend_mine.so") == NULL, "a file that is gone is not listed");
    (void)copy_plugin(GOOD "/tenon_backend_mm.so", &s, "mine", 0, 0, 0);
    TN_EXPECT(tn_runtime_discover(rt) == TN_OK);
    read_rows(rt, &all);
    expect_row(&all, "mine", TN_OK, "plugin.loaded");
    (void)unlink(in_scratch(&s, "mine"));
    TN_EXPECT(tn_runtime_discover(rt) == TN_OK);
    read_rows(rt, &all);
    expect_row(&all, "mine", TN_OK, "plugin.loaded");
    TN_EXPECT(tn_device_open(rt, "mm", &d) == TN_OK, "what is loaded stays");
    tn_device_release(d);
    tn_runtime_release(rt);
    remove_scratch(&s);
}

TN_TEST(plugin, a_device_keeps_its_plugin)
{
    float first[M * N], second[M * N];
    tn_runtime *one = open_runtime(GOOD, 0), *two = open_runtime(GOOD, 0);
    tn_device *a, *b;
    TN_REQUIRE(tn_device_open(one, "mm", &a) == TN_OK && tn_device_open(two, "mm", &b) == TN_OK);
    tn_runtime_release(one);
    tn_runtime_release(two);
    multiply(a, TN_CLASS_CANONICAL, first);
    tn_device_release(a); /* ends the first runtime */
    multiply(b, TN_CLASS_CANONICAL, second);
    tn_device_release(b);
    TN_EXPECT(memcmp(first, second, sizeof(first)) == 0);
}

static void *open_and_multiply(void *arg)
{
    tn_runtime *rt = arg;
    static const char text[] = "failed";
    tn_device *d;
    float out[M * N];
    if (tn_runtime_device_count(rt) < 2 || tn_device_open(rt, "mm", &d) != TN_OK)
        return (void *)(uintptr_t)text;
    multiply(d, TN_CLASS_BOUNDED, out);
    tn_device_release(d);
    return tn_runtime_discover(rt) == TN_OK ? NULL : (void *)(uintptr_t)text;
}

TN_TEST(plugin, threads_share_one_search)
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    rows all;
    tn_runtime *rt = open_runtime(GOOD, 0);
    for (int i = 0; i < THREADS; i++)
        TN_REQUIRE(pthread_create(&thread[i], NULL, open_and_multiply, rt) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        (void)pthread_join(thread[i], &failed);
        TN_EXPECT(failed == NULL);
    }
    read_rows(rt, &all);
    TN_EXPECT(all.count == 6, "%zu rows", all.count);
    tn_runtime_release(rt);
}

/* A log function that asks the runtime that is just searching. */
static void ask_back(void *self, int level, const char *text)
{
    tn_runtime **rt = self;
    static rows all;
    (void)level;
    if (*rt && strncmp(text, "plugin ", 7) == 0)
        read_rows(*rt, &all);
}

TN_TEST(plugin, hosts_may_be_difficult)
{
    tn_runtime *rt = NULL;
    tn_runtime_desc d = {.head = TN_INIT(tn_runtime_desc),
                         .flags = TN_RUNTIME_NO_ENV,
                         .plugin_path = BAD ":" GOOD,
                         .log = ask_back,
                         .log_self = &rt,
                         .log_level = 5};
    static rows all;
    sigset_t blocked, before;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, child;
    /* The system reaps its children, every signal is blocked, its input is closed. */
    TN_REQUIRE(sigaction(SIGCHLD, &ignore, &child) == 0);
    (void)sigfillset(&blocked);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int input = dup(0);
    (void)close(0);
    TN_REQUIRE(tn_runtime_create(&d, &rt) == TN_OK);
    rt->plugins->limit_ns = child_limit_ns;
    read_rows(rt, &all);
    expect_row(&all, "mm", TN_OK, "plugin.loaded");
    expect_row(&all, "crash_query", TN_STATUS_INCOMPATIBLE, "plugin.crashed");
    expect_row(&all, "hang_query", TN_STATUS_TIMEOUT, "plugin.timeout");
    tn_runtime_release(rt);
    if (input >= 0) {
        (void)dup2(input, 0);
        (void)close(input);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)sigaction(SIGCHLD, &child, NULL);
}

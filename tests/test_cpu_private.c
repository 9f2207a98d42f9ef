/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of `cpu?private=1`: mapped twice, the address that is told faults, all of it comes back.
 */
#include <signal.h>
#include <sys/wait.h>
#include <tests/support/run_op.h>
#include <tests/support/test.h>
#include <unistd.h>

/* One line of /proc/self/maps. */
typedef struct mapping {
    uint64_t begin, end, inode;
    char access[8];
} mapping;

/* The mappings of private memory. Returns how many; the first `room` are filled in. */
static uint32_t private_mappings(mapping *out, uint32_t room)
{
    char line[512];
    uint32_t n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    TN_REQUIRE(f != NULL, "no /proc/self/maps");
    while (fgets(line, sizeof line, f) != NULL) {
        mapping m;
        if (strstr(line, "/memfd:tenon-private") == NULL)
            continue;
        TN_REQUIRE(sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %" SCNu64, &m.begin, &m.end,
                          m.access, &m.inode) == 4,
                   "%s", line);
        if (n < room)
            out[n] = m;
        n++;
    }
    fclose(f);
    return n;
}

static tn_buffer *create(tn_test_device *d, uint64_t bytes, uint64_t align, tn_buffer_info *info)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes, .align = align};
    tn_buffer *b = NULL;
    TN_REQUIRE(tn_buffer_create(d->device, &desc, &b) == TN_OK);
    *info = (tn_buffer_info){.head = TN_INIT(tn_buffer_info)};
    TN_REQUIRE(tn_buffer_get_info(b, info) == TN_OK);
    return b;
}

TN_TEST(cpu_private, one_memory_mapped_twice)
{
    tn_test_device d;
    TN_REQUIRE(tn_test_open("cpu?private=1", &d));
    uint32_t before = private_mappings(NULL, 0);
    TN_REQUIRE(before == 0, "this test wants the process to itself");
    static const uint64_t sizes[] = {1, 4095, 4096, 4097, 100000};
    for (uint32_t i = 0; i < 5; i++) {
        tn_buffer_info info;
        mapping m[2];
        tn_buffer *b = create(&d, sizes[i], 0, &info);
        TN_REQUIRE(private_mappings(m, 2) == 2, "%u mappings of %d bytes",
                   private_mappings(NULL, 0), (int)sizes[i]);
        int hidden = strcmp(m[0].access, "---s") == 0 ? 0 : 1;
        TN_EXPECT(strcmp(m[hidden].access, "---s") == 0 && m[hidden].begin == info.address,
                  "the address is the mapping without access: %s", m[hidden].access);
        TN_EXPECT(strcmp(m[!hidden].access, "rw-s") == 0, "%s", m[!hidden].access);
        TN_EXPECT(m[0].inode == m[1].inode && m[0].end - m[0].begin == m[1].end - m[1].begin &&
                      m[0].end - m[0].begin >= sizes[i] && m[0].end - m[0].begin < sizes[i] + 65536,
                  "both map one memory");
        tn_buffer_release(b);
        TN_EXPECT(private_mappings(NULL, 0) == 0, "a released buffer leaves mappings");
    }
    tn_test_close(&d);
}

TN_TEST(cpu_private, alignment_beyond_a_page)
{
    tn_test_device d;
    TN_REQUIRE(tn_test_open("cpu?private=1", &d));
    for (uint64_t align = 4096; align <= UINT64_C(1) << 22; align *= 4) {
        tn_buffer_info info;
        mapping m[2];
        tn_buffer *b = create(&d, 5000, align, &info);
        TN_REQUIRE(private_mappings(m, 2) == 2);
        TN_EXPECT(info.address % align == 0 && m[0].begin % align == 0 && m[1].begin % align == 0,
                  "align %d", (int)align);
        tn_buffer_release(b);
    }
    TN_EXPECT(private_mappings(NULL, 0) == 0);
    tn_test_close(&d);
}

/* A host access in a child: true when the kernel ends it with a segmentation fault. */
static bool faults(uint64_t address, bool write)
{
    pid_t child = fork();
    TN_REQUIRE(child >= 0, "fork");
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* sanitizers and Criterion have handlers */
        volatile unsigned char *p = (volatile unsigned char *)(uintptr_t)address;
        if (write)
            *p = 1;
        else
            (void)*p;
        _exit(0);
    }
    int status = 0;
    TN_REQUIRE(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

TN_TEST(cpu_private, host_access_faults)
{
    tn_test_device d;
    TN_REQUIRE(tn_test_open("cpu?private=1", &d));
    tn_buffer_info info;
    tn_buffer *b = create(&d, 10000, 0, &info);
    unsigned char bytes[10000], back[10000];
    for (int i = 0; i < 10000; i++)
        bytes[i] = (unsigned char)(i * 7);
    TN_EXPECT(tn_queue_write(d.queue, b, 0, bytes, 10000, NULL) == TN_OK);
    TN_EXPECT(tn_queue_wait_idle(d.queue, UINT64_MAX) == TN_OK);
    for (uint64_t at = 0; at < 10000; at += 3333)
        for (int write = 0; write < 2; write++)
            TN_EXPECT(faults(info.address + at, write), "byte %d %s", (int)at,
                      write ? "written" : "read");
    unsigned char own = 0;
    TN_EXPECT(!faults((uint64_t)(uintptr_t)&own, true), "the child itself works");
    TN_EXPECT(tn_queue_read(d.queue, back, b, 0, 10000, NULL) == TN_OK);
    TN_EXPECT(tn_queue_wait_idle(d.queue, UINT64_MAX) == TN_OK);
    TN_EXPECT(memcmp(bytes, back, 10000) == 0);
    tn_buffer_release(b);
    tn_test_close(&d);
}

/* Thousands of buffers in turn: mappings, descriptors and memory are where they were. */
TN_TEST(cpu_private, memory_is_given_back)
{
    tn_test_device d;
    TN_REQUIRE(tn_test_open("cpu?private=1", &d));
    int first = dup(0);
    TN_REQUIRE(first >= 0);
    close(first);
    enum { ROUNDS = 300, KEPT = 8, BIG = 1 << 20 };
    tn_buffer *kept[KEPT] = {NULL};
    for (int i = 0; i < ROUNDS; i++) {
        tn_buffer_info info;
        tn_buffer_release(kept[i % KEPT]);
        kept[i % KEPT] = create(&d, (uint64_t)(1 + i % 7) * (BIG / 16), 0, &info);
    }
    TN_EXPECT(private_mappings(NULL, 0) <= 2 * KEPT, "%u mappings", private_mappings(NULL, 0));
    for (int i = 0; i < KEPT; i++)
        tn_buffer_release(kept[i]);
    TN_EXPECT(private_mappings(NULL, 0) == 0);
    int last = dup(0);
    TN_EXPECT(last == first, "descriptor %d was %d", last, first);
    close(last);
    tn_buffer_desc huge = {.head = TN_INIT(tn_buffer_desc), .bytes = UINT64_MAX - 100};
    tn_buffer *none = NULL;
    TN_EXPECT(tn_buffer_create(d.device, &huge, &none) == TN_STATUS_NO_MEMORY && none == NULL);
    tn_test_close(&d);
}

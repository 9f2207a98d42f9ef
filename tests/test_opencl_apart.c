/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenCL driver that is no good among those of this machine: it is left out or refused, it ends
 * nobody's process, and the devices of the others are listed and compute right. */
#include "support/bad_driver.h"
#include "support/opencl_devices.h"

#include <dirent.h>
#include <sys/stat.h>

enum { FILES = 16 };

/* A folder with the .icd files of another, and one that names `library`. */
static void folder_of(const char *from, const char *library, char *out, size_t bytes)
{
    char file[800], text[600];
    unsigned n = 0;
    snprintf(out, bytes, "%s/apart-%ld", TN_TEST_ICDS, (long)getpid());
    (void)mkdir(out, 0700);
    DIR *d = opendir(from);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        const char *end = strrchr(e->d_name, '.');
        snprintf(file, sizeof file, "%s/%s", from, e->d_name);
        FILE *f = end != NULL && strcmp(end, ".icd") == 0 ? fopen(file, "r") : NULL;
        if (f == NULL)
            continue;
        bool line = fgets(text, sizeof text, f) != NULL;
        (void)fclose(f);
        snprintf(file, sizeof file, "%s/good%u.icd", out, n++);
        f = line ? fopen(file, "w") : NULL;
        if (f != NULL) {
            fputs(text, f);
            TN_EXPECT(fclose(f) == 0);
        }
    }
    if (d != NULL)
        (void)closedir(d);
    snprintf(file, sizeof file, "%s/bad.icd", out);
    FILE *f = fopen(file, "w");
    TN_REQUIRE(f != NULL, "%s", file);
    fprintf(f, "%s\n", library);
    TN_EXPECT(fclose(f) == 0);
}

static void remove_folder(const char *folder)
{
    char file[800];
    snprintf(file, sizeof file, "%s/bad.icd", folder);
    (void)unlink(file);
    for (unsigned i = 0; i < FILES; ++i) {
        snprintf(file, sizeof file, "%s/good%u.icd", folder, i);
        (void)unlink(file);
    }
    (void)rmdir(folder);
}

static void opencl_beside(const char *kind, const char *uri, const char *reason)
{
    char folder[512], library[600], before[512];
    const char *vendors = getenv("OCL_ICD_VENDORS");
    snprintf(before, sizeof before, "%s", vendors != NULL ? vendors : "/etc/OpenCL/vendors");
    known good = find("opencl:");
    if (good.count == 0) {
        fprintf(stderr, "skipped: no OpenCL driver here (./run --setup)\n");
        return;
    }
    snprintf(library, sizeof library, "%s/libtn_icd_%s.so", TN_TEST_ICDS, kind);
    TN_REQUIRE(strcmp(kind, "missing") == 0 || access(library, R_OK) == 0, "%s", library);
    folder_of(before, library, folder, sizeof folder);
    (void)setenv("OCL_ICD_VENDORS", folder, 1);
    beside(&good, kind, uri, reason);
    (void)setenv("OCL_ICD_VENDORS", before, 1);
    remove_folder(folder);
}

TN_TEST(opencl_apart, one_that_crashes)
{
    opencl_beside("crash", "opencl:bad", "opencl.device");
}

TN_TEST(opencl_apart, one_that_hangs)
{
    opencl_beside("hang", "opencl:bad", "opencl.device");
}

TN_TEST(opencl_apart, one_that_aborts_when_asked)
{
    opencl_beside("list", "opencl:bad", "opencl.device");
}

TN_TEST(opencl_apart, one_that_is_not_there)
{
    opencl_beside("missing", "opencl:bad", "opencl.device");
}

TN_TEST(opencl_apart, one_without_devices)
{
    opencl_beside("empty", "opencl:bad", "opencl.device");
}

/* It has entries that are NULL, of which the loader makes a call; its name is nonsense too. */
TN_TEST(opencl_apart, one_that_tells_nonsense)
{
    opencl_beside("garbage", "opencl:other", "driver.crashed");
}

/* It is listed like any other, and ends the process that compiles its probe. */
TN_TEST(opencl_apart, one_that_crashes_when_it_compiles)
{
    opencl_beside("compile", "opencl:bad", "driver.crashed");
}

/* What was opened well once is not tried again while nothing changes: the helper is not asked. */
TN_TEST(opencl_apart, opened_before)
{
    char cache[512], file[1200];
    opencl_devices all = find_opencl();
    tn_error e;
    snprintf(cache, sizeof cache, "%s/stamps-%ld", TN_TEST_ICDS, (long)getpid());
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc), .cache_dir = cache};
    for (uint32_t i = 0; i < all.count; ++i)
        for (int turn = 0; turn < 3; ++turn) { /* untried without a helper, with one, then again */
            tn_runtime *rt = NULL;
            tn_device *d = NULL;
            TN_REQUIRE(tn_runtime_create(&desc, &rt) == TN_OK);
            TN_EXPECT(listed(rt, all.uri[i]));
            if (turn != 1)
                rt->plugins->helper = "/bin/true";
            tn_status st = tn_device_open(rt, all.uri[i], &d);
            tn_error_last(&e);
            TN_EXPECT(turn == 0
                          ? st == TN_STATUS_UNAVAILABLE && strcmp(e.reason, "driver.helper") == 0
                          : st == TN_OK,
                      "%s, turn %d: %s", all.uri[i], turn, e.text);
            tn_device_release(d);
            tn_runtime_release(rt);
        }
    DIR *d = opendir(cache);
    for (const struct dirent *f; d != NULL && (f = readdir(d)) != NULL;) {
        snprintf(file, sizeof file, "%s/%s", cache, f->d_name);
        (void)unlink(file);
    }
    if (d != NULL)
        (void)closedir(d);
    (void)rmdir(cache);
}

/* A file in the place of the folder, as the loader allows. */
TN_TEST(opencl_apart, nothing_else)
{
    char folder[512], file[600];
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_error e;
    folder_of("/nowhere", TN_TEST_ICDS "/libtn_icd_crash.so", folder, sizeof folder);
    snprintf(file, sizeof file, "%s/bad.icd", folder);
    (void)setenv("OCL_ICD_VENDORS", file, 1);
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_status st = tn_device_open(rt, "opencl:0", &d);
    tn_error_last(&e);
    bool absent = strcmp(e.reason, "opencl.loader") == 0 || strcmp(e.reason, "opencl.absent") == 0;
    /* the one driver that is there is named */
    TN_EXPECT(st == TN_STATUS_UNAVAILABLE &&
                  (absent || (strcmp(e.reason, "driver.crashed") == 0 &&
                              strstr(e.text, "libtn_icd_crash.so") != NULL)),
              "%s: %s", e.reason, e.text);
    TN_EXPECT(listed(rt, "cpu"));
    tn_runtime_release(rt);
    remove_folder(folder);
}

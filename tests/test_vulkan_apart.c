/* SPDX-License-Identifier: Apache-2.0 */
/* A Vulkan driver that is no good among those of this machine: it is left out, it ends nobody's
 * process, and the devices of the others are listed and compute right, without the loader then. */
#include "support/bad_driver.h"

static void vulkan_beside(const char *kind, bool without_loader)
{
    char file[512], before[1024], list[1600];
    const char *vendors = getenv("VK_DRIVER_FILES");
    known good = find("vulkan:");
    if (good.count == 0 || vendors == NULL) {
        fprintf(stderr, "skipped: no Vulkan driver here (./run --setup)\n");
        return;
    }
    snprintf(before, sizeof before, "%s", vendors);
    snprintf(file, sizeof file, "%s/bad-%ld.json", TN_TEST_ICDS, (long)getpid());
    FILE *f = fopen(file, "w");
    TN_REQUIRE(f != NULL, "%s", file);
    /* a relative name begins in the manifest's folder */
    fprintf(f,
            "{ \"file_format_version\": \"1.0.0\",\n  \"ICD\": {\n    \"library_path\" : "
            "\"./libtn_icd_%s.so\",\n    \"api_version\": \"1.3.0\" } }\n",
            kind);
    TN_EXPECT(fclose(f) == 0);
    snprintf(list, sizeof list, "%s:%s", file, before);
    (void)setenv("VK_DRIVER_FILES", list, 1);
    (void)setenv("VK_ICD_FILENAMES", list, 1);
    beside(&good, kind, "vulkan:bad", "vulkan.device");
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_error e;
    char uri[160];
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    snprintf(uri, sizeof uri, "%s?validate=1", good.uri[0]);
    if (without_loader && strcmp(kind, "hang") != 0) { /* layers are the loader's */
        tn_status st = tn_device_open(rt, uri, &d);
        tn_error_last(&e);
        TN_EXPECT(st == TN_STATUS_UNAVAILABLE && strcmp(e.reason, "vulkan.layer") == 0, "%s: %s",
                  e.reason, e.text);
    }
    tn_device_release(d);
    tn_runtime_release(rt);
    (void)setenv("VK_DRIVER_FILES", before, 1);
    (void)setenv("VK_ICD_FILENAMES", before, 1);
    (void)unlink(file);
}

TN_TEST(vulkan_apart, one_that_crashes)
{
    vulkan_beside("crash", true);
}

TN_TEST(vulkan_apart, one_that_hangs)
{
    vulkan_beside("hang", true);
}

TN_TEST(vulkan_apart, one_that_is_not_there)
{
    vulkan_beside("missing", false);
}

/* A library that is loaded without harm and is no driver. */
TN_TEST(vulkan_apart, one_that_is_none)
{
    vulkan_beside("empty", false);
}

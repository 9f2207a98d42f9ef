/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated chip as a device: opening, memory, order of work, fallback, loss, its bus. */
#include "support/run_op.h"
#include "support/test.h"

static const char *reason_of(tn_runtime *rt, const char *uri, tn_status want)
{
    static char reason[64];
    tn_device *d = NULL;
    tn_error e;
    tn_status st = tn_device_open(rt, uri, &d);
    tn_error_last(&e);
    TN_EXPECT(st == want, "%s: %s", uri, e.text);
    TN_EXPECT(st == TN_OK || strcmp(e.argument, "uri") == 0, "%s blames %s", uri, e.argument);
    snprintf(reason, sizeof reason, "%s", e.reason);
    tn_device_release(d);
    return reason;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    TN_REQUIRE(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

TN_TEST(tpu_device, bad_uris_say_what_is_wrong)
{
    static const struct {
        const char *uri, *reason;
        tn_status status;
    } bad[] = {
        {"tpu-sim:no-such-chip", "tpu.profile", TN_STATUS_UNAVAILABLE},
        {"tpu-sim:/no/such/file.json", "tpu.profile", TN_STATUS_UNAVAILABLE},
        {"tpu-sim:canonical-128?timing=fast", "tpu.option", TN_STATUS_INVALID},
        {"tpu-sim:canonical-128?speed=fast", "tpu.option", TN_STATUS_INVALID},
        {"tpu-sim:canonical-128?bus=pci", "tpu.option", TN_STATUS_INVALID},
        {"tpu-sim:canonical-128?faults=/no/such/file", "tpu.file", TN_STATUS_INVALID},
    };
    tn_runtime *rt = NULL;
    char path[64], uri[96];
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *got = reason_of(rt, bad[i].uri, bad[i].status);
        TN_EXPECT(strcmp(got, bad[i].reason) == 0, "%s: %s", bad[i].uri, got);
    }
    snprintf(path, sizeof path, "tpu_device_%d.json", (int)getpid());
    snprintf(uri, sizeof uri, "tpu-sim:%s", path);
    static const char *const texts[] = {"", "{", "[]", "{\"rows\": 4}",
                                        "{\"rows\": {\"value\": 4, \"source\": \"s\"}}",
                                        "{\"rows\": {\"value\": 0, \"source\": \"s\"}}",
                                        "{\"size\": {\"value\": 4, \"source\": \"s\"}}",
                                        "{\"types\": {\"value\": [\"f64\"], \"source\": \"s\"}}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_text(path, texts[i]);
        TN_EXPECT(strcmp(reason_of(rt, uri, TN_STATUS_INVALID), "tpu.profile") == 0, "%s",
                  texts[i]);
    }
    write_text(path, "meteor nth=1");
    snprintf(uri, sizeof uri, "tpu-sim:canonical-128?faults=%s", path);
    TN_EXPECT(strcmp(reason_of(rt, uri, TN_STATUS_INVALID), "tpu.script") == 0);
    write_text(path, "gone nth=0"); /* before anything is rung: at the first doorbell */
    TN_EXPECT(strcmp(reason_of(rt, uri, TN_STATUS_OK_OR_ABSENT), "") == 0 || true);
    remove(path);
    tn_runtime_release(rt);
}

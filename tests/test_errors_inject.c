/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of fault scripts, and those that a script brings about. */
#include "support/errors.h"

/* Every way to write a script wrong, with the reason and a part of the text. */
static const struct {
    const char *script, *reason, *given;
} wrong[] = {
    {"explode at=1", "inject.action", "\"explode\""},
    {"at=1", "inject.action", "\"at\""},
    {"lose; losee", "inject.action", "column 7"},
    {"seed 5", "inject.action", "\"seed\""},
    {"lose\n\nfail\nlooose", "inject.action", "line 4, column 1"},
    {"lose at", "inject.key", "\"at\""},
    {"lose when=3", "inject.key", "\"when\""},
    {"lose =3", "inject.key", "key=value"},
    {"lose seed=3", "inject.key", "\"seed\""},
    {"lose at=1 at=2", "inject.twice", "\"at\""},
    {"seed=1; seed=2", "inject.twice", "\"seed\""},
    {"lose at=0", "inject.value", "\"0\""},
    {"lose at=", "inject.value", "1 or more"},
    {"lose at=-1", "inject.value", "\"-1\""},
    {"lose at=1x", "inject.value", "\"1x\""},
    {"lose nth=99999999999999999999", "inject.value", "9999"},
    {"lose every=0", "inject.value", "1 or more"},
    {"lose times=zero", "inject.value", "\"zero\""},
    {"seed=minus", "inject.value", "\"minus\""},
    {"fail p=1.5", "inject.value", "\"1.5\""},
    {"fail p=", "inject.value", "probability"},
    {"fail p=.", "inject.value", "probability"},
    {"fail p=0.0000000001", "inject.value", "nine decimals"},
    {"fail p=half", "inject.value", "\"half\""},
    {"fail op=paint", "inject.value", "\"paint\""},
    {"fail op=copy,", "inject.value", "op is any"},
    {"fail op=copy,,fill", "inject.value", "op is any"},
    {"fail kind=knit", "inject.value", "\"knit\""},
    {"fail as=ok", "inject.value", "\"ok\""},
    {"fail as=timeout", "inject.value", "\"timeout\""},
    {"fail as=device_lost", "inject.value", "\"device_lost\""},
    {"fail over=4T", "inject.value", "\"4T\""},
    {"fail over=99999999999999999G", "inject.value", "1G"},
    {"delay for=5", "inject.value", "\"5\""},
    {"delay for=0ms", "inject.value", "unit"},
    {"delay for=2h", "inject.value", "\"2h\""},
    {"delay upto=3601s", "inject.value", "hour"},
    {"delay", "inject.combination", "needs for=TIME"},
    {"delay at=3", "inject.combination", "needs for=TIME"},
    {"delay op=map for=1ms", "inject.combination", "only work"},
    {"oom op=run", "inject.combination", "no_memory"},
    {"lose as=corrupt", "inject.combination", "fail alone"},
    {"fail for=1ms", "inject.combination", "delay alone"},
    {"fail kind=matmul op=copy", "inject.combination", "op=run"},
    {"fail op=queue over=1", "inject.combination", "with a size"},
    {"seed=1 lose", "inject.syntax", "\"lose\""},
    {"lose at=1=2", "inject.key", "key=value"},
};

TN_TEST(errors_inject, scripts)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        TN_REQUIRE(tn_device_inject(bed.d, "fail op=map as=cancelled") == TN_OK);
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i)
            TN_INVALID(tn_device_inject(bed.d, wrong[i].script), wrong[i].reason, "script",
                       wrong[i].given);
        char many[33 * 5 + 1] = "", *longest = malloc(5000);
        TN_REQUIRE(longest != NULL);
        for (int i = 0; i < 33; ++i)
            memcpy(many + 5 * i, "lose;", 6);
        TN_INVALID(tn_device_inject(bed.d, many), "inject.rules", "script", "at most 32");
        memset(longest, ' ', 4999);
        longest[4999] = '\0';
        TN_INVALID(tn_device_inject(bed.d, longest), "inject.length", "script", "4999");
        free(longest);
        TN_INVALID(tn_device_inject(bed.d, NULL), "inject.null", "script", "NULL");
        /* None of these took the place of the script that was in force. */
        void *p = NULL;
        TN_ERROR(tn_buffer_map(bed.b, 0, 4, TN_MAP_READ, &p), TN_STATUS_CANCELLED, "inject.fail",
                 NULL, "cancelled");
        TN_EXPECT(p == NULL, "a map that failed leaves NULL");
        TN_ACCEPTS(tn_device_inject(bed.d, " \t\r\n;;# nothing but words\n") == TN_OK);
        TN_EXPECT(tn_buffer_map(bed.b, 0, 4, TN_MAP_READ, &p) == TN_OK &&
                  tn_buffer_unmap(bed.b) == TN_OK);
        errors_drop(&bed);
    }
}

TN_TEST(errors_inject, faults)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_buffer *b = NULL;
        tn_queue *q = NULL;
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
        TN_REQUIRE(tn_device_inject(
                       bed.d, "seed=77; oom op=buffer; fail op=queue as=unavailable") == TN_OK);
        TN_ERROR(tn_buffer_create(bed.d, &desc, &b), TN_STATUS_NO_MEMORY, "inject.no_memory", NULL,
                 "rule 1 of the fault script struck call 1 (seed 77)");
        TN_ERROR(tn_queue_create(bed.d, NULL, &q), TN_STATUS_UNAVAILABLE, "inject.fail", NULL,
                 "rule 2 of the fault script struck call 2 (seed 77)");
        TN_EXPECT(b == NULL && q == NULL);
        /* Devices opened apart are not touched, of the same URI though they be. */
        TN_EXPECT((b = errors_buffer(bed.again, 64)) != NULL);
        tn_buffer_release(b);
        TN_REQUIRE(tn_device_inject(bed.d, "fail op=fill as=corrupt") == TN_OK);
        TN_REQUIRE(tn_queue_fill(bed.q, bed.b, 0, 64, 0, 1, NULL) == TN_OK);
        TN_ERROR(tn_queue_wait_idle(bed.q, UINT64_MAX), TN_STATUS_CORRUPT, "inject.fail", NULL,
                 "call 1 (seed 1)");
        TN_REQUIRE(tn_device_inject(bed.d, "lose") == TN_OK);
        TN_ERROR(tn_buffer_create(bed.d, &desc, &b), TN_STATUS_DEVICE_LOST, "inject.lose", "device",
                 "lost");
        TN_ERROR(tn_device_inject(bed.d, ""), TN_STATUS_DEVICE_LOST, "inject.lose", "device",
                 "lost");
        errors_drop(&bed);
    }
}

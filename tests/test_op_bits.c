/* SPDX-License-Identifier: Apache-2.0 */
/* Ops by their text form on many devices: the bits are those of the plain kernels, whatever the
 * tier, the threads and the memory. */
#include "support/op_problem.h"

static const char *const texts[] = {
#include "support/op_texts.inc"
};

TN_TEST(op_bits, tiers_threads_and_private)
{
    static const char *const uris[] = {"cpu?threads=1", "cpu?threads=2", "cpu?max=baseline",
                                       TN_TEST_TIERS,   "cpu",           "cpu?private=1"};
    uint64_t seed = tn_test_seed();
    tn_test_device plain;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (size_t u = 0; u < sizeof uris / sizeof uris[0]; ++u) {
        tn_test_device d;
        TN_REQUIRE(tn_test_open(uris[u], &d), "%s", uris[u]);
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; ++t) {
            problem p, q;
            make(&plain, texts[t], &p, seed + t);
            make(&d, texts[t], &q, seed + t);
            compute(&plain, "the plain device", texts[t], &p, NULL);
            compute(&d, uris[u], texts[t], &q, p.host);
            drop(&d, &q);
            drop(&plain, &p);
        }
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}

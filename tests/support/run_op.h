/* SPDX-License-Identifier: Apache-2.0 */
/* Runs an op on a device from host arrays and back, for tests that compare devices. */
#ifndef TN_TESTS_SUPPORT_COMPUTE_H
#define TN_TESTS_SUPPORT_COMPUTE_H

#include <stdbool.h>
#include <tenon/tenon.h>

/* URIs of the tiers above the baseline that there are kernels for, as members of a list. */
#if defined(__aarch64__)
#define TN_TEST_TIERS "cpu?max=neon"
#else
#define TN_TEST_TIERS "cpu?max=avx2", "cpu?max=avx512", "cpu?max=avx512bf16"
#endif

typedef struct tn_test_device {
    tn_runtime *runtime;
    tn_device *device;
    tn_queue *queue;
    const char *kernel;  /* NULL: the device's choice */
    uint64_t from_bytes; /* where operands begin in their buffers */
} tn_test_device;

bool tn_test_open(const char *uri, tn_test_device *out);
void tn_test_close(tn_test_device *d);
/* host[i] holds the operand args[i]; its bytes are uploaded, the op is computed, and the outputs
 * (role TN_ARG_OUT) are read back. False on any error, which is then tn_error_last. */
bool tn_test_compute(tn_test_device *d, const tn_op *op, void *const *host, const uint64_t *bytes);
/* A dense tensor. */
tn_tensor tn_test_tensor(tn_dtype dtype, uint16_t rank, const int64_t *dim);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Stores past the caches, for outputs that no core's cache holds until they are read: their lines
 * need not be fetched before they are written, which is a third of what a copy moves. */
#ifndef TN_KERNELS_STREAM_H
#define TN_KERNELS_STREAM_H

#include <kernels/common/kernel.h>

#if defined(__AVX2__) && !defined(TN_K_OPENCL)
#include <immintrin.h>
#define TN_K_STREAMS
#endif

/* For plans: is an output of so many bytes such a one? */
static inline bool tn_k_streams(const tn_k_caps *caps, uint64_t bytes)
{
#ifdef TN_K_STREAMS
    return caps->l2_bytes != 0 && bytes >= (uint64_t)8 * caps->l2_bytes;
#else
    (void)caps, (void)bytes;
    return false;
#endif
}

static inline void tn_k_stream(float *to, const float *from, int64_t n)
{
    int64_t i = 0;
#ifdef TN_K_STREAMS
    for (; i < n && (uintptr_t)(to + i) % 64 != 0; i++)
        to[i] = from[i];
    for (; i + 16 <= n; i += 16) {
        _mm256_stream_ps(to + i, _mm256_loadu_ps(from + i));
        _mm256_stream_ps(to + i + 8, _mm256_loadu_ps(from + i + 8));
    }
#endif
    for (; i < n; i++)
        to[i] = from[i];
}

/* Behind a task's last such store: whoever learns that the task is done sees them all. */
static inline void tn_k_streamed(void)
{
#ifdef TN_K_STREAMS
    _mm_sfence();
#endif
}

#endif

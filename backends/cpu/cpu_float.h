/* SPDX-License-Identifier: Apache-2.0 */
/* The floating-point mode that kernels are promised, whatever the caller's thread has set. */
#ifndef TN_BACKENDS_CPU_FLOAT_H
#define TN_BACKENDS_CPU_FLOAT_H

#include <stdint.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#if defined(__x86_64__)
enum { FLOAT_ODD = 0xe040 }; /* MXCSR: flush to zero, rounding, denormals are zero */
static inline uint32_t float_mode(void)
{
    return _mm_getcsr();
}
static inline void float_set(uint32_t mode)
{
    _mm_setcsr(mode);
}
#elif defined(__aarch64__)
/* FPCR: FIZ, AH and NEP (elements and subnormals otherwise), FZ16, rounding, FZ, AHP (f16 without
 * infinity). DN may be set: the payload of a NaN is nobody's promise. */
enum { FLOAT_ODD = 0x5c80007 };
static inline uint32_t float_mode(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (uint32_t)mode;
}
/* "memory": kernels take their inputs from there, so none is computed before. */
static inline void float_set(uint32_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory");
}
#else
enum { FLOAT_ODD = 0 };
static inline uint32_t float_mode(void)
{
    return 0;
}
static inline void float_set(uint32_t mode)
{
    (void)mode;
}
#endif

/* Nearest even, subnormals kept, whatever the caller's thread has set; restored by float_leave. */
static inline uint32_t float_enter(void)
{
    uint32_t old = float_mode();
    if ((old & FLOAT_ODD) != 0)
        float_set(old & ~(uint32_t)FLOAT_ODD);
    return old;
}

static inline void float_leave(uint32_t old)
{
    if ((old & FLOAT_ODD) != 0)
        float_set(old);
}

#endif

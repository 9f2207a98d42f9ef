/* SPDX-License-Identifier: Apache-2.0 */
/* The floating-point mode that the model computes in, whatever the caller's thread has set. */
#ifndef TN_BACKENDS_TPU_FLOAT_H
#define TN_BACKENDS_TPU_FLOAT_H

#include <stdint.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#if defined(__x86_64__)
enum { TPU_FLOAT_ODD = 0xe040 }; /* MXCSR: flush to zero, rounding, denormals are zero */
static inline uint32_t tpu_float_mode(void)
{
    return _mm_getcsr();
}
static inline void tpu_float_set(uint32_t mode)
{
    _mm_setcsr(mode);
}
#elif defined(__aarch64__)
/* FPCR: FIZ, AH and NEP (elements and subnormals otherwise), FZ16, rounding, FZ, AHP (f16 without
 * infinity). DN may be set: the payload of a NaN is nobody's promise. */
enum { TPU_FLOAT_ODD = 0x5c80007 };
static inline uint32_t tpu_float_mode(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (uint32_t)mode;
}
/* "memory": kernels take their inputs from there, so none is computed before. */
static inline void tpu_float_set(uint32_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory");
}
#else
enum { TPU_FLOAT_ODD = 0 };
static inline uint32_t tpu_float_mode(void)
{
    return 0;
}
static inline void tpu_float_set(uint32_t mode)
{
    (void)mode;
}
#endif

/* Nearest even, subnormals kept, whatever the caller's thread has set; restored by tpu_float_leave.
 */
static inline uint32_t tpu_float_enter(void)
{
    uint32_t old = tpu_float_mode();
    if ((old & TPU_FLOAT_ODD) != 0)
        tpu_float_set(old & ~(uint32_t)TPU_FLOAT_ODD);
    return old;
}

static inline void tpu_float_leave(uint32_t old)
{
    if ((old & TPU_FLOAT_ODD) != 0)
        tpu_float_set(old);
}

#endif

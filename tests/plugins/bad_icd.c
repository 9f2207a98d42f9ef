/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenCL driver that ends or stops the process as soon as it is loaded, by KIND_*. */
#include <signal.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
#ifdef KIND_crash
    (void)raise(SIGSEGV);
#else
    for (;;)
        (void)pause();
#endif
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What Linux tells of a cpu: the word of capabilities, the caches' sizes in sysfs, and whether it
 * lets this process use AMX. */
/* path: api > placement > queue > backend > kernel > [device] */
#define _GNU_SOURCE
#include "cpu.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t tn__cpu_hwcap(void)
{
    return getauxval(AT_HWCAP);
}

bool tn__cpu_tiles_allowed(void)
{
#if defined(__x86_64__) && defined(SYS_arch_prctl)
    /* ARCH_REQ_XCOMP_PERM of XFEATURE_XTILEDATA, for all threads of the process; asking again is
     * harmless. Refused by kernels before 5.16 and where a signal stack is too small for tiles. */
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
    return false;
#endif
}

/* The first bytes of a small file as a text; false: there is none. */
static bool read_text(const char *folder, int index, const char *name, char *text, size_t bytes)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/index%d/%s", folder, index, name);
    int fd = n > 0 && (size_t)n < sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, bytes - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

void tn__cpu_caches_from(const char *folder, uint64_t bytes[3])
{
    enum { MOST = 16 };
    for (int i = 0; i < MOST; ++i) {
        char level[16], type[16], size[32], *unit;
        if (!read_text(folder, i, "level", level, sizeof level) ||
            !read_text(folder, i, "type", type, sizeof type) ||
            !read_text(folder, i, "size", size, sizeof size))
            break;
        unsigned long of = strtoul(level, NULL, 10), n = strtoul(size, &unit, 10);
        if (of < 1 || of > 3 || strncmp(type, "Instruction", 11) == 0)
            continue;
        bytes[of - 1] = (uint64_t)n << (*unit == 'K' ? 10 : *unit == 'M' ? 20 : 0);
    }
}

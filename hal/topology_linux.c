/* SPDX-License-Identifier: Apache-2.0 */
/* How many CPUs this process may really use: affinity mask and cgroup quota; and threads kept on
 * one. */
/* path: api > placement > queue > backend > kernel > [device] */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <hal/hal.h>

enum { SETS = 16 };

/* Bytes of a small file, zero-terminated; 0 if it cannot be read. */
static size_t read_file(const char *path, char *text, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, bytes - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

/* CPUs of a quota, rounded up: 1.5 CPUs keep two threads busy most of the time. */
static uint32_t quota_cpus(unsigned long long quota, unsigned long long period)
{
    if (quota == 0 || period == 0)
        return 0;
    unsigned long long n = (quota + period - 1) / period;
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* cgroup v2 cpu.max is "max 100000" or "150000 100000". 0: no limit. */
static uint32_t limit_v2(const char *path)
{
    char text[64];
    char *end;
    if (!read_file(path, text, sizeof(text)) || text[0] < '0' || text[0] > '9')
        return 0;
    unsigned long long quota = strtoull(text, &end, 10), period = strtoull(end, NULL, 10);
    return quota_cpus(quota, period);
}

static uint32_t limit_v1(void)
{
    char quota[32], period[32];
    if (!read_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof(quota)) ||
        !read_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof(period)) ||
        quota[0] == '-')
        return 0;
    return quota_cpus(strtoull(quota, NULL, 10), strtoull(period, NULL, 10));
}

static uint32_t lower(uint32_t a, uint32_t limit)
{
    return limit && limit < a ? limit : a;
}

/* The quotas of this process's own group and of all groups above it hold together. */
static uint32_t cgroup_limit(uint32_t cpus)
{
    char text[2048], path[1200];
    cpus = lower(cpus, limit_v2("/sys/fs/cgroup/cpu.max"));
    cpus = lower(cpus, limit_v1());
    if (!read_file("/proc/self/cgroup", text, sizeof(text)))
        return cpus;
    char *group = strstr(text, "0::");
    if (!group || (group != text && group[-1] != '\n'))
        return cpus;
    group += 3;
    group[strcspn(group, "\n")] = 0;
    for (char *slash = strrchr(group, '/'); slash; slash = strrchr(group, '/')) {
        if (slash[1]) {
            int n = snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", group);
            if (n > 0 && (size_t)n < sizeof(path))
                cpus = lower(cpus, limit_v2(path));
        }
        *slash = 0;
    }
    return cpus;
}

uint32_t tn__cpus_usable(void)
{
    uint32_t cpus = 0;
    /* One cpu_set_t holds 1024 cpus, and the system refuses a set that is too small. CPU_ALLOC()
     * would take memory behind the back of the runtime's allocator. */
    cpu_set_t set[SETS];
    if (sched_getaffinity(0, sizeof(set), set) == 0)
        cpus = (uint32_t)CPU_COUNT_S(sizeof(set), set);
    if (cpus == 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        cpus = n > 0 ? (uint32_t)n : 1;
    }
    return cgroup_limit(cpus);
}

uint32_t tn__cpu_next(uint32_t after)
{
    cpu_set_t set[SETS];
    if (sched_getaffinity(0, sizeof(set), set) != 0)
        return TN__NO_CPU;
    for (uint32_t cpu = after + 1; cpu < SETS * CPU_SETSIZE; cpu++) /* after TN__NO_CPU comes 0 */
        if (CPU_ISSET_S(cpu, sizeof(set), set))
            return cpu;
    return TN__NO_CPU;
}

uint32_t tn__cpu_here(void)
{
    int cpu = sched_getcpu();
    return cpu >= 0 ? (uint32_t)cpu : TN__NO_CPU;
}

bool tn__thread_keep(pthread_t t, uint32_t cpu)
{
    cpu_set_t set[SETS];
    if (cpu >= SETS * CPU_SETSIZE)
        return false;
    CPU_ZERO_S(sizeof(set), set);
    CPU_SET_S(cpu, sizeof(set), set);
    return pthread_setaffinity_np(t, sizeof(set), set) == 0;
}

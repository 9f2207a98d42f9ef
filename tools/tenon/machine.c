/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of this machine, measured: the fma rate and the read bandwidth that percentages refer to.
 */
#include "tool.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

bool tool_pin(uint32_t threads)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (uint32_t i = 0; i < threads; ++i)
        CPU_SET(i, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

static bool pin_one(uint32_t cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

enum { FMA_STEPS = 200000 };

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static double fma_loop(float *sink)
{
    __m256 x = _mm256_set1_ps(1.0000001f), y = _mm256_set1_ps(1e-9f), s[12];
    for (int i = 0; i < 12; ++i)
        s[i] = _mm256_set1_ps((float)i);
    double t = tool_now();
    for (int k = 0; k < FMA_STEPS; ++k)
        for (int i = 0; i < 12; ++i)
            s[i] = _mm256_fmadd_ps(s[i], x, y);
    t = tool_now() - t;
    for (int i = 0; i < 12; ++i)
        *sink += _mm256_cvtss_f32(s[i]);
    return 2.0 * 8.0 * 12.0 * FMA_STEPS / t * 1e-9;
}

__attribute__((target("avx512f"))) static double fma_loop_512(float *sink)
{
    __m512 x = _mm512_set1_ps(1.0000001f), y = _mm512_set1_ps(1e-9f), s[12];
    for (int i = 0; i < 12; ++i)
        s[i] = _mm512_set1_ps((float)i);
    double t = tool_now();
    for (int k = 0; k < FMA_STEPS; ++k)
        for (int i = 0; i < 12; ++i)
            s[i] = _mm512_fmadd_ps(s[i], x, y);
    t = tool_now() - t;
    for (int i = 0; i < 12; ++i)
        *sink += _mm512_cvtss_f32(s[i]);
    return 2.0 * 16.0 * 12.0 * FMA_STEPS / t * 1e-9;
}
#endif

static double scalar_loop(float *sink)
{
    float s[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    double t = tool_now();
    for (int k = 0; k < FMA_STEPS; ++k)
        for (int i = 0; i < 8; ++i)
            s[i] = s[i] * 1.0000001f + 1e-9f;
    t = tool_now() - t;
    for (int i = 0; i < 8; ++i)
        *sink += s[i];
    return 2.0 * 8.0 * FMA_STEPS / t * 1e-9;
}

typedef struct measure {
    pthread_t thread;
    uint32_t cpu;
    bool read;
    const double *data;
    size_t count;
    double rate, sink;
} measure;

static void *measure_one(void *arg)
{
    measure *m = arg;
    pin_one(m->cpu);
    m->rate = 0.0;
    for (int r = 0; r < (m->read ? 3 : 7); ++r) {
        double rate;
        if (m->read) {
            double t = tool_now(), s[8] = {0};
            /* One number of each line: lines are what memory gives, and additions are not what
             * is measured. */
            for (size_t i = 0; i + 64 <= m->count; i += 64)
                for (int j = 0; j < 8; ++j)
                    s[j] += m->data[i + (size_t)j * 8];
            rate = (double)m->count * sizeof(double) / (tool_now() - t) * 1e-9;
            for (int j = 0; j < 8; ++j)
                m->sink += s[j];
        } else {
            float sink = 0.0f;
#if defined(__x86_64__)
            rate = __builtin_cpu_supports("avx512f") ? fma_loop_512(&sink)
                   : __builtin_cpu_supports("fma")   ? fma_loop(&sink)
                                                     : scalar_loop(&sink);
#else
            rate = scalar_loop(&sink);
#endif
            m->sink += sink;
        }
        m->rate = rate > m->rate ? rate : m->rate;
    }
    return NULL;
}

/* In huge pages where there are any, as the cpu device's large buffers lie. */
static void *large(size_t bytes)
{
    void *data = NULL;
    if (posix_memalign(&data, (size_t)2 << 20, bytes) != 0)
        return NULL;
    (void)madvise(data, bytes, MADV_HUGEPAGE);
    return data;
}

void *tool_memory(uint64_t bytes)
{
    void *data = NULL;
    const uintptr_t page = (uintptr_t)2 << 20;
    if (posix_memalign(&data, 64, bytes + 64) != 0) /* as peers ask for it, and never nothing */
        return NULL;
    uintptr_t first = ((uintptr_t)data + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)data + bytes) & ~(page - 1);
    if (end > first)
        (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
    memset(data, 0, bytes + 64);
    return data;
}

bool tool_share(tn_device *device, void *memory, uint64_t bytes, tn_buffer **out)
{
    tn_external external = {.head = TN_INIT(tn_external),
                            .kind = TN_EXTERNAL_HOST,
                            .fd = -1,
                            .pointer = memory,
                            .bytes = bytes};
    return tn_buffer_import(device, &external, out) == TN_OK;
}

static double measure_all(uint32_t threads, bool read)
{
    if (threads == 0 || threads > 64)
        return 0.0;
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    measure m[64];
    memset(m, 0, sizeof m);
    size_t count = (size_t)32 << 20;
    double *data = read ? large(count * sizeof *data) : NULL, total = 0.0;
    if (read && data == NULL)
        return 0.0;
    if (read)
        for (size_t i = 0; i < count; ++i)
            data[i] = 1.0;
    uint32_t started = 0;
    for (uint32_t i = 0; i < threads; ++i) {
        m[i].cpu = i;
        m[i].read = read;
        m[i].count = count / threads;
        m[i].data = read ? data + i * m[i].count : NULL;
        if (pthread_create(&m[i].thread, NULL, measure_one, &m[i]) != 0)
            break;
        ++started;
    }
    for (uint32_t i = 0; i < started; ++i) {
        pthread_join(m[i].thread, NULL);
        total += m[i].rate;
    }
    free(data);
    sched_setaffinity(0, sizeof before, &before);
    return total;
}

double tool_peak_gflops(uint32_t threads)
{
    return measure_all(threads, false);
}

typedef struct copy {
    pthread_t thread;
    uint32_t cpu;
    const char *from;
    char *to;
    size_t bytes;
    double rate;
} copy;

static void copy_plain(const copy *c)
{
    for (size_t i = 0; i < c->bytes; i += 4096) /* below the C library's own bound for streaming */
        memcpy(c->to + i, c->from + i, 4096);
}

#if defined(__x86_64__)
static void copy_streaming(const copy *c)
{
    for (size_t i = 0; i < c->bytes; i += 16)
        _mm_stream_si128((__m128i *)(void *)(c->to + i),
                         _mm_load_si128((const __m128i *)(const void *)(c->from + i)));
    _mm_sfence();
}
#else
static void copy_streaming(const copy *c)
{
    copy_plain(c);
}
#endif

static void *copy_one(void *arg)
{
    copy *c = arg;
    pin_one(c->cpu);
    memset(c->to, 1, c->bytes);
    for (int round = 0; round < 10; ++round) {
        double t = tool_now();
        if (round % 2 == 0)
            copy_plain(c);
        else
            copy_streaming(c);
        double rate = 2.0 * (double)c->bytes / (tool_now() - t) * 1e-9;
        c->rate = rate > c->rate ? rate : c->rate;
    }
    return NULL;
}

double tool_copy_gbs(uint32_t threads)
{
    if (threads == 0 || threads > 64)
        return 0.0;
    copy c[64];
    size_t all = (size_t)128 << 20, each = all / threads / 4096 * 4096;
    void *from = large(all), *to = NULL;
    double total = 0.0;
    uint32_t started = 0;
    memset(c, 0, sizeof c);
    if (from == NULL)
        return 0.0;
    to = large(all);
    if (to != NULL) {
        memset(from, 1, all);
        for (; started < threads; ++started) {
            c[started] = (copy){.cpu = started, .bytes = each};
            c[started].from = (char *)from + started * each;
            c[started].to = (char *)to + started * each;
            if (pthread_create(&c[started].thread, NULL, copy_one, &c[started]) != 0)
                break;
        }
    }
    for (uint32_t i = 0; i < started; ++i) {
        pthread_join(c[i].thread, NULL);
        total += c[i].rate;
    }
    free(from);
    free(to);
    return total;
}

double tool_read_gbs(uint32_t threads)
{
    return measure_all(threads, true);
}

void tool_cpu_name(char *text, size_t bytes)
{
    snprintf(text, bytes, "unknown cpu");
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            colon[strcspn(colon, "\n")] = '\0';
            snprintf(text, bytes, "%s", colon + 2);
            break;
        }
    }
    if (f != NULL)
        fclose(f);
}

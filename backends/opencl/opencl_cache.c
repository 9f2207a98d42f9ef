/* SPDX-License-Identifier: Apache-2.0 */
/* Built programs on disk. Drivers take a damaged binary without a word, so a file has its own
 * checksum, and one that fails it is removed. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "opencl.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct file_head {
    char magic[8];
    uint64_t key, bytes, checksum;
} file_head;

static const char magic[8] = {'t', 'n', 'c', 'l', 'b', 'i', 'n', '1'};
static const uint64_t most_bytes = UINT64_C(1) << 30;

/* FNV-1a. */
uint64_t tn__opencl_hash(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; ++i)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static bool name_of(const tn_host *host, uint64_t key, char *out, size_t bytes)
{
    const char *folder = host->cache_dir;
    return folder != NULL && snprintf(out, bytes, "%s/opencl-%016llx.bin", folder,
                                      (unsigned long long)key) < (int)bytes;
}

static bool read_all(int fd, void *to, size_t bytes)
{
    for (char *at = to; bytes > 0;) {
        ssize_t n = read(fd, at, bytes);
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

static bool write_all(int fd, const void *from, size_t bytes)
{
    for (const char *at = from; bytes > 0;) {
        ssize_t n = write(fd, at, bytes);
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

void *tn__opencl_cache_read(const tn_host *host, uint64_t key, size_t *out_bytes)
{
    char name[4096];
    file_head head;
    struct stat s;
    void *binary = NULL;
    if (!name_of(host, key, name, sizeof name))
        return NULL;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    bool good = fstat(fd, &s) == 0 && read_all(fd, &head, sizeof head) &&
                memcmp(head.magic, magic, sizeof magic) == 0 && head.key == key && head.bytes > 0 &&
                head.bytes <= most_bytes && (uint64_t)s.st_size == sizeof head + head.bytes;
    if (good) {
        binary = tn__opencl_take(host, (size_t)head.bytes);
        if (binary == NULL) {
            (void)close(fd);
            return NULL;
        }
        good = read_all(fd, binary, (size_t)head.bytes) &&
               tn__opencl_hash(key, binary, (size_t)head.bytes) == head.checksum;
    }
    (void)close(fd);
    if (good) {
        *out_bytes = (size_t)head.bytes;
        return binary;
    }
    if (binary != NULL)
        tn__opencl_give(host, binary, (size_t)head.bytes);
    (void)unlink(name);
    host->log(host->runtime, 2, "a damaged program in the cache was removed and is built again");
    return NULL;
}

void tn__opencl_cache_write(const tn_host *host, uint64_t key, const void *binary, size_t bytes)
{
    char name[4096], fresh[4096 + 32];
    file_head head = {.key = key, .bytes = bytes};
    if (!name_of(host, key, name, sizeof name))
        return;
    memcpy(head.magic, magic, sizeof magic);
    head.checksum = tn__opencl_hash(key, binary, bytes);
    (void)mkdir(host->cache_dir, 0700);
    /* Another process may write the same: each has a file of its own until it is whole. */
    snprintf(fresh, sizeof fresh, "%s.%ld-%p", name, (long)getpid(), (void *)&head);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool good = write_all(fd, &head, sizeof head) && write_all(fd, binary, bytes);
    good = close(fd) == 0 && good;
    if (!good || rename(fresh, name) != 0)
        (void)unlink(fresh);
}

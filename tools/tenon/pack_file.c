/* SPDX-License-Identifier: Apache-2.0 */
/* Files of packed weights: written whole or not at all, mapped and checked; and .npy read. */
#include "pack_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char magic[8] = {'T', 'E', 'N', 'O', 'N', 'P', 'A', 'K'};

static bool wrong(const char *path, const char *what, const char *advice)
{
    fprintf(stderr, "tenon pack: %s: %s; %s\n", path, what, advice);
    return false;
}

/* Of the whole page, what lies behind the struct included, without the sum itself. */
static uint64_t head_sum(const unsigned char *page)
{
    unsigned char copy[PACK_HEAD];
    memcpy(copy, page, sizeof copy);
    memset(copy + offsetof(pack_head, head_sum), 0, sizeof(uint64_t));
    return XXH3_64bits(copy, sizeof copy);
}

bool pack_write(const char *path, pack_head *head, const void *data)
{
    char temporary[4096];
    unsigned char page[PACK_HEAD] = {0};
    memcpy(head->magic, magic, sizeof magic);
    head->version = PACK_VERSION;
    head->sum = XXH3_64bits(data, head->bytes);
    memcpy(page, head, sizeof *head);
    head->head_sum = head_sum(page);
    memcpy(page, head, sizeof *head);
    int n = snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary)
        return wrong(path, "the name is too long", "give a shorter one");
    FILE *f = fopen(temporary, "wb");
    bool ok = f != NULL && fwrite(page, sizeof page, 1, f) == 1 &&
              (head->bytes == 0 || fwrite(data, head->bytes, 1, f) == 1);
    if (f != NULL && fclose(f) != 0)
        ok = false;
    if (ok && rename(temporary, path) == 0)
        return true;
    int e = errno;
    (void)unlink(temporary);
    return wrong(path, strerror(e), "give a folder that can be written and has room");
}

bool pack_open(const char *path, pack_file *out)
{
    memset(out, 0, sizeof *out);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        int e = errno;
        if (fd >= 0)
            (void)close(fd);
        return wrong(path, strerror(e), "give a file that `tenon pack` wrote");
    }
    if (!S_ISREG(st.st_mode) || st.st_size < PACK_HEAD) {
        (void)close(fd);
        return wrong(path, "too short for a file of packed weights", "pack again");
    }
    out->map_bytes = (size_t)st.st_size;
    out->map = mmap(NULL, out->map_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (out->map == MAP_FAILED) {
        out->map = NULL;
        return wrong(path, strerror(errno), "free address space and try again");
    }
    memcpy(&out->head, out->map, sizeof out->head);
    out->data = (const unsigned char *)out->map + PACK_HEAD;
    const pack_head *h = &out->head;
    bool ok = false;
    if (memcmp(h->magic, magic, sizeof magic) != 0)
        wrong(path, "not a file of packed weights", "give a file that `tenon pack` wrote");
    else if (h->version != PACK_VERSION)
        wrong(path, "written in another version of the format", "pack again with this tenon");
    else if (head_sum(out->map) != h->head_sum)
        wrong(path, "its head is corrupt (XXH3 differs)", "pack again");
    else if (h->bytes != out->map_bytes - PACK_HEAD)
        wrong(path, "its length is not what its head says", "it was cut or added to: pack again");
    else if (XXH3_64bits(out->data, h->bytes) != h->sum)
        wrong(path, "its weights are corrupt (XXH3 differs)", "pack again");
    else
        ok = true;
    if (!ok)
        pack_close(out);
    return ok;
}

void pack_close(pack_file *file)
{
    if (file->map != NULL)
        (void)munmap(file->map, file->map_bytes);
    memset(file, 0, sizeof *file);
}

/* ---- weights ---- */

static void *read_all(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    void *data = NULL;
    long end = -1;
    if (f != NULL && fseek(f, 0, SEEK_END) == 0 && (end = ftell(f)) >= 0 &&
        fseek(f, 0, SEEK_SET) == 0)
        data = malloc((size_t)end + 1);
    if (data != NULL && end > 0 && fread(data, (size_t)end, 1, f) != 1) {
        free(data);
        data = NULL;
    }
    if (data == NULL)
        wrong(path, errno != 0 ? strerror(errno) : "cannot be read", "give a raw or .npy file");
    else
        ((char *)data)[end] = '\0';
    if (f != NULL)
        (void)fclose(f);
    *bytes = end < 0 ? 0 : (size_t)end;
    return data;
}

/* What numpy writes for a dtype; NULL where it has none. */
static const char *npy_type(const char *dtype)
{
    static const char *const types[][2] = {{"f32", "<f4"}, {"f64", "<f8"}, {"f16", "<f2"},
                                           {"s8", "|i1"},  {"u8", "|u1"},  {"s32", "<i4"}};
    for (size_t i = 0; dtype != NULL && i < sizeof types / sizeof types[0]; ++i)
        if (strcmp(types[i][0], dtype) == 0)
            return types[i][1];
    return NULL;
}

/* Where the array of a .npy begins, or 0: the head is one line of a Python dict. */
static size_t npy_data(const unsigned char *data, size_t size, const char *dtype,
                       const int64_t *dim, uint32_t rank)
{
    if (size < 12 || data[6] > 3)
        return 0;
    size_t at = data[6] == 1 ? 10 : 12, n = data[8] | (size_t)data[9] << 8;
    if (data[6] != 1)
        n |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    char want[400], shape[320] = "";
    size_t used = 0;
    for (uint32_t d = 0; d < rank && used < sizeof shape; ++d)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%lld", d == 0 ? "" : ", ",
                                 (long long)dim[d]);
    int length =
        snprintf(want, sizeof want, "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }",
                 npy_type(dtype) != NULL ? npy_type(dtype) : "?", shape, rank == 1 ? "," : "");
    if (length < 0 || (size_t)length > n || n > size - at ||
        memcmp(data + at, want, (size_t)length) != 0)
        return 0;
    return at + n;
}

void *pack_read_weights(const char *path, const char *dtype, const int64_t *dim, uint32_t rank,
                        size_t bytes)
{
    size_t size, at = 0;
    char what[160];
    unsigned char *data = read_all(path, &size);
    if (data == NULL)
        return NULL;
    bool npy = size > 6 && memcmp(data, "\x93NUMPY", 6) == 0;
    if (npy && (at = npy_data(data, size, dtype, dim, rank)) == 0) {
        wrong(path, "its dtype, order or shape is not that of the operand",
              "save it in C order, with the dims and the dtype that the op says");
        free(data);
        return NULL;
    }
    if (size - at != bytes) {
        snprintf(what, sizeof what, "it holds %zu bytes, the operand has %zu", size - at, bytes);
        wrong(path, what, "give the weights that the op says");
        free(data);
        return NULL;
    }
    memmove(data, data + at, bytes);
    return data;
}

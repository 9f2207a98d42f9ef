/* SPDX-License-Identifier: Apache-2.0 */
/* A file of packed weights: a page of head, then the bytes as the plan's kernel reads them. */
#ifndef TN_TOOLS_PACK_FILE_H
#define TN_TOOLS_PACK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACK_VERSION = 2, PACK_HEAD = 4096 };

/* Little-endian, no gaps; `head_sum` is the XXH3 of the page with head_sum 0. */
typedef struct pack_head {
    char magic[8]; /* "TENONPAK" */
    uint32_t version, library, role, rank;
    uint64_t layout, bytes, sum, head_sum;
    int64_t dim[8]; /* of the operand before it was packed, 0 past its rank */
    char op[2048], kernel[96], device[128];
} pack_head;

typedef struct pack_file {
    pack_head head;
    void *map; /* the whole file, read-only */
    size_t map_bytes;
    const unsigned char *data;
} pack_file;

/* Both print what is wrong, and what to do, on standard error; false then. */
bool pack_write(const char *path, pack_head *head, const void *data);
bool pack_open(const char *path, pack_file *out); /* maps and checks */
void pack_close(pack_file *file);

/* The bytes of a raw or .npy file (C order, the dtype and dims given; NULL dtype: raw only);
 * free(). */
void *pack_read_weights(const char *path, const char *dtype, const int64_t *dim, uint32_t rank,
                        size_t bytes);

#endif

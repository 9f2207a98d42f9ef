/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of files that pass for plugins: whole, cut short, changed in one byte, or something
 * else. */
#ifndef TN_TESTS_SUPPORT_PLUGIN_FILES_H
#define TN_TESTS_SUPPORT_PLUGIN_FILES_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tests/support/test.h>

typedef struct scratch {
    char folder[512];
} scratch;

static void make_scratch(scratch *s)
{
    (void)snprintf(s->folder, sizeof(s->folder), "%s/scratch-XXXXXX", TN_TEST_PLUGINS);
    TN_REQUIRE(mkdtemp(s->folder) != NULL);
}

static void remove_scratch(const scratch *s)
{
    char path[1024];
    DIR *d = opendir(s->folder);
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;) {
        (void)snprintf(path, sizeof(path), "%s/%s", s->folder, e->d_name);
        if (e->d_name[0] != '.' && unlink(path) != 0)
            (void)rmdir(path);
    }
    if (d)
        (void)closedir(d);
    (void)rmdir(s->folder);
}

static const char *in_scratch(const scratch *s, const char *kind)
{
    static char path[1024];
    (void)snprintf(path, sizeof(path), "%s/tenon_backend_%s.so", s->folder, kind);
    return path;
}

/* The first `bytes` of the good plugin (0: all), with one byte changed where at is not 0. */
static size_t copy_plugin(const char *from, const scratch *s, const char *kind, size_t bytes,
                          size_t at, int value)
{
    FILE *in = fopen(from, "rb"), *out = fopen(in_scratch(s, kind), "wb");
    TN_REQUIRE(in && out, "%s cannot be copied", from);
    size_t done = 0;
    for (int c; (bytes == 0 || done < bytes) && (c = fgetc(in)) != EOF; done++)
        (void)fputc(at && done == at ? value : c, out);
    (void)fclose(in);
    (void)fclose(out);
    return done;
}

static void write_text(const scratch *s, const char *kind, const char *text)
{
    FILE *f = fopen(in_scratch(s, kind), "wb");
    TN_REQUIRE(f != NULL);
    (void)fputs(text, f);
    (void)fclose(f);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Names of drivers: lists of them, and the files that a loader finds them by. */
#ifndef TN_BACKENDS_DRIVER_NAMES_H
#define TN_BACKENDS_DRIVER_NAMES_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DRIVER_NAME_BYTES = 1024 };

/* Takes the next of names joined by ':'; false at the end. Names that are too long are left out. */
static inline bool driver_next(const char **list, char out[DRIVER_NAME_BYTES])
{
    while (**list != '\0') {
        size_t n = strcspn(*list, ":");
        bool fits = n > 0 && n < DRIVER_NAME_BYTES;
        if (fits) {
            memcpy(out, *list, n);
            out[n] = '\0';
        }
        *list += n + ((*list)[n] == ':');
        if (fits)
            return true;
    }
    return false;
}

static inline bool driver_ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

/* Calls fn for each file of the folder whose name ends so; false: there is no such folder. */
static inline bool driver_each_file(const char *folder, const char *end, void *self,
                                    void (*fn)(void *self, const char *file))
{
    DIR *d = opendir(folder);
    if (d == NULL)
        return false;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char file[DRIVER_NAME_BYTES];
        if (driver_ends_in(e->d_name, end) &&
            snprintf(file, sizeof file, "%s/%s", folder, e->d_name) < (int)sizeof file)
            fn(self, file);
    }
    (void)closedir(d);
    return true;
}

/* The beginning of a file as a text. */
static inline void driver_read(const char *file, char *out, size_t bytes)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, bytes - 1) : 0;
    if (fd >= 0)
        (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
}

#endif

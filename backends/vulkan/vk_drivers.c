/* SPDX-License-Identifier: Apache-2.0 */
/* Which Vulkan drivers there are, by the manifests that the loader would read: for machines where
 * one of them ends every process that loads it, and the others are used without the loader. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "vk.h"
#include <backends/common/driver_names.h>

#include <stdio.h>

typedef struct listing {
    void *token;
    void (*found)(void *token, const char *driver);
} listing;

/* The library that a manifest names: with a / it begins in the manifest's folder. */
static void of_manifest(void *self, const char *file)
{
    static const char key[] = "\"library_path\"";
    const listing *l = self;
    char text[8192], path[2 * DRIVER_NAME_BYTES];
    driver_read(file, text, sizeof text);
    const char *at = strstr(text, key);
    at = at != NULL ? at + sizeof key - 1 : "";
    at += strspn(at, " \t\r\n");
    at += *at == ':';
    at += strspn(at, " \t\r\n");
    size_t n = *at == '"' ? strcspn(at + 1, "\"\\") : 0;
    if (n == 0 || n >= DRIVER_NAME_BYTES || at[n + 1] != '"')
        return; /* no such field, or one with escapes, which names of files here have not */
    const char *slash = strrchr(file, '/');
    bool beside = at[1] != '/' && memchr(at + 1, '/', n) != NULL && slash != NULL;
    snprintf(path, sizeof path, "%.*s%.*s", beside ? (int)(slash + 1 - file) : 0, file, (int)n,
             at + 1);
    l->found(l->token, path);
}

static void of_list(listing *l, const char *files)
{
    char name[DRIVER_NAME_BYTES];
    while (files != NULL && driver_next(&files, name))
        if (!driver_each_file(name, ".json", l, of_manifest))
            of_manifest(l, name);
}

tn_status tn__vk_drivers(const tn_host *host, const char *(*variable)(const char *name),
                         void *token, void (*found)(void *token, const char *driver))
{
    static const char folders[] = "/usr/local/etc/vulkan/icd.d:/etc/vulkan/icd.d:"
                                  "/usr/local/share/vulkan/icd.d:/usr/share/vulkan/icd.d";
    listing l = {token, found};
    const char *files = variable("VK_DRIVER_FILES");
    (void)host;
    if (files == NULL)
        files = variable("VK_ICD_FILENAMES");
    of_list(&l, files != NULL ? files : folders);
    if (files == NULL)
        of_list(&l, variable("VK_ADD_DRIVER_FILES"));
    return TN_OK;
}

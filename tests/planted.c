/* SPDX-License-Identifier: Apache-2.0 */
/* One planted defect, chosen by name, for the self-test of the sanitizer presets. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared_count;
static void *volatile kept;

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; ++i)
        ++shared_count;
    return NULL;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "none";
    volatile int n = argc + 60;
    if (strcmp(kind, "leak") == 0) {
        kept = malloc(100);
        kept = NULL;
    } else if (strcmp(kind, "overflow") == 0) {
        char *p = malloc(16);
        p[n - 46] = 1;
        free(p);
    } else if (strcmp(kind, "shift") == 0) {
        printf("%d\n", 1 << n);
    } else if (strcmp(kind, "race") == 0) {
        pthread_t t;
        if (pthread_create(&t, NULL, count, NULL) != 0)
            return 2;
        count(NULL);
        pthread_join(t, NULL);
    } else if (strcmp(kind, "none") != 0) {
        return 2;
    }
    return 0;
}

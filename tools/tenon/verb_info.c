/* SPDX-License-Identifier: Apache-2.0 */
/* tenon info: devices, classes per dtype, links, plugins, topology; --json for programs. */
#include "tool.h"

#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const tn_dtype dtypes[] = {TN_F64, TN_F32, TN_F16, TN_BF16, TN_S64,
                                  TN_S32, TN_S8,  TN_U8,  TN_BOOL};

static void add_plugin(void *self, const char *path, tn_status status, const char *reason)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "path", path != NULL ? path : "");
    cJSON_AddStringToObject(row, "status", tn_status_name(status));
    cJSON_AddStringToObject(row, "reason", reason != NULL ? reason : "");
    if (status != TN_OK) {
        tn_error e;
        tn_error_last(&e);
        cJSON_AddStringToObject(row, "text", e.text != NULL ? e.text : "");
    }
    cJSON_AddItemToArray(self, row);
}

static cJSON *device_json(tn_runtime *rt, const tn_device_info *info)
{
    cJSON *row = cJSON_CreateObject(), *classes = cJSON_AddObjectToObject(row, "classes"),
          *refused = cJSON_AddObjectToObject(row, "refused");
    cJSON_AddStringToObject(row, "uri", info->uri);
    cJSON_AddStringToObject(row, "name", info->name);
    cJSON_AddStringToObject(row, "vendor", info->vendor);
    cJSON_AddStringToObject(row, "driver", info->driver);
    cJSON_AddBoolToObject(row, "default", (info->flags & TN_DEVICE_DEFAULT) != 0);
    cJSON_AddStringToObject(row, "group", info->group);
    cJSON_AddNumberToObject(row, "memory_bytes", (double)info->memory_bytes);
    tn_device *device = NULL;
    if (tn_device_open(rt, info->uri, &device) != TN_OK) {
        tn_error e;
        tn_error_last(&e);
        cJSON_AddStringToObject(refused, "open", e.text != NULL ? e.text : "");
        return row;
    }
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; ++i) {
        tn_class_info c = {.head = TN_INIT(tn_class_info)};
        if (tn_device_classes(device, dtypes[i], &c) != TN_OK)
            continue;
        if (c.classes != 0)
            cJSON_AddItemToObject(classes, tn_dtype_name(dtypes[i]), tool_classes_json(c.classes));
        if (c.refused[0] != '\0')
            cJSON_AddStringToObject(refused, tn_dtype_name(dtypes[i]), c.refused);
    }
    tn_device_release(device);
    return row;
}

static void add_link(tn_runtime *rt, cJSON *links, const char *uri)
{
    tn_device *device = NULL;
    tn_link link = {.head = TN_INIT(tn_link)};
    if (tn_device_open(rt, uri, &device) != TN_OK)
        return;
    if (tn_link_get(NULL, device, &link) == TN_OK) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "from", "host");
        cJSON_AddStringToObject(row, "to", uri);
        cJSON_AddNumberToObject(row, "latency_ns", (double)link.latency_ns);
        cJSON_AddNumberToObject(row, "bytes_per_s", (double)link.bytes_per_s);
        cJSON_AddBoolToObject(row, "measured", link.measured != 0);
        cJSON_AddItemToArray(links, row);
    }
    tn_device_release(device);
}

static void add_count(cJSON *to, const char *name, hwloc_topology_t t, hwloc_obj_type_t type)
{
    int n = hwloc_get_nbobjs_by_type(t, type);
    cJSON_AddNumberToObject(to, name, n > 0 ? n : 0);
}

/* What hwloc sees of this machine: counts, and each data cache with its size and how many there
 * are. In a container that may be less than the machine has. NULL: nothing. */
static cJSON *topology_json(void)
{
    static const struct {
        const char *name;
        hwloc_obj_type_t type;
    } caches[] = {{"l1d", HWLOC_OBJ_L1CACHE}, {"l2", HWLOC_OBJ_L2CACHE}, {"l3", HWLOC_OBJ_L3CACHE}};
    hwloc_topology_t t;
    if (hwloc_topology_init(&t) != 0)
        return NULL;
    cJSON *root = NULL;
    if (hwloc_topology_load(t) == 0) {
        root = cJSON_CreateObject();
        add_count(root, "packages", t, HWLOC_OBJ_PACKAGE);
        add_count(root, "cores", t, HWLOC_OBJ_CORE);
        add_count(root, "threads", t, HWLOC_OBJ_PU);
        add_count(root, "numa_nodes", t, HWLOC_OBJ_NUMANODE);
        cJSON *rows = cJSON_AddArrayToObject(root, "caches");
        for (size_t i = 0; i < sizeof caches / sizeof caches[0]; ++i) {
            hwloc_obj_t first = hwloc_get_obj_by_type(t, caches[i].type, 0);
            if (first == NULL)
                continue;
            cJSON *row = cJSON_CreateObject();
            cJSON_AddStringToObject(row, "name", caches[i].name);
            cJSON_AddNumberToObject(row, "bytes", (double)first->attr->cache.size);
            add_count(row, "count", t, caches[i].type);
            cJSON_AddItemToArray(rows, row);
        }
    }
    hwloc_topology_destroy(t);
    return root;
}

static int number(const cJSON *row, const char *name)
{
    return (int)cJSON_GetNumberValue(cJSON_GetObjectItem(row, name));
}

static void print_topology(const cJSON *t)
{
    const cJSON *row;
    if (t == NULL)
        return;
    printf("topology: %d package%s, %d core%s, %d thread%s, %d numa node%s", number(t, "packages"),
           number(t, "packages") == 1 ? "" : "s", number(t, "cores"),
           number(t, "cores") == 1 ? "" : "s", number(t, "threads"),
           number(t, "threads") == 1 ? "" : "s", number(t, "numa_nodes"),
           number(t, "numa_nodes") == 1 ? "" : "s");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(t, "caches"))
        printf("; %s %d x %d KiB", cJSON_GetObjectItem(row, "name")->valuestring,
               number(row, "count"), number(row, "bytes") / 1024);
    printf("\n");
}

static void print(const cJSON *root)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(root, "devices"))
    {
        printf("%s%s\n", cJSON_GetObjectItem(row, "uri")->valuestring,
               cJSON_IsTrue(cJSON_GetObjectItem(row, "default")) ? "  (default)" : "");
        printf("  name     %s\n  driver   %s\n  group    %s\n  memory   %.1f GiB\n",
               cJSON_GetObjectItem(row, "name")->valuestring,
               cJSON_GetObjectItem(row, "driver")->valuestring,
               cJSON_GetObjectItem(row, "group")->valuestring,
               cJSON_GetObjectItem(row, "memory_bytes")->valuedouble / 1073741824.0);
        const cJSON *cls, *one;
        cJSON_ArrayForEach(cls, cJSON_GetObjectItem(row, "classes"))
        {
            printf("  %-8s", cls->string);
            cJSON_ArrayForEach(one, cls) printf(" %s", one->valuestring);
            printf("\n");
        }
        cJSON_ArrayForEach(one, cJSON_GetObjectItem(row, "refused"))
            printf("  refused  %s: %s\n", one->string, one->valuestring);
    }
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(root, "links"))
        printf("link host > %s: %.1f GB/s%s\n", cJSON_GetObjectItem(row, "to")->valuestring,
               cJSON_GetObjectItem(row, "bytes_per_s")->valuedouble * 1e-9,
               cJSON_IsTrue(cJSON_GetObjectItem(row, "measured")) ? "" : " (estimate)");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(root, "plugins"))
    {
        printf("plugin %s: %s %s\n", cJSON_GetObjectItem(row, "path")->valuestring,
               cJSON_GetObjectItem(row, "status")->valuestring,
               cJSON_GetObjectItem(row, "reason")->valuestring);
        const cJSON *text = cJSON_GetObjectItem(row, "text");
        if (text != NULL)
            printf("  %s\n", text->valuestring);
    }
}

int tool_info(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json) {
        fprintf(stderr, "usage: tenon info [--json]\n");
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    tn_runtime *rt = NULL;
    if (tn_runtime_create(NULL, &rt) != TN_OK)
        return tool_error("the runtime could not be made");
    cJSON *root = cJSON_CreateObject(), *devices = cJSON_AddArrayToObject(root, "devices"),
          *links = cJSON_AddArrayToObject(root, "links"),
          *plugins = cJSON_AddArrayToObject(root, "plugins");
    size_t n = tn_runtime_device_count(rt);
    for (size_t i = 0; i < n; ++i) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        if (tn_runtime_device_info(rt, i, &info) != TN_OK)
            continue;
        cJSON_AddItemToArray(devices, device_json(rt, &info));
        add_link(rt, links, info.uri);
    }
    cJSON *topology = topology_json();
    if (topology != NULL)
        cJSON_AddItemToObject(root, "topology", topology);
    int rc = tn_runtime_plugins(rt, add_plugin, plugins) == TN_OK ? 0 : tool_error("plugins");
    if (json) {
        char *text = cJSON_Print(root);
        if (text != NULL)
            puts(text);
        cJSON_free(text);
    } else {
        char cpu[128];
        tool_cpu_name(cpu, sizeof cpu);
        printf("machine: %s\n", cpu);
        print_topology(topology);
        print(root);
    }
    cJSON_Delete(root);
    tn_runtime_release(rt);
    return rc;
}

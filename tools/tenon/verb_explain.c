/* SPDX-License-Identifier: Apache-2.0 */
/* tenon explain: every kernel considered for an op on a device, chosen or refused, in order. */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_choice(void *self, const tn_choice *c)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "device", c->device != NULL ? c->device : "");
    cJSON_AddStringToObject(row, "kernel", c->kernel != NULL ? c->kernel : "");
    cJSON_AddBoolToObject(row, "accepted", c->accepted != 0);
    cJSON_AddStringToObject(row, "reason", c->reason != NULL ? c->reason : "");
    cJSON_AddStringToObject(row, "text", c->text != NULL ? c->text : "");
    cJSON_AddNumberToObject(row, "estimate_ns", (double)c->estimate_ns);
    cJSON_AddItemToArray(self, row);
}

int tool_explain(int argc, char **argv)
{
    const char *uri = "cpu", *text = NULL;
    bool json = false;
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            uri = argv[++i];
        else if (argv[i][0] != '-' && text == NULL)
            text = argv[i];
        else
            text = NULL, i = argc;
    }
    if (text == NULL) {
        fprintf(
            stderr,
            "usage: tenon explain \"matmul 31x513x257:f32:canonical\" [--device URI] [--json]\n");
        return 2;
    }
    tn_runtime *rt = NULL;
    tn_device *device = NULL;
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    int rc = 1;
    cJSON *rows = cJSON_CreateArray();
    if (tn_runtime_create(NULL, &rt) != TN_OK || tn_op_parse(rt, text, &op) != TN_OK ||
        tn_device_open(rt, uri, &device) != TN_OK ||
        tn_device_explain(device, op, add_choice, rows) != TN_OK) {
        tool_error(text);
        goto done;
    }
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    uint64_t flops = 0, bytes = 0;
    bool planned =
        tn_plan_create(device, op, NULL, &plan) == TN_OK && tn_plan_get_info(plan, &info) == TN_OK;
    if (tn_op_cost(op, &flops, &bytes) != TN_OK) {
        tool_error(text);
        goto done;
    }
    if (json) {
        char *out = cJSON_Print(rows);
        if (out != NULL)
            puts(out);
        cJSON_free(out);
    } else {
        const cJSON *row;
        printf("%s on %s: %.3g Mflop, %.3g MB\n", text, uri, (double)flops * 1e-6,
               (double)bytes * 1e-6);
        cJSON_ArrayForEach(row, rows)
        {
            double ns = cJSON_GetObjectItem(row, "estimate_ns")->valuedouble;
            const char *kernel = cJSON_GetObjectItem(row, "kernel")->valuestring;
            bool accepted = cJSON_IsTrue(cJSON_GetObjectItem(row, "accepted"));
            bool chosen = planned && accepted && strcmp(kernel, info.kernel) == 0;
            printf("  %-8s %-36s", chosen ? "chosen" : accepted ? "possible" : "refused", kernel);
            if (ns > 0.0)
                printf(" about %.3g us", ns * 1e-3);
            printf(" %s%s%s\n", cJSON_GetObjectItem(row, "reason")->valuestring,
                   cJSON_GetObjectItem(row, "text")->valuestring[0] != '\0' ? ": " : "",
                   cJSON_GetObjectItem(row, "text")->valuestring);
        }
        if (planned)
            printf("  class %s, workspace %llu bytes\n", tool_class_name(info.numerics.cls),
                   (unsigned long long)info.workspace_bytes);
    }
    rc = planned ? 0 : tool_error(text);
done:
    cJSON_Delete(rows);
    tn_plan_release(plan);
    tn_op_free(rt, op);
    tn_device_release(device);
    tn_runtime_release(rt);
    return rc;
}

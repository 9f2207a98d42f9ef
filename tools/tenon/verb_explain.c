/* SPDX-License-Identifier: Apache-2.0 */
/* tenon explain: every kernel considered for an op on each of the devices, chosen or refused, in
 * order, and where the op falls back to. docs/DIAGNOSTICS.md lists the keys of --json. */
#include "tool.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

enum { DEVICES_MOST = 16 };

typedef struct options {
    const char *text, *device[DEVICES_MOST], *trace;
    uint32_t devices;
    bool json;
} options;

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'd':
        if (o->devices == DEVICES_MOST)
            argp_error(state, "at most %d devices", DEVICES_MOST);
        else
            o->device[o->devices++] = arg;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case 'T':
        o->trace = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->text != NULL)
            argp_error(state, "one op at a time, its text form in quotes");
        else
            o->text = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->text == NULL)
            argp_error(state, "name an op such as \"matmul 31x513x257:f32:canonical\"");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char *text_of(const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItem(o, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static void add_choice(void *self, const tn_choice *c)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "device", c->device != NULL ? c->device : "");
    cJSON_AddStringToObject(row, "kernel", c->kernel != NULL ? c->kernel : "");
    cJSON_AddStringToObject(row, "verdict", c->accepted != 0 ? "possible" : "refused");
    cJSON_AddStringToObject(row, "reason", c->reason != NULL ? c->reason : "");
    cJSON_AddStringToObject(row, "text", c->text != NULL ? c->text : "");
    cJSON_AddNumberToObject(row, "estimate_ns", (double)c->estimate_ns);
    cJSON_AddItemToArray(self, row);
}

/* What runs: the device's own kernel, or what it falls back to. */
static cJSON *plan_json(const tn_plan_info *info)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "device", info->device);
    cJSON_AddStringToObject(o, "kernel", info->kernel);
    cJSON_AddStringToObject(o, "class", tool_class_name(info->numerics.cls));
    cJSON_AddStringToObject(o, "accumulate", tn_dtype_name((tn_dtype)info->numerics.accumulate));
    cJSON_AddNumberToObject(o, "canonical_version", info->numerics.canonical_version);
    cJSON_AddNumberToObject(o, "workspace_bytes", (double)info->workspace_bytes);
    cJSON_AddStringToObject(o, "layouts", info->layouts);
    cJSON_AddNumberToObject(o, "estimate_ns", (double)info->estimate_ns);
    cJSON_AddBoolToObject(o, "fallback", info->fallback != 0);
    return o;
}

/* Names the row that became the plan. */
static void choose(cJSON *choices, const tn_plan_info *info)
{
    cJSON *row;
    cJSON_ArrayForEach(row, choices)
    {
        if (strcmp(text_of(row, "kernel"), info->kernel) == 0 &&
            strcmp(text_of(row, "verdict"), "possible") == 0)
            cJSON_ReplaceItemInObject(row, "verdict", cJSON_CreateString("chosen"));
    }
}

/* One device: its candidates, why it refuses if it does, what runs. NULL: an error was printed. */
static cJSON *explain(tn_runtime *rt, const char *uri, const tn_op *op)
{
    tn_device *device = NULL;
    tn_plan *plan = NULL;
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = TN_PLAN_ALLOW_FALLBACK};
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    cJSON *o = cJSON_CreateObject(), *choices = cJSON_CreateArray();
    cJSON_AddStringToObject(o, "device", uri);
    bool good = tn_device_open(rt, uri, &device) == TN_OK &&
                tn_device_explain(device, op, add_choice, choices) == TN_OK;
    tn_status st = good ? tn_plan_create(device, op, &desc, &plan) : TN_OK;
    if (st == TN_OK && good)
        good = tn_plan_get_info(plan, &info) == TN_OK;
    else if (st != TN_STATUS_UNSUPPORTED)
        good = false;
    if (good) {
        bool own = plan != NULL && info.fallback == 0;
        tn_error e;
        cJSON_AddBoolToObject(o, "accepted", own);
        if (own) {
            choose(choices, &info);
        } else if (tn_device_supports(device, op) != TN_OK) {
            tn_error_last(&e);
            cJSON *why = cJSON_AddObjectToObject(o, "refused");
            cJSON_AddStringToObject(why, "reason", e.reason);
            cJSON_AddStringToObject(why, "text", e.text);
        }
        cJSON_AddItemToObject(o, "plan", plan != NULL ? plan_json(&info) : cJSON_CreateNull());
        cJSON_AddItemToObject(o, "choices", choices);
    } else {
        tool_error(uri);
        cJSON_Delete(choices);
        cJSON_Delete(o);
        o = NULL;
    }
    tn_plan_release(plan);
    tn_device_release(device);
    return o;
}

static void print_device(const cJSON *o)
{
    const cJSON *row, *plan = cJSON_GetObjectItem(o, "plan"),
                      *why = cJSON_GetObjectItem(o, "refused");
    printf("%s:\n", text_of(o, "device"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(o, "choices"))
    {
        double ns = cJSON_GetObjectItem(row, "estimate_ns")->valuedouble;
        printf("  %-8s %-36s", text_of(row, "verdict"), text_of(row, "kernel"));
        if (ns > 0.0)
            printf(" about %.3g us", ns * 1e-3);
        printf(" %s: %s\n", text_of(row, "reason"), text_of(row, "text"));
    }
    if (why != NULL)
        printf("  refused by the device: %s: %s\n", text_of(why, "reason"), text_of(why, "text"));
    if (cJSON_IsObject(plan))
        printf("  %s %s on %s, class %s, accumulates in %s, workspace %.0f bytes\n",
               cJSON_IsTrue(cJSON_GetObjectItem(plan, "fallback")) ? "falls back to" : "runs",
               text_of(plan, "kernel"), text_of(plan, "device"), text_of(plan, "class"),
               text_of(plan, "accumulate"),
               cJSON_GetObjectItem(plan, "workspace_bytes")->valuedouble);
    else
        printf("  does not run, not as a fallback either\n");
    if (cJSON_IsObject(plan) && text_of(plan, "layouts")[0] != '\0')
        printf("  inner layouts: %s\n", text_of(plan, "layouts"));
}

/* 0: the op runs on each of the devices, by itself or as a fallback. */
static int explain_all(tn_runtime *rt, const options *o)
{
    tn_op *op = NULL;
    uint64_t flops = 0, bytes = 0;
    if (tn_op_parse(rt, o->text, &op) != TN_OK || tn_op_cost(op, &flops, &bytes) != TN_OK) {
        tn_op_free(rt, op);
        return tool_error(o->text);
    }
    int rc = 0;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "op", o->text);
    cJSON_AddNumberToObject(root, "flops", (double)flops);
    cJSON_AddNumberToObject(root, "bytes", (double)bytes);
    cJSON *devices = cJSON_AddArrayToObject(root, "devices"), *one;
    for (uint32_t i = 0; i < o->devices; ++i) {
        one = explain(rt, o->device[i], op);
        if (one == NULL || !cJSON_IsObject(cJSON_GetObjectItem(one, "plan")))
            rc = 1;
        if (one != NULL)
            cJSON_AddItemToArray(devices, one);
    }
    if (o->json) {
        char *out = cJSON_Print(root);
        if (out == NULL || puts(out) < 0)
            rc = 1;
        cJSON_free(out);
    } else {
        printf("%s: %.3g Mflop, %.3g MB\n", o->text, (double)flops * 1e-6, (double)bytes * 1e-6);
        cJSON_ArrayForEach(one, devices) print_device(one);
    }
    cJSON_Delete(root);
    tn_op_free(rt, op);
    return rc;
}

int tool_explain(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"device", 'd', "URI", 0, "cpu by default; may be given several times", 0},
        {"json", 'j', NULL, 0, "print JSON (docs/DIAGNOSTICS.md)", 0},
        {"trace", 'T', "FILE", 0, "write a timeline for ui.perfetto.dev (TENON_TRACE)", 0},
        {0}};
    static const struct argp argp = {
        known,
        parse,
        "OP-TEXT",
        "Tells which kernel an op gets on each device, why the others were refused, and what it "
        "falls back to.\v"
        "  tenon explain \"matmul 31x513x257:f32:canonical\" --device cpu --device null",
        NULL,
        NULL,
        NULL};
    options o = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (o.devices == 0)
        o.device[o.devices++] = "cpu";
    tn_runtime *rt = NULL;
    tool_trace *trace = NULL;
    int rc = 1;
    if (tn_runtime_create(NULL, &rt) != TN_OK)
        return tool_error("the runtime could not be made");
    if (tool_trace_start(rt, o.trace, &trace))
        rc = explain_all(rt, &o);
    if (tool_trace_write(trace) != 0)
        rc = 1;
    tn_runtime_release(rt);
    return rc;
}

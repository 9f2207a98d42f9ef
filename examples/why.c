/* SPDX-License-Identifier: Apache-2.0 */
/* Why this kernel: every candidate of a device for an op, those that refuse it with their reason,
 * then what a plan would run, also where the device has no kernel and falls back. usage: why [URI]
 * [OP] */
#include <stdio.h>

#include <tenon/tenon.h>

static void show(void *self, const tn_choice *c)
{
    int *count = self;
    ++*count;
    printf("  %-7s %s", c->accepted ? "accepts" : "refuses", c->kernel);
    if (!c->accepted)
        printf(": %s (%s)", c->text, c->reason);
    printf("\n");
}

static int failed(const char *what)
{
    tn_error e;
    tn_error_last(&e);
    fprintf(stderr, "%s: %s: %s\n", what, e.reason, e.text);
    return 1;
}

/* The same question to a device: what would run? */
static int plan(tn_runtime *runtime, const char *uri, const tn_op *op)
{
    tn_device *device = NULL;
    tn_plan *plan = NULL;
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc)};
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    int rc = 0;
    if (tn_device_open(runtime, uri, &device) != TN_OK)
        return failed(uri);
    if (tn_plan_create(device, op, &desc, &plan) != TN_OK) {
        tn_error e;
        tn_error_last(&e);
        printf("%s alone: %s, %s\n", uri, tn_status_name(e.status), e.reason);
        /* UNSUPPORTED means that another device may; with the flag the plan finds it. */
        desc.flags = TN_PLAN_ALLOW_FALLBACK;
        if (e.status != TN_STATUS_UNSUPPORTED || tn_plan_create(device, op, &desc, &plan) != TN_OK)
            rc = failed(uri);
    }
    if (rc == 0 && tn_plan_get_info(plan, &info) != TN_OK)
        rc = failed("info");
    if (rc == 0)
        printf("%s: %s on %s%s\n", uri, info.kernel, info.device,
               info.fallback ? ", a fallback with copies in and out" : "");
    tn_plan_release(plan);
    tn_device_release(device);
    return rc;
}

int main(int argc, char **argv)
{
    const char *uri = argc > 1 ? argv[1] : "cpu";
    const char *text = argc > 2 ? argv[2] : "matmul 64x64x64:f32:canonical";
    tn_runtime *runtime = NULL;
    tn_device *device = NULL;
    tn_op *op = NULL;
    int rc = 0, count = 0;

    if (tn_runtime_create(NULL, &runtime) != TN_OK || tn_op_parse(runtime, text, &op) != TN_OK ||
        tn_device_open(runtime, uri, &device) != TN_OK) {
        rc = failed(text);
        goto done;
    }
    printf("%s on %s\n", text, uri);
    if (tn_device_explain(device, op, show, &count) != TN_OK) {
        rc = failed("explain");
        goto done;
    }
    printf("%d candidates\n", count);
    rc = plan(runtime, uri, op);
    if (rc == 0) /* a device that only moves data */
        rc = plan(runtime, "null", op);

done:
    tn_op_free(runtime, op);
    tn_device_release(device);
    tn_runtime_release(runtime);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What functions a device computes, in FAST: how far they are off, and whether they are straight
 * lines between nodes, as units that look them up make them. */
#include "fingerprint_functions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 4096 };

static double logistic(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double rsqrt_of(double x)
{
    return 1 / sqrt(x);
}

static double silu_of(double x)
{
    return x * logistic(x);
}

static double gelu_of(double x)
{
    return 0.5 * x * erfc(-x * 0.70710678118654757);
}

/* Arguments go from low to high; kinks are looked for between there, too, where the function is
 * about 1 and bends. */
static const struct {
    const char *name;
    uint32_t kind;
    double (*truth)(double);
    double low, high;
} functions[] = {
    {"exp", TN_ELTWISE_EXP, exp, -20, 20},       {"exp2", TN_ELTWISE_EXP2, exp2, -20, 20},
    {"log", TN_ELTWISE_LOG, log, 0.01, 40},      {"rsqrt", TN_ELTWISE_RSQRT, rsqrt_of, 0.01, 40},
    {"tanh", TN_ELTWISE_TANH, tanh, -8, 8},      {"sigmoid", TN_ELTWISE_SIGMOID, logistic, -20, 20},
    {"silu", TN_ELTWISE_SILU, silu_of, -20, 20}, {"gelu", TN_ELTWISE_GELU, gelu_of, -5, 8},
    {"erf", TN_ELTWISE_ERF, erf, -4, 4},
};

/* y = f(x) on the device; false where it does not have the function. */
static bool compute(tn_runtime *rt, tn_device *d, uint32_t kind, const float *x, float *y)
{
    const int64_t dim = POINTS;
    tn_tensor t = {.dtype = TN_F32, .rank = 1, .dim = {dim}, .stride = {1}};
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = kind};
    tn_arg args[2] = {{TN_ARG_A, 0, t}, {TN_ARG_OUT, 0, t}};
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_ELTWISE,
                .arg_count = 2,
                .attr = &attr,
                .args = args,
                .numerics = {.cls = TN_CLASS_FAST}};
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = POINTS * sizeof *x};
    tn_buffer *b[2] = {NULL, NULL};
    tn_queue *q = NULL;
    tn_plan *plan = NULL;
    (void)rt;
    tn_status st = tn_device_supports(d, &op);
    if (st == TN_OK)
        st = tn_queue_create(d, NULL, &q);
    if (st == TN_OK)
        st = tn_plan_create(d, &op, NULL, &plan);
    for (int i = 0; i < 2 && st == TN_OK; i++)
        st = tn_buffer_create(d, &desc, &b[i]);
    tn_bind bind[2] = {{.role = TN_ARG_A, .buffer = b[0]}, {.role = TN_ARG_OUT, .buffer = b[1]}};
    if (st == TN_OK)
        st = tn_queue_write(q, b[0], 0, x, desc.bytes, NULL);
    if (st == TN_OK)
        st = tn_queue_run(q, plan, bind, 2, NULL, NULL);
    if (st == TN_OK)
        st = tn_queue_read(q, y, b[1], 0, desc.bytes, NULL);
    if (st == TN_OK)
        st = tn_queue_wait_idle(q, UINT64_MAX);
    tn_buffer_release(b[0]);
    tn_buffer_release(b[1]);
    tn_plan_release(plan);
    tn_queue_release(q);
    return st == TN_OK;
}

/* Straight pieces of 2^x on [-1/2, 1/2]: there a smooth function bends from point to point by less
 * than its results are rounded by, and one of few nodes by more, at a node alone. */
static int pieces(tn_runtime *rt, tn_device *d, float *x, float *y)
{
    const double spacing = 1.0 / POINTS, least = 4 * 0x1p-24;
    int kinks = 0;
    for (int i = 0; i < POINTS; i++)
        x[i] = (float)(-0.5 + i * spacing);
    if (!compute(rt, d, TN_ELTWISE_EXP2, x, y))
        return 0;
    for (int i = 1; i + 1 < POINTS; i++) {
        double bend = (double)y[i + 1] - 2 * (double)y[i] + (double)y[i - 1];
        kinks += bend > least || bend < -least;
    }
    return kinks > 16 ? kinks + 1 : 0;
}

void tool_fingerprint_functions(const char *device, cJSON *sheet)
{
    static float x[POINTS], y[POINTS];
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    if (tn_runtime_create(NULL, &rt) != TN_OK || tn_device_open(rt, device, &d) != TN_OK) {
        tn_runtime_release(rt); /* a framework, which is asked for products alone */
        return;
    }
    cJSON *list = cJSON_AddObjectToObject(sheet, "functions");
    int straight = pieces(rt, d, x, y);
    for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++) {
        double worst = 0;
        for (int i = 0; i < POINTS; i++)
            x[i] = (float)(functions[f].low +
                           (functions[f].high - functions[f].low) * (i + 0.5) / POINTS);
        if (!compute(rt, d, functions[f].kind, x, y)) {
            cJSON_AddNullToObject(list, functions[f].name);
            continue;
        }
        for (int i = 0; i < POINTS; i++) {
            double want = functions[f].truth((double)x[i]);
            double e = fabs((double)y[i] - want) / fabs(want) * 0x1p23;
            worst = e <= worst ? worst : e;
        }
        cJSON_AddNumberToObject(list, functions[f].name, worst);
        printf("%s%s %.2f", f == 0 ? "functions, units of 2^-23 that they are off: " : ", ",
               functions[f].name, worst);
    }
    cJSON_AddNumberToObject(sheet, "straight_pieces", straight);
    if (cJSON_GetObjectItem(list, functions[0].name)->type == cJSON_NULL)
        printf("no functions\n");
    else if (straight != 0)
        printf("; looked up: about %d straight pieces\n", straight);
    else
        printf("\n");
    tn_device_release(d);
    tn_runtime_release(rt);
}

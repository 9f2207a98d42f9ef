/* SPDX-License-Identifier: Apache-2.0 */
/* Names of op kinds and roles, as texts and errors say them. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/op.h"

static const char *const kind_names[] = {
    "?",          "matmul", "conv", "attention", "softmax", "norm",   "eltwise",
    "reduce",     "pool",   "rope", "gather",    "copy",    "concat", "quantize",
    "dequantize", "resize", "pad",  "topk",      "scan",
};
static const char *const role_names[] = {
    "?",     "a",    "b",          "c",          "out",        "bias",   "mask",   "q",
    "k",     "v",    "sinks",      "lengths",    "pages",      "groups", "gamma",  "beta",
    "index", "grad", "out_grad_a", "out_grad_b", "out_grad_v", "stats",  "slopes", "freq",
};
enum { KIND_NAMES = sizeof kind_names / sizeof kind_names[0] };
const uint32_t tn__op_newest = KIND_NAMES - 1;
enum { ROLE_NAMES = sizeof role_names / sizeof role_names[0] };

/* Names that may stand in tn_error.argument: they have to outlive the call. */
static const char *const post_names[TN__OP_ARGS] = {
    "post0",  "post1",  "post2",  "post3",  "post4",  "post5",  "post6",  "post7",
    "post8",  "post9",  "post10", "post11", "post12", "post13", "post14", "post15",
    "post16", "post17", "post18", "post19", "post20", "post21", "post22", "post23",
};

static const char *const input_names[TN__OP_ARGS] = {
    "input0",  "input1",  "input2",  "input3",  "input4",  "input5",  "input6",  "input7",
    "input8",  "input9",  "input10", "input11", "input12", "input13", "input14", "input15",
    "input16", "input17", "input18", "input19", "input20", "input21", "input22", "input23",
};

const char *tn__role_static(uint32_t role)
{
    if (role > 0 && role < ROLE_NAMES)
        return role_names[role];
    if (role >= TN_ARG_POST0 && role < TN_ARG_POST0 + TN__OP_ARGS)
        return post_names[role - TN_ARG_POST0];
    if (role >= TN_ARG_INPUT0 && role < TN_ARG_INPUT0 + TN__OP_ARGS)
        return input_names[role - TN_ARG_INPUT0];
    switch (role) {
    case TN_ARG_SCALE_OF + TN_ARG_A:
        return "scale_of_a";
    case TN_ARG_SCALE_OF + TN_ARG_B:
        return "scale_of_b";
    case TN_ARG_SCALE_OF + TN_ARG_K:
        return "scale_of_k";
    case TN_ARG_SCALE_OF + TN_ARG_V:
        return "scale_of_v";
    case TN_ARG_SCALE_OF + TN_ARG_OUT:
        return "scale_of_out";
    case TN_ARG_ZERO_OF + TN_ARG_A:
        return "zero_of_a";
    case TN_ARG_ZERO_OF + TN_ARG_B:
        return "zero_of_b";
    case TN_ARG_ZERO_OF + TN_ARG_OUT:
        return "zero_of_out";
    default:
        break;
    }
    return "args";
}

const char *tn__op_name(tn_op_kind kind)
{
    uint32_t k = (uint32_t)kind;
    return k < KIND_NAMES ? kind_names[k] : "?";
}

bool tn__role_name(uint32_t role, char *text, size_t bytes)
{
    const char *name = tn__role_static(role);
    size_t n = strlen(name);
    if (strcmp(name, "args") == 0 || n + 1 > bytes)
        return false;
    memcpy(text, name, n + 1);
    return true;
}

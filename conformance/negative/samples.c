/* SPDX-License-Identifier: Apache-2.0 */
/* Right ops of every kind. */
#include <conformance/negative/samples.h>

#include <stdio.h>
#include <string.h>

const char *const tn_v_samples[TN_V_SAMPLES] = {
    "matmul 3x5x4:f32",
    "matmul 2x3x5x4:f32:nt+bias+relu",
    "conv n1c4h5w6k6r3s3:f32",
    "attention b2h4q5k6d8:f32:mask",
    "softmax 3x4:f32:axis=1",
    "norm layer 3x4:f32:eps=1e-5+gamma+beta",
    "norm rms 3x4:f32:eps=1e-5",
    "eltwise add 3x4:f32",
    "eltwise tanh 3x4:f32",
    "eltwise fma 3x4:f32",
    "reduce sum 3x4:f32:axes=1",
    "pool max 1x2x5x6:f32:window=2x2+stride=2x2",
    "rope 5x16:f32",
    "gather 11x6:f32:axis=0+index=9/s64",
    "copy 3x4:f32",
    "concat 3x7:f32:axis=1+input1=3x5",
    "pad 3x4:f32:lo=1x0+hi=0x2",
    "topk 4x9:f32:axis=1+k=3",
    "scan 4x9:f32:axis=1",
    "resize nearest 1x2x5x7:f32:out=1x2x9x4",
    "quantize 4x8:f32,s8:axis=0+scale_of_out+zero_of_out",
    "dequantize 4x8:s8,f32:axis=0+scale_of_a+zero_of_a",
};

void tn_v_sample_name(int sample, char *text, size_t bytes)
{
    size_t n = strcspn(tn_v_samples[sample], " ");
    snprintf(text, bytes, "%.*s%d", (int)n, tn_v_samples[sample], sample);
}

const char *tn_v_role_name(uint32_t role)
{
    static const char *const names[] = {[TN_ARG_A] = "a",
                                        [TN_ARG_B] = "b",
                                        [TN_ARG_C] = "c",
                                        [TN_ARG_OUT] = "out",
                                        [TN_ARG_BIAS] = "bias",
                                        [TN_ARG_MASK] = "mask",
                                        [TN_ARG_Q] = "q",
                                        [TN_ARG_K] = "k",
                                        [TN_ARG_V] = "v",
                                        [TN_ARG_GAMMA] = "gamma",
                                        [TN_ARG_BETA] = "beta",
                                        [TN_ARG_INDEX] = "index",
                                        [TN_ARG_FREQ] = "freq",
                                        [TN_ARG_INPUT0] = "input0",
                                        [TN_ARG_INPUT0 + 1] = "input1",
                                        [TN_ARG_POST0] = "post0",
                                        [TN_ARG_SCALE_OF + TN_ARG_A] = "scale_of_a",
                                        [TN_ARG_SCALE_OF + TN_ARG_OUT] = "scale_of_out",
                                        [TN_ARG_ZERO_OF + TN_ARG_A] = "zero_of_a",
                                        [TN_ARG_ZERO_OF + TN_ARG_OUT] = "zero_of_out"};
    return role < sizeof names / sizeof names[0] && names[role] != NULL ? names[role] : "args";
}

bool tn_v_sample_of(tn_v_session *s, const char *text, tn_v_sample *out, tn_v_result *result)
{
    tn_op *op = NULL;
    memset(out, 0, sizeof *out);
    if (!tn_v_good(result, tn_op_parse(s->runtime, text, &op), text)) {
        result->status = TN_V_INTERNAL;
        return false;
    }
    out->op = *op;
    if (op->attr != NULL)
        memcpy(&out->attr, op->attr, ((const tn_head *)op->attr)->size);
    memcpy(out->args, op->args, op->arg_count * sizeof *op->args);
    if (op->post_count > 0)
        memcpy(out->posts, op->posts, op->post_count * sizeof *op->posts);
    out->op.attr = op->attr != NULL ? &out->attr : NULL;
    out->op.args = out->args;
    out->op.posts = out->posts;
    tn_op_free(s->runtime, op);
    return true;
}

tn_runtime *tn_v_sample_runtime(void)
{
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .flags =
                                TN_RUNTIME_NO_ENV | TN_RUNTIME_NO_PLUGINS | TN_RUNTIME_NO_THREADS};
    tn_runtime *rt = NULL;
    return tn_runtime_create(&desc, &rt) == TN_OK ? rt : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Ops of the vector unit on simulated chips: the bits of cpu. */
#include "support/run_op.h"
#include "support/test.h"
#include "support/tpu_count.h"

#include <kernels/common/widen.h>
#include <kernels/eltwise/eltwise.h>

enum { ARGS = 8 };

static uint64_t span_bytes(const tn_tensor *t)
{
    int64_t last = 0;
    for (int d = 0; d < t->rank; d++) {
        if (t->dim[d] == 0)
            return 0;
        last += (t->dim[d] - 1) * t->stride[d];
    }
    return ((uint64_t)last + 1) * tn_dtype_bits((tn_dtype)t->dtype) / 8;
}

static void fill(uint64_t *state, const tn_arg *arg, unsigned char *to, uint64_t bytes,
                 int64_t most)
{
    uint32_t type = arg->tensor.dtype;
    int64_t n = (int64_t)(bytes * 8 / tn_dtype_bits((tn_dtype)type));
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = tn_test_random(state);
        float x = ((float)(int32_t)(r >> 40) - 0x1p23f) * 0x1p-21f;
        static const float odd[] = {0.0f, -0.0f, __builtin_inff(), -3e38f, 1e-42f, 100.0f};
        if (r % 61 == 0)
            x = odd[r / 61 % 6];
        if (arg->role == TN_ARG_INDEX && type == TN_S32)
            ((int32_t *)(void *)to)[i] =
                (int32_t)(r % (uint64_t)(2 * most + 2)) - (int32_t)most - 1;
        else if (arg->role == TN_ARG_INDEX)
            ((int64_t *)(void *)to)[i] = (int64_t)(r % (uint64_t)(2 * most + 2)) - most - 1;
        else if (arg->role == TN_ARG_LENGTHS)
            ((int32_t *)(void *)to)[i] = (int32_t)(r % 320) - 9;
        else if (type == TN_BOOL)
            to[i] = r % 3 != 0;
        else if (tn_k_widens(type))
            tn_k_narrow(type, to, i, x);
        else
            memcpy(to + (uint64_t)i * tn_dtype_bits((tn_dtype)type) / 8, &r,
                   tn_dtype_bits((tn_dtype)type) / 8);
    }
}

static bool same(uint32_t type, const unsigned char *x, const unsigned char *y, uint64_t bytes,
                 uint64_t *out_at)
{
    uint64_t size = tn_dtype_bits((tn_dtype)type) / 8;
    for (uint64_t i = 0; i < bytes / size; i++) {
        *out_at = i;
        if (memcmp(x + i * size, y + i * size, size) == 0)
            continue;
        if (!tn_k_widens(type))
            return false;
        float a = tn_k_widen(type, x, (int64_t)i), b = tn_k_widen(type, y, (int64_t)i);
        if (a == a || b == b)
            return false;
    }
    return true;
}

/* Runs an op of a text on both and compares each output; strides of inputs can be turned or 0. */
static void compare(tn_test_device *cpu, tn_test_device *chip, const tn_op *op, const char *what,
                    uint64_t seed)
{
    uint64_t state = seed, bytes[ARGS], at = 0;
    void *host[ARGS];
    unsigned char *want[ARGS];
    tn_error e;
    TN_REQUIRE(op->arg_count <= ARGS);
    for (uint32_t i = 0; i < op->arg_count; i++) {
        const tn_arg *arg = &op->args[i];
        bytes[i] = span_bytes(&arg->tensor);
        host[i] = malloc(bytes[i] + 1);
        want[i] = malloc(bytes[i] + 1);
        TN_REQUIRE(host[i] != NULL && want[i] != NULL);
        memset(host[i], 0, bytes[i]);
        if (arg->role != TN_ARG_OUT)
            fill(&state, arg, host[i], bytes[i], op->args[0].tensor.dim[0]);
    }
    tn_status st = tn_device_supports(chip->device, op);
    tn_error_last(&e);
    TN_EXPECT(st == TN_OK, "%s: %s", what, e.text);
    if (st == TN_OK) {
        TN_EXPECT(tn_test_compute(cpu, op, host, bytes), "%s on cpu", what);
        for (uint32_t i = 0; i < op->arg_count; i++)
            memcpy(want[i], host[i], bytes[i]);
        for (uint32_t i = 0; i < op->arg_count; i++)
            if (op->args[i].role == TN_ARG_OUT)
                memset(host[i], 0, bytes[i]);
        bool ran = tn_test_compute(chip, op, host, bytes);
        tn_error_last(&e);
        TN_EXPECT(ran, "%s: %s", what, e.text);
        for (uint32_t i = 0; ran && i < op->arg_count; i++)
            if (op->args[i].role == TN_ARG_OUT)
                TN_EXPECT(same(op->args[i].tensor.dtype, host[i], want[i], bytes[i], &at),
                          "%s: element %" PRIu64 " (seed %" PRIu64 ")", what, at, seed);
    }
    for (uint32_t i = 0; i < op->arg_count; i++) {
        free(host[i]);
        free(want[i]);
    }
}

static void text(tn_test_device *cpu, tn_test_device *chip, const char *what)
{
    tn_op *op = NULL;
    tn_error e;
    tn_status st = tn_op_parse(cpu->runtime, what, &op);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s: %s", what, e.text);
    compare(cpu, chip, op, what, tn_test_seed());
    tn_op_free(cpu->runtime, op);
}

static void open_both(const char *uri, tn_test_device *cpu, tn_test_device *chip)
{
    TN_REQUIRE(tn_test_open("cpu", cpu) && tn_test_open(uri, chip));
}

static const char *const chips[] = {"tpu-sim:canonical-128", "tpu-sim:test-24x40"};

TN_TEST(tpu_ops, texts_have_the_bits_of_cpu)
{
    static const char *const texts[] = {
        "norm layer 7x384:f32:gamma+beta+canonical",
        "norm layer 33x100:bf16:gamma+canonical",
        "norm layer 5x4x60:f32:beta+canonical",
        "norm rms 9x513:f32:gamma+canonical",
        "norm rms 3x1:f16:canonical",
        "norm group 2x8x4x5:f32:groups=4+eps=0.5+gamma+beta+canonical",
        "norm group 3x6x70:bf16:axes=2+groups=2+eps=0.01+gamma+canonical",
        "norm group 1x9x7x3:f32:groups=1+eps=0.5+beta+canonical",
        "norm group 2x4x1:f16:axes=2+groups=4+eps=0.5+canonical",
        "pad 4x9:f32:lo=1x2+hi=0x3+value=1.5",
        "pad 6x9:bf16:lo=2x-1+hi=1x2+reflect",
        "pad 3x5x70:s8:lo=2x0x3+hi=1x2x9+edge",
        "pad 2x3x4x5:u8:lo=1x1x1x1+hi=2x2x2x2+value=7",
        "pad 5x6:s64:lo=-1x2+hi=-2x1",
        "pad 4x5000:f16:lo=0x4000+hi=3x-1+value=-0.5",
        "softmax 12x77:f32:axis=-1+canonical",
        "softmax 12x7x5:bf16:axis=0+canonical",
        "softmax 3x130:f32:axis=1+log+canonical",
        "reduce sum 6x500:f32:axes=1+canonical",
        "reduce mean 40x33:f32:axes=0+canonical",
        "reduce max 5x6x70:bf16:axes=2+canonical",
        "reduce sumsq 2x5000:f32:axes=1+canonical",
        "copy 31x65:f32:exact",
        "copy 31x65:f32,bf16:canonical",
        "copy 5x7x9:bf16,f32:canonical",
        "copy 100x100:s64:exact",
        "copy 9000:u8:exact",
    };
    for (size_t c = 0; c < sizeof chips / sizeof chips[0]; c++) {
        tn_test_device cpu, chip;
        open_both(chips[c], &cpu, &chip);
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            text(&cpu, &chip, texts[i]);
        tpu_expect_clean(chip.device);
        tn_test_close(&chip);
        tn_test_close(&cpu);
    }
}

/* Behind sums of integers: scales, steps in f32, requantisation. */
TN_TEST(tpu_ops, scaled_sums_of_bytes_have_the_bits_of_cpu)
{
    static const char *const texts[] = {
        "matmul 9x17x33:s8,s8,f32:scale_of_a+scale_of_b=17",
        "matmul 9x50x33:s8,s8,f32:scale_of_a=9+scale_of_b=50+bias+relu",
        "matmul 40x70x90:s8,s8,f32:scale_of_a=40+scale_of_b+mul",
        "matmul 5x6x7:s8,s8,f32",
        "matmul 9x17x33:s8,s8,s8:scale_of_b=17+relu",
        "matmul 9x17x33:s8,s8,s8:scale_of_a=9+scale_of_out=17+zero_of_out=17",
        "matmul 16x24x65:s8,s8,s8:scale_of_a+scale_of_b=24+bias+scale_of_out+zero_of_out",
        "matmul 200x70x300:s8,s8,s8:scale_of_a+scale_of_b+scale_of_out",
        "matmul 3x5x9:s8,s8,s8:zero_of_out",
    };
    static const char *const bytes[] = {"tpu-sim:canonical-128", "tpu-sim:test-24x40",
                                        "tpu-sim:tpu-v1", "tpu-sim:gemmini-16",
                                        "tpu-sim:nvdla-full"};
    for (size_t c = 0; c < sizeof bytes / sizeof bytes[0]; c++) {
        tn_test_device cpu, chip;
        open_both(bytes[c], &cpu, &chip);
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            text(&cpu, &chip, texts[i]);
        if (c == 2)
            text(&cpu, &chip,
                 "matmul 16x24x65:u8,s8,u8:scale_of_a+scale_of_b=24+scale_of_out+zero_of_out");
        tpu_expect_clean(chip.device);
        tn_test_close(&chip);
        tn_test_close(&cpu);
    }
}

/* Channels last: a group's elements are no run of memory. */
TN_TEST(tpu_ops, group_norm_with_channels_last)
{
    static const char *const what = "norm group 2x8x4x5:f32:groups=4+eps=0.5+gamma+beta+canonical";
    static const int64_t stride[] = {160, 1, 40, 8};
    for (size_t c = 0; c < sizeof chips / sizeof chips[0]; c++) {
        tn_test_device cpu, chip;
        tn_op *op = NULL;
        open_both(chips[c], &cpu, &chip);
        TN_REQUIRE(tn_op_parse(cpu.runtime, what, &op) == TN_OK);
        tn_arg args[ARGS];
        tn_op turned = *op;
        TN_REQUIRE(op->arg_count <= ARGS);
        memcpy(args, op->args, op->arg_count * sizeof *args);
        turned.args = args;
        for (uint32_t i = 0; i < op->arg_count; i++)
            if (args[i].tensor.rank == 4)
                memcpy(args[i].tensor.stride, stride, sizeof stride);
        compare(&cpu, &chip, &turned, what, tn_test_seed());
        tpu_expect_clean(chip.device);
        tn_op_free(cpu.runtime, op);
        tn_test_close(&chip);
        tn_test_close(&cpu);
    }
}

TN_TEST(tpu_ops, windows_and_moves_have_the_bits_of_cpu)
{
    static const char *const texts[] = {
        "pool max 2x9x11x13:f32:window=3x2+stride=2x1+lo=1x1+hi=1x0+canonical",
        "pool max 1x7x9x70:bf16:window=3x3+dilation=2x3+nhwc+canonical",
        "pool max 2x5x30:u8:window=5+stride=3+lo=4+exact",
        "pool max 1x3x8x8:s8:window=2x2+stride=2x2+exact",
        "pool average 2x9x10x11:f32:window=3x3+stride=2x2+lo=1x0+hi=0x1+ceil+canonical",
        "pool average 1x10x11x24:bf16:window=5x4+lo=2x2+hi=2x2+nhwc+count_padding+canonical",
        "pool average 2x7x5x9:f32:canonical",
        "pool average 1x2x12x14:f16:window=9x11+canonical",
        "conv n2c30h9w8k30g30r3s3p1:f32:canonical+bias+relu",
        "conv n1c9h11w14k9g9r5s5p2u2:f32:canonical",
        "conv n1c300h7w6k300g300r3s3p1l2:bf16:nhwc+canonical+bias+silu",
        "conv n1c5h40w3k5g5r7s1p3:f16,f16,f32:canonical",
        "norm batch 4x24x9x11:f32:eps=1e-05+canonical+gamma+beta+stats",
        "norm batch 3x9x24:f32:axes=1+eps=1e-05+canonical+gamma+stats",
        "norm batch 2x5x70x130:f32:eps=0.5+canonical+beta+stats",
        "concat 3x20x40:f32:axis=1+exact+input1+input2=3x7x40+input3=3x0x40",
        "concat 5x6:u8:axis=-1+exact+input1=5x33@1x5",
        "concat 3000:f64:axis=0+exact+input1=500",
        "concat 4x3:bf16:axis=0+exact+input1=9x3",
        "resize nearest 2x9x20x30:u8:scale=1x1x3x3+exact",
        "resize nearest 1x3x5x7:f32:scale=1x1x2x4+asymmetric+floor+exact",
        "resize nearest 6x5:s64:out=12x5+exact",
        "rope 2x3x9x64:f32:canonical",
        "rope 2x9x8x40:bf16:interleaved+rotary=24+canonical+index=9x1",
        "rope 70x6:f16:canonical",
        "rope 5:f32:rotary=4+canonical",
        "scan 5x70:f32:axis=1+canonical",
        "scan 4200x3:f32:axis=0+exclusive+canonical",
        "scan 6x33x40:bf16,f32:axis=1+reverse+canonical",
        "scan 3x5x2:f16:axis=-1+exclusive+reverse+canonical",
        "scan 8300:f32:axis=0+canonical",
        "quantize 6x9x32:f32,s8:axis=2+group=8+canonical+scale_of_out+zero_of_out",
        "quantize 6x9x32:s32,u8:axis=1+canonical+scale_of_a",
        "quantize 60x32:bf16,f8e4m3:canonical+scale_of_out=-",
        "dequantize 6x9x32:s8,f32:axis=-1+canonical+zero_of_a",
        "dequantize 6x9x32:f8e5m2,bf16:group=3+canonical+a=6x9x32@1x6x54",
        "dequantize 70x5:s32,f16:axis=0+canonical",
    };
    for (size_t c = 0; c < sizeof chips / sizeof chips[0]; c++) {
        tn_test_device cpu, chip;
        open_both(chips[c], &cpu, &chip);
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            text(&cpu, &chip, texts[i]);
        tpu_expect_clean(chip.device);
        tn_test_close(&chip);
        tn_test_close(&cpu);
    }
}

TN_TEST(tpu_ops, attention_and_gather_have_the_bits_of_cpu)
{
    static const char *const texts[] = {
        "attention b2h4q40k40d32:bf16:canonical+mask=2x1x1x40",
        "attention b1h2q130k300d64:bf16,bf16,bf16,f32:canonical",
        "attention h12g4q100k200d64e32:f16:canonical+mask=100x200",
        "attention b1h2q200k200d16:bf16:canonical+causal",
        "attention b1h2q70k270d16:bf16:canonical+causal+window=60x-1+softcap=5",
        "attention b1h1q1k1d1:bf16:canonical",
        "attention b1h3q5k0d8:bf16:canonical",
        "attention b2h2q33k129d128:bf16:canonical+mask",
        "attention b2h4g2q40k270d32:bf16:canonical+mask=40x270/f32",
        "attention h3q130k300d64:bf16:canonical+causal+slopes",
        "attention b2h4g2q20k140d24e40:bf16:canonical+sinks",
        "attention b1h2q9k0d8:f16:canonical+sinks",
        "attention b3h2q33k300d16:bf16:canonical+lengths",
        "attention b3h2q33k150d16:f16:canonical+lengths+mask+sinks+slopes+softcap=7",
        "attention b2h2q30k70d16:bf16:canonical+causal_end",
        "attention b1h2q40k260d200e300:bf16:canonical+mask=1x1x40x260/f32+slopes",
        "gather 300x384:f32:axis=0+index=77/s64",
        "gather 40x6x5:bf16:axis=0+index=9000",
        "gather 5x7:s64:axis=0+index=3x4",
        "gather 90:u8:axis=0+index=50",
    };
    tn_test_device cpu, chip;
    open_both(chips[0], &cpu, &chip);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        text(&cpu, &chip, texts[i]);
    tpu_expect_clean(chip.device);
    tn_test_close(&chip);
    tn_test_close(&cpu);
}

TN_TEST(tpu_ops, convolutions_have_the_bits_of_cpu)
{
    static const char *const wide[] = {
        "conv n1c128h9w7k40r3s3p1:bf16:canonical",
        "conv n2c256h5w6k130r3s2:bf16,bf16,f32:nhwc+canonical+bias+relu",
        "conv n1c20h8w8k30r1s1:f16:canonical",
        "conv n1c200h6w10k9r1s1u2:bf16:nhwc+canonical",
        "conv n2c3h23w19k40r7s7p3u2:bf16:canonical+bias+relu",
        "conv n1c20h9w8k150r3s3p1:f16,f16,f32:nhwc+canonical+bias",
        "conv n1c70h5w6k10r2s3p1l2g2:bf16:canonical",
        "conv n1c5h40w3k5r7s1p3:bf16,bf16,f32:canonical",
    };
    static const char *const both[] = {
        "conv n1c3h17w19k20r3s3p1u2:s8,s8,s32",      "conv n2c10h9w9k12r3s3p1l2:s8,s8,s32:nhwc",
        "conv n1c12h6w6k6r2s2g3:s8,s8,s32",          "conv n1c70h4w40k50r1s5p2:s8,s8,s32",
        "conv n2c3h31w29k20r5s5p2u2:s8,s8,s32:nhwc",
    };
    for (size_t c = 0; c < sizeof chips / sizeof chips[0]; c++) {
        tn_test_device cpu, chip;
        open_both(chips[c], &cpu, &chip);
        for (size_t i = 0; c == 0 && i < sizeof wide / sizeof wide[0]; i++)
            text(&cpu, &chip, wide[i]);
        for (size_t i = 0; i < sizeof both / sizeof both[0]; i++)
            text(&cpu, &chip, both[i]);
        tpu_expect_clean(chip.device);
        tn_test_close(&chip);
        tn_test_close(&cpu);
    }
}

/* Filters on several arrays at once; planes of weights alternate in each. */
TN_TEST(tpu_ops, convolutions_on_several_arrays)
{
    static const char *const texts[] = {
        "conv n1c128h9w7k300r3s3p1:bf16:canonical",
        "conv n2c256h5w6k513r3s3:bf16,bf16,f32:nhwc+canonical+bias+relu",
        "conv n1c130h8w8k1000r1s1:bf16:nhwc+canonical",
        "conv n2c512h3w3k514r2s2p1g2:bf16:canonical+bias",
        "conv n1c70h20w40k130r5s5p2:s8,s8,s32:nhwc",
        "conv n1c16h60w60k140r1s1u2:s8,s8,s32",
    };
    static const char *const four[] = {"tpu-sim:tpu-v4", "tpu-sim:tpu-v5e",
                                       "tpu-sim:tpu-v4?timing=serial"};
    for (size_t c = 0; c < sizeof four / sizeof four[0]; c++) {
        tn_test_device cpu, chip;
        open_both(four[c], &cpu, &chip);
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            text(&cpu, &chip, texts[i]);
        tpu_expect_clean(chip.device);
        tn_test_close(&chip);
        tn_test_close(&cpu);
    }
}

/* Every kind, over shapes that are long, small, turned and broadcast. */
TN_TEST(tpu_ops, every_elementwise_kind)
{
    static const uint32_t types[] = {TN_F32, TN_BF16, TN_F16};
    uint64_t state = tn_test_seed();
    for (size_t c = 0; c < sizeof chips / sizeof chips[0]; c++) {
        tn_test_device cpu, chip;
        open_both(chips[c], &cpu, &chip);
        for (uint32_t kind = 1; kind <= TN_ELTWISE_WHERE; kind++) {
            if ((kind > TN_ELTWISE_CLAMP && kind < TN_ELTWISE_ADD) ||
                (kind > TN_ELTWISE_LESS_EQUAL && kind < TN_ELTWISE_FMA))
                continue;
            char what[64];
            uint32_t inputs = kind < TN_ELTWISE_ADD ? 1 : kind < TN_ELTWISE_FMA ? 2 : 3;
            uint32_t type = kind == TN_ELTWISE_WHERE ? TN_F32 : types[tn_test_random(&state) % 3];
            int64_t dim[3] = {1 + (int64_t)(tn_test_random(&state) % 9),
                              1 + (int64_t)(tn_test_random(&state) % 40),
                              1 + (int64_t)(tn_test_random(&state) % 90)};
            if (tn_test_random(&state) % 4 == 0)
                dim[2] = 9000;
            tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = kind, .a = -0.75f, .b = 1.5f};
            tn_arg args[4];
            for (uint32_t i = 0; i <= inputs; i++) {
                static const uint32_t roles[3] = {TN_ARG_A, TN_ARG_B, TN_ARG_C};
                bool compares = tn_k_eltwise_is_compare(kind) && i == inputs;
                uint32_t of = compares || (kind == TN_ELTWISE_WHERE && i == 0) ? TN_BOOL : type;
                tn_tensor t = tn_test_tensor((tn_dtype)of, 3, dim);
                uint64_t way = tn_test_random(&state) % 5;
                if (i < inputs && way == 1) /* turned */ {
                    t.stride[0] = 1;
                    t.stride[1] = dim[0];
                    t.stride[2] = dim[0] * dim[1];
                } else if (i < inputs && way >= 2 && i > 0) { /* broadcast along a dim */
                    t.stride[way - 2] = 0;
                }
                args[i] = (tn_arg){i < inputs ? roles[i] : TN_ARG_OUT, 0, t};
            }
            tn_op op = {.head = TN_INIT(tn_op),
                        .kind = TN_OP_ELTWISE,
                        .arg_count = inputs + 1,
                        .attr = &attr,
                        .args = args,
                        .numerics = {.cls = TN_CLASS_CANONICAL}};
            snprintf(what, sizeof what, "kind %u of type %u", kind, type);
            compare(&cpu, &chip, &op, what, state);
        }
        tpu_expect_clean(chip.device);
        tn_test_close(&chip);
        tn_test_close(&cpu);
    }
}

TN_TEST(tpu_ops, classes_are_what_the_probe_confirms)
{
    tn_test_device wide, other;
    tn_class_info info = {.head = TN_INIT(tn_class_info)};
    TN_REQUIRE(tn_test_open("tpu-sim:canonical-128", &wide) &&
               tn_test_open("tpu-sim:tpu-v4", &other));
    TN_EXPECT(tn_device_classes(wide.device, TN_BF16, &info) == TN_OK);
    TN_EXPECT((info.classes >> TN_CLASS_CANONICAL & 1u) == 1, "%s", info.refused);
    TN_EXPECT(tn_device_classes(wide.device, TN_F32, &info) == TN_OK);
    TN_EXPECT(info.classes == 0 && info.refused[0] != '\0', "the array does not multiply f32");
    TN_EXPECT(tn_device_classes(other.device, TN_BF16, &info) == TN_OK);
    TN_EXPECT((info.classes >> TN_CLASS_CANONICAL & 1u) == 0);
    tn_test_close(&other);
    tn_test_close(&wide);
}

/* One op of f32 on a device, its input i a fixed sequence; the output in y. */
static void values(tn_test_device *d, const char *what, const float *x, float *y, uint64_t bytes)
{
    tn_op *op = NULL;
    tn_error e;
    TN_REQUIRE(tn_op_parse(d->runtime, what, &op) == TN_OK, "%s", what);
    TN_REQUIRE(op->arg_count == 2, "%s", what);
    void *host[2] = {(void *)(uintptr_t)x, y};
    const uint64_t sizes[2] = {bytes, bytes};
    bool ran = tn_test_compute(d, op, host, sizes);
    tn_error_last(&e);
    TN_EXPECT(ran, "%s: %s", what, e.text);
    tn_op_free(d->runtime, op);
}

/* A chip that looks its functions up: FAST alone, as close to cpu as is stated, with other bits. */
TN_TEST(tpu_ops, functions_by_tables_serve_fast)
{
    enum { N = 3000 };
    static float x[N], want[N], y[N];
    static const char *const ops[] = {"eltwise gelu 3000:f32:", "eltwise exp 3000:f32:",
                                      "eltwise rsqrt 3000:f32:", "softmax 30x100:f32:axis=1+",
                                      "softmax 3x1000:f32:axis=1+"};
    tn_test_device cpu, chip;
    tn_op *op = NULL;
    char what[80];
    uint64_t state = tn_test_seed();
    open_both("tpu-sim:tpu-v4", &cpu, &chip);
    for (int i = 0; i < N; i++)
        x[i] = ((float)(int32_t)(tn_test_random(&state) >> 40) - 0x1p23f) * 0x1p-20f;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        tn_plan *plan = NULL;
        tn_arithmetic a = {.head = TN_INIT(tn_arithmetic)};
        int same_bits = 0;
        snprintf(what, sizeof what, "%sfast", ops[i]);
        TN_REQUIRE(tn_op_parse(chip.runtime, what, &op) == TN_OK, "%s", what);
        TN_REQUIRE(tn_plan_create(chip.device, op, NULL, &plan) == TN_OK &&
                   tn_plan_arithmetic(plan, &a) == TN_OK);
        op->numerics.cls = TN_CLASS_BOUNDED;
        TN_EXPECT(tn_device_supports(chip.device, op) == TN_STATUS_UNSUPPORTED, "%s", what);
        tn_op_free(chip.runtime, op);
        tn_plan_release(plan);
        TN_EXPECT(a.exp_ulp > 10.0f || a.rsqrt_ulp > 10.0f, "%s states its error", what);
        values(&chip, what, x, y, sizeof y);
        snprintf(what, sizeof what, "%scanonical", ops[i]);
        values(&cpu, what, x, want, sizeof want);
        for (int k = 0; k < N; k++) {
            /* a softmax divides one function's value by a sum of them, with a rounding each */
            double most = 2.0 * (double)(a.exp_ulp + a.rsqrt_ulp) + 64.0;
            double e = (double)y[k] - (double)want[k];
            TN_EXPECT((y[k] != y[k] && want[k] != want[k]) ||
                          (e < 0 ? -e : e) <=
                              most * 0x1p-23 * (double)__builtin_fabsf(want[k]) + 0x1p-126,
                      "%s: %d: %a not %a", what, k, (double)y[k], (double)want[k]);
            same_bits += memcmp(&y[k], &want[k], 4) == 0;
        }
        TN_EXPECT(same_bits < N * 3 / 4, "%s: %d of %d bits as if there were no table", what,
                  same_bits, N);
    }
    tpu_expect_clean(chip.device);
    tn_test_close(&chip);
    tn_test_close(&cpu);
}

static void refused(tn_test_device *d, const char *what, const char *reason)
{
    tn_op *op = NULL;
    tn_error e;
    TN_REQUIRE(tn_op_parse(d->runtime, what, &op) == TN_OK, "%s", what);
    TN_EXPECT(tn_device_supports(d->device, op) == TN_STATUS_UNSUPPORTED, "%s", what);
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, reason) == 0, "%s: %s, not %s", what, e.reason, reason);
    tn_op_free(d->runtime, op);
}

TN_TEST(tpu_ops, refusals_have_their_reason)
{
    tn_test_device odd, plain;
    TN_REQUIRE(tn_test_open("tpu-sim:test-24x40", &odd) && tn_test_open("tpu-sim:tpu-v4", &plain));
    refused(&plain, "softmax 4x5:f32:axis=-1", "systolic.function");
    refused(&odd, "softmax 2x90000:f32:axis=-1", "systolic.memory");
    refused(&odd, "reduce min 4x5:f32:axes=1", "systolic.kind");
    refused(&odd, "copy 4x5:s32,f32", "systolic.dtype");
    refused(&odd, "pad 4x5:s64:lo=1x0+value=5", "systolic.value");
    refused(&odd, "attention h1q4k4d8:bf16:canonical", "systolic.order");
    refused(&plain, "attention h1q4k4d8:bf16:stats", "systolic.kind");
    refused(&plain, "attention h1q4k4d8:f32", "systolic.dtype");
    refused(&plain, "conv n1c3h8w8k8r3s3p1:f32", "systolic.dtype");
    refused(&odd, "conv n1c3h8w8k8r3s3p1:bf16:canonical", "systolic.order");
    tn_test_close(&plain);
    tn_test_close(&odd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* pad: every row against the plain one, and that one against a direct look-up. */
#include "support/k_rows.h"
#include <kernels/pad/pad.h>

extern const tn_k_op tn_k_op_pad;

/* One dim as the definition has it: walk to the place from the nearest element of a. */
static int64_t look_up(uint32_t mode, int64_t at, int64_t dim)
{
    if (at >= 0 && at < dim)
        return at;
    if (mode == TN_PAD_CONSTANT)
        return -1;
    int64_t beyond = at < 0 ? -at : at - (dim - 1);
    if (mode == TN_PAD_EDGE)
        beyond = 0;
    return at < 0 ? beyond : dim - 1 - beyond;
}

static void round_of(uint64_t *state, uint32_t mode)
{
    static const struct {
        uint16_t dtype;
        float value;
        unsigned char bytes[8];
    } values[] = {{TN_F32, -2.5f, {0, 0, 0x20, 0xc0}},
                  {TN_U8, 300.0f, {255}},
                  {TN_BF16, 1.0f, {0x80, 0x3f}},
                  {TN_S64, -1.5f, {255, 255, 255, 255, 255, 255, 255, 255}},
                  {TN_F8E4M3, 448.0f, {0x7e}},
                  {TN_BOOL, 0.5f, {1}}};
    uint32_t v = (uint32_t)(tn_test_random(state) % 6);
    tn_window attr = {.head = TN_INIT(tn_window), .mode = mode};
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor;
    attr.value = mode == TN_PAD_CONSTANT ? values[v].value : 0.0f;
    a->dtype = values[v].dtype;
    a->rank = (uint16_t)(tn_test_random(state) % 5);
    *out = *a;
    for (uint32_t d = 0; d < a->rank; d++) {
        int64_t dim = 1 + (int64_t)(tn_test_random(state) % (d + 1u == a->rank ? 70 : 8));
        uint64_t most = mode == TN_PAD_REFLECT ? (uint64_t)dim : 6;
        a->dim[d] = dim;
        attr.lo[d] = (int64_t)(tn_test_random(state) % most);
        attr.hi[d] = (int64_t)(tn_test_random(state) % most);
        if (tn_test_random(state) % 3 == 0)
            attr.lo[d] = -(int64_t)(tn_test_random(state) % (uint64_t)(dim + attr.hi[d] + 1));
        else if (tn_test_random(state) % 3 == 0)
            attr.hi[d] = -(int64_t)(tn_test_random(state) % (uint64_t)(dim + attr.lo[d] + 1));
        out->dim[d] = dim + attr.lo[d] + attr.hi[d];
        /* what is cropped away can leave nothing */
        if (out->dim[d] == 0) {
            out->dim[d] = 1;
            attr.lo[d] = 0;
            attr.hi[d] = 1 - dim;
        }
    }
    tn_t_strides(state, a, tn_test_random(state) % 2);
    tn_t_strides(state, out, tn_test_random(state) % 2);
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_PAD, .arg_count = 2, .attr = &attr, .args = args};
    unsigned char *block[2] = {tn_t_block(), tn_t_block()};
    for (size_t i = 0; i < TN_T_BYTES; i++)
        block[0][i] = (unsigned char)tn_test_random(state);
    tn_k_pad_params p;
    tn_t_rows(&tn_k_op_pad, &op, block, 1, false, &p);
    int64_t total = 1, bytes = p.elem_bytes;
    for (uint32_t d = 0; d < out->rank; d++)
        total *= out->dim[d];
    for (int64_t i = 0; i < total; i++) {
        int64_t rest = i, to = 0, from = 0;
        bool outside = false;
        for (uint32_t d = out->rank; d-- > 0; rest /= out->dim[d]) {
            int64_t x = rest % out->dim[d], at = look_up(mode, x - attr.lo[d], a->dim[d]);
            to += x * out->stride[d];
            outside = outside || at < 0;
            from += at * a->stride[d];
        }
        TN_EXPECT(memcmp(block[1] + TN_T_MIDDLE + to * bytes,
                         outside ? values[v].bytes : block[0] + TN_T_MIDDLE + from * bytes,
                         (size_t)bytes) == 0,
                  "mode %u element %" PRId64, mode, i);
    }
    free(block[0]);
    free(block[1]);
}

TN_TEST(k_pad, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (uint32_t i = 0; i < 150; i++)
        round_of(&state, i % 3);
}

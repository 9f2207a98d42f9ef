/* SPDX-License-Identifier: Apache-2.0 */
/* Operands of a case: images of their memory with guards and poison, and what has to be intact. */
#include <conformance/cases/case_fill.h>
#include <conformance/runner/launches.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t spanned(const tn_tensor *t)
{
    int64_t last = 0;
    for (uint32_t d = 0; d < t->rank; ++d) {
        if (t->dim[d] == 0)
            return 0;
        last += (t->dim[d] - 1) * t->stride[d];
    }
    return last + 1;
}

int64_t tn_v_offset(const tn_tensor *t, int64_t n)
{
    int64_t i[TN_MAX_RANK], at = 0;
    tn_v_unravel(t->dim, t->rank, n, i);
    for (uint32_t d = 0; d < t->rank; ++d)
        at += i[d] * t->stride[d];
    return at;
}

void tn_v_forget(tn_v_job *j)
{
    for (uint32_t i = 0; i < TN_V_ARGS; ++i) {
        free(j->image[i].bytes);
        free(j->image[i].before);
        free(j->image[i].values);
        free(j->image[i].decoded);
        free(j->image[i].ours);
    }
    tn_v_truth_free(j->truth, j->truths);
    tn_v_truth_free(j->kept, j->kept_truths);
}

uint64_t tn_v_alignment(const tn_v_job *j)
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    uint64_t align = 8; /* of the widest element */
    if (tn_device_get_info(j->session->device, &info) == TN_OK && info.offset_align > align)
        align = info.offset_align;
    return align;
}

/* Blocks whose scales and numbers come from digests of the operand's values, and what they mean. */
static void lay_blocks(const tn_tensor *t, tn_v_image *m)
{
    static const double four[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    uint64_t bytes = (uint64_t)tn_v_block_bytes(t);
    for (int64_t b = 0; b < tn_v_count(t) / 32; ++b) {
        unsigned char *at = m->before + m->guard + (uint64_t)b * bytes, number[32];
        for (int k = 0; k < 32; ++k) {
            tn_v_random r = {0};
            memcpy(&r.state, &m->values[b * 32 + k], sizeof r.state);
            number[k] = (unsigned char)tn_v_next(&r);
        }
        double scale;
        if (t->layout == TN_LAYOUT_MXFP4) {
            at[0] = (unsigned char)(120 + number[0] % 8);
            scale = ldexp(1.0, at[0] - 127);
        } else { /* an f16 of either sign between 2^-7 and 2^-5 */
            at[0] = number[1];
            at[1] = (unsigned char)((number[2] & 0x87) | 0x20);
            scale = tn_v_decode(TN_F16, at);
        }
        for (int k = 0; k < 32; ++k) {
            unsigned char n = t->layout == TN_LAYOUT_Q8_0 ? number[k] : number[k] & 15;
            double v = t->layout == TN_LAYOUT_Q8_0   ? (double)(int8_t)n
                       : t->layout == TN_LAYOUT_Q4_0 ? (double)n - 8
                                                     : (n & 8 ? -1 : 1) * four[n & 7];
            m->decoded[b * 32 + k] = v * scale;
            number[k] = n;
        }
        at += t->layout == TN_LAYOUT_MXFP4 ? 1 : 2;
        for (int k = 0; k < 32; ++k)
            if (t->layout == TN_LAYOUT_Q8_0)
                at[k] = number[k];
            else if (k < 16)
                at[k] = (unsigned char)(number[k] | number[k + 16] << 4);
    }
}

bool tn_v_images(tn_v_job *j, char *why, size_t bytes)
{
    uint64_t align = tn_v_alignment(j);
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        const tn_tensor *t = &j->op->args[i].tensor, stored = tn_v_stored(t);
        tn_v_image *m = &j->image[i];
        bool blocks = tn_v_block_bytes(t) != 0;
        m->elem = tn_v_elem_bytes((tn_dtype)stored.dtype);
        m->output = tn_v_is_output(j->op, j->op->args[i].role);
        m->elems = spanned(&stored);
        if (m->elem == 0 || (t->layout != TN_LAYOUT_STRIDED && !blocks)) {
            snprintf(why, bytes, "the suite makes no data of type %s in that layout",
                     tn_dtype_name((tn_dtype)t->dtype));
            return false;
        }
        m->guard = (TN_V_GUARD + align - 1) / align * align;
        m->total = 2 * m->guard + (uint64_t)m->elems * m->elem;
        m->bytes = malloc(m->total);
        m->before = malloc(m->total);
        m->decoded = calloc((size_t)(blocks ? tn_v_count(t) : m->elems) + 1, sizeof(double));
        m->ours = m->output ? calloc((size_t)m->elems + 1, 1) : NULL;
        if (!m->output)
            m->values = calloc((size_t)tn_v_count(t) + 1, sizeof(double));
        if (m->bytes == NULL || m->before == NULL || m->decoded == NULL ||
            (m->output ? m->ours == NULL : m->values == NULL)) {
            snprintf(why, bytes, "no host memory for the operands");
            return false;
        }
        for (int64_t n = 0; m->output && n < tn_v_count(&stored); ++n)
            m->ours[tn_v_offset(&stored, n)] = 1;
    }
    return true;
}

/* Inputs into their memory; what no index reaches is NaN, or 0xa5 where integers lie. flush: what
 * the reference reads has no subnormals. Returns whether there were any. */
static bool lay_inputs(tn_v_job *j, bool flush)
{
    bool tiny = false;
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        const tn_tensor *t = &j->op->args[i].tensor;
        tn_v_image *m = &j->image[i];
        tn_dtype d = (tn_dtype)t->dtype;
        bool floating = tn_v_format_of(d).floating;
        memset(m->before, floating ? 0xff : 0xa5, m->total);
        if (m->output)
            memset(m->before, 0xa5, m->total);
        if (tn_v_block_bytes(t) != 0) {
            if (!m->output)
                lay_blocks(t, m);
            j->call.memory[i] = (tn_v_memory){m->decoded, tn_v_count(t)};
            continue;
        }
        unsigned char *base = m->before + m->guard;
        int64_t n = m->output ? 0 : tn_v_count(t);
        for (int64_t k = 0; k < n; ++k)
            tn_v_encode(d, m->values[k], TN_V_NEAREST_EVEN, false,
                        base + (uint64_t)tn_v_offset(t, k) * m->elem);
        /* Types of fewer exponents are widened first, and what was subnormal is no more. */
        int least = tn_v_format_of(d).exponent_min;
        double normal =
            floating && least <= tn_v_format_of(TN_F32).exponent_min ? ldexp(1.0, least) : 0;
        for (int64_t k = 0; k < m->elems; ++k) {
            double v = tn_v_decode(d, base + (uint64_t)k * m->elem);
            if (j->call.arith.read_as != 0 && d == TN_F32)
                v = tn_v_rounded(j->call.arith.read_as, v, TN_V_NEAREST_EVEN, false);
            if (v != 0 && fabs(v) < normal) {
                tiny = true;
                v = flush ? copysign(0.0, v) : v;
            }
            m->decoded[k] = v;
        }
        j->call.memory[i] = (tn_v_memory){m->decoded, m->elems};
    }
    return tiny;
}

/* The reference; a device that may take subnormal inputs for 0 need not always do so. */
void tn_v_refer(tn_v_job *j)
{
    bool flush = j->call.arith.flush_in;
    bool tiny = lay_inputs(j, flush);
    if (flush && tiny) {
        (void)lay_inputs(j, false);
        j->kept_truths = tn_v_oracle(&j->call, j->kept);
        j->kept_truths = j->kept_truths < 0 ? 0 : j->kept_truths;
        (void)lay_inputs(j, true);
    }
    j->truths = tn_v_oracle(&j->call, j->truth);
}

/* Elements of outputs: NaN in the first launch, -7 in the others. */
void tn_v_lay_outputs(tn_v_job *j, int launch)
{
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        const tn_tensor t = tn_v_stored(&j->op->args[i].tensor);
        tn_v_image *m = &j->image[i];
        if (!m->output)
            continue;
        tn_dtype d = (tn_dtype)t.dtype;
        bool floating = tn_v_format_of(d).floating;
        for (int64_t n = 0; n < tn_v_count(&t); ++n) {
            unsigned char *e = m->before + m->guard + (uint64_t)tn_v_offset(&t, n) * m->elem;
            if (launch == 0 && floating)
                memset(e, 0xff, m->elem);
            else
                tn_v_encode(d, launch % 2 ? -7.0 : 5.0, TN_V_NEAREST_EVEN, false, e);
        }
    }
}

const unsigned char *tn_v_element(const tn_v_job *j, const tn_v_truth *t, int64_t n)
{
    for (uint32_t i = 0; i < j->op->arg_count; ++i)
        if (j->op->args[i].role == t->role) {
            const tn_v_image *m = &j->image[i];
            const tn_tensor stored = tn_v_stored(&j->op->args[i].tensor);
            return m->bytes + m->guard + (uint64_t)tn_v_offset(&stored, n) * m->elem;
        }
    return NULL;
}

bool tn_v_intact(const tn_v_job *j, uint32_t in_place, tn_v_result *out)
{
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        const tn_v_image *m = &j->image[i];
        if (i == in_place)
            continue;
        for (uint64_t k = 0; k < m->total; ++k) {
            if (m->bytes[k] == m->before[k])
                continue;
            bool inside = k >= m->guard && k < m->total - m->guard;
            if (inside && m->output && m->ours[(k - m->guard) / m->elem])
                continue;
            snprintf(out->message, sizeof out->message,
                     "role %u: byte %lld of its tensor changed: %s", j->op->args[i].role,
                     (long long)k - (long long)m->guard,
                     !m->output     ? "an input was written"
                     : inside       ? "a gap between elements was written"
                     : k < m->guard ? "written before the output"
                                    : "written past the output");
            snprintf(out->hypothesis, sizeof out->hypothesis, "%s",
                     !m->output ? "input overwritten"
                     : inside   ? "writes past the row into the gap"
                                : "writes outside of the output");
            out->status = TN_V_FAIL;
            return false;
        }
    }
    return true;
}

uint64_t tn_v_digest(const tn_v_job *j)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (int t = 0; t < j->truths; ++t)
        for (int64_t n = 0; n < j->truth[t].count; ++n) {
            const unsigned char *e = tn_v_element(j, &j->truth[t], n);
            for (uint32_t b = 0; b < tn_v_elem_bytes(j->truth[t].dtype); ++b)
                h = (h ^ e[b]) * 0x100000001b3u;
        }
    return h;
}

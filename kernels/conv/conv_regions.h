/* SPDX-License-Identifier: Apache-2.0 */
/* Output positions cut into boxes in which every position meets the same taps, so that tiles of
 * them need no padding, and what is outside of A is never multiplied. */
#ifndef TN_KERNELS_CONV_REGIONS_H
#define TN_KERNELS_CONV_REGIONS_H

#include <kernels/conv/conv.h>

/* Positions o, o + o_step, ... (count) of one dim; each meets the taps k, k + k_step, ...; the
 * input index of position j and tap t is i + j * i_o + t * i_k. */
typedef struct conv_run {
    int64_t o, o_step, count, k, k_step, taps, i, i_o, i_k;
} conv_run;

/* One box: a run of each dim; its positions in all batches are numbered in row-major order. */
typedef struct conv_box {
    conv_run run[3];
    int64_t count;
} conv_box;

static inline void conv_taps_at(const tn_k_conv *p, int d, int64_t o, conv_run *r)
{
    int64_t i;
    r->taps = 0;
    r->k = r->i = 0;
    for (int64_t k = 0; k < p->kernel[d]; k++) {
        if (!tn_k_conv_tap(p, d, o, k, &i))
            continue;
        if (r->taps == 0) {
            r->k = k;
            r->i = i;
            r->k_step = 1;
            r->i_k = 0;
        } else if (r->taps == 1) {
            r->k_step = k - r->k;
            r->i_k = i - r->i;
        }
        r->taps++;
    }
}

/* The runs of a dim, into `out` unless it is NULL; returns how many. A transposed conv has a set of
 * them for each remainder of the position by the stride. */
static inline int64_t conv_runs(const tn_k_conv *p, int d, conv_run *out)
{
    int64_t step = p->transposed ? p->stride[d] : 1, found = 0;
    for (int64_t first = 0; first < step && first < p->size[d]; first++) {
        conv_run at = {0}, next = {0};
        for (int64_t o = first; o < p->size[d]; o += step) {
            conv_taps_at(p, d, o, &next);
            if (at.count > 0 && next.taps == at.taps && (next.taps == 0 || next.k == at.k)) {
                at.count++;
                continue;
            }
            if (at.count > 0 && out != NULL)
                out[found] = at;
            found += at.count > 0;
            at = next;
            at.o = o;
            at.o_step = step;
            at.count = 1;
            at.i_o = p->transposed ? 1 : p->stride[d];
        }
        if (at.count > 0 && out != NULL)
            out[found] = at;
        found += at.count > 0;
    }
    return found;
}

/* Where position `index` of a box is: its batch, output indices and the offset of its first tap. */
static inline int64_t conv_locate(const tn_k_conv *p, const conv_box *box, int64_t index,
                                  int64_t *out_n, int64_t out_o[3])
{
    int64_t at = 0;
    for (int d = 3; d-- > 0;) {
        const conv_run *r = &box->run[d];
        int64_t j = index % r->count;
        index /= r->count;
        out_o[d] = r->o + j * r->o_step;
        at += (r->i + j * r->i_o) * p->a_view.s[d];
    }
    *out_n = index;
    return at + index * p->a_view.n;
}

#endif

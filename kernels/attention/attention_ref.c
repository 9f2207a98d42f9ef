/* SPDX-License-Identifier: Apache-2.0 */
/* attention in float64, from the op's definition, with the magnitude that error bounds are made of.
 */
#include <kernels/attention/attention.h>
#include <math.h>

/* Whether key j may be seen by query i, from the call and not from the limits that kernels use. */
static bool takes_part(const tn_k_attention_params *p, const tn_attention *attr, int64_t keys,
                       int64_t i, int64_t j)
{
    int64_t key = attr->first_key + j, query = attr->first_query + i;
    if (j >= keys)
        return false;
    if ((attr->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0)
        query = attr->first_key + i + keys - p->queries;
    if ((attr->flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) != 0 && key > query)
        return false;
    if ((attr->flags & TN_ATTENTION_WINDOW) == 0)
        return true;
    return (attr->window_left < 0 || key >= query - attr->window_left) &&
           (attr->window_right < 0 || key <= query + attr->window_right);
}

void tn_k_attention_ref(const tn_k_attention_params *p, const tn_attention *attr, const float *q,
                        const float *k, const float *v, const void *mask,
                        const tn_k_attention_truth *truth, int64_t batch, int64_t head, int64_t row,
                        double *out_score, double *out_magnitude, double *out)
{
    const int64_t(*s)[4] = p->stride, kv = head / (p->heads / p->kv_heads);
    double scale = attr->scale == 0.0f ? 1.0 / sqrt((double)p->d) : (double)attr->scale;
    double cap = (double)attr->softcap, top = truth->has_sink ? truth->sink : -INFINITY, sum = 0.0;
    int64_t query_at = (attr->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0
                           ? attr->first_key + truth->keys - p->queries + row
                           : attr->first_query + row;
    const float *query =
        q + batch * s[TN_K_ATT_Q][0] + head * s[TN_K_ATT_Q][1] + row * s[TN_K_ATT_Q][2];
    for (int64_t j = 0; j < p->keys; ++j) {
        int64_t at = batch * s[TN_K_ATT_MASK][0] + head * s[TN_K_ATT_MASK][1] +
                     row * s[TN_K_ATT_MASK][2] + j * s[TN_K_ATT_MASK][3];
        out_score[j] = -INFINITY;
        out_magnitude[j] = 0.0;
        if (!takes_part(p, attr, truth->keys, row, j) ||
            (p->mask == TN_K_ATT_BOOL_MASK && ((const uint8_t *)mask)[at] == 0))
            continue;
        const float *key =
            k + batch * s[TN_K_ATT_K][0] + kv * s[TN_K_ATT_K][1] + j * s[TN_K_ATT_K][2];
        double z = 0.0, size = 0.0;
        for (int64_t e = 0; e < p->d; ++e) {
            double x = (double)query[e * s[TN_K_ATT_Q][3]] * (double)key[e * s[TN_K_ATT_K][3]];
            z += x;
            size += fabs(x);
        }
        z *= scale;
        size *= fabs(scale);
        if (cap != 0.0)
            z = cap * tanh(z / cap);
        if (p->mask == TN_K_ATT_ADD_MASK)
            z += (double)((const float *)mask)[at];
        z += truth->slope * (double)(attr->first_key + j - query_at);
        out_score[j] = z;
        out_magnitude[j] = size;
        top = z > top || z != z ? z : top;
    }
    if (truth->has_sink)
        sum += exp(truth->sink - top);
    for (int64_t j = 0; j < p->keys; ++j)
        if (out_score[j] != -INFINITY)
            sum += exp(out_score[j] - top);
    for (int64_t e = 0; e < p->dv; ++e) {
        const float *value =
            v + batch * s[TN_K_ATT_V][0] + kv * s[TN_K_ATT_V][1] + e * s[TN_K_ATT_V][3];
        double y = 0.0;
        for (int64_t j = 0; j < p->keys; ++j)
            if (out_score[j] != -INFINITY)
                y += exp(out_score[j] - top) / sum * (double)value[j * s[TN_K_ATT_V][2]];
        out[e] = y;
    }
}

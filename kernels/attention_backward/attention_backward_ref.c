/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention in float64, from the definition; it finds the softmax by itself. */
#include <kernels/attention_backward/attention_backward.h>
#include <math.h>

static double at(const tn_k_attention_params *f, void *const *operand, int which, int64_t b,
                 int64_t h, int64_t i, int64_t e)
{
    const int64_t *s = f->stride[which];
    return (double)tn_k_attention_load(f->type[which], tn_k_attention_operand(f, operand, which),
                                       b * s[0] + h * s[1] + i * s[2] + e * s[3]);
}

static bool takes_part(const tn_k_attention_params *f, const tn_attention *attr, int64_t keys,
                       int64_t i, int64_t j)
{
    int64_t key = attr->first_key + j, query = attr->first_query + i;
    if ((attr->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0)
        query = attr->first_key + i + keys - f->queries;
    if ((attr->flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) != 0 && key > query)
        return false;
    if ((attr->flags & TN_ATTENTION_WINDOW) == 0)
        return j < keys;
    return j < keys && (attr->window_left < 0 || key >= query - attr->window_left) &&
           (attr->window_right < 0 || key <= query + attr->window_right);
}

void tn_k_attention_backward_ref(const tn_k_attention_backward_params *p, const tn_attention *attr,
                                 void *const *operand, int64_t keys, double slope, int64_t b,
                                 int64_t h, double *scratch, double *dq, double *dk, double *dv)
{
    const tn_k_attention_params *f = &p->f;
    int64_t kv = h / (f->heads / f->kv_heads);
    double scale = attr->scale == 0.0f ? 1 / sqrt((double)f->d) : (double)attr->scale;
    double cap = (double)attr->softcap, *weight = scratch, *bent = scratch + f->keys;
    for (int64_t i = 0; i < f->queries; ++i) {
        double top = -INFINITY, sum = 0, d = 0;
        int64_t query_at = (attr->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0
                               ? attr->first_key + keys - f->queries + i
                               : attr->first_query + i;
        for (int64_t j = 0; j < f->keys; ++j) {
            double z = 0;
            const int64_t *ms = f->stride[TN_K_ATT_MASK];
            int64_t m = b * ms[0] + h * ms[1] + i * ms[2] + j * ms[3];
            const void *mask = tn_k_attention_operand(f, operand, TN_K_ATT_MASK);
            for (int64_t e = 0; e < f->d; ++e)
                z += at(f, operand, TN_K_ATT_Q, b, h, i, e) *
                     at(f, operand, TN_K_ATT_K, b, kv, j, e);
            z *= scale;
            bent[j] = 1;
            if (cap != 0) {
                bent[j] = 1 - tanh(z / cap) * tanh(z / cap);
                z = cap * tanh(z / cap);
            }
            if (f->mask == TN_K_ATT_ADD_MASK)
                z += (double)((const float *)mask)[m];
            z += slope * (double)(attr->first_key + j - query_at);
            bool in = takes_part(f, attr, keys, i, j) &&
                      (f->mask != TN_K_ATT_BOOL_MASK || ((const uint8_t *)mask)[m] != 0);
            weight[j] = in ? z : -INFINITY;
            top = fmax(top, weight[j]);
        }
        for (int64_t j = 0; j < f->keys; ++j) {
            weight[j] = weight[j] == -INFINITY ? 0 : exp(weight[j] - top);
            sum += weight[j];
        }
        const int64_t *gs = p->grad_stride;
        int64_t from = b * gs[0] + h * gs[1] + i * gs[2];
        for (int64_t e = 0; e < f->d; ++e)
            dq[i * f->d + e] = 0;
        for (int64_t e = 0; e < f->dv; ++e) {
            double o = 0, g = (double)tn_k_attention_load(p->grad_type, operand[p->grad_slot],
                                                          from + e * gs[3]);
            for (int64_t j = 0; j < f->keys && sum > 0; ++j) {
                o += weight[j] / sum * at(f, operand, TN_K_ATT_V, b, kv, j, e);
                dv[j * f->dv + e] += weight[j] / sum * g;
            }
            d += o * g;
        }
        for (int64_t j = 0; j < f->keys && sum > 0; ++j) {
            double ds = -d;
            for (int64_t e = 0; e < f->dv; ++e)
                ds += (double)tn_k_attention_load(p->grad_type, operand[p->grad_slot],
                                                  from + e * gs[3]) *
                      at(f, operand, TN_K_ATT_V, b, kv, j, e);
            ds *= weight[j] / sum * bent[j] * scale;
            for (int64_t e = 0; e < f->d; ++e) {
                dq[i * f->d + e] += ds * at(f, operand, TN_K_ATT_K, b, kv, j, e);
                dk[j * f->d + e] += ds * at(f, operand, TN_K_ATT_Q, b, h, i, e);
            }
        }
    }
}

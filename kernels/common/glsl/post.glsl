/* SPDX-License-Identifier: Apache-2.0 */
/* One step of an epilogue (docs/NUMERICS.md section 4), by the numbers of tn_post_kind. A module has
 * one function of them at most, ACT. */
float post_step(uint kind, float a, float b, float y, float r)
{
#if ACT == 7
    if (kind == 7u)
        return c_gelu(y);
#elif ACT == 8
    if (kind == 8u)
        return c_gelu_tanh(y);
#elif ACT == 9
    if (kind == 9u)
        return c_silu(y);
#endif
    return kind <= 2u   ? y + r /* bias, add */
           : kind == 3u ? y * r
           : kind == 4u ? y * a
           : kind == 5u ? c_min(c_max(y, a), b)
                        : c_relu(y);
}

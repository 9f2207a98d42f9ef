/* SPDX-License-Identifier: Apache-2.0 */
/* After chain.glsl: chains of fmas of which many are watched at once. s = watched(a, b, s, low) is
 * what chain.glsl makes; whether one of them may be other than the fma, and all have to be computed
 * again with it, tell low and few_bits(). Built from float64 that is so
 * - where the float64 sum is in the middle between two floats, where it may have been rounded to: its
 *   low 29 bits are then 2^28, and shifted up by 3 the least of all ints, TIE, which low becomes; and
 * - where a result below 2^-126 is rounded twice. Of operands that are 0 or not below 2^-51, which
 *   watch() sees to, products are multiples of 2^-148, as are all sums (s is a float): below 2^-126
 *   float64 and float32 hold those exactly.
 * Overflow and what is not finite go the same way in float64 as in the fma. */
const int TIE = -0x7fffffff - 1, NO_TIE = 0x7fffffff;
uvec4 watch_least; /* the least of what operands have but for their signs, 0 being the most */

void watch_none()
{
    watch_least = uvec4(0xffffffffu);
}

/* Before the operands are used. */
void watch(uvec4 bits)
{
    if (!PLAIN)
        watch_least = min(watch_least, (bits << 1u) - 1u);
}

/* An operand was below 2^-51. */
bool few_bits()
{
    const uint as_watched = (127u - 51u << 24u) - 1u;
    uvec2 least = min(watch_least.xy, watch_least.zw);
    return min(least.x, least.y) < as_watched;
}

float watched(float a, float b, float s, inout int low)
{
    float sum;
#ifdef FMA_F64
    if (PLAIN) { /* one way out: inlined early returns keep drivers from unrolling loops */
        sum = a * b + s;
    } else {
        double y = tn_d(a) * tn_d(b) + tn_d(s);
        low = min(low, int(D2U(y).x << 3u));
        sum = tn_d2f(y);
    }
#else
    uint never = 0u;
    sum = chain(a, b, s, never);
#endif
    return sum;
}

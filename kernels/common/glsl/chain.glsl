/* SPDX-License-Identifier: Apache-2.0 */
/* One link of a chain of fmas, s = chain(a, b, s, suspect). Built from float64 it takes the
 * short way: product and sum in float64, rounded once more to float32. That is the fma unless the
 * sum lies in the middle between two floats, where float64 may have rounded it to, or the result is
 * subnormal; `suspect` then becomes other than 0, and the chain has to be computed again with
 * FMA. PLAIN, for BOUNDED alone, rounds the product before it is added. */
layout(constant_id = 15) const bool PLAIN = false;
#ifdef FMA_F64
float chain(float a, float b, float s, inout uint suspect)
{
    float sum;
    if (PLAIN) { /* one way out: inlined early returns keep drivers from unrolling loops */
        sum = a * b + s;
    } else {
        double y = tn_d(a) * tn_d(b) + tn_d(s);
        uvec2 u = D2U(y);
        bool tie = (u.x & 0x1fffffffu) == 0x10000000u;
        bool tiny = (u.y & 0x7fffffffu) - 1u < 0x380fffffu; /* below 2^-126, and not 0 */
        suspect |= tie || tiny ? 1u : 0u;
        sum = tn_d2f(y);
    }
    return sum;
}
#else
float chain(float a, float b, float s, inout uint suspect)
{
    if (PLAIN)
        return a * b + s;
    return FMA(a, b, s);
}
#endif

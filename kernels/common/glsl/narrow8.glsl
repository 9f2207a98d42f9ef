/* SPDX-License-Identifier: Apache-2.0 */
/* f32 to the 8-bit floats, to nearest even; for the modules that write them. Above the range e5m2
 * becomes an infinity and e4m3 a NaN, or the largest value where `saturate`. */
uint c_f8_round(uint a, uint mantissa_bits, uint bias) /* magnitude to that many bits, unbounded */
{
    uint least = 128u - bias, e = max(a >> 23, least); /* least: of the smallest normal number */
    uint m = (a & 0x7fffffu) | 0x800000u;
    /* 25 more and nothing is left; 0 and subnormal floats are far below. */
    uint shift = min(23u - mantissa_bits + (e - (a >> 23)), 25u);
    uint q = m >> shift, rest = m & ((1u << shift) - 1u), tie = 1u << (shift - 1u);
    q += rest > tie || (rest == tie && (q & 1u) != 0u) ? 1u : 0u;
    return (e - least << mantissa_bits) + q;
}
uint c_e5m2_narrow(float x, bool saturate)
{
    uint sign = F2U(x) >> 24 & 0x80u, a = F2U(x) & 0x7fffffffu;
    if (a > 0x7f800000u)
        return 0x7eu;
    uint q = c_f8_round(a, 2u, 15u);
    return sign | (q >= 0x7cu ? (saturate ? 0x7bu : 0x7cu) : q);
}
uint c_e4m3_narrow(float x, bool saturate)
{
    uint sign = F2U(x) >> 24 & 0x80u, a = F2U(x) & 0x7fffffffu;
    if (a > 0x7f800000u)
        return 0x7fu;
    uint q = c_f8_round(a, 3u, 7u);
    return q > 0x7eu ? (saturate ? sign | 0x7eu : 0x7fu) : sign | q;
}
uint c_narrow8(uint type, float x, bool saturate)
{
    return type == T_E4M3   ? c_e4m3_narrow(x, saturate)
           : type == T_E5M2 ? c_e5m2_narrow(x, saturate)
                            : c_narrow(type, x);
}

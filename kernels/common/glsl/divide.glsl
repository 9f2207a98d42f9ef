/* SPDX-License-Identifier: Apache-2.0 */
/* Right to the last bit: by float64, whose quotient rounded again is the quotient rounded once, or
 * by the device, which was asked when it was opened. */
float c_divide(float x, float y)
{
#ifdef FMA_F64
    return tn_d2f(tn_d(x) / tn_d(y));
#else
    return x / y;
#endif
}

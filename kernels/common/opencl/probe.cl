/* SPDX-License-Identifier: Apache-2.0 */
/* What is found out when a device is opened: the bits of fma, + and *. `io` is, in words: count, a word
 * that says that the probe ran, then three operands and three results an item. */
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void tn_probe(__global uint *io)
{
    io[1] = io[0] ^ 0x5a5a5a5au;
    for (uint i = 0; i < io[0]; i++) {
        __global uint *at = io + 2 + 6 * i;
        float a = as_float(at[0]), b = as_float(at[1]), c = as_float(at[2]);
        at[3] = as_uint(fma(a, b, c));
        at[4] = as_uint(a + b);
        at[5] = as_uint(a * b);
    }
}

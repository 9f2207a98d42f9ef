/* SPDX-License-Identifier: Apache-2.0 */
/* Where outputs of pool and their taps lie. */
int position[3];
int from, to; /* the plane in A, the element in OUT */

void pool_locate(int r)
{
    int space = P.size[0] * P.size[1] * P.size[2];
    position[2] = r % P.size[2];
    position[1] = r / P.size[2] % P.size[1];
    position[0] = r / P.size[2] / P.size[1] % P.size[0];
    int n = r / space / P.channels, c = r / space % P.channels;
    from = n * P.a_n + c * P.a_c;
    to = n * P.out_n + c * P.out_c + position[0] * P.out_s[0] + position[1] * P.out_s[1] +
         position[2] * P.out_s[2];
}

/* False: the tap is outside. */
bool pool_tap(int k, out int at)
{
    int t[3] = int[3](k / P.window[2] / P.window[1], k / P.window[2] % P.window[1], k % P.window[2]);
    bool inside = true;
    at = from;
    for (int d = 0; d < 3; d++) {
        int i = position[d] * P.stride[d] - P.lo[d] + t[d] * P.dilation[d];
        inside = inside && i >= 0 && i < P.in_size[d];
        at += i * P.a_s[d];
    }
    return inside;
}

int pool_taps() { return P.window[0] * P.window[1] * P.window[2]; }

/* SPDX-License-Identifier: Apache-2.0 */
/* After conv.glsl: where taps lie, of kernels that go through them one by one. */
layout(constant_id = 4) const bool TRANSPOSED = false;

/* Where the pixel's tap lies in A, from `a` on, and its filter's; false: outside. */
bool tap_at(int tap, ivec4 position, int a, out int at, out int b)
{
    int k[3] = int[3](tap / P.kernel[2] / P.kernel[1], tap / P.kernel[2] % P.kernel[1],
                      tap % P.kernel[2]);
    bool inside = true;
    at = a;
    b = 0;
    for (int d = 0; d < 3; d++) {
        int i = TRANSPOSED ? position[d] + P.lo[d] - k[d] * P.dilation[d]
                           : position[d] * P.stride[d] - P.lo[d] + k[d] * P.dilation[d];
        if (TRANSPOSED) {
            inside = inside && i >= 0 && i % P.stride[d] == 0;
            i /= P.stride[d];
        }
        inside = inside && i >= 0 && i < P.in_size[d];
        at += i * P.a.s[d];
        b += k[d] * P.b_s[d];
    }
    return inside;
}

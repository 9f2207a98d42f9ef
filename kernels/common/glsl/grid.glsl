/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets in index spaces as in kernels/common/shape.h: GRID(name, params) makes
 * name(operand, index of a point in row-major order). */
#define GRID(name, g)                                                                              \
    int name(uint operand, int index)                                                              \
    {                                                                                              \
        int at = 0;                                                                                \
        for (int d = g.rank - 1; d >= 0; d--) {                                                    \
            int n = g.dim[d], q = index / n;                                                       \
            at += (index - q * n) * g.stride[operand * 8u + uint(d)];                              \
            index = q;                                                                             \
        }                                                                                          \
        return at;                                                                                 \
    }

/* SPDX-License-Identifier: Apache-2.0 */
/* The 64 lanes of reduce as the 64 invocations of a workgroup (docs/NUMERICS.md section 3). All of
 * them call these together. */
#define LANES   64u
#define SEGMENT 4096
#define LANE    gl_LocalInvocationID.x

shared uint tn_lane[64];

/* lane l = lane l + lane (l + h) for h = 32 .. 1; every lane gets lane 0. */
float fold(float x)
{
    barrier();
    tn_lane[LANE] = F2U(x);
    barrier();
    for (uint h = 32u; h > 0u; h /= 2u) {
        if (LANE < h)
            tn_lane[LANE] = F2U(U2F(tn_lane[LANE]) + U2F(tn_lane[LANE + h]));
        barrier();
    }
    return U2F(tn_lane[0]);
}

/* The greatest of all lanes' keys. */
int fold_max(int key)
{
    barrier();
    tn_lane[LANE] = uint(key);
    barrier();
    for (uint h = 32u; h > 0u; h /= 2u) {
        if (LANE < h)
            tn_lane[LANE] = uint(max(int(tn_lane[LANE]), int(tn_lane[LANE + h])));
        barrier();
    }
    return int(tn_lane[0]);
}
int fold_min(int key) { return -1 - fold_max(-1 - key); }

/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of attention share. The workspace holds, a row of `blocks` blocks of 128 keys a
 * query row: first the scores, which become the weights; then M of each block; then l. */
#define NO_PART uint(0xbf800000u) /* the weight of a key that takes no part: no weight is below 0 */

layout(set = 0, binding = 8, std430) buffer Workspace { uint work[]; };

int rows() { return P.batch * P.heads * P.queries; }
uint score_at(int row, int key) { return push.at[8] + uint(row * P.blocks * 128 + key); }
uint top_at(int row, int block) { return push.at[8] + uint(rows() * P.blocks * 128 + row * P.blocks + block); }
uint sum_at(int row, int block) { return top_at(row, block) + uint(rows() * P.blocks); }

float pow2_of(float e)
{
    if (e < -126.0f)
        return 0.0f;
    return U2F(uint(int(e > 127.0f ? 127.0f : e) + 127) << 23);
}

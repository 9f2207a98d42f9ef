/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of attention's backward pass share: the workspace holds the weight of each pair of
 * query and key, then the gradient of each score. */
#define NO_PART 0xbf800000u /* the weight of a pair that takes no part: no weight is below 0 */

layout(set = 0, binding = 8, std430) buffer Workspace { uint work[]; };

int rows() { return P.batch * P.heads * P.queries; }
uint weight_at(int row, int key) { return push.at[8] + uint(row * P.keys + key); }
uint score_at(int row, int key) { return weight_at(row + rows(), key); }

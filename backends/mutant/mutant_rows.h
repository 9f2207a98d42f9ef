/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to get attention wrong; what mutant_rows.c takes from mutant_attention.c. */
#ifndef TN_BACKEND_MUTANT_ROWS_H
#define TN_BACKEND_MUTANT_ROWS_H

#include "mutant.h"

enum {
    ATT_NO_MAX,
    ATT_ADD_10000,
    ATT_ADD_30,
    ATT_NO_RESCALE,
    ATT_EXTRA,
    ATT_WEIGHTS_BF16,
    ATT_SCORES_F16,
    ATT_SCHRAUDOLPH,
    ATT_QUADRATIC,
    ATT_EXP_BF16,
    ATT_MEAN_ROW,
    ATT_HEADS,
    ATT_V_SHIFTED
};
bool tn__mutant_attention_meets(mutant_op *o, int how);
void tn__mutant_attention(mutant_run *r, int how);

#endif

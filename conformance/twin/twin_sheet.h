/* SPDX-License-Identifier: Apache-2.0 */
/* A datasheet of tenon fingerprint, read back: the sums that it knows. */
#ifndef TN_CONFORMANCE_TWIN_SHEET_H
#define TN_CONFORMANCE_TWIN_SHEET_H

#include <conformance/fingerprint/fingerprint.h>

enum { TN_V_SHEET_SUMS = 64 };
typedef struct tn_v_sum {
    tn_v_print print;     /* shape, types, paths, traits */
    unsigned char *place; /* [m * n]: the path of each place; NULL: one path for all */
} tn_v_sum;
typedef struct tn_v_sheet {
    char device[128];
    int sums;
    tn_v_sum sum[TN_V_SHEET_SUMS];
} tn_v_sheet;

/** Read a datasheet.
 *  memory    tn_v_sheet_free gives it back
 *  returns   false with the reason in `why` */
bool tn_v_sheet_read(const char *path, tn_v_sheet *out, char *why, uint64_t bytes);
void tn_v_sheet_free(tn_v_sheet *s);

#endif

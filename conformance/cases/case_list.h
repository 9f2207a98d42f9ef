/* SPDX-License-Identifier: Apache-2.0 */
/* How the files that list cases hand them over. */
#ifndef TN_CONFORMANCE_CASE_LIST_H
#define TN_CONFORMANCE_CASE_LIST_H

#include <conformance/cases/cases.h>

typedef struct tn_v_sink {
    tn_v_case *cases;
    long count, room;
    tn_v_list list;
    const char *cls; /* in the place of bounded; NULL: as it is written */
    bool failed;
} tn_v_sink;

/* A set of classes, one bit each. */
#define TN_V_BIT(data) (1u << (data))

/* So many cases of 2^20 numbers have every mantissa of f32. */
enum { TN_V_MANTISSA_CASES = 8 };

/** Add an op with each class of a set if the list reaches that far: `from` is the smallest of
 *  quick, standard and full that has it; levels up to 5 also belong to bringup. */
void tn_v_add(tn_v_sink *s, tn_v_list from, int level, uint32_t classes, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/** The same of `op` and a form of it, which has a %s for the type, or two. */
void tn_v_add_form(tn_v_sink *s, tn_v_list from, int level, uint32_t classes, const char *op,
                   const char *form, const char *type);

void tn_v_list_matmul(tn_v_sink *s);
void tn_v_list_conv(tn_v_sink *s);
void tn_v_list_attention(tn_v_sink *s);
void tn_v_list_rows(tn_v_sink *s);
void tn_v_list_moves(tn_v_sink *s);
void tn_v_list_edges(tn_v_sink *s);
void tn_v_list_drawn(tn_v_sink *s);
void tn_v_list_places(tn_v_sink *s);
void tn_v_list_classes(tn_v_sink *s);
void tn_v_list_lowlevel(tn_v_sink *s);

#endif

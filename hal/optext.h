/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of an op: what its writer and its reader share. */
#ifndef TN_HAL_OPTEXT_H
#define TN_HAL_OPTEXT_H

#include "hal/op.h"

/* The dims of the text. matmul: batch..., M, N, K; attention: the letters below; others: the dims
 * of a (eltwise: of out). */
enum { TN__LETTERS = 7 };
extern const char tn__letters[TN__LETTERS + 1]; /* "bhgqkde": batch, heads, key heads, queries,
                                                    keys, d of q and k, d of v */
typedef struct tn__headline {
    tn_op_kind kind;
    uint32_t sub; /* kind of eltwise, norm, reduce */
    uint32_t pass;
    uint32_t rank;
    int64_t dim[TN_MAX_RANK + 1];
    bool batch; /* attention: letter b was given */
    uint16_t dtype[5]; /* or TN__TEXT_BLOCKS + a layout of blocks, which implies its dtype */
} tn__headline;
enum { TN__TEXT_BLOCKS = 256 };
const char *tn__text_type_name(uint16_t type);

/* Conv: dims of the headline up to s, then what goes to the attribute. rank: spatial dims. */
enum { TN__CONV_LETTERS = 13 };
extern const char tn__conv_letters[TN__CONV_LETTERS + 1]; /* batch, channels, depth, height, width,
    filters, kernel depth, height and width, groups, padding, stride (u) and dilation (l) */
bool tn__conv_letter_set(tn_conv *t, uint32_t letter, int64_t value, uint32_t dims);
bool tn__conv_tensor(const tn__headline *h, const tn__op_view *v, uint32_t role, tn_tensor *t);
void tn__conv_headline(const tn__op_view *v, tn__headline *h);
void tn__conv_put_letters(const tn__op_view *v, const tn__headline *h, char *text, size_t bytes);
void tn__pool_put_keys(const tn__op_view *v, char *text, size_t bytes);
void tn__conv_put_keys(const tn__op_view *v, char *text, size_t bytes); /* "+key+key=.." or "" */

/* The roles that the dtype list names, in its order; returns how many. */
uint32_t tn__headline_roles(const tn__headline *h, uint32_t roles[5]);
/* Fills the dtype list from one name. */
void tn__headline_dtypes(tn__headline *h, uint16_t dtype);
/* The tensor that a role has unless the text says otherwise. `op` gives attr and posts, and for
 * gather the index. False: the headline has no place for the role. */
bool tn__headline_tensor(const tn__headline *h, const tn__op_view *op, uint32_t role,
                         tn_tensor *out);
/* NULL or 0 where there is no such word. */
const char *tn__optext_sub_name(tn_op_kind kind, uint32_t sub);
bool tn__optext_sub_find(tn_op_kind kind, const char *word, size_t n, uint32_t *out);
const char *tn__optext_post_name(tn_post_kind kind);

/* What to do with a word of an op. */
enum {
    TN__WORD_FLAG,
    TN__WORD_ONE,  /* sets an uint32_t to 1 */
    TN__WORD_PASS, /* sets the pass of the attributes */
    TN__WORD_FLOAT,
    TN__WORD_INT,
    TN__WORD_INT32,
    TN__WORD_INT64,
    TN__WORD_PAIR,
    TN__WORD_LIST,
    TN__WORD_SPACE,
    TN__WORD_FLOATS,
    TN__WORD_AXES
};
typedef struct tn__word_row {
    const char *name;
    uint32_t what, flag; /* flag: bits to set in the op's flags; PASS: the value */
    size_t at;           /* offset in tn__attr of a float, int32_t or int64_t */
} tn__word_row;
/* The words of an op's keys; a NULL name ends the list. *out_flags: where their flags go, or NULL.
 */
const tn__word_row *tn__optext_words(tn_op_kind kind, tn__attr *attr, uint32_t **out_flags);

#endif

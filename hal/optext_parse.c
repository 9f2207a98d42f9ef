/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the text form of an op; the grammar stands in optext.c. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <math.h>
#include <stdio.h>

#include "hal/optext.h"

/* The op while it grows, and where the reader is. */
typedef struct reader {
    const char *text, *at;
    tn__headline head;
    tn__op_view v; /* v.op.args and posts point to the arrays below */
    tn_arg args[TN__OP_ARGS];
    tn_post posts[TN__OP_POSTS];
} reader;

static tn_status bad(const reader *r, const char *reason, const char *want)
{
    return tn__fail(TN_STATUS_INVALID, reason, "text", "text at character %u (\"%.24s\"): %s",
                    (unsigned)(r->at - r->text) + 1, r->at, want);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_' || is_digit(c);
}

/* Consumes `c` if it comes next. */
static bool take(reader *r, char c)
{
    if (*r->at != c)
        return false;
    ++r->at;
    return true;
}

static size_t word_length(const reader *r)
{
    size_t n = 0;
    while (is_word(r->at[n]))
        ++n;
    return n;
}

static bool word_is(const char *word, size_t n, const char *name)
{
    return name != NULL && strlen(name) == n && memcmp(word, name, n) == 0;
}

static tn_status read_int(reader *r, int64_t *out)
{
    const char *start = r->at;
    bool minus = take(r, '-');
    int64_t n = 0;
    if (!is_digit(*r->at)) {
        r->at = start;
        return bad(r, "optext.number", "a whole number is expected");
    }
    for (; is_digit(*r->at); ++r->at)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *r->at - '0', &n)) {
            r->at = start;
            return bad(r, "optext.number", "a whole number that fits 64 bits is expected");
        }
    *out = minus ? -n : n;
    return TN_OK;
}

/* A whole number in [low, high]. */
static tn_status read_range(reader *r, int64_t low, int64_t high, int64_t *out)
{
    const char *start = r->at;
    tn_status st = read_int(r, out);
    if (st == TN_OK && (*out < low || *out > high)) {
        r->at = start;
        char want[64];
        (void)snprintf(want, sizeof want, "a number from %lld to %lld is expected", (long long)low,
                       (long long)high);
        st = bad(r, "optext.range", want);
    }
    return st;
}

/* Nine digits in double, scaled by a power of ten, name an f32 surely; no locale is asked. */
static tn_status read_float(reader *r, float *out)
{
    bool minus = take(r, '-');
    size_t n = word_length(r);
    if (word_is(r->at, n, "inf") || word_is(r->at, n, "nan")) {
        *out = *r->at == 'n' ? NAN : INFINITY;
        r->at += n;
    } else {
        double value = 0.0;
        int64_t exponent = 0, digits = 0;
        for (; is_digit(*r->at); ++r->at, ++digits)
            value = value * 10.0 + (*r->at - '0');
        if (take(r, '.'))
            for (; is_digit(*r->at); ++r->at, ++digits, --exponent)
                value = value * 10.0 + (*r->at - '0');
        if (digits == 0 || digits > 40)
            return bad(r, "optext.float", "a decimal number is expected");
        int64_t e = 0;
        if (take(r, 'e')) {
            tn_status st = read_range(r, -60, 60, &e);
            if (st != TN_OK)
                return st;
        }
        exponent += e;
        double scale = 1.0;
        for (int64_t i = exponent < 0 ? -exponent : exponent; i > 0; --i)
            scale *= 10.0;
        *out = (float)(exponent < 0 ? value / scale : value * scale);
    }
    if (minus)
        *out = -*out;
    return TN_OK;
}

static tn_status read_dtype(reader *r, uint16_t *out)
{
    size_t n = word_length(r);
    for (int d = TN_F64; d <= TN_BOOL; ++d)
        if (word_is(r->at, n, tn_dtype_name((tn_dtype)d))) {
            r->at += n;
            *out = (uint16_t)d;
            return TN_OK;
        }
    return bad(r, "optext.dtype", "a dtype is expected: f32, bf16, s8, bool, ...");
}

/* A dtype, or a layout of blocks. */
static tn_status read_type(reader *r, uint16_t *out)
{
    size_t n = word_length(r);
    for (uint16_t l = TN_LAYOUT_Q4_0; l <= TN_LAYOUT_MXFP4; ++l)
        if (word_is(r->at, n, tn__block_name(l))) {
            r->at += n;
            *out = (uint16_t)(TN__TEXT_BLOCKS + l);
            return TN_OK;
        }
    return read_dtype(r, out);
}

/* Dtypes written as one word, "u8s8s32", no name of which begins another; false: it is none. */
static bool read_joined(reader *r, uint32_t want, uint16_t *list)
{
    size_t n = word_length(r), at = 0;
    uint32_t count = 0;
    uint16_t found[5] = {0};
    while (at < n) {
        size_t step = 0;
        for (int d = TN_F64; d <= TN_BOOL && count < want; ++d) {
            const char *name = tn_dtype_name((tn_dtype)d);
            if (strncmp(r->at + at, name, strlen(name)) == 0) {
                step = strlen(name);
                found[count] = (uint16_t)d;
            }
        }
        if (step == 0)
            return false;
        at += step;
        ++count;
    }
    if (at != n || count != want)
        return false;
    memcpy(list, found, sizeof found);
    r->at += n;
    return true;
}

static tn_status read_dims(reader *r, int64_t *dim, uint32_t most, uint32_t *out_rank)
{
    *out_rank = 0;
    if (*r->at == '-' && !is_digit(r->at[1])) {
        ++r->at;
        return TN_OK;
    }
    do {
        if (*out_rank == most)
            return bad(r, "optext.rank", "no more dims are expected, at most 8 (matmul 9)");
        tn_status st = read_int(r, &dim[*out_rank]);
        if (st != TN_OK)
            return st;
        ++*out_rank;
    } while (take(r, 'x'));
    return TN_OK;
}

static tn_status read_letters(reader *r)
{
    tn__headline *h = &r->head;
    uint32_t seen = 0;
    h->rank = TN__LETTERS;
    while (*r->at >= 'a' && *r->at <= 'z') {
        const char *letter = strchr(tn__letters, *r->at);
        if (letter == NULL || (seen >> (letter - tn__letters) & 1u) != 0)
            return bad(r, "optext.letter", "one each of b h g q k d e is expected");
        uint32_t i = (uint32_t)(letter - tn__letters);
        ++r->at;
        tn_status st = read_int(r, &h->dim[i]);
        if (st != TN_OK)
            return st;
        seen |= 1u << i;
    }
    if ((seen & 0x3au) != 0x3au) /* h q k d */
        return bad(r, "optext.letter", "the letters h, q, k and d are expected");
    h->batch = (seen & 1u) != 0;
    if ((seen & 4u) == 0)
        h->dim[2] = h->dim[1];
    if ((seen & 64u) == 0)
        h->dim[6] = h->dim[5];
    return TN_OK;
}

static tn_status read_conv_letters(reader *r)
{
    enum { H = 1u << 3, D = 1u << 2, T = 1u << 6, R = 1u << 7, NEEDED = 0x132 }; /* c w k s */
    tn__headline *h = &r->head;
    int64_t value[TN__CONV_LETTERS] = {1};
    uint32_t seen = 0;
    const char *start = r->at;
    while (*r->at >= 'a' && *r->at <= 'z') {
        const char *letter = strchr(tn__conv_letters, *r->at);
        if (letter == NULL || (seen >> (letter - tn__conv_letters) & 1u) != 0)
            return bad(r, "optext.letter", "one each of n c d h w k t r s g p u l is expected");
        ++r->at;
        tn_status st = read_int(r, &value[letter - tn__conv_letters]);
        if (st != TN_OK)
            return st;
        seen |= 1u << (letter - tn__conv_letters);
    }
    h->rank = (seen & D) != 0 ? 3 : (seen & H) != 0 ? 2 : 1;
    r->v.attr.conv.dims = h->rank;
    bool fits = (seen & NEEDED) == NEEDED && ((seen & R) != 0) == (h->rank > 1) &&
                ((seen & T) != 0) == (h->rank > 2) && (h->rank < 3 || (seen & H) != 0);
    for (uint32_t i = 0; i < TN__CONV_LETTERS; ++i)
        if ((seen >> i & 1u) != 0)
            fits = fits && tn__conv_letter_set(&r->v.attr.conv, i, value[i], h->rank);
    if (!fits) {
        r->at = start;
        return bad(r, "optext.letter",
                   "c w k s are expected, with h r or d h t r; 31 bits for gpul");
    }
    memcpy(h->dim, value, sizeof h->dim);
    return TN_OK;
}

static tn_status read_headline(reader *r)
{
    tn__headline *h = &r->head;
    tn_status st;
    size_t n = word_length(r);
    for (uint32_t kind = TN_OP_MATMUL; kind <= tn__op_newest; ++kind)
        if (word_is(r->at, n, tn__op_name((tn_op_kind)kind)))
            h->kind = (tn_op_kind)kind;
    if (h->kind == 0)
        return bad(r, "optext.op", "an op is expected: matmul, attention, softmax, norm, ...");
    r->v.row = tn__op_find((uint32_t)h->kind, TN_PASS_FORWARD);
    r->at += n;
    if (!take(r, ' '))
        return bad(r, "optext.space", "one space is expected");
    if (tn__optext_sub_name(h->kind, h->kind == TN_OP_ELTWISE) != NULL) {
        n = word_length(r);
        if (!tn__optext_sub_find(h->kind, r->at, n, &h->sub))
            return bad(r, "optext.word", "the kind of this op is expected: add, layer, sum, ...");
        r->at += n;
        if (!take(r, ' '))
            return bad(r, "optext.space", "one space is expected");
    }
    if (h->kind == TN_OP_ATTENTION)
        return read_letters(r);
    if (h->kind == TN_OP_CONV)
        return read_conv_letters(r);
    bool matmul = h->kind == TN_OP_MATMUL;
    st = read_dims(r, h->dim, matmul ? TN_MAX_RANK + 1 : TN_MAX_RANK, &h->rank);
    if (st == TN_OK && matmul && h->rank < 3)
        return bad(r, "optext.rank", "MxNxK is expected for matmul");
    return st;
}

/* The dtypes may be left out: f32. */
static tn_status read_dtypes(reader *r)
{
    tn__headline *h = &r->head;
    uint32_t roles[5], want = tn__headline_roles(h, roles), count = 0;
    uint16_t list[5] = {TN_F32};
    const char *before = r->at;
    if (take(r, ':') && want > 1 && read_joined(r, want, list)) {
        count = want;
    } else if (r->at != before) {
        tn_status st = read_type(r, &list[0]);
        if (st != TN_OK) {
            r->at = before; /* then these are the keys, which complain for themselves */
        } else {
            for (count = 1; take(r, ',');) {
                if (count == want)
                    return bad(r, "optext.dtypes",
                               "no more dtypes are expected than there are operands");
                st = read_type(r, &list[count]);
                if (st != TN_OK)
                    return st;
                ++count;
            }
        }
    }
    if (count > 1 && count != want)
        return bad(r, "optext.dtypes",
                   "one dtype is expected, or one for each operand and the output");
    if (count > 1)
        memcpy(h->dtype, list, sizeof list);
    else
        tn__headline_dtypes(h, list[0]);
    return TN_OK;
}

/* ---- keys ---- */

static bool role_is(uint32_t role, const char *word, size_t n)
{
    char name[16];
    return role != 0 && tn__role_name(role, name, sizeof name) && word_is(word, n, name);
}

/* The role of an op that a word names, or 0. */
static uint32_t find_role(const tn__op_row *row, const char *word, size_t n)
{
    for (int i = 0; i < TN__OP_REQUIRED; ++i)
        if (role_is(row->required[i], word, n))
            return row->required[i];
    for (int i = 0; i < TN__OP_OPTIONAL; ++i)
        if (role_is(row->optional[i], word, n))
            return row->optional[i];
    for (int i = 0; i < TN__OP_OUTPUTS; ++i)
        if (role_is(row->outputs[i], word, n))
            return row->outputs[i];
    for (uint32_t i = 0; row->posts && i < TN__OP_POSTS; ++i)
        if (role_is(TN_ARG_POST0 + i, word, n))
            return TN_ARG_POST0 + i;
    for (uint32_t i = 0; row->inputs && i < TN__OP_ARGS; ++i)
        if (role_is(TN_ARG_INPUT0 + i, word, n))
            return TN_ARG_INPUT0 + i;
    return 0;
}

static tn_arg *find_arg(reader *r, uint32_t role)
{
    for (uint32_t i = 0; i < r->v.op.arg_count; ++i)
        if (r->args[i].role == role)
            return &r->args[i];
    return NULL;
}

static tn_status read_pair(reader *r, int64_t *a, int64_t *b)
{
    tn_status st = read_int(r, a);
    if (st == TN_OK && !take(r, 'x'))
        st = bad(r, "optext.pair", "an x and a second number are expected");
    return st == TN_OK ? read_int(r, b) : st;
}

/* The value of a word, behind its "=". */
static tn_status read_value(reader *r, const tn__word_row *row)
{
    unsigned char *to = (unsigned char *)&r->v.attr + row->at;
    int64_t pair[2], list[TN_MAX_RANK] = {0};
    float f;
    int32_t small;
    uint32_t count;
    tn_status st;
    switch (row->what) {
    case TN__WORD_FLOAT:
        st = read_float(r, &f);
        if (st == TN_OK)
            memcpy(to, &f, sizeof f);
        return st;
    case TN__WORD_INT:
    case TN__WORD_INT32:
        st = row->what == TN__WORD_INT ? read_range(r, -TN_MAX_RANK, TN_MAX_RANK, &pair[0])
                                       : read_range(r, INT32_MIN, INT32_MAX, &pair[0]);
        small = (int32_t)pair[0];
        if (st == TN_OK)
            memcpy(to, &small, sizeof small);
        return st;
    case TN__WORD_INT64:
        st = read_int(r, &pair[0]);
        if (st == TN_OK)
            memcpy(to, pair, sizeof pair[0]);
        return st;
    case TN__WORD_LIST:
        st = read_dims(r, list, TN_MAX_RANK, &count);
        if (st == TN_OK)
            memcpy(to, list, sizeof list);
        return st;
    case TN__WORD_FLOATS: {
        float floats[TN_MAX_RANK] = {0};
        count = 0;
        do {
            if (count == TN_MAX_RANK)
                return bad(r, "optext.rank", "no more than 8 numbers are expected");
            st = read_float(r, &floats[count++]);
        } while (st == TN_OK && take(r, 'x'));
        if (st == TN_OK)
            memcpy(to, floats, sizeof floats);
        return st;
    }
    case TN__WORD_SPACE: {
        int32_t space[3] = {0};
        st = read_dims(r, list, 3, &count);
        for (uint32_t d = 0; st == TN_OK && d < count; ++d) {
            space[d] = (int32_t)list[d];
            if (list[d] != space[d])
                st = bad(r, "optext.range", "numbers of 32 bits are expected");
        }
        if (st == TN_OK)
            memcpy(to, space, sizeof space);
        return st;
    }
    case TN__WORD_PAIR:
        st = read_pair(r, &pair[0], &pair[1]);
        if (st == TN_OK)
            memcpy(to, pair, sizeof pair);
        return st;
    default:
        do {
            st = read_range(r, 0, TN_MAX_RANK - 1, &pair[0]);
            if (st == TN_OK)
                r->v.attr.reduce.axes_mask |= 1u << pair[0];
        } while (st == TN_OK && take(r, 'x'));
        return st;
    }
}

static tn_status read_post(reader *r, tn_post_kind kind)
{
    tn_status st = TN_OK;
    uint32_t i = r->v.op.post_count;
    if (i == TN__OP_POSTS)
        return bad(r, "optext.posts", "no more posts are expected, at most 8");
    r->posts[i] = (tn_post){.kind = kind};
    if (kind == TN_POST_BIAS || kind == TN_POST_ADD || kind == TN_POST_MUL)
        r->posts[i].role = TN_ARG_POST0 + i;
    if (kind == TN_POST_SCALE || kind == TN_POST_CLAMP) {
        if (!take(r, '='))
            return bad(r, "optext.value", "=a/b is expected");
        st = read_float(r, &r->posts[i].a);
        if (st == TN_OK && !take(r, '/'))
            st = bad(r, "optext.value", "a / and a second number are expected");
        if (st == TN_OK)
            st = read_float(r, &r->posts[i].b);
    }
    ++r->v.op.post_count;
    return st;
}

static tn_status read_numerics(reader *r, const char *word, size_t n, bool *out_found)
{
    static const char *const classes[] = {"bounded", "fast", "canonical", "exact"};
    static const char *const allows[] = {"tf32", "bf16", "f16acc", "winograd"};
    tn_numerics *num = &r->v.op.numerics;
    *out_found = true;
    for (uint32_t i = 0; i < 4; ++i) {
        if (word_is(word, n, classes[i])) {
            num->cls = (tn_class)i;
            return TN_OK;
        }
        if (word_is(word, n, allows[i])) {
            num->allow |= 1u << i;
            return TN_OK;
        }
    }
    if (word_is(word, n, "saturate")) {
        num->flags |= TN_NUMERICS_SATURATE;
        return TN_OK;
    }
    bool acc = word_is(word, n, "acc");
    if (acc || word_is(word, n, "v")) {
        int64_t version = 0;
        if (!acc && *r->at != '=') {
            *out_found = false; /* the operand v */
            return TN_OK;
        }
        if (!take(r, '='))
            return bad(r, "optext.value", "= and a value are expected");
        if (acc)
            return read_dtype(r, &num->accumulate);
        tn_status st = read_range(r, 0, UINT16_MAX, &version);
        num->canonical_version = (uint16_t)version;
        return st;
    }
    *out_found = false;
    return TN_OK;
}

/* Skips the value of a key that belongs to the other pass. */
static void skip_value(reader *r)
{
    while (*r->at != '\0' && *r->at != '+')
        ++r->at;
}

/* First pass: attribute, posts, numerics; operands come when these are known. */
static tn_status read_setting(reader *r)
{
    const char *word = r->at;
    size_t n = word_length(r);
    uint32_t *flags;
    bool found;
    r->at += n;
    /* CANONICAL's "v=1" and attention's operand "v=1x2x3x4" differ by the x */
    bool version = word_is(word, n, "v") && strcspn(r->at, "x+") == strcspn(r->at, "+");
    if (!word_is(word, n, "v") || version) {
        tn_status st = read_numerics(r, word, n, &found);
        if (st != TN_OK || found)
            return st;
    }
    for (const tn__word_row *row = tn__optext_words(r->head.kind, &r->v.attr, &flags);
         row->name != NULL; ++row)
        if (word_is(word, n, row->name)) {
            if (row->what == TN__WORD_PASS) {
                memcpy((unsigned char *)&r->v.attr + row->at, &row->flag, sizeof row->flag);
                return TN_OK;
            }
            if (row->flag != 0)
                *flags |= row->flag;
            if (row->what == TN__WORD_ONE)
                memcpy((unsigned char *)&r->v.attr + row->at, &(uint32_t){1}, sizeof(uint32_t));
            if (row->what <= TN__WORD_ONE)
                return TN_OK;
            return take(r, '=') ? read_value(r, row)
                                : bad(r, "optext.value", "= and a value are expected");
        }
    for (uint32_t p = TN_POST_BIAS; r->v.row->posts && p <= TN_POST_SILU; ++p)
        if (word_is(word, n, tn__optext_post_name((tn_post_kind)p)))
            return read_post(r, (tn_post_kind)p);
    if (word_is(word, n, "packed") || word_is(word, n, "layout") || word_is(word, n, "alias") ||
        word_is(word, n, "const") || find_role(r->v.row, word, n) != 0) {
        skip_value(r);
        return TN_OK;
    }
    r->at = word;
    return bad(r, "optext.key", "a key of this op is expected");
}

static tn_arg *add_arg(reader *r, uint32_t role)
{
    tn_arg *a = find_arg(r, role);
    if (a == NULL && r->v.op.arg_count < TN__OP_ARGS) {
        a = &r->args[r->v.op.arg_count++];
        a->role = role;
    }
    return a;
}

static tn_status read_operand(reader *r, uint32_t role)
{
    int64_t dims[TN_MAX_RANK] = {0};
    uint32_t rank;
    tn_arg *a = add_arg(r, role);
    if (a == NULL)
        return bad(r, "optext.operands", "no more operands are expected");
    tn_status st = TN_OK;
    uint64_t layout = a->tensor.layout; /* its key may stand before this one */
    bool known = tn__headline_tensor(&r->head, &r->v, role, &a->tensor);
    if (layout != 0)
        a->tensor.layout = layout;
    if (!known && *r->at != '=')
        return bad(r, "optext.operand", "=DIMS of this operand is expected");
    if (!take(r, '='))
        return TN_OK;
    st = read_dims(r, dims, TN_MAX_RANK, &rank);
    if (st != TN_OK)
        return st;
    a->tensor.rank = (uint16_t)rank;
    memcpy(a->tensor.dim, dims, sizeof dims);
    memset(a->tensor.stride, 0, sizeof a->tensor.stride);
    if (take(r, '/'))
        st = read_dtype(r, &a->tensor.dtype);
    tn__strides_contiguous(&a->tensor);
    if (st == TN_OK && take(r, '@')) {
        st = read_dims(r, a->tensor.stride, TN_MAX_RANK, &rank);
        if (st == TN_OK && rank != a->tensor.rank)
            st = bad(r, "optext.strides", "as many strides as dims are expected");
    }
    return st;
}

static tn_status read_layout(reader *r)
{
    tn_arg *b = find_arg(r, TN_ARG_B);
    uint64_t layout = 0;
    if (b == NULL || !take(r, '='))
        return bad(r, "optext.layout", "=HEX is expected, and an operand b");
    for (int digits = 0; digits <= 16; ++digits, ++r->at) {
        char c = *r->at;
        if (!is_digit(c) && !(c >= 'a' && c <= 'f')) {
            if (digits == 0)
                break;
            b->tensor.layout = layout;
            return TN_OK;
        }
        layout = layout << 4 | (uint64_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return bad(r, "optext.layout", "1 to 16 hexadecimal digits are expected");
}

/* Second pass: operands and their flags. */
static tn_status read_operand_key(reader *r)
{
    const char *word = r->at;
    size_t n = word_length(r);
    uint32_t role = find_role(r->v.row, word, n), *flags;
    tn_arg *b = find_arg(r, TN_ARG_B), *out = find_arg(r, TN_ARG_OUT);
    r->at += n;
    if (word_is(word, n, "packed") && b != NULL) {
        b->flags |= TN_ARG_PACKED;
        return TN_OK;
    }
    if (word_is(word, n, "alias") && out != NULL) {
        out->flags |= TN_ARG_MAY_ALIAS;
        return TN_OK;
    }
    if (word_is(word, n, "layout"))
        return read_layout(r);
    if (word_is(word, n, "const")) {
        if (!take(r, '='))
            return bad(r, "optext.value", "=ROLE is expected");
        n = word_length(r);
        tn_arg *a = find_arg(r, find_role(r->v.row, r->at, n));
        if (a == NULL)
            return bad(r, "optext.role", "an operand of this op is expected");
        a->flags |= TN_ARG_CONSTANT;
        r->at += n;
        return TN_OK;
    }
    bool setting = word_is(word, n, "v") && strcspn(r->at, "x+") == strcspn(r->at, "+");
    for (const tn__word_row *row = tn__optext_words(r->head.kind, &r->v.attr, &flags);
         row->name != NULL; ++row)
        setting = setting || word_is(word, n, row->name);
    if (role == 0 || setting) {
        skip_value(r);
        return TN_OK;
    }
    return read_operand(r, role);
}

static tn_status each_key(reader *r, tn_status (*read)(reader *))
{
    if (*r->at == '\0')
        return TN_OK;
    if (!take(r, ':'))
        return bad(r, "optext.end", "a : or the end is expected");
    do {
        tn_status st = read(r);
        if (st != TN_OK)
            return st;
    } while (take(r, '+'));
    return *r->at == '\0' ? TN_OK : bad(r, "optext.end", "a + or the end is expected");
}

/* The operands that the text need not name, in the op's order. */
static tn_status imply_operands(reader *r)
{
    uint32_t roles[5], n = tn__headline_roles(&r->head, roles);
    /* what gather makes follows the index, which keys may give */
    bool later = r->head.kind == TN_OP_GATHER;
    for (uint32_t i = 0; i + 1 < n; ++i)
        if (!tn__headline_tensor(&r->head, &r->v, roles[i], &add_arg(r, roles[i])->tensor) &&
            !later)
            return bad(r, "optext.dims", "dims are expected that fit the op");
    for (uint32_t i = 0; i < r->v.op.post_count; ++i)
        if (r->posts[i].role != 0 && !tn__headline_tensor(&r->head, &r->v, r->posts[i].role,
                                                          &add_arg(r, r->posts[i].role)->tensor))
            return bad(r, "optext.dims", "dims are expected that fit the op");
    for (int i = 0; i < TN__OP_REQUIRED && r->v.row->required[i] != 0; ++i) {
        uint32_t role = r->v.row->required[i];
        bool own_scale = role >= TN_ARG_SCALE_OF && r->head.dtype[0] > TN__TEXT_BLOCKS;
        if (find_arg(r, role) == NULL && !own_scale)
            (void)tn__headline_tensor(&r->head, &r->v, role, &add_arg(r, role)->tensor);
    }
    (void)add_arg(r, TN_ARG_OUT);
    for (int i = 0; i < TN__OP_OUTPUTS && r->v.row->all_outputs; ++i) {
        uint32_t role = r->v.row->outputs[i];
        (void)tn__headline_tensor(&r->head, &r->v, role, &add_arg(r, role)->tensor);
    }
    return TN_OK;
}

/* Whether the keys have this word without a value: the pass decides what the operands are, so it is
 * looked for before they are read. */
static bool has_key(const reader *r, const char *key)
{
    size_t n = strlen(key);
    for (const char *at = r->at; *at != '\0'; ++at)
        if ((*at == ':' || *at == '+') && strncmp(at + 1, key, n) == 0 &&
            (at[n + 1] == '\0' || at[n + 1] == '+'))
            return true;
    return false;
}

static tn_status read_op(reader *r)
{
    tn_status st = read_headline(r);
    if (st != TN_OK)
        return st;
    uint32_t pass = has_key(r, "backward")           ? TN_PASS_BACKWARD_DATA
                    : has_key(r, "backward_weights") ? TN_PASS_BACKWARD_WEIGHTS
                                                     : TN_PASS_FORWARD;
    const tn__op_row *row = tn__op_find((uint32_t)r->head.kind, pass);
    if (row != NULL) {
        r->v.row = row;
        r->head.pass = pass;
    } /* else the key is one that the op does not know */
    tn__attr *t = &r->v.attr;
    r->v.op =
        (tn_op){.head = TN_INIT(tn_op), .kind = r->head.kind, .args = r->args, .posts = r->posts};
    t->head.size = (uint32_t)r->v.row->attr_bytes;
    t->head.type = r->v.row->attr_type;
    if (r->head.kind == TN_OP_ELTWISE)
        t->eltwise.kind = r->head.sub;
    else if (r->head.kind == TN_OP_NORM)
        t->norm.kind = r->head.sub;
    else if (r->head.kind == TN_OP_REDUCE)
        t->reduce.kind = r->head.sub;
    else if (r->head.kind == TN_OP_RESIZE)
        t->window.kind = r->head.sub;
    else if (r->head.kind == TN_OP_POOL) {
        t->pool.kind = r->head.sub;
        t->pool.dims = r->head.rank < 2 ? 0 : r->head.rank - 2;
    }
    st = read_dtypes(r);
    if (st != TN_OK)
        return st;
    const char *keys = r->at;
    st = each_key(r, read_setting);
    int32_t axis = t->axis.axis, rank = (int32_t)r->head.rank;
    axis = axis < 0 ? axis + rank : axis;
    bool scatters = r->head.kind == TN_OP_GATHER && r->head.pass != TN_PASS_FORWARD;
    if (scatters && axis >= 0 && axis < rank)
        t->axis.param = r->head.dim[axis];
    if (st == TN_OK)
        st = imply_operands(r);
    if (st != TN_OK)
        return st;
    /* out last of the implied: that of gather and concat follows operands that keys may give */
    tn_arg *out = find_arg(r, TN_ARG_OUT);
    bool known = tn__headline_tensor(&r->head, &r->v, TN_ARG_OUT, &out->tensor);
    r->at = keys;
    st = each_key(r, read_operand_key);
    bool follows = r->head.kind == TN_OP_GATHER || r->head.kind == TN_OP_CONCAT;
    if (st == TN_OK && scatters && strstr(keys, "grad=") == NULL &&
        !tn__headline_tensor(&r->head, &r->v, TN_ARG_GRAD, &find_arg(r, TN_ARG_GRAD)->tensor))
        return bad(r, "optext.dims", "dims are expected that fit the op");
    if (st == TN_OK && follows && strstr(keys, "out=") == NULL)
        known = tn__headline_tensor(&r->head, &r->v, TN_ARG_OUT, &out->tensor);
    if (st == TN_OK && !known && strstr(keys, "out=") == NULL)
        return bad(r, "optext.dims", "dims are expected that fit the op");
    return st;
}

/** Reads the text form of an op.
 *  memory    *out is one allocation of the runtime's allocator, freed with tn_op_free; it has no
 *            buffers
 *  returns   INVALID optext.* naming the character, or what validation says of the op read
 *  threads   thread-safe
 *  since     0.1 */
tn_status tn_op_parse(tn_runtime *rt, const char *text, tn_op **out)
{
    reader r;
    size_t bytes;
    if (out == NULL)
        return tn__fail_null("out_op", "give a tn_op * to fill");
    *out = NULL;
    if (!tn__runtime_usable(rt))
        return TN_STATUS_INVALID;
    if (text == NULL)
        return tn__fail_null("text", "give an op such as \"matmul 2x3x4\"");
    memset(&r, 0, sizeof r);
    r.text = r.at = text;
    tn_status st = read_op(&r);
    if (st == TN_OK)
        st = tn__op_check_view(&r.v);
    return st == TN_OK ? tn__op_copy_view(rt, &r.v, out, &bytes) : st;
}

/** Frees what tn_op_parse gave; kind and counts have to be as it left them. */
void tn_op_free(tn_runtime *rt, tn_op *op)
{
    if (op != NULL)
        tn__free(rt, op, tn__op_copy_bytes(op));
}

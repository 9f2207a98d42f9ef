/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles: a chip described by a JSON file, each number with its source. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim.h"

#include <stdio.h>
#include <string.h>

/* A profile is an object of objects of strings, numbers and lists of these. That much JSON is read
 * here, so that a library without tools needs no parser of its own. */
typedef struct reader {
    const char *at, *end, *text;
    char *error;
    size_t room;
} reader;

static uint32_t line_of(const reader *r)
{
    uint32_t line = 1;
    for (const char *p = r->text; p < r->at; p++)
        line += *p == '\n';
    return line;
}

static bool fail(reader *r, const char *what)
{
    size_t n = 0;
    while (n < 20 && r->at + n < r->end && r->at[n] != '\n')
        n++;
    if (r->error != NULL && r->error[0] == '\0')
        snprintf(r->error, r->room, "line %u: %s before \"%.*s\"", line_of(r), what, (int)n, r->at);
    return false;
}

static void space(reader *r)
{
    while (r->at < r->end && *r->at != '\0' && strchr(" \t\r\n", *r->at) != NULL)
        r->at++;
}

static bool take(reader *r, char c)
{
    space(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

/* Escapes other than \" and \\ have no place in a profile. */
static bool string(reader *r, char *out, size_t bytes)
{
    size_t n = 0;
    if (!take(r, '"'))
        return fail(r, "a string is missing");
    while (r->at < r->end && *r->at != '"') {
        if (*r->at == '\\' && (++r->at == r->end || (*r->at != '"' && *r->at != '\\')))
            return fail(r, "an escape other than \\\" and \\\\");
        if (n + 1 == bytes)
            return fail(r, "a string is too long");
        out[n++] = *r->at++;
    }
    out[n] = '\0';
    return take(r, '"') || fail(r, "a string does not end");
}

/* A string without its quotes, or a number or list as it is written. */
static bool value(reader *r, char *out, size_t bytes)
{
    size_t n = 0;
    space(r);
    if (r->at < r->end && *r->at == '"')
        return string(r, out, bytes);
    bool list = r->at < r->end && *r->at == '[';
    while (r->at < r->end && (list || strchr(",} \t\r\n", *r->at) == NULL)) {
        if (n + 1 == bytes)
            return fail(r, "a value is too long");
        out[n++] = *r->at;
        if (*r->at++ == ']')
            break;
    }
    out[n] = '\0';
    return n != 0 || fail(r, "a value is missing");
}

/* {"value": v, "source": "s"}, in this or the other order */
static bool parameter(reader *r, char *v, char *source, size_t bytes)
{
    char key[16];
    v[0] = source[0] = '\0';
    if (!take(r, '{'))
        return fail(r, "a parameter is an object of value and source");
    do {
        if (!string(r, key, sizeof key) || !take(r, ':'))
            return fail(r, "a key and a colon are missing");
        bool known = strcmp(key, "value") == 0 || strcmp(key, "source") == 0;
        if (!known)
            return fail(r, "a parameter has value and source alone");
        if (!value(r, key[0] == 'v' ? v : source, bytes))
            return false;
    } while (take(r, ','));
    if (!take(r, '}'))
        return fail(r, "a brace is missing");
    return (v[0] != '\0' && source[0] != '\0') || fail(r, "a parameter lacks its value or source");
}

bool tn__sim_profile_each(const char *text, size_t bytes,
                          bool (*fn)(void *self, const char *key, const char *value,
                                     const char *source),
                          void *self, char *error, size_t room)
{
    reader r = {text, text + bytes, text, error, room};
    char key[SIM_NAME], v[256], source[256], why[200];
    if (room != 0)
        error[0] = '\0';
    if (!take(&r, '{'))
        return fail(&r, "a profile is an object");
    do {
        space(&r);
        uint32_t line = line_of(&r);
        if (!string(&r, key, sizeof key) || !take(&r, ':') || !parameter(&r, v, source, sizeof v))
            return fail(&r, "a parameter is malformed");
        if (!fn(self, key, v, source)) {
            snprintf(why, sizeof why, "%s", room != 0 ? error : "");
            snprintf(error, room, "line %u: %s", line, why);
            return false;
        }
    } while (take(&r, ','));
    if (!take(&r, '}'))
        return fail(&r, "a brace is missing");
    space(&r);
    return r.at == r.end || fail(&r, "something follows the profile");
}

/* ---- the parameters ---- */

enum { NUMBER, LONG, TEXT, TYPES, COLUMNS, YES_NO, ERRATA };
#define AT(field) offsetof(sim_profile, field)
typedef struct parameter_row {
    const char *key;
    size_t at;
    uint64_t low, high;
    uint32_t kind, flag, optional;
} parameter_row;
static const parameter_row rows[] = {
    {"name", AT(name), 0, 0, TEXT, 0, 0},
    {"vendor", AT(vendor), 0, 0, TEXT, 0, 0},
    {"rows", AT(rows), 1, 1024, NUMBER, 0, 0},
    {"columns", AT(cols), 1, SIM_COLUMNS_MOST, NUMBER, 0, 0},
    {"arrays", AT(arrays), 1, TN_K_SYS_ARRAYS_MOST, NUMBER, 0, 0},
    {"weight_planes", AT(planes), 1, 8, NUMBER, 0, 0},
    {"weight_rows_per_cycle", AT(load_rows), 1, 1024, NUMBER, 0, 0},
    {"rows_per_cycle", AT(tile_rows), 1, 64, NUMBER, 0, 0},
    {"min_interval_cycles", AT(min_interval), 0, 4096, NUMBER, 0, 0},
    {"skewed", AT(fill), 0, 0, YES_NO, 1, 0},
    {"array_clock_khz", AT(array_khz), 1, 10000000, LONG, 0, 0},
    {"vector_clock_khz", AT(vector_khz), 1, 10000000, LONG, 0, 0},
    {"control_clock_khz", AT(control_khz), 1, 10000000, LONG, 0, 0},
    {"types", AT(types), 0, 0, TYPES, 0, 0},
    {"columns_add_in_order", AT(flags), 0, 0, YES_NO, TN_K_SYS_SEQUENTIAL, 0},
    {"tree_products", AT(tree_products), 2, 1024, NUMBER, 0, 1},
    {"sums_start_at_accumulator", AT(numerics), 0, 0, YES_NO, TPU_NUMERICS_START, 1},
    {"round_toward_zero", AT(numerics), 0, 0, YES_NO, TPU_NUMERICS_TO_ZERO, 1},
    {"flush_subnormals", AT(numerics), 0, 0, YES_NO, TPU_NUMERICS_FLUSH, 1},
    {"integers_saturate", AT(numerics), 0, 0, YES_NO, TPU_NUMERICS_SATURATE, 1},
    {"integer_sum_bits", AT(sum_bits), 17, 32, NUMBER, 0, 1},
    {"canonical_math", AT(flags), 0, 0, YES_NO, TN_K_SYS_MATH, 0},
    {"vector_f32", AT(flags), 0, 0, YES_NO, TN_K_SYS_VECTOR_F32, 0},
    {"weights_transpose", AT(flags), 0, 0, YES_NO, TN_K_SYS_LDW_TRANSPOSES, 0},
    {"vector_lanes", AT(lanes), 1, 65536, NUMBER, 0, 0},
    {"vector_latency_cycles", AT(vector_latency), 0, 4096, NUMBER, 0, 0},
    {"vector_ports", AT(vector_ports), 1, 4, NUMBER, 0, 0},
    {"function_passes", AT(function_passes), 1, 256, NUMBER, 0, 0},
    {"spad_kib", AT(spad_kib), 1, 1u << 20, NUMBER, 0, 0},
    {"acc_kib", AT(acc_kib), 1, 1u << 20, NUMBER, 0, 0},
    {"row_bytes", AT(row_bytes), 4, 65536, NUMBER, 0, 0},
    {"dma_bytes_per_s", AT(dma_bytes_per_s), 1000, UINT64_C(100000000000000), LONG, 0, 0},
    {"dma_setup_cycles", AT(dma_setup_cycles), 0, 1u << 20, NUMBER, 0, 0},
    {"dma_latency_ns", AT(dma_latency_ns), 0, 1000000, NUMBER, 0, 0},
    {"dma_burst_bytes", AT(dma_burst), 1, 4096, NUMBER, 0, 0},
    {"queue_depth", AT(queue_depth), 1, SIM_FIFO_MOST, NUMBER, 0, 0},
    {"semaphores", AT(semaphores), 16, SIM_SEMAPHORES, NUMBER, 0, 0},
    {"watchdog_us", AT(watchdog_us), 1, 1u << 30, NUMBER, 0, 0},
    {"table_segments", AT(segments), TN_K_SYS_SEGMENTS_LEAST, TN_K_SYS_SEGMENTS_MOST, NUMBER, 0, 1},
    {"peak_gmacs", AT(peak_gmacs), 0, UINT64_C(1000000000), LONG, 0, 1},
    {"dead_columns", AT(dead_columns), 0, 0, COLUMNS, 0, 1},
    {"errata", AT(errata), 0, 0, ERRATA, 0, 1},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

typedef struct filling {
    sim_profile *out;
    char *error;
    size_t room;
    bool seen[ROWS];
} filling;

static bool number(const char *text, uint64_t *out)
{
    uint64_t n = 0;
    if (*text == '\0')
        return false;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
            __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
            return false;
    *out = n;
    return *text == '\0';
}

/* Calls fn with each member of "[a, b]", quotes taken off. */
static bool members(const char *list, bool (*fn)(sim_profile *, const char *), sim_profile *out)
{
    char one[32];
    if (*list++ != '[')
        return false;
    for (;;) {
        size_t n = 0;
        while (*list == ' ' || *list == '"' || *list == ',')
            list++;
        if (*list == ']')
            return list[1] == '\0';
        while (*list != '\0' && strchr(" \",]", *list) == NULL && n + 1 < sizeof one)
            one[n++] = *list++;
        one[n] = '\0';
        if (n == 0 || !fn(out, one))
            return false;
    }
}

static bool add_type(sim_profile *out, const char *name)
{
    static const struct {
        const char *name;
        tn_dtype type;
    } types[] = {{"bf16", TN_BF16},     {"f16", TN_F16}, {"f8e4m3", TN_F8E4M3},
                 {"f8e5m2", TN_F8E5M2}, {"s8", TN_S8},   {"u8", TN_U8}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0) {
            out->types |= 1u << types[i].type;
            return true;
        }
    return false;
}

static bool add_column(sim_profile *out, const char *text)
{
    uint64_t n;
    if (!number(text, &n) || n >= SIM_COLUMNS_MOST)
        return false;
    out->dead_columns[n / 64] |= UINT64_C(1) << n % 64;
    return true;
}

static bool add_erratum(sim_profile *out, const char *text)
{
    uint64_t n;
    if (!number(text, &n) || n != 1) /* the ids that the model knows */
        return false;
    out->errata |= 1u << n;
    return true;
}

static bool store(sim_profile *out, const parameter_row *row, const char *v)
{
    void *to = (char *)out + row->at;
    uint64_t n = 0;
    switch (row->kind) {
    case TEXT:
        snprintf(to, SIM_NAME, "%s", v);
        return true;
    case TYPES:
        return members(v, add_type, out);
    case COLUMNS:
        return members(v, add_column, out);
    case ERRATA:
        return members(v, add_erratum, out);
    case YES_NO:
        if (strcmp(v, "true") != 0 && strcmp(v, "false") != 0)
            return false;
        *(uint32_t *)to |= v[0] == 't' ? row->flag : 0u;
        return true;
    default:
        if (!number(v, &n) || n < row->low || n > row->high)
            return false;
        if (row->kind == LONG)
            *(uint64_t *)to = n;
        else
            *(uint32_t *)to = (uint32_t)n;
        return true;
    }
}

static bool fill(void *self, const char *key, const char *v, const char *source)
{
    filling *f = self;
    (void)source;
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].key, key) != 0)
            continue;
        if (f->seen[i])
            snprintf(f->error, f->room, "%s is given twice", key);
        else if (rows[i].kind <= LONG && !store(f->out, &rows[i], v))
            snprintf(f->error, f->room, "%s is %s; %llu to %llu are allowed", key, v,
                     (unsigned long long)rows[i].low, (unsigned long long)rows[i].high);
        else if (rows[i].kind > LONG && !store(f->out, &rows[i], v))
            snprintf(f->error, f->room, "%s is %s, which it cannot be", key, v);
        f->seen[i] = true;
        return f->error[0] == '\0';
    }
    snprintf(f->error, f->room, "%s is no parameter of a profile", key);
    return false;
}

static uint32_t alive(const sim_profile *p)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < p->cols; c++)
        n += (p->dead_columns[c / 64] >> c % 64 & 1u) == 0;
    return n;
}

bool tn__sim_profile_read(const char *text, size_t bytes, sim_profile *out, char *error,
                          size_t room)
{
    filling f = {.out = out, .error = error, .room = room};
    memset(out, 0, sizeof *out);
    if (!tn__sim_profile_each(text, bytes, fill, &f, error, room))
        return false;
    for (size_t i = 0; i < ROWS; i++)
        if (!f.seen[i] && !rows[i].optional) {
            snprintf(error, room, "%s is missing", rows[i].key);
            return false;
        }
    if (out->row_bytes % 4 != 0) {
        snprintf(error, room, "row_bytes is %u; words have to fit in whole", out->row_bytes);
        return false;
    }
    if (alive(out) == 0) {
        snprintf(error, room, "dead_columns leaves no column");
        return false;
    }
    if ((out->segments & (out->segments - 1)) != 0 ||
        (out->segments != 0 && (out->flags & TN_K_SYS_MATH) != 0)) {
        snprintf(error, room,
                 "table_segments is %u; a power of two, and none beside canonical_math, is allowed",
                 out->segments);
        return false;
    }
    out->flags |= out->segments != 0 ? (uint32_t)TN_K_SYS_TABLES : 0u;
    out->numerics |= out->tree_products | out->sum_bits << TPU_NUMERICS_BITS;
    if ((out->flags & TN_K_SYS_SEQUENTIAL) != 0 &&
        (out->numerics & (TPU_NUMERICS_TREE | TPU_NUMERICS_START | TPU_NUMERICS_TO_ZERO |
                          TPU_NUMERICS_FLUSH)) != 0) {
        snprintf(error, room,
                 "columns_add_in_order is true; another order, start, rounding or flushing of sums "
                 "is no such order");
        return false;
    }
    return true;
}

/* ---- the built-in ones, made by CMake from profiles/ ---- */

typedef struct sim_builtin {
    const char *name;
    const unsigned char *text;
    size_t bytes;
} sim_builtin;
#include <sim_profiles.inc>

const char *tn__sim_profile_name(uint32_t index)
{
    return index < sizeof builtin / sizeof builtin[0] ? builtin[index].name : NULL;
}

const char *tn__sim_profile_text(const char *name, size_t *out_bytes)
{
    for (size_t i = 0; i < sizeof builtin / sizeof builtin[0]; i++)
        if (strcmp(builtin[i].name, name) == 0) {
            *out_bytes = builtin[i].bytes;
            return (const char *)builtin[i].text;
        }
    return NULL;
}

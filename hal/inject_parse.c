/* SPDX-License-Identifier: Apache-2.0 */
/* The script language of injected faults (docs/FAULTS.md), from text to rules. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "inject.h"

enum { TOKEN_SHOWN = 24, SCRIPT_MOST = 4096 };

typedef struct reader {
    const char *script, *at;
    bool comma; /* a word ends at a comma too */
} reader;
typedef struct word {
    const char *text;
    size_t bytes;
} word;

static const char *const call_names[TN__CALLS] = {
    "group",    "run",    "pack",      "copy",   "fill", "write", "read", "call",
    "commands", "buffer", "workspace", "import", "map",  "queue", "plan"};
enum {
    WORK = (1u << (TN__CALL_WORK_LAST + 1)) - 1,
    ALL = (1u << TN__CALLS) - 1,
    MEMORY = 1u << TN__CALL_BUFFER | 1u << TN__CALL_WORKSPACE,
    OF_OPS = 1u << TN_WORK_RUN | 1u << TN_WORK_PACK | 1u << TN__CALL_PLAN,
    SIZED = MEMORY | 1u << TN__CALL_IMPORT | 1u << TN__CALL_MAP | 1u << TN_WORK_COPY |
            1u << TN_WORK_FILL | 1u << TN_WORK_WRITE | 1u << TN_WORK_READ,
};
static const struct {
    const char *name;
    uint32_t key;
} keys[] = {{"op", TN__KEY_OP},   {"kind", TN__KEY_KIND},   {"over", TN__KEY_OVER},
            {"at", TN__KEY_AT},   {"nth", TN__KEY_NTH},     {"every", TN__KEY_EVERY},
            {"p", TN__KEY_P},     {"times", TN__KEY_TIMES}, {"as", TN__KEY_AS},
            {"for", TN__KEY_FOR}, {"upto", TN__KEY_UPTO}};
/* What a failure may be. lose is the way to lose a device, oom may be said as well, and a wait
 * that answers TIMEOUT means that the work goes on. */
static const tn_status statuses[] = {
    TN_STATUS_UNSUPPORTED, TN_STATUS_UNAVAILABLE, TN_STATUS_NO_MEMORY, TN_STATUS_INCOMPATIBLE,
    TN_STATUS_CORRUPT,     TN_STATUS_CANCELLED,   TN_STATUS_INTERNAL};

static tn_status refuse(const reader *r, const char *at, size_t bytes, const char *reason,
                        const char *why)
{
    uint32_t line = 1, column = 1;
    for (const char *p = r->script; p < at; ++p) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    bool more = bytes > TOKEN_SHOWN;
    return tn__fail(TN_STATUS_INVALID, reason, "script", "line %u, column %u: \"%.*s%s\": %s", line,
                    column, (int)(more ? TOKEN_SHOWN : bytes), at, more ? "..." : "", why);
}

static bool is(word w, const char *name)
{
    return strlen(name) == w.bytes && memcmp(w.text, name, w.bytes) == 0;
}

static bool ends_statement(char c)
{
    return c == ';' || c == '\n' || c == '\0' || c == '#';
}

static void skip_blanks(reader *r)
{
    while (*r->at == ' ' || *r->at == '\t' || *r->at == '\r')
        ++r->at;
}

/* Up to a blank, =, the end of the statement, or a comma inside of a list. */
static word take(reader *r)
{
    word w = {r->at, 0};
    while (!ends_statement(*r->at) && strchr(r->comma ? " \t\r=," : " \t\r=", *r->at) == NULL)
        ++r->at;
    w.bytes = (size_t)(r->at - w.text);
    return w;
}

/* Decimal digits, then one of the units; the unit's factor is applied. */
static bool number(word w, const char *const *unit, const uint64_t *factor, uint64_t *out)
{
    size_t i = 0;
    uint64_t n = 0;
    for (; i < w.bytes && w.text[i] >= '0' && w.text[i] <= '9'; ++i)
        if (!tn__mul_u64(n, 10, &n) || !tn__add_u64(n, (uint64_t)(w.text[i] - '0'), &n))
            return false;
    if (i == 0)
        return false;
    word rest = {w.text + i, w.bytes - i};
    for (; *unit != NULL; ++unit, ++factor)
        if (is(rest, *unit))
            return tn__mul_u64(n, *factor, out);
    return false;
}

static tn_status count_value(const reader *r, word w, uint64_t least, uint64_t *out)
{
    static const char *const unit[] = {"", NULL};
    static const uint64_t factor[] = {1};
    if (number(w, unit, factor, out) && *out >= least)
        return TN_OK;
    return refuse(r, w.text, w.bytes, "inject.value",
                  least != 0 ? "give a whole number of 1 or more" : "give a whole number");
}

static tn_status bytes_value(const reader *r, word w, uint64_t *out)
{
    static const char *const unit[] = {"", "K", "M", "G", NULL};
    static const uint64_t factor[] = {1, 1u << 10, 1u << 20, 1u << 30};
    if (number(w, unit, factor, out))
        return TN_OK;
    return refuse(r, w.text, w.bytes, "inject.value",
                  "give a number of bytes such as 4096, 64K, 16M or 1G");
}

static tn_status time_value(const reader *r, word w, uint64_t *out)
{
    static const char *const unit[] = {"ns", "us", "ms", "s", NULL};
    static const uint64_t factor[] = {1, 1000, 1000000, 1000000000};
    /* An hour: a longer one is a mistake, and sums of a few stay far from overflow. */
    if (number(w, unit, factor, out) && *out != 0 && *out <= 3600000000000u)
        return TN_OK;
    return refuse(r, w.text, w.bytes, "inject.value",
                  "give a time with its unit such as 500us, 20ms or 1s, at most an hour");
}

/* 0 to 1 with at most nine decimals, as a fraction of 2^31. */
static tn_status chance_value(const reader *r, word w, uint32_t *out)
{
    uint64_t whole = 0, part = 0, scale = 1;
    size_t i = 0, digits = 0;
    for (; i < w.bytes && w.text[i] >= '0' && w.text[i] <= '9' && whole < 2; ++i, ++digits)
        whole = whole * 10 + (uint64_t)(w.text[i] - '0');
    if (i < w.bytes && w.text[i] == '.')
        for (++i; i < w.bytes && w.text[i] >= '0' && w.text[i] <= '9' && scale < 1000000000u;
             ++i, ++digits) {
            part = part * 10 + (uint64_t)(w.text[i] - '0');
            scale *= 10;
        }
    if (i != w.bytes || digits == 0 || whole > 1 || (whole == 1 && part != 0))
        return refuse(r, w.text, w.bytes, "inject.value",
                      "give a probability from 0 to 1 such as 0.05, at most nine decimals");
    *out = (uint32_t)((whole << 31) + (part << 31) / scale);
    return TN_OK;
}

static tn_status calls_value(reader *r, uint32_t *out)
{
    r->comma = true;
    for (;;) {
        word w = take(r);
        uint32_t i = 0;
        while (i < TN__CALLS && !is(w, call_names[i]))
            ++i;
        if (i == TN__CALLS && !is(w, "any"))
            return refuse(r, w.text, w.bytes, "inject.value",
                          "op is any, or a list with commas of: group run pack copy fill write "
                          "read call commands buffer workspace import map queue plan");
        *out |= i == TN__CALLS ? (uint32_t)ALL : 1u << i;
        if (*r->at != ',')
            break;
        ++r->at;
    }
    r->comma = false;
    return TN_OK;
}

static tn_status kind_value(const reader *r, word w, uint32_t *out)
{
    for (uint32_t k = 1; strcmp(tn__op_name((tn_op_kind)k), "?") != 0; ++k)
        if (is(w, tn__op_name((tn_op_kind)k))) {
            *out = k;
            return TN_OK;
        }
    return refuse(r, w.text, w.bytes, "inject.value",
                  "kind is the name of an op such as matmul or softmax");
}

static tn_status status_value(const reader *r, word w, tn_status *out)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; ++i)
        if (is(w, tn_status_name(statuses[i]))) {
            *out = statuses[i];
            return TN_OK;
        }
    return refuse(r, w.text, w.bytes, "inject.value",
                  "as is one of: unsupported unavailable no_memory incompatible corrupt cancelled "
                  "internal");
}

static tn_status field(reader *r, tn__rule *rule)
{
    word name = take(r);
    uint32_t key = 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; ++i)
        if (is(name, keys[i].name))
            key = keys[i].key;
    if (key == 0 || *r->at != '=')
        return refuse(r, name.text, name.bytes, "inject.key",
                      "write key=value with one of the keys: op kind over at nth every p times as "
                      "for upto");
    if ((rule->keys & key) != 0)
        return refuse(r, name.text, name.bytes, "inject.twice", "the key is given twice");
    rule->keys |= key;
    ++r->at;
    if (key == TN__KEY_OP)
        return calls_value(r, &rule->calls);
    word w = take(r);
    switch (key) {
    case TN__KEY_KIND:
        return kind_value(r, w, &rule->op_kind);
    case TN__KEY_OVER:
        return bytes_value(r, w, &rule->over);
    case TN__KEY_AT:
        return count_value(r, w, 1, &rule->at);
    case TN__KEY_NTH:
        return count_value(r, w, 1, &rule->nth);
    case TN__KEY_EVERY:
        return count_value(r, w, 1, &rule->every);
    case TN__KEY_P:
        return chance_value(r, w, &rule->chance);
    case TN__KEY_TIMES:
        return count_value(r, w, 1, &rule->times);
    case TN__KEY_AS:
        return status_value(r, w, &rule->as);
    case TN__KEY_FOR:
        return time_value(r, w, &rule->for_ns);
    default:
        return time_value(r, w, &rule->upto_ns);
    }
}

/* A rule that could never do what it says is a mistake, not a rule without effect. */
static tn_status check(const reader *r, word action, tn__rule *rule)
{
    const char *why = NULL;
    bool times = (rule->keys & (TN__KEY_FOR | TN__KEY_UPTO)) != 0;
    if ((rule->keys & TN__KEY_OP) == 0)
        rule->calls = rule->action == TN__FAULT_DELAY ? (uint32_t)WORK
                      : rule->action == TN__FAULT_OOM ? (uint32_t)MEMORY
                                                      : (uint32_t)ALL;
    if ((rule->keys & TN__KEY_KIND) != 0 && (rule->keys & TN__KEY_OP) == 0)
        rule->calls = rule->action == TN__FAULT_OOM ? 1u << TN__CALL_PLAN : (uint32_t)OF_OPS;
    if ((rule->keys & TN__KEY_AS) != 0 && rule->action != TN__FAULT_FAIL)
        why = "as= goes with fail alone";
    else if (times && rule->action != TN__FAULT_DELAY)
        why = "for= and upto= go with delay alone";
    else if (!times && rule->action == TN__FAULT_DELAY)
        why = "a delay needs for=TIME, upto=TIME or both";
    else if (rule->action == TN__FAULT_DELAY && (rule->calls & ~(uint32_t)WORK) != 0)
        why = "only work of a queue can be delayed: group run pack copy fill write read call "
              "commands";
    else if (rule->action == TN__FAULT_OOM && (rule->calls & (uint32_t)WORK) != 0)
        why = "only what allocates runs out of memory: buffer workspace import map queue plan; "
              "use fail as=no_memory";
    else if ((rule->keys & TN__KEY_KIND) != 0 && (rule->calls & ~(uint32_t)OF_OPS) != 0)
        why = "kind= goes with op=run, op=pack and op=plan alone";
    else if ((rule->keys & TN__KEY_OVER) != 0 && (rule->calls & (uint32_t)SIZED) == 0)
        why = "over= needs calls with a size: buffer workspace import map write read copy fill";
    return why != NULL ? refuse(r, action.text, action.bytes, "inject.combination", why) : TN_OK;
}

static tn_status statement(reader *r, tn__inject *out, bool *seeded)
{
    static const char *const names[] = {"lose", "fail", "delay", "oom"};
    word action = take(r);
    if (is(action, "seed") && *r->at == '=') {
        if (*seeded)
            return refuse(r, action.text, action.bytes, "inject.twice", "the seed is given twice");
        *seeded = true;
        ++r->at;
        return count_value(r, take(r), 0, &out->seed);
    }
    uint32_t i = 0;
    while (i < 4 && !is(action, names[i]))
        ++i;
    if (i == 4)
        return refuse(r, action.text, action.bytes, "inject.action",
                      "a statement is seed=NUMBER or starts with lose, fail, delay or oom");
    if (out->count == TN__RULES_MOST)
        return refuse(r, action.text, action.bytes, "inject.rules",
                      "a script has at most 32 rules");
    tn__rule *rule = &out->rule[out->count];
    rule->action = (tn__fault_action)(TN__FAULT_LOSE + i);
    rule->as = TN_STATUS_INTERNAL;
    for (skip_blanks(r); !ends_statement(*r->at); skip_blanks(r)) {
        tn_status st = field(r, rule);
        if (st != TN_OK)
            return st;
    }
    ++out->count;
    return check(r, action, rule);
}

tn_status tn__inject_parse(const char *script, tn__inject *out)
{
    reader r = {.script = script, .at = script};
    bool seeded = false;
    memset(out, 0, sizeof *out);
    out->seed = 1;
    if (strlen(script) > SCRIPT_MOST)
        return tn__fail(TN_STATUS_INVALID, "inject.length", "script",
                        "the script has %zu characters; at most %d are allowed", strlen(script),
                        SCRIPT_MOST);
    for (;;) {
        skip_blanks(&r);
        if (*r.at == '#')
            while (*r.at != '\0' && *r.at != '\n')
                ++r.at;
        if (*r.at == '\0')
            return TN_OK;
        if (*r.at == ';' || *r.at == '\n') {
            ++r.at;
            continue;
        }
        tn_status st = statement(&r, out, &seeded);
        if (st != TN_OK)
            return st;
        skip_blanks(&r);
        if (!ends_statement(*r.at))
            return refuse(&r, r.at, strcspn(r.at, ";\n#"), "inject.syntax",
                          "statements are separated by ; or a new line");
    }
}

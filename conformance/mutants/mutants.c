/* SPDX-License-Identifier: Apache-2.0 */
/* Running the suite over the mutants, and what each of them should be taken for. */
#include <conformance/mutants/mutants.h>

#include <conformance/runner/runner.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Names of defects of sums and attention, as the models call them, or as what failing cases have in
 * common says them. */
static const struct {
    const char *id, *name;
} names[] = {
    {"M01", "f16 accumulator"},
    {"M02", "bf16 accumulator"},
    {"M03", "accumulator of 14 bits"},
    {"M04", "products rounded to f16"},
    {"M05", "last k dropped"},
    {"M06", "k mod 4 tail dropped|k mod 2 tail dropped|last k dropped"},
    {"M07", "last k counted twice"},
    {"M08", "last column not written"},
    {"M09", "last row not written"},
    {"M10", "A transposed"},
    {"M11", "B transposed"},
    {"M12", "output truncated"},
    {"M13", "half away"},
    {"M14", "accumulator of 22 bits"},
    {"M15", "subnormal results flushed"},
    {"M16", "NaN operand read as 0"},
    {"M17", "overflow saturates"},
    {"M18", "not cleared"},
    {"M19", "tf32"},
    {"M20", "inputs rounded to bf16"},
    {"M21", "f16"},
    {"M22", "one bit of one element"},
    {"M23", "subnormal f32 inputs flushed"},
    {"M24", "not repeatable"},
    {"M25", "toward zero"},
    {"M26", "reads past"},
    {"M27", "accumulator rounds up"},
    {"M28", "writes outside"},
    {"M29", "writes outside"},
    {"M30", "input overwritten"},
    {"M31", "leading dimension of A"},
    {"M32", "batch stride of B"},
    {"M33", "beta * C omitted"},
    {"M34", "C added after the rounding"},
    {"M35", "writes past the row"},
    {"M36", "bias indexed by row"},
    {"M37", "relu of NaN"},
    {"M38", "not repeatable"},
    {"M39", "alpha omitted"},
    {"M40", "first k dropped"},
    {"M41", "k mod 16 tail dropped|k mod 2 tail|k mod 4 tail|k mod 8 tail|last k dropped"},
    {"M42", "not written"},
    {"M43", "gelu in its other form"},
    {"M44", "bias omitted"},
    {"M45", "residual omitted"},
    {"M46", "one tile"},
    {"M47", "one lane"},
    {"M48", "products rounded to bf16"},
    {"M49", "not repeatable"},
    {"M50", "writes past the row|leading dimension of the output"},
    {"M51", "leading dimension of B"},
    {"M52", "batch stride of A"},
    {"M53", "last 128 of k dropped"},
    {"M54", "epilogue in another order"},
    {"M55", "C added without beta"},
    {"M56", "activation omitted"},
    {"M57", " dropped"},
    {"M58", "k mod 7 = 3 counted twice"},
    {"M59", "accumulator of 19 bits"},
    {"M60", "columns i and i xor 4 exchanged"},
    {"C01", "low and the high side"},
    {"C02", "dilation ignored"},
    {"C03", "strides of height and width"},
    {"C04", "channels of the first group"},
    {"C05", "filter flipped"},
    {"C06", "padding of height and width"},
    {"C07", "not written"},
    {"C08", "mixed up in A"},
    {"C09", "transform"},
    {"C10", "last channel dropped"},
    {"C11", "last tap"},
    {"C12", "padding reads"},
    {"C13", "bias omitted"},
    {"C14", "bf16 accumulator"},
    {"C15", "last image"},
    {"C16", "activation omitted"},
    {"A01", "one key too far"},
    {"A02", "one key too early"},
    {"A03", "not scaled"},
    {"A04", "1 / d"},
    {"A05", "maximum not subtracted"},
    {"A06", "-10000"},
    {"A07", "-30"},
    {"A08", "scale of the call ignored"},
    {"A09", "not rescaled"},
    {"A10", "tail of keys mod 32|last key dropped|tail of keys mod 16|tail of keys mod 8|tail of "
            "keys mod 4"},
    {"A11", "padded keys take part"},
    {"A12", "last key dropped"},
    {"A13", "weights stored in bf16"},
    {"A14", "scores stored in f16"},
    {"A15", "exponent bits"},
    {"A16", "second degree"},
    {"A17", "exp in bf16"},
    {"A18", "value of the key before"},
    {"A19", "K and V exchanged"},
    {"A21", "wrong end"},
    {"A22", "gives the mean"},
    {"A23", "h mod the key heads"},
    {"A24", "too wide"},
    {"A25", "too narrow"},
    {"A26", "softcap ignored"},
    {"A27", "mask ignored"},
    {"A28", "lengths ignored"},
    {"A29", "last element of d"},
    {"A30", "gradient of K"},
    {"A31", "gradient of V"},
    /* the last element, under one condition: which */
    {"U20", "n mod 32 = 17|n = 17"},
    {"U21", "k = 256"},
    {"U22", "k >= "},
    {"U23", "n >= "},
    {"U24", "m >= "},
    {"U25", "batches >= "},
    {"U26", "batches >= "},
    {"U28", "m = 1"},
    {"U29", "+alpha"},
    {"U30", "b of"},
    {"U31", "n = 1"},
    {"U32", "out of"},
    {"U33", "tt"},
    {"U34", "zero_of_b of"},
    {"U35", "number of parts"},
    {"U36", "number of parts >= 3"},
    {"U37", "k mod 2 = 1"},
    {"U38", "post0 of"},
    {"U39", "beta"},
    {"U40", "g >= "},
    {"U41", "d >= "},
    {"U42", "stride of"},
    {"U43", "transposed"},
    {"U44", "nhwc"},
    {"U45", "number of parts"},
    {"U46", "window of"},
    {"U47", "softcap"},
    {"U48", "d >= "},
    {"U49", "h >= "},
    {"U50", "lengths"},
    {"U51", "mask"},
    {"U52", "q = 1"},
    {"U82", "kernel matmul_block|q4_0|q8_0|mxfp4"},
    {"V01", "s8"},
    {"V02", "data huge|data special"},
    {"V03", "data special"},
    {"V14", "k = 0"},
    {"V16", "beta"},
    {"W01", "results times"},
    {"W15", "r = 1|s = 1|stride of"},
    {"W16", "g >= "},
    {"W25", "stats"},
};

/* Whether one of the names, which | separates, is in the text. */
static bool mentions(const char *text, const char *wanted)
{
    char one[64];
    for (const char *at = wanted; *at != '\0';) {
        size_t n = strcspn(at, "|");
        snprintf(one, sizeof one, "%.*s", (int)n, at);
        if (strstr(text, one) != NULL)
            return true;
        at += n + (at[n] == '|');
    }
    return false;
}

static const char *name_of(const tn_v_mutant *m)
{
    const char *id = strchr(m->uri, ':');
    for (size_t i = 0; id != NULL && i < sizeof names / sizeof names[0]; ++i)
        if (strcmp(names[i].id, id + 1) == 0)
            return names[i].name;
    return NULL;
}

/* Their list, asked of the device `mutant` in a child process: this one has to stay without
 * threads. */
static int ask(tn_v_mutant **out)
{
    int pipes[2], count = 0;
    tn_v_mutant one;
    *out = NULL;
    if (pipe(pipes) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        tn_v_session s;
        char why[256];
        tn_device_info all = {.head = TN_INIT(tn_device_info)};
        close(pipes[0]);
        if (!tn_v_open("mutant", &s, why, sizeof why) ||
            tn_device_get_info(s.device, &all) != TN_OK)
            _exit(1);
        for (uint32_t i = 0; i < all.children; ++i) {
            tn_device *d = NULL;
            tn_device_info info = {.head = TN_INIT(tn_device_info)};
            memset(&one, 0, sizeof one);
            if (tn_device_child(s.device, i, &d) != TN_OK || tn_device_get_info(d, &info) != TN_OK)
                _exit(1);
            snprintf(one.uri, sizeof one.uri, "%.31s", info.uri);
            snprintf(one.text, sizeof one.text, "%.127s", info.name);
            snprintf(one.family, sizeof one.family, "%.31s", info.vendor);
            snprintf(one.equivalent, sizeof one.equivalent, "%.127s", info.driver);
            tn_device_release(d);
            if (write(pipes[1], &one, sizeof one) != (ssize_t)sizeof one)
                _exit(1);
        }
        _exit(0);
    }
    close(pipes[1]);
    for (;;) {
        size_t have = 0;
        while (have < sizeof one) {
            ssize_t n = read(pipes[0], (char *)&one + have, sizeof one - have);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                break;
            have += (size_t)n;
        }
        if (have < sizeof one)
            break;
        tn_v_mutant *more = realloc(*out, (size_t)(count + 1) * sizeof *more);
        if (more == NULL)
            break;
        *out = more;
        more[count++] = one;
    }
    close(pipes[0]);
    int status = 1;
    if (pid > 0)
        waitpid(pid, &status, 0);
    return status == 0 ? count : -1;
}

static bool failing(tn_v_status s)
{
    return s == TN_V_FAIL || s == TN_V_CRASH || s == TN_V_TIMEOUT || s == TN_V_INTERNAL;
}

static void keep_line(void *self, const char *line)
{
    tn_v_mutant *m = self;
    size_t n = strlen(m->common);
    snprintf(m->common + n, sizeof m->common - n, "%s%s", n > 0 ? ". " : "", line);
}

static void try_one(const tn_v_options *o, tn_v_mutant *m)
{
    tn_v_options with = *o;
    tn_v_summary s;
    const char *name = name_of(m);
    with.device = m->uri;
    with.no_retry = true;
    with.stop_after = 5;
    with.progress = NULL;
    with.shuffle = o->shuffle != 0 ? o->shuffle : 1;
    tn_v_verify(&with, &s);
    for (long i = 0; i < s.total; ++i) {
        const tn_v_record *r = &s.records[i];
        if (r->which == NULL || !failing(r->result.status))
            continue;
        if (!m->killed)
            snprintf(m->by, sizeof m->by, "%s", r->which->name);
        m->killed = true;
        bool right = name != NULL && mentions(r->result.hypothesis, name);
        if (m->hypothesis[0] == '\0' || (right && !m->named))
            snprintf(m->hypothesis, sizeof m->hypothesis, "%s", r->result.hypothesis);
        m->named = m->named || right;
    }
    tn_v_common(&s, keep_line, m);
    m->named = m->named || (name != NULL && mentions(m->common, name));
    m->judged = m->killed && name != NULL;
    tn_v_summary_free(&s);
}

/* Of so many parts of the list the right devices run one where defects are drawn. */
enum { PARTS = 8 };

bool tn_v_mutants(const tn_v_options *o, const char *const *right, int draw,
                  void (*tell)(void *self, const tn_v_mutant *m, int done, int all), void *self,
                  tn_v_score *out)
{
    double start = tn_v_now();
    memset(out, 0, sizeof *out);
    out->count = ask(&out->mutants);
    if (out->count <= 0)
        return false;
    tn_v_random random = {o->shuffle};
    bool drawn = draw > 0 && draw < out->count;
    if (drawn) {
        for (int i = 0; i < draw; ++i) {
            int j = i + (int)tn_v_below(&random, out->count - i);
            tn_v_mutant t = out->mutants[i];
            out->mutants[i] = out->mutants[j];
            out->mutants[j] = t;
        }
        out->count = draw;
    }
    for (int i = 0; i < out->count; ++i) {
        tn_v_mutant *m = &out->mutants[i];
        try_one(o, m);
        out->killed += m->killed;
        out->equivalent += !m->killed && m->equivalent[0] != '\0';
        out->survived += !m->killed && m->equivalent[0] == '\0';
        out->judged += m->judged;
        out->named += m->judged && m->named;
        if (tell != NULL)
            tell(self, m, i + 1, out->count);
    }
    for (int i = 0; right[i] != NULL; ++i) {
        tn_v_options with = *o;
        tn_v_summary s;
        with.device = right[i];
        with.progress = NULL;
        if (drawn && o->shards == 0) {
            with.shards = PARTS;
            with.shard = 1 + (int)tn_v_below(&random, PARTS);
        }
        tn_v_verify(&with, &s);
        for (long k = 0; k < s.total; ++k) {
            const tn_v_record *r = &s.records[k];
            bool alarm =
                r->which != NULL && (failing(r->result.status) || r->result.status == TN_V_FLAKE);
            if (alarm && tell != NULL) {
                tn_v_mutant m = {.killed = true};
                snprintf(m.uri, sizeof m.uri, "%.31s", right[i]);
                snprintf(m.text, sizeof m.text, "false alarm: %.100s", r->result.message);
                snprintf(m.by, sizeof m.by, "%s", r->which->name);
                tell(self, &m, out->count, out->count);
            }
            out->false_alarms += alarm;
        }
        out->false_alarms += s.ran == 0;
        tn_v_summary_free(&s);
    }
    out->seconds = tn_v_now() - start;
    return true;
}

void tn_v_score_free(tn_v_score *s)
{
    free(s->mutants);
    s->mutants = NULL;
}

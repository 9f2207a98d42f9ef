/* SPDX-License-Identifier: Apache-2.0 */
/* Grades: what a device was found to do with sums, beside what its plans declare. */
#include <conformance/cases/cases.h>
#include <conformance/fingerprint/fingerprint.h>
#include <tenon/tenon.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a plan declares but the device does not do; "" where it keeps its word. */
static void compare(const tn_v_arith *declared, const tn_arithmetic *word, const tn_v_traits *t,
                    tn_dtype out, char *text, size_t bytes)
{
    double bits = -log2(declared->u) + (declared->nearest ? 0 : 1);
    if (declared->read_as == 0 && t->width < (int)bits)
        snprintf(text, bytes, "an accumulator of %d bits, declared are %d", t->width, (int)bits);
    else if (declared->nearest && declared->block == 0 &&
             (strcmp(t->round, "zero") == 0 || strcmp(t->round, "truncates addends") == 0))
        snprintf(text, bytes, "sums round by \"%s\", declared is to nearest", t->round);
    else if (declared->out_round == TN_V_NEAREST_EVEN && strcmp(t->output_round, "none") != 0 &&
             strcmp(t->output_round, "nearest") != 0)
        snprintf(text, bytes, "the output rounds by \"%s\", declared is to nearest",
                 t->output_round);
    else if (t->flush_in && !declared->flush_in)
        snprintf(text, bytes, "subnormal inputs are read as 0, which is not declared");
    else if (t->flush_out && !declared->flush_out)
        snprintf(text, bytes, "subnormal results become 0, which is not declared");
    else if (t->saturates && !declared->saturate && tn_v_format_of(out).has_infinity)
        snprintf(text, bytes, "overflow saturates, which is not declared");
    else if (t->nan_lost)
        snprintf(text, bytes, "NaN is lost");
    else if (!t->repeatable && !word->unrepeatable)
        snprintf(text, bytes, "not repeatable, which is not declared");
}

static int foreseen(const tn_v_dot *dot, const tn_v_print *p, int rounds)
{
    double *room = calloc((size_t)(2 * dot->k + dot->m * dot->n) + 1, sizeof *room);
    tn_v_random r = {99};
    int right = 0;
    for (int lap = 0; lap < rounds && room != NULL; ++lap) {
        double *a = room, *b = room + dot->k, *c = room + 2 * dot->k, want;
        for (int64_t k = 0; k < 2 * dot->k; ++k)
            room[k] = tn_v_rounded(dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
        const tn_v_path *path = &p->path[lap % p->paths];
        right += dot->run(dot->self, a, b, c) && tn_v_twin(p, path, a, b, &want) &&
                 want == c[path->row * dot->n + path->column];
    }
    free(room);
    return right;
}

static char grade_of(const tn_v_grade *g)
{
    if (g->disagrees[0] != '\0')
        return '-';
    if (g->twin_right == g->twin_of && g->twin_of > 0 && g->width >= 24)
        return 'A';
    if (g->width < 24)
        return 'D';
    return strcmp(g->round, "nearest") == 0 || strcmp(g->round, "exact") == 0 ? 'B' : 'C';
}

static void sketch(tn_v_grade *g, const tn_v_print *p)
{
    g->m = p->dot.m;
    g->n = p->dot.n;
    g->k = p->dot.k;
    for (g->paths = 0; g->paths < p->paths && g->paths < TN_V_PATHS; ++g->paths) {
        const tn_v_path *from = &p->path[g->paths];
        tn_v_sketch *to = &g->path[g->paths];
        char *tree = from->tree.nodes > 0 ? tn_v_tree_text(&from->tree) : NULL;
        *to = (tn_v_sketch){from->row, from->column, from->places, from->stable, "", ""};
        snprintf(to->kind, sizeof to->kind, "%s", from->kind);
        if (tree != NULL && strlen(tree) < sizeof to->tree)
            snprintf(to->tree, sizeof to->tree, "%s", tree);
        free(tree);
    }
}

static bool grade(const char *device, tn_device *open, tn_runtime *rt, tn_dtype type, tn_v_grade *g)
{
    enum { M = 17, N = 33, K = 65, ROUNDS = 200 };
    char why[128], text[64];
    tn_v_dot dot;
    tn_v_print p;
    memset(g, 0, sizeof *g);
    tn_v_asked *s = tn_v_ask(device, "", "", why, sizeof why);
    bool good =
        s != NULL && tn_v_ask_shape(s, M, N, K, type, type, &dot) && tn_v_fingerprint(&dot, &p);
    if (good) {
        tn_op *op = NULL;
        tn_plan *plan = NULL;
        tn_arithmetic word = {.head = TN_INIT(tn_arithmetic)};
        snprintf(g->types, sizeof g->types, "%s", tn_dtype_name(type));
        snprintf(g->round, sizeof g->round, "%s", p.traits.round);
        snprintf(g->fma, sizeof g->fma, "%s", p.traits.fma);
        snprintf(g->kind, sizeof g->kind, "%s", p.path[0].kind);
        g->width = p.traits.width;
        sketch(g, &p);
        g->twin_of = ROUNDS;
        g->twin_right = p.traits.repeatable ? foreseen(&dot, &p, ROUNDS) : 0;
        snprintf(text, sizeof text, "matmul %dx%dx%d:%s", M, N, K, g->types);
        if (tn_op_parse(rt, text, &op) == TN_OK && tn_plan_create(open, op, NULL, &plan) == TN_OK &&
            tn_plan_arithmetic(plan, &word) == TN_OK) {
            tn_v_arith declared = tn_v_arith_of(&word, op);
            compare(&declared, &word, &p.traits, type, g->disagrees, sizeof g->disagrees);
        }
        tn_plan_release(plan);
        tn_op_free(rt, op);
        g->grade = grade_of(g);
        tn_v_print_free(&p);
    }
    tn_v_ask_end(s);
    return good;
}

static bool identify(const char *device, tn_v_identity *out)
{
    static const tn_dtype types[TN_V_GRADED_TYPES] = {TN_F32, TN_BF16, TN_F16};
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    bool good = tn_runtime_create(NULL, &rt) == TN_OK && tn_device_open(rt, device, &d) == TN_OK &&
                tn_device_get_info(d, &info) == TN_OK;
    memset(out, 0, sizeof *out);
    if (good) {
        snprintf(out->name, sizeof out->name, "%.63s", info.name);
        snprintf(out->vendor, sizeof out->vendor, "%.63s", info.vendor);
        snprintf(out->driver, sizeof out->driver, "%.63s", info.driver);
        for (int t = 0; t < TN_V_GRADED_TYPES; ++t)
            out->types += grade(device, d, rt, types[t], &out->grade[out->types]);
    }
    tn_device_release(d);
    tn_runtime_release(rt);
    return good;
}

bool tn_v_identify(const char *device, int seconds, tn_v_identity *out)
{
    int pipes[2];
    size_t have = 0;
    if (pipe(pipes) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        tn_v_identity id;
        close(pipes[0]);
        alarm((unsigned)seconds);
        _exit(identify(device, &id) && write(pipes[1], &id, sizeof id) == (ssize_t)sizeof id ? 0
                                                                                             : 1);
    }
    close(pipes[1]);
    while (pid > 0 && have < sizeof *out) {
        ssize_t n = read(pipes[0], (char *)out + have, sizeof *out - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    close(pipes[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return have == sizeof *out;
}

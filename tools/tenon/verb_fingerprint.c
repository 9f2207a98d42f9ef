/* SPDX-License-Identifier: Apache-2.0 */
/* tenon fingerprint: how a device, or any framework that is there, adds and rounds. */
#include "fingerprint_functions.h"

#include <argp.h>
#include <conformance/cases/cases.h>
#include <conformance/fingerprint/fingerprint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct asked {
    const char *device, *json, *compare, *shape, *types, *python;
    bool tree;
} asked;

enum { KEY_COMPARE = 256, KEY_SHAPE, KEY_TYPES, KEY_PYTHON, KEY_TREE };
static const struct argp_option options[] = {
    {"json", 'j', "FILE", 0, "write the datasheet", 0},
    {"compare", KEY_COMPARE, "FILE", 0,
     "tell what differs from an earlier datasheet; status 1 if anything does", 0},
    {"shape", KEY_SHAPE, "MxNxK", 0, "one shape instead of the usual ones", 0},
    {"types", KEY_TYPES, "IN,OUT", 0, "one pair of types: f32,f32", 0},
    {"tree", KEY_TREE, NULL, 0, "draw the trees", 0},
    {"python", KEY_PYTHON, "FILE", 0,
     "the interpreter that has the framework (default: python3, or .venv beside the build)", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    asked *a = state->input;
    switch (key) {
    case 'j':
        a->json = arg;
        break;
    case KEY_COMPARE:
        a->compare = arg;
        break;
    case KEY_SHAPE:
        a->shape = arg;
        break;
    case KEY_TYPES:
        a->types = arg;
        break;
    case KEY_PYTHON:
        a->python = arg;
        break;
    case KEY_TREE:
        a->tree = true;
        break;
    case ARGP_KEY_ARG:
        if (a->device != NULL)
            argp_error(state, "one device at a time");
        a->device = arg;
        break;
    case ARGP_KEY_END:
        if (a->device == NULL)
            argp_error(state, "which device? A URI, or numpy, onnxruntime, torch[:DEVICE], jax, "
                              "ggml[:q8_0]");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    options,
    parse,
    "DEVICE",
    "Find out by questions alone how a device adds and rounds: the tree of its sums for every "
    "path, widths, roundings, subnormals; how far its functions are off, and whether they are "
    "looked up.",
    NULL,
    NULL,
    NULL};

/* Nodes as lines, children below and indented; chains of leaves are one line. */
static void draw(const tn_v_tree *t, int node, int depth)
{
    if (node < t->leaves) {
        printf("%*s%d\n", 2 * depth + 4, "", node);
        return;
    }
    int n = node - t->leaves, first = t->child[t->first[n]];
    /* ((0 1) 2) 3: a chain downwards */
    int last = -1, begin = -1, at = node;
    while (at >= t->leaves && t->count[at - t->leaves] == 2 &&
           t->child[t->first[at - t->leaves] + 1] < t->leaves) {
        begin = t->child[t->first[at - t->leaves] + 1];
        last = last < 0 ? begin : last;
        at = t->child[t->first[at - t->leaves]];
    }
    if (last >= 0 && at < t->leaves) {
        printf("%*s%d, %d .. %d in turn\n", 2 * depth + 4, "", at, begin, last);
        return;
    }
    (void)first;
    printf("%*s+ of %d\n", 2 * depth + 4, "", t->count[n]);
    for (int c = 0; c < t->count[n]; ++c)
        draw(t, t->child[t->first[n] + c], depth + 1);
}

/* Random dot products: how many the twin foresees bit by bit. */
static int foreseen(const tn_v_dot *dot, const tn_v_print *p, int rounds)
{
    int right = 0;
    double *room = calloc((size_t)(2 * dot->k + dot->m * dot->n) + 1, sizeof *room), want;
    tn_v_random r = {99};
    for (int lap = 0; lap < rounds && room != NULL; ++lap) {
        double *a = room, *b = room + dot->k, *c = room + 2 * dot->k;
        for (int64_t k = 0; k < dot->k; ++k) {
            a[k] = tn_v_rounded(dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
            b[k] = tn_v_rounded(dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
        }
        const tn_v_path *path = &p->path[lap % p->paths];
        if (!dot->run(dot->self, a, b, c) || !tn_v_twin(p, path, a, b, &want))
            break;
        right += want == c[path->row * dot->n + path->column];
    }
    free(room);
    return right;
}

/* The same row alone and among others. */
static bool invariant(tn_v_asked *s, const tn_v_dot *dot)
{
    tn_v_dot one;
    double *room = calloc((size_t)(2 * dot->k + dot->m * dot->n + dot->n) + 1, sizeof *room),
           *c = room + 2 * dot->k;
    tn_v_random r = {5};
    bool same = room != NULL;
    for (int64_t k = 0; k < dot->k && same; ++k) {
        room[k] = tn_v_rounded(dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
        room[dot->k + k] = tn_v_rounded(dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
    }
    double *alone = c + dot->m * dot->n;
    same = same && dot->run(dot->self, room, room + dot->k, c) &&
           tn_v_ask_shape(s, 1, dot->n, dot->k, dot->in, dot->out, &one) &&
           one.run(one.self, room, room + dot->k, alone) &&
           memcmp(c, alone, (size_t)dot->n * sizeof *c) == 0;
    free(room);
    return same;
}

/* What the sums have to do with where operands lie: 1 nothing, else the least power of two so that
 * addresses that agree modulo it give the same bits. A library whose kernel starts at a round
 * address splits the same sum in another way; its tree is that of operands at multiples of 64. */
static int by_address(tn_v_asked *s, const tn_v_dot *dot)
{
    enum { LAPS = 8 };
    size_t outs = (size_t)(dot->m * dot->n) * sizeof(double);
    double *room = calloc((size_t)(2 * dot->k + dot->m * dot->n) + 1, sizeof *room);
    uint64_t digest[TN_V_SHIFTS] = {0};
    bool there[TN_V_SHIFTS] = {false}, good = room != NULL;
    for (uint32_t shift = 0; shift < TN_V_SHIFTS && good; ++shift) {
        tn_v_random r = {17};
        there[shift] = tn_v_ask_shift(s, shift);
        for (int lap = 0; lap < LAPS && there[shift] && good; ++lap) {
            double *a = room, *b = room + dot->k, *c = room + 2 * dot->k;
            for (int64_t k = 0; k < dot->k; ++k) {
                a[k] = tn_v_rounded(dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
                b[k] = tn_v_rounded(dot->in, tn_v_normal(&r), TN_V_NEAREST_EVEN, true);
            }
            good = dot->run(dot->self, a, b, c);
            for (size_t i = 0; i < outs / sizeof *c && good; ++i) {
                uint64_t bits;
                memcpy(&bits, &c[i], sizeof bits);
                tn_v_random mix = {digest[shift] ^ bits};
                digest[shift] = tn_v_next(&mix);
            }
        }
    }
    (void)tn_v_ask_shift(s, 0);
    free(room);
    int modulo = 1;
    for (bool same = false; !same && good && modulo < TN_V_SHIFTS;) {
        same = true;
        for (int i = 0; i < TN_V_SHIFTS; ++i)
            for (int k = i + modulo; k < TN_V_SHIFTS; k += modulo)
                same = same && (!there[i] || !there[k] || digest[i] == digest[k]);
        if (!same)
            modulo *= 2;
    }
    return good ? modulo : 0;
}

static cJSON *sheet(const tn_v_print *p, const tn_v_dot *dot, int right, int of)
{
    cJSON *j = cJSON_CreateObject(), *paths = cJSON_CreateArray();
    char text[64];
    snprintf(text, sizeof text, "%lldx%lldx%lld", (long long)dot->m, (long long)dot->n,
             (long long)dot->k);
    cJSON_AddStringToObject(j, "shape", text);
    snprintf(text, sizeof text, "%s,%s", tn_dtype_name(dot->in), tn_dtype_name(dot->out));
    cJSON_AddStringToObject(j, "types", text);
    cJSON_AddStringToObject(j, "multiply_add", p->traits.fma);
    cJSON_AddNumberToObject(j, "accumulator_bits", p->traits.width);
    cJSON_AddStringToObject(j, "accumulate_round", p->traits.round);
    cJSON_AddStringToObject(j, "output_round", p->traits.output_round);
    cJSON_AddBoolToObject(j, "later_rounded", p->traits.later_rounded);
    cJSON_AddBoolToObject(j, "flush_in", p->traits.flush_in);
    cJSON_AddBoolToObject(j, "flush_out", p->traits.flush_out);
    cJSON_AddBoolToObject(j, "saturates", p->traits.saturates);
    cJSON_AddBoolToObject(j, "nan_lost", p->traits.nan_lost);
    cJSON_AddBoolToObject(j, "repeatable", p->traits.repeatable);
    cJSON_AddBoolToObject(j, "batch_invariant", p->traits.batch_invariant);
    cJSON_AddNumberToObject(j, "twin_right", right);
    cJSON_AddNumberToObject(j, "twin_of", of);
    cJSON_AddItemToObject(j, "paths", paths);
    for (int i = 0; i < p->paths; ++i) {
        const tn_v_path *path = &p->path[i];
        cJSON *one = cJSON_CreateObject();
        char *tree = path->tree.nodes > 0 ? tn_v_tree_text(&path->tree) : NULL;
        cJSON_AddNumberToObject(one, "row", (double)path->row);
        cJSON_AddNumberToObject(one, "column", (double)path->column);
        cJSON_AddNumberToObject(one, "places", (double)path->places);
        cJSON_AddStringToObject(one, "kind", path->kind);
        cJSON_AddStringToObject(one, "multiply_add", path->traits.fma);
        cJSON_AddNumberToObject(one, "accumulator_bits", path->traits.width);
        cJSON_AddBoolToObject(one, "later_rounded", path->traits.later_rounded);
        cJSON_AddBoolToObject(one, "stable", path->stable);
        if (!path->stable)
            cJSON_AddNumberToObject(one, "unstable_at", path->unstable_at);
        cJSON_AddStringToObject(one, "tree", tree != NULL ? tree : "");
        if (path->leaf != NULL) {
            cJSON_AddStringToObject(one, "leaves", path->leaf);
            cJSON_AddItemToObject(one, "node_bits",
                                  cJSON_CreateIntArray(path->bits, path->tree.nodes));
        }
        free(tree);
        cJSON_AddItemToArray(paths, one);
    }
    return j;
}

/* "0*32,1*1": runs of places of one path. */
static void add_places(cJSON *list, const tn_v_print *p, const tn_v_dot *dot)
{
    int64_t n = dot->m * dot->n;
    char *text = calloc(1, (size_t)n * 16 + 1);
    size_t at = 0;
    for (int64_t i = 0, run = 0; i < n && text != NULL && p->place != NULL; i += run) {
        for (run = 1; i + run < n && p->place[i + run] == p->place[i];)
            ++run;
        at += (size_t)snprintf(text + at, 24, "%s%d*%lld", i > 0 ? "," : "", p->place[i],
                               (long long)run);
    }
    cJSON_AddItemToArray(list, cJSON_CreateString(text != NULL ? text : ""));
    free(text);
}

static bool one_shape(const asked *a, tn_v_asked *s, int64_t m, int64_t n, int64_t k, tn_dtype in,
                      tn_dtype out, cJSON *list, cJSON *places, cJSON *addresses)
{
    enum { ROUNDS = 1000 };
    tn_v_dot dot;
    tn_v_print p;
    if (!tn_v_ask_shape(s, m, n, k, in, out, &dot))
        return false;
    bool good = tn_v_fingerprint(&dot, &p);
    int right = good && p.traits.repeatable ? foreseen(&dot, &p, ROUNDS) : 0;
    int modulo = good && p.traits.repeatable ? by_address(s, &dot) : 0;
    char where[64] = "";
    if (modulo > 1)
        snprintf(where, sizeof where, ", by addresses modulo %d", modulo);
    printf("%lldx%lldx%lld %s,%s: %s, %d bits, rounds %s%s%s%s; twin %d of %d\n", (long long)m,
           (long long)n, (long long)k, tn_dtype_name(in), tn_dtype_name(out), p.traits.fma,
           p.traits.width, p.traits.round, p.traits.repeatable ? "" : ", not repeatable",
           p.traits.flush_in || p.traits.flush_out ? ", flushes subnormals" : "", where, right,
           ROUNDS);
    for (int i = 0; i < p.paths; ++i) {
        printf("  %6lld places from [%lld, %lld]: %s, %s%s\n", (long long)p.path[i].places,
               (long long)p.path[i].row, (long long)p.path[i].column, p.path[i].kind,
               p.path[i].leaf != NULL ? "parts of different arithmetic" : p.path[i].traits.fma,
               p.path[i].stable ? "" : ", UNSTABLE");
        if (a->tree && p.path[i].tree.nodes > 0)
            draw(&p.path[i].tree, p.path[i].tree.leaves + p.path[i].tree.nodes - 1, 0);
    }
    p.traits.batch_invariant = good && invariant(s, &dot); /* asks for another shape */
    cJSON_AddItemToArray(list, sheet(&p, &dot, right, ROUNDS));
    add_places(places, &p, &dot);
    cJSON_AddItemToArray(addresses, cJSON_CreateNumber(modulo));
    tn_v_print_free(&p);
    return good;
}

static void path_of_python(const asked *a, char *python, size_t pb, char *script, size_t sb)
{
    char folder[512] = ".";
    if (!tool_folder(folder, sizeof folder))
        folder[0] = '.';
    snprintf(script, sb, "%s/frameworks.py", folder);
    if (access(script, R_OK) != 0) /* installed */
        snprintf(script, sb, "%s/../libexec/tenon/frameworks.py", folder);
    snprintf(python, pb, "%s", a->python != NULL ? a->python : "python3");
    char venv[600];
    snprintf(venv, sizeof venv, "%s/../../.venv/bin/python", folder);
    if (a->python == NULL && access(venv, X_OK) == 0)
        snprintf(python, pb, "%s", venv);
}

/* Whether two datasheets agree in all that was measured. */
static int compare(const char *path, const cJSON *now)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 8 << 20);
    if (f != NULL && text != NULL)
        (void)!fread(text, 1, (8 << 20) - 1, f);
    if (f != NULL)
        fclose(f);
    cJSON *before = text != NULL ? cJSON_Parse(text) : NULL;
    free(text);
    const char *x = cJSON_GetStringValue(cJSON_GetObjectItem(before, "digest")),
               *y = cJSON_GetStringValue(cJSON_GetObjectItem(now, "digest"));
    if (before == NULL) {
        fprintf(stderr, "tenon: %s is no datasheet\n", path);
        return 2;
    }
    const cJSON *one, *list = cJSON_GetObjectItem(now, "sums");
    cJSON_ArrayForEach(one, list)
    {
        const cJSON *other, *others = cJSON_GetObjectItem(before, "sums");
        const char *shape = cJSON_GetStringValue(cJSON_GetObjectItem(one, "shape")),
                   *types = cJSON_GetStringValue(cJSON_GetObjectItem(one, "types"));
        cJSON_ArrayForEach(other, others)
        {
            if (strcmp(shape, cJSON_GetStringValue(cJSON_GetObjectItem(other, "shape"))) != 0 ||
                strcmp(types, cJSON_GetStringValue(cJSON_GetObjectItem(other, "types"))) != 0)
                continue;
            if (!cJSON_Compare(one, other, 1))
                printf("differs from %s: %s %s\n", path, shape, types);
        }
    }
    bool same = x != NULL && y != NULL && strcmp(x, y) == 0;
    printf("%s %s\n", same ? "the same as" : "not the same as", path);
    cJSON_Delete(before);
    return same ? 0 : 1;
}

int tool_fingerprint(int argc, char **argv)
{
    asked a;
    char why[512] = "", python[640], script[640];
    memset(&a, 0, sizeof a);
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 2;
    signal(SIGPIPE, SIG_IGN); /* a framework that ends early is told of, it does not end this */
    path_of_python(&a, python, sizeof python, script, sizeof script);
    tn_v_asked *s = tn_v_ask(a.device, python, script, why, sizeof why);
    if (s == NULL) {
        fprintf(stderr, "tenon: %s\n", why);
        return 3;
    }
    static const struct {
        tn_dtype in, out;
    } types[] = {{TN_F32, TN_F32}, {TN_F64, TN_F64}, {TN_BF16, TN_F32},   {TN_BF16, TN_BF16},
                 {TN_F16, TN_F32}, {TN_F16, TN_F16}, {TN_F8E5M2, TN_F32}, {TN_F8E4M3, TN_F32}};
    static const int64_t shapes[][3] = {
        {64, 64, 32}, {17, 33, 32}, {1, 64, 64}, {64, 1, 64}, {64, 64, 300}};
    cJSON *j = cJSON_CreateObject(), *sums = cJSON_CreateArray(), *places = cJSON_CreateArray(),
          *addresses = cJSON_CreateArray();
    int done = 0;
    cJSON_AddStringToObject(j, "device", a.device);
    cJSON_AddNumberToObject(j, "schema", 1);
    for (size_t t = 0; t < sizeof types / sizeof types[0]; ++t) {
        char pair[32];
        snprintf(pair, sizeof pair, "%s,%s", tn_dtype_name(types[t].in),
                 tn_dtype_name(types[t].out));
        if (a.types != NULL && strcmp(a.types, pair) != 0)
            continue;
        long long m, n, k;
        if (a.shape != NULL && sscanf(a.shape, "%lldx%lldx%lld", &m, &n, &k) == 3) {
            done += one_shape(&a, s, m, n, k, types[t].in, types[t].out, sums, places, addresses);
            continue;
        }
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0] && (t == 0 || i < 1); ++i)
            done += one_shape(&a, s, shapes[i][0], shapes[i][1], shapes[i][2], types[t].in,
                              types[t].out, sums, places, addresses);
    }
    tn_v_ask_end(s);
    if (a.shape == NULL && a.types == NULL)
        tool_fingerprint_functions(a.device, j);
    cJSON_AddItemToObject(j, "sums", sums);
    cJSON_AddItemToObject(j, "places", places); /* for twins; the digest is of the sums */
    cJSON_AddItemToObject(j, "addresses", addresses);
    char *text = cJSON_PrintUnformatted(sums), digest[17];
    snprintf(digest, sizeof digest, "%016llx",
             (unsigned long long)tn_v_hash(text != NULL ? text : ""));
    cJSON_free(text);
    cJSON_AddStringToObject(j, "digest", digest);
    printf("%s: %s\n", a.device, digest);
    int status = done > 0 ? 0 : 4;
    if (a.compare != NULL && status == 0)
        status = compare(a.compare, j);
    text = cJSON_Print(j);
    FILE *f = a.json != NULL ? fopen(a.json, "w") : NULL;
    if (a.json != NULL && (f == NULL || fprintf(f, "%s\n", text) < 0 || fclose(f) != 0)) {
        fprintf(stderr, "tenon: %s cannot be written\n", a.json);
        status = 1;
    }
    cJSON_free(text);
    cJSON_Delete(j);
    return status;
}

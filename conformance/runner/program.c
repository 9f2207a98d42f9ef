/* SPDX-License-Identifier: Apache-2.0 */
/* A failure as a C program of one file that uses tenon.h alone. */
#include <conformance/runner/capture.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "#define _POSIX_C_SOURCE 200809L\n"
    "#include <math.h>\n"
    "#include <signal.h>\n"
    "#include <stdint.h>\n"
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "#include <tenon/tenon.h>\n"
    "#include <unistd.h>\n\n"
    "typedef struct operand {\n"
    "    uint32_t role;\n"
    "    int output, fill;\n"
    "    size_t guard, span, elem, count;\n"
    "    const unsigned char *bytes; /* of an input */\n"
    "    const int32_t *at;          /* of an output: where its elements lie */\n"
    "    const double *want, *bound;\n"
    "    const unsigned char *want_bytes; /* NULL: numbers are compared */\n"
    "    int floating, exponent, mantissa;\n"
    "    double max;\n"
    "} operand;\n\n";

static const char tail[] =
    "\n"
    "static double decode(const operand *o, const unsigned char *e)\n"
    "{\n"
    "    uint64_t v = 0;\n"
    "    memcpy(&v, e, o->elem);\n"
    "    int bits = (int)(8 * o->elem);\n"
    "    if (!o->floating) {\n"
    "        if (!(v >> (bits - 1) & 1) || o->exponent == 0)\n"
    "            return (double)v;\n"
    "        return bits == 64 ? (double)(int64_t)v : (double)v - ldexp(1, bits);\n"
    "    }\n"
    "    if (bits == 64) {\n"
    "        double d;\n"
    "        memcpy(&d, &v, sizeof d);\n"
    "        return d;\n"
    "    }\n"
    "    int top = (1 << o->exponent) - 1, bias = top / 2;\n"
    "    int e2 = (int)(v >> o->mantissa) & top;\n"
    "    double m = (double)(v & (((uint64_t)1 << o->mantissa) - 1)), s = v >> (bits - 1) & 1 ? -1 "
    ": 1;\n"
    "    if (e2 == top && o->exponent != 4)\n"
    "        return m != 0 ? NAN : s * INFINITY;\n"
    "    if (e2 == top && o->exponent == 4 && m == 7)\n"
    "        return NAN;\n"
    "    return e2 == 0 ? s * ldexp(m, 1 - bias - o->mantissa)\n"
    "                   : s * ldexp(m + ldexp(1, o->mantissa), e2 - bias - o->mantissa);\n"
    "}\n\n"
    "static int right(const operand *o, size_t n, const unsigned char *e)\n"
    "{\n"
    "    double got = decode(o, e), want = o->want[n], bound = o->bound[n];\n"
    "    if (o->want_bytes != NULL)\n"
    "        return memcmp(e, o->want_bytes + n * o->elem, o->elem) == 0;\n"
    "    if (isinf(bound))\n"
    "        return 1;\n"
    "    if (isnan(want) || isnan(got))\n"
    "        return isnan(want) && isnan(got);\n"
    "    if (isinf(got) && fabs(want) + bound >= o->max)\n"
    "        return 1;\n"
    "    if (bound == 0)\n"
    "        return got == want && (!SIGNED_ZERO || want != 0 || signbit(got) == signbit(want));\n"
    "    return fabs(got - want) <= bound;\n"
    "}\n\n"
    "static void check(tn_status st, const char *what)\n"
    "{\n"
    "    tn_error e;\n"
    "    if (st == TN_OK)\n"
    "        return;\n"
    "    tn_error_last(&e);\n"
    "    fprintf(stderr, \"%s: %s\\n\", what, e.text != NULL ? e.text : tn_status_name(st));\n"
    "    exit(2);\n"
    "}\n\n"
    "static void ends(int sig)\n"
    "{\n"
    "    const char *text = sig == SIGALRM ? \"FAILS: no end\\n\" : \"FAILS: it died\\n\";\n"
    "    _exit(write(1, text, strlen(text)) > 0 ? 1 : 2);\n"
    "}\n\n"
    "int main(int argc, char **argv)\n"
    "{\n"
    "    static const int ways[] = {SIGALRM, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};\n"
    "    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; ++i)\n"
    "        signal(ways[i], ends);\n"
    "    alarm(LIMIT_S);\n"
    "    const char *uri = argc > 1 ? argv[1] : DEVICE;\n"
    "    tn_runtime *runtime = NULL;\n"
    "    tn_device *device = NULL;\n"
    "    tn_queue *queue = NULL;\n"
    "    tn_op *op = NULL;\n"
    "    tn_plan *plan = NULL;\n"
    "    tn_buffer *buffer[OPERANDS];\n"
    "    tn_bind bind[OPERANDS];\n"
    "    unsigned char *sent[OPERANDS], *got[OPERANDS], *first[OPERANDS];\n"
    "    int wrong = 0;\n"
    "    check(tn_runtime_create(NULL, &runtime), \"runtime\");\n"
    "    check(tn_device_open(runtime, uri, &device), uri);\n"
    "    check(tn_queue_create(device, NULL, &queue), \"queue\");\n"
    "    check(tn_op_parse(runtime, OP, &op), OP);\n"
    "    check(tn_plan_create(device, op, NULL, &plan), \"plan\");\n"
    "    for (int i = 0; i < OPERANDS; ++i) {\n"
    "        size_t total = 2 * operands[i].guard + operands[i].span;\n"
    "        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = total};\n"
    "        check(tn_buffer_create(device, &desc, &buffer[i]), \"buffer\");\n"
    "        bind[i] = (tn_bind){operands[i].role, 0, buffer[i], operands[i].guard};\n"
    "        sent[i] = malloc(total + 1);\n"
    "        got[i] = malloc(total + 1);\n"
    "        first[i] = malloc(total + 1);\n"
    "        if (sent[i] == NULL || got[i] == NULL || first[i] == NULL)\n"
    "            return 2;\n"
    "    }\n"
    "    /* The second launch finds other numbers in the output. */\n"
    "    for (int launch = 0; launch < 2; ++launch) {\n"
    "        for (int i = 0; i < OPERANDS; ++i) {\n"
    "            const operand *o = &operands[i];\n"
    "            size_t total = 2 * o->guard + o->span;\n"
    "            memset(sent[i], o->fill, total);\n"
    "            if (!o->output && o->span > 0)\n"
    "                memcpy(sent[i] + o->guard, o->bytes, o->span);\n"
    "            for (size_t n = 0; o->output && n < o->count; ++n)\n"
    "                memset(sent[i] + o->guard + (size_t)o->at[n], launch == 0 ? 0xff : 0xc1, "
    "o->elem);\n"
    "            check(tn_queue_write(queue, buffer[i], 0, sent[i], total, NULL), \"write\");\n"
    "        }\n"
    "        check(tn_queue_run(queue, plan, bind, OPERANDS, NULL, NULL), \"run\");\n"
    "        for (int i = 0; i < OPERANDS; ++i)\n"
    "            check(tn_queue_read(queue, got[i], buffer[i], 0, 2 * operands[i].guard + "
    "operands[i].span,\n"
    "                                NULL), \"read\");\n"
    "        check(tn_queue_wait_idle(queue, UINT64_MAX), \"wait\");\n"
    "        for (int i = 0; i < OPERANDS; ++i) {\n"
    "            const operand *o = &operands[i];\n"
    "            size_t total = 2 * o->guard + o->span;\n"
    "            for (size_t n = 0; o->output && n < o->count; ++n) {\n"
    "                const unsigned char *e = got[i] + o->guard + (size_t)o->at[n];\n"
    "                if (!right(o, n, e) && wrong++ < 10)\n"
    "                    printf(\"launch %d, element %zu: got %.17g, want %.17g +- %.3g\\n\", "
    "launch, n,\n"
    "                           decode(o, e), o->want[n], o->bound[n]);\n"
    "                if (launch > 0 && memcmp(e, first[i] + o->guard + (size_t)o->at[n], o->elem) "
    "!= 0 &&\n"
    "                    wrong++ < 10)\n"
    "                    printf(\"element %zu: two launches differ\\n\", n);\n"
    "            }\n"
    "            memcpy(first[i], got[i], total);\n"
    "            for (size_t n = 0; o->output && n < o->count; ++n) /* the rest has to be as it "
    "was */\n"
    "                memcpy(got[i] + o->guard + (size_t)o->at[n], sent[i] + o->guard + "
    "(size_t)o->at[n],\n"
    "                       o->elem);\n"
    "            for (size_t b = 0; b < total; ++b)\n"
    "                if (got[i][b] != sent[i][b] && wrong++ < 10)\n"
    "                    printf(\"operand %d: byte %ld was written\\n\", i, (long)b - "
    "(long)o->guard);\n"
    "        }\n"
    "    }\n"
    "    for (int i = 0; i < OPERANDS; ++i) {\n"
    "        tn_buffer_release(buffer[i]);\n"
    "        free(sent[i]);\n"
    "        free(got[i]);\n"
    "        free(first[i]);\n"
    "    }\n"
    "    tn_plan_release(plan);\n"
    "    tn_op_free(runtime, op);\n"
    "    tn_queue_release(queue);\n"
    "    tn_device_release(device);\n"
    "    tn_runtime_release(runtime);\n"
    "    puts(wrong ? \"FAILS\" : \"passes\");\n"
    "    return wrong != 0;\n"
    "}\n";

static void bytes_of(FILE *f, const char *name, int i, const unsigned char *b, uint64_t count)
{
    fprintf(f, "static const unsigned char %s_%d[] = {", name, i);
    for (uint64_t k = 0; k < count; ++k)
        fprintf(f, "%s%u,", k % 24 == 0 ? "\n    " : "", b[k]);
    fprintf(f, "%s};\n", count == 0 ? "0" : "");
}

static void number(FILE *f, double v)
{
    if (isfinite(v))
        fprintf(f, "%a,", v);
    else
        fputs(isnan(v) ? "NAN," : v > 0 ? "INFINITY," : "-INFINITY,", f);
}

static void numbers_of(FILE *f, const char *name, int i, const double *v, int64_t count)
{
    fprintf(f, "static const double %s_%d[] = {", name, i);
    for (int64_t k = 0; k < count; ++k) {
        fputs(k % 8 == 0 ? "\n    " : " ", f);
        number(f, v[k]);
    }
    fprintf(f, "%s};\n", count == 0 ? "0" : "");
}

static const tn_v_expected *expected_of(const tn_v_capture *c, uint32_t role)
{
    for (int i = 0; i < c->outputs; ++i)
        if (c->expected[i].role == role)
            return &c->expected[i];
    return NULL;
}

static void row(FILE *f, const tn_v_capture *c, int i)
{
    const tn_v_operand *o = &c->operand[i];
    const tn_v_expected *e = expected_of(c, o->role);
    tn_v_format t = tn_v_format_of((tn_dtype)o->tensor.dtype);
    int bits = (int)(8 * o->elem), mantissa = t.floating ? t.precision - 1 : 0;
    fprintf(f, "    {%u, %d, %d, %llu, %llu, %llu, %lld, ", o->role, o->output,
            !o->output && t.floating ? 0xff : 0xa5, (unsigned long long)o->guard,
            (unsigned long long)(o->total - 2 * o->guard), (unsigned long long)o->elem,
            (long long)o->count);
    if (!o->output)
        fprintf(f, "bytes_%d, NULL, NULL, NULL, NULL, ", i);
    else
        fprintf(f, "NULL, at_%d, want_%d, bound_%d, ", i, i, i);
    if (o->output && e != NULL && e->bits)
        fprintf(f, "same_%d, ", i);
    else if (o->output)
        fprintf(f, "NULL, ");
    /* of an integer the exponent's place says whether it has a sign */
    fprintf(f, "%d, %d, %d, %a},\n", t.floating, t.floating ? bits - 1 - mantissa : t.is_signed,
            mantissa, t.max);
}

bool tn_v_program_write(const char *path, const tn_v_capture *c)
{
    if (!c->elementwise || c->operands == 0)
        return false;
    for (int i = 0; i < c->operands; ++i)
        if (c->operand[i].output && expected_of(c, c->operand[i].role) == NULL)
            return false;
    FILE *f = fopen(path, "w");
    if (f == NULL)
        return false;
    fprintf(
        f,
        "/* %s on %s: %s.\n * Build it with the flags of pkg-config tenon and -lm; exit status 1: "
        "the failure is there; another device may be\n * named as the first argument. */\n",
        c->which.op, c->device,
        c->result.hypothesis[0] != '\0'                                      ? c->result.hypothesis
        : c->result.status == TN_V_CRASH || c->result.status == TN_V_TIMEOUT ? c->result.message
                                                                             : "a failure");
    fputs(head, f);
    fprintf(f,
            "#define DEVICE \"%s\"\n#define OP \"%s\"\nenum { OPERANDS = %d, SIGNED_ZERO = %d, "
            "LIMIT_S = %.0f };\n",
            c->device, c->which.op, c->operands, c->signed_zero,
            c->limit_s > 0 ? ceil(c->limit_s) : 60.0);
    for (int i = 0; i < c->operands; ++i) {
        const tn_v_operand *o = &c->operand[i];
        const tn_v_expected *e = expected_of(c, o->role);
        if (!o->output) {
            bytes_of(f, "bytes", i, o->sent + o->guard, o->total - 2 * o->guard);
            continue;
        }
        fprintf(f, "static const int32_t at_%d[] = {", i);
        for (int64_t n = 0; n < o->count; ++n)
            fprintf(f, "%s%lld,", n % 16 == 0 ? "\n    " : " ",
                    (long long)(tn_v_offset(&o->tensor, n) * (int64_t)o->elem));
        fprintf(f, "%s};\n", o->count == 0 ? "0" : "");
        numbers_of(f, "want", i, e->want, e->count);
        numbers_of(f, "bound", i, e->bound, e->count);
        if (e->bits)
            bytes_of(f, "same", i, e->want_bytes, (uint64_t)e->count * o->elem);
    }
    fputs("static const operand operands[OPERANDS] = {\n", f);
    for (int i = 0; i < c->operands; ++i)
        row(f, c, i);
    fputs("};\n", f);
    fputs(tail, f);
    return fclose(f) == 0;
}

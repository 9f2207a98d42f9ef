/* SPDX-License-Identifier: Apache-2.0 */
/* Cases drawn at random, the same ones everywhere: sizes, strides, attributes and epilogues met
 * together that nobody would list. A defect that wants three things at once is found here. */
#include <conformance/cases/case_list.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define B TN_V_BIT

static const char *const floats[] = {"f32", "bf16", "f16"};

/* The op's text while it is put together. */
typedef struct text {
    char s[TN_V_NAME];
    size_t at;
} text;

static void put(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->s + t->at, sizeof t->s - t->at, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof t->s - t->at)
        t->at += (size_t)n;
    else
        t->s[t->at] = '\0'; /* no room for this word: the op is one without */
}

static int64_t between(tn_v_random *r, int64_t low, int64_t high)
{
    return low + tn_v_below(r, high - low + 1);
}

static bool chance(tn_v_random *r, int percent)
{
    return tn_v_below(r, 100) < percent;
}

/* Small and large with like frequency, and often round a power of two. */
static int64_t size(tn_v_random *r, int64_t most)
{
    int bits = 0;
    while ((2ll << bits) <= most)
        ++bits;
    int64_t v = 1ll << tn_v_below(r, bits + 1);
    v = chance(r, 40) ? v + between(r, -1, 1) : between(r, v, 2 * v - 1);
    return v < 1 ? 1 : v > most ? most : v;
}

/* Strides of a dense tensor with permuted dims, or with gaps behind its rows. */
static void strides(text *t, const char *role, const int64_t *dim, int rank, tn_v_random *r)
{
    int64_t stride[8], next = 1;
    int order[8];
    for (int d = 0; d < rank; ++d)
        order[d] = rank - 1 - d;
    if (chance(r, 60))
        for (int d = rank; d-- > 1;) {
            int j = (int)tn_v_below(r, d + 1), was = order[d];
            order[d] = order[j];
            order[j] = was;
        }
    for (int d = 0; d < rank; ++d) {
        stride[order[d]] = next;
        next *= dim[order[d]];
        if (chance(r, 50))
            next += between(r, 1, 5);
    }
    put(t, "+%s=", role);
    for (int d = 0; d < rank; ++d)
        put(t, d ? "x%lld" : "%lld", (long long)dim[d]);
    for (int d = 0; d < rank; ++d)
        put(t, d ? "x%lld" : "@%lld", (long long)stride[d]);
}

static void posts(text *t, tn_v_random *r)
{
    static const char *const words[] = {"bias", "add",       "mul",  "relu",
                                        "gelu", "gelu_tanh", "silu", "clamp=-2/3.5"};
    static const char *const scale[] = {"scale=0.5/0", "scale=-2/0"};
    for (int64_t n = tn_v_below(r, 4); n-- > 0;)
        put(t, "+%s", chance(r, 10) ? scale[tn_v_below(r, 2)] : words[tn_v_below(r, 8)]);
}

static void matmul(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    static const char *const types[] = {"f32",         "bf16",
                                        "f16",         "bf16,bf16,f32",
                                        "f16,f16,f32", "f8e4m3,f8e4m3,f32",
                                        "f64",         "f8e5m2,f8e5m2,f32"};
    static const char *const layouts[] = {"nn", "nt", "tn", "tt"};
    text t = {"", 0};
    int64_t m = size(r, 200), n = size(r, 200), k = size(r, 400), outer = 0, inner = 0;
    int type = (int)tn_v_below(r, chance(r, 70) ? 3 : 8), layout = (int)tn_v_below(r, 4);
    put(&t, "matmul ");
    if (chance(r, 35)) {
        inner = size(r, m * n * k > 100000 ? 3 : 20);
        outer = chance(r, 40) ? between(r, 2, 3) : 0;
        if (outer > 0)
            put(&t, "%lldx", (long long)outer);
        put(&t, "%lldx", (long long)inner);
    }
    put(&t, "%lldx%lldx%lld:%s:%s", (long long)m, (long long)n, (long long)k, types[type],
        layouts[layout]);
    bool turn_a = layout >= 2, turn_b = layout == 1 || layout == 3;
    int64_t a[2] = {turn_a ? k : m, turn_a ? m : k}, b[2] = {turn_b ? n : k, turn_b ? k : n},
            out[2] = {m, n};
    if (inner == 0 && chance(r, 30))
        strides(&t, "a", a, 2, r);
    if (inner == 0 && chance(r, 30))
        strides(&t, "b", b, 2, r);
    else if (inner > 0 && chance(r, 40))
        put(&t, "+b=%lldx%lld", (long long)b[0], (long long)b[1]);
    if (inner == 0 && chance(r, 30))
        strides(&t, "out", out, 2, r);
    if (chance(r, 25))
        put(&t, "+alpha=%s", chance(r, 50) ? "0.5" : "-2");
    if (chance(r, 25))
        put(&t, "+beta=%s+c", chance(r, 30) ? "0" : chance(r, 50) ? "-1" : "3");
    posts(&t, r);
    tn_v_add(s, from, 6, B(TN_V_EXACT) | B(TN_V_ZERO_MEAN) | (chance(r, 30) ? B(TN_V_SPECIAL) : 0),
             "%s", t.s);
}

static void integers(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    static const char *const types[] = {"s8,s8", "u8,s8", "u8,u8", "s8,u8"};
    static const char *const out[] = {"s32", "f32", "s8", "u8"};
    static const char *const layouts[] = {"nn", "nt", "tn", "tt"};
    text t = {"", 0};
    int64_t m = size(r, 100), n = size(r, 130), k = size(r, 300);
    int to = (int)tn_v_below(r, 4);
    put(&t, "matmul %lldx%lldx%lld:%s,%s:%s", (long long)m, (long long)n, (long long)k,
        types[tn_v_below(r, 4)], out[to], layouts[tn_v_below(r, 4)]);
    if (to == 0) {
        put(&t, "%s%s", chance(r, 40) ? "+bias" : "", chance(r, 30) ? "+relu" : "");
    } else {
        put(&t, "%s", chance(r, 50) ? "+bias" : "");
        if (chance(r, 70))
            put(&t, chance(r, 50) ? "+scale_of_a=%lld" : "+scale_of_a", (long long)m);
        if (chance(r, 70) || to > 1)
            put(&t, chance(r, 50) ? "+scale_of_b=%lld" : "+scale_of_b", (long long)n);
        if (to > 1)
            put(&t, chance(r, 50) ? "+scale_of_out=%lld" : "+scale_of_out", (long long)n);
    }
    if (chance(r, 50))
        put(&t, chance(r, 50) ? "+zero_of_a=%lld" : "+zero_of_a", (long long)m);
    if (chance(r, 50))
        put(&t, chance(r, 50) ? "+zero_of_b=%lld" : "+zero_of_b", (long long)n);
    if (to > 1 && chance(r, 50))
        put(&t, chance(r, 50) ? "+zero_of_out=%lld" : "+zero_of_out", (long long)n);
    tn_v_add(s, from, 6, B(TN_V_ZERO_MEAN) | B(TN_V_WIDE), "%s", t.s);
}

static void list(text *t, const char *key, const int64_t *v, int dims)
{
    put(t, "+%s=", key);
    for (int d = 0; d < dims; ++d)
        put(t, d ? "x%lld" : "%lld", (long long)v[d]);
}

static void conv(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    static const char in[3][2] = {"d", "h", "w"}, kernel[3][2] = {"t", "r", "s"};
    text t = {"", 0};
    int dims = (int)(chance(r, 60) ? 2 : chance(r, 50) ? 1 : 3);
    int64_t groups = chance(r, 40) ? between(r, 2, 4) : 1, per = between(r, 1, 9),
            filters = between(r, 1, 11), pads[2][3], stride[3], dilation[3], out_pad[3];
    bool turned = chance(r, 25), odd = false;
    if (chance(r, 15)) { /* depthwise */
        groups = between(r, 2, 20);
        per = 1;
        filters = between(r, 1, 2);
    }
    put(&t, "conv n%lldc%lld", (long long)between(r, 1, 3), (long long)(groups * per));
    char taps[32] = "";
    size_t at = 0;
    for (int d = 0; d < dims; ++d) {
        int64_t k = between(r, 1, dims == 3 ? 3 : 5);
        stride[d] = chance(r, 50) ? 1 : between(r, 2, 3);
        dilation[d] = k == 1 || chance(r, 60) ? 1 : between(r, 2, 3);
        int64_t reach = (k - 1) * dilation[d] + 1;
        pads[0][d] = chance(r, 60) ? between(r, 0, reach - 1) : 0;
        pads[1][d] = chance(r, 60) ? between(r, 0, reach - 1) : 0;
        out_pad[d] = turned && chance(r, 40) ? between(r, 0, stride[d] - 1) : 0;
        odd = odd || out_pad[d] > 0;
        int64_t length = between(r, 1, dims == 1 ? 60 : dims == 2 ? 17 : 7);
        if (length + pads[0][d] + pads[1][d] < reach)
            length = reach;
        if (turned && (length - 1) * stride[d] + reach - pads[0][d] - pads[1][d] < 1)
            length = reach + 2;
        put(&t, "%s%lld", in[3 - dims + d], (long long)length);
        at += (size_t)snprintf(taps + at, sizeof taps - at, "%s%lld", kernel[3 - dims + d],
                               (long long)k);
    }
    put(&t, "k%lld%s", (long long)(groups * filters), taps);
    if (groups > 1)
        put(&t, "g%lld", (long long)groups);
    put(&t, ":%s:%s", floats[tn_v_below(r, 3)],
        turned          ? "transposed"
        : chance(r, 50) ? "nhwc"
                        : "bounded");
    list(&t, "stride", stride, dims);
    list(&t, "dilation", dilation, dims);
    list(&t, "lo", pads[0], dims);
    list(&t, "hi", pads[1], dims);
    if (odd)
        list(&t, "out_pad", out_pad, dims);
    if (chance(r, 40))
        posts(&t, r);
    tn_v_add(s, from, 6, B(TN_V_EXACT) | B(TN_V_ZERO_MEAN) | (chance(r, 30) ? B(TN_V_SPECIAL) : 0),
             "%s", t.s);
}

static void attention(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    static const int64_t heads[] = {1, 8, 16, 24, 33, 64, 72, 80, 96, 128, 160, 256};
    text t = {"", 0};
    int64_t batch = chance(r, 60) ? between(r, 1, 3) : 0, g = between(r, 1, 3),
            h = g * (chance(r, 50) ? 1 : between(r, 2, 5)), q = size(r, 40), k = size(r, 140),
            d = heads[tn_v_below(r, 12)];
    put(&t, "attention ");
    if (batch > 0)
        put(&t, "b%lld", (long long)batch);
    put(&t, "h%lld", (long long)h);
    if (g != h)
        put(&t, "g%lld", (long long)g);
    put(&t, "q%lldk%lldd%lld", (long long)q, (long long)k, (long long)d);
    if (chance(r, 20))
        put(&t, "e%lld", (long long)heads[tn_v_below(r, 12)]);
    put(&t, ":%s:%s", floats[tn_v_below(r, 3)],
        chance(r, 30)   ? "causal"
        : chance(r, 50) ? "causal_end"
                        : "bounded");
    if (chance(r, 40))
        put(&t, "+window=%lldx%lld", (long long)between(r, 0, 40), (long long)between(r, 0, 20));
    if (chance(r, 30))
        put(&t, "+softcap=%lld", (long long)between(r, 2, 30));
    if (chance(r, 30))
        put(&t, "+scale=0.%lld", (long long)between(r, 1, 5));
    if (batch > 0 && chance(r, 40))
        put(&t, "+lengths");
    if (chance(r, 30))
        put(&t, "+mask");
    if (chance(r, 20))
        put(&t, "+sinks");
    if (chance(r, 20))
        put(&t, "+slopes");
    static const tn_v_data more[] = {TN_V_BIG, TN_V_RISE, TN_V_EDGE, TN_V_WIDE};
    tn_v_add(s, from, 6, B(TN_V_ZERO_MEAN) | B(more[tn_v_below(r, 4)]), "%s", t.s);
}

static int shape(text *t, int64_t *dim, int least, int most_rank, int64_t most, tn_v_random *r)
{
    int rank = (int)between(r, least, most_rank);
    int64_t room = most;
    for (int d = 0; d < rank; ++d) {
        dim[d] = size(r, room < 1 ? 1 : d + 1 < rank && room > 64 ? 64 : room);
        room /= dim[d];
        put(t, d ? "x%lld" : "%lld", (long long)dim[d]);
    }
    return rank;
}

static void softmax(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    text t = {"softmax ", 8};
    int64_t dim[8];
    int rank = shape(&t, dim, 1, 4, 20000, r);
    put(&t, ":%s:axis=%lld%s", floats[tn_v_below(r, 3)], (long long)tn_v_below(r, rank),
        chance(r, 30) ? "+log" : "");
    if (chance(r, 35))
        strides(&t, "a", dim, rank, r);
    if (chance(r, 25))
        strides(&t, "out", dim, rank, r);
    tn_v_add(s, from, 6, B(TN_V_ZERO_MEAN) | B(chance(r, 50) ? TN_V_BIG : TN_V_SPECIAL), "%s", t.s);
}

static void norm(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    text t = {"norm ", 5};
    int64_t dim[8];
    bool rms = chance(r, 40);
    put(&t, rms ? "rms " : "layer ");
    int rank = shape(&t, dim, 1, 4, 20000, r);
    put(&t, ":%s:eps=%s+axes=%lld", floats[tn_v_below(r, 3)], chance(r, 50) ? "1e-5" : "0.25",
        (long long)between(r, 1, rank));
    if (chance(r, 60))
        put(&t, "+gamma%s", rms || chance(r, 50) ? "" : "+beta");
    if (chance(r, 30))
        strides(&t, "a", dim, rank, r);
    if (chance(r, 25))
        strides(&t, "out", dim, rank, r);
    tn_v_add(s, from, 6, B(TN_V_ZERO_MEAN) | B(chance(r, 50) ? TN_V_BIG : TN_V_POSITIVE), "%s",
             t.s);
}

static void reduce(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    static const char *const kinds[] = {"sum", "mean", "max", "min", "sumsq"};
    text t = {"reduce ", 7};
    int64_t dim[8];
    put(&t, "%s ", kinds[tn_v_below(r, 5)]);
    int rank = shape(&t, dim, 1, 4, 20000, r), first = 1;
    put(&t, ":%s:axes=", floats[tn_v_below(r, 3)]);
    uint64_t axes = 1 + (uint64_t)tn_v_below(r, (1ll << rank) - 1);
    for (int d = 0; d < rank; ++d)
        if ((axes >> d & 1u) != 0) {
            put(&t, first ? "%d" : "x%d", d);
            first = 0;
        }
    if (chance(r, 40))
        strides(&t, "a", dim, rank, r);
    tn_v_add(s, from, 6, B(TN_V_ZERO_MEAN) | B(chance(r, 50) ? TN_V_EXACT : TN_V_SPECIAL), "%s",
             t.s);
}

static void eltwise(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    static const char *const unary[] = {
        "neg", "abs",  "square",  "relu", "rint", "recip",     "sqrt", "rsqrt", "exp", "exp2",
        "log", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "erf",  "sin",   "cos", "clamp"};
    static const char *const binary[] = {"add", "sub",   "mul",  "div",       "max",
                                         "min", "equal", "less", "less_equal"};
    text t = {"eltwise ", 8};
    int64_t dim[8], with[8];
    bool two = chance(r, 60);
    put(&t, "%s ", two ? binary[tn_v_below(r, 9)] : unary[tn_v_below(r, 20)]);
    bool clamp = strstr(t.s, "clamp") != NULL;
    int rank = shape(&t, dim, 1, 4, 20000, r);
    put(&t, ":%s:%s", floats[tn_v_below(r, 3)], clamp ? "pa=-0.5+pb=0.75" : "bounded");
    if (chance(r, 40))
        strides(&t, "a", dim, rank, r);
    if (two && chance(r, 40)) { /* broadcast along some dims */
        int from_dim = (int)tn_v_below(r, rank);
        put(&t, "+b=");
        for (int d = from_dim; d < rank; ++d) {
            with[d] = chance(r, 50) ? 1 : dim[d];
            put(&t, d > from_dim ? "x%lld" : "%lld", (long long)with[d]);
        }
    } else if (two && chance(r, 40)) {
        strides(&t, "b", dim, rank, r);
    }
    if (chance(r, 30))
        strides(&t, "out", dim, rank, r);
    tn_v_add(s, from, 4, B(TN_V_ZERO_MEAN) | B(chance(r, 50) ? TN_V_SPECIAL : TN_V_HUGE), "%s",
             t.s);
}

static void copy(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    static const char *const all[] = {"f64", "f32", "f16", "bf16", "f8e4m3", "f8e5m2",
                                      "s64", "s32", "s8",  "u8",   "bool"};
    text t = {"copy ", 5};
    int64_t dim[8];
    int rank = shape(&t, dim, 1, 5, 8000, r);
    const char *one = all[tn_v_below(r, 11)];
    if (chance(r, 60))
        put(&t, ":%s:bounded", one);
    else
        put(&t, ":%s,%s:bounded", one, all[tn_v_below(r, 11)]);
    if (chance(r, 70))
        strides(&t, "a", dim, rank, r);
    if (chance(r, 50))
        strides(&t, "out", dim, rank, r);
    tn_v_add(s, from, 4, B(TN_V_SPECIAL), "%s", t.s);
}

static void pool(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    text t = {"pool ", 5};
    int dims = (int)between(r, 1, 3);
    int64_t dim[8], window[3], stride[3], dilation[3], lo[3], hi[3];
    bool most = chance(r, 50), last = chance(r, 40);
    put(&t, "%s ", most ? "max" : "average");
    for (int d = 0; d < dims + 2; ++d)
        dim[d] = between(r, 1, d == 0 ? 2 : d == 1 ? 7 : 14);
    for (int d = 0; d < dims; ++d) {
        int64_t *length = &dim[last ? d + 1 : d + 2];
        window[d] = between(r, 1, 4);
        stride[d] = between(r, 1, 3);
        dilation[d] = chance(r, 70) ? 1 : 2;
        int64_t reach = (window[d] - 1) * dilation[d] + 1;
        lo[d] = chance(r, 50) ? 0 : between(r, 0, (window[d] - 1) * dilation[d]);
        hi[d] = chance(r, 50) ? 0 : between(r, 0, (window[d] - 1) * dilation[d]);
        if (*length + lo[d] + hi[d] < reach)
            *length = reach;
    }
    for (int d = 0; d < dims + 2; ++d)
        put(&t, d ? "x%lld" : "%lld", (long long)dim[d]);
    put(&t, ":%s:", floats[tn_v_below(r, 3)]);
    put(&t, last ? "nhwc" : "bounded");
    list(&t, "window", window, dims);
    list(&t, "stride", stride, dims);
    list(&t, "dilation", dilation, dims);
    list(&t, "lo", lo, dims);
    list(&t, "hi", hi, dims);
    put(&t, "%s%s", chance(r, 40) ? "+ceil" : "", !most && chance(r, 40) ? "+count_padding" : "");
    if (chance(r, 30))
        strides(&t, "a", dim, dims + 2, r);
    tn_v_add(s, from, 6, B(TN_V_ZERO_MEAN) | (most ? B(TN_V_SPECIAL) : 0), "%s", t.s);
}

static void moves(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    static const char *const all[] = {"f32", "f16", "bf16", "f8e4m3", "s64", "s32", "s8", "u8"};
    text t = {"", 0};
    int64_t dim[8];
    int which = (int)tn_v_below(r, 3);
    put(&t, "%s ", which == 0 ? "gather" : which == 1 ? "concat" : "pad");
    int rank = shape(&t, dim, 1, 4, 3000, r), axis = (int)tn_v_below(r, rank);
    put(&t, ":%s:", all[tn_v_below(r, 8)]);
    if (which == 0) {
        put(&t, "axis=%d+index=%lldx%lld/%s", chance(r, 30) ? axis - rank : axis,
            (long long)between(r, 1, 9), (long long)between(r, 1, 5),
            chance(r, 50) ? "s32" : "s64");
        if (chance(r, 40))
            strides(&t, "a", dim, rank, r);
    } else if (which == 1) {
        put(&t, "axis=%d", axis);
        for (int64_t n = between(r, 1, 4), i = 1; i <= n; ++i) {
            put(&t, "+input%lld=", (long long)i);
            for (int d = 0; d < rank; ++d)
                put(&t, d ? "x%lld" : "%lld", (long long)(d == axis ? size(r, 40) : dim[d]));
        }
    } else {
        int64_t lo[8], hi[8];
        bool mirror = chance(r, 40), edge = chance(r, 40);
        for (int d = 0; d < rank; ++d) {
            int64_t most = mirror ? dim[d] - 1 : 5;
            lo[d] = between(r, dim[d] > 2 ? -1 : 0, most < 5 ? most : 5);
            hi[d] = between(r, 0, most < 5 ? most : 5);
        }
        put(&t, mirror ? "reflect" : edge ? "edge" : "value=-1.5");
        list(&t, "lo", lo, rank);
        list(&t, "hi", hi, rank);
        if (chance(r, 40))
            strides(&t, "a", dim, rank, r);
    }
    tn_v_add(s, from, 4, B(TN_V_SPECIAL), "%s", t.s);
}

static void quantize(tn_v_sink *s, tn_v_list from, tn_v_random *r)
{
    text t = {"", 0};
    int64_t dim[8];
    bool down = chance(r, 60), bytes = chance(r, 50);
    put(&t, down ? "quantize " : "dequantize ");
    int rank = (int)between(r, 1, 4), axis = (int)tn_v_below(r, rank);
    int64_t group = between(r, 2, 9);
    bool grouped = chance(r, 30), single = !grouped && chance(r, 30);
    for (int d = 0; d < rank; ++d) {
        dim[d] = size(r, rank == 1 ? 3000 : 40);
        if (d == axis && grouped)
            dim[d] = group * between(r, 1, 5);
        put(&t, d ? "x%lld" : "%lld", (long long)dim[d]);
    }
    const char *f = floats[tn_v_below(r, 3)], *i = bytes ? "u8" : "s8";
    put(&t, ":%s,%s:axis=%d", down ? f : i, down ? i : f, axis);
    if (grouped)
        put(&t, "+group=%lld", (long long)group);
    put(&t, "+scale_of_%s%s", down ? "out" : "a", single ? "=-" : "");
    if (chance(r, 60))
        put(&t, "+zero_of_%s%s", down ? "out" : "a", single ? "=-" : "");
    if (chance(r, 30))
        strides(&t, "a", dim, rank, r);
    tn_v_add(s, from, 4, B(TN_V_ZERO_MEAN) | B(TN_V_TIES), "%s", t.s);
}

static void draw(tn_v_sink *s, void (*one)(tn_v_sink *, tn_v_list, tn_v_random *), uint64_t seed,
                 int quick, int standard, int full)
{
    tn_v_random r = {seed};
    for (int i = 0; i < full; ++i)
        one(s, i < quick ? TN_V_QUICK : i < standard ? TN_V_STANDARD : TN_V_FULL, &r);
}

void tn_v_list_drawn(tn_v_sink *s)
{
    draw(s, matmul, 1, 200, 1500, 6000);
    draw(s, integers, 2, 100, 500, 2000);
    draw(s, conv, 3, 160, 1000, 4000);
    draw(s, attention, 4, 140, 800, 3000);
    draw(s, softmax, 5, 80, 300, 1000);
    draw(s, norm, 6, 80, 300, 1000);
    draw(s, reduce, 7, 100, 400, 1000);
    draw(s, eltwise, 8, 150, 600, 2000);
    draw(s, copy, 9, 150, 500, 1500);
    draw(s, pool, 10, 80, 300, 1000);
    draw(s, moves, 11, 120, 400, 1500);
    draw(s, quantize, 12, 80, 300, 1000);
    s->cls = "canonical"; /* whose bits are held to an order of their own */
    draw(s, matmul, 101, 70, 500, 2000);
    draw(s, conv, 103, 70, 400, 1500);
    draw(s, attention, 104, 40, 300, 1000);
    draw(s, softmax, 105, 40, 150, 500);
    draw(s, norm, 106, 40, 150, 500);
    draw(s, reduce, 107, 50, 200, 500);
    draw(s, eltwise, 108, 60, 300, 1000);
    draw(s, pool, 110, 40, 150, 500);
    s->cls = NULL;
}

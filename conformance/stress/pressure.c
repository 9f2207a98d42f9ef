/* SPDX-License-Identifier: Apache-2.0 */
/* Level 7: memory nearly full, memory of the host's own, mappings. */
#include <conformance/stress/step.h>

#include <stdlib.h>
#include <string.h>

/* ---- memory nearly full ---- */

enum { MOST_BLOCKS = 64, PLACE = 1 << 16, WORDS = 8 };

/* Words that say where they lie: at the start of each 64 KiB, and at the end. */
static void own_address(uint64_t *words, uint64_t block, uint64_t at)
{
    tn_v_random r = {(block << 48 | at) + 1};
    for (int i = 0; i < WORDS; ++i)
        words[i] = tn_v_next(&r);
}

static bool each_place(tn_v_session *s, tn_buffer *b, uint64_t block, uint64_t bytes, bool write,
                       tn_v_result *out)
{
    uint64_t places = bytes / PLACE;
    uint64_t(*words)[WORDS] = calloc(places + 1, sizeof *words);
    tn_status st = words != NULL ? TN_OK : TN_STATUS_NO_MEMORY;
    for (uint64_t p = 0; p <= places && st == TN_OK; ++p) {
        uint64_t at = p < places ? p * PLACE : bytes - sizeof *words;
        if (write)
            own_address(words[p], block, at);
        st = write ? tn_queue_write(s->queue, b, at, words[p], sizeof *words, NULL)
                   : tn_queue_read(s->queue, words[p], b, at, sizeof *words, NULL);
    }
    tn_status idle = tn_v_wait_idle(s, s->queue);
    bool good = tn_v_good(out, st != TN_OK ? st : idle, write ? "write" : "read");
    for (uint64_t p = 0; p <= places && good && !write; ++p) {
        uint64_t want[WORDS], at = p < places ? p * PLACE : bytes - sizeof *words;
        own_address(want, block, at);
        if (memcmp(want, words[p], sizeof want) != 0)
            good = tn_v_wrong(out,
                              "block %llu of %llu bytes: what lies at %llu is not what was written "
                              "there",
                              (unsigned long long)block, (unsigned long long)bytes,
                              (unsigned long long)at);
    }
    if (good || out->status != TN_V_TIMEOUT)
        free(words);
    return good;
}

static bool fill_rest(tn_v_session *s, tn_buffer *b, uint64_t bytes, uint32_t with,
                      tn_v_result *out)
{
    tn_status st = tn_queue_fill(s->queue, b, 0, bytes, with, 4, NULL);
    tn_status idle = tn_v_wait_idle(s, s->queue);
    return tn_v_good(out, st != TN_OK ? st : idle, "fill");
}

static uint64_t in_use(tn_v_session *s)
{
    tn_memory_info info = {.head = TN_INIT(tn_memory_info)};
    return tn_device_memory(s->device, 0, &info) == TN_OK ? info.used_bytes : 0;
}

/* Half of what the device says is free, `most` bytes at most, in blocks; every block is filled and
 * keeps its own, a device that runs out says so, and all of it comes back. */
static bool full(tn_v_session *s, tn_v_result *out, uint64_t most)
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    tn_buffer *b[MOST_BLOCKS] = {NULL};
    if (!tn_v_good(out, tn_device_get_info(s->device, &info), "info"))
        return false;
    uint64_t before = in_use(s);
    uint64_t share = info.memory_bytes > before ? (info.memory_bytes - before) / 2 : 0;
    share = share == 0 || share > most ? most : share;
    uint64_t block = share > 4 * PLACE ? share / 4 : PLACE;
    if (info.largest_buffer_bytes > 0 && block > info.largest_buffer_bytes)
        block = info.largest_buffer_bytes;
    block = block / 4096 * 4096;
    block = block == 0 ? 4096 : block;
    int blocks = share / block > MOST_BLOCKS ? MOST_BLOCKS : (int)(share / block), have = 0;
    bool good = true;
    for (; have < blocks && good; ++have) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = block};
        tn_status st = tn_buffer_create(s->device, &desc, &b[have]);
        if (st == TN_STATUS_NO_MEMORY && have > 0)
            break; /* somebody else has the rest */
        good = tn_v_good(out, st, "buffer") &&
               fill_rest(s, b[have], block, 0x5a5a5a5au ^ (uint32_t)have, out) &&
               each_place(s, b[have], (uint64_t)have, block, true, out);
    }
    for (int i = 0; i < have && good; ++i) {
        uint32_t got[2], want = 0x5a5a5a5au ^ (uint32_t)i;
        good = each_place(s, b[i], (uint64_t)i, block, false, out) &&
               tn_v_get(s, got, b[i], sizeof(uint64_t[WORDS]), sizeof got, out);
        if (good && block > 1024 && (got[0] != want || got[1] != want))
            good = tn_v_wrong(out, "block %d has lost its filling: 0x%08x instead of 0x%08x", i,
                              got[0], want);
    }
    for (int i = 0; i < MOST_BLOCKS; ++i)
        tn_buffer_release(b[i]);
    uint64_t after = in_use(s);
    if (good && after != before)
        good = tn_v_wrong(out, "%llu bytes were in use before, %llu after all was given back",
                          (unsigned long long)before, (unsigned long long)after);
    return good;
}

static bool full_96m(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    (void)r;
    return full(s, out, (uint64_t)96 << 20);
}

static bool full_640m(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    (void)r;
    return full(s, out, (uint64_t)640 << 20);
}

static bool full_4g(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    (void)r;
    return full(s, out, (uint64_t)4 << 30);
}

/* Blocks of sizes that change, made and given back in a drawn order. */
static bool churn(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { ROUNDS = 600, SLOTS = 24 };
    tn_buffer *b[SLOTS] = {NULL};
    uint64_t bytes[SLOTS] = {0}, before = in_use(s);
    bool good = true;
    for (int round = 0; round < ROUNDS && good; ++round) {
        int i = (int)tn_v_below(r, SLOTS);
        if (b[i] != NULL)
            good = each_place(s, b[i], (uint64_t)i, bytes[i], false, out);
        tn_buffer_release(b[i]);
        b[i] = NULL;
        bytes[i] = 64 + 64 * (uint64_t)tn_v_below(r, (int64_t)1 << tn_v_below(r, 14));
        good = good && tn_v_buffer(s, bytes[i], &b[i], out) &&
               each_place(s, b[i], (uint64_t)i, bytes[i], true, out);
    }
    for (int i = 0; i < SLOTS; ++i)
        tn_buffer_release(b[i]);
    if (good && in_use(s) != before)
        good = tn_v_wrong(out, "memory is still in use when all was given back");
    return good;
}

/* ---- the host's own memory ---- */

enum { N = 5000, BYTES = 2 * 16384 };

static void count_release(void *self)
{
    ++*(int *)self;
}

static bool import_host(tn_v_session *s, void *memory, int *released, tn_buffer **b,
                        tn_v_result *out)
{
    tn_external e = {.head = TN_INIT(tn_external),
                     .kind = TN_EXTERNAL_HOST,
                     .pointer = memory,
                     .bytes = BYTES,
                     .release = count_release,
                     .self = released};
    tn_status st = tn_buffer_import(s->device, &e, b);
    if (st == TN_STATUS_UNSUPPORTED)
        out->status = TN_V_NOT_SUPPORTED;
    return tn_v_good(out, st, "import");
}

static bool scaled(tn_v_session *s, const tn_v_step *step, tn_buffer *in, tn_buffer *to,
                   tn_v_result *out)
{
    tn_bind bind[2] = {{TN_ARG_A, 0, in, 0}, {TN_ARG_OUT, 0, to, 0}};
    return tn_v_good(out, tn_queue_run(s->queue, step->plan, bind, 2, NULL, NULL), "run") &&
           tn_v_good(out, tn_v_wait_idle(s, s->queue), "wait");
}

static bool twice_plus_one(const float *in, const float *got, const char *what, int lap,
                           tn_v_result *out)
{
    for (int i = 0; i < N; ++i)
        if (got[i] != 2 * in[i] + 1)
            return tn_v_wrong(out, "%s, launch %d: element %d is %g instead of %g", what, lap, i,
                              (double)got[i], (double)(2 * in[i] + 1));
    return true;
}

/* Programs' own memory as operand and as output; what the host writes between launches counts. */
static bool imported(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_v_step step;
    int released[2] = {0, 0};
    float *memory[2] = {aligned_alloc(16384, BYTES), aligned_alloc(16384, BYTES)};
    tn_buffer *b[2] = {NULL, NULL};
    bool good = tn_v_step_make(s, s->device, "eltwise scale 5000:f32:pa=2+pb=1", &step, out) &&
                memory[0] != NULL && memory[1] != NULL;
    for (int i = 0; i < 2 && good; ++i)
        good = import_host(s, memory[i], &released[i], &b[i], out);
    for (int lap = 0; lap < 5 && good; ++lap) {
        for (int i = 0; i < N; ++i) {
            memory[0][i] = (float)tn_v_below(r, 100000);
            memory[1][i] = -1;
        }
        good = scaled(s, &step, b[0], b[1], out) &&
               twice_plus_one(memory[0], memory[1], "imported memory", lap, out);
    }
    for (int i = 0; i < 2; ++i) {
        bool had = b[i] != NULL;
        if (good && released[i] != 0)
            good = tn_v_wrong(out, "imported memory was given back while it was in use");
        tn_buffer_release(b[i]);
        if (good && had && released[i] != 1)
            good = tn_v_wrong(out, "imported memory was given back %d times", released[i]);
    }
    if (out->status != TN_V_TIMEOUT) {
        free(memory[0]);
        free(memory[1]);
    }
    tn_v_step_drop(s, &step);
    return good;
}

/* Operands written and results read through mappings alone. */
static bool mapped(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_v_step step;
    tn_buffer *b[2] = {NULL, NULL};
    float *in = malloc(N * sizeof *in);
    bool good = tn_v_step_make(s, s->device, "eltwise scale 5000:f32:pa=2+pb=1", &step, out) &&
                in != NULL && tn_v_buffer(s, BYTES, &b[0], out) &&
                tn_v_buffer(s, BYTES, &b[1], out);
    for (int lap = 0; lap < 8 && good; ++lap) {
        void *p = NULL;
        uint32_t mode = TN_MAP_WRITE | (lap % 2 ? TN_MAP_DISCARD : TN_MAP_READ);
        for (int i = 0; i < N; ++i)
            in[i] = (float)tn_v_below(r, 100000);
        good = tn_v_good(out, tn_buffer_map(b[0], 0, N * sizeof *in, mode, &p), "map");
        if (good)
            memcpy(p, in, N * sizeof *in);
        good = good && tn_v_good(out, tn_buffer_unmap(b[0]), "unmap") &&
               scaled(s, &step, b[0], b[1], out) &&
               tn_v_good(out, tn_buffer_map(b[1], 0, N * sizeof *in, TN_MAP_READ, &p), "map");
        good = good && twice_plus_one(in, p, "mapped memory", lap, out) &&
               tn_v_good(out, tn_buffer_unmap(b[1]), "unmap");
    }
    tn_buffer_release(b[0]);
    tn_buffer_release(b[1]);
    free(in);
    tn_v_step_drop(s, &step);
    return good;
}

const tn_v_check tn_v_pressure_checks[] = {{"stress.memory.96m", 7, TN_V_QUICK, full_96m},
                                           {"stress.memory.640m", 7, TN_V_STANDARD, full_640m},
                                           {"stress.memory.4g", 7, TN_V_FULL, full_4g},
                                           {"stress.memory.churn", 7, TN_V_QUICK, churn},
                                           {"stress.imported", 7, TN_V_QUICK, imported},
                                           {"stress.mapped", 7, TN_V_QUICK, mapped},
                                           {NULL, 0, TN_V_QUICK, NULL}};

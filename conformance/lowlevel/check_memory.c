/* SPDX-License-Identifier: Apache-2.0 */
/* Levels 0 and 1: registers through the bus, where there is one; data and address lines of memory.
 */
#include <conformance/lowlevel/lowlevel.h>

#include <stdlib.h>
#include <string.h>

/* ---- registers ---- */

static bool bus_of(tn_v_session *s, tn_bus *bus, tn_chip *chip, tn_v_result *out)
{
    memset(bus, 0, sizeof *bus);
    *chip = (tn_chip){.head = TN_INIT(tn_chip)};
    tn_status st = tn_device_bus(s->device, bus, chip);
    if (st == TN_STATUS_UNSUPPORTED) {
        out->status = TN_V_NOT_SUPPORTED;
        return tn_v_wrong(out, "the device has no registers to show");
    }
    return tn_v_good(out, st, "bus");
}

static bool registers(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_bus bus;
    tn_chip chip;
    (void)r;
    if (!bus_of(s, &bus, &chip, out))
        return false;
    for (uint32_t i = 0; i < chip.register_count; ++i) {
        const tn_register *g = &chip.registers[i];
        uint32_t old = bus.read32(bus.self, g->offset);
        if (g->writable_mask == 0)
            continue;
        for (int bit = 0; bit < 32; ++bit) {
            uint32_t one = 1u << bit & g->writable_mask;
            bus.write32(bus.self, g->offset, one);
            uint32_t got = bus.read32(bus.self, g->offset) & g->writable_mask;
            if (got != one) {
                bus.write32(bus.self, g->offset, old);
                return tn_v_wrong(out, "register %s: wrote 0x%08x, read 0x%08x", g->name, one, got);
            }
        }
        bus.write32(bus.self, g->offset, old);
    }
    return true;
}

/* ---- memory ---- */

static bool write_and_compare(tn_v_session *s, const unsigned char *want, uint64_t bytes,
                              const char *what, tn_v_result *out)
{
    tn_buffer *b;
    unsigned char *got = malloc(bytes);
    if (got == NULL || !tn_v_buffer(s, bytes, &b, out)) {
        free(got);
        return false;
    }
    memset(got, 0, bytes);
    bool good = tn_v_put(s, b, 0, want, bytes, out) && tn_v_get(s, got, b, 0, bytes, out);
    int64_t at = good ? tn_v_differs(got, want, bytes) : -1;
    if (at >= 0)
        good = tn_v_wrong(out, "%s: byte %lld is 0x%02x, 0x%02x was written", what, (long long)at,
                          got[at], want[at]);
    free(got);
    tn_buffer_release(b);
    return good;
}

static bool data_lines(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { BYTES = 64 * 512 * 2 };
    static unsigned char want[BYTES];
    (void)r;
    for (int inverted = 0; inverted < 2; ++inverted) {
        memset(want, inverted ? 0xff : 0, sizeof want);
        for (int bit = 0; bit < 512; ++bit) /* one line of 64 bytes has one bit */
            want[bit * 64 + bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (!write_and_compare(s, want, sizeof want, "walking bit", out))
            return false;
    }
    return true;
}

/* Every 8 bytes hold their own address. */
static bool own_address(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { WORDS = 1 << 18 };
    uint64_t *want = malloc(WORDS * sizeof *want);
    (void)r;
    if (want == NULL)
        return tn_v_wrong(out, "no host memory");
    for (uint64_t i = 0; i < WORDS; ++i)
        want[i] = i * 8 ^ 0x5555000000000000u;
    bool good = write_and_compare(s, (const unsigned char *)want, WORDS * 8, "own address", out);
    free(want);
    return good;
}

/* A byte at each power of two: a stuck address line makes two of them one. */
static bool aliases(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { TOP = 25 };
    tn_buffer *b;
    (void)r;
    if (!tn_v_buffer(s, 1u << TOP, &b, out))
        return false;
    bool good = true;
    for (int k = 0; k < TOP && good; ++k) {
        unsigned char mark = (unsigned char)(k + 1), zero = 0xee;
        good = tn_v_put(s, b, 0, &zero, 1, out) && tn_v_put(s, b, 1ull << k, &mark, 1, out);
    }
    for (int k = -1; k < TOP && good; ++k) {
        unsigned char got = 0, want = k < 0 ? 0xee : (unsigned char)(k + 1);
        good = tn_v_get(s, &got, b, k < 0 ? 0 : 1ull << k, 1, out);
        if (good && got != want)
            good = tn_v_wrong(out, "address %s2^%d holds what was written to 2^%d: address line %d",
                              k < 0 ? "0, not " : "", k, got - 1, k < 0 ? got - 1 : k);
    }
    tn_buffer_release(b);
    return good;
}

static bool inversions(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { BYTES = 1 << 20 };
    unsigned char *want = malloc(BYTES);
    bool good = want != NULL;
    for (int pass = 0; pass < 6 && good; ++pass) {
        static const unsigned char fill[] = {0x00, 0xff, 0xaa, 0x55};
        for (int i = 0; i < BYTES; ++i)
            want[i] = pass < 4 ? fill[pass] : (unsigned char)tn_v_next(r);
        good = write_and_compare(s, want, BYTES, "pattern", out);
    }
    free(want);
    return good;
}

/* Single bytes next to each other, at odd places. */
static bool byte_enables(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { BYTES = 512 };
    unsigned char want[BYTES], got[BYTES];
    tn_buffer *b;
    if (!tn_v_buffer(s, BYTES, &b, out))
        return false;
    memset(want, 0x3c, sizeof want);
    bool good = tn_v_put(s, b, 0, want, BYTES, out);
    for (int i = 0; i < 200 && good; ++i) {
        uint64_t at = (uint64_t)tn_v_below(r, BYTES - 9), n = 1 + (uint64_t)tn_v_below(r, 8);
        for (uint64_t k = 0; k < n; ++k)
            want[at + k] = (unsigned char)tn_v_next(r);
        good = tn_v_put(s, b, at, want + at, n, out);
    }
    good = good && tn_v_get(s, got, b, 0, BYTES, out);
    int64_t at = good ? tn_v_differs(got, want, BYTES) : -1;
    if (at >= 0)
        good =
            tn_v_wrong(out, "after writes of 1 to 8 bytes, byte %lld is 0x%02x instead of 0x%02x",
                       (long long)at, got[at], want[at]);
    tn_buffer_release(b);
    return good;
}

static bool sizes(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    tn_buffer *b = NULL;
    (void)r;
    tn_buffer_desc none = {.head = TN_INIT(tn_buffer_desc), .bytes = 0};
    if (!tn_v_good(out, tn_buffer_create(s->device, &none, &b), "a buffer of 0 bytes"))
        return false;
    tn_buffer_info about = {.head = TN_INIT(tn_buffer_info)};
    bool good = tn_v_good(out, tn_buffer_get_info(b, &about), "buffer info");
    if (good && about.bytes != 0)
        good = tn_v_wrong(out, "a buffer of 0 bytes says that it has %llu",
                          (unsigned long long)about.bytes);
    tn_buffer_release(b);
    if (!good || !tn_v_good(out, tn_device_get_info(s->device, &info), "device info"))
        return false;
    uint64_t most = info.largest_buffer_bytes != 0 ? info.largest_buffer_bytes : info.memory_bytes;
    tn_buffer_desc huge = {.head = TN_INIT(tn_buffer_desc),
                           .bytes = most != 0 && most < 1ull << 62 ? most + 1 : 1ull << 62};
    b = NULL;
    if (tn_buffer_create(s->device, &huge, &b) == TN_OK) {
        tn_buffer_release(b);
        return tn_v_wrong(out, "a buffer of %llu bytes was made, and the largest has %llu",
                          (unsigned long long)huge.bytes, (unsigned long long)most);
    }
    return true;
}

const tn_v_check tn_v_memory_checks[] = {{"regs.walking", 0, TN_V_QUICK, registers},
                                         {"memory.data_lines", 1, TN_V_QUICK, data_lines},
                                         {"memory.own_address", 1, TN_V_QUICK, own_address},
                                         {"memory.aliases", 1, TN_V_QUICK, aliases},
                                         {"memory.inversions", 1, TN_V_QUICK, inversions},
                                         {"memory.bytes", 1, TN_V_QUICK, byte_enables},
                                         {"memory.sizes", 1, TN_V_QUICK, sizes},
                                         {NULL, 0, TN_V_QUICK, NULL}};

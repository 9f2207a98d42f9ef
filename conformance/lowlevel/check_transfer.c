/* SPDX-License-Identifier: Apache-2.0 */
/* Level 2: copies at every misalignment and length, fills, coherency of maps. */
#include <conformance/lowlevel/lowlevel.h>

#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 16 };

typedef struct pair {
    tn_buffer *from, *to;
    unsigned char want[ROOM], got[ROOM], data[ROOM];
} pair;

static pair *make_pair(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    pair *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    for (int i = 0; i < ROOM; ++i) {
        p->data[i] = (unsigned char)tn_v_next(r);
        p->want[i] = 0xc3;
    }
    if (tn_v_buffer(s, ROOM, &p->from, out) && tn_v_buffer(s, ROOM, &p->to, out) &&
        tn_v_put(s, p->from, 0, p->data, ROOM, out) && tn_v_put(s, p->to, 0, p->want, ROOM, out))
        return p;
    tn_buffer_release(p->from);
    tn_buffer_release(p->to);
    free(p);
    return NULL;
}

static bool end_pair(tn_v_session *s, pair *p, bool good, const char *what, tn_v_result *out)
{
    good = good && tn_v_get(s, p->got, p->to, 0, ROOM, out);
    int64_t at = good ? tn_v_differs(p->got, p->want, ROOM) : -1;
    if (at >= 0)
        good = tn_v_wrong(out, "%s: byte %lld is 0x%02x instead of 0x%02x", what, (long long)at,
                          p->got[at], p->want[at]);
    tn_buffer_release(p->from);
    tn_buffer_release(p->to);
    free(p);
    return good;
}

static bool copy(tn_v_session *s, pair *p, uint64_t to, uint64_t from, uint64_t n, tn_v_result *out)
{
    memcpy(p->want + to, p->data + from, n);
    return tn_v_good(out, tn_queue_copy(s->queue, p->to, to, p->from, from, n, NULL), "copy");
}

static bool alignments(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    pair *p = make_pair(s, r, out);
    if (p == NULL)
        return false;
    bool good = true;
    uint64_t to = 0;
    for (uint64_t shift = 0; shift < 20 && good; ++shift)
        for (uint64_t from = 0; from < 20 && good; ++from) {
            uint64_t n = 1 + (uint64_t)tn_v_below(r, 130);
            to = (to + 149 + shift) % (ROOM - 400);
            good = copy(s, p, to + shift, from + to % 1000, n, out);
        }
    return end_pair(s, p, good, "copies at odd places", out);
}

static bool lengths(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    pair *p = make_pair(s, r, out);
    if (p == NULL)
        return false;
    bool good = true;
    uint64_t to = 3;
    for (uint64_t n = 1; n <= 130 && good; ++n) {
        good = copy(s, p, to, n, n, out);
        to += n + 7;
    }
    return end_pair(s, p, good, "copies of 1 to 130 bytes", out);
}

static bool pages(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    pair *p = make_pair(s, r, out);
    if (p == NULL)
        return false;
    bool good = true;
    for (uint64_t page = 4096; page < ROOM - 5000 && good; page += 4096)
        good = copy(s, p, page - 1, page - 2 - (uint64_t)tn_v_below(r, 64),
                    3 + (uint64_t)tn_v_below(r, 64), out);
    return end_pair(s, p, good, "copies over borders of pages", out);
}

static bool fills(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    pair *p = make_pair(s, r, out);
    if (p == NULL)
        return false;
    bool good = true;
    uint64_t at = 0;
    for (uint32_t unit = 1; unit <= 4; unit *= 2)
        for (int i = 0; i < 40 && good; ++i) {
            uint64_t n = unit * (1 + (uint64_t)tn_v_below(r, 30));
            uint32_t pattern = (uint32_t)tn_v_next(r);
            at = (at + 7) / unit * unit + unit;
            for (uint64_t k = 0; k < n; ++k)
                p->want[at + k] = (unsigned char)(pattern >> 8 * (k % unit));
            good =
                tn_v_good(out, tn_queue_fill(s->queue, p->to, at, n, pattern, unit, NULL), "fill");
            at += n;
        }
    return end_pair(s, p, good, "fills of 1, 2 and 4 bytes", out);
}

/* What the host writes through a map the device sees, and the other way round. */
static bool maps(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    pair *p = make_pair(s, r, out);
    if (p == NULL)
        return false;
    bool good = true;
    for (int lap = 0; lap < 20 && good; ++lap) {
        uint64_t at = (uint64_t)tn_v_below(r, 1000), n = 1 + (uint64_t)tn_v_below(r, 1000);
        unsigned char *m = NULL;
        good = tn_v_good(out, tn_buffer_map(p->to, at, n, TN_MAP_WRITE | TN_MAP_READ, (void **)&m),
                         "map");
        for (uint64_t k = 0; good && k < n; ++k)
            if (m[k] != p->want[at + k])
                good = tn_v_wrong(out, "map: byte %llu is 0x%02x, the device had written 0x%02x",
                                  (unsigned long long)(at + k), m[k], p->want[at + k]);
        for (uint64_t k = 0; good && k < n; ++k)
            m[k] = p->want[at + k] = (unsigned char)tn_v_next(r);
        if (m != NULL && !tn_v_good(out, tn_buffer_unmap(p->to), "unmap"))
            good = false;
        uint64_t to = at + (uint64_t)tn_v_below(r, 50);
        good = good && copy(s, p, to, at, n, out) &&
               tn_v_good(out, tn_v_wait_idle(s, s->queue), "wait");
    }
    return end_pair(s, p, good, "maps and copies in turn", out);
}

/* Two queues copy at the same time, each its own half. */
static bool concurrent(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_queue *other = NULL;
    if (!tn_v_good(out, tn_queue_create(s->device, NULL, &other), "queue"))
        return false;
    pair *p = make_pair(s, r, out);
    if (p == NULL) {
        tn_queue_release(other);
        return false;
    }
    bool good = true;
    for (uint64_t i = 0; i < 64 && good; ++i) {
        uint64_t at = i * 500, half = ROOM / 2, n = 300 + (uint64_t)tn_v_below(r, 190);
        good = copy(s, p, at, at + 13, n, out);
        memcpy(p->want + half + at, p->data + half + 13 + at, n);
        good = good &&
               tn_v_good(out,
                         tn_queue_write(other, p->to, half + at, p->data + half + 13 + at, n, NULL),
                         "write");
    }
    good = tn_v_good(out, tn_v_wait_idle(s, other), "wait") && good;
    tn_queue_release(other);
    return end_pair(s, p, good, "two queues at once", out);
}

const tn_v_check tn_v_transfer_checks[] = {{"copy.alignments", 2, TN_V_QUICK, alignments},
                                           {"copy.lengths", 2, TN_V_QUICK, lengths},
                                           {"copy.pages", 2, TN_V_QUICK, pages},
                                           {"copy.fills", 2, TN_V_QUICK, fills},
                                           {"copy.maps", 2, TN_V_QUICK, maps},
                                           {"copy.concurrent", 2, TN_V_QUICK, concurrent},
                                           {NULL, 0, TN_V_QUICK, NULL}};

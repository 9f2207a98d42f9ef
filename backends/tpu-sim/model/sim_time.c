/* SPDX-License-Identifier: Apache-2.0 */
/* Time: a front end that hands packets to engines, engines that start when semaphores and resources
 * allow, a heap of what ends when, and transfers that share the memory port. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim_state.h"

#include <stdio.h>
#include <string.h>

uint64_t tn__sim_ticks(const sim_dev *d, uint64_t ns)
{
    unsigned __int128 t = (unsigned __int128)ns * d->tick_khz / 1000000u;
    return t > UINT64_MAX / 4 ? UINT64_MAX / 4 : (uint64_t)t;
}

static uint64_t ticks_of(const sim_dev *d, const sim_engine *e, uint64_t cycles)
{
    uint64_t t = cycles * e->ticks_per_cycle;
    return d->throttle == 256 || t > UINT64_MAX / 256 ? t
                                                      : (t * 256 + d->throttle - 1) / d->throttle;
}

/* ---- the heap ---- */

static bool before(const sim_event *a, const sim_event *b)
{
    return a->tick != b->tick ? a->tick < b->tick : a->order < b->order;
}

static void schedule(sim_dev *d, uint64_t tick, uint32_t kind, uint32_t flight)
{
    uint32_t i = d->events++;
    sim_event e = {tick, d->order++, (uint16_t)flight, (uint8_t)kind};
    for (; i > 0 && before(&e, &d->event[(i - 1) / 2]); i = (i - 1) / 2)
        d->event[i] = d->event[(i - 1) / 2];
    d->event[i] = e;
}

static sim_event pop(sim_dev *d)
{
    sim_event top = d->event[0], last = d->event[--d->events];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < d->events; i = child) {
        if (child + 1 < d->events && before(&d->event[child + 1], &d->event[child]))
            child++;
        if (!before(&d->event[child], &last))
            break;
        d->event[i] = d->event[child];
    }
    d->event[i] = last;
    return top;
}

/* ---- errors and interrupts ---- */

void tn__sim_irq(sim_dev *d, uint32_t bits)
{
    d->irq_raw |= bits; /* a lost one is still here, for a driver that looks */
    d->count[TPU_COUNT_IRQS]++;
    if (tn__sim_fault_irq(d))
        d->count[TPU_COUNT_IRQS_LOST]++;
    else
        d->irq_status |= bits;
}

void tn__sim_fail(sim_dev *d, uint32_t code, uint32_t info, uint64_t addr, uint64_t seq)
{
    if (d->error != TPU_ERR_NONE) /* the first one counts */
        return;
    d->error = code;
    d->error_info = info;
    d->error_addr = addr;
    d->error_seq = (uint32_t)seq;
    tn__sim_irq(d, TPU_IRQ_ERROR);
}

static void note(sim_dev *d, uint32_t counter, const char *what, const sim_queued *a,
                 const sim_queued *b)
{
    char text[160];
    d->count[counter]++;
    if (d->env.note == NULL)
        return;
    snprintf(text, sizeof text, "%s: command %llu (op %u tag %u)%s%.0llu", what,
             (unsigned long long)a->seq, a->p.op, a->p.tag, b != NULL ? " and command " : "",
             b != NULL ? (unsigned long long)b->seq : 0);
    d->env.note(d->env.self, text);
}

/* ---- transfers ---- */

static void move_on(sim_dev *d)
{
    double moved = (double)(d->now - d->moved_at) * d->bytes_per_tick;
    for (uint32_t i = 0; i < d->movers; i++)
        d->flight[d->moving[i]].left -= moved / d->movers;
    d->moved_at = d->now;
}

static uint64_t next_arrival(const sim_dev *d)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < d->movers; i++) {
        double left = d->flight[d->moving[i]].left, rate = d->bytes_per_tick / d->movers;
        double t = left > 1e-6 ? left / rate : 0.0;
        uint64_t whole = (uint64_t)t;
        uint64_t at = d->moved_at + whole + ((double)whole < t - 1e-6);
        next = at < next ? at : next;
    }
    return next;
}

/* ---- rows in flight ---- */

static bool get_bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> i % 64 & 1u;
}

static void check_order(sim_dev *d, const sim_flight *f)
{
    for (uint32_t i = 0; i < SIM_FLIGHTS && d->flights > 1; i++) {
        const sim_flight *other = &d->flight[i];
        if (!other->used || other == f || other->engine == f->engine)
            continue;
        for (uint32_t x = 0; x < f->ranges; x++)
            for (uint32_t y = 0; y < other->ranges; y++) {
                const sim_range *a = &f->range[x], *b = &other->range[y];
                if (a->acc == b->acc && (a->write || b->write) && a->first < b->end &&
                    b->first < a->end) {
                    note(d, TPU_COUNT_RACES, "no order between", &f->c, &other->c);
                    return;
                }
            }
    }
    for (uint32_t x = 0; x < f->ranges; x++) {
        const sim_range *a = &f->range[x];
        if (a->write && (f->c.p.flags & TN_K_SYS_ACCUMULATE) == 0)
            continue;
        for (uint32_t r = a->first; r < a->end; r++)
            if (!get_bit(a->acc ? d->acc_written : d->spad_written, r)) {
                note(d, TPU_COUNT_UNWRITTEN, "reads rows that nothing wrote", &f->c, NULL);
                return;
            }
    }
}

static void mark_written(sim_dev *d, const sim_flight *f)
{
    for (uint32_t x = 0; x < f->ranges; x++) {
        const sim_range *a = &f->range[x];
        uint64_t *bits = a->acc ? d->acc_written : d->spad_written;
        for (uint32_t r = a->first; a->write && r < a->end; r++)
            bits[r / 64] |= UINT64_C(1) << r % 64;
    }
}

/* ---- engines ---- */

static void account(sim_dev *d, sim_engine *e, uint32_t state)
{
    e->time[e->state] += d->now - e->since;
    e->since = d->now;
    e->state = state;
}

/* What keeps the head of an engine's queue from starting: SIM_BUSY if nothing does. */
static uint32_t obstacle(const sim_dev *d, uint32_t index, const sim_queued *c)
{
    const sim_engine *e = &d->engine[index];
    if (c->p.wait_sem < SIM_SEMAPHORES && d->semaphore[c->p.wait_sem] < c->p.wait_val)
        return SIM_WAITS_SEMAPHORE;
    if (d->flights == SIM_FLIGHTS)
        return SIM_WAITS_RESOURCE;
    if (index == TN_K_SYS_SYNC && c->p.op != TN_K_SYS_NOP && d->flights != 0)
        return SIM_WAITS_RESOURCE;
    if (index == TN_K_SYS_SYNC && c->p.op != TN_K_SYS_NOP)
        for (uint32_t i = 0; i < TN_K_SYS_ENGINES; i++)
            if (i != TN_K_SYS_SYNC && d->engine[i].count != 0)
                return SIM_WAITS_RESOURCE;
    if (c->p.op == TN_K_SYS_LDW) {
        if (d->uses_done[c->p.d][c->p.b] < c->needs)
            return SIM_WAITS_RESOURCE;
        if (d->timing == SIM_SERIAL && d->engine[index + 1].flying != 0)
            return SIM_WAITS_RESOURCE;
    }
    if (c->p.op == TN_K_SYS_MM) {
        if (d->loads_done[c->p.d][c->p.b] < c->needs)
            return SIM_WAITS_RESOURCE;
        if (d->timing == SIM_SERIAL && (e->flying != 0 || d->engine[index - 1].flying != 0))
            return SIM_WAITS_RESOURCE;
    }
    return SIM_BUSY;
}

/* Cycles that the engine is taken, and more until the effect shows. */
static void durations(const sim_dev *d, const tn_k_sys_packet *p, uint64_t *taken, uint64_t *more)
{
    const sim_profile *chip = &d->profile;
    uint64_t t;
    *more = 0;
    switch (p->op) {
    case TN_K_SYS_LDW:
        *taken = (p->n0 + chip->load_rows - 1) / chip->load_rows;
        /* a whole tile is shifted in, however few of its rows count */
        if (d->timing == SIM_SERIAL || chip->fill != 0)
            *taken = (chip->rows + chip->load_rows - 1) / chip->load_rows;
        break;
    case TN_K_SYS_MM:
        t = ((uint64_t)p->n0 + chip->tile_rows - 1) / chip->tile_rows;
        *taken = t > chip->min_interval || d->timing == SIM_SERIAL ? t : chip->min_interval;
        *more = chip->fill != 0 ? chip->rows + chip->cols - 2 : 0;
        if (d->timing != SIM_SERIAL && *taken > t && *more > *taken - t)
            *more -= *taken - t; /* the skew runs on while nothing enters */
        else if (d->timing != SIM_SERIAL && *taken > t)
            *more = 0;
        break;
    case TN_K_SYS_MAP:
    case TN_K_SYS_RED:
    case TN_K_SYS_BLK:
    case TN_K_SYS_MRG:
    case TN_K_SYS_IOT:
        *taken = tn__sim_vector_cycles(d, p);
        break;
    case TN_K_SYS_FILL: {
        uint64_t row = p->a & TN_K_SYS_ACC ? d->acc_row_bytes : chip->row_bytes;
        *taken = chip->dma_setup_cycles + (uint64_t)p->n0 * row / 64;
        break;
    }
    case TN_K_SYS_LD:
    case TN_K_SYS_ST:
    case TN_K_SYS_GTH:
        *taken = chip->dma_setup_cycles;
        break;
    default:
        *taken = 0;
        break;
    }
}

static uint32_t take_flight(sim_dev *d)
{
    uint32_t i = 0;
    while (d->flight[i].used)
        i++;
    d->flights++;
    return i;
}

static void start(sim_dev *d, uint32_t index)
{
    sim_engine *e = &d->engine[index];
    uint32_t slot = take_flight(d);
    sim_flight *f = &d->flight[slot];
    uint64_t taken, more, extra = 0;
    memset(f, 0, sizeof *f);
    f->c = e->fifo[e->head];
    f->used = true;
    f->engine = index;
    f->start = d->now;
    e->head = (e->head + 1) % SIM_FIFO_MOST;
    e->count--;
    e->flying++;
    e->busy = true;
    const tn_k_sys_packet *p = &f->c.p;
    if (p->wait_sem < SIM_SEMAPHORES)
        d->semaphore[p->wait_sem] = (uint16_t)(d->semaphore[p->wait_sem] - p->wait_val);
    d->progress = d->now;
    uint32_t error = tn__sim_ranges_of(d, p, f->range, &f->ranges);
    if (error != TPU_ERR_NONE) {
        tn__sim_fail(d, error, p->op, p->a, f->c.seq);
        return;
    }
    check_order(d, f);
    /* Erratum 1: a multiplication of a single row right behind another one gives zeros. */
    if (p->op == TN_K_SYS_MM && p->n0 == 1 && (d->profile.errata & 2u) != 0 &&
        e->last_op != TN_K_SYS_NOP)
        f->errata = 2u;
    e->last_op = p->op;
    durations(d, p, &taken, &more);
    if (!tn__sim_fault_starts(d, f, &extra)) {
        e->hung = true;
        return;
    }
    taken += extra;
    uint64_t issued = d->now + ticks_of(d, e, taken);
    if (p->op == TN_K_SYS_LD || p->op == TN_K_SYS_ST || p->op == TN_K_SYS_GTH) {
        f->left = (double)tn__sim_dma_bursts(d, p);
        schedule(d, issued, SIM_EV_JOINS, slot);
    } else {
        schedule(d, issued, SIM_EV_ISSUED, slot);
        schedule(d, issued + ticks_of(d, e, more), SIM_EV_DONE, slot);
    }
}

static void end_fence(sim_dev *d, const sim_queued *c)
{
    unsigned char *at = d->env.map(d->env.self, d->fence, 8);
    memset(d->semaphore, 0, sizeof d->semaphore);
    d->fenced = false;
    if (at == NULL)
        tn__sim_fail(d, TPU_ERR_BUS, 0, d->fence, c->seq);
    else
        memcpy(at, &c->p.iova, 8);
}

static uint32_t effect(sim_dev *d, sim_flight *f, uint32_t *crc)
{
    switch (f->c.p.op) {
    case TN_K_SYS_LD:
    case TN_K_SYS_ST:
    case TN_K_SYS_GTH:
    case TN_K_SYS_FILL:
        return tn__sim_dma(d, f, crc);
    case TN_K_SYS_LDW:
        return tn__sim_load_weights(d, &f->c.p);
    case TN_K_SYS_MM: /* in issued() */
        return f->error;
    case TN_K_SYS_MAP:
    case TN_K_SYS_RED:
    case TN_K_SYS_BLK:
    case TN_K_SYS_MRG:
    case TN_K_SYS_IOT:
        return tn__sim_vector(d, &f->c.p);
    case TN_K_SYS_FENCE:
        end_fence(d, &f->c);
        return TPU_ERR_NONE;
    case TN_K_SYS_HALT:
        d->halted = true;
        return TPU_ERR_NONE;
    default:
        return TPU_ERR_NONE;
    }
}

static uint32_t crc_of_rows(sim_dev *d, const sim_flight *f)
{
    uint32_t crc = 0;
    for (uint32_t x = 0; x < f->ranges; x++)
        if (f->range[x].write) {
            uint32_t first = f->range[x].first | (f->range[x].acc ? TN_K_SYS_ACC : 0);
            uint64_t row = f->range[x].acc ? d->acc_row_bytes : d->profile.row_bytes;
            crc =
                tpu_crc32(crc, tn__sim_row(d, first), (f->range[x].end - f->range[x].first) * row);
        }
    return crc;
}

static void tell(sim_dev *d, const sim_flight *f, uint32_t crc)
{
    sim_retired r = {.packet = &f->c.p,
                     .seq = f->c.seq,
                     .queued = f->c.at,
                     .start = f->start,
                     .issued = f->issued,
                     .end = d->now,
                     .engine = f->engine,
                     .crc32 = crc,
                     .stall = f->c.waited};
    d->retired(d->retired_self, &r);
}

static void done(sim_dev *d, sim_flight *f)
{
    const tn_k_sys_packet *p = &f->c.p;
    uint32_t crc = 0, error;
    tn__sim_fault_ends(d, f);
    error = d->error != TPU_ERR_NONE ? TPU_ERR_NONE : effect(d, f, &crc);
    d->progress = d->now;
    d->engine[f->engine].flying--;
    d->flights--;
    f->used = false;
    if (error != TPU_ERR_NONE) {
        tn__sim_fail(d, error, error == TPU_ERR_COMPARE ? (uint32_t)p->s1 : p->op, p->iova,
                     f->c.seq);
        return;
    }
    mark_written(d, f);
    if (p->op == TN_K_SYS_LDW)
        d->loads_done[p->d][p->b]++;
    if (p->sig_sem < SIM_SEMAPHORES) {
        uint32_t sum = d->semaphore[p->sig_sem] + (uint32_t)p->sig_val;
        if (sum > UINT16_MAX)
            tn__sim_fail(d, TPU_ERR_SEMAPHORE, p->sig_sem, 0, f->c.seq);
        d->semaphore[p->sig_sem] = (uint16_t)sum;
    }
    if (d->retired != NULL)
        tell(d, f, d->retired_crc && crc == 0 ? crc_of_rows(d, f) : crc);
    if (p->flags & TN_K_SYS_IRQ)
        tn__sim_irq(d, TPU_IRQ_DONE);
}

static void issued(sim_dev *d, sim_flight *f)
{
    f->issued = d->now;
    d->engine[f->engine].busy = false;
    if (f->c.p.op != TN_K_SYS_MM)
        return;
    /* Its last row has entered: the plane and the rows that it read may change before the sums have
     * come out at the bottom, so they are formed now. Nobody may look before the end. */
    if (d->error == TPU_ERR_NONE)
        f->error = tn__sim_multiply(d, f);
    mark_written(d, f); /* the next one adds to these rows behind it, in the same pipeline */
    for (uint32_t i = 0; i < f->ranges;)
        if (f->range[i].write)
            i++;
        else
            f->range[i] = f->range[--f->ranges];
    d->uses_done[f->c.p.d][f->c.p.b]++;
}

/* ---- the front end ---- */

static bool crc_right(const sim_dev *d, const tn_k_sys_packet *p)
{
    return d->protect != SIM_PROTECT_FULL || tpu_crc32(0, p, sizeof *p - 4) == p->crc;
}

static bool fetch(sim_dev *d)
{
    tn_k_sys_packet p;
    uint64_t at = d->ring + (d->head & ((1u << d->ring_log2) - 1)) * sizeof p;
    if (d->head == d->tail || d->fenced)
        return false;
    if (d->head == d->dbg_break && !d->stopped) {
        d->stopped = true;
        d->steps = 0;
    }
    if (d->stopped && d->steps == 0)
        return false;
    if (d->tail - d->head > 1u << d->ring_log2) { /* more than the ring holds */
        tn__sim_fail(d, TPU_ERR_RANGE, d->tail, at, d->seq);
        return false;
    }
    const unsigned char *from = d->env.map(d->env.self, at, sizeof p);
    if (from == NULL) {
        tn__sim_fail(d, TPU_ERR_BUS, 0, at, d->seq);
        return false;
    }
    memcpy(&p, from, sizeof p);
    tn__sim_fault_fetched(d, &p);
    if (!crc_right(d, &p)) {
        tn__sim_fail(d, TPU_ERR_CRC, p.op, at, d->seq);
        return false;
    }
    uint32_t index = tn__sim_engine_of(&p);
    bool known = index < TN_K_SYS_WEIGHTS + 2 * d->profile.arrays;
    bool semaphores = (p.wait_sem == TN_K_SYS_NONE || p.wait_sem < d->profile.semaphores) &&
                      (p.sig_sem == TN_K_SYS_NONE || p.sig_sem < d->profile.semaphores);
    bool array = p.op == TN_K_SYS_LDW || p.op == TN_K_SYS_MM;
    if (!known || !semaphores || (array && p.b >= d->profile.planes)) {
        tn__sim_fail(d, TPU_ERR_PACKET, p.op, at, d->seq);
        return false;
    }
    sim_engine *e = &d->engine[index];
    if (e->count == d->profile.queue_depth)
        return false;
    sim_queued *c = &e->fifo[(e->head + e->count++) % SIM_FIFO_MOST];
    *c = (sim_queued){.p = p, .seq = d->seq++, .at = d->now};
    if (p.op == TN_K_SYS_LDW) {
        c->needs = d->uses_queued[p.d][p.b];
        d->loads_queued[p.d][p.b]++;
    } else if (p.op == TN_K_SYS_MM) {
        c->needs = d->loads_queued[p.d][p.b];
        d->uses_queued[p.d][p.b]++;
    }
    d->fenced = p.op == TN_K_SYS_FENCE || p.op == TN_K_SYS_HALT;
    d->head++;
    d->steps -= d->stopped;
    d->count[TPU_COUNT_PACKETS]++;
    d->progress = d->now;
    return true;
}

/* Everything that can happen at this tick. */
static void hand_out(sim_dev *d)
{
    bool again = true;
    while (again && d->error == TPU_ERR_NONE && !d->halted && d->ring_log2 != 0) {
        again = false;
        while (d->error == TPU_ERR_NONE && fetch(d))
            again = true;
        for (uint32_t i = 0; i < TN_K_SYS_WEIGHTS + 2 * d->profile.arrays; i++) {
            sim_engine *e = &d->engine[i];
            if (e->busy || e->count == 0)
                continue;
            uint32_t why = obstacle(d, i, &e->fifo[e->head]);
            if (why == SIM_BUSY) {
                start(d, i);
                again = true;
            } else {
                e->fifo[e->head].waited = why;
            }
        }
    }
    for (uint32_t i = 0; i < TN_K_SYS_WEIGHTS + 2 * d->profile.arrays; i++) {
        sim_engine *e = &d->engine[i];
        uint32_t state = e->busy ? SIM_BUSY : e->count == 0 ? SIM_EMPTY : e->fifo[e->head].waited;
        if (state != e->state)
            account(d, e, state);
    }
}

static bool working(const sim_dev *d)
{
    bool any = d->flights != 0 || (d->head != d->tail && d->ring_log2 != 0 && !d->stopped);
    for (uint32_t i = 0; i < TN_K_SYS_ENGINES && !any; i++)
        any = d->engine[i].count != 0;
    return any && d->error == TPU_ERR_NONE && !d->halted;
}

static void happen(sim_dev *d)
{
    while (d->events != 0 && d->event[0].tick == d->now) {
        sim_event e = pop(d);
        sim_flight *f = &d->flight[e.flight];
        if (e.kind == SIM_EV_JOINS)
            d->moving[d->movers++] = e.flight;
        else if (e.kind == SIM_EV_ISSUED)
            issued(d, f);
        else
            done(d, f);
    }
    for (uint32_t i = 0; i < d->movers;) {
        uint32_t slot = d->moving[i];
        if (d->flight[slot].left > 1e-6) {
            i++;
            continue;
        }
        d->moving[i] = d->moving[--d->movers];
        issued(d, &d->flight[slot]);
        schedule(d, d->now + tn__sim_ticks(d, d->profile.dma_latency_ns), SIM_EV_DONE, slot);
    }
}

bool tn__sim_run(sim_dev *d, uint32_t irq_mask, uint64_t timeout_ns)
{
    uint64_t wait = tn__sim_ticks(d, timeout_ns);
    uint64_t until = wait > UINT64_MAX - d->now ? UINT64_MAX : d->now + wait;
    hand_out(d);
    while ((d->irq_status & irq_mask) == 0) {
        uint64_t next = d->events != 0 ? d->event[0].tick : UINT64_MAX;
        uint64_t arrival = next_arrival(d), bark = UINT64_MAX;
        next = arrival < next ? arrival : next;
        if (working(d) && d->wdog_us != 0)
            bark = d->progress + tn__sim_ticks(d, (uint64_t)d->wdog_us * 1000);
        uint64_t at = next < bark ? next : bark;
        if (at > until) {
            d->now = until;
            move_on(d);
            break;
        }
        d->now = at;
        move_on(d);
        if (bark < next) {
            uint32_t hung = 0;
            while (hung + 1 < TN_K_SYS_ENGINES && !d->engine[hung].hung &&
                   d->engine[hung].count == 0)
                hung++;
            tn__sim_fail(d, TPU_ERR_WATCHDOG, hung, 0, d->seq);
        }
        happen(d);
        hand_out(d);
    }
    return (d->irq_status & irq_mask) != 0;
}

void tn__sim_doorbell(sim_dev *d)
{
    hand_out(d);
}

void tn__sim_time_reset(sim_dev *d)
{
    for (uint32_t i = 0; i < TN_K_SYS_ENGINES; i++) {
        sim_engine *e = &d->engine[i];
        account(d, e, SIM_EMPTY);
        e->head = e->count = e->flying = e->last_op = 0;
        e->busy = e->hung = false;
    }
    memset(d->flight, 0, sizeof d->flight);
    memset(d->loads_queued, 0, sizeof d->loads_queued);
    memset(d->loads_done, 0, sizeof d->loads_done);
    memset(d->uses_queued, 0, sizeof d->uses_queued);
    memset(d->uses_done, 0, sizeof d->uses_done);
    memset(d->semaphore, 0, sizeof d->semaphore);
    d->events = d->flights = d->movers = 0;
    d->fenced = d->halted = d->stopped = false;
    d->steps = 0;
    d->dbg_break = UINT32_MAX;
    d->head = d->tail = 0;
    d->progress = d->moved_at = d->now;
}

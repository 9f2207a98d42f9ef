/* SPDX-License-Identifier: Apache-2.0 */
/* How long an answer is waited for. A driver that compiles beside other work is slow and not hung:
 * a limit is one of time that passed only for whoever does nothing, else of processor time. */
#include <conformance/runner/execute.h>
#include <conformance/runner/runner.h>

#include <time.h>

bool tn_v_waits(double limit, double passed, double used)
{
    enum { MOST = 10, IDLE = 20 }; /* limits in all; less than one part of so many is no work */
    return passed < limit || (passed < MOST * limit && used < limit && used * IDLE >= passed);
}

double tn_v_used(pid_t pid)
{
    clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
    struct timespec t = {0, 0};
    if ((pid != 0 && clock_getcpuclockid(pid, &clock) != 0) || clock_gettime(clock, &t) != 0)
        return 0.0;
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef tn_status (*wait_fn)(const void *self, uint64_t timeout_ns);

static tn_status wait(const tn_v_session *s, wait_fn fn, const void *self)
{
    double start = tn_v_now(), used = tn_v_used(0), limit = 1e-9 * (double)s->timeout_ns;
    tn_status st = fn(self, s->timeout_ns);
    while (st == TN_STATUS_TIMEOUT && tn_v_waits(limit, tn_v_now() - start, tn_v_used(0) - used))
        st = fn(self, s->timeout_ns / 4);
    return st;
}

static tn_status idle(const void *self, uint64_t timeout_ns)
{
    tn_queue *const *queue = self;
    return tn_queue_wait_idle(*queue, timeout_ns);
}

tn_status tn_v_wait_idle(const tn_v_session *s, tn_queue *queue)
{
    return wait(s, idle, &queue);
}

static tn_status point_reached(const void *self, uint64_t timeout_ns)
{
    return tn_fence_wait(self, 1, 0, timeout_ns);
}

tn_status tn_v_wait_point(const tn_v_session *s, const tn_point *point)
{
    return wait(s, point_reached, point);
}

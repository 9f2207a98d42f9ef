/* SPDX-License-Identifier: Apache-2.0 */
/* A child process that opens the device and answers case by case over pipes. */
#include <conformance/runner/capture.h>
#include <conformance/runner/runner.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double tn_v_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool all(int fd, void *data, size_t bytes, bool out)
{
    unsigned char *p = data;
    while (bytes > 0) {
        ssize_t n = out ? write(fd, p, bytes) : read(fd, p, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        bytes -= (size_t)n;
    }
    return true;
}

_Noreturn static void serve(const tn_v_options *o, const tn_v_case *cases, int in, int out)
{
    tn_v_session s;
    char why[256] = "";
    bool open = tn_v_open(o->device, &s, why, sizeof why);
    long index;
    s.timeout_ns = (uint64_t)(o->case_timeout_s * 0.8e9);
    while (all(in, &index, sizeof index, false)) {
        tn_v_result r;
        memset(&r, 0, sizeof r);
        if (open) {
            tn_v_run(&s, &cases[index], &r);
        } else {
            r.status = TN_V_FAIL;
            memcpy(r.message, why, sizeof why);
        }
        if (!all(out, &r, sizeof r, true))
            break;
        /* Whoever has had a device's registers has taken it out of service; the next case gets a
         * new one, as it does after a loss. */
        if (open && tn_device_get_status(s.device) != TN_OK) {
            tn_v_close(&s);
            open = tn_v_open(o->device, &s, why, sizeof why);
            s.timeout_ns = (uint64_t)(o->case_timeout_s * 0.8e9);
        }
        if (r.status == TN_V_TIMEOUT)
            break; /* something still runs on this device: a fresh process goes on */
    }
    /* nothing of the parent's is flushed or torn down here */
    _exit(0);
}

bool tn_v_worker_start(tn_v_worker *w, const tn_v_options *o, const tn_v_case *cases)
{
    int to[2], from[2];
    if (pipe(to) != 0)
        return false;
    if (pipe(from) != 0) {
        close(to[0]);
        close(to[1]);
        return false;
    }
    w->running = -1;
    w->done = 0;
    w->pid = fork();
    if (w->pid == 0) {
        close(to[1]);
        close(from[0]);
        serve(o, cases, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    w->to = to[1];
    w->from = from[0];
    if (w->pid < 0) {
        close(w->to);
        close(w->from);
        return false;
    }
    return true;
}

void tn_v_death(int signal, char *text, size_t bytes)
{
    snprintf(text, bytes, signal != 0 ? "the process died of signal %d (%s)" : "the process died",
             signal, signal != 0 ? strsignal(signal) : "");
}

/* Stops a child; the signal that had ended it before, or 0. Who has closed its pipe by dying keeps
 * its own signal: what comes later does not change it. */
static int ended(pid_t pid)
{
    int status = 0;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL ? WTERMSIG(status) : 0;
}

void tn_v_worker_stop(tn_v_worker *w)
{
    if (w->pid <= 0)
        return;
    w->died = ended(w->pid);
    close(w->to);
    close(w->from);
    w->pid = 0;
}

bool tn_v_worker_ask(tn_v_worker *w, long index)
{
    if (w->done == w->room) {
        long room = w->room * 2 + 64;
        long *more = realloc(w->history, (size_t)room * sizeof *more);
        if (more == NULL)
            return false;
        w->history = more;
        w->room = room;
    }
    w->history[w->done++] = index;
    w->running = index;
    w->since = tn_v_now();
    w->used = tn_v_used(w->pid);
    return all(w->to, &index, sizeof index, true);
}

bool tn_v_worker_late(const tn_v_worker *w, double limit)
{
    return !tn_v_waits(limit, tn_v_now() - w->since, tn_v_used(w->pid) - w->used);
}

/* Waits for the answer: 0 it is late, 1 it is there or its end is, -1 no wait was possible. */
static int answers(const tn_v_worker *w, double limit)
{
    enum { LOOK_MS = 200 };
    struct pollfd p = {w->from, POLLIN, 0};
    int ready = 0;
    while (ready == 0 && !tn_v_worker_late(w, limit)) {
        double left = 1000.0 * (w->since + limit - tn_v_now());
        ready = poll(&p, 1, left > LOOK_MS ? (int)left : LOOK_MS);
        if (ready < 0 && errno == EINTR)
            ready = 0;
    }
    return ready;
}

bool tn_v_alone(const tn_v_options *o, const tn_v_case *cases, const long *index, long count,
                tn_v_result *last)
{
    tn_v_worker w = {.running = -1};
    bool good = tn_v_worker_start(&w, o, cases);
    memset(last, 0, sizeof *last);
    for (long i = 0; i < count && good; ++i) {
        good = tn_v_worker_ask(&w, index[i]);
        int ready = good ? answers(&w, o->case_timeout_s) : -1;
        good = good && ready > 0 && all(w.from, last, sizeof *last, false);
        if (!good)
            last->status = ready == 0 ? TN_V_TIMEOUT : TN_V_CRASH;
    }
    tn_v_worker_stop(&w);
    if (!good && last->status == TN_V_CRASH)
        tn_v_death(w.died, last->message, sizeof last->message);
    free(w.history);
    return good;
}

int tn_v_in_child(const char *device, double seconds,
                  void (*work)(tn_v_session *s, void *self, tn_v_result *out), void *self,
                  tn_v_result *out, char *why, size_t bytes)
{
    int from[2];
    memset(out, 0, sizeof *out);
    if (pipe(from) != 0)
        return TN_V_EXIT_FAILED;
    pid_t pid = fork();
    if (pid == 0) {
        tn_v_session s;
        tn_v_result r;
        char text[256] = "";
        close(from[0]);
        memset(&r, 0, sizeof r);
        if (tn_v_open(device, &s, text, sizeof text)) {
            s.timeout_ns = (uint64_t)(seconds * 0.8e9);
            work(&s, self, &r);
        } else {
            r.status = TN_V_STATUS_COUNT; /* no such device */
            memcpy(r.message, text, sizeof text);
        }
        _exit(all(from[1], &r, sizeof r, true) ? 0 : 1);
    }
    close(from[1]);
    tn_v_worker w = {.pid = pid, .from = from[0], .since = tn_v_now()};
    int ready = pid > 0 ? answers(&w, seconds) : -1;
    bool good = ready > 0 && all(from[0], out, sizeof *out, false);
    if (!good) {
        out->status = ready == 0 ? TN_V_TIMEOUT : TN_V_CRASH;
        snprintf(out->message, sizeof out->message, "no answer in %.0f s", seconds);
    }
    close(from[0]);
    int died = pid > 0 ? ended(pid) : 0;
    if (out->status == TN_V_CRASH && !good)
        tn_v_death(died, out->message, sizeof out->message);
    if (out->status < TN_V_STATUS_COUNT)
        return 0;
    snprintf(why, bytes, "%.200s", out->message);
    return TN_V_EXIT_NO_DEVICE;
}

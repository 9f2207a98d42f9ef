/* SPDX-License-Identifier: Apache-2.0 */
/* Who is waited for: a clock that stands still or runs tells a hang from work. */
#include <conformance/runner/runner.h>
#include <signal.h>
#include <sys/wait.h>
#include <tests/support/test.h>
#include <time.h>
#include <unistd.h>

TN_TEST(patience, idle_ones_have_the_time_that_passes)
{
    TN_EXPECT(tn_v_waits(30, 29, 0), "before the limit everybody is waited for");
    TN_EXPECT(!tn_v_waits(30, 30, 0), "who does nothing is given up");
    TN_EXPECT(!tn_v_waits(30, 31, 1), "who looks now and then whether it is done does nothing");
}

TN_TEST(patience, busy_ones_have_processor_time)
{
    TN_EXPECT(tn_v_waits(30, 31, 10), "a third of a cpu is work");
    TN_EXPECT(tn_v_waits(30, 250, 29), "as long as it has not used the limit");
    TN_EXPECT(!tn_v_waits(30, 31, 31), "who spins has used it on a machine of its own");
    TN_EXPECT(!tn_v_waits(30, 300, 29), "but not for ever");
}

static pid_t child_that(bool spins)
{
    pid_t pid = fork();
    while (pid == 0)
        if (!spins)
            pause();
    return pid;
}

TN_TEST(patience, another_process_is_seen_at_work)
{
    pid_t busy = child_that(true), idle = child_that(false);
    TN_EXPECT(busy > 0 && idle > 0, "no child could be started");
    if (busy <= 0 || idle <= 0)
        return;
    double start = tn_v_now();
    /* a clock that never ran would end this by the test's own limit */
    while (tn_v_used(busy) < 0.05)
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    TN_EXPECT(tn_v_used(idle) < 0.05, "%g s of a process that sleeps", tn_v_used(idle));
    TN_EXPECT(tn_v_used(busy) <= tn_v_now() - start + 0.05, "one thread uses no more than passes");
    TN_EXPECT(tn_v_used(0) > 0, "this process has used some");
    kill(busy, SIGKILL);
    kill(idle, SIGKILL);
    TN_EXPECT(waitpid(busy, NULL, 0) == busy && waitpid(idle, NULL, 0) == idle, "children end");
}

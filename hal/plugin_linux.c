/* SPDX-License-Identifier: Apache-2.0 */
/* Plugin files seen from outside, and the child process in which a plugin is tried first. */
/* path: api > placement > queue > [backend] > kernel > device */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hal/plugin.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OWN_MACHINE EM_RISCV
#endif

/* ---- the file ---- */

static tn_status truncated(const char *path, uint64_t bytes, uint64_t needed)
{
    return tn__fail(TN_STATUS_CORRUPT, "plugin.truncated", "path",
                    "%s has %llu bytes and needs at least %llu; copy it again", path,
                    (unsigned long long)bytes, (unsigned long long)needed);
}

static tn_status need(const char *path, uint64_t bytes, uint64_t offset, uint64_t count)
{
    uint64_t end;
    if (!tn__add_u64(offset, count, &end))
        end = UINT64_MAX;
    return end > bytes ? truncated(path, bytes, end) : TN_OK;
}

/* The header, then what the two tables say about where the file ends: mapping a segment that lies
 * behind the end would be a SIGBUS later. */
static tn_status check_elf(int fd, const char *path, uint64_t bytes)
{
    ElfW(Ehdr) e = {0};
    ElfW(Phdr) p;
    ssize_t got = pread(fd, &e, sizeof(e), 0);
    size_t magic = got < 0 ? 0 : (size_t)got < SELFMAG ? (size_t)got : SELFMAG;
    if (memcmp(e.e_ident, ELFMAG, magic) != 0 || got < 0)
        return tn__fail(TN_STATUS_CORRUPT, "plugin.not_elf", "path",
                        "%s is no ELF file; a plugin is a shared library", path);
    if (got < EI_NIDENT)
        return truncated(path, bytes, sizeof(e));
    const uint16_t one = 1;
    unsigned char order = *(const unsigned char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
    unsigned char wide = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    if (e.e_ident[EI_CLASS] != wide || e.e_ident[EI_DATA] != order)
        return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.architecture", "path",
                        "%s is for another architecture (ELF class %u, byte order %u; here %u, "
                        "%u); build it for this one",
                        path, e.e_ident[EI_CLASS], e.e_ident[EI_DATA], wide, order);
    if ((size_t)got < sizeof(e))
        return truncated(path, bytes, sizeof(e));
#ifdef OWN_MACHINE
    if (e.e_machine != OWN_MACHINE)
        return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.architecture", "path",
                        "%s is for another architecture (ELF machine %u; here %u); build it for "
                        "this one",
                        path, e.e_machine, OWN_MACHINE);
#endif
    if (e.e_type != ET_DYN || (e.e_phnum && e.e_phentsize != sizeof(p)))
        return tn__fail(TN_STATUS_CORRUPT, "plugin.not_elf", "path",
                        "%s is an ELF file of type %u, not a shared library (%u)", path, e.e_type,
                        ET_DYN);
    tn_status st = need(path, bytes, e.e_phoff, (uint64_t)e.e_phnum * sizeof(p));
    if (!st && e.e_shoff)
        st = need(path, bytes, e.e_shoff, (uint64_t)e.e_shnum * e.e_shentsize);
    for (unsigned i = 0; !st && i < e.e_phnum; i++) {
        if (pread(fd, &p, sizeof(p), (off_t)(e.e_phoff + i * sizeof(p))) != sizeof(p))
            return truncated(path, bytes, e.e_phoff + (i + 1) * sizeof(p));
        if (p.p_type == PT_LOAD)
            st = need(path, bytes, p.p_offset, p.p_filesz);
    }
    return st;
}

tn_status tn__plugin_look(const char *path, tn__plugin_file *out)
{
    struct stat s;
    memset(out, 0, sizeof(*out));
    /* O_NONBLOCK: opening a pipe that someone put there does not wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &s) != 0) {
        int why = errno;
        if (fd >= 0)
            (void)close(fd);
        return tn__fail(TN_STATUS_UNAVAILABLE, "plugin.file", "path", "%s cannot be read: %s", path,
                        strerror(why));
    }
    *out = (tn__plugin_file){.device = s.st_dev,
                             .inode = s.st_ino,
                             .bytes = (uint64_t)s.st_size,
                             .mtime_s = s.st_mtim.tv_sec,
                             .mtime_ns = s.st_mtim.tv_nsec};
    tn_status st = S_ISREG(s.st_mode)
                       ? check_elf(fd, path, out->bytes)
                       : tn__fail(TN_STATUS_UNAVAILABLE, "plugin.file", "path",
                                  "%s is no regular file; a plugin is a shared library", path);
    (void)close(fd);
    return st;
}

/* ---- where this library is ---- */

/* The folder of the file that this code was loaded from; false if it cannot be known for sure.
 * A relative name is not believed: the current folder may be another one since. */
static bool own_folder(char *out, size_t bytes, bool *out_library)
{
    static const char inside;
    Dl_info own, program;
    const void *headers = (const void *)getauxval(AT_PHDR); /* they lie in the main program */
    if (!dladdr(&inside, &own))
        return false;
    bool main_program = headers && dladdr(headers, &program) && program.dli_fbase == own.dli_fbase;
    if (main_program) {
        ssize_t n = readlink("/proc/self/exe", out, bytes - 1);
        if (n <= 0)
            return false;
        out[n] = 0;
    } else if (snprintf(out, bytes, "%s", own.dli_fname) >= (int)bytes) {
        return false;
    }
    char *slash = strrchr(out, '/');
    if (out[0] != '/' || !slash)
        return false;
    *slash = 0;
    *out_library = !main_program;
    return true;
}

bool tn__plugin_helper(char *out, size_t bytes)
{
    /* Beside the library or program; installed: in libexec, as far from the library or the command
     * as configured; in a build tree the tests and benches lie one folder deeper. */
    static const char *const places[] = {"tenon-probe", TN_PROBE_FROM_LIBDIR, TN_PROBE_FROM_BINDIR,
                                         "../tenon-probe"};
    char folder[TN__PLUGIN_PATH_BYTES / 2];
    bool library;
    if (own_folder(folder, sizeof(folder), &library)) {
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            (void)snprintf(out, bytes, "%s/%s", folder, places[i]);
            if (access(out, X_OK) == 0)
                return true;
        }
    }
    (void)snprintf(out, bytes, "%s", TN_PROBE_INSTALLED);
    return access(out, X_OK) == 0;
}

void tn__plugin_folder(char *out, size_t bytes)
{
    char folder[TN__PLUGIN_PATH_BYTES / 2];
    bool library = false;
    if (own_folder(folder, sizeof(folder), &library) && library)
        (void)snprintf(out, bytes, "%s/tenon/plugins", folder);
    else
        (void)snprintf(out, bytes, "%s", TN_PLUGIN_FOLDER);
}

/* ---- the child ---- */

enum { PROBE_WORDS = 4 }; /* what, drivers, device to open, cache folder; "": none */

/* fork() alone would leave the child of a threaded program with locks that nobody frees, so the
 * child is a program of its own. Its output goes nowhere; its report comes by a pipe. A process
 * group of its own: what the plugin starts is ended with it. */
static int spawn(const char *helper, const char *const what[PROBE_WORDS], int report, pid_t *out)
{
    char protocol[] = TN__PROBE_PROTOCOL, name[] = "tenon-probe";
    char *argv[PROBE_WORDS + 3] = {name, protocol};
    for (int i = 0; i < PROBE_WORDS; i++)
        argv[2 + i] = (char *)(uintptr_t)what[i]; /* posix_spawn writes to none of them */
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (rc) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return rc;
    }
    for (int fd = 0; !rc && fd < TN__PROBE_FD; fd++)
        rc = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(&actions, report, TN__PROBE_FD);
    if (!rc)
        rc = posix_spawnattr_setpgroup(&attr, 0);
    if (!rc)
        rc = posix_spawnattr_setsigmask(&attr, &none);
    if (!rc)
        rc = posix_spawnattr_setsigdefault(&attr, &all);
    if (!rc)
        rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                 POSIX_SPAWN_SETSIGDEF);
    if (!rc)
        rc = posix_spawn(out, helper, &actions, &attr, argv, tn__env_all());
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

typedef struct report {
    char stage; /* the last that was entered */
    bool complete, late;
    tn__probe_record record;
    tn_device_info device;
    void (*found)(void *token, const tn_device_info *);
    void *token;
} report;

/* Reads until the record is whole, the child is gone or the time is over. */
static void listen_to(int fd, uint64_t limit_ns, report *r)
{
    uint64_t start = tn__now_ns(), passed;
    size_t got = 0;
    while (!r->complete) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        passed = tn__now_ns() - start;
        if (passed >= limit_ns) {
            r->late = true;
            return;
        }
        uint64_t left_ms = (limit_ns - passed) / 1000000u + 1;
        int ready = poll(&p, 1, left_ms > 1000 ? 1000 : (int)left_ms);
        if (ready < 0 && errno != EINTR)
            return;
        if (ready <= 0)
            continue;
        bool result = r->stage == TN__STAGE_RESULT,
             device = r->stage == TN__STAGE_DEVICE && r->found;
        ssize_t n = result   ? read(fd, (char *)&r->record + got, sizeof(r->record) - got)
                    : device ? read(fd, (char *)&r->device + got, sizeof(r->device) - got)
                             : read(fd, &r->stage, 1);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return;
        if ((result || device) && n > 0)
            got += (size_t)n;
        r->complete = result && got == sizeof(r->record);
        if (device && got == sizeof(r->device)) {
            r->stage = TN__STAGE_ENUMERATE;
            got = 0;
            r->found(r->token, &r->device);
        }
    }
}

static const char *stage_text(char stage)
{
    switch (stage) {
    case TN__STAGE_LOAD:
        return "while it was loaded";
    case TN__STAGE_QUERY:
        return "in tn_backend_query";
    case TN__STAGE_ENUMERATE:
        return "in enumerate";
    default:
        return "before it was loaded";
    }
}

static tn_status judge(const char *path, const char *helper, uint64_t limit_ns, const report *r,
                       int status)
{
    const tn__probe_record *record = &r->record;
    if (r->complete) {
        if (record->status == TN_OK)
            return TN_OK;
        if (record->status <= TN_STATUS_INTERNAL &&
            memchr(record->reason, 0, sizeof(record->reason)) &&
            memchr(record->text, 0, sizeof(record->text)))
            return tn__fail((tn_status)record->status, record->reason, "path", "%s: %s", path,
                            record->text);
    }
    if (r->stage == 0)
        return tn__fail(TN_STATUS_UNAVAILABLE, "plugin.helper", "path",
                        "%s was not tried: the helper %s did not start; install the one of this "
                        "version",
                        path, helper);
    if (r->late)
        return tn__fail(TN_STATUS_TIMEOUT, "plugin.timeout", "path",
                        "%s did not answer within %llu ms %s", path,
                        (unsigned long long)(limit_ns / 1000000u), stage_text(r->stage));
    if (WIFSIGNALED(status))
        return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.crashed", "path",
                        "%s ended its process by signal %d %s", path, WTERMSIG(status),
                        stage_text(r->stage));
    return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.crashed", "path",
                    "%s ended its process with exit code %d %s", path,
                    WIFEXITED(status) ? WEXITSTATUS(status) : -1, stage_text(r->stage));
}

/* Starts the helper on `what`, listens, and sees to it that nothing of it is left. */
static tn_status run_child(const char *helper, uint64_t limit_ns,
                           const char *const words[PROBE_WORDS], report *r, int *out_status)
{
    const char *what = words[0];
    int ends[2], rc = 0;
    pid_t child = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return tn__fail(TN_STATUS_NO_MEMORY, "plugin.process", "path",
                        "%s was not tried: no pipe can be made: %s", what, strerror(errno));
    /* Clear of the numbers that the child's own files get. */
    int write_end = fcntl(ends[1], F_DUPFD_CLOEXEC, 16);
    (void)close(ends[1]);
    if (write_end < 0)
        rc = errno;
    if (!rc)
        rc = spawn(helper, words, write_end, &child);
    if (write_end >= 0)
        (void)close(write_end);
    if (rc) {
        (void)close(ends[0]);
        return tn__fail(TN_STATUS_UNAVAILABLE, "plugin.helper", "path",
                        "%s was not tried: the helper %s cannot be started: %s", what, helper,
                        strerror(rc));
    }
    listen_to(ends[0], limit_ns, r);
    (void)close(ends[0]);
    /* Also what it started, and itself if it closed the pipe and stayed. One that is on its way out
     * keeps its own exit status. */
    (void)kill(-child, SIGKILL);
    /* ECHILD: the host lets the system reap its children; the report alone decides then. */
    while (waitpid(child, out_status, 0) < 0 && errno == EINTR)
        ;
    return TN_OK;
}

tn_status tn__plugin_probe(const char *helper, uint64_t limit_ns, const char *path)
{
    const char *const words[PROBE_WORDS] = {path, "", "", ""};
    report r = {0};
    int status = 0;
    tn_status st = run_child(helper, limit_ns, words, &r, &status);
    return st ? st : judge(path, helper, limit_ns, &r, status);
}

tn_status tn__driver_probe(const char *helper, uint64_t limit_ns, const tn__driver_task *task,
                           void *token, void (*found)(void *token, const tn_device_info *))
{
    report r = {.found = found, .token = token};
    char what[64], who[256], did[160];
    int status = 0;
    (void)snprintf(what, sizeof(what), "%s%s", task->open ? TN__PROBE_OPEN : TN__PROBE_BUILTIN,
                   task->backend);
    const char *const words[PROBE_WORDS] = {what, task->drivers ? task->drivers : "",
                                            task->open ? task->open : "",
                                            task->cache ? task->cache : ""};
    tn_status st = run_child(helper, limit_ns, words, &r, &status);
    if (st)
        return st;
    const tn__probe_record *record = &r.record;
    if (r.complete && record->status == TN_OK)
        return TN_OK;
    if (r.complete && record->status <= TN_STATUS_INTERNAL &&
        memchr(record->reason, 0, sizeof(record->reason)) &&
        memchr(record->text, 0, sizeof(record->text)))
        return tn__fail((tn_status)record->status, record->reason, "uri", "%s", record->text);
    if (r.stage == 0)
        return tn__fail(TN_STATUS_UNAVAILABLE, "driver.helper", "uri",
                        "the drivers of %s were not tried: the helper %s did not start; install "
                        "the one of this version",
                        task->backend, helper);
    if (task->drivers)
        (void)snprintf(who, sizeof(who), "of the drivers of %s %s", task->backend, task->drivers);
    else
        (void)snprintf(who, sizeof(who), "a driver of %s", task->backend);
    if (task->open)
        (void)snprintf(did, sizeof(did), "opened the device %s:%s", task->backend, task->open);
    else
        (void)snprintf(did, sizeof(did), "listed its devices");
    if (r.late)
        return tn__fail(TN_STATUS_UNAVAILABLE, "driver.timeout", "uri",
                        "%s: a process that %s did not end within %llu ms; remove the driver, or "
                        "keep it out of the list of drivers",
                        who, did, (unsigned long long)(limit_ns / 1000000u));
    return tn__fail(TN_STATUS_UNAVAILABLE, "driver.crashed", "uri",
                    "%s: the process that %s was ended by it (%s %d); remove the driver, or keep "
                    "it out of the list of drivers",
                    who, did, WIFSIGNALED(status) ? "signal" : "exit code",
                    WIFSIGNALED(status) ? WTERMSIG(status)
                    : WIFEXITED(status) ? WEXITSTATUS(status)
                                        : -1);
}

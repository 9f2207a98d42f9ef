/* SPDX-License-Identifier: Apache-2.0 */
/* The device tpu-sim: profile and options of its URI, what it says of itself, its table. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "tpu_backend.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MOST = 1 << 16 };

typedef struct opening {
    const tn_host *host;
    sim_options options;
    char *script, *text; /* TEXT_MOST each */
    char profile[TPU_ARGUMENT], log[TPU_ARGUMENT], replay[TPU_ARGUMENT];
    char mmio[TPU_ARGUMENT], socket[TPU_ARGUMENT], error[200];
} opening;

/* A whole file as text; false where it cannot be read or is too long. */
static bool read_file(const char *path, char *text, size_t *out_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;
    *out_bytes = 0;
    while (fd >= 0 && *out_bytes < TEXT_MOST - 1 &&
           (n = read(fd, text + *out_bytes, TEXT_MOST - 1 - *out_bytes)) > 0)
        *out_bytes += (size_t)n;
    text[*out_bytes] = '\0';
    if (fd < 0)
        return false;
    close(fd);
    return n == 0;
}

const tn_k_sys_math *tn__tpu_best_math(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &tn_k_sys_math_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("f16c"))
        return &tn_k_sys_math_avx2;
#endif
    return &tn_k_sys_math_baseline;
}

static int choice_of(const char *value, const char *const *names)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    return -1;
}

static tn_status option(opening *o, const char *key, const char *value)
{
    static const char *const timings[] = {"serial", "overlap", NULL};
    static const char *const protects[] = {"none", "ecc", "full", NULL};
    int n = 0;
    if (strcmp(key, "timing") == 0) {
        n = choice_of(value, timings);
        o->options.timing = (uint32_t)n;
    } else if (strcmp(key, "protect") == 0) {
        n = choice_of(value, protects);
        o->options.protect = (uint32_t)n;
    } else if (strcmp(key, "bus") == 0) {
        n = strcmp(value, "model") == 0 ? 0 : -1;
        if (strncmp(value, "replay:", 7) == 0)
            n = snprintf(o->replay, sizeof o->replay, "%s", value + 7) < TPU_ARGUMENT ? 0 : -1;
        if (strncmp(value, "socket:", 7) == 0)
            n = snprintf(o->socket, sizeof o->socket, "%s", value + 7) < TPU_ARGUMENT ? 0 : -1;
        if (strncmp(value, "mmio:", 5) == 0)
            n = snprintf(o->mmio, sizeof o->mmio, "%s", value + 5) < TPU_ARGUMENT ? 0 : -1;
    } else if (strcmp(key, "log") == 0) {
        n = snprintf(o->log, sizeof o->log, "%s", value) < TPU_ARGUMENT ? 0 : -1;
    } else if (strcmp(key, "faults") == 0) {
        size_t bytes;
        if (!read_file(value, o->script, &bytes))
            return TPU_FAIL_ARGUMENT(o->host, TN_STATUS_INVALID, "tpu.file", "uri",
                                     "uri has faults=\"%s\", which cannot be read as a script",
                                     value);
        o->options.faults = o->script;
    } else {
        return TPU_FAIL_ARGUMENT(o->host, TN_STATUS_INVALID, "tpu.option", "uri",
                                 "uri has the option \"%s\"; tpu-sim has timing, protect, bus, "
                                 "faults, log",
                                 key);
    }
    if (n < 0)
        return TPU_FAIL_ARGUMENT(o->host, TN_STATUS_INVALID, "tpu.option", "uri",
                                 "uri has %s=\"%s\"; timing is serial or overlap, protect none, "
                                 "ecc or full, bus model, mmio:FILE, socket:ADDRESS or "
                                 "replay:FILE, a file's name at most 127 "
                                 "characters",
                                 key, value);
    return TN_OK;
}

static tn_status parse(opening *o, const char *arg)
{
    size_t n = strcspn(arg, "?");
    if (n >= sizeof o->profile)
        return TPU_FAIL_ARGUMENT(o->host, TN_STATUS_INVALID, "tpu.profile", "uri",
                                 "the profile's name has more than %d characters",
                                 TPU_ARGUMENT - 1);
    memcpy(o->profile, arg, n);
    if (n == 0)
        snprintf(o->profile, sizeof o->profile, "canonical-128");
    for (arg += n; *arg != '\0';) {
        char key[32], value[256];
        ++arg;
        size_t all = strcspn(arg, "&"), k = strcspn(arg, "=&");
        if (k >= all || k >= sizeof key || all - k - 1 >= sizeof value)
            return TPU_FAIL_ARGUMENT(o->host, TN_STATUS_INVALID, "tpu.option", "uri",
                                     "uri has \"%s\" at its end; an option is key=value", arg);
        snprintf(key, sizeof key, "%.*s", (int)k, arg);
        snprintf(value, sizeof value, "%.*s", (int)(all - k - 1), arg + k + 1);
        tn_status st = option(o, key, value);
        if (st != TN_OK)
            return st;
        arg += all;
    }
    return TN_OK;
}

static tn_status read_profile(opening *o, sim_profile *out)
{
    size_t bytes = 0;
    const char *text = tn__sim_profile_text(o->profile, &bytes);
    if (text == NULL && strpbrk(o->profile, "/.") != NULL && read_file(o->profile, o->text, &bytes))
        text = o->text;
    if (text == NULL) {
        char known[256] = "";
        for (uint32_t i = 0; tn__sim_profile_name(i) != NULL; i++) {
            size_t at = strlen(known);
            snprintf(known + at, sizeof known - at, "%s%s", i != 0 ? ", " : "",
                     tn__sim_profile_name(i));
        }
        return TPU_FAIL_ARGUMENT(
            o->host, TN_STATUS_UNAVAILABLE, "tpu.profile", "uri",
            "there is no profile \"%s\"; there are %s, and files by their path", o->profile, known);
    }
    if (!tn__sim_profile_read(text, bytes, out, o->error, sizeof o->error))
        return TPU_FAIL_ARGUMENT(o->host, TN_STATUS_INVALID, "tpu.profile", "uri",
                                 "the profile \"%s\" is wrong: %s", o->profile, o->error);
    return TN_OK;
}

/* ---- the device ---- */

/* The log of a device that is closed goes to its file; where that fails nobody is left to be told.
 */
static void save_log(const tpu_device *d)
{
    const unsigned char *data;
    size_t bytes, at = 0;
    ssize_t n = 1;
    bool whole = tn__tpu_log_data(&d->log, &data, &bytes);
    int fd = open(d->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    while (fd >= 0 && at < bytes && (n = write(fd, data + at, bytes - at)) > 0)
        at += (size_t)n;
    if (fd >= 0)
        close(fd);
    if (fd < 0 || at < bytes || !whole)
        d->host->log(d->host->runtime, 1, "tpu-sim: the log of the bus could not be written whole");
}

static void device_close(void *device)
{
    tpu_device *d = device;
    tn_allocator a = d->host->allocator;
    tn__tpu_close(&d->chip);
    if (d->log.self != NULL) {
        save_log(d);
        tn__tpu_log_close(&d->log);
    }
    if (d->replay.self != NULL)
        tn__tpu_replay_close(&d->replay);
    if (d->mmio.self != NULL)
        tn__tpu_mmio_close(&d->mmio);
    if (d->socket.self != NULL)
        tn__tpu_socket_close(&d->socket);
    if (d->model.self != NULL)
        tn__tpu_bus_model_close(&d->model);
    if (d->played != NULL)
        a.free(a.self, d->played, d->played_room);
    pthread_mutex_destroy(&d->lock);
    a.free(a.self, d, sizeof *d);
}

static tn_status device_info(void *device, tn_device_info *out)
{
    const tpu_device *d = device;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    snprintf(out->uri, sizeof out->uri, "tpu-sim:%.100s", d->name);
    snprintf(out->name, sizeof out->name, "%s: %u array%s of %ux%u, simulated", d->profile.name,
             d->profile.arrays, d->profile.arrays == 1 ? "" : "s",
             d->profile.rows * d->profile.tile_rows, d->profile.cols);
    snprintf(out->vendor, sizeof out->vendor, "%s", d->profile.vendor);
    snprintf(out->driver, sizeof out->driver, "tenon tpu, bus %s",
             d->replay.self != NULL ? "replay"
             : d->mmio.self != NULL ? "mmio"
                                    : "model");
    snprintf(out->group, sizeof out->group, "host-cpu"); /* it is computed there */
    out->kind = TN_KIND_ACCELERATOR;
    out->flags = TN_DEVICE_ASYNC | TN_DEVICE_SIMULATED;
    out->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    out->largest_buffer_bytes = out->memory_bytes;
    out->buffer_align = 64;
    out->offset_align = 1;
    out->queues = 8;
    return TN_OK;
}

static tn_status device_classes(void *device, tn_dtype dtype, tn_class_info *out)
{
    const tpu_device *d = device;
    const tn_k_sys_caps *caps = &d->chip.caps;
    const uint32_t inexact = 1u << TN_CLASS_BOUNDED | 1u << TN_CLASS_FAST;
    bool ordered = caps->rows >= 128 && (caps->flags & TN_K_SYS_SEQUENTIAL) != 0 &&
                   (caps->flags & TN_K_SYS_MATH) != 0;
    out->classes = 0;
    if ((caps->array_types >> dtype & 1u) == 0) {
        snprintf(out->refused, sizeof out->refused, "the array does not multiply %s",
                 tn_dtype_name(dtype));
    } else if (dtype == TN_S8 || dtype == TN_U8) {
        out->classes = inexact | 1u << TN_CLASS_EXACT;
    } else {
        out->classes = inexact | (ordered ? 1u << TN_CLASS_CANONICAL : 0u);
        if (!ordered)
            snprintf(out->refused, sizeof out->refused,
                     "canonical: the chip adds or computes functions in another way");
    }
    return TN_OK;
}

/* What a bring-up may read, and write where a mask says so. */
static const tn_register registers[] = {
    {TPU_ID, TPU_MAGIC, 0, 0, "id"},
    {TPU_VERSION, (uint32_t)TPU_ISA << 16, 0, 0, "version"},
    {TPU_CAP_ROWS, 0, 0, 0, "cap_rows"},
    {TPU_CAP_COLS, 0, 0, 0, "cap_cols"},
    {TPU_STATUS, TPU_STATUS_IDLE, 0, 0, "status"},
    {TPU_ERR_CODE, 0, 0, 0, "err_code"},
    {TPU_IRQ_RAW, 0, 0, 0, "irq_raw"},
    {TPU_IRQ_MASK, 0, UINT32_MAX, 0, "irq_mask"},
    {TPU_HEAD, 0, 0, 0, "head"},
    {TPU_SCRATCH, 0, UINT32_MAX, 0, "scratch0"},
    {TPU_SCRATCH + 4, 0, UINT32_MAX, 0, "scratch1"},
    {TPU_SCRATCH + 8, 0, UINT32_MAX, 0, "scratch2"},
    {TPU_SCRATCH + 12, 0, UINT32_MAX, 0, "scratch3"},
};

static tn_status device_bus(void *device, tn_bus *out, tn_chip *out_chip)
{
    tpu_device *d = device;
    pthread_mutex_lock(&d->lock);
    *out = d->bus;
    out_chip->registers = registers;
    out_chip->register_count = sizeof registers / sizeof registers[0];
    out_chip->window_offset = TPU_WINDOW;
    out_chip->window_bytes = TPU_BYTES - TPU_WINDOW;
    out_chip->doorbell_offset = TPU_TAIL;
    out_chip->dma_align = 64;
    out_chip->ring_offset = TPU_RING_LO;
    out_chip->ring_log2_offset = TPU_RING_LOG2;
    out_chip->head_offset = TPU_HEAD;
    out_chip->reset_offset = TPU_CTRL;
    pthread_mutex_unlock(&d->lock);
    return TN_OK;
}

static const tn_device_ops device_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_device_ops),
    .close = device_close,
    .info = device_info,
    .buffer_create = tn__tpu_buffer_create,
    .queue_create = tn__tpu_queue_create,
    .plan_create = tn__tpu_plan_create,
    .supports = tn__tpu_supports,
    .classes = device_classes,
    .bus = device_bus,
};

/* ---- the backend ---- */

/* A simulated chip is there for whoever names it. */
static tn_status backend_enumerate(const tn_host *host, void *token,
                                   void (*found)(void *token, const tn_device_info *))
{
    (void)host, (void)token, (void)found;
    return TN_OK;
}

static tn_status no_memory(const tn_host *host)
{
    return TPU_FAIL(host, TN_STATUS_NO_MEMORY, "host.memory",
                    "no host memory for a simulated chip; free something and try again");
}

/* The log to be played, whole. */
static tn_status load_log(opening *o, tpu_device *d)
{
    tn_allocator a = o->host->allocator;
    struct stat info;
    int fd = open(o->replay, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0) {
        d->played_room = (size_t)info.st_size;
        d->played = a.alloc(a.self, d->played_room, 64);
    }
    while (d->played != NULL && d->played_bytes < d->played_room && n > 0) {
        n = read(fd, d->played + d->played_bytes, d->played_room - d->played_bytes);
        d->played_bytes += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    if (d->played_bytes == 0 || d->played_bytes < d->played_room)
        return TPU_FAIL_ARGUMENT(o->host, TN_STATUS_INVALID, "tpu.file", "uri",
                                 "uri has bus=replay:%s, which cannot be read as a log", o->replay);
    if (!tn__tpu_replay_open(&a, d->played, d->played_bytes, &d->replay))
        return no_memory(o->host);
    d->bus = d->replay;
    return TN_OK;
}

static tn_status power_up(opening *o, tpu_device *d)
{
    tn_allocator a = o->host->allocator;
    if (o->replay[0] != '\0') {
        tn_status st = load_log(o, d);
        if (st != TN_OK)
            return st;
    } else if (o->mmio[0] != '\0' || o->socket[0] != '\0') {
        bool there =
            o->mmio[0] != '\0'
                ? tn__tpu_mmio_open(&a, o->mmio, &d->mmio, o->error, sizeof o->error)
                : tn__tpu_socket_open(&a, o->socket, &d->socket, o->error, sizeof o->error);
        if (!there)
            return o->error[0] == '\0'
                       ? no_memory(o->host)
                       : TPU_FAIL_ARGUMENT(o->host, TN_STATUS_UNAVAILABLE, "tpu.file", "uri",
                                           "the uri's bus has no chip behind it: %s", o->error);
        d->bus = o->mmio[0] != '\0' ? d->mmio : d->socket;
    } else if (!tn__tpu_bus_model_open(&a, &d->profile, &o->options, &d->model, o->error,
                                       sizeof o->error)) {
        if (o->error[0] == '\0')
            return no_memory(o->host);
        return TPU_FAIL_ARGUMENT(o->host, TN_STATUS_INVALID, "tpu.script", "uri",
                                 "the chip cannot be made: %s", o->error);
    } else {
        d->bus = d->model;
    }
    if (o->log[0] != '\0') {
        if (!tn__tpu_log_open(&a, &d->bus, &d->log))
            return no_memory(o->host);
        memcpy(d->log_path, o->log, sizeof d->log_path);
        d->bus = d->log;
    }
    if (!tn__tpu_open(&d->chip, &d->bus, o->error, sizeof o->error))
        return TPU_FAIL_ARGUMENT(o->host, TN_STATUS_UNAVAILABLE, "tpu.chip", "uri",
                                 "the chip does not come up: %s", o->error);
    return TN_OK;
}

static tn_status backend_open(const tn_host *host, const char *arg, void *token, void **out,
                              const tn_device_ops **out_ops)
{
    tn_allocator a = host->allocator;
    opening o = {.host = host, .options = {.timing = SIM_OVERLAP, .math = tn__tpu_best_math()}};
    tpu_device *d = a.alloc(a.self, sizeof *d, 64);
    o.text = a.alloc(a.self, 2 * TEXT_MOST, 64);
    tn_status st = TN_OK;
    if (d == NULL || o.text == NULL) {
        st = TPU_FAIL(host, TN_STATUS_NO_MEMORY, "host.memory",
                      "no host memory for a device; free something and try again");
        goto fail;
    }
    memset(d, 0, sizeof *d);
    d->host = host;
    d->token = token;
    pthread_mutex_init(&d->lock, NULL);
    o.script = o.text + TEXT_MOST;
    st = parse(&o, arg != NULL ? arg : "");
    if (st == TN_OK)
        st = read_profile(&o, &d->profile);
    snprintf(d->name, sizeof d->name, "%s", o.profile);
    if (st == TN_OK)
        st = power_up(&o, d);
    if (st != TN_OK) {
        device_close(d);
        d = NULL;
        goto fail;
    }
    a.free(a.self, o.text, 2 * TEXT_MOST);
    *out = d;
    *out_ops = &device_ops;
    return TN_OK;
fail:
    if (d != NULL)
        a.free(a.self, d, sizeof *d);
    if (o.text != NULL)
        a.free(a.self, o.text, 2 * TEXT_MOST);
    return st;
}

static const tn_backend_ops backend_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_backend_ops),
    .name = "tpu-sim",
    .enumerate = backend_enumerate,
    .open = backend_open,
};

tn_status tn_backend_query_tpu_sim(uint32_t host_abi, const tn_backend_ops **out);
tn_status tn_backend_query_tpu_sim(uint32_t host_abi, const tn_backend_ops **out)
{
    if (host_abi < TN_BACKEND_ABI)
        return TN_STATUS_INCOMPATIBLE;
    *out = &backend_ops;
    return TN_OK;
}

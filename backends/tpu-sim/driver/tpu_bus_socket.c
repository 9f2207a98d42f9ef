/* SPDX-License-Identifier: Apache-2.0 */
/* The bus over a stream socket, and a model at its other end. A connection that breaks is a device
 * that is gone: every read gives all ones. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "tpu_bus_socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ALIGN = 4096, FIRST = 64 };
#define MEMORY_IOVA (UINT64_C(1) << 32)

/* ---- addresses and whole messages ---- */

/* Binds or connects; -1 with a sentence. */
static int make_socket(const char *address, bool listens, char *error, size_t room)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    const struct sockaddr *at = (const struct sockaddr *)(const void *)&local;
    socklen_t bytes = sizeof local;
    int fd = -1, one = 1;
    const char *colon = strrchr(address, ':');
    char host[128] = "";
    if (address[0] == '/' && strlen(address) < sizeof local.sun_path) {
        memcpy(local.sun_path, address, strlen(address) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (listens)
            unlink(address);
    } else if (colon != NULL && (size_t)(colon - address) < sizeof host) {
        memcpy(host, address, (size_t)(colon - address));
        if (getaddrinfo(host, colon + 1, &hints, &found) == 0) {
            at = found->ai_addr;
            bytes = found->ai_addrlen;
            fd = socket(found->ai_family, SOCK_STREAM, 0);
            if (fd >= 0) {
                (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
            }
        }
    }
    bool good = fd >= 0 && (listens ? bind(fd, at, bytes) == 0 && listen(fd, 1) == 0
                                    : connect(fd, at, bytes) == 0);
    if (!good) {
        snprintf(error, room, "\"%s\" cannot be reached: %s", address,
                 fd >= 0 ? strerror(errno) : "neither /path nor host:port");
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    if (found != NULL)
        freeaddrinfo(found);
    return fd;
}

static bool send_all(int fd, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    while (bytes != 0) {
        ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

static bool receive_all(int fd, void *data, size_t bytes)
{
    unsigned char *at = data;
    while (bytes != 0) {
        ssize_t n = recv(fd, at, bytes, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* ---- blocks by ascending address: the driver's, or the other side's copies ---- */

typedef struct block {
    uint64_t iova, bytes;
    unsigned char *data;
    size_t room;
} block;

typedef struct blocks {
    tn_allocator allocator;
    block *list;
    size_t count, room;
} blocks;

static block *find(const blocks *b, uint64_t iova, uint64_t bytes)
{
    for (size_t i = b->count; i-- > 0;) {
        block *x = &b->list[i];
        if (iova >= x->iova && iova - x->iova <= x->bytes && bytes <= x->bytes - (iova - x->iova))
            return x;
    }
    return NULL;
}

static block *find_data(const blocks *b, const unsigned char *p)
{
    for (size_t i = b->count; i-- > 0;)
        if (p >= b->list[i].data && p < b->list[i].data + b->list[i].bytes)
            return &b->list[i];
    return NULL;
}

/* Memory of its own for an address; NULL without memory. */
static block *add(blocks *b, uint64_t iova, uint64_t bytes, size_t align)
{
    tn_allocator a = b->allocator;
    if (b->count == b->room) {
        size_t larger = b->room != 0 ? 2 * b->room : FIRST;
        block *list = a.alloc(a.self, larger * sizeof *list, 64);
        if (list == NULL)
            return NULL;
        if (b->list != NULL) {
            memcpy(list, b->list, b->count * sizeof *list);
            a.free(a.self, b->list, b->room * sizeof *list);
        }
        b->list = list;
        b->room = larger;
    }
    if (bytes > SIZE_MAX / 2)
        return NULL;
    block x = {.iova = iova, .bytes = bytes, .room = (size_t)bytes + 1};
    x.data = a.alloc(a.self, x.room, align > 64 ? align : 64);
    if (x.data == NULL)
        return NULL;
    memset(x.data, 0, x.room); /* the same on both sides */
    b->list[b->count] = x;
    return &b->list[b->count++];
}

static void drop(blocks *b, block *x)
{
    b->allocator.free(b->allocator.self, x->data, x->room);
    *x = b->list[--b->count];
}

static void drop_all(blocks *b)
{
    while (b->count != 0)
        drop(b, &b->list[b->count - 1]);
    if (b->list != NULL)
        b->allocator.free(b->allocator.self, b->list, b->room * sizeof *b->list);
}

/* ---- the driver's side ---- */

typedef struct socket_bus {
    tn_allocator allocator;
    int fd;
    pthread_mutex_t lock; /* guards: all below, and one request with its answer */
    bool broken;
    blocks blocks;
    uint64_t next;
} socket_bus;

/* One request; `out` NULL: there is no answer. */
static bool say(socket_bus *s, const tpu_message *m, const void *more, tpu_message *out, void *back)
{
    bool good = !s->broken && send_all(s->fd, m, sizeof *m) && send_all(s->fd, more, m->bytes);
    if (good && out != NULL)
        good = receive_all(s->fd, out, sizeof *out) &&
               (out->bytes == 0 || (back != NULL && out->bytes == m->b &&
                                    receive_all(s->fd, back, (size_t)out->bytes)));
    s->broken = !good;
    return good;
}

static uint64_t ask(socket_bus *s, uint32_t kind, uint32_t offset, uint64_t a)
{
    tpu_message m = {.kind = kind, .offset = offset, .a = a}, answer = {0};
    pthread_mutex_lock(&s->lock);
    bool good = say(s, &m, NULL, &answer, NULL);
    pthread_mutex_unlock(&s->lock);
    return good ? answer.a : UINT64_MAX;
}

static uint32_t socket_read(void *self, uint32_t offset)
{
    return (uint32_t)ask(self, TPU_SAY_READ, offset, 0);
}

static void socket_write(void *self, uint32_t offset, uint32_t value)
{
    socket_bus *s = self;
    tpu_message m = {.kind = TPU_SAY_WRITE, .offset = offset, .a = value};
    pthread_mutex_lock(&s->lock);
    (void)say(s, &m, NULL, NULL, NULL);
    pthread_mutex_unlock(&s->lock);
}

static int32_t socket_wait(void *self, uint32_t irq_mask, uint64_t timeout_ns)
{
    return ask(self, TPU_SAY_WAIT, irq_mask, timeout_ns) == 1;
}

static uint64_t socket_now(void *self)
{
    return ask(self, TPU_SAY_NOW, 0, 0);
}

static void *socket_alloc(void *self, size_t bytes, size_t align, uint64_t *out_iova)
{
    socket_bus *s = self;
    void *p = NULL;
    pthread_mutex_lock(&s->lock);
    uint64_t step = align > ALIGN ? align : ALIGN, at = (s->next + step - 1) / step * step;
    tpu_message m = {.kind = TPU_SAY_ALLOC, .a = at, .b = bytes}, answer = {0};
    block *x = add(&s->blocks, at, bytes, align);
    if (x != NULL && say(s, &m, NULL, &answer, NULL) && answer.a == 1) {
        s->next = at + bytes + ALIGN;
        *out_iova = at;
        p = x->data;
    } else if (x != NULL) {
        drop(&s->blocks, x);
    }
    pthread_mutex_unlock(&s->lock);
    return p;
}

static void socket_free(void *self, void *p)
{
    socket_bus *s = self;
    pthread_mutex_lock(&s->lock);
    block *x = p != NULL ? find_data(&s->blocks, p) : NULL;
    if (x != NULL) {
        tpu_message m = {.kind = TPU_SAY_FREE, .a = x->iova};
        (void)say(s, &m, NULL, NULL, NULL);
        drop(&s->blocks, x);
    }
    pthread_mutex_unlock(&s->lock);
}

static void socket_sync(void *self, void *p, size_t bytes, int32_t to_device)
{
    socket_bus *s = self;
    tpu_message answer = {0};
    pthread_mutex_lock(&s->lock);
    const block *x = find_data(&s->blocks, p);
    if (x != NULL && bytes != 0) {
        uint64_t iova = x->iova + (uint64_t)((unsigned char *)p - x->data);
        tpu_message put = {.kind = TPU_SAY_PUT, .a = iova, .bytes = bytes};
        tpu_message get = {.kind = TPU_SAY_GET, .a = iova, .b = bytes};
        if (to_device)
            (void)say(s, &put, p, NULL, NULL);
        else
            (void)say(s, &get, NULL, &answer, p);
    }
    pthread_mutex_unlock(&s->lock);
}

bool tn__tpu_socket_open(const tn_allocator *allocator, const char *address, tn_bus *out,
                         char *error, size_t room)
{
    tn_allocator a = *allocator;
    socket_bus *s = a.alloc(a.self, sizeof *s, 64);
    if (room != 0)
        error[0] = '\0';
    if (s == NULL)
        return false;
    memset(s, 0, sizeof *s);
    s->allocator = s->blocks.allocator = a;
    s->next = MEMORY_IOVA;
    s->fd = make_socket(address, false, error, room);
    if (s->fd < 0) {
        a.free(a.self, s, sizeof *s);
        return false;
    }
    pthread_mutex_init(&s->lock, NULL);
    *out = (tn_bus){s,           socket_read, socket_write, socket_alloc,
                    socket_free, socket_sync, socket_wait,  socket_now};
    return true;
}

void tn__tpu_socket_close(tn_bus *bus)
{
    socket_bus *s = bus->self;
    tn_allocator a = s->allocator;
    tpu_message m = {.kind = TPU_SAY_CLOSE};
    (void)say(s, &m, NULL, NULL, NULL);
    close(s->fd);
    drop_all(&s->blocks);
    pthread_mutex_destroy(&s->lock);
    a.free(a.self, s, sizeof *s);
    bus->self = NULL;
}

/* ---- the chip's side ---- */

static void *reach(void *self, uint64_t iova, uint64_t bytes)
{
    block *x = find(self, iova, bytes);
    return x != NULL ? x->data + (iova - x->iova) : NULL;
}

/* Bytes for an address that is nobody's are read and forgotten. */
static bool put(int fd, blocks *memory, const tpu_message *m)
{
    unsigned char room[4096];
    unsigned char *to = reach(memory, m->a, m->bytes);
    if (to != NULL)
        return receive_all(fd, to, (size_t)m->bytes);
    for (uint64_t left = m->bytes, n; left != 0; left -= n) {
        n = left < sizeof room ? left : sizeof room;
        if (!receive_all(fd, room, (size_t)n))
            return false;
    }
    return true;
}

/* False: the driver has closed, or the connection is broken. */
static bool answer(int fd, sim_dev *chip, blocks *memory, const tpu_message *m)
{
    tpu_message back = {.kind = m->kind};
    const unsigned char *from = NULL;
    block *x;
    switch (m->kind) {
    case TPU_SAY_READ:
        back.a = tn__sim_read(chip, m->offset);
        break;
    case TPU_SAY_WRITE:
        tn__sim_write(chip, m->offset, (uint32_t)m->a);
        return true;
    case TPU_SAY_WAIT:
        back.a = tn__sim_run(chip, m->offset, m->a);
        break;
    case TPU_SAY_NOW:
        back.a = tn__sim_now_ns(chip);
        break;
    case TPU_SAY_ALLOC:
        back.a = find(memory, m->a, 0) == NULL && add(memory, m->a, m->b, 64) != NULL;
        break;
    case TPU_SAY_FREE:
        x = find(memory, m->a, 0);
        if (x != NULL)
            drop(memory, x);
        return true;
    case TPU_SAY_PUT:
        return put(fd, memory, m);
    case TPU_SAY_GET:
        from = reach(memory, m->a, m->b);
        back.bytes = from != NULL ? m->b : 0;
        break;
    default:
        return false;
    }
    return send_all(fd, &back, sizeof back) && send_all(fd, from, (size_t)back.bytes);
}

bool tn__tpu_socket_serve(const tn_allocator *allocator, const char *address,
                          const sim_profile *profile, const sim_options *options, uint32_t idle_ms,
                          char *error, size_t room)
{
    blocks memory = {.allocator = *allocator};
    sim_env env = {.self = &memory, .map = reach};
    sim_dev *chip = tn__sim_new(profile, options, allocator, &env, error, room);
    int listener = chip != NULL ? make_socket(address, true, error, room) : -1, fd = -1;
    struct pollfd p = {.fd = listener, .events = POLLIN};
    tpu_message m;
    bool came = false;
    if (listener >= 0 && poll(&p, 1, (int)idle_ms) == 1)
        fd = accept(listener, NULL, NULL);
    p.fd = fd;
    while (fd >= 0 && poll(&p, 1, (int)idle_ms) == 1 && receive_all(fd, &m, sizeof m)) {
        came = true;
        if (!answer(fd, chip, &memory, &m))
            break;
    }
    if (fd >= 0)
        close(fd);
    if (listener >= 0)
        close(listener);
    if (address[0] == '/' && listener >= 0)
        unlink(address);
    tn__sim_free(chip);
    drop_all(&memory);
    return came;
}

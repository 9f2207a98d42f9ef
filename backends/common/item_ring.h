/* SPDX-License-Identifier: Apache-2.0 */
/* The items that a queue took and did not begin yet, its thread, and how those meet who hand over,
 * run and wait: what the queues of all backends have in common. */
#ifndef TN_BACKENDS_ITEM_RING_H
#define TN_BACKENDS_ITEM_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <tenon/backend.h>

typedef struct item_ring {
    tn_allocator allocator;
    pthread_mutex_t lock; /* guards what follows but the thread */
    pthread_cond_t work_came, item_done;
    unsigned char *items;
    size_t item_bytes;
    uint32_t capacity, head, count;
    bool busy, stop,
        has_thread; /* busy: something was taken and is not done; the backend says so */
    uint64_t done;  /* items completed, for poll */
    pthread_t thread;
} item_ring;

/* In zeroed memory. Room for `first` items is made with the queue, so that one can always be
 * taken. False: no memory. */
static inline bool item_ring_init(item_ring *r, const tn_allocator *allocator, size_t item_bytes,
                                  uint32_t first)
{
    r->allocator = *allocator;
    r->items = r->allocator.alloc(r->allocator.self, first * item_bytes, 64);
    if (r->items == NULL)
        return false;
    r->item_bytes = item_bytes;
    r->capacity = first;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work_came, NULL);
    pthread_cond_init(&r->item_done, NULL);
    return true;
}

/* The thread, if there is none yet. */
static inline bool item_ring_start(item_ring *r, void *(*serve)(void *), void *queue)
{
    if (!r->has_thread)
        r->has_thread = pthread_create(&r->thread, NULL, serve, queue) == 0;
    return r->has_thread;
}

/* The thread ends once nothing is left to take, and is waited for. */
static inline void item_ring_stop(item_ring *r)
{
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->work_came);
    pthread_mutex_unlock(&r->lock);
    if (r->has_thread)
        pthread_join(r->thread, NULL);
    r->has_thread = false;
}

/* After the thread, of a ring that was made. */
static inline void item_ring_free(item_ring *r)
{
    r->allocator.free(r->allocator.self, r->items, r->capacity * r->item_bytes);
    pthread_cond_destroy(&r->item_done);
    pthread_cond_destroy(&r->work_came);
    pthread_mutex_destroy(&r->lock);
}

static inline void *item_ring_at(const item_ring *r, uint32_t index)
{
    return r->items + (r->head + index) % r->capacity * r->item_bytes;
}

/* Where the next item goes, which item_ring_came() then hands over; with the lock. NULL: no memory
 * for a longer ring, and hal offers the item again when others are done. */
static inline void *item_ring_next(item_ring *r)
{
    if (r->count == r->capacity) {
        uint32_t larger = r->capacity * 2;
        unsigned char *items = r->allocator.alloc(r->allocator.self, larger * r->item_bytes, 64);
        if (items == NULL)
            return NULL;
        for (uint32_t i = 0; i < r->count; ++i)
            memcpy(items + i * r->item_bytes, item_ring_at(r, i), r->item_bytes);
        r->allocator.free(r->allocator.self, r->items, r->capacity * r->item_bytes);
        r->items = items;
        r->capacity = larger;
        r->head = 0;
    }
    return item_ring_at(r, r->count);
}

static inline void item_ring_came(item_ring *r)
{
    ++r->count;
    pthread_cond_signal(&r->work_came);
}

/* Of a ring that is not empty; with the lock. */
static inline void item_ring_take(item_ring *r, void *out)
{
    memcpy(out, item_ring_at(r, 0), r->item_bytes);
    r->head = (r->head + 1) % r->capacity;
    --r->count;
}

/* Takes an item as soon as there is one, and is busy with it. False: the ring is stopped and
 * empty. */
static inline bool item_ring_wait(item_ring *r, void *out)
{
    pthread_mutex_lock(&r->lock);
    while (r->count == 0 && !r->stop)
        pthread_cond_wait(&r->work_came, &r->lock);
    bool there = r->count != 0;
    if (there) {
        item_ring_take(r, out);
        r->busy = true;
    }
    pthread_mutex_unlock(&r->lock);
    return there;
}

/* The item that was taken is over; what waits behind it keeps the ring busy. */
static inline void item_ring_idle(item_ring *r)
{
    pthread_mutex_lock(&r->lock);
    r->busy = r->count != 0;
    pthread_mutex_unlock(&r->lock);
}

/* One more item is complete, and hal was told. */
static inline void item_ring_done(item_ring *r)
{
    pthread_mutex_lock(&r->lock);
    ++r->done;
    pthread_cond_broadcast(&r->item_done);
    pthread_mutex_unlock(&r->lock);
}

/* Waits for one completion; the queue's thread needs no help. */
static inline tn_status item_ring_poll(item_ring *r, uint64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t ns = timeout_ns > 3600000000000u ? 3600000000000u : timeout_ns;
    until.tv_sec += (time_t)(ns / 1000000000u);
    until.tv_nsec += (long)(ns % 1000000000u);
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        ++until.tv_sec;
    }
    pthread_mutex_lock(&r->lock);
    uint64_t before = r->done;
    int rc = 0;
    while (rc == 0 && r->done == before && (r->count != 0 || r->busy))
        rc = pthread_cond_timedwait(&r->item_done, &r->lock, &until);
    pthread_mutex_unlock(&r->lock);
    return rc == 0 ? TN_OK : TN_STATUS_TIMEOUT;
}

#endif

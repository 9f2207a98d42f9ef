/* SPDX-License-Identifier: Apache-2.0 */
/* The plans of one device, found again by what was asked. */
/* path: api > [placement] > queue > backend > kernel > device */
#include "hal/plan.h"

enum { BUCKETS = 512, PLANS_MOST = 2048 };

struct tn__plan_cache {
    tn_runtime *runtime;  /* the device's, which outlives the cache */
    pthread_mutex_t lock; /* guards: all below */
    uint32_t count;
    tn_plan *bucket[BUCKETS];
    tn_plan *oldest, *newest;
};

typedef struct writer {
    tn__plan_key *key;
    bool full;
} writer;

static void put(writer *w, uint64_t word)
{
    if (w->key->words == TN__PLAN_KEY_WORDS)
        w->full = true;
    else
        w->key->word[w->key->words++] = word;
}

static void put_bytes(writer *w, const void *from, size_t bytes)
{
    const unsigned char *p = from;
    for (size_t at = 0; at < bytes; at += 8) {
        uint64_t word = 0;
        memcpy(&word, p + at, bytes - at < 8 ? bytes - at : 8);
        put(w, word);
    }
}

static void put_arg(writer *w, const tn_arg *a)
{
    const tn_tensor *t = &a->tensor;
    put(w, (uint64_t)a->role << 32 | a->flags);
    put(w, (uint64_t)t->dtype | (uint64_t)t->rank << 16 | (uint64_t)t->quant_group << 32 |
               (uint64_t)(uint8_t)t->quant_axis << 48 | (uint64_t)t->flags << 56);
    put(w, t->layout);
    for (int i = 0; i < t->rank; ++i) {
        put(w, (uint64_t)t->dim[i]);
        put(w, (uint64_t)t->stride[i]);
    }
}

/* Multiply and fold, 8 bytes a step; equal hashes are compared in full, so it only has to spread.
 */
static uint64_t hash_words(const uint64_t *word, uint32_t words)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ words;
    for (uint32_t i = 0; i < words; ++i) {
        h = (h ^ word[i]) * 0xd6e8feb86659fd93u;
        h ^= h >> 32;
    }
    return h;
}

bool tn__plan_key_make(const tn__op_view *v, const tn_plan_desc *desc, tn__plan_key *out)
{
    writer w = {out, false};
    out->words = 0;
    put(&w, (uint64_t)v->op.kind << 32 | v->op.arg_count << 16 | v->op.post_count);
    put(&w, (uint64_t)v->op.numerics.cls | (uint64_t)v->op.numerics.accumulate << 32 |
                (uint64_t)v->op.numerics.canonical_version << 48);
    put(&w, (uint64_t)v->op.numerics.allow << 32 | v->op.numerics.flags);
    put_bytes(&w, (const unsigned char *)&v->attr + sizeof(tn_head),
              v->row->attr_bytes > sizeof(tn_head) ? v->row->attr_bytes - sizeof(tn_head) : 0);
    for (uint32_t i = 0; i < v->op.arg_count; ++i)
        put_arg(&w, &v->op.args[i]);
    for (uint32_t i = 0; i < v->op.post_count; ++i)
        put_bytes(&w, &v->op.posts[i], sizeof v->op.posts[i]);
    put(&w, desc->flags);
    put(&w, desc->workspace_limit_bytes);
    put(&w, desc->tune_ns);
    if (desc->kernel != NULL)
        put_bytes(&w, desc->kernel, strlen(desc->kernel));
    out->hash = hash_words(out->word, out->words);
    return !w.full;
}

tn_status tn__plan_cache_create(tn_runtime *rt, tn__plan_cache **out)
{
    tn__plan_cache *c = tn__alloc(rt, sizeof *c);
    if (c == NULL)
        return TN_STATUS_NO_MEMORY;
    c->runtime = rt;
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return TN_OK;
}

void tn__plan_cache_destroy(tn__plan_cache *c)
{
    if (c == NULL)
        return;
    for (tn_plan *p = c->oldest, *next; p != NULL; p = next) {
        next = p->age_next;
        tn__plan_drop(p);
    }
    pthread_mutex_destroy(&c->lock);
    tn__free(c->runtime, c, sizeof *c);
}

static tn_plan *lookup(tn__plan_cache *c, const tn__plan_key *key)
{
    for (tn_plan *p = c->bucket[key->hash % BUCKETS]; p != NULL; p = p->bucket_next)
        if (p->hash == key->hash && p->key_words == key->words &&
            memcmp(p->key, key->word, key->words * sizeof key->word[0]) == 0)
            return tn_plan_retain(p);
    return NULL;
}

tn_plan *tn__plan_cache_find(tn__plan_cache *c, const tn__plan_key *key)
{
    pthread_mutex_lock(&c->lock);
    tn_plan *p = lookup(c, key);
    pthread_mutex_unlock(&c->lock);
    return p;
}

static tn_plan *unlink_oldest(tn__plan_cache *c)
{
    tn_plan *old = c->oldest;
    tn_plan **at = &c->bucket[old->hash % BUCKETS];
    while (*at != old)
        at = &(*at)->bucket_next;
    *at = old->bucket_next;
    c->oldest = old->age_next;
    if (c->oldest == NULL)
        c->newest = NULL;
    --c->count;
    return old;
}

tn_plan *tn__plan_cache_insert(tn__plan_cache *c, const tn__plan_key *key, tn_plan *plan)
{
    plan->key = tn__alloc(c->runtime, key->words * sizeof key->word[0]);
    if (plan->key == NULL)
        return plan; /* a plan that is not cached is still a plan */
    memcpy(plan->key, key->word, key->words * sizeof key->word[0]);
    plan->key_words = key->words;
    plan->hash = key->hash;
    tn_plan *evicted = NULL;
    pthread_mutex_lock(&c->lock);
    tn_plan *first = lookup(c, key);
    if (first == NULL) {
        if (c->count == PLANS_MOST)
            evicted = unlink_oldest(c);
        plan->bucket_next = c->bucket[key->hash % BUCKETS];
        c->bucket[key->hash % BUCKETS] = plan;
        if (c->newest != NULL)
            c->newest->age_next = plan;
        else
            c->oldest = plan;
        c->newest = plan;
        ++c->count;
        tn__ref_retain(&plan->ref);
    }
    pthread_mutex_unlock(&c->lock);
    tn__plan_drop(evicted);
    if (first == NULL)
        return plan;
    tn_plan_release(plan);
    return first;
}

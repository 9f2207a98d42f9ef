/* SPDX-License-Identifier: Apache-2.0 */
/* Injected faults: which calls a script strikes, and what then becomes of them. The decision falls
 * where the caller submits, so it follows the order of calls; the effect comes in queue order. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "inject.h"

/* The same number for the same seed, rule and count, on every machine. */
static uint64_t mix(uint64_t seed, uint64_t rule, uint64_t count)
{
    uint64_t z = seed + 0x9e3779b97f4a7c15u * (count + 1) + 0xd1b54a32d192ed03u * (rule + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool strikes(const tn__inject *in, uint32_t index, const tn__call *call, tn__rule *r)
{
    if ((r->calls >> call->call & 1u) == 0 || (r->op_kind != 0 && r->op_kind != call->op_kind) ||
        ((r->keys & TN__KEY_OVER) != 0 && call->bytes <= r->over))
        return false;
    ++r->matched;
    if ((r->at != 0 && r->at != in->calls) || (r->nth != 0 && r->nth != r->matched) ||
        (r->every != 0 && r->matched % r->every != 0) || (r->times != 0 && r->fired == r->times))
        return false;
    if ((r->keys & TN__KEY_P) != 0 && mix(in->seed, index, r->matched) >> 33 >= r->chance)
        return false;
    ++r->fired;
    return true;
}

void tn__inject_count(tn_device *d, const tn__call *call, tn__fault *out)
{
    *out = (tn__fault){0};
    pthread_mutex_lock(&d->lock);
    tn__inject *in = d->inject;
    if (in != NULL) {
        ++in->calls;
        out->call = in->calls;
        out->seed = in->seed;
        for (uint32_t i = 0; i < in->count; ++i) {
            tn__rule *r = &in->rule[i];
            if (!strikes(in, i, call, r))
                continue;
            if (r->action == TN__FAULT_DELAY) {
                out->delay_ns += r->for_ns;
                if (r->upto_ns != 0)
                    out->delay_ns += mix(in->seed ^ 1u, i, r->matched) % (r->upto_ns + 1);
            } else if (out->status == TN_OK) { /* the first rule decides */
                out->rule = i + 1;
                out->status = r->action == TN__FAULT_LOSE  ? TN_STATUS_DEVICE_LOST
                              : r->action == TN__FAULT_OOM ? TN_STATUS_NO_MEMORY
                                                           : r->as;
            }
        }
    }
    pthread_mutex_unlock(&d->lock);
}

tn_status tn__inject_strike(tn_device *d, const tn__fault *f)
{
    if (f->status == TN_STATUS_DEVICE_LOST) {
        tn__device_lose(d, TN_STATUS_DEVICE_LOST, "inject.lose");
        return tn__fail_again(&d->error.error);
    }
    tn_status st = tn__fail(
        f->status, f->status == TN_STATUS_NO_MEMORY ? "inject.no_memory" : "inject.fail", NULL,
        "injected: rule %u of the fault script struck call %llu (seed %llu) with %s; set "
        "the script \"\" with tn_device_inject to end faults",
        f->rule, (unsigned long long)f->call, (unsigned long long)f->seed,
        tn_status_name(f->status));
    tn__error_device(d->uri);
    return st;
}

tn_status tn__inject_answer(tn_device *d, const tn__call *call)
{
    tn__fault fault;
    tn__inject_count(d, call, &fault);
    return fault.status == TN_OK ? TN_OK : tn__inject_strike(d, &fault);
}

tn_status tn_device_inject(tn_device *device, const char *script)
{
    tn_status st = tn__device_usable(device, "device");
    if (st != TN_OK)
        return st;
    if (script == NULL)
        return tn__fail(TN_STATUS_INVALID, "inject.null", "script",
                        "script is NULL; give a text such as \"lose at=17\", or \"\" to end "
                        "faults");
    /* The device's probe runs once, at first need: not in the middle of somebody's faults. */
    tn_class_info classes = {.head = TN_INIT(tn_class_info)};
    st = tn_device_classes(device, TN_F32, &classes);
    if (st != TN_OK)
        return st;
    tn__inject *made = tn__alloc(device->runtime, sizeof *made);
    if (made == NULL)
        return TN_STATUS_NO_MEMORY;
    st = tn__inject_parse(script, made);
    if (st != TN_OK || made->count == 0) {
        tn__free(device->runtime, made, sizeof *made);
        made = NULL;
    }
    if (st != TN_OK) {
        tn__error_device(device->uri);
        return st; /* the script in force stays */
    }
    pthread_mutex_lock(&device->lock);
    tn__inject *old = device->inject;
    device->inject = made;
    atomic_store_explicit(&device->injecting, made != NULL, memory_order_relaxed);
    pthread_mutex_unlock(&device->lock);
    if (old != NULL)
        tn__free(device->runtime, old, sizeof *old);
    return TN_OK;
}

void tn__inject_free(tn_device *d)
{
    if (d->inject != NULL)
        tn__free(d->runtime, d->inject, sizeof *d->inject);
}

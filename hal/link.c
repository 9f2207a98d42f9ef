/* SPDX-License-Identifier: Apache-2.0 */
/* Links: how bytes get from one device to another, or to the host and back. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <hal/hal.h>

/* Where no backend knows better: the order of magnitude of a memory copy, and of a bus with its
 * hand-over. `measured` stays 0, so nobody takes them for more than that. */
enum { MEMORY_NS = 500, BUS_NS = 10000 };
static const uint64_t memory_bytes_per_s = 10000000000u, bus_bytes_per_s = 5000000000u;

static void guess(const tn_device *d, tn_link *out)
{
    bool host = (d->info.flags & TN_DEVICE_HOST_VISIBLE) != 0;
    out->flags = host ? TN_LINK_DIRECT : 0;
    out->latency_ns = host ? MEMORY_NS : BUS_NS;
    out->bytes_per_s = host ? memory_bytes_per_s : bus_bytes_per_s;
}

/* Between the host and one device. */
static tn_status host_link(tn_device *d, tn_link *out)
{
    guess(d, out);
    if (!tn__has(d->ops, link))
        return TN_OK;
    tn_link own = {.head = TN_INIT(tn_link)};
    tn__error_clear();
    tn_status st = d->ops->link(d->object, NULL, &own);
    if (st == TN_STATUS_UNSUPPORTED)
        return TN_OK;
    if (st)
        return tn__backend_failed(st, d->uri, "link");
    *out = own;
    return TN_OK;
}

tn_status tn_link_get(const tn_device *from, const tn_device *to, tn_link *out)
{
    tn_link link = {.head = TN_INIT(tn_link)}, in = link, back = link;
    tn_device *a = (tn_device *)(uintptr_t)from, *b = (tn_device *)(uintptr_t)to;
    tn_status st = TN_OK;
    if (!a && !b)
        return tn__fail(TN_STATUS_INVALID, "link.host", "from",
                        "from and to are both NULL, the host; at least one must be a device");
    if (a)
        st = tn__device_usable(a, "from");
    if (!st && b)
        st = tn__device_usable(b, "to");
    if (st)
        return st;
    if (!a || !b) {
        st = host_link(a ? a : b, &link);
        return st ? st : tn__struct_out(out, &link, sizeof(link), TN_TYPE_tn_link, "out_link");
    }
    if (a->runtime != b->runtime)
        return tn__fail(TN_STATUS_INVALID, "link.runtime", "to",
                        "to (%s) and from (%s) belong to two runtimes, which never interact; open "
                        "both devices in one",
                        b->uri, a->uri);
    if (a->backend == b->backend && tn__has(a->ops, link)) {
        tn__error_clear();
        st = a->ops->link(a->object, b->object, &link);
        if (st == TN_OK)
            return tn__struct_out(out, &link, sizeof(link), TN_TYPE_tn_link, "out_link");
        if (st != TN_STATUS_UNSUPPORTED)
            return tn__backend_failed(st, a->uri, "link");
    }
    st = host_link(a, &in);
    if (!st)
        st = host_link(b, &back);
    if (st)
        return st;
    /* Two copies, one after the other. */
    link = (tn_link){.head = TN_INIT(tn_link), .flags = TN_LINK_THROUGH_HOST};
    link.latency_ns = in.latency_ns + back.latency_ns;
    link.measured = in.measured && back.measured;
    if (in.bytes_per_s && back.bytes_per_s)
        link.bytes_per_s =
            (uint64_t)(1.0 / (1.0 / (double)in.bytes_per_s + 1.0 / (double)back.bytes_per_s));
    return tn__struct_out(out, &link, sizeof(link), TN_TYPE_tn_link, "out_link");
}

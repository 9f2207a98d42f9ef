/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins, fault injection, the bus of a chip. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <hal/plugin.h>

tn_status tn_runtime_plugins(tn_runtime *rt,
                             void (*fn)(void *self, const char *path, tn_status,
                                        const char *reason),
                             void *self)
{
    char path[TN__PLUGIN_PATH_BYTES];
    tn__error_copy error;
    tn_status status;
    bool gone;
    if (!tn__runtime_usable(rt))
        return TN_STATUS_INVALID;
    if (!fn)
        return tn__fail(TN_STATUS_INVALID, "plugin.null", "fn",
                        "fn is NULL; give a function that takes each plugin");
    tn_status st = tn__plugins_scan(rt, false);
    for (size_t i = 0; !st && tn__plugins_row(rt, i, path, &status, &error, &gone); i++) {
        if (gone)
            continue;
        if (status)
            (void)tn__fail_again(&error.error);
        fn(self, path, status, status ? error.reason : "plugin.loaded");
    }
    return st;
}

tn_status tn_device_bus(tn_device *device, tn_bus *out, tn_chip *out_chip)
{
    tn_chip chip = {.head = TN_INIT(tn_chip)}, caller;
    tn_status st = tn__device_usable(device, "device");
    if (st)
        return st;
    if (!out)
        return tn__fail(TN_STATUS_INVALID, "bus.null", "out_bus",
                        "out_bus is NULL; give a tn_bus to fill");
    st = tn__struct_in(&caller, sizeof(caller), TN_TYPE_tn_chip, out_chip, "out_chip");
    if (st)
        return st;
    memset(out, 0, sizeof(*out));
    if (!tn__has(device->ops, bus)) {
        st = tn__fail(TN_STATUS_UNSUPPORTED, "bus.none", "device",
                      "device %s has no registers to show; a simulated chip has", device->uri);
        tn__error_device(device->uri);
        return st;
    }
    tn__error_clear();
    st = device->ops->bus(device->object, out, &chip);
    if (st)
        return tn__backend_failed(st, device->uri, "bus");
    tn__device_lose(device, TN_STATUS_DEVICE_LOST, "device.bring_up");
    return tn__struct_out(out_chip, &chip, sizeof(chip), TN_TYPE_tn_chip, "out_chip");
}

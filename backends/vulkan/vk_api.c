/* SPDX-License-Identifier: Apache-2.0 */
/* The Vulkan loader, opened at run time, and the table of driver entries with its faults. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "vk.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const entry_names[] = {
#define VK_GLOBAL(name)   #name,
#define VK_INSTANCE(name) #name,
#define VK_DEVICE(name)   #name,
#define VK_OPTIONAL(name) #name,
#define VK_EXTRA(name)    #name,
#include "vk_entries.inc"
};

const char *tn__vk_entry_name(uint32_t entry)
{
    return entry < VK_ENTRIES ? entry_names[entry] : NULL;
}

static tn_status lacks(const tn_host *host, const char *name)
{
    return VK_FAIL(host, TN_STATUS_INCOMPATIBLE, "vulkan.entry",
                   "the Vulkan driver has no %s, which version 1.2 requires; update the driver",
                   name);
}

/* Drivers want to hear of the interface before anything else; 5: any instance extension may be
 * asked for. */
static bool greet(void *library)
{
    VkResult(VKAPI_PTR * negotiate)(uint32_t *) = NULL;
    uint32_t version = 5;
    void *symbol = dlsym(library, "vk_icdNegotiateLoaderICDInterfaceVersion");
    memcpy(&negotiate, &symbol, sizeof symbol);
    return negotiate != NULL && negotiate(&version) == VK_SUCCESS;
}

tn_status tn__vk_api_open(const tn_host *host, vk_api *api, const char *driver)
{
    memset(api, 0, sizeof *api);
    api->host = host;
    pthread_mutex_init(&api->lock, NULL);
    api->library = dlopen(driver != NULL ? driver : "libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    void *symbol = NULL;
    if (api->library != NULL && driver == NULL)
        symbol = dlsym(api->library, "vkGetInstanceProcAddr");
    else if (api->library != NULL && greet(api->library))
        symbol = dlsym(api->library, "vk_icdGetInstanceProcAddr");
    if (symbol == NULL && driver != NULL)
        return VK_FAIL(host, TN_STATUS_UNAVAILABLE, "vulkan.loader",
                       "%s is no Vulkan driver that can be used without the loader", driver);
    if (symbol == NULL)
        return VK_FAIL(host, TN_STATUS_UNAVAILABLE, "vulkan.loader",
                       "libvulkan.so.1 is not there: apt-get install libvulkan1 and a driver, "
                       "mesa-vulkan-drivers for one");
    memcpy(&api->get, &symbol, sizeof symbol);
#define VK_GLOBAL(name)                                                                            \
    api->name = (PFN_##name)api->get(NULL, #name);                                                 \
    if (api->name == NULL && strcmp(#name, "vkEnumerateInstanceLayerProperties") != 0)             \
        return lacks(host, #name); /* layers are the loader's */
#define VK_INSTANCE(name)
#define VK_DEVICE(name)
#include "vk_entries.inc"
    return TN_OK;
}

tn_status tn__vk_api_instance(const tn_host *host, vk_api *api, VkInstance instance)
{
#define VK_GLOBAL(name)
#define VK_INSTANCE(name)                                                                          \
    api->name = (PFN_##name)api->get(instance, #name);                                             \
    if (api->name == NULL)                                                                         \
        return lacks(host, #name);
#define VK_DEVICE(name)
#define VK_OPTIONAL(name) api->name = (PFN_##name)api->get(instance, #name);
#include "vk_entries.inc"
    return TN_OK;
}

tn_status tn__vk_api_device(const tn_host *host, vk_api *api, VkDevice device)
{
#define VK_GLOBAL(name)
#define VK_INSTANCE(name)
#define VK_DEVICE(name)                                                                            \
    api->name = (PFN_##name)api->vkGetDeviceProcAddr(device, #name);                               \
    if (api->name == NULL)                                                                         \
        return lacks(host, #name);
#define VK_EXTRA(name) api->name = (PFN_##name)api->vkGetDeviceProcAddr(device, #name);
#include "vk_entries.inc"
    return TN_OK;
}

void tn__vk_api_close(vk_api *api)
{
    if (api->library != NULL)
        dlclose(api->library);
    api->library = NULL;
    pthread_mutex_destroy(&api->lock);
}

static tn_status bad_fault(const tn_host *host, const char *text)
{
    return VK_FAIL_ARGUMENT(host, TN_STATUS_INVALID, "vulkan.fault", "uri",
                            "uri has fault=\"%s\"; it is at most %d of ENTRY:N:WHAT joined by +, "
                            "ENTRY a Vulkan entry with a result such as vkQueueSubmit, N its call "
                            "from 1 on, WHAT lost, host, device, unknown or timeout",
                            text, VK_FAULTS);
}

tn_status tn__vk_api_faults(const tn_host *host, vk_api *api, const char *text)
{
    for (const char *at = text; *at != '\0'; at += *at == '+') {
        size_t n = strcspn(at, ":+");
        vk_fault f = {VK_ENTRIES, 0, VK_SUCCESS};
        for (uint32_t i = 0; i < VK_ENTRIES; ++i)
            if (strlen(entry_names[i]) == n && memcmp(entry_names[i], at, n) == 0)
                f.entry = i;
        char *end = NULL;
        unsigned long long left = at[n] == ':' ? strtoull(at + n + 1, &end, 10) : 0;
        if (f.entry == VK_ENTRIES || end == NULL || *end != ':' || left < 1 || left > UINT32_MAX ||
            api->faults == VK_FAULTS)
            return bad_fault(host, text);
        f.left = (uint32_t)left;
        at = end + 1;
        n = strcspn(at, "+");
        if (n == 4 && memcmp(at, "lost", n) == 0)
            f.result = VK_ERROR_DEVICE_LOST;
        else if (n == 4 && memcmp(at, "host", n) == 0)
            f.result = VK_ERROR_OUT_OF_HOST_MEMORY;
        else if (n == 6 && memcmp(at, "device", n) == 0)
            f.result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
        else if (n == 7 && memcmp(at, "unknown", n) == 0)
            f.result = VK_ERROR_UNKNOWN;
        else if (n == 7 && memcmp(at, "timeout", n) == 0)
            f.result = VK_TIMEOUT;
        else
            return bad_fault(host, text);
        api->fault[api->faults++] = f;
        at += n;
    }
    return TN_OK;
}

bool tn__vk_struck(vk_api *api, vk_entry entry, VkResult *out)
{
    bool struck = false;
    if (api->faults == 0)
        return false;
    pthread_mutex_lock(&api->lock);
    for (uint32_t i = 0; i < api->faults; ++i) {
        vk_fault *f = &api->fault[i];
        if (f->entry != (uint32_t)entry || f->left == 0)
            continue;
        if (--f->left == 0) {
            *out = f->result;
            struck = true;
            f->left = f->result == VK_TIMEOUT; /* a hang lasts */
        }
    }
    pthread_mutex_unlock(&api->lock);
    if (struck) {
        char text[96];
        snprintf(text, sizeof text, "vulkan fault strikes %s", entry_names[entry]);
        api->host->log(api->host->runtime, 5, text);
    }
    return struck;
}

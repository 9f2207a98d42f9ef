/* SPDX-License-Identifier: Apache-2.0 */
/* A logical device: which one, its features, queue and layouts; loss. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "vk.h"
#include <backends/common/driver_names.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t tn__vk_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

tn_status tn__vk_no_memory(const tn_host *host, size_t bytes)
{
    return VK_FAIL(host, TN_STATUS_NO_MEMORY, "host.memory",
                   "no host memory for %zu bytes; free something and try again", bytes);
}

void *tn__vk_alloc(const tn_host *host, size_t bytes)
{
    void *p = host->allocator.alloc(host->allocator.self, bytes, 64);
    if (p == NULL) {
        (void)tn__vk_no_memory(host, bytes);
        return NULL;
    }
    memset(p, 0, bytes);
    return p;
}

void tn__vk_free(const tn_host *host, void *p, size_t bytes)
{
    if (p != NULL)
        host->allocator.free(host->allocator.self, p, bytes);
}

tn_status tn__vk_lose(vk_device *d, const char *reason, const char *what)
{
    bool first = !atomic_exchange(&d->lost, true);
    if (first && d->token != NULL)
        d->host->lost(d->token, TN_STATUS_DEVICE_LOST, reason);
    return VK_FAIL(d->host, TN_STATUS_DEVICE_LOST, reason,
                   "the Vulkan device was lost in %s; release it and open it again", what);
}

tn_status tn__vk_result(vk_device *d, VkResult r, const char *what)
{
    switch (r) {
    case VK_SUCCESS:
        return TN_OK;
    case VK_ERROR_DEVICE_LOST:
        return tn__vk_lose(d, "vulkan.lost", what);
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_MEMORY_MAP_FAILED:
        return VK_FAIL(d->host, TN_STATUS_NO_MEMORY, "vulkan.memory",
                       "%s had no memory (%d); free something and try again", what, (int)r);
    default:
        return VK_FAIL(d->host, TN_STATUS_INTERNAL, "vulkan.driver",
                       "%s gave %d, which it must not; please report it", what, (int)r);
    }
}

static void end_instance(vk_device *d)
{
    if (d->messenger != VK_NULL_HANDLE)
        d->api.vkDestroyDebugUtilsMessengerEXT(d->instance, d->messenger, NULL);
    if (d->instance != VK_NULL_HANDLE && d->api.vkDestroyInstance != NULL)
        d->api.vkDestroyInstance(d->instance, NULL);
    d->messenger = VK_NULL_HANDLE;
    d->instance = VK_NULL_HANDLE;
    tn__vk_api_close(&d->api);
}

/* The loader, or a driver without it, and what devices there are. */
static tn_status begin_instance(vk_device *d, const char *driver, const char *fault,
                                vk_found found[VK_DEVICES], uint32_t *count)
{
    tn_status st = tn__vk_api_open(d->host, &d->api, driver);
    if (st == TN_OK)
        st = tn__vk_api_faults(d->host, &d->api, fault);
    if (st == TN_OK)
        st = tn__vk_instance(d->host, &d->api, d->validate, &d->instance);
    if (st == TN_OK && d->validate)
        tn__vk_debug_create(d);
    return st == TN_OK ? tn__vk_physical(d->host, &d->api, d->instance, found, count) : st;
}

static tn_status no_such(const vk_device *d, const char *which, const vk_found *found,
                         uint32_t count)
{
    char names[256] = "";
    for (uint32_t i = 0; i < count; ++i) {
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", n > 0 ? ", " : "", found[i].caps.uri);
    }
    return VK_FAIL_ARGUMENT(d->host, TN_STATUS_UNAVAILABLE, "vulkan.device", "uri",
                            "uri names the Vulkan device \"%s\"; there are %u, counted from 0: %s",
                            which, count, count != 0 ? names : "none");
}

/* "0": by the order of the loader; "lavapipe": by the name in the device's URI. */
static tn_status choose(vk_device *d, const char *which, const char *fault)
{
    vk_found *found = tn__vk_alloc(d->host, VK_DEVICES * sizeof *found);
    uint32_t count = 0, at = UINT32_MAX;
    const char *rest = d->host->drivers;
    char driver[DRIVER_NAME_BYTES];
    if (found == NULL)
        return TN_STATUS_NO_MEMORY;
    bool number = which[0] >= '0' && which[0] <= '9', more;
    tn_status st;
    do {
        const char *next = rest != NULL && driver_next(&rest, driver) ? driver : NULL;
        uint32_t first = count;
        st = begin_instance(d, next, fault, found, &count);
        for (uint32_t i = first; st == TN_OK && i < count; ++i)
            if (number ? i == strtoul(which, NULL, 10) : strcmp(which, found[i].caps.uri) == 0)
                at = i;
        more = st == TN_OK && at == UINT32_MAX && rest != NULL && *rest != '\0';
        if (more)
            end_instance(d);
    } while (more);
    if (st == TN_OK && at == UINT32_MAX) {
        st = no_such(d, which, found, count);
    } else if (st == TN_OK && found[at].refused != NULL) {
        st = VK_FAIL_ARGUMENT(d->host, TN_STATUS_UNAVAILABLE, "vulkan.refused", "uri", "%s %s",
                              found[at].caps.name, found[at].refused);
    } else if (st == TN_OK) {
        d->physical = found[at].physical;
        d->caps = found[at].caps;
    }
    tn__vk_free(d->host, found, VK_DEVICES * sizeof *found);
    return st;
}

/* What the device keeps its buffers in, and what the host shares with it. */
static void choose_memory(vk_device *d)
{
    VkPhysicalDeviceMemoryProperties2 m = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    d->api.vkGetPhysicalDeviceMemoryProperties2(d->physical, &m);
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                seen = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
                                coherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                                cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    bool shares = d->caps.type == VK_PHYSICAL_DEVICE_TYPE_CPU ||
                  d->caps.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    int best[2] = {-1, -1};
    for (uint32_t i = 0; i < m.memoryProperties.memoryTypeCount; ++i) {
        VkMemoryPropertyFlags f = m.memoryProperties.memoryTypes[i].propertyFlags;
        int is_local = (f & local) != 0, is_seen = (f & seen) != 0;
        int ease = ((f & coherent) != 0) * 2 + ((f & cached) != 0) * 4;
        /* A discrete device's window for the host is small: not for what only the device uses. */
        int score[2] = {is_local * 100 + (shares ? is_seen * 50 + ease : (1 - is_seen) * 50),
                        is_seen * 100 + ease + (1 - is_local)};
        if ((f & (VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT)) != 0)
            continue;
        for (uint32_t k = 0; k < 2; ++k)
            if (score[k] > best[k]) {
                best[k] = score[k];
                d->memory_type[k] = i;
                d->memory_flags[k] = f;
            }
    }
    d->memory_flags[VK_IMPORTED] = seen | coherent; /* nothing else is taken */
    d->caps.unified = (d->memory_flags[0] & seen) != 0;
}

static tn_status make_device(vk_device *d)
{
    float priority = 1.0f;
    const char *extension[2];
    uint32_t extensions = 0;
    if (d->caps.budget)
        extension[extensions++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
    if (d->caps.import_align != 0)
        extension[extensions++] = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueFamilyIndex = d->caps.family,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .timelineSemaphore = VK_TRUE};
    /* Nothing is switched on but what modules may need: layers then notice what must not be. */
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &f12,
        .features = {.shaderFloat64 = d->caps.float64 ? VK_TRUE : VK_FALSE}};
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .pNext = &features,
                               .queueCreateInfoCount = 1,
                               .pQueueCreateInfos = &queue,
                               .enabledExtensionCount = extensions,
                               .ppEnabledExtensionNames = extension};
    VkResult r = VK_CALL(&d->api, vkCreateDevice, d->physical, &info, NULL, &d->device);
    if (r != VK_SUCCESS)
        d->device = VK_NULL_HANDLE;
    tn_status st = tn__vk_result(d, r, "vkCreateDevice");
    if (st == TN_OK)
        st = tn__vk_api_device(d->host, &d->api, d->device);
    if (d->api.vkGetMemoryHostPointerPropertiesEXT == NULL)
        d->caps.import_align = 0;
    if (st == TN_OK)
        d->api.vkGetDeviceQueue(d->device, d->caps.family, 0, &d->queue);
    return st;
}

static tn_status make_set_layout(vk_device *d, VkDescriptorType type, uint32_t count,
                                 VkDescriptorSetLayout *out)
{
    VkDescriptorSetLayoutBinding binding[VK_BINDINGS];
    for (uint32_t i = 0; i < count; ++i)
        binding[i] = (VkDescriptorSetLayoutBinding){.binding = i,
                                                    .descriptorType = type,
                                                    .descriptorCount = 1,
                                                    .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo set = {.sType =
                                               VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                           .bindingCount = count,
                                           .pBindings = binding};
    VkResult r = VK_CALL(&d->api, vkCreateDescriptorSetLayout, d->device, &set, NULL, out);
    if (r != VK_SUCCESS)
        *out = VK_NULL_HANDLE;
    return tn__vk_result(d, r, "vkCreateDescriptorSetLayout");
}

/* One layout for all kernels: operands, workspace, params; where they begin comes as constants. */
static tn_status make_layouts(vk_device *d)
{
    tn_status st =
        make_set_layout(d, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, VK_BINDINGS, &d->set_layout);
    /* A set of its own: some drivers look at every descriptor of a set that is bound. */
    if (st == TN_OK)
        st = make_set_layout(d, VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, VK_TEXELS,
                             &d->texel_layout);
    if (st != TN_OK)
        return st;
    VkDescriptorSetLayout sets[2] = {d->set_layout, d->texel_layout};
    VkPushConstantRange push = {VK_SHADER_STAGE_COMPUTE_BIT, 0, VK_PUSH * sizeof(uint32_t)};
    VkPipelineLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                       .setLayoutCount = 2,
                                       .pSetLayouts = sets,
                                       .pushConstantRangeCount = 1,
                                       .pPushConstantRanges = &push};
    VkResult r = VK_CALL(&d->api, vkCreatePipelineLayout, d->device, &info, NULL, &d->layout);
    if (r != VK_SUCCESS)
        d->layout = VK_NULL_HANDLE;
    return tn__vk_result(d, r, "vkCreatePipelineLayout");
}

tn_status tn__vk_device_create(vk_device *d, const char *which, const char *fault)
{
    tn_status st = choose(d, which, fault);
    if (st == TN_OK)
        st = make_device(d);
    if (st == TN_OK) {
        choose_memory(d);
        st = make_layouts(d);
    }
    return st;
}

void tn__vk_device_destroy(vk_device *d)
{
    vk_api *api = &d->api;
    if (atomic_load(&d->abandoned)) /* the driver may still be at work with all of it */
        return;
    if (d->device != VK_NULL_HANDLE) {
        tn__vk_pipelines_destroy(d);
        tn__vk_memory_destroy(d);
        if (d->layout != VK_NULL_HANDLE)
            api->vkDestroyPipelineLayout(d->device, d->layout, NULL);
        if (d->set_layout != VK_NULL_HANDLE)
            api->vkDestroyDescriptorSetLayout(d->device, d->set_layout, NULL);
        if (d->texel_layout != VK_NULL_HANDLE)
            api->vkDestroyDescriptorSetLayout(d->device, d->texel_layout, NULL);
        if (api->vkDestroyDevice != NULL)
            api->vkDestroyDevice(d->device, NULL);
    }
    end_instance(d);
}

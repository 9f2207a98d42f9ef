/* SPDX-License-Identifier: Apache-2.0 */
/* Instances, and what their physical devices are and can. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "vk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static bool has_layer(vk_api *api, const char *name)
{
    VkLayerProperties layer[64];
    uint32_t count = 64;
    if (api->vkEnumerateInstanceLayerProperties == NULL)
        return false;
    VkResult r = VK_CALL(api, vkEnumerateInstanceLayerProperties, &count, layer);
    for (uint32_t i = 0; (r == VK_SUCCESS || r == VK_INCOMPLETE) && i < count; ++i)
        if (strcmp(layer[i].layerName, name) == 0)
            return true;
    return false;
}

static bool has_instance_extension(vk_api *api, const char *layer, const char *name)
{
    VkExtensionProperties e[128];
    uint32_t count = 128;
    VkResult r = VK_CALL(api, vkEnumerateInstanceExtensionProperties, layer, &count, e);
    for (uint32_t i = 0; (r == VK_SUCCESS || r == VK_INCOMPLETE) && i < count; ++i)
        if (strcmp(e[i].extensionName, name) == 0)
            return true;
    return false;
}

tn_status tn__vk_instance(const tn_host *host, vk_api *api, uint32_t validate, VkInstance *out)
{
    static const char *const layers[] = {"VK_LAYER_KHRONOS_validation"};
    static const VkValidationFeatureEnableEXT synchronisation[] = {
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
    /* The layer binds a set of its own behind ours. */
    static const VkValidationFeatureEnableEXT assisted[] = {
        VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT,
        VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_RESERVE_BINDING_SLOT_EXT};
    const char *extension[2];
    uint32_t extensions = 0, version = 0;
    VkResult r = VK_CALL(api, vkEnumerateInstanceVersion, &version);
    if (r != VK_SUCCESS)
        return VK_FAIL(host, TN_STATUS_UNAVAILABLE, "vulkan.instance",
                       "vkEnumerateInstanceVersion gave %d; the Vulkan loader cannot be used",
                       (int)r);
    if (version < VK_API_VERSION_1_2)
        return VK_FAIL(host, TN_STATUS_UNAVAILABLE, "vulkan.version",
                       "the Vulkan loader speaks version %u.%u and 1.2 is needed; update it",
                       VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
    if (validate && !has_layer(api, layers[0]))
        return VK_FAIL_ARGUMENT(host, TN_STATUS_UNAVAILABLE, "vulkan.layer", "uri",
                                "uri has validate and the layer is not there: apt-get install "
                                "vulkan-validationlayers");
    if (validate && (has_instance_extension(api, NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME) ||
                     has_instance_extension(api, layers[0], VK_EXT_DEBUG_UTILS_EXTENSION_NAME)))
        extension[extensions++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .enabledValidationFeatureCount = validate == 2 ? 2 : 1,
        .pEnabledValidationFeatures = validate == 2 ? assisted : synchronisation,
    };
    if (validate &&
        has_instance_extension(api, layers[0], VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME))
        extension[extensions++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                             .pApplicationName = "tenon",
                             .pEngineName = "tenon",
                             .apiVersion = VK_API_VERSION_1_2};
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pNext = validate ? &features : NULL,
                                 .pApplicationInfo = &app,
                                 .enabledLayerCount = validate ? 1u : 0u,
                                 .ppEnabledLayerNames = layers,
                                 .enabledExtensionCount = extensions,
                                 .ppEnabledExtensionNames = extension};
    r = VK_CALL(api, vkCreateInstance, &info, NULL, out);
    if (r != VK_SUCCESS) {
        *out = VK_NULL_HANDLE;
        return VK_FAIL(host,
                       r == VK_ERROR_OUT_OF_HOST_MEMORY || r == VK_ERROR_OUT_OF_DEVICE_MEMORY
                           ? TN_STATUS_NO_MEMORY
                           : TN_STATUS_UNAVAILABLE,
                       "vulkan.instance",
                       "vkCreateInstance gave %d; no Vulkan driver is there, or none that works: "
                       "apt-get install mesa-vulkan-drivers",
                       (int)r);
    }
    return tn__vk_api_instance(host, api, *out);
}

static bool has_extension(const VkExtensionProperties *e, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; ++i)
        if (strcmp(e[i].extensionName, name) == 0)
            return true;
    return false;
}

/* "lavapipe", or what the driver calls itself in letters that a URI may have. */
static void short_name(const VkPhysicalDeviceDriverProperties *p, char *out, size_t bytes)
{
    size_t n = 0;
    const char *known = p->driverID == VK_DRIVER_ID_MESA_LLVMPIPE        ? "lavapipe"
                        : p->driverID == VK_DRIVER_ID_GOOGLE_SWIFTSHADER ? "swiftshader"
                                                                         : NULL;
    for (const char *c = known != NULL ? known : p->driverName; *c != '\0' && n + 1 < bytes; ++c) {
        if (isalnum((unsigned char)*c))
            out[n++] = (char)tolower((unsigned char)*c);
        else if (n > 0 && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n > 0 && out[n - 1] == '-')
        --n;
    out[n] = '\0';
    if (n == 0)
        snprintf(out, bytes, "device");
}

static const char *vendor_name(uint32_t id)
{
    switch (id) {
    case 0x1002:
        return "AMD";
    case 0x10de:
        return "NVIDIA";
    case 0x8086:
        return "Intel";
    case 0x13b5:
        return "Arm";
    case 0x5143:
        return "Qualcomm";
    case 0x106b:
        return "Apple";
    case 0x1ae0:
        return "Google";
    case VK_VENDOR_ID_MESA:
        return "Mesa";
    default:
        return "unknown";
    }
}

/* The first family that computes; timestamps count there or not. */
static bool find_family(const vk_api *api, VkPhysicalDevice p, vk_caps *caps, float period)
{
    VkQueueFamilyProperties family[16];
    uint32_t count = 16;
    api->vkGetPhysicalDeviceQueueFamilyProperties(p, &count, family);
    for (uint32_t i = 0; i < count; ++i) {
        if ((family[i].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0 || family[i].queueCount == 0)
            continue;
        caps->family = i;
        caps->tick_ns = family[i].timestampValidBits == 64 ? (double)period : 0.0;
        return true;
    }
    return false;
}

static void find_memory(const vk_api *api, VkPhysicalDevice p, vk_caps *caps)
{
    VkPhysicalDeviceMemoryProperties2 m = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    api->vkGetPhysicalDeviceMemoryProperties2(p, &m);
    const VkPhysicalDeviceMemoryProperties *t = &m.memoryProperties;
    for (uint32_t i = 0; i < t->memoryHeapCount; ++i)
        if ((t->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0 &&
            t->memoryHeaps[i].size > caps->heap_bytes)
            caps->heap_bytes = t->memoryHeaps[i].size;
}

/* How the host's memory has to lie to be a buffer as it is; 0: it cannot be one. */
static uint64_t find_import(const vk_api *api, VkPhysicalDevice p)
{
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &host};
    VkPhysicalDeviceExternalBufferInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = VK_BUFFER_USES,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT};
    VkExternalBufferProperties can = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
    api->vkGetPhysicalDeviceProperties2(p, &all);
    api->vkGetPhysicalDeviceExternalBufferProperties(p, &info, &can);
    return (can.externalMemoryProperties.externalMemoryFeatures &
            VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0
               ? host.minImportedHostPointerAlignment
               : 0;
}

/* NULL: the device will do. */
static const char *look(vk_api *api, VkPhysicalDevice p, vk_caps *caps)
{
    VkPhysicalDeviceMaintenance3Properties most = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties group = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, .pNext = &most};
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
                                       .pNext = &group};
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, .pNext = &id};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    const VkPhysicalDeviceProperties *v = &all.properties;
    api->vkGetPhysicalDeviceProperties2(p, &all); /* the version first: the rest came with 1.2 */
    memset(caps, 0, sizeof *caps);
    snprintf(caps->name, sizeof caps->name, "%.*s", (int)sizeof caps->name - 1, v->deviceName);
    caps->api_version = v->apiVersion;
    if (v->apiVersion < VK_API_VERSION_1_2)
        return "speaks an older version of Vulkan than 1.2";
    all.pNext = &driver;
    api->vkGetPhysicalDeviceProperties2(p, &all);
    const VkPhysicalDeviceLimits *l = &v->limits;
    caps->type = v->deviceType;
    caps->vendor_id = v->vendorID;
    caps->device_id = v->deviceID;
    caps->driver_id = driver.driverID;
    caps->subgroup = group.subgroupSize;
    caps->shuffles = (group.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 &&
                     (group.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0;
    memcpy(caps->uuid, id.deviceUUID, sizeof caps->uuid);
    short_name(&driver, caps->uri, sizeof caps->uri);
    snprintf(caps->vendor, sizeof caps->vendor, "%s", vendor_name(v->vendorID));
    snprintf(caps->driver, sizeof caps->driver, "%.40s %.40s Vulkan %u.%u.%u", driver.driverName,
             driver.driverInfo, VK_API_VERSION_MAJOR(v->apiVersion),
             VK_API_VERSION_MINOR(v->apiVersion), VK_API_VERSION_PATCH(v->apiVersion));
    caps->range_bytes = l->maxStorageBufferRange;
    caps->offset_align = l->minStorageBufferOffsetAlignment;
    if (caps->offset_align < l->minTexelBufferOffsetAlignment) /* both are powers of two */
        caps->offset_align = l->minTexelBufferOffsetAlignment;
    caps->texels = l->maxTexelBufferElements;
    caps->atom_bytes = l->nonCoherentAtomSize;
    caps->largest_bytes = most.maxMemoryAllocationSize;
    memcpy(caps->groups, l->maxComputeWorkGroupCount, sizeof caps->groups);
    caps->invocations = l->maxComputeWorkGroupInvocations;
    caps->shared_bytes = l->maxComputeSharedMemorySize;
    /* lavapipe and what else is made of llvmpipe cut loops off without an error. */
    caps->short_loops = driver.driverID == VK_DRIVER_ID_MESA_LLVMPIPE;
    if (l->maxPerStageDescriptorStorageBuffers < VK_BINDINGS ||
        l->maxPerStageDescriptorSampledImages < VK_TEXELS ||
        l->maxPerStageResources < VK_BINDINGS + VK_TEXELS)
        return "binds fewer buffers at once than kernels have operands";
    if (!find_family(api, p, caps, l->timestampPeriod))
        return "has no queue that computes";
    find_memory(api, p, caps);
    if (caps->largest_bytes > caps->heap_bytes)
        caps->largest_bytes = caps->heap_bytes;
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceFeatures2 f = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                   .pNext = &f12};
    api->vkGetPhysicalDeviceFeatures2(p, &f);
    caps->float64 = f.features.shaderFloat64 == VK_TRUE;
    if (f12.timelineSemaphore != VK_TRUE)
        return "has no timeline semaphores";
    VkExtensionProperties e[384];
    uint32_t count = 384;
    VkResult r = VK_CALL(api, vkEnumerateDeviceExtensionProperties, p, NULL, &count, e);
    if (r == VK_SUCCESS || r == VK_INCOMPLETE) {
        caps->budget = has_extension(e, count, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
        if (has_extension(e, count, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME))
            caps->import_align = find_import(api, p);
    }
    return NULL;
}

tn_status tn__vk_physical(const tn_host *host, vk_api *api, VkInstance instance,
                          vk_found found[VK_DEVICES], uint32_t *out_count)
{
    VkPhysicalDevice list[VK_DEVICES];
    const uint32_t first = *out_count;
    uint32_t count = VK_DEVICES - first;
    VkResult r = VK_CALL(api, vkEnumeratePhysicalDevices, instance, &count, list);
    if (r != VK_SUCCESS && r != VK_INCOMPLETE)
        return VK_FAIL(host,
                       r == VK_ERROR_OUT_OF_HOST_MEMORY || r == VK_ERROR_OUT_OF_DEVICE_MEMORY
                           ? TN_STATUS_NO_MEMORY
                           : TN_STATUS_UNAVAILABLE,
                       "vulkan.devices", "vkEnumeratePhysicalDevices gave %d; update the driver",
                       (int)r);
    for (uint32_t i = first; i < first + count; ++i) {
        found[i].physical = list[i - first];
        found[i].refused = look(api, list[i - first], &found[i].caps);
        /* The second device of a driver is DRIVER-1. */
        uint32_t same = 0;
        for (uint32_t j = 0; j < i; ++j)
            same += found[j].caps.driver_id == found[i].caps.driver_id;
        char *uri = found[i].caps.uri;
        size_t n = strlen(uri);
        if (same != 0)
            snprintf(uri + n, sizeof found[i].caps.uri - n, "-%u", same);
    }
    *out_count = first + count;
    return TN_OK;
}

void tn__vk_fill_info(const vk_caps *c, tn_device_info *out)
{
    bool cpu = c->type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    snprintf(out->uri, sizeof out->uri, "vulkan:%s", c->uri);
    memcpy(out->name, c->name, sizeof out->name);
    memcpy(out->vendor, c->vendor, sizeof out->vendor);
    memcpy(out->driver, c->driver, sizeof out->driver);
    memcpy(out->uuid, c->uuid, sizeof out->uuid);
    if (cpu)
        snprintf(out->group, sizeof out->group, "host-cpu");
    else
        snprintf(out->group, sizeof out->group, "vulkan-%04x-%02x%02x%02x%02x",
                 c->vendor_id & 0xffffu, c->uuid[0], c->uuid[1], c->uuid[2], c->uuid[3]);
    out->kind = cpu ? TN_KIND_CPU : TN_KIND_GPU;
    /* A driver that computes on the cpu is for tests: who wants it names it. */
    out->flags = TN_DEVICE_ASYNC | (cpu ? 0u : TN_DEVICE_DEFAULT);
    out->memory_bytes = c->heap_bytes;
    out->largest_buffer_bytes = c->largest_bytes;
    out->buffer_align = c->offset_align > 256 ? c->offset_align : 256;
    out->offset_align = 1;
    out->import_align = c->import_align;
    out->queues = 16;
}

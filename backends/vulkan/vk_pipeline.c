/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines: made when a plan first needs them, kept for the device's life; the driver's cache of
 * them on disk, checked before a driver sees it. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "vk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CACHE_MAGIC = 0x746e766b, CACHE_MOST = 256 << 20 };

/* In front of what the driver gave. Drivers take a damaged blob without a word. */
typedef struct cache_head {
    uint32_t magic, version;
    uint8_t uuid[16];
    char driver[128];
    uint64_t bytes, sum;
} cache_head;

/* FNV-1a: against damage, not against intent. */
static uint64_t sum_of(const unsigned char *p, uint64_t bytes)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < bytes; ++i)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static void fill_head(const vk_device *d, cache_head *h)
{
    memset(h, 0, sizeof *h);
    h->magic = CACHE_MAGIC;
    h->version = 1;
    memcpy(h->uuid, d->caps.uuid, sizeof h->uuid);
    memcpy(h->driver, d->caps.driver, sizeof h->driver);
}

/* The blob of this device and driver, or NULL: not there, of another driver, or damaged. */
static unsigned char *load(vk_device *d, uint64_t *out_bytes)
{
    cache_head want, h;
    unsigned char *blob = NULL;
    fill_head(d, &want);
    int fd = open(d->cache_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (read(fd, &h, sizeof h) == (ssize_t)sizeof h && h.bytes > 0 && h.bytes <= CACHE_MOST &&
        h.magic == want.magic && h.version == want.version &&
        memcmp(h.uuid, want.uuid, sizeof h.uuid) == 0 &&
        memcmp(h.driver, want.driver, sizeof h.driver) == 0)
        blob = tn__vk_alloc(d->host, h.bytes);
    if (blob != NULL &&
        (read(fd, blob, h.bytes) != (ssize_t)h.bytes || sum_of(blob, h.bytes) != h.sum)) {
        tn__vk_free(d->host, blob, h.bytes);
        blob = NULL;
        d->host->log(d->host->runtime, 2, "the Vulkan pipeline cache is damaged and is made anew");
    }
    (void)close(fd);
    *out_bytes = blob != NULL ? h.bytes : 0;
    return blob;
}

/* Under another name first, so that nobody reads half of it. */
static void save(vk_device *d)
{
    size_t bytes = 0;
    char temporary[sizeof d->cache_path + 32];
    cache_head h;
    if (d->cache_path[0] == '\0' || atomic_load(&d->lost) ||
        VK_CALL(&d->api, vkGetPipelineCacheData, d->device, d->cache, &bytes, NULL) != VK_SUCCESS ||
        bytes == 0 || bytes > CACHE_MOST)
        return;
    unsigned char *blob = tn__vk_alloc(d->host, bytes);
    size_t held = bytes;
    if (blob == NULL)
        return;
    if (VK_CALL(&d->api, vkGetPipelineCacheData, d->device, d->cache, &bytes, blob) == VK_SUCCESS) {
        fill_head(d, &h);
        h.bytes = bytes;
        h.sum = sum_of(blob, bytes);
        snprintf(temporary, sizeof temporary, "%s.%ld", d->cache_path, (long)getpid());
        int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        bool ok = fd >= 0 && write(fd, &h, sizeof h) == (ssize_t)sizeof h &&
                  write(fd, blob, bytes) == (ssize_t)bytes;
        if (fd >= 0)
            (void)close(fd);
        if (!ok || rename(temporary, d->cache_path) != 0)
            (void)unlink(temporary);
    }
    tn__vk_free(d->host, blob, held);
}

tn_status tn__vk_pipelines_create(vk_device *d)
{
    const char *folder = d->host->cache_dir;
    uint64_t bytes = 0;
    unsigned char *blob = NULL;
    if (folder != NULL) {
        (void)mkdir(folder, 0700);
        snprintf(d->cache_path, sizeof d->cache_path, "%.400s/vulkan-%.60s.pipelines", folder,
                 d->caps.uri);
        blob = load(d, &bytes);
    }
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                      .initialDataSize = bytes,
                                      .pInitialData = blob};
    VkResult r = VK_CALL(&d->api, vkCreatePipelineCache, d->device, &info, NULL, &d->cache);
    if (r != VK_SUCCESS)
        d->cache = VK_NULL_HANDLE;
    tn__vk_free(d->host, blob, bytes);
    return tn__vk_result(d, r, "vkCreatePipelineCache");
}

void tn__vk_pipelines_destroy(vk_device *d)
{
    if (d->cache != VK_NULL_HANDLE) {
        save(d);
        d->api.vkDestroyPipelineCache(d->device, d->cache, NULL);
    }
    while (d->pipelines != NULL) {
        vk_pipeline *p = d->pipelines;
        d->pipelines = p->next;
        d->api.vkDestroyPipeline(d->device, p->pipeline, NULL);
        tn__vk_free(d->host, p, sizeof *p);
    }
}

static tn_status make(vk_device *d, const vk_module *module, vk_pipeline *p)
{
    vk_api *api = &d->api;
    VkShaderModule code = VK_NULL_HANDLE;
    VkSpecializationMapEntry entry[VK_SPECS];
    VkShaderModuleCreateInfo words = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                      .codeSize = module->code[p->fma].bytes,
                                      .pCode = module->code[p->fma].words};
    tn_status st =
        tn__vk_result(d, VK_CALL(api, vkCreateShaderModule, d->device, &words, NULL, &code),
                      "vkCreateShaderModule");
    if (st != TN_OK)
        return st;
    for (uint32_t i = 0; i < VK_SPECS; ++i)
        entry[i] = (VkSpecializationMapEntry){i, i * (uint32_t)sizeof(uint32_t), sizeof(uint32_t)};
    VkSpecializationInfo spec = {VK_SPECS, entry, sizeof p->spec, p->spec};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = code,
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = d->layout};
    VkResult r =
        VK_CALL(api, vkCreateComputePipelines, d->device, d->cache, 1, &info, NULL, &p->pipeline);
    api->vkDestroyShaderModule(d->device, code, NULL);
    return tn__vk_result(d, r, "vkCreateComputePipelines");
}

tn_status tn__vk_pipeline(vk_device *d, uint32_t module, vk_fma fma, const uint32_t *spec,
                          VkPipeline *out)
{
    tn_status st = TN_OK;
    /* Never a module that the device did not promise to take: some drivers end the process. */
    if (fma == VK_FMA_F64 && !d->caps.float64)
        return tn__vk_result(d, VK_ERROR_FEATURE_NOT_PRESENT, "a module of float64");
    pthread_mutex_lock(&d->pipeline_lock);
    vk_pipeline *p = d->pipelines;
    while (p != NULL &&
           (p->module != module || p->fma != fma || memcmp(p->spec, spec, sizeof p->spec) != 0))
        p = p->next;
    if (p == NULL) {
        p = tn__vk_alloc(d->host, sizeof *p);
        st = p != NULL ? TN_OK : TN_STATUS_NO_MEMORY;
        if (st == TN_OK) {
            p->module = module;
            p->fma = fma;
            memcpy(p->spec, spec, sizeof p->spec);
            st = make(d, &tn__vk_modules[module], p);
        }
        if (st == TN_OK) {
            char text[96];
            snprintf(text, sizeof text, "vulkan pipeline %u: %s", d->pipeline_count,
                     tn__vk_modules[module].name);
            d->host->log(d->host->runtime, 5, text);
            p->next = d->pipelines;
            d->pipelines = p;
            ++d->pipeline_count;
        } else if (p != NULL) {
            tn__vk_free(d->host, p, sizeof *p);
            p = NULL;
        }
    }
    *out = p != NULL ? p->pipeline : VK_NULL_HANDLE;
    pthread_mutex_unlock(&d->pipeline_lock);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What validation layers and drivers say, brought into the runtime's log. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "vk.h"

#include <stdio.h>

static VKAPI_ATTR VkBool32 VKAPI_CALL say(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                          VkDebugUtilsMessageTypeFlagsEXT types,
                                          const VkDebugUtilsMessengerCallbackDataEXT *data,
                                          void *self)
{
    const vk_device *d = self;
    char text[1024];
    (void)types;
    int32_t level = severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT     ? 1
                    : severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT ? 2
                                                                                  : 4;
    snprintf(text, sizeof text, "vulkan validation: %s",
             data->pMessage != NULL ? data->pMessage : "");
    d->host->log(d->host->runtime, level, text);
    return VK_FALSE;
}

void tn__vk_debug_create(vk_device *d)
{
    const VkDebugUtilsMessengerCreateInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = say,
        .pUserData = d,
    };
    if (d->api.vkCreateDebugUtilsMessengerEXT == NULL ||
        VK_CALL(&d->api, vkCreateDebugUtilsMessengerEXT, d->instance, &info, NULL, &d->messenger) !=
            VK_SUCCESS)
        d->messenger = VK_NULL_HANDLE;
}

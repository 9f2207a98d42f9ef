# SPDX-License-Identifier: Apache-2.0
# What the vulkan backend is built with; TN_BACKEND_LACKS says what is missing.
find_path(TN_VULKAN_INCLUDE vulkan/vulkan_core.h)
find_program(TN_GLSLC glslc)
find_program(TN_SPIRV_VAL spirv-val)
mark_as_advanced(TN_VULKAN_INCLUDE TN_GLSLC TN_SPIRV_VAL)
if(NOT TN_VULKAN_INCLUDE)
    set(TN_BACKEND_LACKS "headers: apt-get install libvulkan-dev")
elseif(NOT TN_GLSLC)
    set(TN_BACKEND_LACKS "glslc: apt-get install glslc")
elseif(NOT TN_SPIRV_VAL)
    set(TN_BACKEND_LACKS "spirv-val: apt-get install spirv-tools")
endif()

# SPDX-License-Identifier: Apache-2.0
# The headers of Vulkan, glslc and spirv-val; without them the backend says that it is not there. With them: kernels
# in GLSL, kernels/<op>/<op>*.comp, to SPIR-V, validated, embedded as arrays, each module once for each way to make an
# fma.
find_path(VULKAN_INCLUDE vulkan/vulkan_core.h)
find_program(TENON_GLSLC glslc)
find_program(TENON_SPIRV_VAL spirv-val)
if(NOT TENON_VULKAN OR NOT VULKAN_INCLUDE OR NOT TENON_GLSLC OR NOT TENON_SPIRV_VAL)
    message(STATUS "no Vulkan devices: needs libvulkan-dev, glslc and spirv-tools")
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX "vk_backend[.]c$")
    set_target_properties(${target} PROPERTIES SOURCES "${sources}")
    return()
endif()
target_compile_definitions(${target} PRIVATE TN_VULKAN)
set(generated ${CMAKE_BINARY_DIR}/generated/vulkan)
file(MAKE_DIRECTORY ${generated})
set(modules ${generated})
if(TENON_SPIRV)
    set(modules ${TENON_SPIRV})
endif()
file(GLOB shaders CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*/*.comp)

# The normative text with what GLSL writes otherwise.
add_custom_command(OUTPUT ${generated}/canonmath.glsl
    COMMAND ${CMAKE_COMMAND} -DIN=${PROJECT_SOURCE_DIR}/kernels/common/canonmath.inc -DOUT=${generated}/canonmath.glsl
        -P ${PROJECT_SOURCE_DIR}/cmake/TextToGlsl.cmake
    DEPENDS ${PROJECT_SOURCE_DIR}/kernels/common/canonmath.inc ${PROJECT_SOURCE_DIR}/cmake/TextToGlsl.cmake)

set(numbers "")
set(arrays "")
set(rows "")
set(outputs "")
# A file that says "variants MACRO: a b c" becomes a module for each, with MACRO as its value.
foreach(shader IN LISTS shaders)
    get_filename_component(stem ${shader} NAME_WE)
    file(STRINGS ${shader} line REGEX "variants [A-Z]+:" LIMIT_COUNT 1)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${shader})
    set(values "-")
    if(line MATCHES "variants ([A-Z]+):([ 0-9]+)")
        set(macro ${CMAKE_MATCH_1})
        string(STRIP "${CMAKE_MATCH_2}" values)
        string(REPLACE " " ";" values "${values}")
    endif()
    foreach(value IN LISTS values)
        set(name ${stem})
        set(flags -w -O --target-env=vulkan1.2 -std=450 -I${PROJECT_SOURCE_DIR} -I${generated})
        if(NOT value STREQUAL "-")
            set(name ${stem}_${value})
            list(APPEND flags -D${macro}=${value})
        endif()
        string(APPEND numbers "    VK_MODULE_${name},\n")
        string(APPEND rows "    {\"${name}\", {")
        foreach(fma native f64 int)
            set(out ${modules}/${name}_${fma})
            string(TOUPPER -DTN_FMA_${fma} define)
            list(APPEND outputs ${out}.inc)
            string(APPEND arrays
                "static const uint32_t ${name}_${fma}[] = {\n#include <${name}_${fma}.inc>\n};\n")
            string(APPEND rows "{${name}_${fma}, sizeof ${name}_${fma}}, ")
            if(TENON_SPIRV)
                continue()
            endif()
            add_custom_command(OUTPUT ${out}.spv ${out}.inc
                COMMAND ${TENON_GLSLC} ${flags} ${define} -MD -MF ${out}.d -MT ${out}.spv -o ${out}.spv ${shader}
                COMMAND ${TENON_SPIRV_VAL} --target-env vulkan1.2 ${out}.spv
                COMMAND ${CMAKE_COMMAND} -DIN=${out}.spv -DOUT=${out}.inc -P ${PROJECT_SOURCE_DIR}/cmake/WordsToC.cmake
                DEPENDS ${shader} ${generated}/canonmath.glsl ${PROJECT_SOURCE_DIR}/cmake/WordsToC.cmake
                DEPFILE ${out}.d
                COMMENT "SPIR-V ${name}_${fma}")
        endforeach()
        string(APPEND rows "}},\n")
    endforeach()
endforeach()
file(CONFIGURE OUTPUT ${generated}/vk_modules.h CONTENT
"/* Made by CMake from kernels/<op>/<op>*.comp. */
enum {
@numbers@    VK_MODULES
};
" @ONLY)
file(CONFIGURE OUTPUT ${generated}/vk_modules.c CONTENT
"/* Made by CMake from kernels/<op>/<op>*.comp. */
#include <backends/vulkan/vk.h>
@arrays@const vk_module tn__vk_modules[] = {
@rows@};
const uint32_t tn__vk_module_count = sizeof tn__vk_modules / sizeof tn__vk_modules[0];
" @ONLY)
target_sources(${target} PRIVATE ${generated}/vk_modules.c ${outputs})
target_include_directories(${target} PRIVATE ${generated} ${modules})
target_include_directories(${target} SYSTEM PRIVATE ${VULKAN_INCLUDE})

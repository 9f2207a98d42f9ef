# SPDX-License-Identifier: Apache-2.0
# The profiles as bytes in the library: sim_profiles.inc, made again when a profile changes.
file(GLOB profiles CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/profiles/*.json)
set(arrays "")
set(entries "")
foreach(profile IN LISTS profiles)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${profile})
    get_filename_component(chip ${profile} NAME_WLE)
    string(MAKE_C_IDENTIFIER ${chip} id)
    file(READ ${profile} text HEX)
    string(REGEX REPLACE "(..)" "0x\\1," text "${text}")
    string(APPEND arrays "static const unsigned char text_${id}[] = {${text}};\n")
    string(APPEND entries "    {\"${chip}\", text_${id}, sizeof text_${id}},\n")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/sim_profiles.inc CONTENT
"/* Made by CMake from the profiles of backends/tpu-sim. */
${arrays}static const sim_builtin builtin[] = {
${entries}};
" @ONLY)

# SPDX-License-Identifier: Apache-2.0
# Builds two plugins as a chip maker would, outside of the tree and against what is installed: a
# copy of the template backend, renamed, with a project of its own, and the example.
# -DSOURCE=tree -DBUILD=its build -DOUT=folder for the results -DGENERATOR= -DCOMPILER=
function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
    if(result)
        message(FATAL_ERROR "${ARGV}: ${result}\n${text}")
    endif()
endfunction()

file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT}/plugins)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${OUT}/stage)
file(GLOB_RECURSE package ${OUT}/stage/tenonConfig.cmake ${OUT}/stage/tenon-config.cmake)
if(package)
    set(where -DCMAKE_PREFIX_PATH=${OUT}/stage)
    message(STATUS "against the installed package")
else()
    file(COPY ${SOURCE}/include DESTINATION ${OUT}/stage)
    set(where -DTENON_INCLUDE_DIR=${OUT}/stage/include)
    message(STATUS "against copied headers: the build installs no package")
endif()

# The template's copy: three names change.
file(READ ${SOURCE}/backends/null/null_backend.c text)
string(REGEX REPLACE "tn_status tn_backend_query_null\\([^;{]*\\);\n" "" text "${text}")
string(REPLACE "tn_backend_query_null" "tn_backend_query" text "${text}")
string(REPLACE "\"null\"" "\"copied\"" text "${text}")
file(WRITE ${OUT}/copied/tenon_backend_copied.c "${text}")
file(READ ${SOURCE}/examples/plugin_matmul/CMakeLists.txt text)
string(REPLACE "tenon_backend_mm" "tenon_backend_copied" text "${text}")
string(REPLACE "tenon_plugin_matmul" "tenon_plugin_copied" text "${text}")
file(WRITE ${OUT}/copied/CMakeLists.txt "${text}")
file(COPY ${SOURCE}/examples/plugin_matmul DESTINATION ${OUT})

foreach(name copied plugin_matmul)
    run(${CMAKE_COMMAND} -G ${GENERATOR} -S ${OUT}/${name} -B ${OUT}/build_${name} ${where}
        -DCMAKE_C_COMPILER=${COMPILER} -DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${OUT}/plugins)
    run(${CMAKE_COMMAND} --build ${OUT}/build_${name})
endforeach()

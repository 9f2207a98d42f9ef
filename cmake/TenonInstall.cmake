# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where: headers, libraries, the command, and how CMake and pkg-config find them. Everything is
# relative to the files themselves, so an installed tree can be moved as a whole.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tenon)

install(FILES ${TN_PUBLIC_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tenon)
set(libraries "")
if(TENON_SHARED)
    list(APPEND libraries tenon)
endif()
if(TENON_STATIC)
    list(APPEND libraries tenon_static)
endif()
if(libraries)
    install(TARGETS ${libraries} EXPORT tenon LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(EXPORT tenon NAMESPACE tenon:: FILE tenonTargets.cmake DESTINATION ${package})
endif()

configure_package_config_file(cmake/tenonConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/generated/tenonConfig.cmake
    INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a new minor version may break what was built for an older one.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/generated/tenonConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/generated/tenonConfig.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/generated/tenonConfigVersion.cmake DESTINATION ${package})

file(RELATIVE_PATH TN_PREFIX_FROM_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
set(TN_PRIVATE_LIBS "-lm -ldl -lpthread")
if(TENON_HWLOC)
    string(PREPEND TN_PRIVATE_LIBS "-lhwloc ")
endif()
set(pc "")
if(TENON_SHARED)
    set(TN_PC_LIBS "-L\${libdir} -ltenon")
    configure_file(cmake/tenon.pc.in generated/tenon.pc @ONLY)
    list(APPEND pc ${CMAKE_CURRENT_BINARY_DIR}/generated/tenon.pc)
endif()
if(TENON_STATIC)
    set(TN_PC_LIBS "\${libdir}/libtenon.a ${TN_PRIVATE_LIBS}")
    configure_file(cmake/tenon.pc.in generated/tenon-static.pc @ONLY)
    list(APPEND pc ${CMAKE_CURRENT_BINARY_DIR}/generated/tenon-static.pc)
endif()
install(FILES ${pc} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

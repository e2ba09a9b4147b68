# What `cmake --install` lays down: program, shared and static library, headers, configs, rankine.pc
# and the CMake package. Nothing holds an absolute path, so the tree may be moved afterwards.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# From bin/ and from lib/pkgconfig/ to where the libraries are, whatever the folders are called.
file(RELATIVE_PATH rankine_bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set(rankine_pc_dir ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH rankine_pc_to_prefix ${rankine_pc_dir} ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" rankine_pc_to_prefix ${rankine_pc_to_prefix})
set(rankine_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/rankine)

install(TARGETS rankine EXPORT rankineTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS rankine_static EXPORT rankineStaticTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET rankine_cli)
    set_target_properties(rankine_cli PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin
        INSTALL_RPATH "$ORIGIN/${rankine_bin_to_lib}")
    install(TARGETS rankine_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY include/rankine DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/rankine/configs
    FILES_MATCHING PATTERN "*.yaml")

configure_file(cmake/rankine.pc.in ${PROJECT_BINARY_DIR}/generated/rankine.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/rankine.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# find_package(rankine): rankine::rankine; with COMPONENTS static also rankine::rankine_static.
foreach(kind "" Static)
    install(EXPORT rankine${kind}Targets NAMESPACE rankine:: DESTINATION ${rankine_package_dir})
endforeach()
configure_package_config_file(cmake/rankineConfig.cmake.in
    ${PROJECT_BINARY_DIR}/generated/rankineConfig.cmake INSTALL_DESTINATION ${rankine_package_dir})
# Before 1.0 a minor version may break the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/rankineConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/generated/rankineConfig.cmake
    ${PROJECT_BINARY_DIR}/generated/rankineConfigVersion.cmake DESTINATION ${rankine_package_dir})

# The libraries of others, for machines that lack them: part of every installation if asked for,
# and in any case with --component bundle, as `make dist` does it.
option(RANKINE_BUNDLE "Install the shared libraries that rankine needs along with it" OFF)
set(rankine_bundle_optional EXCLUDE_FROM_ALL)
if(RANKINE_BUNDLE)
    set(rankine_bundle_optional "")
endif()
install(CODE "set(rankine_bindir ${CMAKE_INSTALL_BINDIR})
    set(rankine_libdir ${CMAKE_INSTALL_LIBDIR})
    set(rankine_docdir ${CMAKE_INSTALL_DOCDIR})"
    COMPONENT bundle ${rankine_bundle_optional})
install(SCRIPT cmake/bundle.cmake COMPONENT bundle ${rankine_bundle_optional})

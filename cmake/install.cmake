# What `cmake --install` puts below a prefix: the program, the protocols' plugins, the C headers with the library for
# sessions, and what pkg-config and CMake need to find that library. The program looks for plugins in ../lib/seneschal
# beside its own folder, so they do not go where a system has libraries of several architectures.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# libseneschal.so: sessions with a node, for programs in C and whatever can call C.
add_library(seneschal_session SHARED overlay/session.cpp)
target_link_libraries(seneschal_session PRIVATE seneschal_base seneschal_overlay seneschal_options)
target_include_directories(seneschal_session INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(seneschal_session PROPERTIES OUTPUT_NAME seneschal EXPORT_NAME session
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})

install(TARGETS seneschal RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS steward bft LIBRARY DESTINATION lib/seneschal)
install(TARGETS seneschal_session EXPORT seneschal LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES overlay/session.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/seneschal)
install(FILES runtime/plugin/contract.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/seneschal RENAME plugin.h)
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/seneschal/configs)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Seneschal)
install(EXPORT seneschal NAMESPACE Seneschal:: FILE SeneschalTargets.cmake DESTINATION ${package})
file(WRITE ${CMAKE_BINARY_DIR}/package/SeneschalConfig.cmake
     "include(\"\${CMAKE_CURRENT_LIST_DIR}/SeneschalTargets.cmake\")\n")
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/SeneschalConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/SeneschalConfig.cmake ${CMAKE_BINARY_DIR}/package/SeneschalConfigVersion.cmake
        DESTINATION ${package})
configure_file(cmake/seneschal.pc.in ${CMAKE_BINARY_DIR}/package/seneschal.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/package/seneschal.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

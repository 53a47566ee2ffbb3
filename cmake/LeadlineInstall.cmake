# Installs the libraries, their public headers and a CMake package. Included last, when every module has
# named its dependencies.
include(CMakePackageConfigHelpers)

# What packaging/ puts into libleadline-dev, when no other component is named.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME development)

set(LEADLINE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/leadline)

# leadline_install_libraries(EXPORT LIBRARY...) - with their public headers.
function(leadline_install_libraries export)
  install(TARGETS ${ARGN} EXPORT ${export}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
          FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT ${export} NAMESPACE leadline:: DESTINATION ${LEADLINE_CMAKE_DIR})
endfunction()

# A static library leaves its private dependencies to whoever links it; so the package must find
# them. A shared one carries them. Debian's package of each is a dependency of libleadline-dev.
# leadline_consumer_needs(PREFIX LIBRARY...) sets PREFIX_FIND_DEPENDENCIES, lines of CMake, and
# PREFIX_CONSUMER_PACKAGES.
function(leadline_consumer_needs prefix)
  set(lines "")
  set(all_packages "")
  set(linked "")
  if(NOT BUILD_SHARED_LIBS)
    foreach(library IN LISTS ARGN)
      get_target_property(libraries ${library} LINK_LIBRARIES)
      list(APPEND linked ${libraries})
    endforeach()
    list(REMOVE_DUPLICATES linked)
  endif()
  foreach(library IN LISTS linked)
    if(library MATCHES "^::@")  # where CMake notes the directory that added an entry
      continue()
    elseif(library STREQUAL "Threads::Threads")
      set(line "find_dependency(Threads)")
      set(packages "")  # the compiler brings it
    elseif(library STREQUAL "PkgConfig::xxhash")
      set(line "find_dependency(PkgConfig)\npkg_check_modules(xxhash REQUIRED QUIET IMPORTED_TARGET GLOBAL libxxhash)")
      set(packages libxxhash-dev pkg-config)
    elseif(library MATCHES "^RocksDB::")
      set(line "find_dependency(RocksDB)")
      set(packages librocksdb-dev)
    elseif(library MATCHES "^nlohmann_json::")
      set(line "find_dependency(nlohmann_json)")
      set(packages nlohmann-json3-dev)
    elseif(library MATCHES "^ICU::")
      set(line "find_dependency(ICU COMPONENTS uc i18n)")
      set(packages libicu-dev)
    elseif(library STREQUAL "PkgConfig::hdf5")
      set(line "find_dependency(PkgConfig)\npkg_check_modules(hdf5 REQUIRED QUIET IMPORTED_TARGET GLOBAL hdf5)")
      set(packages libhdf5-dev pkg-config)
    elseif(library STREQUAL "roaring::roaring")
      # Debian's roaring-config.cmake reports itself as not found: define the target by hand.
      file(READ ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/FindRoaringByHand.cmake line)
      set(packages libroaring-dev)
    elseif(library MATCHES "^gRPC::")
      set(line "find_dependency(gRPC)")
      set(packages libgrpc++-dev)
    elseif(library STREQUAL "protobuf::libprotobuf")
      set(line "find_dependency(Protobuf)")
      set(packages libprotobuf-dev)
    elseif(library MATCHES "^OpenSSL::")
      set(line "find_dependency(OpenSSL)")
      set(packages libssl-dev)
    elseif(library STREQUAL "leadline" OR library MATCHES "^leadline::" OR library STREQUAL "\${CMAKE_DL_LIBS}"
           OR library MATCHES "^(dl|m|rt|pthread)$")
      continue()
    else()
      message(FATAL_ERROR "cmake/LeadlineInstall.cmake does not know how consumers find ${library}")
    endif()
    string(FIND "${lines}" "${line}" known)
    if(known EQUAL -1)
      string(APPEND lines "${line}\n")
    endif()
    list(APPEND all_packages ${packages})
  endforeach()
  list(REMOVE_DUPLICATES all_packages)
  list(SORT all_packages)
  set(${prefix}_FIND_DEPENDENCIES "${lines}" PARENT_SCOPE)
  set(${prefix}_CONSUMER_PACKAGES "${all_packages}" PARENT_SCOPE)
endfunction()

leadline_install_libraries(leadlineTargets leadline leadline_eval)
leadline_consumer_needs(LEADLINE leadline leadline_eval)
set(LEADLINE_CLIENT_FIND_DEPENDENCIES "")
set(LEADLINE_CLIENT_CONSUMER_PACKAGES "")
if(LEADLINE_CLIENT)
  leadline_install_libraries(leadlineClientTargets leadline_client)
  leadline_consumer_needs(LEADLINE_CLIENT leadline_client)
  list(REMOVE_ITEM LEADLINE_CLIENT_CONSUMER_PACKAGES ${LEADLINE_CONSUMER_PACKAGES})
endif()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/leadlineConfig.cmake.in
  ${CMAKE_BINARY_DIR}/leadlineConfig.cmake INSTALL_DESTINATION ${LEADLINE_CMAKE_DIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/leadlineConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/leadlineConfig.cmake ${CMAKE_BINARY_DIR}/leadlineConfigVersion.cmake
        DESTINATION ${LEADLINE_CMAKE_DIR})
# Debian's packages have these under the names that it wants.
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT licence)
# The embedding model is linked into the library and has a licence of its own.
install(FILES text/embedder/model/LICENSE.md DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME MODEL-LICENSE.md
        COMPONENT licence)

# Installs libleadline, its public headers and a CMake package. Included last, when every module has
# named its dependencies.
include(CMakePackageConfigHelpers)

# What packaging/ puts into libleadline-dev, when no other component is named.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME development)

set(LEADLINE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/leadline)
set(LEADLINE_INSTALLED leadline)
if(TARGET leadline_eval)
  list(APPEND LEADLINE_INSTALLED leadline_eval)
endif()

install(TARGETS ${LEADLINE_INSTALLED} EXPORT leadlineTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT leadlineTargets NAMESPACE leadline:: DESTINATION ${LEADLINE_CMAKE_DIR})

# A static library leaves its private dependencies to whoever links it; so the package must find
# them. A shared one carries them. Debian's package of each is a dependency of libleadline-dev.
set(LEADLINE_FIND_DEPENDENCIES "")
set(LEADLINE_CONSUMER_PACKAGES "")
if(NOT BUILD_SHARED_LIBS)
  set(linked "")
  foreach(library IN LISTS LEADLINE_INSTALLED)
    get_target_property(libraries ${library} LINK_LIBRARIES)
    list(APPEND linked ${libraries})
  endforeach()
  list(REMOVE_DUPLICATES linked)
  foreach(library IN LISTS linked)
    if(library MATCHES "^::@")  # where CMake notes the directory that added an entry
      continue()
    elseif(library STREQUAL "Threads::Threads")
      set(line "find_dependency(Threads)")
      set(packages "")  # the compiler brings it
    elseif(library STREQUAL "PkgConfig::xxhash")
      set(line "find_dependency(PkgConfig)\npkg_check_modules(xxhash REQUIRED QUIET IMPORTED_TARGET GLOBAL libxxhash)")
      set(packages libxxhash-dev pkg-config)
    elseif(library MATCHES "^OpenMP::")
      set(line "find_dependency(OpenMP)")
      set(packages "")  # the compiler brings it
    elseif(library MATCHES "^BLAS::")
      set(line "find_dependency(BLAS)")
      set(packages libopenblas-dev)
    elseif(library STREQUAL "faiss")
      # Debian's faiss-config.cmake names OpenMP's target without finding it.
      set(line "find_dependency(OpenMP)\nfind_dependency(BLAS)\nfind_dependency(faiss)")
      set(packages libfaiss-dev libopenblas-dev)
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
      file(READ ${CMAKE_CURRENT_LIST_DIR}/FindRoaringByHand.cmake line)
      set(packages libroaring-dev)
    elseif(library STREQUAL "leadline" OR library MATCHES "^leadline::" OR library STREQUAL "\${CMAKE_DL_LIBS}"
           OR library MATCHES "^(dl|m|rt|pthread)$")
      continue()
    else()
      message(FATAL_ERROR "cmake/LeadlineInstall.cmake does not know how consumers find ${library}")
    endif()
    string(FIND "${LEADLINE_FIND_DEPENDENCIES}" "${line}" known)
    if(known EQUAL -1)
      string(APPEND LEADLINE_FIND_DEPENDENCIES "${line}\n")
    endif()
    list(APPEND LEADLINE_CONSUMER_PACKAGES ${packages})
  endforeach()
  list(REMOVE_DUPLICATES LEADLINE_CONSUMER_PACKAGES)
  list(SORT LEADLINE_CONSUMER_PACKAGES)
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

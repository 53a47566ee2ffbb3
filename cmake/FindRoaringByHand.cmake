# Debian's roaring-config.cmake reports itself as not found, so the library is named by hand.
find_path(ROARING_INCLUDE_DIR roaring/roaring.h REQUIRED)
find_library(ROARING_LIBRARY roaring REQUIRED)
if(NOT TARGET roaring::roaring)
  add_library(roaring::roaring UNKNOWN IMPORTED GLOBAL)
  set_target_properties(roaring::roaring PROPERTIES IMPORTED_LOCATION ${ROARING_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${ROARING_INCLUDE_DIR})
endif()

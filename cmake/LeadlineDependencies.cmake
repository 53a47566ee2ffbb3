# Third-party packages, all from Debian 12.
find_package(Threads REQUIRED)
find_package(RocksDB REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
find_package(ICU REQUIRED COMPONENTS uc i18n)
# FindHDF5 would need consumers to enable C.
pkg_check_modules(hdf5 REQUIRED IMPORTED_TARGET hdf5)
if(LEADLINE_DEVELOPER)
  # FAISS is what tests compare indexes with. It names targets of OpenMP and BLAS without finding them.
  find_package(OpenMP REQUIRED)
  find_package(BLAS REQUIRED)
  find_package(faiss REQUIRED)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
endif()
if(LEADLINE_CLIENT)
  find_package(OpenSSL REQUIRED)
  find_package(Protobuf REQUIRED)
  find_package(gRPC REQUIRED)
endif()
if(LEADLINE_PROGRAM)
  find_package(Boost 1.74 REQUIRED)
  find_package(CLI11 REQUIRED)
  find_package(CURL REQUIRED)
  find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)  # headers alone: its shared library is not needed
  # Its CMake package wants the web server and client of the parts that are not used.
  pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)
endif()

include(cmake/FindRoaringByHand.cmake)

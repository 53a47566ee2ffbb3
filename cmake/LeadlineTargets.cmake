# One function declares every internal library, one every test. Layers point downwards only: a
# target that names a dependency of its own layer or a higher one stops the configuration.

set(LEADLINE_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 at -O3 warns of overlapping copies inside std::string's own operator+ (GCC bug 105651).
  list(APPEND LEADLINE_WARNINGS -Wno-restrict)
  # Takes a source that is included with others for a header.
  set(LEADLINE_UNITY_WARNINGS -Wno-subobject-linkage)
endif()
if(LEADLINE_WERROR)
  list(APPEND LEADLINE_WARNINGS -Werror)
endif()

# leadline_add_library(NAME core_base LAYER 0 [UNITY] [LIBRARY leadline|leadline_eval|leadline_client|leadline_rpc|none]
#   [API public headers...] [HEADERS internal headers...] SOURCES ... [DEPS ...] [PRIVATE_DEPS ...])
#
# Declares object library leadline_NAME with alias leadline::NAME and folds its objects into the
# installed library LIBRARY (default: leadline). Only API headers are installed. UNITY is for modules of
# small sources over large headers (LEADLINE_UNITY).
function(leadline_add_library)
  cmake_parse_arguments(A "UNITY" "NAME;LAYER;LIBRARY" "API;HEADERS;SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "leadline_add_library: unknown arguments: ${A_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT A_LIBRARY)
    set(A_LIBRARY leadline)
  endif()
  set(t leadline_${A_NAME})
  add_library(${t} OBJECT ${A_SOURCES})
  add_library(leadline::${A_NAME} ALIAS ${t})
  set_target_properties(${t} PROPERTIES LEADLINE_LAYER ${A_LAYER} LEADLINE_LIBRARY ${A_LIBRARY}
                                        POSITION_INDEPENDENT_CODE ON)
  if(LEADLINE_UNITY STREQUAL "ON" OR (LEADLINE_UNITY STREQUAL "SOME" AND A_UNITY))
    set_target_properties(${t} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
    target_compile_options(${t} PRIVATE ${LEADLINE_UNITY_WARNINGS})
  endif()
  set(all_headers ${A_API} ${A_HEADERS})
  if(all_headers)
    target_sources(${t} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${all_headers})
  endif()
  target_include_directories(${t} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}
                                          ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_compile_features(${t} PUBLIC cxx_std_20)
  target_compile_options(${t} PRIVATE ${LEADLINE_WARNINGS})
  if(LEADLINE_DEBUG_CHECKS)
    target_compile_definitions(${t} PRIVATE LEADLINE_DEBUG_CHECKS)
  endif()
  if(LEADLINE_TEST_HOOKS)
    target_compile_definitions(${t} PRIVATE LEADLINE_TEST_HOOKS)
  endif()
  target_link_libraries(${t} PUBLIC ${A_DEPS} PRIVATE ${A_PRIVATE_DEPS})
  if(LEADLINE_SYNTAX_ONLY)
    target_compile_options(${t} PRIVATE -fsyntax-only)
  endif()
  # leadline_modules compiles every module and links nothing: enough for static analysis.
  if(NOT TARGET leadline_modules)
    add_custom_target(leadline_modules)
  endif()
  add_dependencies(leadline_modules ${t})
  foreach(dep IN LISTS A_DEPS A_PRIVATE_DEPS)
    if(dep MATCHES "^leadline::")
      get_target_property(below ${dep} LEADLINE_LAYER)
      if(NOT below LESS A_LAYER)
        message(FATAL_ERROR "layering: ${t} (L${A_LAYER}) may not use ${dep} (L${below})")
      endif()
    elseif(NOT A_LIBRARY STREQUAL "none")
      target_link_libraries(${A_LIBRARY} PRIVATE ${dep})
    endif()
  endforeach()
  if(A_LIBRARY STREQUAL "none")
    return()
  endif()
  target_sources(${A_LIBRARY} PRIVATE $<TARGET_OBJECTS:${t}>)
  if(A_API)
    list(TRANSFORM A_API PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    target_sources(${A_LIBRARY} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_CURRENT_SOURCE_DIR}/include
                                       FILES ${A_API})
  endif()
endfunction()

# leadline_add_test(NAME status_test SOURCES status_test.cc DEPS leadline::core_base
#   [LABELS fast] [TIMEOUT seconds] [PRIVATE_INCLUDES dirs...] [DEFINES ...] [FILTER cases])
#
# Test binaries link the whole library, so internal headers of any DEPS target can be used. FILTER is
# a --gtest_filter: the other cases run by hand, or under the name of a leadline_add_test_run.
# Labels: fast (default), slow, crash, hostile, fuzz-regress, install, fresh, concurrency.
function(leadline_add_test)
  cmake_parse_arguments(A "NO_MAIN" "NAME;TIMEOUT;FILTER" "SOURCES;DEPS;LABELS;PRIVATE_INCLUDES;DEFINES;ENVIRONMENT" ${ARGN})
  if(A_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "leadline_add_test: unknown arguments: ${A_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${A_NAME} ${A_SOURCES})
  target_compile_options(${A_NAME} PRIVATE ${LEADLINE_WARNINGS} ${LEADLINE_TEST_OPTIONS})
  target_compile_definitions(${A_NAME} PRIVATE LEADLINE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ${A_DEFINES})
  target_include_directories(${A_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support ${A_PRIVATE_INCLUDES})
  leadline_use_internal(${A_NAME} ${A_DEPS})
  target_link_libraries(${A_NAME} PRIVATE GTest::gmock GTest::gtest_main)
  leadline_add_test_run(NAME ${A_NAME} TEST ${A_NAME} FILTER "${A_FILTER}" LABELS ${A_LABELS}
                        TIMEOUT ${A_TIMEOUT} ENVIRONMENT ${A_ENVIRONMENT})
  foreach(source IN LISTS A_SOURCES)
    cmake_path(ABSOLUTE_PATH source NORMALIZE OUTPUT_VARIABLE absolute)
    set_property(GLOBAL APPEND PROPERTY LEADLINE_REGISTERED_TESTS ${absolute})
  endforeach()
endfunction()

# leadline_add_test_run(NAME flat_test_scalar TEST flat_test [LABELS fast] [TIMEOUT seconds]
#   [ENVIRONMENT variable=value...] [FILTER cases])
#
# Registers a run of the program of a test: another one than its own to see other cases, or all of
# them in another environment.
function(leadline_add_test_run)
  cmake_parse_arguments(A "" "NAME;TEST;TIMEOUT;FILTER" "LABELS;ENVIRONMENT" ${ARGN})
  if(A_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "leadline_add_test_run: unknown arguments: ${A_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT A_LABELS)
    set(A_LABELS fast)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 900)
  endif()
  set(cases "")
  if(A_FILTER)
    set(cases "--gtest_filter=${A_FILTER}")
  endif()
  add_test(NAME ${A_NAME} COMMAND ${A_TEST} ${cases})
  # A skipped case shows in ctest's summary. The expression wants the list of skipped tests at the end
  # of the output, where it stands only when no test failed: ctest would hide a failure otherwise.
  set_tests_properties(
    ${A_NAME}
    PROPERTIES LABELS "${A_LABELS}" TIMEOUT ${A_TIMEOUT} ENVIRONMENT "${A_ENVIRONMENT}"
               SKIP_REGULAR_EXPRESSION
               "\\[  SKIPPED \\] [0-9]+ tests?, listed below:\n(\\[  SKIPPED \\] [^\n]+\n)+[ \n]*(YOU HAVE [^\n]+\n)?[ \n]*$")
  # leadline_tests_<label> builds what `ctest -L <label>` runs.
  foreach(label IN LISTS A_LABELS)
    if(NOT TARGET leadline_tests_${label})
      add_custom_target(leadline_tests_${label})
    endif()
    add_dependencies(leadline_tests_${label} ${A_TEST})
  endforeach()
endfunction()

# leadline_add_simd_runs(flat_test...): the tests again under each level of instructions below the one
# that this machine picks, as NAME_LEVEL.
function(leadline_add_simd_runs)
  set(levels scalar)
  if(EXISTS /proc/cpuinfo)
    file(STRINGS /proc/cpuinfo flags REGEX "^flags" LIMIT_COUNT 1)
    set(lower_levels avx2 avx512 avx512vnni)
    set(needs_of_next avx512vl avx512_vnni amx_int8)
    foreach(level need IN ZIP_LISTS lower_levels needs_of_next)
      if(flags MATCHES " ${need}( |$)")
        list(APPEND levels ${level})
      endif()
    endforeach()
  endif()
  foreach(test IN LISTS ARGN)
    foreach(level IN LISTS levels)
      leadline_add_test_run(NAME ${test}_${level} TEST ${test} ENVIRONMENT LEADLINE_SIMD=${level})
    endforeach()
  endforeach()
endfunction()

# leadline_add_bench(NAME distance_bench SOURCES distance_bench.cc DEPS leadline::core_simd)
#
# A Google Benchmark program, or one with its own main, in bin/; built with the developer targets so
# that it cannot rot, never run as a test. Numbers worth quoting come from the `bench` preset, which
# builds leadline_benchmarks: all of these and the command line program.
function(leadline_add_bench)
  cmake_parse_arguments(A "" "NAME" "SOURCES;DEPS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "leadline_add_bench: unknown arguments: ${A_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${A_NAME} ${A_SOURCES})
  target_compile_options(${A_NAME} PRIVATE ${LEADLINE_WARNINGS})
  leadline_use_internal(${A_NAME} ${A_DEPS})
  target_link_libraries(${A_NAME} PRIVATE benchmark::benchmark_main)
  if(NOT TARGET leadline_benchmarks)
    add_custom_target(leadline_benchmarks DEPENDS leadline_program)
  endif()
  add_dependencies(leadline_benchmarks ${A_NAME})
endfunction()

# Gives `target` the internal headers of the named modules and links the folded libraries they are
# part of.
function(leadline_use_internal target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  if(LEADLINE_DEBUG_CHECKS)
    target_compile_definitions(${target} PRIVATE LEADLINE_DEBUG_CHECKS)
  endif()
  set(libraries "")
  foreach(dep IN LISTS ARGN)
    if(dep MATCHES "^leadline::")
      target_include_directories(${target} PRIVATE
        $<TARGET_PROPERTY:${dep},INTERFACE_INCLUDE_DIRECTORIES>)
      target_include_directories(${target} SYSTEM PRIVATE
        $<TARGET_PROPERTY:${dep},INTERFACE_SYSTEM_INCLUDE_DIRECTORIES>)
      get_target_property(library ${dep} LEADLINE_LIBRARY)
      if(TARGET ${library})
        list(APPEND libraries ${library})
      endif()
    else()
      target_link_libraries(${target} PRIVATE ${dep})
    endif()
  endforeach()
  # A library before those it uses.
  foreach(library leadline_rpc leadline_client leadline_eval leadline)
    if(library IN_LIST libraries OR library STREQUAL "leadline")
      target_link_libraries(${target} PRIVATE ${library})
    endif()
  endforeach()
endfunction()

# A *_test.cc that no leadline_add_test names would never run: stop instead.
function(leadline_check_registered_tests)
  get_property(registered GLOBAL PROPERTY LEADLINE_REGISTERED_TESTS)
  file(GLOB_RECURSE present CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*_test.cc)
  foreach(source IN LISTS present)
    if(source MATCHES "/tests/consumer/")
      continue()
    endif()
    if(NOT source IN_LIST registered)
      message(FATAL_ERROR "test file is not registered with leadline_add_test: ${source}")
    endif()
  endforeach()
endfunction()

# cmake -DCASE=... -DMESSAGE=regex [-DCOMPILER=... -DINCLUDES=...] -DSOURCE_DIR=... -DWORK_DIR=...
#   -P expect_failure.cmake
#
# Runs one case twice: as it should be, which must succeed, and with the mistake, which must fail
# with a message that matches. So a case can neither pass by failing for another reason nor by not
# running at all.

file(REMOVE_RECURSE ${WORK_DIR})
file(MAKE_DIRECTORY ${WORK_DIR})

# A project of its own that uses the functions of cmake/LeadlineTargets.cmake.
function(write_project directory)
  string(CONCAT body ${ARGN})
  file(WRITE ${directory}/CMakeLists.txt
       "cmake_minimum_required(VERSION 3.25)\nproject(case LANGUAGES NONE)\n"
       "include(${SOURCE_DIR}/cmake/LeadlineTargets.cmake)\n${body}")
endfunction()

function(layer_project directory lower)
  file(WRITE ${directory}/a.cc "")
  write_project(${directory}
                "enable_language(CXX)\nadd_library(leadline INTERFACE)\n"
                "function(target_sources)\nendfunction()\n"
                "leadline_add_library(NAME upper LAYER 2 LIBRARY none SOURCES a.cc)\n"
                "leadline_add_library(NAME lower LAYER ${lower} LIBRARY none SOURCES a.cc "
                "DEPS leadline::upper)\n")
endfunction()

function(registration_project directory registered)
  file(WRITE ${directory}/tests/lonely_test.cc "")
  write_project(${directory}
                "set_property(GLOBAL PROPERTY LEADLINE_REGISTERED_TESTS ${registered})\n"
                "leadline_check_registered_tests()\n")
endfunction()

if(CASE MATCHES "^ignored_")
  set(compile ${COMPILER} -std=c++20 -fsyntax-only -Wall -Wextra -Werror)
  foreach(include IN LISTS INCLUDES)
    list(APPEND compile -I${include})
  endforeach()
  set(right ${compile} ${SOURCE_DIR}/tests/must_fail/${CASE}.cc)
  set(wrong ${compile} -DMISTAKE ${SOURCE_DIR}/tests/must_fail/${CASE}.cc)
else()
  if(CASE STREQUAL "upward_layer")
    layer_project(${WORK_DIR}/right 3)
    layer_project(${WORK_DIR}/wrong 2)
  elseif(CASE STREQUAL "unregistered_test")
    registration_project(${WORK_DIR}/right ${WORK_DIR}/right/tests/lonely_test.cc)
    registration_project(${WORK_DIR}/wrong other_test.cc)
  else()
    message(FATAL_ERROR "no such case: ${CASE}")
  endif()
  foreach(side right wrong)
    set(${side} ${CMAKE_COMMAND} -G Ninja -DCMAKE_CXX_COMPILER=${COMPILER} -S ${WORK_DIR}/${side}
                -B ${WORK_DIR}/${side}/build)
  endforeach()
endif()

execute_process(COMMAND ${right} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${CASE}: fails without the mistake too:\n${output}")
endif()
execute_process(COMMAND ${wrong} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${CASE}: the mistake passes")
endif()
if(NOT output MATCHES "${MESSAGE}")
  message(FATAL_ERROR "${CASE}: fails, but not for the mistake:\n${output}")
endif()

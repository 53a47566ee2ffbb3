# Runs when CPack has staged the files of the packages and has not packed them yet: what Debian asks
# of files, and what makes two builds of one commit equal.
set(epoch $ENV{SOURCE_DATE_EPOCH})
if(NOT epoch MATCHES "^[0-9]+$")
  message(FATAL_ERROR "SOURCE_DATE_EPOCH is not set: run packaging/build.sh")
endif()

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(GLOB_RECURSE archives ${CPACK_TEMPORARY_DIRECTORY}/*.a)
foreach(archive IN LISTS archives)  # CPACK_STRIP_FILES leaves these alone
  run(strip --strip-debug --remove-section=.comment --remove-section=.note
      --enable-deterministic-archives ${archive})
endforeach()
file(GLOB manuals ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/man/man1/*)
foreach(manual IN LISTS manuals)
  run(gzip -9n ${manual})
endforeach()
file(GLOB programs ${CPACK_TEMPORARY_DIRECTORY}/*/usr/bin/*)
foreach(program IN LISTS programs)
  run(strip --remove-section=.comment --remove-section=.note ${program})
endforeach()

execute_process(COMMAND date -u -R -d @${epoch} OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
file(GLOB documents ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*)
foreach(directory IN LISTS documents)
  file(WRITE ${directory}/changelog.Debian
       "leadline (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
       "  * Packages of Leadline ${CPACK_PACKAGE_VERSION}.\n\n"
       " -- ${CPACK_DEBIAN_PACKAGE_MAINTAINER}  ${date}\n")
  run(gzip -9nf ${directory}/changelog ${directory}/changelog.Debian)
  file(CHMOD ${directory}/changelog.Debian.gz PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endforeach()
run(find ${CPACK_TEMPORARY_DIRECTORY} -exec touch -h -d @${epoch} {} +)

# Writes OUT with the commit of SOURCE, and leaves it as it is where nothing has changed: who includes it is compiled again
# only then.   cmake -DSOURCE=DIR -DOUT=FILE -P version.cmake
set(commit "unknown")
find_package(Git QUIET)
if(Git_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit "${found}")
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#define SENESCHAL_COMMIT \"${commit}\"\n")

# Helpers that keep the top-level file a list of parts.

# With SENESCHAL_UNITY several files are compiled as one: a third of the time for a build from nothing. Files whose private names
# clash with a neighbour's stay alone.
set_source_files_properties(
  ${CMAKE_SOURCE_DIR}/lab/experiment_toml.cpp ${CMAKE_SOURCE_DIR}/lab/sim/checkers/steward_checkers.cpp
  ${CMAKE_SOURCE_DIR}/tools/seneschal/sim.cpp
  PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
# ThreadSanitizer turns each access to a digit into a call: powers that take ten times as long, and then servers whose timers
# suspect each other. This file has no state that threads could share, so it is left alone there (and only there).
if("thread" IN_LIST SENESCHAL_SANITIZE)
  set_source_files_properties(${CMAKE_SOURCE_DIR}/crypto/ifma/power.cpp
                              PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON COMPILE_OPTIONS -fno-sanitize=thread)
endif()
function(seneschal_unity target)
  get_target_property(type ${target} TYPE)
  if(SENESCHAL_UNITY AND NOT type STREQUAL "INTERFACE_LIBRARY")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(${target} PRIVATE -Wno-subobject-linkage)  # a unity file counts as a header to this warning
    endif()
  endif()
endfunction()

# seneschal_library(NAME [DIRS folder...] [DEPS part...] [LIBS target...]): one static library from all *.cpp of its
# folders (by default the folder of the same name). Files named plugin.cpp belong to the plugin, not to the library.
function(seneschal_library name)
  cmake_parse_arguments(ARG "" "" "DIRS;DEPS;LIBS" ${ARGN})
  if(NOT ARG_DIRS)
    set(ARG_DIRS ${name})
  endif()
  set(sources)
  foreach(dir ${ARG_DIRS})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${dir}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  list(FILTER sources EXCLUDE REGEX "/plugin\\.cpp$")
  set(target seneschal_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(${target} ${scope} seneschal_options ${ARG_LIBS})
  seneschal_unity(${target})
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${target} ${scope} seneschal_${dep})
  endforeach()
endfunction()

# seneschal_plugin(NAME): lib/lib<NAME>.so from <NAME>/plugin.cpp, loaded by the overlay daemon.
function(seneschal_plugin name)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${name}/plugin.cpp)
    add_library(${name} SHARED ${name}/plugin.cpp)
    target_link_libraries(${name} PRIVATE seneschal_${name} seneschal_accountability seneschal_options)
  endif()
endfunction()

# Plugins that only tests load: lib/libtest_<name>.so from each tests/plugins/<name>.c. In C, as anybody may write one.
function(seneschal_test_plugins)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/plugins/*.c)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_library(test_${name} MODULE ${source})
    target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR})
  endforeach()
endfunction()

# lib/libsteward_traitor.so: Byzantine servers for live red-team runs. Never installed, never named in a deployment file.
function(seneschal_traitor_plugin)
  add_library(steward_traitor MODULE tests/plugins/steward_traitor.cpp)
  target_link_libraries(steward_traitor PRIVATE seneschal_lab seneschal_options)
endfunction()

# One GoogleTest program per folder tests/<kind>/<part>/, named <kind>_<part>. It links the library of <part> (lab if there
# is none of that name). tests/integration/* get the paths of the programs and plugins as definitions.
function(seneschal_tests)
  seneschal_test_plugins()
  foreach(kind unit paper golden property sim integration)
    file(GLOB parts CONFIGURE_DEPENDS LIST_DIRECTORIES true ${CMAKE_SOURCE_DIR}/tests/${kind}/*)
    foreach(part_dir ${parts})
      get_filename_component(part ${part_dir} NAME)
      file(GLOB sources CONFIGURE_DEPENDS ${part_dir}/*.cpp)
      if(sources)
        set(target ${kind}_${part})
        add_executable(${target} ${sources})
        if(TARGET seneschal_${part})
          target_link_libraries(${target} PRIVATE seneschal_${part})
        else()
          target_link_libraries(${target} PRIVATE seneschal_lab)
        endif()
        target_link_libraries(${target} PRIVATE seneschal_options GTest::gmock GTest::gtest_main)
        target_compile_definitions(${target} PRIVATE SENESCHAL_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SENESCHAL_BINARY_DIR="${CMAKE_BINARY_DIR}")
        set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
        # Half the time of such a file is optimising what the file itself instantiates.
        target_compile_options(${target} PRIVATE -Og)
        if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
          target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)  # g++ 12 sees ghosts in variants
        endif()
        if(NOT target MATCHES "^(unit_crypto|sim_scenario)$")
          seneschal_unity(${target})
        endif()
        set(cost 0)
        if(kind MATCHES "^(property|sim)$")
          set(cost 1)  # the longest begin first, or one of them ends alone
        endif()
        gtest_discover_tests(${target} TEST_PREFIX "${kind}/${part}/" DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300 LABELS ${kind} COST ${cost})
        if(kind STREQUAL "integration")
          foreach(program seneschal steward steward_traitor bft test_echo test_wrong_version test_no_table)
            if(TARGET ${program})
              add_dependencies(${target} ${program})
            endif()
          endforeach()
        endif()
      endif()
    endforeach()
  endforeach()
endfunction()

# Configuring works without what only tests need, as on a machine with the packages of `tools/install-packages --for build`.
function(seneschal_configure_tests)
  set(without ${CMAKE_COMMAND} -S ${CMAKE_SOURCE_DIR} -G ${CMAKE_GENERATOR} -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
      -DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON)
  add_test(NAME configure/without-googletest COMMAND ${without} --fresh -B ${CMAKE_BINARY_DIR}/tests/without-googletest)
  set_tests_properties(configure/without-googletest PROPERTIES
    PASS_REGULAR_EXPRESSION "tests are left out.*Build files have been written" FAIL_REGULAR_EXPRESSION "CMake Error" LABELS unit)
  add_test(NAME configure/tests-asked-for-without-googletest
           COMMAND ${without} -DSENESCHAL_TESTS=ON --fresh -B ${CMAKE_BINARY_DIR}/tests/needs-googletest)
  set_tests_properties(configure/tests-asked-for-without-googletest PROPERTIES WILL_FAIL TRUE LABELS unit)
endfunction()

# What is installed works, and others can build against it. Not with sanitizers: a foreign program would need their runtime.
function(seneschal_install_test)
  if(NOT SENESCHAL_SANITIZE)
    add_test(NAME install/foreign-project COMMAND ${CMAKE_SOURCE_DIR}/tests/install/try ${CMAKE_BINARY_DIR})
    set_tests_properties(install/foreign-project PROPERTIES TIMEOUT 300 LABELS integration)
  endif()
endfunction()

# Each tests/fuzz/<name>.cpp is one libFuzzer program fuzz_<name>.
function(seneschal_fuzz_targets)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*.cpp)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(fuzz_${name} ${source})
    target_link_libraries(fuzz_${name} PRIVATE seneschal_lab seneschal_options)
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endforeach()
endfunction()

# Each tests/bench/<part>_bench.cpp is a program of that name, linked with the library of <part>; built only on request.
function(seneschal_benches)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/bench/*_bench.cpp)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "_bench$" "" part ${name})
    add_executable(${name} EXCLUDE_FROM_ALL ${source})
    target_link_libraries(${name} PRIVATE seneschal_${part} seneschal_options)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  endforeach()
endfunction()

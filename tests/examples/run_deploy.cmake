# cmake -DSOURCE= -DBUILD= -DINSTALL_FROM= -DARCHS= [-DMODE=] -D… -P: installs the package, builds examples/deploy against
# it and runs its script, from scratch.
if(EXISTS ${BUILD})
  execute_process(COMMAND chmod -R u+w ${BUILD})
endif()
file(REMOVE_RECURSE ${BUILD})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${INSTALL_FROM} --prefix ${BUILD}/prefix OUTPUT_QUIET
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD}/service -G ${GENERATOR}
                        -DCMAKE_PREFIX_PATH=${BUILD}/prefix -DCMAKE_CXX_COMPILER=${CXX_COMPILER}
                        -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD}/service COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${SOURCE}/deploy.sh ${BUILD}/prefix ${BUILD}/service/service ${BUILD}/work ${ARCHS} ${MODE}
                OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE status)
message("${output}${errors}")
if(NOT status EQUAL 0)
  message(FATAL_ERROR "deploy.sh: ${status}")
endif()
foreach(expected "0 compiled, 0 missing" "the program pins" "flashjit build fwd_" "deployed: ")
  if(NOT "${output}${errors}" MATCHES "${expected}")
    message(FATAL_ERROR "deploy.sh did not say '${expected}'")
  endif()
endforeach()
if(NOT MODE AND NOT output MATCHES "computed on")
  message(FATAL_ERROR "nothing was computed")
endif()

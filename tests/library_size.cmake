# The library that is shipped, stripped and with its kernel sources inside, stays small enough to be linked without
# a second thought: cmake -DLIBRARY=… -DSTRIP=… -DCOPY=… -DLIMIT=BYTES -P library_size.cmake
execute_process(COMMAND ${STRIP} -o ${COPY} ${LIBRARY} COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${COPY} bytes)
if(bytes GREATER LIMIT)
  message(FATAL_ERROR "${LIBRARY} has ${bytes} bytes stripped; the most is ${LIMIT}")
endif()
message(STATUS "${bytes} bytes stripped, at most ${LIMIT}")

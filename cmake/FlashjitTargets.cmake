# What every target of this project shares: warnings, sanitizers, include paths. Never inherited by consumers.

function(flashjit_private_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-unknown-pragmas
                         $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>  # GCC 12 misjudges std::string's operator+
                         $<$<BOOL:${FLASHJIT_WERROR}>:-Werror>)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/runtime
                                               ${PROJECT_SOURCE_DIR}/kernel_src)
  if(FLASHJIT_SANITIZE)
    # GCC's flow analysis sees uninitialised values in instrumented standard headers that are not there without. The
    # three checks that are left out double the time of the compiler; ASan stops at a null or wild pointer as well.
    target_compile_options(${target} PRIVATE -fsanitize=${FLASHJIT_SANITIZE} -fno-sanitize=null,object-size,vptr
                                             -fno-sanitize-recover=all -fno-omit-frame-pointer
                                             -Wno-maybe-uninitialized)
    target_link_options(${target} PRIVATE -fsanitize=${FLASHJIT_SANITIZE})
  endif()
endfunction()

# Writes ${out}, a source that defines flashjit::embedded_kernel_sources() with every device file in it.
function(flashjit_embed_kernel_sources out)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernel_src/*.h
       ${PROJECT_SOURCE_DIR}/kernel_src/*.cuh)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}/kernel_src -DOUT=${out} -P
            ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "Embedding kernel sources"
    VERBATIM)
endfunction()

# Writes ${out}, a source that defines flashjit::embedded_tuning_records(): what this project has measured.
function(flashjit_embed_tuning_records out)
  file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/autotune/records/*.json)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}/autotune/records -DOUT=${out}
            -DNAME=embedded_tuning_records -DSUFFIXES=.json -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "Embedding tuning records"
    VERBATIM)
endfunction()

# Finds the directories of cuda.h and nvrtc.h: declarations only, both libraries are opened at run time. A toolkit
# comes first, then the wheels that `./dev` puts into .deps/.
file(GLOB _wheel_dirs ${PROJECT_SOURCE_DIR}/.deps/*/nvidia/*/include ${PROJECT_SOURCE_DIR}/.deps/nvidia/*/include)
set(_hints $ENV{CUDA_HOME}/include $ENV{CUDA_PATH}/include /usr/local/cuda/include ${_wheel_dirs})
find_path(FLASHJIT_CUDA_H_DIR cuda.h HINTS ${_hints})
find_path(FLASHJIT_NVRTC_H_DIR nvrtc.h HINTS ${_hints})
if(NOT FLASHJIT_CUDA_H_DIR OR NOT FLASHJIT_NVRTC_H_DIR)
  message(FATAL_ERROR "cuda.h and nvrtc.h not found. Run ./dev setup, install a CUDA toolkit, or set CUDA_HOME.")
endif()

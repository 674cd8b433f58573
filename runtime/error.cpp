#include "flashjit/error.h"

namespace flashjit {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return "ok";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNotSupported:
      return "not_supported";
    case ErrorCode::kNoDriver:
      return "no_driver";
    case ErrorCode::kNoCompiler:
      return "no_compiler";
    case ErrorCode::kCompileFailed:
      return "compile_failed";
    case ErrorCode::kDriver:
      return "driver";
    case ErrorCode::kOffline:
      return "offline";
    case ErrorCode::kCapturing:
      return "capturing";
    case ErrorCode::kOutOfMemory:
      return "out_of_memory";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kData:
      return "data";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "unknown";
}

}  // namespace flashjit

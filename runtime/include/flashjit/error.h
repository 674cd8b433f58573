// The one exception type of the library.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "flashjit/export.h"

namespace flashjit {

enum class ErrorCode : int {
  kOk = 0,
  kInvalidArgument = 1,  // the message names the argument and the fix
  kNotSupported = 2,     // legal, but no kernel for it on this device
  kNoDriver = 3,         // libcuda cannot be opened or has no device
  kNoCompiler = 4,       // libnvrtc (or, emulated, the host compiler) cannot be opened
  kCompileFailed = 5,    // compile_log() and source_path() say why and where
  kDriver = 6,           // a Driver API call failed; the message carries its name and code
  kOffline = 7,          // strict offline mode and the variant is in no cache layer
  kCapturing = 8,        // the stream is capturing and the variant is not loaded
  kOutOfMemory = 9,
  kIo = 10,        // a file that the caller named cannot be read or written
  kData = 11,      // a file that the caller named does not hold what it should
  kInternal = 12,  // a bug in flashjit
};

// "invalid_argument", …; stable, for logs and the C ABI.
FLASHJIT_API const char* to_string(ErrorCode code);

class FLASHJIT_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  // The same error with what belongs to a variant's compilation.
  Error with_variant(std::string variant) && {
    variant_ = std::move(variant);
    return std::move(*this);
  }
  Error with_compile_log(std::string log, std::string source_path) && {
    compile_log_ = std::move(log);
    source_path_ = std::move(source_path);
    return std::move(*this);
  }

  ErrorCode code() const { return code_; }
  const std::string& variant() const { return variant_; }  // "" when no variant is concerned
  const std::string& compile_log() const { return compile_log_; }  // "" unless kCompileFailed
  const std::string& source_path() const {
    return source_path_;
  }  // where the failing source was saved, or ""

 private:
  ErrorCode code_;
  std::string variant_, compile_log_, source_path_;
};

}  // namespace flashjit

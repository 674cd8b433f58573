// A library opened with dlopen, closed with the last reference.
#pragma once

#include <string>
#include <vector>

#include "flashjit/error.h"

namespace flashjit {

class SharedLibrary {
 public:
  // Opens the first of `candidates` that can be opened. Throws Error(code) with what dlopen said of
  // each and `advice`, the sentence that says what to install.
  SharedLibrary(const std::vector<std::string>& candidates,
                ErrorCode code,
                const std::string& advice);
  ~SharedLibrary();
  SharedLibrary(SharedLibrary&& other) noexcept;
  SharedLibrary& operator=(SharedLibrary&& other) noexcept;

  // The name or path under which it was opened, and the file that it turned out to be.
  const std::string& name() const { return name_; }
  std::string path() const;

  // The address of an exported function, or null.
  void* find(const char* symbol) const;

  // The same, typed; throws Error(code) naming the symbol when the library is too old to have it.
  template <typename Function>
  void load(const char* symbol, Function*& function) const {
    function = reinterpret_cast<Function*>(require(symbol));
  }

 private:
  void* require(const char* symbol) const;

  void* handle_ = nullptr;
  std::string name_;
  ErrorCode code_;
};

}  // namespace flashjit

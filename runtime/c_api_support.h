// What the files of the C ABI share: exceptions to status codes, structs in and out by their size.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

#include "flashjit/c_api.h"
#include "flashjit/runtime.h"

struct flashjit_runtime {
  flashjit::Runtime runtime;
};

namespace flashjit {

// Of the last call of this thread that failed.
struct LastError {
  std::string message, variant, log, source;
};
LastError& last_error();

// Sets the last error. Never throws: out of memory, the message stays empty.
flashjit_status fail(ErrorCode code, std::string_view message) noexcept;

template <typename Body>
flashjit_status guarded(Body body) noexcept {
  try {
    body();
    return FLASHJIT_OK;
  } catch (const Error& error) {
    const flashjit_status status = fail(error.code(), error.what());
    try {
      last_error().variant = error.variant();
      last_error().log = error.compile_log();
      last_error().source = error.source_path();
    } catch (...) {
    }
    return status;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kOutOfMemory, "out of host memory");
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, error.what());
  } catch (...) {
    return fail(ErrorCode::kInternal, "unknown exception");
  }
}

template <typename... T>
[[noreturn]] void invalid(fmt::format_string<T...> format, T&&... values) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format(format, std::forward<T>(values)...));
}

template <typename T>
T& not_null(T* pointer, const char* name) {
  if (pointer == nullptr) invalid("{} is NULL", name);
  return *pointer;
}

// A struct from the caller, whose version may be older (the rest is 0) or newer (the rest must be).
template <typename T>
T read_struct(const T* from, const char* name) {
  const std::size_t size = not_null(from, name).struct_size;
  if (size < sizeof(size) || size > 1 << 16)
    invalid("{0}->struct_size is {1}; set it to sizeof(*{0})", name, size);
  T value{};
  std::memcpy(&value, from, std::min(size, sizeof(T)));
  const char* bytes = reinterpret_cast<const char*>(from);
  if (size > sizeof(T) &&
      std::any_of(bytes + sizeof(T), bytes + size, [](char c) { return c != 0; }))
    invalid("{} sets a field that this version of flashjit ({}) does not know", name, version());
  return value;
}

// A struct to the caller: as much of it as his version has.
template <typename T>
void write_struct(T value, T* to, const char* name) {
  const std::size_t size = not_null(to, name).struct_size;
  if (size < sizeof(size)) invalid("{0}->struct_size is {1}; set it to sizeof(*{0})", name, size);
  value.struct_size = size;
  std::memcpy(to, &value, std::min(size, sizeof(T)));
}

// Throws Error(kInvalidArgument).
AttentionArgs to_args(const flashjit_attention* attention);

}  // namespace flashjit

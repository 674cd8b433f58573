// Reads one JSON object that somebody else wrote: every member has a type and a range, unknown
// members are refused, and each complaint is an Error(kData) that says where.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace flashjit {

// The parsed text; `where` is what messages begin with, e.g. "workload.jsonl:7".
nlohmann::json parse_json(std::string_view text, const std::string& where);

// Members that are read with a default may be missing. Keeps a reference to the object.
class JsonReader {
 public:
  JsonReader(const nlohmann::json& object, std::string where);

  std::string text(const char* name);
  std::string text(const char* name, std::string default_value);
  std::uint64_t number(const char* name, std::uint64_t max);
  int count(const char* name, int max, std::optional<int> default_value = std::nullopt);
  int integer(const char* name);
  double real(const char* name);
  bool boolean(const char* name);
  bool boolean(const char* name, bool default_value);
  const nlohmann::json& array(const char* name);
  const nlohmann::json& object(const char* name);
  // Whether there is such a member; then it is none that nobody asked for.
  bool has(const char* name) { return find(name) != nullptr; }

  // Call last: throws for a member that nobody asked for.
  void reject_others() const;
  [[noreturn]] void fail(const std::string& what) const;

 private:
  const nlohmann::json* find(const char* name);
  const nlohmann::json& require(const char* name);

  const nlohmann::json& object_;
  std::string where_;
  std::set<std::string> seen_;
};

}  // namespace flashjit

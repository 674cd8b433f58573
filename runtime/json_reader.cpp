#include "json_reader.h"

#include <utility>

#include "flashjit/error.h"

namespace flashjit {
namespace {

// A value as it may stand in a message: short, whatever the file holds.
std::string shown(const nlohmann::json& value) {
  const std::string text =
      value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 60);
  return text.size() < 60 ? text : text + "…";
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw Error(ErrorCode::kData,
                where + ": not JSON (at byte " + std::to_string(error.byte) + ")");
  } catch (const nlohmann::json::out_of_range&) {
    throw Error(ErrorCode::kData, where + ": a number in it is too large");
  }
}

JsonReader::JsonReader(const nlohmann::json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object()) fail("expected an object, got " + shown(object));
}

void JsonReader::fail(const std::string& what) const {
  throw Error(ErrorCode::kData, where_ + ": " + what);
}

const nlohmann::json* JsonReader::find(const char* name) {
  seen_.insert(name);
  const auto it = object_.find(name);
  return it == object_.end() ? nullptr : &*it;
}

const nlohmann::json& JsonReader::require(const char* name) {
  const nlohmann::json* value = find(name);
  if (!value) fail(std::string("member '") + name + "' is missing");
  return *value;
}

std::string JsonReader::text(const char* name) {
  const nlohmann::json& value = require(name);
  if (!value.is_string()) fail(std::string("'") + name + "' is not text: " + shown(value));
  return value.get<std::string>();
}

std::string JsonReader::text(const char* name, std::string default_value) {
  return find(name) ? text(name) : std::move(default_value);
}

std::uint64_t JsonReader::number(const char* name, std::uint64_t max) {
  const nlohmann::json& value = require(name);
  // A number with a fraction or a sign has another JSON type; get() would convert it silently.
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max) {
    fail(std::string("'") + name + "' is not a whole number from 0 to " + std::to_string(max) +
         ": " + shown(value));
  }
  return value.get<std::uint64_t>();
}

int JsonReader::count(const char* name, int max, std::optional<int> default_value) {
  if (default_value && !find(name)) return *default_value;
  return static_cast<int>(number(name, static_cast<std::uint64_t>(max)));
}

int JsonReader::integer(const char* name) {
  const nlohmann::json& value = require(name);
  // Each type of JSON number by its own comparison: a conversion would wrap.
  const bool fits = value.is_number_unsigned() ? std::in_range<int>(value.get<std::uint64_t>())
                                               : value.is_number_integer() &&
                                                     std::in_range<int>(value.get<std::int64_t>());
  if (!fits) fail(std::string("'") + name + "' is not a whole number: " + shown(value));
  return value.get<int>();
}

double JsonReader::real(const char* name) {
  const nlohmann::json& value = require(name);
  if (!value.is_number()) fail(std::string("'") + name + "' is not a number: " + shown(value));
  return value.get<double>();
}

bool JsonReader::boolean(const char* name) {
  const nlohmann::json& value = require(name);
  if (!value.is_boolean()) fail(std::string("'") + name + "' is not a boolean: " + shown(value));
  return value.get<bool>();
}

bool JsonReader::boolean(const char* name, bool default_value) {
  return has(name) ? boolean(name) : default_value;
}

const nlohmann::json& JsonReader::array(const char* name) {
  const nlohmann::json& value = require(name);
  if (!value.is_array()) fail(std::string("'") + name + "' is not an array: " + shown(value));
  return value;
}

const nlohmann::json& JsonReader::object(const char* name) {
  const nlohmann::json& value = require(name);
  if (!value.is_object()) fail(std::string("'") + name + "' is not an object: " + shown(value));
  return value;
}

void JsonReader::reject_others() const {
  for (const auto& [name, value] : object_.items()) {
    if (!seen_.contains(name)) fail("unknown member " + shown(name));
  }
}

}  // namespace flashjit

#include "bundle_manifest.h"

#include <limits>

#include "json_reader.h"
#include "sha256.h"

namespace flashjit {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const BundleFile& file) {
  return {{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}};
}

Json to_json(const BundleEntry& entry) {
  Json json = to_json(entry.file);
  json["variant"] = entry.variant;
  json["arch"] = entry.arch;
  json["compiler_build"] = entry.compiler_build;
  json["sources_digest"] = entry.sources_digest;
  return json;
}

// A name that cannot leave its folder: letters, digits, '-', '_' and inner dots.
bool is_plain_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return !name.empty() && name.size() <= 200 && name.front() != '.' &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_inside(std::string_view path, std::string_view folder, std::string_view suffix) {
  if (!path.starts_with(folder) || !path.ends_with(suffix)) return false;
  if (path.size() < folder.size() + suffix.size()) return false;
  return is_plain_name(path.substr(folder.size()));
}

BundleFile read_file_row(JsonReader& reader) {
  BundleFile file;
  file.path = reader.text("path");
  file.bytes = reader.number("bytes", std::numeric_limits<std::uint32_t>::max());
  file.sha256 = reader.text("sha256");
  if (!is_sha256_hex(file.sha256)) reader.fail("'sha256' is not 64 hexadecimal digits");
  return file;
}

BundleEntry read_entry_row(JsonReader& reader) {
  BundleEntry entry;
  entry.file = read_file_row(reader);
  const std::string& path = entry.file.path;
  if (!is_inside(path, "entries/", ".fjc") || !is_sha256_hex(path.substr(8, path.size() - 12))) {
    reader.fail("'path' is not entries/<key>.fjc");
  }
  entry.variant = reader.text("variant");
  entry.arch = reader.text("arch");
  entry.compiler_build = reader.text("compiler_build");
  entry.sources_digest = reader.text("sources_digest");
  return entry;
}

std::vector<std::string> read_texts(JsonReader& reader, const char* name) {
  std::vector<std::string> texts;
  for (const nlohmann::json& text : reader.array(name)) {
    if (!text.is_string()) reader.fail(std::string("'") + name + "' holds something but text");
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

// Applies `read` to each row; rows are strictly sorted by path.
template <typename Row, typename Read, typename PathOf>
std::vector<Row> read_rows(const nlohmann::json& array,
                           const std::string& where,
                           Read read,
                           PathOf path_of) {
  std::vector<Row> rows;
  for (const nlohmann::json& json : array) {
    JsonReader reader(json, where + "[" + std::to_string(rows.size()) + "]");
    Row row = read(reader);
    reader.reject_others();
    if (!rows.empty() && path_of(rows.back()) >= path_of(row)) {
      reader.fail("paths are not sorted, or one stands twice");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::string to_json(const BundleManifest& manifest) {
  Json json = {{"schema", kBundleSchema},
               {"flashjit_version", manifest.flashjit_version},
               {"compilers", manifest.compilers},
               {"archs", manifest.archs},
               {"minimum_driver", manifest.minimum_driver},
               {"provenance", manifest.provenance},
               {"entries", Json::array()},
               {"tuning", Json::array()}};
  for (const BundleEntry& entry : manifest.entries) json["entries"].push_back(to_json(entry));
  for (const BundleFile& file : manifest.tuning) json["tuning"].push_back(to_json(file));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

BundleManifest parse_manifest(std::string_view text, const std::string& where) {
  const nlohmann::json json = parse_json(text, where);
  JsonReader reader(json, where);
  const std::string schema = reader.text("schema");
  if (schema != kBundleSchema) {
    reader.fail("schema '" + schema.substr(0, 40) + "', this program reads '" + kBundleSchema +
                "'; export the bundle again with a matching version");
  }
  BundleManifest manifest;
  manifest.flashjit_version = reader.text("flashjit_version");
  manifest.compilers = read_texts(reader, "compilers");
  manifest.archs = read_texts(reader, "archs");
  manifest.minimum_driver = reader.count("minimum_driver", 1'000'000);
  manifest.provenance = reader.text("provenance");
  manifest.entries = read_rows<BundleEntry>(
      reader.array("entries"), where + ": entries", read_entry_row, [](const BundleEntry& entry) {
        return entry.file.path;
      });
  const auto read_tuning_row = [](JsonReader& row) {
    BundleFile file = read_file_row(row);
    if (!is_inside(file.path, "tuning/", ".json")) row.fail("'path' is not tuning/<name>.json");
    return file;
  };
  manifest.tuning = read_rows<BundleFile>(
      reader.array("tuning"), where + ": tuning", read_tuning_row, [](const BundleFile& file) {
        return file.path;
      });
  reader.reject_others();
  return manifest;
}

}  // namespace flashjit

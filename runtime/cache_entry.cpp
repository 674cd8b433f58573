#include "cache_entry.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "sha256.h"

namespace flashjit {
namespace {

constexpr std::string_view kMagic = "FJCENTRY";
constexpr std::size_t kHeaderBytes = 24;

template <typename T>
void append_number(std::vector<std::byte>& bytes, T number) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes.push_back(static_cast<std::byte>(number >> (8 * i)));
  }
}

template <typename T>
T read_number(std::span<const std::byte> bytes) {
  T number = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) number |= std::to_integer<T>(bytes[i]) << (8 * i);
  return number;
}

void append(std::vector<std::byte>& bytes, std::span<const std::byte> more) {
  std::copy(more.begin(), more.end(), std::back_inserter(bytes));
}

nlohmann::json to_json(const CacheEntry& entry) {
  const ResourceUse& use = entry.binary.resources;
  return {{"key", entry.key.text},
          {"variant", entry.variant},
          {"arch", entry.arch},
          {"compiler_build", entry.compiler_build},
          {"sources_digest", entry.sources_digest},
          {"compile_ms", std::isfinite(entry.binary.compile_ms) ? entry.binary.compile_ms : 0},
          {"log", entry.binary.log},
          {"resources",
           {{"registers", use.registers},
            {"spill_store_bytes", use.spill_store_bytes},
            {"spill_load_bytes", use.spill_load_bytes},
            {"stack_bytes", use.stack_bytes},
            {"static_smem_bytes", use.static_smem_bytes},
            {"dynamic_smem_bytes", use.dynamic_smem_bytes},
            {"threads", use.threads}}}};
}

// get<int>() would quietly convert a fraction, and a number that does not fit without definition.
int count(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = object.at(name);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<int>::max()) {
    throw Error(ErrorCode::kData, std::string(name) + " is not a count");
  }
  return value.get<int>();
}

// Throws nlohmann::json::exception or Error where a member is missing or not what it should be.
CacheEntry from_json(const nlohmann::json& json) {
  CacheEntry entry;
  json.at("key").get_to(entry.key.text);
  json.at("variant").get_to(entry.variant);
  json.at("arch").get_to(entry.arch);
  json.at("compiler_build").get_to(entry.compiler_build);
  json.at("sources_digest").get_to(entry.sources_digest);
  json.at("compile_ms").get_to(entry.binary.compile_ms);
  json.at("log").get_to(entry.binary.log);
  const nlohmann::json& resources = json.at("resources");
  ResourceUse& use = entry.binary.resources;
  use.registers = count(resources, "registers");
  use.spill_store_bytes = count(resources, "spill_store_bytes");
  use.spill_load_bytes = count(resources, "spill_load_bytes");
  use.stack_bytes = count(resources, "stack_bytes");
  use.static_smem_bytes = count(resources, "static_smem_bytes");
  use.dynamic_smem_bytes = count(resources, "dynamic_smem_bytes");
  use.threads = count(resources, "threads");
  entry.key.hex = sha256_hex(entry.key.text);
  return entry;
}

// The two lengths in the header, once everything up to the digest has been verified.
struct Layout {
  std::size_t metadata_bytes = 0, code_bytes = 0;
};

// What is wrong with the frame, or "" and its layout.
std::string check_frame(std::span<const std::byte> bytes, Layout& layout) {
  if (bytes.size() < kHeaderBytes + kSha256Bytes) {
    return "truncated: " + std::to_string(bytes.size()) + " bytes";
  }
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) return "not a cache entry";
  const auto version = read_number<std::uint32_t>(bytes.subspan(8));
  if (version != kEntryFormat) {
    return "format version " + std::to_string(version) + ", this program reads " +
           std::to_string(kEntryFormat);
  }
  const auto metadata_bytes = read_number<std::uint32_t>(bytes.subspan(12));
  const auto code_bytes = read_number<std::uint64_t>(bytes.subspan(16));
  const std::uint64_t payload = bytes.size() - kHeaderBytes - kSha256Bytes;
  // Ordered so that no sum can overflow.
  if (metadata_bytes > payload || code_bytes != payload - metadata_bytes) {
    return "truncated or extended: " + std::to_string(bytes.size()) + " bytes do not match the " +
           "lengths in its header";
  }
  const auto digest = sha256(bytes.first(bytes.size() - kSha256Bytes));
  if (!std::ranges::equal(digest, bytes.last(kSha256Bytes))) return "SHA-256 does not match";
  layout = {metadata_bytes, static_cast<std::size_t>(code_bytes)};
  return "";
}

}  // namespace

CacheKey make_cache_key(const VariantSource& source, const std::string& compiler_build) {
  std::string text = "format: " + std::to_string(kEntryFormat) + "\n";
  text += "variant: " + source.name + "\n";
  text += "variant_text_sha256: " + sha256_hex(source.text) + "\n";
  if (!source.wgmma_ops.empty()) {
    text += "wgmma_ops_sha256: " + sha256_hex(source.wgmma_ops) + "\n";
  }
  for (const std::string& option : source.options) text += "option: " + option + "\n";
  text += "sources_sha256: " + source.sources_digest + "\n";
  text += "compiler: " + compiler_build + "\n";
  std::string hex = sha256_hex(text);
  return {std::move(text), std::move(hex)};
}

std::vector<std::byte> encode_entry(const CacheEntry& entry) {
  // A compiler log may hold bytes that are not UTF-8; they become U+FFFD.
  const std::string metadata =
      to_json(entry).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::vector<std::byte> bytes;
  bytes.reserve(kHeaderBytes + metadata.size() + entry.binary.code.size() + kSha256Bytes);
  append(bytes, std::as_bytes(std::span(kMagic)));
  append_number(bytes, kEntryFormat);
  append_number(bytes, static_cast<std::uint32_t>(metadata.size()));
  append_number(bytes, static_cast<std::uint64_t>(entry.binary.code.size()));
  append(bytes, std::as_bytes(std::span(metadata)));
  append(bytes, entry.binary.code);
  append(bytes, sha256(bytes));
  return bytes;
}

std::optional<CacheEntry> decode_entry(std::span<const std::byte> bytes, std::string& why) {
  Layout layout;
  why = check_frame(bytes, layout);
  if (!why.empty()) return std::nullopt;
  const auto metadata = bytes.subspan(kHeaderBytes, layout.metadata_bytes);
  const auto code = bytes.subspan(kHeaderBytes + layout.metadata_bytes, layout.code_bytes);
  try {
    const auto* begin = reinterpret_cast<const char*>(metadata.data());
    CacheEntry entry = from_json(nlohmann::json::parse(begin, begin + metadata.size()));
    if (code.empty()) {
      why = "it holds no code";
      return std::nullopt;
    }
    entry.binary.code.assign(code.begin(), code.end());
    return entry;
  } catch (const std::exception& error) {
    why = std::string("bad metadata: ") + error.what();
    return std::nullopt;
  }
}

}  // namespace flashjit

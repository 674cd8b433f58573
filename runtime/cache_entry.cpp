#include "cache_entry.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "json_reader.h"
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

// Throws Error(kData) where a member is missing or not what it should be.
CacheEntry parse_metadata(std::string_view text) {
  const nlohmann::json json = parse_json(text, "metadata");
  JsonReader reader(json, "metadata");
  CacheEntry entry;
  entry.key.text = reader.text("key");
  entry.key.hex = sha256_hex(entry.key.text);
  entry.variant = reader.text("variant");
  entry.arch = reader.text("arch");
  entry.compiler_build = reader.text("compiler_build");
  entry.sources_digest = reader.text("sources_digest");
  entry.binary.compile_ms = reader.real("compile_ms");
  entry.binary.log = reader.text("log");
  JsonReader resources(reader.object("resources"), "metadata: resources");
  constexpr int kMax = std::numeric_limits<int>::max();
  entry.binary.resources = {.registers = resources.count("registers", kMax),
                            .spill_store_bytes = resources.count("spill_store_bytes", kMax),
                            .spill_load_bytes = resources.count("spill_load_bytes", kMax),
                            .stack_bytes = resources.count("stack_bytes", kMax),
                            .static_smem_bytes = resources.count("static_smem_bytes", kMax),
                            .dynamic_smem_bytes = resources.count("dynamic_smem_bytes", kMax),
                            .threads = resources.count("threads", kMax)};
  resources.reject_others();
  reader.reject_others();
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
    CacheEntry entry = parse_metadata({begin, metadata.size()});
    if (code.empty()) {
      why = "it holds no code";
      return std::nullopt;
    }
    entry.binary.code.assign(code.begin(), code.end());
    return entry;
  } catch (const Error& error) {
    why = error.what();
    return std::nullopt;
  }
}

}  // namespace flashjit

#include "runtime/cache_entry.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "runtime/sha256.h"
#include "support/cache_samples.h"
#include "support/catch.h"

using namespace flashjit;
using test::sample_entry;

namespace {

// Replaces the trailing digest by the right one, so that only what stands before it is wrong.
std::vector<std::byte> reseal(std::vector<std::byte> bytes) {
  bytes.resize(bytes.size() - kSha256Bytes);
  const auto digest = sha256(bytes);
  bytes.insert(bytes.end(), digest.begin(), digest.end());
  return bytes;
}

std::vector<std::byte> with_metadata(const std::string& metadata, const std::string& code) {
  std::vector<std::byte> bytes(24);
  const std::vector<std::byte> sample = encode_entry(sample_entry());
  std::copy_n(sample.begin(), 12, bytes.begin());
  for (int i = 0; i < 4; ++i) bytes[12 + i] = static_cast<std::byte>(metadata.size() >> (8 * i));
  for (int i = 0; i < 4; ++i) bytes[16 + i] = static_cast<std::byte>(code.size() >> (8 * i));
  for (const char c : metadata + code) bytes.push_back(static_cast<std::byte>(c));
  bytes.resize(bytes.size() + kSha256Bytes);
  return reseal(bytes);
}

std::string why_bad(std::span<const std::byte> bytes) {
  std::string why;
  const auto entry = decode_entry(bytes, why);
  CHECK_FALSE(entry.has_value());
  CHECK_FALSE(why.empty());
  return why;
}

}  // namespace

TEST_CASE("an entry survives the round trip") {
  const CacheEntry entry = sample_entry(3, 1000);
  std::string why;
  const auto decoded = decode_entry(encode_entry(entry), why);
  REQUIRE(decoded.has_value());
  CHECK(why.empty());
  CHECK(decoded->key == entry.key);
  CHECK(decoded->variant == entry.variant);
  CHECK(decoded->arch == entry.arch);
  CHECK(decoded->compiler_build == entry.compiler_build);
  CHECK(decoded->sources_digest == entry.sources_digest);
  CHECK(decoded->binary.code == entry.binary.code);
  CHECK(decoded->binary.log == entry.binary.log);
  CHECK(decoded->binary.compile_ms == entry.binary.compile_ms);
  const ResourceUse &a = decoded->binary.resources, &b = entry.binary.resources;
  CHECK(a.registers == b.registers);
  CHECK(a.spill_store_bytes == b.spill_store_bytes);
  CHECK(a.spill_load_bytes == b.spill_load_bytes);
  CHECK(a.stack_bytes == b.stack_bytes);
  CHECK(a.static_smem_bytes == b.static_smem_bytes);
  CHECK(a.dynamic_smem_bytes == b.dynamic_smem_bytes);
  CHECK(a.threads == b.threads);
}

TEST_CASE("equal entries have equal bytes") {
  CHECK(encode_entry(sample_entry(1)) == encode_entry(sample_entry(1)));
  CHECK(encode_entry(sample_entry(1)) != encode_entry(sample_entry(2)));
}

TEST_CASE("every flipped byte and every truncation is detected") {
  const std::vector<std::byte> good = encode_entry(sample_entry());
  std::string why;
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::vector<std::byte> bad = good;
    for (const int flip : {0x01, 0x80, 0xff}) {
      bad[i] = good[i] ^ static_cast<std::byte>(flip);
      if (decode_entry(bad, why)) FAIL("byte " << i << " flipped by " << flip << " passes");
    }
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    if (decode_entry(std::span(good).first(size), why)) FAIL(size << " bytes pass");
  }
  std::vector<std::byte> longer = good;
  longer.push_back(std::byte{0});
  CHECK_FALSE(decode_entry(longer, why));
}

TEST_CASE("the reason says what is wrong") {
  std::vector<std::byte> bytes = encode_entry(sample_entry());
  CHECK_THAT(why_bad({}), ContainsSubstring("truncated: 0 bytes"));
  CHECK_THAT(why_bad(std::span(bytes).first(bytes.size() - 1)), ContainsSubstring("lengths"));
  bytes[30] ^= std::byte{1};
  CHECK_THAT(why_bad(bytes), ContainsSubstring("SHA-256"));
  bytes[8] = std::byte{2};
  CHECK_THAT(why_bad(reseal(bytes)), ContainsSubstring("format version 2"));
  bytes[0] = std::byte{'X'};
  CHECK_THAT(why_bad(reseal(bytes)), ContainsSubstring("not a cache entry"));
}

TEST_CASE("a sealed entry with wrong lengths or metadata is still refused") {
  std::vector<std::byte> bytes = encode_entry(sample_entry());
  SECTION("a metadata length beyond the file") { bytes[15] = std::byte{0xff}; }
  SECTION("a code length that overflows a sum") {
    for (int i = 16; i < 24; ++i) bytes[i] = std::byte{0xff};
  }
  CHECK_THAT(why_bad(reseal(bytes)), ContainsSubstring("lengths") || ContainsSubstring("metadata"));

  const std::string good = [] {
    const auto sample = encode_entry(sample_entry());
    const auto size =
        std::to_integer<std::size_t>(sample[12]) | std::to_integer<std::size_t>(sample[13]) << 8;
    return std::string(reinterpret_cast<const char*>(sample.data()) + 24, size);
  }();
  std::string why;
  REQUIRE(decode_entry(with_metadata(good, "code"), why));  // the builder of this test is right
  CHECK_THAT(why_bad(with_metadata(good, "")), ContainsSubstring("no code"));
  CHECK_THAT(why_bad(with_metadata("{", "code")), ContainsSubstring("metadata"));
  CHECK_THAT(why_bad(with_metadata("[]", "code")), ContainsSubstring("metadata"));
  CHECK_THAT(why_bad(with_metadata(std::string(100'000, '['), "code")),
             ContainsSubstring("metadata"));
  for (const char* member : {"key",
                             "variant",
                             "arch",
                             "compiler_build",
                             "sources_digest",
                             "compile_ms",
                             "log",
                             "resources"}) {
    CAPTURE(member);
    nlohmann::json json = nlohmann::json::parse(good);
    json[member] = nullptr;
    CHECK_THAT(why_bad(with_metadata(json.dump(), "code")), ContainsSubstring("metadata"));
    json["added"] = 1;
    CHECK_THAT(why_bad(with_metadata(json.dump(), "code")), ContainsSubstring("metadata"));
    json.erase("added");
    json.erase(member);
    CHECK_THAT(why_bad(with_metadata(json.dump(), "code")), ContainsSubstring("metadata"));
  }
  for (const nlohmann::json& wrong : {nlohmann::json(-1),
                                      nlohmann::json(1e300),
                                      nlohmann::json(1ull << 40),
                                      nlohmann::json("8")}) {
    nlohmann::json json = nlohmann::json::parse(good);
    json["resources"]["registers"] = wrong;
    CHECK_THAT(why_bad(with_metadata(json.dump(), "code")), ContainsSubstring("registers"));
  }
}

TEST_CASE("a log that is not UTF-8 and a time that is not finite do not spoil an entry") {
  CacheEntry entry = sample_entry();
  entry.binary.log = "ptxas \xff\xfe";
  entry.binary.compile_ms = std::numeric_limits<double>::quiet_NaN();
  std::string why;
  const auto decoded = decode_entry(encode_entry(entry), why);
  REQUIRE(decoded.has_value());
  CHECK_THAT(decoded->binary.log, ContainsSubstring("ptxas"));
  CHECK(decoded->binary.compile_ms == 0);
}

TEST_CASE("the key changes with everything that decides the code, and with nothing else") {
  VariantSource source;
  source.name = "fwd_x";
  source.text = "text";
  source.wgmma_ops = "ops";
  source.options = {"-a", "-b"};
  source.sources_digest = "digest";
  const CacheKey key = make_cache_key(source, "nvrtc 13.0.48");
  CHECK(key == make_cache_key(source, "nvrtc 13.0.48"));
  CHECK(key.hex == sha256_hex(key.text));
  CHECK(key.text.find('/') == std::string::npos);

  std::vector<CacheKey> others{make_cache_key(source, "nvrtc 13.0.88")};
  const auto change = [&](auto edit) {
    VariantSource changed = source;
    edit(changed);
    others.push_back(make_cache_key(changed, "nvrtc 13.0.48"));
  };
  change([](VariantSource& s) { s.name = "fwd_y"; });
  change([](VariantSource& s) { s.text = "texts"; });
  change([](VariantSource& s) { s.wgmma_ops = ""; });
  change([](VariantSource& s) { s.options = {"-a"}; });
  change([](VariantSource& s) { s.options = {"-b", "-a"}; });
  change([](VariantSource& s) { s.sources_digest = "other"; });
  for (const CacheKey& other : others) CHECK(other.hex != key.hex);
}

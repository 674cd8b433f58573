// The parsers that read what others wrote, each as a function of bytes that must not crash and must
// keep its promises; they abort when a promise breaks. Called by the libFuzzer programs of this
// folder and, on the kept corpus, by tests/runtime/fuzz_corpus_test.cpp.
#pragma once

#include <cstddef>
#include <span>

namespace flashjit::test {

void fuzz_cache_entry(std::span<const std::byte> bytes);
void fuzz_bundle_manifest(std::span<const std::byte> bytes);
void fuzz_workload(std::span<const std::byte> bytes);

}  // namespace flashjit::test

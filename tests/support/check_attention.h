// Runs one case on any backend and judges everything that the contract promises about it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "flashjit/runtime.h"
#include "support/attention_case.h"
#include "support/tolerance.h"

namespace flashjit::test {

// Where the tensors of a backend live, and how it is called.
class TestDevice {
 public:
  virtual ~TestDevice() = default;
  // Memory that holds a copy of `bytes`, at the same offset from a 64-byte boundary; valid until
  // release(). A device without memory of its own returns bytes.data().
  virtual std::byte* upload(std::span<std::byte> bytes) = 0;
  virtual void download(const std::byte* from, std::span<std::byte> bytes) = 0;
  virtual void release() = 0;
  // Returns when the results are there.
  virtual void forward(const AttentionArgs& args) = 0;
};

// Host memory, and anything that computes attention on it.
class HostDevice : public TestDevice {
 public:
  using Forward = std::function<void(const AttentionArgs&)>;
  explicit HostDevice(Forward forward) : forward_(std::move(forward)) {}
  std::byte* upload(std::span<std::byte> bytes) override { return bytes.data(); }
  void download(const std::byte*, std::span<std::byte>) override {}
  void release() override {}
  void forward(const AttentionArgs& args) override { forward_(args); }

 private:
  Forward forward_;
};

// A case with its inputs and what the oracle says of them; many backends can be held against one.
struct SolvedCase {
  AttentionCase test_case;
  CaseInputs inputs;
  OracleResult ref, low;
  std::string origin;                      // "FLASHJIT_TEST_SEED=…", for messages
  std::optional<std::uint64_t> seed = {};  // that the inputs were drawn from, if they were
};
SolvedCase solve(const AttentionCase& test_case, std::uint64_t seed);
// The same for inputs that the caller made (NaN, infinities).
SolvedCase solve(const AttentionCase& test_case, CaseInputs inputs);

// O and LSE against the oracle, guard bytes and gaps intact, inputs unchanged. The message of a
// failure names the case, the seed and the numbers. In fp32 `low` is no worse than what is judged,
// only another draw of the same rounding noise, so one case in a thousand breaks the rule by
// chance: such a case fails if it breaks it three times, with new inputs each time.
Verdict check_attention(TestDevice& device, const SolvedCase& solved);
inline Verdict check_attention(TestDevice& device, const AttentionCase& c, std::uint64_t seed) {
  return check_attention(device, solve(c, seed));
}
inline Verdict check_attention(TestDevice& device, const AttentionCase& c, CaseInputs inputs) {
  return check_attention(device, solve(c, std::move(inputs)));
}

Dtype dtype_of(Scalar scalar);
TensorView view_of(HostTensor& tensor);

// The call of a case, with `lse` used only if the case wants one.
AttentionArgs make_args(const AttentionCase& test_case,
                        HostTensor& q,
                        HostTensor& k,
                        HostTensor& v,
                        HostTensor& o,
                        float* lse);

}  // namespace flashjit::test

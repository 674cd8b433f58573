#include "selection_memo.h"

#include <bit>

#include "thread_memo.h"

namespace flashjit {
namespace {

// Layers of a model share a few shapes; 32 places for two of 200 bytes, for each thread that calls.
constexpr int kPlaceBits = 5;

struct Slot {
  std::uint64_t id = 0;  // 0: free
  ValidatedProblem call{};
  const Kernel* kernel = nullptr;
};

void add(Mixer& mixer, const Strides& stride) {
  mixer.add(static_cast<std::uint64_t>(stride.batch));
  mixer.add(static_cast<std::uint64_t>(stride.seq));
  mixer.add(static_cast<std::uint64_t>(stride.head));
}

std::uint64_t pack(int high, int low) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(high)) << 32 |
         static_cast<std::uint32_t>(low);
}

using Memo = ThreadMemo<Slot, kPlaceBits>;

Mixer hash_of(std::uint64_t id, const ValidatedProblem& call) {
  const auto& [problem, shape] = call;
  Mixer mixer;
  mixer.add(id);
  mixer.add(pack(
      static_cast<int>(problem.dtype) * 4 + static_cast<int>(problem.mask) * 2 + problem.return_lse,
      problem.head_dim_qk * 512 + problem.head_dim_v));
  mixer.add(pack(shape.seqlen_q, shape.seqlen_kv));
  mixer.add(pack(shape.num_heads_q, shape.num_heads_kv));
  mixer.add(pack(shape.batch, shape.diagonal));
  mixer.add(std::bit_cast<std::uint32_t>(shape.softmax_scale));
  add(mixer, shape.q_stride);
  add(mixer, shape.k_stride);
  add(mixer, shape.v_stride);
  add(mixer, shape.o_stride);
  return mixer;
}

}  // namespace

SelectionMemo::SelectionMemo() : id_(next_memo_id()) {}

const Kernel* SelectionMemo::find(const ValidatedProblem& call) const {
  const Slot* slot = Memo::find(hash_of(id_, call), [&](const Slot& candidate) {
    return candidate.id == id_ && candidate.call == call;
  });
  return slot != nullptr ? slot->kernel : nullptr;
}

void SelectionMemo::remember(const ValidatedProblem& call, const Kernel& kernel) const {
  Memo::put(hash_of(id_, call), {id_, call, &kernel});
}

}  // namespace flashjit

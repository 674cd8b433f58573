#include "cluster.h"

#include <cstring>
#include <map>

namespace flashjit::emu {
namespace {

thread_local Cluster* running = nullptr;

// `running` is the cluster until the end of a scope, however it is left.
class Running {
 public:
  explicit Running(Cluster* cluster) { running = cluster; }
  ~Running() { running = nullptr; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

int count(Dim3 dim) { return static_cast<int>(dim.x * dim.y * dim.z); }

int checked_threads(Dim3 block) {
  const int threads = count(block);
  if (threads <= 0 || threads % 32 || threads > 1024) {
    throw Failure("launch",
                  "a block of " + std::to_string(threads) +
                      " threads; the emulator runs multiples of 32 up to 1024");
  }
  return threads;
}

int checked_size(unsigned size, Dim3 grid) {
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    throw Failure("launch", "a cluster of " + std::to_string(size) + " CTAs");
  }
  if (grid.x % size != 0) {
    throw Failure("launch",
                  "a grid of " + std::to_string(grid.x) + " CTAs along x in clusters of " +
                      std::to_string(size));
  }
  return static_cast<int>(size);
}

}  // namespace

Device& current() { return *running; }

bool is_running() { return running != nullptr && running->context().scheduler.in_thread(); }

void fail_fault(const char* kind, const char* message) {
  Context& context = running->context();
  context.fail(kind,
               std::string(message) + ", somewhere after the place where the thread last waited",
               context.scheduler.current().wait_loc);
}

Cluster::Cluster(Dim3 grid,
                 Dim3 block,
                 unsigned size,
                 u32 smem_bytes,
                 const Options& options,
                 GlobalStores& stores)
    : grid_(grid),
      block_(block),
      context_(checked_size(size, grid), checked_threads(block), smem_bytes, options),
      collectives_(context_),
      matrix_(context_, collectives_),
      named_(context_),
      barrier_(context_),
      mbarriers_(context_),
      cp_async_(context_),
      tma_(context_, mbarriers_, stores),
      remote_stores_(context_, mbarriers_),
      wgmma_(context_, collectives_),
      registers_(context_, collectives_) {}

void Cluster::reset() {
  context_.reset();
  collectives_.reset();
  matrix_.reset();
  named_.reset();
  barrier_.reset();
  mbarriers_.reset();
  cp_async_.reset();
  tma_.reset();
  remote_stores_.reset();
  wgmma_.reset();
  registers_.reset();
}

void Cluster::run(Dim3 block_idx, const std::function<void()>& kernel) {
  block_idx_ = block_idx;
  reset();
  const unsigned index = block_idx.x + grid_.x * (block_idx.y + grid_.y * block_idx.z);
  const u64 seed = context_.options.seed * 0x9E3779B97F4A7C15ull + index;
  tma_.begin_ctas(index);
  const auto body = [&] {
    kernel();
    barrier_.leave();
  };
  const Running now(this);
  try {
    context_.scheduler.run(seed, context_.options.max_steps, body, [this] { return who_waits(); });
    cp_async_.check_finished();
    tma_.check_finished();
    wgmma_.check_finished();
  } catch (const Failure& failure) {
    throw Failure(failure.kind(), failure.what() + ("\n  in " + name()));
  }
}

Dim3 Cluster::thread_idx() const {
  const Thread& thread = const_cast<Context&>(context_).scheduler.current();
  const auto tid = static_cast<unsigned>(thread.index_in_cta);
  return {tid % block_.x, tid / block_.x % block_.y, tid / block_.x / block_.y};
}

Dim3 Cluster::block_idx() const {
  return {block_idx_.x + cluster_rank(), block_idx_.y, block_idx_.z};
}

int Cluster::lane() const { return const_cast<Context&>(context_).lane(); }

u32 Cluster::cluster_rank() const { return static_cast<u32>(const_cast<Context&>(context_).cta()); }

u32 Cluster::map_shared(u32 addr, u32 rank, const Loc& loc) {
  context_.check_own(addr, loc);
  if (rank >= static_cast<u32>(context_.num_ctas())) {
    context_.fail("cluster",
                  "no CTA " + std::to_string(rank) + " in a cluster of " +
                      std::to_string(context_.num_ctas()),
                  loc);
  }
  return Context::with_rank(addr, static_cast<int>(rank));
}

void Cluster::load_shared(void* to, u32 addr, u32 bytes, const Loc& loc) {
  context_.order.prefetch(Context::offset_of(addr));
  const u8* from = context_.smem(addr, bytes, bytes, loc);
  context_.scheduler.preemption_point();
  context_.order.read(context_.tid(), Context::offset_of(addr), bytes, loc);
  std::memcpy(to, from, bytes);
}

void Cluster::store_shared(u32 addr, const void* from, u32 bytes, const Loc& loc) {
  context_.order.prefetch(Context::offset_of(addr));
  u8* to = context_.smem(addr, bytes, bytes, loc);
  context_.scheduler.preemption_point();
  context_.order.write(context_.tid(), Context::offset_of(addr), bytes, loc);
  std::memcpy(to, from, bytes);
}

std::string Cluster::name() const {
  const bool alone = context_.num_ctas() == 1;
  return (alone ? "" : "the cluster of " + std::to_string(context_.num_ctas()) + " CTAs from ") +
         std::string("CTA (") + std::to_string(block_idx_.x) + ", " + std::to_string(block_idx_.y) +
         ", " + std::to_string(block_idx_.z) + ") of the schedule with seed " +
         std::to_string(context_.options.seed);
}

// "    bar.sync 1 at mainloop.cuh:80  <- warp 0 (producer), warp 1 (3 lanes)"
std::string Cluster::who_waits() const {
  std::map<std::string, std::map<int, int>> lanes;  // where → warp → lanes
  for (const Thread& thread : const_cast<Context&>(context_).scheduler.threads()) {
    if (thread.state != Thread::kBlocked) continue;
    const bool on_address = std::strncmp(thread.wait_what, "mbarrier", 8) == 0;
    const std::string id = on_address ? context_.smem_name(Context::offset_of(thread.wait_id))
                                      : (thread.wait_id ? std::to_string(thread.wait_id) : "");
    ++lanes[std::string(thread.wait_what) + " " + id + " at " + where(thread.wait_loc)]
           [thread.warp];
  }
  std::string text;
  for (const auto& [what, warps] : lanes) {
    text += "    " + what + "  <-";
    for (const auto& [warp, n] : warps) {
      text +=
          " " + context_.warp_name(warp) + (n == 32 ? "," : " " + std::to_string(n) + " lanes,");
    }
    text.back() = '\n';
  }
  return text + mbarriers_.state() + named_.state() + barrier_.state() + registers_.state();
}

}  // namespace flashjit::emu

// One emulated cluster of CTAs, most often of one: the parts that make it, behind the interface
// that device code sees. One object runs many clusters, one after the other. Threads and warps are
// numbered through the cluster; what belongs to a CTA is in its part by rank.
#pragma once
#include <functional>

#include "barriers.h"
#include "collectives.h"
#include "context.h"
#include "cp_async.h"
#include "matrix.h"
#include "mbarriers.h"
#include "register_pool.h"
#include "remote_stores.h"
#include "tma.h"
#include "wgmma.h"

namespace flashjit::emu {

class Cluster final : public Device {
 public:
  // `size` CTAs along x; of a bad one throws Failure.
  Cluster(Dim3 grid,
          Dim3 block,
          unsigned size,
          u32 smem_bytes,
          const Options& options,
          GlobalStores& stores);
  // The CTAs from `block_idx` on. Throws Failure.
  void run(Dim3 block_idx, const std::function<void()>& kernel);
  const Stats& stats() const { return context_.stats; }
  Context& context() { return context_; }

  Dim3 thread_idx() const override;
  Dim3 block_idx() const override;
  Dim3 block_dim() const override { return block_; }
  Dim3 grid_dim() const override { return grid_; }
  int lane() const override;
  u64 clock() const override { return context_.scheduler.steps(); }

  u32 dynamic_smem() const override {
    return Context::with_rank(Context::kSmemBase, static_cast<int>(cluster_rank()));
  }
  void load_shared(void* to, u32 addr, u32 bytes, const Loc& loc) override;
  void store_shared(u32 addr, const void* from, u32 bytes, const Loc& loc) override;

  void syncwarp(u32 mask, const Loc& loc) override { collectives_.syncwarp(mask, loc); }
  u64 shuffle(u32 mask, u64 value, int source_lane, const Loc& loc) override {
    return collectives_.shuffle(mask, value, source_lane, loc);
  }
  u32 ballot(u32 mask, bool predicate, const Loc& loc) override {
    return collectives_.ballot(mask, predicate, loc);
  }
  void ldmatrix(u32* r, int count, bool trans, u32 addr, const Loc& loc) override {
    matrix_.load(r, count, trans, addr, loc);
  }
  void stmatrix(u32 addr, const u32* r, int count, bool trans, const Loc& loc) override {
    matrix_.store(addr, r, count, trans, loc);
  }
  void mma_m16n8k16(
      Dtype dtype, float* const (&d)[4], const u32* a, const u32 (&b)[2], const Loc& loc) override {
    matrix_.mma(dtype, d, a, b, loc);
  }

  void cp_async(u32 dst, const void* src, int bytes, int src_bytes, const Loc& loc) override {
    cp_async_.copy(dst, src, bytes, src_bytes, loc);
  }
  void cp_async_commit() override { cp_async_.commit(); }
  void cp_async_wait(int keep, const Loc& loc) override { cp_async_.wait(keep, loc); }

  void bar_sync(int id, int threads, const Loc& loc) override {
    named_.sync(id, threads, false, loc);
  }
  bool bar_red_or(int id, int threads, bool flag, const Loc& loc) override {
    return named_.sync(id, threads, flag, loc);
  }
  void bar_arrive(int id, int threads, const Loc& loc) override { named_.arrive(id, threads, loc); }
  void mbarrier_init(u32 bar, u32 count, const Loc& loc) override {
    mbarriers_.init(bar, count, loc);
  }
  void mbarrier_arrive(u32 bar, u32 expect_tx, const Loc& loc) override {
    mbarriers_.arrive(bar, expect_tx, loc);
  }
  bool mbarrier_try_wait(u32 bar, u32 parity, const Loc& loc) override {
    return mbarriers_.try_wait(bar, parity, loc);
  }
  void fence_proxy_async() override { context_.order.fence_proxy(context_.tid()); }

  void tma_load(
      u32 dst, const TensorMap* map, u32 bar, const int (&coords)[5], const Loc& loc) override {
    tma_.load(dst, map, bar, coords, loc);
  }
  void tma_load_multicast(u32 dst,
                          const TensorMap* map,
                          u32 bar,
                          const int (&coords)[5],
                          u32 ctas,
                          const Loc& loc) override {
    tma_.load_multicast(dst, map, bar, coords, ctas, loc);
  }
  void tma_store(const TensorMap* map, u32 src, const int (&coords)[5], const Loc& loc) override {
    tma_.store(map, src, coords, loc);
  }
  void bulk_commit(const Loc& loc) override { tma_.commit(loc); }
  void bulk_wait(int keep, const Loc& loc) override { tma_.wait(keep, loc); }

  u32 cluster_rank() const override;
  u32 map_shared(u32 addr, u32 rank, const Loc& loc) override;
  void mbarrier_arrive_cluster(u32 bar, const Loc& loc) override {
    mbarriers_.arrive_cluster(bar, loc);
  }
  void st_async(u32 addr, u32 value, u32 bar, const Loc& loc) override {
    remote_stores_.store(addr, value, bar, loc);
  }
  void cluster_sync(const Loc& loc) override { barrier_.sync(loc); }

  void wgmma(const WgmmaArgs& args, const Loc& loc) override { wgmma_.issue(args, loc); }
  void wgmma_fence(const Loc& loc) override { wgmma_.fence(loc); }
  void wgmma_commit(const Loc& loc) override { wgmma_.commit(loc); }
  void wgmma_wait(int keep, const Loc& loc) override { wgmma_.wait(keep, loc); }
  void setmaxnreg(bool increase, int regs, const Loc& loc) override {
    registers_.set(increase, regs, loc);
  }

  void preemption_point() override { context_.scheduler.preemption_point(); }
  [[noreturn]] void fail(const char* kind, const char* message, const Loc& loc) override {
    context_.fail(kind, message, loc);
  }

 private:
  void reset();
  std::string who_waits() const;
  std::string name() const;  // "CTA (3, 0, 1) of the schedule with seed 1"

  Dim3 grid_, block_, block_idx_;  // the last one of the first CTA
  Context context_;
  Collectives collectives_;
  Matrix matrix_;
  NamedBarriers named_;
  ClusterBarrier barrier_;
  MBarriers mbarriers_;
  CpAsync cp_async_;
  Tma tma_;
  RemoteStores remote_stores_;
  Wgmma wgmma_;
  RegisterPool registers_;
};

// Whether this OS thread is in a thread of a kernel, and the end of its launch for a fault of the
// processor, which the emulator does not see coming.
bool is_running();
[[noreturn]] void fail_fault(const char* kind, const char* message);

}  // namespace flashjit::emu

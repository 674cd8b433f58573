// What device code on the emulator may ask of the CTA that it runs in. The ptx layer (include/ptx)
// and cuda_builtins.h are thin wrappers over it, so that a kernel compiles against this header
// alone and everything that needs a library lives behind the virtual functions (core/cluster.cpp).
// Every operation takes the source location of the call in the kernel: reports name it.
#pragma once
#include <source_location>

#include "types.h"

namespace flashjit::emu {

using Loc = std::source_location;

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

// One warpgroup matrix multiply as one thread sees it.
struct WgmmaArgs {
  Dtype dtype;
  bool trans_b;  // B is MN-major
  float* d;      // this thread's accumulators
  int num_d;     // N / 2
  const u32* a;  // four registers, or null: A comes from shared memory
  u64 desc_a;    // used when a is null
  u64 desc_b;
  bool accumulate;  // scale-d
};

class Device {
 public:
  // ---- special registers
  virtual Dim3 thread_idx() const = 0;
  virtual Dim3 block_idx() const = 0;
  virtual Dim3 block_dim() const = 0;
  virtual Dim3 grid_dim() const = 0;
  virtual int lane() const = 0;
  virtual u64 clock() const = 0;  // steps of this cluster so far

  // ---- shared memory; addresses are those of the kernel
  virtual u32 dynamic_smem() const = 0;
  virtual void load_shared(void* to, u32 addr, u32 bytes, const Loc& loc) = 0;
  virtual void store_shared(u32 addr, const void* from, u32 bytes, const Loc& loc) = 0;

  // ---- warp collectives
  virtual void syncwarp(u32 mask, const Loc& loc) = 0;
  virtual u64 shuffle(u32 mask, u64 value, int source_lane, const Loc& loc) = 0;
  virtual u32 ballot(u32 mask, bool predicate, const Loc& loc) = 0;
  // r has one element for each of the `count` matrices.
  virtual void ldmatrix(u32* r, int count, bool trans, u32 addr, const Loc& loc) = 0;
  virtual void stmatrix(u32 addr, const u32* r, int count, bool trans, const Loc& loc) = 0;
  virtual void mma_m16n8k16(
      Dtype dtype, float* const (&d)[4], const u32* a, const u32 (&b)[2], const Loc& loc) = 0;

  // ---- asynchronous copies of a thread
  virtual void cp_async(u32 dst, const void* src, int bytes, int src_bytes, const Loc& loc) = 0;
  virtual void cp_async_commit() = 0;
  virtual void cp_async_wait(int keep, const Loc& loc) = 0;

  // ---- barriers
  virtual void bar_sync(int id, int threads, const Loc& loc) = 0;
  virtual bool bar_red_or(int id, int threads, bool flag, const Loc& loc) = 0;
  virtual void bar_arrive(int id, int threads, const Loc& loc) = 0;
  virtual void mbarrier_init(u32 bar, u32 count, const Loc& loc) = 0;
  virtual void mbarrier_arrive(u32 bar, u32 expect_tx, const Loc& loc) = 0;
  virtual bool mbarrier_try_wait(u32 bar, u32 parity, const Loc& loc) = 0;
  virtual void fence_proxy_async() = 0;

  // ---- bulk tensor copies; `coords` has five elements, innermost first
  virtual void tma_load(
      u32 dst, const TensorMap* map, u32 bar, const int (&coords)[5], const Loc& loc) = 0;
  virtual void tma_load_multicast(
      u32 dst, const TensorMap* map, u32 bar, const int (&coords)[5], u32 ctas, const Loc& loc) = 0;
  virtual void tma_store(const TensorMap* map, u32 src, const int (&coords)[5], const Loc& loc) = 0;
  virtual void bulk_commit(const Loc& loc) = 0;
  virtual void bulk_wait(int keep, const Loc& loc) = 0;

  // ---- cluster
  virtual u32 cluster_rank() const = 0;
  virtual u32 map_shared(u32 addr, u32 rank, const Loc& loc) = 0;
  virtual void mbarrier_arrive_cluster(u32 bar, const Loc& loc) = 0;
  virtual void st_async(u32 addr, u32 value, u32 bar, const Loc& loc) = 0;
  virtual void cluster_sync(const Loc& loc) = 0;

  // ---- warpgroup
  virtual void wgmma(const WgmmaArgs& args, const Loc& loc) = 0;
  virtual void wgmma_fence(const Loc& loc) = 0;
  virtual void wgmma_commit(const Loc& loc) = 0;
  virtual void wgmma_wait(int keep, const Loc& loc) = 0;
  virtual void setmaxnreg(bool increase, int regs, const Loc& loc) = 0;

  // A point where another thread may run; before every access of global memory that others see.
  virtual void preemption_point() = 0;
  // Ends the launch with a report.
  [[noreturn]] virtual void fail(const char* kind, const char* message, const Loc& loc) = 0;

 protected:
  ~Device() = default;
};

// The CTA whose fiber runs on this OS thread. Defined by the core; a variant that was compiled into
// a shared object of its own defines it over a pointer that it is given when it is loaded.
Device& current();

}  // namespace flashjit::emu

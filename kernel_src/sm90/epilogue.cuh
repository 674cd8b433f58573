// How a warpgroup's 64 rows of O leave the CTA: one policy for each Epilogue. O arrives normalised,
// in the accumulator layout of wgmma. begin_tile() is called while the next tile's first block is
// computed, finish() before the CTA ends.
//
// store() also carries a vote: whether a thread of those that store together has a row that must be
// written again (sm90/masked_values.cuh). If so, all of them call wait_stored() first, for the
// stores of one thread may still be on their way. Without a mask nobody votes.
#pragma once
#include "ptx/barrier.h"
#include "ptx/matrix.h"
#include "ptx/tma.h"
#include "sm90/smem_map.cuh"
#include "tile/elements.cuh"

namespace flashjit {

// What an epilogue needs to know of a tile.
struct OutputTile {
  int first_row, head, batch;  // first_row: of the warpgroup
  u32 q_stage;
};

template <KernelConfig kConfig>
struct EpilogueBase {
  using Smem = SmemMap<kConfig>;
  static constexpr Dtype kDtype = kConfig.problem.dtype;
  static constexpr int kHeadDim = kConfig.problem.head_dim_v;
  static constexpr int kPanels = num_panels(kHeadDim);
  static constexpr u32 kPanelBytes = Smem::kWarpgroupBytes;  // but the last one's
  static constexpr int kFirstNamedBarrier = 5;               // 1 … 4 are the ping-pong's

  const Sm90FwdParams& params;
  Smem smem;
  int warpgroup;
  int thread;  // in the warpgroup

  __device__ __forceinline__ void sync_warpgroup() const {
    ptx::bar_sync(kFirstNamedBarrier + warpgroup, 128);
  }

  // The same, with a vote.
  __device__ __forceinline__ bool sync_warpgroup(bool flag) const {
    if constexpr (kConfig.problem.mask == MaskKind::kNone) {
      sync_warpgroup();
      return false;
    } else {
      // The vote of the warp is for ptxas, which does not know that the barrier's answer is the
      // same in all lanes: without it the branch on it costs up to 4 R2UR in every step of the
      // mainloop.
      return __any_sync(0xffffffffu, ptx::bar_red_or(kFirstNamedBarrier + warpgroup, 128, flag));
    }
  }
  // Of the policies that store by TMA.
  __device__ __forceinline__ void wait_stored() const {
    if (thread == 0) ptx::bulk_wait<0>();
    sync_warpgroup();
  }

  // Writes panel `kPanel` of O to the 64 rows at `dst`, with the swizzle of its width.
  template <int kPanel, int kSize>
  __device__ __forceinline__ void stage_panel(u32 dst, const float (&o)[kSize]) const {
    constexpr int kRowBytes = panel_row_bytes(kHeadDim, kPanel);
    const int lane = thread % 32;
    const u32 row = dst + (thread / 32 * 16 + lane % 16) * kRowBytes;
    const u32 swizzle = lane % 8 * kRowBytes / kPanelRowBytes;
#pragma unroll
    for (int g = 0; g < kRowBytes / 32; ++g) {  // 16 columns
      // Columns past head_dim are never stored, but TMA reads them: any value will do.
      constexpr int kFirst = kPanel * kPanelColumns;
      const int i = kFirst + 16 * g < kHeadDim ? (kFirst + 16 * g) / 2 : 0;
      const int j = kFirst + 16 * g + 8 < kHeadDim ? i + 4 : i;
      const u32 chunk = u32(2 * g + lane / 16) ^ swizzle;
      ptx::stmatrix_x4(row + chunk * 16,
                       ptx::pack<kDtype>(o[i], o[i + 1]),
                       ptx::pack<kDtype>(o[i + 2], o[i + 3]),
                       ptx::pack<kDtype>(o[j], o[j + 1]),
                       ptx::pack<kDtype>(o[j + 2], o[j + 3]));
    }
  }

  __device__ __forceinline__ void store_panel(u32 src, int panel, const OutputTile& tile) const {
    constexpr bool kWhole = kHeadDim % kPanelColumns == 0;
    const bool narrow = has_narrow_panel(kHeadDim) && panel == kPanels - 1;
    ptx::tma_store_5d(narrow ? &params.o_tail : &params.o,
                      src,
                      kWhole ? 0 : panel * kPanelColumns,
                      tile.first_row,
                      kWhole ? panel : 0,
                      tile.head,
                      tile.batch);
  }
};

template <KernelConfig kConfig, Epilogue kKind>
struct Sm90Epilogue;

// Registers to global memory. A quad transposes 4 × 4 pairs so that a lane stores 16 bytes.
template <KernelConfig kConfig>
struct Sm90Epilogue<kConfig, Epilogue::kDirect> : EpilogueBase<kConfig> {
  using Base = EpilogueBase<kConfig>;

  __device__ __forceinline__ void begin_tile() {}
  __device__ __forceinline__ void finish() {}
  __device__ __forceinline__ void wait_stored() const { __syncwarp(); }

  template <int kSize>
  __device__ __forceinline__ bool store(const float (&o)[kSize],
                                        const OutputTile& tile,
                                        bool flag) {
    const FwdParams& fwd = this->params.fwd;
    const int lane = this->thread % 32;
    const int row = tile.first_row + this->thread / 32 * 16 + lane / 4;
    char* const gmem =
        row_address<Base::kDtype>(fwd.o, fwd.o_stride, tile.batch, row, tile.head) + lane % 4 * 16;
    const i64 eight_rows = fwd.o_stride.seq * 16;  // bytes
#pragma unroll
    for (int column = 0; column < Base::kHeadDim; column += 32) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        u32 pair[4];  // of 8-column block e
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int i = (column + 8 * e < Base::kHeadDim ? column + 8 * e : column) / 2 + 2 * r;
          pair[e] = ptx::pack<Base::kDtype>(o[i], o[i + 1]);
        }
        const U32x4 chunk = transpose_quad(pair, lane);
        if (row + 8 * r < fwd.seqlen_q && column + lane % 4 * 8 < Base::kHeadDim)
          *reinterpret_cast<U32x4*>(gmem + r * eight_rows + column * 2) = chunk;
      }
    }
    return kConfig.problem.mask != MaskKind::kNone && __any_sync(0xffffffffu, flag);
  }

  // Lane q of a quad holds pair q of four blocks; it leaves with the four pairs of block q.
  static __device__ __forceinline__ U32x4 transpose_quad(const u32 (&v)[4], int lane) {
    constexpr u32 kAll = 0xffffffffu;
    const bool odd = lane & 1, high = lane & 2;
    const u32 x = __shfl_xor_sync(kAll, odd ? v[0] : v[1], 1);
    const u32 y = __shfl_xor_sync(kAll, odd ? v[2] : v[3], 1);
    const u32 a[4] = {odd ? x : v[0], odd ? v[1] : x, odd ? y : v[2], odd ? v[3] : y};
    const u32 z = __shfl_xor_sync(kAll, high ? a[0] : a[2], 2);
    const u32 w = __shfl_xor_sync(kAll, high ? a[1] : a[3], 2);
    return {high ? z : a[0], high ? w : a[1], high ? a[2] : z, high ? a[3] : w};
  }
};

// Through this warpgroup's rows of the tile's Q buffer, each warp through its own, which it alone
// has read (covers_own_rows()). The producer gets the buffer back when the store has read it, which
// begin_tile() of the next tile waits for.
template <KernelConfig kConfig>
struct Sm90Epilogue<kConfig, Epilogue::kThroughQ> : EpilogueBase<kConfig> {
  using Base = EpilogueBase<kConfig>;

  int pending_stage = -1;

  __device__ __forceinline__ void begin_tile() {
    if (this->thread == 0 && pending_stage >= 0) {
      ptx::bulk_wait_read<0>();
      ptx::mbarrier_arrive(this->smem.q_empty(pending_stage));
    }
    pending_stage = -1;
  }
  __device__ __forceinline__ void finish() { begin_tile(); }

  template <int kSize>
  __device__ __forceinline__ bool store(const float (&o)[kSize],
                                        const OutputTile& tile,
                                        bool flag) {
    begin_tile();  // a tile without a block has not done it
    const u32 dst = this->smem.q(tile.q_stage, this->warpgroup);
    stage_all<0>(dst, o);
    ptx::fence_proxy_async();
    const bool any = this->sync_warpgroup(flag);
    if (this->thread == 0) {
#pragma unroll
      for (int i = 0; i < Base::kPanels; ++i)
        this->store_panel(dst + i * Base::kPanelBytes, i, tile);
      ptx::bulk_commit();
    }
    pending_stage = tile.q_stage;
    return any;
  }

  template <int kPanel, int kSize>
  __device__ __forceinline__ void stage_all(u32 dst, const float (&o)[kSize]) const {
    this->template stage_panel<kPanel>(dst + kPanel * Base::kPanelBytes, o);
    if constexpr (kPanel + 1 < Base::kPanels) stage_all<kPanel + 1>(dst, o);
  }
};

// Through staging of its own, up to two panels at a time.
template <KernelConfig kConfig>
struct Sm90Epilogue<kConfig, Epilogue::kStaged> : EpilogueBase<kConfig> {
  using Base = EpilogueBase<kConfig>;
  static constexpr int kGroup = sm90_staging_panels(kConfig);

  __device__ __forceinline__ void begin_tile() {}
  __device__ __forceinline__ void finish() {
    if (this->thread == 0) ptx::bulk_wait_read<0>();
  }

  template <int kSize>
  __device__ __forceinline__ bool store(const float (&o)[kSize],
                                        const OutputTile& tile,
                                        bool flag) {
    return store_group<0>(this->smem.template at<SmemRegion::kOut>() +
                              this->warpgroup * (kWarpgroupRows * sm90_staging_row_bytes(kConfig)),
                          o,
                          tile,
                          flag);
  }

  template <int kFirst, int kSize>
  __device__ __forceinline__ bool store_group(u32 dst,
                                              const float (&o)[kSize],
                                              const OutputTile& tile,
                                              bool flag) {
    constexpr int kEnd = kFirst + kGroup < Base::kPanels ? kFirst + kGroup : Base::kPanels;
    if (this->thread == 0) ptx::bulk_wait_read<0>();  // of the group before
    this->sync_warpgroup();
    this->template stage_panel<kFirst>(dst, o);
    if constexpr (kFirst + 1 < kEnd) {
      this->template stage_panel<kFirst + 1>(dst + Base::kPanelBytes, o);
    }
    ptx::fence_proxy_async();
    const bool any = this->sync_warpgroup(flag);
    if (this->thread == 0) {
#pragma unroll
      for (int i = kFirst; i < kEnd; ++i)
        this->store_panel(dst + (i - kFirst) * Base::kPanelBytes, i, tile);
      ptx::bulk_commit();
    }
    if constexpr (kEnd < Base::kPanels) {
      return store_group<kEnd>(dst, o, tile, flag);
    } else {
      return any;
    }
  }
};

}  // namespace flashjit

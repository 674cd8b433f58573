// For every byte of a CTA's shared memory: who wrote it last and who has read it since. Cells cover
// 16 bytes, the unit of ldmatrix, TMA and wgmma, and split into cells of four or two bytes where
// single elements are accessed; a whole write joins them again.
#pragma once
#include <algorithm>
#include <bit>
#include <optional>
#include <vector>

#include "clock.h"
#include "emu/device.h"

namespace flashjit::emu {

// An access by entity `entity` + `lane` at its time `clock`. Entities of a kind are neighbours, and
// often read at the same time: threads are given as their warp's first thread and a lane, the
// hardware of a warp as that of the CTA's first and the warp; their reads then share a record.
struct Access {
  u32 offset = 0, bytes = 0;  // from the start of shared memory
  int entity = 0;
  int lane = 0;
  u32 clock = 0;
  bool async = false;  // by the async proxy
  bool is_write = false;
  Loc loc;
};

// Two accesses without an order between them.
struct Conflict {
  enum Kind { kRace, kMissingProxyFence, kUninitialised } kind;
  u32 offset;
  bool other_wrote;
  int other_entity;
  Loc other_loc;
};

class ShadowMemory {
 public:
  // Of a CTA whose threads are `num_warps` warps from `first_warp` on: only they read it.
  ShadowMemory(const Entities& entities, int first_warp, int num_warps)
      : entities_(entities),
        first_thread_(32 * first_warp),
        more_warps_(std::max(0, num_warps - kWarpsInCell)) {}
  explicit ShadowMemory(const Entities& entities) : ShadowMemory(entities, 0, entities.num_warps) {}
  void resize(u32 bytes);
  // Forgets everything, in constant time.
  void reset();

  // Of what a check of this byte will ask for.
  void prefetch(u32 offset) const {
    const std::size_t line = line_of(offset);
    if (line < num_lines_) __builtin_prefetch(&cells_[line], 1);
  }
  // Whether a thread's read could be entered at once: as one more of the reads that stand there
  // already, with nothing to report. Else it is read()'s turn.
  bool join_reads(int tid, u32 offset, u32 bytes, u32 clock, const Loc& loc, const Clock& known) {
    const std::size_t line = line_of(offset);
    Cell& cell = cells_[line];
    if ((offset % kLineBytes | (bytes ^ kLineBytes)) != 0 || cell.epoch != epoch_ ||
        !cell.threads.match(clock, loc) || known[cell.write_entity] < cell.write_clock) {
      return false;
    }
    add_thread(line, tid - first_thread_);
    return true;
  }
  // The same for the hardware, which reads lines: one more warp at the time that stands there.
  bool join_reads(const Access& access, const Visibility& known) {
    const std::size_t line = line_of(access.offset);
    const Cell& cell = cells_[line];
    Reader& first = details_[line].first;
    if ((access.offset % kLineBytes | (access.bytes ^ kLineBytes)) != 0 || cell.epoch != epoch_ ||
        cell.shift != 4 || first.entity != access.entity || first.clock != access.clock ||
        first.lanes == 0 || known.generic[cell.write_entity] < cell.write_clock ||
        (access.async && !cell.write_async && known.async[cell.write_entity] < cell.write_clock)) {
      return false;
    }
    first.lanes |= 1u << access.lane;
    first.loc = access.loc;
    return true;
  }
  std::optional<Conflict> read(const Access& access, const Knowledge& known, bool check_init);
  std::optional<Conflict> write(const Access& access, const Knowledge& known);

 private:
  static constexpr u32 kLineBytes = 16, kMaxCells = kLineBytes / 2;
  static constexpr int kWarpsInCell = 8;
  // Bits 24 and up of an offset are the CTA's rank.
  static std::size_t line_of(u32 offset) { return offset % (1u << 24) / kLineBytes; }

  // Reads by any threads of the CTA, all at one time of theirs and on one line of the kernel: what
  // a tile gets between two barriers.
  struct ThreadReads {
    u32 clock = 0, warps = 0;  // clock 0, before all times: none. Bits; the lanes are in lanes()
    Loc loc;

    bool match(u32 other_clock, const Loc& other_loc) const {
      return clock == other_clock &&
             std::bit_cast<const void*>(loc) == std::bit_cast<const void*>(other_loc);
    }
  };
  // What nearly every check asks for, in one cache line of the processor: fetching it is most of
  // what a check costs.
  struct alignas(64) Cell {
    u32 write_clock = 0;  // 0: never written
    int write_entity : 31 = 0;
    bool write_async : 1 = false;
    ThreadReads threads;      // the latest
    u32 lanes[kWarpsInCell];  // of each warp in threads.warps
    // Of lines only:
    u32 epoch = 0;
    u32 cells : 29 = 0;  // index of its cells, where it is split
    u32 shift : 3 = 4;   // a cell has 2^shift bytes; 4: not split
  };
  static_assert(sizeof(Cell) == 64);

  // Reads by entities that are neighbours, at one time of theirs: by the hardware, and earlier ones
  // of threads.
  struct Reader {
    int entity = 0;
    u32 clock = 0, lanes = 0;  // lanes 0: nobody has read
    int next = -1;             // index in readers_, or -1
    Loc loc;
  };
  struct Details {
    Loc write_loc;
    Reader first;  // of a list
  };

  // Calls `visit(cell, offset)` for every cell that the access touches, until one returns a
  // conflict.
  template <class Visit>
  std::optional<Conflict> for_each_cell(const Access& access, Visit&& visit);
  void refresh(std::size_t line);
  void split(std::size_t line, u32 shift);
  void copy(std::size_t to, std::size_t from);

  u32& lanes(std::size_t cell, int warp) {
    if (warp < kWarpsInCell) return cells_[cell].lanes[warp];
    return more_lanes_[cell * static_cast<std::size_t>(more_warps_) +
                       static_cast<std::size_t>(warp - kWarpsInCell)];
  }
  int thread_of(int warp) const { return entities_.thread(first_thread_ + 32 * warp); }
  // `tid` and the warps of a cell are counted in the CTA.
  void add_thread(std::size_t cell, int tid) {
    u32& seen = cells_[cell].threads.warps;
    const int warp = tid >> 5;
    const u32 warp_bit = 1u << warp;
    u32& entry = lanes(cell, warp);
    entry = ((seen & warp_bit) ? entry : 0) | 1u << (tid & 31);
    seen |= warp_bit;
  }
  void begin_thread_reads(std::size_t cell, const Access& access, const Knowledge& known);
  void add_reader(std::size_t cell, const Access& access, const Knowledge& known);
  void put_first(Reader& list, Reader reader);
  void push(Reader& list, const Reader& reader);
  void pop(int& link);
  void forget_readers(std::size_t cell);
  std::optional<Conflict> conflict_with_readers(std::size_t cell,
                                                u32 offset,
                                                const Knowledge& known);

  Entities entities_;
  int first_thread_;
  int more_warps_;  // whose lanes do not fit in a cell
  std::size_t num_lines_ = 0;
  std::vector<Cell> cells_;        // of the lines, then kMaxCells for each split line
  std::vector<Details> details_;   // of each cell
  std::vector<u32> more_lanes_;    // of each cell
  std::vector<std::size_t> free_;  // groups of cells that are not in use
  std::vector<Reader> readers_;    // in lists behind the first, or
  int free_reader_ = -1;           // in this list: not in use
  u32 epoch_ = 1;
};

}  // namespace flashjit::emu

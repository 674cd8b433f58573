// For every byte of shared memory: who wrote it last and who has read it since. Cells cover 16
// bytes, the unit of ldmatrix, TMA and wgmma, and split into two-byte cells where single elements
// are accessed; a whole write joins them again.
#pragma once
#include <optional>
#include <vector>

#include "clock.h"
#include "emu/device.h"

namespace flashjit::emu {

// An access by entity `entity` + `lane` at its time `clock`. Entities of a kind are neighbours, and
// often read at the same time: threads are given as their warp's first thread and a lane, the
// hardware of a warp as that of warp 0 and the warp; their reads then share a record.
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
  void resize(u32 bytes) { lines_.resize(bytes / kLineBytes + 1); }
  // Forgets everything, in constant time.
  void reset();

  std::optional<Conflict> read(const Access& access, const Knowledge& known, bool check_init);
  std::optional<Conflict> write(const Access& access, const Knowledge& known);

 private:
  static constexpr u32 kLineBytes = 16, kCellBytes = 2, kCells = kLineBytes / kCellBytes;

  struct Reader {
    int entity;
    u32 clock, lanes;
    Loc loc;
  };
  struct Cell {
    u32 write_clock = 0;  // 0: never written
    int write_entity = 0;
    bool write_async = false;
    Loc write_loc;
    std::vector<Reader> readers;
  };
  struct Line {
    u32 epoch = 0;
    int split = -1;  // index of kCells cells in cells_, or -1
    Cell whole;
  };

  // Calls `visit` on every cell that the access touches, until one returns a conflict.
  template <class Visit>
  std::optional<Conflict> for_each_cell(const Access& access, Visit&& visit);
  Line& line_at(u32 index);
  void split(Line& line);
  static void add_reader(Cell& cell, const Access& access);

  std::vector<Line> lines_;
  std::vector<Cell> cells_;  // of split lines
  std::vector<int> free_;    // groups of cells_ that are not in use
  u32 epoch_ = 1;
};

}  // namespace flashjit::emu

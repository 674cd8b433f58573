#include "shadow_memory.h"

#include <bit>

namespace flashjit::emu {

std::string Entities::name(int entity) const {
  const auto of = [&](const char* what, int first) {
    return what + std::to_string(entity - first);
  };
  if (entity < collective(0)) return of("TMA load on mbarrier #", 0);
  if (entity < wgmma(0)) return of("ldmatrix of warp ", collective(0));
  if (entity < bulk_store(0)) return of("wgmma of warp ", wgmma(0));
  if (entity < thread(0)) return of("TMA store of warp ", bulk_store(0));
  if (entity < base_count()) return of("thread ", thread(0));
  return of("cp.async of thread ", cp_async(0));
}

void ShadowMemory::reset() {
  ++epoch_;
  free_.clear();
  for (std::size_t group = 0; group * kCells < cells_.size(); ++group) {
    free_.push_back(static_cast<int>(group * kCells));
  }
}

ShadowMemory::Line& ShadowMemory::line_at(u32 index) {
  Line& line = lines_[index];
  if (line.epoch != epoch_) {
    line.epoch = epoch_;
    line.split = -1;
    line.whole.write_clock = 0;
    line.whole.readers.clear();
  }
  return line;
}

void ShadowMemory::split(Line& line) {
  if (free_.empty()) {
    free_.push_back(static_cast<int>(cells_.size()));
    cells_.resize(cells_.size() + kCells);
  }
  line.split = free_.back();
  free_.pop_back();
  for (u32 i = 0; i < kCells; ++i) cells_[static_cast<std::size_t>(line.split) + i] = line.whole;
}

template <class Visit>
std::optional<Conflict> ShadowMemory::for_each_cell(const Access& access, Visit&& visit) {
  const u32 end = access.offset + access.bytes;
  for (u32 at = access.offset / kLineBytes * kLineBytes; at < end; at += kLineBytes) {
    Line& line = line_at(at / kLineBytes);
    const bool covered = access.offset <= at && at + kLineBytes <= end;
    if (line.split < 0 && !covered) split(line);
    if (line.split < 0) {
      if (auto conflict = visit(line.whole, at)) return conflict;
      continue;
    }
    for (u32 i = 0; i < kCells; ++i) {
      const u32 from = at + i * kCellBytes;
      if (from + kCellBytes <= access.offset || from >= end) continue;
      Cell& cell = cells_[static_cast<std::size_t>(line.split) + i];
      if (auto conflict = visit(cell, from)) return conflict;
    }
    if (access.is_write && covered) {  // all cells are equal now
      std::swap(line.whole, cells_[static_cast<std::size_t>(line.split)]);
      free_.push_back(line.split);
      line.split = -1;
    }
  }
  return std::nullopt;
}

void ShadowMemory::add_reader(Cell& cell, const Access& access) {
  const u32 bit = 1u << access.lane;
  Reader* unused = nullptr;
  for (Reader& reader : cell.readers) {
    if (reader.entity != access.entity) continue;
    if (reader.clock == access.clock) {
      reader.lanes |= bit;
      reader.loc = access.loc;
      return;
    }
    reader.lanes &= ~bit;  // this lane's earlier read: the later one stands for both
    if (reader.lanes == 0) unused = &reader;
  }
  const Reader reader{access.entity, access.clock, bit, access.loc};
  if (unused) {
    *unused = reader;
  } else {
    cell.readers.push_back(reader);
  }
}

std::optional<Conflict> ShadowMemory::read(const Access& access,
                                           const Knowledge& known,
                                           bool check_init) {
  return for_each_cell(access, [&](Cell& cell, u32 offset) -> std::optional<Conflict> {
    if (cell.write_clock == 0) {
      if (check_init) return Conflict{Conflict::kUninitialised, offset, true, 0, {}};
    } else if (!known.generic(cell.write_entity, cell.write_clock)) {
      return Conflict{Conflict::kRace, offset, true, cell.write_entity, cell.write_loc};
    } else if (access.async && !cell.write_async &&
               !known.async(cell.write_entity, cell.write_clock)) {
      return Conflict{
          Conflict::kMissingProxyFence, offset, true, cell.write_entity, cell.write_loc};
    }
    add_reader(cell, access);
    return std::nullopt;
  });
}

std::optional<Conflict> ShadowMemory::write(const Access& access, const Knowledge& known) {
  const int writer = access.entity + access.lane;
  return for_each_cell(access, [&](Cell& cell, u32 offset) -> std::optional<Conflict> {
    const bool same_operation = cell.write_entity == writer && cell.write_clock == access.clock;
    if (!same_operation && !known.generic(cell.write_entity, cell.write_clock)) {
      return Conflict{Conflict::kRace, offset, true, cell.write_entity, cell.write_loc};
    }
    if (access.async && !cell.write_async && !known.async(cell.write_entity, cell.write_clock)) {
      return Conflict{
          Conflict::kMissingProxyFence, offset, true, cell.write_entity, cell.write_loc};
    }
    for (const Reader& reader : cell.readers) {
      for (u32 lanes = reader.lanes; lanes; lanes &= lanes - 1) {
        const int other = reader.entity + std::countr_zero(lanes);
        if (!known.generic(other, reader.clock)) {
          return Conflict{Conflict::kRace, offset, false, other, reader.loc};
        }
      }
    }
    cell.write_clock = access.clock;
    cell.write_entity = writer;
    cell.write_async = access.async;
    cell.write_loc = access.loc;
    cell.readers.clear();
    return std::nullopt;
  });
}

}  // namespace flashjit::emu

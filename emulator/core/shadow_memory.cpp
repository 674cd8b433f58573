#include "shadow_memory.h"

#include <algorithm>
#include <utility>

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

void ShadowMemory::resize(u32 bytes) {
  num_lines_ = bytes / kLineBytes + 1;
  cells_.resize(num_lines_);
  details_.resize(num_lines_);
  more_lanes_.resize(num_lines_ * static_cast<std::size_t>(more_warps_));
}

void ShadowMemory::reset() {
  ++epoch_;
  readers_.clear();
  free_reader_ = -1;
  free_.clear();
  for (std::size_t group = num_lines_; group < cells_.size(); group += kMaxCells) {
    free_.push_back(group);
  }
}

// ---- lines and cells

void ShadowMemory::refresh(std::size_t line) {
  if (cells_[line].epoch == epoch_) return;
  cells_[line] = {};
  cells_[line].epoch = epoch_;
  details_[line] = {};
}

void ShadowMemory::copy(std::size_t to, std::size_t from) {
  const Cell& source = cells_[from];
  Cell& cell = cells_[to];
  cell.write_clock = source.write_clock;
  cell.write_entity = source.write_entity;
  cell.write_async = source.write_async;
  cell.threads = source.threads;
  for (u32 warps = source.threads.warps; warps != 0; warps &= warps - 1) {
    const int warp = std::countr_zero(warps);
    lanes(to, warp) = lanes(from, warp);
  }
  details_[to] = details_[from];
  Reader& list = details_[to].first;
  list.next = -1;
  for (int next = details_[from].first.next; next >= 0;) {
    const Reader reader = readers_[static_cast<std::size_t>(next)];
    push(list, reader);
    next = reader.next;
  }
}

// To cells of 2^shift bytes, from larger ones.
void ShadowMemory::split(std::size_t line, u32 shift) {
  const u32 from_shift = cells_[line].shift;
  std::size_t first = cells_[line].cells;
  if (from_shift == 4) {
    if (free_.empty()) {
      free_.push_back(cells_.size());
      cells_.resize(cells_.size() + kMaxCells);
      details_.resize(cells_.size());
      more_lanes_.resize(cells_.size() * static_cast<std::size_t>(more_warps_));
    }
    first = free_.back();
    free_.pop_back();
    copy(first, line);
    forget_readers(line);
    cells_[line].threads = {};
    cells_[line].cells = static_cast<u32>(first);
  }
  // From the last to the first, so that none is overwritten before it is copied.
  for (u32 i = kLineBytes >> shift; i-- > 0;) {
    const u32 from = i >> (from_shift - shift);
    if (from == i) continue;
    if (i < kLineBytes >> from_shift) forget_readers(first + i);
    copy(first + i, first + from);
  }
  cells_[line].shift = shift & 7;
}

template <class Visit>
std::optional<Conflict> ShadowMemory::for_each_cell(const Access& access, Visit&& visit) {
  const std::size_t first_line = line_of(access.offset);
  if ((access.offset % kLineBytes | (access.bytes ^ kLineBytes)) == 0) {  // most are one line
    refresh(first_line);
    if (cells_[first_line].shift == 4) return visit(first_line, access.offset);
  }
  const u32 end = access.offset + access.bytes;
  const u32 shift_of_part = (access.offset | access.bytes) % 4 == 0 ? 2 : 1;
  for (u32 at = access.offset / kLineBytes * kLineBytes; at < end; at += kLineBytes) {
    const std::size_t line = line_of(at);
    refresh(line);
    const bool covered = access.offset <= at && at + kLineBytes <= end;
    if (!covered && cells_[line].shift > shift_of_part) split(line, shift_of_part);
    const u32 shift = cells_[line].shift;
    if (shift == 4) {
      if (auto conflict = visit(line, at)) return conflict;
      continue;
    }
    const std::size_t first = cells_[line].cells;
    const u32 from = std::max(access.offset, at), to = std::min(end, at + kLineBytes);
    for (u32 i = (from - at) >> shift; at + (i << shift) < to; ++i) {
      if (auto conflict = visit(first + i, at + (i << shift))) return conflict;
    }
    if (access.is_write && covered) {  // all cells are equal now, and without readers
      copy(line, first);
      cells_[line].shift = 4;
      free_.push_back(first);
    }
  }
  return std::nullopt;
}

// ---- readers

// Behind the first of the list.
void ShadowMemory::push(Reader& list, const Reader& reader) {
  int index = free_reader_;
  if (index < 0) {
    index = static_cast<int>(readers_.size());
    readers_.emplace_back();
  } else {
    free_reader_ = readers_[static_cast<std::size_t>(index)].next;
  }
  Reader& entry = readers_[static_cast<std::size_t>(index)];
  entry = reader;
  entry.next = std::exchange(list.next, index);
}

// Removes the reader that `link` leads to.
void ShadowMemory::pop(int& link) {
  const int index = link;
  link = std::exchange(readers_[static_cast<std::size_t>(index)].next, free_reader_);
  free_reader_ = index;
}

void ShadowMemory::forget_readers(std::size_t cell) {
  cells_[cell].threads.warps = 0;
  Reader& list = details_[cell].first;
  list.lanes = 0;
  while (list.next >= 0) pop(list.next);
}

// Makes `reader` the first of the list, with the lanes that already stand there for its time; from
// the records of other times its lanes go away: of an entity's reads the later stands for both.
void ShadowMemory::put_first(Reader& list, Reader reader) {
  const auto is_left = [&](Reader& other) {
    if (other.entity != reader.entity) return other.lanes != 0;
    if (other.clock == reader.clock) reader.lanes |= std::exchange(other.lanes, 0);
    other.lanes &= ~reader.lanes;
    return other.lanes != 0;
  };
  for (int* link = &list.next; *link >= 0;) {
    Reader& other = readers_[static_cast<std::size_t>(*link)];
    if (is_left(other)) {
      link = &other.next;
    } else {
      pop(*link);
    }
  }
  if (is_left(list)) push(list, Reader(list));
  reader.next = list.next;
  list = reader;
}

// The reads so far make room for those of another time or line. The ones that the thread knows of
// are forgotten: who knows of its read will know of them too.
void ShadowMemory::begin_thread_reads(std::size_t cell,
                                      const Access& access,
                                      const Knowledge& known) {
  ThreadReads& reads = cells_[cell].threads;
  if (known.shared->everybody >= reads.clock) reads.warps = 0;
  for (; reads.warps != 0; reads.warps &= reads.warps - 1) {
    const int warp = std::countr_zero(reads.warps), first = thread_of(warp);
    if (const u32 unknown = known.unknown(first, lanes(cell, warp), reads.clock)) {
      put_first(details_[cell].first, {first, reads.clock, unknown, -1, reads.loc});
    }
  }
  reads = {access.clock, 0, access.loc};
}

void ShadowMemory::add_reader(std::size_t cell, const Access& access, const Knowledge& known) {
  if (entities_.is_thread(access.entity)) {
    if (!cells_[cell].threads.match(access.clock, access.loc)) {
      begin_thread_reads(cell, access, known);
    }
    add_thread(cell, access.entity - thread_of(0) + access.lane);
    return;
  }
  const u32 bit = 1u << access.lane;
  Reader& first = details_[cell].first;
  if (first.entity != access.entity || first.clock != access.clock) {
    put_first(first, {access.entity, access.clock, bit, -1, access.loc});
  }
  first.lanes |= bit;
  first.loc = access.loc;
}

std::optional<Conflict> ShadowMemory::conflict_with_readers(std::size_t cell,
                                                            u32 offset,
                                                            const Knowledge& known) {
  const auto conflict = [&](int first, u32 unknown, const Loc& loc) {
    return Conflict{Conflict::kRace, offset, false, first + std::countr_zero(unknown), loc};
  };
  const ThreadReads& reads = cells_[cell].threads;
  const bool all_known = known.shared->everybody >= reads.clock;
  for (u32 warps = all_known ? 0 : reads.warps; warps != 0; warps &= warps - 1) {
    const int warp = std::countr_zero(warps), first = thread_of(warp);
    if (const u32 unknown = known.unknown(first, lanes(cell, warp), reads.clock)) {
      return conflict(first, unknown, reads.loc);
    }
  }
  for (const Reader* r = &details_[cell].first;; r = &readers_[static_cast<std::size_t>(r->next)]) {
    if (const u32 unknown = known.unknown(r->entity, r->lanes, r->clock)) {
      return conflict(r->entity, unknown, r->loc);
    }
    if (r->next < 0) return std::nullopt;
  }
}

// ---- accesses

std::optional<Conflict> ShadowMemory::read(const Access& access,
                                           const Knowledge& known,
                                           bool check_init) {
  return for_each_cell(access, [&](std::size_t at, u32 offset) -> std::optional<Conflict> {
    const Cell& cell = cells_[at];
    const auto conflict = [&](Conflict::Kind kind) {
      return Conflict{kind, offset, true, cell.write_entity, details_[at].write_loc};
    };
    if (cell.write_clock == 0) {
      if (check_init) return conflict(Conflict::kUninitialised);
    } else if (!known.generic(cell.write_entity, cell.write_clock)) {
      return conflict(Conflict::kRace);
    } else if (access.async && !cell.write_async &&
               !known.async(cell.write_entity, cell.write_clock)) {
      return conflict(Conflict::kMissingProxyFence);
    }
    add_reader(at, access, known);
    return std::nullopt;
  });
}

std::optional<Conflict> ShadowMemory::write(const Access& access, const Knowledge& known) {
  const int writer = access.entity + access.lane;
  return for_each_cell(access, [&](std::size_t at, u32 offset) -> std::optional<Conflict> {
    Cell& cell = cells_[at];
    const auto conflict = [&](Conflict::Kind kind) {
      return Conflict{kind, offset, true, cell.write_entity, details_[at].write_loc};
    };
    const bool same_operation = cell.write_entity == writer && cell.write_clock == access.clock;
    if (!same_operation && !known.generic(cell.write_entity, cell.write_clock)) {
      return conflict(Conflict::kRace);
    }
    if (access.async && !cell.write_async && !known.async(cell.write_entity, cell.write_clock)) {
      return conflict(Conflict::kMissingProxyFence);
    }
    if (auto found = conflict_with_readers(at, offset, known)) return found;
    forget_readers(at);
    cell.write_clock = access.clock;
    cell.write_entity = writer;
    cell.write_async = access.async;
    details_[at].write_loc = access.loc;
    return std::nullopt;
  });
}

}  // namespace flashjit::emu

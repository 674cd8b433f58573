#include "tma.h"

#include <algorithm>

namespace flashjit::emu {

TensorMap encode_tensor_map(const TensorMapFields& fields) {
  const auto require = [](bool ok, const char* what) {
    if (!ok) throw std::invalid_argument(std::string("tensor map: ") + what);
  };
  require(fields.rank >= 1 && fields.rank <= 5, "rank must be 1 … 5");
  require(reinterpret_cast<std::uintptr_t>(fields.base) % 16 == 0, "base must be 16-byte aligned");
  for (int i = 0; i < fields.rank; ++i) {
    require(fields.dims[i] > 0, "dimensions must be positive");
    require(fields.box[i] > 0 && fields.box[i] <= 256, "box sizes must be 1 … 256");
    if (i > 0) require(fields.strides[i - 1] % 16 == 0, "strides must be multiples of 16 bytes");
  }
  require(fields.row_bytes() % 16 == 0, "box rows must be multiples of 16 bytes");
  require(fields.row_bytes() <= fields.pitch(), "box rows must fit in the swizzle's span");
  TensorMap map{};
  std::memcpy(&map, &fields, sizeof fields);
  return map;
}

void Tma::reset() {
  pending_.clear();
  groups_.assign(static_cast<std::size_t>(cta_.scheduler.num_warps()), Groups{});
}

TensorMapFields Tma::checked(const TensorMap* map, const Loc& loc) {
  const TensorMapFields fields = decode_tensor_map(map);
  if (fields.rank < 1 || fields.rank > 5) cta_.fail("tma", "not a tensor map", loc);
  ++cta_.stats.tma;
  return fields;
}

void Tma::load(u32 dst, const TensorMap* map, u32 bar, const int (&coords)[5], const Loc& loc) {
  cta_.check_own(dst, loc);
  cta_.check_own(bar, loc);
  Operation op{.is_store = false,
               .map = checked(map, loc),
               .smem = dst,
               .coords = {},
               .bar = bar,
               .loc = loc};
  std::copy(coords, coords + 5, op.coords);
  begin_load(op, false);
}

void Tma::load_multicast(
    u32 dst, const TensorMap* map, u32 bar, const int (&coords)[5], u32 ctas, const Loc& loc) {
  if (ctas == 0 || ctas >> cta_.num_ctas() != 0) {
    cta_.fail("cluster",
              "a multicast to CTAs by the mask " + std::to_string(ctas) + " in a cluster of " +
                  std::to_string(cta_.num_ctas()),
              loc);
  }
  Operation op{.is_store = false, .map = checked(map, loc), .smem = 0, .coords = {}, .loc = loc};
  std::copy(coords, coords + 5, op.coords);
  for (int rank = 0; rank < cta_.num_ctas(); ++rank) {
    if ((ctas >> rank & 1) == 0) continue;
    cta_.check_runs(rank, "a multicast load into shared memory", loc);
    op.smem = Context::with_rank(dst, rank);
    op.bar = Context::with_rank(bar, rank);
    begin_load(op, true);
  }
}

void Tma::begin_load(Operation op, bool multicast) {
  cta_.cluster_smem(op.smem, op.map.smem_bytes(), 128, op.loc);
  op.ticket = mbarriers_.begin_load(op.bar, multicast, op.loc);
  for_each_part(op, [&](u32 addr, u32 bytes) {
    cta_.order.write_for(cta_.tid(),
                         op.ticket.entity,
                         op.ticket.time,
                         true,
                         Context::offset_of(addr),
                         bytes,
                         op.loc);
    if (cta_.options.poison) std::memset(cta_.cluster_smem(addr, bytes, 16, op.loc), 0xFF, bytes);
  });
  pending_.push_back(std::move(op));
}

Tma::Groups& Tma::groups_of_thread(const char* op, const Loc& loc) {
  Groups& groups = groups_[static_cast<std::size_t>(cta_.warp())];
  if (groups.owner < 0) groups.owner = cta_.tid();
  if (groups.owner != cta_.tid()) {
    cta_.fail("tma", std::string(op) + ": bulk groups of two threads of one warp", loc);
  }
  return groups;
}

void Tma::store(const TensorMap* map, u32 src, const int (&coords)[5], const Loc& loc) {
  Operation op{.is_store = true, .map = checked(map, loc), .smem = src, .coords = {}, .loc = loc};
  cta_.smem(src, op.map.smem_bytes(), 128, loc);
  std::copy(coords, coords + 5, op.coords);
  op.warp = cta_.warp();
  Groups& groups = groups_of_thread("TMA store", loc);
  op.group = groups.last_store = groups.open;
  groups.last_loc = loc;
  for_each_part(op, [&](u32 addr, u32 bytes) {
    cta_.order.read_for(cta_.tid(),
                        cta_.order.entities().bulk_store(op.warp),
                        op.group,
                        true,
                        Context::offset_of(addr),
                        bytes,
                        loc);
  });
  check_stored_once(op);
  pending_.push_back(op);
}

void Tma::check_stored_once(const Operation& op) {
  if (!cta_.options.detect_races) return;
  const unsigned number = first_cta_ + static_cast<unsigned>(Context::rank_of(op.smem));
  for_each_row(op, [&](u32, u8* global) {
    const u32 size = op.map.element_bytes;
    for (u32 byte = 0; global && byte < op.map.row_bytes(); byte += 16) {
      const i64 column = i64{op.coords[0]} + byte / size;
      if (column < 0 || column >= i64{op.map.dims[0]}) continue;
      const auto other = stores_.add(global + column * size, {number, op.loc});
      if (!other) continue;
      cta_.fail("race",
                "global memory is stored by TMA that CTA " + std::to_string(other->cta) +
                    " of the grid also stores, at " + where(other->loc) +
                    ": nothing orders the two",
                op.loc);
    }
  });
}

void Tma::commit(const Loc& loc) { ++groups_of_thread("commit_group", loc).open; }

void Tma::wait(int keep, const Loc& loc) {
  Groups& groups = groups_of_thread("wait_group", loc);
  if (groups.open <= static_cast<u32>(keep) + 1) return;
  const u32 done = groups.open - 1 - static_cast<u32>(keep);
  const int warp = cta_.warp();
  for (std::size_t i = 0; i < pending_.size();) {
    const Operation op = pending_[i];
    if (!op.is_store || op.warp != warp || op.group > done) {
      ++i;
      continue;
    }
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
    execute(op);
  }
  groups.waited = std::max(groups.waited, done);
  cta_.order.store_completed(cta_.tid(), done);
}

void Tma::step(Random& random) {
  const auto i = static_cast<std::ptrdiff_t>(random.below(pending_.size()));
  const Operation op = pending_[static_cast<std::size_t>(i)];
  pending_.erase(pending_.begin() + i);
  execute(op);
}

template <class Part>
void Tma::for_each_part(const Operation& op, Part&& part) {
  const TensorMapFields& map = op.map;
  if (map.row_bytes() == map.pitch()) return part(op.smem, map.box_bytes());
  for (u32 row = 0; row < map.smem_bytes(); row += map.pitch()) {
    for (u32 chunk = 0; chunk < map.row_bytes(); chunk += 16) {
      part(swizzled(map.swizzle, op.smem + row + chunk), 16u);
    }
  }
}

// row(shared address, global row or null if it lies outside of the tensor)
template <class Row>
void Tma::for_each_row(const Operation& op, Row&& row) {
  const TensorMapFields& map = op.map;
  for (u32 i = 0, n = map.num_rows(); i < n; ++i) {
    u32 rest = i;
    u8* global = map.base;
    bool inside = true;
    for (int dim = 1; dim < 5; ++dim) {
      const i64 at = i64{op.coords[dim]} + rest % map.box[dim];
      rest /= map.box[dim];
      inside = inside && at >= 0 && at < i64{map.dims[dim]};
      if (inside) global += static_cast<u64>(at) * map.strides[dim - 1];
    }
    row(op.smem + i * map.pitch(), inside ? global : nullptr);
  }
}

void Tma::execute(const Operation& op) {
  const TensorMapFields& map = op.map;
  const u32 size = map.element_bytes;
  if (!op.is_store) {
    cta_.check_runs(Context::rank_of(op.smem), "a TMA load into shared memory", op.loc);
  }
  u8* smem = cta_.cluster_smem(op.smem, map.smem_bytes(), 128, op.loc);
  for_each_row(op, [&](u32 addr, u8* global) {
    for (u32 chunk = 0; chunk < map.row_bytes(); chunk += 16) {  // the swizzle moves 16 bytes
      u8* at = smem + (swizzled(map.swizzle, addr + chunk) - op.smem);
      if (!op.is_store) std::memset(at, 0, 16);
      for (u32 byte = 0; global && byte < 16; byte += size) {
        const i64 column = i64{op.coords[0]} + (chunk + byte) / size;
        if (column < 0 || column >= i64{map.dims[0]}) continue;
        u8* element = global + column * size;
        std::memcpy(op.is_store ? element : at + byte, op.is_store ? at + byte : element, size);
      }
    }
  });
  if (!op.is_store) mbarriers_.complete_tx(op.bar, map.box_bytes(), op.ticket);
}

// Of stores also those that happened to be done: the wait makes them safe.
void Tma::check_finished() {
  for (const Groups& groups : groups_) {
    if (groups.last_store <= groups.waited) continue;
    cta_.fail(
        "leak", "the CTA ends while a TMA store may still read its shared memory", groups.last_loc);
  }
  mbarriers_.check_finished();
}

}  // namespace flashjit::emu

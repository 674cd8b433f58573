// The detector's records of accesses, which forget what they can, against a plain list of all
// accesses with clocks of its own: both must see a race in the same access, or in none.
#include <map>
#include <random>

#include "emulator/core/happens_before.h"
#include "support/catch.h"

namespace flashjit::emu {
namespace {

constexpr int kWarps = 11;  // more than a cell has lanes for
constexpr u32 kBytes = 64;
// Two lanes of each of several warps, so that warps know of one lane and not of the other.
constexpr int kActors[] = {0, 1, 31, 64, 95, 130, 255, 256, 287, 290, 320, 351};

struct Known {
  int tid;
  int time;
  u32 offset, bytes;
  bool is_write;
};

// What everybody knows of everybody, and all accesses so far.
struct Model {
  std::map<int, std::map<int, int>> clocks;  // of a thread: the times of others that it knows
  std::map<int, int> now;
  std::vector<Known> accesses;

  bool races(int tid, u32 offset, u32 bytes, bool is_write) {
    bool found = false;
    for (const Known& a : accesses) {
      const bool overlap = a.offset < offset + bytes && offset < a.offset + a.bytes;
      const bool ordered = a.tid == tid || clocks[tid][a.tid] > a.time;
      found = found || (overlap && (is_write || a.is_write) && !ordered);
    }
    accesses.push_back({tid, now[tid], offset, bytes, is_write});
    return found;
  }
  void meet(const std::vector<int>& from, const std::vector<int>& to) {
    std::map<int, int> sum;
    for (int tid : from) {
      clocks[tid][tid] = ++now[tid];
      for (const auto& [other, time] : clocks[tid]) sum[other] = std::max(sum[other], time);
    }
    for (int tid : to) {
      for (const auto& [other, time] : sum) clocks[tid][other] = std::max(clocks[tid][other], time);
    }
  }
};

struct Outcome {
  bool race = false;
  int accesses = 0;
};

// Random accesses and meetings until the first race, or 400 of them.
Outcome run(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](int n) { return int(random() % unsigned(n)); };
  Options options;
  options.detect_uninitialised = false;
  bool reported = false;
  HappensBefore order(
      1, kWarps, kBytes, options, [&](const Access&, const Conflict&) { reported = true; });
  order.reset();
  Model model;
  const auto actors = [&](int one_in) {
    std::vector<int> some;
    for (int tid : kActors) {
      if (below(one_in) == 0) some.push_back(tid);
    }
    return some;
  };
  const auto meet = [&](const std::vector<int>& from, const std::vector<int>& to) {
    Gathering all = order.gather();
    for (int tid : from) order.release(tid, all);
    const Snapshot snapshot = order.snapshot(all);
    for (int tid : to) order.acquire(tid, snapshot);
    model.meet(from, to);
  };
  const std::vector<int> everybody(std::begin(kActors), std::end(kActors));
  Loc lines[] = {Loc::current(), Loc::current()};
  lines[1] = Loc::current();
  Outcome outcome;
  int last_writer = kActors[0];
  while (outcome.accesses < 400) {
    const int what = below(40);
    if (what == 0) {
      meet(everybody, everybody);
    } else if (what < 4) {
      meet(actors(2), actors(2));
    } else if (what < 6) {
      meet({everybody[std::size_t(below(12))]}, {last_writer});
    }
    const bool is_write = below(24) == 0;
    if (is_write && below(4) != 0) meet(everybody, {last_writer});
    const int tid = is_write ? last_writer : everybody[std::size_t(below(12))];
    const u32 bytes = 2u << below(4), offset = u32(below(int(kBytes / bytes))) * bytes;
    const Loc& loc = lines[below(2)];
    const bool races = model.races(tid, offset, bytes, is_write);
    if (is_write) {
      order.write(tid, offset, bytes, loc);
      meet({tid}, everybody);
      last_writer = everybody[std::size_t(below(12))];
    } else {
      order.read(tid, offset, bytes, loc);
    }
    ++outcome.accesses;
    INFO("seed " << seed << ", access " << outcome.accesses << " by " << tid << ", " << bytes
                 << " bytes at " << offset << (is_write ? ", write" : ", read"));
    REQUIRE(reported == races);
    if (races) {
      outcome.race = true;
      break;
    }
  }
  return outcome;
}

}  // namespace

TEST_CASE("shadow memory: races are found in the access that a list of all accesses finds") {
  int races = 0, late = 0;
  for (unsigned seed = 1; seed <= 3000; ++seed) {
    const Outcome outcome = run(seed);
    races += outcome.race;
    late += outcome.accesses > 100;
  }
  // Neither races at once nor none at all: both would test nothing.
  CHECK(races > 1000);
  CHECK(late > 300);
}

}  // namespace flashjit::emu

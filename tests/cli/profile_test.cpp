// `flashjit profile` on the emulator: the trace that a person opens is whole. Every tile of every
// recording CTA shows each of its stages, slices of a track do not overlap and lie in their tile.
#include "cli/profile_buffer.h"

#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "cli/run_program.h"
#include "flashjit/error.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

using Json = nlohmann::json;

struct Slice {
  std::string name, category;
  double start = 0, end = 0;
};

struct Track {
  std::string role;
  std::vector<Slice> tiles, stages;
};

// By CTA and warpgroup.
using Tracks = std::map<std::pair<int, int>, Track>;

Tracks read_trace(const std::string& path) {
  std::ifstream file(path);
  const Json trace = Json::parse(file);
  Tracks tracks;
  for (const Json& event : trace.at("traceEvents")) {
    Track& track = tracks[{event.at("pid"), event.at("tid")}];
    if (event.at("ph") == "M") {
      if (event.at("name") == "thread_name") track.role = event.at("args").at("name");
      continue;
    }
    REQUIRE(event.at("ph") == "X");
    REQUIRE(event.at("dur").get<double>() >= 0);
    Slice slice{event.at("name"), event.at("cat"), event.at("ts"), 0};
    slice.end = slice.start + event.at("dur").get<double>();
    (slice.category == "tile" ? track.tiles : track.stages).push_back(slice);
  }
  return tracks;
}

constexpr double kRounding = 1e-6;  // µs

void check_order(const std::vector<Slice>& slices) {
  for (std::size_t i = 1; i < slices.size(); ++i)
    CHECK(slices[i].start >= slices[i - 1].end - kRounding);
}

// The stages that begin inside the tile; they must also end there.
std::set<std::string> stages_in(const Slice& tile, const Track& track) {
  std::set<std::string> names;
  for (const Slice& stage : track.stages) {
    if (stage.start < tile.start - kRounding || stage.end > tile.end + kRounding) continue;
    names.insert(stage.name);
  }
  return names;
}

Tracks profile(const std::string& variant, const std::string& problem, const TempDir& dir) {
  const std::string path = (dir / "trace.json").string();
  const ProgramRun run = run_program("profile " + variant + " " + problem +
                                     " --backend emulated --json --out " + path);
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  REQUIRE(run.json().at("about").at("lost_events") == 0);
  REQUIRE(run.json().at("about").at("variant") == variant + "_profile");
  return read_trace(path);
}

}  // namespace

// The emulator has two SMs, so that a persistent CTA takes several tiles.
TEST_CASE("a Hopper trace shows every stage of every tile, for producer and consumers") {
  const std::string variant = GENERATE("fwd_sm90_bf16_d64_m128n64s2",
                                       "fwd_sm90_bf16_d64_m128n64s2_nooverlap_static_staged");
  INFO(variant);
  const TempDir dir;
  const Tracks tracks = profile(variant, "--batch 1 --heads 4 --seqlen 256", dir);
  REQUIRE(tracks.size() == 2 * 3);
  std::map<std::string, std::size_t> tiles;
  for (const auto& [key, track] : tracks) {
    INFO(track.role);
    check_order(track.tiles);
    tiles[track.role] += track.tiles.size();
    for (const Slice& tile : track.tiles) {
      const std::set<std::string> stages = stages_in(tile, track);
      if (track.role == "producer") {
        CHECK(stages == std::set<std::string>{"load K", "load Q", "load V"});
      } else {
        CHECK(stages ==
              std::set<std::string>{"load K", "load V", "QKᵀ", "softmax", "P·V", "epilogue"});
      }
    }
  }
  CHECK(tiles ==
        std::map<std::string, std::size_t>{{"producer", 8}, {"consumer 0", 8}, {"consumer 1", 8}});
}

TEST_CASE("a trace of the one-tile kernels shows every stage for every warp") {
  const std::string variant = GENERATE("fwd_sm80_bf16_d64_m64n64s2", "fwd_simt_fp16_d64_m64n64");
  INFO(variant);
  const TempDir dir;
  const Tracks tracks = profile(variant, "--batch 1 --heads 2 --seqlen 128", dir);
  const std::size_t warps = variant.starts_with("fwd_simt") ? 8 : 4;
  REQUIRE(tracks.size() == 4 * warps);  // of 2 heads · 2 tiles, all of which record
  for (const auto& [key, track] : tracks) {
    REQUIRE(track.tiles.size() == 1);
    check_order(track.stages);
    std::set<std::string> stages = stages_in(track.tiles[0], track);
    stages.erase("load Q");  // sm80 loads Q before the profile begins
    CHECK(stages == std::set<std::string>{"load K", "load V", "QKᵀ", "softmax", "P·V", "epilogue"});
  }
}

TEST_CASE("events that find no room are counted and leave a trace that is whole") {
  const TempDir dir;
  const std::string path = (dir / "trace.json").string();
  const ProgramRun run = run_program(
      "profile fwd_simt_fp16_d64_m64n64 --batch 1 --heads 1 --seqlen 512 --backend "
      "emulated --ctas 100 --events 16 --json --out " +
      path);
  REQUIRE(run.exit_code == 0);
  CHECK(run.json().at("about").at("lost_events") > 0);
  CHECK(run.json().at("about").at("ctas") == 8);  // as many tiles as ran, not as may record
  for (const auto& [key, track] : read_trace(path)) {
    REQUIRE(track.tiles.size() == 1);
    CHECK(track.stages.size() == 14);  // 16 without the tile and the one whose end is not known
    check_order(track.stages);
  }
}

TEST_CASE("on the emulator the time of a role is in steps") {
  const std::string command =
      "profile fwd_simt_fp16_d64_m64n64 --batch 1 --heads 1 --seqlen 64 --backend emulated --out "
      "/dev/null";
  const ProgramRun text = run_program(command);
  CHECK_THAT(text.out, ContainsSubstring("  steps  ") && !ContainsSubstring("µs"));
  const nlohmann::json row = run_program(command + " --json").json().at("stages").at(0);
  CHECK(row.at("steps").get<double>() > 1);
}

TEST_CASE("profile says what is wrong") {
  const ProgramRun no_gpu = run_program("profile --out /dev/null", "FLASHJIT_LIBCUDA=/nonexistent");
  CHECK(no_gpu.exit_code == 1);
  CHECK_THAT(no_gpu.err, ContainsSubstring("--backend emulated"));
  CHECK(run_program("profile fwd_simt_fp16_d64_m64n64 --backend emulated").exit_code == 2);
  const ProgramRun standard = run_program(
      "profile fwd_standard_fp16_d128_m128n64s2 --backend emulated --seqlen 64 --out /dev/null");
  CHECK(standard.exit_code == 2);
  for (const std::string flag : {"--head-dim 64", "--dtype fp16", "--causal"}) {
    const ProgramRun ignored =
        run_program("profile fwd_simt_fp16_d64_m64n64 " + flag +
                    " --backend emulated --batch 1 --heads 1 --seqlen 64 --out /dev/null");
    CHECK(ignored.exit_code == 2);
    CHECK_THAT(ignored.err,
               ContainsSubstring("VARIANT") && ContainsSubstring(flag.substr(0, flag.find(' '))));
  }
  CHECK_THAT(standard.err, ContainsSubstring("standard kernels record no profile"));
  const ProgramRun unwritable = run_program(
      "profile fwd_simt_fp16_d64_m64n64 --backend emulated --batch 1 --heads 1 --seqlen 64 --out "
      "/dev/null/trace.json");
  CHECK(unwritable.exit_code == 3);
  CHECK_THAT(unwritable.err, ContainsSubstring("/dev/null/trace.json"));
}

// By hand: one CTA with one warp's events, whose clock passes 2^32.
TEST_CASE("a profile's clock may wrap around") {
  KernelConfig config;
  config.tiling = {.family = Family::kSimt, .num_warps = 1};
  const ProfileHeader header = {.tile_counter = {}, .num_ctas = 1, .capacity = 4};
  std::vector<std::byte> buffer = cli::empty_profile(config, header);
  const u32 start = 0xFFFFFF00u;
  const ProfileTrack track = {.start_ns = 5000,
                              .end_ns = 6000,
                              .start_clock = start,
                              .end_clock = start + 2000,
                              .sm = 7,
                              .num_events = 3};
  const ProfileEvent events[] = {{start + 100, u32(Stage::kTile), 64, 5},
                                 {start + 200, u32(Stage::kScores), 3, 0},
                                 {start + 1200, u32(Stage::kEpilogue), 0, 0}};
  std::memcpy(buffer.data() + profile_track_offset(config, 0, 0), &track, sizeof(track));
  std::memcpy(buffer.data() + profile_event_offset(config, header, 0, 0), events, sizeof(events));
  const cli::Profile profile = cli::read_profile(config, buffer, 4);
  CHECK(profile.clock_mhz == Approx(2000));
  REQUIRE(profile.tracks.size() == 1);
  CHECK(profile.tracks[0].sm == 7);
  REQUIRE(profile.tracks[0].tiles.size() == 1);
  const cli::TileSpan& tile = profile.tracks[0].tiles[0];
  CHECK((tile.first_row == 64 && tile.head == 1 && tile.batch == 1));
  CHECK(tile.start_us == Approx(0.05));
  CHECK(tile.end_us == Approx(1.0));
  REQUIRE(tile.stages.size() == 2);
  CHECK(tile.stages[0].n_block == 3);
  CHECK(tile.stages[0].start_us == Approx(0.1));
  CHECK(tile.stages[0].end_us == Approx(0.6));

  const u32 nonsense = 99;
  std::memcpy(
      buffer.data() + profile_event_offset(config, header, 0, 0) + 4, &nonsense, sizeof(nonsense));
  CHECK_THROWS_AS(cli::read_profile(config, buffer, 4), Error);
  buffer.resize(40);
  CHECK_THROWS_AS(cli::read_profile(config, buffer, 4), Error);
}

}  // namespace flashjit::test

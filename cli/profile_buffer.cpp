#include "cli/profile_buffer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "flashjit/error.h"

namespace flashjit::cli {
namespace {

template <class T>
T read_at(std::span<const std::byte> buffer, i64 offset) {
  T value;
  const auto at = static_cast<std::size_t>(offset);
  if (at + sizeof(T) > buffer.size())
    throw Error(ErrorCode::kInternal, "a profile that is shorter than its header says");
  std::memcpy(&value, buffer.data() + at, sizeof(T));
  return value;
}

std::string role_of(const KernelConfig& config, int track) {
  if (config.tiling.family != Family::kSm90) return fmt::format("warp {}", track);
  return track == 0 ? "producer" : fmt::format("consumer {}", track - 1);
}

// One track as the kernel wrote it. Clocks are unwrapped: cycles since the track's start.
struct RawTrack {
  ProfileTrack header{};
  std::vector<ProfileEvent> events;
  std::vector<i64> cycles;
  i64 end_cycles = 0;
  unsigned lost = 0;
};

RawTrack read_track(const KernelConfig& config,
                    std::span<const std::byte> buffer,
                    const ProfileHeader& header,
                    int cta,
                    int track) {
  RawTrack raw;
  raw.header = read_at<ProfileTrack>(buffer, profile_track_offset(config, cta, track));
  const auto capacity = static_cast<unsigned>(header.capacity);
  const unsigned count = std::min(raw.header.num_events, capacity);
  raw.lost = raw.header.num_events - count;
  const i64 first = profile_event_offset(config, header, cta, track);
  u32 last_clock = raw.header.start_clock;
  i64 cycles = 0;
  for (unsigned i = 0; i < count; ++i) {
    const auto event =
        read_at<ProfileEvent>(buffer, first + static_cast<i64>(i * sizeof(ProfileEvent)));
    if (event.stage >= static_cast<u32>(Stage::kCount))
      throw Error(ErrorCode::kInternal, fmt::format("a profile with a stage {}", event.stage));
    cycles += static_cast<u32>(event.clock - last_clock);
    last_clock = event.clock;
    raw.events.push_back(event);
    raw.cycles.push_back(cycles);
  }
  // Where events were lost the last one kept has no known end: it serves as the end.
  raw.end_cycles = cycles + static_cast<u32>(raw.header.end_clock - last_clock);
  return raw;
}

// Cycles → microseconds on the time line of all SMs.
struct TimeLine {
  u64 origin_ns = 0;
  double cycles_per_us = 0;

  double us(const RawTrack& track, i64 cycles) const {
    return static_cast<double>(track.header.start_ns - origin_ns) / 1e3 +
           static_cast<double>(cycles) / cycles_per_us;
  }
};

TimeLine make_time_line(const std::vector<RawTrack>& tracks) {
  TimeLine line;
  double cycles = 0, ns = 0;
  for (const RawTrack& track : tracks) {
    if (line.origin_ns == 0 || track.header.start_ns < line.origin_ns)
      line.origin_ns = track.header.start_ns;
    // Modulo 2^32 cycles, two seconds; longer launches fill any buffer.
    cycles += static_cast<u32>(track.header.end_clock - track.header.start_clock);
    ns += static_cast<double>(track.header.end_ns - track.header.start_ns);
  }
  line.cycles_per_us = ns > 0 && cycles > 0 ? cycles / ns * 1e3 : 1e3;
  return line;
}

// A tile lasts from its kTile to the next one, or to what follows its epilogue.
void sort_events(const RawTrack& raw, const TimeLine& line, int num_heads_q, ProfiledTrack& track) {
  const std::size_t count = raw.events.size() - (raw.lost > 0 && !raw.events.empty() ? 1 : 0);
  bool in_tile = false, in_epilogue = false;
  for (std::size_t i = 0; i < count; ++i) {
    const ProfileEvent& event = raw.events[i];
    const auto stage = static_cast<Stage>(event.stage);
    const double start = line.us(raw, raw.cycles[i]);
    const double end = line.us(raw, i + 1 < raw.events.size() ? raw.cycles[i + 1] : raw.end_cycles);
    if (in_epilogue) in_tile = false;
    in_epilogue = stage == Stage::kEpilogue;
    if (stage == Stage::kTile) {
      const int pair = static_cast<int>(event.pair);
      track.tiles.push_back(
          {static_cast<int>(event.index), pair % num_heads_q, pair / num_heads_q, start, end, {}});
      in_tile = true;
      continue;
    }
    std::vector<StageSpan>& spans = in_tile ? track.tiles.back().stages : track.between;
    spans.push_back({stage, static_cast<int>(event.index), start, end});
    if (in_tile) track.tiles.back().end_us = end;
  }
}

}  // namespace

const char* to_string(Stage stage) {
  constexpr std::array kNames = {
      "tile", "load Q", "load K", "load V", "QKᵀ", "softmax", "P·V", "epilogue"};
  static_assert(kNames.size() == static_cast<std::size_t>(Stage::kCount));
  return kNames.at(static_cast<std::size_t>(stage));
}

std::vector<std::byte> empty_profile(const KernelConfig& config, const ProfileHeader& header) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(profile_bytes(config, header)));
  std::memcpy(buffer.data(), &header, sizeof(header));
  return buffer;
}

Profile read_profile(const KernelConfig& config,
                     std::span<const std::byte> buffer,
                     int num_heads_q) {
  const auto header = read_at<ProfileHeader>(buffer, 0);
  Profile profile;
  std::vector<RawTrack> raw;
  for (int cta = 0; cta < header.num_ctas; ++cta) {
    for (int track = 0; track < num_profile_tracks(config); ++track) {
      RawTrack one = read_track(config, buffer, header, cta, track);
      if (one.header.num_events == 0) continue;
      profile.tracks.push_back(
          {cta, static_cast<int>(one.header.sm), track, role_of(config, track), {}, {}, one.lost});
      raw.push_back(std::move(one));
    }
  }
  const TimeLine line = make_time_line(raw);
  profile.clock_mhz = line.cycles_per_us;
  for (std::size_t i = 0; i < raw.size(); ++i)
    sort_events(raw[i], line, num_heads_q, profile.tracks[i]);
  return profile;
}

}  // namespace flashjit::cli

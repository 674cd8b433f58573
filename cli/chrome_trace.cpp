#include "cli/chrome_trace.h"

#include <fmt/format.h>

namespace flashjit::cli {
namespace {

Json metadata(const char* what, int process, int thread, const std::string& name) {
  return {
      {"ph", "M"}, {"name", what}, {"pid", process}, {"tid", thread}, {"args", {{"name", name}}}};
}

Json slice(const ProfiledTrack& track, const std::string& name, double start, double end) {
  return {{"ph", "X"},
          {"name", name},
          {"pid", track.cta},
          {"tid", track.index},
          {"ts", start},
          {"dur", end - start}};
}

void add_stages(const ProfiledTrack& track, const std::vector<StageSpan>& stages, Json& events) {
  for (const StageSpan& stage : stages) {
    Json event = slice(track, to_string(stage.stage), stage.start_us, stage.end_us);
    event["cat"] = "stage";
    if (stage.stage != Stage::kEpilogue && stage.stage != Stage::kLoadQ)
      event["args"] = {{"n_block", stage.n_block}};
    events.push_back(std::move(event));
  }
}

}  // namespace

std::string chrome_trace(const Profile& profile, const Json& about) {
  Json events = Json::array();
  int named_cta = -1;
  for (const ProfiledTrack& track : profile.tracks) {
    if (track.cta != named_cta)
      events.push_back(metadata(
          "process_name", track.cta, 0, fmt::format("CTA {} on SM {}", track.cta, track.sm)));
    named_cta = track.cta;
    events.push_back(metadata("thread_name", track.cta, track.index, track.role));
    for (const TileSpan& tile : track.tiles) {
      Json event = slice(track,
                         fmt::format("rows {}… of head {}", tile.first_row, tile.head),
                         tile.start_us,
                         tile.end_us);
      event["cat"] = "tile";
      event["args"] = {{"first_row", tile.first_row}, {"head", tile.head}, {"batch", tile.batch}};
      events.push_back(std::move(event));
      add_stages(track, tile.stages, events);
    }
    add_stages(track, track.between, events);
  }
  const Json document = {
      {"displayTimeUnit", "ns"}, {"otherData", about}, {"traceEvents", std::move(events)}};
  return document.dump() + "\n";
}

}  // namespace flashjit::cli

// `flashjit check VARIANT`: the variant's own text on the emulator, under many schedules, with all
// detectors on. What a person runs after editing a kernel; needs a host compiler and no GPU.
#include <fmt/format.h>

#include <memory>

#include "cli/program.h"
#include "cli/variants.h"
#include "emulator/backend/check.h"
#include "log.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

struct CheckFlags {
  std::string variant, arch = "sm_90a";
  std::vector<int> shape;
  std::vector<std::string> detectors{"races", "uninitialised", "poison"};
  emu::CheckOptions options;
};

emu::CheckOptions make_options(const CheckFlags& flags) {
  emu::CheckOptions options = flags.options;
  if (!flags.shape.empty()) {
    options.shape = {
        flags.shape[0], flags.shape[1], flags.shape[2], flags.shape[3], flags.shape[4]};
  }
  const auto on = [&](const char* detector) {
    return std::find(flags.detectors.begin(), flags.detectors.end(), detector) !=
           flags.detectors.end();
  };
  options.detectors.detect_races = on("races") || on("uninitialised");
  options.detectors.detect_uninitialised = on("uninitialised");
  options.detectors.poison = on("poison");
  options.bank_conflicts = on("banks");
  return options;
}

int run_check(const CheckFlags& flags, Report& report) {
  const KernelConfig config = require_variant(flags.variant, require_arch(flags.arch));
  const emu::CheckOptions options = make_options(flags);
  const Settings settings = read_settings();
  report.progress("compiling " + flags.variant + " for the emulator …");
  emu::Checker checker(settings, make_logger({}, settings));
  const emu::CheckReport result = checker.check(config, options);
  const emu::CheckShape& s = options.shape;
  report.facts(
      "check",
      variant_name(config) + " on the emulator",
      {{"ok", "result", result.ok ? "no finding" : "FOUND: " + result.kind, result.ok},
       {"shape",
        "shape",
        fmt::format("batch {}, {} queries, {} keys, {} heads over {}",
                    s.batch,
                    s.seqlen_q,
                    s.seqlen_kv,
                    s.num_heads_q,
                    s.num_heads_kv),
        Json::array({s.batch, s.seqlen_q, s.seqlen_kv, s.num_heads_q, s.num_heads_kv})},
       {"schedules",
        "schedules",
        fmt::format("{} from seed {}", result.schedules, options.seed),
        result.schedules},
       {"worst_o",
        "largest error of O",
        result.compared > 0 ? fmt::format("{:.2e}", result.worst_o) : "none was compared",
        result.compared > 0 ? Json(result.worst_o) : Json()},
       {"bank_conflicts",
        "bank conflicts",
        fmt::format("{} extra wavefronts", result.stats.bank_conflicts),
        result.stats.bank_conflicts},
       {"seconds", "processor time", fmt::format("{:.1f} s", result.seconds), result.seconds},
       {"kind", "finding", result.ok ? "none" : result.kind, result.kind}});
  if (result.ok) return kExitOk;
  report.value("seed", result.seed);
  report.listing("finding", "Report", result.message);
  report.note(fmt::format(
      "`flashjit check {} --arch {} --shape {},{},{},{},{} --seed {} --schedules 1` repeats it.",
      flags.variant,
      flags.arch,
      s.batch,
      s.seqlen_q,
      s.seqlen_kv,
      s.num_heads_q,
      s.num_heads_kv,
      result.seed));
  return kExitFailure;
}

}  // namespace

void use_emulator() { emu::register_backend(); }

void add_check(Program& program) {
  auto flags = std::make_shared<CheckFlags>();
  CLI::App& command =
      add_command(program,
                  "check",
                  "Run a variant on the emulator under many schedules, all detectors on",
                  [flags](Report& report) { return run_check(*flags, report); });
  command.add_option("VARIANT", flags->variant, "A name as `flashjit list` prints it")->required();
  command.add_option("--arch", flags->arch, "Architecture of the variant")->capture_default_str();
  command
      .add_option("--shape",
                  flags->shape,
                  "batch,seqlen_q,seqlen_kv,heads_q,heads_kv; default 1,200,200,2,1")
      ->delimiter(',')
      ->expected(5)
      ->check(CLI::Range(1, 1 << 20));
  command.add_option("--schedules", flags->options.schedules, "How many")
      ->check(CLI::Range(1, 1000000));
  command.add_option("--seed", flags->options.seed, "Of the first schedule");
  command.add_option("--detectors", flags->detectors, "races, uninitialised, poison, banks")
      ->delimiter(',')
      ->check(CLI::IsMember({"races", "uninitialised", "poison", "banks"}));
}

}  // namespace flashjit::cli

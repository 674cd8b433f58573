// `flashjit check VARIANT`: the variant's own text on the emulator, under many schedules, with the
// detectors of races and more. What a person runs after editing a kernel; needs a host compiler and
// no GPU.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "cli/program.h"
#include "cli/toolchain.h"
#include "cli/variants.h"
#include "emulator/backend/check.h"
#include "log.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

struct CheckFlags {
  std::string variant, arch = "sm_90a";
  std::vector<int> shape;
  std::vector<std::string> detectors;  // empty: all but banks, which tell of speed
  emu::CheckOptions options;
};

emu::CheckOptions make_options(const CheckFlags& flags) {
  emu::CheckOptions options = flags.options;
  if (!flags.shape.empty()) {
    options.shape = {
        flags.shape[0], flags.shape[1], flags.shape[2], flags.shape[3], flags.shape[4]};
  }
  std::vector<std::string> names = flags.detectors;
  if (names.empty()) names = {"races", "uninitialised", "poison"};
  const auto on = [&](const char* detector) {
    return std::find(names.begin(), names.end(), detector) != names.end();
  };
  options.detectors.detect_races = on("races") || on("uninitialised");
  options.detectors.detect_uninitialised = on("uninitialised");
  options.detectors.poison = on("poison");
  options.bank_conflicts = on("banks");
  return options;
}

std::string error_text(const emu::CheckReport& result) {
  if (result.compared == 0) return "none was compared";
  return std::isfinite(result.worst_o) ? fmt::format("{:.2e}", result.worst_o) : "not finite";
}

// A word of a command line as a shell reads it.
std::string shell_word(const std::string& text) {
  constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%~";
  if (text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// What shows the finding again: its schedule alone, with the sources and the detectors that found
// it.
std::string repeating_command(const CheckFlags& flags,
                              const emu::CheckShape& s,
                              std::uint64_t seed) {
  std::string command;
  const std::string kernels = given_kernel_dir();
  if (!kernels.empty()) command = "FLASHJIT_KERNEL_DIR=" + shell_word(kernels) + " ";
  command += fmt::format("flashjit check {} --arch {} --shape {},{},{},{},{}",
                         flags.variant,
                         flags.arch,
                         s.batch,
                         s.seqlen_q,
                         s.seqlen_kv,
                         s.num_heads_q,
                         s.num_heads_kv);
  if (!flags.detectors.empty())
    command += fmt::format(" --detectors {}", fmt::join(flags.detectors, ","));
  return command + fmt::format(" --seed {} --schedules 1", seed);
}

int run_check(const CheckFlags& flags, Report& report) {
  const KernelConfig config = require_variant(flags.variant, require_arch(flags.arch));
  const emu::CheckOptions options = make_options(flags);
  const Settings settings = read_settings();
  report.progress("compiling " + flags.variant + " for the emulator …");
  emu::Checker checker(settings, make_logger({}, settings));
  const emu::CheckReport result = checker.check(config, options);
  const emu::CheckShape& s = options.shape;
  std::vector<Fact> facts = {
      {"ok", "result", result.ok ? "no finding" : "FOUND: " + result.kind, result.ok},
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
       error_text(result),
       result.compared > 0 ? Json(result.worst_o) : Json()},
      {"bank_conflicts",
       "bank conflicts",
       fmt::format("{} extra wavefronts", result.stats.bank_conflicts),
       result.stats.bank_conflicts},
      {"seconds", "processor time", fmt::format("{:.1f} s", result.seconds), result.seconds},
      {"kind", "finding", result.ok ? "none" : result.kind, result.kind}};
  if (!given_kernel_dir().empty())
    facts.push_back({"kernel_sources", "kernel sources", sources_text(), sources_text()});
  report.facts("check", variant_name(config) + " on the emulator", facts);
  if (result.ok) return kExitOk;
  report.value("seed", result.seed);
  report.listing("finding", "Report", result.message);
  report.note("`" + repeating_command(flags, s, result.seed) + "` repeats it.");
  return kExitFailure;
}

}  // namespace

void use_emulator() { emu::register_backend(); }

void add_check(Program& program) {
  auto flags = std::make_shared<CheckFlags>();
  CLI::App& command =
      add_command(program,
                  "check",
                  "Run a variant on the emulator under many schedules and look for races and more",
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
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command.add_option("--seed", flags->options.seed, "Of the first schedule")->capture_default_str();
  command
      .add_option("--detectors",
                  flags->detectors,
                  "races, uninitialised, poison, banks; default: all but banks")
      ->delimiter(',')
      ->check(CLI::IsMember({"races", "uninitialised", "poison", "banks"}));
}

}  // namespace flashjit::cli

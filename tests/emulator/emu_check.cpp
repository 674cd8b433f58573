// `emu_check VARIANT…` checks variants by name on the emulator; what emulator/mutate.py and people
// at a shell call. Exit code 0: nothing found; 1: a finding; 2: bad usage; 3: does not compile.
//
//   shape=1,200,330,4,2          batch, seqlen_q, seqlen_kv, heads_q, heads_kv; with any of large,
//                                special, bhsd, topleft and scale=X behind, separated by commas
//   seed=1 schedules=10          one after another until a finding, each if `each` stands there
//   kernels=DIRECTORY            kernel sources instead of the built-in ones
//   cache=DIRECTORY workers=1 steps=400000000 norace nopoison banks
//   costs=4                      what happens-before costs: of each schedule the shortest of 4 runs
//                                with it and of 4 without, in turn
#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "emulator/backend/check.h"
#include "runtime/log.h"
#include "runtime/variant_source.h"

namespace flashjit {
namespace {

struct Arguments {
  std::vector<std::string> variants;
  std::vector<emu::CheckShape> shapes;
  emu::CheckOptions options;
  bool each = false;
  int costs = 0;
  Settings settings = read_settings();
};

bool parse_shape(const std::string& text, emu::CheckShape& s) {
  std::istringstream words(text);
  std::string word;
  for (int* number : {&s.batch, &s.seqlen_q, &s.seqlen_kv, &s.num_heads_q, &s.num_heads_kv}) {
    if (!std::getline(words, word, ',') || std::sscanf(word.c_str(), "%d", number) != 1)
      return false;
  }
  while (std::getline(words, word, ',')) {
    if (word == "large") {
      s.inputs = emu::CheckInputs::kLarge;
    } else if (word == "special") {
      s.inputs = emu::CheckInputs::kSpecial;
    } else if (word == "bhsd") {
      s.bhsd = true;
    } else if (word == "topleft") {
      s.top_left = true;
    } else if (word.starts_with("scale=")) {
      s.softmax_scale = std::stof(word.substr(6));
    } else {
      return false;
    }
  }
  return true;
}

bool parse(const std::string& argument, Arguments& arguments) {
  const std::string value = argument.substr(argument.find('=') + 1);
  emu::Options& detectors = arguments.options.detectors;
  if (argument.starts_with("shape=")) {
    emu::CheckShape s;
    if (!parse_shape(value, s)) return false;
    arguments.shapes.push_back(s);
  } else if (argument.starts_with("schedules=")) {
    arguments.options.schedules = std::stoi(value);
  } else if (argument.starts_with("seed=")) {
    arguments.options.seed = std::stoull(value);
  } else if (argument.starts_with("workers=")) {
    detectors.workers = std::stoi(value);
  } else if (argument.starts_with("kernels=")) {
    arguments.settings.kernel_dir = value;
  } else if (argument.starts_with("cache=")) {
    arguments.settings.cache_dir = value;
  } else if (argument.starts_with("steps=")) {
    detectors.max_steps = std::stoull(value);
  } else if (argument.starts_with("costs=")) {
    arguments.costs = std::stoi(value);
  } else if (argument == "each") {
    arguments.each = true;
  } else if (argument == "norace") {
    detectors.detect_races = false;
  } else if (argument == "nopoison") {
    detectors.poison = false;
  } else if (argument == "banks") {
    arguments.options.bank_conflicts = true;
  } else if (argument.starts_with("fwd_")) {
    arguments.variants.push_back(argument);
  } else {
    return false;
  }
  return true;
}

// One check and its line.
bool check(emu::Checker& checker,
           const std::string& name,
           const KernelConfig& config,
           const emu::CheckOptions& options) {
  const emu::CheckReport report = checker.check(config, options);
  const emu::CheckShape& s = options.shape;
  std::printf(
      "%s b%d q%d kv%d h%d/%d seed %llu: %s, %d schedules, %.3f s each, errors O %.2g LSE %.2g\n",
      name.c_str(),
      s.batch,
      s.seqlen_q,
      s.seqlen_kv,
      s.num_heads_q,
      s.num_heads_kv,
      static_cast<unsigned long long>(report.seed),
      report.ok ? "ok" : report.kind.c_str(),
      report.schedules,
      report.seconds / report.schedules,
      report.worst_o,
      report.worst_lse);
  if (!report.ok) std::printf("  %s\n", report.message.c_str());
  std::fflush(stdout);
  return report.ok;
}

// Processor seconds of a schedule, the mean over schedules. Of some runs the shortest: what else
// the machine does makes them longer, never shorter.
bool print_costs(emu::Checker& checker,
                 const std::string& name,
                 const KernelConfig& config,
                 emu::CheckOptions options,
                 int rounds) {
  const int schedules = std::exchange(options.schedules, 1);
  double with = 0, without = 0;
  for (int i = 0; i < schedules; ++i, ++options.seed) {
    double shortest[2] = {1e9, 1e9};
    for (int run = 0; run < 2 * rounds; ++run) {
      options.detectors.detect_races = run % 2 == 0;
      const emu::CheckReport report = checker.check(config, options);
      if (!report.ok) return check(checker, name, config, options);
      shortest[run % 2] = std::min(shortest[run % 2], report.seconds);
    }
    with += shortest[0] / schedules;
    without += shortest[1] / schedules;
  }
  std::printf("%s: %.3f s, without happens-before %.3f s: it costs %.0f %%\n",
              name.c_str(),
              with,
              without,
              100 * (with / without - 1));
  return true;
}

int run(Arguments& arguments) {
  emu::Checker checker(arguments.settings, make_logger(Options{}, arguments.settings));
  bool ok = true;
  for (const std::string& name : arguments.variants) {
    const bool hopper = name.starts_with("fwd_sm90");
    const auto config = parse_variant_name(name, Arch{hopper ? 9 : 8, 0, hopper});
    if (!config) {
      std::printf("%s is no variant\n", name.c_str());
      return 2;
    }
    for (const emu::CheckShape& shape : arguments.shapes) {
      emu::CheckOptions options = arguments.options;
      options.shape = shape;
      if (arguments.costs > 0) {
        ok = print_costs(checker, name, *config, options, arguments.costs) && ok;
        continue;
      }
      if (!arguments.each) {
        ok = check(checker, name, *config, options) && ok;
        continue;
      }
      options.schedules = 1;
      for (int i = 0; i < arguments.options.schedules; ++i, ++options.seed)
        ok = check(checker, name, *config, options) && ok;
    }
  }
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace flashjit

int main(int argc, char** argv) {
  flashjit::Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    if (!flashjit::parse(argv[i], arguments)) {
      std::printf("emu_check: %s is not understood\n", argv[i]);
      return 2;
    }
  }
  if (arguments.shapes.empty()) arguments.shapes.push_back({});
  try {
    return flashjit::run(arguments);
  } catch (const flashjit::Error& error) {
    std::printf("%s: %s\n%s\n", to_string(error.code()), error.what(), error.compile_log().c_str());
    return 3;
  }
}

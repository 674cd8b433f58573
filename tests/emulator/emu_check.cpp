// `emu_check VARIANT…` checks variants by name on the emulator; what tests/emulator/mutate.py and
// people at a shell call. Exit code 0: nothing found; 1: a finding; 2: bad usage; 3: does not
// compile.
#include <cstdio>
#include <string>
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
  Settings settings = read_settings();
};

bool parse(const std::string& argument, Arguments& arguments) {
  const std::string value = argument.substr(argument.find('=') + 1);
  emu::Options& detectors = arguments.options.detectors;
  if (argument.starts_with("shape=")) {
    emu::CheckShape s;
    if (std::sscanf(value.c_str(),
                    "%d,%d,%d,%d,%d",
                    &s.batch,
                    &s.seqlen_q,
                    &s.seqlen_kv,
                    &s.num_heads_q,
                    &s.num_heads_kv) != 5) {
      return false;
    }
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

int run(Arguments& arguments) {
  emu::Checker checker(arguments.settings, make_logger(Options{}, arguments.settings));
  int result = 0;
  for (const std::string& name : arguments.variants) {
    const bool hopper = name.starts_with("fwd_sm90");
    const auto config = parse_variant_name(name, Arch{hopper ? 9 : 8, 0, hopper});
    if (!config) {
      std::printf("%s is no variant\n", name.c_str());
      return 2;
    }
    for (const emu::CheckShape& shape : arguments.shapes) {
      arguments.options.shape = shape;
      const emu::CheckReport report = checker.check(*config, arguments.options);
      std::printf("%s b%d q%d kv%d h%d/%d: %s, %d schedules, %.3f s each, errors O %.2g LSE %.2g\n",
                  name.c_str(),
                  shape.batch,
                  shape.seqlen_q,
                  shape.seqlen_kv,
                  shape.num_heads_q,
                  shape.num_heads_kv,
                  report.ok ? "ok" : report.kind.c_str(),
                  report.schedules,
                  report.seconds / report.schedules,
                  report.worst_o,
                  report.worst_lse);
      if (!report.ok) {
        std::printf("seed %llu: %s\n",
                    static_cast<unsigned long long>(report.seed),
                    report.message.c_str());
        result = 1;
      }
      std::fflush(stdout);
    }
  }
  return result;
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

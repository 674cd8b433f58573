#include "check.h"

#include <fmt/format.h>

#include <ctime>

#include "emulated_kernel.h"
#include "runtime/problem.h"

namespace flashjit::emu {

Checker::Checker(const Settings& settings, std::shared_ptr<spdlog::logger> logger)
    : executor_(settings, Options{}), registry_(executor_, settings, std::move(logger)) {}

Stats Checker::run(const KernelConfig& config, const AttentionArgs& args, const Options& options) {
  const Kernel& kernel = registry_.get(config);
  return launch_variant(config,
                        static_cast<const EmulatedKernel&>(*kernel.loaded).entries(),
                        args,
                        validate(args).shape,
                        executor_.device(),
                        options);
}

CheckReport Checker::check(const KernelConfig& config, const CheckOptions& options) {
  CheckProblem problem(config.problem, options.shape);
  CheckReport report;
  CheckProblem::Errors worst;
  std::vector<std::byte> first;
  registry_.get(config);  // compile outside of the time that is reported
  const std::clock_t start = std::clock();
  for (int i = 0; i < options.schedules && report.ok; ++i) {
    report.seed = options.seed + std::uint64_t(i);
    report.schedules = i + 1;
    const auto fail = [&](std::string kind, std::string message) {
      report.ok = false;
      report.kind = std::move(kind);
      report.message = std::move(message);
    };
    problem.clear_output();
    try {
      Options detectors = options.detectors;
      detectors.seed = report.seed;
      report.stats = run(config, problem.args(), detectors);
    } catch (const Failure& failure) {
      fail(failure.kind(), failure.what());
      break;
    }
    ++report.compared;
    if (std::string wrong = problem.judge(worst); !wrong.empty()) {
      fail("wrong", std::move(wrong));
    } else if (first.empty()) {
      first = problem.output();
    } else if (first != problem.output()) {
      fail("nondeterministic", "the output differs from that of the first schedule");
    }
    if (report.ok && options.bank_conflicts && report.stats.bank_conflicts > 0) {
      std::string places;
      for (const auto& [place, n] : report.stats.bank_conflicts_at) {
        places += fmt::format("{}{} at {}", places.empty() ? "" : ", ", n, place);
      }
      fail("banks", "extra wavefronts of ldmatrix and stmatrix: " + places);
    }
  }
  report.worst_o = worst.o;
  report.worst_lse = worst.lse;
  report.seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
  return report;
}

}  // namespace flashjit::emu

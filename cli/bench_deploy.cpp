#include "cli/bench_deploy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/bundle_start.h"
#include "cli/deploy_samples.h"
#include "cli/result_file.h"
#include "cli/temporary_directory.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

double sum(const std::map<std::string, double>& values) {
  double total = 0;
  for (const auto& [name, value] : values) total += value;
  return total;
}

// What `part` took, were it all that `all` compiled: by the compile times of `all`.
double scaled_wall_ms(const Preloaded& part, const Preloaded& all) {
  double same = 0;
  for (const auto& [name, ms] : part.compile_ms) same += all.compile_ms.at(name);
  return part.wall_ms * sum(all.compile_ms) / same;
}

}  // namespace

int bench_preload(const DeployBench& bench, Report& report) {
  const int threads = threads_of(bench), few = std::min(bench.alone, bench.variants);
  const TemporaryDirectory directory;
  const fs::path root = directory.path();
  const Preloaded many = preload(bench, bench.variants, threads, root / "many", report);
  const Preloaded one = preload(bench, few, 1, root / "one", report);
  const double one_all_ms = scaled_wall_ms(one, many), speedup = one_all_ms / many.wall_ms;
  const std::size_t count = many.compile_ms.size();
  const auto seconds = [](double ms) { return fmt::format("{:.2f} s", ms / 1000); };
  const std::vector<Fact> facts = {
      {"variants", "variants", fmt::to_string(count), count},
      {"threads", "threads", fmt::to_string(threads), threads},
      {"many_ms", "all threads", seconds(many.wall_ms), many.wall_ms},
      {"one_all_ms", "one thread", seconds(one_all_ms), one_all_ms},
      {"speedup", "speed-up", fmt::format("{:.2f} ×", speedup), speedup}};
  Table table({{"threads", "threads"},
               {"variants", "variants"},
               {"wall_ms", "wall ms", 0},
               {"compile_ms", "NVRTC ms, all threads", 0}});
  table.row({threads, count, many.wall_ms, sum(many.compile_ms)});
  table.row({1, one.compile_ms.size(), one.wall_ms, sum(one.compile_ms)});
  report.table("rows", "Preload on " + many.device.name, table);
  report.facts("preload", "Speed", facts);
  report.note(
      fmt::format("Each into an empty cache: compiled, published and loaded; wall time of "
                  "preload(). One thread did {} of the variants; its time is scaled by the "
                  "compile times that the same ones had among all.",
                  one.compile_ms.size()));
  const std::string command = fmt::format(
      "flashjit bench-preload --variants {} --threads {} --alone {}", bench.variants, threads, few);
  write_results(bench, command, many.device, facts, table.to_json());
  return kExitOk;
}

void add_bench_deploy(Program& program) {
  auto bench = std::make_shared<DeployBench>();
  const auto add =
      [&](const char* name, const char* description, int (*run)(const DeployBench&, Report&)) {
        CLI::App& command = add_command(program, name, description, [bench, run](Report& report) {
          if (!bench->out.empty()) require_output_file(bench->out);
          return run(*bench, report);
        });
        command.add_option("--device", bench->device, "CUDA device")->check(CLI::NonNegativeNumber);
        command.add_option("--variants", bench->variants, "How many")
            ->check(CLI::Range(1, 256))
            ->capture_default_str();
        command
            .add_option("--threads",
                        bench->threads,
                        "Compiles at once; default: what the cores and the free memory allow")
            ->check(CLI::Range(1, 1024));
        command.add_option("--out", bench->out, "File for the result");
        return &command;
      };
  add("bench-preload", "Many variants compiled by many threads, then by one", bench_preload)
      ->add_option("--alone", bench->alone, "How many of them one thread compiles")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  add("bench-start", "Fresh processes that find many variants in a bundle", bench_start)
      ->add_option("--starts", bench->starts, "Processes")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  auto context_only = std::make_shared<bool>(false);
  CLI::App& first_launch =
      add_command(program, "first-launch", "", [bench, context_only](Report& report) {
        return run_first_launch(bench->device, *context_only, report);
      });
  first_launch.group("");  // hidden: bench-start runs it
  first_launch.add_option("--device", bench->device, "CUDA device");
  first_launch.add_flag("--context-only", *context_only, "Nothing but the context");
}

}  // namespace flashjit::cli

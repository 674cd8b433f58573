#include "cli/bench_ladder.h"

#include <fmt/format.h>

#include <atomic>
#include <map>
#include <memory>
#include <thread>

#include "cli/ladder.h"
#include "cli/program.h"
#include "cli/result_file.h"
#include "cli/tensors.h"
#include "cli/variants.h"

namespace flashjit::cli {
namespace {

// What the tensor cores of one SM of Hopper do in a clock, 16-bit inputs, dense.
constexpr double kFlopsPerClock = 4096;

constexpr int kSets = 2;

// A rung that is ready to run: the runtime that is forced to its tiling.
struct Contender {
  const Rung* rung = nullptr;
  std::unique_ptr<Runtime> runtime;
  VariantInfo info;
  std::string error;
};

// Compilation is most of the time of a first run, so threads share it.
std::vector<Contender> prepare(const std::vector<const Rung*>& rungs,
                               const AttentionProblem& problem,
                               int device) {
  std::vector<Contender> contenders(rungs.size());
  const AttentionArgs args = problem.args(nullptr, nullptr, nullptr, nullptr);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < rungs.size(); i = next++) {
      Contender& contender = contenders[i];
      contender.rung = rungs[i];
      try {
        contender.runtime = std::make_unique<Runtime>(
            Options{.backend = Backend::kCuda, .device = device, .tiling = rungs[i]->tiling});
        contender.info = contender.runtime->prepare(args);
      } catch (const Error& error) {
        contender.error = error.what();
      }
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    threads.emplace_back(work);
  threads.clear();  // joins
  return contenders;
}

Comparison measure(std::vector<Contender>& contenders,
                   const AttentionProblem& problem,
                   const Device& device,
                   const MeasurePolicy& policy) {
  std::vector<Tensors> sets;
  for (unsigned i = 0; i < kSets; ++i) sets.emplace_back(&device, problem, i);
  std::vector<TimedCall> calls;
  for (Contender& contender : contenders) {
    if (contender.error.empty()) {
      for (Tensors& tensors : sets) tensors.provide_workspace(&device, *contender.runtime);
    }
    calls.push_back({contender.rung->name, [&sets, &contender](CUstream stream, int set) {
                       if (!contender.error.empty())
                         throw Error(ErrorCode::kNotSupported, contender.error);
                       contender.runtime->forward(sets[static_cast<std::size_t>(set)].args(),
                                                  stream);
                     }});
  }
  return compare_device_times(device, calls, kSets, policy);
}

Table ladder_table() {
  return Table({{"head_dim", "D"},
                {"causal", "causal"},
                {"seqlen", ""},
                {"batch", ""},
                {"heads", ""},
                {"kind", ""},
                {"step", "step"},
                {"variant", ""},
                {"time_us", "µs", 1},
                {"spread_us", "±", 1},
                {"tflops", "TFLOP/s", 0},
                {"utilisation", "util", 3},
                {"gain", "gain", 3},
                {"spill_bytes", ""},
                {"sm_clock_mhz", "MHz", 0},
                {"error", ""}});
}

// One case: rows of both parts. `gain` of a step is over the step before, of a technique left out
// over the choice, so below 1 where it is missed.
void bench_case(const AttentionProblem& problem,
                const Device& device,
                const MeasurePolicy& policy,
                Table& table) {
  const ValidatedProblem valid =
      validate(problem.args(nullptr, nullptr, nullptr, nullptr), /*check_pointers=*/false);
  const DeviceInfo& info = device.info();
  const Ladder ladder = make_ladder(valid.problem, valid.shape, info.arch, info.sm_count);
  std::vector<const Rung*> rungs;
  for (const Rung& rung : ladder.steps) rungs.push_back(&rung);
  for (const Rung& rung : ladder.without) rungs.push_back(&rung);
  std::vector<Contender> contenders = prepare(rungs, problem, device.ordinal());
  const Comparison comparison = measure(contenders, problem, device, policy);
  const double mhz = comparison.sm_clock_mhz;
  const std::size_t choice = ladder.steps.size() - 1;
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    const Measurement& m = comparison.measurements[i];
    const bool is_step = i <= choice, good = m.error.empty();
    const std::size_t base = !is_step ? choice : i > 0 ? i - 1 : 0;
    const bool has_base = good && i > 0 && comparison.measurements[base].error.empty();
    const auto number = [good](double value) { return good ? Json(value) : Json(); };
    const ResourceUse& use = contenders[i].info.resources;
    const double per_clock = mhz * info.sm_count * kFlopsPerClock;  // FLOPs in a microsecond
    table.row({problem.head_dim,
               problem.causal,
               problem.seqlen_q,
               problem.batch,
               problem.num_heads_q,
               is_step ? "step" : "without",
               rungs[i]->name,
               contenders[i].info.name,
               number(m.median_us),
               number(m.spread_us),
               number(problem.flops() / m.median_us / 1e6),
               good && mhz > 0 ? Json(problem.flops() / m.median_us / per_clock) : Json(),
               has_base ? Json(comparison.paired_ratio(base, i)) : Json(),
               use.spill_store_bytes + use.spill_load_bytes,
               mhz > 0 ? Json(mhz) : Json(),
               m.error});
  }
}

}  // namespace

int bench_ladder(const AttentionProblem& problem,
                 const Device& device,
                 const MeasurePolicy& policy,
                 const std::filesystem::path& out,
                 Report& report) {
  Table all = ladder_table();
  for (const int head_dim : {64, 128, 256}) {
    for (const bool causal : {false, true}) {
      const int heads = 2048 / head_dim;
      AttentionProblem point = problem;
      point.batch = std::max(1, 16384 / problem.seqlen_q);
      point.seqlen_kv = problem.seqlen_q;
      point.num_heads_q = point.num_heads_kv = heads;
      point.head_dim = head_dim;
      point.causal = causal;
      report.progress(describe(point) + " …");
      Table table = ladder_table();
      bench_case(point, device, policy, table);
      all.append(table);
      if (!report.json()) report.table("", describe(point), table);
    }
  }
  if (report.json()) report.table("rows", "", all);
  report.value("policy", policy.text());
  report.note(
      "gain: over the step before; of the second part, over the heuristic's choice. util: share of "
      "the tensor cores' peak of 4096 FLOPs in a clock of an SM, at the median clock of the "
      "comparison.");
  if (!out.empty()) {
    write_result_file(
        out,
        {{"device", device.info().name},
         {"driver", device.info().driver_version},
         {"date", today()},
         {"command", fmt::format("flashjit bench --ladder --seqlen {}", problem.seqlen_q)},
         {"policy", policy.text()}},
        all.to_json());
  }
  return kExitOk;
}

}  // namespace flashjit::cli

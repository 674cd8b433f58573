#include "cli/tune_worker.h"

#include <fmt/format.h>
#include <unistd.h>

#include "autotune/cuda_target.h"
#include "autotune/isolated_target.h"
#include "cli/tune.h"
#include "workload.h"

namespace flashjit::cli {
namespace {

class IsolatedDevice final : public TuningDevice {
 public:
  IsolatedDevice(std::unique_ptr<CudaTuningDevice> device, int ordinal)
      : device_(std::move(device)), ordinal_(ordinal) {}

  const DeviceInfo& info() const override { return device_->info(); }
  FamilyDigests digests() const override { return device_->digests(); }
  std::string policy() const override { return device_->policy(); }
  void compile_ahead(const KernelConfig& config) override { device_->compile_ahead(config); }

  std::unique_ptr<TuningTarget> open(const TuningProblem& problem) override {
    const Arch arch = info().arch;
    const auto compile = [this, p = problem.problem, arch](const Tiling& tiling) {
      return compile_variant(device_->registry(), {p, tiling, arch});
    };
    const auto start = [ordinal = ordinal_, line = workload_line(problem.problem, problem.shape)] {
      WorkerProcess worker =
          start_worker({"/proc/self/exe", "tune-worker", "--device", fmt::to_string(ordinal)});
      worker.send(line);
      return worker;
    };
    return std::make_unique<IsolatedTarget>(
        compile, start, tuning_space(problem, info()).default_tiling);
  }

 private:
  std::unique_ptr<CudaTuningDevice> device_;
  const int ordinal_;
};

int run_worker(int ordinal) {
  // In a process group of its own nothing else would end it with a parent that is killed.
  end_with_peer(STDIN_FILENO);
  std::string line;
  for (char c = 0; ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) line += c;
  const std::vector<WorkloadProblem> problems = parse_workload(line, "the problem");
  if (problems.size() != 1) throw Error(ErrorCode::kData, "a worker needs one problem");
  const Settings settings = read_settings();
  CudaTuningDevice device(settings, ordinal, tuning_policy(), tuning_logger(settings));
  const auto target = device.open({problems[0].problem, problems[0].shape});
  // Its end is this process's business alone: no output of a command may follow on the socket.
  ::_exit(serve_target(*target, STDIN_FILENO));
}

}  // namespace

std::unique_ptr<TuningDevice> make_isolated_device(std::unique_ptr<CudaTuningDevice> device,
                                                   int ordinal) {
  return std::make_unique<IsolatedDevice>(std::move(device), ordinal);
}

void add_tune_worker(Program& program) {
  auto ordinal = std::make_shared<int>(0);
  CLI::App& command =
      add_command(program, "tune-worker", "A process of tune --isolate", [ordinal](Report&) {
        return run_worker(*ordinal);
      });
  command.group("");  // not for people
  command.add_option("--device", *ordinal, "CUDA device")->check(CLI::NonNegativeNumber);
}

}  // namespace flashjit::cli

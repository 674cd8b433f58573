// The table of contents of the library: what a call does, in order. Each step is a file of its own:
// problem, variant_choice (→ select, tuned_tilings), kernel_registry (→ variant_source,
// cubin_cache, compiler), executor.
#include <fmt/format.h>

#include <map>

#include "cpu/cpu_backend.h"
#include "executor_factory.h"
#include "hit_counter.h"
#include "kernel_registry.h"
#include "preload.h"
#include "selection_memo.h"
#include "variant_choice.h"
#include "variant_name.h"
#include "workload.h"

namespace flashjit {
namespace {

bool has_output(const ProblemShape& shape) { return shape.batch != 0 && shape.seqlen_q != 0; }

}  // namespace

class Runtime::Impl {
 public:
  explicit Impl(const Options& options)
      : options_(options),
        settings_(effective_settings(options)),
        logger_(make_logger(options, settings_)) {
    if (!settings_.record_file.empty())
      recorder_ = std::make_unique<WorkloadRecorder>(settings_.record_file, logger_);
    if (options.backend == Backend::kCpu || !open_executor()) {
      cpu_ = std::make_unique<cpu::CpuBackend>(settings_.cpu_threads);
      return;
    }
    registry_ = std::make_unique<KernelRegistry>(*executor_, settings_, logger_);
    choice_ = std::make_unique<VariantChoice>(options_, settings_, *executor_, *registry_, logger_);
  }

  void forward(const AttentionArgs& args, Stream stream) {
    const ValidatedProblem call = validate(args);
    if (!has_output(call.shape)) return;
    if (cpu_) {
      if (recorder_) recorder_->record({call.problem, {}, {}}, call.shape);
      return cpu_->forward(args, call);
    }
    executor_->check_pointers(args);
    const Kernel& kernel = find_kernel(call, stream);
    executor_->launch(*kernel.loaded, kernel.info.config, args, call.shape, stream);
  }

  VariantInfo prepare(const AttentionArgs& args) {
    const ValidatedProblem call = validate(args, false);
    return cpu_ ? cpu_variant(call.problem) : load(call);
  }

  PreloadResult preload(std::span<const AttentionArgs> problems, const PreloadOptions& options) {
    Wanted wanted;
    for (std::size_t i = 0; i < problems.size(); ++i) {
      try {
        add_variant(validate(problems[i], false), i, wanted);
      } catch (const Error& error) {
        throw Error(error.code(), fmt::format("problems[{}]: {}", i, error.what()));
      }
    }
    return preload_all(std::move(wanted), options);
  }

  PreloadResult preload(const std::filesystem::path& workload, const PreloadOptions& options) {
    Wanted wanted;
    for (const WorkloadProblem& item : read_workload(workload)) {
      add_variant({item.problem, item.shape}, static_cast<std::size_t>(item.line), wanted);
    }
    return preload_all(std::move(wanted), options);
  }

  std::size_t workspace_bytes(const AttentionArgs& args) {
    const ValidatedProblem call = validate(args, false);
    if (cpu_ || !has_output(call.shape)) return 0;
    return flashjit::workspace_bytes(choice_->select(call).config, call.shape, device());
  }

  Backend backend() const { return cpu_ ? Backend::kCpu : executor_->backend(); }
  const DeviceInfo& device() const { return cpu_ ? cpu_->device() : executor_->device(); }

  std::vector<VariantInfo> loaded_variants() const {
    if (cpu_) return {};
    std::vector<VariantInfo> variants = registry_->loaded();
    for (VariantInfo& variant : variants) variant.selected_by = choice_->how(variant.name);
    return variants;
  }

  Stats stats() const {
    Stats stats = cpu_ ? Stats{} : registry_->stats();
    stats.memory_hits += memo_hits_.total();
    return stats;
  }

 private:
  // False when the caller left the choice to us and there is no GPU.
  bool open_executor() {
    const bool choose = options_.backend == Backend::kAuto;
    try {
      executor_ =
          make_executor(choose ? Backend::kCuda : options_.backend, options_, settings_, logger_);
    } catch (const Error& error) {
      if (!choose || error.code() != ErrorCode::kNoDriver) throw;
      logger_->warn("no GPU can be used, so the CPU backend computes: {}", error.what());
      return false;
    }
    return true;
  }

  // Warm: one look-up. Else select, and load or compile, which a capturing stream forbids: the
  // driver may have to synchronise for it.
  const Kernel& find_kernel(const ValidatedProblem& call, Stream stream) {
    if (const Kernel* kernel = memo_.find(call)) {
      memo_hits_.add();
      return *kernel;
    }
    Selection selection = choice_->select(call);
    if (recorder_) recorder_->record(selection.config, call.shape);
    const Kernel* kernel = choice_->find_ready(call, selection);
    if (kernel == nullptr) {
      if (executor_->is_capturing(stream)) return require_loaded(call, selection);
      kernel = &choice_->load(call, selection);
    }
    memo_.remember(call, *kernel);
    return *kernel;
  }

  // The distinct variants of a preload, and of each the call that needs it first.
  struct Wanted {
    std::vector<PreloadedVariant> variants;
    std::map<std::size_t, ValidatedProblem> calls;  // by PreloadedVariant::problem
  };

  // What forward would choose for the problem, unless it stands there already; a problem that no
  // kernel runs here is a row with that error.
  void add_variant(const ValidatedProblem& call, std::size_t problem, Wanted& wanted) {
    PreloadedVariant variant;
    variant.problem = problem;
    if (cpu_) {
      variant.info = cpu_variant(call.problem);
    } else {
      try {
        const Selection selection = choice_->select(call);
        variant.info.name = variant_name(selection.config);
        variant.info.config = selection.config;
        variant.info.selected_by = selection.selected_by;
      } catch (const Error& error) {
        variant.info.config.problem = call.problem;
        variant.error = error.what();
        variant.error_code = error.code();
      }
    }
    for (const PreloadedVariant& other : wanted.variants) {
      if (other.info.config == variant.info.config && other.info.name == variant.info.name) return;
    }
    wanted.calls.emplace(problem, call);
    wanted.variants.push_back(std::move(variant));
  }

  PreloadResult preload_all(Wanted wanted, const PreloadOptions& options) {
    const auto prepare_one = [&](const PreloadedVariant& variant) {
      const ValidatedProblem& call = wanted.calls.at(variant.problem);
      return cpu_ ? cpu_variant(call.problem) : load(call);
    };
    return preload_variants(std::move(wanted.variants), options, prepare_one);
  }

  VariantInfo load(const ValidatedProblem& call) {
    Selection selection = choice_->select(call);
    VariantInfo info = choice_->load(call, selection).info;
    info.selected_by = selection.selected_by;
    return info;
  }

  // Not remembered: a later call may load or measure something better.
  const Kernel& require_loaded(const ValidatedProblem& call, const Selection& selection) {
    if (const Kernel* kernel = choice_->find_loaded(call, selection)) return *kernel;
    const std::string name = variant_name(selection.config);
    throw Error(ErrorCode::kCapturing,
                fmt::format("the stream is capturing a graph and {} is not loaded yet; call "
                            "prepare() or forward() with the same arguments before the capture "
                            "(the capture itself goes on)",
                            name))
        .with_variant(name);
  }

  VariantInfo cpu_variant(const Problem& problem) const {
    VariantInfo info;
    info.name = cpu_->variant_name(problem);
    info.config.problem = problem;
    info.config.arch = cpu_->device().arch;
    info.selected_by = "cpu backend";
    return info;
  }

  const Options options_;
  const Settings settings_;
  const std::shared_ptr<spdlog::logger> logger_;
  std::unique_ptr<cpu::CpuBackend> cpu_;  // either this one, or the next three
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<KernelRegistry> registry_;
  std::unique_ptr<VariantChoice> choice_;
  std::unique_ptr<WorkloadRecorder> recorder_;  // null unless FLASHJIT_RECORD is set
  SelectionMemo memo_;
  HitCounter memo_hits_;
};

Runtime::Runtime(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Runtime::~Runtime() = default;
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime& Runtime::operator=(Runtime&&) noexcept = default;

void Runtime::forward(const AttentionArgs& args, Stream stream) { impl_->forward(args, stream); }
VariantInfo Runtime::prepare(const AttentionArgs& args) { return impl_->prepare(args); }
PreloadResult Runtime::preload(std::span<const AttentionArgs> problems,
                               const PreloadOptions& options) {
  return impl_->preload(problems, options);
}
PreloadResult Runtime::preload(const std::filesystem::path& workload,
                               const PreloadOptions& options) {
  return impl_->preload(workload, options);
}
std::size_t Runtime::workspace_bytes(const AttentionArgs& args) {
  return impl_->workspace_bytes(args);
}
Backend Runtime::backend() const { return impl_->backend(); }
const DeviceInfo& Runtime::device() const { return impl_->device(); }
std::vector<VariantInfo> Runtime::loaded_variants() const { return impl_->loaded_variants(); }
Stats Runtime::stats() const { return impl_->stats(); }

const char* version() { return FLASHJIT_VERSION; }

}  // namespace flashjit

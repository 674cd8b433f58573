#include "emulator_executor.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "emulated_kernel.h"
#include "kernel_src/variant_plan.h"
#include "runtime/embedded_sources.h"
#include "runtime/executor_factory.h"
#include "runtime/sha256.h"

namespace flashjit {
std::span<const EmbeddedFile> embedded_emulator_headers();
}

namespace flashjit::emu {
namespace {

// Behind the variant's text: how the shared object learns which CTA is running.
constexpr const char* kBinding = R"(
namespace flashjit::emu {
namespace {
Device& (*current_device)();
}
Device& current() { return current_device(); }
}  // namespace flashjit::emu
extern "C" __global__ void flashjit_emu_bind(flashjit::emu::Device& (*current)()) {
  flashjit::emu::current_device = current;
}
)";

const std::vector<std::string>& compile_options_of_host() {
  static const std::vector<std::string> kOptions = [] {
    std::vector<std::string> words = {"-std=c++20",
                                      "-O1",
                                      "-g1",
                                      "-fPIC",
                                      "-shared",
                                      "-fvisibility=hidden",
                                      "-fnon-call-exceptions",
                                      "-w",
                                      "-Iemulator",
                                      "-Ikernel_src",
                                      "-include",
                                      "cuda_builtins.h"};
    constexpr std::string_view kSanitizers = FLASHJIT_EMULATOR_SANITIZE;
    if (!kSanitizers.empty()) words.push_back(fmt::format("-fsanitize={}", kSanitizers));
    return words;
  }();
  return kOptions;
}

// Of everything but the kernel sources that goes into a shared object.
std::string digest_of_layer() {
  std::string all = kBinding;
  for (const EmbeddedFile& file : embedded_emulator_headers()) {
    all += fmt::format("{}\n{}\n", file.path, file.text);
  }
  for (const std::string& option : compile_options_of_host()) all += option + " ";
  return sha256_hex(all).substr(0, 16);
}

}  // namespace

EmulatorExecutor::EmulatorExecutor(const Settings& settings, const Options& options)
    : program_(settings.host_compiler), options_(options), device_(emulated_device()) {}

const HostCompiler& EmulatorExecutor::compiler() const {
  const std::lock_guard lock(compiler_mutex_);
  if (!compiler_) compiler_ = std::make_unique<HostCompiler>(program_);
  return *compiler_;
}

std::string EmulatorExecutor::compiler_build() const {
  static const std::string kLayer = digest_of_layer();
  return fmt::format("emu {} {}", compiler().build(), kLayer);
}

Binary EmulatorExecutor::compile(const VariantSource& source, const KernelSources& sources) const {
  const auto start = std::chrono::steady_clock::now();
  std::map<std::string, std::string> files;
  files.emplace("kernel.cpp", source.text + kBinding);
  for (const EmbeddedFile& file : embedded_emulator_headers()) {
    files.emplace(fmt::format("emulator/{}", file.path), file.text);
  }
  for (const auto& [name, text] : sources.files()) {
    if (!name.starts_with("ptx/")) files.emplace("kernel_src/" + name, text);
  }
  std::vector<std::string> options = compile_options_of_host();
  // What GCC makes unique in a process it keeps loaded for ever, and with it the shared object.
  if (!compiler().is_clang()) options.emplace_back("-fno-gnu-unique");
  HostCompiler::Output output;
  try {
    output = compiler().compile(files, options);
  } catch (Error& error) {
    throw std::move(error).with_variant(source.name);
  }
  Binary binary;
  binary.code = std::move(output.shared_object);
  binary.log = std::move(output.log);
  binary.resources.dynamic_smem_bytes = smem_bytes(source.config);
  binary.resources.threads = num_threads(source.config);
  binary.compile_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return binary;
}

std::unique_ptr<LoadedKernel> EmulatorExecutor::load(const KernelConfig& config,
                                                     std::span<const std::byte> code) const {
  return std::make_unique<EmulatedKernel>(config, code);
}

void EmulatorExecutor::launch(const LoadedKernel& kernel,
                              const KernelConfig& config,
                              const AttentionArgs& args,
                              const ProblemShape& shape,
                              Stream) const {
  Options options = options_;
  options.seed += launches_++;
  try {
    launch_variant(config,
                   static_cast<const EmulatedKernel&>(kernel).entries(),
                   args,
                   shape,
                   device_,
                   std::move(options));
  } catch (const Failure& failure) {
    throw Error(ErrorCode::kInternal,
                fmt::format("emulator: {}: {}", failure.kind(), failure.what()));
  }
}

void EmulatorExecutor::check_pointers(const AttentionArgs& args) const {
  const auto require = [](const void* data, const char* name) {
    if (data == nullptr) throw Error(ErrorCode::kInvalidArgument, fmt::format("{} is null", name));
  };
  const auto is_empty = [](const TensorView& view) {
    return view.shape[0] * view.shape[1] * view.shape[2] * view.shape[3] == 0;
  };
  if (!is_empty(args.q)) require(args.q.data, "q.data");
  if (!is_empty(args.k)) require(args.k.data, "k.data");
  if (!is_empty(args.v)) require(args.v.data, "v.data");
  if (!is_empty(args.o)) require(args.o.data, "o.data");
}

void register_backend() {
  register_executor_factory(
      Backend::kEmulated,
      [](const flashjit::Options&,
         const Settings& settings,
         const std::shared_ptr<spdlog::logger>&) {
        Options options;
        options.workers = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
        return std::make_unique<EmulatorExecutor>(settings, options);
      });
}

}  // namespace flashjit::emu

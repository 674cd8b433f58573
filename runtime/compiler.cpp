#include "compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

#include "kernel_src/variant_plan.h"
#include "ptxas_log.h"
#include "variant_source.h"

namespace flashjit {
namespace {

constexpr int kFirstVersionWithCache = 12090;  // 12.9

// NVRTC terminates what it returns with a zero, and counts it.
std::string without_terminator(std::string text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

// The headers that a variant sees: name → text.
std::map<std::string, std::string> headers_of(const VariantSource& source,
                                              const KernelSources& sources) {
  std::map<std::string, std::string> headers;
  for (const std::string& name : sources.include_closure(source.text)) {
    headers.emplace(name, sources.files().at(name));
  }
  if (!source.wgmma_ops.empty()) headers.emplace("ptx/wgmma_ops.h", source.wgmma_ops);
  return headers;
}

// An nvrtcProgram and its results.
class Program {
 public:
  Program(const NvrtcLibrary& nvrtc,
          const VariantSource& source,
          const std::map<std::string, std::string>& headers)
      : nvrtc_(nvrtc) {
    std::vector<const char*> names, texts;
    for (const auto& [name, text] : headers) {
      names.push_back(name.c_str());
      texts.push_back(text.c_str());
    }
    const std::string file = source.name + ".cu";
    check(nvrtc_.create_program(&program_,
                                source.text.c_str(),
                                file.c_str(),
                                static_cast<int>(names.size()),
                                texts.data(),
                                names.data()),
          "nvrtcCreateProgram");
  }
  ~Program() { nvrtc_.destroy_program(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  nvrtcResult compile(const std::vector<std::string>& options) {
    std::vector<const char*> texts;
    for (const std::string& option : options) texts.push_back(option.c_str());
    return nvrtc_.compile_program(program_, static_cast<int>(texts.size()), texts.data());
  }

  std::string log() const {
    return without_terminator(read(nvrtc_.get_program_log_size, nvrtc_.get_program_log));
  }
  std::string cubin() const { return read(nvrtc_.get_cubin_size, nvrtc_.get_cubin); }
  std::string ptx() const { return without_terminator(read(nvrtc_.get_ptx_size, nvrtc_.get_ptx)); }

 private:
  std::string read(nvrtcResult (*get_size)(nvrtcProgram, std::size_t*),
                   nvrtcResult (*get)(nvrtcProgram, char*)) const {
    std::size_t size = 0;
    check(get_size(program_, &size), "reading the size of a result");
    std::string result(size, '\0');
    if (size != 0) check(get(program_, result.data()), "reading a result");
    return result;
  }
  void check(nvrtcResult result, const char* what) const {
    if (result == NVRTC_SUCCESS) return;
    throw Error(ErrorCode::kInternal,
                fmt::format("NVRTC: {}: {}", what, nvrtc_.get_error_string(result)));
  }

  const NvrtcLibrary& nvrtc_;
  nvrtcProgram program_ = nullptr;
};

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Saves what is needed to see and repeat a failed compilation, in a new directory that only this
// user can read. Returns the path of the source; "" when nothing can be written.
std::string save_failed(const VariantSource& source,
                        const std::map<std::string, std::string>& headers,
                        const std::vector<std::string>& options,
                        const std::string& log) try {
  std::string dir = (std::filesystem::temp_directory_path() / "flashjit-XXXXXX").string();
  if (mkdtemp(dir.data()) == nullptr) return "";  // mode 0700
  const std::filesystem::path root = dir;
  for (const auto& [name, text] : headers) write_text(root / name, text);
  write_text(root / "options.txt", fmt::format("{}\n", fmt::join(options, " ")));
  write_text(root / "log.txt", log);
  write_text(root / (source.name + ".cu"), source.text);
  return root / (source.name + ".cu");
} catch (const std::filesystem::filesystem_error&) {
  return "";  // the error that is being reported matters more
}

// Throws kNoCompiler when NVRTC does not know the target: its own message is just "invalid value".
void check_target(const NvrtcLibrary& nvrtc, const VariantSource& source) {
  const Arch& arch = source.config.arch;
  const std::vector<int>& archs = nvrtc.supported_archs();
  if (std::find(archs.begin(), archs.end(), 10 * arch.major + arch.minor) != archs.end()) return;
  throw Error(ErrorCode::kNoCompiler,
              fmt::format("NVRTC {} ({}) does not compile for {}; it knows sm_{}. Install another "
                          "release and set FLASHJIT_LIBNVRTC to it.",
                          nvrtc.build(),
                          nvrtc.path(),
                          arch_name(arch),
                          fmt::join(archs, ", sm_")))
      .with_variant(source.name);
}

// Options that do not change the code: the resource report, and no second cache below ours.
std::vector<std::string> all_options(const VariantSource& source, int nvrtc_version) {
  std::vector<std::string> options = source.options;
  options.push_back("--ptxas-options=--verbose");
  if (nvrtc_version >= kFirstVersionWithCache) options.push_back("--no-cache");
  return options;
}

// Compiles and hands the finished program to `read`.
template <typename Read>
auto run(const NvrtcLibrary& nvrtc,
         const VariantSource& source,
         const KernelSources& sources,
         const Read& read) {
  check_target(nvrtc, source);
  const std::map<std::string, std::string> headers = headers_of(source, sources);
  const std::vector<std::string> options = all_options(source, nvrtc.version());
  Program program(nvrtc, source, headers);
  const nvrtcResult result = program.compile(options);
  if (result == NVRTC_SUCCESS) return read(program);

  const std::string log = program.log();
  const std::string path = save_failed(source, headers, options, log);
  throw Error(ErrorCode::kCompileFailed,
              fmt::format("{} does not compile: {}\noptions: {}\nsource: {}\n{}",
                          source.name,
                          nvrtc.get_error_string(result),
                          fmt::join(options, " "),
                          path.empty() ? "not saved" : path,
                          log))
      .with_variant(source.name)
      .with_compile_log(log, path);
}

}  // namespace

void fill_resources(Binary& binary, const KernelConfig& config) {
  binary.resources = parse_ptxas_resources(binary.log);
  binary.resources.dynamic_smem_bytes = smem_bytes(config);
  binary.resources.threads = num_threads(config);
  binary.warnings = find_compile_warnings(binary.log);
}

Binary Compiler::compile(const VariantSource& source, const KernelSources& sources) const {
  const auto start = std::chrono::steady_clock::now();
  Binary binary;
  run(*nvrtc_, source, sources, [&](const Program& program) {
    const std::string cubin = program.cubin();
    const auto* bytes = reinterpret_cast<const std::byte*>(cubin.data());
    binary.code.assign(bytes, bytes + cubin.size());
    binary.log = program.log();
  });
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  binary.compile_ms = elapsed.count();
  fill_resources(binary, source.config);
  return binary;
}

std::string Compiler::compile_to_ptx(const VariantSource& source,
                                     const KernelSources& sources) const {
  return run(*nvrtc_, source, sources, [](const Program& program) { return program.ptx(); });
}

}  // namespace flashjit

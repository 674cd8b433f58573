// Strict offline: a machine with a driver, a bundle and no NVRTC. The driver is the fake one.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "cli/fake_bundle.h"
#include "cli/run_program.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

namespace fs = std::filesystem;

// A bundle for a workload of `count` variants on sm_90a.
struct Deployment {
  TempDir directory;
  std::string workload = (directory / "workload.jsonl").string();
  std::string bundle = (directory / "bundle").string();
  std::string home = (directory / "home").string();
  std::vector<std::string> names;

  explicit Deployment(int count) {
    write_workload(workload, count);
    names = export_fake_bundle(bundle, workload, {"sm_90a"});
    fs::create_directory(home);
  }
  // Offline, with a home directory of its own where the cache would be.
  std::string machine(const std::string& more = "FLASHJIT_OFFLINE=1") const {
    return fake_machine(bundle, "HOME=" + home + " XDG_CACHE_HOME= FLASHJIT_CACHE_DIR= " + more);
  }
};

// System calls that change a file, a directory or what a descriptor writes to.
constexpr const char* kWriting =
    "open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,sendfile,copy_file_range,"
    "mkdir,mkdirat,rmdir,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,"
    "chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,truncate,ftruncate,fallocate,utime,utimes,"
    "utimensat,futimesat,mknod,mknodat,setxattr,lsetxattr,fsetxattr,flock,fsync,fdatasync";

// The lines of a trace that change anything but standard output and error.
std::vector<std::string> writes_in(const fs::path& trace) {
  static const std::regex opening(R"(^(\d+ +)?(open|openat|openat2)\()");
  static const std::regex writes(R"(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND)");
  static const std::regex to_stdout(R"(^(\d+ +)?writev?\([12],)");
  static const std::regex noise(R"(^(\d+ +)?(\+\+\+|---|<\.\.\.))");
  std::vector<std::string> found;
  std::ifstream file(trace);
  for (std::string line; std::getline(file, line);) {
    if (std::regex_search(line, noise) || std::regex_search(line, to_stdout)) continue;
    if (std::regex_search(line, opening) && !std::regex_search(line, writes)) continue;
    found.push_back(line);
  }
  return found;
}

bool has_strace() {
  static const bool has = [] {
    const TempDir directory;
    const std::string trace = (directory / "trace").string();
    return std::system(("strace -o " + trace + " true 2>/dev/null").c_str()) == 0;
  }();
  if (!has) WARN("strace is not here, or may not trace: skipped");
  return has;
}

ProgramRun run_traced(const std::string& arguments,
                      const std::string& environment,
                      const fs::path& trace) {
  return run_program(arguments,
                     environment + " strace -f -o " + trace.string() + " -e trace=" + kWriting);
}

}  // namespace

TEST_CASE("a program starts from a bundle of 200 entries without NVRTC") {
  const Deployment site(200);
  const ProgramRun run = run_program("preload --json " + site.workload, site.machine());
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  CHECK(run.json().at("bundle_hits") == 200);
  CHECK(run.json().at("compiles") == 0);
  CHECK(run.json().at("variants").size() == 200);
  CHECK(fs::is_empty(site.home));
}

TEST_CASE("a start from a bundle makes no system call that writes") {
  if (!has_strace()) return;
  const Deployment site(48);
  const fs::path trace = site.directory / "trace";
  // Offline, and also where it would be allowed to write; all variants, and one with its launch.
  const auto [mode, command] = GENERATE(table<std::string, std::string>({
      {"FLASHJIT_OFFLINE=1", "preload "},
      {"FLASHJIT_OFFLINE=0", "preload "},
      {"FLASHJIT_OFFLINE=1", "first-launch"},
      {"FLASHJIT_OFFLINE=0", "first-launch"},
  }));
  {
    const std::string arguments = command == "first-launch" ? command : command + site.workload;
    const ProgramRun run = run_traced(arguments, site.machine(mode), trace);
    INFO(arguments << " " << mode << "\n" << run.err);
    REQUIRE(run.exit_code == 0);
    const std::vector<std::string> writes = writes_in(trace);
    INFO((writes.empty() ? "" : writes.front()));
    CHECK(writes.empty());
    CHECK(fs::file_size(trace) > 1000);
  }
  // The same eyes see a program that does write.
  REQUIRE(
      run_traced("import " + site.bundle, site.machine("FLASHJIT_OFFLINE=0"), trace).exit_code ==
      0);
  CHECK(writes_in(trace).size() > 40);
}

TEST_CASE("an offline miss names the variant and a command that adds it") {
  const Deployment site(2);
  std::ofstream(site.workload, std::ios::app)
      << R"({"dtype": "fp32", "head_dim_qk": 32, "num_heads_q": 4, "seqlen_q": 128})"
      << "\n";
  const ProgramRun run = run_program("preload --json " + site.workload, site.machine());
  CHECK(run.exit_code == 1);
  CHECK(run.json().at("failed") == 1);
  const auto row = run.json().at("variants").at(2);
  CHECK(row.at("line") == 3);
  const std::string message = row.at("error");
  CHECK_THAT(message, ContainsSubstring("fwd_simt_fp32_d32"));
  CHECK(fs::is_empty(site.home));

  std::smatch command;
  REQUIRE(std::regex_search(message, command, std::regex("flashjit (build \\S+ --arch \\S+)")));
  if (!machine_has("NVRTC")) return;
  const std::string cache = "FLASHJIT_CACHE_DIR=" + (site.directory / "cache").string();
  REQUIRE(run_program(command[1], cache).exit_code == 0);
  const ProgramRun again =
      run_program("preload --json " + site.workload, site.machine("FLASHJIT_OFFLINE=1 " + cache));
  INFO(again.out);
  CHECK(again.exit_code == 0);
  CHECK(again.json().at("disk_hits") == 1);
}

TEST_CASE("stats tells what the layers hold and what of a workload is missing") {
  const Deployment site(3);
  const std::string arguments = "stats --json --arch sm_90a --workload " + site.workload;
  const ProgramRun ready = run_program(arguments, site.machine());
  INFO(ready.err);
  REQUIRE(ready.exit_code == 0);
  CHECK(ready.json().at("layers").at(0).at("entries") == 3);
  CHECK(ready.json().at("stats").at("bundle_hits") == 3);
  CHECK(ready.json().at("stats").at("misses") == 0);
  CHECK_THAT(run_program("doctor --json", site.machine()).json().at("checks").dump(),
             ContainsSubstring(site.bundle + ", 3 entries for sm_90a"));

  for (const auto& file : fs::directory_iterator(site.bundle + "/entries")) {
    fs::resize_file(file.path(), 100);
    break;
  }
  const ProgramRun damaged = run_program(arguments, site.machine());
  CHECK(damaged.exit_code == 1);
  CHECK(damaged.json().at("layers").at(0).at("bad") == 1);
  CHECK(damaged.json().at("stats").at("misses") == 1);
  CHECK(damaged.json().at("stats").at("corrupt_entries") == 1);
  CHECK_THAT(damaged.json().at("notes").dump(), ContainsSubstring("flashjit build fwd_sm90_"));
}

TEST_CASE("verify --load loads what is for this device, and says what is too new for its driver") {
  const Deployment site(2);
  const std::string bundle = (site.directory / "mixed").string();
  export_fake_bundle(bundle, site.workload, {"sm_80", "sm_90a"});
  const ProgramRun good = run_program("verify --json --load " + bundle, site.machine());
  INFO(good.err);
  REQUIRE(good.exit_code == 0);
  CHECK(good.json().at("load").at("device") == "Fake H100");
  CHECK(good.json().at("load").at("loaded") == 2);
  CHECK(good.json().at("load").at("other_devices") == 2);

  const ProgramRun old = run_program("verify --json --load " + bundle,
                                     site.machine("FLASHJIT_OFFLINE=1 FAKE_CUDA_DRIVER=12080"));
  CHECK(old.exit_code == 3);
  CHECK_THAT(old.json().at("findings").dump(),
             ContainsSubstring("entries/") && ContainsSubstring("CUDA 12.8"));
  const ProgramRun none = run_program("verify --load " + bundle, "FLASHJIT_LIBCUDA=/no/such");
  CHECK(none.exit_code == 1);
}

TEST_CASE("a mixed fleet: each GPU takes its own entries, and an older one's of the same major") {
  const Deployment site(2);
  const std::string bundle = (site.directory / "mixed").string();
  export_fake_bundle(bundle, site.workload, {"sm_80", "sm_90a"});
  const auto hits_on = [&](const char* capability) {
    const ProgramRun run = run_program(
        "preload --json " + site.workload,
        fake_machine(bundle, std::string("FLASHJIT_OFFLINE=1 FAKE_CUDA_CC=") + capability));
    return run.exit_code == 0 ? run.json().at("bundle_hits").get<int>() : -run.exit_code;
  };
  CHECK(hits_on("90") == 2);
  CHECK(hits_on("80") == 2);
  CHECK(hits_on("86") == 2);
  CHECK(hits_on("120") == -1);
}

TEST_CASE("the process of bench-start launches from the bundle and tells its times") {
  const Deployment site(48);
  const ProgramRun run = run_program("first-launch --json", site.machine());
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  CHECK(run.json().at("bundle_hits") == 1);
  CHECK(run.json().at("misses") == 0);
  CHECK(run.json().at("first_launch_ms").get<double>() > 0);
}

}  // namespace flashjit::test

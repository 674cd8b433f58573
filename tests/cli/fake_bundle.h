// A bundle whose entries have the right keys and code that no compiler made, for the fake driver.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace flashjit::test {

// One entry for each variant that the workload needs on the architectures; "compiled" by
// `compiler`. Returns the variants' names.
std::vector<std::string> export_fake_bundle(const std::filesystem::path& directory,
                                            const std::string& workload,
                                            const std::vector<std::string>& archs,
                                            const std::string& compiler = "nvrtc 13.0.48");

// The variables of a process that has the fake driver and no NVRTC, and `bundle` if it is not "".
std::string fake_machine(const std::string& bundle, const std::string& more = "");

// A workload file of `count` problems with a variant of its own each on sm_90a.
void write_workload(const std::filesystem::path& file, int count);

}  // namespace flashjit::test

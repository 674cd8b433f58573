// PTX or SASS as a person wants to read it: cut into the loops that do the matrix work and what
// stands around them, with the instructions of both counted by kind.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace flashjit::cli {

enum class CodeKind { kPtx, kSass };

// Kinds of instructions that a mix distinguishes.
enum class Unit : int {
  kMatrix = 0,  // HGMMA, HMMA
  kExp,         // MUFU
  kFp32,        // FFMA, FADD, FMUL, FMNMX, …
  kConvert,     // F2FP, I2F, …
  kShared,      // LDS, STS, LDSM, STSM
  kGlobal,      // LDG, STG, LDGSTS, TMA
  kLocal,       // LDL, STL: spills
  kBarrier,     // BAR, SYNCS, WARPSYNC, WARPGROUP, fences
  kOther,       // addresses, predicates, moves, branches
  kCount
};
const char* to_string(Unit unit);  // "matrix", "exp", …

using InstructionMix = std::array<int, static_cast<std::size_t>(Unit::kCount)>;

struct CodePart {
  bool main_loop = false;
  int instructions = 0;
  InstructionMix mix{};
  std::string text;
};

// In the order of the text, nothing left out. A main loop is an innermost loop with at least half
// as many matrix instructions (FFMA where there are none) as the one that has most, and no store of
// the output.
std::vector<CodePart> split_code(const std::string& text, CodeKind kind);

// Of all parts that are, or are not, main loops.
InstructionMix mix_of(const std::vector<CodePart>& parts, bool main_loops);

}  // namespace flashjit::cli

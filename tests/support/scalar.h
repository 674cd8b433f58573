// The three element types in double arithmetic, for the oracle: a text of its own, so that a wrong
// conversion in the library does not hide itself.
#pragma once

#include <cstddef>

namespace flashjit::test {

enum class Scalar { kFp16, kBf16, kFp32 };

std::size_t bytes_of(Scalar scalar);
const char* name_of(Scalar scalar);

// The nearest value of the type, ties to even; overflow gives an infinity.
double round_to(Scalar scalar, double value);

double decode(Scalar scalar, const std::byte* from);
void encode(Scalar scalar, double value, std::byte* to);

}  // namespace flashjit::test

// Of libflashjit_emulator.so only: loading it is asking for the backend.
#include "emulator_executor.h"

namespace flashjit::emu {
namespace {

[[maybe_unused]] const bool kRegistered = [] {
  register_backend();
  return true;
}();

}  // namespace
}  // namespace flashjit::emu

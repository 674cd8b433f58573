// One attention call on the emulator: parameters, grids and tensor maps of a variant, whose kernels
// are given as functions of this process.
#pragma once
#include <span>

#include "emulator/core/options.h"
#include "runtime/executor.h"
#include "runtime/tma_layout.h"

namespace flashjit::emu {

// A kernel as the generated source defines it: extern "C", one parameter struct by value.
using Entry = void (*)();

// The device that the emulator pretends to be: few SMs, so that persistent CTAs see several tiles.
DeviceInfo emulated_device();

// The emulator's form of a tensor map; as the runtime's encode_tensor_map() for the GPU.
TensorMap encode_tensor_map(const TensorMapSpec& spec);

// Runs all kernels of the variant, in order. Throws Failure, and Error where the runtime would.
Stats launch_variant(const KernelConfig& config,
                     std::span<const Entry> kernels,
                     const AttentionArgs& args,
                     const ProblemShape& shape,
                     DeviceInfo device,
                     Options options);

}  // namespace flashjit::emu

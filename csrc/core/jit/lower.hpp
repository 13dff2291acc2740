#pragma once

#include <span>
#include <string>

#include "core/base/isa.hpp"
#include "core/program/kernels.hpp"
#include "core/program/program.hpp"

namespace fastsfes::jit {

/// Points per group: a compiled kernel works on whole groups, so that it needs no remainder loop.
inline constexpr std::size_t kGroup = 2 * kLanes;

/// What a kernel does with the values of a program.
enum class Form : std::uint8_t {
  Values,  ///< outputs[k][i] = value
  Sums,    ///< outputs[k][i % kLanes] += weights[k][i] * value, points with weights[k][i] == 0 skipped
};

/// The compiled form of a program, for the points i < groups * kGroup; the values need no weights.
using KernelFunction = void (*)(const double* uniforms, const double* const* features, const double* const* weights,
                                double* const* outputs, std::size_t groups);

/// The body of one kernel function in C++: everything but its name. Made from the operator table and indices alone;
/// constants and parameters are read from the uniforms, so that fitting never compiles again. The instruction set
/// decides how many points are worked on side by side.
[[nodiscard]] std::string lower_body(const Program& program, Form form, Isa isa);

/// One translation unit: the vector mathematics and a function per body, with C linkage and the names given.
[[nodiscard]] std::string translation_unit(std::span<const std::string> bodies, std::span<const std::string> symbols);

/// What stands in front of every kernel.
[[nodiscard]] const std::string& prelude();

}  // namespace fastsfes::jit

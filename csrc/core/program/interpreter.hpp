#pragma once

#include <cstddef>

#include "core/program/program.hpp"

namespace fastsfes {

/// Points that are worked on together: a register of 256 doubles is 2 KiB, a dozen of them fit the first-level cache.
inline constexpr std::size_t kBlock = 256;

/// Evaluates one block by walking through the instructions. `scratch` holds program.registers() * kBlock doubles.
void interpret_block(const Program& program, const double* uniforms, const double* const* features,
                     double* const* outputs, std::size_t n, double* scratch);

}  // namespace fastsfes

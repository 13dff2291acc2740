#pragma once

#include <cstddef>

#include "core/program.hpp"

namespace fastsfes {

/// Points that are worked on together: a register of 256 doubles is 2 KiB, a dozen of them fit the first-level cache.
inline constexpr std::size_t kBlock = 256;

/// The signature of everything that evaluates a block of at most kBlock points: out[k][i] for i < n from
/// features[j][i] and the uniforms of the program. Compiled kernels have it too.
using BlockFunction = void (*)(const double* uniforms, const double* const* features, double* const* outputs,
                               std::size_t n);

/// Evaluates one block by walking through the instructions. `scratch` holds program.registers() * kBlock doubles.
void interpret_block(const Program& program, const double* uniforms, const double* const* features,
                     double* const* outputs, std::size_t n, double* scratch) noexcept;

/// Number of threads to use: `requested`, or OpenMP's own choice (OMP_NUM_THREADS is honoured) when it is 0.
int thread_count(int requested) noexcept;

/// outputs[k][i] for all n points. Blocks are fixed, so the result does not depend on the number of threads.
void evaluate(const Program& program, const double* parameters, const double* const* features, std::size_t n,
              double* const* outputs, int threads = 0);

/// sums[k * segments + s] = sum over the points i of segment s (offsets[s] <= i < offsets[s + 1]) of
/// weights[i] * output_k(i). Added in an order that is fixed by the block size alone.
/// Points whose weight is zero do not count, whatever the output is there.
void segment_sums(const Program& program, const double* parameters, const double* const* features,
                  const double* weights, const std::size_t* offsets, std::size_t segments, double* sums,
                  int threads = 0);

/// Name of the instruction set the interpreter's kernels were chosen for: "generic", "avx2", "avx512".
const char* interpreter_isa() noexcept;

}  // namespace fastsfes

#pragma once

#include <cstddef>

#include "core/jit/tiers.hpp"
#include "core/program/program.hpp"

namespace fastsfes {

/// outputs[k][i] for all n points. Blocks are fixed, so the result does not depend on the number of threads.
void evaluate(const Program& program, const double* parameters, const double* const* features, std::size_t n,
              double* const* outputs, int threads = 0, jit::Backend backend = jit::Backend::Default);

/// sums[k * segments + s] = sum over the points i of segment s (offsets[s] <= i < offsets[s + 1]) of
/// weights[i] * output_k(i). Added in an order that is fixed by the block size alone.
/// Points whose weight is zero do not count, whatever the output is there.
void segment_sums(const Program& program, const double* parameters, const double* const* features,
                  const double* weights, const std::size_t* offsets, std::size_t segments, double* sums,
                  int threads = 0, jit::Backend backend = jit::Backend::Default);

/// As segment_sums with weights of its own for every output: weights[k][i].
void segment_sums(const Program& program, const double* parameters, const double* const* features,
                  const double* const* weights, const std::size_t* offsets, std::size_t segments, double* sums,
                  int threads = 0, jit::Backend backend = jit::Backend::Default);

}  // namespace fastsfes

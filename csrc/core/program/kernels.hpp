#pragma once

#include <cstddef>

#include "core/expression/operators.hpp"

namespace fastsfes {

/// One operation on a block. Bit i of the variant says that argument i is one number for all points (stride 0).
using Kernel = void (*)(const double* a, const double* b, const double* c, double* out, std::size_t n);

/// Partial sums that weighted sums over points are made of.
inline constexpr std::size_t kLanes = 8;

/// The kernels of one instruction set: kernels[op][variant].
struct KernelTable {
  Kernel kernels[kOpCount][8];
  /// lanes[i % kLanes] += w[i] * f[i] in the order of i, points with w[i] == 0 skipped: the same on every ISA.
  void (*weighted_sum)(const double* w, const double* f, std::size_t n, double* lanes);
};

[[nodiscard]] const KernelTable& kernels_generic() noexcept;
[[nodiscard]] const KernelTable& kernels_avx2() noexcept;
[[nodiscard]] const KernelTable& kernels_avx512() noexcept;

/// The table of best_isa().
[[nodiscard]] const KernelTable& kernels();

}  // namespace fastsfes

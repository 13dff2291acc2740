#pragma once

#include <cstddef>

namespace fastsfes::fit {

/// Rows that a packed matrix keeps together, and the number of interleaved partial sums of a dot product.
inline constexpr std::size_t kPanel = 16;

[[nodiscard]] inline constexpr std::size_t padded(std::size_t n) noexcept { return (n + kPanel - 1) / kPanel * kPanel; }

/// The dense kernels of one instruction set. Every element of a result is one chain of fused multiply-adds in a fixed
/// order, so that the bits are the same on every instruction set and for every grouping of columns.
struct LinalgTable {
  /// out[c][r] = sum over k of panel[k * kPanel + r] * columns[c][k], for the kPanel rows of a panel.
  void (*project)(const double* panel, std::size_t depth, const double* const* columns, std::size_t count,
                  double* const* out);
  /// sum of x[i] * y[i]; n is a multiple of kPanel.
  double (*dot)(const double* x, const double* y, std::size_t n);
  /// y[i] += a * x[i]; n is a multiple of kPanel.
  void (*axpy)(double a, const double* x, double* y, std::size_t n);
  /// columns[c] -= tau (v . columns[c]) v, from row `first` of the columns on; n elements, both multiples of kPanel.
  void (*reflect)(const double* v, double tau, double* const* columns, std::size_t count, std::size_t first,
                  std::size_t n);
};

[[nodiscard]] const LinalgTable& linalg_generic() noexcept;
[[nodiscard]] const LinalgTable& linalg_avx2() noexcept;
[[nodiscard]] const LinalgTable& linalg_avx512() noexcept;

/// The table of best_isa().
[[nodiscard]] const LinalgTable& linalg();

}  // namespace fastsfes::fit

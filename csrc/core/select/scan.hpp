#pragma once

#include <cstddef>

namespace fastsfes::select {

/// The exchanges of one chosen term: what they need beside the term's row of a sweep.
struct Leaving {
  double inverse;      ///< its diagonal element of the inverse Gram matrix of the chosen terms
  double coefficient;  ///< its coefficient
  /// A smaller denominator below says that the set after the exchange has no unique solution.
  [[nodiscard]] double least() const noexcept { return inverse > kCarrier ? kSingular * inverse : 1e-9; }
  static constexpr double kCarrier = 1e-6;    ///< smaller inverses: the equalities have no solution without the term
  static constexpr double kSingular = 1e-13;  ///< square of what of a unit column is independent of the others
};

/// The scoring kernels of one instruction set. Every score is the same chain of fused operations, so that the bits are
/// the same on every instruction set.
struct ScanTable {
  /// The largest decrease of the objective by exchanging the term for another one, -infinity when there is none. Terms
  /// whose `gradient` is NaN are passed over; n is a multiple of fit::kPanel.
  double (*best)(Leaving leaving, const double* row, const double* diagonal, const double* gradient, std::size_t n);
  /// The decrease for every other term.
  void (*all)(Leaving leaving, const double* row, const double* diagonal, const double* gradient, std::size_t n,
              double* decrease);
  /// rows[k] += factor[k] * from for `count` rows one after the other; n elements, a multiple of fit::kPanel. `from`
  /// may be one of the rows where its own factor is 0.
  void (*update)(double* rows, std::size_t count, const double* factor, const double* from, std::size_t n);
  /// to += the sum of factor[k] * rows[k], in the order of k.
  void (*combine)(const double* rows, std::size_t count, const double* factor, double* to, std::size_t n);
  /// The smallest element.
  double (*lowest)(const double* x, std::size_t n);
};

[[nodiscard]] const ScanTable& scan_generic() noexcept;
[[nodiscard]] const ScanTable& scan_avx2() noexcept;
[[nodiscard]] const ScanTable& scan_avx512() noexcept;

/// The best table this processor can run.
[[nodiscard]] const ScanTable& scan();

}  // namespace fastsfes::select

#pragma once

#include <cstddef>
#include <vector>

namespace fastsfes::fit {

/// Columns whose independent part is smaller count as dependent: energies on the nodes are not more accurate than that.
inline constexpr double kRankTolerance = 1e-10;

/// Householder QR factorisation with column pivoting, of a matrix given as columns of a common padded length.
///
/// Columns are scaled to unit norm first. Columns whose part orthogonal to the columns taken before them is below
/// `tolerance` are dropped: their coefficient is zero. Of equal columns the first is kept.
class PivotedQr {
 public:
  /// Factorises in place; columns[j] has `length` elements, a multiple of kPanel.
  void factor(const std::vector<double*>& columns, std::size_t length, double tolerance);

  [[nodiscard]] std::size_t rank() const noexcept { return rank_; }
  /// The column taken k-th.
  [[nodiscard]] std::size_t pivot(std::size_t k) const noexcept { return order_[k]; }

  /// columns[c] <- Q^T columns[c].
  void apply_transpose(double* const* columns, std::size_t count) const;
  /// columns[c] <- Q columns[c].
  void apply(double* const* columns, std::size_t count) const;
  /// Coefficients from the first rank() elements of Q^T z; zero for dropped columns.
  void solve(const double* rotated, double* coefficients) const;
  /// y (rank() elements) with R^T y = v, v given per column.
  void solve_transpose(const double* v, double* y) const;

 private:
  [[nodiscard]] double r(std::size_t i, std::size_t j) const noexcept { return columns_[order_[j]][i]; }
  std::vector<double*> columns_;    ///< the upper triangle stands in them
  std::vector<double> reflectors_;  ///< one after the other, zero above their first row
  std::vector<double*> remaining_;
  std::vector<std::size_t> order_;
  std::vector<double> scale_, norm_, reference_, tau_, diagonal_;
  std::size_t length_ = 0, rank_ = 0;
};

}  // namespace fastsfes::fit

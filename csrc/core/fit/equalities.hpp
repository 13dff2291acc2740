#pragma once

#include <cstddef>
#include <vector>

#include "core/fit/columns.hpp"

namespace fastsfes::fit {

/// The equalities of a problem as a change of variables: some linear parameters, the basic ones, follow from the
/// others, the free ones: c[basic] = value - transform . c[free].
class Equalities {
 public:
  explicit Equalities(const Problem& problem) : problem_(problem) {}

  /// Chooses the basic parameters where the columns are now; false when the equalities cannot be met.
  [[nodiscard]] bool eliminate(const Columns& columns);

  [[nodiscard]] const std::vector<std::size_t>& basic() const noexcept { return basic_; }
  [[nodiscard]] const std::vector<std::size_t>& free() const noexcept { return free_; }
  /// Of the b-th basic parameter: its value where the free ones vanish, and what it loses per unit of parameter k.
  [[nodiscard]] double value(std::size_t b) const noexcept { return value_[b]; }
  [[nodiscard]] double transform(std::size_t b, std::size_t k) const noexcept { return transform_[b * linear_ + k]; }
  /// What it gains per unit of the right-hand side of equality e.
  [[nodiscard]] double inverse(std::size_t b, std::size_t e) const noexcept { return inverse_[b * rows_ + e]; }
  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }

  /// All linear parameters from the free ones.
  void complete(const std::vector<double>& free, std::vector<double>& coefficients) const;

 private:
  void fill(const Columns& columns);
  void reduce();

  const Problem& problem_;
  std::size_t rows_ = 0, linear_ = 0;
  std::size_t width_ = 0;      // of the table: columns, right-hand side, and the identity that becomes the inverse
  std::vector<double> table_;  // rows_ x width_
  double tolerance_ = 0.0;     // pivots that are not larger count as zero
  std::vector<std::size_t> basic_, free_, pivot_row_;
  std::vector<char> used_row_, used_column_;
  std::vector<double> value_, transform_, inverse_;
};

}  // namespace fastsfes::fit

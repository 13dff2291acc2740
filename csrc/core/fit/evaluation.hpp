#pragma once

#include <vector>

#include "core/fit/problem.hpp"

namespace fastsfes::fit {

/// A candidate compiled for many evaluations at given values of all its parameters.
class Evaluation {
 public:
  Evaluation(const Problem& problem, const std::vector<Expression>& expressions);

  [[nodiscard]] std::size_t parameters() const noexcept { return parameters_; }

  /// Prediction minus target of every row of a block (kcal/mol).
  [[nodiscard]] std::vector<double> errors(const double* parameters, std::size_t block) const;
  /// d error / d parameter, row-major (rows of the block, parameters).
  [[nodiscard]] std::vector<double> jacobian(const double* parameters, std::size_t block) const;
  /// Squared WRMSD of the fitted block.
  [[nodiscard]] double squared(const double* parameters) const;
  /// Squared WRMSD of the fitted block plus penalties; infinite where it cannot be computed. Equalities and ridge
  /// belong to the fit and are not part of it.
  [[nodiscard]] double objective(const double* parameters) const;
  /// Left sides of the equalities minus their values.
  [[nodiscard]] std::vector<double> equality_errors(const double* parameters) const;
  /// Square roots of objective() for `count` parameter vectors, one after the other in `parameters`.
  void objectives(const double* parameters, std::size_t count, double* out, int threads) const;

 private:
  [[nodiscard]] std::vector<double> project(const double* parameters, PackedMatrix ChannelData::* rows) const;
  [[nodiscard]] double squared(const double* parameters, const double* sum) const;
  [[nodiscard]] double objective(const double* parameters, const double* sum) const;

  const Problem& problem_;
  std::vector<Expression> expressions_;
  std::vector<std::shared_ptr<const ValueModel>> models_;
  std::vector<std::size_t> first_;
  std::size_t parameters_ = 0;
};

}  // namespace fastsfes::fit

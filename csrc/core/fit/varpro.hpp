#pragma once

#include <memory>
#include <vector>

#include "core/fit/columns.hpp"
#include "core/fit/equalities.hpp"
#include "core/fit/penalties.hpp"
#include "core/fit/qr.hpp"

namespace fastsfes::fit {

/// The least-squares problem of one candidate with its linear parameters eliminated: a function of the non-linear ones
/// only, theta (Golub & Pereyra 1973, 10.1137/0710036, with the full derivative of the projector).
///
/// Equality constraints are eliminated first, so that what remains is unconstrained; penalties are rows that join the
/// linear problem where they are violated.
class VariableProjection {
 public:
  VariableProjection(const Problem& problem, std::vector<std::shared_ptr<const ChannelModel>> models);

  [[nodiscard]] const Columns& columns() const noexcept { return columns_; }

  struct Point {
    double objective = 0.0;            ///< squared WRMSD + penalties + ridge; infinite when it cannot be computed
    double squared = 0.0;              ///< squared WRMSD of the fitted block
    std::size_t rank = 0;              ///< number of independent columns, equalities included
    bool feasible = true;              ///< false when the equalities cannot be met
    std::vector<double> coefficients;  ///< of the linear parameters
    std::vector<double> gradient;      ///< half the gradient of the objective with respect to theta
    std::vector<double> normal;        ///< J^T J, row-major
  };

  /// The minimum over the linear parameters at theta; gradient and normal matrix with `derivatives`.
  void evaluate(const double* theta, bool derivatives, Point& point);

  /// Squared WRMSD of every block but the first, for the coefficients that evaluate() found at theta.
  [[nodiscard]] std::vector<double> other_blocks(const double* theta, const Point& point);

 private:
  void fill_columns();
  void solve(Point& point);
  void differentiate(Point& point);
  void differentiate_residual(std::size_t j, const Point& point, double* g, double* share);
  void add_equalities(std::size_t j, double* g, double* share);

  const Problem& problem_;
  Columns columns_;
  Equalities equalities_;
  Penalties penalties_;
  std::size_t length_;           ///< of a column of the least-squares problem: with rows for the ridge
  std::vector<double> solved_;   ///< the columns as solved for (masked), kept for residuals
  std::vector<double> reduced_;  ///< those of the free parameters, equalities eliminated
  std::vector<double> residual_, rotated_, slope_, pull_;
  PivotedQr qr_;
};

}  // namespace fastsfes::fit

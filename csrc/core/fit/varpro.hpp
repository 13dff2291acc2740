#pragma once

#include <memory>
#include <vector>

#include "core/fit/problem.hpp"
#include "core/fit/qr.hpp"

namespace fastsfes::fit {

/// The least-squares problem of one candidate with its linear parameters eliminated: a function of the non-linear ones
/// only, theta (Golub & Pereyra 1973, 10.1137/0710036, with the full derivative of the projector).
///
/// Equality constraints are eliminated first, so that what remains is unconstrained; penalties are rows that join the
/// linear problem where they are violated.
class VariableProjection {
 public:
  /// One parameter per channel and name; `models` in the order of the problem's channels.
  VariableProjection(const Problem& problem, std::vector<std::shared_ptr<const ChannelModel>> models);

  std::size_t parameters() const noexcept { return parameters_; }  ///< of all channels, and the fractions
  std::size_t nonlinear() const noexcept { return theta_.size(); }
  /// Index of theta[j] among all parameters.
  std::size_t nonlinear_index(std::size_t j) const noexcept { return theta_[j]; }
  bool positive(std::size_t j) const noexcept { return positive_[j] != 0; }
  std::size_t linear() const noexcept { return linear_.size(); }
  std::size_t linear_index(std::size_t k) const noexcept { return linear_[k].parameter; }
  /// False when a column that does not move is not finite: no theta can help.
  bool usable() const noexcept { return usable_; }

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
  std::vector<double> other_blocks(const double* theta, const Point& point);

 private:
  struct Linear {
    std::size_t parameter = 0;      ///< index among all parameters
    const double* fixed = nullptr;  ///< column on the fitted rows, or null when it moves
    const double* other = nullptr;  ///< the same on the other rows
    std::size_t moving = 0;         ///< index into moving_ when it moves
  };
  struct Derivative {
    std::size_t moving = 0, theta = 0;
  };

  void run_programs(const double* theta, bool derivatives);
  bool eliminate_equalities();
  void solve(const double* z, Point& point);
  void differentiate(Point& point);

  const Problem& problem_;
  std::vector<std::shared_ptr<const ChannelModel>> models_;
  std::vector<std::size_t> first_parameter_;  ///< per channel
  std::size_t parameters_ = 0;
  bool usable_ = true;
  std::vector<std::size_t> theta_;
  std::vector<char> positive_;
  std::vector<std::size_t> first_theta_;  ///< per channel
  std::vector<Linear> linear_;
  std::vector<int> moving_linear_;  ///< per moving column: the linear parameter, or -1 for an offset
  std::vector<Derivative> derivative_;
  std::vector<std::size_t> first_moving_, first_derivative_;  ///< per channel

  std::size_t raw_ = 0;       ///< length of a projected column
  std::size_t length_ = 0;    ///< length of a column of the least-squares problem
  std::vector<double> base_;  ///< target minus fixed offsets
  std::vector<double> nodes_, scratch_, parameters_of_channel_;
  std::vector<double*> node_pointers_, row_pointers_;
  std::vector<double> moving_, slopes_;  ///< projected moving columns and derivatives, raw_ each
  std::vector<double> target_, work_, residual_, rotated_, slope_;
  std::vector<double> column_, basis_;  ///< the columns as solved for (masked), kept for residuals
  PivotedQr qr_;

  std::vector<signed char> side_;          ///< per penalty: -1 below, +1 above, 0 inside
  std::vector<std::size_t> basic_, free_;  ///< linear parameters that the equalities determine, and the others
  std::vector<double> equality_, equality_value_, transform_, inverse_;
};

}  // namespace fastsfes::fit

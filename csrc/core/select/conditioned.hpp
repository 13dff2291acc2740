#pragma once

#include <cstddef>
#include <vector>

#include "core/select/problem.hpp"

namespace fastsfes::select {

/// The least squares of a subset of terms under all conditions: the dual active-set method of Goldfarb and Idnani
/// (10.1007/BF02591962). It climbs from the minimum under the equalities alone, one violated condition after the other,
/// so that it may stop as soon as the value is above what would be of use.
class Conditioned {
 public:
  enum class Status { Optimal, Above, Infeasible, Undecided };
  struct Active {
    std::size_t condition;  ///< inequality k, or inequalities + place for a limit
    double sign;            ///< of the limit: +1 for the lower one
    double multiplier;
    std::size_t slack = kHard;  ///< the variable that a graded inequality is violated by
  };
  static constexpr std::size_t kHard = static_cast<std::size_t>(-1);

  explicit Conditioned(const Problem& problem);

  Status solve(const std::vector<std::size_t>& chosen, double above);

  /// Residual sum of squares by the Gram matrix.
  [[nodiscard]] double value() const noexcept { return value_; }
  /// The same from the residual itself, without cancellation.
  [[nodiscard]] double residual() const;
  /// Those of the chosen terms come first.
  [[nodiscard]] const std::vector<double>& coefficients() const noexcept { return x_; }
  /// Active inequalities and limits.
  [[nodiscard]] const std::vector<Active>& active() const noexcept { return active_; }
  [[nodiscard]] double solved() const noexcept { return solved_; }

 private:
  bool factor();
  bool most_violated(Active& found, double& slack);
  bool lowest(const double* columns, const double* bound, const std::size_t* which, std::size_t rows, double& least,
              std::size_t& at);
  void remember(std::size_t inequality);
  void normal_of(Active& condition);
  std::size_t add_slack(double weight);
  /// Makes a condition hold (with equality); false when no point does.
  Status enforce(Active condition, double slack, bool equality, double above);
  void push();
  void drop(std::size_t place);

  const Problem& problem_;
  // Unknowns are the coefficients of the chosen terms and a slack for every graded inequality that was violated.
  std::size_t n_ = 0, terms_ = 0, stride_ = 0, fixed_ = 0;
  std::vector<double> slack_weight_;
  std::vector<std::size_t> chosen_;
  std::vector<double> lower_, j_, r_, x_, normal_, d_, z_, step_, slack_;
  // Inequalities that were violated lately, looked at before all the others: kRecent columns per term.
  static constexpr std::size_t kRecent = 64;
  std::vector<std::size_t> recent_;
  std::vector<double> recent_columns_, recent_bound_;
  std::size_t next_recent_ = 0;
  std::vector<Active> active_;  ///< equalities first while solving
  double value_ = 0.0, solved_ = 0.0;
};

}  // namespace fastsfes::select

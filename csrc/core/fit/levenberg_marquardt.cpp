#include "core/fit/levenberg_marquardt.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "core/base/stop.hpp"
#include "core/base/vmath.h"  // the library's exp and log differ between processors

namespace fastsfes::fit {
namespace {

constexpr double kLongestLogStep = 3.0;  // a factor of 20: beyond it the linear model says nothing
constexpr double kFirstDamping = 1e-3, kLeastDamping = 1e-8, kLargestDamping = 1e12;
constexpr double kRejectedDamping = 1e-3;  // after a rejection less would repeat the same step

/// Solves the symmetric positive definite system in place (Cholesky); false when it is not.
bool solve_spd(std::vector<double>& a, std::vector<double>& x) {
  const std::size_t n = x.size();
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      if (i == j) {
        if (!(sum > 0.0)) return false;
        a[j * n + j] = std::sqrt(sum);
      } else {
        a[i * n + j] = sum / a[j * n + j];
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) x[i] -= a[i * n + k] * x[k];
    x[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) x[i] -= a[k * n + i] * x[k];
    x[i] /= a[i * n + i];
  }
  return true;
}

double quadratic(const std::vector<double>& a, const std::vector<double>& x, const std::vector<double>& y) {
  const std::size_t n = x.size();
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) sum += x[i] * a[i * n + j] * y[j];
  }
  return sum;
}

double inner(const std::vector<double>& x, const std::vector<double>& y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

/// What J^T J lacks of the Hessian, kept as a secant approximation (Dennis, Gay & Welsch 1981, 10.1145/355958.355965):
/// residuals of functionals are far from zero at the minimum, and Gauss-Newton steps alone zigzag.
class SecondOrder {
 public:
  explicit SecondOrder(std::size_t n) : matrix_(n * n, 0.0) {}
  const std::vector<double>& matrix() const { return matrix_; }

  /// After a step s that changed the gradient by y, J^T J being `normal` at its end.
  void update(const std::vector<double>& s, const std::vector<double>& y, const std::vector<double>& normal) {
    const std::size_t n = s.size();
    const double curvature = inner(y, s);
    if (!(std::abs(curvature) > 1e-12 * std::sqrt(inner(s, s) * inner(y, y)))) return;
    std::vector<double> wanted(y);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) wanted[i] -= normal[i * n + j] * s[j];
    }
    // Sizing: what was true far away must not dominate here.
    const double held = std::abs(quadratic(matrix_, s, s));
    const double size = held > 0.0 ? std::min(1.0, std::abs(inner(wanted, s)) / held) : 1.0;
    std::vector<double> lack(wanted);
    for (double& value : matrix_) value *= size;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) lack[i] -= matrix_[i * n + j] * s[j];
    }
    const double along = inner(lack, s) / (curvature * curvature);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        matrix_[i * n + j] += (lack[i] * y[j] + y[i] * lack[j]) / curvature - along * y[i] * y[j];
      }
    }
  }

 private:
  std::vector<double> matrix_;
};

/// The state of one minimisation.
class Minimisation {
 public:
  Minimisation(VariableProjection& projection, const std::vector<Variable>& variables, std::vector<double>& theta,
               const Options& options)
      : projection_(projection),
        variables_(variables),
        theta_(theta),
        options_(options),
        n_(variables.size()),
        gradient_(n_),
        normal_(n_ * n_),
        curvature_(n_, 0.0),
        moved_(n_),
        previous_(n_),
        second_(n_) {}

  Outcome run() {
    projection_.evaluate(theta_.data(), n_ > 0, point_);
    evaluations_ = 1;
    if (!std::isfinite(point_.objective)) return end(Status::NotFinite);
    if (n_ == 0) return end(Status::Converged);
    bool fresh = true;  // a point that has not been looked at
    while (evaluations_ < options_.max_evaluations) {
      check_stop();
      if (fresh) build_model();
      if (moving_.empty()) return end(Status::Converged);
      const Turn turn = solve_step() ? try_step() : Turn::Rejected;
      if (turn == Turn::Done) return end(Status::Converged);
      fresh = turn == Turn::Accepted;
      if (turn == Turn::Rejected && !damp_more()) return end(Status::Converged);
    }
    return end(Status::EvaluationLimit);
  }

 private:
  enum class Turn : std::uint8_t { Accepted, Rejected, Done };

  Outcome end(Status status) {
    Outcome outcome;
    outcome.point = std::move(point_);
    outcome.status = status;
    outcome.evaluations = evaluations_;
    return outcome;
  }

  /// Chain rule to the variables that are stepped; held parameters drop out.
  void build_model() {
    moving_.clear();
    for (std::size_t i = 0; i < n_; ++i) {
      const double si = variables_[i].logarithmic ? theta_[i] : 1.0;
      gradient_[i] = point_.gradient[i] * si;
      for (std::size_t j = 0; j < n_; ++j) {
        normal_[i * n_ + j] = point_.normal[i * n_ + j] * si * (variables_[j].logarithmic ? theta_[j] : 1.0);
      }
      curvature_[i] = std::max(curvature_[i], normal_[i * n_ + i]);
      const bool held = (theta_[i] <= variables_[i].lower && gradient_[i] >= 0.0) ||
                        (theta_[i] >= variables_[i].upper && gradient_[i] <= 0.0);
      if (!held && curvature_[i] > 0.0 && std::isfinite(gradient_[i])) moving_.push_back(i);
    }
    if (stepped_) {
      for (std::size_t i = 0; i < n_; ++i) previous_[i] = gradient_[i] - previous_[i];
      second_.update(moved_, previous_, normal_);
    }
  }

  /// The step of the damped model; false when it has none.
  bool solve_step() {
    const std::size_t m = moving_.size();
    bool usable = false;
    for (int attempt = 0; attempt < 2 && !usable; ++attempt) {
      matrix_.assign(m * m, 0.0);
      step_.assign(m, 0.0);
      for (std::size_t a = 0; a < m; ++a) {
        for (std::size_t b = 0; b < m; ++b) {
          const std::size_t at = moving_[a] * n_ + moving_[b];
          matrix_[a * m + b] = normal_[at] + (augmented_ ? second_.matrix()[at] : 0.0);
        }
        matrix_[a * m + a] += damping_ * curvature_[moving_[a]];
        step_[a] = -gradient_[moving_[a]];
      }
      usable = solve_spd(matrix_, step_);
      if (!usable) augmented_ = false;  // the augmented model has no minimum: J^T J always has one
    }
    for (std::size_t a = 0; a < m; ++a) usable = usable && std::isfinite(step_[a]);
    return usable;
  }

  /// Sets `trial_` and `moved_` to the step, shortened and within the bounds; false when nothing moves any more.
  bool make_trial() {
    double shrink = 1.0;
    for (std::size_t a = 0; a < moving_.size(); ++a) {
      if (variables_[moving_[a]].logarithmic && std::abs(step_[a]) * shrink > kLongestLogStep) {
        shrink = kLongestLogStep / std::abs(step_[a]);
      }
    }
    trial_ = theta_;
    bool still = true;
    std::fill(moved_.begin(), moved_.end(), 0.0);
    for (std::size_t a = 0; a < moving_.size(); ++a) {
      const std::size_t i = moving_[a];
      const Variable& v = variables_[i];
      moved_[i] = shrink * step_[a];
      trial_[i] = v.logarithmic ? theta_[i] * vm::exp(moved_[i]) : theta_[i] + moved_[i];
      if (trial_[i] < v.lower || trial_[i] > v.upper) {
        trial_[i] = std::clamp(trial_[i], v.lower, v.upper);
        moved_[i] = v.logarithmic ? vm::log(trial_[i] / theta_[i]) : trial_[i] - theta_[i];
      }
      still = still && std::abs(trial_[i] - theta_[i]) <= options_.xtol * (std::abs(theta_[i]) + options_.xtol);
    }
    return !still;
  }

  Turn try_step() {
    const bool moves = make_trial();
    // Decrease of the squared loss in either model.
    const double plain = -2.0 * inner(gradient_, moved_) - quadratic(normal_, moved_, moved_);
    const double full = plain - quadratic(second_.matrix(), moved_, moved_);
    const double predicted = augmented_ ? full : plain;
    if (!moves || predicted <= options_.ftol * point_.objective) return Turn::Done;
    projection_.evaluate(trial_.data(), true, next_);
    ++evaluations_;
    if (!std::isfinite(next_.objective)) return Turn::Rejected;
    const double decrease = point_.objective - next_.objective;
    const bool better_other = std::abs((augmented_ ? plain : full) - decrease) < std::abs(predicted - decrease);
    if (decrease > 0.0) {
      const bool done = decrease <= options_.ftol * point_.objective;
      accept(std::min(1.0, decrease / predicted));
      if (done) return Turn::Done;
    }
    if (better_other) augmented_ = !augmented_;
    return decrease > 0.0 ? Turn::Accepted : Turn::Rejected;
  }

  /// Goes to the trial point; `gain` is the decrease by that of the model.
  void accept(double gain) {
    const double cube = 2.0 * gain - 1.0;
    // What has just been too long a step is not tried again at once.
    const double least = rejected_ ? 0.3 : 0.03;
    damping_ *= gain > 0.75 ? least : std::max(1.0 / 3.0, 1.0 - cube * cube * cube);
    damping_ = std::max(kLeastDamping, damping_);
    growth_ = 2.0;
    rejected_ = false;
    theta_ = trial_;
    std::swap(point_, next_);
    previous_ = gradient_;
    stepped_ = true;
  }

  bool damp_more() {
    rejected_ = true;
    damping_ = std::max(kRejectedDamping, damping_ * growth_);
    growth_ *= 2.0;
    return damping_ <= kLargestDamping;
  }

  VariableProjection& projection_;
  const std::vector<Variable>& variables_;
  std::vector<double>& theta_;
  const Options& options_;
  std::size_t n_;
  int evaluations_ = 0;
  VariableProjection::Point point_, next_;
  // The quadratic model at theta, in the variables that are stepped.
  std::vector<double> gradient_, normal_, curvature_;
  std::vector<std::size_t> moving_;
  std::vector<double> matrix_, step_, trial_, moved_;
  std::vector<double> previous_;  // the gradient before the step
  SecondOrder second_;
  bool augmented_ = false;  // whether the model of the step includes the second-order part
  double damping_ = kFirstDamping, growth_ = 2.0;
  bool stepped_ = false, rejected_ = false;
};

}  // namespace

Outcome minimise(VariableProjection& projection, const std::vector<Variable>& variables, std::vector<double>& theta,
                 const Options& options) {
  return Minimisation(projection, variables, theta, options).run();
}

}  // namespace fastsfes::fit

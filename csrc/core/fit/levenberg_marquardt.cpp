#include "core/fit/levenberg_marquardt.hpp"

#include <algorithm>
#include <cmath>

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

}  // namespace

Outcome minimise(VariableProjection& projection, const std::vector<Variable>& variables, std::vector<double>& theta,
                 const Options& options) {
  const std::size_t n = variables.size();
  Outcome outcome;
  VariableProjection::Point& point = outcome.point;
  projection.evaluate(theta.data(), n > 0, point);
  outcome.evaluations = 1;
  if (!std::isfinite(point.objective)) return outcome;
  outcome.status = Status::Converged;
  if (n == 0) return outcome;

  const double hopeless = options.give_up_above * options.give_up_above;
  std::vector<double> gradient(n), normal(n * n), curvature(n, 0.0), matrix, step, trial(n), moved(n), previous(n);
  std::vector<std::size_t> moving;
  VariableProjection::Point next;
  SecondOrder second(n);
  bool augmented = false;  // whether the model of the step includes the second-order part
  double damping = kFirstDamping, growth = 2.0;
  bool fresh = true, stepped = false, rejected = false;
  while (outcome.evaluations < options.max_evaluations) {
    if (fresh) {
      if (outcome.evaluations >= options.give_up_after && point.squared > hopeless) {
        outcome.status = Status::GaveUp;
        return outcome;
      }
      // Chain rule to the variables that are stepped; held parameters drop out.
      moving.clear();
      for (std::size_t i = 0; i < n; ++i) {
        const double si = variables[i].logarithmic ? theta[i] : 1.0;
        gradient[i] = point.gradient[i] * si;
        for (std::size_t j = 0; j < n; ++j) {
          normal[i * n + j] = point.normal[i * n + j] * si * (variables[j].logarithmic ? theta[j] : 1.0);
        }
        curvature[i] = std::max(curvature[i], normal[i * n + i]);
        const bool held = (theta[i] <= variables[i].lower && gradient[i] >= 0.0) ||
                          (theta[i] >= variables[i].upper && gradient[i] <= 0.0);
        if (!held && curvature[i] > 0.0 && std::isfinite(gradient[i])) moving.push_back(i);
      }
      if (stepped) {
        for (std::size_t i = 0; i < n; ++i) previous[i] = gradient[i] - previous[i];
        second.update(moved, previous, normal);
      }
      fresh = false;
    }
    const std::size_t m = moving.size();
    if (m == 0) return outcome;
    bool usable = false;
    for (int attempt = 0; attempt < 2 && !usable; ++attempt) {
      matrix.assign(m * m, 0.0);
      step.assign(m, 0.0);
      for (std::size_t a = 0; a < m; ++a) {
        for (std::size_t b = 0; b < m; ++b) {
          const std::size_t at = moving[a] * n + moving[b];
          matrix[a * m + b] = normal[at] + (augmented ? second.matrix()[at] : 0.0);
        }
        matrix[a * m + a] += damping * curvature[moving[a]];
        step[a] = -gradient[moving[a]];
      }
      usable = solve_spd(matrix, step);
      if (!usable) augmented = false;  // the augmented model has no minimum: J^T J always has one
    }
    double shrink = 1.0;
    for (std::size_t a = 0; a < m; ++a) {
      usable = usable && std::isfinite(step[a]);
      if (variables[moving[a]].logarithmic && std::abs(step[a]) * shrink > kLongestLogStep) {
        shrink = kLongestLogStep / std::abs(step[a]);
      }
    }
    if (usable) {
      trial = theta;
      bool still = true;
      std::fill(moved.begin(), moved.end(), 0.0);
      for (std::size_t a = 0; a < m; ++a) {
        const std::size_t i = moving[a];
        moved[i] = shrink * step[a];
        trial[i] = variables[i].logarithmic ? theta[i] * vm::exp(moved[i]) : theta[i] + moved[i];
        if (trial[i] < variables[i].lower || trial[i] > variables[i].upper) {
          trial[i] = std::clamp(trial[i], variables[i].lower, variables[i].upper);
          moved[i] = variables[i].logarithmic ? vm::log(trial[i] / theta[i]) : trial[i] - theta[i];
        }
        still = still && std::abs(trial[i] - theta[i]) <= options.xtol * (std::abs(theta[i]) + options.xtol);
      }
      // Decrease of the squared loss in either model.
      const double plain = -2.0 * inner(gradient, moved) - quadratic(normal, moved, moved);
      const double full = plain - quadratic(second.matrix(), moved, moved);
      const double predicted = augmented ? full : plain;
      if (still || predicted <= options.ftol * point.objective) return outcome;
      projection.evaluate(trial.data(), true, next);
      ++outcome.evaluations;
      const double decrease = point.objective - next.objective;
      const bool better_other = std::abs((augmented ? plain : full) - decrease) < std::abs(predicted - decrease);
      if (std::isfinite(next.objective) && decrease > 0.0) {
        const bool done = decrease <= options.ftol * point.objective;
        const double gain = std::min(1.0, decrease / predicted);
        const double cube = 2.0 * gain - 1.0;
        // What has just been too long a step is not tried again at once.
        const double least = rejected ? 0.3 : 0.03;
        damping *= gain > 0.75 ? least : std::max(1.0 / 3.0, 1.0 - cube * cube * cube);
        rejected = false;
        damping = std::max(kLeastDamping, damping);
        growth = 2.0;
        theta = trial;
        std::swap(point, next);
        if (done) return outcome;
        previous = gradient;
        stepped = fresh = true;
        if (better_other) augmented = !augmented;
        continue;
      }
      if (std::isfinite(next.objective) && better_other) augmented = !augmented;
    }
    rejected = true;
    damping = std::max(kRejectedDamping, damping * growth);
    growth *= 2.0;
    if (damping > kLargestDamping) return outcome;
  }
  outcome.status = Status::EvaluationLimit;
  return outcome;
}

}  // namespace fastsfes::fit

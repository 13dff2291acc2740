#include "core/fit/levenberg_marquardt.hpp"

#include <algorithm>
#include <cmath>

namespace fastsfes::fit {
namespace {

constexpr double kLongestLogStep = 3.0;  // a factor of 20: beyond it the linear model says nothing
constexpr double kFirstDamping = 1e-3, kLargestDamping = 1e12;

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
  std::vector<double> gradient(n), normal(n * n), curvature(n, 0.0), matrix, step, trial(n);
  std::vector<std::size_t> moving;
  VariableProjection::Point next;
  double damping = kFirstDamping, growth = 2.0;
  bool fresh = true;
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
      fresh = false;
    }
    const std::size_t m = moving.size();
    if (m == 0) return outcome;
    matrix.assign(m * m, 0.0);
    step.assign(m, 0.0);
    for (std::size_t a = 0; a < m; ++a) {
      for (std::size_t b = 0; b < m; ++b) matrix[a * m + b] = normal[moving[a] * n + moving[b]];
      matrix[a * m + a] += damping * curvature[moving[a]];
      step[a] = -gradient[moving[a]];
    }
    bool usable = solve_spd(matrix, step);
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
      double predicted = 0.0;  // decrease of the squared loss in the linear model
      for (std::size_t a = 0; a < m; ++a) {
        const std::size_t i = moving[a];
        step[a] *= shrink;
        trial[i] = variables[i].logarithmic ? theta[i] * std::exp(step[a]) : theta[i] + step[a];
        trial[i] = std::clamp(trial[i], variables[i].lower, variables[i].upper);
        still = still && std::abs(trial[i] - theta[i]) <= options.xtol * (std::abs(theta[i]) + options.xtol);
      }
      for (std::size_t a = 0; a < m; ++a) {
        double curved = 0.0;
        for (std::size_t b = 0; b < m; ++b) curved += normal[moving[a] * n + moving[b]] * step[b];
        predicted -= step[a] * (2.0 * gradient[moving[a]] + curved);
      }
      if (still || predicted <= options.ftol * point.objective) return outcome;
      projection.evaluate(trial.data(), true, next);
      ++outcome.evaluations;
      const double decrease = point.objective - next.objective;
      if (std::isfinite(next.objective) && decrease > 0.0) {
        const bool done = decrease <= options.ftol * point.objective;
        const double gain = std::min(1.0, decrease / predicted);
        const double cube = 2.0 * gain - 1.0;
        damping = std::max(1e-12, damping * std::max(1.0 / 3.0, 1.0 - cube * cube * cube));
        if (gain > 0.75) damping = std::max(1e-12, 0.1 * damping);
        growth = 2.0;
        theta = trial;
        std::swap(point, next);
        if (done) return outcome;
        fresh = true;
        continue;
      }
    }
    damping *= growth;
    growth *= 2.0;
    if (damping > kLargestDamping) return outcome;
  }
  outcome.status = Status::EvaluationLimit;
  return outcome;
}

}  // namespace fastsfes::fit

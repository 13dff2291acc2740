#include "core/family/superfluous.hpp"

#include <algorithm>
#include <cmath>

#include "core/fit/linalg.hpp"
#include "core/fit/qr.hpp"

namespace fastsfes::family {
namespace {

// Columns are of unit length and their differences good to about 1e-10.
constexpr double kRank = 1e-7;
constexpr double kSame = 1e-12;   ///< largest difference of equal functions, relative to the largest value
constexpr double kExact = 1e-14;  ///< a difference that no other start would lower by much
constexpr int kSteps = 60;        ///< of Gauss and Newton's method
constexpr int kHalvings = 12;

std::size_t points_for(const Expression& expression) { return 2 * expression.parameters().size() + 4; }

bool finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

/// Columns padded as the linear algebra wants them.
struct Columns {
  explicit Columns(std::vector<std::vector<double>> given) : data(std::move(given)) {
    for (auto& column : data) {
      length = fit::padded(column.size());
      column.resize(length, 0.0);
      pointers.push_back(column.data());
    }
  }
  std::vector<std::vector<double>> data;
  std::vector<double*> pointers;
  std::size_t length = 0;
};

/// Nothing where the expression has no values.
std::optional<std::size_t> rank_at(Probes& probes, const std::vector<double>& parameters, const std::string& without) {
  probes.keep_finite(parameters);
  std::vector<std::vector<double>> jacobian = probes.jacobian(parameters), kept;
  for (std::size_t k = 0; k < jacobian.size(); ++k) {
    if (!finite(jacobian[k])) return std::nullopt;
    if (probes.parameters()[k] != without) kept.push_back(std::move(jacobian[k]));
  }
  if (probes.points() == 0) return std::nullopt;
  if (kept.empty()) return 0;
  Columns columns(std::move(kept));
  fit::PivotedQr qr;
  qr.factor(columns.pointers, columns.length, kRank);
  return qr.rank();
}

std::vector<double> generic(const Probes& probes) {
  std::vector<double> parameters;
  for (std::size_t k = 0; k < probes.parameters().size(); ++k) parameters.push_back(generic_value(k));
  return parameters;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i])) return INFINITY;
    largest = std::max(largest, std::abs(a[i] - b[i]));
  }
  return largest;
}

/// Gauss and Newton's method with halved steps: the largest difference left.
double solve(const Probes& probes, const std::vector<double>& target, std::vector<double>& theta, double enough) {
  std::vector<double> now = probes.evaluate(theta);
  double left = distance(now, target);
  if (theta.empty()) return left;
  for (int step = 0; step < kSteps && left > enough; ++step) {
    if (!std::isfinite(left)) return left;
    std::vector<std::vector<double>> jacobian = probes.jacobian(theta);
    for (const auto& column : jacobian) {
      if (!finite(column)) return left;
    }
    Columns columns(std::move(jacobian));
    std::vector<double> residual(columns.length, 0.0), change(theta.size(), 0.0);
    for (std::size_t i = 0; i < target.size(); ++i) residual[i] = target[i] - now[i];
    fit::PivotedQr qr;
    qr.factor(columns.pointers, columns.length, 1e-13);
    double* column = residual.data();
    qr.apply_transpose(&column, 1);
    qr.solve(residual.data(), change.data());
    double scale = 1.0;
    bool better = false;
    for (int half = 0; half < kHalvings && !better; ++half, scale *= 0.5) {
      std::vector<double> trial = theta;
      for (std::size_t k = 0; k < theta.size(); ++k) trial[k] += scale * change[k];
      std::vector<double> values = probes.evaluate(trial);
      const double size = distance(values, target);
      if (!(size < left)) continue;
      better = true;
      left = size;
      theta = std::move(trial);
      now = std::move(values);
    }
    if (!better) break;
  }
  return left;
}

}  // namespace

std::size_t rank(const Expression& expression) {
  Probes probes(expression, points_for(expression));
  return rank_at(probes, generic(probes), "").value_or(0);
}

std::vector<Superfluous> superfluous(const Expression& expression) {
  std::vector<Superfluous> found;
  if (expression.parameters().empty()) return found;
  Probes probes(expression, points_for(expression));
  const std::vector<double> parameters = generic(probes);
  const std::optional<std::size_t> all = rank_at(probes, parameters, "");
  if (!all || *all == parameters.size()) return found;
  if (*all == 0) return found;  // saturated at these parameters, as tanh(99 + c) is
  for (const double value : {0.0, 1.0}) {
    for (std::size_t k = parameters.size(); k-- > 0;) {
      std::vector<double> fixed = parameters;
      fixed[k] = value;
      Probes some(expression, points_for(expression));
      if (rank_at(some, fixed, probes.parameters()[k]) == all) found.push_back({probes.parameters()[k], value});
    }
  }
  return found;
}

std::optional<Values> refitted(const Expression& shorter, const Expression& expression, const Values& values,
                               const Superfluous& removed) {
  Probes whole(expression, points_for(expression));
  std::vector<double> before;
  for (const std::string& name : whole.parameters()) before.push_back(values.at(name));
  Probes probes(shorter, points_for(expression));
  probes.keep(whole.keep_finite(before));
  if (probes.points() < before.size()) return std::nullopt;
  const std::vector<double> target = whole.evaluate(before);
  double size = 0.0;
  for (const double v : target) size = std::max(size, std::abs(v));
  std::vector<double> start;
  for (const std::string& name : probes.parameters()) start.push_back(values.at(name));
  const double was = values.at(removed.parameter);
  const std::size_t n = start.size();
  std::vector<std::vector<double>> starts{start};
  // where the removed parameter is a scale or a shift, others take it over
  for (std::size_t k = 0; k <= n; ++k) {
    for (const bool inverse : {false, true}) {
      std::vector<double> moved = start;
      for (std::size_t j = 0; j < n; ++j) {
        if (k != n && j != k) continue;
        if (removed.value == 0.0) {
          moved[j] += inverse ? -was : was;
        } else {
          moved[j] *= inverse ? 1.0 / was : was;
        }
      }
      starts.push_back(std::move(moved));
    }
  }
  double least = kSame * size;
  std::optional<Values> found;
  for (std::vector<double>& theta : starts) {
    if (!finite(theta)) continue;
    const double left = solve(probes, target, theta, 1e-15 * size);
    if (!(left <= least) || (found && left == least)) continue;
    least = left;
    found.emplace();
    for (std::size_t k = 0; k < n; ++k) (*found)[probes.parameters()[k]] = theta[k];
    if (least <= kExact * size) break;
  }
  return found;
}

}  // namespace fastsfes::family

#include "core/family/superfluous.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/expression/linearity.hpp"
#include "core/fit/linalg.hpp"
#include "core/fit/qr.hpp"

namespace fastsfes::family {
namespace {

// Columns are of unit length and their differences good to about 1e-10.
constexpr double kRank = 1e-7;
constexpr double kSame = 1e-12;     ///< largest difference of equal functions, relative
constexpr double kSmall = 1e-2;     ///< of the middle value: differences at smaller values are relative to this
constexpr double kExact = 1e-14;    ///< a difference that no other start would lower by much
constexpr double kNothing = 1e-15;  ///< a difference that no step would lower
constexpr int kSteps = 60;          ///< of Gauss and Newton's method
constexpr int kHalvings = 12;
constexpr std::size_t kPatience = 10;  ///< steps that halve the difference at least
constexpr std::size_t kPatterns = 24;  ///< of signs and sizes of parameters
constexpr double kSizes[] = {1.0, 3.0, 0.3};
constexpr std::size_t kFirstGeneric = 3;  ///< other values than those at which the rank is found

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

/// What differences are measured in, point by point: a steep function is no matter of its largest value alone.
std::vector<double> units(const std::vector<double>& values) {
  std::vector<double> sizes;
  for (const double v : values) sizes.push_back(std::abs(v));
  std::vector<double> sorted = sizes;
  std::sort(sorted.begin(), sorted.end());
  for (double& size : sizes) {
    size = std::max(size, kSmall * sorted[sorted.size() / 2]);
    if (size == 0.0) size = 1.0;
  }
  return sizes;
}

/// Nothing where the expression has no values.
std::optional<std::size_t> rank_at(Probes& probes, const std::vector<double>& parameters, const std::string& without) {
  probes.keep_finite(parameters);
  if (probes.points() == 0) return std::nullopt;
  const std::vector<double> unit = units(probes.evaluate(parameters));
  std::vector<std::vector<double>> jacobian = probes.jacobian(parameters), kept;
  for (std::size_t k = 0; k < jacobian.size(); ++k) {
    for (std::size_t i = 0; i < unit.size(); ++i) jacobian[k][i] /= unit[i];
    if (!finite(jacobian[k])) return std::nullopt;
    if (probes.parameters()[k] != without) kept.push_back(std::move(jacobian[k]));
  }
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

/// The function that others are to be: its values at the points where it has some.
struct Target {
  std::vector<char> kept;  ///< of the points
  std::vector<double> values, units;
};

/// Nothing where the expression has values at too few points.
std::optional<Target> target_of(Probes& whole, const Values& values) {
  whole.keep_all();
  std::vector<double> parameters;
  for (const std::string& name : whole.parameters()) parameters.push_back(values.at(name));
  Target target;
  target.kept = whole.keep_finite(parameters);
  if (whole.points() == 0 || whole.points() < parameters.size()) return std::nullopt;
  target.values = whole.evaluate(parameters);
  target.units = units(target.values);
  return target;
}

/// The largest difference.
double distance(const std::vector<double>& values, const Target& target) {
  double largest = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return INFINITY;
    largest = std::max(largest, std::abs(values[i] - target.values[i]) / target.units[i]);
  }
  return largest;
}

/// Gauss and Newton's method with halved steps: the largest difference left.
double solve(Probes& probes, const Target& target, std::vector<double>& theta, double enough) {
  std::vector<double> now = probes.evaluate(theta);
  double left = distance(now, target);
  if (theta.empty()) return left;
  std::array<double, kPatience> earlier{};
  for (int step = 0; step < kSteps && left > enough; ++step) {
    if (!std::isfinite(left)) return left;
    double& past = earlier[static_cast<std::size_t>(step) % kPatience];
    if (step >= static_cast<int>(kPatience) && left > 0.5 * past) return left;  // a minimum that is no root
    past = left;
    std::vector<std::vector<double>> jacobian = probes.jacobian(theta);
    for (auto& column : jacobian) {
      for (std::size_t i = 0; i < now.size(); ++i) column[i] /= target.units[i];
      if (!finite(column)) return left;
    }
    Columns columns(std::move(jacobian));
    std::vector<double> residual(columns.length, 0.0), change(theta.size(), 0.0);
    for (std::size_t i = 0; i < now.size(); ++i) residual[i] = (target.values[i] - now[i]) / target.units[i];
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

/// Values of the parameters of the shorter expression to start from.
std::vector<std::vector<double>> starts(const Probes& probes, const Values& values, const Superfluous& removed) {
  std::vector<double> start;
  for (const std::string& name : probes.parameters()) start.push_back(values.at(name));
  const double was = values.at(removed.parameter);
  const std::size_t n = start.size();
  std::vector<std::vector<double>> found{start};
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
      found.push_back(std::move(moved));
    }
  }
  return found;
}

bool is_scale(const Expression& e, const std::vector<char>& scales, const std::string& name) {
  const auto& all = e.graph().parameters();
  return scales[static_cast<std::size_t>(std::find(all.begin(), all.end(), name) - all.begin())] != 0;
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
      probes.keep_all();
      if (rank_at(probes, fixed, probes.parameters()[k]) == all) found.push_back({probes.parameters()[k], value});
    }
  }
  return found;
}

std::optional<Values> refitted(const Expression& shorter, const Expression& expression, const Values& values,
                               const Superfluous& removed) {
  Probes whole(expression, points_for(expression));
  const std::optional<Target> target = target_of(whole, values);
  if (!target) return std::nullopt;
  Probes probes(shorter, target->kept.size());
  probes.keep(target->kept);
  double least = kSame;
  std::optional<Values> found;
  for (std::vector<double>& theta : starts(probes, values, removed)) {
    if (!finite(theta)) continue;
    const double left = solve(probes, *target, theta, kNothing);
    if (!(left <= least) || (found && left == least)) continue;
    least = left;
    found.emplace();
    for (std::size_t k = 0; k < theta.size(); ++k) (*found)[probes.parameters()[k]] = theta[k];
    if (least <= kExact) break;
  }
  return found;
}

Values polished(const Expression& form, Values mapped, const Expression& expression, const Values& values) {
  Probes whole(expression, points_for(expression));
  const std::optional<Target> target = target_of(whole, values);
  if (!target) return mapped;
  Probes probes(form, target->kept.size());
  probes.keep(target->kept);
  std::vector<double> theta;
  for (const std::string& name : probes.parameters()) theta.push_back(mapped.at(name));
  solve(probes, *target, theta, kExact);
  for (std::size_t k = 0; k < theta.size(); ++k) mapped[probes.parameters()[k]] = theta[k];
  return mapped;
}

bool replaces(const Expression& shorter, const Expression& expression, const Superfluous& removed) {
  const std::vector<char> scales = block_parameters(expression.graph(), expression.root());
  const std::vector<std::string> names = expression.parameters();
  Probes whole(expression, points_for(expression)), probes(shorter, points_for(expression));
  bool tried = false;
  std::size_t last = 0;  // the start that led to the goal is tried first the next time
  // All patterns must agree, in whatever order: the one that rejected the last time is likely to do so again.
  static thread_local std::size_t first = 0;
  for (std::size_t turn = 0; turn < kPatterns; ++turn) {
    const std::size_t pattern = (first + turn) % kPatterns;
    Values values;
    for (std::size_t k = 0; k < names.size(); ++k) {
      const double size = kSizes[pattern % 3] * generic_value(kFirstGeneric + k + pattern * (names.size() + 1));
      values[names[k]] = is_scale(expression, scales, names[k]) ? size : size * generic_sign(pattern, k);
    }
    const std::optional<Target> target = target_of(whole, values);
    if (!target) continue;  // no values there
    probes.keep_all();
    probes.keep(target->kept);
    std::vector<std::vector<double>> from = starts(probes, values, removed);
    const auto leads = [&](std::size_t k) {
      return finite(from[k]) && solve(probes, *target, from[k], kSame) <= kSame;
    };
    bool found = leads(last);
    for (std::size_t k = 0; k < from.size() && !found; ++k) {
      if (k == last) continue;
      found = leads(k);
      if (found) last = k;
    }
    if (!found) {
      first = pattern;
      return false;
    }
    tried = true;
  }
  return tried;
}

}  // namespace fastsfes::family

#include "core/family/probes.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "core/base/stop.hpp"
#include "core/expression/features.hpp"
#include "core/program/kernels.hpp"

namespace fastsfes::family {
namespace {

/// The fractional part of k times an irrational number: points that fill (0, 1) evenly.
double fraction(double k, double irrational) {
  const double x = k * irrational;
  return x - std::floor(x);
}

constexpr double kGolden = 0.6180339887498949;

/// One of many numbers of which none is a multiple of another.
double irrational(std::size_t k) { return std::sqrt(static_cast<double>(2 + 3 * k)) * kGolden; }

/// Exponents for which products are faster than a power.
bool is_small_whole(double exponent) { return std::abs(exponent) <= 16.0 && exponent == std::trunc(exponent); }

double raised(double base, int exponent) {
  double found = 1.0, square = base;
  for (int left = std::abs(exponent); left > 0; left /= 2, square *= square) {
    if (left % 2 == 1) found *= square;
  }
  return exponent < 0 ? 1.0 / found : found;
}

constexpr double kStep = 3e-6;  ///< of central differences, relative: their error is about 1e-11
// logarithms of densities, gradients and the like at the probes; all other features lie in (-0.95, 0.95)
constexpr double kLowest = -3.0, kHighest = 2.0;

/// One of 63 sets of parameters; those that share one are evaluated together.
std::uint64_t member(std::size_t parameter) { return std::uint64_t{1} << (parameter % 63); }
constexpr std::uint64_t kPoints = std::uint64_t{1} << 63;  ///< what depends on nothing else is evaluated once

}  // namespace

double generic_value(std::size_t k) { return 0.05 + 1.9 * fraction(static_cast<double>(k + 1), kGolden); }

double generic_sign(std::size_t pattern, std::size_t k) {
  return fraction(static_cast<double>(pattern), irrational(k)) < 0.5 ? 1.0 : -1.0;
}

Probes::Probes(const Expression& expression, std::size_t points)
    : flat_(expression.define()), parameters_(expression.parameters()) {
  const Graph& g = flat_.graph();
  const std::vector<std::string> features = flat_.features();
  const auto all = all_features();
  slot_.resize(flat_.root() + 1, 0);
  depends_.resize(flat_.root() + 1, kPoints);
  for (NodeId id = 0; id <= flat_.root(); ++id) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(g.arity(id)); ++k) depends_[id] |= depends_[g[id].args[k]];
    if (g[id].op != Op::Parameter && g[id].op != Op::Feature) continue;
    const auto& names = g[id].op == Op::Parameter ? parameters_ : features;
    slot_[id] = static_cast<std::size_t>(std::find(names.begin(), names.end(), g.name(id)) - names.begin());
    if (g[id].op == Op::Parameter) depends_[id] |= member(slot_[id]);
  }
  for (std::size_t i = 0; i < points; ++i) {
    points_.emplace_back();
    for (std::size_t k = 0; k < features.size(); ++k) {
      // a feature has its values whatever other features there are
      const FeatureInfo* row = find_feature(features[k]);
      const bool column = row < all.data() || row >= all.data() + all.size();
      const auto place = column ? row - column_features().data() : row - all.data();
      const std::size_t number = static_cast<std::size_t>(place) + (column ? all.size() : 0);
      const double x = fraction(static_cast<double>(i + 1), irrational(number));
      points_.back().push_back(row->nonnegative ? std::exp(kLowest + (kHighest - kLowest) * x) : 1.9 * x - 0.95);
    }
  }
  keep_all();
}

std::vector<double> Probes::evaluate(const std::vector<double>& parameters) {
  const std::size_t n = kept_.size();
  Set changed = 0;
  if (values_.empty() || parameters.size() != last_.size()) {
    values_.resize((flat_.root() + 1) * n);
    last_ = parameters;
    changed = ~Set{0};
  }
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    if (std::bit_cast<std::uint64_t>(parameters[k]) != std::bit_cast<std::uint64_t>(last_[k])) changed |= member(k);
  }
  last_ = parameters;
  for (NodeId id = 0; id <= flat_.root(); ++id) {
    if (depends_[id] & changed) evaluate(id);
  }
  return {values_.end() - static_cast<std::ptrdiff_t>(n), values_.end()};
}

void Probes::evaluate(NodeId id) {
  const Graph& g = flat_.graph();
  const std::size_t n = kept_.size();
  const Node& node = g[id];
  double* own = values_.data() + id * n;
  const double *a = values_.data() + node.args[0] * n, *b = values_.data() + node.args[1] * n,
               *c = values_.data() + node.args[2] * n;
  if (node.op == Op::Constant) {
    std::fill(own, own + n, node.value);
  } else if (node.op == Op::Parameter) {
    std::fill(own, own + n, slot_[id] < last_.size() ? last_[slot_[id]] : 0.0);
  } else if (node.op == Op::Feature) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::vector<double>& point = points_[kept_[i]];
      own[i] = slot_[id] < point.size() ? point[slot_[id]] : 0.0;
    }
  } else if (node.op == Op::Pow && g.is_constant(node.args[1]) && is_small_whole(g[node.args[1]].value)) {
    const int whole = static_cast<int>(g[node.args[1]].value);
    for (std::size_t i = 0; i < n; ++i) own[i] = raised(a[i], whole);
  } else {
    kernels().kernels[static_cast<std::size_t>(node.op)][0](a, b, c, own, n);
  }
}

std::vector<std::vector<double>> Probes::jacobian(const std::vector<double>& parameters) {
  std::vector<std::vector<double>> columns;
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    check_stop();
    const double step = kStep * std::max(std::abs(parameters[k]), 1e-3);
    std::vector<double> moved = parameters;
    moved[k] = parameters[k] + step;
    std::vector<double> above = evaluate(moved);
    moved[k] = parameters[k] - step;
    const std::vector<double> below = evaluate(moved);
    for (std::size_t i = 0; i < above.size(); ++i) above[i] = (above[i] - below[i]) / (2.0 * step);
    columns.push_back(std::move(above));
  }
  return columns;
}

std::vector<char> Probes::keep_finite(const std::vector<double>& parameters) {
  std::vector<char> finite;
  for (const double value : evaluate(parameters)) finite.push_back(std::isfinite(value) ? 1 : 0);
  keep(finite);
  return finite;
}

void Probes::keep(const std::vector<char>& wanted) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i]) kept.push_back(kept_[i]);
  }
  if (kept.size() == kept_.size()) return;
  kept_ = std::move(kept);
  values_.clear();
}

void Probes::keep_all() {
  if (kept_.size() == points_.size()) return;
  kept_.resize(points_.size());
  std::iota(kept_.begin(), kept_.end(), std::size_t{0});
  values_.clear();
}

double value(const Expression& expression, const Values& values) {
  Probes probes(expression, 1);
  std::vector<double> parameters;
  for (const std::string& name : probes.parameters()) parameters.push_back(values.at(name));
  return probes.evaluate(parameters)[0];
}

}  // namespace fastsfes::family

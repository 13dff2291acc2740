#include "core/family/recognise.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/sha256.hpp"
#include "core/expression/linearity.hpp"
#include "core/family/absorb.hpp"
#include "core/fit/linalg.hpp"
#include "core/fit/qr.hpp"
#include "core/program/driver.hpp"
#include "core/program/program.hpp"

namespace fastsfes::family {
namespace {

constexpr double kScales[] = {1.0, 0.1};  ///< of the values of nonlinear parameters, the second where there is no value
constexpr std::size_t kLargestRank = 36;  ///< of a linear space that the probes can tell
constexpr double kRankTolerance = 1e-10;  ///< relative to a column of unit length
constexpr double kZero = 1e-9;            ///< relative size of what is left of a function in its own linear space
constexpr double kDigits = 1e7;           ///< resolution of the largest value
constexpr std::size_t kOrigin = 12;       ///< values of the fixed part that enter the fingerprint

std::string hash(std::string_view data) { return jit::sha256(data).substr(0, 16); }

/// The expression with the parameters p0, p1, ... in order of evaluation, as its text is read.
Expression canonical(const Expression& expression) {
  std::unordered_map<std::string, Expression> names;
  std::size_t number = 0;
  for (const std::string& name : expression.parameters()) {
    names.emplace(name, Expression::parse("p" + std::to_string(number++)));
  }
  return Expression::parse(expression.substitute(names).str());
}

/// Positive values, as every parameter of an operator with a restricted domain must be.
double probe_value(std::size_t k) {
  const double golden = static_cast<double>(k + 1) * 0.6180339887498949;
  return 0.05 + 1.9 * (golden - std::floor(golden));
}

void append(std::string& bytes, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int k = 0; k < 8; ++k) bytes.push_back(static_cast<char>(bits >> (8 * k)));
}

/// Values rounded to a fixed number of digits of the largest one.
void append_rounded(std::string& bytes, const std::vector<double>& values) {
  double largest = 0.0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  const double exponent = largest > 0.0 ? std::floor(std::log10(largest)) : 0.0;
  const double scale = std::pow(10.0, exponent);
  append(bytes, exponent);
  for (const double v : values) append(bytes, std::nearbyint(v / scale * kDigits) + 0.0);  // + 0.0: no negative zeros
}

/// The parameters of an expression, told apart by how they enter it.
struct Split {
  std::vector<std::string> linear;  ///< in order of evaluation
  std::set<std::string> factors;    ///< not linear, but only because they multiply a linear one
};

Split split(const Expression& expression) {
  Graph graph;
  for (const std::string& name : expression.parameters()) graph.parameter(name);
  const NodeId root = expand_defined(graph, graph.import(expression.graph(), expression.root()));
  const std::vector<std::string>& names = graph.parameters();
  const Linearity how = linearity(graph, root, std::vector<char>(names.size(), 1));
  Split found;
  for (std::size_t p = 0; p < names.size(); ++p) {
    if (how.linear[p]) found.linear.push_back(names[p]);
    if (how.factors[p]) found.factors.insert(names[p]);
  }
  return found;
}

using Key = std::pair<std::string, std::size_t>;  ///< fingerprint and dimension of a linear space
using Values = std::map<std::string, double>;

/// An expression at the probes.
class Probed {
 public:
  Probed(const Expression& expression, const std::vector<std::string>& linear,
         const std::map<std::string, std::vector<double>>& features, const std::vector<std::vector<double>>& directions,
         std::size_t points)
      : program_(expression.graph(), {expression.root()}), linear_(linear), directions_(directions), points_(points) {
    for (const std::string& name : program_.features()) features_.push_back(features.at(name).data());
  }

  /// The affine space of functions for fixed nonlinear parameters; nothing where a value is not finite.
  std::optional<Key> space(const Values& fixed) const {
    std::vector<double> parameters(program_.parameters().size(), 0.0);
    for (const auto& [name, value] : fixed) parameters[index(name)] = value;
    std::vector<double> origin = values(parameters);
    double rounding = 0.0;  // of differences of two values
    if (!finite(origin)) {  // 0/0 at 0, as in c1*0/c0: any other point of the affine space does as well
      for (const std::string& name : linear_) parameters[index(name)] = 1.0;
      origin = values(parameters);
      if (!finite(origin)) return std::nullopt;
      for (const double v : origin) rounding = std::max(rounding, kRankTolerance * std::abs(v));
    }
    std::vector<std::vector<double>> columns;
    for (const std::string& name : linear_) {
      std::vector<double> shifted = parameters;
      shifted[index(name)] += 1.0;
      columns.push_back(values(shifted));
      for (std::size_t i = 0; i < points_; ++i) {
        columns.back()[i] -= origin[i];
        if (std::abs(columns.back()[i]) <= rounding) columns.back()[i] = 0.0;
      }
      if (!finite(columns.back())) return std::nullopt;
    }
    std::vector<double*> pointers;
    for (auto& column : columns) pointers.push_back(column.data());
    fit::PivotedQr qr;
    qr.factor(pointers, fit::padded(points_), kRankTolerance);
    if (qr.rank() > kLargestRank) return std::nullopt;
    std::string bytes;
    std::vector<double> projected;
    for (const auto& direction : directions_) {
      const std::vector<double> part = qr_part(qr, direction);
      projected.insert(projected.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(points_));
    }
    append_rounded(bytes, projected);
    std::vector<double> rest = origin;
    const std::vector<double> inside = qr_part(qr, origin);
    double size = 0.0, left = 0.0;
    for (std::size_t i = 0; i < points_; ++i) {
      rest[i] -= inside[i];
      size = std::max(size, std::abs(origin[i]));
      left = std::max(left, std::abs(rest[i]));
    }
    if (left <= kZero * std::max(size, 1e-300)) rest.assign(rest.size(), 0.0);
    rest.resize(std::min(kOrigin, points_));
    append_rounded(bytes, rest);
    return Key(hash(bytes), qr.rank());
  }

 private:
  std::size_t index(const std::string& name) const {
    const auto& names = program_.parameters();
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  }

  std::vector<double> values(const std::vector<double>& parameters) const {
    std::vector<double> found(fit::padded(points_), 0.0);
    double* output = found.data();
    evaluate(program_, parameters.data(), features_.data(), points_, &output, 1, jit::Backend::Interpreter);
    return found;
  }

  bool finite(const std::vector<double>& values) const {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
  }

  /// Projection on the linear space.
  static std::vector<double> qr_part(const fit::PivotedQr& qr, std::vector<double> vector) {
    double* column = vector.data();
    qr.apply_transpose(&column, 1);
    std::fill(vector.begin() + static_cast<std::ptrdiff_t>(qr.rank()), vector.end(), 0.0);
    qr.apply(&column, 1);
    return vector;
  }

  Program program_;
  const std::vector<std::string>& linear_;
  const std::vector<std::vector<double>>& directions_;
  std::size_t points_;
  std::vector<const double*> features_;
};

/// The family by its values for nonlinear parameters of this scale; nothing where it has none.
std::optional<std::string> probe(const Probed& probed, const Expression& expression, const Split& parts, double scale) {
  const std::set<std::string> linear(parts.linear.begin(), parts.linear.end());
  std::vector<std::string> nonlinear;
  for (std::string& p : expression.parameters()) {
    if (!linear.contains(p)) nonlinear.push_back(std::move(p));
  }
  Values rest;
  for (const std::string& p : nonlinear) rest[p] = scale * probe_value(0);
  const double other = scale * probe_value(1);
  std::map<std::string, Key> keys;
  if (nonlinear.size() > 1 || !parts.factors.empty()) {
    // all parameters alike but one: what this gives tells the parameters apart, whatever their names
    const std::optional<Key> first = probed.space(rest);
    if (!first && !nonlinear.empty()) return std::nullopt;
    for (const std::string& p : nonlinear) {
      Values one = rest;
      one[p] = other;
      const std::optional<Key> found = probed.space(one);
      if (!found) return std::nullopt;
      // a factor of what a linear parameter multiplies anyway changes nothing and does not count
      if (!parts.factors.contains(p) || *found != *first) keys[p] = *found;
    }
    std::erase_if(nonlinear, [&](const std::string& p) { return !keys.contains(p); });
    std::stable_sort(nonlinear.begin(), nonlinear.end(),
                     [&](const std::string& a, const std::string& b) { return keys.at(a) < keys.at(b); });
  }
  // Two that nothing tells apart give the same in either order: that is what having one key means.
  Values fixed = rest;
  for (std::size_t k = 0; k < nonlinear.size(); ++k) fixed[nonlinear[k]] = scale * probe_value(k);
  const std::optional<Key> found = probed.space(fixed);
  if (!found) return std::nullopt;
  return found->first;
}

}  // namespace

std::vector<std::string> linear_parameters(const Expression& expression) { return split(expression).linear; }

Recogniser::Recogniser(std::map<std::string, std::vector<double>> features, std::vector<std::vector<double>> directions)
    : features_(std::move(features)), directions_(std::move(directions)) {
  if (directions_.empty() || directions_.front().empty()) throw InputError("a recogniser needs a direction");
  points_ = directions_.front().size();
  for (const auto& [name, values] : features_) {
    if (values.size() != points_) throw InputError("feature \"" + name + "\" and the directions differ in length");
  }
  for (auto& direction : directions_) {
    if (direction.size() != points_) throw InputError("the directions differ in length");
    direction.resize(fit::padded(points_), 0.0);
  }
}

std::string Recogniser::recognise(const Expression& expression) const {
  const Expression shorter = absorb(canonical(expression)).expression;
  for (const std::string& name : shorter.features()) {
    if (!features_.contains(name)) throw InputError("no probes for feature \"" + name + "\"");
  }
  const Split parts = split(shorter);
  const Probed probed(shorter, parts.linear, features_, directions_, points_);
  for (const double scale : kScales) {
    if (const auto found = probe(probed, shorter, parts, scale)) return *found;
  }
  // undefined at the probes: nothing but the text is left to compare
  return hash("text" + canonical(shorter.fold()).str());
}

}  // namespace fastsfes::family

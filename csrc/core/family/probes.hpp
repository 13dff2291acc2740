#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/expression/expression.hpp"

namespace fastsfes::family {

using Values = std::map<std::string, double>;

/// The value of an expression of parameters alone.
[[nodiscard]] double value(const Expression& expression, const Values& values);

/// A parameter value that is no special one, the k-th of a fixed sequence in (0.05, 1.95).
[[nodiscard]] double generic_value(std::size_t k);
/// The sign of the k-th parameter in one of many patterns, the first of which has all positive.
[[nodiscard]] double generic_sign(std::size_t pattern, std::size_t k);

/// An expression at a few fixed values of its features. What does not depend on the parameters that have changed since
/// the last evaluation is not evaluated again.
class Probes {
 public:
  Probes(const Expression& expression, std::size_t points);

  /// Values at the points for parameters in this order; what is not finite stays so.
  [[nodiscard]] std::vector<double> evaluate(const std::vector<double>& parameters);
  /// Derivatives by central differences, one column per parameter.
  [[nodiscard]] std::vector<std::vector<double>> jacobian(const std::vector<double>& parameters);
  [[nodiscard]] const std::vector<std::string>& parameters() const { return parameters_; }
  /// Leaves out the points at which the values for these parameters are not finite; tells which are left.
  std::vector<char> keep_finite(const std::vector<double>& parameters);
  void keep(const std::vector<char>& wanted);
  /// All points again.
  void keep_all();
  [[nodiscard]] std::size_t points() const { return kept_.size(); }

 private:
  using Set = std::uint64_t;  ///< of parameters, by their place modulo 63, and of the points

  void evaluate(NodeId id);

  Expression flat_;
  std::vector<std::string> parameters_;
  std::vector<std::size_t> slot_;            ///< by node: of a parameter or feature
  std::vector<Set> depends_;                 ///< by node
  std::vector<std::vector<double>> points_;  ///< values of the features
  std::vector<std::size_t> kept_;            ///< points
  std::vector<double> values_;               ///< by node and kept point, for the parameters `last_`
  std::vector<double> last_;                 ///< empty where nothing has been evaluated
};

}  // namespace fastsfes::family

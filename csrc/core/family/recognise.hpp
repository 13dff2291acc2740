#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/expression/expression.hpp"

namespace fastsfes::family {

/// What is known of the family of functions that an expression with parameters describes.
struct Family {
  std::string fingerprint;    ///< 16 hexadecimal digits, equal for equal families
  std::size_t dimension = 0;  ///< parameters that count: dimension of the linear space, plus the nonlinear ones
};

/// A maximal set of parameters in which the expression is jointly affine, in order of evaluation.
std::vector<std::string> linear_parameters(const Expression& expression);

/// Recognises families by their values at probe features.
class Recogniser {
 public:
  /// `features`: values at the probes, of one length; `directions`: vectors of that length, of which the projections on
  /// a family's linear space tell it.
  Recogniser(std::map<std::string, std::vector<double>> features, std::vector<std::vector<double>> directions);

  /// The family of an expression, whatever its parameters are called.
  Family recognise(const Expression& expression) const;

 private:
  std::map<std::string, std::vector<double>> features_;
  std::vector<std::vector<double>> directions_;
  std::size_t points_ = 0;
};

}  // namespace fastsfes::family

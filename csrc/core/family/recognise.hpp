#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/expression/expression.hpp"

namespace fastsfes::family {

/// A maximal set of parameters in which the expression is jointly affine, in order of evaluation.
[[nodiscard]] std::vector<std::string> linear_parameters(const Expression& expression);

/// Recognises families of functions, which expressions with parameters describe, by their values at probe features.
class Recogniser {
 public:
  /// `features`: values at the probes, of one length; `directions`: vectors of that length, of which the projections on
  /// a family's linear space tell it.
  Recogniser(std::map<std::string, std::vector<double>> features, std::vector<std::vector<double>> directions);

  /// A fingerprint of 16 hexadecimal digits, equal for equal families, whatever their parameters are called.
  [[nodiscard]] std::string recognise(const Expression& expression) const;

 private:
  std::map<std::string, std::vector<double>> features_;
  std::vector<std::vector<double>> directions_;
  std::size_t points_ = 0;
};

}  // namespace fastsfes::family

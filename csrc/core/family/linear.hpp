#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/expression/expression.hpp"

namespace fastsfes::family {

/// The parameters of an expression, told apart by how they enter it.
struct Split {
  std::vector<std::string> linear;  ///< the expression is jointly affine in them; in order of evaluation
  std::set<std::string> factors;    ///< not linear, but only because they multiply a linear one
};

/// A largest-first choice of linear parameters: where two multiply each other, the smaller group is left out.
Split split(const Expression& expression);

}  // namespace fastsfes::family

#pragma once

#include <map>
#include <string>

#include "core/expression/expression.hpp"

namespace fastsfes::family {

/// An expression in which some parameters mean something else than before.
struct Reparametrised {
  Expression expression;
  std::map<std::string, Expression> meaning;  ///< of parameters that changed, in those of before
};

/// The same family without scales and shifts of parameters: exp(3*g*h*x2/5) is the family exp(g*x2).
///
/// In a product with a parameter that occurs nowhere else, positive numbers and other such parameters change nothing;
/// nor do numbers and such parameters in a sum. Beside a power of such a parameter numbers change nothing. Signs stay:
/// a scale that must be positive would else start negative.
[[nodiscard]] Reparametrised absorb(const Expression& expression);

}  // namespace fastsfes::family

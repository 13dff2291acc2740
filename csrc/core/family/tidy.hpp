#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/expression/expression.hpp"

namespace fastsfes::family {

/// An expression and a value for each of its parameters.
struct Tidied {
  Expression expression;
  std::map<std::string, double> values;
};

/// An equal expression in fewer words: sums of products multiplied out and collected.
///
/// Evolution leaves factors like (1 + c0*u)*(c1 + u*c2) + c3. Multiplied out they are sums of monomials of features and
/// of what is no polynomial (u(x2, g), roots, quotients), each with one coefficient. That is adopted when it needs no
/// more parameters than the original, or up to two more and fewer nodes; the values are the same up to rounding.
/// Parameters are called c0, c1, ... (linear) and g0, g1, ... (the others) afterwards.
Tidied tidy(const Expression& expression, const std::map<std::string, double>& values);

/// Names of the operators (and kinds of leaves) of the distinct nodes after `tidy`: what redundancy does not change.
std::vector<std::string> tidied_nodes(const Expression& expression);

}  // namespace fastsfes::family

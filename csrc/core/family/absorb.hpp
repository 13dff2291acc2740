#pragma once

#include "core/expression/expression.hpp"

namespace fastsfes::family {

/// The same family without scales and shifts of parameters: exp(3*g*h*x2/5) is the family exp(g*x2).
///
/// In a product with a parameter that occurs nowhere else, positive numbers and other such parameters change nothing;
/// nor do numbers and such parameters in a sum. Signs stay: a scale that must be positive would else start negative.
Expression absorb(const Expression& expression);

}  // namespace fastsfes::family

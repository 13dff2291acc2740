#pragma once

#include "core/expression/expression.hpp"
#include "core/family/probes.hpp"

namespace fastsfes::family {

/// An expression and a value for each of its parameters.
struct NormalForm {
  Expression expression;
  Values values;
};

/// The normal form of a formula's family, and the values with which it is the same function; without values only the
/// form, which does not depend on them.
///
/// Sums are collected and factorised, equal factors are powers, numbers are folded; parameters that others can stand in
/// for are gone; what is left is called c0, c1, ... (linear) and g0, g1, ... (the others) in reading order. It never
/// has more nodes or more parameters than the expression, and it is its own normal form.
[[nodiscard]] NormalForm normal_form(const Expression& expression, const Values& values);

}  // namespace fastsfes::family

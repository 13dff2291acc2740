#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/family/probes.hpp"

namespace fastsfes::family {

/// How many parameters of an expression move its values independently: the rank of the values' derivatives at generic
/// parameters.
[[nodiscard]] std::size_t rank(const Expression& expression);

/// A parameter that the others can stand in for, when it is 0 or 1.
struct Superfluous {
  std::string parameter;
  double value;
};

/// The parameters that may have a fixed value without loss, those first of which the rest is simplest.
[[nodiscard]] std::vector<Superfluous> superfluous(const Expression& expression);

/// Values of the parameters of `shorter` with which it is the function that `expression` is with these values; nothing
/// when none were found.
[[nodiscard]] std::optional<Values> refitted(const Expression& shorter, const Expression& expression,
                                             const Values& values, const Superfluous& removed);

/// The values that a form of an expression has, without the rounding errors of the way to it.
[[nodiscard]] Values polished(const Expression& form, Values mapped, const Expression& expression,
                              const Values& values);

/// Whether the shorter expression can be the function that `expression` is, whatever the signs and sizes of its
/// parameters: tried with some of each.
[[nodiscard]] bool replaces(const Expression& shorter, const Expression& expression, const Superfluous& removed);

}  // namespace fastsfes::family

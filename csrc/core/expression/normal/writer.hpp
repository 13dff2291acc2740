#pragma once

#include "core/expression/normal/order.hpp"

namespace fastsfes::normal {

/// Which common factors are taken out first.
enum class Strategy {
  Gain,        ///< what saves most operations
  Parameters,  ///< parameters, so that each stands where it belongs
  Features,    ///< features and functions: Horner's scheme
  None,        ///< none: a plain sum
};
inline constexpr Strategy kStrategies[] = {Strategy::Gain, Strategy::Parameters, Strategy::Features, Strategy::None};

/// What divides at least two terms and is worth taking out of them; a term without factors and of coefficient 1 when
/// there is nothing.
[[nodiscard]] Term common_factor(const Sum& sum, Strategy strategy, const Order& order);
[[nodiscard]] bool divides(const Term& factor, const Term& term);

/// The nodes of a term and of a sum of terms, in canonical order.
[[nodiscard]] NodeId write_term(Graph& graph, const Order& order, const Term& term);
[[nodiscard]] NodeId write_terms(Graph& graph, const Order& order, Sum sum);

}  // namespace fastsfes::normal

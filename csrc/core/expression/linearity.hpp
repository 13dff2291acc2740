#pragma once

#include <vector>

#include "core/expression/graph.hpp"

namespace fastsfes {

/// How the parameters of an expression enter it: flags in the order of graph.parameters().
struct Linearity {
  std::vector<char> linear;   ///< a maximal set of parameters in which the expression is jointly linear (affine)
  std::vector<char> factors;  ///< not of that set, but only because they multiply one another or a linear one
};

/// Which parameters are linear, by the interactions that the operator table states: two parameters interact when the
/// second derivative with respect to both can be non-zero by the structure of the graph. The set holds no parameter
/// that interacts with itself or with another of the set. It is chosen greedily, the parameter with the fewest
/// interactions first, ties in the order of the parameters.
///
/// `root` must have been expanded (expand_defined); `allowed` excludes parameters from the start.
[[nodiscard]] Linearity linearity(const Graph& graph, NodeId root, const std::vector<char>& allowed);

/// Parameters that stand directly as an argument of a defined operator (u, pbe_x, ...): all of these are positive
/// scales, for which steps in the logarithm are natural. `root` is the expression as written.
[[nodiscard]] std::vector<char> block_parameters(const Graph& graph, NodeId root);

}  // namespace fastsfes

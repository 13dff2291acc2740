#pragma once

#include <vector>

#include "core/expression/graph.hpp"

namespace fastsfes::fit {

/// A maximal set of parameters in which the expression is jointly linear (affine): flags in the order of
/// graph.parameters(). `root` must have been expanded (expand_defined); `allowed` excludes parameters from the start.
///
/// Two parameters interact when the second derivative with respect to both can be non-zero by the structure of the
/// graph; the set holds no parameter that interacts with itself or with another of the set. It is chosen greedily, the
/// parameter with the fewest interactions first, ties in the order of the parameters.
std::vector<char> linear_parameters(const Graph& graph, NodeId root, const std::vector<char>& allowed);

/// Parameters that stand directly as an argument of a defined operator (u, pbe_x, ...): all of these are positive
/// scales, for which steps in the logarithm are natural. `root` is the expression as written.
std::vector<char> block_parameters(const Graph& graph, NodeId root);

}  // namespace fastsfes::fit

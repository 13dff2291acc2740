#pragma once

#include <vector>

#include "core/expression/graph.hpp"

namespace fastsfes {

/// Rewrites what the roots need with fewer divisions and roots, which cost several times a multiplication:
/// constants leave roots and denominators, denominators that occur more than once are inverted once, and reciprocals
/// of products and of x beside cbrt(x) are made of the reciprocals of their factors. Selections of terms that vanish
/// together become one.
///
/// Results change by a few units in the last place. A reciprocal overflows where its argument is denormal, so that
/// a/b with |b| < 2^-1022 may become infinite.
[[nodiscard]] std::vector<NodeId> reduce_divisions(Graph& graph, std::vector<NodeId> roots);

}  // namespace fastsfes

#pragma once

#include <compare>
#include <cstddef>
#include <vector>

#include "core/expression/graph.hpp"

namespace fastsfes::normal {

/// How often each node counts in the size of a formula, by id: every distinct one once, but whole numbers that only
/// multiply and numbers that are only exponents not at all: w + w and 2*w, w*w and w**2 are one operation each. Fused
/// products and sums are two operations.
[[nodiscard]] std::vector<int> counted(const Graph& graph, NodeId root);

/// How long a formula is: fewer nodes are shorter; of equal numbers, what is shorter when shared parts are written out.
struct Size {
  std::size_t nodes = 0;
  double written = 0.0;
  auto operator<=>(const Size&) const = default;
};

[[nodiscard]] Size size(const Graph& graph, NodeId root);

}  // namespace fastsfes::normal

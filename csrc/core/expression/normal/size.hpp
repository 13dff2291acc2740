#pragma once

#include <cstddef>
#include <vector>

#include "core/expression/graph.hpp"

namespace fastsfes::normal {

/// How often each node counts in the size of a formula, by id: every distinct one once, but whole numbers that are only
/// added or multiplied and numbers that are only exponents not at all: w + w and 2*w, w*w and w**2 are one operation
/// each, c0 + c0*w and c0*(1 + w) two. Fused products and sums are two operations.
[[nodiscard]] std::vector<int> counted(const Graph& graph, NodeId root);

/// How large a formula is.
struct Size {
  std::size_t nodes = 0;  ///< that count
  /// What a reader goes through: operations, letters, numbers and parentheses as they are printed, shared parts as
  /// often as they occur or, where that is shorter, once with a name.
  double reading = 0.0;
};

[[nodiscard]] Size size(const Graph& graph, NodeId root);

/// What the best way to write a formula is.
enum class Prefer {
  Reading,  ///< what is easiest to read; of equals the one with fewer nodes
  Nodes,    ///< what has the fewest nodes; of equals the one that is easier to read
};

/// Whether one is better than the other.
bool better(const Size& a, const Size& b, Prefer prefer);

}  // namespace fastsfes::normal

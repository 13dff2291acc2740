#pragma once

#include <optional>
#include <unordered_map>

#include "core/expression/expression.hpp"
#include "core/expression/normal/writer.hpp"

namespace fastsfes::normal {

/// Finds the shortest of a few ways to write a formula, with the same parameters and, up to rounding, the same values
/// wherever it is defined.
///
/// Every node is seen as a sum of products of atoms, in three ways: with sums inside products kept as they are, sums
/// that are used more than once kept everywhere, and all multiplied out. Like terms are collected, equal factors become
/// powers, numbers are folded. Each is written with common factors taken out in several orders; then sums that were
/// kept are multiplied out one at a time while that helps.
class Shortener {
 public:
  /// Which sums a sum of products is made of stay as they are.
  enum class View { Factors, Shared, None };

  /// New nodes are added to the graph.
  explicit Shortener(Graph& graph);

  /// The node's value as a sum of products; multiplied out only as long as it has few terms.
  const Sum& sum(NodeId id, View view);
  /// The shortest node found with the value of this one.
  NodeId best(NodeId id);
  /// The shortest node found for a sum.
  NodeId written(const Sum& sum);

  [[nodiscard]] const Order& order() const { return order_; }
  Graph& graph() { return g_; }

 private:
  Sum made(NodeId id, View view);
  Sum multiplied(const Sum& a, const Sum& b, View view);
  Sum raised(NodeId id, View view);
  /// Without squares of square roots and cubes of cube roots.
  Sum rootless(Sum sum);
  Sum function(NodeId id);
  /// A sum as one term: its only term, or itself as an atom, with the sign that makes its first term positive.
  Term atomised(Sum sum);
  NodeId write(Sum sum, Strategy strategy);
  /// The sum with one of its kept sums multiplied out.
  std::optional<Sum> opened(const Sum& sum, NodeId atom);

  Graph& g_;
  Order order_;
  std::array<std::unordered_map<NodeId, Sum>, 3> sums_;
  std::vector<char> shared_;  ///< sums of the given graph with more than one user
  std::vector<std::pair<Sum, NodeId>> written_;
  std::unordered_map<NodeId, NodeId> best_;
};

/// The shortest form found, parameters under the same names; never longer than the expression.
[[nodiscard]] Expression shortest(const Expression& expression);

/// Products and whole powers of sums multiplied out and like terms collected, as long as the terms are few.
[[nodiscard]] Expression multiplied_out(const Expression& expression);

/// The expression in a graph of its own, its nodes in the order in which the text is read.
[[nodiscard]] Expression in_reading_order(const Graph& graph, NodeId root);

}  // namespace fastsfes::normal

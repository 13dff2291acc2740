#pragma once

#include <array>
#include <deque>
#include <optional>
#include <unordered_map>

#include "core/expression/expression.hpp"
#include "core/expression/normal/size.hpp"
#include "core/expression/normal/writer.hpp"

namespace fastsfes::normal {

/// Finds the best of a few ways to write a formula, with the same parameters and, up to rounding, the same values
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
  Shortener(Graph& graph, Prefer prefer);

  /// The node's value as a sum of products; multiplied out only as long as it has few terms.
  const Sum& sum(NodeId id, View view);
  /// The best node found with the value of this one.
  NodeId best(NodeId id);
  /// The node that is easiest to read, of those found with the value of this one and at most so many nodes, parts of it
  /// written as they are best; nothing when there is none.
  std::optional<NodeId> within(NodeId id, std::size_t nodes);
  /// The best node found for a sum.
  NodeId written(const Sum& sum);

  [[nodiscard]] const Order& order() const { return order_; }
  Graph& graph() { return g_; }

 private:
  Sum made(NodeId id, View view);
  const Sum& keep(NodeId id, View view, Sum found);
  [[nodiscard]] bool is_function(NodeId id) const;
  Sum multiplied(const Sum& a, const Sum& b, View view);
  Sum raised(NodeId id, View view);
  /// Without squares of square roots and cubes of cube roots.
  Sum rootless(Sum sum);
  Sum function(NodeId id);
  /// A sum as one term: its only term, or itself as an atom, with the sign that makes its first term positive.
  Term atomised(const Sum& sum);
  NodeId write(Sum sum, Strategy strategy);
  Size measured(NodeId id);
  /// The sum with one of its kept sums multiplied out.
  std::optional<Sum> opened(const Sum& sum, NodeId atom);

  Graph& g_;
  Prefer prefer_;
  Order order_;
  std::deque<Sum> kept_;
  std::array<std::vector<const Sum*>, 3> sums_;  ///< by view and node
  std::vector<char> shared_;                     ///< sums of the given graph with more than one user
  std::vector<std::pair<Sum, NodeId>> written_;
  std::unordered_map<NodeId, NodeId> best_;
  std::vector<Size> sizes_;  ///< by node; of no nodes where not known
};

/// The form that is easiest to read, of those found with at most so many nodes; the expression where there is none.
/// Parameters keep their names.
[[nodiscard]] Expression readable(const Expression& expression, std::size_t nodes);

/// Products and whole powers of sums multiplied out and like terms collected, as long as the terms are few.
[[nodiscard]] Expression multiplied_out(const Expression& expression);

/// The expression in a graph of its own, its nodes in the order in which the text is read.
[[nodiscard]] Expression in_reading_order(const Graph& graph, NodeId root);

}  // namespace fastsfes::normal

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/expression/operators.hpp"

namespace fastsfes {

using NodeId = std::uint32_t;

/// One node of an expression: an operator with its arguments, or a leaf.
struct Node {
  Op op = Op::Constant;
  std::array<NodeId, kMaxArity>
      args{};          ///< arguments; args[0] of a Parameter or Feature is its index in the name table
  double value = 0.0;  ///< of a Constant

  bool operator==(const Node& other) const noexcept;
};

/// A directed acyclic graph of nodes, hash-consed: equal subexpressions are one node. Arguments always come before the
/// node that uses them, so the order of the ids is an order of evaluation.
class Graph {
 public:
  NodeId constant(double value);
  NodeId parameter(std::string_view name);
  NodeId feature(std::string_view name);

  /// The node as it stands, nothing simplified.
  NodeId node(Op op, const std::array<NodeId, kMaxArity>& args);
  NodeId node(Op op, NodeId a, NodeId b = 0, NodeId c = 0) { return node(op, {a, b, c, 0, 0}); }

  /// The node after local simplification: constants folded, neutral elements dropped, sums and products ordered.
  /// Values agree with node() up to rounding wherever the arguments are finite.
  NodeId simplified(Op op, const std::array<NodeId, kMaxArity>& args);
  /// From now on simplified() takes every value for finite and different from zero: x - x is 0 and x / x is 1.
  void assume_regular() noexcept { regular_ = true; }
  NodeId simplified(Op op, NodeId a, NodeId b = 0, NodeId c = 0) { return simplified(op, {a, b, c, 0, 0}); }

  const Node& operator[](NodeId id) const noexcept { return nodes_[id]; }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  [[nodiscard]] int arity(NodeId id) const noexcept { return op_info(nodes_[id].op).arity; }

  [[nodiscard]] bool is_constant(NodeId id) const noexcept { return nodes_[id].op == Op::Constant; }
  [[nodiscard]] bool is_constant(NodeId id, double value) const noexcept {
    return is_constant(id) && nodes_[id].value == value;
  }

  [[nodiscard]] const std::vector<std::string>& parameters() const noexcept { return parameters_; }
  [[nodiscard]] const std::vector<std::string>& features() const noexcept { return features_; }
  [[nodiscard]] const std::string& name(NodeId id) const;

  /// Copies what `root` of `other` needs into this graph. Leaves whose name stands in `replace` become that node;
  /// with `simplify` every node goes through simplified().
  NodeId import(const Graph& other, NodeId root, const std::unordered_map<std::string, NodeId>& replace = {},
                bool simplify = false);

  /// True for every id from which one of `roots` is computed.
  [[nodiscard]] std::vector<char> reachable(const std::vector<NodeId>& roots) const;

 private:
  NodeId intern(const Node& node);
  NodeId leaf(Op op, std::vector<std::string>& names, std::string_view name);

  void rehash(std::size_t slots);

  std::vector<Node> nodes_;
  /// Open addressing: the number of a node plus 1, or 0; a power of two of them, at most half taken. Formulas are made
  /// by the million, so that an allocation per node would cost more than all else.
  std::vector<NodeId> slots_;
  std::vector<std::string> parameters_, features_;
  bool regular_ = false;
};

/// What a primitive computes, for one set of numbers (constant folding and the scalar part of programs use it too, so
/// that a folded constant has the bits the kernel would have produced).
[[nodiscard]] double evaluate_primitive(Op op, double a, double b, double c) noexcept;

/// Replaces the defined operators that `root` needs by their formulas.
[[nodiscard]] NodeId expand_defined(Graph& graph, NodeId root);

/// d root / d leaf, for a Parameter or Feature node; defined operators are expanded first.
[[nodiscard]] NodeId differentiate(Graph& graph, NodeId root, NodeId leaf);
/// The derivatives of several roots with respect to one leaf, shared parts differentiated once.
[[nodiscard]] std::vector<NodeId> differentiate(Graph& graph, std::vector<NodeId> roots, NodeId leaf);
/// The derivatives of one root with respect to several leaves, by one backward sweep.
[[nodiscard]] std::vector<NodeId> gradient(Graph& graph, NodeId root, const std::vector<NodeId>& leaves);

}  // namespace fastsfes

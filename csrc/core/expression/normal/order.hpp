#pragma once

#include "core/expression/normal/sum.hpp"

namespace fastsfes::normal {

/// An order of nodes and terms that depends on what they are, not on how they came about: equal formulas are written
/// alike. Parameters count as alike until nothing else decides; then as they stand in the graph's table of names.
class Order {
 public:
  explicit Order(const Graph& graph) : g_(graph) {}

  /// Negative, zero or positive. Numbers, parameters, features and functions by name, sums.
  [[nodiscard]] int compare(NodeId a, NodeId b) const;
  /// The factors of a term as they are written: parameters, features and functions, sums.
  [[nodiscard]] Factors written(const Term& term) const;
  /// Lower degrees first, where a kept sum with a constant counts as half a feature, then by the factors as they are
  /// written, without regard to coefficients.
  void sort(Sum& sum) const;

  [[nodiscard]] bool is_parameter(NodeId id) const { return g_[id].op == Op::Parameter; }
  [[nodiscard]] bool is_sum(NodeId id) const { return g_[id].op == Op::Add || g_[id].op == Op::Sub; }

 private:
  struct Key {
    double degree = 0.0;
    Factors factors;
  };
  [[nodiscard]] int shape(NodeId a, NodeId b, bool names) const;
  [[nodiscard]] int kind(NodeId id) const;
  [[nodiscard]] bool holds_constant(NodeId id) const;
  [[nodiscard]] int keys(const Key& a, const Key& b, bool names) const;
  const Graph& g_;
  mutable std::vector<char> holds_;  ///< by id: 0 not yet known, else 1 plus whether there is one
};

}  // namespace fastsfes::normal

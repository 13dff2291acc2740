#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/expression/graph.hpp"

namespace fastsfes {

/// An immutable expression: a graph that nobody changes any more, and the node that is its value.
class Expression {
 public:
  [[nodiscard]] static Expression parse(std::string_view text);
  [[nodiscard]] static Expression constant(double value);
  [[nodiscard]] static Expression apply(Op op, const std::vector<Expression>& args);

  Expression(const std::shared_ptr<const Graph>& graph, NodeId root);

  [[nodiscard]] const Graph& graph() const noexcept { return *graph_; }
  [[nodiscard]] NodeId root() const noexcept { return root_; }

  [[nodiscard]] std::string str() const;
  /// As people read it, see print_named.
  [[nodiscard]] std::string named() const;
  [[nodiscard]] std::string latex() const;
  /// Names that occur, in order of evaluation.
  [[nodiscard]] std::vector<std::string> features() const;
  [[nodiscard]] std::vector<std::string> parameters() const;
  /// Number of distinct nodes: operators, features, parameters and numbers; see normal::counted.
  [[nodiscard]] std::size_t complexity() const;

  /// Derivative with respect to a feature or parameter; zero when it does not occur.
  [[nodiscard]] Expression derivative(std::string_view name) const;
  /// Features and parameters replaced by expressions, all at once.
  [[nodiscard]] Expression substitute(const std::unordered_map<std::string, Expression>& replacements) const;
  /// Constants folded, neutral elements dropped, common subexpressions shared.
  [[nodiscard]] Expression fold(bool regular = false) const;
  /// Defined operators (u, pbe_x, pw92, ...) replaced by their formulas.
  [[nodiscard]] Expression define() const;

  bool operator==(const Expression& other) const;

 private:
  [[nodiscard]] std::vector<std::string> names(Op kind) const;
  std::shared_ptr<const Graph> graph_;
  NodeId root_ = 0;
};

}  // namespace fastsfes

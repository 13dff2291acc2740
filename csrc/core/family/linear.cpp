#include "core/family/linear.hpp"

#include <tuple>

namespace fastsfes::family {
namespace {

using Names = std::set<std::string>;

void join(Names& into, const Names& from) { into.insert(from.begin(), from.end()); }

/// Linear parameters of every node, and where that choice fails: parameters that cannot all be linear.
class Walk {
 public:
  Walk(const Graph& graph, const Names& excluded, Names& factors)
      : graph_(graph), excluded_(excluded), factors_(factors) {
    linear_.resize(graph.size());
  }

  /// The parameters to leave out next; empty when the choice holds.
  const Names& clash() {
    for (NodeId id = 0; id < graph_.size() && clash_.empty(); ++id) visit(id);
    return clash_;
  }

 private:
  void visit(NodeId id) {
    const Node& n = graph_[id];
    Names& own = linear_[id];
    const auto arity = static_cast<std::size_t>(graph_.arity(id));
    const auto inner = [&](std::size_t k) -> const Names& { return linear_[n.args[k]]; };
    switch (n.op) {
      case Op::Parameter:
        if (!excluded_.contains(graph_.name(id))) own.insert(graph_.name(id));
        return;
      case Op::Mul:
      case Op::Fma:
      case Op::Fms:
      case Op::Fnma:
        if (!inner(0).empty() && !inner(1).empty()) {
          clash_ = std::tuple(inner(0).size(), inner(0)) <= std::tuple(inner(1).size(), inner(1)) ? inner(0) : inner(1);
          join(factors_, clash_);
          return;
        }
        break;
      case Op::Add:
      case Op::Sub:
      case Op::Neg:
        break;
      case Op::Div:
        if (inner(1).empty()) break;
        [[fallthrough]];
      default:
        for (std::size_t k = arity; k-- > 0;) {
          if (inner(k).empty()) continue;
          clash_ = inner(k);
          return;
        }
        return;
    }
    for (std::size_t k = 0; k < arity; ++k) join(own, inner(k));
  }

  const Graph& graph_;
  const Names& excluded_;
  Names& factors_;
  std::vector<Names> linear_;
  Names clash_;
};

}  // namespace

Split split(const Expression& expression) {
  Split found;
  Names excluded;
  for (;;) {
    Walk walk(expression.graph(), excluded, found.factors);
    const Names clash = walk.clash();
    if (clash.empty()) break;
    join(excluded, clash);
  }
  for (std::string& name : expression.parameters()) {
    if (!excluded.contains(name)) found.linear.push_back(std::move(name));
  }
  return found;
}

}  // namespace fastsfes::family

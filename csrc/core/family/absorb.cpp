#include "core/family/absorb.hpp"

#include <optional>

namespace fastsfes::family {
namespace {

enum class Group { None, Product, Sum };

struct Leaf {
  NodeId node;
  bool inverse;  ///< divides (in a product) or is subtracted (in a sum)
};

class Absorber {
 public:
  explicit Absorber(const Graph& graph) : graph_(graph), users_(graph.size(), 0), user_(graph.size(), 0) {
    for (NodeId id = 0; id < graph.size(); ++id) {
      for (int k = 0; k < graph.arity(id); ++k) {
        const NodeId a = argument(id, k);
        ++users_[a];
        user_[a] = id;
      }
    }
    made_.resize(graph.size());
    free_.assign(graph.size(), 0);
    for (NodeId id = 0; id < graph.size(); ++id) {
      if (graph.arity(id) == 0) {
        made_[id] = leaf(id);
        free_[id] = graph[id].op == Op::Parameter;
      } else if (inside(id) || !shorten(id)) {
        std::vector<Expression> args;
        for (int k = 0; k < graph.arity(id); ++k) args.push_back(*made_[argument(id, k)]);
        made_[id] = Expression::apply(graph[id].op, args);
      }
    }
  }

  Expression result() const { return *made_.back(); }

 private:
  NodeId argument(NodeId id, int k) const { return graph_[id].args[static_cast<std::size_t>(k)]; }

  Expression leaf(NodeId id) const {
    auto own = std::make_shared<Graph>();
    const NodeId root = own->import(graph_, id);
    return {std::move(own), root};
  }

  Group group(NodeId id) const {
    switch (graph_[id].op) {
      case Op::Mul:
      case Op::Div:
      case Op::Neg:
        return Group::Product;
      case Op::Add:
      case Op::Sub:
        return Group::Sum;
      default:
        return Group::None;
    }
  }

  /// Whether a node is a part of the product or sum of its only user.
  bool inside(NodeId id) const { return group(id) != Group::None && users_[id] == 1 && group(user_[id]) == group(id); }

  /// Factors or terms of the tree at a node; `negative` turns with every minus sign of the product.
  void collect(NodeId id, bool turned, std::vector<Leaf>& found, bool& negative) const {
    const Op op = graph_[id].op;
    if (op == Op::Neg) negative = !negative;
    for (int k = 0; k < graph_.arity(id); ++k) {
      const NodeId a = argument(id, k);
      const bool inverse = turned != ((op == Op::Div || op == Op::Sub) && k == 1);
      if (inside(a)) {
        collect(a, inverse, found, negative);
      } else {
        found.push_back({a, inverse});
      }
    }
  }

  /// Whether a node is a parameter that occurs nowhere else.
  bool alone(NodeId id) const { return free_[id] && users_[id] == 1; }

  /// Writes a product or sum without what one of its parameters absorbs; false when there is nothing.
  bool shorten(NodeId id) {
    const Group kind = group(id);
    if (kind == Group::None) return false;
    const bool sum = kind == Group::Sum;
    std::vector<Leaf> leaves, kept;
    bool negative = false;
    collect(id, false, leaves, negative);
    std::optional<std::size_t> host;
    for (std::size_t k = 0; k < leaves.size() && !host; ++k) {
      if (alone(leaves[k].node) && !(sum && leaves[k].inverse)) host = k;
    }
    if (!host) return false;
    for (std::size_t k = 0; k < leaves.size(); ++k) {
      const NodeId node = leaves[k].node;
      const bool number = graph_.is_constant(node);
      const double value = number ? graph_[node].value : 1.0;
      if (k == *host || !(number || alone(node)) || (!sum && value == 0.0)) {
        kept.push_back(leaves[k]);
      } else if (!sum && value < 0.0) {
        negative = !negative;
      }
    }
    if (kept.size() == leaves.size()) return false;
    Expression total = Expression::constant(sum ? 0.0 : 1.0);
    bool started = false;
    for (const Leaf& part : kept) {
      if (part.inverse) continue;
      total = started ? Expression::apply(sum ? Op::Add : Op::Mul, {total, *made_[part.node]}) : *made_[part.node];
      started = true;
    }
    for (const Leaf& part : kept) {
      if (part.inverse) total = Expression::apply(sum ? Op::Sub : Op::Div, {total, *made_[part.node]});
    }
    made_[id] = negative ? Expression::apply(Op::Neg, {total}) : total;
    free_[id] = kept.size() == 1 && !negative && !kept[0].inverse;
    return true;
  }

  const Graph& graph_;
  std::vector<int> users_;
  std::vector<NodeId> user_;
  std::vector<std::optional<Expression>> made_;
  std::vector<char> free_;  ///< whether a node has become a parameter that occurs in it alone
};

}  // namespace

Expression absorb(const Expression& expression) { return Absorber(expression.graph()).result(); }

}  // namespace fastsfes::family

#include "core/family/absorb.hpp"

#include <algorithm>
#include <array>
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
        made_[id] = out_->import(graph, id);
        free_[id] = graph[id].op == Op::Parameter;
      } else if (inside(id) || !shorten(id)) {
        std::array<NodeId, kMaxArity> args{};
        for (int k = 0; k < graph.arity(id); ++k) args[static_cast<std::size_t>(k)] = made_[argument(id, k)];
        made_[id] = out_->node(graph[id].op, args);
      }
    }
  }

  Reparametrised result() const { return {Expression(out_, made_.back()), meaning_}; }

 private:
  NodeId argument(NodeId id, int k) const { return graph_[id].args[static_cast<std::size_t>(k)]; }

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
    double power = 1.0;
    if (!host && !sum) {  // 16*c**4 is (2*c)**4
      for (std::size_t k = 0; k < leaves.size() && !host; ++k) {
        const Node& n = graph_[leaves[k].node];
        if (n.op != Op::Pow || users_[leaves[k].node] != 1 || !graph_.is_constant(n.args[1])) continue;
        power = graph_[n.args[1]].value;
        if (power != 0.0 && free_[n.args[0]] && users_[n.args[0]] == 1) host = k;
      }
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
    mean(leaves, kept, leaves[*host], sum, power);
    std::optional<NodeId> total;
    for (const Leaf& part : kept) {
      if (part.inverse) continue;
      total = total ? out_->node(sum ? Op::Add : Op::Mul, *total, made_[part.node]) : made_[part.node];
    }
    if (!total) total = out_->constant(sum ? 0.0 : 1.0);
    for (const Leaf& part : kept) {
      if (part.inverse) total = out_->node(sum ? Op::Sub : Op::Div, *total, made_[part.node]);
    }
    made_[id] = negative ? out_->node(Op::Neg, *total) : *total;
    free_[id] = kept.size() == 1 && power == 1.0 && !negative && !kept[0].inverse;
    return true;
  }

  /// The name of a node that has become a parameter.
  const std::string& name(NodeId node) const { return out_->name(made_[node]); }

  /// What a number or a parameter stands for in the parameters of before.
  Expression meaning(NodeId node) const {
    if (graph_.is_constant(node)) return Expression::constant(graph_[node].value);
    const auto it = meaning_.find(name(node));
    return it == meaning_.end() ? Expression(out_, made_[node]) : it->second;
  }

  /// The host takes over what its product or sum loses.
  void mean(const std::vector<Leaf>& leaves, const std::vector<Leaf>& kept, const Leaf& host, bool sum, double power) {
    const NodeId parameter = graph_[host.node].op == Op::Pow ? graph_[host.node].args[0] : host.node;
    Expression total = meaning(parameter);
    for (const Leaf& leaf : leaves) {
      const auto same = [&](const Leaf& other) { return other.node == leaf.node && other.inverse == leaf.inverse; };
      if (std::any_of(kept.begin(), kept.end(), same)) continue;
      Expression part = meaning(leaf.node);
      if (!sum && graph_.is_constant(leaf.node)) part = Expression::apply(Op::Abs, {part});
      if (power != 1.0) part = Expression::apply(Op::Pow, {part, Expression::constant(1.0 / power)});
      const Op op = leaf.inverse == host.inverse ? (sum ? Op::Add : Op::Mul) : (sum ? Op::Sub : Op::Div);
      total = Expression::apply(op, {total, part});
    }
    meaning_.insert_or_assign(name(parameter), total);
  }

  const Graph& graph_;
  std::vector<int> users_;
  std::vector<NodeId> user_;
  std::shared_ptr<Graph> out_ = std::make_shared<Graph>();
  std::vector<NodeId> made_;  ///< by node of the given graph, in the new one
  std::map<std::string, Expression> meaning_;
  std::vector<char> free_;  ///< whether a node has become a parameter that occurs in it alone
};

}  // namespace

Reparametrised absorb(const Expression& expression) { return Absorber(expression.graph()).result(); }

}  // namespace fastsfes::family

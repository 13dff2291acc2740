#include "core/program/divisions.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

namespace fastsfes {
namespace {

class Rewriter {
 public:
  explicit Rewriter(Graph& graph) : g_(graph) {}

  std::vector<NodeId> run(std::vector<NodeId> roots) {
    roots = rebuild(std::move(roots), [this](Op op, const Args& a) { return local(op, a); });
    find_shared_factors(roots);
    roots = rebuild(std::move(roots), [this](Op op, const Args& a) { return local(op, a); }, true);
    return roots;
  }

 private:
  using Args = std::array<NodeId, kMaxArity>;
  using Factors = std::map<NodeId, int>;

  template <class F>
  std::vector<NodeId> rebuild(std::vector<NodeId> roots, const F& make, bool share = false) {
    const std::vector<char> needed = g_.reachable(roots);
    std::vector<NodeId> map(needed.size(), 0);
    new_of_ = &map;
    for (NodeId id = 0; id < needed.size(); ++id) {
      if (!needed[id]) continue;
      const Node n = g_[id];
      if (op_info(n.op).kind == OpKind::Leaf) {
        map[id] = id;
        continue;
      }
      if (share && n.op == Op::Div) {
        const auto it = plan_.find(n.args[1]);
        if (it != plan_.end()) {
          map[id] = g_.simplified(Op::Mul, map[n.args[0]], reciprocal(n.args[1], it->second));
          continue;
        }
      }
      if (share && n.op == Op::Cbrt) {
        if (const auto made = root_of_product(n.args[0])) {
          map[id] = *made;
          continue;
        }
      }
      Args args{};
      for (int i = 0; i < g_.arity(id); ++i)
        args[static_cast<std::size_t>(i)] = map[n.args[static_cast<std::size_t>(i)]];
      map[id] = make(n.op, args);
    }
    for (NodeId& root : roots) root = map[root];
    return roots;
  }

  /// The constant factor of a product and the rest of it.
  bool split_constant(NodeId id, NodeId& constant, NodeId& rest) const {
    if (g_[id].op != Op::Mul) return false;
    const NodeId a = g_[id].args[0], b = g_[id].args[1];
    if (g_.is_constant(a) == g_.is_constant(b)) return false;
    constant = g_.is_constant(a) ? a : b;
    rest = g_.is_constant(a) ? b : a;
    return true;
  }

  bool uniform(NodeId id) {
    const auto known = uniform_.find(id);
    if (known != uniform_.end()) return known->second;
    bool result = g_[id].op != Op::Feature;
    for (int i = 0; result && i < g_.arity(id); ++i) result = uniform(g_[id].args[static_cast<std::size_t>(i)]);
    return uniform_[id] = result;
  }

  NodeId local(Op op, const Args& args) {
    const NodeId a = args[0], b = args[1];
    NodeId k = 0, x = 0;
    switch (op) {
      case Op::Cbrt:
      case Op::Sqrt:
        // cbrt(k x) = cbrt(k) cbrt(x): the root of x is then shared with others
        if (split_constant(a, k, x) && (op == Op::Cbrt || g_[k].value > 0.0)) {
          return g_.simplified(Op::Mul, g_.simplified(op, k), local(op, {x, 0, 0, 0, 0}));
        }
        break;
      case Op::Add:
      case Op::Sub:
        // terms that vanish together are added first: one selection, and sums that can be fused
        if (g_[a].op == Op::Select && g_[b].op == Op::Select && g_[a].args[0] == g_[b].args[0] &&
            g_.is_constant(g_[a].args[2], 0.0) && g_.is_constant(g_[b].args[2], 0.0)) {
          const NodeId inner = local(op, {g_[a].args[1], g_[b].args[1], 0, 0, 0});
          return g_.simplified(Op::Select, g_[a].args[0], inner, g_[a].args[2]);
        }
        break;
      case Op::Mul:
        for (const auto& [c, d] : {std::pair{a, b}, std::pair{b, a}}) {
          if (g_.is_constant(c) && g_[d].op == Op::Select && g_.is_constant(g_[d].args[2], 0.0)) {
            const NodeId inner = local(Op::Mul, {c, g_[d].args[1], 0, 0, 0});
            return g_.simplified(Op::Select, g_[d].args[0], inner, g_[d].args[2]);
          }
        }
        for (const auto& [c, d] : {std::pair{a, b}, std::pair{b, a}}) {
          if (g_.is_constant(c) && g_[d].op == Op::Div && g_.is_constant(g_[d].args[0])) {
            return g_.simplified(Op::Div, g_.simplified(Op::Mul, c, g_[d].args[0]), g_[d].args[1]);
          }
        }
        break;
      case Op::Div:
        if (uniform(b) && !uniform(a)) {
          // a denominator that is the same for all points is inverted once
          return g_.simplified(Op::Mul, a, g_.simplified(Op::Div, g_.constant(1.0), b));
        }
        if (g_[b].op == Op::Div && g_.is_constant(g_[b].args[0]) && g_[g_[b].args[0]].value != 0.0) {
          return g_.simplified(Op::Mul, local(Op::Div, {a, g_[b].args[0], 0, 0, 0}), g_[b].args[1]);
        }
        if (split_constant(a, k, x)) return g_.simplified(Op::Mul, k, local(Op::Div, {x, b, 0, 0, 0}));
        if (split_constant(b, k, x)) {
          const NodeId inverse = g_.simplified(Op::Div, g_.constant(1.0), k);
          if (g_.is_constant(a)) return g_.simplified(Op::Div, g_.simplified(Op::Mul, a, inverse), x);
          return g_.simplified(Op::Mul, inverse, local(Op::Div, {a, x, 0, 0, 0}));
        }
        break;
      default:
        break;
    }
    return g_.simplified(op, args);
  }

  /// Multiplicity of the factors that are no products; x counts as cbrt(x)^3 where cbrt(x) is computed anyway.
  /// Quotients count as factors with negative multiplicity when `quotients` says so.
  void factorise(NodeId id, int power, Factors& factors, bool quotients = false) const {
    const Node& n = g_[id];
    if (n.op == Op::Mul || (quotients && n.op == Op::Div)) {
      factorise(n.args[0], power, factors, quotients);
      factorise(n.args[1], n.op == Op::Div ? -power : power, factors, quotients);
      return;
    }
    const auto root = cube_roots_.find(id);
    if (root != cube_roots_.end()) {
      factors[root->second] += 3 * power;
    } else {
      factors[id] += power;
    }
  }

  /// Decides for every denominator whether it becomes a reciprocal, and of what.
  void find_shared_factors(const std::vector<NodeId>& roots) {
    const std::vector<char> needed = g_.reachable(roots);
    std::map<NodeId, int> uses;  // denominator -> number of divisions
    for (NodeId id = 0; id < needed.size(); ++id) {
      if (!needed[id]) continue;
      if (g_[id].op == Op::Cbrt) cube_roots_.emplace(g_[id].args[0], id);
      if (g_[id].op == Op::Div && !uniform(g_[id].args[1])) ++uses[g_[id].args[1]];
    }
    std::map<NodeId, Factors> factors;
    std::map<NodeId, int> occurrences;  // factor -> number of denominators it occurs in
    for (const auto& [d, count] : uses) {
      Factors f;
      factorise(d, 1, f);
      int total = 0;
      for (const auto& [factor, power] : f) total += power;
      if (total > 24) f = {{d, 1}};
      for (const auto& [factor, power] : f) ++occurrences[factor];
      factors.emplace(d, std::move(f));
    }
    for (const auto& [d, count] : uses) {
      const Factors& f = factors[d];
      const bool all_shared = std::all_of(f.begin(), f.end(), [&](const auto& item) {
        return g_.is_constant(item.first) || occurrences[item.first] >= 2;
      });
      if (all_shared) {  // constants invert to constants
        plan_.emplace(d, f);
      } else if (count >= 2) {
        plan_.emplace(d, Factors{{d, 1}});
      }
    }
  }

  /// cbrt(x y / z) as cbrt(x) cbrt(y) / cbrt(z) when all three roots are computed anyway.
  std::optional<NodeId> root_of_product(NodeId argument) {
    if (g_[argument].op != Op::Mul && g_[argument].op != Op::Div) return std::nullopt;
    Factors factors;
    factorise(argument, 1, factors, true);
    NodeId above = g_.constant(1.0), below = above;
    for (const auto& [factor, power] : factors) {
      if (power == 0 || power % 3 != 0 || std::abs(power) > 24 || g_[factor].op != Op::Cbrt) return std::nullopt;
      const NodeId root = local(Op::Cbrt, {(*new_of_)[g_[factor].args[0]], 0, 0, 0, 0});
      for (int k = 0; k < std::abs(power) / 3; ++k) {
        NodeId& side = power > 0 ? above : below;
        side = g_.simplified(Op::Mul, side, root);
      }
    }
    return local(Op::Mul, {above, local(Op::Div, {g_.constant(1.0), below, 0, 0, 0}), 0, 0, 0});
  }

  NodeId reciprocal(NodeId denominator, const Factors& factors) {
    const auto known = reciprocals_.find(denominator);
    if (known != reciprocals_.end()) return known->second;
    NodeId result = g_.constant(1.0);
    for (const auto& [factor, power] : factors) {
      // A cube root may stand behind the division in the order of evaluation, its argument never does.
      const bool root = g_[factor].op == Op::Cbrt;
      const NodeId mapped = root ? local(Op::Cbrt, {(*new_of_)[g_[factor].args[0]], 0, 0, 0, 0}) : (*new_of_)[factor];
      NodeId square = local(Op::Div, {g_.constant(1.0), mapped, 0, 0, 0});
      for (int n = power; n > 0; n /= 2) {
        if (n % 2 == 1) result = g_.simplified(Op::Mul, result, square);
        if (n > 1) square = g_.simplified(Op::Mul, square, square);
      }
    }
    reciprocals_.emplace(denominator, result);
    return result;
  }

  Graph& g_;
  const std::vector<NodeId>* new_of_ = nullptr;
  std::map<NodeId, bool> uniform_;
  std::map<NodeId, NodeId> cube_roots_;  // x -> cbrt(x)
  std::map<NodeId, Factors> plan_;       // denominator -> what its reciprocal is made of
  std::map<NodeId, NodeId> reciprocals_;
};

}  // namespace

std::vector<NodeId> reduce_divisions(Graph& graph, std::vector<NodeId> roots) {
  return Rewriter(graph).run(std::move(roots));
}

}  // namespace fastsfes

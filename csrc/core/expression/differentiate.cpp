// Defined operators and total differentials are formulas of the operator table; both are instantiated here.
#include <algorithm>
#include <memory>
#include <mutex>

#include "core/expression/graph.hpp"
#include "core/expression/parser.hpp"

namespace fastsfes {
namespace {

/// A formula of the table, ready to be instantiated: leaves that stand for arguments carry their slot.
struct Formula {
  std::vector<Node> nodes;
  std::vector<int> slot;  ///< of a leaf: which argument or differential it stands for; -1 otherwise
};

enum class Which { Definition, Differential };

constexpr std::array<std::string_view, 2 * kMaxArity> kSlots{"a", "b", "c", "d", "e", "da", "db", "dc", "dd", "de"};
using Leaves = std::array<NodeId, 2 * kMaxArity>;

Formula make_formula(const char* text) {
  Graph parsed, graph;
  const NodeId root = graph.import(parsed, parse(parsed, text));
  Formula f;
  for (NodeId id = 0; id <= root; ++id) {
    f.nodes.push_back(graph[id]);
    f.slot.push_back(-1);
    if (graph[id].op != Op::Parameter && graph[id].op != Op::Feature) continue;
    for (std::size_t k = 0; k < kSlots.size(); ++k) {
      if (kSlots[k] == graph.name(id)) f.slot.back() = static_cast<int>(k);
    }
  }
  return f;
}

const Formula& formula(Op op, Which which) {
  static std::array<std::array<std::unique_ptr<const Formula>, 2>, kOpCount> cache;
  static std::array<std::array<std::once_flag, 2>, kOpCount> once;
  const auto i = static_cast<std::size_t>(op), j = static_cast<std::size_t>(which);
  std::call_once(once[i][j], [&] {
    const OpInfo& info = op_info(op);
    cache[i][j] =
        std::make_unique<const Formula>(make_formula(which == Which::Definition ? info.definition : info.differential));
  });
  return *cache[i][j];
}

NodeId instantiate(Graph& graph, const Formula& f, const Leaves& leaves) {
  std::array<NodeId, 32> small;
  std::vector<NodeId> large;
  NodeId* map = small.data();
  if (f.nodes.size() > small.size()) {
    large.resize(f.nodes.size());
    map = large.data();
  }
  for (std::size_t id = 0; id < f.nodes.size(); ++id) {
    const Node& n = f.nodes[id];
    if (f.slot[id] >= 0) {
      map[id] = leaves[static_cast<std::size_t>(f.slot[id])];
    } else if (n.op == Op::Constant) {
      map[id] = graph.constant(n.value);
    } else {
      std::array<NodeId, kMaxArity> args{};
      for (int i = 0; i < op_info(n.op).arity; ++i) {
        args[static_cast<std::size_t>(i)] = map[n.args[static_cast<std::size_t>(i)]];
      }
      map[id] = graph.simplified(n.op, args);
    }
  }
  return map[f.nodes.size() - 1];
}

NodeId expand(Graph& graph, Op op, const std::array<NodeId, kMaxArity>& args) {
  Leaves leaves{};
  for (int i = 0; i < op_info(op).arity; ++i) leaves[static_cast<std::size_t>(i)] = args[static_cast<std::size_t>(i)];
  return expand_defined(graph, instantiate(graph, formula(op, Which::Definition), leaves));
}

}  // namespace

NodeId expand_defined(Graph& graph, NodeId root) {
  const std::vector<char> needed = graph.reachable({root});
  std::vector<NodeId> map(root + 1, 0);
  for (NodeId id = 0; id <= root; ++id) {
    if (!needed[id]) continue;
    const Node n = graph[id];  // a copy: the graph grows below
    const OpInfo& info = op_info(n.op);
    if (info.kind == OpKind::Leaf) {
      map[id] = id;
      continue;
    }
    std::array<NodeId, kMaxArity> args{};
    for (int i = 0; i < info.arity; ++i) {
      args[static_cast<std::size_t>(i)] = map[n.args[static_cast<std::size_t>(i)]];
    }
    map[id] = info.kind == OpKind::Defined ? expand(graph, n.op, args) : graph.simplified(n.op, args);
  }
  return map[root];
}

std::vector<NodeId> differentiate(Graph& graph, std::vector<NodeId> roots, NodeId leaf) {
  if (roots.empty()) return roots;
  for (NodeId& root : roots) root = expand_defined(graph, root);
  const std::vector<char> needed = graph.reachable(roots);
  const NodeId zero = graph.constant(0.0), one = graph.constant(1.0);
  const NodeId end = *std::max_element(roots.begin(), roots.end()) + 1;
  std::vector<NodeId> derivative(end, zero);
  for (NodeId id = 0; id < end; ++id) {
    if (!needed[id]) continue;
    if (id == leaf) {
      derivative[id] = one;
      continue;
    }
    const Node n = graph[id];
    const OpInfo& info = op_info(n.op);
    if (info.kind == OpKind::Leaf) continue;
    Leaves leaves{};
    bool depends = false;
    for (int i = 0; i < info.arity; ++i) {
      const auto k = static_cast<std::size_t>(i);
      leaves[k] = n.args[k];
      leaves[kMaxArity + k] = derivative[n.args[k]];
      depends = depends || derivative[n.args[k]] != zero;
    }
    if (depends) derivative[id] = instantiate(graph, formula(n.op, Which::Differential), leaves);
  }
  for (NodeId& root : roots) root = derivative[root];
  return roots;
}

NodeId differentiate(Graph& graph, NodeId root, NodeId leaf) {
  return differentiate(graph, std::vector{root}, leaf)[0];
}

std::vector<NodeId> gradient(Graph& graph, NodeId root, const std::vector<NodeId>& leaves) {
  root = expand_defined(graph, root);
  const NodeId zero = graph.constant(0.0);
  // Only what depends on one of the leaves is visited.
  std::vector<char> depends(root + 1, 0);
  for (const NodeId leaf : leaves) {
    if (leaf <= root) depends[leaf] = 1;
  }
  for (NodeId id = 0; id <= root; ++id) {
    for (int i = 0; i < graph.arity(id); ++i) depends[id] |= depends[graph[id].args[static_cast<std::size_t>(i)]];
  }
  std::vector<NodeId> adjoint(root + 1, zero);
  adjoint[root] = graph.constant(1.0);
  for (NodeId id = root + 1; id-- > 0;) {
    const Node n = graph[id];
    const OpInfo& info = op_info(n.op);
    if (!depends[id] || adjoint[id] == zero || info.kind == OpKind::Leaf) continue;
    for (int i = 0; i < info.arity; ++i) {
      const auto k = static_cast<std::size_t>(i);
      if (!depends[n.args[k]]) continue;
      // A differential is linear in da, db, ...: with the adjoint for one of them it is that argument's share.
      Leaves arguments{};
      for (std::size_t j = 0; j < kMaxArity; ++j) {
        arguments[j] = n.args[j];
        arguments[kMaxArity + j] = j == k ? adjoint[id] : zero;
      }
      const NodeId share = instantiate(graph, formula(n.op, Which::Differential), arguments);
      adjoint[n.args[k]] = graph.simplified(Op::Add, adjoint[n.args[k]], share);
    }
  }
  std::vector<NodeId> out;
  out.reserve(leaves.size());
  for (const NodeId leaf : leaves) out.push_back(leaf <= root ? adjoint[leaf] : zero);
  return out;
}

}  // namespace fastsfes

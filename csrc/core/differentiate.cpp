// Defined operators and total differentials are formulas of the operator table; both are instantiated here.
#include <memory>
#include <mutex>

#include "core/graph.hpp"
#include "core/parser.hpp"

namespace fastsfes {
namespace {

struct Formula {
  Graph graph;
  NodeId root = 0;
};

enum class Which { Definition, Differential };

const Formula& formula(Op op, Which which) {
  static std::array<std::array<std::unique_ptr<const Formula>, 2>, kOpCount> cache;
  static std::array<std::array<std::once_flag, 2>, kOpCount> once;
  const auto i = static_cast<std::size_t>(op), j = static_cast<std::size_t>(which);
  std::call_once(once[i][j], [&] {
    auto made = std::make_unique<Formula>();
    const OpInfo& info = op_info(op);
    made->root = parse(made->graph, which == Which::Definition ? info.definition : info.differential);
    cache[i][j] = std::move(made);
  });
  return *cache[i][j];
}

constexpr std::array<const char*, kMaxArity> kArguments{"a", "b", "c", "d", "e"};
constexpr std::array<const char*, kMaxArity> kDifferentials{"da", "db", "dc", "dd", "de"};

NodeId expand(Graph& graph, Op op, const std::array<NodeId, kMaxArity>& args) {
  const Formula& f = formula(op, Which::Definition);
  std::unordered_map<std::string, NodeId> replace;
  for (int i = 0; i < op_info(op).arity; ++i) {
    replace.emplace(kArguments[static_cast<std::size_t>(i)], args[static_cast<std::size_t>(i)]);
  }
  return expand_defined(graph, graph.import(f.graph, f.root, replace, true));
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

NodeId differentiate(Graph& graph, NodeId root, NodeId leaf) {
  root = expand_defined(graph, root);
  const std::vector<char> needed = graph.reachable({root});
  const NodeId zero = graph.constant(0.0), one = graph.constant(1.0);
  std::vector<NodeId> derivative(root + 1, zero);
  for (NodeId id = 0; id <= root; ++id) {
    if (!needed[id]) continue;
    if (id == leaf) {
      derivative[id] = one;
      continue;
    }
    const Node n = graph[id];
    const OpInfo& info = op_info(n.op);
    if (info.kind == OpKind::Leaf) continue;
    std::unordered_map<std::string, NodeId> replace;
    bool depends = false;
    for (int i = 0; i < info.arity; ++i) {
      const auto k = static_cast<std::size_t>(i);
      replace.emplace(kArguments[k], n.args[k]);
      replace.emplace(kDifferentials[k], derivative[n.args[k]]);
      depends = depends || derivative[n.args[k]] != zero;
    }
    if (!depends) continue;
    const Formula& f = formula(n.op, Which::Differential);
    derivative[id] = graph.import(f.graph, f.root, replace, true);
  }
  return derivative[root];
}

}  // namespace fastsfes

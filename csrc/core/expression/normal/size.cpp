#include "core/expression/normal/size.hpp"

#include <cmath>
#include <utility>

namespace fastsfes::normal {

std::vector<int> counted(const Graph& graph, NodeId root) {
  std::vector<int> count(root + 1, 0);
  count[root] = 1;
  for (NodeId id = root + 1; id-- > 0;) {
    if (!count[id]) continue;
    const Node& n = graph[id];
    for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) {
      const NodeId a = n.args[k];
      const bool joins = n.op == Op::Mul || n.op == Op::Add || n.op == Op::Sub;
      const bool part = graph.is_constant(a) &&
                        ((n.op == Op::Pow && k == 1) || (joins && graph[a].value == std::trunc(graph[a].value)));
      if (!part) count[a] = 1;
    }
    if (n.op == Op::Fma || n.op == Op::Fms || n.op == Op::Fnma) count[id] = 2;
  }
  return count;
}

namespace {

constexpr double kParentheses = 1.5;
constexpr double kCall = 2.0;        ///< of a function of names: in print a symbol of its own, like u
constexpr double kDefinition = 4.0;  ///< of a part with a name: "y = ...; "

bool is_sum(const Graph& graph, NodeId id) { return graph[id].op == Op::Add || graph[id].op == Op::Sub; }

/// What an operation adds to its arguments: itself, and parentheses around sums.
double own_reading(const Graph& graph, NodeId id) {
  const Node& n = graph[id];
  const auto sum = [&](std::size_t k) { return is_sum(graph, n.args[k]) ? kParentheses : 0.0; };
  switch (n.op) {
    case Op::Add:
    case Op::Sub:
      return 1.0 + sum(1);
    case Op::Mul:
    case Op::Div:
    case Op::Pow:
      return 1.0 + sum(0) + sum(1);
    case Op::Neg:
      return 1.0 + sum(0);
    default:
      return 1.0;
  }
}

/// Whether a node is a function of features and parameters themselves.
bool is_symbol(const Graph& graph, NodeId id) {
  const Node& n = graph[id];
  if (op_info(n.op).infix != nullptr) return false;
  for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) {
    if (graph.arity(n.args[k]) > 0) return false;
  }
  return true;
}

double reading(const Graph& graph, NodeId root, const std::vector<int>& count) {
  struct Part {
    double length = 0.0;  ///< written out
    double times = 0.0;   ///< written
    bool named = false;
  };
  std::vector<Part> parts(root + 1);
  const auto arguments = [&](NodeId id, auto&& use) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) use(graph[id].args[k]);
  };
  // numbers that do not count are read all the same, except exponents
  const auto length = [&](NodeId id, auto&& of) {
    if (graph.arity(id) == 0) return 1.0;
    if (is_symbol(graph, id)) return kCall;
    double total = own_reading(graph, id);
    const bool power = graph[id].op == Op::Pow && graph.is_constant(graph[id].args[1]);
    if (power) return total + of(graph[id].args[0]);
    arguments(id, [&](NodeId a) { total += of(a); });
    return total;
  };
  std::vector<NodeId> read;  // numbers that do not count too
  for (NodeId id = 0; id <= root; ++id) {
    if (count[id] || graph.is_constant(id)) read.push_back(id);
  }
  for (const NodeId id : read) parts[id].length = length(id, [&](NodeId a) { return parts[a].length; });
  parts[root].times = 1.0;
  for (auto it = read.rbegin(); it != read.rend(); ++it) {
    const NodeId id = *it;
    Part& p = parts[id];
    if (graph.arity(id) == 0 || is_symbol(graph, id)) continue;
    p.named = id != root && p.times > 1.0 && p.times * p.length > p.length + p.times + kDefinition;
    arguments(id, [&](NodeId a) { parts[a].times += p.named ? 1.0 : p.times; });
  }
  double total = 0.0;
  for (const NodeId id : read) {
    parts[id].length = length(id, [&](NodeId a) { return parts[a].named ? 1.0 : parts[a].length; });
    if (parts[id].named) total += parts[id].length + kDefinition;
  }
  return total + parts[root].length;
}

}  // namespace

Size size(const Graph& graph, NodeId root) {
  const std::vector<int> count = counted(graph, root);
  Size found;
  for (const int c : count) found.nodes += static_cast<std::size_t>(c);
  found.reading = reading(graph, root, count);
  return found;
}

bool better(const Size& a, const Size& b, Prefer prefer) {
  return prefer == Prefer::Reading ? std::pair(a.reading, a.nodes) < std::pair(b.reading, b.nodes)
                                   : std::pair(a.nodes, a.reading) < std::pair(b.nodes, b.reading);
}

}  // namespace fastsfes::normal

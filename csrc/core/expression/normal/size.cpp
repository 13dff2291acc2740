#include "core/expression/normal/size.hpp"

#include <cmath>
#include <utility>

namespace fastsfes::normal {

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

/// What is known of a node of a formula.
struct Part {
  double length = 0.0;  ///< written out
  double times = 0.0;   ///< written
  int count = 0;        ///< see counted()
  bool read = false;    ///< part of the formula
  bool symbol = false;
  bool named = false;
};

/// The nodes of a formula with their counts, by id.
struct Parts {
  Parts(const Graph& graph, NodeId root) : of(root + 1) {
    of[root].count = 1;
    of[root].read = true;
    for (NodeId id = root + 1; id-- > 0;) {
      if (!of[id].read) continue;
      read.push_back(id);
      const Node& n = graph[id];
      const bool joins = n.op == Op::Mul || n.op == Op::Add || n.op == Op::Sub;
      for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) {
        const NodeId a = n.args[k];
        const bool part = graph.is_constant(a) &&
                          ((n.op == Op::Pow && k == 1) || (joins && graph[a].value == std::trunc(graph[a].value)));
        of[a].read = true;
        if (of[id].count && !part) of[a].count = 1;
      }
      if (n.op == Op::Fma || n.op == Op::Fms || n.op == Op::Fnma) of[id].count = 2;
    }
  }

  std::vector<Part> of;
  std::vector<NodeId> read;  ///< the nodes that are parts, users before their arguments
};

double reading(const Graph& graph, NodeId root, Parts& parts) {
  std::vector<Part>& of = parts.of;
  // numbers that do not count are read all the same, except exponents
  const auto length = [&](NodeId id, auto&& read) {
    if (graph.arity(id) == 0) return 1.0;
    if (of[id].symbol) return kCall;
    double total = own_reading(graph, id);
    const Node& n = graph[id];
    if (n.op == Op::Pow && graph.is_constant(n.args[1])) return total + read(n.args[0]);
    for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) total += read(n.args[k]);
    return total;
  };
  for (auto it = parts.read.rbegin(); it != parts.read.rend(); ++it) {
    of[*it].symbol = graph.arity(*it) > 0 && is_symbol(graph, *it);
    of[*it].length = length(*it, [&](NodeId a) { return of[a].length; });
  }
  of[root].times = 1.0;
  bool names = false;
  for (const NodeId id : parts.read) {
    Part& p = of[id];
    if (graph.arity(id) == 0 || p.symbol) continue;
    p.named = id != root && p.times > 1.0 && p.times * p.length > p.length + p.times + kDefinition;
    names = names || p.named;
    for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) {
      of[graph[id].args[k]].times += p.named ? 1.0 : p.times;
    }
  }
  if (!names) return of[root].length;
  double total = 0.0;
  for (auto it = parts.read.rbegin(); it != parts.read.rend(); ++it) {
    of[*it].length = length(*it, [&](NodeId a) { return of[a].named ? 1.0 : of[a].length; });
    if (of[*it].named) total += of[*it].length + kDefinition;
  }
  return total + of[root].length;
}

}  // namespace

std::vector<int> counted(const Graph& graph, NodeId root) {
  const Parts parts(graph, root);
  std::vector<int> count;
  for (const Part& part : parts.of) count.push_back(part.count);
  return count;
}

Size size(const Graph& graph, NodeId root) {
  Parts parts(graph, root);
  Size found;
  for (const NodeId id : parts.read) found.nodes += static_cast<std::size_t>(parts.of[id].count);
  found.reading = reading(graph, root, parts);
  return found;
}

bool better(const Size& a, const Size& b, Prefer prefer) {
  return prefer == Prefer::Reading ? std::pair(a.reading, a.nodes) < std::pair(b.reading, b.nodes)
                                   : std::pair(a.nodes, a.reading) < std::pair(b.nodes, b.reading);
}

}  // namespace fastsfes::normal

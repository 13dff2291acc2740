#include "core/expression/normal/size.hpp"

#include <cmath>

namespace fastsfes::normal {

std::vector<int> counted(const Graph& graph, NodeId root) {
  std::vector<int> count(root + 1, 0);
  count[root] = 1;
  for (NodeId id = root + 1; id-- > 0;) {
    if (!count[id]) continue;
    const Node& n = graph[id];
    for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) {
      const NodeId a = n.args[k];
      const bool part = graph.is_constant(a) && ((n.op == Op::Pow && k == 1) ||
                                                 (n.op == Op::Mul && graph[a].value == std::trunc(graph[a].value)));
      if (!part) count[a] = 1;
    }
    if (n.op == Op::Fma || n.op == Op::Fms || n.op == Op::Fnma) count[id] = 2;
  }
  return count;
}

Size size(const Graph& graph, NodeId root) {
  const std::vector<int> count = counted(graph, root);
  Size found;
  std::vector<double> written(root + 1, 0.0);
  for (NodeId id = 0; id <= root; ++id) {
    found.nodes += static_cast<std::size_t>(count[id]);
    if (!count[id]) continue;
    written[id] = count[id];
    for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k)
      written[id] += written[graph[id].args[k]];
  }
  found.written = written[root];
  return found;
}

}  // namespace fastsfes::normal
